//! The interoperability vectors of the pilot protocol: key exchanges, sealed frames, replay windows, and
//! models of a session's state.
//!
//! Every row, and every step of a row, is a case in each mode that speaks the reference's wire: `compat`
//! agrees with all of them, `safe` is stricter by the named rules of [`tunnel::RULES`]. The rule of an
//! outcome follows from what the code did, not from the id of the case. The frames that a case opens are
//! sealed with the key alone, by the engine and the specification, not by the scheme. A member, operation or
//! verdict that the decoders do not know is an error.

use std::sync::Arc;

use super::{Judgement, Layout, Node, Problem, Ruling, array, decimal, integer, only, ruled, same};
use crate::aead::{Aead, Alg, NONCE_LEN, Nonce, Tag};
use crate::engine::Engine;
use crate::scheme::tunnel::session::{Keys, NewSession, Session};
use crate::scheme::tunnel::testing::{MapRegistry, Party};
use crate::scheme::tunnel::{self, Error, Identity, ManualClock, Mode, Options};
use crate::verify::Case;

mod envelope;
mod kex;
mod rekey;
mod replay;
mod state;

/// Its files.
pub(super) const FILES: [Layout; 4] = [
    Layout { file: "pilot-kex.json", arrays: &["vectors", "handle_auth"], read: kex::read },
    Layout { file: "pilot-envelope.json", arrays: &["vectors", "negatives"], read: envelope::read },
    Layout { file: "pilot-replay.json", arrays: &["sequences"], read: replay::read },
    Layout {
        file: "pilot-state.json",
        arrays: &["frame_order", "decrypt_fail_drop", "window_fault_drop", "salvage", "rekey"],
        read: state::read,
    },
];

/// The modes that speak the reference's wire. To `hardened`, these frames are another protocol's.
const MODES: [Mode; 2] = [Mode::Compat, Mode::Safe];
/// Bytes of a sealed frame before its ciphertext.
const HEADER_LEN: usize = 4 + 4 + NONCE_LEN;

/// The case of a row in each mode. Its id ends with the mode's name.
fn in_each_mode<F>(cases: &mut Vec<Case>, id: &str, uses_engine: bool, judge: F)
where
    F: Fn(Mode, &'static dyn Engine) -> Ruling + Send + Sync + 'static,
{
    let judge = Arc::new(judge);
    for mode in MODES {
        let judge = Arc::clone(&judge);
        let name = mode.name().trim_start_matches("tunnel/");
        cases.push(ruled(format!("{id}/{name}"), uses_engine, move |engine| judge(mode, engine)));
    }
}

/// The name of a result, as the vectors write it: empty for success.
fn name_of<T>(result: &Result<T, Error>) -> &'static str {
    result.as_ref().err().map_or("", Error::spec_name)
}

/// Checks that a value is the vector's.
fn equal<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, vector: T) -> Judgement {
    if seen == vector { Ok(()) } else { Err(format!("{what}: expected {vector:?}, got {seen:?}")) }
}

fn words(error: Error) -> String {
    error.to_string()
}

/// What one end of a session knows.
struct Parts {
    own: u32,
    peer: u32,
    key: [u8; 32],
    prefix: [u8; 4],
    /// Frames that this end sealed before.
    sealed_before: u64,
}

impl Parts {
    /// An end without a past, whose keys are arbitrary.
    fn any() -> Self {
        Self { own: 1, peer: 2, key: [0x5a; 32], prefix: *b"peer", sealed_before: 0 }
    }
}

/// One end of a session: a real node, and its peer's key to seal frames with. Its clock begins at 0.
struct End {
    party: Party,
    clock: Arc<ManualClock>,
    session: Arc<Session>,
    parts: Parts,
    key: Box<dyn Aead>,
}

impl End {
    fn new(mode: Mode, engine: &'static dyn Engine, parts: Parts) -> Result<Self, String> {
        let clock = Arc::new(ManualClock::at(0));
        let identity = Identity::from_bytes(parts.own, Some(&[1; 32]), Some(&[2; 32]));
        let registry = Arc::new(MapRegistry::default());
        let party = Party::new(identity, Options::new(mode), engine, &clock, &registry).map_err(words)?;
        let key = engine.key(Alg::Aes256Gcm, &parts.key).map_err(|error| error.to_string())?;
        let session = Self::session(mode, engine, &parts, &party)?;
        let installed = party.node.store().install(parts.peer, Arc::clone(&session), false);
        installed.map_err(words)?;
        Ok(Self { party, clock, session, parts, key })
    }

    /// Another session with the same peer and key.
    fn session(
        mode: Mode,
        engine: &'static dyn Engine,
        parts: &Parts,
        party: &Party,
    ) -> Result<Arc<Session>, String> {
        let key = engine.key(Alg::Aes256Gcm, &parts.key).map_err(|error| error.to_string())?;
        Ok(Arc::new(Session::new(NewSession {
            mode,
            own: parts.own,
            peer: parts.peer,
            keys: Keys::Both(key),
            prefix: parts.prefix,
            session_id: [0; 4],
            created_at: 0,
            peer_x25519: [3; 32],
            authenticated: true,
            sealed_before: parts.sealed_before,
            ring: party.node.store().ring(),
        })))
    }

    fn node(&self) -> &tunnel::Node {
        &self.party.node
    }

    /// A genuine frame of the peer.
    fn sealed(&self, counter: u64, message: &[u8]) -> Result<Vec<u8>, String> {
        let sender = self.parts.peer.to_be_bytes();
        let mut nonce: Nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.parts.prefix);
        nonce[4..].copy_from_slice(&counter.to_be_bytes());
        let (mut text, mut tag) = (message.to_vec(), Tag::default());
        self.key.seal(&nonce, &sender, &mut text, &mut tag).map_err(|error| error.to_string())?;
        Ok([&b"PILS"[..], &sender, &nonce, &text, &tag.0].concat())
    }

    /// A frame in the peer's name that nobody with the key sealed.
    fn forged(&self, counter: u64) -> Result<Vec<u8>, String> {
        let mut frame = self.sealed(counter, b"forged")?;
        *frame.last_mut().expect("a frame has a tag") ^= 1;
        Ok(frame)
    }

    /// Opens a frame and returns the message. `Err` if a frame that is not authentic leaves anything of it.
    fn open(&self, frame: &[u8]) -> Result<Result<Vec<u8>, Error>, String> {
        let mut buffer = frame.to_vec();
        let opened = self.node().open_in_place(&mut buffer).map(|opened| opened.plaintext.to_vec());
        if opened == Err(Error::NotAuthentic) {
            let message = &buffer[HEADER_LEN..frame.len() - crate::aead::TAG_LEN];
            if message.iter().any(|byte| *byte != 0) {
                return Err("a frame that is not authentic leaves bytes in the buffer".into());
            }
        }
        Ok(opened)
    }

    /// Opens a frame that the vector's key opens, by the engine alone.
    fn opened_by_key(&self, frame: &[u8]) -> Result<Vec<u8>, String> {
        let (header, rest) = frame.split_at_checked(HEADER_LEN).ok_or("the frame has no header")?;
        let (text, tag) = rest.split_last_chunk().ok_or("the frame has no tag")?;
        let mut text = text.to_vec();
        let nonce = header[8..].try_into().expect("a header ends with a nonce");
        let opened = self.key.open(nonce, &header[4..8], &mut text, &Tag(*tag));
        opened.map_err(|error| format!("the vector's key does not open the frame: {error}"))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
