//! Random histories: steps that name nobody, so that any of them may be left out.

use rand::RngExt;
use rand::rngs::StdRng;

/// Something that happens, some time after what happened before.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) after_ms: u64,
    pub(crate) act: Act,
}

/// Numbers are places in lists that the world has when it comes to the step.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Join(Join),
    Manage {
        device: u8,
        net: u8,
        secret: u8,
    },
    Lose {
        who: u16,
    },
    PageGone {
        who: u16,
    },
    Resume(Resume),
    Say {
        who: u16,
        by_host: bool,
        verb: Verb,
    },
    /// A message that is none, or that was refused when it was read.
    Garbage {
        who: u16,
        is_readable: bool,
    },
    /// A request under a number that still waits for its answer.
    Again {
        who: u16,
    },
    /// One of the answers of the media plane arrives, and perhaps once more later.
    Answer {
        which: u16,
        stays: bool,
    },
    /// The media plane refuses the next publication.
    Refusal,
    Hashed {
        is_good: bool,
    },
    Operate {
        verb: Verb,
    },
    Delete,
    Crash,
}

#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) device: u8,
    pub(crate) net: u8,
    pub(crate) credential: u8,
    pub(crate) secret: u8,
    pub(crate) name: u8,
    pub(crate) choice: u8,
    pub(crate) agrees: bool,
    pub(crate) is_doubtful: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Resume {
    pub(crate) who: u16,
    /// Whether the newest token is shown, or an old one.
    pub(crate) is_newest: bool,
    pub(crate) is_invented: bool,
    /// How many of the last pushes never arrived; 255 for a number that never was.
    pub(crate) forgotten: u8,
    pub(crate) net: u8,
}

#[derive(Debug, Clone)]
pub(crate) enum Verb {
    Ping,
    Leave,
    Rename {
        whom: u16,
        name: u8,
    },
    Track {
        source: u8,
        muted: bool,
    },
    Publish {
        source: u8,
        muted: bool,
    },
    Unpublish {
        source: u8,
    },
    Screen {
        audio: bool,
        take_over: bool,
    },
    Update {
        kind: u8,
        value: u8,
        is_stale: bool,
    },
    Admit {
        all: bool,
        which: u16,
        role: u8,
    },
    Deny {
        all: bool,
        which: u16,
        block: u8,
    },
    Note {
        which: u16,
        text: u8,
    },
    ToLobby {
        whom: u16,
    },
    Remove {
        whom: u16,
        ban: u8,
    },
    Bans,
    LiftBan {
        which: u16,
    },
    Invite {
        kind: u8,
        role: u8,
        uses: u8,
    },
    Invites,
    RevokeInvite {
        which: u16,
        holders: bool,
    },
    Role {
        whom: u16,
        role: u8,
        custom: u8,
        is_stale: bool,
    },
    Override {
        whom: u16,
        key: u8,
        effect: u8,
        ttl: u8,
        is_stale: bool,
    },
    Mute {
        whom: Option<u16>,
        sources: u8,
    },
    Request {
        whom: u16,
        source: u8,
    },
    Reply {
        which: u16,
        answer: u8,
    },
    Grant {
        whom: u16,
        source: u8,
        on: bool,
        ttl: u8,
    },
    Lock {
        sources: u8,
        on: bool,
        allow: u8,
    },
    Chat {
        to: u8,
        whom: u16,
        text: u8,
        /// Which message it answers, if any.
        reply: Option<u16>,
        /// Under the name of an earlier one.
        again: bool,
    },
    EditChat {
        which: u16,
        text: u8,
    },
    DeleteChat {
        which: u16,
    },
    ReactChat {
        which: u16,
        emoji: u8,
        on: bool,
    },
    PinChat {
        which: u16,
        on: bool,
    },
    ClearChat {
        up_to: Option<u8>,
    },
    ExportChat {
        format: u8,
    },
    React {
        emoji: u8,
    },
    Announce,
    Refresh,
    Pause {
        on: bool,
    },
    AnswerTakeover {
        which: u16,
        answer: u8,
    },
    Raise,
    LowerHand {
        whom: Option<u16>,
    },
    LowerAll,
    NextHand {
        ttl: u8,
    },
    Offer {
        whom: u16,
        permanent: bool,
    },
    AnswerOffer {
        which: u16,
        answer: u8,
    },
    Suspend {
        on: bool,
    },
    End {
        countdown: u8,
    },
    CancelEnd,
}

