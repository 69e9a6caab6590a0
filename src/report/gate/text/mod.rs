//! The gate on one screen: the verdict, the workloads, what changed in them and how sure that is.
//!
//! At most 40 lines at 100 columns. Rows that are slower, unsure or faster come first; of those that are the
//! same, as many as there is room for.

use super::sentence::{interval, lost, name, named, null_pairs, sentence, streams};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::{Gate, Row};
use crate::report::block::{Cell, Table};
use crate::report::format::text::{table, wrap};
use crate::report::number::{change, count, counted, plain};
use crate::trace::Diff;

/// Lines of a screen.
const LINES: usize = 40;
/// The most rows that get a line of their own below the table.
const NOTES: usize = 5;
/// The most symbols named for a row.
const SYMBOLS: usize = 3;
/// The most characters of a reason from elsewhere, such as a linker.
const REASON: usize = 110;
/// The most characters of what is said of a row.
const NOTE: usize = 180;
/// Lines of a table besides its rows: its heading, the columns and a rule, and the blank lines around it.
const FRAME: usize = 6;

/// Draws the result for a terminal of that width.
pub fn text(gate: &Gate, width: u16) -> String {
    let columns = usize::from(width.max(40));
    let mut out = wrap(&sentence(gate), columns) + &wrap(&basis(gate), columns);
    let mut end = String::new();
    for words in notes(gate).into_iter().chain(circumstances(gate)) {
        end += &wrap(&words, columns);
    }
    if gate.rows.iter().any(|row| row.instructions.is_some() || row.ratio.is_some() || row.why.is_some()) {
        let room = LINES.saturating_sub(out.lines().count() + end.lines().count() + FRAME);
        out += &format!("\n{}\n", table(&rows(gate, room.max(3)), width));
    }
    out + &end
}

/// What the verdict rests on.
fn basis(gate: &Gate) -> String {
    let number = |changed| gate.rows.iter().filter(|row| row.changed == Some(changed)).count() as u64;
    let nothing_known = gate.rows.iter().all(|row| row.instructions.is_none() && row.ratio.is_none());
    match &gate.setup.baseline {
        Some(stored) => {
            let file = plain(&stored.file);
            match number(true) {
                0 => format!("{} as in {file}.", counted(number(false), "stream")),
                others => format!(
                    "{} not as in {file}; to time what changed, compare with --base or --base-rev.",
                    counted(others, "stream")
                ),
            }
        }
        None if nothing_known && number(false) > 0 && number(false) == gate.rows.len() as u64 => {
            "Base and head are the same program, so nothing was run; --all times it anyway.".to_owned()
        }
        None if gate.not_traced.is_some() => {
            let why = gate.not_traced.as_deref().map(reason).unwrap_or_default();
            format!("No instructions were compared ({why}), so every workload was timed.")
        }
        None => streams(gate),
    }
}

/// The rows, the important ones first, at most `room` of them.
fn rows(gate: &Gate, room: usize) -> Table {
    let mut sorted: Vec<&Row> = gate.rows.iter().collect();
    sorted.sort_by_key(|row| importance(row));
    let stored = gate.setup.baseline.is_some();
    let columns: &[&str] = if stored {
        &["workload", "verdict", "instructions", "ns then", "ns now"]
    } else {
        &["workload", "verdict", "time", "between", "instructions"]
    };
    let mut table = Table::new("gate", "Head against base", columns);
    for row in &sorted[..sorted.len().min(room)] {
        let mut cells = vec![Cell::new(named(row)), Cell::new(name(row.verdict))];
        let times = |side: Option<f64>| side.map_or_else(Cell::none, |ns| Cell::new(format!("{ns:.1}")));
        match (stored, &row.ratio) {
            (true, _) => {
                cells.push(instructions(row));
                cells.extend([row.ns.and_then(|ns| ns.base), row.ns.map(|ns| ns.head)].map(times));
            }
            (false, Some(ratio)) => {
                cells.extend([Cell::new(change(ratio.estimate)), Cell::new(interval(*ratio))]);
                cells.push(instructions(row));
            }
            (false, None) => cells.extend([Cell::none(), Cell::none(), instructions(row)]),
        }
        table.push(cells);
    }
    match sorted.len().saturating_sub(room) {
        0 => table,
        more => {
            let rest = &sorted[room..];
            let same = rest.iter().filter(|row| row.verdict == Verdict::Same).count();
            let of_them =
                if same == more { "all of them the same".to_owned() } else { format!("{same} the same") };
            table.note(&format!(
                "And {}, {of_them}; --format json shows all.",
                counted(more as u64, "workload")
            ))
        }
    }
}

fn importance(row: &Row) -> u8 {
    match (row.verdict, row.changed) {
        (Verdict::Slower, _) => 0,
        (Verdict::Unsure, _) => 1,
        (Verdict::Faster, _) => 2,
        (Verdict::Same, Some(false)) => 4,
        (Verdict::Same, _) => 3,
    }
}

fn instructions(row: &Row) -> Cell {
    match row.instructions {
        None => Cell::none(),
        Some(counts) if counts.base == counts.head && row.changed != Some(true) => {
            Cell::new(count(counts.head))
        }
        Some(counts) => Cell::new(format!("{} → {}", count(counts.base), count(counts.head))),
    }
}

