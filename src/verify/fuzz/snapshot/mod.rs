//! The targets of the snapshot stream: streams against a model of the reference's receiver, and key material.

mod material;
mod model;

use std::io::{self, Read, Write};

pub use material::material;
use model::Seen;

use super::planted;
use crate::aead::TAG_LEN;
use crate::engine::find;
use crate::envelope::SecretKey;
use crate::scheme::snapshot::chunked::{HEADER_LEN, Opener, SALT_LEN, Sealer};
use crate::scheme::snapshot::hardened::MAGIC;
use crate::scheme::snapshot::{
    Context, Error, Format, Keys, Limits, Material, MemorySink, Stream, StreamKey, receive_snapshot,
};

/// The key of the hardened streams; the seeds are sealed under it.
const KEY: u8 = 0x48;
/// What a sink holds before a stream arrives.
const BEFORE: &[u8] = b"what the sink held before";
/// A longer announcement is tried on one receiver only, because each reserves and wipes as many bytes.
const LONG: usize = 1 << 20;

/// Treats the bytes as a stream for a receiver. The first byte says for which: a compatible one, against the
/// model and beside mode `safe`; a hardened one; or a hardened stream that is made and altered here.
///
/// # Panics
/// If a receiver differs from the model, a sink is touched by a refused stream, mode `safe` accepts what the
/// reference refuses or lets an error tell something about the text, or an altered hardened stream is
/// accepted.
pub fn stream(data: &[u8]) {
    if streamed(data) {
        planted();
    }
}

/// Whether encrypted text came out of the stream.
fn streamed(data: &[u8]) -> bool {
    let Some(([what, rest @ ..], data)) = data.split_first_chunk::<5>() else { return false };
    match what >> 1 & 3 {
        0 | 1 => compatible(what & 1 == 1, rest[0], rest[1], data),
        2 => hardened(rest[0], data),
        _ => altered(*rest, data),
    }
}

/// A stream that arrives in pieces of at most this many bytes.
struct Wire<'a>(&'a [u8], usize);

impl Read for Wire<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.1);
        self.0.read(&mut out[..most])
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("a receiver never writes")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Wire<'_> {
    fn finish(&mut self) -> io::Result<()> {
        panic!("a receiver never writes")
    }

    fn close(&mut self) {}
}

/// What the sink was given.
fn received(format: &Format, encrypt: bool, empty_chunks: u8, wire: Wire<'_>) -> Result<Vec<u8>, Error> {
    let sink = MemorySink::holding(BEFORE);
    let limits = Limits { empty_chunks: empty_chunks.into(), ..Limits::default() };
    let mut wire = wire;
    let done = receive_snapshot(&mut wire, format, encrypt, &limits, &sink);
    let (content, commits) = (sink.content(), sink.committed());
    match done {
        Ok(len) => {
            assert_eq!((commits, content.len() as u64), (1, len), "a snapshot is applied once, as a whole");
            Ok(content)
        }
        Err(error) => {
            assert_eq!((commits, &content[..]), (0, BEFORE), "a refused stream leaves the sink untouched");
            Err(error)
        }
    }
}

/// Bytes as 16 of a key, 16 of an initialisation vector, and a stream.
fn compatible(encrypt: bool, piece: u8, empty_chunks: u8, data: &[u8]) -> bool {
    let Some((key, rest)) = data.split_first_chunk::<16>() else { return false };
    let Some((iv, stream)) = rest.split_first_chunk::<16>() else { return false };
    // Sixteen characters may begin an armour that does not end.
    let keys = |key: &[u8; 16]| Material::parse(&ascii(key), &ascii(iv)).ok();
    let (Some(right), Some(other)) = (keys(key), keys(&key.map(|byte| byte ^ 0x0f))) else { return false };
    let expected = model::compat(stream, &right);
    let [right, other] = [right, other].map(|material| Keys::Loaded(material.into()));
    let compat = received(&Format::Compat(right.clone()), encrypt, 0, Wire(stream, usize::MAX));
    match (&compat, &expected) {
        (Ok(text), Ok(seen)) => assert_eq!(*text, seen.text, "the reference applies another text"),
        (Err(error), Err(kind)) => assert_eq!(error.spec_name(), *kind, "the reference has another error"),
        _ => panic!("the reference disagrees: {compat:?}, {:?}", expected.as_ref().map(|seen| seen.empty)),
    }
    if model::announced(stream).is_some_and(|len| len > LONG) {
        return false;
    }
    let piece = if piece == 0 { usize::MAX } else { piece.into() };
    let safe = |keys| received(&Format::Safe(keys), encrypt, empty_chunks, Wire(stream, piece));
    let (safe, under_other) = (safe(right), safe(other));
    // The wire alone decides everything but this one error.
    let told = |result: &Result<Vec<u8>, Error>| match result {
        Ok(_) | Err(Error::Crypto(_)) => String::from("it is for the text to decide"),
        Err(error) => error.to_string(),
    };
    if encrypt {
        assert_eq!(told(&safe), told(&under_other), "an error tells something about the text");
    }
    match (safe, expected) {
        (Ok(text), Ok(seen)) => {
            assert_eq!(
                (text, seen.encrypted),
                (seen.text.clone(), encrypt),
                "mode safe applies another text"
            );
            seen.encrypted && !seen.text.is_empty()
        }
        (Ok(_), Err(kind)) => panic!("mode safe accepts what the reference refuses with {kind}"),
        (Err(error), Ok(Seen { encrypted, empty, .. })) => {
            let flag = encrypted != encrypt && matches!(error, Error::FlagMismatch { .. });
            let capped = encrypted && encrypt && empty > u32::from(empty_chunks);
            assert!(flag || capped, "no rule refuses this stream: {error}");
            false
        }
        (Err(_), Err(_)) => false,
    }
}

