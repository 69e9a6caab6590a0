//! The chart that a curve is drawn on: scales, axes, lines, markers, names, in plotters' elements.
//!
//! plotters writes the elements; the places are reckoned here, because its own chart places text by a font's
//! measures. Not here: colours, which are stand-ins until `svg` has the whole drawing.

use plotters::coord::Shift;
use plotters::element::{Circle, Drawable, PathElement, PointCollection, Polygon, Rectangle, Text};
use plotters::prelude::{DrawingArea, IntoFont, IntoTextStyle, RGBColor, SVGBackend, ShapeStyle};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::{GRID, GROUND, INK, LINE, PALETTE, QUIET};
use crate::report::curve::{Curve, Speed};
use crate::report::number::{plain, size, three};

/// plotters places on whole pixels: we draw ten times as large, and the view box shrinks it.
pub(in crate::report) const UNIT: f64 = 10.0;
pub(in crate::report) const WIDTH: f64 = 820.0;
pub(in crate::report) const HEIGHT: f64 = 430.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 52.0;
/// Between two names at the right.
const LINE_HEIGHT: f64 = 17.0;

/// The drawing area and the two scales.
pub(in crate::report) struct Chart<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    right: f64,
    x: (f64, f64),
    y: (f64, f64),
}

pub(in crate::report) type Place = (f64, f64);

impl<'a> Chart<'a> {
    /// Scales that hold every size and interval of a curve.
    pub fn new(curve: &Curve<'_>, area: DrawingArea<SVGBackend<'a>, Shift>) -> Self {
        let longest = curve.engines.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let right = WIDTH - (longest as f64 * 7.4 + 46.0).clamp(110.0, 260.0);
        let sizes = || curve.sizes.iter().map(|&bytes| bytes as f64);
        let speeds =
            || curve.engines.iter().flat_map(|e| curve.sizes.iter().filter_map(|&b| curve.value(e, b)));
        let least = speeds().map(|s| s.low).fold(f64::INFINITY, f64::min);
        let most = speeds().map(|s| s.high).fold(0.0, f64::max);
        // Nothing measured: any range will do, the axes stay.
        let (least, most) = if least <= most { (least, most) } else { (0.1, 10.0) };
        Self {
            area,
            right,
            x: (sizes().fold(f64::INFINITY, f64::min) / 1.25, sizes().fold(1.0, f64::max) * 1.25),
            y: (least / 1.3, most * 1.3),
        }
    }

    fn at_x(&self, bytes: f64) -> f64 {
        let (from, to) = self.x;
        LEFT + (bytes / from).ln() / (to / from).ln() * (self.right - LEFT)
    }

    fn at_y(&self, gb_per_s: f64) -> f64 {
        let (from, to) = self.y;
        HEIGHT - BOTTOM - (gb_per_s / from).ln() / (to / from).ln() * (HEIGHT - BOTTOM - TOP)
    }

    /// Draws one element; nothing can fail, the target is a string.
    fn put<E>(&self, element: E)
    where
        for<'b> &'b E: PointCollection<'b, (i32, i32)>,
        E: Drawable<SVGBackend<'a>>,
    {
        self.area.draw(&element).expect("drawing into a string does no input or output");
    }

    fn path(&self, places: &[Place], style: ShapeStyle) {
        self.put(PathElement::new(places.iter().copied().map(pixel).collect::<Vec<_>>(), style));
    }

    fn text(&self, words: &str, at: Place, anchor: HPos, color: RGBColor) {
        // plotters divides a font size by 1.24.
        let font = ("sans-serif", 13.0 * 1.24 * UNIT).into_font();
        let style = font.color(&color).into_text_style(&self.area).pos(Pos::new(anchor, VPos::Center));
        self.put(Text::new(plain(words), pixel(at), style));
    }

    /// Ends the drawing, so that its string is whole.
    pub fn finish(self) {
        self.area.present().expect("drawing into a string does no input or output");
    }

    /// A picture's own heading.
    pub fn heading(&self, words: &str) {
        self.text(words, ((LEFT + self.right) / 2.0, TOP - 18.0), HPos::Center, INK);
    }

    /// A ground that covers everything.
    pub fn ground(&self) {
        self.put(Rectangle::new([(0, 0), pixel((WIDTH, HEIGHT))], GROUND.filled()));
    }

    /// Both axes with their ticks, labels and the lines across.
    pub fn axes(&self, curve: &Curve<'_>) {
        let foot = HEIGHT - BOTTOM;
        let thin = |color: RGBColor| color.stroke_width(UNIT as u32);
        for value in ticks(self.y) {
            let y = self.at_y(value);
            self.path(&[(LEFT, y), (self.right, y)], thin(GRID));
            self.text(&number(value), (LEFT - 8.0, y), HPos::Right, QUIET);
        }
        let mut free = 0.0;
        for &bytes in &curve.sizes {
            let x = self.at_x(bytes as f64);
            self.path(&[(x, foot), (x, foot + 5.0)], thin(QUIET));
            let half = size(bytes).chars().count() as f64 * 3.6 + 3.0;
            if x - half >= free {
                self.text(&size(bytes), (x, foot + 17.0), HPos::Center, QUIET);
                free = x + half;
            }
        }
        self.path(&[(LEFT, foot), (self.right, foot)], thin(QUIET));
        self.text(curve.unit.name(), (LEFT - 8.0, TOP - 18.0), HPos::Right, INK);
        self.text("message size", ((LEFT + self.right) / 2.0, HEIGHT - 12.0), HPos::Center, INK);
    }

