//! Which encoding each subscriber gets out of its bandwidth.

use conclave_sfu_wire::control::Priority;

/// What one encoding costs and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncodingCost {
    /// Height of its pictures.
    pub(crate) height_px: u16,
    /// Its measured rate, or what it is expected to have.
    pub(crate) bps: u64,
}

/// One slot that wants a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand<'a> {
    /// Its class.
    pub(crate) priority: Priority,
    /// Height of the tile.
    pub(crate) max_height_px: u16,
    /// What the publication offers, lowest first, at least one.
    pub(crate) encodings: &'a [EncodingCost],
    /// The encoding that the slot has at the moment.
    pub(crate) current: Option<usize>,
    /// Whether it may climb: the last change is long enough ago.
    pub(crate) may_climb: bool,
}

impl Demand<'_> {
    /// The lowest encoding that fills the tile, or the highest.
    pub(crate) fn wanted(&self) -> usize {
        let fills = |encoding: &EncodingCost| encoding.height_px >= self.max_height_px;
        self.encodings
            .iter()
            .position(fills)
            .unwrap_or(self.encodings.len().saturating_sub(1))
    }

    fn bps(&self, encoding: usize) -> u64 {
        self.encodings
            .get(encoding)
            .map_or(0, |encoding| encoding.bps)
    }
}

/// What a subscriber gets and what it costs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Per demand, in the order given: the encoding, or nothing.
    pub(crate) encodings: Vec<Option<usize>>,
    /// The sum of what was given.
    pub(crate) allocated_bps: u64,
    /// What the cheapest next climb would add; zero if nobody lacks anything.
    pub(crate) next_step_bps: u64,
    /// What it would cost to give everybody what they want.
    pub(crate) desired_bps: u64,
}

/// A climb must leave this share of the estimate free (in 1/16), so that a
/// rate that wavers does not switch encodings to and fro.
const HEADROOM_SIXTEENTHS: u64 = 2;

