//! The checks of both readings in their order, and what neither may tell.

use std::io::ErrorKind;
use std::sync::Arc;

use super::super::testing::{Trickle, material};
use super::super::{Material, send};
use super::*;

fn keys() -> Keys {
    Keys::Loaded(Arc::new(material()))
}

/// A stream of that snapshot in chunks of 16 bytes, with a header of 8.
fn stream(snapshot: &[u8], encrypt: bool) -> Vec<u8> {
    let (mut wire, cipher) = (Vec::new(), ChunkCipher::new(&material()));
    send::write(&mut wire, snapshot, encrypt.then_some(&cipher), 8, 16).unwrap();
    wire
}

/// The headers of a stream, and a chunk for each text.
fn composed(total: u32, texts: &[&[u8]]) -> Vec<u8> {
    let mut wire = Negotiation::of(8, 64).unwrap().to_wire().to_vec();
    wire.extend(SnapshotHeader { total_len: total, encrypted: true }.to_wire(8).unwrap());
    for text in texts {
        wire.extend((ChunkCipher::encrypted_len(text.len()) as u32).to_be_bytes());
        ChunkCipher::new(&material()).encrypt(text, &mut wire);
    }
    wire
}

fn compat(wire: &[u8]) -> Result<Vec<u8>, Error> {
    read_compat(&mut Trickle(wire, None), &keys()).map(|whole| whole.to_vec())
}

fn safe(wire: &[u8], encrypt: bool) -> Result<Vec<u8>, Error> {
    read_safe(&mut Trickle(wire, None), &keys(), encrypt, 0).map(|whole| whole.to_vec())
}

/// The kinds of both readings' refusals.
fn kinds(wire: &[u8]) -> (&'static str, &'static str) {
    let kind = |read: Result<Vec<u8>, Error>| read.err().map_or("", |error| error.spec_name());
    (kind(compat(wire)), kind(safe(wire, true)))
}

#[test]
fn a_stream_returns_as_it_was_sent_plain_encrypted_and_empty() {
    for snapshot in [&b""[..], b"x", &[7; 16], &[8; 40]] {
        for encrypt in [false, true] {
            let wire = stream(snapshot, encrypt);
            assert_eq!(compat(&wire).unwrap(), snapshot);
            assert_eq!(safe(&wire, encrypt).unwrap(), snapshot);
        }
    }
}

#[test]
fn a_flag_other_than_the_configured_one_is_refused_by_safe_alone() {
    for encrypt in [false, true] {
        let wire = stream(b"snapshot", encrypt);
        assert_eq!(compat(&wire).unwrap(), b"snapshot", "it obeys the stream");
        let refused = safe(&wire, !encrypt).unwrap_err();
        assert!(matches!(refused, Error::FlagMismatch { encrypted } if encrypted == encrypt), "{refused}");
    }
}

#[test]
fn a_stream_that_ends_early_is_an_io_error_wherever_the_wire_tells() {
    let wire = stream(&[7; 40], true);
    // Chunks begin at 28 and 64; the last one, of 16 bytes, at 100.
    for end in 0..wire.len() {
        let boundary = [28, 64, 100].contains(&end);
        let expected = if boundary { ("Io", "Crypto") } else { ("Io", "Io") };
        assert_eq!(kinds(&wire[..end]), expected, "{end}");
    }
}

/// Upstream's test: the last byte of an encrypted stream is altered.
#[test]
fn an_altered_last_byte_is_a_crypto_error() {
    let mut wire = stream(&[7; 40], true);
    *wire.last_mut().unwrap() ^= 1;
    assert_eq!(kinds(&wire), ("Crypto", "Crypto"));
}

#[test]
fn another_key_is_a_crypto_error() {
    let other = Keys::Loaded(Arc::new(Material::parse(&[b'x'; 16], &[b'y'; 16]).unwrap()));
    let wire = stream(&[7; 40], true);
    let compat = read_compat(&mut &wire[..], &other).unwrap_err();
    let safe = read_safe(&mut &wire[..], &other, true, 0).unwrap_err();
    assert_eq!((compat.spec_name(), safe.spec_name()), ("Crypto", "Crypto"));
}

#[test]
fn lengths_are_checked_before_anything_is_read() {
    let at = |len: u32| {
        let mut wire = composed(16, &[&[7; 16]]);
        wire[28..32].copy_from_slice(&len.to_be_bytes());
        wire
    };
    for (len, why) in [(0, "has no bytes"), (81, "81 bytes, more than 80"), (u32::MAX, "more than 80")] {
        for refused in [compat(&at(len)), safe(&at(len), true)] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.spec_name(), "Protocol");
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }
    assert_eq!(kinds(&at(31)), ("Crypto", "Io"), "not whole blocks; one byte is left for the next length");
    let mut wire = composed(u32::MAX, &[]);
    assert_eq!(kinds(&wire), ("Protocol", "Protocol"), "the length is reserved");
    wire[23] = 0xfe;
    assert_eq!(kinds(&wire), ("Io", "Crypto"));
}

