//! One WebSocket: what it says goes to its gate, then to its room.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, close_code};
use conclave_signalling_core::credential::{describe, judge};
use conclave_signalling_core::gate::{Gate, Step, welcome};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::rate::{Rate, seconds};
use conclave_signalling_core::room::{Entrant, Returning, resume_failed};
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::{encode_error, encode_reply, parse_request};
use conclave_signalling_wire::limits::{CONTROL_FRAMES_BURST, CONTROL_FRAMES_PER_S, IDLE_AFTER};
use conclave_signalling_wire::reply::HelloOutcome;
use conclave_signalling_wire::request::{Join, Resume};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::actor::ToRoom;
use crate::node::Phase;
use crate::outbox::{CLOSE_WITHIN, Closed, Outbox, outbox};
use crate::registry::{Registry, RoomInbox};

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

enum Stage {
    Gate(Gate),
    Room(RoomInbox),
}

struct Link {
    id: LinkId,
    address: IpAddr,
    prefix: Prefix,
    registry: Arc<Registry>,
    outbox: Outbox,
    stage: Stage,
}

/// Serves a link until it ends.
pub(crate) async fn run(
    socket: WebSocket,
    registry: Arc<Registry>,
    address: SocketAddr,
    phase: watch::Receiver<Phase>,
) {
    let (sink, mut stream) = socket.split();
    let (outbox, writer) = outbox();
    let mut writing = tokio::spawn(writer.run(sink));
    let mut link = Link {
        id: registry.draw_link(),
        address: address.ip(),
        prefix: Prefix::from(address.ip()),
        registry,
        outbox,
        stage: Stage::Gate(Gate::new(Instant::now().into_std())),
    };
    let closed = link.outbox.closed();
    let end = link.read(&mut stream, &mut writing, closed, phase).await;
    match end {
        End::Close(code) => link.outbox.close(code),
        End::Closed => {}
        End::Gone | End::PageGone => link.outbox.cut(CloseCode::Normal),
    }
    if let Stage::Room(inbox) = &link.stage {
        // A room that has ended does not need to know.
        let _ = inbox
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

impl Link {
    async fn read(
        &mut self,
        stream: &mut SplitStream<WebSocket>,
        writing: &mut JoinHandle<()>,
        mut closed: Closed,
        mut phase: watch::Receiver<Phase>,
    ) -> End {
        let mut idle = Instant::now() + IDLE_AFTER;
        let mut control = Rate::new(CONTROL_FRAMES_PER_S, CONTROL_FRAMES_BURST);
        loop {
            let due = match &self.stage {
                Stage::Gate(gate) => idle.min(Instant::from_std(gate.poll_timeout())),
                Stage::Room(_) => idle,
            };
            tokio::select! {
                biased;
                // What a link says after its end concerns nobody.
                () = closed.wait() => return End::Closed,
                () = closing(&mut phase) => return End::Close(CloseCode::Draining),
                () = sleep_until(due) => return End::Close(self.overdue(idle)),
                frame = stream.next() => {
                    let now = Instant::now();
                    // Whoever pings is there, but need not read.
                    if let Some(Ok(Message::Text(_) | Message::Pong(_))) = &frame {
                        idle = now + IDLE_AFTER;
                    }
                    let taken = match frame {
                        Some(Ok(Message::Text(text))) => self.take(text.as_str()).await,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => match control.take(now.into_std()) {
                            Ok(()) => ControlFlow::Continue(()),
                            Err(_) => ControlFlow::Break(End::Close(CloseCode::Rate)),
                        },
                        Some(Ok(Message::Binary(_))) => ControlFlow::Break(End::Close(CloseCode::Protocol)),
                        // Too long, no UTF-8, or no WebSocket; a socket that is gone does not hear it.
                        Some(Err(_)) => ControlFlow::Break(End::Close(CloseCode::Protocol)),
                        Some(Ok(Message::Close(Some(frame)))) if frame.code == close_code::AWAY => ControlFlow::Break(End::PageGone),
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

    async fn take(&mut self, text: &str) -> ControlFlow<End> {
        let message = parse_request(text);
        match &mut self.stage {
            Stage::Room(inbox) => match inbox
                .send(ToRoom::Message {
                    link: self.id,
                    message,
                })
                .await
            {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(End::Close(CloseCode::Ended)),
            },
            Stage::Gate(gate) => {
                let step = gate.handle_message(Instant::now().into_std(), text.len(), message);
                self.obey(step).await
            }
        }
    }

    async fn obey(&mut self, step: Step) -> ControlFlow<End> {
        match step {
            Step::Welcome { id } => self.welcome(id),
            Step::Describe { id, info } => {
                let room = self.registry.room(&info.room);
                let summary = describe(room.map(|room| room.title.as_str()));
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
        }
        ControlFlow::Continue(())
    }

    fn refuse(&self, id: u32, error: &ErrorBody) {
        self.outbox.send(encode_error(id, error));
    }

    fn welcome(&self, id: u32) {
        let config = &self.registry.config;
        let time = self.registry.clock.at(Instant::now().into_std());
        let welcome = welcome(
            time,
            config.codecs.clone(),
            config.video_slots,
            config.audio_slots,
        );
        self.outbox
            .send(encode_reply(id, &HelloOutcome::Welcome(Box::new(welcome))));
    }

    async fn resume(&mut self, id: u32, resume: Resume) {
        let Some(inbox) = self.registry.room_of_token(&resume.token) else {
            return self.refuse(id, &resume_failed());
        };
        let returning = Returning {
            link: self.id,
            prefix: self.prefix,
            id,
            token: resume.token,
            last_seq: resume.last_seq,
        };
        let (done, outcome) = oneshot::channel();
        let message = ToRoom::Resume {
            returning: Box::new(returning),
            outbox: self.outbox.clone(),
            done,
        };
        if inbox.send(message).await.is_err() {
            return self.refuse(id, &resume_failed());
        }
        match outcome.await {
            Ok(true) => self.stage = Stage::Room(inbox),
            // The room has answered.
            Ok(false) => {}
            // The room ended before it came to this.
            Err(_) => self.refuse(id, &resume_failed()),
        }
    }

    async fn join(&mut self, id: u32, join: Join) -> ControlFlow<End> {
        // Before anything is judged, so that a guess costs as much as a hit.
        let now = Instant::now().into_std();
        if let Err(wait) = self.registry.joins.take(now, self.address) {
            let error = ErrorBody::from(ErrorCode::RateLimited).retry_after_s(seconds(wait));
            self.refuse(id, &error);
            return ControlFlow::Continue(());
        }
        let room = self.registry.room(&join.room).cloned();
        let room = match (judge(room.is_some(), &join.credential), room) {
            (Ok(()), Some(room)) => room,
            (Err(error), _) => {
                self.refuse(id, &error);
                return ControlFlow::Continue(());
            }
            (Ok(()), None) => {
                self.refuse(id, &ErrorCode::PasswordRequired.into());
                return ControlFlow::Continue(());
            }
        };
        let entrant = Entrant {
            link: self.id,
            member: self.registry.draw_member(),
            prefix: self.prefix,
            id,
            name: join.name,
            device_key: join.device_key,
            duplicate: join.duplicate,
        };
        let (done, outcome) = oneshot::channel();
        let message = ToRoom::Join {
            entrant: Box::new(entrant),
            outbox: self.outbox.clone(),
            done,
        };
        let Ok(inbox) = self.registry.enter(&room, message) else {
            self.refuse(
                id,
                &ErrorBody::from(ErrorCode::NotAvailable).retry_after_s(1),
            );
            return ControlFlow::Continue(());
        };
        match outcome.await {
            Ok(true) => self.stage = Stage::Room(inbox),
            // The room has answered.
            Ok(false) => {}
            // The room failed over this join.
            Err(_) => return ControlFlow::Break(End::Close(CloseCode::Ended)),
        }
        ControlFlow::Continue(())
    }
}