/// Shares `budget_bps` among the demands of one subscriber.
///
/// By class, everyone the lowest encoding first; then, by class, one step at a
/// time. What a slot has already is kept as long as it fits: only climbing
/// needs headroom. Nobody gets a larger picture than one of a higher class has
/// that lacks something, even if a step of its own would fit.
pub(crate) fn share(budget_bps: u64, demands: &[Demand<'_>], shares: &mut Shares) {
    shares.encodings.clear();
    shares.encodings.resize(demands.len(), None);
    let mut left = budget_bps;
    let classes = [Priority::Pinned, Priority::Speaker, Priority::Gallery];
    for class in classes {
        for (demand, given) in demands.iter().zip(&mut shares.encodings) {
            if demand.priority == class && !demand.encodings.is_empty() && demand.bps(0) <= left {
                left -= demand.bps(0);
                *given = Some(0);
            }
        }
    }
    let mut top_px = u16::MAX;
    for class in classes {
        let limit = Limit { budget_bps, top_px };
        climb(class, demands, &mut shares.encodings, &mut left, limit);
        top_px = top_px.min(lacking_px(class, demands, &shares.encodings));
    }
    shares.allocated_bps = budget_bps - left;
    shares.desired_bps = demands
        .iter()
        .map(|demand| demand.bps(demand.wanted()))
        .sum();
    shares.next_step_bps = next_step(demands, &shares.encodings);
}

/// How far a class may climb.
#[derive(Clone, Copy)]
struct Limit {
    budget_bps: u64,
    /// The height of the smallest picture of a higher class that lacks something.
    top_px: u16,
}

fn climb(
    class: Priority,
    demands: &[Demand<'_>],
    given: &mut [Option<usize>],
    left: &mut u64,
    limit: Limit,
) {
    let headroom = limit.budget_bps / 16 * HEADROOM_SIXTEENTHS;
    let mut climbed = true;
    while climbed {
        climbed = false;
        for (demand, given) in demands.iter().zip(given.iter_mut()) {
            let Some(level) = *given else { continue };
            if demand.priority != class || level >= demand.wanted() {
                continue;
            }
            let next_px = demand.encodings.get(level + 1).map(|next| next.height_px);
            if next_px.is_none_or(|next_px| next_px > limit.top_px) {
                continue;
            }
            let held = demand.current.is_some_and(|current| current > level);
            if !held && demand.current.is_some() && !demand.may_climb {
                continue;
            }
            let step = demand.bps(level + 1).saturating_sub(demand.bps(level));
            let reserve = if held || demand.current.is_none() {
                0
            } else {
                headroom
            };
            if step + reserve <= *left {
                *left -= step;
                *given = Some(level + 1);
                climbed = true;
            }
        }
    }
}

/// Returns the height of the smallest picture of a class that lacks something.
/// Who has nothing at all leaves what there is to the others.
fn lacking_px(class: Priority, demands: &[Demand<'_>], given: &[Option<usize>]) -> u16 {
    let lacking = demands.iter().zip(given).filter_map(|(demand, given)| {
        let level = given.filter(|level| *level < demand.wanted())?;
        let encoding = demand.encodings.get(level)?;
        (demand.priority == class).then_some(encoding.height_px)
    });
    lacking.min().unwrap_or(u16::MAX)
}

fn next_step(demands: &[Demand<'_>], given: &[Option<usize>]) -> u64 {
    let missing = demands
        .iter()
        .zip(given)
        .filter_map(|(demand, given)| match given {
            Some(level) if *level < demand.wanted() => {
                Some(demand.bps(level + 1).saturating_sub(demand.bps(*level)))
            }
            Some(_) => None,
            None => Some(demand.bps(0)),
        });
    missing.min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAMERA: [EncodingCost; 3] = [
        EncodingCost {
            height_px: 180,
            bps: 150_000,
        },
        EncodingCost {
            height_px: 360,
            bps: 500_000,
        },
        EncodingCost {
            height_px: 720,
            bps: 1_700_000,
        },
    ];

    fn demand(priority: Priority, max_height_px: u16, current: Option<usize>) -> Demand<'static> {
        Demand {
            priority,
            max_height_px,
            encodings: &CAMERA,
            current,
            may_climb: true,
        }
    }

    fn shared(budget_bps: u64, demands: &[Demand<'_>]) -> Shares {
        let mut shares = Shares::default();
        share(budget_bps, demands, &mut shares);
        shares
    }

    #[test]
    fn the_tile_decides_what_is_wanted() {
        let wanted = |height| demand(Priority::Gallery, height, None).wanted();
        assert_eq!(
            [
                wanted(90),
                wanted(180),
                wanted(181),
                wanted(360),
                wanted(2_000)
            ],
            [0, 0, 1, 1, 2]
        );
    }

    #[test]
    fn everyone_gets_the_lowest_before_the_pinned_one_climbs() {
        let demands = [
            demand(Priority::Gallery, 180, None),
            demand(Priority::Pinned, 720, None),
            demand(Priority::Gallery, 180, None),
        ];
        let shares = shared(800_000, &demands);
        assert_eq!(shares.encodings, [Some(0), Some(1), Some(0)]);
        assert_eq!(shares.next_step_bps, 1_200_000);
        assert_eq!(shares.desired_bps, 2_000_000);
    }

    #[test]
    fn who_does_not_fit_gets_nothing_and_the_gallery_goes_first() {
        let demands = [
            demand(Priority::Gallery, 180, Some(0)),
            demand(Priority::Pinned, 180, Some(0)),
        ];
        assert_eq!(shared(200_000, &demands).encodings, [None, Some(0)]);
    }

    #[test]
    fn nobody_overtakes_a_picture_of_a_higher_class() {
        // What is measured of the gallery is less than what is expected of the
        // pinned picture, which has just fallen besides.
        let mut cheap = CAMERA;
        cheap[1].bps = 350_000;
        let demands = |pinned| {
            let gallery = Demand {
                encodings: &cheap,
                ..demand(Priority::Gallery, 360, Some(0))
            };
            [gallery, pinned]
        };
        let fallen = Demand {
            may_climb: false,
            ..demand(Priority::Pinned, 360, Some(0))
        };
        let given = |budget_bps, pinned| shared(budget_bps, &demands(pinned)).encodings;
        assert_eq!(given(2_000_000, fallen), [Some(0), Some(0)]);
        let small = demand(Priority::Pinned, 360, Some(0));
        assert_eq!(given(650_000, small), [Some(0), Some(0)]);
        assert_eq!(given(1_100_000, small), [Some(1), Some(1)]);
        // It has what it wants, or nothing at all: the rest is the gallery's.
        let thumbnail = demand(Priority::Pinned, 180, Some(0));
        assert_eq!(given(650_000, thumbnail), [Some(1), Some(0)]);
        let large = [EncodingCost {
            height_px: 1_080,
            bps: 1_500_000,
        }];
        let screen = Demand {
            encodings: &large,
            ..demand(Priority::Pinned, 1_080, None)
        };
        assert_eq!(given(650_000, screen), [Some(1), None]);
    }

    #[test]
    fn a_layer_is_kept_where_it_would_not_be_climbed_to() {
        // 1.8 Mbit/s hold the full picture, but leave too little to climb to it.
        assert_eq!(
            shared(1_800_000, &[demand(Priority::Pinned, 720, Some(2))]).encodings,
            [Some(2)]
        );
        assert_eq!(
            shared(1_800_000, &[demand(Priority::Pinned, 720, Some(1))]).encodings,
            [Some(1)]
        );
        assert_eq!(
            shared(2_000_000, &[demand(Priority::Pinned, 720, Some(1))]).encodings,
            [Some(2)]
        );
    }

    fn priority() -> impl Strategy<Value = Priority> {
        prop_oneof![
            Just(Priority::Pinned),
            Just(Priority::Speaker),
            Just(Priority::Gallery)
        ]
    }

    proptest! {
        #[test]
        fn nobody_is_given_more_than_there_is_or_than_they_want(
            budget in 0u64..10_000_000,
            wishes in prop::collection::vec((priority(), 1u16..1_200, prop::option::of(0usize..3)), 0..16),
        ) {
            let demands: Vec<_> = wishes.iter().map(|(p, h, c)| demand(*p, *h, *c)).collect();
            let shares = shared(budget, &demands);
            let sum: u64 = shares.encodings.iter().flatten().map(|given| CAMERA[*given].bps).sum();
            prop_assert_eq!(sum, shares.allocated_bps);
            prop_assert!(sum <= budget);
            for (demand, given) in demands.iter().zip(&shares.encodings) {
                prop_assert!(given.is_none_or(|given| given <= demand.wanted()));
            }
            prop_assert!(shares.desired_bps >= sum);
        }
    }
}
