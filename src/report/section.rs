//! The result files of a report, grouped by host.
//!
//! Not here: tables, sentences and findings, each of which adds its own methods to these types.

use super::file::File;
use super::rows::distinct;
use crate::host::Host;
use crate::{measure, verify};

/// A verification and a measurement on one host, or one of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Section {
    /// The host.
    pub host: Host,
    /// The verification.
    pub verify: Option<verify::Report>,
    /// The measurement.
    pub bench: Option<measure::Run>,
}

impl Section {
    /// The engines of both files, each once.
    pub(super) fn engines(&self) -> Vec<&str> {
        let verified = self.verify.iter().flat_map(|report| &report.engines).map(|engine| &engine.name);
        let measured = self.bench.iter().flat_map(|run| &run.engines).map(|engine| &engine.name);
        distinct(verified.chain(measured).map(String::as_str))
    }

    /// The start of its first file.
    pub(super) fn started(&self) -> &str {
        let verify = self.verify.as_ref().map(|report| report.started.as_str());
        verify.or(self.bench.as_ref().map(|run| run.started.as_str())).unwrap_or_default()
    }
}

/// Result files grouped by host, ready to be drawn.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    sections: Vec<Section>,
}

impl Report {
    /// Groups files: hosts in the order of their first file, runs of a host by time. A measurement joins the
    /// verification before it.
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
    use crate::report::sample;

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
}
