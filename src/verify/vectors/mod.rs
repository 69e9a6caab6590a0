//! Published vectors: one decoder for each format, chosen by the content of the file.
//!
//! A decoder returns every case of the file or one [`Problem`]; it skips nothing silently and never panics.
//! Harmless deviations (line ends, a wrong count after an edit) become remarks. Vectors for another algorithm
//! are [`Decoded::Other`]: they are valid, but not for AES-GCM. A file's name counts only in the one format
//! that does not name the algorithm (`boringssl`).

use serde_json::Value;

use super::Case;

pub mod acvp;
mod boringssl;
mod cavp;
mod chunked;
pub mod index;
pub(in crate::verify) mod interop;
mod json;
mod openssl;
mod parts;
mod primitive;
mod rooterberg;
pub mod stray;
mod text;
mod unpack;
mod wycheproof;

use parts::Parts;
pub use unpack::unpack;

/// A file format: how to recognise it and how to read it.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in the index.
    pub name: &'static str,
    /// A description for a user whose file was not recognised.
    pub looks: &'static str,
    known: fn(&Content<'_>) -> bool,
    decode: fn(&File<'_>) -> Result<Decoded, Problem>,
}

/// The known formats; the first one that recognises a file decodes it.
pub const FORMATS: [Format; 8] = [
    acvp::FORMAT,
    chunked::FORMAT,
    wycheproof::FORMAT,
    rooterberg::FORMAT,
    interop::FORMAT,
    cavp::FORMAT,
    openssl::FORMAT,
    boringssl::FORMAT,
];

/// A file, ready to decode.
#[derive(Debug)]
struct File<'a> {
    /// Its name without the folders; empty if it has none.
    name: &'a str,
    content: Content<'a>,
}

/// The content of a file, parsed as far as all formats have in common.
#[derive(Debug)]
enum Content<'a> {
    Json(Value),
    Text(Vec<text::Line<'a>>),
}

impl<'a> Content<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Problem> {
        let bytes = text::clean(bytes)?;
        if bytes.trim_ascii().is_empty() {
            return Err(Problem::new("line 1, column 1", "the file is empty"));
        }
        if text::is_json(bytes) {
            json::parse(bytes).map(Self::Json)
        } else {
            text::lines(bytes).map(Self::Text)
        }
    }

    /// The file as an object, if it is one.
    fn object(&self) -> Option<&serde_json::Map<String, Value>> {
        match self {
            Self::Json(value) => value.as_object(),
            Self::Text(_) => None,
        }
    }

    fn json(&self) -> Result<&Value, Problem> {
        match self {
            Self::Json(value) => Ok(value),
            Self::Text(_) => Err(Problem::new("line 1, column 1", "found text, expected JSON")),
        }
    }

    fn lines(&self) -> &[text::Line<'a>] {
        match self {
            Self::Json(_) => &[],
            Self::Text(lines) => lines,
        }
    }
}

/// The result of decoding a file.
#[derive(Debug)]
pub enum Decoded {
    /// Cases to judge.
    Cases(Vectors),
    /// The questions or the answers of an ACVP exchange: cases once the other half is found.
    Half(acvp::Half),
    /// Not AES-GCM vectors, but these.
    Other(String),
}

/// The cases of a file.
#[derive(Debug)]
pub struct Vectors {
    /// At least one.
    pub cases: Vec<Case>,
    /// The file's harmless deviations from its own declarations or its format.
    pub remarks: Vec<String>,
}

impl Vectors {
    /// The cases of one file. Repeated ids get the suffixes `#2`, `#3`, ...
    ///
    /// # Errors
    /// There is no case.
    fn new(mut cases: Vec<Case>, mut remarks: Vec<String>) -> Result<Self, Problem> {
        if cases.is_empty() {
            return Err(Problem::new("the whole file", "it contains no cases"));
        }
        let mut seen = std::collections::HashMap::<String, u64>::new();
        let mut repeated = 0;
        for case in &mut cases {
            let times = seen.entry(case.id.clone()).or_default();
            *times += 1;
            if *times > 1 {
                if repeated == 0 {
                    remarks.push(format!("the id {} appears more than once: the second is {0}#2", case.id));
                }
                repeated += 1;
                case.id = format!("{}#{times}", case.id);
            }
        }
        Ok(Self { cases, remarks })
    }
}

impl Format {
    /// The format with that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// Every case of a file.
    ///
    /// # Errors
    /// What is wrong with the file, and where; also if it contains no AES-GCM cases.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vectors, Problem> {
        cases((self.decode)(&File { name: "", content: Content::of(bytes)? })?)
    }
}

