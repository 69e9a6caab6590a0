//! The two kinds of keys, as two types (spec §1, §2, §7).
//!
//! A [`MasterKey`] wraps and unwraps 32-byte keys and does nothing else; a [`RoundKey`] seals and opens blobs
//! and does nothing else. Neither converts to the other, so a value of one type cannot take the other's
//! place. The bytes of a round's key never leave this file: [`MasterKey::create`] returns the key ready for
//! use, with its record. Not here: storage, and the life of a round.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use super::{Context, Error, Form, Record, RoundId};
use crate::aead::{Aead, Alg, NONCE_LEN, Nonce, TAG_LEN, Tag};
use crate::engine::{self, Engine};
use crate::envelope::wrap::{KEY_LEN, SecretKey, WrappingKey};
use crate::host::stack;
use crate::primitive::argon2id;

/// Bytes that sealing adds to a plaintext.
pub const BLOB_OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Bytes of the stack that are wiped after a round's key was created, unwrapped or used. `tests/forget`
/// measures the depth that each backend uses and fails if one of ours uses more; it also measures the cost.
#[doc(hidden)]
pub const WIPED: usize = 32 * 1024;

/// The salt of every master key. The reference has it fixed, so one password gives one key on every node.
const SALT: &[u8; 32] = b">>ENCLAVE_SYSTEMS_SALT_2025_V1<<";

/// A node's long-term key, which wraps the keys of rounds.
///
/// It does not seal, as a round's key does:
///
/// ```
/// # use sealmark::scheme::ephemeral::{Context, Form, RoundKey};
/// fn seals(key: &RoundKey, form: Form, context: &Context) {
///     let _ = key.seal(form, context, &mut Vec::new());
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use sealmark::scheme::ephemeral::{Context, Form, MasterKey};
/// fn misuse(master: &MasterKey, form: Form, context: &Context) {
///     let _ = master.seal(form, context, &mut Vec::new());
/// }
/// ```
///
/// and neither is accepted in place of the other:
///
/// ```
/// # use sealmark::scheme::ephemeral::{MasterKey, RoundKey};
/// # fn seals(_: &RoundKey) {}
/// # fn wraps(_: &MasterKey) {}
/// fn each_in_its_place(master: &MasterKey, key: &RoundKey) {
///     wraps(master);
///     seals(key);
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use sealmark::scheme::ephemeral::{MasterKey, RoundKey};
/// # fn seals(_: &RoundKey) {}
/// fn misuse(master: &MasterKey) {
///     seals(master);
/// }
/// ```
pub struct MasterKey {
    engine: &'static dyn Engine,
    key: WrappingKey,
}

impl MasterKey {
    /// The key that this password gives: Argon2id, 19 MiB, 2 passes, 1 lane, a fixed salt. An empty
    /// password is accepted; [`password`](super::password) refuses one when it sets a file.
    ///
    /// # Errors
    /// [`Error::PasswordHash`]; [`Error::Aead`] if this CPU cannot create the key.
    pub fn from_password(password: &[u8]) -> Result<Self, Error> {
        Self::from_bytes(&derive(password)?[..])
    }

