//! Sealing and opening frames with a session (spec §3): the order of authenticating and recording.
//!
//! `safe` and `hardened` authenticate first: a frame that does not open changes nothing but a count, and only
//! an authentic frame gets a verdict from the replay window, under its lock, before the plaintext may leave.
//! `compat` records first, as the reference does, with the harm that follows. Nothing is allocated when one
//! session is involved. Not here: which session, and what to do about a refusal ([`gate`] advises).

pub mod batch;
pub mod gate;

use std::ops::Range;

use super::frame::{
    DATA_HEADER_LEN, DATA_OVERHEAD, DataHeader, Header, Kind, PILS_HEADER_LEN, PILS_OVERHEAD, kind,
};
use super::session::{Arc, Openers, Recorded, Session};
use super::{Error, Mode};
use crate::aead::{self, Nonce, TAG_LEN, Tag};

/// Bytes that a sealed frame adds to its message.
pub const fn overhead(mode: Mode) -> usize {
    if mode.is_compatible() { PILS_OVERHEAD } else { DATA_OVERHEAD }
}

/// The bytes of a sealed frame before the ciphertext.
pub const fn header_len(mode: Mode) -> usize {
    if mode.is_compatible() { PILS_HEADER_LEN } else { DATA_HEADER_LEN }
}

/// A frame that was opened in place.
#[derive(PartialEq, Eq)]
pub struct Opened<'f> {
    /// The authenticated sender.
    pub peer: u32,
    /// The message, inside the frame's buffer.
    pub plaintext: &'f mut [u8],
    /// Whether the frame is the first of an epoch: the sender has restarted or re-derived its keys.
    pub new_epoch: bool,
}

/// Shows the message's length only.
impl std::fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { peer, plaintext, new_epoch } = self;
        write!(f, "Opened {{ peer: {peer}, len: {}, new_epoch: {new_epoch} }}", plaintext.len())
    }
}

/// A frame that was opened in place, with the message's place instead of a borrow of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The authenticated sender.
    pub peer: u32,
    /// Where the message is in the frame's buffer.
    pub at: Range<usize>,
    /// Whether the frame is the first of an epoch.
    pub new_epoch: bool,
}

impl Place {
    /// The message.
    ///
    /// # Panics
    /// If `frame` is not the frame that was opened.
    pub fn in_frame(self, frame: &mut [u8]) -> Opened<'_> {
        Opened { peer: self.peer, plaintext: &mut frame[self.at], new_epoch: self.new_epoch }
    }
}

/// Which sender, session and counter a sealed frame names, none of it authenticated yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The sender that it claims.
    pub sender: u32,
    /// The name of the session, in hardened frames.
    pub session: Option<[u8; 4]>,
    /// The nonce; its first four bytes are the prefix.
    pub nonce: Nonce,
    /// The counter.
    pub counter: u64,
}

impl Sealed {
    /// Reads a sealed frame of this mode.
    ///
    /// # Errors
    /// [`Error::NotATunnelFrame`] if it is not one; [`Error::TooShort`].
    #[inline]
    pub fn decode(mode: Mode, frame: &[u8]) -> Result<Self, Error> {
        if mode.is_compatible() {
            let header = Header::decode(frame)?;
            let Header { sender, nonce } = header;
            Ok(Self { sender, session: None, nonce, counter: header.counter() })
        } else {
            let header = DataHeader::decode(frame)?;
            let DataHeader { sender, session, counter } = header;
            Ok(Self { sender, session: Some(session), nonce: header.nonce(), counter })
        }
    }

    /// Whether bytes are a sealed frame of this mode, by their magic.
    #[inline]
    pub fn is_one(mode: Mode, frame: &[u8]) -> bool {
        kind(frame) == Some(if mode.is_compatible() { Kind::Sealed } else { Kind::HardenedSealed })
    }

    #[inline]
    fn prefix(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.nonce;
        [a, b, c, d]
    }

    /// Whether the session is one that the frame can belong to.
    #[inline]
    fn is_for(&self, session: &Session) -> bool {
        self.sender == session.peer() && self.session.is_none_or(|name| name == session.session_id())
    }
}

