//! How many links one source has, and how often it joins or makes rooms.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::allowance::Allowance;

/// Sources whose events are counted at a time, some 60 bytes each. Full means
/// that nobody new may until some rest.
const SOURCES: usize = 100_000;
/// How often all sources are looked at for those that rest, once there are that many.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How much more than one /64 a whole /48 may do. A /48 is what one customer
/// gets, with 65,536 of them; but a campus or an office has one as well.
pub(crate) const SITE_TIMES: u32 = 8;

/// What counts as one source: whoever has an IPv6 address has a /64, and often a /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
    /// All of a /48.
    Site([u8; 6]),
}

impl Source {
    /// Returns the network of an IPv6 address that is limited as a whole besides.
    pub(crate) fn site(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, ..] = v6.octets();
                Some(Source::Site([a, b, c, d, e, f]))
            }
        }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Source::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Source::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// Counts what lasts, such as links, by source. Holds one entry per source that
/// has one, so the cap on all of them bounds it.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    counts: Mutex<HashMap<Source, u32>>,
}

/// One such thing of a source, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sources: Arc<Sources>,
    source: Source,
}

impl Sources {
    /// Counts one, unless its source has `limit` already.
    pub(crate) fn enter(self: &Arc<Self>, source: Source, limit: u32) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Place {
            sources: Arc::clone(self),
            source,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self
            .sources
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

/// Counts events of one kind by source, and by the network that it is in.
#[derive(Debug)]
pub(crate) struct PerSource {
    state: Mutex<Dues>,
}

#[derive(Debug)]
struct Dues {
    allowance: Allowance,
    of_site: Allowance,
    /// See [`Allowance`].
    dues: HashMap<Source, Instant>,
    swept_at: Option<Instant>,
}

impl PerSource {
    /// Allows `count` events in each `period` to each source, and `burst` at
    /// once; to a /48 [`SITE_TIMES`] as many.
    pub(crate) fn new(count: u32, period: Duration, burst: u32) -> Self {
        let (allowance, of_site) = allowances(count, period, burst);
        PerSource {
            state: Mutex::new(Dues {
                allowance,
                of_site,
                dues: HashMap::new(),
                swept_at: None,
            }),
        }
    }

    /// Allows so many from here on; see [`PerSource::new`].
    pub(crate) fn tune(&self, count: u32, period: Duration, burst: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.allowance, state.of_site) = allowances(count, period, burst);
    }

    /// Counts an event, or says how long to wait.
    pub(crate) fn take(&self, now: Instant, address: IpAddr) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let source = (Source::from(address), state.allowance);
        let site = Source::site(address).map(|site| (site, state.of_site));
        let keys = [Some(source), site].into_iter().flatten();
        if !state.has_space(now, keys.clone().map(|(key, _)| key)) {
            return Err(SWEEP_EVERY);
        }
        let waits = keys.clone().filter_map(|(key, allowance)| {
            let due = state.dues.get(&key)?;
            allowance.wait(now, *due)
        });
        if let Some(wait) = waits.max() {
            return Err(wait);
        }
        for (key, allowance) in keys {
            let due = state.dues.entry(key).or_insert(now);
            *due = allowance.take(now, *due);
        }
        Ok(())
    }
}

/// Returns what a source may, and what a /48.
fn allowances(count: u32, period: Duration, burst: u32) -> (Allowance, Allowance) {
    let times = |number: u32| number.saturating_mul(SITE_TIMES);
    (
        Allowance::new(count, period, burst),
        Allowance::new(times(count), period, times(burst)),
    )
}