/// Draws a history of `steps`.
pub(crate) fn draw(rng: &mut StdRng, steps: usize) -> Vec<Step> {
    (0..steps).map(|_| step(rng)).collect()
}

fn step(rng: &mut StdRng) -> Step {
    let after_ms = match rng.random_range(0..1000) {
        0..500 => 0,
        500..790 => rng.random_range(1..900),
        790..915 => rng.random_range(900..5_000),
        915..965 => rng.random_range(5_000..35_000),
        965..987 => rng.random_range(35_000..130_000),
        987..998 => rng.random_range(130_000..700_000),
        _ => rng.random_range(700_000..90_000_000),
    };
    Step {
        after_ms,
        act: act(rng),
    }
}

fn act(rng: &mut StdRng) -> Act {
    match rng.random_range(0..1000) {
        0..160 => Act::Join(Join {
            device: rng.random_range(0..9),
            net: rng.random_range(0..3),
            credential: rng.random(),
            secret: rng.random(),
            name: rng.random_range(0..5),
            choice: rng.random_range(0..8),
            agrees: rng.random_range(0..16) > 0,
            is_doubtful: rng.random_range(0..12) == 0,
        }),
        160..175 => Act::Manage {
            device: rng.random_range(0..9),
            net: rng.random_range(0..3),
            secret: rng.random(),
        },
        175..210 => Act::Lose { who: rng.random() },
        210..222 => Act::PageGone { who: rng.random() },
        222..290 => Act::Resume(Resume {
            who: rng.random(),
            is_newest: rng.random_range(0..6) > 0,
            is_invented: rng.random_range(0..20) == 0,
            forgotten: match rng.random_range(0..12) {
                0 => 255,
                some => some % 5,
            },
            net: rng.random_range(0..3),
        }),
        290..298 => Act::Garbage {
            who: rng.random(),
            is_readable: rng.random_range(0..4) > 0,
        },
        298..304 => Act::Again { who: rng.random() },
        304..420 => Act::Answer {
            which: rng.random(),
            stays: rng.random_range(0..12) == 0,
        },
        420..428 => Act::Refusal,
        428..448 => Act::Hashed {
            is_good: rng.random_range(0..5) > 0,
        },
        448..460 => Act::Operate { verb: verb(rng) },
        460..463 => Act::Crash,
        463 if rng.random_range(0..4) == 0 => Act::Delete,
        _ => Act::Say {
            who: rng.random(),
            by_host: rng.random_range(0..3) > 0,
            verb: verb(rng),
        },
    }
}

