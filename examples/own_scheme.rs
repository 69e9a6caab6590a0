//! The whole command with your own scheme: `cargo run --release --example own_scheme -- verify --scheme
//! notes`.
//!
//! A note is bound to its number, so no note can take another's place. The injector checks each judgement
//! below, both ways, on every engine. `list schemes` shows the scheme's blind spots.

use std::sync::atomic::{AtomicU64, Ordering};

use sealmark::aead::{Aead, Alg, NONCE_LEN, Nonce, Tag};
use sealmark::engine::{Engine, Shape};
use sealmark::scheme::{Error, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

/// The key of every session. A real scheme reads it from its keystore.
const KEY: [u8; 32] = [0x4b; 32];
/// The number of notes sealed under the key, which is the nonce of the next one. A real scheme stores it
/// durably.
static SEALED: AtomicU64 = AtomicU64::new(0);
const TAG_LEN: usize = 16;

/// Numbered notes.
#[derive(Debug)]
pub struct Notes;

impl Scheme for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    fn law(&self) -> Law {
        Law::Each
    }

    fn needs(&self) -> Option<Shape> {
        Some(Shape::usual(Alg::Aes256Gcm))
    }

    fn refusals(&self) -> &'static [&'static str] {
        &["too-short", "not-authentic"]
    }

    fn judge(&self, fault: Fault, _: &str) -> Judgement {
        match fault {
            Fault::Repeat => Judgement::Harmless,
            Fault::Drop | Fault::Tail => Judgement::Blind("nothing counts the notes"),
            Fault::Older | Fault::Splice => Judgement::Blind("an older note of that number is authentic"),
            _ => Judgement::Caught,
        }
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(Book { engine, notes: 0 }))
    }
}

struct Book {
    engine: &'static dyn Engine,
    /// The number of notes in the last call.
    notes: usize,
}

impl Session for Book {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error> {
        self.notes = messages.len();
        let key = self.engine.key(Alg::Aes256Gcm, &KEY)?;
        let mut pieces = Vec::new();
        for (number, message) in messages.iter().enumerate() {
            let place = number.to_be_bytes().to_vec();
            let mut nonce = Nonce::default();
            nonce[4..].copy_from_slice(&SEALED.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            let (mut text, mut tag) = (message.clone(), Tag::default());
            key.seal(&nonce, &place, &mut text, &mut tag)?;
            let bytes = [&nonce[..], &text, &tag.0].concat();
            pieces.push(Piece { place, bytes, parts: vec![("nonce", 0..NONCE_LEN)] });
        }
        Ok(pieces)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(Open { key: self.engine.key(Alg::Aes256Gcm, &KEY)?, notes: self.notes }))
    }
}

struct Open {
    key: Box<dyn Aead>,
    notes: usize,
}

impl Open {
    fn note(&self, piece: &Piece) -> Result<Vec<u8>, &'static str> {
        let (nonce, sealed) = piece.bytes.split_first_chunk::<NONCE_LEN>().ok_or("too-short")?;
        let (text, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or("too-short")?;
        let mut text = text.to_vec();
        let opened = self.key.open(nonce, &piece.place, &mut text, &Tag(*tag));
        opened.map(|()| text).map_err(|_| "not-authentic")
    }
}

impl Reader for Open {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut recovered = Recovered::default();
        for number in 0..self.notes {
            let Some(piece) = pieces.iter().find(|piece| piece.place == number.to_be_bytes()) else {
                continue;
            };
            match self.note(piece) {
                Ok(text) => recovered.given.push((number, text)),
                Err(name) => recovered.refused.push(name),
            }
        }
        recovered
    }
}

fn main() -> std::process::ExitCode {
    sealmark::main(&[], &[&Notes])
}
