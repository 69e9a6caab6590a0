//! The chart that a curve is drawn on: scales, axes, lines, markers, names.
//!
//! Text is `<text>` set in the page's font: the layout needs no font's measures. Not here: what is drawn,
//! which is `curve`, and its colours, which are `palette`.

use std::fmt::Write;

use maud::{Markup, html};

use super::palette::{PALETTE, Paint};
use crate::measure::ratio::is_own;
use crate::report::curve::{Curve, Speed};
use crate::report::number::{plain, size, three};

pub(super) const WIDTH: f64 = 820.0;
pub(super) const HEIGHT: f64 = 400.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 52.0;
/// Where the messages' axis is.
const FOOT: f64 = HEIGHT - BOTTOM;
/// Between two names at the right.
const LINE_HEIGHT: f64 = 17.0;

/// A curve and its two scales.
pub(super) struct Chart<'a> {
    curve: &'a Curve<'a>,
    paint: Paint,
    right: f64,
    x: (f64, f64),
    y: (f64, f64),
}

type Place = (f64, f64);

impl<'a> Chart<'a> {
    /// Scales that hold every size and interval of a curve.
    pub fn new(curve: &'a Curve<'a>, paint: Paint) -> Self {
        let longest = curve.engines.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let right = WIDTH - (longest as f64 * 7.4 + 46.0).clamp(110.0, 260.0);
        let sizes = || curve.sizes.iter().map(|&bytes| bytes as f64);
        let values =
            || curve.engines.iter().flat_map(|e| curve.sizes.iter().filter_map(|&b| curve.value(e, b)));
        let least = values().map(|s| s.low).fold(f64::INFINITY, f64::min);
        let most = values().map(|s| s.high).fold(0.0, f64::max);
        // Nothing measured: any range will do, the axes stay.
        let (least, most) = if least <= most { (least, most) } else { (0.1, 10.0) };
        Self {
            curve,
            paint,
            right,
            x: (sizes().fold(f64::INFINITY, f64::min) / 1.25, sizes().fold(1.0, f64::max) * 1.25),
            y: (least / 1.3, most * 1.3),
        }
    }

    fn at_x(&self, bytes: u64) -> f64 {
        let (from, to) = self.x;
        LEFT + (bytes as f64 / from).ln() / (to / from).ln() * (self.right - LEFT)
    }

    fn at_y(&self, value: f64) -> f64 {
        let (from, to) = self.y;
        FOOT - (value / from).ln() / (to / from).ln() * (FOOT - TOP)
    }

    /// Where each size stands, for a script that shows the values of one.
    pub fn columns(&self) -> String {
        let places = self.curve.sizes.iter().map(|&bytes| format!("{:.1}", self.at_x(bytes)));
        places.collect::<Vec<_>>().join(" ")
    }

    /// A picture's own heading.
    pub fn heading(&self, words: &str) -> Markup {
        text(words, ((LEFT + self.right) / 2.0, TOP - 18.0), "middle", self.paint.ink())
    }

    /// A ground that covers everything.
    pub fn ground(&self) -> Markup {
        html! { rect width=(WIDTH) height=(HEIGHT) fill="#FFFFFF" {} }
    }

    /// Both axes with their ticks, labels and the lines across.
    pub fn axes(&self) -> Markup {
        let (ink, quiet, grid) = (self.paint.ink(), self.paint.quiet(), self.paint.grid());
        let mut free = 0.0;
        // A label that would touch the one before is left out; its tick stays.
        let mut fits = |x: f64, words: &str| {
            let half = words.chars().count() as f64 * 3.6 + 3.0;
            let fits = x - half >= free;
            if fits {
                free = x + half;
            }
            fits
        };
        html! {
            @for value in ticks(self.y) {
                @let y = self.at_y(value);
                path d=(format!("M{LEFT} {y:.1}H{:.1}", self.right)) stroke=(grid) {}
                (text(&number(value), (LEFT - 8.0, y), "end", quiet))
            }
            @for &bytes in &self.curve.sizes {
                @let x = self.at_x(bytes);
                path d=(format!("M{x:.1} {FOOT}v5")) stroke=(quiet) {}
                @if fits(x, &size(bytes)) { (text(&size(bytes), (x, FOOT + 17.0), "middle", quiet)) }
            }
            path d=(format!("M{LEFT} {FOOT}H{:.1}", self.right)) stroke=(quiet) {}
            (text(self.curve.unit.name(), (LEFT - 8.0, TOP - 18.0), "end", ink))
            (text("message size", ((LEFT + self.right) / 2.0, HEIGHT - 12.0), "middle", ink))
        }
    }