/// A line for each row that is not the same: what changed in it, what is not certain.
fn notes(gate: &Gate) -> Vec<String> {
    let mut sorted: Vec<&Row> = gate.rows.iter().collect();
    sorted.sort_by_key(|row| importance(row));
    let all: Vec<String> = sorted.into_iter().filter_map(note).collect();
    let mut shown: Vec<String> = all.iter().take(NOTES).map(|note| shortened(note, NOTE)).collect();
    if let more @ 1.. = all.len().saturating_sub(NOTES) {
        shown.push(format!(
            "There is more to say of {}; --format json shows it.",
            counted(more as u64, "workload")
        ));
    }
    shown
}

fn note(row: &Row) -> Option<String> {
    let mut parts = Vec::new();
    if row.verdict == Verdict::Unsure && row.ratio.is_some() {
        let least = row.smallest_detectable.map_or_else(
            || format!("{} are too few to find any slowdown", pairs(row.pairs)),
            |least| format!("{} find {} % half of the time", pairs(row.pairs), percent(least)),
        );
        parts.push(match row.pairs_needed {
            Some(needed) if needed > row.pairs => format!("{least}, some {} would decide", count(needed)),
            _ => least,
        });
    }
    parts.extend(row.why.as_deref().map(reason));
    if row.changed == Some(true) && row.verdict != Verdict::Same {
        parts.extend(row.diff.as_ref().map(symbols));
    }
    (!parts.is_empty()).then(|| plain(&format!("{}: {}.", named(row), parts.join("; "))))
}

fn pairs(n: u64) -> String {
    counted(n, "pair")
}

/// The symbols whose counts changed most.
fn symbols(diff: &Diff) -> String {
    let change = |change: &crate::trace::Change| {
        let sign = if change.after > change.before { '+' } else { '-' };
        format!(
            "{} {sign}{}",
            plain(&shortened(&change.name, 50)),
            count(change.before.abs_diff(change.after))
        )
    };
    if diff.symbols.is_empty() {
        return "other instructions in the same symbols".to_owned();
    }
    let named: Vec<String> = diff.symbols.iter().take(SYMBOLS).map(change).collect();
    let more = match diff.symbols.len().saturating_sub(SYMBOLS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("by symbol {}{more}", named.join(", "))
}

/// How it was compared, and what limits the answer.
fn circumstances(gate: &Gate) -> Vec<String> {
    let mut lines = Vec::new();
    if gate.null_pair.is_some() {
        lines.push(null_pairs(gate));
    }
    if let Some((why, _)) = lost(gate).first() {
        lines.push(format!(
            "{} gave no estimate; the first: {}.",
            pairs(gate.lost.len() as u64),
            reason(why)
        ));
    }
    if gate.ended_early {
        let why = "It was stopped, spent its budget, or lost too many pairs in a row";
        lines.push(format!("{why} before all was decided."));
    }
    if let (Some(why), Some(_)) = (&gate.not_traced, &gate.setup.baseline) {
        lines.push(format!("No instructions were compared: {}.", reason(why)));
    }
    if let Some(why) = &gate.setup.one_order {
        lines.push(format!("One link order a side: {}.", reason(why)));
    }
    if let Some(first) = gate.setup.left_out.first() {
        let more = match gate.setup.left_out.len() - 1 {
            0 => String::new(),
            more => format!(" And {more} more."),
        };
        lines.push(format!("Left out: {}.{more}", reason(first)));
    }
    if let Some(why) = &gate.accepted {
        lines.push(format!("Accepted as a baseline: {}.", reason(why)));
    }
    lines.push(origin(gate));
    lines
}

/// What was compared, with which margin, and how long that took.
fn origin(gate: &Gate) -> String {
    let setup = &gate.setup;
    let mut words = format!("Set {} ({}).", plain(&setup.set), plain(&setup.config));
    if let Some(commits) = &gate.commits {
        let short = |commit: &str| match commit.strip_suffix("-dirty") {
            Some(clean) => format!("{}-dirty", plain(&shortened(clean, 12))),
            None => plain(&shortened(commit, 12)),
        };
        words += &format!(" Base {}, head {}.", short(&commits.base), short(&commits.head));
    }
    if let Some(stored) = &setup.baseline {
        words +=
            &format!(" The baseline is of {}.", plain(stored.started.get(..10).unwrap_or(&stored.started)));
        if let Some(why) = &stored.accepted {
            words += &format!(" It was accepted: {}.", reason(why));
        }
    }
    let mut margins: Vec<f64> = gate.rows.iter().map(|row| row.margin).collect();
    margins.sort_by(f64::total_cmp);
    margins.dedup();
    match (margins.as_slice(), gate.rows.iter().any(|row| row.ratio.is_some())) {
        ([only], true) => words += &format!(" Least effect called: {} %.", percent(*only)),
        ([least, .., most], true) => {
            words += &format!(" Least effect called: {} to {} %.", percent(*least), percent(*most));
        }
        _ => {}
    }
    words + &format!(" It took {:.1} s.", gate.seconds)
}

/// A share in percent, without zeros at the end: `0.75`.
fn percent(share: f64) -> String {
    let words = format!("{:.2}", 100.0 * share);
    words.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Words from elsewhere, in one short line without its full stop.
fn reason(words: &str) -> String {
    plain(&shortened(words, REASON)).trim().trim_end_matches('.').to_owned()
}

/// At most so many characters, and dots for the rest.
fn shortened(words: &str, most: usize) -> String {
    match words.char_indices().nth(most) {
        None => words.to_owned(),
        Some((end, _)) => format!("{}...", &words[..end]),
    }
}

#[cfg(test)]
mod tests;
