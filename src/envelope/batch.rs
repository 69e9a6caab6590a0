//! Sealing several messages at once, through the engine's batch call.
//!
//! Our own addition: elastickv seals one value at a time. The records equal those of single calls. Allocates
//! nothing for keys of up to about 4,000 bytes. Not here: messages under different keys.

use std::num::NonZeroU32;

use arrayvec::ArrayVec;

use super::aad::Aad;
use super::cipher::{Cipher, Parts, bound, seal_record};
use super::record::{Header, OVERHEAD};
use super::{Error, NonceSource};
use crate::aead::{Aead, Message, Tag, wipe};

/// The most messages passed to the key object at once.
const GROUP: usize = 16;
/// Bytes of stack reserved for the AADs of a group.
const ARENA_LEN: usize = 4096;

/// One message for [`Cipher::seal_many`].
#[derive(Debug)]
pub struct Unsealed<'a> {
    /// The flag byte, as in [`Header::flag`].
    pub flag: u8,
    /// The context that the record is bound to.
    pub aad: Aad<'a>,
    /// The message.
    pub plaintext: &'a [u8],
    /// Receives the record in its first bytes, which are [`OVERHEAD`] more than the plaintext.
    pub out: &'a mut [u8],
}

impl Cipher {
    /// Seals several messages under one key, each with its own nonce from the source, through the engine's
    /// batch call. All buffers are checked before the first nonce is taken.
    ///
    /// # Errors
    /// As for [`seal_into`](Self::seal_into), and [`Error::WriteCountExhausted`]. On an error no record is
    /// usable: every `out` is unchanged or zeroed.
    pub fn seal_many(
        &self,
        key_id: u32,
        nonces: &NonceSource,
        messages: &mut [Unsealed<'_>],
    ) -> Result<(), Error> {
        let keys = self.keys()?;
        let key = keys.find(key_id)?;
        if messages.iter().any(|m| m.out.len() < m.plaintext.len() + OVERHEAD) {
            return Err(Error::BufferTooSmall);
        }
        let mut done = 0;
        while done < messages.len() {
            match seal_group(key, key_id, nonces, &mut messages[done..]) {
                Ok(sealed) => done += sealed,
                Err(error) => {
                    for m in messages {
                        wipe(&mut m.out[..m.plaintext.len() + OVERHEAD]);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Seals as many messages as fit one batch and have nonces, at least one; returns how many.
fn seal_group(
    key: &dyn Aead,
    key_id: u32,
    nonces: &NonceSource,
    messages: &mut [Unsealed<'_>],
) -> Result<usize, Error> {
    let mut arena = ArrayVec::<u8, ARENA_LEN>::new();
    let mut ends = ArrayVec::<usize, GROUP>::new();
    for m in messages.iter().take(GROUP) {
        if !m.aad.append(m.flag, key_id, &mut arena) {
            break;
        }
        ends.push(arena.len());
    }
    let Some(count) = u32::try_from(ends.len()).ok().and_then(NonZeroU32::new) else {
        let m = &mut messages[0];
        let header = Header { flag: m.flag, key_id, nonce: nonces.next()? };
        return seal_record(key, &header, &m.aad, m.plaintext, m.out).map(|_| 1);
    };

    let mut batch = ArrayVec::<Message<'_>, GROUP>::new();
    let mut tags = ArrayVec::<&mut [u8], GROUP>::new();
    let mut start = 0;
    for ((m, &end), nonce) in messages.iter_mut().zip(&ends).zip(nonces.take(count)?) {
        let header = bound(Header { flag: m.flag, key_id, nonce }, &m.aad);
        let mut to = Parts::of(m.out, m.plaintext.len())?;
        to.fill(&header, m.plaintext);
        let aad = &arena[start..end];
        batch.push(Message { nonce: header.nonce, aad, in_out: to.in_out, tag: Tag::default() });
        tags.push(to.tag);
        start = end;
    }
    key.seal_batch(&mut batch)?;
    for (to, m) in tags.iter_mut().zip(&batch) {
        to.copy_from_slice(&m.tag.0);
    }
    Ok(batch.len())
}
