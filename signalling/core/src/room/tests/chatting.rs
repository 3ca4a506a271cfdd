//! The chat: who may write to whom, who is told, what is kept.

use super::*;
use conclave_signalling_wire::chat::{
    ChatFormat, ChatHistory, ChatKeep, ChatMessage, ChatPolicy, ChatTarget, ChatUpdate, Emoji,
    PrivateChat, PublicChat,
};
use conclave_signalling_wire::ids::MessageId;
use conclave_signalling_wire::limits::{CHAT_BURST, CHAT_EDIT_WITHIN};
use conclave_signalling_wire::moderation::OverrideEffect;
use conclave_signalling_wire::objects::{Permission, RosterMode};
use conclave_signalling_wire::reply::HelloOutcome;
use conclave_signalling_wire::request::{
    ChatClear, ChatDelete, ChatEdit, ChatExport, ChatPin, ChatReact, ChatSend, Leave, LobbyAdmit,
    ParticipantToLobby, PermOverride, RoleSet, RoomUpdate,
};
use conclave_signalling_wire::text::{ClientId, TypedText};

use crate::room::OperatorRequest;

const ALL: ChatTarget = ChatTarget::All {};
const HOSTS: ChatTarget = ChatTarget::Hosts {};

fn to(participant: ParticipantId) -> ChatTarget {
    ChatTarget::Participant { participant }
}

fn with(change: impl FnOnce(&mut ChatPolicy)) -> Stage {
    Stage::with(|_, record| change(&mut record.settings.chat))
}

fn text(to: ChatTarget, client: u32, text: &str) -> ChatSend {
    ChatSend {
        client_id: ClientId::new(&format!("c-{client}")).unwrap(),
        to,
        text: TypedText::new(text),
        reply_to: None,
        mentions: Vec::new(),
    }
}

/// What came of a request: `done`, or the refusal.
fn outcome(stage: &mut Stage, link: LinkId, request: impl Into<Request>) -> String {
    let number = stage.ask(link, request);
    let outputs = stage.outputs();
    let mut answers = outputs.iter().filter_map(|output| match output {
        Output::Reply { id, ok, .. } if *id == number => Some(reply(ok)),
        Output::Refuse { id, error, .. } if *id == number => Some(refusal(error)),
        _ => None,
    });
    answers.next().unwrap()
}

/// Says something that has to be written. Returns which message it is, and what
/// was done.
fn say(stage: &mut Stage, link: LinkId, send: ChatSend) -> (MessageId, Vec<Output>) {
    stage.ask(link, send);
    let outputs = stage.outputs();
    let id = outputs.iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::ChatSent(sent) => Some(sent.id),
            _ => None,
        },
        _ => None,
    });
    (id.unwrap(), outputs)
}

/// To which links a push of the chat went, in order.
fn told(outputs: &[Output]) -> Vec<u64> {
    let chats = outputs.iter().filter_map(|output| match output {
        Output::Push { link, notice, .. } if notice.push().name().starts_with("chat.") => {
            Some(link.0)
        }
        _ => None,
    });
    chats.collect()
}

