//! Throughput curves as SVG: GB/s over message size, both axes logarithmic, one line for each engine.
//!
//! An engine has a colour, a marker and its name at the end of its line, so no two are told apart by colour
//! alone (the colours are those of Okabe and Ito, darkened or lightened to keep contrast). Text is `<text>`
//! set in the page's font: the layout needs no font's measures. Not here: choosing what to draw.

use plotters::prelude::{IntoDrawingArea, RGBColor, SVGBackend};

use super::chart::{Chart, HEIGHT, UNIT, WIDTH};
use super::palette::{GRID, GROUND, INK, LINE, PALETTE, QUIET};
use crate::report::curve::Curve;
use crate::report::number::{plain, size, three};

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
    let chart = Chart::new(curve, area);
    if paint == Paint::Picture {
        chart.ground();
        chart.heading(&curve.title());
    }
    chart.axes(curve);
    let (mut ends, mut missing) = (Vec::new(), Vec::new());
    for engine in &curve.engines {
        let place = engines.iter().position(|other| other == engine).unwrap_or(0);
        match chart.line(curve, engine, place) {
            Some(end) => ends.push((end, *engine, place)),
            None => missing.push(*engine),
        }
    }
    chart.names(ends);
    chart.missing(&missing);
    chart.finish();
    frame(&drawing, curve, name, paint)
}

/// Puts our own opening tag, title and description around what plotters drew, and the colours in place.
fn frame(drawing: &str, curve: &Curve<'_>, name: &str, paint: Paint) -> String {
    let body = drawing.split_once('>').map_or("", |(_, body)| body);
    let (title, description) = (escape(&plain(&curve.title())), escape(&describe(curve)));
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
    let mut words = format!("{} over message size, both axes logarithmic.", curve.unit.name());
    for engine in &curve.engines {
        let timed = curve.sizes.iter().filter_map(|&bytes| Some((bytes, curve.value(engine, bytes)?)));
        let timed: Vec<_> = timed.collect();
        match (timed.first(), timed.last()) {
            (Some((small, slow)), Some((large, fast))) => {
                let (slow, fast) = (three(slow.median), three(fast.median));
                words += &format!(" {engine}: {slow} at {}, {fast} at {}.", size(*small), size(*large));
            }
            _ => words += &format!(" {engine}: no time."),
        }
        let failed =
            curve.sizes.iter().filter(|&&bytes| !timed.is_empty() && curve.has_failed(engine, bytes));
        let failed: Vec<String> = failed.map(|&bytes| size(bytes)).collect();
        if !failed.is_empty() {
            words += &format!(" {engine}: no time at {}.", failed.join(", "));
        }
    }
    plain(&words)
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{curve, sample};

    fn parsed(svg: &str) -> roxmltree::Document<'_> {
        roxmltree::Document::parse(svg).unwrap()
    }

    #[test]
    fn a_figure_is_well_formed_and_names_every_engine_size_and_axis() {
        let run = sample::run();
        for curve in curve::curves(&run) {
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
        let curve = &curve::curves(&run)[0];
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
        let curve = &curve::curves(&run)[0];
        let svg = draw(curve, &sample::ENGINES, "f1", Paint::Page);
        assert!(parsed(&svg).descendants().all(|node| node.tag_name().name() != "polygon"));
        assert!(svg.contains("ring: no time."));
    }
}
