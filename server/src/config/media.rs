//! The media plane.

use std::num::NonZeroU8;

use toml::Value;

use super::MediaIp;
use super::reader::Reader;

/// The media plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    /// Addresses; empty means every address of the host that is up.
    pub(crate) ips: Vec<MediaIp>,
    /// UDP port of shard 0; shard n has that port plus n. 0 means any free ones.
    pub(crate) port_base: u16,
    /// How many shards: as many as a ufrag can name.
    pub(crate) shards: NonZeroU8,
    /// How much the home shard of a room may have to do before others take newcomers; 0 to 100.
    pub(crate) spill_above_percent: u8,
}

impl Reader<'_> {
    /// Reads `[media]`.
    pub(super) fn media(&mut self) -> Media {
        let mut ips = Vec::new();
        let texts = self
            .layers
            .get("media.ips")
            .and_then(|setting| setting.value.as_array());
        for text in texts.into_iter().flatten().filter_map(Value::as_str) {
            match MediaIp::parse(text) {
                Ok(ip) => ips.push(ip),
                Err(problem) => self.complain("media.ips", &problem),
            }
        }
        let shards = u8::try_from(self.number("media.shards"))
            .ok()
            .and_then(NonZeroU8::new);
        let shards = shards.unwrap_or_else(|| {
            self.complain("media.shards", "must be 1 to 255");
            NonZeroU8::MIN
        });
        let base = self.number("media.port_base");
        let port_base = u16::try_from(base).unwrap_or_else(|_| {
            self.complain("media.port_base", "must be 0 to 65535");
            0
        });
        if port_base.checked_add(u16::from(shards.get()) - 1).is_none() {
            self.complain(
                "media.port_base",
                "with one port per shard, ports would go beyond 65535",
            );
        }
        let spill = u8::try_from(self.number("media.spill_above_percent")).ok();
        let spill_above_percent = spill.filter(|percent| *percent <= 100).unwrap_or_else(|| {
            self.complain("media.spill_above_percent", "must be 0 to 100");
            0
        });
        Media {
            ips,
            port_base,
            shards,
            spill_above_percent,
        }
    }
}
