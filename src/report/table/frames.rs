//! The tunnel's ratios, from rows of one run: a frame over the bare cipher, a refusal over an open, single
//! frames over a batch; and handshakes a second.

use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Table};
use crate::report::number::{count, size, three};
use crate::report::rows::{
    FRAME, FRAME_AAD, HARDENED_FRAME, HARDENED_FRAME_AAD, OPEN, SEAL, is_cipher, is_usual, time,
};
use crate::report::section::Section;

/// An operation, and the one with which it is compared.
struct Compared {
    words: &'static str,
    op: &'static str,
    with: With,
}

/// The other side of a ratio, of the same length and on the same engine.
#[derive(Clone, Copy)]
enum With {
    /// The bare cipher, sealing or opening.
    Cipher,
    /// Another operation with the same kind of frame: in words, and its name.
    Op(&'static str, &'static str),
}

const COMPARED: [Compared; 6] = [
    Compared { words: "sealing a frame", op: SEAL, with: With::Cipher },
    Compared { words: "opening a frame", op: OPEN, with: With::Cipher },
    Compared { words: "refusing a forged frame", op: "reject", with: With::Op("opening one", OPEN) },
    Compared { words: "refusing a replayed frame", op: "replay", with: With::Op("opening one", OPEN) },
    Compared { words: "sealing one by one", op: SEAL, with: With::Op("sealing together", "seal_batch") },
    Compared { words: "opening one by one", op: OPEN, with: With::Op("opening together", "open_batch") },
];

/// The kinds of frames: the mode, the name in rows, and the cipher's additional data in bytes.
const FRAMES: [(&str, &str, usize); 2] =
    [("safe", FRAME, FRAME_AAD), ("hardened", HARDENED_FRAME, HARDENED_FRAME_AAD)];

/// The exchanges, as rows name them.
const HANDSHAKES: [(&str, &str); 2] = [("PILA", "pila"), ("hello", "hello")];

/// The table of ratios and the one of handshakes, where either was measured.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let tables = section.bench.iter().flat_map(|run| [ratios(run), handshakes(run)]);
    tables.flatten().map(Block::new).collect()
}

/// One row for each comparison, length and engine, where both sides were measured.
fn ratios(run: &Run) -> Option<Table> {
    let columns = ["operation", "mode", "size", "engine", "ns", "compared with", "its ns", "ratio"];
    let mut table = Table::new("frames", "Frames of the tunnel: what each costs, and against what", columns);
    for text in [1, 3, 5] {
        table.columns[text].number = false;
    }
    for Compared { words, op, with } in &COMPARED {
        for (mode, frame, aad) in FRAMES {
            for row in run.rows.iter().filter(|row| row.op == *op && row.algorithm == frame && is_usual(row))
            {
                let is = |other: &Row| match *with {
                    With::Cipher => is_cipher(other, op, aad),
                    With::Op(_, with) => other.op == with && other.algorithm == frame && is_usual(other),
                };
                let alike = |other: &&Row| (other.bytes, &other.engine) == (row.bytes, &row.engine);
                let Some(other) = run.rows.iter().filter(alike).find(|other| is(other)) else { continue };
                let name = match with {
                    With::Cipher => "the bare cipher",
                    With::Op(name, _) => name,
                };
                let [ns, other_ns] = [row, other].map(|row| time(row).map(|ns| ns.median));
                let number = |x: Option<f64>| x.map_or_else(Cell::error, |x| Cell::new(three(x)));
                table.push(vec![
                    Cell::new(words),
                    Cell::new(mode),
                    Cell::new(size(row.bytes)),
                    Cell::new(&row.engine),
                    number(ns),
                    Cell::new(name),
                    number(other_ns),
                    number(ns.zip(other_ns).map(|(ns, other)| ns / other)),
                ]);
            }
        }
    }
    let note = "Both sides are of one length and one engine, and were measured in the same run.";
    (!table.rows.is_empty()).then(|| table.note(note))
}

/// One row for each exchange that was measured.
fn handshakes(run: &Run) -> Option<Table> {
    let mut table = Table::new("handshakes", "Handshakes of the tunnel", ["exchange", "µs", "a second"]);
    for (name, exchange) in HANDSHAKES {
        for row in run.rows.iter().filter(|row| row.op == "handshake" && row.algorithm == exchange) {
            let ns = time(row).map(|ns| ns.median);
            table.push(vec![
                Cell::new(name),
                ns.map_or_else(Cell::error, |ns| Cell::new(three(ns / 1e3))),
                ns.map_or_else(Cell::error, |ns| Cell::new(count((1e9 / ns) as u64))),
            ]);
        }
    }
    let note = "Both nodes' work on one core, registry and network in memory.";
    (!table.rows.is_empty()).then(|| table.note(note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn run() -> Run {
        let row = |op, of, ns: f64| sample::row(op, of, 1350, "ring", &[ns]);
        let mut cipher = row("seal", "aes-256-gcm", 100.0);
        cipher.workload += "/as-in-a-frame";
        let mut rows = vec![row("seal", "aes-256-gcm", 90.0), cipher, row("seal", "frame", 170.0)];
        rows.extend([row("seal_batch", "frame", 85.0), row("reject", "frame", 120.0)]);
        rows.extend([row("reject", "hardened-frame", 110.0), row("open", "hardened-frame", 220.0)]);
        rows.push(sample::row("handshake", "pila", 0, "sealmark", &[250_000.0]));
        Run { rows, ..sample::run() }
    }

    fn words(table: &Table) -> Vec<String> {
        let row = |row: &Vec<Cell>| row.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>().join(" | ");
        table.rows.iter().map(row).collect()
    }

    #[test]
    fn a_ratio_has_both_its_sides_from_one_engine_and_length() {
        let expected = [
            "sealing a frame | safe | 1,350 B | ring | 170 | the bare cipher | 100 | 1.70",
            "refusing a forged frame | hardened | 1,350 B | ring | 110 | opening one | 220 | 0.500",
            "sealing one by one | safe | 1,350 B | ring | 170 | sealing together | 85.0 | 2.00",
        ];
        assert_eq!(words(&ratios(&run()).unwrap()), expected);
        assert_eq!(words(&handshakes(&run()).unwrap()), ["PILA | 250 | 4,000"]);
    }

    #[test]
    fn an_error_on_either_side_is_shown_and_a_run_without_frames_has_no_table() {
        let mut run = run();
        run.rows[3].error = Some("wrong".into());
        let failed = "sealing one by one | safe | 1,350 B | ring | 170 | sealing together | error | error";
        assert_eq!(words(&ratios(&run).unwrap())[2], failed);
        run.rows.last_mut().unwrap().error = Some("wrong".into());
        assert_eq!(words(&handshakes(&run).unwrap()), ["PILA | error | error"]);
        assert!(ratios(&sample::run()).is_none() && handshakes(&sample::run()).is_none());
    }
}