fn message_to(outputs: &[Output], to: LinkId) -> ChatMessage {
    let found = outputs.iter().find_map(|output| match output {
        Output::Push { link, notice, .. } if *link == to => match notice.push() {
            Push::ChatWritten(written) => Some(written.0.clone()),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

fn change_chat(stage: &mut Stage, change: impl FnOnce(&mut ChatPolicy)) {
    change(&mut stage.room.settings.chat);
}

fn override_of(stage: &Stage, who: ParticipantId, key: Permission, allow: bool) -> PermOverride {
    PermOverride {
        participant: who,
        key,
        effect: match allow {
            true => OverrideEffect::Allow,
            false => OverrideEffect::Deny,
        },
        ttl_s: None,
        rev: stage.face(who).rev,
    }
}

fn delete(id: MessageId) -> ChatDelete {
    ChatDelete { id }
}

fn edit(id: MessageId, text: &str) -> ChatEdit {
    ChatEdit {
        id,
        text: TypedText::new(text),
    }
}

fn react(id: MessageId, on: bool) -> ChatReact {
    ChatReact {
        id,
        emoji: Emoji::Clap,
        on,
    }
}

#[test]
fn what_is_said_goes_to_those_to_whom_it_is_said() {
    let mut stage = with(|chat| chat.private = PrivateChat::All);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (carl, _) = stage.join_as("Carl", Role::CoHost);
    let (dora, _) = stage.join_as("Dora", Role::Attendee);
    let (_, outputs) = say(&mut stage, bob, text(ALL, 1, "  hello\u{202e} "));
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "1 push 4 message 1",
            "2 push 3 message 1",
            "3 push 2 message 1",
            "4 push 1 message 1",
            "2 ok 101 sent"
        ]
    );
    let message = message_to(&outputs, dora);
    assert_eq!((message.text.as_str(), message.number), ("hello", 1));
    assert_eq!(message.from.participant, bob_id);
    let (_, outputs) = say(&mut stage, bob, text(HOSTS, 2, "to the hosts"));
    assert_eq!(told(&outputs), [ada.0, bob.0, carl.0]);
    let (_, outputs) = say(&mut stage, dora, text(to(bob_id), 3, "to Bob"));
    assert_eq!(told(&outputs), [bob.0, dora.0]);
    let (_, outputs) = say(&mut stage, dora, text(to(ada_id), 4, "to Ada"));
    assert_eq!(told(&outputs), [ada.0, dora.0]);
    let (_, outputs) = say(&mut stage, carl, text(HOSTS, 5, "among us"));
    assert_eq!(told(&outputs), [ada.0, carl.0]);
}

#[test]
fn each_mode_refuses_in_its_own_words() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (_, dora_id) = stage.join_as("Dora", Role::Attendee);
    let mut client = 0;
    // Of the host and of an attendee: to all, to the hosts, to one of them, to another.
    let mut outcomes = |stage: &mut Stage, public, private| {
        change_chat(stage, |chat| {
            (chat.public, chat.private) = (public, private)
        });
        [(ada, bob_id), (bob, ada_id)].map(|(link, other)| {
            [ALL, HOSTS, to(other), to(dora_id)].map(|target| {
                client += 1;
                stage.pass(Duration::from_secs(1));
                stage.outputs();
                outcome(stage, link, text(target, client, "hello"))
            })
        })
    };
    let (sent, off, private_off) = ("sent", "chat_disabled", "private_disabled");
    assert_eq!(
        outcomes(&mut stage, PublicChat::Off, PrivateChat::Off),
        [[off, private_off, private_off, private_off]; 2]
    );
    assert_eq!(
        outcomes(&mut stage, PublicChat::Hosts, PrivateChat::Off),
        [
            [sent, private_off, private_off, private_off],
            [off, private_off, private_off, private_off],
        ]
    );
    assert_eq!(
        outcomes(&mut stage, PublicChat::Hosts, PrivateChat::Hosts),
        [[sent; 4], [off, sent, sent, private_off]]
    );
    assert_eq!(
        outcomes(&mut stage, PublicChat::All, PrivateChat::All),
        [[sent; 4]; 2]
    );
}

#[test]
fn who_may_not_by_itself_is_told_so() {
    let mut stage = with(|chat| chat.private = PrivateChat::All);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (_, dora_id) = stage.join_as("Dora", Role::Attendee);
    let deny = |stage: &mut Stage, key| {
        let order = override_of(stage, bob_id, key, false);
        stage.ask(ada, order);
        stage.outputs();
    };
    for key in [Permission::ChatSend, Permission::ChatPrivateAny] {
        deny(&mut stage, key);
    }
    assert_eq!(outcome(&mut stage, bob, text(ALL, 1, "x")), "forbidden");
    assert_eq!(
        outcome(&mut stage, bob, text(to(dora_id), 2, "x")),
        "forbidden"
    );
    assert_eq!(outcome(&mut stage, bob, text(to(ada_id), 3, "x")), "sent");
    deny(&mut stage, Permission::ChatPrivateHosts);
    assert_eq!(
        outcome(&mut stage, bob, text(to(ada_id), 4, "x")),
        "forbidden"
    );
    assert_eq!(outcome(&mut stage, bob, text(HOSTS, 5, "x")), "forbidden");
    let nobody = to(ParticipantId::new(0, [9; 10]));
    let refusal = outcome(&mut stage, ada, text(nobody, 6, "x"));
    assert_eq!(refusal, "not_found to.participant");
    let refusal = outcome(&mut stage, ada, text(to(ada_id), 7, "x"));
    assert_eq!(refusal, "bad_request to.participant");
}

#[test]
fn who_may_not_read_is_told_nothing() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (before, _) = say(&mut stage, ada, text(ALL, 1, "x"));
    let order = override_of(&stage, bob_id, Permission::ChatRead, false);
    stage.ask(ada, order);
    stage.outputs();
    for message in [
        text(ALL, 2, "x"),
        text(HOSTS, 3, "x"),
        text(to(bob_id), 4, "x"),
    ] {
        assert_eq!(told(&say(&mut stage, ada, message).1), [ada.0]);
    }
    assert_eq!(told(&say(&mut stage, bob, text(ALL, 5, "x")).1), [ada.0]);
    assert_eq!(outcome(&mut stage, bob, react(before, true)), "not_found");
    stage.ask(ada, delete(before));
    assert_eq!(told(&stage.outputs()), [ada.0]);
    stage.ask(ada, ChatClear { up_to: None });
    assert_eq!(told(&stage.outputs()), [ada.0]);
}

