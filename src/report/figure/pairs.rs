//! Pairs of processes as strips: a dot for each pair, the interval of their median, the margin as a band.
//!
//! All strips share one scale, which is the logarithm of head's time over base's. A pair beyond it is not
//! drawn but counted, and an estimate beyond it is a triangle at the edge, with its number beside it.

use std::fmt::Write;

use maud::{Markup, html};

use super::palette::Paint;
use crate::report::number::{count, plain};

/// Strips of one figure.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Pairs {
    /// One for each workload and engine that was timed.
    pub strips: Vec<Strip>,
}

/// The pairs of a workload on an engine, as head's time over base's.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Strip {
    /// The workload's path.
    pub workload: String,
    /// The engine.
    pub engine: String,
    /// Each pair.
    pub samples: Vec<f64>,
    /// Their median.
    pub estimate: f64,
    /// Its interval, where there are enough pairs for one.
    pub interval: Option<(f64, f64)>,
    /// The least effect of interest, as a ratio less one.
    pub margin: f64,
    /// What stands at the right: the estimate and the verdict.
    pub words: String,
}

const WIDTH: f64 = 820.0;
const LEFT: f64 = 214.0;
const RIGHT: f64 = 134.0;
/// From one strip to the next.
const STEP: f64 = 34.0;
const TOP: f64 = 8.0;
/// Below the strips, for the scale.
const FOOT: f64 = 38.0;
/// The widest scale: a difference beyond it needs no picture.
const WIDEST: f64 = 0.1;
/// Between two labels of the scale.
const LABEL: f64 = 56.0;

impl Pairs {
    /// Draws them for the page, whose style sheet has the colours. `name` starts the ids.
    pub fn draw(&self, name: &str) -> Markup {
        let range = self.range();
        let bottom = TOP + self.strips.len() as f64 * STEP;
        let (grid, quiet) = (Paint::Page.grid(), Paint::Page.quiet());
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {}", bottom + FOOT)) role="img" font-size="13"
                aria-labelledby=(format!("{name}-t {name}-d")) {
                title id=(format!("{name}-t")) { "Head's time over base's, pair by pair" }
                desc id=(format!("{name}-d")) { (self.describe()) }
                @for percent in ticks(range) {
                    @let x = at(percent.ln_1p(), range);
                    path d=(format!("M{x:.1} {TOP}V{bottom:.1}")) stroke=(grid) {}
                    text x=(format!("{x:.1}")) y=(format!("{:.1}", bottom + 16.0)) text-anchor="middle"
                        font-size="12" fill=(quiet) { (label(percent)) }
                }
                @for (n, strip) in self.strips.iter().enumerate() {
                    (strip.draw(TOP + n as f64 * STEP, range))
                }
                @let middle = at(0.0, range);
                path d=(format!("M{middle:.1} {TOP}V{bottom:.1}")) stroke=(quiet) {}
                text x=(format!("{middle:.1}")) y=(format!("{:.1}", bottom + 33.0)) text-anchor="middle"
                    font-size="12" fill="currentColor" { "head's time over base's" }
            }
        }
    }

    /// How to read it, and what lies beyond it.
    pub fn finding(&self) -> String {
        let (range, all) = (self.range(), self.strips.iter().flat_map(|strip| &strip.samples));
        let beyond = all.clone().filter(|sample| !is_within(sample.ln(), range)).count() as u64;
        let beyond = match beyond {
            0 => String::new(),
            n => {
                let (n, all) = (count(n), count(all.count() as u64));
                format!(" {n} of {all} pairs lie beyond the scale and are not drawn.")
            }
        };
        format!(
            "Each dot is a pair of fresh processes. The bar is the interval of the median, the band the \
             margin.{beyond}"
        )
    }

    /// How far the scale reaches on either side: it holds every interval and most pairs, but no more than
    /// [`WIDEST`].
    fn range(&self) -> f64 {
        let most = self.strips.iter().flat_map(|strip| {
            let mut far: Vec<f64> = strip.samples.iter().map(|ratio| ratio.ln().abs()).collect();
            far.retain(|far| far.is_finite());
            far.sort_by(f64::total_cmp);
            let usual = far.get(far.len() * 9 / 10).copied().unwrap_or(0.0);
            let ends = strip.interval.map_or(0.0, |(low, high)| low.ln().abs().max(high.ln().abs()));
            [usual, ends, 3.0 * strip.margin]
        });
        let most = most.filter(|x| x.is_finite()).fold(0.001, f64::max);
        (1.08 * most).min(WIDEST)
    }

    /// The figure in words.
    fn describe(&self) -> String {
        let strips = self.strips.iter().map(|strip| {
            let pairs = count(strip.samples.len() as u64);
            format!("{} on {}: {}, {pairs} pairs", strip.workload, strip.engine, strip.words)
        });
        plain(&format!("{} {}.", self.finding(), strips.collect::<Vec<_>>().join("; ")))
    }
}

