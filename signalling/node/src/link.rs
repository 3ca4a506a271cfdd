//! One WebSocket: what it says goes to its gate, then to its room.

mod entering;

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;

use conclave_signalling_core::gate::{Gate, Step, welcome};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::rate::Rate;
use conclave_signalling_wire::error::{CloseCode, ErrorBody};
use conclave_signalling_wire::frame::{encode_error, encode_reply, parse_request};
use conclave_signalling_wire::limits::{CONTROL_FRAMES_BURST, CONTROL_FRAMES_PER_S, IDLE_AFTER};
use conclave_signalling_wire::reply::{HelloOutcome, RoomSummary};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCloseCode;

use crate::config::RoomsCreate;
use crate::directory::describe;
use crate::inbox::{Inbox, ToRoom};
use crate::node::Phase;
use crate::outbox::{CLOSE_WITHIN, Outbox, Signal, outbox};
use crate::registry::Registry;
use crate::screened::Greeted;
use crate::upgrade::Socket;

/// How long the other side may take to answer a close.
const LINGER: Duration = Duration::from_secs(1);

/// Why reading ended.
enum End {
    /// The link is to be closed, after what is queued.
    Close(CloseCode),
    /// The room closed it, and the writer says so.
    Closed,
    /// The other side, or the writer, ended it.
    Gone,
    /// The browser closed it because its page went away.
    PageGone,
}

struct Link {
    id: LinkId,
    address: IpAddr,
    /// That of the page which opened it.
    host: Arc<str>,
    prefix: Prefix,
    registry: Arc<Registry>,
    outbox: Outbox,
    greeted: Greeted,
    gate: Gate,
    /// Where its messages go; its gate, without one.
    room: Option<Arc<Inbox>>,
    /// Where it waits for a seat.
    asked: Option<Arc<Inbox>>,
}

/// Serves a link until it ends.
pub(crate) async fn run(
    socket: Socket,
    greeted: Greeted,
    registry: Arc<Registry>,
    address: SocketAddr,
    host: Arc<str>,
    phase: watch::Receiver<Phase>,
) {
    let (sink, mut stream) = socket.split();
    let (outbox, writer) = outbox();
    let mut writing = tokio::spawn(writer.run(sink));
    let mut link = Link {
        id: registry.draw_link(),
        address: address.ip(),
        host,
        prefix: Prefix::from(address.ip()),
        registry,
        outbox,
        greeted,
        gate: Gate::new(Instant::now().into_std()),
        room: None,
        asked: None,
    };
    let end = link.read(&mut stream, &mut writing, phase).await;
    match end {
        End::Close(code) => link.outbox.close(code),
        End::Closed => {}
        End::Gone | End::PageGone => link.outbox.cut(CloseCode::Normal),
    }
    // A room that seats it after this is told as well: it reads this later.
    if let Some(room) = link.room.as_ref().or(link.asked.as_ref()) {
        // A room that has ended does not need to know.
        let _ = room
            .messages
            .send(ToRoom::LinkLost {
                link: link.id,
                page_gone: matches!(end, End::PageGone),
            })
            .await;
    }
    // Closing a socket with unread bytes would take the close frame with it.
    let _ = timeout(LINGER, async {
        while let Some(Ok(_)) = stream.next().await {}
    })
    .await;
    // The place of the link is given back only when nothing of it is left.
    if !writing.is_finished() && timeout(CLOSE_WITHIN, &mut writing).await.is_err() {
        writing.abort();
    }
}

/// Waits until links are to be closed. Never, once nobody is left to say so.
async fn closing(phase: &mut watch::Receiver<Phase>) {
    let told = phase
        .wait_for(|phase| *phase == Phase::Closing)
        .await
        .is_ok();
    if !told {
        std::future::pending().await
    }
}

/// Waits until a room does not listen any more. Never, without one.
async fn lost(room: Option<&Inbox>) {
    match room {
        Some(room) => room.messages.closed().await,
        None => std::future::pending().await,
    }
}

