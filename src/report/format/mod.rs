//! The formats of a report, one file each.
//!
//! Formats for people walk a section's blocks, formats for programs its entries. Blocks and entries both hold
//! every failure, so no format has to search for one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Error;
use super::file::write_text;
use super::number::plain;
use super::section::Report;

mod benchstat;
mod bmf;
pub mod columns;
mod csv;
mod gha;
mod junit;
mod markdown;
mod page;
mod screen;
pub mod text;

pub use markdown::markdown;

/// A format in which a whole report can be printed.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its content in one line.
    pub about: &'static str,
    /// Draws it for a terminal of that width, which matters only to text.
    draw: fn(&Report, u16) -> Result<String, Error>,
}

/// Every format that can be printed. The page is not among them: it is written with files beside it.
pub const FORMATS: &[Format] = &[
    text::FORMAT,
    markdown::FORMAT,
    csv::FORMAT,
    junit::FORMAT,
    gha::FORMAT,
    bmf::FORMAT,
    benchstat::FORMAT,
];

impl Report {
    /// Everything in that format, for a terminal of that width.
    ///
    /// # Errors
    /// [`Error::NameTwice`] where the format has one place for each name and two runs share a name.
    pub fn draw(&self, format: &Format, width: u16) -> Result<String, Error> {
        (format.draw)(self, width)
    }

    /// Everything as tables for a terminal of that width.
    pub fn text(&self, width: u16) -> String {
        text::report(self, width)
    }

    /// The answer and what is wrong, small enough for one screen of a terminal of that width.
    pub fn screen(&self, width: u16) -> String {
        screen::report(self, width)
    }

    /// Everything as Markdown.
    pub fn markdown(&self) -> String {
        markdown::report(self)
    }

    /// Everything as CSV.
    pub fn csv(&self) -> String {
        csv::csv(self)
    }

    /// Everything as one self-contained page, complete without its script and with nothing to fetch.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// Writes `index.html`, `report.md` and `report.csv` into a folder, which is created if needed; returns
    /// the page's path.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::DiskFull`].
    pub fn write_html(&self, dir: &Path) -> Result<PathBuf, Error> {
        write_text(&dir.join("report.md"), &self.markdown())?;
        write_text(&dir.join("report.csv"), &self.csv())?;
        let page = dir.join("index.html");
        write_text(&page, &self.html())?;
        Ok(page)
    }
}

/// The name of a place and an engine on a host: one series of numbers to the tools that read it. It includes
/// the host for formats that have no other place for it.
fn series(place: &str, engine: &str, host: &str) -> String {
    let words: Vec<&str> = [place, engine].into_iter().filter(|word| !word.is_empty()).collect();
    let words = if words.is_empty() { "the run".to_owned() } else { words.join(" ") };
    plain(&format!("{words} @{host}"))
}

/// Checks that no name repeats, in a format for programs that may hold each only once.
///
/// # Errors
/// [`Error::NameTwice`] with the first name that repeats.
fn unique<S: AsRef<str>>(format: &'static str, names: impl IntoIterator<Item = S>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name.as_ref().to_owned()) {
            return Err(Error::NameTwice { format, name: name.as_ref().to_owned() });
        }
    }
    Ok(())
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("strings and numbers are JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{File, sample};

    pub(super) fn both() -> Report {
        Report::build(vec![File::Verify(sample::report()), File::Bench(sample::run())])
    }

    pub(super) fn parse(text: Result<String, Error>) -> Value {
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    #[test]
    fn the_table_of_formats_holds_every_file_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/format");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().into_string().unwrap().strip_suffix(".rs").map(str::to_owned)
            })
            // `columns` is shared by other formats.
            .filter(|name| !["mod", "columns"].contains(&name.as_str()))
            .collect();
        let mut names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        files.sort();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn two_rows_of_one_name_are_refused_where_one_would_hide_the_other() {
        let report = Report::build(vec![File::Bench(sample::run()), File::Bench(sample::run())]);
        for format in FORMATS {
            match (format.name, report.draw(format, 80)) {
                ("text" | "markdown" | "csv", drawn) => assert!(drawn.is_ok(), "{}", format.name),
                (name, Err(Error::NameTwice { format, .. })) => assert_eq!(format, name),
                (name, other) => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn every_format_shows_every_failure() {
        let report = both();
        let wrong = "tc 92: a modified tag was accepted";
        for format in FORMATS {
            let drawn = report.draw(format, 4000).unwrap();
            let shown = |words: &str| drawn.contains(words);
            match format.name {
                "bmf" => assert_eq!(drawn.matches("\"value\": 1\n").count(), 2, "{drawn}"),
                "gha" => assert!(shown(sample::WRONG_WHAT), "a row; it has no place for a case"),
                "text" | "markdown" => {
                    assert!(shown("tc 92") && shown("a modified tag was accepted"), "{drawn}");
                    assert!(shown("opened message 17 differs"), "{drawn}");
                }
                _ => assert!(shown(wrong) && shown("opened message 17 differs"), "{}: {drawn}", format.name),
            }
        }
    }

    #[test]
    fn every_format_has_the_same_numbers() {
        let report = both();
        let (html, markdown, text) = (report.html(), report.markdown(), report.text(160));
        let tables = report.sections()[0].tables();
        let ids: Vec<_> = tables.iter().map(|table| table.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "failures",
                "errors",
                "seal-aes-256-gcm",
                "open-aes-256-gcm",
                "keys",
                "ratio-seal-aes-256-gcm",
                "ratio-open-aes-256-gcm",
                "ratios",
                "engines",
                "matrix",
                "cases",
                "sources",
                "other",
                "usage"
            ]
        );
        let mut numbers = 0;
        for cell in tables.iter().flat_map(|table| &table.rows).flat_map(|row| &row[1..]) {
            if cell.text.parse::<f64>().is_ok() {
                for format in [&html, &markdown, &text] {
                    assert!(format.contains(&cell.text), "{}", cell.text);
                }
                numbers += 1;
            }
        }
        assert!(numbers > 120, "{numbers} numbers");
        for format in [&html, &markdown, &text] {
            assert!(format.contains("opened message 17 differs"), "the error's reason");
        }
        for format in [&html, &markdown] {
            assert!(!format.contains("<script>alert") && !format.contains("<b>&"), "words are not markup");
        }
    }

    #[test]
    fn a_report_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let page = both().write_html(&dir.path().join("a/b")).unwrap();
        assert_eq!(page, dir.path().join("a/b/index.html"));
        let mut names: Vec<_> = std::fs::read_dir(dir.path().join("a/b"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["index.html", "report.csv", "report.md"]);
        std::fs::write(dir.path().join("file"), "").unwrap();
        let refused = both().write_html(&dir.path().join("file"));
        assert!(matches!(refused, Err(Error::Unwritable { .. })));
    }
}
