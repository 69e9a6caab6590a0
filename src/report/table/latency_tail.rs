//! Latency percentiles of single operations: p50, p99 and p99.9.

use crate::measure::{Estimate, Run, Tails};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::number::three;
use crate::report::rows::{interval, time};
use crate::report::section::Section;

/// Its one table, where operations were timed one by one.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(table).map(|table| Block::new(table).folded()).collect()
}

/// One row for each workload and engine whose operations were timed one by one.
fn table(run: &Run) -> Option<Table> {
    let columns = ["workload", "engine", "p50", "p99", "p99.9", "p99.9 / p50"];
    let mut table = Table::new("tails", "Percentiles of single operations: nanoseconds", columns);
    table.columns[1].number = false;
    // A row with an error has no tails; the other engines' rows tell that its workload asks for them.
    let asks = |workload: &str| run.rows.iter().any(|row| row.workload == workload && row.tails.is_some());
    for row in run.rows.iter().filter(|row| asks(&row.workload)) {
        let mut cells = vec![Cell::new(&row.workload), Cell::new(&row.engine)];
        match row.tails.filter(|_| time(row).is_some()) {
            None if time(row).is_none() => cells.extend([0; 4].map(|_| Cell::error())),
            None => cells.extend([0; 4].map(|_| Cell::none())),
            Some(Tails::BelowTheClock) => {
                cells.extend([0; 4].map(|_| Cell::new("below the clock").mark(Mark::Quiet)));
            }
            Some(Tails::Ns { p50, p99, p999 }) => {
                let cell = |e: Estimate| Cell::new(three(e.median)).detail(interval(run, row, e.low, e.high));
                cells.extend([p50, p99, p999].map(cell));
                cells.push(Cell::new(three(p999.median / p50.median)));
            }
        }
        table.push(cells);
    }
    (!table.rows.is_empty()).then(|| {
        table.note(
            "Each operation timed alone, interruptions of the machine included: the median over processes, \
             with the least and the greatest. Below the clock: too short for the clock's resolution.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn tails_are_listed_and_one_below_the_clock_says_so() {
        let mut run = sample::run();
        assert!(table(&run).is_none());
        let of = |median| Estimate { median, low: median, high: median };
        run.rows[0].tails = Some(Tails::Ns { p50: of(1000.0), p99: of(1500.0), p999: of(4000.0) });
        run.rows[1].tails = Some(Tails::BelowTheClock);
        let found = table(&run).unwrap();
        let words: Vec<_> = found.rows[0].iter().skip(2).map(|cell| cell.text.as_str()).collect();
        assert_eq!(words, ["1,000", "1,500", "4,000", "4.00"]);
        assert_eq!(found.rows[1][2].text, "below the clock");
        assert_eq!(found.rows.len(), sample::ENGINES.len(), "the workload asks for them, whoever has them");
        assert_eq!(found.rows[2][2], Cell::none());
        run.rows[2].error = Some("wrong".into());
        assert_eq!(table(&run).unwrap().rows[2][2..], [0; 4].map(|_| Cell::error()));
    }
}
