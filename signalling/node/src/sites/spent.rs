//! Which tokens of a site were used.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use conclave_signalling_core::output::LinkId;

use super::Flaw;

/// Tokens that are remembered at a time, some 100 bytes each: a hundred joins a second of one
/// site. Beyond it no token of this site is taken, for it might be a second time.
const TOKENS: usize = 65_536;
/// How long one is remembered: twice as long as any is good, so that the wall
/// clock may be set back meanwhile by as much as that.
const FOR: Duration = Duration::from_secs(610);
/// How often all are looked at for those that are to be forgotten, once there are that many.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct Use {
    until: Instant,
    /// The link that showed it and may still say more with it: agree to a text, take
    /// its other place over, try again where the room was full. `None` once it brought somebody in.
    by: Option<LinkId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Spent {
    uses: HashMap<[u8; 32], Use>,
    swept_at: Option<Instant>,
}

impl Spent {
    /// Records that a link shows a token.
    pub(super) fn show(&mut self, now: Instant, jti: [u8; 32], link: LinkId) -> Result<(), Flaw> {
        if let Some(known) = self.uses.get(&jti).filter(|known| now < known.until) {
            return match known.by {
                Some(by) if by == link => Ok(()),
                _ => Err(Flaw::Used),
            };
        }
        if !self.has_space(now) {
            return Err(Flaw::TooMany);
        }
        let used = Use {
            until: now + FOR,
            by: Some(link),
        };
        self.uses.insert(jti, used);
        Ok(())
    }

    /// Records that a token has brought somebody in.
    pub(super) fn spend(&mut self, jti: &[u8; 32]) {
        if let Some(known) = self.uses.get_mut(jti) {
            known.by = None;
        }
    }

    fn has_space(&mut self, now: Instant) -> bool {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= SWEEP_EVERY;
        if self.uses.len() >= TOKENS && self.swept_at.is_none_or(is_due) {
            self.swept_at = Some(now);
            self.uses.retain(|_, known| now < known.until);
        }
        self.uses.len() < TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: LinkId = LinkId(1);
    const BOB: LinkId = LinkId(2);

    fn jti(number: u32) -> [u8; 32] {
        let mut jti = [0; 32];
        jti[..4].copy_from_slice(&number.to_be_bytes());
        jti
    }

    #[test]
    fn only_the_link_that_showed_it_first_shows_it_again_until_it_is_in() {
        let (now, mut spent) = (Instant::now(), Spent::default());
        assert_eq!(spent.show(now, jti(1), ADA), Ok(()));
        assert_eq!(spent.show(now, jti(1), ADA), Ok(()));
        assert_eq!(spent.show(now, jti(1), BOB), Err(Flaw::Used));
        spent.spend(&jti(1));
        assert_eq!(spent.show(now, jti(1), ADA), Err(Flaw::Used));
        assert_eq!(spent.show(now, jti(2), BOB), Ok(()));
        let almost = now + FOR - Duration::from_millis(1);
        assert_eq!(spent.show(almost, jti(1), ADA), Err(Flaw::Used));
    }

    #[test]
    fn when_it_is_full_it_takes_none_until_one_may_be_forgotten() {
        let (now, mut spent) = (Instant::now(), Spent::default());
        for number in 0..TOKENS as u32 {
            assert_eq!(spent.show(now, jti(number), ADA), Ok(()));
        }
        assert_eq!(spent.show(now, jti(u32::MAX), ADA), Err(Flaw::TooMany));
        assert_eq!(spent.show(now, jti(7), BOB), Err(Flaw::Used));
        assert_eq!(spent.show(now, jti(7), ADA), Ok(()));
        let later = now + FOR;
        assert_eq!(spent.show(later, jti(u32::MAX), ADA), Ok(()));
        assert_eq!(spent.uses.len(), 1);
    }
}
