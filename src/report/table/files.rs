//! The files of a folder of vectors: those that were read, those that could not be, those on another subject.

use std::collections::BTreeMap;

use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::section::Section;
use crate::verify::{FileReport, FileState};

/// The most names shown of one kind of files set aside; the JSON names all of them.
const SHOWN_ASIDE: usize = 4;

/// Its one table, where a folder was verified.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let folders = section.verify.iter().filter(|report| !report.files.is_empty());
    folders.map(|report| Block::new(table(&report.files))).collect()
}

/// Files that were read or could not be read, one by one; the others by kind.
fn table(files: &[FileReport]) -> Table {
    let mut table = Table::new("files", "Files of the folder", ["file", "result", "content"]).words();
    let mut aside = BTreeMap::<&str, Vec<&str>>::new();
    for FileReport { file, state, what, remarks } in files {
        let state = match state {
            FileState::SetAside => {
                aside.entry(what).or_default().push(file);
                continue;
            }
            FileState::Read => Cell::new("read"),
            FileState::Unreadable => Cell::new("unreadable").mark(Mark::Bad),
        };
        table.push(vec![Cell::new(file), state, Cell::new(what).detail(remarks.join(", "))]);
    }
    for (what, files) in aside {
        let more = match files.len().saturating_sub(SHOWN_ASIDE) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let shown = files[..files.len().min(SHOWN_ASIDE)].join(", ");
        let state = Cell::new("set aside").mark(Mark::Quiet);
        table.push(vec![Cell::new(format!("{shown}{more}")), state, Cell::new(what)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_a_file_has_its_row() {
        let file = |file: &str, state, what: &str| FileReport {
            file: file.into(),
            state,
            what: what.into(),
            remarks: Vec::new(),
        };
        let mut files = vec![
            file("a.json", FileState::Read, "wycheproof-aead, 316 cases"),
            file("b.json", FileState::Unreadable, "cut at line 7"),
        ];
        files[0].remarks = vec!["it counts 317 cases".into(), "it holds 316".into()];
        files.extend(["1", "2", "3", "4", "5"].map(|name| file(name, FileState::SetAside, "AES-CCM")));
        let table = table(&files);
        let rows: Vec<Vec<_>> =
            table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect();
        let expected = [
            ["a.json", "read", "wycheproof-aead, 316 cases"],
            ["b.json", "unreadable", "cut at line 7"],
            ["1, 2, 3, 4 and 1 more", "set aside", "AES-CCM"],
        ];
        assert_eq!(rows, expected);
        assert_eq!(table.rows[0][2].detail, "it counts 317 cases, it holds 316");
        assert_eq!(table.rows[1][1].mark, Mark::Bad);
    }
}
