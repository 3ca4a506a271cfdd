use super::*;
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::objects::Presence;
use conclave_signalling_wire::text::DisplayName;
use proptest::prelude::*;

use crate::output::Reply;
use crate::permission::PermissionSet;
use crate::publications::Publications;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_795_341_600_000 + ms)
}

fn device(number: u16) -> DeviceHash {
    let mut hash = [0; 32];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    DeviceHash(hash)
}

fn face(name: &str, role: Role) -> Participant {
    Participant {
        id: ParticipantId::new(1, [0; 10]),
        rev: 1,
        name: DisplayName::new(name).unwrap(),
        role,
        custom_role: None,
        identity: Identity::Guest,
        presence: Presence::Connected,
        joined_at: at(0),
        hand: None,
        sources: Publications::default().sources(PermissionSet::all()),
    }
}

/// A session that began at 0.
fn begun() -> Attendances {
    let mut attendances = Attendances::default();
    attendances.begin(at(0), SessionId::new(1, [0; 10]));
    attendances
}

/// Somebody comes. Returns what is kept of it.
fn came(
    attendances: &mut Attendances,
    ms: u64,
    number: u16,
    face: &Participant,
) -> Option<AttendanceRecord> {
    let comer = Comer {
        device: device(number),
        invite: None,
        face,
    };
    attendances.came(at(ms), comer).cloned()
}

fn list(attendances: &Attendances, ms: u64) -> Attendance {
    attendances.list(at(ms), at(0), &BTreeMap::new(), false)
}

/// Seconds of presence and of talk, and visits, in order.
fn figures(attendances: &Attendances, ms: u64) -> Vec<(u32, u32, u32)> {
    let people = list(attendances, ms).people.into_iter();
    people
        .map(|person| (person.present_s, person.talk_s, person.visits))
        .collect()
}

#[test]
fn the_stays_of_a_device_are_one_person() {
    let mut attendances = begun();
    let (ada, bob) = (face("Ada", Role::Attendee), face("Bob", Role::Attendee));
    came(&mut attendances, 0, 1, &ada);
    came(&mut attendances, 1000, 2, &bob);
    attendances.left(at(5000), &device(1), &ada);
    assert_eq!(list(&attendances, 9000).people[0].left_at, Some(at(5000)));
    assert_eq!(figures(&attendances, 9000), [(5, 0, 1), (8, 0, 1)]);

    // It comes again under another name and role, and is a second page for a while.
    let ada = face("Ada L.", Role::CoHost);
    came(&mut attendances, 10_000, 1, &ada);
    came(&mut attendances, 11_000, 1, &ada);
    attendances.left(at(12_000), &device(1), &ada);
    assert_eq!(figures(&attendances, 15_000), [(10, 0, 2), (14, 0, 1)]);
    let person = list(&attendances, 15_000).people.remove(0);
    assert_eq!(
        (person.name.as_str(), person.role, person.joined_at),
        ("Ada L.", Role::CoHost, at(0))
    );
    assert_eq!(person.left_at, None);
}

#[test]
fn what_is_kept_says_the_same_as_the_list() {
    let mut attendances = begun();
    let ada = face("Ada", Role::Attendee);
    let stay = |from, to: Option<u64>| Stay {
        from: at(from),
        to: to.map(at),
    };
    let kept = came(&mut attendances, 0, 1, &ada).unwrap();
    assert_eq!((kept.visits, kept.stays), (1, vec![stay(0, None)]));
    attendances.speak(at(1000), [device(1)]);
    // A second page is no second stay, and its end is none.
    let kept = came(&mut attendances, 2000, 1, &ada).unwrap();
    assert_eq!((kept.visits, kept.stays.len()), (1, 1));
    assert_eq!(attendances.left(at(2500), &device(1), &ada), None);
    assert_eq!(attendances.became(&device(1), &ada), None);
    let ada = face("Ada L.", Role::CoHost);
    let kept = attendances.became(&device(1), &ada).unwrap();
    assert_eq!((kept.name.as_str(), kept.role), ("Ada L.", Role::CoHost));
    let kept = attendances.left(at(2500), &device(1), &ada).unwrap();
    assert_eq!(
        (kept.talk_ms, &kept.stays),
        (1500, &vec![stay(0, Some(2500))])
    );
    // Who is gone goes once.
    assert_eq!(attendances.left(at(3000), &device(1), &ada), None);
    assert_eq!(attendances.left(at(3000), &device(2), &ada), None);
    let kept = came(&mut attendances, 4000, 1, &ada).unwrap();
    let stays = vec![stay(0, Some(2500)), stay(4000, None)];
    assert_eq!((kept.visits, kept.stays), (2, stays));
    assert_eq!(figures(&attendances, 5500), [(4, 1, 2)]);
}

