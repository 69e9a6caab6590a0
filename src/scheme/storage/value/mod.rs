//! Stored values: the write gate, sealing, and the read path (spec §9).
//!
//! Follows elastickv `store/encryption_glue.go`. A stored value is a nine-byte header, then the plaintext or
//! a record. A value that claims to be plaintext is tried with every key before it is accepted, because
//! somebody may have relabelled a record. Tombstones and expiry are evaluated only after the value is
//! authenticated.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;

use super::budget::Use;
use super::metrics::Counters;
use super::{Budget, Error, StateCache, compress, registry};
use crate::envelope::aad::{STACK_KEY_LEN, VALUE_HEADER_LEN, pebble_key};
use crate::envelope::record::FLAG_SNAPPY;
use crate::envelope::{
    self, Aad, Cipher, HEADER_LEN, Header, NonceSource, OVERHEAD, Record, State, ValueHeader,
};

/// How a new value is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As plaintext.
    Clear,
    /// Sealed under that key.
    Sealed(NonZeroU32),
}

/// The inputs of the write gate; `None` if nothing is wired.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// There is a cipher.
    pub cipher: bool,
    /// The active storage key, if any.
    pub active: Option<u32>,
    /// Whether values are to be sealed.
    pub cutover: Option<bool>,
    /// Whether this node is registered under the active key.
    pub registered: Option<bool>,
    /// The write comes from a client of this node, not from the replicated log.
    pub direct: bool,
}

impl Gate {
    /// Decides how the value is stored.
    ///
    /// # Errors
    /// [`Error::WriterNotRegistered`]: try again later. A replicated write is never refused.
    #[inline]
    pub fn form(&self) -> Result<Form, Error> {
        let Some(key_id) = self.active.and_then(NonZeroU32::new).filter(|_| self.cipher) else {
            return Ok(Form::Clear);
        };
        if self.cutover == Some(false) {
            return Ok(Form::Clear);
        }
        if self.direct && self.registered == Some(false) {
            return Err(Error::WriterNotRegistered);
        }
        Ok(Form::Sealed(key_id))
    }
}

/// Where a write comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// From a client of this node: refused until the node is registered.
    Direct,
    /// From the replicated log: never refused, neither for a missing registration nor for the budget.
    Replicated,
}

/// Creates stored values and reads them. Any number of threads can share it.
#[derive(Debug)]
pub struct Sealer {
    cipher: Cipher,
    nonces: Arc<NonceSource>,
    cache: Arc<StateCache>,
    budget: Arc<Budget>,
    counters: Arc<Counters>,
    compress: bool,
    /// The node must not serve clients yet.
    replaying: bool,
    /// Set once it is known that a node without keys never had any; `None` if that was known before.
    clear_allowed: Option<Arc<AtomicBool>>,
}

impl Sealer {
    /// A sealer with that cipher's keys, the state in the cache, and nonces from that source.
    pub fn new(
        cipher: Cipher,
        nonces: Arc<NonceSource>,
        cache: Arc<StateCache>,
        budget: Arc<Budget>,
    ) -> Self {
        let (counters, compress, replaying, clear_allowed) = (Arc::default(), false, false, None);
        Self { cipher, nonces, cache, budget, counters, compress, replaying, clear_allowed }
    }

    /// Counts unreadable values in the node's counters.
    #[must_use]
    pub fn counting(mut self, counters: Arc<Counters>) -> Self {
        self.counters = counters;
        self
    }

    /// Refuses all writes from clients, whatever the cache says, and all plaintext writes of a node without
    /// keys until it is known that the node never had any.
    pub(super) fn replaying(mut self, clear_allowed: Arc<AtomicBool>) -> Self {
        (self.replaying, self.clear_allowed) = (true, Some(clear_allowed));
        self
    }

    /// Compresses values before sealing them if that makes them shorter. This allocates.
    #[must_use]
    pub fn compressing(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// The cipher with its keys.
    pub fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// How much of its limit the active key has used: at nine tenths a rotation is due.
    pub fn usage(&self) -> Use {
        self.cache.active_storage().map_or(Use::Within, |key_id| self.budget.state(key_id))
    }

    /// Values sealed under each key in this process load.
    pub fn writes(&self) -> BTreeMap<u32, u64> {
        self.budget.writes()
    }

    /// [`read`] with this cipher; counts values that do not open.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read(&self, clear: Clear, pebble_key: &[u8], stored: &[u8]) -> Result<Read, Error> {
        read(Some(&self.cipher), clear, pebble_key, stored).inspect_err(|error| self.counters.refused(error))
    }

