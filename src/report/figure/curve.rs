//! Curves as SVG: a value over message size, one line for each engine, with a title and the finding in words.
//!
//! An engine has a colour, a marker, a solid or dashed line, and its name at the end of the line, so no two
//! are told apart by colour alone. Not here: the scales and the shapes, which are `chart`.

use maud::{Markup, html};

use super::chart::{Chart, HEIGHT, WIDTH};
use super::palette::Paint;
use crate::report::curve::Curve;
use crate::report::number::{plain, size, three};

/// Draws a curve. `engines` are all engines of the report: an engine's place there chooses its colour and
/// marker, so that they stay the same from figure to figure. `finding` is the sentence that the description
/// begins with; `name` starts the ids inside a page.
pub(super) fn draw(curve: &Curve<'_>, finding: &str, engines: &[&str], name: &str, paint: Paint) -> Markup {
    let chart = Chart::new(curve, paint);
    let place = |engine: &str| engines.iter().position(|other| *other == engine).unwrap_or(0);
    let places: Vec<(&str, usize)> = curve.engines.iter().map(|engine| (*engine, place(engine))).collect();
    let picture = paint == Paint::Picture;
    html! {
        svg xmlns=[picture.then_some("http://www.w3.org/2000/svg")]
            width=[picture.then_some(WIDTH)] height=[picture.then_some(HEIGHT)]
            font-family=[picture.then_some("system-ui, sans-serif")] font-size="13"
            viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
            aria-labelledby=(format!("{name}-t {name}-d")) data-x=(chart.columns()) {
            title id=(format!("{name}-t")) { (plain(&curve.title())) }
            desc id=(format!("{name}-d")) { (describe(curve, finding)) }
            @if picture { (chart.ground()) (chart.heading(&curve.title())) }
            (chart.axes())
            (chart.series(&places))
        }
    }
}

/// The figure in words: the finding, then for each engine its shortest and longest message.
fn describe(curve: &Curve<'_>, finding: &str) -> String {
    let mut words = format!("{finding}{}", if finding.is_empty() { "" } else { " " });
    words += &format!("{} over message size, both axes logarithmic.", curve.unit.name());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{curve, sample};

    fn drawn(curve: &Curve<'_>, paint: Paint) -> String {
        draw(curve, "Fastest: ring.", &sample::ENGINES, "f1", paint).into_string()
    }

    fn parsed(svg: &str) -> roxmltree::Document<'_> {
        roxmltree::Document::parse(svg).unwrap()
    }

    #[test]
    fn a_figure_is_well_formed_and_names_every_engine_size_and_axis() {
        let run = sample::run();
        for curve in curve::curves(&run) {
            for paint in [Paint::Page, Paint::Picture] {
                let svg = drawn(&curve, paint);
                let document = parsed(&svg);
                let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
                let texts: Vec<_> = texts.filter_map(|node| node.text()).map(str::trim).collect();
                for words in sample::ENGINES.iter().chain(&["16 B", "1 KiB", "1 MiB", "GB/s", "0.1", "10"]) {
                    assert!(texts.contains(words), "{words} in {texts:?}");
                }
                let lines = document.descendants().filter(|node| node.tag_name().name() == "polyline");
                let expected = if curve.op == "seal" { 6 } else { 7 };
                assert_eq!(lines.count(), expected, "a line for each engine, in two pieces around an error");
                let picture = paint == Paint::Picture;
                assert_eq!(svg.contains("http"), picture, "only the name space");
                assert_eq!(svg.contains("#FFFFFF"), picture, "only a picture has a ground");
                assert!(svg.contains("<title id=\"f1-t\">") && svg.contains("currentColor") != picture);
                assert_eq!(svg.contains("var("), !picture, "a picture has no style sheet");
            }
        }
    }

    #[test]
    fn an_engine_is_one_group_and_each_size_has_its_place() {
        let run = sample::run();
        let svg = drawn(&curve::curves(&run)[0], Paint::Page);
        let document = parsed(&svg);
        let series: Vec<_> =
            document.descendants().filter_map(|node| node.attribute("data-series")).collect();
        assert_eq!(series, sample::ENGINES);
        let columns = document.root_element().attribute("data-x").unwrap();
        let columns: Vec<f64> = columns.split(' ').map(|x| x.parse().unwrap()).collect();
        assert_eq!(columns.len(), sample::SIZES.len());
        assert!(columns.is_sorted() && columns[0] > 0.0 && columns[7] < WIDTH);
    }

    #[test]
    fn engines_differ_by_more_than_colour() {
        let run = sample::run();
        let svg = drawn(&curve::curves(&run)[0], Paint::Page);
        let document = parsed(&svg);
        let groups = document.descendants().filter(|node| node.attribute("data-series").is_some());
        let looks: Vec<(String, Option<&str>)> = groups
            .map(|group| {
                let line = group.descendants().find(|node| node.has_tag_name("polyline")).unwrap();
                let mut markers =
                    group.descendants().filter(|node| node.attribute("class") == Some("marker"));
                let shape = markers.next_back().unwrap().attribute("d").unwrap();
                // Without the place where it stands.
                (shape.split_once('m').unwrap().1.to_owned(), line.attribute("stroke-dasharray"))
            })
            .collect();
        let mut once = looks.clone();
        once.sort();
        once.dedup();
        assert_eq!((looks.len(), once.len()), (6, 6), "{looks:?}");
        assert_eq!(looks.iter().filter(|(_, dash)| dash.is_some()).count(), 4, "the peers are dashed");
    }

    #[test]
    fn the_description_begins_with_the_finding() {
        let run = sample::run();
        let svg = drawn(&curve::curves(&run)[0], Paint::Page);
        assert!(svg.contains("<desc id=\"f1-d\">Fastest: ring. GB/s over message size"), "{svg}");
    }

    #[test]
    fn words_from_a_file_are_escaped() {
        let mut run = sample::run();
        for row in &mut run.rows {
            if row.engine == "ring" {
                row.engine = "<b>&\"\u{1b}".into();
            }
        }
        let svg = drawn(&curve::curves(&run)[0], Paint::Page);
        parsed(&svg);
        assert!(!svg.contains("<b>") && svg.contains("&lt;b&gt;&amp;"));
    }

    #[test]
    fn a_curve_without_any_time_is_still_a_figure() {
        let mut run = sample::run();
        for row in &mut run.rows {
            row.error = Some("no".into());
        }
        let svg = drawn(&curve::curves(&run)[0], Paint::Page);
        assert!(parsed(&svg).descendants().all(|node| node.tag_name().name() != "polyline"));
        assert!(svg.contains("ring: no time.") && svg.contains("and 5 more: no time"), "{svg}");
    }
}