fn verb(rng: &mut StdRng) -> Verb {
    let whom: u16 = rng.random();
    let (source, role) = (rng.random_range(0..4), rng.random_range(0..5));
    let is_stale = rng.random_range(0..10) == 0;
    match rng.random_range(0..314) {
        200.. => life(rng, whom),
        0..4 => Verb::Ping,
        4..9 => Verb::Leave,
        9..15 => Verb::Rename {
            whom,
            name: rng.random_range(0..6),
        },
        15..33 => Verb::Track {
            source,
            muted: rng.random(),
        },
        33..60 => Verb::Publish {
            source,
            muted: rng.random_range(0..4) == 0,
        },
        60..66 => Verb::Unpublish { source },
        66..70 => Verb::Screen {
            audio: rng.random(),
            take_over: rng.random(),
        },
        70..90 => Verb::Update {
            kind: rng.random(),
            value: rng.random(),
            is_stale,
        },
        90..108 => Verb::Admit {
            all: rng.random_range(0..3) == 0,
            which: whom,
            role: rng.random_range(0..12),
        },
        108..113 => Verb::Deny {
            all: rng.random_range(0..5) == 0,
            which: whom,
            block: rng.random_range(0..6),
        },
        113..117 => Verb::Note {
            which: whom,
            text: rng.random_range(0..3),
        },
        117..121 => Verb::ToLobby { whom },
        121..127 => Verb::Remove {
            whom,
            ban: rng.random_range(0..12),
        },
        127..129 => Verb::Bans,
        129..132 => Verb::LiftBan { which: whom },
        132..138 => Verb::Invite {
            kind: rng.random(),
            role,
            uses: rng.random_range(0..5),
        },
        138..140 => Verb::Invites,
        140..144 => Verb::RevokeInvite {
            which: whom,
            holders: rng.random(),
        },
        144..156 => Verb::Role {
            whom,
            role,
            custom: rng.random_range(0..8),
            is_stale,
        },
        156..168 => Verb::Override {
            whom,
            key: rng.random(),
            effect: rng.random_range(0..3),
            ttl: rng.random_range(0..8),
            is_stale,
        },
        168..176 => Verb::Mute {
            whom: rng.random_bool(0.6).then_some(whom),
            sources: rng.random_range(0..32),
        },
        176..181 => Verb::Request { whom, source },
        181..185 => Verb::Reply {
            which: whom,
            answer: rng.random_range(0..3),
        },
        185..192 => Verb::Grant {
            whom,
            source,
            on: rng.random(),
            ttl: rng.random_range(0..8),
        },
        _ => Verb::Lock {
            sources: rng.random_range(0..16),
            on: rng.random(),
            allow: rng.random(),
        },
    }
}

/// What is said in a meeting that goes on.
fn life(rng: &mut StdRng, whom: u16) -> Verb {
    match rng.random_range(0..114) {
        102..105 => Verb::Pause { on: rng.random() },
        105..110 => Verb::AnswerTakeover {
            which: whom,
            answer: rng.random_range(0..5),
        },
        110..114 => Verb::Screen {
            audio: rng.random(),
            take_over: true,
        },
        82..91 => Verb::Raise,
        91..94 => Verb::LowerHand {
            whom: rng.random_bool(0.6).then_some(whom),
        },
        94 => Verb::LowerAll,
        95..102 => Verb::NextHand {
            ttl: rng.random_range(0..6),
        },
        70..76 => Verb::Offer {
            whom,
            permanent: rng.random_range(0..4) == 0,
        },
        76..82 => Verb::AnswerOffer {
            which: whom,
            answer: rng.random_range(0..5),
        },
        0..28 => Verb::Chat {
            to: rng.random_range(0..8),
            whom,
            text: rng.random_range(0..24),
            reply: rng.random_bool(0.2).then(|| rng.random()),
            again: rng.random_range(0..10) == 0,
        },
        28..33 => Verb::EditChat {
            which: whom,
            text: rng.random_range(0..24),
        },
        33..37 => Verb::DeleteChat { which: whom },
        37..42 => Verb::ReactChat {
            which: whom,
            emoji: rng.random_range(0..3),
            on: rng.random_range(0..3) > 0,
        },
        42..46 => Verb::PinChat {
            which: whom,
            on: rng.random_range(0..3) > 0,
        },
        46 => Verb::ClearChat {
            up_to: rng.random_bool(0.6).then(|| rng.random_range(0..30)),
        },
        47..50 => Verb::ExportChat {
            format: rng.random_range(0..3),
        },
        50..55 => Verb::React {
            emoji: rng.random_range(0..3),
        },
        55..57 => Verb::Announce,
        57 => Verb::Refresh,
        58..64 => Verb::Suspend {
            on: rng.random_range(0..3) == 0,
        },
        64..67 => Verb::End {
            countdown: rng.random_range(0..8),
        },
        _ => Verb::CancelEnd,
    }
}
