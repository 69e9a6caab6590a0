//! The terminal: its width, and links to files if it supports them.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;

use supports_hyperlinks::Stream;

/// Columns of a screen if there is no terminal.
const SCREEN: u16 = 100;
/// Columns of tables if there is no terminal: a file can be scrolled sideways.
const TABLES: u16 = 160;

/// Columns for the summary at the end of a command.
pub(super) fn screen_width() -> u16 {
    columns().or_else(measured).unwrap_or(SCREEN)
}

/// Columns for tables.
pub(super) fn width() -> u16 {
    if std::io::stdout().is_terminal() { columns().or_else(measured).unwrap_or(SCREEN) } else { TABLES }
}

/// The width in the environment variable COLUMNS.
fn columns() -> Option<u16> {
    std::env::var("COLUMNS").ok()?.trim().parse().ok().filter(|&columns| columns > 0)
}

/// The width that the terminal reports.
fn measured() -> Option<u16> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(width.0)
}

/// A link to the path if the terminal supports links; otherwise the path alone.
pub(super) fn link(path: &Path) -> String {
    let shown = path.display().to_string();
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match std::path::absolute(path) {
        Ok(path) if !dumb && supports_hyperlinks::on(Stream::Stdout) => hyperlink(&url(&path), &shown),
        _ => shown,
    }
}

/// The escape sequence OSC 8.
fn hyperlink(url: &str, words: &str) -> String {
    format!("\u{1b}]8;;{url}\u{1b}\\{words}\u{1b}]8;;\u{1b}\\")
}

/// A `file:` URL (RFC 8089) of an absolute path.
fn url(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = if cfg!(windows) { format!("/{}", path.replace('\\', "/")) } else { path.into_owned() };
    let mut url = "file://".to_owned();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_link_holds_no_byte_that_could_end_it() {
        let url = url(Path::new("/tmp/a b/\u{1b}\\ü%.html"));
        assert_eq!(url, "file:///tmp/a%20b/%1B%5C%C3%BC%25.html");
        assert_eq!(hyperlink("file:///x", "x"), "\u{1b}]8;;file:///x\u{1b}\\x\u{1b}]8;;\u{1b}\\");
    }

    #[test]
    fn without_a_terminal_a_link_is_the_path_alone() {
        if !std::io::stdout().is_terminal() && std::env::var_os("FORCE_HYPERLINK").is_none() {
            assert_eq!(link(Path::new("site/index.html")), "site/index.html");
        }
    }
}
