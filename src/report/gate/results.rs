//! Result files of the gate and its histories, read together and drawn in a report of their own.
//!
//! They are not mixed with the results of `verify` and `bench`: a format such as JUnit has one document, and
//! a page one answer. A format that has no place for a verdict refuses by name.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::markdown::markdown;
use super::{csv, history, junit, page, sentence};
use crate::measure::gate::history::{self as lines, History};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::{self, Gate};
use crate::report::format::markdown::{escape, markdown as drawn};
use crate::report::format::text;
use crate::report::{Error, Format, write_text};

/// What the gate found, once or over time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Results {
    /// Results of single runs.
    pub gates: Vec<Gate>,
    /// The runs of all histories that were named, in their order.
    pub history: History,
}

impl Results {
    /// Reads files, and from a folder its `*.json` and `*.jsonl`; `None` where none of them is of the gate.
    ///
    /// # Errors
    /// [`Error::Alone`] where only some are; [`Error::WrongMember`] and the other errors of reading a file;
    /// [`Error::History`].
    pub fn read(paths: &[PathBuf]) -> Result<Option<Self>, Error> {
        let (mut results, mut found, mut other) = (Self::default(), None, None);
        for path in paths.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.concat() {
            match schema(&path)? {
                Some(name) if name == gate::SCHEMA => {
                    results.gates.push(crate::report::file::member_of(&path, gate::SCHEMA)?);
                    found = Some((path, name));
                }
                Some(name) if name == lines::SCHEMA => {
                    let History { entries, torn } = lines::read(&path)?;
                    results.history.entries.extend(entries);
                    results.history.torn.extend(torn);
                    found = Some((path, name));
                }
                _ => other = Some(path),
            }
        }
        match (found, other) {
            (None, _) => Ok(None),
            (Some(_), None) => Ok(Some(results)),
            (Some((path, schema)), Some(other)) => Err(Error::Alone { path, schema, other }),
        }
    }

    /// Everything in that format, for a terminal of that width.
    ///
    /// # Errors
    /// [`Error::NoPlace`] where the format has no place for it.
    pub fn draw(&self, format: &Format, width: u16) -> Result<String, Error> {
        let is_history = !self.history.entries.is_empty();
        match format.name {
            "text" => Ok(self.text(width)),
            "markdown" => Ok(self.markdown()),
            "csv" => Ok(csv::csv(&self.gates, &self.history)),
            "junit" if !is_history => Ok(junit::document(&self.gates)),
            name => {
                let schema = if is_history { lines::SCHEMA } else { gate::SCHEMA };
                Err(Error::NoPlace { format: name, schema })
            }
        }
    }

    fn text(&self, width: u16) -> String {
        let mut out = String::new();
        for gate in &self.gates {
            out += &format!("{}\n", super::text(gate, width));
        }
        if !self.history.entries.is_empty() {
            for block in history::blocks(&self.history) {
                out += &format!("{}\n", text::table(&block.table, width));
            }
            out += &format!("{}\n", history::sentence(&self.history));
        }
        out
    }

    fn markdown(&self) -> String {
        let mut parts: Vec<String> = self.gates.iter().map(markdown).collect();
        if !self.history.entries.is_empty() {
            let mut part =
                format!("## History of the gate\n\n{}\n", escape(&history::sentence(&self.history)));
            for block in history::blocks(&self.history) {
                part += &format!("\n### {}\n\n{}", escape(&block.table.title), drawn(&block.table));
            }
            parts.push(part);
        }
        parts.join("\n")
    }

    /// Everything as one self-contained page, complete without its script and with nothing to fetch.
    pub fn html(&self) -> String {
        page::page(&self.gates, &self.history)
    }

    /// Writes `index.html`, `report.md` and `report.csv` into a folder, which is created if needed; returns
    /// the page's path.
    ///
    /// # Errors
    /// [`Error::Unwritable`], [`Error::DiskFull`].
    pub fn write_html(&self, dir: &Path) -> Result<PathBuf, Error> {
        write_text(&dir.join("report.md"), &self.markdown())?;
        write_text(&dir.join("report.csv"), &csv::csv(&self.gates, &self.history))?;
        let page = dir.join("index.html");
        write_text(&page, &self.html())?;
        Ok(page)
    }

    /// The verdict over all results of single runs, and a sentence on the first that decides it; `None` where
    /// there are only histories, which judge nothing anew.
    pub fn verdict(&self) -> Option<(Verdict, String)> {
        let gate = sentence::overall(&self.gates)?;
        Some((gate.verdict, sentence::sentence(gate)))
    }
}

/// A file itself, or the files of a folder that may be results, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let entries = fs::read_dir(path).map_err(unreadable)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable)?;
    let is_result = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "json" || end == "jsonl") && path.is_file()
    };
    paths.retain(is_result);
    paths.sort();
    Ok(paths)
}