#[test]
fn stays_beyond_the_most_are_joined_to_the_last() {
    let mut attendances = begun();
    let ada = face("Ada", Role::Attendee);
    let visits = u64::try_from(STAYS_MAX).unwrap() + 3;
    for visit in 0..visits {
        came(&mut attendances, visit * 1000, 1, &ada);
        attendances.left(at(visit * 1000 + 500), &device(1), &ada);
    }
    let kept = came(&mut attendances, visits * 1000, 1, &ada).unwrap();
    assert_eq!(u64::from(kept.visits), visits + 1);
    assert_eq!(kept.stays.len(), STAYS_MAX);
    let (last, before) = kept.stays.split_last().unwrap();
    let from = at((visits - 4) * 1000);
    assert_eq!(*last, Stay { from, to: None });
    assert!(before.iter().all(|stay| stay.to.is_some()));
}

#[test]
fn a_session_counts_its_devices_and_the_most_at_once() {
    let mut attendances = begun();
    let ada = face("Ada", Role::Attendee);
    let count = |attendances: &mut Attendances, present| {
        let kept = attendances.count(present);
        kept.map(|session| (session.peak, session.people))
    };
    came(&mut attendances, 0, 1, &ada);
    assert_eq!(count(&mut attendances, 1), Some((1, 1)));
    came(&mut attendances, 0, 1, &ada);
    assert_eq!(count(&mut attendances, 2), Some((2, 1)));
    attendances.left(at(1000), &device(1), &ada);
    came(&mut attendances, 1000, 2, &ada);
    assert_eq!(count(&mut attendances, 2), Some((2, 2)));
    assert_eq!(count(&mut attendances, 2), None);
    let ended = attendances.end(at(9000), EndReason::TimeUp).unwrap();
    assert_eq!(
        (ended.peak, ended.people, ended.ended),
        (2, 2, Some(EndReason::TimeUp))
    );
    assert_eq!((ended.started_at, ended.ended_at), (at(0), Some(at(9000))));
    // It is over, and nobody is remembered.
    assert_eq!(attendances.end(at(9000), EndReason::TimeUp), None);
    assert!(came(&mut attendances, 9000, 1, &ada).is_none());
    assert!(list(&attendances, 9000).people.is_empty());
}

#[test]
fn talk_is_counted_between_reports_of_the_media_plane() {
    let mut attendances = begun();
    let face = face("Ada", Role::Attendee);
    for number in [1, 2] {
        came(&mut attendances, 0, number, &face);
    }
    attendances.speak(at(1000), [device(1), device(1)]);
    attendances.speak(at(2000), [device(1), device(2)]);
    attendances.speak(at(3000), [device(2)]);
    attendances.speak(at(3500), []);
    attendances.speak(at(9000), [device(1)]);
    assert_eq!(figures(&attendances, 9000), [(9, 2, 1), (9, 1, 1)]);
    // It still speaks; whoever goes stops.
    assert_eq!(figures(&attendances, 10_000)[0], (10, 3, 1));
    attendances.left(at(10_000), &device(1), &face);
    assert_eq!(figures(&attendances, 11_000)[0], (10, 3, 1));
    attendances.speak(at(11_000), []);
    assert_eq!(figures(&attendances, 11_000)[0], (10, 3, 1));
}

#[test]
fn a_silent_media_plane_lets_nobody_talk_for_long() {
    let mut attendances = begun();
    came(&mut attendances, 0, 1, &face("Ada", Role::Attendee));
    attendances.speak(at(0), [device(1)]);
    assert_eq!(figures(&attendances, 60_000), [(60, 2, 1)]);
    attendances.speak(at(60_000), [device(1)]);
    assert_eq!(figures(&attendances, 61_000), [(61, 3, 1)]);
}

#[test]
fn names_are_those_of_those_who_are_there() {
    let mut attendances = begun();
    came(&mut attendances, 0, 1, &face("Ada", Role::Attendee));
    let now = face("Countess", Role::Presenter);
    let present = BTreeMap::from([(device(1), &now)]);
    let list = attendances.list(at(0), at(0), &present, false);
    assert_eq!(list.people[0].name.as_str(), "Countess");
    assert_eq!(list.people[0].role, Role::Presenter);
}

