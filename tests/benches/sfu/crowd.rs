//! Participants on real sockets, driven by one thread.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use conclave_loadtest::{Participant, ParticipantConfig};
use conclave_sfu_wire::control::Source;

use crate::child::{Child, Said};

/// Who sends and who sees whom.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One sends, all others only receive.
    Webinar { viewers: usize },
    /// Everybody sends and sees everybody.
    Meeting { members: usize },
}

struct One {
    participant: Participant,
    socket: UdpSocket,
    sends: bool,
    published: bool,
    received: u64,
}

/// All participants.
pub(crate) struct Crowd {
    people: Vec<One>,
    buffer: Vec<u8>,
}

impl Crowd {
    pub(crate) fn join(child: &mut Child, shape: Shape) -> Crowd {
        let (count, senders) = match shape {
            Shape::Webinar { viewers } => (viewers + 1, 1),
            Shape::Meeting { members } => (members, members),
        };
        let mut people = Vec::new();
        for id in 1..=count as u64 {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
            socket.set_nonblocking(true).expect("a socket can be so");
            let address = socket.local_addr().expect("bound");
            let now = Instant::now();
            let mut config = ParticipantConfig::new(id, address);
            // One picture of 1.5 Mbit/s, as the rivals' figures were measured.
            config.simulcast = false;
            config.pictures.camera[2].bitrate_bps = 1_500_000;
            config.pictures.camera_fps = 30;
            config.video_slots = senders.clamp(2, 12);
            let mut participant = Participant::new(now, config);
            let offer = participant.offer(now);
            child.offer(id, &offer);
            people.push(One {
                participant,
                socket,
                sends: id <= senders as u64,
                published: false,
                received: 0,
            });
        }
        for viewer in 1..=count as u64 {
            let shown: Vec<String> = (1..=senders as u64)
                .filter(|sender| *sender != viewer)
                .map(|sender| sender.to_string())
                .collect();
            child.tell(format!("wish {viewer} {}", shown.join(" ")).trim_end());
        }
        Crowd {
            people,
            buffer: vec![0; 2048],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.people.len()
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    /// RTP packets that arrived, all participants together.
    pub(crate) fn received(&self) -> u64 {
        self.people.iter().map(|one| one.received).sum()
    }

    /// RTP packets of pictures that never arrived, of all that were sent.
    pub(crate) fn lost_share(&self) -> f64 {
        let (mut arrived, mut lost) = (0, 0);
        for one in &self.people {
            for slot in one.participant.observation().video.values() {
                arrived += slot.packets;
                lost += slot.lost;
            }
        }
        lost as f64 / (arrived + lost).max(1) as f64
    }

    /// Runs everybody for a while.
    pub(crate) fn run(&mut self, child: &mut Child, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            while let Some(said) = child.heard() {
                self.handle(child, said);
            }
            let mut idle = true;
            for one in &mut self.people {
                idle &= !serve(one, child, &mut self.buffer);
            }
            if idle {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    fn handle(&mut self, child: &mut Child, said: Said) {
        match said {
            Said::Answer { member, sdp } => {
                let one = &mut self.people[member as usize - 1];
                one.participant
                    .accept_answer(Instant::now(), &sdp)
                    .expect("a good answer");
            }
            Said::Slots { member, rev } => child.tell(&format!("ack {member} {rev}")),
            Said::Ready => {}
        }
    }
}

/// Returns whether there was anything to do.
fn serve(one: &mut One, child: &mut Child, buffer: &mut [u8]) -> bool {
    let mut busy = false;
    loop {
        match one.socket.recv_from(buffer) {
            Ok((len, source)) => {
                let datagram = &buffer[..len];
                // RTP and not RTCP (RFC 5761, section 4).
                if datagram[0] >> 6 == 2 && !(192..=223).contains(&datagram[1]) {
                    one.received += 1;
                }
                let address = one.participant.address();
                one.participant
                    .handle_datagram(Instant::now(), source, address, datagram);
                busy = true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => break,
        }
    }
    let now = Instant::now();
    if one.participant.poll_timeout().is_some_and(|due| due <= now) {
        one.participant.handle_timeout(now);
    }
    if one.sends && !one.published && one.participant.has_connected() {
        one.published = true;
        for (name, source) in [
            ("microphone", Source::Microphone),
            ("camera", Source::Camera),
        ] {
            let mid = one.participant.sending_mid(source).expect("offered");
            child.tell(&format!("publish {} {name} {mid}", one.participant.id()));
            one.participant.publish(now, source, true);
        }
    }
    while let Some(out) = one.participant.poll_outgoing() {
        // A full socket buffer loses the datagram, as a network would.
        let _ = one.socket.send_to(&out.payload, out.destination);
        busy = true;
    }
    busy
}