#[test]
fn a_text_is_neither_empty_nor_too_long() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let refusal = outcome(&mut stage, ada, text(ALL, 1, " \u{200b}\n"));
    assert_eq!(refusal, "bad_request text");
    let long = "x".repeat(4001);
    assert_eq!(
        outcome(&mut stage, ada, text(ALL, 1, &long)),
        "too_long text"
    );
    let (id, _) = say(&mut stage, ada, text(ALL, 1, &long[1..]));
    assert_eq!(outcome(&mut stage, ada, edit(id, &long)), "too_long text");
    assert_eq!(outcome(&mut stage, ada, edit(id, "")), "bad_request text");
    // Nothing but text: what is in it is nobody's business here.
    for inert in ["<img src=x onerror=alert(1)>", "javascript:1", "__proto__"] {
        stage.pass(Duration::from_secs(1));
        let (_, outputs) = say(&mut stage, ada, text(ALL, inert.len() as u32 + 9, inert));
        assert_eq!(message_to(&outputs, ada).text, inert);
    }
}

#[test]
fn slow_mode_counts_for_a_device_and_not_for_hosts() {
    let mut stage = with(|chat| chat.slow_s = 30);
    let (ada, _) = stage.join_as("Ada", Role::CoHost);
    let (bob, _) = stage.join_as("Bob", Role::Presenter);
    for client in 1..4 {
        assert_eq!(outcome(&mut stage, ada, text(ALL, client, "x")), "sent");
    }
    assert_eq!(outcome(&mut stage, bob, text(ALL, 1, "x")), "sent");
    stage.pass(Duration::from_millis(10_500));
    stage.outputs();
    assert_eq!(
        outcome(&mut stage, bob, text(HOSTS, 2, "x")),
        "slow_mode 20s"
    );
    // What is refused anyway is not said to be too soon.
    let empty = outcome(&mut stage, bob, text(ALL, 2, ""));
    assert_eq!(empty, "bad_request text");
    change_chat(&mut stage, |chat| chat.public = PublicChat::Hosts);
    assert_eq!(outcome(&mut stage, bob, text(ALL, 2, "x")), "chat_disabled");
    stage.ask(bob, Leave {});
    let device = stage.keys as u8 - 1 + 100;
    let (again, _) = stage.try_join("Bob", device, None);
    stage.outputs();
    assert_eq!(
        outcome(&mut stage, again, text(HOSTS, 3, "x")),
        "slow_mode 20s"
    );
    stage.pass(Duration::from_millis(19_500));
    stage.outputs();
    assert_eq!(outcome(&mut stage, again, text(HOSTS, 3, "x")), "sent");
}

#[test]
fn nobody_floods_the_chat() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    for client in 0..CHAT_BURST {
        assert_eq!(outcome(&mut stage, ada, text(ALL, client, "x")), "sent");
    }
    let more = text(ALL, 99, "x");
    assert_eq!(outcome(&mut stage, ada, more.clone()), "rate_limited 1s");
    stage.pass(Duration::from_millis(500));
    stage.outputs();
    let (id, _) = say(&mut stage, ada, more);
    assert_eq!(outcome(&mut stage, ada, edit(id, "y")), "rate_limited 1s");
    for on in [true, false].repeat(5) {
        assert_eq!(outcome(&mut stage, ada, react(id, on)), "done");
    }
    assert_eq!(outcome(&mut stage, ada, react(id, true)), "rate_limited 1s");
}

