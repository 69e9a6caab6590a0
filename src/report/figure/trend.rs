//! Ratios and counts of instructions over runs of the gate: two small pictures for each workload.
//!
//! On the left head's time over base's in each run, with its interval; on the right the instructions of the
//! head. Each small picture has its own scale; the numbers are in the table below.

use std::fmt::Write;

use maud::{Markup, html};

use super::palette::Paint;
use crate::report::number::{change, count, plain};

/// Workloads over runs.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Trend {
    /// The name of each run, in their order.
    pub runs: Vec<String>,
    /// One for each workload and engine.
    pub series: Vec<Series>,
}

/// A workload on an engine over runs.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Series {
    /// The workload's path.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// One for each run; `None` where the run did not have it.
    pub points: Vec<Option<Point>>,
}

/// A workload in one run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::report) struct Point {
    /// Head's time over base's, and the ends of its interval.
    pub ratio: Option<[f64; 3]>,
    /// Instructions of the head.
    pub instructions: Option<u64>,
    /// Whether it was called slower.
    pub slower: bool,
}

const WIDTH: f64 = 820.0;
/// Where the ratios begin and end.
const RATIOS: (f64, f64) = (214.0, 470.0);
/// Where the counts begin and end.
const COUNTS: (f64, f64) = (566.0, 736.0);
const STEP: f64 = 46.0;
const TOP: f64 = 28.0;
const FOOT: f64 = 24.0;
/// Above and below a small picture.
const GAP: f64 = 6.0;
/// Ratios nearer to 1 than this fill no more of the height: noise must not look like news.
const LEAST: f64 = 0.01;
/// A ratio beyond this is drawn at the edge.
const MOST: f64 = 0.25;

impl Trend {
    /// Draws them for the page, whose style sheet has the colours. `name` starts the ids.
    pub fn draw(&self, name: &str) -> Markup {
        let bottom = TOP + self.series.len() as f64 * STEP;
        let quiet = Paint::Page.quiet();
        let words = |x: f64, y: f64, anchor: &str, words: &str| {
            html! {
                text x=(format!("{x:.1}")) y=(format!("{y:.1}")) text-anchor=(anchor) font-size="12"
                    fill=(quiet) {
                    (plain(words))
                }
            }
        };
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {}", bottom + FOOT)) role="img" font-size="13"
                aria-labelledby=(format!("{name}-t {name}-d")) {
                title id=(format!("{name}-t")) { "Ratios and instructions over runs" }
                desc id=(format!("{name}-d")) { (self.describe()) }
                (words(RATIOS.0, 14.0, "start", "head's time over base's"))
                (words(COUNTS.0, 14.0, "start", "instructions of the head"))
                @for (n, series) in self.series.iter().enumerate() {
                    (series.draw(TOP + n as f64 * STEP, self.runs.len()))
                }
                @for (from, to) in [RATIOS, COUNTS] {
                    @if let [first, .., last] = &self.runs[..] {
                        (words(from, bottom + 16.0, "start", first))
                        (words(to, bottom + 16.0, "end", last))
                    } @else if let [only] = &self.runs[..] {
                        (words(from, bottom + 16.0, "start", only))
                    }
                }
            }
        }
    }

    /// How to read it.
    pub fn finding(&self) -> String {
        let slower = self.series.iter().flat_map(|series| &series.points).flatten();
        let slower = slower.filter(|point| point.slower).count() as u64;
        format!(
            "From the first run to the last. A triangle is a workload that its run called slower: {} in all. \
             Each small picture has its own scale.",
            count(slower)
        )
    }

    /// The figure in words: the last values of each workload.
    fn describe(&self) -> String {
        let last = |series: &Series| {
            let point = series.points.iter().rev().flatten().next()?;
            let time = point.ratio.map(|[estimate, ..]| change(estimate));
            let count = point.instructions.map(|n| format!("{} instructions", count(n)));
            let parts: Vec<String> = [time, count].into_iter().flatten().collect();
            Some(format!("{} on {}: {}", series.workload, series.engine, parts.join(", ")))
        };
        let last: Vec<String> = self.series.iter().filter_map(last).collect();
        plain(&format!("{} At last {}.", self.finding(), last.join("; ")))
    }
}

impl Series {
    fn draw(&self, top: f64, runs: usize) -> Markup {
        let (ink, quiet) = (Paint::Page.ink(), Paint::Page.quiet());
        let (middle, half) = (top + STEP / 2.0, STEP / 2.0 - GAP);
        let last = |words: Option<String>, (_, end): (f64, f64)| {
            html! {
                @if let Some(words) = words {
                    text x=(end + 8.0) y=(format!("{:.1}", middle + 4.5)) font-size="12" fill=(ink) {
                        (words)
                    }
                }
            }
        };
        let points = || self.points.iter().flatten();
        let time = points().rev().find_map(|point| point.ratio).map(|[estimate, ..]| change(estimate));
        html! {
            text x=(RATIOS.0 - 14.0) y=(format!("{:.1}", middle - 2.0)) text-anchor="end" font-size="12"
                fill=(ink) {
                (plain(&self.workload))
            }
            text x=(RATIOS.0 - 14.0) y=(format!("{:.1}", middle + 11.0)) text-anchor="end" font-size="11"
                fill=(quiet) { (plain(&self.engine)) }
            path d=(format!("M{} {middle:.1}H{}", RATIOS.0, RATIOS.1)) stroke=(Paint::Page.grid()) {}
            (self.ratios(middle, half, runs))
            path d=(self.counts(middle, half, runs)) stroke=(Paint::Page.line(1)) stroke-width="1.8"
                fill="none" {}
            (last(time, RATIOS))
            (last(points().rev().find_map(|point| point.instructions).map(count), COUNTS))
        }
    }

