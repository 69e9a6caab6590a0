//! The shape of the source: no import circles, no crowded folders, no long lines.
//!
//! Imports are read from the sources: every path that begins with `crate::` or `super::`, followed through
//! re-exports to the file that it names. A `mod.rs` is its folder's table of contents, so naming the folder's
//! own files is not an import. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::source::{pages, resolved, root, sources};

/// Folders below `measure` and `report` that may hold any number of files, because each file is a row of a
/// table.
const TABLES: &[&str] = &["src/measure/workload", "src/report/table"];

/// The most columns of a line in `src` and in pages.
const COLUMNS: usize = 110;

/// The most files of one import circle.
const CIRCLE: usize = 2;

fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.ends_with("/testing.rs") || file.contains("/tests/")
}

/// A file's code up to its unit tests.
fn without_tests(code: &str) -> &str {
    let tests = code.find("mod tests {").and_then(|at| code[..at].rfind("#[cfg("));
    &code[..tests.unwrap_or(code.len())]
}

/// Every path of a use tree at the beginning of `text`, and how much of the text it takes.
fn paths(text: &str) -> (Vec<Vec<String>>, usize) {
    let mut prefix = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        let rest = &rest[blank..];
        if let Some(list) = rest.strip_prefix('{') {
            let (mut found, mut inner) = (Vec::new(), 0);
            loop {
                let rest = &list[inner..];
                inner += rest.len() - rest.trim_start_matches([',', ' ', '\n', '\t']).len();
                if list[inner..].starts_with('}') || inner >= list.len() {
                    return (found, at + blank + inner + 2);
                }
                let (below, taken) = paths(&list[inner..]);
                found.extend(below.into_iter().map(|path| [&prefix[..], &path[..]].concat()));
                inner += taken;
                // A renamed name: `name as other`.
                inner += list[inner..].find([',', '}']).unwrap_or(list.len() - inner);
            }
        }
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || "_*".contains(*c)).collect();
        if word.is_empty() {
            // Not a path: take one character, so that the caller makes progress.
            return (vec![prefix], (at + blank).max(1));
        }
        prefix.push(word.clone());
        at += blank + word.len();
        match text[at..].strip_prefix("::") {
            Some(_) => at += 2,
            None => return (vec![prefix], at),
        }
    }
}

/// Every path of the crate that a source names, without `crate`.
pub fn crate_paths(code: &str) -> Vec<Vec<String>> {
    let starts = code.match_indices("crate::");
    // A macro's `$crate::` names the same crate.
    starts.flat_map(|(at, _)| paths(&code[at + "crate::".len()..]).0).collect()
}

/// The module path of a file: `measure::worker` for `src/measure/worker/mod.rs`.
fn module(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

struct Sources {
    /// File of each module.
    files: BTreeMap<Vec<String>, String>,
    /// Re-exports: the module and the name, and the path that the name stands for.
    reexports: BTreeMap<(Vec<String>, String), Vec<String>>,
    code: Vec<(String, String)>,
}

impl Sources {
    fn new(sources: &[(String, String)]) -> Self {
        let code: Vec<(String, String)> = sources
            .iter()
            .filter(|(file, _)| !is_test(file) && !file.ends_with("/main.rs") && !file.ends_with("/build.rs"))
            .map(|(file, code)| (file.clone(), resolved(file, without_tests(code))))
            .collect();
        let files: BTreeMap<_, _> = code.iter().map(|(file, _)| (module(file), file.clone())).collect();
        let mut reexports = BTreeMap::new();
        for (file, code) in &code {
            let own = module(file);
            for line in code.split(';') {
                let Some(tree) = line.split_once("use ").filter(|(before, _)| {
                    let before = before.trim_end();
                    before.ends_with("pub") || (before.ends_with(')') && before.contains("pub("))
                }) else {
                    continue;
                };
                for path in paths(tree.1).0 {
                    let from_root = path.first().is_some_and(|first| first == "crate");
                    let relative = path.strip_prefix(&["self".to_owned()][..]).unwrap_or(&path);
                    let whole = if from_root { path[1..].to_vec() } else { [&own[..], relative].concat() };
                    if let Some(name) = whole.last() {
                        reexports.insert((own.clone(), name.clone()), whole.clone());
                    }
                }
            }
        }
        Self { files, reexports, code }
    }

    /// The file that a path of the crate leads to.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&String> {
        let mut at = 0;
        while at < path.len() && self.files.contains_key(&path[..=at]) {
            at += 1;
        }
        let file = self.files.get(&path[..at]);
        match path.get(at).and_then(|name| self.reexports.get(&(path[..at].to_vec(), name.clone()))) {
            Some(further) if depth < 8 && further[..] != path[..=at] => {
                self.file_of(&[&further[..], &path[at + 1..]].concat(), depth + 1).or(file)
            }
            _ => file,
        }
    }

    /// Which file imports which.
    fn imports(&self) -> BTreeSet<(&str, &str)> {
        let mut imports = BTreeSet::new();
        for (file, code) in &self.code {
            let table_of = file.strip_suffix("mod.rs").or_else(|| file.strip_suffix("lib.rs"));
            for path in crate_paths(code) {
                let Some(other) = self.file_of(&path, 0) else { continue };
                let own_table = table_of.is_some_and(|folder| other.starts_with(folder));
                if other != file && !own_table && other != "src/lib.rs" {
                    imports.insert((file.as_str(), other.as_str()));
                }
            }
        }
        imports
    }
}

