//! What was measured: the speeds of one operation by engine and size, or where nothing was measured at
//! several sizes, the workloads one by one.

use crate::measure::{Estimate, Row, Run};
use crate::report::answer::{ALGORITHM, Answer};
use crate::report::curve::{Curve, Lead, curves};
use crate::report::format::columns::columns;
use crate::report::format::text::wrap;
use crate::report::number::{count, plain, size, three};
use crate::report::rows::{SEAL, distinct, has_throughput, operation, time};
use crate::report::section::Section;

/// Workloads that are shown one by one; the rest are counted.
const MAX_WORKLOADS: usize = 12;

/// How the fastest is marked: alone, or too close to call.
const ALONE: &str = "*";
const CLOSE: &str = "~";

/// The table of what was measured, with what it leaves out.
pub(super) fn tables(section: &Section, answer: &Answer, width: usize) -> String {
    let Some(run) = section.bench.as_ref().filter(|run| !run.rows.is_empty()) else { return String::new() };
    let curves = curves(run);
    let preferred = |curve: &&Curve<'_>| curve.op == SEAL && curve.algorithm == ALGORITHM;
    let main = curves.iter().find(preferred).or_else(|| curves.iter().find(|curve| curve.op == SEAL));
    if let Some(curve) = main.or_else(|| curves.first()) {
        return speeds(run, curve, answer, width);
    }
    let workloads = distinct(run.rows.iter().map(|row| row.workload.as_str()));
    match workloads.as_slice() {
        [only] => engines(run, only, width),
        several => fastest(run, several, width),
    }
}

/// A name that fits a column: the middle of a long one is left out.
pub(super) fn short_name(name: &str, width: usize) -> String {
    let (most, length) = ((width / 4).max(20), name.chars().count());
    if length <= most {
        return name.to_owned();
    }
    let half = (most - 1) / 2;
    let start: String = name.chars().take(half).collect();
    let end: String = name.chars().skip(length - half).collect();
    format!("{start}…{end}")
}

/// The mark of an engine beside its value.
fn mark(lead: Option<&Lead>, engine: &str) -> &'static str {
    match lead {
        Some(lead) if lead.engine == engine && lead.is_clear() => ALONE,
        Some(lead) if lead.engine == engine && !lead.others.is_empty() => CLOSE,
        Some(lead) if lead.close().any(|rival| rival.engine == engine) => CLOSE,
        _ => "",
    }
}

/// One operation: a line for each engine, a column for each size, and the time of a key setup.
fn speeds(run: &Run, curve: &Curve<'_>, answer: &Answer, width: usize) -> String {
    let unit = if curve.is_latency() { "ns" } else { "GB/s" };
    let keys = &answer.keys;
    let mut dropped = Vec::new();
    let mut sizes = curve.sizes.clone();
    loop {
        let drawn = grid(curve, &sizes, keys, width);
        let fits = drawn.lines().all(|line| line.chars().count() <= width);
        if fits || sizes.len() <= 1 {
            let title =
                format!("{} {}, {unit} by message size:", plain(curve.algorithm), operation(curve.op));
            return wrap(&title, width) + &drawn + &wrap(&note(run, curve, &drawn, &dropped), width);
        }
        dropped.push(sizes.remove(0));
    }
}

fn grid(curve: &Curve<'_>, sizes: &[u64], keys: &[(String, Estimate)], width: usize) -> String {
    let leads: Vec<Option<Lead>> = sizes.iter().map(|&bytes| curve.lead(bytes)).collect();
    let mut head = vec!["engine".to_owned()];
    head.extend(sizes.iter().map(|&bytes| size(bytes)));
    if !keys.is_empty() {
        head.push("key, ns".into());
    }
    let mut rows = vec![head];
    for engine in &curve.engines {
        let mut row = vec![short_name(&plain(engine), width)];
        for (&bytes, lead) in sizes.iter().zip(&leads) {
            row.push(match curve.row(engine, bytes).map(time) {
                Some(Some(ns)) => {
                    let value = if curve.is_latency() { ns.median } else { bytes as f64 / ns.median };
                    format!("{}{}", three(value), mark(lead.as_ref(), &plain(engine)))
                }
                Some(None) => "error".into(),
                None => "–".into(),
            });
        }
        if !keys.is_empty() {
            let key = keys.iter().find(|(name, _)| *name == plain(engine));
            row.push(key.map_or_else(|| "–".to_owned(), |(_, ns)| three(ns.median)));
        }
        rows.push(row);
    }
    if leads.iter().flatten().any(|lead| lead.percent.is_some()) {
        let percent = |lead: &Option<Lead>| lead.as_ref().and_then(|lead| lead.percent);
        let mut row = vec!["fastest, % of limit".to_owned()];
        row.extend(leads.iter().map(|lead| percent(lead).map_or_else(|| "–".to_owned(), three)));
        if !keys.is_empty() {
            row.push(String::new());
        }
        rows.push(row);
    }
    hang(&mut rows, sizes.len());
    let numbers: Vec<usize> = (1..rows[0].len()).collect();
    columns(&rows, &numbers)
}

