//! Sealing and opening records with the keys of a keystore.
//!
//! Follows elastickv `internal/encryption/{cipher,raft_envelope}.go`, with the same errors in the same order.
//! Calls that write into the caller's buffer allocate nothing (for keys of up to
//! [`super::aad::STACK_KEY_LEN`] bytes); [`Cipher::seal`] and [`Cipher::open`] allocate their result. A
//! refusal is never retried and never turned into "not found". Not here: several messages at once
//! (`batch.rs`), the source of nonces, compression.

use std::sync::Arc;

use super::aad::Aad;
use super::record::{HEADER_LEN, Header, OVERHEAD};
use super::{Error, Keys, Keystore};
use crate::aead::{self, Aead, Nonce, TAG_LEN, Tag};

/// Seals and opens under the keys of one keystore. [`Cipher::default`] has no keystore and refuses every
/// call.
#[derive(Clone, Default, Debug)]
pub struct Cipher {
    keystore: Option<Arc<Keystore>>,
}

impl Cipher {
    /// A cipher that uses this keystore.
    ///
    /// # Errors
    /// [`Error::NilKeystore`] for `None`.
    pub fn new(keystore: Option<Arc<Keystore>>) -> Result<Self, Error> {
        if keystore.is_none() {
            return Err(Error::NilKeystore);
        }
        Ok(Self { keystore })
    }

    /// The keystore, if there is one.
    pub fn keystore(&self) -> Option<&Arc<Keystore>> {
        self.keystore.as_ref()
    }

    /// Writes header, ciphertext and tag into the first `plaintext.len() + OVERHEAD` bytes of `out`; returns
    /// that length. A flag byte that the AAD does not bind is written as 0, regardless of `header`.
    ///
    /// # Errors
    /// In this order: [`Error::NilKeystore`], [`Error::ReservedKeyId`], [`Error::UnknownKeyId`],
    /// [`Error::BufferTooSmall`], [`Error::Aead`] for a limit of AES-GCM. `out` is then unchanged or zeroed.
    #[inline]
    pub fn seal_into(
        &self,
        header: &Header,
        aad: &Aad<'_>,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let keys = self.keys()?;
        seal_record(keys.find(header.key_id)?, header, aad, plaintext, out)
    }

    /// Like [`seal_into`](Self::seal_into) without its copy: `record` holds the plaintext already, after
    /// [`HEADER_LEN`] bytes for the header and before 16 bytes for the tag.
    ///
    /// # Errors
    /// As for `seal_into`; [`Error::BufferTooSmall`] below [`OVERHEAD`] bytes. `record` is then zeroed.
    #[inline]
    pub fn seal_in_place(&self, header: &Header, aad: &Aad<'_>, record: &mut [u8]) -> Result<(), Error> {
        let sealed = self.keys().and_then(|keys| {
            let key = keys.find(header.key_id)?;
            let header = bound(*header, aad);
            let len = record.len().checked_sub(OVERHEAD).ok_or(Error::BufferTooSmall)?;
            let to = Parts::of(record, len)?;
            to.header.copy_from_slice(&header.encode());
            let mut tag = Tag::default();
            aad.compose(header.flag, header.key_id, |aad| key.seal(&header.nonce, aad, to.in_out, &mut tag))?;
            to.tag.copy_from_slice(&tag.0);
            Ok(())
        });
        sealed.inspect_err(|_| aead::wipe(record))
    }

    /// Opens a record in place; returns the plaintext inside it, as an empty slice if the plaintext is empty.
    ///
    /// # Errors
    /// In this order: [`Error::EnvelopeShort`], [`Error::EnvelopeVersion`], [`Error::NilKeystore`],
    /// [`Error::ReservedKeyId`], [`Error::UnknownKeyId`]; `record` is then unchanged. Finally
    /// [`Error::Integrity`], or [`Error::Aead`] for a limit of AES-GCM; the ciphertext is then zeroed,
    /// whatever the engine left there.
    #[inline]
    pub fn open_in_place<'r>(&self, record: &'r mut [u8], aad: &Aad<'_>) -> Result<&'r mut [u8], Error> {
        let Header { flag, key_id, nonce } = Header::decode(record)?;
        let keys = self.keys()?;
        let key = keys.find(key_id)?;
        let body = &mut record[HEADER_LEN..];
        open_record(key, &Header { flag, key_id, nonce }, aad, body)
    }

