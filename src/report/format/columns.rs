//! Lines of words in columns, two spaces apart: no rule, no frame.
//!
//! For what is shorter than a table of the report: the screen after a command, lists of names.

use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};

/// Spaces between columns.
const GAP: u16 = 2;

/// Sets rows of equal length in columns. Those of `numbers` are set flush right. A cell may have several
/// lines.
pub fn columns(rows: &[Vec<String>], numbers: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
    for row in rows {
        table.add_row(row);
    }
    let last = rows.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i == last { 0 } else { GAP }));
        if numbers.contains(&i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if rows.is_empty() { String::new() } else { format!("{}\n", table.trim_fmt()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right_and_no_line_ends_with_a_space() {
        let rows = [["engine", "right", "executed"], ["ring", "1,234", "ymm\nxmm"], ["a", "1", ""]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(
            columns(&rows, &[1]),
            "engine  right  executed\nring    1,234  ymm\n               xmm\na           1\n"
        );
        assert_eq!(columns(&[], &[]), "");
    }
}
