//! The receiver of a compatible stream: every check of the reference in its order (spec §2), or the stricter
//! reading of mode `safe`.
//!
//! In mode `safe`, what depends on the text of an encrypted stream shows only at the stream's end and as one
//! error: a sender learns nothing about the padding, neither from the error nor from the moment at which the
//! connection closes.

use std::io::{self, Read};

use zeroize::Zeroizing;

use super::chunk::{ChunkCipher, REFUSED};
use super::config::MAX_CHUNK_LEN;
use super::reading::{exact, failed, fill};
use super::source::Growing;
use super::wire::{MAX_SNAPSHOT_LEN, NEGOTIATION_LEN};
use super::{Error, Keys, Negotiation, SnapshotHeader};
use crate::primitive::cbc::BLOCK_LEN;

/// The most bytes that are reserved because of an announcement.
const MAX_RESERVED: usize = 16 * 1024 * 1024;
/// Bytes before each chunk.
const LENGTH_LEN: usize = 4;

/// Reads a stream as the reference does: it obeys the stream's flag, whatever the configuration says.
///
/// # Errors
/// [`Error::Truncated`], [`Error::Io`], [`Error::Protocol`], [`Error::Crypto`]; as
/// [`Keys::load`](super::Keys::load).
pub fn read_compat(stream: &mut dyn Read, keys: &Keys) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (sizes, header) = read_head(stream)?;
    read_chunks(stream, &sizes, &header, keys)
}

/// Reads a stream in mode `safe`.
///
/// # Errors
/// As [`read_compat`]; [`Error::FlagMismatch`]. For an encrypted stream, the wire alone decides all but
/// [`Error::Crypto`], which comes after the stream's last byte.
pub fn read_safe(
    stream: &mut dyn Read,
    keys: &Keys,
    encrypt: bool,
    empty_chunks: u32,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (sizes, header) = read_head(stream)?;
    if header.encrypted != encrypt {
        Err(Error::FlagMismatch { encrypted: header.encrypted })
    } else if encrypt {
        read_sealed(stream, &sizes, &header, keys, empty_chunks)
    } else {
        // Nothing is secret, so there is nothing to hide, and a plaintext chunk is never empty.
        read_chunks(stream, &sizes, &header, keys)
    }
}