impl Dues {
    /// Returns whether all these can be counted; forgets those that rest to make it so.
    fn has_space(&mut self, now: Instant, keys: impl Iterator<Item = Source>) -> bool {
        let missing = keys.filter(|key| !self.dues.contains_key(key)).count();
        let fits = |dues: &Self| dues.dues.len() + missing <= SOURCES;
        let swept_lately = self
            .swept_at
            .is_some_and(|at| now.saturating_duration_since(at) < SWEEP_EVERY);
        if missing > 0 && !fits(self) && !swept_lately {
            self.swept_at = Some(now);
            self.dues.retain(|_, due| *due > now);
        }
        missing == 0 || fits(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_source_has_so_many_links_and_no_more() {
        let sources = Arc::new(Sources::default());
        let enter = |text: &str| sources.enter(source(text), 2);
        let first = enter("2001:db8::1").unwrap();
        let _second = enter("2001:db8::2:1").unwrap();
        assert!(enter("2001:db8::3").is_none());
        assert!(enter("2001:db8:0:1::3").is_some());
        drop(first);
        assert!(enter("2001:db8::3").is_some());
        let _mapped = enter("::ffff:192.0.2.1").unwrap();
        let _plain = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
    }

    #[test]
    fn nothing_is_kept_of_a_source_without_links() {
        let sources = Arc::new(Sources::default());
        drop(sources.enter(source("192.0.2.1"), 2));
        assert!(sources.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn a_source_joins_so_often() {
        let joins = PerSource::new(2, Duration::from_secs(1), 3);
        let now = tokio::time::Instant::now().into_std();
        let take = |now, text: &str| joins.take(now, text.parse().unwrap());
        for host in 1..=3 {
            assert_eq!(take(now, &format!("2001:db8::{host}")), Ok(()));
        }
        assert_eq!(take(now, "2001:db8::4"), Err(Duration::from_millis(500)));
        assert_eq!(take(now, "2001:db8:0:1::4"), Ok(()));
        assert_eq!(take(now, "192.0.2.1"), Ok(()));
        let later = now + Duration::from_millis(500);
        assert_eq!(take(later, "2001:db8::4"), Ok(()));
        assert!(take(later, "2001:db8::4").is_err());
    }

    #[test]
    fn a_new_pace_holds_at_once_and_forgets_nothing() {
        let joins = PerSource::new(1, Duration::from_secs(1), 2);
        let now = tokio::time::Instant::now().into_std();
        let take = |text: &str| joins.take(now, text.parse().unwrap());
        assert!(take("192.0.2.1").is_ok() && take("192.0.2.1").is_ok());
        assert!(take("192.0.2.1").is_err());
        joins.tune(1, Duration::from_secs(1), 3);
        assert!(take("192.0.2.1").is_ok());
        assert!(take("192.0.2.1").is_err());
        joins.tune(1, Duration::from_secs(1), 1);
        assert_eq!(take("192.0.2.1"), Err(Duration::from_secs(3)));
        assert!(take("192.0.2.2").is_ok() && take("192.0.2.2").is_err());
    }

    #[test]
    fn a_network_does_not_do_more_by_changing_its_prefix() {
        let rooms = PerSource::new(2, Duration::from_secs(3600), 2);
        let now = tokio::time::Instant::now().into_std();
        let take = |now, prefix: u16| {
            rooms.take(now, format!("2001:db8:5:{prefix:x}::1").parse().unwrap())
        };
        let made = (0..10_000).filter(|prefix| take(now, *prefix).is_ok());
        assert_eq!(made.count(), 16);
        // Nothing is kept of those that were refused.
        assert_eq!(rooms.state.lock().unwrap().dues.len(), 17);
        assert!(rooms.take(now, "2001:db8:6::1".parse().unwrap()).is_ok());
        assert!(take(now + Duration::from_secs(225), 10_000).is_ok());
    }

    #[test]
    fn nobody_new_may_when_there_is_no_space() {
        let joins = PerSource::new(1, Duration::from_secs(1), 2);
        let now = tokio::time::Instant::now().into_std();
        let take = |now, number: u32| joins.take(now, IpAddr::V4(number.into()));
        for number in 0..SOURCES as u32 {
            assert_eq!(take(now, number), Ok(()));
        }
        assert_eq!(take(now, u32::MAX), Err(SWEEP_EVERY));
        assert_eq!(take(now, 0), Ok(()));
        assert!(take(now, 0).is_err());
        // Once they rest, all are forgotten as soon as there is need.
        assert_eq!(take(now + Duration::from_secs(2), u32::MAX), Ok(()));
        assert_eq!(joins.state.lock().unwrap().dues.len(), 1);
    }
}
