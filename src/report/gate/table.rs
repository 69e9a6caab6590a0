//! The tables of a gate's result, and the blocks that the page draws: workloads, changes, lost pairs.

use super::sentence::{interval, lost, name, reason};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::{Gate, Row};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::{Figure, Pairs, Strip};
use crate::report::number::{change, count, counted, size};
use crate::trace::Change;

/// The most rows that a workload gets for its symbols, for its loops and for its mnemonics.
const TOP: [(&str, usize); 3] = [("symbol", 5), ("loop", 3), ("mnemonic", 5)];

/// Everything that is drawn of a result, in the order in which a reader needs it.
pub(super) fn blocks(gate: &Gate) -> Vec<Block<'_>> {
    let rows = Block::new(rows(gate));
    let strips: Vec<Strip> = sorted(gate).into_iter().filter_map(strip).collect();
    let rows = if strips.is_empty() { rows } else { rows.figure(Figure::Pairs(Pairs { strips })) };
    let further = [changes(gate), losses(gate)].into_iter().flatten().map(Block::new);
    std::iter::once(rows).chain(further).collect()
}

/// The rows, those first that ask for something.
fn sorted(gate: &Gate) -> Vec<&Row> {
    let mut rows: Vec<&Row> = gate.rows.iter().collect();
    rows.sort_by_key(|row| match row.verdict {
        Verdict::Slower => 0,
        Verdict::Unsure => 1,
        Verdict::Faster => 2,
        Verdict::Same => 3,
    });
    rows
}

/// A row for each workload and engine.
pub(super) fn rows(gate: &Gate) -> Table {
    let columns = ["workload", "engine", "verdict", "instructions", "time", "found from", "pairs"];
    let mut table = Table::new("gate", "Head against base", columns).note(
        "Instructions are those of one call, the harness included; more of them alone are no verdict. Time \
         is the median over pairs of fresh processes, with an interval that is corrected for the number of \
         workloads and looks. “Found from” is the smallest slowdown that these pairs find half of the time.",
    );
    table.columns[1].number = false;
    table.columns[2].number = false;
    for row in sorted(gate) {
        table.push(vec![
            Cell::new(&row.workload),
            Cell::new(&row.engine),
            verdict(row),
            instructions(row),
            row.ratio
                .map_or_else(Cell::none, |ratio| Cell::new(change(ratio.estimate)).detail(interval(ratio))),
            row.smallest_detectable.map_or_else(Cell::none, |least| Cell::new(change(1.0 + least))),
            if row.pairs == 0 { Cell::none() } else { Cell::new(count(row.pairs)) },
        ]);
    }
    table
}

/// A verdict as a cell: what is slower is marked as a failure.
pub(super) fn verdict(row: &Row) -> Cell {
    let mark = match row.verdict {
        Verdict::Slower => Mark::Bad,
        Verdict::Faster => Mark::Best,
        Verdict::Same | Verdict::Unsure => Mark::Plain,
    };
    Cell::new(name(row.verdict)).detail(reason(row)).mark(mark)
}

fn instructions(row: &Row) -> Cell {
    match row.instructions {
        None if row.changed == Some(false) => Cell::new("unchanged"),
        None => Cell::none(),
        Some(counts) if row.changed == Some(false) => Cell::new(count(counts.head)).detail("unchanged"),
        Some(counts) if counts.base == counts.head => Cell::new(count(counts.head)).detail("others"),
        Some(counts) => Cell::new(format!("{} → {}", count(counts.base), count(counts.head)))
            .detail(signed(counts.base, counts.head)),
    }
}

fn signed(before: u64, after: u64) -> String {
    format!("{}{}", if after < before { '−' } else { '+' }, count(before.abs_diff(after)))
}

