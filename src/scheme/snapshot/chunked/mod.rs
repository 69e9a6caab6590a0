//! Chunked encryption as C2SP specifies it (<https://c2sp.org/chunked-encryption>): Cobblestone-256, which is
//! HKDF-Expand with SHA-512, and AES-256-GCM, on any engine.
//!
//! ```text
//! salt (24) | commitment (32) | chunks of 16 KiB, each with its tag (16) | a shorter chunk, with its tag
//! key (32) | base nonce (12) | commitment =
//!     HKDF-Expand(input key, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" | 0x00 | salt | context)
//! ```
//!
//! A chunk's nonce is the base nonce XOR the chunk's number. The last chunk is the only one that is not full,
//! so it may be empty, and nothing can be cut off, added, moved or repeated. Chunks are sealed and opened in
//! place. Not here: random access, and the raw mode without commitment.

use std::fmt;
use std::io::{Read, Write};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::reading::{failed, fill};
use super::{BoxError, Error};
use crate::aead::{Aead, Alg, NONCE_LEN, Nonce, TAG_LEN, Tag};
use crate::engine::Engine;
use crate::primitive::hkdf_sha512;

/// Bytes of the input key.
pub const KEY_LEN: usize = 32;
/// Bytes of the salt.
pub const SALT_LEN: usize = 24;
/// Bytes of the commitment.
pub const COMMITMENT_LEN: usize = 32;
/// Bytes before the first chunk.
pub const HEADER_LEN: usize = SALT_LEN + COMMITMENT_LEN;
/// Bytes of text in every chunk but the last.
pub const CHUNK_LEN: usize = 16 * 1024;
/// The most chunks of a message.
pub const MAX_CHUNKS: u64 = 1 << 38;

const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

const REFUSED: &str = "the stream is not authentic: it was altered, cut short or joined together, or sealed \
    under another key or for another context; send it again";

/// What is derived for one message; wiped when dropped. For published vectors.
#[doc(hidden)]
pub struct Derived {
    /// The AEAD's key.
    pub key: Zeroizing<[u8; KEY_LEN]>,
    /// The first chunk's nonce.
    pub base_nonce: Nonce,
    /// The commitment to key, salt and context.
    pub commitment: [u8; COMMITMENT_LEN],
}

impl Derived {
    /// Derives from a key, a salt, and a context.
    pub fn new(key: &[u8; KEY_LEN], salt: &[u8; SALT_LEN], context: &[u8]) -> Self {
        let mut out = Zeroizing::new([0; KEY_LEN + NONCE_LEN + COMMITMENT_LEN]);
        hkdf_sha512::expand(key, &[LABEL, salt, context], &mut out[..]).expect("76 bytes are not too long");
        let mut derived = Self {
            key: Zeroizing::new([0; KEY_LEN]),
            base_nonce: [0; NONCE_LEN],
            commitment: [0; COMMITMENT_LEN],
        };
        derived.key.copy_from_slice(&out[..KEY_LEN]);
        derived.base_nonce.copy_from_slice(&out[KEY_LEN..KEY_LEN + NONCE_LEN]);
        derived.commitment.copy_from_slice(&out[KEY_LEN + NONCE_LEN..]);
        derived
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived(..)")
    }
}

/// A message's key and the number of its next chunk.
struct Chunks {
    key: Box<dyn Aead>,
    base_nonce: Nonce,
    number: u64,
    chunk_len: usize,
}

impl Chunks {
    fn new(engine: &dyn Engine, derived: &Derived, chunk_len: usize) -> Result<Self, Error> {
        let key = engine.key(Alg::Aes256Gcm, &derived.key[..]).map_err(Error::Engine)?;
        Ok(Self { key, base_nonce: derived.base_nonce, number: 0, chunk_len })
    }

