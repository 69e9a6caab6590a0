//! Reports: everything drawn from the result files of `sealmark verify` and `sealmark bench`.
//!
//! A [`Report`] puts the files of each host together; `table` holds each number once, and `html`, `text` and
//! `formats` draw the same tables. Nothing is measured, judged or fetched here, and nothing that a file says is
//! taken for markup.

use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::{measure, verify};

mod block;
mod compare;
mod curve;
mod error;
mod figure;
mod file;
pub mod finding;
mod format;
mod number;
mod rows;
#[cfg(test)]
mod sample;
mod splice;
mod summary;
mod table;
pub mod trace;

pub use block::{Cell, Column, Mark, Table};
pub use compare::agree;
pub use error::Error;
pub use file::{File, default_dir, read, read_all, write, write_text};
use finding::Finding;
pub use format::gha as metric;
pub use format::markdown::markdown;
pub use format::{junit, text};
pub use number::plain;
pub use splice::{markers, splice};
pub use table::limits;

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
        summary::section(self)
    }

    /// Everything in it that is not success; empty where all is right and all was measured.
    pub fn findings(&self) -> Vec<Finding> {
        finding::findings(self)
    }

    /// Engines that took no part, each with the reason. That is no finding: no CPU can run them all.
    pub fn absent(&self) -> Vec<(String, String)> {
        finding::absent(self)
    }

    /// The engines of both files, each once.
    fn engines(&self) -> Vec<&str> {
        let verified = self.verify.iter().flat_map(|report| &report.engines).map(|engine| &engine.name);
        let measured = self.bench.iter().flat_map(|run| &run.engines).map(|engine| &engine.name);
        rows::distinct(verified.chain(measured).map(String::as_str))
    }

    /// When its first file was begun.
    fn started(&self) -> &str {
        let verify = self.verify.as_ref().map(|report| report.started.as_str());
        verify.or(self.bench.as_ref().map(|run| run.started.as_str())).unwrap_or_default()
    }

    /// Its tables, in the order of the report: `cases`, `failures`, `absent`; for each curve its speeds
    /// (`seal-aes-256-gcm`) and how far they are from the CPU's limit (`limit-seal-aes-256-gcm`); `heat`,
    /// `ratios`, the places of the engines (`rank-seal-aes-256-gcm`), the cost of a record
    /// (`waterfall-1024`), `tails`, `cores`, `other`, `limits`,
    /// `usage`, `errors`, `witnesses`; each only where there is something in it.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        if let Some(report) = &self.verify {
            tables.push(table::cases::sets(report));
            tables.extend(table::cases::failures(report));
        }
        tables.extend(table::engines::absent(self));
        if let Some(run) = &self.bench {
            for curve in curve::curves(run) {
                tables.push(table::curve::table(run, &curve));
                tables.extend(curve.of_limit().map(|limit| table::curve::limit_table(run, &limit)));
            }
            tables.extend(table::heat::table(run));
            tables.extend(table::ratio::table(run));
            tables.extend(compare::hosts::ranks(run));
            tables.extend(table::waterfall::tables(run));
            tables.extend(table::latency_tail::table(run));
            tables.extend(table::cores::table(run));
            tables.extend(rows::other(run));
            if !run.limits.is_empty() {
                tables.push(limits::limits(&run.limits));
            }
            if run.rows.iter().any(|row| row.algorithm == "record") {
                tables.push(table::usage::usage());
            }
            tables.extend(rows::errors(run));
        }
        tables.extend(table::witness::table(self));
        tables
    }

    /// Its throughput curves as stand-alone SVG pictures, each with a name such as `seal-aes-256-gcm`.
    pub fn pictures(&self) -> Vec<(String, String)> {
        let Some(run) = &self.bench else { return Vec::new() };
        let engines = rows::all_engines([run]);
        let draw = |curve: &curve::Curve<'_>| {
            (curve.id(), figure::svg::draw(curve, &engines, "figure", figure::svg::Paint::Picture))
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

    /// Everything in it that is not success, section by section.
    pub fn findings(&self) -> Vec<Finding> {
        self.sections.iter().flat_map(Section::findings).collect()
    }

    /// One plain sentence on all of it, for the end of a command and the head of the page.
    pub fn sentence(&self) -> String {
        summary::report(&self.sections)
    }

    /// Everything as one self-contained page: no script, nothing fetched.
    pub fn html(&self) -> String {
        format::html::page(self)
    }

    /// Everything as CSV, one line for each tally and each measured row.
    pub fn csv(&self) -> String {
        format::markdown::csv(&self.sections)
    }

    /// Everything as Markdown.
    pub fn markdown(&self) -> String {
        format::markdown::report(self)
    }

    /// Everything as tables for a terminal of that width.
    pub fn text(&self, width: u16) -> String {
        text::report(self, width)
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
                "absent",
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
}
