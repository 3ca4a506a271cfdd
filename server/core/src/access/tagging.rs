//! What a key with a filter may do to the tags of rooms.
//!
//! A tag decides whose room it is. A key that is for some rooms only must
//! neither take a room of others, nor lose its own, nor put one under eyes for
//! which it is not: it gives and takes the tags of its filter, no others, and
//! leaves a room only where it can still see it.

use conclave_signalling_wire::ids::RoomId;
use thiserror::Error;

use super::record::RoomFilter;

/// Why tags are not set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagFault {
    /// This tag is none of the key's, and would be given or taken.
    #[error("the key may not give or take the tag `{0}`")]
    Foreign(String),
    /// The room would be none of the key's any more.
    #[error("the room must keep a tag of the key")]
    Lost,
    /// A room that is made needs one of these.
    #[error("a room that this key makes must have one of its tags")]
    Untagged,
    /// The key is for single rooms: it makes none.
    #[error("this key is for certain rooms and makes no others")]
    CannotMake,
}

/// Decides on the tags of a room that is made by a key with this filter.
///
/// # Errors
/// A tag of others, none of the own, or a filter that has no tags.
pub fn of_new_room<T: AsRef<str>>(filter: Option<&RoomFilter>, tags: &[T]) -> Result<(), TagFault> {
    let Some(filter) = filter else {
        return Ok(());
    };
    if filter.tags.is_empty() {
        return Err(TagFault::CannotMake);
    }
    let foreign = |tag: &&T| !filter.tags.contains(tag.as_ref());
    match tags.iter().find(foreign) {
        Some(tag) => Err(TagFault::Foreign(tag.as_ref().to_owned())),
        None if tags.is_empty() => Err(TagFault::Untagged),
        None => Ok(()),
    }
}

/// Decides on other tags for a room that a key with this filter reaches.
///
/// # Errors
/// A tag of others that would come or go, or the room would be lost.
pub fn of_room<T: AsRef<str>>(
    filter: Option<&RoomFilter>,
    room: RoomId,
    before: &[T],
    after: &[T],
) -> Result<(), TagFault> {
    let Some(filter) = filter else {
        return Ok(());
    };
    let has = |tags: &[T], tag: &T| tags.iter().any(|other| other.as_ref() == tag.as_ref());
    let came = after.iter().filter(|tag| !has(before, tag));
    let went = before.iter().filter(|tag| !has(after, tag));
    let foreign = |tag: &&T| !filter.tags.contains(tag.as_ref());
    if let Some(tag) = came.chain(went).find(foreign) {
        return Err(TagFault::Foreign(tag.as_ref().to_owned()));
    }
    if filter.holds(room, after) {
        Ok(())
    } else {
        Err(TagFault::Lost)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;

    const TAGS: [&str; 4] = ["hr", "law", "sales", "staff"];

    fn filter(rooms: &[RoomId], tags: &[&str]) -> RoomFilter {
        RoomFilter {
            rooms: rooms.iter().copied().collect(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    #[test]
    fn a_new_room_has_tags_of_its_maker_and_no_others() {
        let sales = filter(&[], &["sales", "law"]);
        let one = filter(&[RoomId::new(1, [0; 10])], &[]);
        for (filter, tags, expected) in [
            (None, &[][..], Ok(())),
            (None, &["hr"], Ok(())),
            (Some(&sales), &["sales"], Ok(())),
            (Some(&sales), &["sales", "law"], Ok(())),
            (Some(&sales), &[], Err(TagFault::Untagged)),
            (
                Some(&sales),
                &["sales", "hr"],
                Err(TagFault::Foreign("hr".to_owned())),
            ),
            (Some(&one), &[], Err(TagFault::CannotMake)),
            (Some(&one), &["sales"], Err(TagFault::CannotMake)),
        ] {
            assert_eq!(of_new_room(filter, tags), expected, "{tags:?}");
        }
    }

    #[test]
    fn a_room_stays_with_its_key_and_with_everybody_else() {
        let room = RoomId::new(1, [0; 10]);
        let sales = filter(&[], &["sales", "law"]);
        let by_id = filter(&[room], &[]);
        for (filter, before, after, expected) in [
            (&sales, &["sales"][..], &["law"][..], Ok(())),
            (&sales, &["sales", "hr"], &["law", "hr"], Ok(())),
            (&sales, &["sales"], &[], Err(TagFault::Lost)),
            (&sales, &["sales", "hr"], &["hr"], Err(TagFault::Lost)),
            (
                &sales,
                &["sales", "hr"],
                &["sales"],
                Err(TagFault::Foreign("hr".to_owned())),
            ),
            (
                &sales,
                &["sales"],
                &["sales", "hr"],
                Err(TagFault::Foreign("hr".to_owned())),
            ),
            (&by_id, &["hr"], &["hr"], Ok(())),
            (
                &by_id,
                &[],
                &["hr"],
                Err(TagFault::Foreign("hr".to_owned())),
            ),
        ] {
            assert_eq!(
                of_room(Some(filter), room, before, after),
                expected,
                "{before:?} {after:?}"
            );
            assert_eq!(of_room(None, room, before, after), Ok(()));
        }
    }

    proptest! {
        /// No change of tags by one key changes which rooms another of tags of its own has.
        #[test]
        fn tags_of_others_never_change(
            own in subsequence(TAGS.to_vec(), 0..=4),
            before in subsequence(TAGS.to_vec(), 0..=4),
            after in subsequence(TAGS.to_vec(), 0..=4),
        ) {
            let room = RoomId::new(1, [0; 10]);
            let own = filter(&[], &own);
            let others: Vec<&str> = TAGS.into_iter().filter(|tag| !own.tags.contains(*tag)).collect();
            let others = filter(&[], &others);
            if own.holds(room, &before) && of_room(Some(&own), room, &before, &after).is_ok() {
                prop_assert!(own.holds(room, &after));
                prop_assert_eq!(others.holds(room, &before), others.holds(room, &after));
            }
            if of_new_room(Some(&own), &after).is_ok() {
                prop_assert!(own.holds(room, &after) && !others.holds(room, &after));
            }
        }
    }
}
