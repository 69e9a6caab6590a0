//! Markdown and CSV: a table for people who read pages, and every row for programs.
//!
//! Markdown follows the tables of GitHub Flavored Markdown; CSV follows RFC 4180 with a header line. CSV holds
//! the numbers as the result files give them, unrounded. Words from a file are escaped, and one that a
//! spreadsheet would take for a formula is written with an apostrophe before it.

use crate::measure::{Row, Tails, warnings};
use crate::report::block::{Cell, Mark, Table};
use crate::report::finding::Kind;
use crate::report::number::plain;
use crate::report::rows::{NO_TIME, replicas, time};
use crate::report::table::witness;
use crate::report::{Report, Section, compare, summary};
use crate::timing::interval;

/// Draws a whole report as Markdown.
pub(in crate::report) fn report(report: &Report) -> String {
    let sections = report.sections();
    let mut out = format!("# Sealmark report\n\n{}\n", escape(&report.sentence()));
    let compared = compare::compare(sections);
    for words in summary::changes(sections).iter().chain(&compared.refused) {
        out += &format!("\n{}\n", escape(words));
    }
    for table in &compared.tables {
        out += &format!("\n## {}\n\n{}", escape(&table.title), markdown(table));
    }
    for section in sections {
        out += &format!("\n## {}\n\n", escape(&section.host.cpu));
        if sections.len() > 1 {
            out += &format!("{}\n\n", escape(&section.sentence()));
        }
        out += &format!("{}\n", escape(&summary::origin(section)));
        for words in section.bench.iter().flat_map(warnings) {
            out += &format!("\nWarning: {}\n", escape(&words));
        }
        for table in section.tables() {
            out += &format!("\n### {}\n\n{}", escape(&table.title), markdown(&table));
        }
    }
    out
}

/// Draws one table as Markdown, without its heading.
pub fn markdown(table: &Table) -> String {
    let mut out = String::new();
    let mut line = |cells: Vec<String>| out += &format!("| {} |\n", cells.join(" | "));
    line(table.columns.iter().map(|column| escape(&column.name)).collect());
    line(table.columns.iter().map(|column| if column.number { "--:" } else { ":--" }.to_owned()).collect());
    for row in &table.rows {
        line(row.iter().map(cell).collect());
    }
    if !table.note.is_empty() {
        out += &format!("\n{}\n", escape(&table.note));
    }
    out
}

fn cell(cell: &Cell) -> String {
    let text = escape(&cell.text);
    let text = if matches!(cell.mark, Mark::Best | Mark::Bad) { format!("**{text}**") } else { text };
    if cell.detail.is_empty() { text } else { format!("{text} ({})", escape(&cell.detail)) }
}

/// Words as Markdown that means just these words.
pub(in crate::report) fn escape(words: &str) -> String {
    let mut out = String::new();
    for c in plain(words).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            // GitHub turns names and addresses into links.
            '@' => out += "&#64;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.replace("://", "&#58;//").trim().to_owned()
}

const HEADER: [&str; 29] = [
    "kind",
    "fingerprint",
    "cpu",
    "started",
    "sealmark",
    "name",
    "engine",
    "declared",
    "agree",
    "stricter",
    "unsupported",
    "wrong",
    "bytes",
    "ns",
    "ns_low",
    "ns_high",
    "gb_per_s",
    "cycles",
    "limit_cycles",
    "limit_percent",
    "p50",
    "p99",
    "p999",
    "processes",
    "samples",
    "error",
    "aes",
    "multiplies",
    "coverage",
];