    /// Every engine's line with its name, each in a group of its own, and who has no line. `places` choose
    /// colours and markers.
    pub fn series(&self, places: &[(&str, usize)]) -> Markup {
        let end = |engine: &str| {
            let last =
                self.curve.sizes.iter().rev().find_map(|&b| Some((b, self.curve.value(engine, b)?)))?;
            Some((self.at_x(last.0), self.at_y(last.1.median)))
        };
        let ends: Vec<(&str, usize, Place)> =
            places.iter().filter_map(|&(engine, place)| Some((engine, place, end(engine)?))).collect();
        let mut heights: Vec<(usize, f64)> = ends.iter().map(|(.., (_, y))| *y).enumerate().collect();
        heights.sort_by(|a, b| a.1.total_cmp(&b.1));
        let wanted: Vec<f64> = heights.iter().map(|(_, y)| *y).collect();
        let mut names = vec![0.0; ends.len()];
        for ((i, _), at) in heights.iter().zip(apart(&wanted, LINE_HEIGHT, FOOT)) {
            names[*i] = at;
        }
        let missing: Vec<&str> =
            places.iter().map(|(engine, _)| *engine).filter(|engine| end(engine).is_none()).collect();
        html! {
            @for (&(engine, place, end), &name) in ends.iter().zip(&names) {
                g class="series" data-series=(plain(engine)) {
                    (self.line(engine, place))
                    (self.name(engine, place, end, name))
                }
            }
            (self.missing(&missing))
        }
    }

    /// An engine's band, line and markers, broken where a size has no time.
    fn line(&self, engine: &str, place: usize) -> Markup {
        let color = self.paint.line(place);
        // Ours are solid, the peers dashed.
        let dash = (!is_own(engine)).then_some("7 3");
        let values = self.curve.sizes.iter().map(|&b| Some((b, self.curve.value(engine, b)?)));
        let values: Vec<Option<(u64, Speed)>> = values.collect();
        let pieces = values.split(Option::is_none).map(|piece| piece.iter().copied().flatten());
        html! {
            @for piece in pieces.map(Vec::from_iter).filter(|piece: &Vec<_>| !piece.is_empty()) {
                @let at = |pick: fn(&Speed) -> f64| {
                    let place = |(bytes, value): &(u64, Speed)| (self.at_x(*bytes), self.at_y(pick(value)));
                    piece.iter().map(place).collect::<Vec<Place>>()
                };
                @let (low, high, median) = (at(|s| s.low), at(|s| s.high), at(|s| s.median));
                @if piece.len() > 1 {
                    polygon points=(points(low.iter().chain(high.iter().rev()))) fill=(color)
                        fill-opacity="0.22" {}
                    polyline points=(points(&median)) fill="none" stroke=(color) stroke-width="1.8"
                        stroke-dasharray=[dash] {}
                }
                @for ((x, low), (_, high)) in low.iter().zip(&high) {
                    path d=(format!("M{x:.1} {low:.1}V{high:.1}")) stroke=(color) {}
                }
                @for at in &median { (marker(*at, &color, place)) }
            }
        }
    }

    /// An engine's name to the right of its line's end.
    fn name(&self, engine: &str, place: usize, (x, y): Place, at: f64) -> Markup {
        let (color, left) = (self.paint.line(place), self.right + 18.0);
        html! {
            path d=(format!("M{:.1} {y:.1}L{:.1} {at:.1}", x + 6.0, left - 8.0)) stroke=(color)
                stroke-opacity="0.45" {}
            (marker((left, at), &color, place))
            (text(engine, (left + 10.0, at), "start", self.paint.ink()))
        }
    }

    /// Engines that have no line, in the lower right corner: a picture without them would say that they are
    /// not there.
    fn missing(&self, engines: &[&str]) -> Markup {
        let words = match engines {
            [] => return html! {},
            [one] => format!("{one}: no time"),
            [one, rest @ ..] => format!("{one} and {} more: no time", rest.len()),
        };
        text(&words, (WIDTH - 8.0, HEIGHT - 12.0), "end", self.paint.ink())
    }
}

fn text(words: &str, (x, y): Place, anchor: &str, color: &str) -> Markup {
    html! {
        text x=(format!("{x:.1}")) y=(format!("{y:.1}")) dy="0.35em" text-anchor=(anchor) fill=(color) {
            (plain(words))
        }
    }
}

