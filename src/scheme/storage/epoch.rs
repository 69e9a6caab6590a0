//! The epoch, which keeps the nonces of two process loads apart (spec §3).
//!
//! Follows elastickv `internal/encryption/local_epoch.go`. On every load, the epoch of a key rises by one,
//! durably, before the first nonce. The warning above 0xFF00 is ours.
//!
//! A new key continues from the epoch of the process that receives it. A node id therefore allows 65,535
//! starts in all, and no rotation adds more: a node that nears the end leaves and joins again under a new
//! raft id.

use super::{Error, SidecarFile};

/// The last epoch; a node that has reached it cannot start again under its id.
pub const LAST: u16 = 0xffff;
/// Above this, epochs are nearly used up: let the node join again under a new raft id.
pub const WARN_ABOVE: u16 = 0xff00;

/// Raises the epoch of a key by one and returns it once it is durable.
///
/// # Errors
/// Those of [`Sidecar::read`](super::Sidecar::read); [`Error::KeyNotInSidecar`];
/// [`Error::LocalEpochExhausted`] at [`LAST`], with the file untouched; then those of
/// [`Sidecar::write`](super::Sidecar::write).
pub fn bump(file: &SidecarFile, key_id: u32) -> Result<u16, Error> {
    file.update(|sidecar| {
        let entry = sidecar.entry_mut(key_id).ok_or(Error::KeyNotInSidecar(key_id))?;
        entry.local_epoch = entry.local_epoch.checked_add(1).ok_or(Error::LocalEpochExhausted(key_id))?;
        Ok(entry.local_epoch)
    })
}

/// Whether so few epochs remain that the node should join again under a new raft id.
pub const fn nearly_used_up(epoch: u16) -> bool {
    epoch > WARN_ABOVE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::storage::testing::{FILE, sidecar_with};

    #[test]
    fn the_last_epoch_is_reached_and_not_passed() {
        let (disk, file) = sidecar_with(|sidecar| sidecar.entry_mut(1).unwrap().local_epoch = LAST - 1);
        assert_eq!(bump(&file, 1).unwrap(), LAST);
        let before = disk.steps().len();
        assert!(matches!(bump(&file, 1), Err(Error::LocalEpochExhausted(1))));
        assert!(matches!(bump(&file, 0), Err(Error::KeyNotInSidecar(0))));
        assert!(matches!(bump(&file, 99), Err(Error::KeyNotInSidecar(99))));
        assert_eq!(disk.steps().len(), before, "{FILE} is not touched");
        assert_eq!(file.read().unwrap().entry(1).unwrap().local_epoch, LAST);
    }

    #[test]
    fn the_warning_begins_above_ff00() {
        assert!(!nearly_used_up(WARN_ABOVE) && nearly_used_up(WARN_ABOVE + 1) && nearly_used_up(LAST));
    }
}
