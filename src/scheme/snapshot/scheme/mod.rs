//! The modes as the fault injector and the workloads drive them.
//!
//! Messages are records of equal length, one to a chunk: a record that is not exactly as it was written
//! counts as a message that was never protected. The file `sealed` has the hardened modes.

use std::io::Read;

use super::chunk::ChunkCipher;
use super::receive::{read_compat, read_safe};
use super::wire::{NEGOTIATION_LEN, SnapshotHeader};
use super::{Keys, Limits, Material, Negotiation, send};
use crate::engine::{Engine, Shape};
use crate::primitive::cbc::BLOCK_LEN;
use crate::scheme::{self, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

mod sealed;

pub(in crate::scheme) use sealed::{HARDENED, HARDENED_STREAM};

/// The key and initialisation vector of every session. They protect only generated messages.
const FILES: [&[u8]; 2] = [b"the test key 123", b"the test iv 4567"];

/// Bytes of the snapshot header: 8, and as many that nobody checks.
const HEADER_LEN: usize = 16;
/// Bytes before a chunk.
const LENGTH_LEN: usize = 4;

/// The stream as the reference reads it.
pub(in crate::scheme) static COMPAT: Compatible = Compatible { safe: false };
/// The same stream under the rules.
pub(in crate::scheme) static SAFE: Compatible = Compatible { safe: true };

/// The compatible stream, in one of its two modes.
pub(in crate::scheme) struct Compatible {
    safe: bool,
}

impl Scheme for Compatible {
    fn name(&self) -> &'static str {
        if self.safe { "snapshot/safe" } else { "snapshot/compat" }
    }

    fn law(&self) -> Law {
        Law::AllOrNothing
    }

    fn needs(&self) -> Option<Shape> {
        None
    }

    fn refusals(&self) -> &'static [&'static str] {
        &["Io", "Protocol", "Crypto"]
    }

    fn judge(&self, fault: Fault, part: &str) -> Judgement {
        const CBC: &str = "CBC authenticates nothing: a flip outside the last two blocks alters the text";
        match (fault, part) {
            (Fault::Flip, "blocks" | "before-text") => Judgement::Alters(CBC),
            (Fault::Flip, "last") => {
                Judgement::Chance("a garbled last block has a right padding by a chance of 1 in 256")
            }
            (Fault::Flip, "sizes") => Judgement::Chance("the receiver uses the sizes only as bounds"),
            (Fault::Flip, "buffer-size" | "cipher-size" | "reserved") => Judgement::Harmless,
            (Fault::Swap | Fault::Copy, "chunk") => Judgement::Blind("nothing binds a chunk to its place"),
            (Fault::Splice | Fault::Older, "chunk") => {
                Judgement::Blind("nothing binds a chunk to its stream: every one begins with the same vector")
            }
            (Fault::Forge, _) if !self.safe => Judgement::Alters(
                "the receiver obeys the stream's flag: a rewritten header turns ciphertext into plaintext",
            ),
            _ => Judgement::Caught,
        }
    }

    fn session(&self, _: &'static dyn Engine) -> Result<Box<dyn Session>, scheme::Error> {
        let material = Material::parse(FILES[0], FILES[1])?;
        Ok(Box::new(Sends { safe: self.safe, material, unit: 0, sealed_len: 0 }))
    }
}

/// Bytes of the records of these messages: one byte less than whole blocks. The padding is then one byte, and
/// a garbled last block passes by its best chance.
fn unit_of(messages: &[Vec<u8>]) -> usize {
    const LEAST: usize = 9 * BLOCK_LEN;
    let longest = messages.iter().map(Vec::len).max().unwrap_or(0) + LENGTH_LEN;
    longest.max(LEAST).next_multiple_of(BLOCK_LEN) + BLOCK_LEN - 1
}

/// The messages as records: length, message, zeros.
fn records(messages: &[Vec<u8>], unit: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(messages.len() * unit);
    for message in messages {
        let end = text.len() + unit;
        let len = u32::try_from(message.len()).expect("a message is shorter than 4 GiB");
        text.extend(len.to_be_bytes());
        text.extend_from_slice(message);
        text.resize(end, 0);
    }
    text
}

/// The message in a record, or the record itself if it was not written like that.
fn message_of(record: &[u8]) -> Vec<u8> {
    let whole = || {
        let (len, rest) = record.split_first_chunk::<LENGTH_LEN>()?;
        let (message, zeros) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        zeros.iter().all(|byte| *byte == 0).then(|| message.to_vec())
    };
    whole().unwrap_or_else(|| record.to_vec())
}

struct Sends {
    safe: bool,
    material: Material,
    /// Bytes of a record in the last call.
    unit: usize,
    /// Bytes of all chunks of the last call, without their lengths.
    sealed_len: usize,
}

