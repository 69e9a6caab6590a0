//! The sources and pages of this package as text, for the tests of its structure.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder with that extension, without hidden files and those of builds and runs.
fn files_below(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    const IGNORED: [&str; 5] = ["target", "runs", "sealmark-report", "corpus", "artifacts"];
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("its entries can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || IGNORED.contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            files_below(&path, extension, found);
        } else if path.extension().is_some_and(|ext| ext == extension) {
            found.push(path);
        }
    }
}

/// A file's path from the root.
fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/")
}

/// Every handwritten page in Markdown, by its path from the root: not the tables of a committed run.
pub fn pages() -> Vec<String> {
    let mut found = Vec::new();
    files_below(root(), "md", &mut found);
    let mut pages: Vec<String> = found.iter().map(|path| name_of(path)).collect();
    let runs = ["reports/baseline/", "reports/gate/", "reports/gate-default/"];
    pages.retain(|page| !runs.iter().any(|run| page.starts_with(run)));
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}: is this the right folder?");
    pages
}

/// Every source file below `src`: its path from the root, and its text without comments.
pub fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files_below(&root().join("src"), "rs", &mut found);
    assert!(found.len() > 30, "{} files: is this the right folder?", found.len());
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("source is UTF-8");
            (name_of(&path), without_comments(&text))
        })
        .collect()
}

/// A source without its comments: `//` at the start of a line or after a space, so not in a URL.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.trim_start() {
        comment if comment.starts_with("//") => String::new(),
        _ => line.split(" //").next().unwrap_or("").to_owned(),
    };
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// The source with each leading `super::` resolved to `crate::` and the modules above the file.
pub fn resolved(file: &str, code: &str) -> String {
    let mut modules: Vec<&str> = file.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    if modules.last() == Some(&"mod") {
        modules.pop();
    }
    let mut code = code.to_owned();
    for up in (1..=modules.len()).rev() {
        let above =
            modules[..modules.len() - up].iter().map(|module| format!("{module}::")).collect::<String>();
        code = code.replace(&"super::".repeat(up), &format!("crate::{above}"));
    }
    code
}