    /// Like [`seal_into`](Self::seal_into), but checks the nonce's length and allocates the result.
    ///
    /// # Errors
    /// As for `seal_into`, plus [`Error::BadNonceSize`] for a nonce that is not 12 bytes long: after
    /// [`Error::ReservedKeyId`] for a storage record, before it for a raft record, and always before
    /// [`Error::UnknownKeyId`].
    pub fn seal(
        &self,
        flag: u8,
        key_id: u32,
        nonce: &[u8],
        aad: &Aad<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let keys = self.keys()?;
        if key_id == 0 && !matches!(aad, Aad::Raft) {
            return Err(Error::ReservedKeyId);
        }
        let nonce = nonce.try_into().map_err(|_| Error::BadNonceSize)?;
        let mut out = vec![0; plaintext.len() + OVERHEAD];
        seal_record(keys.find(key_id)?, &Header { flag, key_id, nonce }, aad, plaintext, &mut out)?;
        Ok(out)
    }

    /// Like [`open_in_place`](Self::open_in_place), on a copy.
    ///
    /// # Errors
    /// As for `open_in_place`.
    pub fn open(&self, record: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, Error> {
        let Header { flag, key_id, nonce } = Header::decode(record)?;
        let keys = self.keys()?;
        let key = keys.find(key_id)?;
        let mut body = record[HEADER_LEN..].to_vec();
        let len = open_record(key, &Header { flag, key_id, nonce }, aad, &mut body)?.len();
        body.truncate(len);
        Ok(body)
    }

    /// Opens a bare body (ciphertext, then tag) whose header fields and composed AAD the caller supplies, to
    /// try opening a value that is not marked as a record. Returns the plaintext inside `body`.
    ///
    /// # Errors
    /// In this order: [`Error::NilKeystore`], [`Error::ReservedKeyId`], [`Error::BadNonceSize`],
    /// [`Error::UnknownKeyId`], [`Error::Integrity`] (also for fewer than 16 bytes), [`Error::Aead`].
    pub fn open_body<'b>(
        &self,
        key_id: u32,
        nonce: &[u8],
        aad: &[u8],
        body: &'b mut [u8],
    ) -> Result<&'b mut [u8], Error> {
        let keys = self.keys()?;
        if key_id == 0 {
            return Err(Error::ReservedKeyId);
        }
        let nonce = nonce.try_into().map_err(|_| Error::BadNonceSize)?;
        open_body(keys.find(key_id)?, nonce, aad, body)
    }

    #[inline]
    pub(super) fn keys(&self) -> Result<Keys, Error> {
        Ok(self.keystore.as_ref().ok_or(Error::NilKeystore)?.keys())
    }
}

impl From<Arc<Keystore>> for Cipher {
    fn from(keystore: Arc<Keystore>) -> Self {
        Self { keystore: Some(keystore) }
    }
}

/// A record's buffer, split into its parts.
pub(super) struct Parts<'a> {
    pub header: &'a mut [u8],
    pub in_out: &'a mut [u8],
    pub tag: &'a mut [u8],
}

impl<'a> Parts<'a> {
    #[inline]
    pub fn of(out: &'a mut [u8], len: usize) -> Result<Self, Error> {
        let record = out.get_mut(..len + OVERHEAD).ok_or(Error::BufferTooSmall)?;
        let (header, body) = record.split_at_mut(HEADER_LEN);
        let (in_out, tag) = body.split_at_mut(len);
        Ok(Self { header, in_out, tag })
    }

    /// Writes everything except the tag; the message is still in the clear.
    #[inline]
    pub fn fill(&mut self, header: &Header, plaintext: &[u8]) {
        self.header.copy_from_slice(&header.encode());
        self.in_out.copy_from_slice(plaintext);
    }
}

/// The header as written: an unbound flag becomes 0.
#[inline]
pub(super) fn bound(mut header: Header, aad: &Aad<'_>) -> Header {
    if !aad.binds_flag() {
        header.flag = 0;
    }
    header
}

#[inline]
pub(super) fn seal_record(
    key: &dyn Aead,
    header: &Header,
    aad: &Aad<'_>,
    plaintext: &[u8],
    out: &mut [u8],
) -> Result<usize, Error> {
    let header = bound(*header, aad);
    let mut to = Parts::of(out, plaintext.len())?;
    to.fill(&header, plaintext);
    let mut tag = Tag::default();
    let sealed =
        aad.compose(header.flag, header.key_id, |aad| key.seal(&header.nonce, aad, to.in_out, &mut tag));
    if let Err(error) = sealed {
        aead::wipe(&mut out[..plaintext.len() + OVERHEAD]);
        return Err(error.into());
    }
    to.tag.copy_from_slice(&tag.0);
    Ok(plaintext.len() + OVERHEAD)
}

