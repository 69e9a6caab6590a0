//! Small schemes for the injector's tests: one for each law, each with a defect that can be switched on.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::aead::{Aead, Alg, Nonce, Tag};
use crate::engine::{Engine, Shape};
use crate::scheme::{Error, Fault, Judgement, Law, Scheme, Session};

pub(super) mod clear;
pub(super) mod frames;
pub(super) mod log;
pub(super) mod stream;

/// The function that starts a double's session.
pub(super) type Begin = fn(&'static dyn Engine) -> Result<Box<dyn Session>, Error>;

/// A double's claims, and the function that starts its session.
pub(super) struct Double {
    pub law: Law,
    pub needs: Option<Shape>,
    pub refusals: &'static [&'static str],
    pub judge: fn(Fault, &str) -> Judgement,
    pub session: Begin,
}

impl Scheme for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn law(&self) -> Law {
        self.law
    }

    fn needs(&self) -> Option<Shape> {
        self.needs
    }

    fn refusals(&self) -> &'static [&'static str] {
        self.refusals
    }

    fn judge(&self, fault: Fault, part: &str) -> Judgement {
        (self.judge)(fault, part)
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, Error> {
        (self.session)(engine)
    }
}

const AES_256: Option<Shape> = Some(Shape::usual(Alg::Aes256Gcm));

/// A key shared by all sessions, and a number unique to each.
struct Keyed {
    engine: &'static dyn Engine,
    id: u32,
}

impl Keyed {
    fn new(engine: &'static dyn Engine) -> Self {
        static SESSIONS: AtomicU32 = AtomicU32::new(0);
        Self { engine, id: SESSIONS.fetch_add(1, Ordering::Relaxed) }
    }

    fn key(&self) -> Result<Box<dyn Aead>, Error> {
        Ok(self.engine.key(Alg::Aes256Gcm, &[7; 32])?)
    }
}

fn nonce(id: u32, number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..4].copy_from_slice(&id.to_be_bytes());
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

fn seal(key: &dyn Aead, nonce: &Nonce, aad: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut bytes, mut tag) = (message.to_vec(), Tag::default());
    key.seal(nonce, aad, &mut bytes, &mut tag)?;
    bytes.extend(tag.0);
    Ok(bytes)
}

fn open(key: &dyn Aead, nonce: &Nonce, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (text, tag) = sealed.split_last_chunk::<16>().ok_or("short")?;
    let mut text = text.to_vec();
    key.open(nonce, aad, &mut text, &Tag(*tag)).map_err(|_| "forged")?;
    Ok(text)
}
