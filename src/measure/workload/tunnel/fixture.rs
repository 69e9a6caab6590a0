//! One end of a tunnel with sessions of many peers, and frames built by hand with another engine.
//!
//! The sessions are installed without a handshake, whose cost is a workload of its own. The clock is the
//! system's, as in a program.

use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::{self, Aead, Alg, NONCE_LEN, Nonce, TAG_LEN, Tag};
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::{Slots, content_seed, stride};
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Subject};
use crate::scheme::tunnel::session::{Keys, NewSession, Session};
use crate::scheme::tunnel::{self, Identity, Mode, Node, Options, Outside, SystemClock};
use crate::timing::Timed;

/// The error for the tunnel's refusal while a workload was prepared.
pub(in crate::measure) fn refused(error: tunnel::Error) -> Error {
    Error::Scheme { scheme: "tunnel".into(), refusal: Box::new(error) }
}

/// The id of this end.
pub(in crate::measure) const OWN: u32 = 1;
/// The id of the peer of a single session.
pub(in crate::measure) const PEER: u32 = 1_000;
/// The sessions of an end, where a workload does not state how many there are.
pub(in crate::measure) const PEERS: u32 = 100;
/// Bytes of a key.
const KEY_LEN: usize = Alg::Aes256Gcm.key_len();
/// The nonce prefix of what this end seals, and of what its peers seal, on the compatible wire.
const OWN_PREFIX: [u8; 4] = *b"ours";
const PEER_PREFIX: [u8; 4] = *b"peer";
/// The name of a session in hardened frames.
const SESSION_ID: [u8; 4] = *b"name";

/// The direction of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::measure) enum Way {
    /// From this end to the peer.
    Out,
    /// From the peer to this end.
    In,
}

/// The subject of a mode's kinds.
pub(in crate::measure) const fn subject(mode: Mode) -> &'static str {
    match mode {
        Mode::Hardened => "hardened-frame",
        _ => "frame",
    }
}

/// Bytes of a frame before its ciphertext: spec 2, section 1, and `handshake.md` for the hardened frames.
pub(in crate::measure) const fn header_len(mode: Mode) -> usize {
    match mode {
        Mode::Hardened => 4 + 1 + 4 + 4 + 8,
        _ => 4 + 4 + NONCE_LEN,
    }
}

/// Bytes of a frame around a message of that length.
pub(in crate::measure) const fn frame_len(mode: Mode, bytes: usize) -> usize {
    header_len(mode) + bytes + TAG_LEN
}

/// Bytes of a message and the frame beside it.
pub(in crate::measure) fn slot_len(mode: Mode, workload: &Workload) -> usize {
    stride(workload.bytes) + stride(frame_len(mode, workload.bytes))
}

/// Bytes of a frame that is opened in place.
pub(in crate::measure) fn opened_slot_len(mode: Mode, workload: &Workload) -> usize {
    stride(frame_len(mode, workload.bytes))
}

/// The work of one frame: a message and its additional data.
pub(in crate::measure) fn work(mode: Mode, workload: &Workload, overlap: Overlap) -> Work {
    let aad = match mode {
        Mode::Hardened => header_len(mode),
        _ => 4,
    };
    Work::of_message(Alg::Aes256Gcm, workload.bytes, aad, overlap)
}

/// The key of a peer's session; one for each way where the mode has two.
fn key_bytes(mode: Mode, peer: u32, way: Way, seed: u64) -> [u8; KEY_LEN] {
    let mut key = [0x42; KEY_LEN];
    key[..4].copy_from_slice(&peer.to_be_bytes());
    key[4] = u8::from(mode == Mode::Hardened && way == Way::In);
    key[8..16].copy_from_slice(&seed.to_be_bytes());
    key
}

/// A frame's header with this counter, and the nonce under which its message is sealed, written out from the
/// specification and not with the scheme's codec.
pub(in crate::measure) fn header(mode: Mode, peer: u32, way: Way, counter: u64) -> (Vec<u8>, Nonce) {
    let (sender, prefix) = match way {
        Way::Out => (OWN, OWN_PREFIX),
        Way::In => (peer, PEER_PREFIX),
    };
    let mut nonce = [0; NONCE_LEN];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    let header = if mode == Mode::Hardened {
        [&b"SMTD\x01"[..], &sender.to_be_bytes(), &SESSION_ID, &nonce[4..]].concat()
    } else {
        nonce[..4].copy_from_slice(&prefix);
        [&b"PILS"[..], &sender.to_be_bytes(), &nonce].concat()
    };
    (header, nonce)
}

/// A session's key in another engine: seals the frames to open, and the frames to compare with.
pub(in crate::measure) struct Other {
    mode: Mode,
    peer: u32,
    way: Way,
    key: Box<dyn Aead>,
}

impl Other {
    /// Writes the frame of a message under this counter.
    pub fn seal_into(&self, counter: u64, plain: &[u8], frame: &mut [u8]) -> Result<(), aead::Error> {
        let (header, nonce) = header(self.mode, self.peer, self.way, counter);
        let (head, body) = frame.split_at_mut(header.len());
        let (text, tag) = body.split_at_mut(plain.len());
        head.copy_from_slice(&header);
        text.copy_from_slice(plain);
        let aad = if self.mode == Mode::Hardened { &header[..] } else { &header[4..8] };
        let mut own = Tag::default();
        self.key.seal(&nonce, aad, text, &mut own)?;
        tag.copy_from_slice(&own.0);
        Ok(())
    }
}

