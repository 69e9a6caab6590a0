//! Crypto-shredding, for a medium that keeps overwritten bytes ([`KEPT`](super::slots::KEPT)).
//!
//! Each round has a mask, 32 random bytes that are used once. The record then wraps the key XOR the mask,
//! so erasing the mask erases the key, although the medium of the records keeps every record and somebody
//! has the master key. The masks must lie where bytes can be erased: in memory that is lost with the power,
//! in a hardware module, or in a [`ShredFile`] on a medium that overwrites in place.

use std::fmt;
use std::path::{Path, PathBuf};

use super::slots::{Entry, Slots};
use super::{Error, Record, RoundId};
use crate::disk::Disk;
use crate::envelope::wrap::{KEY_LEN, SecretKey, WRAPPED_LEN};

/// A place for masks that can erase them.
pub trait Shred: Send + Sync + fmt::Debug {
    /// A fresh mask for a round, durable when this returns.
    ///
    /// # Errors
    /// The place's own.
    fn create(&self, round: &RoundId) -> Result<SecretKey, Error>;

    /// The round's mask; `None` if it has none.
    ///
    /// # Errors
    /// The place's own.
    fn read(&self, round: &RoundId) -> Result<Option<SecretKey>, Error>;

    /// Erases the round's mask, for good when this returns. A round without one is no error.
    ///
    /// # Errors
    /// The place's own.
    fn erase(&self, round: &RoundId) -> Result<(), Error>;

    /// The rounds that have a mask.
    ///
    /// # Errors
    /// The place's own.
    fn rounds(&self) -> Result<Vec<RoundId>, Error>;
}

/// Masks in a file of slots, in a folder of the user's choice on a medium that overwrites in place.
#[derive(Debug)]
pub struct ShredFile(Slots);

impl ShredFile {
    /// The file's name in its folder.
    pub const NAME: &str = "round-masks";

    /// Opens the file in this folder, or creates it.
    ///
    /// # Errors
    /// Those of [`Slots::open`].
    pub fn open(disk: &dyn Disk, folder: &Path) -> Result<Self, Error> {
        let path: PathBuf = folder.join(Self::NAME);
        Ok(Self(Slots::open(disk, &path)?.0))
    }
}

impl Shred for ShredFile {
    fn create(&self, round: &RoundId) -> Result<SecretKey, Error> {
        let mask = SecretKey::random()?;
        // The slot is made for a wrapped key; a mask takes its first bytes.
        let mut record = Record::new(&[0; WRAPPED_LEN]);
        record.0[..KEY_LEN].copy_from_slice(&mask[..]);
        self.0.create(&Entry { round: round.clone(), record, deadline: u64::MAX })?;
        Ok(mask)
    }

    fn read(&self, round: &RoundId) -> Result<Option<SecretKey>, Error> {
        let Some(entry) = self.0.read(round)? else { return Ok(None) };
        let mut mask = SecretKey::default();
        mask.copy_from_slice(&entry.record.0[..KEY_LEN]);
        Ok(Some(mask))
    }

    fn erase(&self, round: &RoundId) -> Result<(), Error> {
        self.0.purge(round).map(drop)
    }

    fn rounds(&self) -> Result<Vec<RoundId>, Error> {
        Ok(self.0.rounds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Recorder;
    use crate::scheme::ephemeral::testing::round;

    #[test]
    fn a_mask_is_found_after_a_restart_until_it_is_erased_from_the_medium() {
        let disk = Recorder::with_dir("/usb");
        let open = || ShredFile::open(&disk, Path::new("/usb")).unwrap();
        let masks = open();
        let mask = masks.create(&round(1)).unwrap();
        let other = masks.create(&round(2)).unwrap();
        assert_ne!(mask[..], other[..]);
        drop(masks);
        let masks = open();
        assert_eq!(masks.read(&round(1)).unwrap().unwrap()[..], mask[..]);
        assert!(disk.still_holds(&mask[..]));
        masks.erase(&round(1)).unwrap();
        masks.erase(&round(1)).unwrap();
        assert!(masks.read(&round(1)).unwrap().is_none() && !disk.still_holds(&mask[..]));
        assert_eq!(masks.rounds().unwrap(), [round(2)]);
    }
}
