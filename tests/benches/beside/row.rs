//! What is played: the rows of the table.

/// Pictures that one participant of Conclave can wish for at once. The same is asked of others.
const WATCHED_MAX: usize = 12;
/// Slots for sound that a participant of Conclave offers: the loudest are in them.
const AUDIO_SLOTS: usize = 4;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) publishers: usize,
    /// Of them, who also watches all others, or only sends.
    pub(crate) meets: bool,
    /// Who only watches.
    pub(crate) viewers: usize,
    /// Of each picture.
    pub(crate) video_bps: u64,
    /// One receiver of so many decrypts.
    pub(crate) sample: usize,
}

/// Of each picture, unless a row says otherwise: 170 packets a second at 30 frames.
const VIDEO_BPS: u64 = 1_500_000;

impl Row {
    /// One sends to many.
    pub(crate) const fn fan_out(viewers: usize) -> Row {
        Row {
            publishers: 1,
            meets: false,
            viewers,
            video_bps: VIDEO_BPS,
            sample: 1,
        }
    }

    /// Everybody sends and watches all others.
    pub(crate) const fn meeting(members: usize) -> Row {
        Row {
            publishers: members,
            meets: true,
            viewers: 0,
            video_bps: VIDEO_BPS,
            sample: 1,
        }
    }

    /// The rows of the table, by the word that asks for one.
    pub(crate) const TABLE: [(&'static str, Row); 5] = [
        ("fan-50", Row::fan_out(50)),
        ("fan-100", Row::fan_out(100)),
        ("fan-200", Row::fan_out(200)),
        ("meeting-10", Row::meeting(10)),
        ("meeting-20", Row::meeting(20)),
    ];

    /// Half a thousand people, which is all that a room holds, one of whom speaks.
    pub(crate) const WEBINAR: Row = Row {
        sample: 20,
        ..Row::fan_out(499)
    };

    /// The steps of the climb: more and more publishers for 50 viewers, and when there are as
    /// many as a viewer of Conclave can watch, thicker pictures.
    pub(crate) fn climb() -> Vec<Row> {
        const VIEWERS: usize = 50;
        let step = |publishers, video_bps| Row {
            publishers,
            meets: false,
            viewers: VIEWERS,
            video_bps,
            sample: 10,
        };
        let people = (2..=WATCHED_MAX).map(|publishers| step(publishers, VIDEO_BPS));
        let thicker = (7..=16).map(|quarters| step(WATCHED_MAX, quarters * 250_000));
        people.chain(thicker).collect()
    }

    pub(crate) fn name(&self) -> String {
        if self.meets {
            return format!("meeting of {}", self.publishers);
        }
        let thickness = if self.video_bps == VIDEO_BPS {
            String::new()
        } else {
            format!(" at {} Mbit/s", self.video_bps as f64 / 1e6)
        };
        format!("{} → {}{thickness}", self.publishers, self.viewers)
    }

    /// Which viewers decrypt what they receive, in words.
    pub(crate) fn who_decrypts(&self) -> String {
        match self.sample {
            0 | 1 => "who all decrypt".to_owned(),
            sample => format!("of whom one in {sample} decrypts"),
        }
    }

    /// Who comes in.
    pub(crate) fn participants(&self) -> usize {
        self.publishers + self.viewers
    }

    /// Who receives.
    pub(crate) fn receivers(&self) -> usize {
        if self.meets {
            self.publishers
        } else {
            self.viewers
        }
    }

    /// Of how many others a receiver should get picture and sound.
    pub(crate) fn others(&self) -> usize {
        self.publishers - usize::from(self.meets)
    }

    /// How many pictures a receiver asks for.
    pub(crate) fn watched(&self) -> usize {
        self.others().min(WATCHED_MAX)
    }

    /// Which share of a publisher's packets is sound.
    pub(crate) fn sound_share(&self) -> f64 {
        let pictures = 170.0 * self.video_bps as f64 / VIDEO_BPS as f64;
        50.0 / (50.0 + pictures)
    }

    /// How many sounds Conclave sends of the others; Janus sends all.
    pub(crate) fn heard(&self) -> usize {
        self.others().min(AUDIO_SLOTS)
    }
}
