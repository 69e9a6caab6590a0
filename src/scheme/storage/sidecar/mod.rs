//! `keys.json`: the wrapped data keys of a node, its epochs, and how far its log was applied (spec §4).
//!
//! Follows elastickv `internal/encryption/sidecar.go`: reads versions 1 and 2, and writes version 2, byte for
//! byte. Ours is strict where its JSON reader is lenient: see the rule `strict-json` in the scheme's docs.
//! Not here: the keys themselves, which only a KEK can unwrap.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::{Error, Purpose};
use crate::disk::{self, Disk};

mod file;
mod json;
mod tree;

pub use file::SidecarFile;

/// The version that is written; version 1 is read as well.
pub const VERSION: i64 = 2;

/// A node's keys and its progress through the log.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sidecar {
    /// The highest index of a log entry that changed this file; 0 for none.
    pub raft_applied_index: u64,
    /// Whether new values are sealed.
    pub storage_envelope_active: bool,
    /// The log index from which they are; 0 for not yet, or if version 1 does not say.
    pub storage_envelope_cutover_index: u64,
    /// The log index after which entries are sealed; 0 for not yet.
    pub raft_envelope_cutover_index: u64,
    /// The active storage key's id; 0 for none.
    pub active_storage: u32,
    /// The active raft key's id; 0 for none.
    pub active_raft: u32,
    /// Keys by their ids as text: usually a [`u32`] in decimal. `007` is legal too, but is not key 7.
    pub keys: BTreeMap<String, Entry>,
}

/// One wrapped key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its purpose.
    pub purpose: Purpose,
    /// The key, wrapped under the KEK; empty if this node does not have the bytes.
    pub wrapped: Vec<u8>,
    /// The time of its arrival, RFC 3339 by convention.
    pub created: String,
    /// The epoch in this node's nonces under this key.
    pub local_epoch: u16,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("purpose", &self.purpose)
            .field("wrapped", &format_args!("{} bytes", self.wrapped.len()))
            .field("created", &self.created)
            .field("local_epoch", &self.local_epoch)
            .finish()
    }
}

