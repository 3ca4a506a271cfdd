//! What waits for a webhook when that changes: it follows what the webhook is by then.
//!
//! What the webhook no longer wants is not sent to it any more, whoever narrowed it: it may have
//! been told too much. What it still wants goes to its new URL, as if it had not been tried: the
//! failures were those of another receiver.

use std::collections::BTreeSet;

use conclave_signalling_core::event::EventKind;

use super::record::WebhookRecord;
use crate::access::record::RoomFilter;

/// What is to be done with the deliveries that are pending. Nothing at all is the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Following<'a> {
    /// Those of other kinds are cancelled.
    pub only_kinds: Option<&'a BTreeSet<EventKind>>,
    /// Those of other rooms, and of none, are cancelled.
    pub only_rooms: Option<&'a RoomFilter>,
    /// Those that are left are due at once, for the first time.
    pub begin_anew: bool,
}

impl WebhookRecord {
    /// Returns what becomes of what waits, after a change of `former`; `None` where nobody can
    /// read what that was.
    pub fn following(&self, former: Option<&WebhookRecord>) -> Following<'_> {
        let wanted_no_more_kinds = former.is_some_and(|former| {
            !former.events.is_empty() && former.events.is_subset(&self.events)
        });
        let wanted_no_more_rooms = |filter: &RoomFilter| {
            let former = former.and_then(|former| former.rooms.as_ref());
            former.is_some_and(|former| {
                former.rooms.is_subset(&filter.rooms) && former.tags.is_subset(&filter.tags)
            })
        };
        Following {
            only_kinds: Some(&self.events)
                .filter(|events| !events.is_empty() && !wanted_no_more_kinds),
            only_rooms: self
                .rooms
                .as_ref()
                .filter(|filter| !wanted_no_more_rooms(filter)),
            begin_anew: former.is_none_or(|former| former.url != self.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_signalling_core::record::Actor;
    use conclave_signalling_wire::ids::{RoomId, WebhookId};
    use conclave_signalling_wire::time::Timestamp;

    use super::*;
    use crate::webhook::record::SigningSecret;

    #[test]
    fn what_waits_is_looked_at_only_where_a_webhook_may_want_less() {
        let all = webhook(&[], None);
        let joined = webhook(&[EventKind::ParticipantJoined], None);
        let both = webhook(
            &[EventKind::ParticipantJoined, EventKind::ParticipantLeft],
            None,
        );
        assert_eq!(all.following(Some(&joined)), Following::default());
        assert_eq!(both.following(Some(&joined)), Following::default());
        assert_eq!(joined.following(Some(&joined)), Following::default());
        for former in [&all, &both] {
            let following = joined.following(Some(former));
            assert_eq!(following.only_kinds, Some(&joined.events));
            assert_eq!((following.only_rooms, following.begin_anew), (None, false));
        }
        let one = webhook(&[], Some(filter(1, &[])));
        let more = webhook(&[], Some(filter(1, &["school"])));
        let other = webhook(&[], Some(filter(2, &["school"])));
        assert_eq!(all.following(Some(&one)), Following::default());
        assert_eq!(more.following(Some(&one)), Following::default());
        for (former, webhook) in [(&all, &one), (&more, &one), (&more, &other)] {
            let following = webhook.following(Some(former));
            assert_eq!(following.only_rooms, webhook.rooms.as_ref());
            assert_eq!((following.only_kinds, following.begin_anew), (None, false));
        }
    }

    #[test]
    fn another_url_begins_anew() {
        let webhook = webhook(&[], None);
        let elsewhere = WebhookRecord {
            url: "https://other.example/".to_owned(),
            ..webhook.clone()
        };
        assert!(elsewhere.following(Some(&webhook)).begin_anew);
        assert!(webhook.following(None).begin_anew);
    }

    fn filter(room: u64, tags: &[&str]) -> RoomFilter {
        RoomFilter {
            rooms: BTreeSet::from([RoomId::new(room, [0; 10])]),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    fn webhook(events: &[EventKind], rooms: Option<RoomFilter>) -> WebhookRecord {
        WebhookRecord {
            id: WebhookId::new(1, [0; 10]),
            url: "https://hooks.example/".to_owned(),
            description: String::new(),
            events: events.iter().copied().collect(),
            rooms,
            include_pii: false,
            enabled: true,
            secret: SigningSecret([1; 32]),
            former: None,
            created_by: Actor::Operator,
            created_at: Timestamp::from_unix_ms(1),
            rev: 1,
        }
    }
}