#[test]
fn a_message_that_is_sent_again_is_the_same() {
    let mut stage = with(|chat| chat.keep = ChatKeep::Session);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_is) = stage.join("Bob");
    let device = stage.keys as u8 - 1 + 100;
    let (id, outputs) = say(&mut stage, bob, text(ALL, 7, "x"));
    let kept = |outputs: &[Output]| {
        let is_kept = |output: &&Output| matches!(output, Output::Persist(Change::Chat(_)));
        outputs.iter().filter(is_kept).count()
    };
    assert_eq!((told(&outputs).len(), kept(&outputs)), (2, 1));
    stage.room.handle_link_lost(stage.now, bob);
    let (bob, _) = stage.resume(bob_is.resume_token, 0, HOME);
    stage.outputs();
    change_chat(&mut stage, |chat| chat.public = PublicChat::Off);
    let (same, outputs) = say(&mut stage, bob, text(ALL, 7, "x"));
    assert_eq!((same, told(&outputs).len(), kept(&outputs)), (id, 0, 0));
    stage.ask(bob, Leave {});
    let (bob, _) = stage.try_join("Bob", device, None);
    stage.outputs();
    let (same, outputs) = say(&mut stage, bob, text(ALL, 7, "x"));
    assert_eq!((same, told(&outputs).len()), (id, 0));
    // The names of others are their own.
    change_chat(&mut stage, |chat| chat.public = PublicChat::All);
    assert_ne!(say(&mut stage, ada, text(ALL, 7, "x")).0, id);
}

#[test]
fn an_answer_goes_to_those_who_saw_the_question() {
    let mut stage = with(|chat| chat.private = PrivateChat::All);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (dora, dora_id) = stage.join_as("Dora", Role::Attendee);
    let (public, _) = say(&mut stage, ada, text(ALL, 1, "x"));
    let (private, _) = say(&mut stage, ada, text(to(bob_id), 2, "x"));
    let answer = |target, client, reply_to| ChatSend {
        reply_to: Some(reply_to),
        ..text(target, client, "y")
    };
    let cases = [
        (bob, ALL, public, "sent"),
        (bob, to(ada_id), private, "sent"),
        (ada, to(bob_id), private, "sent"),
        (bob, ALL, private, "bad_request reply_to"),
        (bob, HOSTS, private, "bad_request reply_to"),
        (bob, to(dora_id), private, "bad_request reply_to"),
        (bob, to(ada_id), public, "bad_request reply_to"),
        (dora, to(ada_id), private, "not_found reply_to"),
    ];
    for (client, (link, target, question, expected)) in (10..).zip(cases) {
        let answer = answer(target, client, question);
        assert_eq!(outcome(&mut stage, link, answer), expected, "{client}");
    }
}

