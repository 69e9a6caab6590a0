//! Every backend that this CPU can run, against the naive model, the published test cases and each other.
//!
//! Needs neither the command nor a peer, so `ci/cpus` can cross-compile it and run it under an emulated CPU.
//! `SEALMARK_EXPECT=portable,aesni` names exactly the backends that must be available, in order. Every
//! backend must match the model byte by byte, so backends of one CPU and of different CPUs agree.
//! `sealmark verify` adds the lengths that matter to the widest kernels, and Wycheproof.

use sealmark::aead::{Aead, Alg, BACKENDS, Backend, Error, Message, Tag};
use sealmark::engine;

#[path = "../src/verify/model.rs"]
mod model;

use model::Model;

fn available() -> Vec<&'static Backend> {
    BACKENDS.iter().filter(|backend| backend.available()).collect()
}

fn names(backends: &[&Backend]) -> String {
    backends.iter().map(|backend| backend.name).collect::<Vec<_>>().join(",")
}

/// Bytes without a pattern.
fn bytes(len: usize, seed: usize) -> Vec<u8> {
    let mut x = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Room for a message among other bytes, `offset` bytes past a cache line.
struct Place {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Place {
    fn new(message: &[u8], offset: usize) -> Self {
        let mut memory = vec![0xa5; message.len() + 192];
        let start = 64 + memory.as_ptr().align_offset(64) + offset % 64;
        memory[start..][..message.len()].copy_from_slice(message);
        Self { memory, start, len: message.len() }
    }

    fn message(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.len]
    }

    fn neighbours_are_untouched(&self) -> bool {
        let (before, after) = (&self.memory[..self.start], &self.memory[self.start + self.len..]);
        before.iter().chain(after).all(|byte| *byte == 0xa5)
    }
}

/// Key material, made once for all backends.
struct Keys {
    model: Model,
    keys: Vec<(&'static str, Box<dyn Aead>)>,
}

impl Keys {
    fn new(alg: Alg) -> Self {
        let bytes = bytes(alg.key_len(), alg.key_len());
        let key = |backend: &&Backend| (backend.name, backend.key(alg, &bytes).expect("it is available"));
        Self { model: Model::new(&bytes), keys: available().iter().map(key).collect() }
    }

    /// Seals and opens one message with every backend, and compares the results with the model's.
    fn judge(&self, iv: &[u8], aad_len: usize, len: usize) {
        let (message, aad) = (bytes(len, len), bytes(aad_len, 1000 + aad_len));
        let (ciphertext, expected) = self.model.seal(iv, &aad, &message);
        for (name, key) in &self.keys {
            let case = || format!("{name}: {len} bytes, {aad_len} of AAD, IV of {}", iv.len());
            let mut place = Place::new(&message, len + aad_len);
            let mut tag = Tag::default();
            key.seal_iv(iv, &aad, place.message(), &mut tag).expect("the lengths are allowed");
            assert!(place.message() == ciphertext, "ciphertext, {}", case());
            assert_eq!(tag.0, expected, "tag, {}", case());
            key.open_iv(iv, &aad, place.message(), &tag.0).unwrap_or_else(|e| panic!("{e}, {}", case()));
            assert!(place.message() == message, "plaintext, {}", case());
            // A nonce of 96 bits has an entry of its own.
            if let Ok(nonce) = iv.try_into() {
                key.seal(nonce, &aad, place.message(), &mut tag).expect("the lengths are allowed");
                assert!(place.message() == ciphertext, "ciphertext of seal, {}", case());
                assert_eq!(tag.0, expected, "tag of seal, {}", case());
                key.open(nonce, &aad, place.message(), &tag).unwrap_or_else(|e| panic!("{e}, {}", case()));
                assert!(place.message() == message, "plaintext of open, {}", case());
            }
            assert!(place.neighbours_are_untouched(), "written outside the message, {}", case());
        }
    }
}

#[test]
fn the_backends_are_those_expected() {
    let available = available();
    println!("backends of this CPU: {}", names(&available));
    assert_eq!(available[0].name, "portable");
    assert_eq!(Backend::choose().name, available[available.len() - 1].name);
    if let Ok(expected) = std::env::var("SEALMARK_EXPECT") {
        assert_eq!(names(&available), expected, "SEALMARK_EXPECT");
    }
}

#[test]
fn a_backend_that_this_cpu_lacks_makes_no_key() {
    let mut asked = 0;
    for backend in BACKENDS {
        let refusal = backend.key(Alg::Aes256Gcm, &[1; 32]).err();
        assert_eq!(refusal, (!backend.available()).then_some(Error::CpuLacksFeature), "{}", backend.name);
        let engine = engine::find(&format!("sealmark/{}", backend.name)).expect("each backend is an engine");
        assert_eq!(engine.available().is_ok(), backend.available(), "{}", backend.name);
        assert_eq!(backend.key(Alg::Aes256Gcm, &[1; 31]).err(), Some(Error::KeyLength));
        asked += 1;
    }
    assert_eq!(asked, BACKENDS.len());
}

/// Test cases of McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", appendix B: the number, the
/// key's length, the IV, the range of the text that is the message, ciphertext and tag. 1, 2, 7, 8, 13, 14
/// use zeros.
#[rustfmt::skip]
const PUBLISHED: [(u32, usize, &str, &str, &str); 13] = [
    (1, 16, ZERO, "", "58e2fccefa7e3061367f1d57a4e7455a"),
    (2, 16, ZERO, "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"),
    (4, 16, "cafebabefacedbaddecaf888",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47"),
    (5, 16, "cafebabefacedbad",
        "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
        "3612d2e79e3b0785561be14aaca2fccb"),
    (6, 16, LONG_IV,
        "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
        "619cc5aefffe0bfa462af43c1699d050"),
    (7, 24, ZERO, "", "cd33b28ac773f74ba00ed1f312572435"),
    (8, 24, ZERO, "98e7247c07f0fe411c267e4384b0f600", "2ff58d80033927ab8ef4d4587514f0fb"),
    (10, 24, "cafebabefacedbaddecaf888",
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        "2519498e80f1478f37ba55bd6d27618c"),
    (13, 32, ZERO, "", "530f8afbc74536b9a963b4f1c4cb738b"),
    (14, 32, ZERO, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    (16, 32, "cafebabefacedbaddecaf888",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b"),
    (17, 32, "cafebabefacedbad",
        "c3762df1ca787d32ae47c13bf19844cbaf1ae14d0b976afac52ff7d79bba9de0feb582d33934a4f0954cc2363bc73f7862ac430e64abe499f47c9b1f",
        "3a337dbf46a792c45e454913fe2ea8f2"),
    (18, 32, LONG_IV,
        "5a8def2f0c9e53f1f75d7853659e2a20eeb2b22aafde6419a058ab4f6f746bf40fc0c3b780f244452da3ebf1c5d82cdea2418997200ef82e44ae7e3f",
        "a44a8266ee1c8eb0c8b5d4cf5ae9f19a"),
];
const ZERO: &str = "000000000000000000000000";
const LONG_IV: &str = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728\
                       c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b";
const KEY: &str = "feffe9928665731c6d6a8f9467308308";
const MESSAGE: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                       1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
const AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";

#[test]
fn every_backend_passes_the_published_test_cases() {
    let unhex = |text: &str| hex::decode(text).unwrap();
    let mut came_out = 0;
    for backend in available() {
        for (number, key_len, iv, ciphertext, tag) in PUBLISHED {
            let name = backend.name;
            let (iv, ciphertext, tag) = (unhex(iv), unhex(ciphertext), unhex(tag));
            let (key, message, aad) = if iv == [0; 12] {
                (vec![0; key_len], vec![0; ciphertext.len()], vec![])
            } else {
                (unhex(KEY).repeat(2)[..key_len].to_vec(), unhex(MESSAGE), unhex(AAD))
            };
            let key = backend.key(Alg::from_key_len(key_len).unwrap(), &key).unwrap();
            let (mut in_out, mut made) = (message.clone(), Tag::default());
            key.seal_iv(&iv, &aad, &mut in_out, &mut made).unwrap();
            assert_eq!((&in_out, &made.0[..]), (&ciphertext, &tag[..]), "{name}, test case {number}");
            key.open_iv(&iv, &aad, &mut in_out, &tag).unwrap();
            assert_eq!(in_out, message, "{name}, test case {number}");
            came_out += 1;
        }
    }
    assert_eq!(came_out, 13 * available().len());
}

#[test]
fn every_length_agrees_with_the_model() {
    let lengths = (0..=600).chain(1008..=1040).chain(4080..=4112);
    let mut judged = 0;
    for alg in Alg::ALL {
        let keys = Keys::new(alg);
        for len in lengths.clone() {
            for aad_len in [len, len + 13, 2 * len + 27] {
                keys.judge(&bytes(12, len), aad_len % 41, len);
                judged += 1;
            }
        }
    }
    assert_eq!(judged, 3 * (601 + 33 + 33) * 3);
}

#[test]
fn every_length_of_aad_agrees_with_the_model() {
    let keys = Keys::new(Alg::Aes256Gcm);
    let mut judged = 0;
    for aad_len in (0..=40).chain([63, 64, 65, 127, 128, 129, 176, 600, 1000]) {
        for len in [0, 1, 15, 16, 17, 31, 33, 63, 64, 65, 112, 113, 127, 129, 255, 257] {
            keys.judge(&[9; 12], aad_len, len);
            judged += 1;
        }
    }
    assert_eq!(judged, 50 * 16);
}

#[test]
fn every_length_of_iv_agrees_with_the_model() {
    for alg in Alg::ALL {
        let keys = Keys::new(alg);
        for iv_len in (1..=40).chain([60, 64, 127, 256, 300]) {
            keys.judge(&bytes(iv_len, iv_len), iv_len % 20, 3 * iv_len);
        }
        for (name, key) in &keys.keys {
            let refusal = key.seal_iv(&[], b"", &mut [], &mut Tag::default());
            assert_eq!(refusal, Err(Error::IvLength), "{name}");
        }
    }
}

#[test]
fn a_wrapping_counter_agrees_with_the_model() {
    let keys = Keys::new(Alg::Aes128Gcm);
    for back in [0, 1, 2, 3, 4, 7, 12, 30, 47, 63] {
        let j0 = u128::MAX - (0x55 << 64) - back;
        let iv = keys.model.iv_for_j0(j0);
        assert_eq!(keys.model.j0(&iv), j0);
        for len in [16, 64, 96, 100, 256, 448, 500, 1040, 2000] {
            keys.judge(&iv, 5, len);
        }
    }
}

#[test]
fn a_refused_open_leaves_zeros_and_a_key_that_still_works() {
    let keys = Keys::new(Alg::Aes256Gcm);
    let nonce = [3; 12];
    let mut refused = 0;
    for (len, aad_len) in
        [0, 1, 15, 16, 17, 64, 113, 256, 600, 1025, 4097].into_iter().flat_map(|len| [(len, 21), (len, 6)])
    {
        let (message, aad) = (bytes(len, len), bytes(aad_len, aad_len));
        for (name, key) in &keys.keys {
            let (mut sealed, mut tag) = (message.clone(), Tag::default());
            key.seal(&nonce, &aad, &mut sealed, &mut tag).unwrap();
            let mut refuse = |nonce: &[u8; 12], aad: &[u8], sealed: &[u8], tag: &Tag| {
                let mut place = Place::new(sealed, len + 3);
                let refusal = key.open(nonce, aad, place.message(), tag);
                assert_eq!(refusal, Err(Error::NotAuthentic), "{name}, {len} bytes");
                assert!(place.message().iter().all(|byte| *byte == 0), "{name}, {len} bytes: not wiped");
                assert!(place.neighbours_are_untouched(), "{name}, {len} bytes");
                refused += 1;
            };
            for byte in 0..16 {
                let mut other = tag;
                other.0[byte] ^= 1 << (byte % 8);
                refuse(&nonce, &aad, &sealed, &other);
            }
            for place in [0, len / 2, len.saturating_sub(1)] {
                let mut other = sealed.clone();
                if let Some(byte) = other.get_mut(place) {
                    *byte ^= 0x80;
                    refuse(&nonce, &aad, &other, &tag);
                }
            }
            refuse(&[4; 12], &aad, &sealed, &tag);
            refuse(&nonce, &aad[1..], &sealed, &tag);
            refuse(&nonce, &[&aad[..], &[0]].concat(), &sealed, &tag);
            if let Some((_, shorter)) = sealed.split_last() {
                refuse(&nonce, &aad, shorter, &tag);
            }
            key.open(&nonce, &aad, &mut sealed, &tag).unwrap();
            assert_eq!(sealed, message, "{name}");
        }
    }
    assert_eq!(refused, 2 * (19 + 10 * 23) * keys.keys.len());
}

#[test]
fn a_short_tag_is_compared_exactly_to_its_end() {
    let keys = Keys::new(Alg::Aes192Gcm);
    let mut tried = 0;
    for (name, key) in &keys.keys {
        let message = bytes(100, 100);
        let (mut sealed, mut tag) = (message.clone(), Tag::default());
        key.seal(&[8; 12], b"", &mut sealed, &mut tag).unwrap();
        for len in 0..=17 {
            let mut short = [&tag.0[..], &[0]].concat();
            short.truncate(len);
            let allowed = (12..=16).contains(&len);
            let mut in_out = sealed.clone();
            let expected = if allowed { Ok(()) } else { Err(Error::TagLength) };
            assert_eq!(key.open_iv(&[8; 12], b"", &mut in_out, &short), expected, "{name}, tag of {len}");
            assert!(in_out == if allowed { &message } else { &sealed }.as_slice(), "{name}, tag of {len}");
            if allowed || matches!(len, 4 | 8) {
                let mut in_out = sealed.clone();
                assert_eq!(
                    key.open_short_tag(&[8; 12], b"", &mut in_out, &short),
                    Ok(()),
                    "{name}, tag of {len}"
                );
                short[len - 1] ^= 0x40;
                let refusal = key.open_short_tag(&[8; 12], b"", &mut in_out, &short);
                assert_eq!(refusal, Err(Error::NotAuthentic), "{name}, tag of {len}");
                assert_eq!(in_out, [0; 100], "{name}, tag of {len}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 7 * keys.keys.len());
}

#[test]
fn a_batch_agrees_with_single_calls() {
    let keys = Keys::new(Alg::Aes256Gcm);
    let lengths = [0, 1, 16, 16, 16, 16, 64, 64, 64, 64, 64, 200, 17, 256, 256, 1040, 5];
    let aads: Vec<_> = (0..lengths.len()).map(|i| bytes(i * 3, i)).collect();
    for (name, key) in &keys.keys {
        let texts: Vec<_> = lengths.iter().map(|len| bytes(*len, len + 7)).collect();
        let mut buffers = texts.clone();
        let mut batch: Vec<_> = (buffers.iter_mut().zip(&aads).enumerate())
            .map(|(i, (in_out, aad))| Message { nonce: [i as u8; 12], aad, in_out, tag: Tag::default() })
            .collect();
        key.seal_batch(&mut batch).unwrap();
        for (i, sealed) in batch.iter().enumerate() {
            let (ciphertext, tag) = keys.model.seal(&[i as u8; 12], &aads[i], &texts[i]);
            assert!(sealed.in_out == ciphertext && sealed.tag.0 == tag, "{name}, message {i} of the batch");
        }
        // Exactly one message of each kind and place is refused.
        let altered = [0, 3, 8, 15];
        for i in altered {
            batch[i].tag.0[i] ^= 1;
        }
        let mut verdicts = vec![Ok(()); batch.len()];
        key.open_batch(&mut batch, &mut verdicts);
        for (i, verdict) in verdicts.into_iter().enumerate() {
            let refused = altered.contains(&i);
            let right = if refused { Err(Error::NotAuthentic) } else { Ok(()) };
            assert_eq!(verdict, right, "{name}, message {i} of the batch");
            let expected = if refused { vec![0; lengths[i]] } else { texts[i].clone() };
            assert_eq!(batch[i].in_out, expected, "{name}, message {i} of the batch");
        }
    }
}