    /// The key with these bytes.
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::Aead`] if this CPU cannot create the key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::with_engine(engine::find("sealmark").expect("the engine `sealmark` always exists"), bytes)
    }

    /// The key with these bytes, on this engine, which also runs the keys of its rounds.
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::Aead`] if the engine cannot create the key.
    pub fn with_engine(engine: &'static dyn Engine, bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; KEY_LEN] = bytes.try_into().map_err(|_| Error::KeyLength(bytes.len()))?;
        Ok(Self { engine, key: WrappingKey::with_engine(engine, bytes)? })
    }

    /// A fresh key for a round, and its record. With a mask, the record holds the key XOR the mask: without
    /// the mask, which is random and used once, the record says nothing about the key, whoever has the
    /// master key.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::Aead`] if the engine refuses.
    pub fn create(
        &self,
        form: Form,
        round: &RoundId,
        mask: Option<&SecretKey>,
    ) -> Result<(Record, RoundKey), Error> {
        stack::wiped::<WIPED, _>(|| {
            let mut key = SecretKey::random()?;
            let round_key = RoundKey::with_engine(self.engine, &key[..])?;
            toggle(&mut key, mask);
            let aad = form.record_aad(round, mask.map(|mask| &**mask));
            Ok((Record::new(&self.key.wrap(&aad, &key)?), round_key))
        })
    }

    /// The key in a round's record, which was created with this mask.
    ///
    /// # Errors
    /// [`Error::Unwrap`], also with another mask, or with one too many or too few; [`Error::Aead`] if the
    /// engine cannot create the key.
    pub fn unwrap(
        &self,
        form: Form,
        round: &RoundId,
        record: &Record,
        mask: Option<&SecretKey>,
    ) -> Result<RoundKey, Error> {
        stack::wiped::<WIPED, _>(|| {
            let aad = form.record_aad(round, mask.map(|mask| &**mask));
            let mut key = self.key.unwrap(&aad, &record.0[..])?;
            toggle(&mut key, mask);
            RoundKey::with_engine(self.engine, &key[..])
        })
    }

    /// The key in a record as an attacker with this master key gets it: without a check of the tag, and
    /// without the mask if there is one.
    ///
    /// # Errors
    /// [`Error::Aead`] if the engine refuses.
    #[doc(hidden)]
    pub fn unwrap_unchecked(&self, record: &Record) -> Result<RoundKey, Error> {
        let (nonce, body) = record.0.split_first_chunk().expect("a record begins with its nonce");
        let zeros = self.key.wrap_with(nonce, b"", &[0; KEY_LEN])?;
        let mut key = SecretKey::default();
        let pairs = body.iter().zip(&zeros[NONCE_LEN..]);
        key.iter_mut().zip(pairs).for_each(|(byte, (sealed, stream))| *byte = sealed ^ stream);
        RoundKey::with_engine(self.engine, &key[..])
    }

    /// Wraps given bytes under a given nonce, for published vectors.
    ///
    /// # Errors
    /// [`Error::Aead`] if the engine refuses.
    #[doc(hidden)]
    pub fn wrap_with(&self, nonce: &Nonce, key: &[u8; KEY_LEN]) -> Result<Record, Error> {
        Ok(Record::new(&self.key.wrap_with(nonce, b"", key)?))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Puts the mask over the key, or takes it off.
fn toggle(key: &mut SecretKey, mask: Option<&SecretKey>) {
    if let Some(mask) = mask {
        key.iter_mut().zip(mask.iter()).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// The bytes of the master key that a password gives; wiped when dropped. For published vectors.
#[doc(hidden)]
pub fn derive(password: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, Error> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    let (memory_kib, passes, lanes) = (19_456, 2, 1);
    let input = argon2id::Input { memory_kib, passes, lanes, password, salt: SALT, secret: b"", data: b"" };
    argon2id::derive(&input, &mut bytes[..])?;
    Ok(bytes)
}

/// The key of one round, which seals and opens its blobs.
///
/// Each blob has a random nonce, so a round may have at most 2^32 blobs (SP 800-38D, 8.3).
///
/// It does not wrap:
///
/// ```compile_fail,E0308
/// # use sealmark::scheme::ephemeral::{MasterKey, RoundKey};
/// # fn wraps(_: &MasterKey) {}
/// fn misuse(key: &RoundKey) {
///     wraps(key);
/// }
/// ```
pub struct RoundKey(Box<dyn Aead>);

impl RoundKey {
    /// The key with these bytes, on this engine. For published vectors and for attackers in tests: a node's
    /// keys come from [`MasterKey::create`] and [`MasterKey::unwrap`].
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::Aead`] if the engine cannot create the key.
    #[doc(hidden)]
    pub fn with_engine(engine: &dyn Engine, bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; KEY_LEN] = bytes.try_into().map_err(|_| Error::KeyLength(bytes.len()))?;
        Ok(Self(engine.key(Alg::Aes256Gcm, bytes)?))
    }

    /// Seals a plaintext under a random nonce. Wipes and empties the plaintext's buffer, also after an error.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::Aead`] if the engine refuses.
    pub fn seal(&self, form: Form, context: &Context, plaintext: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut nonce = Nonce::default();
        let drawn = getrandom::fill(&mut nonce).map_err(Error::Random);
        let sealed = drawn.and_then(|()| self.seal_under(&nonce, &form.aad(context), plaintext));
        plaintext.zeroize();
        sealed
    }

    /// Seals a compatible blob under a nonce chosen by the caller, for published vectors. Wipes and empties
    /// the plaintext's buffer. A nonce used twice reveals both plaintexts.
    ///
    /// # Errors
    /// [`Error::Aead`] if the engine refuses.
    #[doc(hidden)]
    pub fn seal_with(&self, nonce: &Nonce, plaintext: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
        let sealed = self.seal_under(nonce, b"", plaintext);
        plaintext.zeroize();
        sealed
    }

    fn seal_under(&self, nonce: &Nonce, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut blob = Vec::with_capacity(plaintext.len() + BLOB_OVERHEAD);
        blob.extend_from_slice(nonce);
        blob.extend_from_slice(plaintext);
        let mut tag = Tag::default();
        let in_out = &mut blob[NONCE_LEN..];
        if let Err(error) = stack::wiped::<WIPED, _>(|| self.0.seal(nonce, aad, in_out, &mut tag)) {
            blob.zeroize();
            return Err(error.into());
        }
        blob.extend_from_slice(&tag.0);
        Ok(blob)
    }

    /// Opens a blob; the plaintext is wiped when dropped.
    ///
    /// # Errors
    /// [`Error::BlobShort`] below 12 bytes, [`Error::BlobRefused`] for anything else that does not open.
    pub fn open(&self, form: Form, context: &Context, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.open_under(&form.aad(context), blob)
    }

    /// Opens a compatible blob, which belongs to no context.
    ///
    /// # Errors
    /// As for [`Self::open`].
    #[doc(hidden)]
    pub fn open_compatible(&self, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.open_under(b"", blob)
    }

    fn open_under(&self, aad: &[u8], blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, body) = blob.split_first_chunk::<NONCE_LEN>().ok_or(Error::BlobShort(blob.len()))?;
        let (ciphertext, tag) = body.split_last_chunk::<TAG_LEN>().ok_or(Error::BlobRefused)?;
        // A refused open may leave anything in the buffer, which is wiped when dropped.
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let tag = Tag(*tag);
        stack::wiped::<WIPED, _>(|| self.0.open(nonce, aad, &mut plaintext, &tag))
            .map_err(|_| Error::BlobRefused)?;
        Ok(plaintext)
    }
}

impl fmt::Debug for RoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoundKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::ephemeral::testing::{context, master, round};

    #[test]
    fn a_created_key_seals_blobs_that_only_the_key_in_its_record_opens() {
        for form in [Form::Compatible, Form::Bound] {
            let (record, key) = master(1).create(form, &round(1), None).unwrap();
            let mut plaintext = b"a share".to_vec();
            let blob = key.seal(form, &context(1), &mut plaintext).unwrap();
            assert!(plaintext.is_empty() && blob.len() == 7 + BLOB_OVERHEAD);
            let restored = master(1).unwrap(form, &round(1), &record, None).unwrap();
            assert_eq!(restored.open(form, &context(1), &blob).unwrap()[..], *b"a share");
            let (_, other) = master(1).create(form, &round(1), None).unwrap();
            assert!(matches!(other.open(form, &context(1), &blob), Err(Error::BlobRefused)));
            assert!(matches!(master(2).unwrap(form, &round(1), &record, None), Err(Error::Unwrap)));
        }
    }

    #[test]
    fn a_refused_seal_empties_the_plaintext_too() {
        static REFUSES: engine::FaultyEngine =
            engine::FaultyEngine::new("refuses").with_calls(&|_, _| Err(crate::aead::Error::MessageTooLong));
        let key = RoundKey::with_engine(&REFUSES, &[7; 32]).unwrap();
        let mut plaintext = b"a share".to_vec();
        let refused = key.seal(Form::Compatible, &context(1), &mut plaintext).unwrap_err();
        assert!(matches!(refused, Error::Aead(crate::aead::Error::MessageTooLong)), "{refused}");
        assert!(plaintext.is_empty());
    }

    #[test]
    fn every_altered_byte_and_every_other_length_of_a_blob_is_refused_by_name() {
        let (_, key) = master(1).create(Form::Compatible, &round(1), None).unwrap();
        let blob = key.seal(Form::Compatible, &context(1), &mut b"share".to_vec()).unwrap();
        let name =
            |blob: &[u8]| key.open_compatible(blob).map(|_| "opened").unwrap_or_else(|e| e.spec_name());
        assert_eq!(name(&blob), "opened");
        for at in 0..blob.len() {
            let mut altered = blob.clone();
            altered[at] ^= 1;
            assert_eq!(name(&altered), "Could not decrypt data", "{at}");
            let short = if at < 12 { "Invalid encrypted data length" } else { "Could not decrypt data" };
            assert_eq!(name(&blob[..at]), short, "{at}");
        }
        assert_eq!(name(&[&blob[..], &[0]].concat()), "Could not decrypt data");
    }

    #[test]
    fn a_bound_blob_and_a_bound_record_stay_in_their_place_and_compatible_ones_move() {
        let (record, key) = master(1).create(Form::Bound, &round(1), None).unwrap();
        let here = context(1);
        let bound = key.seal(Form::Bound, &here, &mut b"share".to_vec()).unwrap();
        let loose = key.seal(Form::Compatible, &here, &mut b"share".to_vec()).unwrap();
        for there in [
            Context { round: round(2), ..here.clone() },
            Context { role: super::super::Role::InTransit, ..here.clone() },
            Context { purpose: super::super::Purpose::OwnShare, ..here.clone() },
        ] {
            assert!(matches!(key.open(Form::Bound, &there, &bound), Err(Error::BlobRefused)), "{there:?}");
            key.open(Form::Compatible, &there, &loose).unwrap();
        }
        assert!(matches!(key.open(Form::Compatible, &here, &bound), Err(Error::BlobRefused)));
        assert!(matches!(master(1).unwrap(Form::Bound, &round(2), &record, None), Err(Error::Unwrap)));
        let (record, _) = master(1).create(Form::Compatible, &round(1), None).unwrap();
        master(1).unwrap(Form::Compatible, &round(2), &record, None).unwrap();
    }

    #[test]
    fn a_key_has_exactly_32_bytes() {
        let engine = engine::find("sealmark").unwrap();
        for len in [0, 16, 31, 33, 64] {
            let bytes = vec![7; len];
            for refused in [
                MasterKey::from_bytes(&bytes).map(drop).unwrap_err(),
                RoundKey::with_engine(engine, &bytes).map(drop).unwrap_err(),
            ] {
                assert!(matches!(refused, Error::KeyLength(seen) if seen == len), "{refused}");
            }
        }
    }

    #[test]
    fn passwords_are_used_byte_for_byte_and_an_empty_one_is_accepted() {
        let keys = [&b"password"[..], b"password\n", b"Password", b""].map(|text| *derive(text).unwrap());
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        let master = MasterKey::from_password(b"password").unwrap();
        let (record, _) = master.create(Form::Compatible, &round(1), None).unwrap();
        MasterKey::from_bytes(&keys[0]).unwrap().unwrap(Form::Compatible, &round(1), &record, None).unwrap();
    }

    #[test]
    fn a_masked_record_gives_its_key_only_with_its_mask() {
        let masks = [(); 2].map(|()| SecretKey::random().unwrap());
        let (record, key) = master(1).create(Form::Compatible, &round(1), Some(&masks[0])).unwrap();
        let blob = key.seal(Form::Compatible, &context(1), &mut b"share".to_vec()).unwrap();
        let unwrap = |mask| master(1).unwrap(Form::Compatible, &round(1), &record, mask);
        assert_eq!(unwrap(Some(&masks[0])).unwrap().open_compatible(&blob).unwrap()[..], *b"share");
        for mask in [Some(&masks[1]), None] {
            assert!(matches!(unwrap(mask), Err(Error::Unwrap)));
        }
        let (bare, _) = master(1).create(Form::Compatible, &round(1), None).unwrap();
        let refused = master(1).unwrap(Form::Compatible, &round(1), &bare, Some(&masks[0]));
        assert!(matches!(refused, Err(Error::Unwrap)));
    }

    #[test]
    fn debug_shows_no_key() {
        let (_, key) = master(1).create(Form::Compatible, &round(1), None).unwrap();
        assert_eq!(format!("{:?} {key:?}", master(1)), "MasterKey(..) RoundKey(..)");
    }
}
