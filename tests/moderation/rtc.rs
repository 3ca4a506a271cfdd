//! A peer connection on a real socket, which sends what its owner wants and not
//! what the server allows.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use conclave_loadtest::{Participant, ParticipantConfig};
use conclave_sfu_wire::control::Source;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use crate::link::PATIENCE;
use crate::person::Person;

/// Larger than any datagram on loopback that either side sends.
const DATAGRAM: usize = 2048;
/// Packets of a voice that are waited for: a second.
pub(crate) const SECOND: usize = 50;

struct Inner {
    participant: Mutex<Participant>,
    /// Something was asked of the participant from outside.
    asked: Notify,
    /// Counts what happened to it.
    happened: watch::Sender<u64>,
    /// RTP packets that went out.
    sent: Mutex<u64>,
}

/// See the module. Ends when dropped.
pub(crate) struct Peer {
    inner: Arc<Inner>,
    id: u64,
    task: JoinHandle<()>,
}

impl Peer {
    /// Offers over the signalling link of somebody and waits until media can flow.
    pub(crate) async fn connect(person: &mut Person, id: u64) -> Peer {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let config = ParticipantConfig::new(id, socket.local_addr().unwrap());
        let mut participant = Participant::new(Instant::now(), config);
        let sdp = participant.offer(Instant::now());
        let offer = json!({"generation": 1, "sdp": sdp});
        let answer = person.link.ok("media.offer", offer).await;
        let sdp = answer["sdp"].as_str().unwrap();
        participant.accept_answer(Instant::now(), sdp).unwrap();
        let inner = Arc::new(Inner {
            participant: Mutex::new(participant),
            asked: Notify::new(),
            happened: watch::Sender::new(0),
            sent: Mutex::new(0),
        });
        let task = tokio::spawn(run(Arc::clone(&inner), socket));
        let peer = Peer { inner, id, task };
        peer.until("connected", |peer| peer.participant().has_connected())
            .await;
        peer
    }

    fn participant(&self) -> MutexGuard<'_, Participant> {
        self.inner.participant.lock().unwrap()
    }

    /// Begins or ends to send, whatever the server has said.
    pub(crate) fn send(&self, source: Source, on: bool) {
        self.participant().publish(Instant::now(), source, on);
        self.inner.asked.notify_one();
    }

    /// Returns the data of a `media.publish` of a source on its own m-line.
    pub(crate) fn publication(&self, source: Source) -> Value {
        let mid = self.participant().sending_mid(source).unwrap();
        json!({"mid": mid.to_string(), "source": name_of(source), "muted": false})
    }

    /// Returns how many RTP packets it has sent.
    pub(crate) fn sent(&self) -> u64 {
        *self.inner.sent.lock().unwrap()
    }

    /// Returns how many packets of a voice it has received.
    pub(crate) fn heard(&self, of: &Peer, source: Source) -> usize {
        let observation = self.participant().observation();
        observation.audio_of(of.id, source).len()
    }

    /// Returns how many whole pictures it has received.
    pub(crate) fn seen(&self, of: &Peer, source: Source) -> usize {
        let observation = self.participant().observation();
        observation.frames_of(of.id, source).len()
    }

    /// Returns the count of the last packet of a voice that it has received.
    pub(crate) fn last_heard(&self, of: &Peer, source: Source) -> Option<u32> {
        let observation = self.participant().observation();
        let packets = observation.audio_of(of.id, source);
        packets.iter().map(|packet| packet.counter).max()
    }

    /// Waits for a condition.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Peer) -> bool) {
        let mut happened = self.inner.happened.subscribe();
        let wait = async {
            while !is_so(self) {
                happened.changed().await.unwrap();
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
    }

    /// Waits until a second of somebody's voice has come from here on.
    pub(crate) async fn hears(&self, of: &Peer) {
        let source = Source::Microphone;
        let goal = self.heard(of, source) + SECOND;
        self.until("a voice", |peer| peer.heard(of, source) >= goal)
            .await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(inner: Arc<Inner>, socket: UdpSocket) {
    let own = socket.local_addr().unwrap();
    let mut buffer = [0; DATAGRAM];
    loop {
        let (outgoing, due) = {
            let mut participant = inner.participant.lock().unwrap();
            participant.handle_timeout(Instant::now());
            let outgoing: Vec<_> = std::iter::from_fn(|| participant.poll_outgoing()).collect();
            (outgoing, participant.poll_timeout())
        };
        for datagram in &outgoing {
            *inner.sent.lock().unwrap() += u64::from(is_rtp(&datagram.payload));
            // A port that nobody reads any more is no error of ours.
            let _ = socket
                .send_to(&datagram.payload, datagram.destination)
                .await;
        }
        inner.happened.send_modify(|count| *count += 1);
        let Some(due) = due else {
            return;
        };
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                if let Ok((bytes, from)) = received {
                    let mut participant = inner.participant.lock().unwrap();
                    participant.handle_datagram(Instant::now(), from, own, &buffer[..bytes]);
                }
            }
            () = inner.asked.notified() => {}
            () = sleep_until(due.into()) => {}
        }
    }
}

/// Media, not the reports about it (RFC 5761, section 4; RFC 7983, section 7).
fn is_rtp(datagram: &[u8]) -> bool {
    let is_report = |second: &u8| (192..=223).contains(second);
    datagram
        .first()
        .is_some_and(|first| (128..=191).contains(first))
        && !datagram.get(1).is_some_and(is_report)
}

pub(crate) fn name_of(source: Source) -> &'static str {
    match source {
        Source::Microphone => "microphone",
        Source::Camera => "camera",
        Source::Screen => "screen",
        Source::ScreenAudio => "screen_audio",
    }
}