/// Which symbols, loops and mnemonics execute other counts; none where nothing changed.
pub(super) fn changes(gate: &Gate) -> Option<Table> {
    let columns = ["workload", "engine", "changed", "name", "base", "head", "change"];
    let mut table = Table::new("gate-changes", "What executes differently", columns);
    for column in &mut table.columns[..4] {
        column.number = false;
    }
    let mut more = 0;
    for row in sorted(gate) {
        let Some(diff) = &row.diff else { continue };
        let at = row.traced.map_or_else(String::new, |traced| match traced.bytes {
            0 => String::new(),
            bytes => format!("traced at {}", size(bytes)),
        });
        let mut push = |kind: &str, named: &str, counts: [Cell; 3]| {
            let first = [Cell::new(&row.workload).detail(&at), Cell::new(&row.engine)];
            let [base, head, change] = counts;
            table.push(
                first.into_iter().chain([Cell::new(kind), Cell::new(named), base, head, change]).collect(),
            );
        };
        let mut none = true;
        for ((kind, most), found) in TOP.into_iter().zip([&diff.symbols, &diff.loops, &diff.mnemonics]) {
            for Change { name, before, after } in found.iter().take(most) {
                let counts = [Cell::new(count(*before)), Cell::new(count(*after))];
                let [before_cell, after_cell] = counts;
                push(kind, name, [before_cell, after_cell, Cell::new(signed(*before, *after))]);
                none = false;
            }
            more += found.len().saturating_sub(most) as u64;
        }
        if none {
            let all = [diff.before, diff.after].map(|n| Cell::new(count(n)));
            let [before, after] = all;
            push("order", "the same counts on another path", [before, after, Cell::none()]);
        }
    }
    let note = match more {
        0 => String::new(),
        more => format!("And {}; the JSON has them all.", counted(more, "smaller change")),
    };
    (!table.rows.is_empty()).then(|| table.note(&note))
}

/// Why pairs gave no estimates.
fn losses(gate: &Gate) -> Option<Table> {
    let mut table = Table::new("gate-lost", "Pairs without an estimate", ["reason", "pairs"]);
    for (why, times) in lost(gate) {
        table.push(vec![Cell::new(why), Cell::new(count(times))]);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// The pairs of a row, to be drawn; none where it has none.
fn strip(row: &Row) -> Option<Strip> {
    let ratio = row.ratio?;
    let interval = ratio.high.filter(|_| ratio.low > 0.0).map(|high| (ratio.low, high));
    Some(Strip {
        workload: row.workload.clone(),
        engine: row.engine.clone(),
        samples: row.samples.clone(),
        estimate: ratio.estimate,
        interval,
        margin: row.margin,
        words: format!("{} {}", change(ratio.estimate), name(row.verdict)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::gate::sample;

    fn texts(table: &Table) -> Vec<Vec<&str>> {
        table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect()
    }

    #[test]
    fn rows_that_ask_for_something_come_first_and_counts_are_always_shown() {
        let gate = sample::gate();
        let table = rows(&gate);
        let found = texts(&table);
        assert_eq!(
            found[0],
            ["open/aes-256-gcm/1024", "sealmark", "Slower", "10,340 → 10,404", "+2.40 %", "+0.80 %", "96"]
        );
        assert_eq!(found[1][2..], ["Unsure", "–", "+0.40 %", "+2.00 %", "96"]);
        assert_eq!(found[3][2..], ["Same", "1,210", "–", "–", "–"]);
        assert_eq!(table.rows[0][3].detail, "+64");
        assert_eq!(table.rows[1][2].detail, "about 1,240 pairs would decide");
        let marks: Vec<Mark> = table.rows.iter().map(|row| row[2].mark).collect();
        assert_eq!(marks, [Mark::Bad, Mark::Plain, Mark::Best, Mark::Plain, Mark::Plain]);
    }

    #[test]
    fn changes_are_named_by_symbol_loop_and_mnemonic() {
        let gate = sample::gate();
        let table = changes(&gate).unwrap();
        let kinds: Vec<&str> = texts(&table).into_iter().take(3).map(|row| row[2]).collect();
        assert_eq!((kinds.as_slice(), table.rows.len()), (&["symbol", "loop", "mnemonic"][..], 9));
        assert_eq!(table.rows[0][6].text, "+64");
        let mut moved = sample::gate();
        moved.rows.retain(|row| row.verdict == Verdict::Slower);
        let diff = moved.rows[0].diff.as_mut().unwrap();
        (diff.symbols, diff.loops, diff.mnemonics) = (Vec::new(), Vec::new(), Vec::new());
        assert_eq!(changes(&moved).unwrap().rows[0][3].text, "the same counts on another path");
        moved.rows[0].diff = None;
        assert!(changes(&moved).is_none());
    }

    #[test]
    fn a_result_that_timed_nothing_has_no_figure() {
        let mut gate = sample::gate();
        assert!(matches!(&blocks(&gate)[0].figure, Some(Figure::Pairs(pairs)) if pairs.strips.len() == 4));
        assert_eq!(texts(&losses(&gate).unwrap()), [[sample::WHY, "2"]]);
        gate.rows.retain(|row| row.changed == Some(false));
        gate.lost.clear();
        let blocks = blocks(&gate);
        assert!(blocks.len() == 1 && blocks[0].figure.is_none());
    }
}