impl Sidecar {
    /// Reads the sidecar from that file.
    ///
    /// # Errors
    /// [`Error::Disk`], whose [`is_not_found`](disk::Error::is_not_found) tells whether the file is missing;
    /// then those of [`parse`](Self::parse).
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        Self::parse(&disk::read(disk, path)?)
    }

    /// Writes it so that after a power cut the file holds the old sidecar or this one.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), before anything is written; then [`Error::Disk`].
    pub fn write(&self, disk: &dyn Disk, path: &Path) -> Result<(), Error> {
        self.check()?;
        Ok(disk::durable_write(disk, path, self.to_json().as_bytes())?)
    }

    /// Reads the sidecar from its text.
    ///
    /// # Errors
    /// In this order: [`Error::SidecarJson`], or [`Error::SidecarStrict`] for a member that appears twice or
    /// in another spelling, and for Base64 that only Go reads; [`Error::SidecarVersion`]; `SidecarStrict` for
    /// a member that is missing or null; for each key [`Error::SidecarKeyIdFormat`],
    /// [`Error::SidecarReservedKeyId`], [`Error::SidecarPurpose`]; for storage, then for raft,
    /// [`Error::SidecarActiveKeyMissing`], [`Error::SidecarActivePurposeMismatch`]. The reference reads null
    /// as zero: no version, no purpose.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let raw = json::read(text)?;
        if !(1..=VERSION).contains(&raw.version) {
            return Err(Error::SidecarVersion(raw.version));
        }
        raw.check_members()?;
        let mut keys = BTreeMap::new();
        for (name, entry) in raw.keys.unwrap_or_default() {
            check_name(&name)?;
            let Some(purpose) = Purpose::from_name(&entry.purpose) else {
                return Err(Error::SidecarPurpose { key: name, purpose: entry.purpose });
            };
            let json::Entry { wrapped, created, local_epoch, .. } = entry;
            let (wrapped, local_epoch) = (wrapped.unwrap_or_default(), local_epoch.unwrap_or_default());
            keys.insert(name, Entry { purpose, wrapped, created, local_epoch });
        }
        let sidecar = Self {
            raft_applied_index: raw.raft_applied_index.unwrap_or_default(),
            storage_envelope_active: raw.storage_envelope_active.unwrap_or_default(),
            storage_envelope_cutover_index: raw.storage_envelope_cutover_index.unwrap_or_default(),
            raft_envelope_cutover_index: raw.raft_envelope_cutover_index.unwrap_or_default(),
            active_storage: raw.active_storage.unwrap_or_default(),
            active_raft: raw.active_raft.unwrap_or_default(),
            keys,
        };
        sidecar.check_active()?;
        Ok(sidecar)
    }

    /// Checks that [`parse`](Self::parse) would accept it.
    ///
    /// # Errors
    /// Those of `parse`, from the keys onwards.
    pub fn check(&self) -> Result<(), Error> {
        self.keys.keys().try_for_each(|name| check_name(name).map(|_| ()))?;
        self.check_active()
    }

    fn check_active(&self) -> Result<(), Error> {
        for purpose in [Purpose::Storage, Purpose::Raft] {
            let key_id = self.active(purpose);
            if key_id == 0 {
                continue;
            }
            let entry = self.entry(key_id).ok_or(Error::SidecarActiveKeyMissing { purpose, key_id })?;
            if entry.purpose != purpose {
                return Err(Error::SidecarActivePurposeMismatch { purpose, key_id });
            }
        }
        Ok(())
    }

    /// Checks that it can be a node's: once it has any content, it has an active key of each purpose with its
    /// bytes, seals if it was cut over, and was cut over at an entry that it has applied. A sidecar that
    /// fails this may have lost a bit, and could cause values to be written in plaintext, or epochs not to
    /// rise.
    ///
    /// # Errors
    /// [`Error::SidecarInconsistent`].
    pub fn check_whole(&self) -> Result<(), Error> {
        let (storage, raft) = (self.storage_envelope_cutover_index, self.raft_envelope_cutover_index);
        let last_cutover = storage.max(raft);
        let begun = self.storage_envelope_active || !self.keys.is_empty();
        if !begun && self.raft_applied_index.max(last_cutover) == 0 {
            return Ok(());
        }
        let refused = |why| Err(Error::SidecarInconsistent(why));
        if self.active_storage == 0 || self.active_raft == 0 {
            return refused("it is in use, but one of its purposes has no active key");
        }
        if [self.active_storage, self.active_raft]
            .iter()
            .any(|active| self.entry(*active).is_some_and(|entry| entry.wrapped.is_empty()))
        {
            return refused("an active key has no bytes");
        }
        if storage != 0 && !self.storage_envelope_active {
            return refused("values were cut over, but are not sealed");
        }
        // Version 1 may omit the applied index.
        if self.raft_applied_index != 0 && self.raft_applied_index < last_cutover {
            return refused("it was cut over at an entry that it has not applied");
        }
        Ok(())
    }

    /// The active key's id; 0 for none.
    pub fn active(&self, purpose: Purpose) -> u32 {
        match purpose {
            Purpose::Storage => self.active_storage,
            Purpose::Raft => self.active_raft,
        }
    }

    /// Makes that key active.
    pub fn activate(&mut self, purpose: Purpose, key_id: u32) {
        match purpose {
            Purpose::Storage => self.active_storage = key_id,
            Purpose::Raft => self.active_raft = key_id,
        }
    }

    /// The entry of that key.
    pub fn entry(&self, key_id: u32) -> Option<&Entry> {
        self.keys.get(&key_id.to_string())
    }

    /// The entry of that key, mutable.
    pub fn entry_mut(&mut self, key_id: u32) -> Option<&mut Entry> {
        self.keys.get_mut(&key_id.to_string())
    }

    /// Every entry with the number that its name denotes, in order of number: `007` and `7` yield 7 twice.
    pub fn entries(&self) -> Vec<(u32, &Entry)> {
        let mut entries: Vec<_> =
            self.keys.iter().filter_map(|(name, entry)| Some((check_name(name).ok()?, entry))).collect();
        entries.sort_by_key(|(key_id, _)| *key_id);
        entries
    }

    /// Raises the applied index; a lower index, or 0, changes nothing.
    pub fn applied(&mut self, index: u64) {
        self.raft_applied_index = self.raft_applied_index.max(index);
    }

    /// Its JSON text, as written to the file.
    pub fn to_json(&self) -> String {
        json::write(self)
    }
}

