//! The blocks of a report, each a table with the figure above it.
//!
//! The page, the terminal and Markdown walk the same blocks. A number is rounded and worded once, when its
//! cell is made; the formats only escape and align it. Words from a file enter through [`Cell`] and
//! [`Table`], which make control characters visible.

use super::figure::Figure;
use super::number::plain;

/// A table of a report, and how it is shown.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    /// Its numbers.
    pub table: Table,
    /// The picture of them, if there is one.
    pub figure: Option<Figure<'a>>,
    /// Whether the page folds it, because few readers need it. The page never folds a table with a failure.
    pub folded: bool,
}

impl<'a> Block<'a> {
    /// A table that is open and has no figure.
    pub fn new(table: Table) -> Self {
        Self { table, figure: None, folded: false }
    }

    /// With a figure.
    pub fn figure(self, figure: Figure<'a>) -> Self {
        Self { figure: Some(figure), ..self }
    }

    /// Folded.
    pub fn folded(self) -> Self {
        Self { folded: true, ..self }
    }
}

/// How a cell is marked, besides its words.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Mark {
    /// Nothing.
    #[default]
    Plain,
    /// Nothing to see: no value, or one of no interest.
    Quiet,
    /// Every case that ran is right.
    Right,
    /// Something is wrong.
    Bad,
    /// The fastest of its column, where the run can tell it from all others.
    Best,
    /// A place on a scale from -3, far worse, over 0, level, to 3, far better.
    Heat(i8),
}

/// One cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    /// The number or word.
    pub text: String,
    /// An addition in smaller type: an interval, the rest of a tally. May be empty.
    pub detail: String,
    /// Its mark.
    pub mark: Mark,
}

impl Cell {
    /// A cell of words.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: plain(text.as_ref()), detail: String::new(), mark: Mark::Plain }
    }

    /// A cell without a value, where none is expected.
    pub fn none() -> Self {
        Self::new("–").mark(Mark::Quiet)
    }

    /// A cell without a value, where one is expected.
    pub fn error() -> Self {
        Self::new("error").mark(Mark::Bad)
    }

    /// With something in smaller type.
    pub fn detail(self, detail: impl AsRef<str>) -> Self {
        Self { detail: plain(detail.as_ref()), ..self }
    }

    /// With a mark.
    pub fn mark(self, mark: Mark) -> Self {
        Self { mark, ..self }
    }
}

/// One column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Whether it holds numbers, to be set flush right.
    pub number: bool,
}

/// A table: the first column names the rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Its identifier: `cases`, `seal-aes-256-gcm`. Lower-case letters, digits and dashes.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// How to read it. May be empty.
    pub note: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// Whether the last row sums up the others, or is their yardstick: it stays last when a reader sorts.
    pub footed: bool,
    /// Whether a terminal shows the cells' details too; the page and Markdown always do.
    pub details: bool,
}

impl Table {
    /// An empty table: the first column holds words, the others numbers.
    pub fn new<S: AsRef<str>>(id: &str, title: &str, columns: impl IntoIterator<Item = S>) -> Self {
        let columns = columns.into_iter().enumerate();
        Self {
            id: super::number::slug(id),
            title: plain(title),
            note: String::new(),
            columns: columns.map(|(i, name)| Column { name: plain(name.as_ref()), number: i > 0 }).collect(),
            rows: Vec::new(),
            footed: false,
            details: true,
        }
    }

    /// With every column holding words.
    pub fn words(mut self) -> Self {
        for column in &mut self.columns {
            column.number = false;
        }
        self
    }

    /// With a line on how to read it.
    pub fn note(self, note: &str) -> Self {
        Self { note: plain(note), ..self }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When the row has more or fewer cells than there are columns.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "one cell for each column of {}", self.id);
        self.rows.push(row);
    }

    /// Whether any cell has that mark.
    pub fn has(&self, mark: Mark) -> bool {
        self.rows.iter().flatten().any(|cell| cell.mark == mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_a_file_are_made_plain_on_entry() {
        let mut table = Table::new("A b", "t\u{1b}", ["x", "y\u{7}"]).note("n\u{1b}");
        table.push(vec![Cell::new("a\nb").detail("\u{1b}[1m"), Cell::none()]);
        assert_eq!((table.id.as_str(), table.title.as_str()), ("a-b", "t\u{fffd}"));
        assert_eq!((table.note.as_str(), table.columns[1].name.as_str()), ("n\u{fffd}", "y\u{fffd}"));
        assert_eq!(
            (table.rows[0][0].text.as_str(), table.rows[0][0].detail.as_str()),
            ("a b", "\u{fffd}[1m")
        );
        assert!(table.has(Mark::Quiet) && !table.has(Mark::Bad));
    }

    #[test]
    #[should_panic(expected = "one cell for each column")]
    fn a_short_row_is_refused() {
        Table::new("t", "t", ["x", "y"]).push(vec![Cell::none()]);
    }
}