    /// Writes the stored value to the start of `out` and returns its length: at most
    /// [`SEALED_OVERHEAD`](super::SEALED_OVERHEAD) more than the value. Allocates nothing for keys of up to
    /// 1,000 bytes, unless it compresses. `expire_at` 0 means never.
    ///
    /// # Errors
    /// [`Error::ReservedPrefix`] if the value would be stored under the registry's prefix; those of
    /// [`Gate::form`]; for [`Origin::Direct`] those of [`check_budget`](Self::check_budget);
    /// [`Error::NotReady`] for a plaintext value of a node that [replays](super::Loaded::sealer) and has not
    /// been checked for lost keys; [`Error::Envelope`], including when `out` is too short.
    #[inline]
    pub fn seal_into(
        &self,
        user_key: &[u8],
        commit_ts: u64,
        expire_at: u64,
        value: &[u8],
        origin: Origin,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        registry::check_user_key(user_key, commit_ts)?;
        let gate = Gate {
            cipher: self.cipher.keystore().is_some(),
            active: self.cache.active_storage(),
            cutover: Some(self.cache.storage_envelope_active()),
            registered: Some(!self.replaying && self.cache.registered()),
            direct: origin == Origin::Direct,
        };
        let form = gate.form()?;
        if gate.active.is_none()
            && self.clear_allowed.as_ref().is_some_and(|allowed| !allowed.load(Ordering::Acquire))
        {
            return Err(Error::NotReady("call Loaded::begin_replay before you replay a plaintext value"));
        }
        if let (Form::Sealed(key_id), Origin::Direct) = (form, origin) {
            self.check_budget(key_id)?;
        }
        self.seal_row(form, user_key, commit_ts, (false, expire_at), value, out)
    }

    /// Checks that the key may seal one more value that no other node has sealed already.
    ///
    /// # Errors
    /// [`Error::KeyUsedUp`].
    #[inline]
    pub fn check_budget(&self, key_id: NonZeroU32) -> Result<(), Error> {
        self.budget.check(key_id.get())
    }

    /// Writes a stored value in that form: the part of [`seal_into`](Self::seal_into) after the gate and the
    /// budget.
    ///
    /// # Errors
    /// [`Error::ReservedPrefix`], [`Error::Envelope`].
    #[inline]
    pub fn seal_as(
        &self,
        form: Form,
        user_key: &[u8],
        commit_ts: u64,
        expire_at: u64,
        value: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        registry::check_user_key(user_key, commit_ts)?;
        self.seal_row(form, user_key, commit_ts, (false, expire_at), value, out)
    }

    /// Writes a stored value, or a sealed tombstone, whose key has already been checked.
    #[inline]
    pub(super) fn seal_row(
        &self,
        form: Form,
        user_key: &[u8],
        commit_ts: u64,
        (tombstone, expire_at): (bool, u64),
        value: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let Form::Sealed(key_id) = form else { return clear_into(tombstone, expire_at, value, out) };
        let key_id = key_id.get();
        let value_header = ValueHeader { tombstone, state: State::Encrypted, expire_at }.encode();
        let (head, rest) =
            out.split_first_chunk_mut::<VALUE_HEADER_LEN>().ok_or(envelope::Error::BufferTooSmall)?;
        let (flag, plaintext) = match self.compress {
            true => compress::shrunk(value).map_or((0, Cow::Borrowed(value)), |v| (FLAG_SNAPPY, v.into())),
            false => (0, Cow::Borrowed(value)),
        };
        let nonce = self.nonces.next()?;
        self.budget.count(key_id);
        let header = Header { flag, key_id, nonce };
        // Not an array of zeros: writing a kilobyte of them would cost a fifth of sealing one.
        let mut stack = ArrayVec::<u8, STACK_KEY_LEN>::new();
        let heap;
        let version = (!commit_ts).to_be_bytes();
        let fits =
            stack.try_extend_from_slice(user_key).is_ok() && stack.try_extend_from_slice(&version).is_ok();
        let pebble_key = if fits {
            stack.as_slice()
        } else {
            heap = pebble_key(user_key, commit_ts);
            &heap
        };
        let aad = Aad::Storage { value_header: &value_header, pebble_key };
        let len = self.cipher.seal_into(&header, &aad, &plaintext, rest)?;
        *head = value_header;
        Ok(VALUE_HEADER_LEN + len)
    }

    /// Writes the tombstone for that key to the start of `out` and returns its length. It is plaintext: there
    /// is nothing to hide.
    ///
    /// # Errors
    /// [`Error::ReservedPrefix`] if it would be stored under the registry's prefix; [`Error::Envelope`] if
    /// `out` is too short.
    pub fn tombstone_into(user_key: &[u8], commit_ts: u64, out: &mut [u8]) -> Result<usize, Error> {
        registry::check_user_key(user_key, commit_ts)?;
        clear_into(true, 0, &[], out)
    }
}