/// Puts a space in the place of a mark where a column has marks, so that its digits stay in line.
fn hang(rows: &mut [Vec<String>], columns: usize) {
    let marked = |cell: &String| cell.ends_with(ALONE) || cell.ends_with(CLOSE);
    for column in 1..=columns {
        if rows.iter().any(|row| marked(&row[column])) {
            for row in rows.iter_mut().filter(|row| !marked(&row[column])) {
                row[column].push(' ');
            }
        }
    }
}

/// What the marks mean, what did not fit, and what else there is.
fn note(run: &Run, curve: &Curve<'_>, drawn: &str, dropped: &[u64]) -> String {
    let mut parts = legend(drawn);
    if !dropped.is_empty() {
        let sizes: Vec<String> = dropped.iter().map(|&bytes| size(bytes)).collect();
        parts.push(format!("not shown at this width: {}", sizes.join(", ")));
    }
    let shown = |row: &&Row| {
        curve.rows.iter().any(|one| one.workload == row.workload)
            || (row.op == "key" && row.algorithm == curve.algorithm)
    };
    let rest = distinct(run.rows.iter().filter(|row| !shown(row)).map(|row| row.workload.as_str())).len();
    if rest > 0 {
        parts.push(format!("{} more workloads with --full", count(rest as u64)));
    }
    joined(&parts)
}

/// What the marks of a table mean.
fn legend(drawn: &str) -> Vec<String> {
    let marks = [(ALONE, "fastest"), (CLOSE, "too close to call")];
    let used = marks.iter().filter(|(mark, _)| drawn.contains(mark));
    used.map(|(mark, words)| format!("{mark} {words}")).collect()
}

/// Parts of a note in one line; empty without any.
fn joined(parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!("{}.", parts.join(" · ")) }
}

/// One workload: a line for each engine.
fn engines(run: &Run, workload: &str, width: usize) -> String {
    let all: Vec<&Row> = run.rows.iter().filter(|row| row.workload == workload).collect();
    let lead = Lead::of(run, &all);
    let mut rows = vec![
        ["engine", "ns", "GB/s", "% of limit", "its time over the fastest's"].map(str::to_owned).to_vec(),
    ];
    for row in &all {
        let name = plain(&row.engine);
        let mut cells = vec![short_name(&name, width)];
        match (time(row), &lead) {
            (Some(ns), Some(lead)) => {
                let ratio =
                    lead.others.iter().find(|rival| rival.engine == name).map_or(1.0, |rival| rival.ratio);
                let none = || "–".to_owned();
                cells.push(three(ns.median));
                let speed = has_throughput(row).then(|| three(row.bytes as f64 / ns.median));
                cells.push(speed.unwrap_or_else(none));
                cells.push(row.limit.as_ref().map_or_else(none, |limit| three(limit.percent)));
                cells.push(format!("{}{}", three(ratio), mark(Some(lead), &name)));
            }
            _ => cells.extend(["error", "–", "–", "–"].map(str::to_owned)),
        }
        rows.push(cells);
    }
    hang(&mut rows, 4);
    let drawn = columns(&rows, &[1, 2, 3, 4]);
    format!("{}:\n{drawn}{}", plain(workload), wrap(&joined(&legend(&drawn)), width))
}

/// Several workloads: a line for each, with its fastest engine.
fn fastest(run: &Run, workloads: &[&str], width: usize) -> String {
    let mut rows = vec![["workload", "fastest", "ns", "too close to call"].map(str::to_owned).to_vec()];
    for workload in workloads.iter().take(MAX_WORKLOADS) {
        let all: Vec<&Row> = run.rows.iter().filter(|row| row.workload == *workload).collect();
        rows.push(match Lead::of(run, &all) {
            Some(lead) => {
                let close: Vec<&str> = lead.close().map(|rival| rival.engine.as_str()).collect();
                let close = match close.as_slice() {
                    [] => String::new(),
                    [one] => short_name(one, width),
                    [one, rest @ ..] => format!("{} and {}", short_name(one, width), rest.len()),
                };
                vec![plain(workload), short_name(&lead.engine, width), three(lead.ns), close]
            }
            None => vec![plain(workload), "error".into(), "–".into(), String::new()],
        });
    }
    if rows.iter().all(|row| row[3].is_empty() || row[3] == "too close to call") {
        rows.iter_mut().for_each(|row| row.truncate(3));
    }
    for row in &mut rows {
        row[0] = short_name(&row[0], 2 * width);
    }
    let mut out = columns(&rows, &[2]);
    if workloads.len() > MAX_WORKLOADS {
        out += &format!("and {} more workloads: --full\n", workloads.len() - MAX_WORKLOADS);
    }
    out
}
