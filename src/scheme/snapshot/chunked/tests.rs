//! Lengths around a chunk, cuts, refusals, and the counter. The published vectors are in `verify`.

use super::*;
use crate::engine::find;

const KEY: [u8; KEY_LEN] = [7; KEY_LEN];

fn engine() -> &'static dyn Engine {
    find("sealmark").unwrap()
}

fn sealed(text: &[u8], context: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let sealer = Sealer::new(engine(), &KEY, context).unwrap();
    assert_eq!(sealer.seal_stream(&mut &text[..], &mut out).unwrap(), text.len() as u64);
    out
}

fn opened(sealed: &[u8], key: &[u8; KEY_LEN], context: &[u8]) -> (Result<u64, Error>, Vec<u8>) {
    let mut text = Vec::new();
    let (header, mut chunks) = sealed.split_first_chunk().unwrap();
    let done = Opener::new(engine(), key, context, header).and_then(|opener| {
        opener.open_stream(&mut chunks, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })
    });
    (done, text)
}

#[test]
fn every_length_around_a_chunk_returns_and_has_the_specified_size() {
    for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 3 * CHUNK_LEN + 5] {
        let text: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let message = sealed(&text, b"context");
        assert_eq!(message.len(), HEADER_LEN + len + (len / CHUNK_LEN + 1) * TAG_LEN);
        let (done, seen) = opened(&message, &KEY, b"context");
        assert_eq!((done.unwrap(), seen == text), (len as u64, true), "{len}");
    }
}

#[test]
fn two_messages_have_other_salts_and_another_key_or_context_is_refused_at_once() {
    let (first, second) = (sealed(b"text", b""), sealed(b"text", b""));
    assert_ne!(first[..SALT_LEN], second[..SALT_LEN]);
    for (key, context) in [([8; KEY_LEN], &b""[..]), (KEY, b"x")] {
        let (done, seen) = opened(&first, &key, context);
        assert_eq!((done.unwrap_err().spec_name(), seen.len()), ("Crypto", 0));
    }
}

#[test]
fn a_message_cut_anywhere_gives_a_prefix_and_an_error() {
    let text = vec![5; 2 * CHUNK_LEN + 10];
    let message = sealed(&text, b"");
    let chunk = CHUNK_LEN + TAG_LEN;
    for (end, kind, given) in [
        (0, "Io", 0),
        (TAG_LEN - 1, "Io", 0),
        (TAG_LEN, "Crypto", 0),
        (chunk - 1, "Crypto", 0),
        (chunk, "Io", 1),
        (chunk + 1, "Io", 1),
        (chunk + 100, "Crypto", 1),
        (2 * chunk, "Io", 2),
        (2 * chunk + 25, "Crypto", 2),
    ] {
        let (done, seen) = opened(&message[..HEADER_LEN + end], &KEY, b"");
        assert_eq!((done.unwrap_err().spec_name(), seen.len()), (kind, given * CHUNK_LEN), "{end}");
    }
}

#[test]
fn a_refused_chunk_is_wiped_and_nothing_opens_after_it_or_after_the_last_one() {
    let message = sealed(&vec![5; CHUNK_LEN + 10], b"");
    let (header, chunks) = message.split_first_chunk().unwrap();
    let (first, last) = chunks.split_at(CHUNK_LEN + TAG_LEN);
    let begin = || Opener::new(engine(), &KEY, b"", header).unwrap();
    let mut opener = begin();
    let mut wrong = first.to_vec();
    wrong[0] ^= 1;
    assert_eq!(opener.open(&mut wrong).unwrap_err().spec_name(), "Crypto");
    assert!(wrong.iter().all(|byte| *byte == 0));
    assert_eq!(opener.open(&mut first.to_vec()).unwrap_err().spec_name(), "Crypto", "it is over");
    let mut opener = begin();
    assert_eq!(opener.open(&mut first.to_vec()).unwrap(), vec![5; CHUNK_LEN]);
    assert_eq!(opener.open(&mut last.to_vec()).unwrap(), [5; 10]);
    assert_eq!(opener.open(&mut last.to_vec()).unwrap_err().spec_name(), "Crypto", "it is over");
}

#[test]
fn nonces_count_from_the_base_and_end_at_the_limit() {
    let mut derived = Derived::new(&KEY, &[1; SALT_LEN], b"");
    derived.base_nonce = [0xff; NONCE_LEN];
    let mut chunks = Chunks::new(engine(), &derived, CHUNK_LEN).unwrap();
    let mut at = |number| {
        chunks.number = number;
        chunks.next()
    };
    assert_eq!(at(0).unwrap(), [0xff; 12]);
    assert_eq!(at(0x102).unwrap()[9..], [0xff, 0xfe, 0xfd]);
    assert_eq!(at(MAX_CHUNKS - 1).unwrap()[6..], [0xff, 0xc0, 0, 0, 0, 0]);
    let refused = at(MAX_CHUNKS).unwrap_err();
    assert_eq!(refused.spec_name(), "Protocol");
}

#[test]
fn each_end_that_fails_has_its_own_error_and_debug_shows_no_key() {
    use super::super::testing::{Full, Trickle};
    let sealer = || Sealer::new(engine(), &KEY, b"").unwrap();
    let mut broken = Trickle(b"abc", Some(std::io::ErrorKind::Other));
    let refused = sealer().seal_stream(&mut broken, &mut Vec::new()).unwrap_err();
    assert_eq!(refused.spec_name(), "Source");
    for room in [0, HEADER_LEN] {
        let refused = sealer().seal_stream(&mut &b"abc"[..], &mut Full(room)).unwrap_err();
        assert_eq!(refused.spec_name(), "Io");
    }
    let message = sealed(b"abc", b"");
    let (header, chunks) = message.split_first_chunk().unwrap();
    let opener = Opener::new(engine(), &KEY, b"", header).unwrap();
    assert_eq!(format!("{opener:?} {:?}", sealer()), "Opener { opened: 0, .. } Sealer { sealed: 0, .. }");
    let refused = opener.open_stream(&mut &chunks[..], &mut |_| Err("full".into())).unwrap_err();
    assert_eq!(refused.to_string(), "entropy sink: full");
}