fn cases(decoded: Decoded) -> Result<Vectors, Problem> {
    match decoded {
        Decoded::Cases(vectors) => Ok(vectors),
        Decoded::Half(half) => Err(half.alone()),
        Decoded::Other(what) => {
            Err(Problem::new("the whole file", format!("no AES-GCM vectors, but {what}")))
        }
    }
}

/// An error in a file of vectors.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Problem {
    /// The place: a line and column, or the path of a JSON member such as `testGroups[3].tests[0].iv`.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

impl Problem {
    /// An error at a place.
    pub fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

/// The format of a file, by its content.
///
/// # Errors
/// The file is empty, its JSON does not parse, or it has none of the [`FORMATS`].
pub fn recognise(bytes: &[u8]) -> Result<&'static Format, Problem> {
    format_of(&Content::of(bytes)?)
}

fn format_of(content: &Content<'_>) -> Result<&'static Format, Problem> {
    FORMATS.iter().find(|format| (format.known)(content)).ok_or_else(|| {
        let known: Vec<_> = FORMATS.iter().map(|f| format!("{} ({})", f.name, f.looks)).collect();
        Problem::new("line 1, column 1", format!("not a known format: {}", known.join("; ")))
    })
}

/// Decodes a file in any of the [`FORMATS`] and returns the format too; `name` is the file's name without its
/// folders.
///
/// # Errors
/// What is wrong with it, and where.
pub fn decode(name: &str, bytes: &[u8]) -> Result<(&'static Format, Decoded), Problem> {
    let content = Content::of(bytes)?;
    let format = format_of(&content)?;
    Ok((format, (format.decode)(&File { name, content })?))
}

/// Every case of a file in any of the [`FORMATS`].
///
/// # Errors
/// What is wrong with the file, and where; also if it contains no AES-GCM cases.
pub fn decode_any(bytes: &[u8]) -> Result<Vectors, Problem> {
    cases(decode("", bytes)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::aead_case::Expect;

    #[test]
    fn a_format_is_recognised_by_content() {
        let json = wycheproof_text().as_bytes();
        assert_eq!(recognise(json).unwrap().name, "wycheproof-aead");
        for cavp in ["# CAVS\n[Keylen = 128]\n", "[Keylen = 128]\n", "\n[Keylen=128]\n", "[KEYLEN:128]"] {
            assert_eq!(recognise(cavp.as_bytes()).unwrap().name, "cavp-gcm");
        }
        assert_eq!(decode_any(json).unwrap().cases.len(), 316);
        let interop = include_bytes!("../../../vectors/interop/ek-raft-envelope.json");
        assert_eq!(recognise(interop).unwrap().name, "interop");
        assert_eq!(decode_any(interop).unwrap().cases.len(), 23);
    }

    fn wycheproof_text() -> &'static str {
        ::wycheproof::aead::TestName::AesGcm.json_data()
    }

    #[test]
    fn an_empty_or_unknown_file_is_refused() {
        for empty in [&b""[..], b" \r\n\t", b"\xef\xbb\xbf\n\x1a"] {
            assert!(recognise(empty).unwrap_err().reason.contains("empty"));
        }
        for unknown in [&b"hello"[..], b"{}", b"[1, 2]", b"[section]"] {
            let problem = recognise(unknown).unwrap_err();
            assert!(problem.reason.contains("wycheproof-aead (JSON with"), "{problem}");
        }
        assert!(recognise(b"{\"set\": \"st").unwrap_err().reason.contains("cut short"));
        assert!(recognise(b"\xff\xfe\x00").unwrap_err().reason.contains("UTF-16"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{{\"testGroups\": {}", "[".repeat(100_000));
        assert!(decode_any(deep.as_bytes()).unwrap_err().reason.contains("recursion limit"));
    }

    #[test]
    fn cases_that_share_an_id_get_suffixes() {
        let part = |id: &str| {
            Parts {
                key: vec![0; 16],
                iv: vec![0; 12],
                aad: Vec::new(),
                message: None,
                ciphertext: Vec::new(),
                tag: vec![0; 16],
                expect: Expect::Invalid,
            }
            .case(id.into())
        };
        let cases = ["tc1", "tc2", "tc1", "tc1"].map(|id| part(id).unwrap());
        let vectors = Vectors::new(cases.into(), Vec::new()).unwrap();
        let ids: Vec<_> = vectors.cases.iter().map(|case| &*case.id).collect();
        assert_eq!(ids, ["tc1", "tc2", "tc1#2", "tc1#3"]);
        assert_eq!(vectors.remarks, ["the id tc1 appears more than once: the second is tc1#2"]);
    }
}