    /// An engine's band, line and markers, broken where a size has no time; where it ends.
    pub fn line(&self, curve: &Curve<'_>, engine: &str, place: usize) -> Option<Place> {
        let color = RGBColor(LINE, 0, (place % PALETTE.len()) as u8);
        let speeds = curve.sizes.iter().map(|&bytes| Some((bytes as f64, curve.value(engine, bytes)?)));
        let speeds: Vec<Option<(f64, Speed)>> = speeds.collect();
        let mut end = None;
        for piece in speeds.split(Option::is_none) {
            let piece: Vec<(f64, Speed)> = piece.iter().copied().flatten().collect();
            let at = |pick: fn(&Speed) -> f64| {
                piece.iter().map(move |(bytes, speed)| (self.at_x(*bytes), self.at_y(pick(speed))))
            };
            if piece.len() > 1 {
                let band: Vec<_> = at(|s| s.low).chain(at(|s| s.high).rev()).map(pixel).collect();
                self.put(Polygon::new(band, color.mix(0.22).filled()));
                let line: Vec<Place> = at(|s| s.median).collect();
                self.path(&line, color.stroke_width((1.8 * UNIT) as u32));
            }
            for (low, high) in at(|s| s.low).zip(at(|s| s.high)) {
                self.path(&[low, high], color.stroke_width(UNIT as u32));
            }
            for at in at(|s| s.median) {
                self.marker(at, color, place);
                end = Some(at);
            }
        }
        end
    }

    fn marker(&self, (x, y): Place, color: RGBColor, place: usize) {
        const R: f64 = 4.2;
        let shape = |points: &[Place]| {
            let points: Vec<_> = points.iter().map(|(dx, dy)| pixel((x + dx * R, y + dy * R))).collect();
            self.put(Polygon::new(points, color.filled()));
        };
        match place % 6 {
            0 => self.put(Circle::new(pixel((x, y)), (R * 0.95 * UNIT) as i32, color.filled())),
            1 => shape(&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]),
            2 => shape(&[(0.0, -1.15), (1.1, 0.85), (-1.1, 0.85)]),
            3 => shape(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
            4 => shape(&[(0.0, 1.15), (1.1, -0.85), (-1.1, -0.85)]),
            _ => {
                let style = color.stroke_width((1.8 * UNIT) as u32);
                self.path(&[(x - R, y - R), (x + R, y + R)], style);
                self.path(&[(x - R, y + R), (x + R, y - R)], style);
            }
        }
    }

    /// Each engine's name to the right of its line's end, moved apart where they would touch.
    pub fn names(&self, mut ends: Vec<(Place, &str, usize)>) {
        ends.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
        let wanted: Vec<f64> = ends.iter().map(|((_, y), ..)| *y).collect();
        for (((x, y), engine, place), at) in ends.iter().zip(apart(&wanted, LINE_HEIGHT, HEIGHT - BOTTOM)) {
            let color = RGBColor(LINE, 0, (place % PALETTE.len()) as u8);
            let marker = self.right + 18.0;
            self.path(&[(x + 6.0, *y), (marker - 8.0, at)], color.mix(0.45).stroke_width(UNIT as u32));
            self.marker((marker, at), color, *place);
            self.text(engine, (marker + 10.0, at), HPos::Left, INK);
        }
    }

    /// Engines that have no line, in the lower right corner: a picture without them would say that they are
    /// not there.
    pub fn missing(&self, engines: &[&str]) {
        let words = match engines {
            [] => return,
            [one] => format!("{one}: no time"),
            [one, rest @ ..] => format!("{one} and {} more: no time", rest.len()),
        };
        self.text(&words, (WIDTH - 8.0, HEIGHT - 12.0), HPos::Right, INK);
    }
}

fn pixel((x, y): Place) -> (i32, i32) {
    ((x * UNIT).round() as i32, (y * UNIT).round() as i32)
}

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
    fn ticks_are_round_and_few() {
        assert_eq!(ticks((0.3, 12.0)), [0.5, 1.0, 2.0, 5.0, 10.0]);
        assert_eq!(ticks((0.0001, 20.0)).len(), 6);
        let labels: Vec<_> = [0.05, 0.1, 1.0, 20.0, 100.0].into_iter().map(number).collect();
        assert_eq!(labels, ["0.05", "0.1", "1", "20", "100"]);
    }
}
