//! The scheme as the fault injector and the workloads drive it: values go through the store path, and each
//! row is a piece.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::value::read;
use super::{Budget, Clear, Error, Form, SEALED_OVERHEAD, Sealer, StateCache};
use crate::aead::Alg;
use crate::engine::{Engine, Shape};
use crate::envelope::aad::pebble_key;
use crate::envelope::keystore::DEK_LEN;
use crate::envelope::{self, Cipher, Keystore, NonceSource};
use crate::scheme::{self, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

const KEY_ID: NonZeroU32 = NonZeroU32::MIN;
/// The data key of every session. It protects only generated messages.
const DEK: [u8; DEK_LEN] = [0x5e; DEK_LEN];
const NODE_ID: u16 = 1;
/// A name for the refusal that the reference leaves unnamed.
const VALUE_HEADER_SHORT: &str = "value-header-short";

/// The scheme `storage`.
pub(in crate::scheme) static STORAGE: Storage = Storage;

pub(in crate::scheme) struct Storage;

impl Scheme for Storage {
    fn name(&self) -> &'static str {
        "storage"
    }

    fn law(&self) -> Law {
        Law::Each
    }

    fn needs(&self) -> Option<Shape> {
        Some(Shape::usual(Alg::Aes256Gcm))
    }

    fn refusals(&self) -> &'static [&'static str] {
        &[
            VALUE_HEADER_SHORT,
            "ErrEncryptedReadIntegrity",
            "ErrEncryptedValueReservedState",
            "ErrEnvelopeShort",
            "ErrEnvelopeVersion",
            "ErrReservedKeyID",
            "ErrUnknownKeyID",
        ]
    }

    fn judge(&self, fault: Fault, _: &str) -> Judgement {
        match fault {
            Fault::Flip | Fault::Cut | Fault::Extend | Fault::Swap | Fault::Copy | Fault::Forge => {
                Judgement::Caught
            }
            Fault::Repeat => Judgement::Harmless,
            Fault::Drop | Fault::Tail => {
                Judgement::Blind("a deleted row reads like one that was never written")
            }
            Fault::Splice => Judgement::Blind(
                "a row's value that another process sealed under the same key is equally authentic",
            ),
            Fault::Older => {
                Judgement::Blind("an older value of a row is authentic, and is read if the newer one is gone")
            }
        }
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, scheme::Error> {
        /// Process loads with this key. Each has its own epoch, so no nonce repeats.
        static LOADS: AtomicU16 = AtomicU16::new(1);
        let keystore = Keystore::new(engine);
        keystore.set(KEY_ID.get(), &DEK)?;
        let nonces = Arc::new(NonceSource::new(NODE_ID, LOADS.fetch_add(1, Ordering::Relaxed)));
        let (cipher, cache) = (Cipher::from(Arc::new(keystore)), Arc::<StateCache>::default());
        let sealer = Sealer::new(cipher.clone(), nonces, cache, Arc::<Budget>::default());
        Ok(Box::new(Writes { sealer, cipher, rows: 0, now: 0 }))
    }
}

/// The user's key of a row.
fn user_key(row: usize) -> String {
    format!("row/{row}")
}

struct Writes {
    sealer: Sealer,
    cipher: Cipher,
    /// Rows in the last commit.
    rows: usize,
    /// The last commit's timestamp.
    now: u64,
}

impl Session for Writes {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, scheme::Error> {
        self.rows = messages.len();
        self.now += 1;
        let write = |(row, message): (usize, &Vec<u8>)| {
            let (key, form) = (user_key(row), Form::Sealed(KEY_ID));
            let mut bytes = vec![0; message.len() + SEALED_OVERHEAD];
            let len = self.sealer.seal_as(form, key.as_bytes(), self.now, 0, message, &mut bytes)?;
            bytes.truncate(len);
            Ok(Piece::whole(pebble_key(key.as_bytes(), self.now), bytes))
        };
        messages.iter().enumerate().map(write).collect()
    }

    fn reader(&self) -> Result<Box<dyn Reader>, scheme::Error> {
        Ok(Box::new(Reads { cipher: self.cipher.clone(), rows: self.rows, now: self.now }))
    }
}

/// Reads each row once, in its newest version.
struct Reads {
    cipher: Cipher,
    rows: usize,
    now: u64,
}

impl Reader for Reads {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut recovered = Recovered::default();
        for row in 0..self.rows {
            let key = user_key(row);
            // Newer versions sort first; of two writes to the same place, the later one stays.
            let versions = pieces.iter().rev().filter(|piece| {
                piece.place.split_last_chunk::<8>().is_some_and(|(of, _)| of == key.as_bytes())
            });
            let Some(newest) = versions.min_by(|a, b| a.place.cmp(&b.place)) else { continue };
            match read(Some(&self.cipher), Clear::Allowed, &newest.place, &newest.bytes) {
                Ok(read) => recovered.given.extend(read.visible(self.now).map(|value| (row, value))),
                Err(error) => recovered.refused.push(refusal(&error)),
            }
        }
        recovered
    }
}

/// The name of a refusal. An error that is no refusal keeps the name `OTHER`, which the scheme does not list.
fn refusal(error: &Error) -> &'static str {
    match error {
        Error::Envelope(envelope::Error::ValueHeaderShort) => VALUE_HEADER_SHORT,
        error => error.spec_name(),
    }
}
