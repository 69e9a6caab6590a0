//! The map in words and tables.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::{Figure, Strips, words};
use crate::report::number::{count, counted, plain, three};
use crate::verify::log_faults::{Aim, Coverage, Evidence, FILES, FileMap, Map, Refused, Verdict};

/// The answer, the log lines of what is wrong, and the coverage last.
pub(super) fn sentences(map: &Map) -> Vec<String> {
    let mut all: Vec<String> = wrong(map).collect();
    all.push(answer(map));
    all.push(coverage(map));
    all
}

/// What happened, in one sentence.
pub(super) fn answer(map: &Map) -> String {
    let count_of = |verdict| count(map.count(verdict));
    let damaged: Vec<&FileMap> = map.files.iter().filter(|file| file.integrity_code != "OK").collect();
    let damaged = match damaged[..] {
        [] => String::new(),
        [only] => format!("{} is damaged as it is: {}. ", only.file, only.integrity_code),
        [first, ..] => format!(
            "{} are damaged as they are, {} among them: {}. ",
            counted(damaged.len() as u64, "file"),
            first.file,
            first.integrity_code
        ),
    };
    let refused = map.refused_although_files_are_well().map(|refused| {
        let code = &refused.integrity_code;
        format!("The engine refuses the log as it is: {code}{}. ", place(refused))
    });
    let damaged = damaged + &refused.unwrap_or_default();
    let unexplained: u64 = map.evidence.iter().filter(|one| !one.pass).map(|one| one.count).sum();
    let end = match unexplained {
        0 => "each for a reason that the format gives".to_owned(),
        some => format!("{} of them for no known reason", count(some)),
    };
    plain(&format!(
        "{damaged}{}: {} refused, {} without effect, {} refused late and {} not seen, {end}.",
        counted(map.trials, "alteration"),
        count_of(Verdict::Detected),
        count_of(Verdict::Harmless),
        count_of(Verdict::Late),
        count_of(Verdict::Undetected),
    ))
}

/// ` at 3 in sealmark.history`.
fn place(refused: &Refused) -> String {
    let index = refused.record_index.map(|index| format!(" at {index}"));
    let file = refused.file.as_ref().map(|file| format!(" in {file}"));
    index.unwrap_or_default() + &file.unwrap_or_default()
}

/// The log line of a log that the engine refuses although each of its files is well.
pub(super) fn refusal(refused: &Refused) -> String {
    let index = refused.record_index.map_or_else(|| "-".to_owned(), |index| index.to_string());
    let (code, why) = (&refused.integrity_code, &refused.message);
    let file = refused.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
    let words = format!("the engine refuses the log as it is: {file}{why}");
    format!("integrity_code={code} record_index={index} message=\"{words}\"")
}

/// The log line of each damaged file, of a log that the engine refuses, and of each finding without a reason.
pub(super) fn wrong(map: &Map) -> impl Iterator<Item = String> {
    let damaged = map.files.iter().filter(|file| file.integrity_code != "OK").map(|file| {
        let index = file.record_index.map_or_else(|| "-".to_owned(), |index| index.to_string());
        let code = &file.integrity_code;
        format!("integrity_code={code} record_index={index} message=\"{} is damaged as it is\"", file.file)
    });
    let unexplained = map.evidence.iter().filter(|one| !one.pass).map(Map::log_line);
    let refused = map.refused_although_files_are_well().map(refusal);
    damaged.chain(refused).chain(unexplained).map(|line| plain(&line))
}

/// How much was tried.
pub(super) fn coverage(map: &Map) -> String {
    let aims = Aim::ALL.map(Aim::name).into_iter().chain([FILES]);
    let parts = aims.filter_map(|aim| match map.coverage(aim) {
        (_, 0) => None,
        (tried, of) => Some(format!("{aim} {}", share(tried, of))),
    });
    let parts: Vec<String> = parts.collect();
    // Files as wholes are left out, or nothing is.
    let in_time = aims_left(map).all(|aim| aim == FILES);
    let end = match &map.left_out[..] {
        [] if map.complete => "complete".to_owned(),
        [] => "not complete: a larger --budget tries more".to_owned(),
        left_out if in_time => format!("not complete: left out {}", left_out.join(", ")),
        left_out => format!("not complete: a larger --budget tries more, but not {}", left_out.join(", ")),
    };
    format!("Tried in {} s: {}; {end}.", three(map.seconds), parts.join(", "))
}