#[test]
fn who_is_mentioned_is_somebody_whom_one_sees() {
    let mut stage = Stage::with(|_, record| record.settings.roster = RosterMode::Hosts);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (dora, dora_id) = stage.join_as("Dora", Role::Viewer);
    let nobody = ParticipantId::new(0, [9; 10]);
    let mention = |client, mentions| ChatSend {
        mentions,
        ..text(ALL, client, "x")
    };
    let all = vec![ada_id, bob_id, nobody, ada_id, dora_id];
    let (id, outputs) = say(&mut stage, ada, mention(1, all.clone()));
    let mentions = |link| message_to(&outputs, link).mentions;
    assert_eq!(mentions(ada), [ada_id, bob_id, dora_id]);
    assert_eq!(mentions(bob), [ada_id, bob_id]);
    assert_eq!(mentions(dora), [ada_id, dora_id]);
    let (_, outputs) = say(&mut stage, bob, mention(2, all));
    assert_eq!(message_to(&outputs, ada).mentions, [ada_id, bob_id]);
    let many = mention(3, vec![nobody; 21]);
    assert_eq!(outcome(&mut stage, bob, many), "bad_request mentions");
    // Nor is it told who reacted, or what it is, but how many did.
    for key in [Permission::ChatReact, Permission::ChatSend] {
        let order = override_of(&stage, dora_id, key, true);
        stage.ask(ada, order);
        stage.outputs();
    }
    stage.ask(bob, react(id, true));
    stage.outputs();
    stage.ask(dora, react(id, true));
    let outputs = stage.outputs();
    let seen = |to: LinkId| {
        outputs.iter().find_map(|output| match output {
            Output::Push { link, notice, .. } if *link == to => match notice.push() {
                Push::ChatReacted(reacted) => Some(reacted.reactions[0].clone()),
                _ => None,
            },
            _ => None,
        })
    };
    let [by_ada, by_bob, by_dora] = [ada, bob, dora].map(|link| seen(link).unwrap());
    assert_eq!(by_ada.participants, [bob_id, dora_id]);
    assert_eq!(by_bob.participants, [bob_id]);
    assert_eq!(by_dora.participants, [dora_id]);
    assert_eq!([by_ada.count, by_bob.count, by_dora.count], [2; 3]);
    let (_, outputs) = say(&mut stage, dora, text(ALL, 4, "x"));
    let roles = [ada, bob, dora].map(|link| message_to(&outputs, link).from.role);
    assert_eq!(roles, [Role::Viewer, Role::Attendee, Role::Attendee]);
}

#[test]
fn an_author_changes_its_words_for_a_while() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (dora, _) = stage.join_as("Dora", Role::Attendee);
    let (id, _) = say(&mut stage, bob, text(ALL, 1, "x"));
    let (hidden, _) = say(&mut stage, bob, text(HOSTS, 2, "x"));
    stage.ask(bob, edit(id, "y"));
    assert_eq!(told(&stage.outputs()), [ada.0, bob.0, dora.0]);
    stage.ask(bob, edit(id, "y"));
    assert_eq!(told(&stage.outputs()), [0u64; 0], "nothing has changed");
    assert_eq!(outcome(&mut stage, ada, edit(id, "z")), "forbidden");
    assert_eq!(outcome(&mut stage, dora, edit(hidden, "z")), "not_found");
    change_chat(&mut stage, |chat| chat.public = PublicChat::Hosts);
    assert_eq!(outcome(&mut stage, bob, edit(id, "z")), "chat_disabled");
    change_chat(&mut stage, |chat| chat.public = PublicChat::All);
    let order = override_of(&stage, bob_id, Permission::ChatEditOwn, false);
    stage.ask(ada, order);
    stage.outputs();
    assert_eq!(outcome(&mut stage, bob, edit(id, "z")), "forbidden");
    let order = override_of(&stage, bob_id, Permission::ChatEditOwn, true);
    stage.ask(ada, order);
    stage.pass(CHAT_EDIT_WITHIN);
    stage.outputs();
    assert_eq!(outcome(&mut stage, bob, edit(id, "z")), "done");
    stage.pass(Duration::from_millis(1));
    stage.outputs();
    assert_eq!(outcome(&mut stage, bob, edit(id, "zz")), "forbidden");
}

