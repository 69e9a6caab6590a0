//! The hardened modes. The messages travel in two transfers, so that faults meet both chunks and a whole
//! stream: all but the last message chunk by chunk, one piece each, and the last one as a stream in one
//! piece. The context names the transfer, as a user would name a database, so that none passes for the other.
//!
//! Chunks are as short as the messages here, because the injector flips every bit of them. The code is the
//! same.

use super::super::chunked::{CHUNK_LEN, COMMITMENT_LEN, HEADER_LEN, Opener, Sealer};
use super::super::hardened::{MAGIC, read_head};
use super::super::{Context, Error, StreamKey};
use super::{LENGTH_LEN, message_of, records};
use crate::aead::{Alg, TAG_LEN};
use crate::engine::{Engine, Shape};
use crate::envelope::SecretKey;
use crate::scheme::{self, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

/// The stream into a sink that commits.
pub(in crate::scheme) static HARDENED: Hardened = Hardened { commits: true };
/// The stream into a sink that passes it on.
pub(in crate::scheme) static HARDENED_STREAM: Hardened = Hardened { commits: false };

/// The places of the transfers, and what their contexts name.
const TRANSFERS: [&[u8]; 2] = [b"1", b"2"];
/// Bytes before the first chunk.
const HEAD_LEN: usize = MAGIC.len() + HEADER_LEN;

/// The hardened stream, into one of the two kinds of sinks.
pub(in crate::scheme) struct Hardened {
    commits: bool,
}

impl Scheme for Hardened {
    fn name(&self) -> &'static str {
        if self.commits { "snapshot/hardened" } else { "snapshot/hardened-stream" }
    }

    fn law(&self) -> Law {
        if self.commits { Law::AllOrNothing } else { Law::Prefix }
    }

    fn needs(&self) -> Option<Shape> {
        Some(Shape::usual(Alg::Aes256Gcm))
    }

    fn refusals(&self) -> &'static [&'static str] {
        &["Io", "Protocol", "Crypto"]
    }

    fn judge(&self, fault: Fault, part: &str) -> Judgement {
        match (fault, part) {
            (Fault::Splice | Fault::Older, "stream") => Judgement::Blind(
                "a whole earlier stream is authentic, unless its context or the transport differs",
            ),
            _ => Judgement::Caught,
        }
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, scheme::Error> {
        let mut key = SecretKey::default();
        key.fill(0x73);
        let key = StreamKey::new(engine, key);
        let unit = Unit::of(&[]);
        Ok(Box::new(Sends { key, commits: self.commits, unit, sent: 0 }))
    }
}

/// The length of the records and of the chunks.
#[derive(Clone, Copy)]
struct Unit {
    record: usize,
    chunk: usize,
}

impl Unit {
    fn of(messages: &[Vec<u8>]) -> Self {
        const LEAST: usize = 128;
        let record = messages.iter().map(|message| message.len() + LENGTH_LEN).max().unwrap_or(0).max(LEAST);
        Self { record, chunk: record.min(CHUNK_LEN) }
    }
}

struct Sends {
    key: StreamKey,
    commits: bool,
    unit: Unit,
    /// Messages in the first transfer of the last call.
    sent: usize,
}

impl Sends {
    fn stream(&self, transfer: &[u8], messages: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
        let (engine, context) = (self.key.engine(), Context::new(transfer));
        let sealer = Sealer::with_chunks(engine, self.key.bytes(), context.bytes(), self.unit.chunk)?;
        let mut wire = MAGIC.to_vec();
        sealer.seal_stream(&mut &records(messages, self.unit.record)[..], &mut wire)?;
        Ok(wire)
    }

    /// The pieces of a stream: its head, its chunks, and the last, shorter chunk.
    fn split(&self, place: &[u8], stream: &[u8]) -> Vec<Piece> {
        let (head, chunks) = stream.split_at(HEAD_LEN);
        let mut pieces = vec![Piece { place: place.to_vec(), bytes: head.to_vec(), parts: head_parts() }];
        for chunk in chunks.chunks(self.unit.chunk + TAG_LEN) {
            let parts = vec![(self.kind(chunk), 0..chunk.len())];
            pieces.push(Piece { place: place.to_vec(), bytes: chunk.to_vec(), parts });
        }
        pieces
    }

    fn kind(&self, chunk: &[u8]) -> &'static str {
        if chunk.len() == self.unit.chunk + TAG_LEN { "chunk" } else { "last" }
    }
}

fn head_parts() -> Vec<(&'static str, std::ops::Range<usize>)> {
    let salt_end = HEAD_LEN - COMMITMENT_LEN;
    vec![
        ("head", 0..HEAD_LEN),
        ("magic", 0..MAGIC.len()),
        ("salt", MAGIC.len()..salt_end),
        ("commitment", salt_end..HEAD_LEN),
    ]
}

impl Session for Sends {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, scheme::Error> {
        self.unit = Unit::of(messages);
        let (first, last) = messages.split_at(messages.len().saturating_sub(1));
        self.sent = first.len();
        let [one, two] = TRANSFERS;
        let mut pieces = self.split(one, &self.stream(one, first)?);
        // The pieces of the second stream, joined: their parts move to where they come to lie.
        let mut joined = Piece::whole(two.to_vec(), Vec::new());
        for piece in self.split(two, &self.stream(two, last)?) {
            let start = joined.bytes.len();
            joined.bytes.extend(piece.bytes);
            let moved = piece.parts.into_iter().filter(|(name, _)| *name != "head");
            joined.parts.extend(moved.map(|(name, range)| (name, start + range.start..start + range.end)));
        }
        joined.parts.push(("stream", 0..joined.bytes.len()));
        pieces.push(joined);
        Ok(pieces)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, scheme::Error> {
        let key = self.key.clone();
        Ok(Box::new(Receives { key, commits: self.commits, unit: self.unit, sent: self.sent }))
    }
}

/// A receiver of both transfers. It commits both together, or passes each record on as it arrives.
struct Receives {
    key: StreamKey,
    commits: bool,
    unit: Unit,
    sent: usize,
}

impl Receives {
    /// Adds the messages of one transfer, the first of which has this number.
    fn transfer(
        &self,
        transfer: &[u8],
        mut wire: &[u8],
        first: usize,
        given: &mut Vec<(usize, Vec<u8>)>,
    ) -> Result<(), Error> {
        let header = read_head(&mut wire)?;
        let (engine, context) = (self.key.engine(), Context::new(transfer));
        let (key, chunk_len) = (self.key.bytes(), self.unit.chunk);
        let opener = Opener::with_chunks(engine, key, context.bytes(), &header, chunk_len)?;
        let (mut pending, mut number) = (Vec::new(), first);
        opener.open_stream(&mut wire, &mut |text| {
            pending.extend_from_slice(text);
            while pending.len() >= self.unit.record {
                let rest = pending.split_off(self.unit.record);
                given.push((number, message_of(&std::mem::replace(&mut pending, rest))));
                number += 1;
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Reader for Receives {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut recovered = Recovered::default();
        for (place, first) in TRANSFERS.into_iter().zip([0, self.sent]) {
            let of = pieces.iter().filter(|piece| piece.place == place);
            let wire: Vec<u8> = of.flat_map(|piece| piece.bytes.iter().copied()).collect();
            if let Err(error) = self.transfer(place, &wire, first, &mut recovered.given) {
                recovered.refused.push(error.spec_name());
                break;
            }
        }
        if self.commits && !recovered.refused.is_empty() {
            recovered.given.clear();
        }
        recovered
    }
}
