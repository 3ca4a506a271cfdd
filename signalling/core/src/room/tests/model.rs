//! Random operations on a room, against what each client would believe.

use std::collections::BTreeMap;

use super::*;
use crate::digest::TokenHash;
use conclave_sfu_wire::control::Source as ShardSource;
use conclave_signalling_wire::objects::Participant;
use conclave_signalling_wire::reply::HelloOutcome;
use conclave_signalling_wire::request::{Leave, MediaUnpublish, ParticipantRename, TrackState};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Operation {
    Join {
        device: u8,
        choice: Option<bool>,
    },
    Lose {
        who: prop::sample::Index,
    },
    /// Resumes, having missed the last pushes of the dead link.
    Resume {
        who: prop::sample::Index,
        forgotten: u8,
    },
    Rename {
        who: prop::sample::Index,
        name: u8,
    },
    Publish {
        who: prop::sample::Index,
        source: Source,
        agreed: bool,
    },
    Mute {
        who: prop::sample::Index,
        source: Source,
        muted: bool,
    },
    Unpublish {
        who: prop::sample::Index,
        source: Source,
    },
    Leave {
        who: prop::sample::Index,
    },
    Offer {
        who: prop::sample::Index,
        answered: bool,
    },
    Pass {
        seconds: u64,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let who = any::<prop::sample::Index>;
    let source = || proptest::sample::select(&Source::ALL[..]);
    prop_oneof![
        3 => (0u8..6, any::<Option<bool>>()).prop_map(|(device, choice)| Operation::Join { device, choice }),
        2 => who().prop_map(|who| Operation::Lose { who }),
        3 => (who(), 0u8..4).prop_map(|(who, forgotten)| Operation::Resume { who, forgotten }),
        2 => (who(), any::<u8>()).prop_map(|(who, name)| Operation::Rename { who, name }),
        3 => (who(), source(), any::<bool>()).prop_map(|(who, source, agreed)| Operation::Publish { who, source, agreed }),
        2 => (who(), source(), any::<bool>()).prop_map(|(who, source, muted)| Operation::Mute { who, source, muted }),
        1 => (who(), source()).prop_map(|(who, source)| Operation::Unpublish { who, source }),
        1 => who().prop_map(|who| Operation::Leave { who }),
        1 => (who(), any::<bool>()).prop_map(|(who, answered)| Operation::Offer { who, answered }),
        2 => (0u64..20).prop_map(|seconds| Operation::Pass { seconds }),
    ]
}

/// What a client believes, from its messages alone.
struct Client {
    open: bool,
    token: ResumeToken,
    seq: u32,
    faces: BTreeMap<ParticipantId, Participant>,
    /// Every state it was in, by number, so that a resume can forget some pushes.
    past: BTreeMap<u32, BTreeMap<ParticipantId, Participant>>,
}

impl Client {
    fn new(joined: Joined) -> Self {
        let mut client = Client {
            open: true,
            token: joined.resume_token,
            seq: 0,
            faces: BTreeMap::new(),
            past: BTreeMap::new(),
        };
        client.begin_anew(joined);
        client
    }

    fn begin_anew(&mut self, joined: Joined) {
        self.token = joined.resume_token;
        self.seq = joined.seq;
        self.faces = joined
            .roster
            .into_iter()
            .chain([joined.own])
            .map(|face| (face.id, face))
            .collect();
        self.past.insert(self.seq, self.faces.clone());
    }

    fn hear(&mut self, seq: Option<u32>, push: &Push) {
        assert_eq!(seq.is_some(), push.is_sequenced());
        let Some(seq) = seq else { return };
        assert_eq!(seq, self.seq + 1, "no gap in the numbers");
        self.seq = seq;
        match push {
            Push::ParticipantJoined(joined) => {
                let before = self
                    .faces
                    .insert(joined.participant.id, joined.participant.clone());
                assert_eq!(before, None);
            }
            Push::ParticipantUpdated(updated) => {
                let before = self
                    .faces
                    .insert(updated.participant.id, updated.participant.clone())
                    .unwrap();
                assert_eq!(updated.participant.rev, before.rev + 1);
            }
            Push::ParticipantLeft(left) => assert!(self.faces.remove(&left.participant).is_some()),
            _ => {}
        }
        self.past.insert(seq, self.faces.clone());
    }
}

#[derive(Default)]
struct World {
    clients: BTreeMap<LinkId, Client>,
    /// The link whose place a resuming link asks for.
    resuming: BTreeMap<LinkId, LinkId>,
    admitted: BTreeMap<MemberKey, ()>,
    is_open: bool,
    tokens: Vec<TokenHash>,
}

impl World {
    fn take(&mut self, stage: &mut Stage) {
        for output in stage.outputs() {
            match output {
                Output::Reply { link, ok, .. } => self.hear_reply(link, *ok),
                Output::Refuse { link, .. } => {
                    self.resuming.remove(&link);
                }
                Output::Push { link, seq, notice } => {
                    let client = self.clients.get_mut(&link).unwrap();
                    assert!(client.open, "nothing is pushed after a close");
                    client.hear(seq, notice.push());
                }
                Output::Close { link, code } => {
                    assert_ne!(code, CloseCode::Ended);
                    self.clients.get_mut(&link).unwrap().open = false;
                }
                // What is kept, hashed or answered to the operator is not the model's.
                Output::Persist(_)
                | Output::Hash { .. }
                | Output::Operator { .. }
                | Output::Release { .. }
                | Output::DrawKey { .. } => {}
                Output::Media(command) => self.obey(&command),
                Output::TokenIssued(token) => self.tokens.push(token),
                Output::TokenRevoked(token) => {
                    let place = self
                        .tokens
                        .iter()
                        .position(|known| *known == token)
                        .unwrap();
                    self.tokens.swap_remove(place);
                }
            }
        }
    }

    fn hear_reply(&mut self, link: LinkId, reply: Reply) {
        match reply {
            Reply::Join(JoinOutcome::Joined(joined)) => {
                self.clients.insert(link, Client::new(*joined));
            }
            Reply::Hello(HelloOutcome::Resumed(resumed)) => {
                let old = self.resuming.remove(&link).unwrap();
                let mut client = self.clients.remove(&old).unwrap();
                client.open = true;
                match resumed.snapshot {
                    Some(snapshot) => client.begin_anew(*snapshot),
                    None => resumed
                        .missed
                        .iter()
                        .for_each(|missed| client.hear(Some(missed.seq), &missed.push)),
                }
                client.token = resumed.resume_token;
                self.clients.insert(link, client);
            }
            Reply::Join(JoinOutcome::Duplicate(_)) => assert!(!self.clients.contains_key(&link)),
            _ => assert!(self.clients[&link].open),
        }
    }

    /// A shard that insists on the order of the contract.
    fn obey(&mut self, command: &Command) {
        match command {
            Command::Barrier { .. } | Command::Span { .. } => {}
            Command::OpenRoom { .. } => assert!(!std::mem::replace(&mut self.is_open, true)),
            Command::CloseRoom { .. } => {
                assert!(std::mem::replace(&mut self.is_open, false));
                assert!(self.admitted.is_empty());
            }
            Command::Admit { member, .. } => {
                assert!(self.is_open);
                assert_eq!(self.admitted.insert(*member, ()), None);
            }
            Command::Drop { member } => assert!(self.admitted.remove(member).is_some()),
            Command::Offer { member, .. }
            | Command::Publish { member, .. }
            | Command::SetMuted { member, .. }
            | Command::Unpublish { member, .. }
            | Command::Wish { member, .. }
            | Command::AckSlots { member, .. }
            | Command::EndTransport { member }
            | Command::SetLink { member, .. } => assert!(self.admitted.contains_key(member)),
        }
    }

    fn pick(&self, who: &prop::sample::Index, open: bool) -> Option<LinkId> {
        let links: Vec<LinkId> = self
            .clients
            .iter()
            .filter(|(_, client)| client.open == open)
            .map(|(link, _)| *link)
            .collect();
        (!links.is_empty()).then(|| *who.get(&links))
    }

    fn check(&self, stage: &Stage) {
        let truth: BTreeMap<ParticipantId, Participant> = stage
            .room
            .roster()
            .map(|face| (face.id, face.clone()))
            .collect();
        assert_eq!(truth.len(), self.admitted.len());
        assert_eq!(truth.len(), self.tokens.len());
        assert_eq!(self.is_open, !truth.is_empty());
        for (link, client) in self.clients.iter().filter(|(_, client)| client.open) {
            assert_eq!(client.faces, truth);
            assert!(stage.room.participant_of(*link).is_some());
        }
        let sharing = truth
            .values()
            .filter(|face| face.sources.screen.is_some())
            .count();
        assert!(sharing <= 1);
    }
}

fn perform(stage: &mut Stage, world: &mut World, operation: Operation) {
    match operation {
        Operation::Join { device, choice } => {
            let choice = choice.map(|second| match second {
                true => DuplicateChoice::JoinAsSecond,
                false => DuplicateChoice::TakeOver,
            });
            stage.try_join("Guest", device, choice);
        }
        Operation::Lose { who } => {
            if let Some(link) = world.pick(&who, true) {
                world.clients.get_mut(&link).unwrap().open = false;
                stage.room.handle_link_lost(stage.now, link);
            }
        }
        Operation::Resume { who, forgotten } => {
            if let Some(old) = world.pick(&who, false) {
                let client = world.clients.get_mut(&old).unwrap();
                let seq = client.seq.saturating_sub(u32::from(forgotten));
                if let Some(faces) = client.past.get(&seq) {
                    client.faces = faces.clone();
                    client.seq = seq;
                }
                let (token, last_seq) = (client.token, client.seq);
                world.resuming.insert(LinkId(stage.keys + 1), old);
                stage.resume(token, last_seq, HOME);
            }
        }
        Operation::Rename { who, name } => {
            if let Some(link) = world.pick(&who, true) {
                let participant = stage.room.participant_of(link).unwrap().id;
                let name = DisplayName::new(&format!("Guest {name}")).unwrap();
                stage.ask(link, ParticipantRename { participant, name });
            }
        }
        Operation::Publish {
            who,
            source,
            agreed,
        } => {
            if let Some(link) = world.pick(&who, true) {
                stage.publish(link, source, "1");
                if let (true, Some(member)) = (agreed, stage.room.key_of(link)) {
                    let source: ShardSource = crate::media::to_source(source);
                    let attempt = stage.attempt(member, source);
                    stage.room.handle_media(
                        stage.now,
                        Event::Published {
                            member,
                            attempt,
                            source,
                            rids: Vec::new(),
                        },
                    );
                }
            }
        }
        Operation::Mute { who, source, muted } => {
            if let Some(link) = world.pick(&who, true) {
                stage.ask(link, TrackState { source, muted });
            }
        }
        Operation::Unpublish { who, source } => {
            if let Some(link) = world.pick(&who, true) {
                stage.ask(link, MediaUnpublish { source });
            }
        }
        Operation::Leave { who } => {
            if let Some(link) = world.pick(&who, true) {
                stage.ask(link, Leave {});
            }
        }
        Operation::Offer { who, answered } => {
            if let Some(link) = world.pick(&who, true) {
                stage.offer(link, 1);
                if let (true, Some(member)) = (answered, stage.room.key_of(link)) {
                    stage.answer(member, 1);
                }
            }
        }
        Operation::Pass { seconds } => stage.pass(Duration::from_secs(seconds)),
    }
    world.take(stage);
    world.check(stage);
}

proptest! {
    #[test]
    fn every_client_believes_what_is_true(operations in proptest::collection::vec(operation(), 1..120)) {
        let mut stage = Stage::with(|config, _| config.participants_max = 8);
        let mut world = World::default();
        for operation in operations {
            perform(&mut stage, &mut world, operation);
        }
        // In the end everybody goes, and nothing is left.
        for link in world.clients.iter().filter(|(_, client)| client.open).map(|(link, _)| *link).collect::<Vec<_>>() {
            stage.ask(link, Leave {});
        }
        stage.pass(Duration::from_secs(30));
        world.take(&mut stage);
        prop_assert_eq!(stage.room.participants(), 0);
        prop_assert_eq!(stage.room.poll_timeout(), None);
        prop_assert!(!world.is_open && world.tokens.is_empty());
    }
}