#[test]
fn a_table_holds_no_formula() {
    let mut attendances = begun();
    came(&mut attendances, 0, 1, &face("=1+1,\"x\"", Role::Attendee));
    attendances.left(at(61_000), &device(1), &face("=1+1,\"x\"", Role::Attendee));
    let list = attendances.list(at(61_000), at(0), &BTreeMap::new(), true);
    assert_eq!(
        list.csv.unwrap(),
        "\"name\",\"role\",\"identity\",\"joined_at\",\"left_at\",\"present_s\",\"talk_s\",\"visits\"\r\n\
         \"'=1+1,\"\"x\"\"\",\"attendee\",\"guest\",\"2026-11-22T10:00:00Z\",\"2026-11-22T10:01:01Z\",\"61\",\"0\",\"1\"\r\n"
    );
}

#[test]
fn of_too_many_only_the_number_is_kept() {
    let mut attendances = begun();
    let face = face("Ada", Role::Attendee);
    for number in 0..2003 {
        came(&mut attendances, 0, number, &face);
    }
    let list = list(&attendances, 0);
    assert_eq!((list.people.len(), list.more), (ATTENDEES, 3));
}

#[test]
fn a_list_fits_into_what_may_wait_for_a_client() {
    let mut attendances = begun();
    let longest = "\u{1F600}".repeat(64);
    for number in 0..2000 {
        came(&mut attendances, 0, number, &face(&longest, Role::Attendee));
    }
    let list = attendances.list(at(86_400_000), at(0), &BTreeMap::new(), true);
    assert_eq!(list.people.len() + list.more as usize, 2000);
    assert!(list.people.len() > 500);
    let bytes = Reply::Attendance(list).frame(1).len();
    assert!(bytes < conclave_signalling_wire::limits::WRITE_QUEUE_BYTES);
}

#[derive(Debug, Clone)]
enum Step {
    Came(u16),
    Left(u16),
    Speak(Vec<u16>),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        (0..4u16).prop_map(Step::Came),
        (0..4u16).prop_map(Step::Left),
        prop::collection::vec(0..4u16, 0..4).prop_map(Step::Speak),
    ];
    (0..3500u64, step)
}

proptest! {
    /// Against a model that looks at every millisecond.
    #[test]
    fn the_figures_agree_with_a_naive_count(steps in prop::collection::vec(step(), 0..25)) {
        let mut attendances = begun();
        let face = face("Ada", Role::Attendee);
        let mut seats = [0u32; 4];
        let mut speaking: BTreeSet<u16> = BTreeSet::new();
        let mut reported = 0;
        let (mut present, mut talk, mut visits) = ([0u64; 4], [0u64; 4], [0u32; 4]);
        let mut order: Vec<u16> = Vec::new();
        let mut now = 0;
        for (wait, step) in steps {
            for ms in now..now + wait {
                for who in 0..4u16 {
                    let place = usize::from(who);
                    present[place] += u64::from(seats[place] > 0);
                    let talks = speaking.contains(&who) && ms - reported < 2000;
                    talk[place] += u64::from(talks);
                }
            }
            now += wait;
            match step {
                Step::Came(who) => {
                    let place = usize::from(who);
                    visits[place] += u32::from(seats[place] == 0);
                    seats[place] += 1;
                    if !order.contains(&who) {
                        order.push(who);
                    }
                    came(&mut attendances, now, who, &face);
                }
                Step::Left(who) if seats[usize::from(who)] > 0 => {
                    let place = usize::from(who);
                    seats[place] -= 1;
                    if seats[place] == 0 {
                        speaking.remove(&who);
                    }
                    attendances.left(at(now), &device(who), &face);
                }
                Step::Left(_) => {}
                Step::Speak(who) => {
                    // Only who is there is heard.
                    speaking = who.into_iter().filter(|who| seats[usize::from(*who)] > 0).collect();
                    reported = now;
                    attendances.speak(at(now), speaking.iter().copied().map(device));
                }
            }
        }
        let s = |ms: u64| u32::try_from(ms / 1000).unwrap();
        let expected: Vec<_> = order
            .iter()
            .map(|who| usize::from(*who))
            .map(|place| (s(present[place]), s(talk[place]), visits[place]))
            .collect();
        prop_assert_eq!(figures(&attendances, now), expected);
    }
}
