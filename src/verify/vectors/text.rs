//! Text files, prepared for decoding: harmless differences in spelling are removed here.
//!
//! A byte-order mark, a ^Z at the end, blanks and tabs at either end of a line, and every kind of line end
//! (LF, CRLF, CR CR LF, CR alone) have no meaning. UTF-16 is refused by name, since nothing in it would be
//! legible.

use super::Problem;

/// The bytes without a byte-order mark and without a ^Z at the end.
///
/// # Errors
/// The file is UTF-16 or UTF-32.
pub(super) fn clean(bytes: &[u8]) -> Result<&[u8], Problem> {
    if is_utf16(bytes) {
        let reason = "the file is UTF-16 (or UTF-32), which cannot be read: save it as UTF-8";
        return Err(Problem::new("line 1, column 1", reason));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let end = |byte: &u8| *byte != CTRL_Z && !byte.is_ascii_whitespace();
    let end = bytes.iter().rposition(end).map_or(0, |last| last + 1);
    let ends_in_ctrl_z = bytes[end..].contains(&CTRL_Z);
    Ok(if ends_in_ctrl_z { &bytes[..end] } else { bytes })
}

const CTRL_Z: u8 = 0x1a;

/// Whether the text begins with a 16-bit byte-order mark, or every other of its first bytes is NUL.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return true;
    }
    let nul = |at: usize| bytes.get(at) == Some(&0);
    bytes.len() >= 4 && nul(0) != nul(1) && nul(0) == nul(2) && nul(1) == nul(3)
}

/// Whether the text is JSON, judged by its first characters: a text section also begins with `[`, but
/// followed by a letter.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    match bytes.split_first() {
        Some((b'{', _)) => true,
        Some((b'[', rest)) => !rest.trim_ascii_start().first().is_some_and(u8::is_ascii_alphabetic),
        _ => false,
    }
}

/// A line without blanks at its ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// The column where its text begins, counted from 1.
    pub column: usize,
    /// The text.
    pub text: &'a str,
}

/// The lines of a text.
///
/// # Errors
/// The place at which it is not UTF-8.
pub(super) fn lines(bytes: &[u8]) -> Result<Vec<Line<'_>>, Problem> {
    let mut lines = Vec::new();
    let (mut rest, mut number) = (bytes, 1);
    while !rest.is_empty() {
        let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        let text = str::from_utf8(line).map_err(|e| {
            let place = format!("line {number}, column {}", e.valid_up_to() + 1);
            Problem::new(place, "neither UTF-8 text nor a known compressed format")
        })?;
        let column = text.len() - text.trim_start().len() + 1;
        lines.push(Line { number, column, text: text.trim() });
        let returns = tail.iter().take_while(|b| **b == b'\r').count();
        let feed = tail.get(returns) == Some(&b'\n');
        // Before a line feed, carriage returns belong to it; otherwise each ends a line.
        number += if feed { 1 } else { returns };
        if !feed && returns > 1 {
            lines.push(Line { number: number - 1, column: 1, text: "" });
        }
        rest = &tail[returns + usize::from(feed)..];
    }
    Ok(lines)
}

impl<'a> Line<'a> {
    /// An error about this line.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::new(format!("line {}, column {}", self.number, self.column), reason)
    }

    /// Whether it is a comment.
    pub fn is_comment(&self) -> bool {
        self.text.starts_with('#')
    }

    /// `NAME = VALUE` or `NAME: VALUE`, with any blanks around the sign or none.
    pub fn attribute(&self) -> Option<Attribute<'a>> {
        if self.is_comment() || self.text.starts_with('[') {
            return None;
        }
        self.pair(self.text, 0)
    }

    /// `[NAME = VALUE]` or `[NAME: VALUE]`.
    pub fn section(&self) -> Option<Attribute<'a>> {
        let inner = self.text.strip_prefix('[')?.strip_suffix(']')?;
        self.pair(inner, 1)
    }

    fn pair(&self, text: &'a str, skipped: usize) -> Option<Attribute<'a>> {
        let at = text.find(['=', ':'])?;
        let (name, value) = (text[..at].trim(), &text[at + 1..]);
        let before_value = value.len() - value.trim_start().len();
        let lead = text.len() - text.trim_start().len();
        Some(Attribute {
            line: self.number,
            name_column: self.column + skipped + lead,
            value_column: self.column + skipped + at + 1 + before_value,
            name,
            value: value.trim(),
        })
    }
}

/// A name and its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub line: usize,
    name_column: usize,
    value_column: usize,
    pub name: &'a str,
    pub value: &'a str,
}