/// The aims of which not everything was tried.
fn aims_left(map: &Map) -> impl Iterator<Item = &str> {
    let all = map.files.iter().flat_map(|file| &file.coverage);
    all.filter(|found| found.tried < found.of).map(|found| found.aim.as_str())
}

/// `12 of 40 (30.0 %)`, or `all 40`.
fn share(tried: u64, of: u64) -> String {
    if tried >= of {
        return format!("all {}", count(of));
    }
    let percent = 100.0 * tried as f64 / of as f64;
    format!("{} of {} ({} %)", count(tried), count(of), three(percent))
}

/// The tables: the files with the picture, what was not refused, what was.
pub(super) fn blocks(map: &Map) -> Vec<Block<'static>> {
    let strips = Figure::Map(Strips { files: map.files.clone() });
    let mut blocks = vec![Block::new(files(map)).figure(strips)];
    let not_refused: Vec<&Evidence> =
        map.evidence.iter().filter(|one| one.verdict != Verdict::Detected).collect();
    if !not_refused.is_empty() {
        blocks.push(Block::new(unseen(map, &not_refused)));
    }
    blocks.push(Block::new(refused(map)).folded());
    blocks
}

fn files(map: &Map) -> Table {
    let columns =
        ["file", "bytes", "parts", "as it is", "structure", "units", "payload", "other bits", "whole file"];
    let mut table = Table::new("files", "Files", columns).note(
        "Alterations tried: of the structure and of the payload, one bit of each byte; of units, \
               as wholes; then the other seven bits of all bytes.",
    );
    for file in &map.files {
        let well = file.integrity_code == "OK";
        let code = match file.record_index {
            Some(index) => format!("{} at {index}", file.integrity_code),
            None => file.integrity_code.clone(),
        };
        let of = |aim: &str| {
            let found: Option<&Coverage> = file.coverage.iter().find(|found| found.aim == aim);
            match found.filter(|found| found.of > 0) {
                Some(found) => Cell::new(share(found.tried, found.of)),
                None => Cell::none(),
            }
        };
        table.push(vec![
            Cell::new(&file.file),
            Cell::new(count(file.bytes)),
            Cell::new(count(file.units)),
            Cell::new(code).mark(if well { Mark::Right } else { Mark::Bad }),
            of(Aim::Structure.name()),
            of(Aim::Units.name()),
            of(Aim::Payload.name()),
            of(Aim::OtherBits.name()),
            of(FILES),
        ]);
    }
    table
}

/// What alike findings have in common: whether they pass, the verdict, the reason, the kind of file, the
/// alteration and the part.
type Alike<'a> = (bool, Reverse<Verdict>, &'a str, &'a str, &'a str, &'a str);

/// What was not refused in time, alike ones of several files together.
fn unseen(map: &Map, evidence: &[&Evidence]) -> Table {
    let mut groups: BTreeMap<Alike<'_>, (u64, &str)> = BTreeMap::new();
    for one in evidence {
        let file = map.files.iter().find(|file| file.file == one.file);
        let kind = file.map_or("", |file| file.kind.as_str());
        let reason = one.reason.as_deref().unwrap_or("what the reader gives is the same");
        let key = (one.pass, Reverse(one.verdict), reason, kind, &*one.fault, &*one.part);
        let group = groups.entry(key).or_insert((0, &one.file));
        group.0 += one.count;
    }
    let columns = ["alteration", "count", "for example in", "result", "reason"];
    let mut table = Table::new("not-refused", "What was not refused in time", columns).words();
    for ((pass, verdict, reason, kind, fault, part), (number, file)) in groups {
        let mark = match (pass, verdict.0) {
            (false, _) => Mark::Bad,
            (true, Verdict::Harmless) => Mark::Quiet,
            (true, _) => Mark::Plain,
        };
        table.push(vec![
            Cell::new(format!("{fault}: {part} of a {kind}")),
            Cell::new(count(number)),
            Cell::new(file),
            Cell::new(words(verdict.0)).mark(mark),
            Cell::new(reason),
        ]);
    }
    table
}

