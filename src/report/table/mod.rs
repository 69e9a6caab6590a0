//! The tables of a report, one file each; their order is stated once, here.
//!
//! Failures come first, then the curves: the page shows the first curve on its first screen. A table chooses
//! its rows by their members, never by a path, and is absent where a section has nothing for it. A row that
//! belongs to no other table is in `other`.

use super::block::{Block, Table};
use super::rows::all_engines;
use super::section::Section;

mod blind;
mod cases;
mod cores;
mod curve;
mod engines;
mod errors;
mod failures;
mod files;
mod frames;
mod integrity;
mod key;
mod latency_tail;
pub mod limits;
mod other;
mod other_curve;
mod publication;
mod ratio;
mod record_curve;
pub mod risk;
mod usage;
mod waterfall;
mod witness;

/// Every table of a section, in the order of the report.
const TABLES: &[for<'a> fn(&'a Section) -> Vec<Block<'a>>] = &[
    publication::blocks,
    failures::blocks,
    errors::blocks,
    curve::blocks,
    record_curve::blocks,
    waterfall::blocks,
    frames::blocks,
    integrity::blocks,
    key::blocks,
    ratio::blocks,
    engines::blocks,
    witness::blocks,
    cases::blocks,
    files::blocks,
    blind::blocks,
    risk::blocks,
    other_curve::blocks,
    cores::blocks,
    latency_tail::blocks,
    other::blocks,
    limits::blocks,
    usage::blocks,
];

