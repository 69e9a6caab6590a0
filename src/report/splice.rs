//! Tables of results in a hand-written text, each between a pair of marker comments.

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

#[cfg(test)]
mod tests {
    use super::*;

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
