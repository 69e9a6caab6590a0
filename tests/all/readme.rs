//! What the README shows is what the committed run says: its tables and its pictures.

use std::fs;
use std::path::Path;

use sealmark::report::{Report, markdown, read_all};

/// What stands between the markers of that name.
fn between<'a>(readme: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<!-- sealmark:{name} -->"), format!("<!-- /sealmark:{name} -->"));
    let (_, rest) = readme.split_once(&open)?;
    Some(rest.split_once(&close).expect("a marker that opens is closed").0)
}

#[test]
fn tables_and_pictures_are_those_of_the_run_that_the_readme_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let named = readme.split("put here by `sealmark report ").nth(1).expect("the README names its run");
    let folder = root.join(named.split(' ').next().unwrap());
    let report = Report::build(read_all(&folder).unwrap());
    let section = &report.sections()[0];
    let (mut tables, mut pictures) = (0, 0);
    for table in section.tables() {
        if let Some(shown) = between(&readme, &table.id) {
            assert!(shown.contains(&markdown(&table)), "{}: splice it again", table.id);
            tables += 1;
        }
    }
    for (name, svg) in section.pictures() {
        if between(&readme, &format!("picture-{name}")).is_some() {
            let file = folder.join(format!("{name}.svg"));
            assert_eq!(fs::read_to_string(&file).unwrap(), svg, "{}: splice it again", file.display());
            pictures += 1;
        }
    }
    let markers = readme.matches("<!-- sealmark:").count();
    let traced = readme.matches("put here by `sealmark trace ").count();
    assert_eq!(tables + pictures + traced, markers, "every marker of the README is filled by a command");
    assert!(tables >= 5 && pictures >= 1, "{tables} tables, {pictures} pictures");
}
