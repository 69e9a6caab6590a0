//! The corruption map as strips: one for each file, from its first byte to its last, coloured by the worst
//! that came of an alteration there.
//!
//! No two verdicts differ by colour alone: what is worse is also taller, and what was not tried is a line.

use maud::{Markup, html};

use super::palette::Paint;
use crate::report::number::{counted, plain, size};
use crate::verify::log_faults::{FileMap, Stretch, Verdict};

/// Strips of one figure.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::report) struct Strips {
    /// One for each file.
    pub files: Vec<FileMap>,
}

const WIDTH: f64 = 820.0;
const LEFT: f64 = 180.0;
const RIGHT: f64 = 8.0;
/// From one strip to the next.
const STEP: f64 = 34.0;
/// The middle of the first strip.
const TOP: f64 = 48.0;
/// The height of a stretch of which nothing was tried.
const UNTRIED: f64 = 2.0;

/// The height of a stretch, and the place of its colour in the palette.
const fn look(verdict: Verdict) -> (f64, usize) {
    match verdict {
        Verdict::Detected => (10.0, 0),
        Verdict::Harmless => (10.0, 5),
        Verdict::Late => (18.0, 1),
        Verdict::Undetected => (26.0, 7),
    }
}

/// What a verdict is called in the key and in the tables.
pub(in crate::report) const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Detected => "refused",
        Verdict::Harmless => "changes nothing",
        Verdict::Late => "refused late",
        Verdict::Undetected => "not seen",
    }
}

impl Strips {
    /// Draws them for the page, whose style sheet has the colours. `name` starts the ids.
    pub fn draw(&self, name: &str) -> Markup {
        let height = TOP + self.files.len() as f64 * STEP - 8.0;
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" font-size="13"
                aria-labelledby=(format!("{name}-t {name}-d")) {
                title id=(format!("{name}-t")) { "What came of altering each byte of each file" }
                desc id=(format!("{name}-d")) { (self.describe()) }
                (key())
                @for (number, file) in self.files.iter().enumerate() {
                    @let middle = TOP + number as f64 * STEP;
                    text x=(LEFT - 8.0) y=(middle + 4.5) text-anchor="end" fill="currentColor" {
                        (plain(&file.file))
                    }
                    (strip(file, middle))
                }
            }
        }
    }

    /// How to read it.
    pub fn finding(&self) -> String {
        let unseen = |file: &&FileMap| file.strip.iter().any(|stretch| stretch.undetected > 0);
        let (unseen, all) = (self.files.iter().filter(unseen).count() as u64, self.files.len() as u64);
        let unseen = match (unseen, all) {
            (0, _) => "In no file does an alteration go unseen".to_owned(),
            (1, 1) => "In the one file, some alteration goes unseen".to_owned(),
            (unseen, all) => format!("In {unseen} of {}, some alteration goes unseen", counted(all, "file")),
        };
        format!(
            "{unseen}. Each strip is a file from its first byte to its last; a stretch shows the worst that \
             came of the alterations that begin in it, and a thin line where none was tried."
        )
    }

    /// The figure in words.
    fn describe(&self) -> String {
        let files = self.files.iter().map(|file| {
            let with = |verdict| {
                let alike = file.strip.iter().filter(|one| one.worst() == verdict).count() as u64;
                (alike > 0).then(|| format!("{alike} {}", verdict.map_or("not tried", words)))
            };
            let counts = Verdict::ALL.map(Some).into_iter().chain([None]).filter_map(with);
            let counts: Vec<String> = counts.collect();
            format!("{}, {}: stretches {}", file.file, size(file.bytes), counts.join(", "))
        });
        plain(&format!("{} {}.", self.finding(), files.collect::<Vec<_>>().join("; ")))
    }
}

fn key() -> Markup {
    let mut x = LEFT;
    let entries = Verdict::ALL.map(Some).into_iter().chain([None]).map(|verdict| {
        let (from, name) = (x, verdict.map_or("not tried", words));
        x += 36.0 + 7.0 * name.len() as f64;
        (from, verdict, name)
    });
    html! {
        @for (x, verdict, name) in entries {
            @let (height, fill) = paint(verdict);
            rect x=(x) y=(format!("{:.1}", 16.0 - height / 2.0)) width="11" height=(height) fill=(fill) {}
            text x=(x + 16.0) y="20.5" font-size="12" fill="currentColor" { (name) }
        }
    }
}

fn paint(verdict: Option<Verdict>) -> (f64, String) {
    match verdict.map(look) {
        Some((height, line)) => (height, Paint::Page.line(line)),
        None => (UNTRIED, Paint::Page.quiet().to_owned()),
    }
}

/// Neighbours that look alike become one rectangle.
fn strip(file: &FileMap, middle: f64) -> Markup {
    let x = |byte: u64| LEFT + byte as f64 / file.bytes.max(1) as f64 * (WIDTH - LEFT - RIGHT);
    let runs = file.strip.chunk_by(|a, b| a.worst() == b.worst());
    html! {
        @for run in runs {
            @let (first, last) = (run[0], run[run.len() - 1]);
            @let (height, fill) = paint(first.worst());
            rect x=(format!("{:.2}", x(first.from))) y=(format!("{:.1}", middle - height / 2.0))
                width=(format!("{:.2}", x(last.to) - x(first.from))) height=(height) fill=(fill) {
                title { (told(file, run)) }
            }
        }
    }
}

fn told(file: &FileMap, run: &[Stretch]) -> String {
    let sum = |of: fn(&Stretch) -> u64| run.iter().map(of).sum::<u64>();
    let all = [
        (Verdict::Detected, sum(|one| one.detected)),
        (Verdict::Harmless, sum(|one| one.harmless)),
        (Verdict::Late, sum(|one| one.late)),
        (Verdict::Undetected, sum(|one| one.undetected)),
    ];
    let counts = all.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(verdict, count)| format!("{count} {}", words(*verdict))).collect();
    let counts = if counts.is_empty() { "not tried".to_owned() } else { counts.join(", ") };
    plain(&format!("{}, bytes {} to {}: {counts}", file.file, run[0].from, run[run.len() - 1].to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::log_faults::sample;

    #[test]
    fn each_file_is_a_strip_and_alike_stretches_are_drawn_as_one() {
        let strips = Strips { files: sample::map().files };
        let svg = strips.draw("f1").into_string();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let rects = document.descendants().filter(|node| node.has_tag_name("rect")).count();
        // The key has five, the first file three runs of stretches, the second one.
        assert_eq!(rects, 5 + 3 + 1, "{svg}");
        assert!(svg.contains("&lt;b&gt;.wal, bytes 0 to 20: 9 refused"), "{svg}");
        assert!(!svg.contains("<b>"));
        assert!(strips.finding().starts_with("In 1 of 2 files, some alteration goes unseen."));
    }

    #[test]
    fn verdicts_that_look_alike_in_height_differ_in_colour_and_the_worst_is_the_tallest() {
        let looks: std::collections::BTreeSet<_> =
            Verdict::ALL.map(|verdict| (look(verdict).0 as u32, look(verdict).1)).into();
        assert_eq!(looks.len(), 4);
        let heights = Verdict::ALL.map(|verdict| look(verdict).0 as u32);
        assert!(heights.is_sorted() && heights[3] > heights[2], "{heights:?}");
    }
}
