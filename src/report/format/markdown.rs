//! Markdown: the tables of a report for a pull request, after GitHub Flavored Markdown.
//!
//! Words from a file are escaped. Figures are left out; their numbers are in the tables below them.

use super::Format;
use crate::measure::warnings;
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::number::plain;
use crate::report::section::Report;
use crate::report::{compare, summary};

pub(super) const FORMAT: Format =
    Format { name: "markdown", about: "Tables for a pull request", draw: |all, _| Ok(report(all)) };

/// Draws a whole report as Markdown.
pub(super) fn report(report: &Report) -> String {
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
        for Block { table, .. } in section.blocks() {
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

/// Words as Markdown that renders exactly these words.
fn escape(words: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{File, sample};

    #[test]
    fn markdown_is_a_table_of_equal_rows() {
        let report = Report::build(vec![File::Bench(sample::run())]);
        let tables = report.sections()[0].tables();
        let text = markdown(tables.iter().find(|table| table.id == "open-aes-256-gcm").unwrap());
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