/// A file's content like these 16 bytes, but text without white space. Other bytes stay other bytes.
fn ascii(bytes: &[u8; 16]) -> [u8; 16] {
    bytes.map(|byte| if byte.is_ascii_graphic() { byte } else { 0x30 | byte & 0x0f })
}

fn stream_key() -> (SecretKey, Context) {
    let mut key = SecretKey::default();
    key.fill(KEY);
    (key, Context::new(b""))
}

/// Bytes as a hardened stream: refused, or the same text seals to the same bytes.
fn hardened(piece: u8, stream: &[u8]) -> bool {
    let engine = find("sealmark").expect("the engine of our own choice always exists");
    let (key, context) = stream_key();
    let format = Format::Hardened(StreamKey::new(engine, key.clone()).into(), context.clone());
    let piece = if piece == 0 { usize::MAX } else { piece.into() };
    let Ok(text) = received(&format, true, 0, Wire(stream, piece)) else { return false };
    let salt = stream[MAGIC.len()..].first_chunk::<SALT_LEN>().expect("what opens has a salt");
    let sealer = Sealer::with_salt(engine, &key, context.bytes(), salt).expect("the key is right");
    let mut again = MAGIC.to_vec();
    sealer.seal_stream(&mut &text[..], &mut again).expect("memory takes it");
    assert_eq!(again, stream, "an opened stream seals to the same bytes");
    true
}

