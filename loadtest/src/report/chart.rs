//! Lines over time as inline SVG, without script.

use std::fmt::Write;

use super::escape::escape;
use super::figure::figure;
use super::view::{Chart, Series};

/// Of the picture, in its own units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
/// What is left around the lines for the labels.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// About how many lines of the grid.
const TICKS_UP: f64 = 4.0;
const TICKS_ALONG: f64 = 8.0;
/// Points of a line at most: more than that no screen shows.
const POINTS_MAX: usize = 600;

/// Appends one chart as a `<figure>`.
pub(crate) fn draw(out: &mut String, chart: &Chart) {
    let scale = Scale::of(chart);
    let (title, unit) = (escape(&chart.title), escape(chart.unit));
    let _ = write!(
        out,
        "<figure><figcaption><b>{title}</b> <span class=\"unit\">{unit}</span>"
    );
    legend(out, &chart.series);
    let _ = write!(
        out,
        "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&summary(chart))
    );
    grid(out, &scale);
    for (index, series) in chart.series.iter().enumerate() {
        line(out, &scale, index, series);
    }
    tips(out, &scale, chart);
    out.push_str("</svg></figure>");
}

/// What the picture says to whoever does not see it.
fn summary(chart: &Chart) -> String {
    let mut text = format!("{} in {}", chart.title, chart.unit);
    for series in &chart.series {
        let values = || series.points.iter().filter_map(|(_, value)| *value);
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(f64::NEG_INFINITY, f64::max);
        if least <= most {
            let (least, most) = (figure(least), figure(most));
            let _ = write!(text, "; {} from {least} to {most}", series.name);
        }
    }
    text
}

fn legend(out: &mut String, series: &[Series]) {
    if series.len() < 2 {
        return;
    }
    for (index, series) in series.iter().enumerate() {
        let name = escape(&series.name);
        let _ = write!(out, " <span class=\"key k{index}\">{name}</span>");
    }
}

/// Where values stand in the picture.
struct Scale {
    from_s: f64,
    until_s: f64,
    most: f64,
    step: f64,
}

impl Scale {
    fn of(chart: &Chart) -> Scale {
        let times = || {
            let points = chart.series.iter().flat_map(|series| &series.points);
            points
                .map(|(time, _)| *time)
                .filter(|time| time.is_finite())
        };
        let from_s = times().fold(f64::INFINITY, f64::min);
        let until_s = times().fold(f64::NEG_INFINITY, f64::max);
        let (from_s, until_s) = if from_s < until_s {
            (from_s, until_s)
        } else if from_s.is_finite() {
            (from_s, from_s + 1.0)
        } else {
            (0.0, 1.0)
        };
        let highest = chart.values().fold(0.0, f64::max);
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let step = round_step(highest / TICKS_UP);
        Scale {
            from_s,
            until_s,
            most: (highest / step).ceil() * step,
            step,
        }
    }

    fn x(&self, time_s: f64) -> f64 {
        LEFT + (time_s - self.from_s) / (self.until_s - self.from_s) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value.clamp(0.0, self.most) / self.most * (HEIGHT - TOP - BOTTOM)
    }
}

/// Returns the next of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let fits = steps.into_iter().find(|step| *step >= least * 0.999);
    fits.unwrap_or(10.0 * power)
}

fn grid(out: &mut String, scale: &Scale) {
    let count = (scale.most / scale.step).round() as usize;
    for index in 0..=count {
        let value = index as f64 * scale.step;
        let y = scale.y(value);
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let class = if index == 0 { "axis" } else { "grid" };
        let _ = write!(
            out,
            "<path class=\"{class}\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            tick(value, scale.step)
        );
    }
    let step = round_step((scale.until_s - scale.from_s) / TICKS_ALONG);
    let first = (scale.from_s / step).ceil() as i64;
    let last = (scale.until_s / step).floor() as i64;
    for index in first..=last {
        let time = index as f64 * step;
        let unit = if index == last { " s" } else { "" };
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}{unit}</text>",
            scale.x(time),
            HEIGHT - 8.0,
            tick(time, step)
        );
    }
}

