//! Stacked bars: what something costs part by part, one bar for each engine.

use maud::{Markup, html};

use super::palette::Paint;
use crate::report::number::{plain, three};

/// Bars of one figure.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Bars<'a> {
    /// Whose cost it is: `Sealing a record of 1 KiB`.
    pub of: String,
    /// Names of the parts, in the order in which they are stacked; one part needs no key.
    pub parts: Vec<&'static str>,
    /// The engines that can be drawn.
    pub bars: Vec<Bar<'a>>,
    /// Engines that cannot, since something of theirs has an error.
    pub failed: Vec<&'a str>,
}

/// One engine's bar, in nanoseconds.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Bar<'a> {
    /// The engine.
    pub engine: &'a str,
    /// The whole.
    pub whole: f64,
    /// Where each part begins and ends.
    pub stacked: Vec<(f64, f64)>,
}

const WIDTH: f64 = 820.0;
const LEFT: f64 = 150.0;
/// What the longest bar leaves for its number.
const RIGHT: f64 = 120.0;
const BAR: f64 = 22.0;
/// From one bar to the next.
const STEP: f64 = BAR + 8.0;

impl Bars<'_> {
    /// Draws them for the page, whose style sheet has the colours. `name` starts the ids.
    pub fn draw(&self, name: &str) -> Markup {
        let top = if self.parts.len() > 1 { 30.0 } else { 4.0 };
        let most = self.longest();
        let x = |ns: f64| (ns / most).min(1.0) * (WIDTH - LEFT - RIGHT);
        let height = top + 4.0 + (self.bars.len() + self.failed.len()) as f64 * STEP;
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" font-size="13"
                aria-labelledby=(format!("{name}-t {name}-d")) {
                title id=(format!("{name}-t")) { (plain(&self.of)) ", part by part" }
                desc id=(format!("{name}-d")) { (self.describe()) }
                @if self.parts.len() > 1 { (self.key()) }
                @for (n, one) in self.bars.iter().enumerate() {
                    @let y = top + n as f64 * STEP;
                    (label(one.engine, y))
                    @for (i, &(from, to)) in one.stacked.iter().enumerate() {
                        @let part = self.parts.get(i).copied().unwrap_or_default();
                        @let (from_x, width) = (LEFT + x(from), x(to) - x(from));
                        rect x=(format!("{from_x:.1}")) y=(y) width=(format!("{width:.1}")) height=(BAR)
                            fill=(Paint::Page.line(i)) {
                            title { (plain(one.engine)) ", " (part) ": " (three(to - from)) " ns" }
                        }
                        @if self.parts.len() > 1 && width > 14.0 + 7.5 * part.len() as f64 {
                            text class="inside" x=(format!("{:.1}", from_x + width / 2.0)) y=(y + 15.5)
                                text-anchor="middle" { (part) }
                        }
                    }
                    text x=(format!("{:.1}", LEFT + x(one.whole) + 6.0)) y=(y + 15.5) fill="currentColor" {
                        (three(one.whole)) " ns" @if one.whole > most { " (cut)" }
                    }
                }
                @for (n, engine) in self.failed.iter().enumerate() {
                    @let y = top + (self.bars.len() + n) as f64 * STEP;
                    (label(engine, y))
                    text x=(LEFT) y=(y + 15.5) fill="currentColor" { "error: see the table" }
                }
            }
        }
    }

    /// What is shown: the quickest and the slowest.
    pub fn finding(&self) -> String {
        let mut sorted: Vec<&Bar<'_>> = self.bars.iter().collect();
        sorted.sort_by(|a, b| a.whole.total_cmp(&b.whole));
        let words = match sorted[..] {
            [] => format!("{}: no time.", self.of),
            [one] => format!("{}: {} ns on {}.", self.of, three(one.whole), one.engine),
            [first, .., last] => format!(
                "{}: from {} ns on {} to {} ns on {}.",
                self.of,
                three(first.whole),
                first.engine,
                three(last.whole),
                last.engine
            ),
        };
        let cut = if sorted.iter().any(|one| one.whole > self.longest()) {
            " A bar marked “cut” is longer than it is drawn."
        } else {
            ""
        };
        plain(&words) + cut
    }

    /// The length that fills the width. The slowest would leave nothing to see of the others: a bar that is
    /// more than twice the median is cut, and says its length.
    fn longest(&self) -> f64 {
        let mut lengths: Vec<f64> = self.bars.iter().map(|one| one.whole).collect();
        lengths.sort_by(f64::total_cmp);
        let twice = lengths.get(lengths.len() / 2).copied().unwrap_or(1.0) * 2.0;
        twice.min(lengths.last().copied().unwrap_or(1.0))
    }

    /// The figure in words: the finding, then every engine.
    fn describe(&self) -> String {
        let all = self.bars.iter().map(|one| format!("{}: {} ns", one.engine, three(one.whole)));
        let failed = self.failed.iter().map(|engine| format!("{engine}: error"));
        let words: Vec<String> = all.chain(failed).collect();
        plain(&format!("{} {}.", self.finding(), words.join(", ")))
    }

    /// Which colour is which part.
    fn key(&self) -> Markup {
        // A swatch and its name; no name of a part is long.
        let starts = self.parts.iter().scan(LEFT, |x, name| {
            let start = *x;
            *x += 36.0 + 6.6 * name.len() as f64;
            Some(start)
        });
        html! {
            @for (i, (name, x)) in self.parts.iter().zip(starts).enumerate() {
                rect x=(x) y="4" width="11" height="11" fill=(Paint::Page.line(i)) {}
                text x=(x + 16.0) y="14" font-size="12" fill="currentColor" { (name) }
            }
        }
    }
}

/// An engine's name to the left of its bar.
fn label(engine: &str, y: f64) -> Markup {
    html! {
        text x=(LEFT - 8.0) y=(y + 15.5) text-anchor="end" fill="currentColor" { (plain(engine)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_drawn_part_by_part_and_one_that_failed_says_so() {
        let bar = |engine, whole: f64| Bar { engine, whole, stacked: vec![(0.0, 5.0), (5.0, whole)] };
        let bars = Bars {
            of: "Sealing a record of 1 KiB".into(),
            parts: vec!["copy", "cipher"],
            bars: vec![bar("ring", 10.0), bar("<b>", 11.0), bar("slow", 100.0)],
            failed: vec!["graviola"],
        };
        let svg = bars.draw("f1").into_string();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let rects = document.descendants().filter(|node| node.has_tag_name("rect"));
        assert_eq!(rects.count(), 2 + 3 * 2, "a key and three bars of two parts");
        let finding = "Sealing a record of 1 KiB: from 10.0 ns on ring to 100 ns on slow.";
        assert!(bars.finding().starts_with(finding), "{}", bars.finding());
        assert!(svg.contains(finding) && svg.contains("ring, copy: 5.00 ns"), "{svg}");
        assert!(svg.contains("graviola: error") && svg.contains("error: see the table"), "{svg}");
        assert!(svg.contains("100 ns (cut)") && !svg.contains("<b>"), "{svg}");
        assert!(bars.finding().ends_with("longer than it is drawn."));
    }

    #[test]
    fn a_single_part_has_no_key() {
        let bars = Bars {
            of: "Key setup".into(),
            parts: vec!["key setup"],
            bars: vec![Bar { engine: "ring", whole: 10.0, stacked: vec![(0.0, 10.0)] }],
            failed: Vec::new(),
        };
        let svg = bars.draw("f1").into_string();
        assert_eq!(svg.matches("<rect").count(), 1);
        assert_eq!(bars.finding(), "Key setup: 10.0 ns on ring.");
    }
}