/// The sets of two or more nodes that reach each other.
fn circles(edges: &BTreeSet<(&str, &str)>) -> Vec<BTreeSet<String>> {
    let mut reach: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, _) in edges {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*from]);
        while let Some(node) = open.pop() {
            for (_, to) in edges.iter().filter(|(a, _)| *a == node) {
                if seen.insert(*to) {
                    open.push(to);
                }
            }
        }
        reach.insert(from, seen);
    }
    let mut found = BTreeSet::new();
    for (from, seen) in &reach {
        let circle: BTreeSet<String> = seen
            .iter()
            .filter(|to| reach.get(*to).is_some_and(|back| back.contains(from)))
            .map(|name| (*name).to_owned())
            .collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

/// The imports that make a circle, to show where it can be broken.
fn within(circle: &BTreeSet<String>, imports: &BTreeSet<(&str, &str)>) -> String {
    let inside =
        |file: &str| circle.iter().any(|entry| file == entry || file.starts_with(&format!("{entry}/")));
    let edges = imports.iter().filter(|(from, to)| inside(from) && inside(to));
    edges.map(|(from, to)| format!("  {from} imports {to}\n")).collect()
}

/// Circles among the entries of each folder. A subfolder is one entry; the folder's own `mod.rs` is none.
fn sibling_circles(imports: &BTreeSet<(&str, &str)>) -> Vec<BTreeSet<String>> {
    let folders: BTreeSet<&str> = imports
        .iter()
        .flat_map(|(from, to)| [from, to])
        .flat_map(|file| file.match_indices('/').map(|(at, _)| &file[..=at]))
        .collect();
    let mut found = Vec::new();
    for folder in folders {
        let entry = |file: &str| -> Option<String> {
            let rest = file.strip_prefix(folder)?;
            let entry = rest.split('/').next()?;
            (entry != "mod.rs").then(|| format!("{folder}{entry}"))
        };
        let named: Vec<(String, String)> = imports
            .iter()
            .filter_map(|(from, to)| Some((entry(from)?, entry(to)?)))
            .filter(|(from, to)| from != to)
            .collect();
        found.extend(circles(&named.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect()));
    }
    found
}

#[test]
fn no_import_circle_has_more_than_two_files() {
    let sources = Sources::new(&sources());
    let imports = sources.imports();
    assert!(imports.len() > 300, "{} imports: this test must see them", imports.len());
    let large: Vec<_> = circles(&imports).into_iter().filter(|circle| circle.len() > CIRCLE).collect();
    let shown: Vec<String> = large.iter().map(|circle| within(circle, &imports)).collect();
    assert!(shown.is_empty(), "{} circles:\n{}", shown.len(), shown.join("and\n"));
}

#[test]
fn siblings_import_each_other_without_a_circle() {
    let sources = Sources::new(&sources());
    let imports = sources.imports();
    let shown: Vec<String> =
        sibling_circles(&imports).iter().map(|circle| within(circle, &imports)).collect();
    assert!(shown.is_empty(), "{} circles:\n{}", shown.len(), shown.join("and\n"));
}

#[test]
fn a_planted_circle_is_found() {
    let file = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    let planted = [
        file("src/a/mod.rs", "mod one; mod two; mod three; pub use one::{Thing, other as Name};"),
        file("src/a/one.rs", "use super::{three::{self, Three}, Face};"),
        file("src/a/two.rs", "use crate::a::Thing; #[cfg(test)] mod tests { use super::super::three::T; }"),
        file("src/a/three.rs", "fn f() { crate::a::two::g() }"),
    ];
    let sources = Sources::new(&planted);
    let imports = sources.imports();
    let expected = ["one", "three", "two"].map(|name| format!("src/a/{name}.rs"));
    assert_eq!(circles(&imports), [expected.into_iter().collect()], "{imports:?}");
    assert_eq!(sibling_circles(&imports).len(), 1);
    let honest = Sources::new(&planted[..3]);
    assert!(circles(&honest.imports()).is_empty() && sibling_circles(&honest.imports()).is_empty());
}

#[test]
fn no_folder_is_crowded() {
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for (file, _) in sources() {
        if let Some((folder, _)) = file.rsplit_once('/') {
            *files.entry(folder.to_owned()).or_default() += 1;
        }
    }
    for (folder, count) in &files {
        let below = |floor: &str| folder == floor || folder.starts_with(&format!("{floor}/"));
        let limit = if below("src/measure") || below("src/report") { 15 } else { 20 };
        assert!(*count <= limit || TABLES.contains(&folder.as_str()), "{folder} has {count} files");
    }
    for folder in TABLES {
        assert!(files.contains_key(*folder), "{folder} is allowed any number of files and is not there");
    }
}

/// Text in `src` that is neither Rust nor a page.
const OF_THE_PAGE: [&str; 2] = ["src/report/format/page/page.css", "src/report/format/page/page.js"];

#[test]
fn no_line_is_longer_than_a_page() {
    let mut long = Vec::new();
    let sources = sources().into_iter().map(|(file, _)| file);
    for file in sources.chain(pages()).chain(OF_THE_PAGE.map(str::to_owned)) {
        let text = fs::read_to_string(root().join(&file)).expect("source is UTF-8");
        let columns = |line: &str| line.chars().count();
        // Table rows cannot be wrapped, and a command writes the paragraphs between markers.
        let mut spliced = false;
        for (number, line) in text.lines().enumerate() {
            spliced = line.starts_with("<!-- sealmark:") || (spliced && !line.starts_with("<!-- /sealmark:"));
            let whole = file.ends_with(".md") && (spliced || line.starts_with('|'));
            if !whole && columns(line) > COLUMNS {
                long.push(format!("{file}:{}: {} columns", number + 1, columns(line)));
            }
        }
    }
    assert!(long.is_empty(), "{} lines over {COLUMNS} columns:\n{}", long.len(), long.join("\n"));
}