/// The number that a key's name denotes: ASCII digits only, below 2^32, not 0.
fn check_name(name: &str) -> Result<u32, Error> {
    let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    match name.parse::<u32>() {
        Ok(0) if digits => Err(Error::SidecarReservedKeyId(name.into())),
        Ok(key_id) if digits => Ok(key_id),
        _ => Err(Error::SidecarKeyIdFormat(name.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Recorder;

    fn entry(purpose: Purpose, created: &str) -> Entry {
        Entry { purpose, wrapped: vec![0xfb, 0xff], created: created.into(), local_epoch: 3 }
    }

    pub(super) fn sample() -> Sidecar {
        let keys = [("10", Purpose::Raft), ("9", Purpose::Storage)];
        Sidecar {
            raft_applied_index: u64::MAX,
            active_storage: 9,
            active_raft: 10,
            keys: keys.map(|(name, purpose)| (name.to_owned(), entry(purpose, "now"))).into(),
            ..Sidecar::default()
        }
    }

    #[test]
    fn a_written_sidecar_reads_back_the_same() {
        let disk = Recorder::with_dir("/d");
        let path = Path::new("/d/keys.json");
        assert_eq!(Sidecar::read(&disk, path).unwrap_err().spec_name(), "ErrNotExist");
        sample().write(&disk, path).unwrap();
        assert_eq!(Sidecar::read(&disk, path).unwrap(), sample());
    }

    #[test]
    fn an_unusable_sidecar_is_refused_before_anything_is_written() {
        let disk = Recorder::with_dir("/d");
        let with = |change: fn(&mut Sidecar)| {
            let mut sidecar = sample();
            change(&mut sidecar);
            let refused = sidecar.write(&disk, Path::new("/d/keys.json")).unwrap_err();
            refused.spec_name()
        };
        assert_eq!(with(|s| s.active_storage = 8), "ErrSidecarActiveKeyMissing");
        assert_eq!(with(|s| s.active_raft = 9), "ErrSidecarActivePurposeMismatch");
        assert_eq!(
            with(|s| drop(s.keys.insert("+1".into(), entry(Purpose::Raft, "")))),
            "ErrSidecarKeyIDFormat"
        );
        assert_eq!(
            with(|s| drop(s.keys.insert("00".into(), entry(Purpose::Raft, "")))),
            "ErrSidecarReservedKeyID"
        );
        assert!(disk.steps().is_empty());
    }

    #[test]
    fn keys_are_sorted_by_number_and_a_leading_zero_is_another_name() {
        let mut sidecar = sample();
        sidecar.keys.insert("009".into(), entry(Purpose::Storage, ""));
        let ids: Vec<_> = sidecar.entries().into_iter().map(|(key_id, _)| key_id).collect();
        assert_eq!(ids, [9, 9, 10]);
        assert_eq!(sidecar.entry(9).unwrap().created, "now");
        sidecar.applied(0);
        assert_eq!(sidecar.raft_applied_index, u64::MAX);
    }

    #[test]
    fn debug_shows_no_wrapped_bytes() {
        assert!(format!("{:?}", sample()).contains("wrapped: 2 bytes"));
    }
}
