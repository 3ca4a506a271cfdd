use std::collections::BTreeSet;

use conclave_signalling_wire::chat::{ChatFormat, PrivateChat, PublicChat};
use conclave_signalling_wire::limits::{CHAT_EXPORT_BYTES, REACTIONS_BURST};
use conclave_signalling_wire::text::DisplayName;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::clock::epoch;

const DAY_S: u64 = 86_400;
const START: Timestamp = Timestamp::from_unix_ms(1_795_341_600_000);

fn device(number: u8) -> DeviceHash {
    DeviceHash([number; 32])
}

fn participant(number: u8) -> ParticipantId {
    ParticipantId::new(0, [number; 10])
}

fn session(number: u8) -> SessionId {
    SessionId::new(0, [number; 10])
}

fn policy(keep: ChatKeep) -> ChatPolicy {
    ChatPolicy {
        public: PublicChat::All,
        private: PrivateChat::All,
        keep,
        ..ChatPolicy::default()
    }
}

fn after(seconds: u64) -> Timestamp {
    later(START, Duration::from_secs(seconds))
}

fn chat(keep: ChatKeep) -> Chat {
    let (mut chat, gone) = Chat::new(Vec::new(), &policy(keep), START);
    assert_eq!((gone, chat.begin(START)), (None, None));
    chat
}

fn reader(number: u8) -> Reader {
    Reader {
        device: device(number),
        is_host: number == 0,
        reads: true,
    }
}

fn draft(from: u8, to: ChatTarget, id: u32, text: &str) -> Draft {
    let to_device = (0..10).find_map(|number| match to {
        ChatTarget::Participant { participant: one } if one == participant(number) => {
            Some(device(number))
        }
        _ => None,
    });
    let mut random = [0; 10];
    random[..4].copy_from_slice(&id.to_be_bytes());
    Draft {
        id: MessageId::new(0, random),
        client_id: ClientId::new(&format!("c-{id}")).unwrap(),
        from: ChatAuthor {
            participant: participant(from),
            name: DisplayName::new("Ada").unwrap(),
            role: Role::Attendee,
        },
        device: device(from),
        to,
        to_device,
        text: ChatText::new(text).unwrap(),
        reply_to: None,
        mentions: Vec::new(),
    }
}

const ALL: ChatTarget = ChatTarget::All {};
const HOSTS: ChatTarget = ChatTarget::Hosts {};

fn to(number: u8) -> ChatTarget {
    ChatTarget::Participant {
        participant: participant(number),
    }
}

fn say(chat: &mut Chat, from: u8, target: ChatTarget, id: u32, text: &str) -> MessageId {
    chat.write(START, session(1), draft(from, target, id, text))
        .0
        .id
}

fn numbers(chat: &Chat, who: u8, now: Timestamp) -> Vec<u32> {
    let shown = chat.shown(&reader(who), now);
    shown.into_iter().map(Entry::number).collect()
}

fn arrive(chat: &mut Chat, who: u8, history: ChatHistory) {
    chat.note_reader(device(who), history, |_| true);
}

#[test]
fn newcomers_see_as_much_as_the_room_shows_them() {
    let mut chat = chat(ChatKeep::Days);
    say(&mut chat, 1, ALL, 1, "long ago");
    assert_eq!(chat.end(), None);
    chat.begin(START);
    arrive(&mut chat, 1, ChatHistory::None);
    say(&mut chat, 1, ALL, 2, "before");
    for (who, history) in [
        (2, ChatHistory::None),
        (3, ChatHistory::Session),
        (4, ChatHistory::Kept),
    ] {
        arrive(&mut chat, who, history);
    }
    say(&mut chat, 1, ALL, 3, "after");
    let seen = [1, 2, 3, 4, 5].map(|who| numbers(&chat, who, START));
    assert_eq!(seen[0], [2, 3]);
    assert_eq!(seen[1], [3]);
    assert_eq!(seen[2], [2, 3]);
    assert_eq!(seen[3], [1, 2, 3]);
    assert!(seen[4].is_empty(), "it never came in");
    // Coming again, nobody sees less than before, nor what it was never shown.
    arrive(&mut chat, 2, ChatHistory::None);
    arrive(&mut chat, 4, ChatHistory::None);
    assert_eq!(numbers(&chat, 2, START), [3]);
    assert_eq!(numbers(&chat, 4, START), [1, 2, 3]);
}

