//! The instructions that each engine really executed.

use crate::aead::Alg;
use crate::engine::witness::Length;
use crate::report::answer::{Found, found};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::rows::{distinct, widths};
use crate::report::section::Section;
use crate::trace::Witness;

/// Its one table, where a file has witnesses.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    table(section).into_iter().map(|table| Block::new(table).folded()).collect()
}

/// One row for each engine and length, or more where key sizes differ; `None` where no file has witnesses.
fn table(section: &Section) -> Option<Table> {
    let columns = ["engine", "messages", "key sizes", "AES", "multiplies", "function with most of the AES"];
    let mut table = Table::new("witnesses", "What was executed", columns).words().note(
        "The widest registers of the AES instructions and carry-less multiplies of one seal, single-stepped \
         in a process of its own.",
    );
    let found = found(section);
    // Where nothing could be traced, the reason is the system's and stands in one row.
    if let [Some(why)] = distinct(found.iter().map(|f| f.3.err()))[..] {
        let none = || Cell::new("–").mark(Mark::Quiet);
        let why = Cell::new(format!("not traced: {why}")).mark(Mark::Quiet);
        table.push(vec![Cell::new("every engine"), none(), none(), none(), none(), why]);
        return Some(table);
    }
    let words = |witness: Result<&Witness, &str>| witness.map_or(["–"; 2], widths);
    let alike = |a: &Found<'_>, b: &Found<'_>| (a.0, a.2) == (b.0, b.2) && words(a.3) == words(b.3);
    for (i, &(engine, _, length, witness)) in found.iter().enumerate() {
        if found[..i].iter().any(|before| alike(before, &found[i])) {
            continue;
        }
        let same = || found.iter().filter(|other| alike(other, &found[i]));
        let keys: Vec<_> = same().map(|(_, algorithm, ..)| bits(algorithm)).collect();
        let symbols = distinct(same().filter_map(|f| Some(f.3.ok()?.aes.as_ref()?.symbol.as_str())));
        let [aes, multiply] = words(witness).map(|word| match word {
            "none" | "–" => Cell::new(word).mark(Mark::Quiet),
            word => Cell::new(word),
        });
        let place = match witness {
            Ok(_) if symbols.is_empty() => Cell::none(),
            Ok(_) => Cell::new(symbols.join(", ")),
            Err(why) => Cell::new(format!("not traced: {why}")).mark(Mark::Quiet),
        };
        let length = match length {
            Length::Short => "under 1 KiB",
            Length::Long => "1 KiB and more",
        };
        table.push(vec![
            Cell::new(engine),
            Cell::new(length),
            Cell::new(keys.join(", ")),
            aes,
            multiply,
            place,
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// The key size of an algorithm in bits.
fn bits(algorithm: &str) -> String {
    Alg::from_name(algorithm).map_or_else(|| algorithm.to_owned(), |alg| (alg.key_len() * 8).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Witnesses;
    use crate::measure::Row;
    use crate::report::sample;
    use crate::trace::{Seen, Width};

    fn seen(width: Width) -> Witness {
        Witness { aes: Some(Seen { width: Some(width), symbol: "kernel".into(), count: 1 }), multiply: None }
    }

    fn drawn(section: &Section) -> Vec<Vec<String>> {
        let table = table(section).unwrap();
        table.rows.iter().map(|row| row.iter().map(|cell| cell.text.clone()).collect()).collect()
    }

    #[test]
    fn rows_of_a_measurement_are_put_together_by_engine_and_length() {
        let mut run = sample::run();
        run.rows.clear();
        for (bytes, width) in [(16, Width::Xmm), (64, Width::Xmm), (1024, Width::Zmm), (4096, Width::Zmm)] {
            let row = sample::row("seal", "aes-256-gcm", bytes, "ring", &[1.0]);
            run.rows.push(Row { witness: Some(seen(width)), no_witness: None, ..row });
        }
        let row = sample::row("seal", "aes-256-gcm", 16, "aws-lc", &[1.0]);
        run.rows.push(Row { no_witness: Some("forbidden".into()), ..row });
        let mut section = Section { host: sample::host(), verify: None, bench: Some(run) };
        assert_eq!(
            drawn(&section),
            [
                ["ring", "under 1 KiB", "256", "xmm", "none", "kernel"],
                ["ring", "1 KiB and more", "256", "zmm", "none", "kernel"],
                ["aws-lc", "under 1 KiB", "256", "–", "–", "not traced: forbidden"],
            ]
        );
        let run = section.bench.as_mut().unwrap();
        for row in &mut run.rows {
            (row.witness, row.no_witness) = (None, Some("forbidden".into()));
        }
        assert_eq!(drawn(&section), [["every engine", "–", "–", "–", "–", "not traced: forbidden"]]);
        section.bench = Some(sample::run());
        assert_eq!(table(&section), None, "a file from before there were witnesses");
    }

    #[test]
    fn key_sizes_of_a_verification_share_a_row_where_they_agree() {
        let mut witnesses = Witnesses::default();
        for (alg, width) in Alg::ALL.into_iter().zip([Width::Ymm, Width::Zmm, Width::Zmm]) {
            witnesses.keep("ring", alg, Length::Long, Ok(seen(width)));
        }
        let mut report = sample::report();
        report.engines[3].witnesses = witnesses.of("ring").to_vec();
        let section = Section { host: sample::host(), verify: Some(report), bench: None };
        assert_eq!(
            drawn(&section),
            [
                ["ring", "1 KiB and more", "128", "ymm", "none", "kernel"],
                ["ring", "1 KiB and more", "192, 256", "zmm", "none", "kernel"],
            ]
        );
    }
}