/// Seals a message into the first `plaintext.len() + overhead` bytes of `out`; returns that length. Keeps a
/// copy of the message in the session's ring. Allocates nothing but, now and then, memory for that copy.
///
/// # Errors
/// [`Error::BufferTooSmall`], [`Error::CounterExhausted`]: `out` is unchanged. [`Error::MessageTooLong`],
/// [`Error::Engine`]: the frame's part of `out` is wiped. No copy is kept then.
#[inline]
pub fn seal_into(session: &Session, now_ms: u64, plaintext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    let parts = Parts::of(session.mode(), plaintext.len(), out)?;
    // The copy is kept before the message is sealed, so that the lock does not wait for the cipher's stores.
    let counter = session.counter_for(now_ms, plaintext)?;
    seal_under(session, counter, plaintext, parts).inspect_err(|_| session.forget_sent(counter..=counter))
}

/// Like [`seal_into`], without the copy: for messages that come from a ring.
///
/// # Errors
/// As for [`seal_into`].
#[inline]
pub fn seal_unkept(session: &Session, plaintext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    let parts = Parts::of(session.mode(), plaintext.len(), out)?;
    seal_under(session, session.next_counter()?, plaintext, parts)
}

#[inline]
fn seal_under(
    session: &Session,
    counter: u64,
    plaintext: &[u8],
    mut parts: Parts<'_>,
) -> Result<usize, Error> {
    let nonce = parts.fill(session, counter, plaintext);
    let mut tag = Tag::default();
    let sealed =
        session.keys().seal().seal(&nonce, aad(session.mode(), parts.header), parts.in_out, &mut tag);
    if let Err(error) = sealed {
        session.seal_failed();
        parts.in_out.fill(0);
        return Err(error.into());
    }
    parts.tag.copy_from_slice(&tag.0);
    Ok(plaintext.len() + overhead(session.mode()))
}

/// A frame's buffer, split into its parts.
struct Parts<'a> {
    header: &'a mut [u8],
    in_out: &'a mut [u8],
    tag: &'a mut [u8],
}

impl<'a> Parts<'a> {
    /// The parts of the frame for a message of `len` bytes.
    #[inline]
    fn of(mode: Mode, len: usize, out: &'a mut [u8]) -> Result<Self, Error> {
        let frame_len = len.checked_add(overhead(mode)).ok_or(Error::MessageTooLong)?;
        Ok(Self::split(mode, out.get_mut(..frame_len).ok_or(Error::BufferTooSmall)?))
    }

    /// The parts of a whole frame, which is at least as long as the overhead.
    #[inline]
    fn split(mode: Mode, frame: &'a mut [u8]) -> Self {
        let (header, body) = frame.split_at_mut(header_len(mode));
        let (in_out, tag) = body.split_at_mut(body.len() - TAG_LEN);
        Self { header, in_out, tag }
    }

    /// Writes everything but the tag, the message still in the clear; returns the nonce.
    #[inline]
    fn fill(&mut self, session: &Session, counter: u64, plaintext: &[u8]) -> Nonce {
        self.in_out.copy_from_slice(plaintext);
        if session.mode().is_compatible() {
            let header = Header::new(session.own(), session.prefix(), counter);
            header.encode_into(self.header);
            header.nonce
        } else {
            let header = DataHeader { sender: session.own(), session: session.session_id(), counter };
            header.encode_into(self.header);
            header.nonce()
        }
    }
}

/// What a frame's header contributes to authentication: the sender's id as it stands there, or the whole
/// header.
#[inline]
fn aad(mode: Mode, header: &[u8]) -> &[u8] {
    if mode.is_compatible() { &header[4..8] } else { header }
}

/// Opens a frame of the session's peer in place.
///
/// # Errors
/// In this order: [`Error::NotATunnelFrame`], [`Error::TooShort`], [`Error::NoKey`] if the frame is not of
/// this session; the frame is then unchanged. After [`Error::NotAuthentic`], and after [`Error::Replay`],
/// [`Error::OutsideWindow`], [`Error::StaleEpoch`] and [`Error::CounterZero`] in the modes that authenticate
/// first, the message's place holds zeros.
#[inline]
pub fn open_in_place<'f>(session: &Session, now_ms: u64, frame: &'f mut [u8]) -> Result<Opened<'f>, Error> {
    let sealed = Sealed::decode(session.mode(), frame)?;
    let Recorded { new_epoch } = open_with(session, now_ms, &sealed, frame)?;
    Ok(opened(session, new_epoch, frame))
}

#[inline]
fn opened<'f>(session: &Session, new_epoch: bool, frame: &'f mut [u8]) -> Opened<'f> {
    let plaintext = Parts::split(session.mode(), frame).in_out;
    Opened { peer: session.peer(), plaintext, new_epoch }
}

