//! The engines: their versions, what steered them, and why some took no part.

use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::section::Section;

/// Its one table, where a file lists engines.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let table = table(section);
    if table.rows.is_empty() { Vec::new() } else { vec![Block::new(table)] }
}

/// Every engine of both files, its version and whether it took part.
fn table(section: &Section) -> Table {
    let verified = section.verify.iter().flat_map(|report| &report.engines);
    let measured = section.bench.iter().flat_map(|run| &run.engines);
    let known: Vec<_> = verified
        .map(|engine| (&engine.name, &engine.version, &engine.environment))
        .chain(measured.map(|engine| (&engine.name, &engine.version, &engine.environment)))
        .collect();
    let absent = section.absent();
    let mut table = Table::new("engines", "Engines", ["engine", "version", "on this CPU"]).words();
    for name in section.engines() {
        let found = known.iter().find(|(engine, ..)| *engine == name);
        let version = found.map_or("", |(_, version, _)| version);
        let variables = found.map_or(&[][..], |(.., environment)| environment);
        let state = match absent.iter().find(|(engine, _)| engine == name) {
            Some((_, why)) => Cell::new(format!("not available: {why}")).mark(Mark::Quiet),
            None if variables.is_empty() => Cell::new("available"),
            None => {
                let set: Vec<_> = variables.iter().map(|v| format!("{}={}", v.name, v.value)).collect();
                Cell::new(format!("available, with {}", set.join(" ")))
            }
        };
        table.push(vec![Cell::new(name), Cell::new(version), state]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn an_engine_that_took_no_part_is_listed_with_the_reason() {
        let (verify, run) = (sample::report(), sample::run());
        let mut section = Section { host: sample::host(), verify: Some(verify), bench: Some(run) };
        let all = table(&section);
        assert_eq!(all.rows.len(), sample::ENGINES.len() + 1);
        assert_eq!(all.rows[6][2].text, "not available: this CPU lacks avx512f");
        (section.verify, section.bench) = (None, None);
        assert!(blocks(&section).is_empty());
    }
}