impl Link {
    async fn read(
        &mut self,
        stream: &mut SplitStream<Socket>,
        writing: &mut JoinHandle<()>,
        mut phase: watch::Receiver<Phase>,
    ) -> End {
        let mut idle = Instant::now() + IDLE_AFTER;
        let mut control = Rate::new(CONTROL_FRAMES_PER_S, CONTROL_FRAMES_BURST);
        loop {
            let due = match &self.room {
                None => idle.min(Instant::from_std(self.gate.poll_timeout())),
                Some(_) => idle,
            };
            tokio::select! {
                biased;
                // What a link says after its end concerns nobody.
                signal = self.outbox.signal() => match signal {
                    Signal::Closed => return End::Closed,
                    Signal::Released => self.released(),
                },
                () = closing(&mut phase) => return End::Close(CloseCode::Draining),
                // Its task is gone without a word.
                () = lost(self.room.as_deref()) => return End::Close(CloseCode::Ended),
                () = sleep_until(due) => return End::Close(self.overdue(idle)),
                frame = stream.next() => {
                    let now = Instant::now();
                    // Whoever pings is there, but need not read.
                    if let Some(Ok(Message::Text(_) | Message::Pong(_))) = &frame {
                        idle = now + IDLE_AFTER;
                    }
                    let taken = match frame {
                        Some(Ok(Message::Text(text))) => self.take_or_end(text.as_str(), &mut phase, idle).await,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => match control.take(now.into_std()) {
                            Ok(()) => ControlFlow::Continue(()),
                            Err(_) => ControlFlow::Break(End::Close(CloseCode::Rate)),
                        },
                        Some(Ok(Message::Binary(_) | Message::Frame(_))) => ControlFlow::Break(End::Close(CloseCode::Protocol)),
                        // Too long, no UTF-8, or no WebSocket; a socket that is gone does not hear it.
                        Some(Err(_)) => ControlFlow::Break(End::Close(CloseCode::Protocol)),
                        Some(Ok(Message::Close(Some(frame)))) if frame.code == WireCloseCode::Away => ControlFlow::Break(End::PageGone),
                        Some(Ok(Message::Close(_))) | None => ControlFlow::Break(End::Gone),
                    };
                    if let ControlFlow::Break(end) = taken {
                        return end;
                    }
                }
                // After the frames: one of them may say that the page went away.
                _ = &mut *writing => return End::Gone,
            }
        }
    }

    fn overdue(&self, idle: Instant) -> CloseCode {
        if idle <= Instant::now() {
            CloseCode::Idle
        } else {
            CloseCode::TooLate
        }
    }

    /// Takes the link back from its room: it may join again.
    fn released(&mut self) {
        self.room = None;
        self.gate = Gate::again(Instant::now().into_std());
    }

    /// Takes a message. While a room, a hash or the store keeps it waiting, the
    /// link may still end.
    async fn take_or_end(
        &mut self,
        text: &str,
        phase: &mut watch::Receiver<Phase>,
        idle: Instant,
    ) -> ControlFlow<End> {
        let outbox = self.outbox.clone();
        tokio::select! {
            biased;
            taken = self.take(text) => taken,
            () = outbox.closed() => ControlFlow::Break(End::Closed),
            () = closing(phase) => ControlFlow::Break(End::Close(CloseCode::Draining)),
            () = sleep_until(idle) => ControlFlow::Break(End::Close(CloseCode::Idle)),
        }
    }

    async fn take(&mut self, text: &str) -> ControlFlow<End> {
        let message = parse_request(text);
        let Some(room) = &self.room else {
            let now = Instant::now().into_std();
            let step = self.gate.handle_message(now, text.len(), message);
            return self.obey(step).await;
        };
        let (link, message) = (self.id, Box::new(message));
        match room.messages.send(ToRoom::Message { link, message }).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(End::Close(CloseCode::Ended)),
        }
    }

    async fn obey(&mut self, step: Step) -> ControlFlow<End> {
        if matches!(step, Step::Welcome { .. } | Step::Resume { .. }) {
            self.greeted.set();
        }
        match step {
            Step::Welcome { id } => self.welcome(id),
            Step::Describe { id, info } => {
                let door = self.registry.directory.find(&info.room);
                let now = self.registry.time();
                // For every room alike: it says nothing of whether there is one.
                let relay = self.registry.config.relay.as_ref();
                let asked = relay.filter(|_| info.connection_test);
                let connection_test = asked
                    .and_then(|relay| relay.test(&self.host, now.unix_ms() / 1000, rand::random()));
                let summary = RoomSummary {
                    relay: relay.is_some(),
                    connection_test,
                    ..describe(now, door.as_deref())
                };
                self.outbox.send(encode_reply(id, &summary));
            }
            Step::Refuse { id, error } => self.refuse(id, &error),
            Step::RefuseAndClose { id, error, code } => {
                self.refuse(id, &error);
                return ControlFlow::Break(End::Close(code));
            }
            Step::Close(code) => return ControlFlow::Break(End::Close(code)),
            Step::Resume { id, resume } => self.resume(id, resume).await,
            Step::Join { id, join } => return self.join(id, *join).await,
            Step::Create { id, create } => self.create(id, *create).await,
            Step::Manage { id, manage } => return self.manage(id, *manage).await,
        }
        ControlFlow::Continue(())
    }

    fn refuse(&self, id: u32, error: &ErrorBody) {
        self.outbox.send(encode_error(id, error));
    }

    fn welcome(&self, id: u32) {
        let config = &self.registry.config;
        let time = self.registry.time();
        let welcome = welcome(
            time,
            config.codecs.clone(),
            config.video_slots,
            config.audio_slots,
            self.registry.tuning().rooms_create == RoomsCreate::Anyone,
        );
        self.outbox
            .send(encode_reply(id, &HelloOutcome::Welcome(Box::new(welcome))));
    }
}
