//! Key and initialisation vector files (spec §3): 16 bytes of text, or of base64 between `-----BEGIN` and
//! `-----END`. Both files are read alike, whatever their names say.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::Error;
use crate::primitive::cbc::{BLOCK_LEN, Iv};

/// Bytes of a key and of an initialisation vector.
pub const MATERIAL_LEN: usize = 16;

/// The longest file that is read. The reference has no limit, but a key file of this size is a mistake.
const MAX_FILE_LEN: u64 = 1 << 20;

/// The reference accepts base64 with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key and an initialisation vector, wiped when dropped.
///
/// Both stay in one place on the heap, so that moving them leaves no copies.
#[derive(Clone, PartialEq, Eq)]
pub struct Material(Box<Zeroizing<[[u8; MATERIAL_LEN]; 2]>>);

impl Material {
    /// Reads both files, the key first.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read or is not UTF-8; [`Error::KeyMaterial`] for anything else that
    /// is wrong with it. The first error wins.
    pub fn load(key_file: &Path, iv_file: &Path) -> Result<Self, Error> {
        let key = read(key_file, "reading the key file")?;
        let iv = read(iv_file, "reading the file of the initialisation vector")?;
        Self::parse(&key, &iv)
    }

    /// The same from the contents of both files.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(key_file: &[u8], iv_file: &[u8]) -> Result<Self, Error> {
        let mut material = Self(Box::default());
        let [key, iv] = &mut **material.0;
        parse_into(key_file, key)?;
        parse_into(iv_file, iv)?;
        Ok(material)
    }

    /// The key's bytes.
    pub fn key(&self) -> &[u8; MATERIAL_LEN] {
        &self.0[0]
    }

    /// The initialisation vector.
    pub fn iv(&self) -> &Iv {
        &self.0[1]
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material({MATERIAL_LEN} bytes)")
    }
}

fn read(path: &Path, doing: &'static str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let file = File::open(path).map_err(Error::io(doing))?;
    // Allocated for the whole file, so that reading it leaves no shorter copies behind.
    let len = file.metadata().map_err(Error::io(doing))?.len().min(MAX_FILE_LEN);
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 64));
    file.take(MAX_FILE_LEN + 1).read_to_end(&mut text).map_err(Error::io(doing))?;
    if text.len() as u64 > MAX_FILE_LEN {
        return Err(Error::KeyMaterial(format!("{} has more than {MAX_FILE_LEN} bytes", path.display())));
    }
    Ok(text)
}

/// Takes the 16 bytes from the content of a file.
///
/// # Errors
/// [`Error::Io`] if it is not UTF-8; [`Error::KeyMaterial`].
#[doc(hidden)]
pub fn parse_into(file: &[u8], out: &mut [u8; BLOCK_LEN]) -> Result<(), Error> {
    let text = str::from_utf8(file).map_err(|_| {
        let reason = io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8");
        Error::io("reading key material")(reason)
    })?;
    let decoded;
    let bytes = if text.contains("-----BEGIN") {
        decoded = armoured(text)?;
        &decoded[..]
    } else {
        text.trim_end_matches(['\r', '\n', ' ', '\t']).as_bytes()
    };
    let first = bytes.first_chunk().ok_or_else(|| {
        Error::KeyMaterial(format!("the file holds {} bytes, fewer than {MATERIAL_LEN}", bytes.len()))
    })?;
    *out = *first;
    Ok(())
}

/// The bytes between the first line that begins with `-----BEGIN` and the next one with `-----END`. The
/// labels after these words are not compared.
fn armoured(text: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let missing = |what: &str| Error::KeyMaterial(format!("no line of the file begins with {what}"));
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("-----BEGIN")).ok_or_else(|| missing("-----BEGIN"))?;
    // As long as the text, so that it never grows and leaves no copies behind.
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    loop {
        match lines.next() {
            None => return Err(missing("-----END")),
            Some(line) if line.starts_with("-----END") => break,
            Some(line) => body.push_str(line),
        }
    }
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(body.len())]);
    let len = BASE64
        .decode_slice(body.as_bytes(), &mut bytes)
        .map_err(|_| Error::KeyMaterial("the lines between BEGIN and END are not base64".into()))?;
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(file: &str) -> Result<[u8; 16], Error> {
        let mut out = [0; 16];
        parse_into(file.as_bytes(), &mut out).map(|()| out)
    }

    #[test]
    fn the_bundled_fixture_of_17_characters_gives_its_first_16() {
        let files = (b"01234567890123456".as_slice(), b"01234567890123456\r\n \t".as_slice());
        let material = Material::parse(files.0, files.1).unwrap();
        assert_eq!((material.key(), material.iv()), (b"0123456789012345", b"0123456789012345"));
        assert_eq!(format!("{material:?}"), "Material(16 bytes)");
    }

    #[test]
    fn armoured_material_is_found_among_other_lines_and_with_any_label() {
        let body = "MDEyMzQ1Njc4OTAxMjM0NQ";
        for file in [
            format!("-----BEGIN A-----\n{body}==\n-----END B-----\n"),
            format!("note\n  -----BEGIN-----\r\n  {}\n\t{}\n-----END", &body[..9], &body[9..]),
        ] {
            assert_eq!(&parsed(&file).unwrap(), b"0123456789012345", "{file}");
        }
    }

    #[test]
    fn each_defect_of_a_file_has_its_kind_and_reason() {
        for (file, why) in [
            ("", "holds 0 bytes"),
            ("0123456789abcde\n", "holds 15 bytes"),
            ("-----BEGIN K-----\nMDEy", "begins with -----END"),
            ("text -----BEGIN K-----\n-----END", "begins with -----BEGIN"),
            ("-----BEGIN K-----\nMDEy\n-----END", "holds 3 bytes"),
            ("-----BEGIN K-----\nM!Ey\n-----END", "not base64"),
        ] {
            let refused = parsed(file).unwrap_err();
            assert_eq!(refused.spec_name(), "KeyMaterial", "{file}");
            assert!(refused.to_string().contains(why), "{refused}");
        }
        let refused = parse_into(&[0xff; 16], &mut [0; 16]).unwrap_err();
        assert_eq!(refused.spec_name(), "Io");
        assert!(refused.to_string().contains("not UTF-8"), "{refused}");
    }

    #[test]
    fn the_key_file_is_read_first_and_a_missing_or_huge_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let [key, iv, huge] = ["key", "iv", "huge"].map(|name| dir.path().join(name));
        std::fs::write(&iv, "short").unwrap();
        std::fs::write(&huge, vec![b'a'; (1 << 20) + 1]).unwrap();
        assert_eq!(Material::load(&key, &iv).unwrap_err().spec_name(), "Io", "the key's error wins");
        std::fs::write(&key, "0123456789abcdef\n").unwrap();
        assert_eq!(Material::load(&key, &iv).unwrap_err().spec_name(), "KeyMaterial");
        let refused = Material::load(&huge, &iv).unwrap_err();
        assert!(refused.to_string().contains("more than 1048576 bytes"), "{refused}");
        std::fs::write(&iv, "fedcba9876543210").unwrap();
        let material = Material::load(&key, &iv).unwrap();
        assert_eq!((material.key(), material.iv()), (b"0123456789abcdef", b"fedcba9876543210"));
    }
}
