//! A number in a file that only ever increases, so that no two runs of a process use the same nonces.
//!
//! The file has 24 bytes: `smepoch1`, the epoch as a big-endian `u64`, and its complement. A file of zeros, a
//! truncated file and a file with any single byte altered are therefore detected as damaged. The file is
//! replaced as a whole and is on the medium before the new epoch is issued. The file alone cannot reveal that
//! it was restored from a backup: the caller passes the highest epoch seen in the rest of its state, and an
//! older file is refused. Not here: locking. One process at a time may hold a folder's epoch, by a lock on
//! another file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, Error, durable_write, read};

const MAGIC: &[u8; 8] = b"smepoch1";
const FILE_LEN: usize = 24;

/// Why no epoch could be read or issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] Error),
    /// The file is missing, but there was one.
    #[error(
        "{}: the epoch file is missing, and a new one would issue the same epochs again: \
         write nothing more to this state, and continue with new keys",
        path.display()
    )]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is already a file where the first one is to be created.
    #[error(
        "{}: there is already an epoch file: open it, or create the new state in an empty folder",
        path.display()
    )]
    AlreadyThere {
        /// The path.
        path: PathBuf,
    },
    /// The file does not hold what was written.
    #[error(
        "{}: the epoch file is damaged ({why}): continue with new keys, and do not restore a backup",
        path.display()
    )]
    Damaged {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A later epoch than the file's has already been issued.
    #[error(
        "{}: the epoch file says {found}, but epoch {at_least} was already used: it was restored from a \
         backup; continue with new keys",
        path.display()
    )]
    Older {
        /// The path.
        path: PathBuf,
        /// The epoch in the file.
        found: u64,
        /// The lowest acceptable epoch.
        at_least: u64,
    },
    /// There is no later epoch.
    #[error("{}: all epochs up to {last} are used: continue with new keys", path.display())]
    UsedUp {
        /// The path.
        path: PathBuf,
        /// The last epoch.
        last: u64,
    },
}

/// The epoch file of a folder's state.
#[derive(Debug)]
pub struct EpochFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    last: u64,
}

impl EpochFile {
    /// The epoch file at this path; `last` is the highest epoch that fits into its field of the nonce.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>, last: u64) -> Self {
        Self { disk, path: path.into(), last }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file with epoch 0, which is never issued: [`advance`](Self::advance) issues the first one.
    ///
    /// # Errors
    /// [`EpochError::AlreadyThere`], with nothing written; [`EpochError::Disk`], after which the file may or
    /// may not exist.
    pub fn create(&mut self) -> Result<(), EpochError> {
        let there = self.disk.exists(&self.path);
        if there.map_err(super::durable::io_error("looking for", &self.path))? {
            return Err(EpochError::AlreadyThere { path: self.path.clone() });
        }
        Ok(durable_write(&*self.disk, &self.path, &encode(0))?)
    }

    /// The epoch last written, if it is at least `at_least`, the highest epoch seen in the rest of the state.
    ///
    /// # Errors
    /// [`EpochError::Missing`], [`EpochError::Damaged`], [`EpochError::Older`], [`EpochError::Disk`].
    pub fn read(&self, at_least: u64) -> Result<u64, EpochError> {
        let path = || self.path.clone();
        let bytes = match read(&*self.disk, &self.path) {
            Err(error) if error.is_not_found() => return Err(EpochError::Missing { path: path() }),
            read => read?,
        };
        let found = decode(&bytes).map_err(|why| EpochError::Damaged { path: path(), why })?;
        if found < at_least {
            return Err(EpochError::Older { path: path(), found, at_least });
        }
        Ok(found)
    }

    /// Issues the next epoch once it is on the medium. After an error it was not issued, and the next call
    /// may issue it.
    ///
    /// # Errors
    /// As for [`read`](Self::read); [`EpochError::UsedUp`], with nothing written.
    pub fn advance(&mut self, at_least: u64) -> Result<u64, EpochError> {
        let epoch = self.read(at_least)?;
        if epoch >= self.last {
            return Err(EpochError::UsedUp { path: self.path.clone(), last: self.last });
        }
        durable_write(&*self.disk, &self.path, &encode(epoch + 1))?;
        Ok(epoch + 1)
    }
}