/// Every tally and every row as CSV. `kind` is `verify` for a tally and `bench` for a row, whose `name` is
/// the set or the workload; `finding` for what failed and is neither, such as a whole set, an engine or a run
/// that ended early; `absent` for an engine that took no part. `error` says why there is no number.
pub fn csv(sections: &[Section]) -> String {
    let mut out = String::new();
    line(&mut out, &HEADER.map(str::to_owned));
    for section in sections {
        let head = |kind: &str, started: &str, sealmark: &str| {
            [kind, &section.host.fingerprint, &section.host.cpu, started, sealmark].map(words)
        };
        let mut said = |kind: &str, name: &str, engine: &str, why: &str| {
            let mut fields = head(kind, section.started(), "").to_vec();
            fields.extend([words(name), words(engine)]);
            fields.resize(HEADER.len(), String::new());
            fields[ERROR] = words(why);
            line(&mut out, &fields);
        };
        for finding in section.findings().iter().filter(|finding| finding.kind != Kind::Row) {
            said("finding", &finding.place, &finding.engine, &finding.why);
        }
        for (engine, why) in section.absent() {
            said("absent", "", &engine, &why);
        }
        if let Some(report) = &section.verify {
            for set in &report.sets {
                for (engine, tally) in &set.engines {
                    let mut fields = head("verify", &report.started, &report.sealmark).to_vec();
                    fields.extend([words(&set.set), words(engine)]);
                    let numbers = [set.declared, tally.agree, tally.stricter, tally.unsupported, tally.wrong];
                    fields.extend(numbers.map(|n| n.to_string()));
                    fields.resize(HEADER.len(), String::new());
                    line(&mut out, &fields);
                }
            }
        }
        if let Some(run) = &section.bench {
            for row in &run.rows {
                let mut fields = head("bench", &run.started, &run.sealmark).to_vec();
                fields.extend([words(&row.workload), words(&row.engine)]);
                fields.extend(vec![String::new(); 5]);
                fields.extend(bench(row));
                line(&mut out, &fields);
            }
        }
    }
    out
}

/// Where `error` stands.
const ERROR: usize = 25;

/// The fields from `bytes` on.
fn bench(row: &Row) -> [String; 17] {
    let ns = time(row);
    let timed = ns.is_some();
    let [median, low, high] =
        ns.map_or([const { String::new() }; 3], |ns| [ns.median, ns.low, ns.high].map(|x| x.to_string()));
    let speed = row.gb_per_s.filter(|_| timed).map_or_else(String::new, |speed| speed.to_string());
    let samples: Vec<_> = row.samples.iter().filter(|_| timed).map(f64::to_string).collect();
    let error = words(row.error.as_deref().unwrap_or_else(|| if ns.is_some() { "" } else { NO_TIME }));
    let (bytes, processes) = (row.bytes.to_string(), row.processes.to_string());
    let number = |x: Option<f64>| x.filter(|_| timed).map_or_else(String::new, |x| x.to_string());
    let cycles = number(row.cycles.map(|cycles| cycles.median));
    let limit = number(row.limit.as_ref().map(|limit| limit.bound.cycles));
    let percent = number(row.limit.as_ref().map(|limit| limit.percent));
    let [p50, p99, p999] = match row.tails {
        Some(Tails::Ns { p50, p99, p999 }) => [p50, p99, p999].map(|one| number(Some(one.median))),
        _ => [const { String::new() }; 3],
    };
    let samples = samples.join(" ");
    let [aes, multiplies] = match &row.witness {
        Some(witness) => witness::widths(witness).map(str::to_owned),
        None => [const { String::new() }; 2],
    };
    [
        bytes,
        median,
        low,
        high,
        speed,
        cycles,
        limit,
        percent,
        p50,
        p99,
        p999,
        processes,
        samples,
        error,
        aes,
        multiplies,
        number(Some(interval::coverage(replicas(row) as usize))),
    ]
}

fn words(words: &str) -> String {
    let words = plain(words);
    if words.starts_with(['=', '+', '-', '@']) { format!("'{words}") } else { words }
}