/// Whatever the text of a chunk turns out to be, a sender in mode `safe` sees one error, and only after its
/// last byte.
#[test]
fn whatever_is_wrong_inside_a_chunk_has_one_error_after_the_end() {
    let (mut padding, mut longer) =
        (composed(40, &[&[7; 20], &[7; 20]]), composed(40, &[&[7; 20], &[7; 20]]));
    padding[63] ^= 1;
    longer[64..68].fill(0);
    longer[67] = 33;
    longer.push(0);
    let cases = [
        (padding, "Crypto"),
        (longer, "Crypto"),
        (composed(40, &[&[7; 20], &[7; 21]]), "Protocol"),
        (composed(40, &[&[7; 41]]), "Protocol"),
        (composed(40, &[&[7; 20]]), "Io"),
        (composed(40, &[&[7; 40], &[7; 1]]), "Protocol"),
        (composed(40, &[&[7; 20], b"", &[7; 20]]), ""),
    ];
    for (i, (wire, expected)) in cases.into_iter().enumerate() {
        let (reference, ours) = kinds(&wire);
        assert_eq!((reference, ours), (expected, "Crypto"), "{i}");
        assert!(safe(&wire, true).unwrap_err().to_string().ends_with(REFUSED), "{i}");
        // Nothing is refused before the last byte: without it, the wire's own error comes.
        let cut = safe(&wire[..wire.len() - 1], true).unwrap_err();
        assert_eq!(cut.spec_name(), "Io", "{i}: {cut}");
    }
}

#[test]
fn empty_chunks_are_capped_and_an_endless_stream_of_them_ends() {
    let wire = composed(40, &[b"", &[7; 20], b"", &[7; 20]]);
    assert_eq!(compat(&wire).unwrap(), [7; 40]);
    for (cap, accepted) in [(0, false), (1, false), (2, true)] {
        assert_eq!(read_safe(&mut &wire[..], &keys(), true, cap).is_ok(), accepted, "{cap}");
    }
    // After the snapshot the reference refuses it, and so does every cap.
    let trailing = composed(40, &[&[7; 40], b""]);
    assert_eq!(compat(&trailing).unwrap_err().spec_name(), "Protocol");
    assert_eq!(read_safe(&mut &trailing[..], &keys(), true, 9).unwrap_err().spec_name(), "Crypto");
    // The same empty chunk for ever: the reference reads on and on.
    let head = composed(40, &[]);
    let empty = composed(40, &[b""]).split_off(head.len());
    let mut endless = Read::chain(&head[..], Endless { bytes: empty, at: 0, given: 0 });
    let refused = read_safe(&mut endless, &keys(), true, 2).unwrap_err();
    assert!(refused.to_string().contains("more chunks than its snapshot can need"), "{refused}");
    assert!(endless.into_inner().1.given < 1_000);
}

/// Repeats its bytes.
struct Endless {
    bytes: Vec<u8>,
    at: usize,
    given: usize,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for place in &mut *out {
            *place = self.bytes[self.at % self.bytes.len()];
            self.at += 1;
        }
        self.given += out.len();
        Ok(out.len())
    }
}

#[test]
fn the_budget_is_enough_for_one_byte_at_a_time() {
    let texts: Vec<&[u8]> = vec![b"x"; 40];
    assert_eq!(safe(&composed(40, &texts), true).unwrap(), [b'x'; 40]);
}

#[test]
fn an_error_after_the_last_byte_is_an_end_unless_the_transport_was_cut() {
    let wire = stream(b"snapshot", true);
    let read = |kind| read_compat(&mut Trickle(&wire, Some(kind)), &keys());
    assert_eq!(*read(ErrorKind::ConnectionReset).unwrap(), b"snapshot");
    assert!(matches!(read(ErrorKind::UnexpectedEof), Err(Error::Truncated(_))));
    let read = |kind| read_safe(&mut Trickle(&wire, Some(kind)), &keys(), true, 0);
    assert!(matches!(read(ErrorKind::ConnectionReset), Err(Error::Io { .. })));
    assert!(matches!(read(ErrorKind::UnexpectedEof), Err(Error::Truncated(_))));
    let early = read_compat(&mut Trickle(&wire[..30], Some(ErrorKind::TimedOut)), &keys()).unwrap_err();
    assert!(early.to_string().starts_with("entropy io: receiving the snapshot"), "{early}");
}

#[test]
fn keys_are_loaded_after_the_flag_and_before_the_length_is_checked() {
    let missing = Keys::Files { key: "/nowhere".into(), iv: "/nowhere".into() };
    let mut wire = composed(u32::MAX, &[]);
    assert_eq!(read_compat(&mut &wire[..], &missing).unwrap_err().spec_name(), "Io", "the keys come first");
    wire[27] = 2;
    assert_eq!(read_compat(&mut &wire[..], &missing).unwrap_err().spec_name(), "Protocol");
    assert_eq!(*read_compat(&mut &stream(b"plain", false)[..], &missing).unwrap(), b"plain");
}
