//! The chain of frames: each is sealed under an AAD of its file, its number and the tag before it.
//!
//! ```text
//! frame:  length u32, little-endian as in the checked log | record of the envelope, of that length
//! AAD:    kind u8 | file number u64 | frame number u64 | previous tag (16)        integers big-endian
//! ```
//!
//! Whoever knows the last tag therefore knows every frame before it. Frames are composed and sealed in the
//! writer's buffer, and opened in the reader's: nothing is copied. The AAD is [`Aad::Own`].

use std::ops::Range;

use zeroize::Zeroize;

use super::error::{Error, engine_or};
use super::key::{FileId, FileKey};
use crate::aead::TAG_LEN;
use crate::envelope::{Aad, HEADER_LEN, Header, NonceSource, OVERHEAD};

/// Bytes of a frame's length.
pub(in crate::scheme::log) const LENGTH_LEN: usize = 4;
/// Bytes that a frame adds to its text.
pub(in crate::scheme::log) const FRAME_OVERHEAD: usize = LENGTH_LEN + OVERHEAD;
/// Bytes before the text of a frame.
const TEXT_AT: usize = LENGTH_LEN + HEADER_LEN;
const AAD_LEN: usize = 9 + 8 + TAG_LEN;

/// The tag of a frame.
pub(in crate::scheme::log) type Link = [u8; TAG_LEN];

/// A place in the chain: the next frame's number, and the tag before it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Place {
    pub number: u64,
    pub before: Link,
}

impl Place {
    fn aad(self, file: FileId) -> [u8; AAD_LEN] {
        let mut aad = [0; AAD_LEN];
        aad[..9].copy_from_slice(&file.bytes());
        aad[9..17].copy_from_slice(&self.number.to_be_bytes());
        aad[17..].copy_from_slice(&self.before);
        aad
    }

    fn after(self, tag: Link) -> Self {
        Self { number: self.number + 1, before: tag }
    }
}

/// Begins a frame with room for `len` bytes of text at the end of the buffer; returns where the frame begins.
/// The caller appends the text, then calls [`seal`].
#[inline]
pub(super) fn begin(buffer: &mut Vec<u8>, len: usize) -> usize {
    let at = buffer.len();
    // In one step: text in the clear is never moved by a growing vector.
    buffer.reserve(FRAME_OVERHEAD + len);
    buffer.extend_from_slice(&[0; TEXT_AT]);
    at
}

/// Seals the frame that begins at `at` and ends with the buffer; returns the place after it. On an error the
/// frame is wiped and removed.
#[inline]
pub(super) fn seal(
    key: &FileKey,
    nonces: &NonceSource,
    file: FileId,
    place: Place,
    buffer: &mut Vec<u8>,
    at: usize,
) -> Result<Place, Error> {
    buffer.extend_from_slice(&[0; TAG_LEN]);
    let sealed = seal_or_wipe(key, nonces, &place.aad(file), &mut buffer[at..]);
    match sealed {
        Ok(tag) => Ok(place.after(tag)),
        Err(error) => {
            buffer.truncate(at);
            Err(error)
        }
    }
}

/// Seals a frame in place. After an error it is zeros.
#[inline]
fn seal_or_wipe(key: &FileKey, nonces: &NonceSource, aad: &[u8], frame: &mut [u8]) -> Result<Link, Error> {
    let sealed = seal_record(key, nonces, aad, frame);
    if sealed.is_err() {
        frame.zeroize();
    }
    sealed
}

#[inline]
fn seal_record(key: &FileKey, nonces: &NonceSource, aad: &[u8], frame: &mut [u8]) -> Result<Link, Error> {
    let (length, record) = frame.split_at_mut(LENGTH_LEN);
    let len = u32::try_from(record.len()).map_err(|_| Error::Refused("a frame exceeds 4 GiB"))?;
    length.copy_from_slice(&len.to_le_bytes());
    let refused = |error| engine_or(error, || Error::Refused("the envelope refuses the frame"));
    let nonce = nonces.next().map_err(refused)?;
    let header = Header { flag: 0, key_id: key.epoch, nonce };
    key.cipher.seal_in_place(&header, &Aad::Own(aad), record).map_err(refused)?;
    Ok(*record.last_chunk().expect("a record ends with its tag"))
}

/// Bytes of text so far in a frame that is being composed and has this many bytes.
pub(super) const fn text_len(composed: usize) -> usize {
    composed - TEXT_AT
}

/// The text of an opened frame.
pub(super) fn text(frame: &[u8]) -> &[u8] {
    &frame[TEXT_AT..frame.len() - TAG_LEN]
}

/// An opened frame.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    pub text: &'a [u8],
    /// The place after it.
    pub next: Place,
}

