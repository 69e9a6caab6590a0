//! Reports: everything drawn from the result files of `sealmark verify` and `sealmark bench`.
//!
//! A [`Report`] puts the files of each host together; `table` holds each number once, and `html`, `text` and
//! `formats` draw the same tables. Nothing is measured, judged or fetched here, and nothing that a file says is
//! taken for markup.

use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::{measure, verify};

pub mod agree;
mod cases;
mod compare;
mod cores;
mod curve;
mod error;
pub mod formats;
mod heat;
mod html;
pub mod limits;
mod method;
pub mod metric;
mod number;
mod ratio;
mod run;
#[cfg(test)]
mod sample;
mod sentence;
mod sheet;
mod speed;
mod svg;
pub mod table;
mod tail;
pub mod text;
pub mod trace;
pub mod usage;
mod waterfall;
mod witness;

pub use error::Error;
pub use formats::markdown;
pub use run::{File, default_dir, read, read_all, write, write_text};
use table::Table;

/// A verification and a measurement on one host, or one of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Section {
    /// Where it ran.
    pub host: Host,
    /// What was verified.
    pub verify: Option<verify::Report>,
    /// What was measured.
    pub bench: Option<measure::Run>,
}

impl Section {
    /// One true sentence on it.
    pub fn sentence(&self) -> String {
        sentence::section(self)
    }

    /// Its tables, in the order of the report: `cases`, `failures`; for each curve its speeds (`seal-aes-256-gcm`) and
    /// how far they are from the CPU's limit (`limit-seal-aes-256-gcm`); `heat`, `ratios`, the places of the engines
    /// (`rank-seal-aes-256-gcm`), the cost of a record (`waterfall-1024`), `tails`, `cores`, `other`, `limits`,
    /// `usage`, `errors`, `witnesses`; each only where there is something in it.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        if let Some(report) = &self.verify {
            tables.push(cases::sets(report));
            tables.extend(cases::failures(report));
        }
        if let Some(run) = &self.bench {
            for curve in curve::curves(run) {
                tables.push(curve::table(run, &curve));
                tables.extend(curve.of_limit().map(|limit| curve::limit_table(run, &limit)));
            }
            tables.extend(heat::table(run));
            tables.extend(ratio::table(run));
            tables.extend(compare::ranks(run));
            tables.extend(waterfall::tables(run));
            tables.extend(tail::table(run));
            tables.extend(cores::table(run));
            tables.extend(speed::other(run));
            if !run.limits.is_empty() {
                tables.push(limits::limits(&run.limits));
            }
            if run.rows.iter().any(|row| row.algorithm == "record") {
                tables.push(usage::usage());
            }
            tables.extend(speed::errors(run));
        }
        tables.extend(witness::table(self));
        tables
    }

    /// Its throughput curves as stand-alone SVG pictures, each with a name such as `seal-aes-256-gcm`.
    pub fn pictures(&self) -> Vec<(String, String)> {
        let Some(run) = &self.bench else { return Vec::new() };
        let engines = speed::all_engines([run]);
        let draw = |curve: &curve::Curve<'_>| {
            (curve.id(), svg::draw(curve, &engines, "figure", svg::Paint::Picture))
        };
        let curves = curve::curves(run);
        let drawn = curves.iter().filter(|curve| !curve.is_latency()).cloned();
        let limits = curves.iter().filter_map(curve::Curve::of_limit);
        drawn.chain(limits).map(|curve| draw(&curve)).collect()
    }
}

/// Result files put together by host, ready to be drawn.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    sections: Vec<Section>,
}

impl Report {
    /// Puts files together: hosts in the order in which they first appear, their runs by time; a measurement
    /// joins the verification before it.
    pub fn build(files: Vec<File>) -> Self {
        let mut hosts: Vec<Vec<File>> = Vec::new();
        for file in files {
            let host = hosts.iter_mut().find(|files| host(&files[0]).fingerprint == host(&file).fingerprint);
            match host {
                Some(files) => files.push(file),
                None => hosts.push(vec![file]),
            }
        }
        let mut sections: Vec<Section> = Vec::new();
        for mut files in hosts {
            files.sort_by_key(|file| started(file).to_owned());
            let first = sections.len();
            for file in files {
                let host = host(&file).clone();
                match file {
                    File::Verify(report) => {
                        sections.push(Section { host, verify: Some(report), bench: None })
                    }
                    File::Bench(run) => match sections[first..].last_mut() {
                        Some(open) if open.bench.is_none() => open.bench = Some(run),
                        _ => sections.push(Section { host, verify: None, bench: Some(run) }),
                    },
                }
            }
        }
        Self { sections }
    }

    /// Its sections.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// One plain sentence on all of it, for the end of a command and the head of the page.
    pub fn sentence(&self) -> String {
        sentence::report(&self.sections)
    }

    /// Everything as one self-contained page: no script, nothing fetched.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Everything as CSV, one line for each tally and each measured row.
    pub fn csv(&self) -> String {
        formats::csv(&self.sections)
    }

