//! Published vectors: one decoder for each format, told apart by what a file holds, never by its name.
//!
//! A decoder returns every case of the file or one [`Problem`]; it skips nothing and never panics.

use std::borrow::Cow;
use std::io::Read;

use super::Case;

mod cavp;
pub mod index;
mod interop;
mod json;
mod wycheproof;

/// A file format: how to know it and how to read it.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in the index.
    pub name: &'static str,
    /// What it looks like, for a person whose file was not recognised.
    pub looks: &'static str,
    known: fn(&[u8]) -> bool,
    decode: fn(&[u8]) -> Result<Vec<Case>, Problem>,
}

/// The formats that can be read.
pub const FORMATS: [Format; 3] = [
    Format {
        name: "wycheproof-aead",
        looks: "JSON with the member testGroups",
        known: |bytes| is_json(bytes) && contains(bytes, b"\"testGroups\""),
        decode: wycheproof::decode,
    },
    Format {
        name: "cavp-gcm",
        looks: "text with sections [Keylen = ...]",
        known: |bytes| !is_json(bytes) && contains(bytes, b"[Keylen = "),
        decode: cavp::decode,
    },
    Format {
        name: "interop",
        looks: "JSON with the members schema_version and file",
        known: |bytes| {
            is_json(bytes) && contains(bytes, b"\"schema_version\"") && contains(bytes, b"\"file\"")
        },
        decode: interop::decode,
    },
];

impl Format {
    /// The format of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// Every case of a file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<Case>, Problem> {
        (self.decode)(bytes)
    }
}

/// What is wrong with a file of vectors.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Problem {
    /// Where: a line and column, or the path of a JSON member such as `testGroups[3].tests[0].iv`.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

/// The format of a file, by its content.
///
/// # Errors
/// Nothing in it, or none of [`FORMATS`].
pub fn recognise(bytes: &[u8]) -> Result<&'static Format, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::new("line 1, column 1", "the file is empty"));
    }
    FORMATS.iter().find(|format| (format.known)(bytes)).ok_or_else(|| {
        if is_json(bytes)
            && let Err(problem) = json::parse(bytes)
        {
            return problem;
        }
        let known: Vec<_> = FORMATS.iter().map(|f| format!("{} ({})", f.name, f.looks)).collect();
        Problem::new("line 1, column 1", format!("not a format that is known here: {}", known.join("; ")))
    })
}

/// Every case of a file in any of the [`FORMATS`].
///
/// # Errors
/// What is wrong with it, and where.
pub fn decode_any(bytes: &[u8]) -> Result<Vec<Case>, Problem> {
    recognise(bytes)?.decode(bytes)
}

/// More than any file of vectors holds: a compressed file may not fill the memory.
const MAX_UNPACKED_LEN: u64 = 256 * 1024 * 1024;

/// The bytes themselves, or what they unpack to when they begin with a Zstandard frame: every frame, one after the
/// other (RFC 8878, 3).
///
/// # Errors
/// A frame that does not unpack, bytes after a frame that are no other one, more than 256 MiB in all.
pub fn unpack(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Problem> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    if !bytes.starts_with(&MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let broken =
        |e: &dyn std::fmt::Display| Problem::new("the compressed file", format!("does not unpack: {e}"));
    let (mut rest, mut unpacked) = (bytes, Vec::new());
    while !rest.is_empty() {
        if !rest.starts_with(&MAGIC) {
            let at = bytes.len() - rest.len();
            return Err(broken(&format!("from byte {at} on it is no Zstandard frame")));
        }
        let frame = ruzstd::decoding::StreamingDecoder::new(&mut rest).map_err(|e| broken(&e))?;
        let room = MAX_UNPACKED_LEN + 1 - unpacked.len() as u64;
        frame.take(room).read_to_end(&mut unpacked).map_err(|e| broken(&e))?;
        if unpacked.len() as u64 > MAX_UNPACKED_LEN {
            return Err(broken(&"more than 256 MiB"));
        }
    }
    Ok(Cow::Owned(unpacked))
}

fn some(cases: Vec<Case>) -> Result<Vec<Case>, Problem> {
    if cases.is_empty() {
        return Err(Problem::new("the whole file", "there are no cases in it"));
    }
    Ok(cases)
}

fn is_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
        && !bytes.trim_ascii_start().starts_with(b"[Keylen")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_content() {
        let json = wycheproof_text().as_bytes();
        assert_eq!(recognise(json).unwrap().name, "wycheproof-aead");
        assert_eq!(recognise(b"# CAVS\n[Keylen = 128]\n").unwrap().name, "cavp-gcm");
        assert_eq!(recognise(b"[Keylen = 128]\n").unwrap().name, "cavp-gcm");
        assert_eq!(decode_any(json).unwrap().len(), 316);
        let interop = include_bytes!("../../../vectors/interop/ek-raft-envelope.json");
        assert_eq!(recognise(interop).unwrap().name, "interop");
        assert_eq!(decode_any(interop).unwrap().len(), 23);
    }

    fn wycheproof_text() -> &'static str {
        ::wycheproof::aead::TestName::AesGcm.json_data()
    }

    #[test]
    fn an_empty_or_unknown_file_is_refused() {
        for empty in [&b""[..], b" \r\n\t"] {
            assert!(recognise(empty).unwrap_err().reason.contains("empty"));
        }
        for unknown in [&b"hello"[..], b"{}", b"[1, 2]", b"\xff\xfe\x00"] {
            let problem = recognise(unknown).unwrap_err();
            assert!(problem.reason.contains("wycheproof-aead (JSON with"), "{problem}");
        }
        assert!(recognise(b"{\"set\": \"st").unwrap_err().reason.contains("cut short"));
    }

    #[test]
    fn a_broken_frame_does_not_unpack() {
        let whole = include_bytes!("../../../vectors/nist/gcmDecrypt128.rsp.zst");
        assert_eq!(unpack(whole).unwrap().len(), 2_748_606);
        for len in [whole.len() / 2, 4] {
            let problem = unpack(&whole[..len]).unwrap_err();
            assert!(problem.reason.starts_with("does not unpack: "), "{len}: {problem}");
        }
        assert_eq!(unpack(b"plain").unwrap(), &b"plain"[..]);
    }

    #[test]
    fn every_frame_is_unpacked_and_what_follows_them_is_refused() {
        let one = &include_bytes!("../../../vectors/nist/gcmDecrypt128.rsp.zst")[..];
        let text = unpack(one).unwrap();
        assert_eq!(unpack(&[one, one].concat()).unwrap(), [&text[..], &text[..]].concat());
        for trailing in [&b"\n"[..], b"Count = 0", &one[..3], &one[..4], &one[..one.len() - 1]] {
            let problem = unpack(&[one, trailing].concat()).unwrap_err();
            assert!(problem.to_string().starts_with("the compressed file: does not unpack"), "{problem}");
        }
        let problem = unpack(&[one, b"\n"].concat()).unwrap_err();
        assert!(problem.reason.contains(&format!("from byte {} on", one.len())), "{problem}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{{\"testGroups\": {}", "[".repeat(100_000));
        let problem = decode_any(deep.as_bytes()).err().unwrap();
        assert!(problem.reason.contains("recursion limit exceeded"), "{problem}");
    }
}
