//! How many links one source has, and how often it joins or makes rooms.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::allowance::Allowance;

/// Sources whose events are counted at a time. More than join within a burst's
/// time on one server; at some 60 bytes each, less than a megabyte.
const SOURCES: usize = 4096;

/// What counts as one source: whoever has an IPv6 address has a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
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

/// Counts links by source. Holds one entry per source that has a link, so the
/// cap on all links bounds it.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    links: Mutex<HashMap<Source, u32>>,
}

/// One link of a source, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sources: Arc<Sources>,
    source: Source,
}

impl Sources {
    /// Counts a link, unless its source has `limit` already.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, limit: u32) -> Option<Place> {
        let source = Source::from(address);
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let count = links.entry(source).or_default();
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
        let mut links = self
            .sources
            .links
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = links.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                links.remove(&self.source);
            }
        }
    }
}

/// Counts events of one kind by source. Forgets those that rest, and beyond
/// [`SOURCES`] the one that is nearest to it.
#[derive(Debug)]
pub(crate) struct PerSource {
    allowance: Allowance,
    dues: Mutex<HashMap<Source, Instant>>,
}

impl PerSource {
    /// Allows this to each source.
    pub(crate) fn new(allowance: Allowance) -> Self {
        PerSource {
            allowance,
            dues: Mutex::default(),
        }
    }

    /// Counts an event, or says how long to wait.
    pub(crate) fn take(&self, now: Instant, address: IpAddr) -> Result<(), Duration> {
        let source = Source::from(address);
        let mut dues = self.dues.lock().unwrap_or_else(PoisonError::into_inner);
        if dues.len() >= SOURCES && !dues.contains_key(&source) {
            dues.retain(|_, due| *due > now);
            if dues.len() >= SOURCES {
                let nearest = dues.iter().min_by_key(|(_, due)| **due);
                if let Some(nearest) = nearest.map(|(source, _)| *source) {
                    dues.remove(&nearest);
                }
            }
        }
        let due = dues.entry(source).or_insert(now);
        self.allowance.take(now, due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_so_many_links_and_no_more() {
        let sources = Arc::new(Sources::default());
        let enter = |text: &str| sources.enter(text.parse().unwrap(), 2);
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
        drop(sources.enter("192.0.2.1".parse().unwrap(), 2));
        assert!(sources.links.lock().unwrap().is_empty());
    }

    #[test]
    fn a_source_joins_so_often() {
        let joins = PerSource::new(Allowance::new(2, Duration::from_secs(1), 3));
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
    fn who_joins_most_is_forgotten_last() {
        let joins = PerSource::new(Allowance::new(1, Duration::from_secs(1), 2));
        let now = tokio::time::Instant::now().into_std();
        let take = |now, number: u32| joins.take(now, IpAddr::V4(number.into()));
        let known = || joins.dues.lock().unwrap().len();
        assert_eq!((take(now, 0), take(now, 0)), (Ok(()), Ok(())));
        for number in 1..=2 * SOURCES as u32 {
            assert_eq!(take(now, number), Ok(()));
        }
        assert_eq!(known(), SOURCES);
        assert!(take(now, 0).is_err());
        // Once they rest, all are forgotten as soon as there is need.
        assert_eq!(take(now + Duration::from_secs(2), u32::MAX), Ok(()));
        assert_eq!(known(), 1);
    }
}
