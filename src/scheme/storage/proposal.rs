//! Log entries on their way in and out: plaintext up to the cut-over, sealed after it (spec §7).
//!
//! elastickv `internal/raftengine` frames a proposal as version 1, its id (u64) and the payload. From the
//! entry after the cut-over on, the payload is a raft record. The applier tells [`Proposals`] which key
//! seals, and from which index.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::budget::Use;
use super::metrics::Counters;
use super::{Budget, Error};
use crate::aead::Nonce;
use crate::envelope::{self, Aad, Cipher, Header, NonceSource};

const VERSION: u8 = 1;
/// Bytes of the engine's frame before the payload: version and proposal id.
pub const FRAME_LEN: usize = 9;

/// Frames a proposal for the engine's log: version 1, the proposal's id, and the payload, sealed if a key is
/// given.
///
/// # Errors
/// [`Error::Envelope`].
pub fn seal_proposal(
    id: u64,
    payload: &[u8],
    sealing: Option<(&Cipher, u32, Nonce)>,
) -> Result<Vec<u8>, Error> {
    let frame = |payload: &[u8]| [&[VERSION][..], &id.to_be_bytes(), payload].concat();
    match sealing {
        None => Ok(frame(payload)),
        Some((cipher, key_id, nonce)) => Ok(frame(&cipher.seal(0, key_id, &nonce, &Aad::Raft, payload)?)),
    }
}

/// The key id of a payload that has the form of a sealed one: a raft record as this scheme writes it, with
/// flag byte 0 and a key id. No plaintext payload may look like this. elastickv's cannot, since they begin
/// with an opcode, and the opcode 1 is followed by a protobuf tag, which is never 0.
pub fn looks_sealed(payload: &[u8]) -> Option<u32> {
    let header = Header::decode(payload).ok()?;
    (header.flag == 0 && header.key_id != 0).then_some(header.key_id)
}

/// Extracts the payload from the engine's log entry at `index`, and opens it if the entry comes after the
/// cut-over. `cutover_index` is the sidecar's, where 0 means "not yet". Never returns a sealed payload
/// unopened.
///
/// # Errors
/// [`Error::WireMalformed`] for a truncated frame; [`Error::WireVersion`]; [`Error::RaftUnwrapFailed`] if the
/// payload must be opened and does not open, or there is no cipher; [`Error::SealedEntry`] if the payload
/// [looks sealed](looks_sealed) although it comes before the cut-over. The engine then halts.
pub fn open_proposal(
    data: &[u8],
    index: u64,
    cutover_index: u64,
    cipher: Option<&Cipher>,
) -> Result<Vec<u8>, Error> {
    let (frame, payload) =
        data.split_at_checked(FRAME_LEN).ok_or(Error::WireMalformed("the engine's frame is truncated"))?;
    if frame[0] != VERSION {
        return Err(Error::WireVersion(frame[0]));
    }
    let cutover = if cutover_index == 0 { u64::MAX } else { cutover_index };
    if index <= cutover {
        return match looks_sealed(payload) {
            Some(key_id) => Err(Error::SealedEntry { index, key_id }),
            None => Ok(payload.to_vec()),
        };
    }
    let opened =
        cipher.ok_or(envelope::Error::NilKeystore).and_then(|cipher| cipher.open(payload, &Aad::Raft));
    opened.map_err(|cause| Error::RaftUnwrapFailed { index, cause })
}

/// Seals and opens the entries of a node's log. Any number of threads can share it.
#[derive(Debug)]
pub struct Proposals {
    cipher: Cipher,
    nonces: Arc<NonceSource>,
    counters: Arc<Counters>,
    budget: Budget,
    /// Whether plaintext entries may be proposed: not before this process has passed its guards.
    ready: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    /// The active raft key and the cut-over index, once cut over.
    sealing: Option<(u32, u64)>,
    /// The last index seen under each raft key.
    last_index: BTreeMap<u32, u64>,
}

impl Proposals {
    /// Seals under the cipher's keys with nonces from that source, once it learns that the log is cut over.
    pub fn new(cipher: Cipher, nonces: Arc<NonceSource>, counters: Arc<Counters>) -> Self {
        let (budget, ready, state) = (Budget::default(), AtomicBool::new(true), Mutex::default());
        Self { cipher, nonces, counters, budget, ready, state }
    }