/// Opens the body of a record whose header has been read. Like the reference, it accepts any flag in a raft
/// record. With a scheme's own AAD, which does not bind the flag either, a flag that no writer sets means
/// that the record was altered.
#[inline]
fn open_record<'b>(
    key: &dyn Aead,
    header: &Header,
    aad: &Aad<'_>,
    body: &'b mut [u8],
) -> Result<&'b mut [u8], Error> {
    if header.flag != 0 && matches!(aad, Aad::Own(_)) {
        let ciphertext = body.len().saturating_sub(TAG_LEN);
        return Err(refused(&mut body[..ciphertext], aead::Error::NotAuthentic));
    }
    aad.compose(header.flag, header.key_id, |aad| open_body(key, &header.nonce, aad, body))
}

/// Opens ciphertext and tag in place. Engines differ in what a refused open leaves in the buffer
/// ([`Residue`](crate::engine::Residue)), so the buffer is wiped here for all of them.
#[inline]
fn open_body<'b>(
    key: &dyn Aead,
    nonce: &Nonce,
    aad: &[u8],
    body: &'b mut [u8],
) -> Result<&'b mut [u8], Error> {
    let (in_out, tag) = body.split_last_chunk_mut::<TAG_LEN>().ok_or(Error::Integrity)?;
    match key.open(nonce, aad, in_out, &Tag(*tag)) {
        Ok(()) => Ok(in_out),
        Err(error) => Err(refused(in_out, error)),
    }
}