#[test]
fn what_is_kept_for_days_is_shown_for_so_long() {
    let mut chat = chat(ChatKeep::Days);
    say(&mut chat, 1, ALL, 1, "kept");
    say(&mut chat, 1, to(2), 2, "private");
    chat.end();
    chat.begin(START);
    arrive(&mut chat, 2, ChatHistory::Kept);
    assert_eq!(numbers(&chat, 2, after(30 * DAY_S - 1)), [1]);
    assert!(numbers(&chat, 2, after(30 * DAY_S)).is_empty());
    chat.begin(after(30 * DAY_S));
    assert!(chat.log.is_empty() && chat.bytes == 0);
}

#[test]
fn a_shorter_time_holds_for_what_is_kept() {
    let mut chat = chat(ChatKeep::Days);
    let id = say(&mut chat, 1, ALL, 1, "kept");
    say(&mut chat, 1, to(2), 2, "private");
    let shorter = ChatPolicy {
        keep_days: 7,
        ..policy(ChatKeep::Days)
    };
    let changes = chat.apply(&shorter);
    let [Change::Chat(record)] = &changes[..] else {
        panic!("not kept anew: {changes:?}");
    };
    assert_eq!(
        (record.message.id, record.expires_at),
        (id, after(7 * DAY_S))
    );
    assert_eq!(chat.apply(&shorter), []);
    let gone = Change::ChatGone {
        session: None,
        up_to: 2,
    };
    assert_eq!(chat.apply(&policy(ChatKeep::None)), [gone]);
    assert_eq!(chat.log.len(), 2, "the session goes on");
    assert_eq!(chat.edit(id, ChatText::new("new").unwrap(), START), None);
    assert_eq!(chat.end(), None);
    assert!(chat.log.is_empty());
}

#[test]
fn what_is_kept_until_the_end_goes_on_after_a_crash_for_those_who_wrote() {
    let mut before = chat(ChatKeep::Session);
    let kept: Vec<ChatRecord> = (1..=2)
        .filter_map(|from| {
            before
                .write(START, session(1), draft(from, ALL, from.into(), "x"))
                .1
        })
        .map(|change| match change {
            Change::Chat(record) => *record,
            other => panic!("{other:?}"),
        })
        .collect();
    let again = |later_s: u64| {
        let (mut chat, gone) = Chat::new(kept.clone(), &policy(ChatKeep::Session), START);
        assert_eq!(gone, None);
        let gone = chat.begin(after(later_s));
        for who in [2, 3] {
            arrive(&mut chat, who, ChatHistory::None);
        }
        (chat, gone)
    };
    let (mut chat, gone) = again(299);
    assert_eq!(gone, None);
    assert_eq!(numbers(&chat, 2, START), [2], "from its first word on");
    assert!(numbers(&chat, 3, START).is_empty());
    let client_id = ClientId::new("c-2").unwrap();
    assert!(chat.sent(&device(2), &client_id).is_some());
    let all_gone = Some(Change::ChatGone {
        session: None,
        up_to: 2,
    });
    assert_eq!(chat.end(), all_gone);
    let (chat, gone) = again(300);
    assert_eq!(gone, all_gone);
    assert!(chat.log.is_empty() && chat.next == 3);
    // Nobody has to come for it to be forgotten.
    let (mut chat, _) = Chat::new(kept.clone(), &policy(ChatKeep::Session), START);
    assert_eq!(chat.found_until(), Some(after(300)));
    assert_eq!(chat.expire_found(after(299)), None);
    assert_eq!(chat.expire_found(after(300)), all_gone);
    assert_eq!(chat.found_until(), None);
    // What is not to be kept any more is forgotten at once.
    let (chat, gone) = Chat::new(kept, &policy(ChatKeep::None), START);
    assert_eq!((gone, chat.log.len()), (all_gone, 0));
}

