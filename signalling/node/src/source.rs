//! How many links one source has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What counts as one source: whoever has an IPv6 address has a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
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
}