/// Where the frame that begins `bytes` ends, or `None` if there are no bytes left.
pub(super) fn extent(bytes: &[u8], file: FileId, place: Place) -> Result<Option<Range<usize>>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let cut = || Error::Truncated { file: file.name(), frame: place.number };
    let len = u32::from_le_bytes(*bytes.first_chunk().ok_or_else(cut)?) as usize;
    if len < OVERHEAD {
        return Err(Error::NotAuthentic { file: file.name(), frame: place.number });
    }
    if bytes.len() - LENGTH_LEN < len {
        return Err(cut());
    }
    Ok(Some(0..LENGTH_LEN + len))
}

/// Opens a whole frame in place. After a refusal its text is zeros, or still sealed if the version or the key
/// id was wrong.
#[inline]
pub(super) fn open<'a>(
    key: &FileKey,
    file: FileId,
    place: Place,
    frame: &'a mut [u8],
) -> Result<Opened<'a>, Error> {
    let record = &mut frame[LENGTH_LEN..];
    let tag: Link = *record.last_chunk().expect("a frame's extent holds a tag");
    let opened = key.cipher.open_in_place(record, &Aad::Own(&place.aad(file)));
    let refused = |error| engine_or(error, || Error::NotAuthentic { file: file.name(), frame: place.number });
    Ok(Opened { text: opened.map_err(refused)?, next: place.after(tag) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::envelope::SecretKey;
    use crate::scheme::log::sealed::LogKey;

    const FILE: FileId = FileId::wal(3);

    fn key() -> FileKey {
        let key = LogKey::new(find("sealmark").unwrap(), SecretKey::default(), b"");
        key.begin(&[0; 16], FILE, 1).unwrap().1
    }

    fn frame(key: &FileKey, place: Place, text: &[u8]) -> (Vec<u8>, Place) {
        let mut buffer = b"before".to_vec();
        let at = begin(&mut buffer, text.len());
        buffer.extend_from_slice(text);
        let next = seal(key, &NonceSource::new(0, 1), FILE, place, &mut buffer, at).unwrap();
        (buffer.split_off(at), next)
    }

    #[test]
    fn a_frame_opens_in_its_place_and_nowhere_else() {
        let (key, place) = (key(), Place { number: 9, before: [7; 16] });
        let (sealed, next) = frame(&key, place, b"text");
        assert_eq!(sealed.len(), 4 + FRAME_OVERHEAD);
        assert_eq!(extent(&sealed, FILE, place).unwrap(), Some(0..sealed.len()));
        let mut copy = sealed.clone();
        let opened = open(&key, FILE, place, &mut copy).unwrap();
        assert_eq!((opened.text, opened.next), (&b"text"[..], next));
        assert_eq!((next.number, &next.before[..]), (10, &sealed[sealed.len() - 16..]));
        let others = [
            (FileId::wal(2), place),
            (FileId::table(3), place),
            (FILE, Place { number: 8, ..place }),
            (FILE, Place { before: [6; 16], ..place }),
        ];
        for (file, place) in others {
            let mut copy = sealed.clone();
            assert_eq!(open(&key, file, place, &mut copy).unwrap_err().spec_name(), "NOT_AUTHENTIC");
            assert_eq!(copy[TEXT_AT..][..4], [0; 4], "no plaintext is left");
        }
    }

    #[test]
    fn the_end_of_a_file_a_cut_frame_and_a_length_that_no_frame_has_are_told_apart() {
        let place = Place::default();
        let (sealed, _) = frame(&key(), place, b"");
        assert_eq!(extent(&[], FILE, place).unwrap(), None);
        for len in 1..sealed.len() {
            assert_eq!(
                extent(&sealed[..len], FILE, place).unwrap_err().spec_name(),
                "TRUNCATED_RECORD",
                "{len}"
            );
        }
        let short = [&33_u32.to_le_bytes()[..], &[0; 40]].concat();
        assert_eq!(extent(&short, FILE, place).unwrap_err().spec_name(), "NOT_AUTHENTIC");
    }

    #[test]
    fn a_frame_that_cannot_be_sealed_leaves_nothing_in_the_buffer() {
        let mut buffer = b"before".to_vec();
        let at = begin(&mut buffer, 4);
        buffer.extend_from_slice(b"text");
        let spent = NonceSource::after(0, 1, u64::MAX);
        let refused = seal(&key(), &spent, FILE, Place::default(), &mut buffer, at);
        assert!(matches!(refused, Err(Error::NoncesUsedUp)));
        assert_eq!(buffer, b"before");
        let mut frame = [0x5a; TEXT_AT + 4 + TAG_LEN];
        let refused = seal_or_wipe(&key(), &spent, b"aad", &mut frame);
        assert!(matches!(refused, Err(Error::NoncesUsedUp)));
        assert_eq!(frame, [0; TEXT_AT + 4 + TAG_LEN], "the text is wiped");
    }

    #[test]
    fn a_refused_frame_shows_no_text() {
        let (key, place) = (key(), Place::default());
        let (sealed, _) = frame(&key, place, b"the text");
        for at in LENGTH_LEN..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(open(&key, FILE, place, &mut altered).unwrap_err().spec_name(), "NOT_AUTHENTIC");
            assert!(!altered.windows(4).any(|part| part == b"text"), "byte {at}");
        }
    }
}
