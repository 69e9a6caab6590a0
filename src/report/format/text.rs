//! Tables for a terminal of a given width: no colour, nothing that moves the cursor.
//!
//! Cells show their details where the table asks for it; the page and Markdown show every detail.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};

use super::Format;
use crate::report::block::{Block, Cell, Column, Mark, Table};
use crate::report::section::Report;
use crate::report::{compare, summary};

pub(super) const FORMAT: Format =
    Format { name: "text", about: "Tables for a terminal", draw: |all, width| Ok(report(all, width)) };

/// Below this width, columns would shrink to single letters.
const MIN_WIDTH: u16 = 40;

/// Spaces between columns.
const GAP: u16 = 2;
/// One rule, under the heading.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Draws a whole report, its sentence last, where it remains visible in a terminal.
pub(super) fn report(report: &Report, width: u16) -> String {
    let sections = report.sections();
    let mut out = String::new();
    for section in sections {
        out += &wrap(&summary::origin(section), width.into());
        for Block { table: found, .. } in section.blocks() {
            out += &format!("\n{}", table(&found, width));
        }
        out.push('\n');
    }
    let compared = compare::compare(sections);
    for found in &compared.tables {
        out += &format!("{}\n", table(found, width));
    }
    for words in summary::changes(sections).iter().chain(&compared.refused) {
        out += &wrap(words, width.into());
    }
    out + &wrap(&report.sentence(), width.into())
}

/// Draws one table with its heading and note, at most `width` columns wide where possible.
///
/// A wider table of numbers is split into several blocks, each with the first column: a number or a name
/// broken over two lines is unreadable. In a table of words, the words wrap.
pub fn table(table: &Table, width: u16) -> String {
    let width = width.max(MIN_WIDTH);
    let mut out = format!("{}\n", table.title);
    for (n, block) in blocks(table, width.into()).into_iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        let mut drawn = comfy_table::Table::new();
        drawn.load_style(STYLE).set_width(width);
        if is_words(table) {
            drawn.set_content_arrangement(ContentArrangement::Dynamic);
        }
        drawn.set_header(block.iter().map(|&i| heading(&table.columns[i])));
        for row in &table.rows {
            drawn.add_row(block.iter().map(|&i| words(table, &row[i], i)));
        }
        for (&i, drawn) in block.iter().zip(drawn.column_iter_mut()) {
            drawn.set_padding((0, if block.last() == Some(&i) { 0 } else { GAP }));
            if table.columns[i].number {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
        }
        out += &format!("{}\n", drawn.trim_fmt());
    }
    if !table.note.is_empty() {
        out += &wrap(&table.note, width.into());
    }
    out
}

fn is_words(table: &Table) -> bool {
    table.columns.iter().all(|column| !column.number)
}

/// The columns of each block that fits into `width`.
fn blocks(table: &Table, width: usize) -> Vec<Vec<usize>> {
    if is_words(table) {
        return vec![(0..table.columns.len()).collect()];
    }
    let longest = |words: &str| words.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let wide = |i: usize| {
        let cells = table.rows.iter().map(|row| longest(&words(table, &row[i], i))).max().unwrap_or(0);
        cells.max(longest(&heading(&table.columns[i]))) + usize::from(GAP)
    };
    let mut blocks = vec![vec![0]];
    let mut used = wide(0);
    for i in 1..table.columns.len() {
        // No gap follows the last column.
        if used + wide(i) > width + usize::from(GAP) && blocks.last().is_some_and(|block| block.len() > 1) {
            blocks.push(vec![0]);
            used = wide(0);
        }
        blocks.last_mut().expect("there is a first block").push(i);
        used += wide(i);
    }
    blocks
}

/// A path-like name, broken after its first slash.
fn heading(column: &Column) -> String {
    column.name.replacen('/', "/\n", 1)
}

fn words(table: &Table, cell: &Cell, column: usize) -> String {
    let star = if cell.mark == Mark::Best { "*" } else { "" };
    if column > 0 && table.details && !cell.detail.is_empty() {
        format!("{}{star}\n{}", cell.text, cell.detail.replace(", ", "\n"))
    } else {
        format!("{}{star}", cell.text)
    }
}

/// Units that stay with their number.
const UNITS: [&str; 7] = ["%", "GB/s", "GHz", "ns", "B", "KiB", "MiB"];

/// Breaks at spaces so that no line is longer than `width`, but not between a number and its unit. A longer
/// word is cut.
pub fn wrap(words: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    let mut tokens: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        let bare = word.trim_end_matches([',', '.', ';', ':', ')']);
        match tokens.last_mut() {
            Some(number) if UNITS.contains(&bare) => *number += &format!(" {word}"),
            _ => tokens.push(word.to_owned()),
        }
    }
    for word in &tokens {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > width {
            out.push('\n');
            column = 0;
        }
        if column > 0 {
            out.push(' ');
            column += 1;
        }
        for c in word.chars() {
            if column == width {
                out.push('\n');
                column = 0;
            }
            out.push(c);
            column += 1;
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{File, sample};

    /// A table of the sample.
    fn found(id: &str) -> Table {
        let report = Report::build(vec![File::Verify(sample::report()), File::Bench(sample::run())]);
        report.sections()[0].tables().into_iter().find(|table| table.id == id).unwrap()
    }

    fn fits(text: &str, width: usize) {
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    }

    #[test]
    fn a_speed_table_fits_a_terminal_and_an_error_shows_no_time() {
        let text = table(&found("open-aes-256-gcm"), 80);
        fits(&text, 80);
        for engine in sample::ENGINES {
            assert!(text.contains(engine), "{engine} in\n{text}");
        }
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("graviola")).collect();
        let row = rows.join(" ");
        assert_eq!(row.matches("error").count(), 1, "{row}");
        assert_eq!(row.split_whitespace().filter(|word| word.parse::<f64>().is_ok()).count(), 7, "{row}");
    }

    #[test]
    fn a_case_table_shows_what_does_not_agree() {
        let text = table(&found("cases"), 120);
        for words in ["nist/gcm-encrypt", "7,500", "unsupported", "1 wrong", "6 stricter"] {
            assert!(text.contains(words), "{words} in\n{text}");
        }
        fits(&text, 120);
        let narrow = table(&found("cases"), 60);
        fits(&narrow, 60);
        assert_eq!(narrow.matches("nist/gcm-encrypt").count(), 3, "in three blocks:\n{narrow}");
    }

    #[test]
    fn a_table_of_words_is_folded() {
        let text = table(&found("failures"), 60);
        fits(&text, 60);
        assert!(text.contains("graviola") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn lines_break_at_spaces_and_a_longer_word_is_cut() {
        assert_eq!(wrap("aa bb  cc\ndddddddd e", 5), "aa bb\ncc\nddddd\nddd e\n");
        assert_eq!(wrap("is 10.8 % of it", 8), "is\n10.8 %\nof it\n", "a unit stays with its number");
    }
}