/// Returns a number of the grid, with the digits that its step needs and no more.
fn tick(value: f64, step: f64) -> String {
    if step >= 1.0 {
        return super::figure::count(value.round().max(0.0) as u64);
    }
    let digits = (-step.log10()).ceil().clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}")
}

fn line(out: &mut String, scale: &Scale, index: usize, series: &Series) {
    let mut path = String::new();
    let mut pen_up = true;
    for (time, value) in thinned(&series.points) {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            pen_up = true;
            continue;
        };
        let command = if pen_up { 'M' } else { 'L' };
        pen_up = false;
        let _ = write!(path, "{command}{:.1} {:.1}", scale.x(time), scale.y(value));
    }
    if !path.is_empty() {
        let _ = write!(out, "<path class=\"line k{index}\" d=\"{path}\"/>");
    }
}

/// Returns at most [`POINTS_MAX`] points: of neighbours that share a place the highest.
fn thinned(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let together = points.len().div_ceil(POINTS_MAX).max(1);
    let highest = |points: &[(f64, Option<f64>)]| {
        let all = points.iter().copied();
        all.max_by(|one, other| {
            let of = |point: &(f64, Option<f64>)| point.1.unwrap_or(f64::NEG_INFINITY);
            of(one).total_cmp(&of(other))
        })
    };
    points.chunks(together).filter_map(highest).collect()
}

/// Adds columns that tell the figures of their time to a pointer that rests on them.
fn tips(out: &mut String, scale: &Scale, chart: &Chart) {
    let Some(first) = chart.series.first() else {
        return;
    };
    let points = thinned(&first.points);
    let wide = (WIDTH - LEFT - RIGHT) / points.len().max(1) as f64;
    for (time, _) in points {
        let mut text = format!("{} s", figure(time));
        for series in &chart.series {
            let at = series.points.iter().find(|point| point.0 == time);
            let value = super::figure::figure_or_dash(at.and_then(|point| point.1));
            let _ = write!(text, "\n{}: {value} {}", series.name, chart.unit);
        }
        let _ = write!(
            out,
            "<rect class=\"tip\" x=\"{:.1}\" y=\"{TOP}\" width=\"{wide:.1}\" height=\"{:.1}\">\
             <title>{}</title></rect>",
            scale.x(time) - wide / 2.0,
            HEIGHT - TOP - BOTTOM,
            escape(&text)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, Option<f64>)>) -> Chart {
        Chart {
            title: "loss".to_owned(),
            unit: "%",
            series: vec![Series {
                name: "video".to_owned(),
                points,
            }],
        }
    }

    fn drawn(chart: &Chart) -> String {
        let mut out = String::new();
        draw(&mut out, chart);
        out
    }

    #[test]
    fn a_gap_lifts_the_pen() {
        let points = vec![
            (0.0, Some(1.0)),
            (1.0, Some(2.0)),
            (2.0, None),
            (3.0, Some(4.0)),
        ];
        let svg = drawn(&chart(points));
        let from = svg.find("class=\"line k0\" d=\"").unwrap();
        let path = svg[from..].split('"').nth(3).unwrap();
        assert_eq!(path.matches('M').count(), 2);
        assert_eq!(path.matches('L').count(), 1);
    }

    #[test]
    fn nothing_measured_still_draws_a_grid() {
        for points in [vec![], vec![(0.0, None)], vec![(5.0, Some(f64::NAN))]] {
            let svg = drawn(&chart(points));
            assert!(svg.contains("class=\"axis\"") && !svg.contains("class=\"line"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn a_peak_survives_thinning() {
        let mut points: Vec<_> = (0..50_000)
            .map(|index| (f64::from(index), Some(1.0)))
            .collect();
        points[31_234].1 = Some(900.0);
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_MAX);
        assert!(thin.contains(&(31_234.0, Some(900.0))));
    }

    #[test]
    fn steps_are_round() {
        let steps = [0.003, 0.11, 1.0, 2.4, 7.0, 11_500.0].map(round_step);
        assert_eq!(steps, [0.005, 0.2, 1.0, 5.0, 10.0, 20_000.0]);
        assert_eq!(tick(0.4, 0.2), "0.4");
        assert_eq!(tick(40_000.0, 20_000.0), "40,000");
    }
}
