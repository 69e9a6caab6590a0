//! Both ends of a stream in memory, so that the time is that of this crate and not of a network.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::aead::Alg;
use crate::engine::Engine;
use crate::envelope::SecretKey;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::arena::content_seed;
use crate::measure::workload::fixture::reference::reference;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::scheme::snapshot::chunked::{HEADER_LEN, Opener, Sealer};
use crate::scheme::snapshot::hardened::MAGIC;
use crate::scheme::snapshot::{self, ChunkCipher, Context, Keys, Material, receive, send};
use crate::timing::Timed;

/// Bytes of the compatible stream's second header.
const HEADER_SIZE: usize = 1024;
/// The bytes of text in a pass that has no arena, about.
const PASS: usize = 2 * 1024 * 1024;

/// The format of a stream. The two compatible modes have the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Compat,
    Hardened,
}

impl Mode {
    /// The subject of its kinds.
    pub const fn subject(self) -> Subject {
        Subject::One(self.name())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Compat => "snapshot/compat",
            Self::Hardened => "snapshot/hardened",
        }
    }

    /// The engines seal only the hardened stream's chunks.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Compat => Scope::CipherFree,
            Self::Hardened => Scope::EveryEngine,
        }
    }
}

/// Prepares the streams of a kind, in a mode.
type Prepare = fn(Mode, &Workload, &'static dyn Engine, usize) -> Result<Box<dyn Timed>, Error>;

/// A kind that times streams of one mode.
pub(super) struct Streams {
    pub name: &'static str,
    pub mode: Mode,
    pub prepare: Prepare,
    /// Chunks of a stream, or streams, in a pass.
    pub count: fn(bytes: usize) -> usize,
    /// Whether it reads streams.
    pub reads: bool,
}

impl Kind for Streams {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subject(&self) -> Subject {
        self.mode.subject()
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        (self.prepare)(self.mode, workload, engine, count)
    }

    fn scope(&self) -> Scope {
        self.mode.scope()
    }

    fn default_count(&self, workload: &Workload) -> usize {
        (self.count)(workload.bytes)
    }

    /// The compatible stream is not authentic.
    fn opens(&self) -> bool {
        self.reads && self.mode == Mode::Hardened
    }
}

/// The error for a refusal of the scheme while a workload was prepared.
pub(super) fn refused(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Scheme { scheme: "snapshot".into(), refusal: Box::new(error) }
}

/// A number of chunks that takes about as long for each chunk length.
pub(super) fn default_count(bytes: usize) -> usize {
    (PASS / bytes.max(1)).clamp(2, 1024)
}

/// The text of a snapshot of `count` chunks.
pub(super) fn text(workload: &Workload, count: usize) -> Vec<u8> {
    let mut text = vec![0; workload.bytes * count];
    ChaCha8Rng::seed_from_u64(content_seed(workload.bytes, workload.seed)).fill_bytes(&mut text);
    text
}

/// A sender and a receiver in memory.
pub(super) enum Ends {
    Compat { cipher: Box<ChunkCipher>, keys: Keys, chunk_len: usize },
    Hardened { engine: &'static dyn Engine, key: SecretKey, chunk_len: usize },
}

impl Ends {
    /// Ends for chunks of this length. The hardened format has one chunk length; others show what it costs.
    pub fn new(mode: Mode, engine: &'static dyn Engine, chunk_len: usize) -> Result<Self, Error> {
        Ok(match mode {
            Mode::Compat => {
                let material = Material::parse(&[0x4b; 16], &[0x49; 16]).map_err(refused)?;
                let cipher = Box::new(ChunkCipher::new(&material));
                Self::Compat { cipher, keys: Keys::Loaded(material.into()), chunk_len }
            }
            Mode::Hardened => {
                let mut key = SecretKey::default();
                key.fill(0x4b);
                Self::Hardened { engine, key, chunk_len }
            }
        })
    }

    /// The same ends on the engine that checks this one. CBC has only one implementation here; published
    /// vectors check it.
    pub fn other(mode: Mode, engine: &'static dyn Engine, chunk_len: usize) -> Result<Self, Error> {
        Self::new(mode, reference(engine, Alg::Aes256Gcm), chunk_len)
    }

    /// Begins to seal a hardened stream's chunks.
    pub fn sealer(
        engine: &'static dyn Engine,
        key: &SecretKey,
        len: usize,
    ) -> Result<Sealer, snapshot::Error> {
        Sealer::with_chunks(engine, key, Context::new(b"").bytes(), len)
    }

    /// Begins to open them.
    pub fn opener(
        engine: &'static dyn Engine,
        key: &SecretKey,
        header: &[u8; HEADER_LEN],
        len: usize,
    ) -> Result<Opener, snapshot::Error> {
        Opener::with_chunks(engine, key, Context::new(b"").bytes(), header, len)
    }

    /// Appends a whole stream to the wire.
    pub fn send(&self, mut text: &[u8], wire: &mut Vec<u8>) -> Result<u64, snapshot::Error> {
        match self {
            Self::Compat { cipher, chunk_len, .. } => {
                send::write(wire, text, Some(cipher), HEADER_SIZE, *chunk_len)
            }
            Self::Hardened { engine, key, chunk_len } => {
                let sealer = Self::sealer(*engine, key, *chunk_len)?;
                wire.extend(MAGIC);
                sealer.seal_stream(&mut text, wire)
            }
        }
    }

    /// Reads a whole stream and appends its text to `text`, the compatible one at once, the hardened one
    /// chunk by chunk.
    pub fn receive(&self, mut wire: &[u8], text: &mut Vec<u8>) -> Result<u64, snapshot::Error> {
        match self {
            Self::Compat { keys, .. } => {
                let whole = receive::read_compat(&mut wire, keys)?;
                text.extend_from_slice(&whole);
                Ok(whole.len() as u64)
            }
            Self::Hardened { engine, key, chunk_len } => {
                let not = || snapshot::Error::Protocol("it is no hardened stream".into());
                let (magic, rest) = wire.split_first_chunk::<{ MAGIC.len() }>().ok_or_else(not)?;
                let (header, mut chunks) = rest.split_first_chunk().ok_or_else(not)?;
                if *magic != MAGIC {
                    return Err(not());
                }
                Self::opener(*engine, key, header, *chunk_len)?.open_stream(&mut chunks, &mut |piece| {
                    text.extend_from_slice(piece);
                    Ok(())
                })
            }
        }
    }
}
