//! The engines: whether each is right here, what the CPU executed for it, and why some took no part.

use crate::report::answer::{EngineAnswer, Standing};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::number::count;
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
    let columns = ["engine", "version", "on this CPU", "cases", "executed"];
    let mut table = Table::new("engines", "Engines", columns)
        .words()
        .note("Executed: the widest AES and carry-less multiply instructions of one seal, single-stepped.");
    for (name, answer) in section.engines().into_iter().zip(section.answer().engines) {
        let found = known.iter().find(|(engine, ..)| *engine == name);
        let version = found.map_or("", |(_, version, _)| version);
        let variables = found.map_or(&[][..], |(.., environment)| environment);
        let state = match &answer.standing {
            Standing::Absent { why } => Cell::new(format!("not available: {why}")).mark(Mark::Quiet),
            _ if variables.is_empty() => Cell::new("available"),
            _ => {
                let set: Vec<_> = variables.iter().map(|v| format!("{}={}", v.name, v.value)).collect();
                Cell::new(format!("available, with {}", set.join(" ")))
            }
        };
        table.push(vec![Cell::new(name), Cell::new(version), state, cases(&answer), executed(&answer)]);
    }
    table
}

/// How its verification went.
fn cases(answer: &EngineAnswer) -> Cell {
    match &answer.standing {
        Standing::Right { cases, .. } => Cell::new(format!("{} right", count(*cases))).mark(Mark::Right),
        Standing::Wrong { cases, .. } if cases.wrong > 0 => {
            Cell::new(format!("{} of {} wrong", count(cases.wrong), count(cases.ran))).mark(Mark::Bad)
        }
        Standing::Wrong { .. } => Cell::new("failed").mark(Mark::Bad),
        Standing::Unverified => Cell::new("not verified").mark(Mark::Quiet),
        Standing::Absent { .. } => Cell::none(),
    }
}

/// What the CPU executed for it.
fn executed(answer: &EngineAnswer) -> Cell {
    match &answer.executed {
        Ok(words) if words.is_empty() => Cell::none(),
        Ok(words) => Cell::new(words),
        Err(why) => Cell::new(format!("unknown: {why}")).mark(Mark::Quiet),
    }
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
        let cases: Vec<_> = all.rows.iter().map(|row| row[3].text.as_str()).collect();
        assert_eq!(cases[3..], ["16,264 right", "23,947 right", "1 of 16,252 wrong", "–"]);
        assert_eq!((all.rows[3][3].mark, all.rows[5][3].mark), (Mark::Right, Mark::Bad));
        section.verify = None;
        assert_eq!(table(&section).rows[3][3].text, "not verified");
        (section.verify, section.bench) = (None, None);
        assert!(blocks(&section).is_empty());
    }
}
