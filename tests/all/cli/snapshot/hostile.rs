//! Hostile peers of `sealmark snapshot receive`, over real sockets.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use sealmark::scheme::snapshot::{ChunkCipher, Context, StreamKey, hardened, send};

use super::super::{errors, json};
use super::{Folder, Receiver, sent, words};

/// A slow client, a downgrade, endless empty chunks, oversized and forged streams: one receiver refuses them
/// all, each for its reason, serves a sender beside them, and its file changes only then.
#[test]
fn hostile_peers_are_refused_for_their_reasons_and_block_nobody() {
    let folder = Folder::new();
    folder.write("copy", b"old");
    let own = folder.mode("safe");
    let limits = words(&["--to", &folder.at("copy"), "--count", "1", "--idle", "1", "--connections", "3"]);
    let receiver = Receiver::start(&[limits, own.clone()].concat());
    let cipher = folder.cipher();
    let stream = |text: &[u8], cipher: Option<&ChunkCipher>| {
        let mut wire = Vec::new();
        send::write(&mut wire, text, cipher, 16, 64).unwrap();
        wire
    };
    let sealed = stream(&[7; 220], Some(&cipher));
    let head = 20 + 16;
    let chunk = |text: &[u8]| {
        let mut bytes = Vec::new();
        cipher.encrypt(text, &mut bytes);
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
    };
    let with = |at: usize, word: u32| {
        let mut wire = sealed.clone();
        wire[at..at + 4].copy_from_slice(&word.to_be_bytes());
        wire
    };
    let mut flipped = sealed.clone();
    let last = flipped.len() - 17;
    flipped[last] ^= 0x80;
    // Two that stay silent, one of them in the middle of a chunk: the idle time ends them.
    let (silent, mut slow) = (receiver.dial(), receiver.dial());
    slow.write_all(&sealed[..head + 10]).unwrap();
    let hostile = [
        ("a downgrade", stream(&[7; 220], None), "the stream is plaintext"),
        ("endless empty chunks", [&sealed[..head], &chunk(b"").repeat(1_000)].concat(), "more chunks than"),
        ("one empty chunk", [&sealed[..], &chunk(b"")].concat(), "entropy crypto: "),
        ("an oversized chunk", with(head, 6 << 20), "a chunk has 6291456 bytes, more than 80"),
        ("a chunk larger than announced", with(head, 96), "a chunk has 96 bytes, more than 80"),
        ("an oversized buffer", with(12, 6 << 20), "entropy protocol: "),
        ("the largest length", with(20, u32::MAX), "is too long"),
        ("a length without its bytes", with(20, u32::MAX - 1), "entropy crypto: "),
        ("a forged padding", flipped, "entropy crypto: "),
        ("another magic", with(0, 64_640_001), "entropy protocol: "),
        ("a cut", sealed[..sealed.len() - 1].to_vec(), "it was cut short"),
        ("nothing", Vec::new(), "it was cut short"),
    ];
    for (_, wire, _) in &hostile {
        receiver.tell(wire);
    }
    assert_eq!(folder.read("copy"), b"old");
    let output = sent(&receiver, &folder.write("new", b"new"), &own);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let output = receiver.ended();
    drop((silent, slow));
    let received = json(&output);
    let said: Vec<&str> =
        received["connections"].as_array().unwrap().iter().filter_map(|one| one["error"].as_str()).collect();
    // The silent ones end at some moment in between.
    assert_eq!(said.iter().filter(|error| error.contains("the peer is silent")).count(), 2, "{said:?}");
    let said: Vec<&&str> = said.iter().filter(|error| !error.contains("the peer is silent")).collect();
    assert_eq!(said.len(), hostile.len(), "{said:?}");
    for ((name, _, why), said) in hostile.iter().zip(&said) {
        assert!(said.contains(why), "{name}: {said}");
    }
    assert_eq!((&received["taken"], folder.read("copy")), (&1.into(), b"new".to_vec()));
}

/// A client that is never silent for long is ended by the total time, a forged hardened stream by its tag.
#[test]
fn a_trickle_and_a_forged_hardened_stream_are_refused() {
    let folder = Folder::new();
    folder.write("copy", b"old");
    let own = folder.mode("hardened");
    let limits = words(&["--to", &folder.at("copy"), "--count", "1", "--total", "1"]);
    let receiver = Receiver::start(&[limits, own.clone()].concat());
    let key = StreamKey::load(Path::new(&folder.at("stream"))).unwrap();
    let mut wire = Vec::new();
    hardened::send(&mut wire, &mut &[7; 50_000][..], &key, &Context::new(b"")).unwrap();
    let mut trickle = receiver.dial();
    trickle.set_nodelay(true).unwrap();
    // Until the receiver closes.
    for byte in wire.chunks(1) {
        if trickle.write_all(byte).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let (last, second) = (wire.len() - 1, 8 + 100 + 16_400);
    for at in [last, second] {
        let mut forged = wire.clone();
        forged[at] ^= 1;
        receiver.tell(&forged);
    }
    assert_eq!(folder.read("copy"), b"old");
    let output = sent(&receiver, &folder.write("new", b"new"), &own);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let received = json(&receiver.ended());
    let said: Vec<&str> =
        received["connections"].as_array().unwrap().iter().filter_map(|one| one["error"].as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("the connection took too long"), "{said:?}");
    assert!(said[1..].iter().all(|said| said.contains("entropy crypto: ")), "{said:?}");
    assert_eq!(folder.read("copy"), b"new");
}