/// One end of a tunnel.
pub(in crate::measure) struct End {
    pub node: Node,
    mode: Mode,
    engine: &'static dyn Engine,
    seed: u64,
}

impl End {
    /// An end with sessions of a hundred peers, [`PEER`] first.
    pub fn new(mode: Mode, engine: &'static dyn Engine, seed: u64) -> Result<Arc<Self>, Error> {
        Self::of_peers(mode, engine, seed, PEERS)
    }

    /// An end with sessions of that many peers, their ids counted from [`PEER`].
    pub fn of_peers(
        mode: Mode,
        engine: &'static dyn Engine,
        seed: u64,
        peers: u32,
    ) -> Result<Arc<Self>, Error> {
        let identity = Identity::from_bytes(OWN, Some(&[1; 32]), Some(&[2; 32]));
        let clock = Arc::new(SystemClock::new());
        let node = Node::new(identity, Options::new(mode), engine, clock, Outside::default());
        let node = node.map_err(refused)?;
        let end = Arc::new(Self { node, mode, engine, seed });
        for peer in PEER..PEER + peers {
            end.install(peer)?;
        }
        Ok(end)
    }

    /// Gives a peer a new session under the same keys: its counters and its window begin again.
    pub fn install(&self, peer: u32) -> Result<Arc<Session>, Error> {
        let key = |way| {
            let bytes = key_bytes(self.mode, peer, way, self.seed);
            self.engine.key(Alg::Aes256Gcm, &bytes).map_err(|error| Error::engine(self.engine, error))
        };
        let keys = match self.mode {
            Mode::Hardened => Keys::Directed { seal: key(Way::Out)?, open: key(Way::In)? },
            _ => Keys::Both(key(Way::Out)?),
        };
        let store = self.node.store();
        let hardened = self.mode == Mode::Hardened;
        let session = Arc::new(Session::new(NewSession {
            mode: self.mode,
            own: OWN,
            peer,
            keys,
            prefix: if hardened { [0; 4] } else { OWN_PREFIX },
            session_id: if hardened { SESSION_ID } else { [0; 4] },
            created_at: 0,
            peer_x25519: [3; 32],
            authenticated: true,
            sealed_before: 0,
            ring: store.ring(),
        }));
        store.install(peer, Arc::clone(&session), false).map_err(refused)?;
        Ok(session)
    }

    /// Gives each of these peers a new session.
    pub fn install_all(&self, peers: &[u32]) {
        for &peer in peers {
            self.install(peer).expect("the engine made this key before");
        }
    }

    /// The other engine's key for the frames of a peer's session.
    pub fn other(&self, peer: u32, way: Way) -> Result<Other, Error> {
        let bytes = key_bytes(self.mode, peer, way, self.seed);
        let key = reference(self.engine, Alg::Aes256Gcm).key(Alg::Aes256Gcm, &bytes);
        let key = key.map_err(|error| Error::engine(self.engine, error))?;
        Ok(Other { mode: self.mode, peer, way, key })
    }

    /// Bytes of a header.
    pub fn header_len(&self) -> usize {
        header_len(self.mode)
    }

    /// Room for `count` frames around messages of `bytes` bytes.
    pub fn slots(&self, count: usize, bytes: usize) -> Slots {
        Slots::new(count, frame_len(self.mode, bytes))
    }

    /// Frames of messages of `bytes` bytes that a peer sealed with the other engine, each under its counter.
    pub fn sealed_by(
        &self,
        peer: u32,
        (plain, bytes): (&Slots, usize),
        counters: impl Iterator<Item = u64>,
    ) -> Result<Slots, Error> {
        let other = self.other(peer, Way::In)?;
        let mut sealed = self.slots(plain.iter().count(), bytes);
        for ((plain, frame), counter) in plain.iter().zip(sealed.iter_mut()).zip(counters) {
            let done = other.seal_into(counter, plain, frame);
            done.map_err(|error| Error::engine(self.engine, error))?;
        }
        Ok(sealed)
    }

    /// The message in a frame, or what a refusal left of it.
    pub fn message<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        &frame[self.header_len()..frame.len() - TAG_LEN]
    }
}

/// `count` messages of `bytes` random bytes.
pub(in crate::measure) fn messages(count: usize, bytes: usize, seed: u64) -> Slots {
    let mut rng = ChaCha8Rng::seed_from_u64(content_seed(bytes, seed));
    let mut plain = Slots::new(count, bytes);
    plain.iter_mut().for_each(|slot| rng.fill_bytes(slot));
    plain
}

/// Prepares the frames of a kind, in a mode.
type Prepare = fn(Mode, &Workload, &'static dyn Engine, usize) -> Result<Box<dyn Timed>, Error>;

/// Seals, opens or refuses frames of one peer.
pub(super) struct Frames {
    pub name: &'static str,
    pub mode: Mode,
    pub prepare: Prepare,
    /// Opened in place: the slot holds no message beside the frame.
    pub opens: bool,
    /// How the work of one frame overlaps with that of the next; none where the work is not known.
    pub overlap: Option<Overlap>,
}

impl Kind for Frames {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subject(&self) -> Subject {
        Subject::One(subject(self.mode))
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        (self.prepare)(self.mode, workload, engine, count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        let of = if self.opens { opened_slot_len } else { slot_len };
        Some(of(self.mode, workload))
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        self.overlap.map(|overlap| work(self.mode, workload, overlap))
    }

    fn opens(&self) -> bool {
        self.opens
    }
}
