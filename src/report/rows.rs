//! Reading a run's rows: the time, the engines, the kind of workload.
//!
//! A row with an error has no time, whatever else it holds. The kind of a workload comes from its row's
//! members and from the catalog, never from its path; only this file of the report names operations. Not
//! here: curves over message sizes, which are `curve`.

use super::number::{count, three};
use crate::host::environment;
use crate::measure::{self, Estimate, Row, Run, Scope, Workload};
use crate::timing::interval::coverage;
use crate::trace::{Seen, Width, Witness};

pub(super) use crate::measure::ratio::OWN;

/// Operations and their subjects, as rows name them, that have tables of their own.
pub(super) const SEAL: &str = "seal";
pub(super) const OPEN: &str = "open";
pub(super) const KEY: &str = "key";
pub(super) const RECORD: &str = "record";
/// The cipher of a record, and its bytes of additional data with a user key of 24 bytes.
pub(super) const RECORD_CIPHER: &str = "aes-256-gcm";
pub(super) const RECORD_AAD: usize = 39;
/// A frame of the tunnel on the compatible wire, and one of the hardened mode, with their bytes of additional
/// data: the sender's id, and the whole header.
pub(super) const FRAME: &str = "frame";
pub(super) const FRAME_AAD: usize = 4;
pub(super) const HARDENED_FRAME: &str = "hardened-frame";
pub(super) const HARDENED_FRAME_AAD: usize = 21;
/// The logs with checksums and with seals, and what is measured for both.
pub(super) const CHECKED_LOG: &str = "log/checked";
pub(super) const SEALED_LOG: &str = "log/sealed";
pub(super) const LOG: &str = "log";
/// Operations on all cores, each with its twin on one.
pub(super) const PARALLEL: [(&str, &str); 4] =
    [("parallel/seal", SEAL), ("parallel/open", OPEN), ("contended/seal", SEAL), ("contended/open", OPEN)];

/// The workload of a row; none where the catalog lacks its path: a user's, or one of another version.
pub(super) fn workload(row: &Row) -> Option<&'static Workload> {
    measure::workloads().iter().find(|workload| workload.path == row.workload)
}

/// Whether a row may be part of a curve: it has a message and a cipher, and it is no variant.
pub(super) fn is_usual(row: &Row) -> bool {
    let usual = |workload: &Workload| workload.variant.is_empty() && workload.scope() != Scope::CipherFree;
    row.bytes > 0 && workload(row).is_none_or(usual)
}

/// Whether a row is that operation of a record's or frame's cipher, with that much additional data.
pub(super) fn is_cipher(row: &Row, op: &str, aad: usize) -> bool {
    let known = || workload(row).is_some_and(|known| known.aad == aad);
    (row.op.as_str(), row.algorithm.as_str()) == (op, RECORD_CIPHER) && known()
}

/// Whether bytes divided by its time are a throughput.
pub(super) fn has_throughput(row: &Row) -> bool {
    row.bytes > 0 && !row.is_latency()
}

/// An operation in words: `seal`, `seal batch`, `latency of seal`.
pub(super) fn operation(op: &str) -> String {
    op.replace("latency/", "latency of ").replace('_', " ")
}

/// A row's time: none where there is an error or the time is not a positive number.
pub(super) fn time(row: &Row) -> Option<Estimate> {
    let usable = |x: f64| x.is_finite() && x > 0.0;
    row.ns.filter(|ns| row.error.is_none() && [ns.median, ns.low, ns.high].into_iter().all(usable))
}

/// The reason given for a row with neither a time nor an error.
pub(super) const NO_TIME: &str = "the file holds no time for it";

/// The number of processes behind a row's interval.
pub(super) fn replicas(row: &Row) -> u64 {
    if row.samples.is_empty() { row.processes.into() } else { row.samples.len() as u64 }
}

/// The numbers of processes of the rows with a time, each once, the highest first.
fn all_replicas(run: &Run) -> Vec<u64> {
    let timed = run.rows.iter().filter(|row| time(row).is_some());
    let mut found: Vec<u64> = timed.map(replicas).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    found
}

/// An interval in words: `8.00–12.5`, with the number of processes where the row lost one.
pub(super) fn interval(run: &Run, row: &Row, low: f64, high: f64) -> String {
    let lost = all_replicas(run).first().is_some_and(|&most| replicas(row) < most);
    let of = if lost { format!(", {}", counted_processes(replicas(row))) } else { String::new() };
    format!("{}–{}{of}", three(low), three(high))
}

