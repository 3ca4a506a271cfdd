//! A WebSocket client with as little as possible behind it: what is measured is the other end.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The header from which the bench's server takes the address of a client.
pub(crate) const SOURCE: &str = "x-bench-source";

/// A link that was welcomed.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    next: u32,
}

impl Client {
    /// Opens a link as if from `source`, says hello and waits for the welcome.
    pub(crate) fn open(address: SocketAddr, source: u32) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /api/v1/signal HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: conclave.v1\r\n\
             {SOURCE}: {source}\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        let mut client = Client {
            stream: BufReader::with_capacity(512, stream),
            next: 1,
        };
        client.ask("hello", r#"{"protocol":1,"client":"bench/1"}"#)?;
        Ok(client)
    }

    /// Sends a request and returns its reply; pushes before it are dropped.
    pub(crate) fn ask(&mut self, name: &str, data: &str) -> io::Result<String> {
        let id = self.next;
        self.next += 1;
        self.send(&format!(r#"{{"id":{id},"type":"{name}","data":{data}}}"#))?;
        let start = format!(r#"{{"id":{id},"#);
        loop {
            let text = self.read()?;
            if text.starts_with(&start) {
                return Ok(text);
            }
        }
    }

    /// Returns what writes to the same link while this reads from it.
    pub(crate) fn talker(&self) -> io::Result<Talker> {
        Ok(Talker {
            stream: self.stream.get_ref().try_clone()?,
            next: self.next,
        })
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        send(self.stream.get_mut(), text)
    }

    /// Returns the next message.
    pub(crate) fn read(&mut self) -> io::Result<String> {
        loop {
            let mut header = [0; 2];
            self.stream.read_exact(&mut header)?;
            let length = match header[1] {
                126 => {
                    let mut long = [0; 2];
                    self.stream.read_exact(&mut long)?;
                    usize::from(u16::from_be_bytes(long))
                }
                127 => {
                    let mut long = [0; 8];
                    self.stream.read_exact(&mut long)?;
                    usize::try_from(u64::from_be_bytes(long)).unwrap()
                }
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload)?;
            match header[0] & 0x0f {
                1 => return String::from_utf8(payload).map_err(io::Error::other),
                8 => return Err(io::ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
        }
    }
}

/// The writing half of a link.
pub(crate) struct Talker {
    stream: TcpStream,
    next: u32,
}

impl Talker {
    /// Sends a request; its reply is for who reads.
    pub(crate) fn say(&mut self, name: &str, data: &str) -> io::Result<()> {
        let id = self.next;
        self.next += 1;
        let text = format!(r#"{{"id":{id},"type":"{name}","data":{data}}}"#);
        send(&mut self.stream, &text)
    }
}

fn send(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    // A mask of zeros leaves the text as it is.
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    stream.write_all(&frame)
}
