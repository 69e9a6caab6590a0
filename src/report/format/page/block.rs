//! A block on the page: its heading, its figure with a caption, its table.
//!
//! A table below a figure is folded, and so is a block that few readers need; a table with a failure is
//! always open.

use maud::{Markup, PreEscaped, html};

use super::heading;
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::figure::Figure;

/// Draws a block; `level` is that of its heading, and a folded one is a level lower. `name` starts the ids.
pub(super) fn block(block: &Block<'_>, all: &[&str], name: &str, level: u8) -> Markup {
    let found = &block.table;
    let (is_bad, title) = (found.has(Mark::Bad), html! { (found.title) });
    let inside = html! {
        @if let Some(shown) = &block.figure {
            (figure(shown, &found.title, all, name))
            details open[is_bad] { summary { "Table of these numbers" } (table(found)) }
        } @else {
            (table(found))
        }
    };
    html! {
        @if block.folded {
            details.block open[is_bad] { summary { (heading(level + 1, None, &title)) } (inside) }
        } @else {
            div.block { (heading(level, None, &title)) (inside) }
        }
    }
}

fn figure(figure: &Figure<'_>, title: &str, all: &[&str], name: &str) -> Markup {
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label=(format!("Figure: {title}")) {
                (PreEscaped(figure.in_page(all, name)))
            }
            figcaption { (figure.caption()) }
        }
    }
}

/// Draws a table with its note, in a box of its own that scrolls where it is too wide.
pub(super) fn table(table: &Table) -> Markup {
    let (rows, foot) = table.rows.split_at(table.rows.len() - usize::from(table.footed));
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("Table: {}", table.title)) {
            table {
                caption.unseen { (table.title) }
                thead { tr { @for column in &table.columns {
                    th scope="col" class=[column.number.then_some("number")] { (breakable(&column.name)) }
                } } }
                tbody { @for cells in rows { (row(table, cells)) } }
                @if !foot.is_empty() { tfoot { @for cells in foot { (row(table, cells)) } } }
            }
        }
        @if !table.note.is_empty() { p.note { (table.note) } }
    }
}

fn row(table: &Table, cells: &[Cell]) -> Markup {
    html! {
        tr {
            @for (i, (cell, column)) in cells.iter().zip(&table.columns).enumerate() {
                @let detail = html! { @if !cell.detail.is_empty() { " " small { (cell.detail) } } };
                @if i == 0 {
                    th scope="row" { (breakable(&cell.text)) (detail) }
                } @else {
                    td class=(class(cell.mark, column.number)) { (glyph(cell.mark)) (cell.text) (detail) }
                }
            }
        }
    }
}

/// A sign before the words of a cell, so that no mark is by colour alone. The words say the same.
fn glyph(mark: Mark) -> Markup {
    let sign = match mark {
        Mark::Right => "✓",
        Mark::Bad => "✗",
        _ => return html! {},
    };
    html! { i aria-hidden="true" { (sign) " " } }
}

/// A path-like name, which may break after a slash.
fn breakable(name: &str) -> Markup {
    html! {
        @for (i, part) in name.split('/').enumerate() {
            @if i > 0 { "/" wbr; }
            (part)
        }
    }
}

fn class(mark: Mark, number: bool) -> String {
    let mark = match mark {
        Mark::Plain | Mark::Heat(0) => "",
        Mark::Quiet => " mute",
        Mark::Right => " right",
        Mark::Bad => " bad",
        Mark::Best => " best",
        Mark::Heat(-3) => " cold3",
        Mark::Heat(-2) => " cold2",
        Mark::Heat(-1) => " cold1",
        Mark::Heat(1) => " warm1",
        Mark::Heat(2) => " warm2",
        Mark::Heat(_) => " warm3",
    };
    format!("{}{mark}", if number { "number" } else { "words" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(mark: Mark) -> Table {
        let mut table = Table::new("t", "T", ["set", "ring"]);
        table.push(vec![Cell::new("a/b"), Cell::new("7").detail("1 more").mark(mark)]);
        table.push(vec![Cell::new("sum"), Cell::new("7")]);
        table.footed = true;
        table
    }

    fn drawn(block: Block<'_>) -> String {
        super::block(&block, &[], "n", 2).into_string()
    }

    #[test]
    fn a_folded_block_is_open_where_something_is_wrong() {
        let folded = drawn(Block::new(sample(Mark::Right)).folded());
        assert!(folded.contains("<details class=\"block\"><summary><h3>T</h3></summary>"), "{folded}");
        let bad = drawn(Block::new(sample(Mark::Bad)).folded());
        assert!(bad.contains("<details class=\"block\" open>"), "{bad}");
        assert!(drawn(Block::new(sample(Mark::Bad))).contains("<h2>T</h2>"));
    }

    #[test]
    fn a_mark_has_a_sign_and_a_word_and_the_sum_is_the_foot() {
        let page = table(&sample(Mark::Bad)).into_string();
        let cell = "<td class=\"number bad\"><i aria-hidden=\"true\">✗ </i>7 <small>1 more</small></td>";
        assert!(page.contains(cell), "{page}");
        assert!(page.contains("<th scope=\"row\">a/<wbr>b</th>"), "{page}");
        assert!(page.contains("<th scope=\"col\" class=\"number\">ring</th>"), "{page}");
        assert!(page.contains("<tfoot><tr><th scope=\"row\">sum</th>"), "{page}");
        assert!(!table(&Table::new("t", "T", ["x"])).into_string().contains("tfoot"));
    }
}