#[test]
fn messages_of_lower_roles_are_deleted_and_leave_their_place() {
    let mut stage = with(|chat| (chat.keep, chat.history) = (ChatKeep::Days, ChatHistory::Session));
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (carl, carl_id) = stage.join_as("Carl", Role::CoHost);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    let (dora, _) = stage.join_as("Dora", Role::Attendee);
    let (id, _) = say(&mut stage, bob, text(ALL, 1, "x"));
    let (of_host, _) = say(&mut stage, ada, text(ALL, 2, "x"));
    let (of_cohost, _) = say(&mut stage, carl, text(ALL, 3, "x"));
    let (hidden, _) = say(&mut stage, bob, text(HOSTS, 4, "x"));
    for (link, which, expected) in [
        (dora, id, "forbidden"),
        (dora, hidden, "not_found"),
        (carl, of_host, "forbidden"),
        (carl, of_cohost, "done"),
        (carl, hidden, "done"),
    ] {
        assert_eq!(outcome(&mut stage, link, delete(which)), expected);
    }
    stage.ask(carl, delete(id));
    assert_eq!(
        stage.done(),
        [
            "keep message 1",
            "1 push 10 deleted by CoHost",
            "2 push 9 deleted by CoHost",
            "3 push 8 deleted by CoHost",
            "4 push 5 deleted by CoHost",
            "keep act chat.delete ok",
            "2 ok 110 done",
        ]
    );
    // Once is enough, and nothing is done to what is gone.
    assert_eq!(outcome(&mut stage, bob, delete(id)), "done");
    assert_eq!(outcome(&mut stage, bob, edit(id, "z")), "not_found");
    assert_eq!(outcome(&mut stage, ada, react(id, true)), "not_found");
    let pin = ChatPin { id, on: true };
    assert_eq!(outcome(&mut stage, ada, pin), "not_found");
    let (_, joined) = stage.join("Eve");
    let shown: Vec<_> = joined
        .chat
        .iter()
        .map(|one| (one.number, one.deleted_by))
        .collect();
    assert_eq!(
        shown[..],
        [(1, Some(Role::CoHost)), (2, None), (3, Some(Role::CoHost))]
    );
    assert!(joined.chat[0].text.is_empty());
    // The role of an author counts as it is, of one who is gone as it was.
    let (own, _) = say(&mut stage, carl, text(ALL, 5, "x"));
    let rev = stage.face(carl_id).rev;
    let demote = RoleSet {
        participant: carl_id,
        role: Role::Attendee,
        custom_role: None,
        rev,
    };
    stage.ask(ada, demote);
    stage.outputs();
    assert_eq!(outcome(&mut stage, carl, delete(id)), "forbidden");
    stage.ask(carl, Leave {});
    let (eli, _) = stage.join_as("Eli", Role::CoHost);
    stage.outputs();
    assert_eq!(outcome(&mut stage, eli, delete(own)), "forbidden");
    assert_eq!(outcome(&mut stage, ada, delete(own)), "done");
}

#[test]
fn pins_are_for_messages_to_everybody() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    let (id, _) = say(&mut stage, bob, text(ALL, 1, "x"));
    let (hidden, _) = say(&mut stage, bob, text(HOSTS, 2, "x"));
    let pin = |id, on| ChatPin { id, on };
    assert_eq!(outcome(&mut stage, bob, pin(id, true)), "forbidden");
    assert_eq!(
        outcome(&mut stage, ada, pin(hidden, true)),
        "bad_request id"
    );
    stage.ask(ada, pin(id, true));
    assert_eq!(told(&stage.outputs()), [ada.0, bob.0]);
    stage.ask(ada, pin(id, true));
    assert_eq!(told(&stage.outputs()), [0u64; 0]);
    let mut last = String::new();
    for client in 10..20 {
        stage.pass(Duration::from_secs(1));
        stage.outputs();
        let (id, _) = say(&mut stage, ada, text(ALL, client, "x"));
        last = outcome(&mut stage, ada, pin(id, true));
    }
    assert_eq!(last, "full id");
    stage.ask(bob, delete(id));
    stage.outputs();
    let (id, _) = say(&mut stage, ada, text(ALL, 30, "x"));
    assert_eq!(
        outcome(&mut stage, ada, pin(id, true)),
        "done",
        "a place is free"
    );
}

#[test]
fn a_cleared_chat_keeps_what_is_private() {
    let mut stage = with(|chat| chat.keep = ChatKeep::Session);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    say(&mut stage, bob, text(ALL, 1, "x"));
    say(&mut stage, bob, text(HOSTS, 2, "x"));
    let (private, _) = say(&mut stage, bob, text(to(ada_id), 3, "x"));
    let clear = ChatClear { up_to: None };
    assert_eq!(outcome(&mut stage, bob, clear.clone()), "forbidden");
    stage.ask(ada, ChatClear { up_to: Some(1) });
    let done = stage.done();
    assert!(
        done.contains(&"keep messages gone false 1".to_owned()),
        "{done:?}"
    );
    assert!(done.contains(&"2 push 4 cleared 1".to_owned()), "{done:?}");
    stage.room.handle_operator(
        stage.now,
        5,
        Actor::Operator,
        OperatorRequest::ClearChat(clear),
    );
    assert_eq!(
        stage.done(),
        [
            "keep messages gone false 3",
            "1 push 6 cleared 2",
            "2 push 5 cleared 2",
            "keep act chat.clear ok",
            "operator 5 ok"
        ]
    );
    assert_eq!(outcome(&mut stage, ada, react(private, true)), "done");
}