impl Section {
    /// The blocks of its report; every format for people walks these.
    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        TABLES.iter().flat_map(|blocks| blocks(self)).collect()
    }

    /// Its tables in the order of the report, none of them empty: `publication`, `failures`, `errors`; for
    /// each curve its speeds (`seal-aes-256-gcm`) and their distance from the CPU's limit
    /// (`limit-seal-aes-256-gcm`); the cost of a record or a frame (`waterfall-1024`,
    /// `waterfall-seal-frame-64`), `frames`, `handshakes`, the price of integrity (`integrity-append-4096`),
    /// `keys`; for each curve with peers the speed relative to the best of them (`ratio-seal-aes-256-gcm`),
    /// and `ratios` of every workload; `engines`, `witnesses`, `matrix`, `cases`, `sources`, `files`,
    /// `blind`, `risks`, `cores`, `tails`, `other`, `limits`, `usage`.
    pub fn tables(&self) -> Vec<Table> {
        self.blocks().into_iter().map(|block| block.table).collect()
    }

    /// Its curves as stand-alone SVG pictures, each with a name such as `seal-aes-256-gcm`.
    pub fn pictures(&self) -> Vec<(String, String)> {
        let engines = all_engines(&self.bench);
        let figures = self.blocks().into_iter().filter_map(|block| block.figure);
        figures.filter_map(|figure| figure.picture(&engines)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::measure::{self, Estimate, Row, Run, Scope, Tails, Workload};
    use crate::report::{File, Report, sample};

    /// The names of the tables' files, in the order of [`TABLES`].
    fn names() -> Vec<&'static str> {
        let list = include_str!("mod.rs").split_once("= &[\n").unwrap().1.split_once("];").unwrap().0;
        list.lines().map(|line| line.trim().strip_suffix("::blocks,").unwrap()).collect()
    }

    #[test]
    fn the_table_of_tables_holds_every_file_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/table");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let files: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
        let names = names();
        assert_eq!(names.len(), TABLES.len());
        let expected = names.iter().chain(&["mod"]).map(|name| format!("{name}.rs"));
        assert_eq!(files, expected.collect());
    }

    #[test]
    fn a_picture_is_a_whole_file() {
        let files = vec![File::Verify(sample::report()), File::Bench(sample::run())];
        let report = Report::build(files.clone());
        let pictures = report.sections()[0].pictures();
        let names: Vec<_> = pictures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["seal-aes-256-gcm", "open-aes-256-gcm"], "the bars need the page");
        assert!(pictures.iter().all(|(_, svg)| roxmltree::Document::parse(svg).is_ok()));
        assert!(Report::build(files[..1].to_vec()).sections()[0].pictures().is_empty());
    }

    /// A row of a workload of the catalog.
    fn row(workload: &Workload, engine: &str) -> Row {
        let row = sample::row(workload.op(), &workload.algorithm, workload.bytes as u64, engine, &[9.0]);
        let one = Estimate { median: 9.0, low: 9.0, high: 9.0 };
        Row {
            workload: workload.path.clone(),
            tails: workload.tails.then_some(Tails::Ns { p50: one, p99: one, p999: one }),
            ..row
        }
    }

    /// A run of the whole catalog, on an engine of ours and on a peer.
    fn whole_catalog() -> Run {
        let engines = |workload: &Workload| match workload.scope() {
            Scope::EveryEngine => ["sealmark/aesni", "ring"].as_slice(),
            Scope::CipherFree => &["sealmark"],
        };
        let all = measure::workloads().iter();
        let rows = all.flat_map(|workload| engines(workload).iter().map(|engine| row(workload, engine)));
        Run { rows: rows.collect(), ..sample::run() }
    }

    fn drawn(run: Run) -> Vec<Vec<Table>> {
        let section = Section { host: sample::host(), verify: None, bench: Some(run) };
        let tables = |blocks: Vec<Block<'_>>| blocks.into_iter().map(|block| block.table).collect();
        TABLES.iter().map(|blocks| tables(blocks(&section))).collect()
    }

    /// Without this test, the row of a renamed operation or workload would silently leave a table.
    #[test]
    fn every_workload_of_the_catalog_is_in_its_tables() {
        type Named = (&'static str, &'static str, &'static str);
        let parts: &[Named] = &[
            ("nonce", "nonce", ""),
            ("lookup", "keystore", ""),
            ("header", "record", ""),
            ("aad", "record", ""),
            ("copy", "record", ""),
            ("seal", "aes-256-gcm", "as-in-a-record"),
            ("seal", "record", ""),
            ("lookup", "frame", ""),
            ("header", "frame", ""),
            ("parse", "frame", ""),
            ("window", "frame", ""),
            ("copy", "frame", ""),
            ("salvage", "frame", ""),
            ("seal", "aes-256-gcm", "as-in-a-frame"),
            ("open", "aes-256-gcm", "as-in-a-frame"),
            ("seal", "frame", ""),
            ("open", "frame", ""),
        ];
        let cores: &[Named] = &[
            ("parallel/seal", "aes-256-gcm", ""),
            ("seal", "aes-256-gcm", ""),
            ("parallel/seal", "frame", ""),
            ("parallel/open", "frame", ""),
            ("contended/seal", "frame", ""),
            ("contended/open", "frame", ""),
            ("seal", "frame", ""),
            ("open", "frame", ""),
        ];
        let ops = ["seal", "open", "reject", "replay", "seal_batch", "open_batch"];
        let of_frames = |frame, cipher| {
            let ciphers = ["seal", "open"].map(|op| (op, "aes-256-gcm", cipher));
            ops.map(|op| (op, frame, "")).into_iter().chain(ciphers)
        };
        let frames = of_frames("frame", "as-in-a-frame")
            .chain(of_frames("hardened-frame", "as-in-a-hardened-frame"))
            .chain([("handshake", "pila", ""), ("handshake", "hello", "")]);
        let integrity: [Named; 5] = [
            ("append", "log/checked", ""),
            ("append", "log/sealed", ""),
            ("write", "log", ""),
            ("checksum", "log", ""),
            ("seal", "aes-256-gcm", ""),
        ];
        let (mut waterfalls, mut on_all_cores) = (BTreeSet::new(), BTreeSet::new());
        let (mut in_frames, mut of_integrity) = (BTreeSet::new(), BTreeSet::new());
        let (names, run) = (names(), whole_catalog());
        let whole = drawn(run.clone());
        for workload in measure::workloads() {
            let mut failed = run.clone();
            for row in failed.rows.iter_mut().filter(|row| row.workload == workload.path) {
                row.error = Some("no time".into());
            }
            // The tables that show a workload are those that change when it fails.
            let changed = drawn(failed);
            let shown = names.iter().zip(whole.iter().zip(&changed)).filter(|(_, (was, is))| was != is);
            let shown: BTreeSet<&str> = shown.map(|(name, _)| *name).collect();
            let path = &workload.path;
            assert!(shown.contains("errors"), "{path}: {shown:?}");
            let curves = ["curve", "record_curve", "other_curve"];
            let in_curves = curves.iter().filter(|name| shown.contains(*name)).count();
            let elsewhere = ["key", "other"].iter().filter(|name| shown.contains(*name)).count();
            assert_eq!(in_curves + elsewhere, 1, "{path} is in one of them: {shown:?}");
            assert_eq!(shown.contains("key"), workload.op() == "key", "{path}: {shown:?}");
            assert_eq!(shown.contains("ratio"), workload.scope() == Scope::EveryEngine, "{path}: {shown:?}");
            assert_eq!(shown.contains("latency_tail"), workload.tails, "{path}: {shown:?}");
            let name: Named = (workload.op(), &workload.algorithm, &workload.variant);
            for (table, found) in [
                ("waterfall", &mut waterfalls),
                ("cores", &mut on_all_cores),
                ("frames", &mut in_frames),
                ("integrity", &mut of_integrity),
            ] {
                if shown.contains(table) {
                    found.insert(name);
                }
            }
        }
        assert_eq!(waterfalls, parts.iter().copied().collect());
        assert_eq!(on_all_cores, cores.iter().copied().collect());
        assert_eq!(in_frames, frames.collect());
        assert_eq!(of_integrity, integrity.into_iter().collect());
        // Each size of record and frame has all its parts, so each has its waterfall.
        let sizes = names.iter().zip(&whole).find(|(name, _)| **name == "waterfall").unwrap().1;
        let sizes: Vec<_> = sizes.iter().map(|table| table.id.as_str()).collect();
        let of_records = ["waterfall-64", "waterfall-1024", "waterfall-16384"];
        let of_frames = ["seal-frame-64", "seal-frame-1350", "open-frame-64", "open-frame-1350"];
        let of_frames = of_frames.map(|frame| format!("waterfall-{frame}"));
        assert!(sizes.iter().copied().eq(of_records.into_iter().chain(of_frames.iter().map(String::as_str))));
    }
}