impl Strip {
    fn draw(&self, top: f64, range: f64) -> Markup {
        let middle = top + STEP / 2.0;
        let (ink, quiet, color) = (Paint::Page.ink(), Paint::Page.quiet(), Paint::Page.line(0));
        let margin = self.margin.ln_1p().min(range);
        let (from, to) = (at(-margin, range), at(margin, range));
        let clamped = |ratio: f64| at(ratio.ln().clamp(-range, range), range);
        html! {
            text x=(LEFT - 10.0) y=(format!("{:.1}", middle - 2.0)) text-anchor="end" font-size="12"
                fill=(ink) {
                (plain(&self.workload))
            }
            text x=(LEFT - 10.0) y=(format!("{:.1}", middle + 11.0)) text-anchor="end" font-size="11"
                fill=(quiet) { (plain(&self.engine)) }
            rect x=(format!("{from:.1}")) y=(format!("{:.1}", top + 3.0)) width=(format!("{:.1}", to - from))
                height=(STEP - 6.0) fill=(Paint::Page.grid()) fill-opacity="0.6" {}
            path d=(self.dots(middle, range)) stroke=(color) stroke-width="3" stroke-linecap="round"
                stroke-opacity="0.4" {}
            @if let Some((low, high)) = self.interval {
                path d=(format!("M{:.1} {middle:.1}H{:.1}", clamped(low), clamped(high))) stroke=(ink)
                    stroke-width="2.5" {}
            }
            @if is_within(self.estimate.ln(), range) {
                path d=(format!("M{:.1} {:.1}v14", clamped(self.estimate), middle - 7.0)) stroke=(ink)
                    stroke-width="2.5" {}
            } @else {
                @let (x, way) = (clamped(self.estimate), if self.estimate > 1.0 { 1.0 } else { -1.0 });
                path d=(format!("M{x:.1} {middle:.1}l{:.1} -6v12z", -9.0 * way)) fill=(ink) {}
            }
            text x=(format!("{:.1}", WIDTH - RIGHT + 10.0)) y=(format!("{:.1}", middle + 4.5)) fill=(ink) {
                (plain(&self.words))
            }
        }
    }

    /// A dot for each pair within the scale. Heights repeat in a fixed order, so that dots of equal ratios
    /// lie side by side.
    fn dots(&self, middle: f64, range: f64) -> String {
        let mut out = String::new();
        for (n, sample) in self.samples.iter().enumerate().filter(|(_, sample)| is_within(sample.ln(), range))
        {
            let y = middle + 1.9 * ((n * 5 % 11) as f64 - 5.0);
            write!(out, "M{:.1} {y:.1}h0", at(sample.ln(), range)).expect("a string takes every word");
        }
        out
    }
}

/// Where the logarithm of a ratio stands.
fn at(log: f64, range: f64) -> f64 {
    let half = (WIDTH - LEFT - RIGHT) / 2.0;
    LEFT + half + log / range * half
}

fn is_within(log: f64, range: f64) -> bool {
    log.abs() <= range
}

/// Round changes within the scale, as ratios less one, far enough apart for their labels.
fn ticks(range: f64) -> Vec<f64> {
    let half = (WIDTH - LEFT - RIGHT) / 2.0;
    let steps = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05];
    let step = steps.into_iter().find(|step| step / range * half >= LABEL).unwrap_or(0.1);
    let most = (range.exp_m1() / step) as i32;
    (-most..=most).map(|n| f64::from(n) * step).filter(|percent| is_within(percent.ln_1p(), range)).collect()
}

/// `−0.5 %`, `0`, `+2 %`.
fn label(change: f64) -> String {
    let percent = format!("{:.2}", 100.0 * change.abs());
    let percent = percent.trim_end_matches('0').trim_end_matches('.');
    match percent {
        "0" => "0".to_owned(),
        _ => format!("{}{percent} %", if change < 0.0 { '−' } else { '+' }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(estimate: f64, half: f64) -> Strip {
        let samples = (0..96).map(|n| estimate + 3.0 * half * (f64::from(n) / 95.0 - 0.5)).collect();
        Strip {
            workload: "seal/<b>".into(),
            engine: "ring".into(),
            samples,
            estimate,
            interval: Some((estimate - half, estimate + half)),
            margin: 0.005,
            words: "+0.10 % Same".into(),
        }
    }

    #[test]
    fn every_pair_is_a_dot_or_is_counted() {
        for (estimate, beyond) in [(1.001, 0), (2.0, 96)] {
            let pairs = Pairs { strips: vec![strip(1.002, 0.004), strip(estimate, 0.004)] };
            let svg = pairs.draw("f1").into_string();
            roxmltree::Document::parse(&svg).unwrap();
            assert_eq!(svg.matches("h0").count(), 192 - beyond, "{svg}");
            let said = format!("{beyond} of 192 pairs lie beyond the scale");
            assert_eq!(pairs.finding().contains(&said), beyond > 0, "{}", pairs.finding());
            assert_eq!(svg.matches("-6v12z").count(), usize::from(beyond > 0), "a triangle at the edge");
            assert!(!svg.contains("<b>") && svg.contains("seal/&lt;b&gt; on ring: +0.10 % Same, 96 pairs"));
        }
    }

    #[test]
    fn the_scale_holds_the_margin_and_has_room_for_its_labels() {
        for margin in [0.000_1, 0.005, 0.007_5, 0.05] {
            let pairs = Pairs { strips: vec![Strip { margin, ..strip(1.0, 1e-5) }] };
            let range = pairs.range();
            assert!(range >= margin.min(WIDEST) && range <= WIDEST, "{range}");
            let found = ticks(range);
            assert!((3..=9).contains(&found.len()) && found.contains(&0.0), "{margin}: {found:?}");
        }
        assert_eq!([-0.005, 0.0, 0.02, 0.000_5].map(label), ["−0.5 %", "0", "+2 %", "+0.05 %"]);
    }

    #[test]
    fn a_strip_that_no_picture_can_hold_is_still_drawn() {
        let mut odd = strip(1.0, 0.0);
        (odd.samples, odd.interval, odd.estimate) = (vec![f64::NAN, 0.0, -1.0], None, 0.0);
        let pairs = Pairs { strips: vec![odd] };
        let svg = pairs.draw("f1").into_string();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(pairs.finding().contains("3 of 3 pairs lie beyond"), "{}", pairs.finding());
    }
}
