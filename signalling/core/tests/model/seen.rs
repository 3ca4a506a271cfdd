//! What a step said, as far as the model has to learn from it, and what the
//! model expects it to say.

use std::collections::BTreeMap;

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_core::output::{LinkId, OperatorReply, Output, Reply};
use conclave_signalling_core::record::{Ban, Change, Invite};
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::ids::{KnockId, MessageId, ParticipantId, RequestId};
use conclave_signalling_wire::moderation::RevokedReason;
use conclave_signalling_wire::objects::Source;
use conclave_signalling_wire::push::{LobbyStatus, Push};
use conclave_signalling_wire::reply::{HelloOutcome, JoinOutcome, Joined};
use conclave_signalling_wire::screen::ScreenOutcome;
use conclave_signalling_wire::secret::{InviteSecret, ResumeToken};

/// An answer as the model writes it: words for a good one, a code and perhaps a
/// member for a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok(String),
    No(ErrorCode, Option<&'static str>),
}

impl Outcome {
    pub(crate) fn ok(words: impl Into<String>) -> Self {
        Outcome::Ok(words.into())
    }

    pub(crate) fn no(code: ErrorCode) -> Self {
        Outcome::No(code, None)
    }

    pub(crate) fn is(&self, said: &Said) -> bool {
        match (self, said) {
            (Outcome::Ok(expected), Said::Ok(words)) => expected == words,
            (Outcome::No(expected, field), Said::No(code, member)) => {
                expected == code && (field.is_none() || *field == member.as_deref())
            }
            _ => false,
        }
    }
}

/// The same, as the room wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Ok(String),
    No(ErrorCode, Option<String>),
}

/// Writes a good answer in the words that the model uses.
pub(crate) fn words(reply: &Reply) -> String {
    match reply {
        Reply::Hello(HelloOutcome::Welcome(_)) => "welcome".to_owned(),
        Reply::Hello(HelloOutcome::Resumed(_)) => "resumed".to_owned(),
        Reply::Join(JoinOutcome::Joined(_)) => "joined".to_owned(),
        Reply::Join(JoinOutcome::Lobby(lobby)) => format!("lobby {:?}", lobby.state),
        Reply::Join(JoinOutcome::Duplicate(twin)) => format!("duplicate {}", twin.participant),
        Reply::Done => "done".to_owned(),
        Reply::Renamed(_) => "renamed".to_owned(),
        Reply::Answer(_) => "answer".to_owned(),
        Reply::Published(_) => "published".to_owned(),
        Reply::Wished(_) => "wished".to_owned(),
        Reply::TurnRefreshed(fresh) => {
            let servers = fresh.ice_servers.iter();
            let whose: Vec<&str> = servers.map(|server| server.username.as_str()).collect();
            format!("relay {whose:?}")
        }
        Reply::Acked(_) => "acked".to_owned(),
        Reply::Screen(ScreenOutcome::Granted { .. }) => "screen granted".to_owned(),
        Reply::Screen(ScreenOutcome::Asked { .. }) => "screen asked".to_owned(),
        Reply::ChatSent(sent) => format!("sent {}", sent.id),
        Reply::ChatExported(exported) => {
            // The texts that are written are words with a number.
            let words = exported
                .text
                .split(|one: char| !one.is_ascii_alphanumeric());
            let mut texts: Vec<&str> = words.filter(|word| word.starts_with("word")).collect();
            texts.sort_unstable();
            format!("exported {texts:?}")
        }
        Reply::Called(called) => format!("called {:?}", called.participant),
        Reply::TransferAsked(_) => "offered".to_owned(),
        Reply::Transferred(transferred) => format!("transferred {}", transferred.secret.is_some()),
        Reply::Attendance(_) => "attendance".to_owned(),
        Reply::Managed(managed) => format!("managed {:?}", managed.role),
        Reply::RoomRevised(revised) => format!("room {}", revised.rev),
        Reply::Revised(_) => "revised".to_owned(),
        Reply::Lobby(lobby) => {
            let results = lobby.results.iter();
            let results = results.map(|one| lobby_words(one.knock, one.result, one.by));
            results.collect()
        }
        Reply::Muted(muted) => format!("muted {:?}", muted.participants),
        Reply::Requested(_) => "requested".to_owned(),
        Reply::Removed(removed) => {
            format!("removed {} ban {}", removed.removals, removed.ban.is_some())
        }
        Reply::Bans(bans) => {
            let ids: Vec<_> = bans.bans.iter().map(|ban| ban.id).collect();
            format!("bans {ids:?}")
        }
        Reply::Invited(created) => format!("invited {:?}", created.invite.role),
        Reply::Invites(invites) => {
            let invites = invites.invites.iter();
            let states = invites.map(|one| format!("{} {:?} {}, ", one.id, one.state, one.uses));
            states.collect()
        }
    }
}