#[test]
fn an_export_has_nothing_private() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    say(&mut stage, bob, text(ALL, 1, "=open"));
    say(&mut stage, bob, text(HOSTS, 2, "discreet"));
    say(&mut stage, bob, text(to(ada_id), 3, "secret"));
    let export = |format| ChatExport {
        format,
        after: None,
    };
    assert_eq!(
        outcome(&mut stage, bob, export(ChatFormat::Csv)),
        "forbidden"
    );
    let order = override_of(&stage, bob_id, Permission::ChatExport, true);
    stage.ask(ada, order);
    stage.outputs();
    for format in [ChatFormat::Jsonl, ChatFormat::Txt, ChatFormat::Csv] {
        for (link, is_host) in [(ada, true), (bob, false)] {
            stage.ask(link, export(format));
            let outputs = stage.outputs();
            let Some(Output::Reply { ok, .. }) = outputs.last() else {
                panic!("refused")
            };
            let Reply::ChatExported(piece) = ok.as_ref() else {
                panic!("another answer")
            };
            assert!(piece.text.contains("open") && !piece.text.contains("secret"));
            assert_eq!(piece.text.contains("discreet"), is_host);
            assert_eq!(piece.text.contains("\"'=open\""), format == ChatFormat::Csv);
            assert_eq!(piece.next, None);
        }
    }
}

#[test]
fn who_was_there_sees_what_it_saw() {
    let mut stage = with(|chat| chat.private = PrivateChat::All);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    say(&mut stage, ada, text(ALL, 1, "before"));
    let (bob, joined) = stage.join("Bob");
    let device = stage.keys as u8 - 1 + 100;
    assert!(joined.chat.is_empty());
    say(&mut stage, ada, text(ALL, 2, "x"));
    say(&mut stage, bob, text(to(ada_id), 3, "x"));
    stage.ask(bob, Leave {});
    say(&mut stage, ada, text(HOSTS, 4, "x"));
    say(&mut stage, ada, text(ALL, 5, "x"));
    let (bob, _) = stage.try_join("Bob", device, None);
    let chats = stage.outputs().into_iter().find_map(|output| match output {
        Output::Reply { link, ok, .. } if link == bob => match *ok {
            Reply::Join(JoinOutcome::Joined(joined)) => Some(joined.chat),
            _ => None,
        },
        _ => None,
    });
    let numbers: Vec<u32> = chats.unwrap().iter().map(|one| one.number).collect();
    assert_eq!(numbers, [2, 3, 5]);
    let (_, joined) = stage.join("Eve");
    assert!(joined.chat.is_empty());
    // With everybody the chat is gone.
    change_chat(&mut stage, |chat| chat.history = ChatHistory::Kept);
    for link in stage.room.links.keys().copied().collect::<Vec<_>>() {
        stage.ask(link, Leave {});
    }
    stage.outputs();
    let (_, joined) = stage.join("Ada");
    assert!(joined.chat.is_empty());
}

#[test]
fn what_is_kept_is_there_after_the_end_as_the_room_says() {
    let mut stage = with(|chat| (chat.keep, chat.history) = (ChatKeep::Days, ChatHistory::Kept));
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    let (_, outputs) = say(&mut stage, bob, text(ALL, 1, "x"));
    let records: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Persist(Change::Chat(record)) => Some((**record).clone()),
            _ => None,
        })
        .collect();
    assert_eq!(records.len(), 1);
    let (_, outputs) = say(&mut stage, bob, text(to(ada_id), 2, "x"));
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Persist(_)))
    );
    for link in [ada, bob] {
        stage.ask(link, Leave {});
    }
    let gone = "keep messages gone false 2".to_owned();
    assert!(!stage.done().contains(&gone));
    let (eve, joined) = stage.join("Eve");
    assert_eq!(joined.chat.len(), 1);
    stage.ask(eve, Leave {});
    stage.outputs();
    // The same from the disk.
    let mut again = Stage::with(|_, record| {
        record.chat = records;
        (record.settings.chat.keep, record.settings.chat.history) =
            (ChatKeep::Days, ChatHistory::Kept);
    });
    let (host, _) = again.join_as("Ada", Role::Host);
    let (_, joined) = again.join("Eve");
    assert_eq!(joined.chat.len(), 1);
    let chat = ChatUpdate {
        keep: Some(ChatKeep::None),
        ..ChatUpdate::default()
    };
    let update = RoomUpdate {
        chat: Some(chat),
        ..RoomUpdate::default()
    };
    again.ask(host, update);
    let done = again.done();
    assert!(
        done.contains(&"keep messages gone false 1".to_owned()),
        "{done:?}"
    );
}

