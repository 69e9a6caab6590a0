//! The key object that callers hold: it turns the IV into J0, enforces limits, compares tags, and wipes
//! refused messages.

use subtle::ConstantTimeEq;

use super::block::short_block;
use super::edge::{Edge, open_all, seal_all};
use super::key::Key;
use super::{
    Aead, Error, MAX_AAD_LEN, MAX_IV_LEN, MAX_MESSAGE_LEN, Message, NONCE_LEN, Nonce, TAG_LEN, Tag, wipe,
};

/// An AES-GCM key expanded for the backend `L`. Its existence proves that this CPU has `L`'s features.
#[repr(transparent)]
pub(super) struct AesGcm<L: Edge, const ROUNDS: usize> {
    key: Key<L>,
}

impl<L: Edge, const ROUNDS: usize> AesGcm<L, ROUNDS> {
    /// Expands a key.
    ///
    /// # Safety
    /// `L::detected()` is true, and `bytes` is a key for `ROUNDS` rounds.
    pub unsafe fn boxed(bytes: &[u8]) -> Box<dyn Aead> {
        let mut place = Box::<Self>::new_uninit();
        // SAFETY: the caller has detected the features; a key object consists of the key alone, all of which
        // is written.
        unsafe {
            L::expand_key::<ROUNDS>(place.as_mut_ptr().cast(), bytes);
            place.assume_init()
        }
    }

    /// The first 12 bytes of J0, and the number in the other four (SP 800-38D, 7.1, step 2).
    fn j0(&self, iv: &[u8]) -> Result<(Nonce, u32), Error> {
        if let Ok(nonce) = iv.try_into() {
            return Ok((nonce, 1));
        }
        if iv.is_empty() || iv.len() as u64 > MAX_IV_LEN {
            return Err(Error::IvLength);
        }
        // SAFETY: `self` exists, so `boxed` ran on a CPU with the features.
        let j0 = unsafe { L::j0(&self.key, iv) }.to_le_bytes();
        let [nonce @ .., a, b, c, d] = j0;
        Ok((nonce, u32::from_be_bytes([a, b, c, d])))
    }

    fn open_from(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        let (nonce, number) = self.j0(iv)?;
        check_lengths(aad, in_out)?;
        let mut expected = Tag::default();
        // SAFETY: `self` exists, so `boxed` ran on a CPU with the features.
        unsafe {
            L::crypt::<ROUNDS, false>(&self.key, &nonce, number, aad, in_out, &mut expected);
        }
        judge(in_out, u128::from_le_bytes(expected.0), tag)
    }
}

/// Compares tags of any length and wipes the decrypted message if they differ.
#[inline(always)]
fn judge(in_out: &mut [u8], expected: u128, tag: &[u8]) -> Result<(), Error> {
    // Both tags as integers: a single constant-time comparison, whatever the tag's length.
    let kept = u128::MAX >> (8 * (TAG_LEN - tag.len()));
    verdict(in_out, (expected & kept).ct_eq(&short_block(tag)).into())
}

/// Wipes a decrypted message unless it is authentic.
#[inline(always)]
pub(super) fn verdict(in_out: &mut [u8], authentic: bool) -> Result<(), Error> {
    if authentic { Ok(()) } else { refuse(in_out) }
}

/// Wipes a message that is not authentic.
#[cold]
#[inline(never)]
fn refuse(in_out: &mut [u8]) -> Result<(), Error> {
    wipe(in_out);
    Err(Error::NotAuthentic)
}

/// Checks that SP 800-38D allows a message and additional data of these lengths.
#[inline]
pub(super) fn check_lengths(aad: &[u8], message: &[u8]) -> Result<(), Error> {
    if message.len() as u64 > MAX_MESSAGE_LEN {
        return Err(Error::MessageTooLong);
    }
    if aad.len() as u64 > MAX_AAD_LEN {
        return Err(Error::AadTooLong);
    }
    Ok(())
}

impl<L: Edge, const ROUNDS: usize> Aead for AesGcm<L, ROUNDS> {
    fn seal(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        // SAFETY: `self` exists, so `boxed` ran on a CPU with the features.
        unsafe { L::seal::<ROUNDS>(&self.key, nonce, aad, in_out, tag) }
    }

    fn open(&self, nonce: &Nonce, aad: &[u8], in_out: &mut [u8], tag: &Tag) -> Result<(), Error> {
        // SAFETY: `self` exists, so `boxed` ran on a CPU with the features.
        unsafe { L::open::<ROUNDS>(&self.key, nonce, aad, in_out, tag) }
    }

    fn wipes_refused(&self) -> bool {
        true
    }

    fn seal_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &mut Tag) -> Result<(), Error> {
        let (nonce, number) = self.j0(iv)?;
        check_lengths(aad, in_out)?;
        // SAFETY: `self` exists, so `boxed` ran on a CPU with the features.
        unsafe { L::crypt::<ROUNDS, true>(&self.key, &nonce, number, aad, in_out, tag) };
        Ok(())
    }

    fn open_iv(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if !(NONCE_LEN..=TAG_LEN).contains(&tag.len()) {
            return Err(Error::TagLength);
        }
        self.open_from(iv, aad, in_out, tag)
    }

    fn open_short_tag(&self, iv: &[u8], aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<(), Error> {
        if !matches!(tag.len(), 4 | 8 | 12..=TAG_LEN) {
            return Err(Error::TagLength);
        }
        self.open_from(iv, aad, in_out, tag)
    }

    fn seal_batch(&self, messages: &mut [Message<'_>]) -> Result<(), Error> {
        // SAFETY: `self` exists, so `boxed` ran on a CPU with the features.
        unsafe { seal_all::<L, ROUNDS>(&self.key, messages) }
    }

    fn open_batch(&self, messages: &mut [Message<'_>], verdicts: &mut [Result<(), Error>]) {
        assert_eq!(messages.len(), verdicts.len(), "one verdict for each message");
        // SAFETY: `self` exists, so `boxed` ran on a CPU with the features.
        unsafe { open_all::<L, ROUNDS>(&self.key, messages, verdicts) }
    }
}