#[inline]
fn clear_into(tombstone: bool, expire_at: u64, value: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    let len = VALUE_HEADER_LEN + value.len();
    let out = out.get_mut(..len).ok_or(envelope::Error::BufferTooSmall)?;
    let (head, rest) = out.split_at_mut(VALUE_HEADER_LEN);
    head.copy_from_slice(&ValueHeader { tombstone, state: State::Clear, expire_at }.encode());
    rest.copy_from_slice(value);
    Ok(len)
}

/// Which plaintext values are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Clear {
    /// Those that no key opens: for stores that may hold values from before the cut-over. Whoever can write
    /// to the store can then replace a sealed value by any plaintext. Every plaintext value is tried under
    /// every loaded key, so reads take longer with more keys.
    #[default]
    Allowed,
    /// Only empty tombstones, which are not authentic either: for stores in which every value has been
    /// rewritten.
    Refused,
}

/// A stored value, authenticated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Its header.
    pub header: ValueHeader,
    /// The key that it was sealed under; `None` for plaintext.
    pub key_id: Option<u32>,
    /// The value. An empty value is present and empty.
    pub value: Vec<u8>,
}

impl Read {
    /// The value, unless it is a tombstone or has expired at that time.
    pub fn visible(self, now: u64) -> Option<Vec<u8>> {
        let lapsed = self.header.expire_at != 0 && self.header.expire_at <= now;
        (!self.header.tombstone && !lapsed).then_some(self.value)
    }
}

/// Reads the value stored under that key.
///
/// # Errors
/// [`Error::Envelope`] for a malformed value header or record, or a key that is not loaded;
/// [`Error::NoCipher`] for a sealed value without a cipher; [`Error::ReadIntegrity`] if it does not open, and
/// under [`Clear::Allowed`] for a record that claims to be plaintext; [`Error::ClearValue`], before any key
/// is tried; [`Error::Decompress`]. Never "not found".
pub fn read(cipher: Option<&Cipher>, clear: Clear, pebble_key: &[u8], stored: &[u8]) -> Result<Read, Error> {
    let (header, body) = ValueHeader::decode(stored)?;
    match header.state {
        State::Encrypted => {
            let cipher = cipher.ok_or(Error::NoCipher)?;
            let aad = Aad::Storage { value_header: &header.encode(), pebble_key };
            let opened = cipher.open(body, &aad).map_err(retyped)?;
            let record = Record::decode(body)?.header;
            let value = if record.flag & FLAG_SNAPPY == 0 { opened } else { compress::grown(&opened)? };
            Ok(Read { header, key_id: Some(record.key_id), value })
        }
        State::Clear => {
            if clear == Clear::Refused && !(header.tombstone && body.is_empty()) {
                return Err(Error::ClearValue);
            }
            if let Some(cipher) = cipher {
                refuse_relabelled(cipher, header.expire_at, pebble_key, body)?;
            }
            Ok(Read { header, key_id: None, value: body.to_vec() })
        }
    }
}

fn retyped(error: envelope::Error) -> Error {
    match error {
        envelope::Error::Integrity => Error::ReadIntegrity,
        other => other.into(),
    }
}

/// Refuses a plaintext body that any loaded key opens. Its first bytes are not considered: a client may have
/// written them. This does not find a record whose expiry or tag was changed as well.
fn refuse_relabelled(cipher: &Cipher, expire_at: u64, pebble_key: &[u8], body: &[u8]) -> Result<(), Error> {
    let Some(keystore) = cipher.keystore() else { return Ok(()) };
    if body.len() < OVERHEAD {
        return Ok(());
    }
    let mut candidates = ArrayVec::<u64, 2>::new();
    candidates.push(expire_at);
    if expire_at != 0 {
        candidates.push(0);
    }
    let mut trial = body[HEADER_LEN..].to_vec();
    for key_id in keystore.ids() {
        for &expire_at in &candidates {
            let value_header = ValueHeader { tombstone: false, state: State::Encrypted, expire_at }.encode();
            for flag in [0, FLAG_SNAPPY] {
                let aad = Aad::Storage { value_header: &value_header, pebble_key }.to_vec(flag, key_id);
                trial.copy_from_slice(&body[HEADER_LEN..]);
                if cipher.open_body(key_id, &body[6..HEADER_LEN], &aad, &mut trial).is_ok() {
                    zeroize::Zeroize::zeroize(&mut trial);
                    return Err(Error::ReadIntegrity);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
