//! What a process uses: the server's and the generator's own.

use std::fs;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Clock ticks a second that Linux tells processor time in, whatever the kernel's own are (proc(5)).
const TICKS_PER_S: u64 = 100;
/// Bytes of a page where Linux tells memory in pages.
const PAGE_BYTES: u64 = 4_096;
/// How long a scrape may take: a second is when the next one is due.
const SCRAPE_WITHIN: Duration = Duration::from_millis(900);
/// A scrape is some 100 lines.
const SCRAPE_BYTES: u64 = 1 << 20;

/// What a process has used at some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// Processor time of all threads, cumulative.
    pub cpu: Duration,
    /// Resident memory.
    pub memory_bytes: u64,
}

/// Where the server's use can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A process of this machine.
    Pid(u32),
    /// Metrics in the Prometheus text format: `process_cpu_seconds_total` and
    /// `process_resident_memory_bytes`.
    Metrics {
        /// Host and port.
        authority: String,
        /// From the slash on.
        path: String,
    },
}

impl Watched {
    /// Takes the address of metrics: `http://127.0.0.1:9464/metrics`, the path may be missing.
    /// `None` for what is none.
    pub fn metrics(url: &str) -> Option<Watched> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/metrics"),
        };
        let authority = if authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let is_named = !authority.starts_with(':');
        is_named.then(|| Watched::Metrics {
            authority,
            path: path.to_owned(),
        })
    }

    /// Reads what the process has used until now.
    ///
    /// # Errors
    /// That the process is not there, or its metrics cannot be had.
    pub async fn read(&self) -> io::Result<Use> {
        match self {
            Watched::Pid(pid) => of_process(&pid.to_string()),
            Watched::Metrics { authority, path } => {
                let text = timeout(SCRAPE_WITHIN, scrape(authority, path)).await??;
                of_metrics(&text).ok_or_else(|| {
                    io::Error::other("no process_cpu_seconds_total in what was answered")
                })
            }
        }
    }

    /// Returns what a report calls it.
    pub fn name(&self) -> String {
        match self {
            Watched::Pid(pid) => format!("pid {pid}"),
            Watched::Metrics { .. } => "metrics".to_owned(),
        }
    }
}

/// Reads what this process has used until now.
///
/// # Errors
/// Where there is no /proc.
pub fn own() -> io::Result<Use> {
    of_process("self")
}

fn of_process(process: &str) -> io::Result<Use> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let statm = fs::read_to_string(format!("/proc/{process}/statm"))?;
    parse_stat(&stat)
        .zip(statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()))
        .map(|(cpu, pages): (Duration, u64)| Use {
            cpu,
            memory_bytes: pages * PAGE_BYTES,
        })
        .ok_or_else(|| io::Error::other("/proc has another form"))
}

/// Adds up user and system time; fields 14 and 15 of proc(5), the name before them may have blanks.
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * (1_000 / TICKS_PER_S),
    ))
}

async fn scrape(authority: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream
        .take(SCRAPE_BYTES)
        .read_to_string(&mut answer)
        .await?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        Ok(answer)
    } else {
        Err(io::Error::other(format!("metrics answered {status}")))
    }
}

fn of_metrics(text: &str) -> Option<Use> {
    let value = |name: &str| -> Option<f64> {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Some(Use {
        cpu: Duration::try_from_secs_f64(value("process_cpu_seconds_total ")?).ok()?,
        memory_bytes: value("process_resident_memory_bytes ")? as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_metrics_needs_no_path_and_no_port() {
        let of = |url| match Watched::metrics(url) {
            Some(Watched::Metrics { authority, path }) => Some((authority, path)),
            _ => None,
        };
        let pair = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
        assert_eq!(
            of("http://127.0.0.1:9464"),
            pair("127.0.0.1:9464", "/metrics")
        );
        assert_eq!(of("http://[::1]:1/m"), pair("[::1]:1", "/m"));
        assert_eq!(of("http://host/m"), pair("host:80", "/m"));
        assert_eq!(of("https://host/metrics"), None);
        assert_eq!(of("http://"), None);
    }

    #[test]
    fn processor_time_stands_behind_a_name_with_blanks() {
        let stat = "77 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(parse_stat(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse_stat("77"), None);
    }

    #[test]
    fn metrics_say_what_the_process_uses() {
        let text = "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.5\n\
            process_resident_memory_bytes 4096\n";
        let expected = Use {
            cpu: Duration::from_millis(1_500),
            memory_bytes: 4_096,
        };
        assert_eq!(of_metrics(text), Some(expected));
        assert_eq!(of_metrics("process_cpu_seconds_total 1.5\n"), None);
    }

    #[test]
    fn this_process_uses_something() {
        assert!(own().unwrap().memory_bytes > 0);
    }
}