#[test]
fn the_oldest_give_way_but_for_what_is_pinned() {
    let mut chat = chat(ChatKeep::None);
    arrive(&mut chat, 1, ChatHistory::None);
    let pinned = say(&mut chat, 1, ALL, 0, "read this");
    assert_eq!(chat.pin(pinned, true, START), Pinned::Changed(None));
    for id in 1..=CHAT_MESSAGES as u32 {
        say(&mut chat, 1, ALL, id, "x");
    }
    assert_eq!(chat.log.len(), CHAT_MESSAGES);
    assert_eq!(
        chat.log
            .iter()
            .take(2)
            .map(Entry::number)
            .collect::<Vec<_>>(),
        [1, 3]
    );
    let shown = numbers(&chat, 1, START);
    assert_eq!(shown.len(), CHAT_SHOWN);
    assert_eq!((shown[0], shown[1]), (1, 1803));
    let long = "\u{1f600}".repeat(4000);
    for id in 1..=200 {
        say(&mut chat, 1, ALL, 10_000 + id, &long);
        assert!(chat.bytes <= CHAT_MEMORY_BYTES);
    }
    assert!(chat.log.len() < 200 && chat.find(pinned).is_some());
    let bytes = chat
        .shown(&reader(1), START)
        .iter()
        .map(|entry| entry.weight())
        .sum::<usize>();
    assert!((CHAT_SHOWN_BYTES - 16_000..=CHAT_SHOWN_BYTES).contains(&bytes));
}

#[test]
fn no_more_are_pinned_and_react_than_may() {
    let mut chat = chat(ChatKeep::None);
    for id in 0..=CHAT_PINS as u32 {
        let id = say(&mut chat, 1, ALL, id, "x");
        let pinned = chat.pin(id, true, START);
        let is_last = chat.last() > CHAT_PINS as u32;
        assert_eq!(pinned == Pinned::TooMany, is_last);
        assert_eq!(chat.pin(id, !is_last, START), Pinned::Same);
    }
    let id = say(&mut chat, 1, ALL, 99, "x");
    for number in 0..=CHAT_REACTIONS as u32 {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        let mut random = [1; 10];
        random[..4].copy_from_slice(&number.to_be_bytes());
        let who = (ParticipantId::new(0, random), DeviceHash(hash));
        let (changed, _) = chat.react(id, Emoji::Clap, who, true);
        assert_eq!(changed, number < CHAT_REACTIONS as u32);
    }
    let reactions = chat.find(id).unwrap().reactions();
    assert_eq!(reactions[0].count, CHAT_REACTIONS as u32);
    // Whoever came again is still the same.
    let again = (participant(77), DeviceHash([0; 32]));
    assert!(!chat.react(id, Emoji::Clap, again, true).0);
    assert!(chat.react(id, Emoji::Clap, again, false).0);
    assert!(!chat.react(id, Emoji::Clap, again, false).0);
}

#[test]
fn each_device_has_its_own_pace() {
    let mut chat = chat(ChatKeep::None);
    let now = epoch();
    let slow = Some(Duration::from_secs(30));
    assert_eq!(chat.pace(now, device(1), slow), Ok(()));
    let early = now + Duration::from_secs(10);
    let wait = TooSoon::Slow(Duration::from_secs(20));
    assert_eq!(chat.pace(early, device(1), slow), Err(wait));
    assert_eq!(chat.pace(early, device(2), slow), Ok(()));
    assert_eq!(
        chat.pace(now + Duration::from_secs(30), device(1), slow),
        Ok(())
    );
    for _ in 0..10 {
        assert_eq!(chat.pace(now, device(3), None), Ok(()));
    }
    let often = TooSoon::Often(Duration::from_millis(500));
    assert_eq!(chat.pace(now, device(3), None), Err(often));
    assert!(chat.pace_edit(now, device(3)).is_err());
    for _ in 0..REACTIONS_BURST {
        assert_eq!(chat.pace_reaction(now, device(3)), Ok(()));
    }
    assert!(chat.pace_reaction(now, device(3)).is_err());
}