#[test]
fn a_crashed_session_is_forgotten_if_nobody_comes_back() {
    let mut stage = with(|chat| chat.keep = ChatKeep::Session);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (_, outputs) = say(&mut stage, ada, text(ALL, 1, "x"));
    let record = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Chat(record)) => Some((**record).clone()),
        _ => None,
    });
    let mut again = Stage::with(|_, room| {
        room.settings.chat.keep = ChatKeep::Session;
        room.chat.extend(record);
    });
    let until = again.now + Duration::from_secs(300);
    assert_eq!(again.room.poll_timeout(), Some(until));
    again.pass(Duration::from_secs(300));
    assert_eq!(again.done(), ["keep messages gone false 1"]);
    assert_eq!(again.room.poll_timeout(), None);
}

/// The chat that somebody who came back is told that it missed.
fn missed(stage: &mut Stage, token: ResumeToken, last_seq: u32) -> Vec<Push> {
    let (link, is_in) = stage.resume(token, last_seq, HOME);
    assert!(is_in);
    let outputs = stage.outputs();
    let missed = outputs.into_iter().find_map(|output| match output {
        Output::Reply { link: to, ok, .. } if to == link => match *ok {
            Reply::Hello(HelloOutcome::Resumed(resumed)) => Some(resumed.missed),
            _ => None,
        },
        _ => None,
    });
    let pushes = missed.unwrap().into_iter().map(|missed| missed.push);
    pushes
        .filter(|push| push.name().starts_with("chat."))
        .collect()
}

#[test]
fn what_was_deleted_meanwhile_is_not_told_to_who_comes_back() {
    for is_cleared in [false, true] {
        let mut stage = Stage::new();
        let (ada, _) = stage.join_as("Ada", Role::Host);
        let (bob, joined) = stage.join("Bob");
        stage.room.handle_link_lost(stage.now, bob);
        let (id, _) = say(&mut stage, ada, text(ALL, 1, "a slip"));
        stage.ask(ada, edit(id, "another slip"));
        match is_cleared {
            true => stage.ask(ada, ChatClear { up_to: None }),
            false => stage.ask(ada, delete(id)),
        };
        let (kept, _) = say(&mut stage, ada, text(ALL, 2, "no slip"));
        let missed = missed(&mut stage, joined.resume_token, joined.seq);
        let [
            Push::ChatWritten(slip),
            Push::ChatEdited(edited),
            end,
            Push::ChatWritten(other),
        ] = &missed[..]
        else {
            panic!("{missed:?}")
        };
        assert_eq!((slip.0.text.as_str(), edited.text.as_str()), ("", ""));
        assert_eq!(slip.0.deleted_by, Some(Role::Host));
        let name = if is_cleared {
            "chat.cleared"
        } else {
            "chat.deleted"
        };
        assert_eq!(end.name(), name);
        assert_eq!((other.0.id, other.0.text.as_str()), (kept, "no slip"));
    }
}

#[test]
fn who_was_sent_to_the_lobby_does_not_read_what_was_written_without_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (_, bob) = stage.join("Bob");
    say(&mut stage, ada, text(ALL, 1, "welcome"));
    let participant = bob.own.id;
    stage.ask(ada, ParticipantToLobby { participant });
    stage.outputs();
    let knock = stage.room.lobby.iter().next().unwrap().0;
    say(&mut stage, ada, text(ALL, 2, "what do you think of him?"));
    stage.ask(
        ada,
        LobbyAdmit {
            knocks: Some(vec![knock]),
            all_up_to_rev: None,
            as_role: None,
        },
    );
    let chat = stage.outputs().into_iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::LobbyStatus(LobbyStatus::Admitted { joined, .. }) => Some(joined.chat.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(chat, Some(Vec::new()));
}
