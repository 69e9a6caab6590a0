//! The corruption map of a log: on one screen, as a page with its picture, and for CI.
//!
//! `table` words the map once, and every format draws those words. Nothing is tried or judged here.

mod junit;
mod page;
#[cfg(test)]
pub(super) mod sample;
mod table;

use std::path::{Path, PathBuf};

pub use junit::junit;

use super::format::text;
use super::{Error, write, write_text};
use crate::verify::log_faults::Map;

/// Draws the map for a terminal of that width.
pub fn text(map: &Map, width: u16) -> String {
    let mut out = String::new();
    for block in table::blocks(map) {
        out += &format!("{}\n", text::table(&block.table, width));
    }
    for words in table::sentences(map) {
        out += &text::wrap(&words, width.into());
    }
    out
}

/// Writes the page, the map itself and the test cases, `index.html`, `map.json` and `junit.xml`, into a
/// folder, which is created if needed; returns the page's path.
///
/// # Errors
/// [`Error::Unwritable`], [`Error::DiskFull`], [`Error::SymbolicLink`].
pub fn write_html(map: &Map, dir: &Path) -> Result<PathBuf, Error> {
    write(&dir.join("map.json"), map)?;
    write_text(&dir.join("junit.xml"), &junit(map))?;
    let page = dir.join("index.html");
    write_text(&page, &page::page(map))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_ends_with_the_answer_and_names_what_was_not_seen_with_its_reason() {
        let map = sample::map();
        let screen = text(&map, 100);
        assert!(screen.contains("CRC-32C has no key"), "{screen}");
        assert!(screen.contains("integrity_code=OK record_index=- message=\"flip of key in"), "{screen}");
        let last = screen.trim_end().lines().last().unwrap_or_default();
        assert!(last.contains("complete"), "{last}");
    }

    #[test]
    fn a_report_is_three_files_and_the_map_reads_back() {
        let (dir, map) = (tempfile::tempdir().unwrap(), sample::map());
        let page = write_html(&map, &dir.path().join("new")).unwrap();
        assert!(page.ends_with("index.html") && page.exists());
        let json = std::fs::read(dir.path().join("new/map.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Map>(&json).unwrap(), map);
        assert!(dir.path().join("new/junit.xml").exists());
    }
}
