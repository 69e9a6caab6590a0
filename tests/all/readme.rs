//! The pages: tables and pictures come from the committed run, links lead somewhere, the first page is short.

use std::collections::BTreeSet;
use std::fs;

use sealmark::report::{Report, markdown, read_all};

use crate::source::{pages, root};

/// Pages with tables that a command puts there.
const SPLICED: [&str; 2] = ["README.md", "reports/README.md"];

/// The most lines of the first page, and the most words beside its tables.
const FIRST_PAGE: (usize, usize) = (130, 1_200);

/// A file of the package.
pub fn text_of(page: &str) -> String {
    fs::read_to_string(root().join(page)).expect("a page is UTF-8")
}

/// The READMEs: each one's path and text.
pub fn readmes() -> Vec<(String, String)> {
    let found: Vec<_> = pages().into_iter().filter(|page| page.ends_with("README.md")).collect();
    assert!(found.len() >= 9, "{found:?}: is this the right folder?");
    found.into_iter().map(|page| (page.clone(), text_of(&page))).collect()
}

/// The text between the markers of that name.
fn between<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<!-- sealmark:{name} -->"), format!("<!-- /sealmark:{name} -->"));
    let (_, rest) = page.split_once(&open)?;
    Some(rest.split_once(&close).expect("a marker that opens is closed").0)
}

#[test]
fn tables_and_pictures_are_those_of_the_run_that_the_page_names() {
    let mut runs = BTreeSet::new();
    for page in SPLICED {
        let text = text_of(page);
        let named = text.split("put here by `sealmark report ").nth(1).expect("the page names its run");
        let run = named.split(' ').next().expect("a path follows");
        let folder = root().join(run);
        let report = Report::build(read_all(&folder).unwrap());
        let section = &report.sections()[0];
        let (mut tables, mut pictures) = (0, 0);
        for table in section.tables() {
            if let Some(shown) = between(&text, &table.id) {
                assert!(shown.contains(&markdown(&table)), "{page}: splice {} again", table.id);
                tables += 1;
            }
        }
        for (name, svg) in section.pictures() {
            if between(&text, &format!("picture-{name}")).is_some() {
                let file = folder.join(format!("{name}.svg"));
                assert_eq!(fs::read_to_string(&file).unwrap(), svg, "splice {} again", file.display());
                pictures += 1;
            }
        }
        let markers = text.matches("<!-- sealmark:").count();
        let traced = text.matches("put here by `sealmark trace ").count();
        assert_eq!(tables + pictures + traced, markers, "{page}: a command fills every marker");
        assert!(tables >= 1 && pictures >= 1, "{page}: {tables} tables, {pictures} pictures");
        runs.insert(run.to_owned());
    }
    assert_eq!(runs.len(), 1, "all pages show the same run: {runs:?}");
    for (page, text) in readmes() {
        assert!(SPLICED.contains(&&*page) || !text.contains("<!-- sealmark:"), "{page} is in SPLICED");
    }
}

#[test]
fn the_first_page_is_short() {
    let text = text_of("README.md");
    let lines = text.lines().count();
    let words: usize =
        text.lines().filter(|line| !line.starts_with('|')).map(|line| line.split_whitespace().count()).sum();
    assert!((50..=FIRST_PAGE.0).contains(&lines), "{lines} lines");
    assert!((300..=FIRST_PAGE.1).contains(&words), "{words} words");
}

/// The anchors of a page's headings, as the hosts of repositories make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let slug = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .collect::<String>()
            .replace(' ', "-")
    };
    headings.map(slug).collect()
}

/// The targets of a page's links and pictures, those outside this package left out.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut followed = 0;
    // The links of `how.md` are rustdoc's, which checks them.
    for page in pages().into_iter().filter(|page| page != "src/aead/how.md") {
        let text = text_of(&page);
        let folder = root().join(&page).parent().expect("a file is in a folder").to_owned();
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&page) } else { folder.join(file) };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            if !anchor.is_empty() {
                let there = anchors(&fs::read_to_string(&target).expect("a page is UTF-8"));
                assert!(there.contains(anchor), "{page}: {link} names none of {there:?}");
            }
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed} links");
}

/// The documentation's example is compiled and run as a test, and has one more line.
#[test]
fn the_first_pages_example_is_that_of_the_documentation() {
    let (text, library) = (text_of("README.md"), text_of("src/lib.rs"));
    let example = text.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("the first page has an example");
    for line in example.lines() {
        assert!(library.contains(format!("//! {line}").trim_end()), "{line}");
    }
    assert!(example.lines().count() > 5);
}