fn encode(epoch: u64) -> [u8; FILE_LEN] {
    let mut bytes = [0; FILE_LEN];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&epoch.to_be_bytes());
    bytes[16..].copy_from_slice(&(!epoch).to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<u64, &'static str> {
    let bytes: &[u8; FILE_LEN] = bytes.try_into().map_err(|_| "it is not 24 bytes long")?;
    let (magic, numbers) = bytes.split_at(8);
    if magic != MAGIC {
        return Err("it does not start with smepoch1");
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let (epoch, complement) = (number(&numbers[..8]), number(&numbers[8..]));
    if epoch == !complement { Ok(epoch) } else { Err("its epoch and complement do not match") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Fault, Recorder};

    const PATH: &str = "/log/epoch";

    fn file(disk: &Recorder) -> EpochFile {
        EpochFile::new(Arc::new(disk.clone()), PATH, u64::MAX)
    }

    /// A disk whose epoch was raised `times` times.
    fn raised(times: u64) -> Recorder {
        let disk = Recorder::with_dir("/log");
        file(&disk).create().unwrap();
        for epoch in 1..=times {
            assert_eq!(file(&disk).advance(epoch - 1).unwrap(), epoch);
        }
        disk
    }

    fn holding(bytes: &[u8]) -> Recorder {
        Recorder::with_files("/log", [(PathBuf::from(PATH), bytes.to_vec())])
    }

    #[test]
    fn each_run_gets_the_next_epoch_and_the_first_is_one() {
        let disk = raised(3);
        assert_eq!(file(&disk).read(0).unwrap(), 3);
        assert_eq!(
            disk.read(Path::new(PATH)).unwrap(),
            *b"smepoch1\0\0\0\0\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xfc"
        );
    }

    #[test]
    fn a_missing_an_older_and_an_exhausted_epoch_are_refused_by_name_and_nothing_is_written() {
        let disk = Recorder::with_dir("/log");
        assert!(matches!(file(&disk).advance(0), Err(EpochError::Missing { .. })));
        let disk = raised(3);
        let steps = disk.steps().len();
        let older = file(&disk).advance(4);
        assert!(matches!(older, Err(EpochError::Older { found: 3, at_least: 4, .. })), "{older:?}");
        assert!(matches!(file(&disk).create(), Err(EpochError::AlreadyThere { .. })));
        let full = EpochFile::new(Arc::new(disk.clone()), PATH, 3).advance(3);
        assert!(matches!(full, Err(EpochError::UsedUp { last: 3, .. })), "{full:?}");
        let most = holding(&encode(u64::MAX));
        assert!(matches!(file(&most).advance(0), Err(EpochError::UsedUp { last: u64::MAX, .. })));
        assert_eq!((disk.steps().len(), most.steps().len()), (steps, 0));
    }

    #[test]
    fn a_file_truncated_zeroed_or_altered_anywhere_is_damaged() {
        let whole = encode(7);
        for cut in 0..FILE_LEN {
            for bytes in [whole[..cut].to_vec(), [&whole[..cut], &[0; FILE_LEN][cut..]].concat()] {
                let read = file(&holding(&bytes)).read(0);
                assert!(matches!(read, Err(EpochError::Damaged { .. })), "{cut}: {read:?}");
            }
            for bit in 0..8 {
                let mut altered = whole;
                altered[cut] ^= 1 << bit;
                let read = file(&holding(&altered)).advance(0);
                assert!(matches!(read, Err(EpochError::Damaged { .. })), "byte {cut}: {read:?}");
            }
        }
        let longer = [&whole[..], b"\n"].concat();
        assert!(matches!(file(&holding(&longer)).read(0), Err(EpochError::Damaged { .. })));
    }

    #[test]
    fn a_power_cut_at_any_step_never_issues_an_epoch_twice() {
        let mut states = 0;
        // Two runs of six steps each, cut anywhere; then continue from every state that may be left.
        for cut in 0..=12 {
            let disk = raised(5);
            disk.plan(disk.steps().len() + cut, Fault::Power);
            let given = (0..2).map_while(|_| file(&disk).advance(5).ok()).max().unwrap_or(5);
            assert_eq!(given, 5 + cut as u64 / 6);
            for left in disk.after_power_loss() {
                let next = file(&left).advance(given).unwrap();
                assert!(next > given && next <= given + 2, "{cut}: {next} after {given}");
                states += 1;
            }
        }
        assert!(states >= 26, "{states} states");
    }

    #[test]
    fn an_interrupted_creation_leaves_epoch_0_or_no_file() {
        let (mut with, mut without) = (0, 0);
        for cut in 0..=6 {
            let disk = Recorder::with_dir("/log");
            disk.plan(cut, Fault::Power);
            assert_eq!(file(&disk).create().is_ok(), cut == 6);
            for left in disk.after_power_loss() {
                match file(&left).read(0) {
                    Ok(0) => with += 1,
                    Err(EpochError::Missing { .. }) if cut < 6 => without += 1,
                    other => panic!("{cut}: {other:?}"),
                }
            }
        }
        assert!(with > 1 && without > 5, "{with} with, {without} without");
    }

    #[test]
    fn a_failed_step_issues_no_epoch_and_the_next_run_continues() {
        for step in 1..6 {
            for fault in [Fault::Io, Fault::NoSpace] {
                let disk = raised(5);
                disk.plan(disk.steps().len() + step, fault);
                let failed = file(&disk).advance(5);
                assert!(matches!(failed, Err(EpochError::Disk(_))), "{step}: {failed:?}");
                let next = file(&disk).advance(5).unwrap();
                assert!((6..=7).contains(&next), "{step}: {next}");
            }
        }
    }
}
