//! Frames with a sequence number, and a receiver that accepts each number once: `Law::AtMostOnce`.

use std::collections::BTreeSet;

use super::{AES_256, Double, Keyed, nonce, open, seal};
use crate::aead::Aead;
use crate::scheme::{Error, Fault, Judgement, Law, Piece, Reader, Recovered, Session};

pub(in crate::verify::fault) const HONEST: Double = Double {
    law: Law::AtMostOnce,
    needs: AES_256,
    refusals: &["short", "forged", "replayed"],
    judge,
    session: |engine| Ok(Box::new(Sender { keyed: Keyed::new(engine), sent: 0, first: 0, window: true })),
};
/// Claims the same, but its receiver does not remember the numbers that it accepted.
pub(in crate::verify::fault) const WITHOUT_WINDOW: Double = Double {
    session: |engine| Ok(Box::new(Sender { keyed: Keyed::new(engine), sent: 0, first: 0, window: false })),
    ..HONEST
};

pub(in crate::verify::fault) fn judge(fault: Fault, _: &str) -> Judgement {
    match fault {
        Fault::Swap | Fault::Drop | Fault::Tail => Judgement::Harmless,
        _ => Judgement::Caught,
    }
}

struct Sender {
    keyed: Keyed,
    sent: u64,
    /// The sequence number of the first frame of the last call.
    first: u64,
    window: bool,
}

impl Session for Sender {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error> {
        self.first = self.sent;
        let key = self.keyed.key()?;
        let mut pieces = Vec::new();
        for message in messages {
            let mut bytes = self.sent.to_be_bytes().to_vec();
            bytes.extend(seal(&*key, &nonce(self.keyed.id, self.sent), &bytes, message)?);
            pieces.push(Piece { place: Vec::new(), parts: vec![("sequence", 0..8)], bytes });
            self.sent += 1;
        }
        Ok(pieces)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        let (key, id, first, window) = (self.keyed.key()?, self.keyed.id, self.first, self.window);
        Ok(Box::new(Receiver { key, id, first, window, seen: BTreeSet::new() }))
    }
}

struct Receiver {
    key: Box<dyn Aead>,
    id: u32,
    first: u64,
    window: bool,
    seen: BTreeSet<u64>,
}

impl Receiver {
    fn take(&mut self, frame: &[u8]) -> Result<(usize, Vec<u8>), &'static str> {
        let (sequence, sealed) = frame.split_first_chunk::<8>().ok_or("short")?;
        let number = u64::from_be_bytes(*sequence);
        let message = open(&*self.key, &nonce(self.id, number), sequence, sealed)?;
        if self.window && (number < self.first || !self.seen.insert(number)) {
            return Err("replayed");
        }
        Ok((number.saturating_sub(self.first) as usize, message))
    }
}

impl Reader for Receiver {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut recovered = Recovered::default();
        for piece in pieces {
            match self.take(&piece.bytes) {
                Ok(given) => recovered.given.push(given),
                Err(name) => recovered.refused.push(name),
            }
        }
        recovered
    }
}
