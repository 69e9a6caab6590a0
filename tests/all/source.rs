//! The sources of this package as text, for the tests that hold its structure.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// Every source file below `src`: its path from the root, and its text without comments.
pub fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files_below(&root().join("src"), &mut found);
    assert!(found.len() > 30, "{} files: is this the right folder?", found.len());
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("source is UTF-8");
            let name =
                path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            (name, without_comments(&text))
        })
        .collect()
}

/// A text without what follows `//` where that begins a line or stands behind a space: not in a URL.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.trim_start() {
        comment if comment.starts_with("//") => String::new(),
        _ => line.split(" //").next().unwrap_or("").to_owned(),
    };
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// The text with leading `super::` resolved to `crate::` and the modules above the file.
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
