//! Tables of results in a hand-written text, each between a pair of marker comments.

use std::path::Path;

use super::Error;

/// Replaces the text between `<!-- sealmark:MARKER -->` and `<!-- /sealmark:MARKER -->` by `table`.
///
/// # Errors
/// [`Error::NoMarker`] when the pair is not there, in that order.
pub fn splice(markdown: &str, marker: &str, table: &str) -> Result<String, Error> {
    let (open, close) = (format!("<!-- sealmark:{marker} -->"), format!("<!-- /sealmark:{marker} -->"));
    let found = markdown.split_once(&open).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&close)?;
        Some(format!("{before}{open}\n{}\n{close}{after}", table.trim_matches('\n')))
    });
    found.ok_or_else(|| Error::NoMarker { marker: marker.to_owned() })
}

/// The markers of a text, in order.
pub fn markers(markdown: &str) -> Vec<&str> {
    let rest = markdown.split("<!-- sealmark:").skip(1);
    rest.filter_map(|rest| rest.split_once(" -->")).map(|(marker, _)| marker).collect()
}

/// The link from a Markdown file to another file, both named from the same folder.
pub fn link(markdown: &Path, file: &Path) -> String {
    let folder: Vec<_> = markdown.parent().into_iter().flat_map(Path::components).collect();
    let parts: Vec<_> = file.components().collect();
    let shared = folder.iter().zip(&parts).take_while(|(one, other)| one == other).count();
    let up = folder[shared..].iter().map(|_| "..".into());
    let down = parts[shared..].iter().map(|part| part.as_os_str().to_string_lossy());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_starts_at_the_folder_of_its_page() {
        let link = |page: &str, file: &str| link(Path::new(page), Path::new(file));
        assert_eq!(link("README.md", "reports/run/seal.svg"), "reports/run/seal.svg");
        assert_eq!(link("reports/README.md", "reports/run/seal.svg"), "run/seal.svg");
        assert_eq!(link("pages/a/README.md", "reports/seal.svg"), "../../reports/seal.svg");
    }

    #[test]
    fn a_table_is_spliced_between_its_markers() {
        let text = "a\n<!-- sealmark:x -->\nold\n<!-- /sealmark:x -->\nb\n";
        let once = splice(text, "x", "| new |\n").unwrap();
        assert_eq!(once, "a\n<!-- sealmark:x -->\n| new |\n<!-- /sealmark:x -->\nb\n");
        assert_eq!(splice(&once, "x", "| new |").unwrap(), once, "again changes nothing");
        for text in ["", "<!-- sealmark:x -->", "<!-- /sealmark:x --><!-- sealmark:x -->"] {
            assert!(matches!(splice(text, "x", "t"), Err(Error::NoMarker { .. })), "{text}");
        }
        assert!(matches!(splice(text, "y", "t"), Err(Error::NoMarker { marker }) if marker == "y"));
        assert_eq!((markers(text), markers("")), (vec!["x"], vec![]));
    }
}