impl Attribute<'_> {
    /// Whether it has this name, ignoring case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// An error about the name.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::new(format!("line {}, column {}", self.line, self.name_column), reason)
    }

    /// An error about the value, `offset` characters into it.
    pub fn in_value(&self, offset: usize, reason: impl Into<String>) -> Problem {
        Problem::new(format!("line {}, column {}", self.line, self.value_column + offset), reason)
    }

    /// The value as a number.
    pub fn number(&self) -> Result<u64, Problem> {
        self.value.parse().map_err(|_| self.in_value(0, "not a number"))
    }

    /// The value, given in bits, as a number of bytes.
    pub fn bits_as_bytes(&self) -> Result<u64, Problem> {
        let bits: u64 = self.value.parse().map_err(|_| self.in_value(0, "not a number of bits"))?;
        if bits.is_multiple_of(8) { Ok(bits / 8) } else { Err(self.in_value(0, "not whole bytes")) }
    }

    /// The text between the quotes, if the value is quoted: its characters are the bytes.
    pub fn quoted(&self) -> Option<&str> {
        self.value.strip_prefix('"')?.strip_suffix('"')
    }

    /// The bytes of the value: hex digits, or quoted characters.
    pub fn bytes(&self) -> Result<Vec<u8>, Problem> {
        self.quoted().map_or_else(|| self.hex(self.value, 0), |text| Ok(text.as_bytes().to_vec()))
    }

    /// Decodes a part of the value as hex.
    pub fn hex(&self, digits: &str, offset: usize) -> Result<Vec<u8>, Problem> {
        hex::decode(digits).map_err(|e| match e {
            hex::FromHexError::InvalidHexCharacter { c, index } => {
                self.in_value(offset + index, format!("{c:?} is not a hex digit"))
            }
            _ => self.in_value(offset, "an odd number of hex digits"),
        })
    }
}

/// Runs of attributes without an empty line in between. Sections separate them, comments do not.
pub(super) fn stanzas<'a>(lines: &[Line<'a>]) -> Vec<Vec<Line<'a>>> {
    let parted = lines.split(|line| line.text.is_empty() || line.text.starts_with('['));
    let stanzas = parted.map(|run| run.iter().filter(|line| !line.is_comment()).copied().collect());
    stanzas.filter(|stanza: &Vec<_>| !stanza.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_gives_the_same_lines() {
        for text in
            ["a\nb\n\nc", "a\r\nb\r\n\r\nc\r\n", "a\r\r\nb\r\r\n\r\r\nc", "a\rb\r\rc\r", " a\t\n\tb \n \nc\n"]
        {
            let lines = lines(text.as_bytes()).unwrap();
            let seen: Vec<_> = lines.iter().map(|line| (line.number, line.text)).collect();
            assert_eq!(seen, [(1, "a"), (2, "b"), (3, ""), (4, "c")], "{text:?}");
        }
    }

    #[test]
    fn marks_at_either_end_are_removed_and_utf_16_is_named() {
        assert_eq!(clean(b"\xef\xbb\xbfa\n").unwrap(), b"a\n");
        assert_eq!(clean(b"a\n\x1a").unwrap(), b"a");
        assert_eq!(clean(b"a\x1ab\x1a\r\n").unwrap(), b"a\x1ab");
        assert_eq!(clean(b"").unwrap(), b"");
        for text in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"{\0\"\0", b"\0{\0\""] {
            assert!(clean(text).unwrap_err().reason.contains("UTF-16"), "{text:?}");
        }
    }

    #[test]
    fn a_name_and_its_value_are_found_whatever_separates_them() {
        for text in ["IV=00ff", "IV = 00ff", "IV:00ff", "  IV\t=\t00ff ", "IV  =  00FF"] {
            let attribute = lines(text.as_bytes()).unwrap()[0].attribute().unwrap();
            assert!(attribute.is("iv"), "{text}");
            assert_eq!(attribute.bytes().unwrap(), [0, 255], "{text}");
        }
        let quoted = lines(b"IN: \"a:b\"").unwrap()[0].attribute().unwrap().bytes().unwrap();
        assert_eq!(quoted, b"a:b");
        let problem = lines(b" IV = 0g").unwrap()[0].attribute().unwrap().bytes().unwrap_err();
        assert_eq!(problem.place, "line 1, column 8");
        let section = lines(b"[Keylen=128]").unwrap()[0].section().unwrap();
        assert_eq!((section.name, section.bits_as_bytes().unwrap()), ("Keylen", 16));
    }
}