/// What was refused: how often each alteration met each code.
fn refused(map: &Map) -> Table {
    let detected = || map.evidence.iter().filter(|one| one.verdict == Verdict::Detected);
    let mut codes: Vec<&str> = detected().map(|one| &*one.integrity_code).collect();
    codes.sort_unstable();
    codes.dedup();
    let mut rows: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for one in detected() {
        let file = map.files.iter().find(|file| file.file == one.file);
        let kind = file.map_or("", |file| file.kind.as_str());
        *rows.entry((kind, &one.fault)).or_default().entry(&one.integrity_code).or_default() += one.count;
    }
    let columns = ["alteration"].into_iter().chain(codes.iter().copied());
    let mut table = Table::new("refused", "What was refused, and as what", columns);
    for ((kind, fault), counts) in rows {
        let mut row = vec![Cell::new(format!("{fault} in a {kind}"))];
        row.extend(codes.iter().map(|code| match counts.get(code) {
            Some(number) => Cell::new(count(*number)),
            None => Cell::none(),
        }));
        table.push(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::log_faults::sample;

    #[test]
    fn the_answer_counts_every_verdict_and_what_has_no_reason() {
        let map = sample::map();
        let counts = Verdict::ALL.map(|verdict| map.count(verdict));
        assert_eq!(counts.iter().sum::<u64>(), map.trials);
        let words = answer(&map);
        assert!(words.contains("2 of them for no known reason"), "{words}");
        assert!(words.starts_with("sst/7.sst is damaged as it is: CHECKSUM_MISMATCH."), "{words}");
        let lines: Vec<String> = wrong(&map).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("integrity_code=CHECKSUM_MISMATCH record_index=4"), "{}", lines[0]);
    }

    #[test]
    fn a_finding_without_a_reason_is_marked_and_stands_first() {
        let blocks = blocks(&sample::map());
        let table = &blocks[1].table;
        assert_eq!(table.rows[0][3].mark, Mark::Bad);
        assert!(table.rows[1..].iter().all(|row| row[3].mark != Mark::Bad));
        assert!(blocks[0].figure.is_some() && blocks[0].table.has(Mark::Bad));
    }

    #[test]
    fn coverage_is_stated_even_where_nothing_was_tried() {
        let mut map = sample::map();
        map.complete = false;
        let words = coverage(&map);
        assert!(words.contains("structure all 40") && words.contains("payload 3 of 20 (15.0 %)"), "{words}");
        assert!(words.contains("not complete"), "{words}");
    }

    #[test]
    fn a_log_that_only_the_engine_refuses_is_named_with_its_code_place_and_file() {
        let map = sample::refused();
        let words = answer(&map);
        let start = "The engine refuses the log as it is: CHECKSUM_MISMATCH at 0 in sealmark.<i>history. ";
        assert!(words.starts_with(start), "{words}");
        let lines: Vec<String> = wrong(&map).collect();
        assert!(
            lines[0].starts_with("integrity_code=CHECKSUM_MISMATCH record_index=0 message="),
            "{lines:?}"
        );
        assert!(lines[0].ends_with("sealmark.<i>history: its checksum does not match\""), "{lines:?}");
        let words = coverage(&map);
        assert!(
            words.ends_with(
                "payload 3 of 20 (15.0 %), files 0 of 2 (0 %); not complete: a larger \
                                 --budget tries more, but not files as wholes, for a reason."
            ),
            "{words}"
        );
        // A damaged file that explains the refusal is named once.
        let mut explained = sample::map();
        explained.refused =
            map.refused.clone().map(|refused| Refused { file: Some("sst/7.sst".into()), ..refused });
        assert_eq!(wrong(&explained).count(), wrong(&sample::map()).count());
    }

    #[test]
    fn what_no_budget_tries_is_stated_alone_if_all_else_was_tried() {
        let mut map = sample::refused();
        map.files[0].coverage[1].tried = 20;
        let words = coverage(&map);
        assert!(words.ends_with("; not complete: left out files as wholes, for a reason."), "{words}");
    }
}