    fn ratios(&self, middle: f64, half: f64, runs: usize) -> Markup {
        let all = self.points.iter().flatten().filter_map(|point| point.ratio).flatten();
        let logs = all.map(|ratio| log(ratio).abs()).filter(|log| log.is_finite());
        let range = logs.fold(LEAST, f64::max).min(MOST);
        let y = |ratio: f64| middle - log(ratio).clamp(-range, range) / range * half;
        let color = Paint::Page.line(0);
        html! {
            @for (n, point) in self.points.iter().enumerate() {
                @if let Some(Point { ratio: Some([estimate, low, high]), slower, .. }) = *point {
                    @let x = across(n, runs, RATIOS);
                    path d=(format!("M{x:.1} {:.1}V{:.1}", y(low), y(high))) stroke=(color)
                        stroke-opacity="0.5" {}
                    @if slower {
                        path d=(format!("M{x:.1} {:.1}m0 -4.8l4.6 8.4h-9.2z", y(estimate)))
                            fill=(Paint::Page.line(7)) {}
                    } @else {
                        path d=(format!("M{x:.1} {:.1}h0", y(estimate))) stroke=(color) stroke-width="5"
                            stroke-linecap="round" {}
                    }
                }
            }
        }
    }

    /// A line through the counts, broken where one is not known.
    fn counts(&self, middle: f64, half: f64, runs: usize) -> String {
        let known = || self.points.iter().flatten().filter_map(|point| point.instructions);
        let (least, most) = (known().min().unwrap_or(0) as f64, known().max().unwrap_or(0) as f64);
        let (mut out, mut open) = (String::new(), false);
        for (n, point) in self.points.iter().enumerate() {
            let Some(count) = point.and_then(|point| point.instructions) else {
                open = false;
                continue;
            };
            let share = if most > least { (count as f64 - least) / (most - least) } else { 0.5 };
            let (x, y) = (across(n, runs, COUNTS), middle + half * (1.0 - 2.0 * share));
            let step = if open { "L" } else { "M" };
            // A point alone shows as a short line.
            let alone = if open { "" } else { "h1.5" };
            write!(out, "{step}{x:.1} {y:.1}{alone}").expect("a string takes every word");
            open = true;
        }
        out
    }
}

/// The logarithm of a ratio; what is no ratio stands at the lower edge.
fn log(ratio: f64) -> f64 {
    if ratio > 0.0 { ratio.ln() } else { f64::NEG_INFINITY }
}

/// Where a run stands.
fn across(n: usize, runs: usize, (from, to): (f64, f64)) -> f64 {
    from + (to - from) * if runs < 2 { 0.0 } else { n as f64 / (runs - 1) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(ratio: f64, count: u64, slower: bool) -> Option<Point> {
        Some(Point { ratio: Some([ratio, ratio - 0.01, ratio + 0.01]), instructions: Some(count), slower })
    }

    #[test]
    fn each_run_has_its_place_and_what_is_not_known_leaves_a_gap() {
        let untimed = Some(Point { ratio: None, instructions: Some(130), slower: false });
        let points = vec![point(1.0, 100, false), None, point(1.3, 120, true), untimed];
        let series = Series { workload: "seal/<b>".into(), engine: "ring".into(), points };
        let trend = Trend { runs: ["a", "b", "c", "d"].map(str::to_owned).into(), series: vec![series] };
        let svg = trend.draw("f1").into_string();
        roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(svg.matches("l4.6 8.4h-9.2z").count(), 1, "one triangle");
        assert_eq!(svg.matches("stroke-width=\"5\"").count(), 1, "one point that is not slower");
        assert!(trend.finding().contains("called slower: 1 in all"), "{}", trend.finding());
        let line = trend.series[0].counts(0.0, 1.0, 4);
        assert_eq!((line.matches('M').count(), line.matches('L').count()), (2, 1), "{line}");
        assert!(svg.contains("seal/&lt;b&gt; on ring: 130 instructions") && !svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn one_run_alone_and_odd_ratios_are_drawn() {
        let points = vec![point(0.0, 5, false), point(f64::INFINITY, 5, false)];
        let series = Series { workload: "w".into(), engine: "e".into(), points };
        let trend = Trend { runs: vec!["a".into()], series: vec![series] };
        let svg = trend.draw("f1").into_string();
        assert!(!svg.contains("NaN") && !svg.contains(" inf") && !svg.contains("Vinf"), "{svg}");
    }
}