#[test]
fn a_cleared_message_is_not_written_again_when_it_is_sent_again() {
    let mut chat = chat(ChatKeep::None);
    let id = say(&mut chat, 1, ALL, 1, "x");
    let private = say(&mut chat, 1, to(2), 2, "x");
    assert_eq!(chat.clear(None), (Some(1), None));
    assert_eq!(chat.clear(None), (None, None));
    assert!(chat.find(id).is_none() && chat.find(private).is_some());
    let client_id = ClientId::new("c-1").unwrap();
    assert_eq!(
        chat.sent(&device(1), &client_id).map(|sent| sent.id),
        Some(id)
    );
    assert_eq!(chat.sent(&device(2), &client_id), None);
}

#[test]
fn an_export_comes_in_pieces() {
    let mut chat = chat(ChatKeep::None);
    let long = "x".repeat(4000);
    for id in 0..150 {
        say(&mut chat, 1, ALL, id, &long);
    }
    for format in [ChatFormat::Jsonl, ChatFormat::Txt, ChatFormat::Csv] {
        let (mut lines, mut next, mut pieces) = (0, None, 0);
        loop {
            let entries = chat.public(next.unwrap_or(0), true, START);
            let piece = export::piece(entries.map(Entry::whole), format, next.is_none());
            assert!(piece.text.len() < CHAT_EXPORT_BYTES + 5000);
            lines += piece.text.lines().count();
            pieces += 1;
            next = piece.next;
            if next.is_none() {
                break;
            }
        }
        let head = usize::from(format == ChatFormat::Csv);
        assert_eq!((lines, pieces), (150 + head, 3));
    }
}

#[test]
fn a_text_of_several_lines_cannot_pass_for_two_messages() {
    let mut chat = chat(ChatKeep::None);
    say(
        &mut chat,
        1,
        HOSTS,
        1,
        "one\n2026-11-22T10:00:00Z Eve (host): two",
    );
    let entries = chat.public(0, true, START).map(Entry::whole);
    let piece = export::piece(entries, ChatFormat::Txt, true);
    assert_eq!(
        piece.text,
        "2026-11-22T10:00:00Z Ada (attendee) to the hosts: one\n    2026-11-22T10:00:00Z Eve (host): two\n"
    );
}

/// Reads a CSV file as RFC 4180 says, and nothing more.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(!is_quoted && cell.is_empty() && row.is_empty());
    rows
}

/// One step of the chat and of its naive model.
#[derive(Debug, Clone)]
enum Step {
    Arrive(u8, ChatHistory),
    Write {
        from: u8,
        to: u8,
        client: u32,
    },
    React {
        which: Index,
        who: u8,
        emoji: Emoji,
        on: bool,
    },
    Pin {
        which: Index,
        on: bool,
    },
    Edit(Index),
    Delete(Index),
    Clear(Option<u32>),
    Keep(ChatKeep),
    NextSession,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let history = select(vec![
        ChatHistory::None,
        ChatHistory::Session,
        ChatHistory::Kept,
    ]);
    let keep = select(vec![ChatKeep::None, ChatKeep::Session, ChatKeep::Days]);
    prop_oneof![
        4 => (0u8..5, history).prop_map(|(who, history)| Step::Arrive(who, history)),
        12 => (0u8..5, 0u8..8, 0u32..40).prop_map(|(from, to, client)| Step::Write { from, to, client }),
        4 => (index(), 0u8..5, select(Emoji::ALL), any::<bool>())
            .prop_map(|(which, who, emoji, on)| Step::React { which, who, emoji, on }),
        2 => (index(), any::<bool>()).prop_map(|(which, on)| Step::Pin { which, on }),
        2 => index().prop_map(Step::Edit),
        2 => index().prop_map(Step::Delete),
        1 => proptest::option::of(0u32..30).prop_map(Step::Clear),
        1 => keep.prop_map(Step::Keep),
        1 => Just(Step::NextSession),
        1 => Just(Step::Crash),
    ]
}