/// The chunks, as the reference reads them.
fn read_chunks(
    stream: &mut dyn Read,
    sizes: &Negotiation,
    header: &SnapshotHeader,
    keys: &Keys,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let cipher = match header.encrypted {
        true => Some(ChunkCipher::new(&*keys.load()?)),
        false => None,
    };
    let mut whole = announced(header)?;
    let (total, mut chunk) = (header.total_len as usize, Chunk::default());
    while whole.0.len() < total {
        let mut length = [0; LENGTH_LEN];
        exact(stream, &mut length, "the length of a chunk")?;
        let bytes = chunk.of_len(checked(length, sizes)?);
        exact(stream, bytes, "a chunk")?;
        let len = match &cipher {
            Some(cipher) => cipher.decrypt(bytes)?,
            None => bytes.len(),
        };
        if len > total - whole.0.len() {
            return Err(Error::Protocol(format!("the chunks hold more than the announced {total} bytes")));
        }
        whole.append(&bytes[..len]);
    }
    // The reference accepts an error here as the end. An end that the transport calls unexpected is another
    // matter: somebody cut an authenticated connection.
    match stream.read(&mut [0]) {
        Ok(0) => Ok(whole.0),
        Ok(_) => Err(Error::Protocol("bytes follow the snapshot".into())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(failed(error)),
        Err(_) => Ok(whole.0),
    }
}

/// The encrypted chunks in mode `safe`: all of them are read, whatever they hold.
fn read_sealed(
    stream: &mut dyn Read,
    sizes: &Negotiation,
    header: &SnapshotHeader,
    keys: &Keys,
    empty_chunks: u32,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let cipher = ChunkCipher::new(&*keys.load()?);
    let mut whole = announced(header)?;
    let (total, mut chunk) = (header.total_len as usize, Chunk::default());
    let (mut empty, mut right) = (0, true);
    let mut budget = Budget::new(header.total_len, empty_chunks);
    while let Some(length) = next_length(stream)? {
        let len = checked(length, sizes)?;
        budget.spend(len)?;
        let bytes = chunk.of_len(len);
        exact(stream, bytes, "a chunk")?;
        // Also after something was wrong, so that the time of each chunk stays the same.
        match cipher.decrypt(bytes) {
            // The reference refuses one that follows the snapshot, whatever the cap.
            Ok(0) => {
                empty += 1;
                right &= whole.0.len() < total;
            }
            Ok(len) if len <= total - whole.0.len() => whole.append(&bytes[..len]),
            _ => right = false,
        }
        right &= empty <= empty_chunks;
    }
    if right && whole.0.len() == total { Ok(whole.0) } else { Err(Error::Crypto(REFUSED)) }
}

/// Both headers.
fn read_head(stream: &mut dyn Read) -> Result<(Negotiation, SnapshotHeader), Error> {
    let mut wire = [0; NEGOTIATION_LEN];
    exact(stream, &mut wire, "the negotiation")?;
    let sizes = Negotiation::from_wire(&wire)?;
    let mut wire = vec![0; sizes.header_size as usize];
    exact(stream, &mut wire, "the snapshot header")?;
    Ok((sizes, SnapshotHeader::from_wire(&wire)?))
}

/// Room for the announced snapshot.
fn announced(header: &SnapshotHeader) -> Result<Growing, Error> {
    if header.total_len > MAX_SNAPSHOT_LEN {
        return Err(Error::Protocol(format!("a snapshot of {} bytes is too long", header.total_len)));
    }
    Ok(Growing::with_capacity((header.total_len as usize).min(MAX_RESERVED)))
}

/// A chunk's length, if it is in range.
fn checked(length: [u8; LENGTH_LEN], sizes: &Negotiation) -> Result<usize, Error> {
    let most = MAX_CHUNK_LEN.min(sizes.cipher_size as usize);
    match u32::from_be_bytes(length) as usize {
        0 => Err(Error::Protocol("a chunk has no bytes".into())),
        len if len > most => Err(Error::Protocol(format!("a chunk has {len} bytes, more than {most}"))),
        len => Ok(len),
    }
}

/// The next chunk's length, or `None` at the end of the stream.
fn next_length(stream: &mut dyn Read) -> Result<Option<[u8; LENGTH_LEN]>, Error> {
    let mut length = [0; LENGTH_LEN];
    match fill(stream, &mut length).map_err(failed)? {
        0 => Ok(None),
        LENGTH_LEN => Ok(Some(length)),
        _ => Err(Error::Truncated("the length of a chunk")),
    }
}

/// The bytes and the number of chunks that a snapshot of the announced length can need at most, which a
/// chunk of one byte of text at a time does. It depends on the wire alone.
struct Budget {
    chunks: u64,
    bytes: u64,
}

impl Budget {
    fn new(total_len: u32, empty_chunks: u32) -> Self {
        let chunks = u64::from(total_len) + u64::from(empty_chunks);
        Self { chunks, bytes: u64::from(total_len) + chunks * BLOCK_LEN as u64 }
    }

    fn spend(&mut self, len: usize) -> Result<(), Error> {
        let left = self.chunks.checked_sub(1).zip(self.bytes.checked_sub(len as u64));
        let why = || Error::Protocol("the stream has more chunks than its snapshot can need".into());
        (self.chunks, self.bytes) = left.ok_or_else(why)?;
        Ok(())
    }
}

/// A place for one chunk, wiped when dropped or replaced by a larger one.
#[derive(Default)]
struct Chunk(Zeroizing<Vec<u8>>);

impl Chunk {
    fn of_len(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len {
            self.0 = Zeroizing::new(vec![0; len]);
        }
        &mut self.0[..len]
    }
}

#[cfg(test)]
mod tests;