fn points<'a>(places: impl IntoIterator<Item = &'a Place>) -> String {
    let mut out = String::new();
    for (x, y) in places {
        let space = if out.is_empty() { "" } else { " " };
        write!(out, "{space}{x:.1},{y:.1}").expect("a string takes every word");
    }
    out
}

/// A shape around a point. After each round of colours the shapes move on by one, so that both together
/// repeat late.
fn marker((x, y): Place, color: &str, place: usize) -> Markup {
    let shape = (place + place / PALETTE.len()) % SHAPES.len();
    let (shape, filled) = SHAPES[shape];
    let fill = if filled { color } else { "none" };
    let stroke = (!filled).then_some(color);
    html! {
        path class="marker" d=(format!("M{x:.1} {y:.1}{shape}")) fill=(fill) stroke=[stroke]
            stroke-width=[stroke.map(|_| "1.8")] {}
    }
}

/// Markers, drawn from their middle: circle, square, triangle, diamond, triangle on its tip, cross, open
/// circle, plus, open square. Each with whether it is filled.
const SHAPES: [(&str, bool); 9] = [
    ("m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", true),
    ("m-3.6 -3.6h7.2v7.2h-7.2z", true),
    ("m0 -4.8l4.6 8.4h-9.2z", true),
    ("m0 -5.2l5.2 5.2l-5.2 5.2l-5.2 -5.2z", true),
    ("m0 4.8l4.6 -8.4h-9.2z", true),
    ("m-4.2 -4.2l8.4 8.4m0 -8.4l-8.4 8.4", false),
    ("m-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0z", false),
    ("m0 -5v10m-5 -5h10", false),
    ("m-3.4 -3.4h6.8v6.8h-6.8z", false),
];

/// Heights as near as may be to those wanted (ascending), at least `gap` apart, none below `floor`.
fn apart(wanted: &[f64], gap: f64, floor: f64) -> Vec<f64> {
    let mut at = wanted.to_vec();
    for i in 1..at.len() {
        at[i] = at[i].max(at[i - 1] + gap);
    }
    // Pushed down only, a cluster hangs below its lines: lift each cluster by half of what it was pushed.
    let mut start = 0;
    while start < at.len() {
        let mut end = start + 1;
        while end < at.len() && at[end] - at[end - 1] <= gap + 1e-9 {
            end += 1;
        }
        let pushed = at[end - 1] - wanted[end - 1];
        let room = if start == 0 { f64::INFINITY } else { at[start] - at[start - 1] - gap };
        let lift = (pushed / 2.0).min(room).max(at[end - 1] - floor);
        for y in &mut at[start..end] {
            *y -= lift.max(0.0);
        }
        start = end;
    }
    for i in (1..at.len()).rev() {
        at[i - 1] = at[i - 1].min(at[i] - gap);
    }
    at
}

/// Values of 1, 2 and 5 times a power of ten within a range; powers only where that would be too many.
fn ticks((from, to): (f64, f64)) -> Vec<f64> {
    let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let fine = (to / from).log10() <= 3.4;
    let steps: &[f64] = if fine { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let values = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
    values.filter(|value| (from..=to).contains(value)).collect()
}

/// A tick's label: `0.05`, `20`.
fn number(value: f64) -> String {
    if value >= 1.0 { format!("{value:.0}") } else { three(value).trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_moved_apart_and_stay_in_order() {
        let floor = 380.0;
        for wanted in
            [vec![10.0, 11.0, 12.0, 300.0], vec![375.0, 376.0, 377.0], vec![50.0], vec![], vec![1.0; 9]]
        {
            let at = apart(&wanted, 17.0, floor);
            assert_eq!(at.len(), wanted.len());
            assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 17.0 - 1e-6), "{at:?}");
            assert!(at.last().is_none_or(|&last| last <= floor + 1e-6), "{at:?}");
        }
    }

    #[test]
    fn a_marker_and_its_colour_repeat_late() {
        let mut looks: Vec<String> = (0..72)
            .map(|place| marker((0.0, 0.0), &Paint::Picture.line(place), place).into_string())
            .collect();
        looks.sort();
        looks.dedup();
        assert_eq!(looks.len(), 72);
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks((0.3, 12.0)), [0.5, 1.0, 2.0, 5.0, 10.0]);
        assert_eq!(ticks((0.0001, 20.0)).len(), 6);
        let labels: Vec<_> = [0.05, 0.1, 1.0, 20.0, 100.0].into_iter().map(number).collect();
        assert_eq!(labels, ["0.05", "0.1", "1", "20", "100"]);
    }
}
