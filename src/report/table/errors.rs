//! Measurements without a time, and why: every other table shows such a row as an error.

use crate::measure::Run;
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::number::counted;
use crate::report::rows::{NO_TIME, time};
use crate::report::section::Section;

/// Its one table, if any row has no time.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(table).map(Block::new).collect()
}

/// Rows without a time, and why.
fn table(run: &Run) -> Option<Table> {
    let mut table =
        Table::new("errors", "Measurements without a time", ["workload", "engine", "why"]).words();
    for row in run.rows.iter().filter(|row| time(row).is_none()) {
        let why = row.error.as_deref().unwrap_or(NO_TIME);
        table.push(vec![Cell::new(&row.workload), Cell::new(&row.engine), Cell::new(why).mark(Mark::Bad)]);
    }
    let found = table.rows.len() as u64;
    let note = format!("{}. An engine with a wrong result gets no time.", counted(found, "measurement"));
    (found > 0).then(|| table.note(&note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_row_with_an_error_is_here_even_when_the_file_gives_it_a_time() {
        let rows = [1000, 2000].map(|bytes| sample::row("seal", "a", bytes, "ring", &[100.0]));
        let mut run = Run { rows: rows.into(), ..sample::run() };
        assert!(table(&run).is_none());
        run.rows[0].error = Some("wrong tag".into());
        run.rows[1].ns = None;
        let found = table(&run).unwrap();
        let why: Vec<_> = found.rows.iter().map(|row| row[2].text.as_str()).collect();
        assert_eq!(why, ["wrong tag", NO_TIME]);
    }
}
