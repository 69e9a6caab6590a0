//! A process that ends while the machine runs on.

use std::sync::{Arc, Mutex};

use super::{Recorder, State};

impl Recorder {
    /// A copy of the disk as the next process finds it after a kill: readers see every change, and the
    /// changes that were not synced still may not survive a power loss. A file whose sync failed stays lost.
    /// No file is open, no fault is planned, and the count of steps starts over.
    pub fn after_kill(&self) -> Self {
        let before = self.state();
        let mut files = before.files.clone();
        files.iter_mut().filter(|file| file.held).for_each(|file| Arc::make_mut(file).held = false);
        let state = State {
            dirs: before.dirs.clone(),
            files,
            names: before.names.clone(),
            synced_names: before.synced_names.clone(),
            unsynced: before.unsynced.clone(),
            medium: before.medium,
            ghosts: before.ghosts.clone(),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::disk::{Disk, Fault, NewFile};

    fn write(disk: &Recorder, path: &str) -> Box<dyn NewFile> {
        let mut file = disk.create(Path::new(path)).unwrap();
        file.write_all(b"1234").unwrap();
        file
    }

    fn contents(disk: &Recorder, path: &str) -> BTreeSet<Option<Vec<u8>>> {
        disk.after_power_loss().iter().map(|left| left.read(Path::new(path)).ok()).collect()
    }

    #[test]
    fn a_kill_loses_nothing_and_syncs_nothing() {
        let disk = Recorder::with_dir("/d");
        let path = Path::new("/d/a");
        write(&disk, "/d/a");
        let held = disk.open(path).unwrap();
        disk.plan(disk.steps().len(), Fault::Power);
        assert!(held.sync().is_err() && disk.read(path).is_err());
        let killed = disk.after_kill();
        assert_eq!((killed.read(path).unwrap(), killed.steps().len()), (b"1234".to_vec(), 0));
        assert_eq!(contents(&killed, "/d/a").len(), 5, "no name, or one of four contents");
        killed.open(path).unwrap().sync().unwrap();
        killed.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(contents(&killed, "/d/a"), [Some(b"1234".to_vec())].into());
        assert!(contents(&disk, "/d/a").contains(&None), "a copy: the disk before is as it was");
    }

    #[test]
    fn a_file_whose_sync_failed_stays_lost_after_a_kill_and_not_after_a_restart() {
        let disk = Recorder::with_dir("/d");
        let mut file = write(&disk, "/d/a");
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.plan(disk.steps().len(), Fault::Io);
        assert!(file.sync().is_err());
        for (left, lost) in [(disk.after_kill(), true), (disk.after_restart(), false)] {
            left.open(Path::new("/d/a")).unwrap().sync().unwrap();
            assert_eq!(contents(&left, "/d/a").contains(&Some(Vec::new())), lost);
        }
    }
}
