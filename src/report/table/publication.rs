//! What keeps a run that was made for publication from being published.

use crate::measure::Run;
use crate::measure::publication::judge;
use crate::report::block::{Block, Cell, Table};
use crate::report::section::Section;

/// Its one table, where a run was made for publication and may not be published.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(table).map(Block::new).collect()
}

/// Everything that speaks against it. A run that was not made for publication is not judged.
fn table(run: &Run) -> Option<Table> {
    run.until?;
    let objections = judge(run).err()?;
    let mut table = Table::new("publication", "Not for publication", ["reason"]);
    for objection in objections {
        table.push(vec![Cell::new(objection.to_string())]);
    }
    Some(table.note(
        "These results are no baseline: `sealmark run --for-publication` refused them for the reasons above.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Precision;
    use crate::report::sample;

    #[test]
    fn a_run_for_publication_that_was_refused_says_why_and_any_other_says_nothing() {
        let mut run = sample::run();
        assert!(table(&run).is_none());
        run.until = Some(Precision { within: 0.03, most: 30 });
        let found = table(&run).expect("three processes are too few");
        assert!(
            found.rows.iter().any(|row| row[0].text.contains("a baseline needs at least 12")),
            "{found:?}"
        );
    }
}
