//! Throughput curves as SVG: GB/s over message size, both axes logarithmic, one line for each engine.
//!
//! An engine has a colour, a marker and its name at the end of its line, so no two are told apart by colour
//! alone (the colours are those of Okabe and Ito, darkened or lightened to keep contrast). Text is `<text>` set
//! in the page's font: the layout needs no font's measures. Not here: choosing what to draw.

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{
    DrawingArea, IntoDrawingArea, IntoFont, IntoTextStyle, RGBColor, SVGBackend, ShapeStyle,
};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::number::{size, three};
use super::speed::{Curve, Speed};

/// plotters places on whole pixels: we draw ten times as large, and the view box shrinks it.
const UNIT: f64 = 10.0;
const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 430.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 52.0;
/// Between two names at the right.
const LINE_HEIGHT: f64 = 17.0;

/// Colours of the lines on a light and on a dark ground; the page's style sheet is made from them.
pub(super) const PALETTE: [(&str, &str); 8] = [
    ("#0072B2", "#4FA3E0"),
    ("#C85200", "#FF8C42"),
    ("#00825F", "#2DC596"),
    ("#A6508C", "#DE8FC4"),
    ("#8F6500", "#E6B422"),
    ("#404040", "#D0D0D0"),
    ("#2E8BC0", "#8CD0F5"),
    ("#707000", "#C6C65A"),
];

// Stand-ins that plotters writes into the drawing, replaced at the end: see `paint`.
const INK: RGBColor = RGBColor(0xF1, 0, 0);
const QUIET: RGBColor = RGBColor(0xF2, 0, 0);
const GRID: RGBColor = RGBColor(0xF3, 0, 0);
const GROUND: RGBColor = RGBColor(0xF4, 0, 0);
const LINE: u8 = 0xF0;

/// What a drawing is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paint {
    /// Inside our page: no ground of its own, colours by the page's style sheet.
    Page,
    /// A picture of its own: light colours on white.
    Picture,
}

/// Draws a curve. `engines` are all engines of the report: an engine's place there chooses its colour and
/// marker, so that they stay the same from figure to figure. `name` starts the ids inside a page.
pub(super) fn draw(curve: &Curve<'_>, engines: &[&str], name: &str, paint: Paint) -> String {
    let mut drawing = String::new();
    let scaled = ((WIDTH * UNIT) as u32, (HEIGHT * UNIT) as u32);
    let area = SVGBackend::with_string(&mut drawing, scaled).into_drawing_area();
    let sheet = Sheet::new(curve, area);
    if paint == Paint::Picture {
        sheet.ground();
        let middle = (LEFT + sheet.right) / 2.0;
        sheet.text(&curve.title(), (middle, TOP - 18.0), HPos::Center, INK);
    }
    sheet.axes(curve);
    let mut ends = Vec::new();
    for engine in &curve.engines {
        let place = engines.iter().position(|other| other == engine).unwrap_or(0);
        if let Some(end) = sheet.line(curve, engine, place) {
            ends.push((end, *engine, place));
        }
    }
    sheet.names(ends);
    sheet.area.present().expect("drawing into a string does no input or output");
    drop(sheet);
    frame(&drawing, curve, name, paint)
}

/// The drawing area and the two scales.
struct Sheet<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    right: f64,
    x: (f64, f64),
    y: (f64, f64),
}

type Place = (f64, f64);

impl<'a> Sheet<'a> {
    fn new(curve: &Curve<'_>, area: DrawingArea<SVGBackend<'a>, Shift>) -> Self {
        let longest = curve.engines.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let right = WIDTH - (longest as f64 * 7.4 + 46.0).clamp(110.0, 260.0);
        let sizes = || curve.sizes.iter().map(|&bytes| bytes as f64);
        let speeds =
            || curve.engines.iter().flat_map(|e| curve.sizes.iter().filter_map(|&b| curve.speed(e, b)));
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
        for<'b> &'b E: plotters::element::PointCollection<'b, (i32, i32)>,
        E: plotters::element::Drawable<SVGBackend<'a>>,
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
        self.put(Text::new(super::number::plain(words), pixel(at), style));
    }

    fn ground(&self) {
        self.put(Rectangle::new([(0, 0), pixel((WIDTH, HEIGHT))], GROUND.filled()));
    }

    fn axes(&self, curve: &Curve<'_>) {
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
        self.text("GB/s", (LEFT - 8.0, TOP - 18.0), HPos::Right, INK);
        self.text("message size", ((LEFT + self.right) / 2.0, HEIGHT - 12.0), HPos::Center, INK);
    }

