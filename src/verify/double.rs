//! An engine with one fault, for tests of the checks: sound in all else, and stated to leave zeros.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::aead::{Aead, Alg, Error, Nonce, Tag};
use crate::engine::{Engine, Residue, Shape, find};

/// What such an engine does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Double {
    /// A refused open leaves the first byte of the ciphertext.
    LeavesAByte,
    /// The refusal of an empty IV comes after a byte of the buffer was changed, sealing.
    SpoilsOnSeal,
    /// The same, opening.
    SpoilsOnOpen,
    /// After a refused open the key opens nothing more.
    StaysShut,
}

impl Engine for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn version(&self) -> String {
        "planted".into()
    }

    fn available(&self) -> Result<(), String> {
        Ok(())
    }

    fn supports(&self, shape: Shape) -> bool {
        shape.iv_len > 0 && shape.tag_len == 16
    }

    fn residue(&self) -> Residue {
        Residue::Zeros
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        let sound = find("sealmark").unwrap().key(alg, bytes)?;
        Ok(Box::new(Key { sound, fault: *self, refused: AtomicBool::new(false) }))
    }
}

struct Key {
    sound: Box<dyn Aead>,
    fault: Double,
    refused: AtomicBool,
}

impl Key {
    /// Changes a byte where the IV is empty and this is the fault.
    fn spoil(&self, iv: &[u8], in_out: &mut [u8], fault: Double) {
        if let Some(first) = in_out.first_mut()
            && iv.is_empty()
            && self.fault == fault
        {
            *first ^= 0xff;
        }
    }
}

impl Aead for Key {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.sound.seal(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        if self.fault == Double::StaysShut && self.refused.load(Ordering::Relaxed) {
            in_out.fill(0);
            return Err(Error::NotAuthentic);
        }
        let first = in_out.first().copied();
        let opened = self.sound.open(nonce, aad, in_out, tag);
        if opened.is_err() {
            self.refused.store(true, Ordering::Relaxed);
            if let (Some(first), Double::LeavesAByte) = (first, self.fault) {
                in_out[0] = first;
            }
        }
        opened
    }

    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        self.spoil(iv, in_out, Double::SpoilsOnSeal);
        self.sound.seal_iv(iv, aad, in_out, tag)
    }

    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        self.spoil(iv, in_out, Double::SpoilsOnOpen);
        self.sound.open_iv(iv, aad, in_out, tag)
    }
}