impl Session for Sends {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, scheme::Error> {
        let unit = unit_of(messages);
        let (mut wire, cipher) = (Vec::new(), ChunkCipher::new(&self.material));
        send::write(&mut wire, &records(messages, unit), Some(&cipher), HEADER_LEN, unit)?;
        let sealed = ChunkCipher::encrypted_len(unit);
        (self.unit, self.sealed_len) = (unit, messages.len() * sealed);
        let (head, chunks) = wire.split_at(NEGOTIATION_LEN + HEADER_LEN);
        let chunks = chunks.chunks(LENGTH_LEN + sealed).map(|bytes| chunk_piece(bytes, unit));
        Ok([head_piece(head)].into_iter().chain(chunks).collect())
    }

    fn reader(&self) -> Result<Box<dyn Reader>, scheme::Error> {
        let keys = Keys::Loaded(self.material.clone().into());
        Ok(Box::new(Receives { safe: self.safe, keys, unit: self.unit }))
    }

    /// The downgrade: a header that announces the encrypted chunks as plaintext.
    fn forge(&self, piece: &mut Piece) -> bool {
        if piece.kind() != "head" {
            return false;
        }
        let total_len = u32::try_from(self.sealed_len).unwrap_or(u32::MAX);
        let forged = SnapshotHeader { total_len, encrypted: false }.to_wire(HEADER_LEN);
        let (Ok(sizes), Ok(header)) = (Negotiation::of(HEADER_LEN, self.unit), forged) else { return false };
        piece.bytes = [&sizes.to_wire()[..], &header].concat();
        true
    }
}

/// Both headers.
fn head_piece(bytes: &[u8]) -> Piece {
    let parts = vec![
        ("head", 0..bytes.len()),
        ("magic", 0..4),
        ("command", 4..8),
        ("header-size", 8..12),
        // Of both sizes, the first byte is always out of range, the second one sometimes.
        ("size-high", 12..13),
        ("sizes", 13..14),
        ("buffer-size", 14..16),
        ("size-high", 16..17),
        ("sizes", 17..18),
        ("cipher-size", 18..19),
        ("sizes", 19..20),
        ("total", 20..24),
        ("flag", 24..28),
        ("reserved", 28..bytes.len()),
    ];
    Piece { place: Vec::new(), bytes: bytes.to_vec(), parts }
}

/// A chunk of `unit` bytes of text.
fn chunk_piece(bytes: &[u8], unit: usize) -> Piece {
    let last = bytes.len() - BLOCK_LEN;
    let before = last - BLOCK_LEN;
    let text = unit % BLOCK_LEN;
    let parts = vec![
        ("chunk", 0..bytes.len()),
        ("length", 0..LENGTH_LEN),
        ("blocks", LENGTH_LEN..before),
        // A flip in a block flips the same bit of the next one's text.
        ("before-text", before..before + text),
        ("before-padding", before + text..last),
        ("last", last..bytes.len()),
    ];
    Piece { place: Vec::new(), bytes: bytes.to_vec(), parts }
}

/// A receiver whose sink takes the whole snapshot or nothing.
struct Receives {
    safe: bool,
    keys: Keys,
    unit: usize,
}

impl Reader for Receives {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let wire: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
        let stream: &mut dyn Read = &mut &wire[..];
        let read = match self.safe {
            true => read_safe(stream, &self.keys, true, Limits::default().empty_chunks),
            false => read_compat(stream, &self.keys),
        };
        match read {
            Ok(text) => {
                let given = text.chunks(self.unit).map(message_of).enumerate().collect();
                Recovered { given, refused: Vec::new() }
            }
            Err(error) => Recovered { given: Vec::new(), refused: vec![error.spec_name()] },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;

    #[test]
    fn messages_of_any_length_come_back_in_every_mode() {
        let schemes: [&dyn Scheme; 4] = [&COMPAT, &SAFE, &HARDENED, &HARDENED_STREAM];
        for scheme in schemes {
            let mut session = scheme.session(find("sealmark").unwrap()).unwrap();
            for lens in [&[][..], &[0], &[5, 0, 149], &[16_380, 1], &[40_000, 16_384, 3]] {
                let messages: Vec<_> = lens.iter().map(|len| vec![7; *len]).collect();
                let pieces = session.protect(&messages).unwrap();
                let recovered = session.reader().unwrap().recover(&pieces);
                let expected: Vec<_> = messages.into_iter().enumerate().collect();
                assert_eq!(recovered.refused, [""; 0], "{}, {lens:?}", scheme.name());
                assert!(recovered.given == expected, "{}, {lens:?}", scheme.name());
            }
        }
    }

    #[test]
    fn a_record_that_was_altered_in_any_bit_is_not_the_message() {
        let message = b"message".to_vec();
        let unit = unit_of(std::slice::from_ref(&message));
        let record = records(std::slice::from_ref(&message), unit);
        assert_eq!((unit % BLOCK_LEN, message_of(&record)), (15, message.clone()));
        for bit in 0..unit * 8 {
            let mut altered = record.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(message_of(&altered), message, "{bit}");
        }
    }
}
