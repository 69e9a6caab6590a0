//! All cores against one core: the speedup, and its share of the number of threads.

use crate::measure::{Estimate, Row, Run};
use crate::report::block::{Block, Cell, Table};
use crate::report::number::{count, size, three};
use crate::report::rows::{PARALLEL, is_usual, operation, time};
use crate::report::section::Section;

/// Its one table, where a workload was measured on all cores.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(table).map(Block::new).collect()
}

/// One row for each workload on all cores, with its single-core twin where that was measured too.
fn table(run: &Run) -> Option<Table> {
    let columns =
        ["workload", "engine", "threads", "one core, GB/s", "all cores, GB/s", "speedup", "efficiency"];
    let mut table = Table::new("cores", "All cores against one", columns);
    table.columns[1].number = false;
    let twin = |row: &Row| PARALLEL.iter().find(|(all, _)| *all == row.op).map(|(_, one)| *one);
    for (row, op) in run.rows.iter().filter_map(|row| Some((row, twin(row)?))) {
        let like =
            |one: &&Row| (one.bytes, &one.algorithm, &one.engine) == (row.bytes, &row.algorithm, &row.engine);
        let one = run.rows.iter().filter(|one| one.op == op && is_usual(one)).find(like);
        let (all_ns, one_ns) = (time(row), one.and_then(time));
        // An error where there is a row without a time; nothing where the single-core twin was not measured.
        let lack = || if time(row).is_none() || one.is_some() { Cell::error() } else { Cell::none() };
        let speed = |ns: Option<Estimate>, lack: Cell| {
            ns.map_or(lack, |ns| Cell::new(three(row.bytes as f64 / ns.median)))
        };
        // Older files do not record threads; they used one per core.
        let threads = row.threads.map_or(run.host.cores as u64, u64::from).max(1);
        let times = all_ns.zip(one_ns).map(|(all, one)| one.median / all.median);
        let one_lack = if one.is_some() { Cell::error() } else { Cell::none() };
        table.push(vec![
            Cell::new(format!("{} {}, {}", operation(op), row.algorithm, size(row.bytes))),
            Cell::new(&row.engine),
            Cell::new(count(threads)),
            speed(one_ns, one_lack),
            speed(all_ns, Cell::error()),
            times.map_or_else(lack, |times| Cell::new(three(times))),
            times.map_or_else(lack, |times| Cell::new(format!("{:.0} %", 100.0 * times / threads as f64))),
        ]);
    }
    (!table.rows.is_empty()).then(|| {
        table.note(
            "Efficiency is the speedup divided by the threads. Two cores may be hyper-threads of one, and \
             the clock may drop when all of them work.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn efficiency_is_the_speedup_over_the_threads() {
        let mut run = sample::run();
        assert!(table(&run).is_none());
        run.host.cores = 4;
        run.rows.push(sample::row("parallel/seal", "aes-256-gcm", 1024, "ring", &[100.0]));
        let one =
            run.rows.iter_mut().find(|row| row.workload == "seal/aes-256-gcm/1024" && row.engine == "ring");
        one.unwrap().ns = Some(Estimate { median: 300.0, low: 300.0, high: 300.0 });
        let found = table(&run).unwrap();
        let words: Vec<_> = found.rows[0].iter().skip(5).map(|cell| cell.text.as_str()).collect();
        assert_eq!(words, ["3.00", "75 %"]);
        let all = run.rows.len() - 1;
        run.rows[all].threads = Some(3);
        let found = table(&run).unwrap();
        assert_eq!((found.rows[0][2].text.as_str(), found.rows[0][6].text.as_str()), ("3", "100 %"));
        let row = |run: &Run| {
            let found = table(run).expect("the row stays");
            found.rows[0].iter().skip(3).map(|cell| cell.text.clone()).collect::<Vec<_>>()
        };
        run.rows[all].error = Some("wrong".into());
        assert_eq!(row(&run)[1..], ["error", "error", "error"]);
        run.rows[all].error = None;
        run.rows.retain(|row| row.workload != "seal/aes-256-gcm/1024");
        assert_eq!(row(&run), ["–", "10.2", "–", "–"], "its twin was not measured");
    }
}