    /// Everything as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!("# Sealmark report\n\n{}\n", formats::escape(&self.sentence()));
        for words in sentence::changes(&self.sections) {
            out += &format!("\n{}\n", formats::escape(&words));
        }
        let compared = compare::compare(&self.sections);
        for words in &compared.refused {
            out += &format!("\n{}\n", formats::escape(words));
        }
        for table in &compared.tables {
            out += &format!("\n## {}\n\n{}", formats::escape(&table.title), markdown(table));
        }
        for section in &self.sections {
            out += &format!("\n## {}\n\n", formats::escape(&section.host.cpu));
            if self.sections.len() > 1 {
                out += &format!("{}\n\n", formats::escape(&section.sentence()));
            }
            out += &format!("{}\n", formats::escape(&sentence::origin(section)));
            for words in section.bench.iter().flat_map(measure::warnings) {
                out += &format!("\nWarning: {}\n", formats::escape(&words));
            }
            for table in section.tables() {
                let title = formats::escape(&table.title);
                out += &format!("\n### {title}\n\n{}", markdown(&table));
            }
        }
        out
    }

    /// Everything as tables for a terminal of that width.
    pub fn text(&self, width: u16) -> String {
        let mut out = String::new();
        for section in &self.sections {
            out += &text::wrap(&sentence::origin(section), width.into());
            for table in section.tables() {
                out += &format!("\n{}", text::table(&table, width));
            }
            out.push('\n');
        }
        let compared = compare::compare(&self.sections);
        for table in &compared.tables {
            out += &format!("{}\n", text::table(table, width));
        }
        for words in sentence::changes(&self.sections).iter().chain(&compared.refused) {
            out += &text::wrap(words, width.into());
        }
        out + &text::wrap(&self.sentence(), width.into())
    }

    /// Writes `index.html`, `report.md` and `report.csv` into a folder, which is made; where the page is.
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

fn host(file: &File) -> &Host {
    match file {
        File::Verify(report) => &report.host,
        File::Bench(run) => &run.host,
    }
}

fn started(file: &File) -> &str {
    match file {
        File::Verify(report) => &report.started,
        File::Bench(run) => &run.started,
    }
}

/// Puts `table` between `<!-- sealmark:MARKER -->` and `<!-- /sealmark:MARKER -->`, in place of what is there.
///
/// # Errors
/// [`Error::NoMarker`] when the pair is not there, in that order.
pub fn splice(markdown: &str, marker: &str, table: &str) -> Result<String, Error> {
    let (open, close) = (format!("<!-- sealmark:{marker} -->"), format!("<!-- /sealmark:{marker} -->"));
    let found = markdown.split_once(&open).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&close)?;
        Some(format!("{before}{open}\n{}\n{close}{after}", table.trim_matches('\n')))
    });
    found.ok_or_else(|| Error::NoMarker { marker: marker.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Vec<File> {
        vec![File::Bench(sample::run()), File::Verify(sample::report())]
    }

    #[test]
    fn a_measurement_joins_the_verification_before_it_on_the_same_host() {
        let report = Report::build(both());
        assert_eq!(report.sections().len(), 1);
        assert!(report.sections()[0].verify.is_some() && report.sections()[0].bench.is_some());
        let mut other = sample::run();
        other.host.fingerprint = "0".repeat(16);
        let mut later = sample::run();
        later.started = "2026-11-04T00:00:00Z".into();
        let mut files = both();
        files.extend([File::Bench(other), File::Bench(later)]);
        let shapes: Vec<_> = Report::build(files)
            .sections()
            .iter()
            .map(|s| (s.host.fingerprint[..1].to_owned(), s.verify.is_some(), s.bench.is_some()))
            .collect();
        let shape = |host: &str, verify, bench| (host.to_owned(), verify, bench);
        assert_eq!(shapes, [shape("3", true, true), shape("3", false, true), shape("0", false, true)]);
        assert_eq!(Report::build(vec![]).sections().len(), 0);
    }

    #[test]
    fn every_format_has_the_same_numbers() {
        let report = Report::build(both());
        let (html, markdown, text) = (report.html(), report.markdown(), report.text(160));
        let tables = report.sections()[0].tables();
        let ids: Vec<_> = tables.iter().map(|table| table.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "cases",
                "failures",
                "seal-aes-256-gcm",
                "open-aes-256-gcm",
                "heat",
                "ratios",
                "rank-seal-aes-256-gcm",
                "rank-open-aes-256-gcm",
                "other",
                "usage",
                "errors"
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
            assert!(!format.contains("<script") && !format.contains("<b>&"), "words are not markup");
        }
    }

    #[test]
    fn a_report_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let page = Report::build(both()).write_html(&dir.path().join("a/b")).unwrap();
        assert_eq!(page, dir.path().join("a/b/index.html"));
        let mut names: Vec<_> = std::fs::read_dir(dir.path().join("a/b"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["index.html", "report.csv", "report.md"]);
        std::fs::write(dir.path().join("file"), "").unwrap();
        let refused = Report::build(both()).write_html(&dir.path().join("file"));
        assert!(matches!(refused, Err(Error::Unwritable { .. })));
    }

    #[test]
    fn a_picture_is_a_whole_file() {
        let report = Report::build(both());
        let pictures = report.sections()[0].pictures();
        let names: Vec<_> = pictures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["seal-aes-256-gcm", "open-aes-256-gcm"]);
        assert!(pictures.iter().all(|(_, svg)| roxmltree::Document::parse(svg).is_ok()));
        assert!(Report::build(both()[1..].to_vec()).sections()[0].pictures().is_empty());
    }

    #[test]
    fn a_table_is_spliced_between_its_markers() {
        let text = "a\n<!-- sealmark:x -->\nold\n<!-- /sealmark:x -->\nb\n";
        let once = splice(text, "x", "| new |\n").unwrap();
        assert_eq!(once, "a\n<!-- sealmark:x -->\n| new |\n<!-- /sealmark:x -->\nb\n");
        assert_eq!(splice(&once, "x", "| new |").unwrap(), once, "again changes nothing");
        for text in ["", "<!-- sealmark:x -->", "<!-- /sealmark:x --><!-- sealmark:x -->"] {
            assert!(matches!(splice(text, "x", "t"), Err(Error::NoMarker { .. })), "{text}");
        }
        assert!(splice(text, "y", "t").is_err());
    }
}