    /// The same, for a node that has not passed its guards: no plaintext may be proposed until then.
    pub(super) fn starting(self) -> Self {
        self.ready.store(false, Ordering::Release);
        self
    }

    /// Records that the guards have passed.
    pub(super) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries after `cutover` are sealed; from now on under that key.
    pub fn install(&self, key_id: u32, cutover: u64) {
        self.state().sealing = Some((key_id, cutover));
    }

    /// The key that seals the next entry; `None` before the cut-over.
    pub fn key_id(&self) -> Option<u32> {
        self.state().sealing.map(|(key_id, _)| key_id)
    }

    /// Frames a payload that is proposed now for the engine's log. Only a leader that has applied all earlier
    /// entries may propose it. Otherwise the entry may be plaintext after the cut-over, and every member
    /// halts on it.
    ///
    /// # Errors
    /// [`Error::Envelope`]; for plaintext, [`Error::NotReady`] before
    /// [`Loaded::ready`](super::Loaded::ready), and [`Error::PayloadLooksSealed`].
    pub fn seal(&self, id: u64, payload: &[u8]) -> Result<Vec<u8>, Error> {
        match self.key_id() {
            None if !self.ready.load(Ordering::Acquire) => {
                Err(Error::NotReady("call Loaded::ready before the node proposes a plaintext entry"))
            }
            None if looks_sealed(payload).is_some() => Err(Error::PayloadLooksSealed),
            None => seal_proposal(id, payload, None),
            Some(key_id) => {
                let nonce = self.nonces.next()?;
                self.budget.count(key_id);
                seal_proposal(id, payload, Some((&self.cipher, key_id, nonce)))
            }
        }
    }

    /// How much of its limit the next entry's key has used. Entries are never refused for this, or the
    /// rotation could not pass.
    pub fn usage(&self) -> Use {
        self.key_id().map_or(Use::Within, |key_id| self.budget.state(key_id))
    }

    /// Entries sealed under each key in this process load.
    pub fn writes(&self) -> BTreeMap<u32, u64> {
        self.budget.writes()
    }

    /// Opens the engine's log entry at `index`, and records the key that it was sealed under.
    ///
    /// # Errors
    /// Those of [`open_proposal`]; entries that do not open are counted. [`Error::SidecarInconsistent`] if an
    /// entry opens although it counts as one from before the cut-over: the cut-over's index is damaged then.
    /// A node whose keys are gone refuses every sealed entry with [`Error::SealedEntry`].
    pub fn open(&self, index: u64, data: &[u8]) -> Result<Vec<u8>, Error> {
        let cutover = self.state().sealing.map_or(0, |(_, cutover)| cutover);
        let in_clear = cutover == 0 || index <= cutover;
        let opens = |payload: &[u8]| self.cipher.open(payload, &Aad::Raft).is_ok();
        // Whatever its flag byte says: nothing authenticates that.
        if in_clear && data.get(FRAME_LEN..).is_some_and(opens) {
            return Err(Error::SidecarInconsistent(
                "an entry is sealed that it counts as one from before the cut-over",
            ));
        }
        let payload = open_proposal(data, index, cutover, Some(&self.cipher));
        if let Err(error) = &payload {
            self.counters.refused(error);
        } else if cutover != 0 && index > cutover {
            let header = Header::decode(&data[FRAME_LEN..])?;
            let mut state = self.state();
            let last = state.last_index.entry(header.key_id).or_default();
            *last = index.max(*last);
        }
        payload
    }