/// The schema that the first value of a file names; `None` where it names none, which is for other readers to
/// refuse.
fn schema(path: &Path) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let text = fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Head>();
    Ok(values.next().and_then(Result::ok).map(|head| head.schema))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::FORMATS;
    use crate::report::gate::sample;
    use crate::report::{sample as runs, write};

    fn both() -> Results {
        let gate = sample::gate();
        let history = History { entries: vec![lines::Entry::of(&gate)], torn: Vec::new() };
        Results { gates: vec![gate], history }
    }

    #[test]
    fn results_and_histories_are_read_from_files_and_from_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (file, line) = (dir.path().join("gate.json"), dir.path().join("history.jsonl"));
        write(&file, &sample::gate()).unwrap();
        assert!(lines::append(&line, &sample::gate()).unwrap().is_empty());
        assert_eq!(Results::read(&[dir.path().to_owned()]).unwrap(), Some(both()));
        assert_eq!(Results::read(&[file.clone(), line]).unwrap(), Some(both()));
        assert_eq!(Results::read(std::slice::from_ref(&file)).unwrap().unwrap().history, History::default());
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, &text[..text.len() / 2]).unwrap();
        assert_eq!(
            Results::read(std::slice::from_ref(&file)).unwrap(),
            None,
            "the usual reader says what is wrong"
        );
        fs::write(&file, text.replace("\"rows\"", "\"lines\"")).unwrap();
        let refused = Results::read(&[file]).unwrap_err();
        assert!(
            matches!(&refused, Error::WrongMember { reason, .. } if reason.contains("`rows`")),
            "{refused}"
        );
    }

    #[test]
    fn other_results_are_not_the_gates_and_are_not_mixed_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let bench = dir.path().join("bench.json");
        write(&bench, &runs::run()).unwrap();
        assert_eq!(Results::read(&[bench]).unwrap(), None);
        write(&dir.path().join("gate.json"), &sample::gate()).unwrap();
        let refused = Results::read(&[dir.path().to_owned()]).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("gate.json: sealmark.gate/1 is drawn in a report of its own"), "{said}");
        assert!(said.contains("bench.json"), "{said}");
    }

    #[test]
    fn a_format_without_a_place_for_verdicts_refuses_by_name() {
        let mut results = both();
        let mut drawn = Vec::new();
        for history in [true, false] {
            if !history {
                results.history = History::default();
            }
            for format in FORMATS {
                match results.draw(format, 120) {
                    Ok(text) => {
                        assert!(text.contains("open/aes-256-gcm/1024") || format.name == "text", "{text}");
                        drawn.push((history, format.name));
                    }
                    Err(error) => {
                        let schema = if history { "sealmark.gate-history/1" } else { "sealmark.gate/1" };
                        let said = error.to_string();
                        assert!(said.contains(format.name) && said.contains(schema), "{said}");
                    }
                }
            }
        }
        let expected = [(true, "text"), (true, "markdown"), (true, "csv")];
        let alone = [(false, "text"), (false, "markdown"), (false, "csv"), (false, "junit")];
        assert_eq!(drawn, [&expected[..], &alone].concat());
    }

    #[test]
    fn the_verdict_is_the_worst_of_all_results() {
        let mut results = both();
        let mut other = sample::gate();
        other.verdict = Verdict::Same;
        results.gates.insert(0, other);
        let (verdict, words) = results.verdict().unwrap();
        assert!(verdict == Verdict::Slower && words.starts_with("Slower: 1 of 5"), "{words}");
        results.gates.clear();
        assert_eq!(results.verdict(), None);
    }

    /// Writes pages for a browser, which `ci/check page` opens.
    /// `SEALMARK_PAGES=DIR cargo test --lib pages_for_a_browser`.
    #[test]
    fn pages_for_a_browser_of_the_gate_are_whole() {
        let mut long = both();
        long.history.entries = vec![long.history.entries[0].clone(); 12];
        let alone = Results { history: History::default(), ..both() };
        for (name, results) in [("gate", alone), ("gate-history", long)] {
            assert!(results.html().ends_with("</html>"), "{name}");
            if let Some(dir) = std::env::var_os("SEALMARK_PAGES") {
                results.write_html(&Path::new(&dir).join(name)).unwrap();
            }
        }
    }

    #[test]
    fn a_report_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let page = both().write_html(&dir.path().join("a")).unwrap();
        assert_eq!(page, dir.path().join("a/index.html"));
        let text = fs::read_to_string(dir.path().join("a/report.md")).unwrap();
        assert!(text.contains("## Gate: Slower") && text.contains("## History of the gate"), "{text}");
        assert!(fs::read_to_string(dir.path().join("a/report.csv")).unwrap().lines().count() == 11);
    }
}