/// What a naive observer knows: every message ever written, and whom it was shown to.
#[derive(Default)]
struct Naive {
    written: Vec<Written>,
    here: BTreeSet<u8>,
    session: u8,
    keep_days: bool,
    disk: BTreeMap<u32, ChatRecord>,
    sent: BTreeMap<(u8, u32), MessageId>,
}

struct Written {
    id: MessageId,
    number: u32,
    from: u8,
    to: ChatTarget,
    session: u8,
    is_gone: bool,
    /// Devices that were there, or came and were shown it.
    witnesses: BTreeSet<u8>,
}

impl Naive {
    fn sees(&self, who: u8, message: &Written) -> bool {
        let is_for = match message.to {
            ChatTarget::All {} => true,
            ChatTarget::Hosts {} => who == 0 || who == message.from,
            ChatTarget::Participant { participant: to } => {
                who == message.from || participant(who) == to
            }
        };
        !message.is_gone && is_for && message.witnesses.contains(&who)
    }

    fn keep(&mut self, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Chat(record)) => {
                assert!(!matches!(record.message.to, ChatTarget::Participant { .. }));
                self.disk.insert(record.message.number, *record);
            }
            Some(Change::ChatGone { session, up_to }) => {
                assert_eq!(session, None);
                self.disk.retain(|number, _| *number > up_to);
            }
            Some(other) => panic!("{other:?}"),
        }
    }

    fn check(&self, chat: &Chat) {
        let rising = chat.log.iter().map(Entry::number).collect::<Vec<_>>();
        assert!(rising.is_sorted_by(|one, other| one < other));
        assert_eq!(
            chat.bytes,
            chat.log.iter().map(Entry::weight).sum::<usize>()
        );
        assert!(chat.log.iter().filter(|entry| entry.message.pinned).count() <= CHAT_PINS);
        for who in 0..5 {
            let seen = self
                .written
                .iter()
                .filter(|message| self.sees(who, message));
            let naive: Vec<u32> = seen.map(|message| message.number).collect();
            assert_eq!(numbers(chat, who, START), naive, "as {who} sees it");
            for message in &self.written {
                let found = chat.find_for(&reader(who), message.id, START);
                assert_eq!(found.is_some(), self.sees(who, message));
            }
        }
        for entry in chat.log.iter().filter(|entry| entry.is_stored()) {
            let record = &self.disk[&entry.number()];
            assert_eq!(record.message, entry.whole());
        }
        for is_host in [true, false] {
            for entry in chat.public(0, is_host, START) {
                assert!(!entry.is_private());
                assert!(is_host || matches!(entry.message.to, ChatTarget::All {}));
            }
        }
    }
}