fn counted_processes(n: u64) -> String {
    format!("{} process{}", count(n), if n == 1 { "" } else { "es" })
}

/// The coverage of a run's intervals: `93.8 %`, or `93.8 % (5 processes), 87.5 % (4 processes)` where rows
/// lost some. Computed from the rows: older files give only the coverage of the worst row.
pub(super) fn coverages(run: &Run) -> String {
    let percent = |n: u64| format!("{} %", three(100.0 * coverage(n as usize)));
    match all_replicas(run)[..] {
        [] => "0 %".to_owned(),
        [n] => percent(n),
        ref several => {
            let each = several.iter().map(|&n| format!("{} ({})", percent(n), counted_processes(n)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Distinct values in the order of their first appearance.
pub(super) fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut out = Vec::new();
    for value in values {
        if !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

/// Engines with a row, as the run lists them, then those that it does not list.
pub(super) fn engines_of<'a>(run: &'a Run, rows: &[&'a Row]) -> Vec<&'a str> {
    let listed = run.engines.iter().map(|engine| engine.name.as_str());
    distinct(listed.chain(rows.iter().map(|row| row.engine.as_str())))
        .into_iter()
        .filter(|name| rows.iter().any(|row| row.engine == *name))
        .collect()
}

/// Every engine that a run lists or has a row of, in the order that assigns colours.
pub(super) fn all_engines<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Vec<&'a str> {
    let names = |run: &'a Run| {
        let listed = run.engines.iter().map(|engine| engine.name.as_str());
        listed.chain(run.rows.iter().map(|row| row.engine.as_str()))
    };
    distinct(runs.into_iter().flat_map(names))
}

/// Engines with at least one time. Rows without a cipher are measured under `sealmark`.
pub(super) fn engines(run: &Run) -> Vec<&str> {
    let timed: Vec<&Row> = run.rows.iter().filter(|row| time(row).is_some()).collect();
    let listed = |name: &str| run.engines.iter().any(|engine| engine.name == name);
    engines_of(run, &timed).into_iter().filter(|name| *name != OWN || listed(name)).collect()
}

/// The environment variables that changed the code of some of these engines: sentences to append, or nothing.
pub(super) fn steered(run: &Run, names: &[&str]) -> String {
    let engines = run.engines.iter().filter(|engine| names.contains(&engine.name.as_str()));
    let engines = engines.map(|engine| (engine.name.as_str(), engine.environment.as_slice()));
    environment::warnings(engines).into_iter().map(|words| format!(" {words}")).collect()
}

/// `3 processes`, or `1 to 3 processes` where rows differ.
pub(super) fn processes(run: &Run) -> String {
    match all_replicas(run)[..] {
        [] => "no process".to_owned(),
        [n] => counted_processes(n),
        [most, .., least] => format!("{} to {} processes", count(least), count(most)),
    }
}

/// The peers left out of a comparison: `without graviola`; nothing where all have a time.
pub(super) fn without(peers: &[&Row]) -> String {
    let failed: Vec<&str> =
        peers.iter().filter(|row| time(row).is_none()).map(|row| row.engine.as_str()).collect();
    if failed.is_empty() { String::new() } else { format!("without {}", failed.join(" and ")) }
}

/// The widest registers of its AES instructions and of its carry-less multiplies.
pub(super) fn widths(witness: &Witness) -> [&'static str; 2] {
    let width =
        |seen: &Option<Seen>| seen.as_ref().map_or("none", |s| s.width.map_or("general", Width::name));
    [width(&witness.aes), width(&witness.multiply)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn by_hand(rows: Vec<Row>) -> Run {
        Run { rows, ..sample::run() }
    }

    #[test]
    fn a_row_that_lost_a_process_is_marked_and_the_others_keep_what_they_have() {
        let mut run = sample::run();
        assert_eq!(coverages(&run), "75.0 %");
        let (whole, lost) = (run.rows[0].clone(), &mut run.rows[1]);
        lost.samples.pop();
        lost.processes = 2;
        let lost = lost.clone();
        run.coverage = 0.5;
        assert_eq!(coverages(&run), "75.0 % (3 processes), 50.0 % (2 processes)");
        assert_eq!(interval(&run, &whole, 8.0, 12.5), "8.00–12.5");
        assert_eq!(interval(&run, &lost, 8.0, 12.5), "8.00–12.5, 2 processes");
        assert_eq!(processes(&run), "2 to 3 processes");
        assert_eq!(coverages(&by_hand(vec![])), "0 %");
    }
}
