//! The scheme as the fault injector drives it: values through the store path, each row a piece.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::SEALED_OVERHEAD;
use super::value::read;
use super::{Budget, Clear, Form, Sealer, StateCache, kek};
use crate::engine::Engine;
use crate::envelope::aad::pebble_key;
use crate::envelope::{Cipher, Keystore, NonceSource};
use crate::scheme::{Fault, Judgement, Piece, Scheme, Session};

const KEY_ID: NonZeroU32 = NonZeroU32::MIN;

/// The scheme `storage`.
pub(in crate::scheme) static STORAGE: Storage = Storage;

pub(in crate::scheme) struct Storage;

impl Scheme for Storage {
    fn name(&self) -> &'static str {
        "storage"
    }

    fn judge(&self, fault: Fault) -> Judgement {
        match fault {
            Fault::Flip | Fault::Cut | Fault::Extend | Fault::Swap | Fault::Copy => Judgement::Caught,
            Fault::Drop => Judgement::Blind("a row that is deleted reads as one that was never written"),
        }
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, String> {
        let keystore = Keystore::new(engine);
        let dek = kek::new_dek().map_err(|error| error.to_string())?;
        keystore.set(KEY_ID.get(), &*dek).map_err(|error| error.to_string())?;
        let (nonces, cache) = (Arc::new(NonceSource::new(1, 1)), Arc::<StateCache>::default());
        let sealer = Sealer::new(Arc::new(keystore).into(), nonces, cache, Arc::<Budget>::default());
        Ok(Box::new(Rows { sealer, places: Vec::new(), now: 0 }))
    }
}

struct Rows {
    sealer: Sealer,
    /// Where the last messages lie.
    places: Vec<Vec<u8>>,
    /// The last commit's timestamp.
    now: u64,
}

impl Rows {
    fn cipher(&self) -> &Cipher {
        self.sealer.cipher()
    }
}

impl Session for Rows {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, String> {
        self.places.clear();
        self.now += 1;
        let mut pieces = Vec::new();
        for (i, message) in messages.iter().enumerate() {
            let user_key = format!("row/{i}");
            let mut bytes = vec![0; message.len() + SEALED_OVERHEAD];
            let sealed = self.sealer.seal_as(
                Form::Sealed(KEY_ID),
                user_key.as_bytes(),
                self.now,
                0,
                message,
                &mut bytes,
            );
            bytes.truncate(sealed.map_err(|error| error.to_string())?);
            let place = pebble_key(user_key.as_bytes(), self.now);
            self.places.push(place.clone());
            pieces.push(Piece { place, bytes });
        }
        Ok(pieces)
    }

    fn recover(&mut self, pieces: &[Piece]) -> Result<Vec<Option<Vec<u8>>>, String> {
        let at = |place: &Vec<u8>| pieces.iter().rev().find(|piece| piece.place == *place);
        let value = |place: &Vec<u8>| match at(place) {
            None => Ok(None),
            Some(piece) => match read(Some(self.cipher()), Clear::Allowed, place, &piece.bytes) {
                Ok(read) => Ok(read.visible(self.now)),
                Err(error) => Err(error.spec_name().to_owned()),
            },
        };
        self.places.iter().map(value).collect()
    }
}