#[inline]
fn open_with(session: &Session, now_ms: u64, sealed: &Sealed, frame: &mut [u8]) -> Result<Recorded, Error> {
    if !sealed.is_for(session) {
        return Err(Error::NoKey(sealed.sender));
    }
    if session.mode() == Mode::Compat {
        return open_recorded_first(session, now_ms, sealed, frame);
    }
    decrypt(session, sealed, frame).inspect_err(|_| session.failed())?;
    commit(session, now_ms, sealed, frame)
}

/// Lets the plaintext stand only if the frame is accepted.
#[inline]
fn commit(session: &Session, now_ms: u64, sealed: &Sealed, frame: &mut [u8]) -> Result<Recorded, Error> {
    let committed = session.commit(now_ms, sealed.prefix(), sealed.counter);
    if committed.is_err() {
        Parts::split(session.mode(), frame).in_out.fill(0);
    }
    committed
}

/// The reference's order: the counter is recorded before anybody knows whether the frame is genuine.
fn open_recorded_first(
    session: &Session,
    now_ms: u64,
    sealed: &Sealed,
    frame: &mut [u8],
) -> Result<Recorded, Error> {
    session.record_unauthenticated(sealed.counter)?;
    match decrypt(session, sealed, frame) {
        Ok(()) => session.opened_after_record(now_ms),
        Err(error) => {
            session.failed_after_record(sealed.counter);
            return Err(error);
        }
    }
    Ok(Recorded::default())
}

/// Checks the tag and decrypts in place. After a refusal the message's place holds zeros.
#[inline]
fn decrypt(session: &Session, sealed: &Sealed, frame: &mut [u8]) -> Result<(), Error> {
    let mode = session.mode();
    let Parts { header, in_out, tag } = Parts::split(mode, frame);
    let tag = Tag(<[u8; TAG_LEN]>::try_from(&*tag).expect("split leaves a whole tag"));
    let key = session.keys().open();
    key.open(&sealed.nonce, aad(mode, header), in_out, &tag).map_err(|error| {
        // Other people's engines leave ciphertext or plaintext. A plain fill of the caller's buffer is not
        // removed.
        if error != aead::Error::NotAuthentic || !key.wipes_refused() {
            in_out.fill(0);
        }
        error.into()
    })
}

/// Opens a frame with the peer's current session or the older one, and says with which.
///
/// A hardened frame names its session. A compatible one does not: with two sessions, the one that knows the
/// frame's prefix is tried first, on a copy of the ciphertext; this allocates, and lasts until the current
/// session has opened a frame.
///
/// # Errors
/// As for [`open_in_place`]. If neither session opens the frame, only the current one counts it.
#[inline]
pub fn open_either<'f, 'o>(
    openers: &'o Openers,
    now_ms: u64,
    frame: &'f mut [u8],
) -> Result<(Opened<'f>, &'o Arc<Session>), Error> {
    let session = &openers.current;
    match &openers.older {
        None => open_in_place(session, now_ms, frame).map(|opened| (opened, session)),
        Some(older) => open_one_of(session, older, now_ms, frame),
    }
}

#[cold]
fn open_one_of<'f, 'o>(
    current: &'o Arc<Session>,
    older: &'o Arc<Session>,
    now_ms: u64,
    frame: &'f mut [u8],
) -> Result<(Opened<'f>, &'o Arc<Session>), Error> {
    let mode = current.mode();
    let sealed = Sealed::decode(mode, frame)?;
    if sealed.session.is_some() || mode == Mode::Compat {
        let session = if sealed.is_for(older) && mode != Mode::Compat { older } else { current };
        let Recorded { new_epoch } = open_with(session, now_ms, &sealed, frame)?;
        return Ok((opened(session, new_epoch, frame), session));
    }
    if !sealed.is_for(current) {
        return Err(Error::NoKey(sealed.sender));
    }
    let copy = frame.to_vec();
    let [first, second] = if older.knows(sealed.prefix()) { [older, current] } else { [current, older] };
    let mut session = first;
    if decrypt(first, &sealed, frame).is_err() {
        frame.copy_from_slice(&copy);
        session = second;
        decrypt(second, &sealed, frame).inspect_err(|_| current.failed())?;
    }
    let Recorded { new_epoch } = commit(session, now_ms, &sealed, frame)?;
    Ok((opened(session, new_epoch, frame), session))
}

#[cfg(test)]
mod tests;
