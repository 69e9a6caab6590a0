//! Key and initialisation vector files, and configurations, against naive models.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::planted;
use crate::scheme::snapshot::{Config, MATERIAL_LEN, Material, parse_into};

/// Treats the bytes as a key file, as two files, and as the sizes of a configuration.
///
/// # Panics
/// If a file is accepted that the specification refuses, or refused with another error, or gives other bytes;
/// if the key file's error does not come first; if a configuration is judged otherwise.
pub fn material(data: &[u8]) {
    if parsed(data) {
        planted();
    }
}

/// Whether the bytes are a file with material in base64.
fn parsed(data: &[u8]) -> bool {
    config(data);
    let mut out = [0; MATERIAL_LEN];
    let result = parse_into(data, &mut out).map(|()| out).map_err(|error| error.spec_name());
    match model(data) {
        Expected::Exactly(expected) => assert_eq!(result, expected, "one file"),
        Expected::From(body) => {
            if let Ok(found) = &result {
                // 15 bytes are 20 characters exactly.
                assert!(body.starts_with(&STANDARD.encode(&found[..15])), "it decodes to something else");
            } else {
                assert_eq!(result, Err("KeyMaterial"), "base64 that is wrong");
            }
        }
    }
    let (first, second) = data.split_at(data.len() / 2);
    for (key, iv) in [(data, data), (data, first), (first, data), (first, second)] {
        let one = |file| {
            let mut out = [0; MATERIAL_LEN];
            parse_into(file, &mut out).map(|()| out).map_err(|error| error.spec_name())
        };
        let both = Material::parse(key, iv);
        match (&both, one(key), one(iv)) {
            (Ok(both), Ok(key), Ok(iv)) => {
                assert_eq!((both.key(), both.iv()), (&key, &iv), "both files");
                assert_eq!(format!("{both:?}"), "Material(16 bytes)", "it shows more than its length");
            }
            (Err(error), Err(kind), _) | (Err(error), Ok(_), Err(kind)) => {
                assert_eq!(error.spec_name(), kind, "the key's error comes first");
            }
            other => panic!("{other:?}"),
        }
    }
    result.is_ok() && data.windows(10).any(|bytes| bytes == b"-----BEGIN")
}

/// What the specification (§3) says of a file.
enum Expected {
    Exactly(Result<[u8; MATERIAL_LEN], &'static str>),
    /// This base64, which is complete and right but for its padding and its last bits: the reference's
    /// decoder decides about these.
    From(String),
}

fn model(file: &[u8]) -> Expected {
    let refused = Expected::Exactly(Err("KeyMaterial"));
    let Ok(text) = std::str::from_utf8(file) else { return Expected::Exactly(Err("Io")) };
    if !text.contains("-----BEGIN") {
        let end = text.bytes().rposition(|byte| !b"\r\n \t".contains(&byte)).map_or(0, |last| last + 1);
        return Expected::Exactly(file[..end].first_chunk().copied().ok_or("KeyMaterial"));
    }
    let mut lines = text.split('\n').skip_while(|line| !line.trim_start().starts_with("-----BEGIN"));
    if lines.next().is_none() {
        return refused;
    }
    let (mut body, mut ended) = (String::new(), false);
    for line in lines {
        if line.trim().starts_with("-----END") {
            ended = true;
            break;
        }
        body.push_str(line.trim());
    }
    let digits = body.trim_end_matches('=');
    let pads = body.len() - digits.len();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let whole = digits.len() * 6 / 8;
    if !ended || pads > 2 || !digits.bytes().all(is_digit) || digits.len() % 4 == 1 || whole < MATERIAL_LEN {
        return refused;
    }
    // A multiple of 4 digits without padding, or with padding to one, whose last bits are zero, is right.
    match STANDARD.decode(format!("{digits}{}", "=".repeat((4 - digits.len() % 4) % 4))) {
        Ok(bytes) if pads == 0 || (digits.len() + pads).is_multiple_of(4) => {
            Expected::Exactly(bytes.first_chunk().copied().ok_or("KeyMaterial"))
        }
        _ => Expected::From(body),
    }
}

/// Bytes as two sizes and a flag, against the specification (§4).
fn config(data: &[u8]) {
    let Some(([sizes @ .., encrypt], _)) = data.split_first_chunk::<9>() else { return };
    let size = |at: usize| sizes[at..at + 4].iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    let (buffer_size, header_size, encrypt) = (size(0), size(4), encrypt & 1 == 1);
    let right = buffer_size > 0
        && buffer_size <= 5 * 1024 * 1024
        && (8..=1024).contains(&header_size)
        && (!encrypt || buffer_size % 16 == 0);
    let config = Config { buffer_size, header_size, encrypt, ..Config::new(PathBuf::new(), PathBuf::new()) };
    let found = config.validate().map_err(|error| error.spec_name());
    assert_eq!(found, if right { Ok(()) } else { Err("Config") }, "{buffer_size}, {header_size}, {encrypt}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: &str = include_str!("../../../../vectors/interop/dyn-material.json");

    #[test]
    fn files_and_configurations_of_the_vectors_whole_cut_and_altered_follow_the_model() {
        let root: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let mut through = 0;
        let files = root["key_files"].as_array().unwrap();
        assert_eq!(files.len(), 21);
        for case in files {
            let file = hex::decode(case["file"].as_str().unwrap()).unwrap();
            through += usize::from(parsed(&file));
            for at in 0..file.len() {
                parsed(&file[..at]);
                for value in [0x01, 0x10, 0x40, 0x80] {
                    let mut altered = file.clone();
                    altered[at] ^= value;
                    parsed(&altered);
                }
                for inserted in [b'\n', b'=', b' ', b'-'] {
                    let mut longer = file.clone();
                    longer.insert(at, inserted);
                    parsed(&longer);
                }
            }
        }
        assert!(through >= 5, "{through}");
        for case in root["config"].as_array().unwrap() {
            let size = |name: &str| u32::try_from(case[name].as_u64().unwrap()).unwrap().to_be_bytes();
            let encrypt = u8::from(case["encrypt"].as_bool().unwrap());
            material(&[&size("buffer_size")[..], &size("header_size"), &[encrypt]].concat());
        }
    }
}