pub(crate) fn lobby_words(
    knock: KnockId,
    result: impl std::fmt::Debug,
    by: Option<ParticipantId>,
) -> String {
    format!("{knock} {result:?} {by:?}, ")
}

pub(crate) fn operator_words(reply: &OperatorReply) -> String {
    match reply {
        OperatorReply::Done => "done".to_owned(),
        OperatorReply::Room(_) => "room".to_owned(),
        OperatorReply::Invited(created) => format!("invited {:?}", created.invite.role),
        OperatorReply::Invites(_) => "invites".to_owned(),
        OperatorReply::Bans(_) => "bans".to_owned(),
        OperatorReply::Live(_) => "live".to_owned(),
        OperatorReply::Lobby(_) => "lobby".to_owned(),
        OperatorReply::Chat(_) => "chat".to_owned(),
        OperatorReply::Said(_) => "said".to_owned(),
    }
}

/// Writes what somebody is told of the chat and by others, in the words that the
/// model uses.
pub(crate) fn told(push: &Push) -> Option<String> {
    Some(match push {
        Push::ChatWritten(written) => {
            let message = &written.0;
            let from = &message.from;
            format!(
                "message {} {} {} {:?} {}",
                message.id, message.number, from.participant, from.role, message.text
            )
        }
        Push::ChatEdited(edited) => format!("edited {} {}", edited.id, edited.text),
        Push::ChatDeleted(deleted) => format!("deleted {} {:?}", deleted.id, deleted.by_role),
        Push::ChatPinned(pinned) => format!("pinned {} {}", pinned.id, pinned.on),
        Push::ChatCleared(cleared) => format!("cleared {} {:?}", cleared.up_to, cleared.by_role),
        Push::ChatReacted(reacted) => {
            let kinds = reacted.reactions.iter().map(|one| {
                let (emoji, count, ids) = (one.emoji, one.count, &one.participants);
                format!(" {emoji:?} {count} {ids:?}")
            });
            format!("reacted {}{}", reacted.id, kinds.collect::<String>())
        }
        Push::Reaction(reaction) => {
            format!("reaction {:?} {:?}", reaction.emoji, reaction.participant)
        }
        Push::HostTransferRequested(asked) => {
            format!("offered {} {}", asked.request, asked.permanent)
        }
        Push::HostTransferAnswered(answered) => {
            format!("answered {} {:?}", answered.request, answered.answer)
        }
        Push::ScreenTakeoverRequested(wanted) => {
            format!("wanted {} {:?}", wanted.request, wanted.by)
        }
        Push::ScreenTakeoverAnswered(taken) => {
            format!("taken {} {}", taken.request, taken.share_id.is_some())
        }
        Push::Announcement(said) => format!("announcement {:?}", said.by),
        _ => return None,
    })
}

