//! One line for each engine: the cases that are right and wrong, and what the CPU executed. Below them, what
//! was verified without a cipher.

use super::cut;
use super::measured::short_name;
use crate::report::answer::{Answer, EngineAnswer, SHORT, Standing};
use crate::report::block::Cell;
use crate::report::format::columns::columns;
use crate::report::format::text::wrap;
use crate::report::number::{count, counted, plain};
use crate::report::rows::distinct;
use crate::report::section::Section;
use crate::report::table::risk;
use crate::report::tally;
use crate::verify::{PrimitiveReport, SchemeReport};

/// The engines, and the cases that use none.
pub(super) fn table(section: &Section, answer: &Answer, width: usize) -> String {
    if answer.engines.is_empty() {
        return String::new();
    }
    let verified = section.verify.is_some();
    let head: &[&str] =
        if verified { &["engine", "right", "wrong", "not run", "executed"] } else { &["engine", "executed"] };
    let mut rows = vec![head.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()];
    for engine in answer.engines.iter().filter(|engine| takes_part(section, engine)) {
        let mut row = vec![short_name(&engine.name, width)];
        if verified {
            row.extend(tally(&engine.standing));
        }
        row.push(last(engine));
        rows.push(row);
    }
    if let Some(cases) = answer.without_engine {
        let [right, wrong] = [cases.ran - cases.wrong, cases.wrong].map(count);
        rows.push(vec!["(no engine)".into(), right, wrong, count(0), "cases that use no cipher".into()]);
    }
    let end = head.len() - 1;
    if rows.iter().any(|row| row[end].contains(SHORT)) {
        rows[0][end] += " (short: under 1 KiB)";
    }
    // The last column takes what the others leave.
    let before: usize =
        (0..end).map(|i| 2 + rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).sum();
    for row in &mut rows {
        row[end] = cut(&row[end], width.saturating_sub(before).max(16)).join("\n");
    }
    columns(&rows, &(1..end).collect::<Vec<_>>())
}

/// Whether an engine has anything to say: not where the cases that were asked for use no engine at all.
fn takes_part(section: &Section, engine: &EngineAnswer) -> bool {
    let Some(report) = &section.verify else { return true };
    section.bench.is_some()
        || !tally::engines(report).is_empty()
        || matches!(engine.standing, Standing::Wrong { .. })
}

/// Right, wrong and not run.
fn tally(standing: &Standing) -> [String; 3] {
    let none = || "–".to_owned();
    match standing {
        Standing::Right { cases, unsupported } => [count(*cases), count(0), count(*unsupported)],
        Standing::Wrong { cases, unsupported, .. } => {
            let wrong = if cases.wrong > 0 { count(cases.wrong) } else { "FAILED".to_owned() };
            [count(cases.ran - cases.wrong), wrong, count(*unsupported)]
        }
        Standing::Unverified | Standing::Absent { .. } => [none(), none(), none()],
    }
}

/// What the CPU executed, or why that is not known.
fn last(engine: &EngineAnswer) -> String {
    let executed = match (&engine.standing, &engine.executed) {
        (Standing::Absent { why }, _) => return format!("does not run here: {why}"),
        (_, Ok(executed)) => executed.clone(),
        // The reason is among what is uncertain.
        (_, Err(_)) => "not traced".to_owned(),
    };
    match engine.failed_rows {
        0 => executed,
        n => format!("{executed}; no time in {}", counted(n as u64, "measurement")),
    }
}

/// Schemes and primitives, what the schemes risk, and the files of a folder.
pub(super) fn rest(section: &Section, width: usize) -> String {
    let Some(report) = &section.verify else { return String::new() };
    if !report.primitives.is_empty() && tally::engines(report).is_empty() {
        return files(section, width) + &primitives(&report.primitives);
    }
    let names = [schemes(&report.schemes), several(&report.primitives)].into_iter().flatten();
    let names = names.collect::<Vec<_>>().join(" ");
    let lines = std::iter::once(names).filter(|words| !words.is_empty()).chain(risks(&report.schemes));
    files(section, width) + &lines.map(|words| wrap(&words, width)).collect::<String>()
}

/// The schemes, and how many faults they are blind to together. Modes of one scheme name it once.
fn schemes(all: &[SchemeReport]) -> Option<String> {
    let mut names = String::new();
    let mut last = "";
    for scheme in all {
        let (family, mode) = scheme.name.split_at(scheme.name.find('/').unwrap_or(0));
        names += &if !family.is_empty() && family == last {
            format!(" {mode}")
        } else {
            format!(", {}", scheme.name)
        };
        last = family;
    }
    let blind = match all.iter().map(|scheme| scheme.blind.len() as u64).sum() {
        0 => String::new(),
        faults => format!("; blind to {}", counted(faults, "fault")),
    };
    names.strip_prefix(", ").map(|names| plain(&format!("Schemes: {names}{blind}.")))
}

/// The primitives beside engines, in one sentence.
fn several(all: &[PrimitiveReport]) -> Option<String> {
    let (right, wrong) = all.iter().fold((0, 0), |sum, row| (sum.0 + row.agree, sum.1 + row.wrong));
    let words = match wrong {
        0 => format!("Primitives: all {} right.", count(right)),
        wrong => format!("Primitives: {} right, {} wrong.", count(right), count(wrong)),
    };
    (!all.is_empty()).then_some(words)
}

/// Each risk, with the schemes that have it. Those that share one are one line.
fn risks(schemes: &[SchemeReport]) -> Vec<String> {
    let all = schemes.iter().flat_map(|scheme| &scheme.risks).map(risk::sentence);
    let of = |words: &String| {
        let has = |scheme: &&SchemeReport| scheme.risks.iter().any(|risk| risk::sentence(risk) == *words);
        schemes.iter().filter(has).map(|scheme| scheme.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    distinct(all).iter().map(|words| plain(&format!("Risk of {}: {words}.", of(words)))).collect()
}

/// The primitives, a line for each set.
fn primitives(all: &[PrimitiveReport]) -> String {
    let head = ["primitive", "kind", "crate", "set", "right", "wrong"].map(str::to_owned);
    let row = |row: &PrimitiveReport| {
        let words = [&row.primitive, &row.kind, &row.krate, &row.set].map(|word| plain(word));
        [&words[..], &[count(row.agree), count(row.wrong)]].concat()
    };
    let rows: Vec<Vec<String>> = std::iter::once(head.to_vec()).chain(all.iter().map(row)).collect();
    columns(&rows, &[4, 5])
}

/// Files of a folder that are named; the rest are counted.
const MAX_FILES: usize = 10;

/// The files of the folder that was verified, in the words of their table.
fn files(section: &Section, width: usize) -> String {
    let Some(table) = section.tables().into_iter().find(|table| table.id == "files") else {
        return String::new();
    };
    let words = |row: &Vec<Cell>| row.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
    let shown: Vec<Vec<String>> = table.rows.iter().take(MAX_FILES).map(words).collect();
    let drawn = columns(&shown, &[]);
    let fits = drawn.lines().all(|line| line.chars().count() <= width);
    let mut out = if fits {
        drawn
    } else {
        shown.iter().map(|row| wrap(&format!("{}: {}, {}", row[0], row[1], row[2]), width)).collect()
    };
    if table.rows.len() > MAX_FILES {
        out += &format!("and {} more: --full names each\n", count((table.rows.len() - MAX_FILES) as u64));
    }
    out
}