fn take(chat: &mut Chat, naive: &mut Naive, step: Step) {
    let pick = |naive: &Naive, which: Index| {
        let live: Vec<MessageId> = naive
            .written
            .iter()
            .filter(|message| !message.is_gone)
            .map(|message| message.id)
            .collect();
        (!live.is_empty()).then(|| *which.get(&live))
    };
    match step {
        Step::Arrive(who, history) => {
            arrive(chat, who, history);
            naive.here.insert(who);
            let session = naive.session;
            for message in &mut naive.written {
                let is_shown = match history {
                    ChatHistory::None => false,
                    ChatHistory::Session => message.session == session,
                    ChatHistory::Kept => true,
                };
                if is_shown {
                    message.witnesses.insert(who);
                }
            }
        }
        Step::Write {
            from,
            to: whom,
            client,
        } => {
            let target = match whom {
                0..5 => to(whom),
                5 => HOSTS,
                _ => ALL,
            };
            let draft = Draft {
                id: MessageId::new(1 + naive.written.len() as u64, [7; 10]),
                ..draft(from, target, client, "hello")
            };
            let known = naive.sent.get(&(from, client)).copied();
            let sent = chat
                .sent(&device(from), &draft.client_id)
                .map(|sent| sent.id);
            let of_now = |id: &MessageId| {
                let mut written = naive.written.iter();
                written.any(|one| one.id == *id && one.session == naive.session)
            };
            if sent.is_some() || known.as_ref().is_some_and(of_now) {
                assert_eq!(sent, known, "said again, it is the same");
            }
            if sent.is_some() {
                return;
            }
            let (sent, change) = chat.write(START, session(naive.session), draft);
            naive.keep(change);
            naive.sent.insert((from, client), sent.id);
            naive.written.push(Written {
                id: sent.id,
                number: chat.last(),
                from,
                to: target,
                session: naive.session,
                is_gone: false,
                witnesses: naive.here.clone(),
            });
        }
        Step::React {
            which,
            who,
            emoji,
            on,
        } => {
            if let Some(id) = pick(naive, which) {
                let who = (participant(who), device(who));
                let change = chat.react(id, emoji, who, on).1;
                naive.keep(change);
                assert_eq!(chat.find(id).unwrap().has(emoji, who), on);
            }
        }
        Step::Pin { which, on } => {
            if let Some(id) = pick(naive, which)
                && let Pinned::Changed(change) = chat.pin(id, on, START)
            {
                naive.keep(change);
            }
        }
        Step::Edit(which) => {
            if let Some(id) = pick(naive, which) {
                let change = chat.edit(id, ChatText::new("other").unwrap(), START);
                naive.keep(change);
            }
        }
        Step::Delete(which) => {
            if let Some(id) = pick(naive, which) {
                naive.keep(chat.delete(id, Role::Host));
                let whole = chat.find(id).unwrap().whole();
                assert!(whole.text.is_empty() && !whole.pinned);
                assert!(whole.mentions.is_empty() && whole.reactions.is_empty());
            }
        }
        Step::Clear(up_to) => {
            let (last, change) = chat.clear(up_to);
            naive.keep(change);
            let mut gone = None;
            for message in &mut naive.written {
                let is_private = matches!(message.to, ChatTarget::Participant { .. });
                if !is_private
                    && !message.is_gone
                    && up_to.is_none_or(|up_to| message.number <= up_to)
                {
                    message.is_gone = true;
                    gone = Some(message.number);
                }
            }
            assert_eq!(last, gone);
        }
        Step::Keep(keep) => {
            for change in chat.apply(&policy(keep)) {
                naive.keep(Some(change));
            }
            naive.keep_days = keep == ChatKeep::Days;
            if keep == ChatKeep::None {
                assert!(naive.disk.is_empty());
                let session = naive.session;
                for message in &mut naive.written {
                    message.is_gone |= message.session != session;
                }
            }
        }
        Step::NextSession => {
            naive.keep(chat.end());
            if !naive.keep_days {
                assert!(naive.disk.is_empty(), "at the end of a session");
            }
            naive.begin_again();
            naive.keep(chat.begin(START));
        }
        Step::Crash => {
            let keep = policy(chat.keep.0);
            let records = naive.disk.values().cloned().collect();
            let (mut other, gone) = Chat::new(records, &keep, START);
            naive.keep(gone);
            let late = other.found_until().unwrap_or(START);
            naive.keep(other.begin(late));
            if !naive.keep_days {
                assert!(naive.disk.is_empty(), "long after a crash");
            }
            naive.begin_again();
            // Numbers go on after the last that is remembered.
            other.next = chat.next;
            other.session_from = chat.next;
            *chat = other;
        }
    }
    naive.check(chat);
}

impl Naive {
    /// What is not on disk is gone with the session.
    fn begin_again(&mut self) {
        self.session += 1;
        self.here.clear();
        self.sent.clear();
        for message in &mut self.written {
            message.is_gone |= !self.disk.contains_key(&message.number);
            message.witnesses.clear();
        }
        let left = self.written.iter().filter(|message| !message.is_gone);
        let numbers: BTreeSet<u32> = left.map(|message| message.number).collect();
        for record in self.disk.values() {
            assert!(numbers.contains(&record.message.number));
            let from = (0..5).find(|who| device(*who) == record.device).unwrap();
            let client = record.message.client_id.as_str()[2..].parse().unwrap();
            self.sent.insert((from, client), record.message.id);
        }
    }
}