    /// The next chunk's nonce.
    fn next(&mut self) -> Result<Nonce, Error> {
        if self.number >= MAX_CHUNKS {
            return Err(Error::Protocol(format!("a stream has at most {MAX_CHUNKS} chunks")));
        }
        let mut nonce = self.base_nonce;
        let counter = &mut nonce[NONCE_LEN - 8..];
        counter.iter_mut().zip(self.number.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        self.number += 1;
        Ok(nonce)
    }
}

/// Seals the chunks of one message.
pub struct Sealer {
    chunks: Chunks,
    header: [u8; HEADER_LEN],
}

impl Sealer {
    /// Begins a message under a random salt.
    ///
    /// # Errors
    /// [`Error::Io`] if the system's random source fails; [`Error::Engine`].
    pub fn new(engine: &dyn Engine, key: &[u8; KEY_LEN], context: &[u8]) -> Result<Self, Error> {
        Self::with_chunks(engine, key, context, CHUNK_LEN)
    }

    /// The same under a given salt, for published vectors. A salt that is used twice reveals the XOR of two
    /// messages and permits forgeries.
    ///
    /// # Errors
    /// [`Error::Engine`].
    #[doc(hidden)]
    pub fn with_salt(
        engine: &dyn Engine,
        key: &[u8; KEY_LEN],
        context: &[u8],
        salt: &[u8; SALT_LEN],
    ) -> Result<Self, Error> {
        Self::begin(engine, key, context, salt, CHUNK_LEN)
    }

    /// The same with chunks of another length, which no other implementation reads: for faults, which alter
    /// every bit, and to measure what the length costs.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn with_chunks(
        engine: &dyn Engine,
        key: &[u8; KEY_LEN],
        context: &[u8],
        chunk_len: usize,
    ) -> Result<Self, Error> {
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt)
            .map_err(|error| Error::io("drawing a salt")(std::io::Error::other(error.to_string())))?;
        Self::begin(engine, key, context, &salt, chunk_len)
    }

    fn begin(
        engine: &dyn Engine,
        key: &[u8; KEY_LEN],
        context: &[u8],
        salt: &[u8; SALT_LEN],
        chunk_len: usize,
    ) -> Result<Self, Error> {
        let derived = Derived::new(key, salt, context);
        let mut header = [0; HEADER_LEN];
        header[..SALT_LEN].copy_from_slice(salt);
        header[SALT_LEN..].copy_from_slice(&derived.commitment);
        Ok(Self { chunks: Chunks::new(engine, &derived, chunk_len)?, header })
    }

    /// Salt and commitment, which come before the first chunk.
    pub const fn header(&self) -> &[u8; HEADER_LEN] {
        &self.header
    }

    /// Seals a full chunk in place.
    ///
    /// # Panics
    /// If it is not full.
    ///
    /// # Errors
    /// [`Error::Protocol`] after [`MAX_CHUNKS`]; [`Error::Engine`].
    #[inline]
    pub fn seal(&mut self, chunk: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        assert_eq!(chunk.len(), self.chunks.chunk_len, "only the last chunk is shorter");
        let nonce = self.chunks.next()?;
        self.chunks.key.seal(&nonce, b"", chunk, tag).map_err(Error::Engine)
    }

    /// Seals the last chunk in place.
    ///
    /// # Panics
    /// If it is full: an empty one must follow.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    #[inline]
    pub fn seal_last(mut self, chunk: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        assert!(chunk.len() < self.chunks.chunk_len, "a full chunk is not the last one");
        let nonce = self.chunks.next()?;
        self.chunks.key.seal(&nonce, b"", chunk, tag).map_err(Error::Engine)
    }

    /// Seals what a source gives up to its end, chunk by chunk, and writes it after the header. Returns the
    /// number of bytes of text. One chunk is in memory.
    ///
    /// # Errors
    /// [`Error::Source`] and [`Error::Io`], for the two ends; as [`seal`](Self::seal).
    pub fn seal_stream(mut self, source: &mut dyn Read, to: &mut dyn Write) -> Result<u64, Error> {
        let sending = || Error::io("sending the snapshot");
        to.write_all(&self.header).map_err(sending())?;
        let (chunk_len, mut total) = (self.chunks.chunk_len, 0);
        let (mut chunk, mut tag) = (Zeroizing::new(vec![0; chunk_len + TAG_LEN]), Tag::default());
        loop {
            let len = fill(source, &mut chunk[..chunk_len]).map_err(|error| Error::Source(error.into()))?;
            total += len as u64;
            let full = len == chunk_len;
            if !full {
                self.seal_last(&mut chunk[..len], &mut tag)?;
                chunk[len..len + TAG_LEN].copy_from_slice(&tag.0);
                to.write_all(&chunk[..len + TAG_LEN]).and_then(|()| to.flush()).map_err(sending())?;
                return Ok(total);
            }
            self.seal(&mut chunk[..len], &mut tag)?;
            chunk[len..].copy_from_slice(&tag.0);
            to.write_all(&chunk).map_err(sending())?;
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("sealed", &self.chunks.number).finish_non_exhaustive()
    }
}