#[cold]
fn refused(in_out: &mut [u8], error: aead::Error) -> Error {
    aead::wipe(in_out);
    if error == aead::Error::NotAuthentic { Error::Integrity } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    const STORAGE: Aad<'_> = Aad::Storage { value_header: &[2, 0, 0, 0, 0, 0, 0, 0, 0], pebble_key: b"key" };

    fn cipher() -> Cipher {
        let keystore = Keystore::new(engine::find("sealmark").unwrap());
        keystore.set(7, &[1; 32]).unwrap();
        Arc::new(keystore).into()
    }

    #[test]
    fn a_record_sealed_in_place_equals_one_that_was_copied_and_a_refused_one_is_wiped() {
        let cipher = cipher();
        for aad in [STORAGE, Aad::Raft, Aad::Own(b"a place")] {
            for len in [0, 1, 16, 1000] {
                let (text, header) = (vec![9; len], Header { flag: 0, key_id: 7, nonce: [3; 12] });
                let mut copied = vec![0; len + OVERHEAD];
                cipher.seal_into(&header, &aad, &text, &mut copied).unwrap();
                let mut record = [&[0xee; HEADER_LEN][..], &text, &[0xee; TAG_LEN]].concat();
                let unknown = Header { key_id: 8, ..header };
                let refused = cipher.seal_in_place(&unknown, &aad, &mut record.clone());
                assert_eq!(refused, Err(Error::UnknownKeyId(8)));
                cipher.seal_in_place(&header, &aad, &mut record).unwrap();
                assert_eq!(record, copied);
            }
        }
        let (header, mut short) = (Header { flag: 0, key_id: 7, nonce: [3; 12] }, [9; OVERHEAD - 1]);
        let refused = cipher.seal_in_place(&header, &STORAGE, &mut short);
        assert_eq!((refused, short), (Err(Error::BufferTooSmall), [0; OVERHEAD - 1]));
        let mut record = [9; OVERHEAD + 5];
        let refused = Cipher::default().seal_in_place(&header, &STORAGE, &mut record);
        assert_eq!((refused, record), (Err(Error::NilKeystore), [0; OVERHEAD + 5]));
    }

    #[test]
    fn seal_checks_the_key_id_before_the_nonce_in_storage_and_after_it_in_raft() {
        let (cipher, none) = (cipher(), Cipher::default());
        for aad in [STORAGE, Aad::Raft] {
            let errors = [
                none.seal(0, 0, &[0; 11], &aad, b""),
                cipher.seal(0, 0, &[0; 11], &aad, b""),
                cipher.seal(0, 0, &[0; 12], &aad, b""),
                cipher.seal(0, 8, &[0; 11], &aad, b""),
                cipher.seal(0, 8, &[0; 12], &aad, b""),
            ];
            let both = if aad == Aad::Raft { Error::BadNonceSize } else { Error::ReservedKeyId };
            let expected =
                [Error::NilKeystore, both, Error::ReservedKeyId, Error::BadNonceSize, Error::UnknownKeyId(8)];
            assert_eq!(errors, expected.map(Err));
            assert_eq!(cipher.seal(0, 7, &[0; 12], &aad, b"").map(|record| record.len()), Ok(OVERHEAD));
        }
        assert_eq!(Cipher::new(None).err(), Some(Error::NilKeystore));
    }

    #[test]
    fn opening_a_body_checks_keystore_key_id_nonce_key_and_tag_in_that_order() {
        let cipher = cipher();
        let body = &mut [0; 15][..];
        assert_eq!(Cipher::default().open_body(0, &[], &[], body), Err(Error::NilKeystore));
        assert_eq!(cipher.open_body(0, &[], &[], body), Err(Error::ReservedKeyId));
        assert_eq!(cipher.open_body(8, &[], &[], body), Err(Error::BadNonceSize));
        assert_eq!(cipher.open_body(8, &[0; 12], &[], body), Err(Error::UnknownKeyId(8)));
        assert_eq!(cipher.open_body(7, &[0; 12], &[], body), Err(Error::Integrity));

        let record = cipher.seal(0, 7, &[3; 12], &STORAGE, b"value").unwrap();
        let body = &mut record[HEADER_LEN..].to_vec();
        let opened = cipher.open_body(7, &[3; 12], &STORAGE.to_vec(0, 7), body);
        assert_eq!(opened.unwrap(), b"value");
    }

    #[test]
    fn an_empty_plaintext_reads_back_present_and_empty() {
        let cipher = cipher();
        let mut record = cipher.seal(0, 7, &[3; 12], &STORAGE, b"").unwrap();
        assert_eq!(cipher.open(&record, &STORAGE), Ok(vec![]));
        assert_eq!(cipher.open_in_place(&mut record, &STORAGE).unwrap(), b"");
    }

    #[test]
    fn a_flipped_flag_is_refused_in_storage_and_opens_in_raft() {
        let cipher = cipher();
        for (aad, expected) in [(STORAGE, Err(Error::Integrity)), (Aad::Raft, Ok(b"value".to_vec()))] {
            let header = Header { flag: 0, key_id: 7, nonce: [5; 12] };
            let mut record = [0; 39];
            assert_eq!(cipher.seal_into(&header, &aad, b"value", &mut record), Ok(39));
            record[1] ^= 0x80;
            assert_eq!(cipher.open(&record, &aad), expected);
        }
    }

    #[test]
    fn a_raft_record_is_written_with_flag_zero() {
        let record = cipher().seal(0xff, 7, &[5; 12], &Aad::Raft, b"entry").unwrap();
        assert_eq!(record[1], 0);
    }

    #[test]
    fn a_record_with_a_schemes_own_aad_opens_only_with_those_bytes_and_unaltered() {
        let cipher = cipher();
        let (own, long) = (Aad::Own(b"file 3, record 7"), [5; 5000]);
        for aad in [own, Aad::Own(b""), Aad::Own(&long)] {
            let record = cipher.seal(0xff, 7, &[5; 12], &aad, b"entry").unwrap();
            assert_eq!((record[1], record.len()), (0, 5 + OVERHEAD));
            assert_eq!(cipher.open(&record, &aad), Ok(b"entry".to_vec()));
            assert_eq!(cipher.open(&record, &Aad::Own(b"file 3, record 8")), Err(Error::Integrity));
            assert_eq!(cipher.open(&record, &STORAGE), Err(Error::Integrity));
            let aead = engine::find("sealmark").unwrap().key(aead::Alg::Aes256Gcm, &[1; 32]).unwrap();
            let (mut body, mut tag) = (*b"entry", Tag::default());
            aead.seal(&[5; 12], &aad.to_vec(0, 7), &mut body, &mut tag).unwrap();
            assert_eq!(record[HEADER_LEN..], [&body[..], &tag.0].concat(), "the AAD is exactly those bytes");
            for bit in 0..record.len() * 8 {
                let mut altered = record.clone();
                altered[bit / 8] ^= 1 << (bit % 8);
                let expected = match bit / 8 {
                    0 => Error::EnvelopeVersion(altered[0]),
                    2..6 => Error::UnknownKeyId(u32::from_be_bytes([
                        altered[2], altered[3], altered[4], altered[5],
                    ])),
                    _ => Error::Integrity,
                };
                assert_eq!(cipher.open(&altered, &aad), Err(expected), "{bit}");
                assert_eq!(cipher.open_in_place(&mut altered, &aad).err(), Some(expected), "{bit}");
                let wiped = altered[HEADER_LEN..][..5] == [0; 5];
                assert_eq!(wiped, expected == Error::Integrity, "{bit}: a forgery is wiped");
            }
        }
    }

    #[test]
    fn a_buffer_one_byte_short_is_refused_and_left_alone() {
        let header = Header { flag: 0, key_id: 7, nonce: [5; 12] };
        let mut out = [0xee; 39];
        let short = cipher().seal_into(&header, &STORAGE, b"value", &mut out[..38]);
        assert_eq!((short, out), (Err(Error::BufferTooSmall), [0xee; 39]));
    }
}