    /// An engine's band, line and markers, broken where a size has no time; where it ends.
    fn line(&self, curve: &Curve<'_>, engine: &str, place: usize) -> Option<Place> {
        let color = RGBColor(LINE, 0, (place % PALETTE.len()) as u8);
        let speeds = curve.sizes.iter().map(|&bytes| Some((bytes as f64, curve.speed(engine, bytes)?)));
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
    fn names(&self, mut ends: Vec<(Place, &str, usize)>) {
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

/// Puts our own opening tag, title and description around what plotters drew, and the colours in place.
fn frame(drawing: &str, curve: &Curve<'_>, name: &str, paint: Paint) -> String {
    let body = drawing.split_once('>').map_or("", |(_, body)| body);
    let (title, description) = (escape(&super::number::plain(&curve.title())), escape(&describe(curve)));
    let space = match paint {
        Paint::Page => String::new(),
        Paint::Picture => format!(r#" xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}""#),
    };
    let (width, height) = (WIDTH * UNIT, HEIGHT * UNIT);
    let svg = format!(
        "<svg{space} viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{name}-t {name}-d\">\n\
         <title id=\"{name}-t\">{title}</title>\n<desc id=\"{name}-d\">{description}</desc>\n{body}"
    );
    self::paint(svg, paint)
}

/// Replaces the stand-in colours. They are whole attribute values: words in the drawing can't hold a quote.
fn paint(mut svg: String, paint: Paint) -> String {
    let mut replace = |stand_in: RGBColor, page: &str, picture: &str| {
        let RGBColor(r, g, b) = stand_in;
        let color = if paint == Paint::Page { page } else { picture };
        svg = svg.replace(&format!("\"#{r:02X}{g:02X}{b:02X}\""), &format!("\"{color}\""));
    };
    replace(INK, "currentColor", "#1B1F24");
    replace(QUIET, "var(--quiet)", "#59636E");
    replace(GRID, "var(--rule)", "#DDE1E6");
    replace(GROUND, "none", "#FFFFFF");
    for (i, (light, _)) in PALETTE.iter().enumerate() {
        replace(RGBColor(LINE, 0, i as u8), &format!("var(--line-{i})"), light);
    }
    svg
}

/// The figure in words: for each engine its slowest and quickest size.
fn describe(curve: &Curve<'_>) -> String {
    let mut words = "GB/s over message size, both axes logarithmic.".to_owned();
    for engine in &curve.engines {
        let timed = curve.sizes.iter().filter_map(|&bytes| Some((bytes, curve.speed(engine, bytes)?)));
        let timed: Vec<_> = timed.collect();
        match (timed.first(), timed.last()) {
            (Some((small, slow)), Some((large, fast))) => {
                let (slow, fast) = (three(slow.median), three(fast.median));
                words += &format!(" {engine}: {slow} at {}, {fast} at {}.", size(*small), size(*large));
            }
            _ => words += &format!(" {engine}: no time."),
        }
    }
    super::number::plain(&words)
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{sample, speed};

    fn parsed(svg: &str) -> roxmltree::Document<'_> {
        roxmltree::Document::parse(svg).unwrap()
    }

    #[test]
    fn a_figure_is_well_formed_and_names_every_engine_size_and_axis() {
        let run = sample::run();
        for curve in speed::curves(&run) {
            for paint in [Paint::Page, Paint::Picture] {
                let svg = draw(&curve, &sample::ENGINES, "f1", paint);
                let document = parsed(&svg);
                let texts = document
                    .descendants()
                    .filter(|node| node.has_tag_name("text") || node.tag_name().name() == "text");
                let texts: Vec<_> = texts.filter_map(|node| node.text()).map(str::trim).collect();
                for words in sample::ENGINES.iter().chain(&["16 B", "1 KiB", "1 MiB", "GB/s", "0.1", "10"]) {
                    assert!(texts.contains(words), "{words} in {texts:?}");
                }
                let lines = document.descendants().filter(|node| node.tag_name().name() == "polyline");
                let long = lines.filter(|node| node.attribute("points").unwrap().split(' ').count() > 3);
                let expected = if curve.op == "seal" { 6 } else { 7 };
                assert_eq!(long.count(), expected, "a line for each engine, in two pieces around an error");
                let stays = (0..5).any(|i| svg.contains(&format!("\"#F{i}00")));
                assert!(!stays, "a stand-in colour stays");
                assert_eq!(svg.contains("http"), paint == Paint::Picture, "only the name space");
                assert_eq!(svg.contains("#FFFFFF"), paint == Paint::Picture, "only a picture has a ground");
                assert!(
                    svg.contains("<title id=\"f1-t\">")
                        && svg.contains("currentColor") != (paint == Paint::Picture)
                );
            }
        }
    }

    #[test]
    fn words_from_a_file_are_escaped() {
        let mut run = sample::run();
        for row in &mut run.rows {
            if row.engine == "ring" {
                row.engine = "<b>&\"#F00000\"\u{1b}".into();
            }
        }
        let curve = &speed::curves(&run)[0];
        let svg = draw(curve, &sample::ENGINES, "f1", Paint::Page);
        parsed(&svg);
        assert!(!svg.contains("<b>") && svg.contains("&lt;b&gt;&amp;"));
    }

    #[test]
    fn a_curve_without_any_time_is_still_a_figure() {
        let mut run = sample::run();
        for row in &mut run.rows {
            row.error = Some("no".into());
        }
        let curve = &speed::curves(&run)[0];
        let svg = draw(curve, &sample::ENGINES, "f1", Paint::Page);
        assert!(parsed(&svg).descendants().all(|node| node.tag_name().name() != "polygon"));
        assert!(svg.contains("ring: no time."));
    }

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
