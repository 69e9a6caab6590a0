//! Stacked bars: what something costs part by part, one bar for each engine.

use maud::{Markup, html};

use crate::report::number::three;

/// Bars of one figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Bars<'a> {
    /// Whose cost it is: `a record of 1 KiB`.
    pub of: String,
    /// Names of the parts, in the order in which they are stacked.
    pub parts: Vec<&'static str>,
    /// The engines that can be drawn.
    pub bars: Vec<Bar<'a>>,
    /// Engines that cannot, since something of theirs has an error.
    pub failed: Vec<&'a str>,
}

/// One engine's bar, in nanoseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Bar<'a> {
    /// The engine.
    pub engine: &'a str,
    /// The whole.
    pub whole: f64,
    /// Where each part begins and ends.
    pub stacked: Vec<(f64, f64)>,
}

impl Bars<'_> {
    /// Draws them for the page, whose style sheet has the colours.
    pub fn draw(&self) -> Markup {
        const LEFT: f64 = 150.0;
        const WIDTH: f64 = 820.0;
        const BAR: f64 = 22.0;
        let (all, failed) = (&self.bars, &self.failed);
        // The slowest would leave nothing to see of the others: a bar that is longer is cut, and says its
        // length.
        let mut lengths: Vec<f64> = all.iter().map(|one| one.whole).collect();
        lengths.sort_by(f64::total_cmp);
        let most = lengths.get(lengths.len() / 2).copied().unwrap_or(1.0) * 2.0;
        let most = most.min(lengths.last().copied().unwrap_or(1.0));
        let x = |ns: f64| (ns / most).min(1.0) * (WIDTH - LEFT - 120.0);
        let height = 34.0 + (all.len() + failed.len()) as f64 * (BAR + 8.0);
        let words = all.iter().map(|one| format!("{}: {} ns", one.engine, three(one.whole)));
        let words: Vec<String> =
            words.chain(failed.iter().map(|engine| format!("{engine}: error"))).collect();
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-label=(format!("Cost of {} by part. {}.", self.of, words.join(", "))) {
                @for (i, name) in self.parts.iter().enumerate() {
                    rect x=(LEFT + i as f64 * 92.0) y="4" width="11" height="11" fill=(color(i)) {}
                    text x=(LEFT + i as f64 * 92.0 + 16.0) y="14" font-size="12" fill="currentColor" {
                        (name)
                    }
                }
                @for (n, one) in all.iter().enumerate() {
                    @let y = 30.0 + n as f64 * (BAR + 8.0);
                    text x=(LEFT - 8.0) y=(y + 16.0) font-size="13" text-anchor="end" fill="currentColor" {
                        (one.engine)
                    }
                    @for (i, &(from, to)) in one.stacked.iter().enumerate() {
                        rect x=(format!("{:.1}", LEFT + x(from))) y=(y)
                            width=(format!("{:.1}", x(to) - x(from))) height=(BAR) fill=(color(i)) {}
                    }
                    text x=(format!("{:.1}", LEFT + x(one.whole) + 6.0)) y=(y + 16.0) font-size="13"
                        fill="currentColor" {
                        (three(one.whole)) " ns" @if one.whole > most { " (cut)" }
                    }
                }
                @for (n, engine) in failed.iter().enumerate() {
                    @let y = 46.0 + (all.len() + n) as f64 * (BAR + 8.0);
                    text x=(LEFT - 8.0) y=(y) font-size="13" text-anchor="end" fill="currentColor" {
                        (engine)
                    }
                    text x=(LEFT) y=(y) font-size="13" fill="currentColor" { "error: see the table" }
                }
            }
        }
    }
}

fn color(part: usize) -> String {
    format!("var(--line-{part})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_drawn_part_by_part_and_one_that_failed_says_so() {
        let bar = |engine, whole: f64| Bar { engine, whole, stacked: vec![(0.0, 5.0), (5.0, whole)] };
        let bars = Bars {
            of: "a record of 1 KiB".into(),
            parts: vec!["copy", "cipher"],
            bars: vec![bar("ring", 10.0), bar("<b>", 11.0), bar("slow", 100.0)],
            failed: vec!["graviola"],
        };
        let svg = bars.draw().into_string();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let rects = document.descendants().filter(|node| node.has_tag_name("rect")).count();
        assert_eq!(rects, 2 + 3 * 2, "a key and three bars of two parts");
        assert!(svg.contains("Cost of a record of 1 KiB by part. ring: 10.0 ns"), "{svg}");
        assert!(svg.contains("graviola: error") && svg.contains("error: see the table"), "{svg}");
        assert!(svg.contains("100 ns (cut)") && !svg.contains("<b>"), "{svg}");
    }
}