proptest! {
    #[test]
    fn everybody_sees_what_a_naive_observer_says(steps in proptest::collection::vec(step(), 1..120)) {
        let mut chat = chat(ChatKeep::None);
        let mut naive = Naive::default();
        for step in steps {
            take(&mut chat, &mut naive, step);
        }
    }

    #[test]
    fn an_export_tells_every_public_message_once(
        texts in proptest::collection::vec("[=+@\"',-]{0,2}[a-z]{1,5}\n?.{0,9}", 1..12),
        name in "[=+@-]?[a-z]{1,5}",
    ) {
        let mut chat = chat(ChatKeep::None);
        for (id, text) in texts.iter().enumerate() {
            let target = match id % 3 { 0 => ALL, 1 => to(2), _ => HOSTS };
            let mut draft = draft(1, target, id as u32, text);
            draft.from.name = DisplayName::new(&name).unwrap();
            chat.write(START, session(1), draft);
        }
        let entries = || chat.public(0, true, START).map(Entry::whole);
        let rows = read_csv(&export::piece(entries(), ChatFormat::Csv, true).text);
        prop_assert_eq!(rows.len(), 1 + entries().count());
        for (row, message) in rows.iter().skip(1).zip(entries()) {
            prop_assert_eq!(row.len(), rows[0].len());
            prop_assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])));
            prop_assert_eq!(row[6].trim_start_matches('\''), message.text.trim_start_matches('\''));
        }
        let json = export::piece(entries(), ChatFormat::Jsonl, true).text;
        let read: Vec<ChatMessage> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(read, entries().collect::<Vec<_>>());
    }
}

#[test]
fn less_time_holds_for_what_is_on_disk_alone_too() {
    let mut chat = chat(ChatKeep::Days);
    let pinned = say(&mut chat, 1, ALL, 0, "read this");
    chat.pin(pinned, true, START);
    for id in 1..=CHAT_MESSAGES as u32 {
        say(&mut chat, 1, ALL, id, "x");
    }
    let days = |keep_days| ChatPolicy {
        keep_days,
        ..policy(ChatKeep::Days)
    };
    // More time is for what is there.
    assert_eq!(chat.apply(&days(31)).len(), CHAT_MESSAGES);
    let changes = chat.apply(&days(7));
    let gone = Change::ChatGone {
        session: None,
        up_to: 2,
    };
    assert_eq!(changes[0], gone);
    let Change::Chat(kept) = &changes[1] else {
        panic!("{:?}", changes[1])
    };
    assert_eq!(
        (kept.message.id, kept.expires_at),
        (pinned, after(7 * DAY_S))
    );
    assert_eq!(changes.len(), 1 + CHAT_MESSAGES);
    assert_eq!(chat.apply(&days(6)).len(), CHAT_MESSAGES, "it is gone");
}

#[test]
fn a_pin_that_nobody_sees_takes_no_place() {
    let mut chat = chat(ChatKeep::Days);
    for id in 0..CHAT_PINS as u32 {
        let id = say(&mut chat, 1, ALL, id, "x");
        chat.pin(id, true, START);
    }
    chat.end();
    chat.begin(START);
    let id = say(&mut chat, 1, ALL, 100, "x");
    assert_eq!(chat.pin(id, true, START), Pinned::TooMany);
    let late = after(30 * DAY_S);
    assert!(matches!(chat.pin(id, true, late), Pinned::Changed(_)));
}

#[test]
fn what_was_written_long_before_is_not_of_the_meeting_that_begins() {
    let mut before = chat(ChatKeep::Session);
    let written = before.write(START, session(1), draft(1, ALL, 1, "x"));
    let Some(Change::Chat(record)) = written.1 else {
        panic!("not kept")
    };
    let open = |later_s| {
        let kept = vec![(*record).clone()];
        Chat::new(kept, &policy(ChatKeep::Session), after(later_s))
    };
    assert_eq!(open(3599).1, None);
    let (chat, gone) = open(3600);
    assert!(gone.is_some() && chat.log.is_empty());
    assert_eq!(chat.found_until(), None);
}