/// Opens the chunks of one message, in order.
pub struct Opener {
    chunks: Chunks,
    /// A chunk was refused, or the last one was opened: nothing else opens.
    over: bool,
}

impl Opener {
    /// Begins with the header of a message: the commitment says whether key and context are the right ones.
    ///
    /// # Errors
    /// [`Error::Crypto`] if they are not; [`Error::Engine`].
    pub fn new(
        engine: &dyn Engine,
        key: &[u8; KEY_LEN],
        context: &[u8],
        header: &[u8; HEADER_LEN],
    ) -> Result<Self, Error> {
        Self::with_chunks(engine, key, context, header, CHUNK_LEN)
    }

    /// The counterpart of [`Sealer::with_chunks`].
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn with_chunks(
        engine: &dyn Engine,
        key: &[u8; KEY_LEN],
        context: &[u8],
        header: &[u8; HEADER_LEN],
        chunk_len: usize,
    ) -> Result<Self, Error> {
        let (salt, commitment) = header.split_first_chunk().expect("a header begins with a salt");
        let derived = Derived::new(key, salt, context);
        if !bool::from(derived.commitment[..].ct_eq(commitment)) {
            return Err(Error::Crypto(REFUSED));
        }
        Ok(Self { chunks: Chunks::new(engine, &derived, chunk_len)?, over: false })
    }

    /// Opens the next chunk, text and tag, in place, and returns its text. A chunk that is not full is the
    /// last one.
    ///
    /// # Errors
    /// [`Error::Crypto`], also for every call after it or after the last chunk; [`Error::Protocol`] after
    /// [`MAX_CHUNKS`]. `chunk` then holds zeros.
    ///
    /// # Panics
    /// If `chunk` is longer than a full chunk with its tag.
    #[inline]
    pub fn open<'a>(&mut self, chunk: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let len = self.open_in_place(chunk).inspect_err(|_| chunk.zeroize())?;
        Ok(&chunk[..len])
    }

    fn open_in_place(&mut self, chunk: &mut [u8]) -> Result<usize, Error> {
        let over = std::mem::replace(&mut self.over, true);
        let Some((text, tag)) = chunk.split_last_chunk_mut().filter(|_| !over) else {
            return Err(Error::Crypto(REFUSED));
        };
        assert!(text.len() <= self.chunks.chunk_len, "the caller reads one chunk at a time");
        let nonce = self.chunks.next()?;
        self.chunks.key.open(&nonce, b"", text, &Tag(*tag)).map_err(|error| match error {
            crate::aead::Error::NotAuthentic => Error::Crypto(REFUSED),
            other => Error::Engine(other),
        })?;
        self.over = text.len() < self.chunks.chunk_len;
        Ok(text.len())
    }

    /// Opens a stream up to its end and gives each chunk's text to `each`, the last one too if it is empty.
    /// Returns the number of bytes of text. One chunk is in memory.
    ///
    /// After an error, what was given before is authentic, but it is not all.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the last chunk is missing; [`Error::Io`]; [`Error::Sink`] if `each` fails; as
    /// [`open`](Self::open).
    pub fn open_stream(
        mut self,
        from: &mut dyn Read,
        each: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    ) -> Result<u64, Error> {
        let mut total = 0;
        let mut chunk = Zeroizing::new(vec![0; self.chunks.chunk_len + TAG_LEN]);
        loop {
            let len = fill(from, &mut chunk).map_err(failed)?;
            if len < TAG_LEN {
                return Err(Error::Truncated("its last chunk"));
            }
            let text = self.open(&mut chunk[..len])?;
            total += text.len() as u64;
            each(text).map_err(Error::Sink)?;
            if self.over {
                return Ok(total);
            }
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("opened", &self.chunks.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