/// What the model cannot know: identifiers and secrets that the room draws.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) joined: BTreeMap<LinkId, Joined>,
    pub(crate) knocks: BTreeMap<LinkId, KnockId>,
    /// Knocks that were drawn for those sent back, with the keys they were given.
    pub(crate) drawn: Vec<(KnockId, MemberKey)>,
    pub(crate) invites: Vec<Invite>,
    pub(crate) secrets: Vec<InviteSecret>,
    pub(crate) bans: Vec<Ban>,
    pub(crate) requests: Vec<RequestId>,
    pub(crate) messages: Vec<MessageId>,
    /// What somebody is asked who was called.
    pub(crate) prompts: Vec<RequestId>,
    pub(crate) transfers: Vec<RequestId>,
    pub(crate) takeovers: Vec<RequestId>,
    pub(crate) attempts: Vec<u32>,
    pub(crate) tickets: Vec<u64>,
    pub(crate) barriers: Vec<u64>,
    pub(crate) resumed: BTreeMap<LinkId, ResumeToken>,
}

impl Seen {
    pub(crate) fn of(outputs: &[Output], drawn: Vec<(KnockId, MemberKey)>) -> Self {
        let mut seen = Seen {
            drawn,
            ..Seen::default()
        };
        for output in outputs {
            seen.take(output);
        }
        seen
    }

    fn take(&mut self, output: &Output) {
        match output {
            Output::Reply { link, ok, .. } => match ok.as_ref() {
                Reply::Join(JoinOutcome::Joined(joined)) => {
                    self.joined.insert(*link, joined.as_ref().clone());
                }
                Reply::Join(JoinOutcome::Lobby(lobby)) => {
                    self.knocks.insert(*link, lobby.knock);
                }
                Reply::Hello(HelloOutcome::Resumed(resumed)) => {
                    self.resumed.insert(*link, resumed.resume_token);
                }
                Reply::Invited(created) => self.secrets.push(created.secret),
                Reply::Screen(ScreenOutcome::Asked { request }) => self.takeovers.push(*request),
                Reply::TransferAsked(asked) => self.transfers.push(asked.request),
                Reply::ChatSent(sent) => self.messages.push(sent.id),
                Reply::Requested(requested) => self.requests.push(requested.request),
                _ => {}
            },
            Output::Operator { answer, .. } => {
                if let Ok(OperatorReply::Invited(created)) = answer.as_ref() {
                    self.secrets.push(created.secret);
                }
            }
            Output::Push { link, notice, .. } => {
                if let Push::MediaRequested(asked) = notice.push() {
                    self.prompts.push(asked.request);
                }
                if let Push::LobbyStatus(LobbyStatus::Admitted { joined, .. }) = notice.push() {
                    self.joined.insert(*link, joined.as_ref().clone());
                }
            }
            Output::Persist(Change::Invite(invite)) => self.invites.push(invite.as_ref().clone()),
            Output::Persist(Change::Ban(ban)) => self.bans.push(ban.as_ref().clone()),
            Output::Media(Command::Publish { attempt, .. }) => self.attempts.push(*attempt),
            Output::Media(Command::Barrier { number, .. }) => self.barriers.push(*number),
            Output::Hash { ticket, .. } => self.tickets.push(*ticket),
            _ => {}
        }
    }
}

/// What a step is to say, the order within each list aside.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) answers: Vec<(LinkId, u32, Outcome)>,
    pub(crate) operator: Vec<(u64, Outcome)>,
    pub(crate) closes: Vec<(LinkId, CloseCode)>,
    pub(crate) released: Vec<LinkId>,
    /// Action and outcome.
    pub(crate) audits: Vec<(String, String)>,
    /// Whose publication was muted or ended by somebody else.
    pub(crate) revoked: Vec<(MemberKey, Source, RevokedReason)>,
    /// Who is told what came of its request to unmute.
    pub(crate) answered: Vec<(MemberKey, RequestId)>,
    /// Who is asked to unmute.
    pub(crate) requested: Vec<(MemberKey, RequestId)>,
    /// What else somebody is told, in words.
    pub(crate) told: Vec<(MemberKey, String)>,
    /// Whether the exemption of a call ended: the room keeps that by itself.
    pub(crate) is_call_over: bool,
    /// Who is gone in this step.
    pub(crate) dead: Vec<ParticipantId>,
    /// Who of them because the meeting ended.
    pub(crate) ended: Vec<ParticipantId>,
}
