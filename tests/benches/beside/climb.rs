//! The search for the highest rate that a server keeps.

use crate::figure::{Figures, spread};
use crate::row::Row;
use crate::server::Contender;

/// Loss from which on a rate is not kept, in percent.
pub(crate) const LOSS_MAX: f64 = 0.1;
/// Share of the packets that should arrive from which on a rate is kept: a server that sheds
/// streams loses nothing of what it sends.
const SHARE_MIN: f64 = 0.97;

pub(crate) const HEAD: &str = "\
| server | kept | packets/s | CPU µs per packet | core | lost | delay p99 ms | generator late p99 ms | not kept |
|---|---|---|---|---|---|---|---|---|";

/// What is known of the border between steps that are kept and steps that are not.
pub(crate) struct Border {
    steps: Vec<Row>,
    kept: Option<(usize, Figures)>,
    failed: Option<(usize, Option<Figures>)>,
}

impl Border {
    pub(crate) fn new(steps: Vec<Row>) -> Border {
        Border {
            steps,
            kept: None,
            failed: None,
        }
    }

    /// Returns what to try next, doubling and then halving the distance; `None` once the border is found.
    pub(crate) fn next(&self) -> Option<(usize, Row)> {
        let count = self.steps.len();
        let kept = self.kept.as_ref().map(|(step, _)| *step);
        let failed = self.failed.as_ref().map(|(step, _)| *step);
        let next = match (kept, failed) {
            (None, None) => 0,
            (Some(kept), None) if kept + 1 < count => (kept * 2 + 1).min(count - 1),
            (Some(kept), Some(failed)) if kept + 1 < failed => kept + (failed - kept) / 2,
            _ => return None,
        };
        self.steps.get(next).map(|row| (next, *row))
    }

    /// Takes note of a try; without figures it failed.
    pub(crate) fn note(&mut self, contender: Contender, step: usize, figures: Option<Figures>) {
        match figures {
            Some(figures) if keeps(&figures, &self.steps[step], contender) => {
                self.kept = Some((step, figures));
            }
            figures => self.failed = Some((step, figures)),
        }
    }

    /// Returns the line of one server.
    pub(crate) fn line(&self, contender: Contender) -> String {
        let kept = self.kept.as_ref();
        let name = kept.map_or("none".to_owned(), |(step, _)| self.steps[*step].name());
        let told = |of: fn(&Figures) -> f64, digits| {
            spread(
                kept.iter().map(|(_, figures)| of(figures)).collect(),
                digits,
            )
        };
        let beyond = self.failed.as_ref().map(|(step, figures)| {
            let of = |value: fn(&Figures) -> f64, digits| {
                spread(figures.iter().map(value).collect(), digits)
            };
            format!(
                "{}: {}/s, {} % lost, {} pairs each, generator late {} ms",
                self.steps[*step].name(),
                of(|one| one.packets_per_s, 0),
                of(|one| one.loss_percent, 2),
                of(|one| one.pairs_each, 2),
                of(|one| one.lateness_p99_ms, 1),
            )
        });
        format!(
            "| {} | {name} | {} | {} | {} % | {} % | {} | {} | {} |",
            contender.name(),
            told(|one| one.packets_per_s, 0),
            told(|one| one.us_per_packet, 1),
            told(|one| one.core_percent, 0),
            told(|one| one.loss_percent, 3),
            told(|one| one.delay_p99_ms, 1),
            told(|one| one.lateness_p99_ms, 1),
            beyond.unwrap_or_else(|| "–".to_owned()),
        )
    }
}

fn keeps(figures: &Figures, row: &Row, contender: Contender) -> bool {
    let (pictures, sounds) = match contender {
        Contender::Conclave => (row.watched(), row.heard()),
        Contender::Janus | Contender::JanusOneLoop => (row.watched(), row.others()),
    };
    let sound = row.sound_share();
    let due = sound * sounds as f64 + (1.0 - sound) * pictures as f64;
    figures.loss_percent < LOSS_MAX && figures.failed == 0.0 && figures.pairs_each > SHARE_MIN * due
}