    /// The last index seen under each raft key in this process load, for the metrics. [Retiring] needs the
    /// last index in the whole log, which may be from an earlier load.
    ///
    /// [Retiring]: super::maintenance
    pub fn last_index(&self) -> BTreeMap<u32, u64> {
        self.state().last_index.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::OVERHEAD;
    use crate::scheme::storage::testing::keystore;

    #[test]
    fn a_frame_is_opened_strictly_after_the_cutover_and_never_if_that_is_0() {
        let cipher = Cipher::from(keystore(&[1]));
        let sealed = seal_proposal(7, b"payload", Some((&cipher, 1, [5; 12]))).unwrap();
        let clear = seal_proposal(7, b"payload", None).unwrap();
        assert_eq!(clear, [&[1, 0, 0, 0, 0, 0, 0, 0, 7][..], b"payload"].concat());
        assert_eq!(open_proposal(&sealed, 11, 10, Some(&cipher)).unwrap(), b"payload");
        assert_eq!(open_proposal(&clear, 10, 10, Some(&cipher)).unwrap(), b"payload");
        assert_eq!(open_proposal(&clear, u64::MAX, 0, None).unwrap(), b"payload");
        for (data, cipher) in [(&clear, Some(&cipher)), (&sealed, None)] {
            let refused = open_proposal(data, 11, 10, cipher).unwrap_err();
            assert_eq!(refused.spec_name(), "ErrRaftUnwrapFailed");
        }
        let cut = open_proposal(&clear[..8], 1, 0, None);
        assert!(matches!(cut, Err(Error::WireMalformed("the engine's frame is truncated"))), "{cut:?}");
        let newer = [&[2][..], &clear[1..]].concat();
        assert!(matches!(open_proposal(&newer, 1, 0, None), Err(Error::WireVersion(2))));
    }

    #[test]
    fn a_sealed_entry_is_never_passed_on_unopened_and_a_payload_that_looks_sealed_is_not_proposed() {
        let sealed = seal_proposal(7, b"payload", Some((&keystore(&[1]).into(), 1, [5; 12]))).unwrap();
        for cipher in [None, Some(Cipher::default()), Some(keystore(&[2]).into())] {
            for (index, cutover) in [(7, 0), (7, 7), (1, u64::MAX)] {
                let refused = open_proposal(&sealed, index, cutover, cipher.as_ref());
                assert!(matches!(refused, Err(Error::SealedEntry { key_id: 1, .. })), "{refused:?}");
            }
        }
        let proposals = |ids: &[u8]| {
            Proposals::new(keystore(ids).into(), Arc::new(NonceSource::new(1, 1)), Arc::default())
        };
        let refused = proposals(&[]).open(7, &sealed);
        assert!(matches!(refused, Err(Error::SealedEntry { index: 7, key_id: 1 })), "{refused:?}");
        assert!(matches!(proposals(&[1]).open(7, &sealed), Err(Error::SidecarInconsistent(_))));
        let refused = proposals(&[]).seal(8, &sealed[FRAME_LEN..]);
        assert!(matches!(refused, Err(Error::PayloadLooksSealed)), "{refused:?}");
        // Key id 0 seals nothing, a protobuf tag is not a flag byte, and a shorter payload has no room for a
        // tag.
        for (at, byte) in [(1, 0x0a), (5, 0)] {
            let mut payload = sealed[FRAME_LEN..].to_vec();
            payload[at] = byte;
            assert_eq!(looks_sealed(&payload), None, "{at}");
            let data = proposals(&[]).seal(8, &payload).unwrap();
            assert_eq!(proposals(&[]).open(8, &data).unwrap(), payload);
        }
        assert_eq!(looks_sealed(&sealed[FRAME_LEN..][..OVERHEAD - 1]), None);
    }

    #[test]
    fn entries_are_sealed_once_a_key_is_installed_and_the_last_index_of_each_key_is_kept() {
        let nonces = Arc::new(NonceSource::new(1, 1));
        let proposals = Proposals::new(keystore(&[1, 2]).into(), nonces, Arc::default());
        let clear = proposals.seal(1, b"payload").unwrap();
        assert_eq!((clear.len(), proposals.open(1, &clear).unwrap()), (16, b"payload".to_vec()));
        proposals.install(1, 2);
        let first = proposals.seal(3, b"payload").unwrap();
        assert_eq!(proposals.open(2, &clear).unwrap(), b"payload", "the cut-over's own entry is plaintext");
        proposals.install(2, 2);
        let second = proposals.seal(9, b"payload").unwrap();
        assert_eq!(proposals.key_id(), Some(2));
        for (index, data) in [(9, &second), (3, &first), (8, &second)] {
            assert_eq!(proposals.open(index, data).unwrap(), b"payload");
        }
        assert_eq!(proposals.last_index(), [(1, 3), (2, 9)].into());
        assert_eq!(proposals.open(10, &clear).unwrap_err().spec_name(), "ErrRaftUnwrapFailed");
        proposals.install(2, 9);
        assert!(matches!(proposals.open(9, &second), Err(Error::SidecarInconsistent(_))));
        assert_eq!((proposals.usage(), proposals.writes()), (Use::Within, [(1, 1), (2, 1)].into()));
    }
}