/// A hardened stream with short chunks, made from the text, and altered: only the unaltered one is accepted,
/// and whatever is given is a prefix of the text.
fn altered([chunk_len, what, a, b]: [u8; 4], text: &[u8]) -> bool {
    let engine = find("sealmark").expect("the engine of our own choice always exists");
    let (key, context) = stream_key();
    let (chunk_len, context) = (1 + usize::from(chunk_len % 64), context.bytes());
    let text = &text[..text.len().min(4096)];
    let seal = || {
        let sealer = Sealer::with_chunks(engine, &key, context, chunk_len).expect("the key is right");
        let mut sealed = Vec::new();
        sealer.seal_stream(&mut &text[..], &mut sealed).expect("memory takes it");
        sealed
    };
    let pieces = |sealed: &[u8]| -> Vec<Vec<u8>> {
        let (header, chunks) = sealed.split_at(HEADER_LEN);
        [header].into_iter().chain(chunks.chunks(chunk_len + TAG_LEN)).map(<[u8]>::to_vec).collect()
    };
    let (sealed, other) = (seal(), seal());
    let (mut now, from) = (pieces(&sealed), pieces(&other));
    let (at, to) = (1 + usize::from(a) % (now.len() - 1), 1 + usize::from(b) % (now.len() - 1));
    let place = usize::from(a) << 8 | usize::from(b);
    match what % 8 {
        0 => {}
        1 => {
            let piece = usize::from(a) % now.len();
            let len = now[piece].len();
            now[piece][usize::from(b) % len] ^= 1 << (what >> 5);
        }
        2 => now = vec![sealed[..place % sealed.len()].to_vec()],
        3 => now.swap(at, to),
        4 => now.insert(to, now[at].clone()),
        5 => drop(now.remove(at)),
        6 => now[at].clone_from(&from[at]),
        _ => now[0].clone_from(&from[0]),
    }
    let wire = now.concat();
    let mut given = Vec::new();
    let opened = match wire.split_first_chunk() {
        None => Err(Error::Truncated("its header")),
        Some((header, mut chunks)) => {
            Opener::with_chunks(engine, &key, context, header, chunk_len).and_then(|opener| {
                opener.open_stream(&mut chunks, &mut |piece| {
                    given.extend_from_slice(piece);
                    Ok(())
                })
            })
        }
    };
    assert!(text.starts_with(&given), "text was given that was never sealed");
    assert_eq!(opened.is_ok(), wire == sealed, "alteration {what}, {a}, {b}: {opened:?}");
    assert!(opened.is_err() || given == text, "the end of the text is missing");
    opened.is_ok() && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::snapshot::send;

    const VECTORS: &str = include_str!("../../../../vectors/interop/dyn-stream.json");

    /// The streams of the vectors, as the seeds hold them.
    fn of_vectors() -> Vec<Vec<u8>> {
        let root: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let cases = root["receiver"].as_array().unwrap();
        let bytes = |case: &serde_json::Value, name: &str| hex::decode(case[name].as_str().unwrap()).unwrap();
        let seed = |case: &serde_json::Value| {
            let head = [u8::from(case["receiver_encrypt_cfg"].as_bool().unwrap()), 0, 0, 0, 0];
            [&head[..], &bytes(case, "key"), &bytes(case, "iv"), &bytes(case, "stream")].concat()
        };
        cases.iter().map(seed).collect()
    }

    #[test]
    fn streams_of_the_vectors_whole_cut_and_altered_follow_the_model() {
        let seeds = of_vectors();
        assert_eq!(seeds.len(), 56);
        // The accepted ones that are encrypted and not refused by a rule. Their keys are text.
        assert_eq!(seeds.iter().filter(|input| streamed(input)).count(), 11);
        let whole = &seeds[0];
        for at in 0..whole.len() {
            streamed(&whole[..at]);
            for value in [0x01, 0x80, 0xff] {
                let mut altered = whole.clone();
                altered[at] ^= value;
                streamed(&altered);
            }
        }
    }

    /// With and without a cap, at the beginning, in the middle and after the end.
    #[test]
    fn empty_chunks_anywhere_follow_the_model() {
        let (key, iv) = (*b"0123456789abcdef", *b"fedcba9876543210");
        let cipher = crate::scheme::snapshot::ChunkCipher::new(&Material::parse(&key, &iv).unwrap());
        let mut wire = Vec::new();
        send::write(&mut wire, &[7; 40], Some(&cipher), 8, 32).unwrap();
        let mut empty = vec![0, 0, 0, 16];
        cipher.encrypt(b"", &mut empty);
        let mut through = 0;
        for at in [28, 28 + 4 + 48, wire.len()] {
            for cap in 0..3 {
                for number in 0..3 {
                    let stream = [&wire[..at], &empty.repeat(number), &wire[at..]].concat();
                    through += u32::from(streamed(&[&[1, 1, cap, 0, 0][..], &key, &iv, &stream].concat()));
                }
            }
        }
        // Without an empty chunk, 9; with as many as the cap allows before the end, 2 places times 1 + 2.
        assert_eq!(through, 9 + 2 * 3);
    }

    #[test]
    fn hardened_streams_whole_cut_and_altered_are_accepted_or_refused() {
        let engine = find("sealmark").unwrap();
        let (key, context) = stream_key();
        for len in [0, 1, 16_384, 40_000] {
            let mut wire = vec![4, 0, 0, 0, 0];
            let key = StreamKey::new(engine, key.clone());
            crate::scheme::snapshot::hardened::send(&mut wire, &mut &vec![9; len][..], &key, &context)
                .unwrap();
            assert!(streamed(&wire));
            for at in (5..wire.len()).step_by(wire.len() / 20) {
                assert!(!streamed(&wire[..at]));
                let mut altered = wire.clone();
                altered[at] ^= 1;
                assert!(!streamed(&altered));
            }
        }
    }

    #[test]
    fn every_alteration_of_short_chunks_is_refused() {
        let text: Vec<u8> = (0..100).collect();
        let mut accepted = 0;
        for chunk_len in [0, 15, 32, 63] {
            for what in 0..=255 {
                for (a, b) in [(0, 0), (1, 2), (200, 3), (255, 255)] {
                    accepted += u32::from(streamed(&[&[6, chunk_len, what, a, b][..], &text].concat()));
                }
            }
        }
        assert!(accepted >= 4 * 32 * 4, "{accepted}");
    }
}
