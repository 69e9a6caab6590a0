//! The scheme as the fault injector and the workloads drive it: each session is a round, each blob a piece.

use std::sync::atomic::{AtomicU64, Ordering};

use super::slots::KEPT;
use super::{Context, Form, MasterKey, Purpose, Role, RoundId, RoundKey};
use crate::aead::{Alg, NONCE_LEN, TAG_LEN};
use crate::engine::{Engine, Shape};
use crate::scheme::{self, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

/// The master key of every session. It wraps only keys of rounds that protect generated messages.
const MASTER: [u8; 32] = [0x6d; 32];

/// Blobs as in the reference.
pub(in crate::scheme) static COMPAT: Ephemeral = Ephemeral(Form::Compatible);
/// Blobs that bind their context.
pub(in crate::scheme) static BOUND: Ephemeral = Ephemeral(Form::Bound);

/// The scheme in one of its modes.
pub(in crate::scheme) struct Ephemeral(Form);

impl Scheme for Ephemeral {
    fn name(&self) -> &'static str {
        match self.0 {
            Form::Compatible => "ephemeral/compat",
            Form::Bound => "ephemeral/bound",
        }
    }

    fn law(&self) -> Law {
        Law::Each
    }

    fn needs(&self) -> Option<Shape> {
        Some(Shape::usual(Alg::Aes256Gcm))
    }

    fn refusals(&self) -> &'static [&'static str] {
        &["Invalid encrypted data length", "Could not decrypt data"]
    }

    fn judge(&self, fault: Fault, _: &str) -> Judgement {
        match fault {
            Fault::Flip | Fault::Cut | Fault::Extend | Fault::Forge | Fault::Splice => Judgement::Caught,
            Fault::Swap | Fault::Copy => match self.0 {
                Form::Compatible => Judgement::Blind(
                    "a compatible blob binds no context: those of one round are interchangeable",
                ),
                Form::Bound => Judgement::Caught,
            },
            Fault::Repeat => Judgement::Harmless,
            Fault::Drop | Fault::Tail => {
                Judgement::Blind("a deleted blob reads like one that was never written")
            }
            Fault::Older => {
                Judgement::Blind("an older blob of the same place, from the same round, is authentic")
            }
        }
    }

    fn blind_media(&self) -> &'static [(&'static str, &'static str)] {
        &KEPT
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, scheme::Error> {
        /// Sessions so far; each is a round of its own.
        static ROUNDS: AtomicU64 = AtomicU64::new(1);
        let round = RoundId::new(1, &ROUNDS.fetch_add(1, Ordering::Relaxed).to_string())?;
        let master = MasterKey::with_engine(engine, &MASTER)?;
        let (record, key) = master.create(self.0, &round, None)?;
        Ok(Box::new(Seals { master, record, key, form: self.0, round, blobs: 0 }))
    }
}

/// The place of a blob in its round.
fn context(round: &RoundId, blob: usize) -> Context {
    let role = if (blob / Purpose::ALL.len()).is_multiple_of(2) { Role::AtRest } else { Role::InTransit };
    Context { round: round.clone(), role, purpose: Purpose::ALL[blob % Purpose::ALL.len()] }
}

fn name(blob: usize) -> Vec<u8> {
    format!("blob/{blob}").into_bytes()
}

struct Seals {
    master: MasterKey,
    record: super::Record,
    key: RoundKey,
    form: Form,
    round: RoundId,
    /// Blobs in the last call.
    blobs: usize,
}

impl Session for Seals {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, scheme::Error> {
        self.blobs = messages.len();
        let seal = |(blob, message): (usize, &Vec<u8>)| {
            let bytes = self.key.seal(self.form, &context(&self.round, blob), &mut message.clone())?;
            let parts = vec![("nonce", 0..NONCE_LEN), ("tag", bytes.len() - TAG_LEN..bytes.len())];
            Ok(Piece { place: name(blob), bytes, parts })
        };
        messages.iter().enumerate().map(seal).collect()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, scheme::Error> {
        let key = self.master.unwrap(self.form, &self.round, &self.record, None)?;
        Ok(Box::new(Opens { key, form: self.form, round: self.round.clone(), blobs: self.blobs }))
    }
}

/// Opens each blob once, under the key from the round's record.
struct Opens {
    key: RoundKey,
    form: Form,
    round: RoundId,
    blobs: usize,
}

impl Reader for Opens {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut recovered = Recovered::default();
        for blob in 0..self.blobs {
            // Of two writes to the same place, the later one stays.
            let Some(piece) = pieces.iter().rev().find(|piece| piece.place == name(blob)) else { continue };
            match self.key.open(self.form, &context(&self.round, blob), &piece.bytes) {
                Ok(message) => recovered.given.push((blob, message.to_vec())),
                Err(error) => recovered.refused.push(error.spec_name()),
            }
        }
        recovered
    }
}