fn line(out: &mut String, fields: &[String]) {
    let quoted = |field: &String| {
        if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.clone() }
    };
    *out += &fields.iter().map(quoted).collect::<Vec<_>>().join(",");
    *out += "\r\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::curve::curves;
    use crate::report::table::curve;
    use crate::report::{File, Report, sample};
    use crate::trace::Witness;

    /// A reader of RFC 4180, for the test.
    fn parse(csv: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut chars = csv.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut field)),
                '\r' if !quoted => {
                    assert_eq!(chars.next(), Some('\n'));
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                c => field.push(c),
            }
        }
        assert!(!quoted && field.is_empty() && row.is_empty(), "the last line ends");
        rows
    }

    #[test]
    fn csv_has_every_tally_and_row_and_an_error_has_no_time() {
        let (verify, mut bench) = (sample::report(), sample::run());
        bench.rows[0].engine = "=cmd|\"x\",1".into();
        let expected = 3 + verify.sets.iter().map(|set| set.engines.len()).sum::<usize>() + bench.rows.len();
        let report = Report::build(vec![File::Verify(verify), File::Bench(bench.clone())]);
        let rows = parse(&csv(report.sections()));
        assert_eq!(rows.len(), expected);
        assert!(rows.iter().all(|row| row.len() == HEADER.len()));
        let column = |name: &str| HEADER.iter().position(|column| *column == name).unwrap();
        assert_eq!(rows.iter().filter(|row| row[6] == "'=cmd|\"x\",1").count(), 1, "no formula");
        assert_eq!(column("error"), ERROR);
        let failed = |kind: &str| {
            let failed = rows.iter().skip(1).filter(|row| row[0] == kind && !row[ERROR].is_empty());
            failed.collect::<Vec<_>>()
        };
        let wrong = failed("bench");
        assert_eq!((wrong.len(), failed("finding").len(), failed("absent").len()), (1, 1, 1));
        assert!(failed("finding")[0][ERROR].contains("tc 92: a modified tag was accepted"));
        assert_eq!(wrong[0][column("error")], sample::WRONG_WHAT);
        for empty in ["ns", "ns_low", "ns_high", "gb_per_s", "samples"] {
            assert_eq!(wrong[0][column(empty)], "", "{empty}");
        }
        let timed = rows.iter().find(|row| row[5] == "seal/aes-256-gcm/16384" && row[6] == "ring").unwrap();
        let row = bench.rows.iter().find(|r| r.workload == timed[5] && r.engine == "ring").unwrap();
        assert_eq!(timed[column("ns")].parse::<f64>().unwrap(), row.ns.unwrap().median);
        assert_eq!(timed[column("samples")].split(' ').count(), row.samples.len());
    }

    #[test]
    fn an_error_beside_a_time_in_the_file_still_has_no_time() {
        let mut row = sample::row("seal", "a", 16, "ring", &[5.0, 6.0, 7.0]);
        assert_eq!((bench(&row)[1].as_str(), bench(&row)[16].as_str()), ("6", "0.75"));
        row.error = Some("wrong".into());
        row.witness = Some(Witness::default());
        let bare = ["16", "", "", "", "", "", "", "", "", "", "", "3", "", "wrong", "none", "none", ""];
        assert_eq!(bench(&row), bare);
    }

    #[test]
    fn markdown_is_a_table_of_equal_rows() {
        let run = sample::run();
        let curves = curves(&run);
        let text = markdown(&curve::table(&run, &curves[1]));
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 2 + sample::ENGINES.len());
        assert!(rows.iter().all(|row| row.matches('|').count() == 10), "{text}");
        let graviola = rows.iter().find(|row| row.contains("graviola")).unwrap();
        assert_eq!(graviola.matches("**error**").count(), 1);
        assert!(text.contains("**") && text.contains('–'));
    }

    #[test]
    fn markdown_from_a_file_is_only_words() {
        assert_eq!(escape("a|b\n<!-- x --> *c* [d](e)"), "a\\|b &lt;\\!-- x --&gt; \\*c\\* \\[d\\](e)");
        assert_eq!(escape("@user https://x.test `#1`"), "&#64;user https&#58;//x.test \\`\\#1\\`");
    }
}
