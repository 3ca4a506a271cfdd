//! The media node in a process of its own, told what to do over a pipe.
//!
//! Lines of words; SDP in hexadecimal, because it has line ends of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::process::{ChildStdin, Command as Process, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use conclave_sfu_node::{MediaAddr, MediaNode, NodeConfig, Secrets};
use conclave_sfu_wire::control::{
    Command, Event, MemberKey, MidName, Priority, RoomKey, RoomPolicy, Source, View,
};

const ROOM: RoomKey = RoomKey(1);

/// What the child said.
pub(crate) enum Said {
    Ready,
    Answer { member: u64, sdp: String },
    Slots { member: u64, rev: u32 },
}

/// The child as the parent sees it.
pub(crate) struct Child {
    process: std::process::Child,
    stdin: ChildStdin,
    said: Receiver<Said>,
}

impl Child {
    pub(crate) fn start() -> Child {
        let own = std::env::current_exe().expect("the own path is known");
        let pinned = Process::new("taskset")
            .arg("-V")
            .stdout(Stdio::null())
            .status()
            .is_ok();
        let mut process = if pinned {
            let mut process = Process::new("taskset");
            process.args(["-c", "0"]).arg(own);
            process
        } else {
            Process::new(own)
        };
        process
            .arg("--media-node")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = process.spawn().expect("the child starts");
        let stdin = process.stdin.take().expect("piped");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(said) = heard(&line)
                    && sender.send(said).is_err()
                {
                    return;
                }
            }
        });
        let Ok(Said::Ready) = said.recv() else {
            panic!("the child did not start")
        };
        Child {
            process,
            stdin,
            said,
        }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the child listens");
    }

    pub(crate) fn offer(&mut self, member: u64, sdp: &str) {
        let hex: String = sdp.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.tell(&format!("offer {member} {hex}"));
    }

    pub(crate) fn heard(&mut self) -> Option<Said> {
        self.said.try_recv().ok()
    }

    /// User and system time of all threads, live ones and ended ones.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("proc");
        let nanos: u64 = tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            .sum();
        Duration::from_nanos(nanos)
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.process.id())).expect("proc");
        let pages: u64 = statm
            .split_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .unwrap_or(0);
        pages * 4096
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn heard(line: &str) -> Option<Said> {
    let mut words = line.split(' ');
    match words.next()? {
        "ready" => Some(Said::Ready),
        "answer" => {
            let member = words.next()?.parse().ok()?;
            Some(Said::Answer {
                member,
                sdp: unhex(words.next()?)?,
            })
        }
        "slots" => Some(Said::Slots {
            member: words.next()?.parse().ok()?,
            rev: words.next()?.parse().ok()?,
        }),
        _ => None,
    }
}

fn unhex(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = (0..hex.len() / 2)
        .map(|index| u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

/// The child's side: obeys until its standard input ends.
pub(crate) fn serve() {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let config = NodeConfig {
        addresses: vec![MediaAddr {
            bound: loopback,
            advertised: loopback,
            advertised_port: None,
        }],
        base_port: 0,
        shards: NonZeroU8::MIN,
        secrets: Secrets::draw().expect("the system gives random bytes"),
        relay: Vec::new(),
    };
    let node = MediaNode::start(config, |_| Box::new(|event| report(&event))).expect("it starts");
    println!("ready");
    let handle = node.handle();
    let tell = |command| handle.send(0, command).expect("the shard keeps up");
    tell(Command::OpenRoom {
        room: ROOM,
        policy: RoomPolicy::default(),
    });
    for line in std::io::stdin().lines().map_while(Result::ok) {
        for command in commands(&line).unwrap_or_else(|| panic!("not understood: {line}")) {
            tell(command);
        }
    }
}

fn report(event: &Event) {
    match event {
        Event::Answer { member, sdp, .. } => {
            let hex: String = sdp.bytes().map(|byte| format!("{byte:02x}")).collect();
            println!("answer {} {hex}", member.0);
        }
        Event::Slots { member, rev, .. } => println!("slots {} {rev}", member.0),
        _ => {}
    }
}

fn commands(line: &str) -> Option<Vec<Command>> {
    let words: Vec<&str> = line.split(' ').collect();
    let member = MemberKey(words.get(1)?.parse().ok()?);
    Some(match *words.first()? {
        "offer" => vec![
            Command::Admit { room: ROOM, member },
            Command::Offer {
                member,
                generation: 1,
                sdp: unhex(words.get(2)?)?,
                relay_only: false,
            },
        ],
        "publish" => {
            let mid = MidName::new(words.get(3)?)?;
            let source = if words.get(2) == Some(&"camera") {
                Source::Camera
            } else {
                Source::Microphone
            };
            vec![Command::Publish {
                member,
                attempt: 1,
                mid,
                source,
                muted: false,
            }]
        }
        "ack" => vec![Command::AckSlots {
            member,
            rev: words.get(2)?.parse().ok()?,
        }],
        "wish" => {
            let views = words[2..].iter().map(|shown| {
                Some(View {
                    member: MemberKey(shown.parse().ok()?),
                    source: Source::Camera,
                    max_height_px: 720,
                    priority: Priority::Gallery,
                })
            });
            vec![Command::Wish {
                member,
                views: views.collect::<Option<_>>()?,
            }]
        }
        _ => return None,
    })
}
