//! The same media by TCP and TLS: what is sent at once is one write.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use conclave_turn_wire::deframe::Deframer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::certificate;
use crate::load::Way;
use crate::login::Login;
use crate::media::{
    ATTEMPTS, CHANNEL, CLIENTS, Counts, LOGIN, PATIENCE, RETRANSMISSION, Schedule, peer,
};
use crate::relay::{PORT, TLS_PORT};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Sends all of the schedule; returns what came back.
pub(crate) fn send(way: Way) -> Counts {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("it needs no thread");
    runtime.block_on(async {
        let returned = Arc::new(AtomicU64::new(0));
        let mut writers = Vec::new();
        for _ in 0..CLIENTS {
            let (reader, writer) = open(way).await;
            tokio::spawn(count(reader, Arc::clone(&returned)));
            writers.push(writer);
        }
        let mut schedule = Schedule::new(Instant::now());
        let mut counts = Counts::default();
        let (mut bytes, mut has_begun) = (Vec::new(), false);
        while let Some(due) = schedule.next() {
            sleep_until(due.into()).await;
            let now = Instant::now();
            while let Some((client, burst)) = schedule.take(now) {
                let is_counted = schedule.counts(now);
                if is_counted && !std::mem::replace(&mut has_begun, true) {
                    println!("begins");
                }
                bytes.clear();
                burst.write(is_counted, &mut bytes);
                counts.sent += if is_counted { burst.packets() } else { 0 };
                let writer = &mut writers[client];
                writer.write_all(&bytes).await.expect("it is connected");
                writer.flush().await.expect("it is connected");
            }
        }
        sleep(PATIENCE).await;
        counts.returned = returned.load(Ordering::Relaxed);
        counts
    })
}

async fn count(mut reader: ReadHalf<Box<dyn Stream>>, returned: Arc<AtomicU64>) {
    let (mut frames, mut bytes) = (Deframer::new(), vec![0; 16 * 1024]);
    while let Ok(len) = reader.read(&mut bytes).await {
        if len == 0 || frames.push(&bytes[..len]).is_err() {
            return;
        }
        let mut counts = Counts::default();
        while let Ok(Some(frame)) = frames.next_frame() {
            counts.take(frame);
        }
        returned.fetch_add(counts.returned, Ordering::Relaxed);
    }
}

async fn connect(server: SocketAddr) -> TcpStream {
    for _ in 0..ATTEMPTS {
        if let Ok(stream) = TcpStream::connect(server).await {
            return stream;
        }
        sleep(RETRANSMISSION).await;
    }
    panic!("the server does not listen");
}

/// Makes a client with an allocation and its channel.
async fn open(way: Way) -> (ReadHalf<Box<dyn Stream>>, WriteHalf<Box<dyn Stream>>) {
    let port = if matches!(way, Way::Tls) {
        TLS_PORT
    } else {
        PORT
    };
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let plain = connect(server).await;
    plain.set_nodelay(true).expect("it is connected");
    let mut stream: Box<dyn Stream> = match way {
        Way::Tls => {
            let name = ServerName::try_from(certificate::NAME).expect("it is a name");
            let secure = certificate::connector().connect(name, plain).await;
            Box::new(secure.expect("the certificate is trusted"))
        }
        Way::Tcp | Way::Udp => Box::new(plain),
    };
    let mut login = Login::new(LOGIN);
    let mut frames = Deframer::new();
    while let Some(request) = login.next_request(CHANNEL, peer()) {
        stream.write_all(&request).await.expect("it is connected");
        stream.flush().await.expect("it is connected");
        loop {
            if let Some(frame) = frames.next_frame().expect("the server writes STUN") {
                login.take_answer(frame).expect("the server writes STUN");
                break;
            }
            let mut bytes = [0; 2_048];
            let len = stream.read(&mut bytes).await.expect("it is connected");
            assert!(len > 0, "the server closed");
            frames.push(&bytes[..len]).expect("answers are short");
        }
    }
    split(stream)
}
