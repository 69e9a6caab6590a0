//! Bytes that the medium still holds after they were removed, truncated or overwritten.
//!
//! Removing a name or truncating a file erases nothing; overwriting erases only once it is synced. So a
//! secret is gone from an in-place medium when every place that held it has been overwritten and synced; on a
//! copy-on-write medium (some file systems, every data journal, all flash) it is never gone. If it is
//! uncertain whether a write reached the medium, both old and new bytes count as held. Not here: reuse of
//! freed blocks by other files, which may erase bytes by chance.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Recorder;
use super::file::File;
use super::image::Image;

/// What happens to overwritten bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Medium {
    /// They are gone once the new bytes are synced.
    #[default]
    InPlace,
    /// They remain elsewhere on the medium for good.
    CopyOnWrite,
}

/// Bytes that the medium holds, or may hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remnant {
    /// The name of the file that they were written to: its name when it was created, or at the last power
    /// loss.
    pub path: PathBuf,
    /// Whether that file still has a name. Its bytes are held in either case.
    pub named: bool,
    /// Their offset in the file.
    pub at: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Remnant {
    /// Whether it contains these bytes contiguously. Every remnant contains the empty sequence.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        bytes.is_empty() || self.bytes.windows(bytes.len()).any(|window| window == bytes)
    }
}

impl File {
    /// Every state of the file that the medium may hold: as last synced, after each change since, and every
    /// earlier state kept by a copy-on-write medium.
    pub(super) fn held_images(&self) -> Vec<Image> {
        let mut images = self.kept.clone();
        let mut image = self.synced.clone();
        for edit in &self.unsynced {
            let before = image.clone();
            edit.make(&mut image);
            images.push(before);
        }
        images.push(image);
        images
    }
}

/// The bytes of these states and those truncated from their ends, without duplicates.
fn remnants(path: &Path, named: bool, images: &[Image], found: &mut Vec<Remnant>) {
    let first = found.len();
    let mut add = |at: usize, bytes: Vec<u8>| {
        let new = |remnant: &Remnant| remnant.at != at || remnant.bytes != bytes;
        if !bytes.is_empty() && found[first..].iter().all(new) {
            found.push(Remnant { path: path.into(), named, at, bytes });
        }
    };
    for image in images {
        add(0, image.to_vec());
        image.cut_off().iter().for_each(|(at, bytes)| add(*at, bytes.to_vec()));
    }
}

impl Recorder {
    /// Moves the disk to another kind of medium from now on.
    #[must_use]
    pub fn on(self, medium: Medium) -> Self {
        let mut state = self.state();
        state.medium = medium;
        let keeps = medium == Medium::CopyOnWrite;
        state.files.iter_mut().for_each(|file| Arc::make_mut(file).keeps = keeps);
        drop(state);
        self
    }

    /// Everything that a reader of the raw medium may find, including complete states of files: of files with
    /// a name, of files that lost theirs, and of earlier contents.
    pub fn remanence(&self) -> Vec<Remnant> {
        let state = self.state();
        let mut found = Vec::new();
        for ghost in &state.ghosts {
            remnants(&ghost.path, false, &ghost.held_images(), &mut found);
        }
        for (i, file) in state.files.iter().enumerate() {
            let named = state.names.values().any(|of| *of == i);
            remnants(&file.path, named, &file.held_images(), &mut found);
        }
        found
    }

    /// Whether the medium may still hold these bytes contiguously.
    pub fn still_holds(&self, bytes: &[u8]) -> bool {
        self.remanence().iter().any(|remnant| remnant.holds(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, Fault, durable_write};

    const KEY: &[u8] = b"a wrapped key of a round that is over";
    const FILE: &str = "/keys/slots";

    fn path() -> &'static Path {
        Path::new(FILE)
    }

    fn with_key() -> Recorder {
        let disk = Recorder::with_dir("/keys");
        durable_write(&disk, path(), &[&[1; 100], KEY, &[2; 100]].concat()).unwrap();
        disk
    }

    #[test]
    fn a_file_that_is_replaced_by_a_rename_or_removed_is_still_on_the_medium() {
        for change in [0, 1] {
            let disk = with_key();
            match change {
                0 => durable_write(&disk, path(), &[0; 300]).unwrap(),
                _ => disk.remove(path()).and_then(|()| disk.sync_dir(Path::new("/keys"))).unwrap(),
            }
            assert!(disk.read(path()).is_ok_and(|bytes| bytes == [0; 300]) == (change == 0));
            let holding: Vec<_> = disk.remanence().into_iter().filter(|left| left.holds(KEY)).collect();
            assert_eq!(holding.len(), 1);
            assert_eq!(
                (holding[0].named, holding[0].at, holding[0].bytes.len()),
                (false, 0, 200 + KEY.len())
            );
            // Neither a power loss nor a restart erases it.
            let after = disk.after_power_loss().into_iter().chain([disk.after_restart()]);
            for left in after.flat_map(|left| [left.after_restart(), left]) {
                assert!(left.still_holds(KEY));
            }
        }
    }

    #[test]
    fn overwriting_in_place_erases_once_it_is_synced() {
        let disk = with_key();
        let file = disk.open(path()).unwrap();
        file.write_at(100, &[0; KEY.len()]).unwrap();
        assert!(!disk.read(path()).unwrap().windows(KEY.len()).any(|window| window == KEY));
        assert!(disk.still_holds(KEY), "the write may not have reached the medium");
        file.sync().unwrap();
        assert!(!disk.still_holds(KEY));
        assert!(disk.still_holds(&[2; 100]), "the rest is there");
        assert!(!disk.still_holds(&KEY[..8]));
    }

    #[test]
    fn overwriting_a_part_leaves_the_rest() {
        let disk = with_key();
        let file = disk.open(path()).unwrap();
        file.write_at(100, &[0; 10]).unwrap();
        file.sync().unwrap();
        assert!(!disk.still_holds(KEY) && disk.still_holds(&KEY[10..]));
    }

    #[test]
    fn truncated_bytes_remain_and_extending_the_file_again_does_not_erase_them() {
        let disk = with_key();
        let file = disk.open(path()).unwrap();
        file.set_size(50).unwrap();
        file.sync().unwrap();
        assert!(disk.still_holds(KEY));
        file.write_at(0, &[3; 300]).unwrap();
        file.sync().unwrap();
        assert!(disk.still_holds(KEY), "the new bytes may lie elsewhere");
        let cut = disk.remanence().into_iter().find(|left| left.holds(KEY)).unwrap();
        assert_eq!((cut.at, cut.bytes.len(), cut.named), (50, 150 + KEY.len(), true));
    }

    #[test]
    fn a_sync_that_failed_leaves_the_old_bytes_and_the_new() {
        let disk = with_key();
        let file = disk.open(path()).unwrap();
        file.write_at(100, b"the bytes that were written over it!!").unwrap();
        disk.plan(disk.steps().len(), Fault::Io);
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert!(disk.still_holds(KEY) && disk.still_holds(b"written over it"));
    }

    #[test]
    fn a_power_loss_while_overwriting_leaves_only_what_the_disk_then_reads() {
        let disk = with_key();
        disk.open(path()).unwrap().write_at(100, &[0; KEY.len()]).unwrap();
        let (mut old, mut new) = (0, 0);
        for left in disk.after_power_loss() {
            let reads = left.read(path()).unwrap().windows(KEY.len()).any(|window| window == KEY);
            assert_eq!(left.still_holds(KEY), reads);
            old += usize::from(reads);
            new += usize::from(!reads);
            // The next process overwrites the key again, and then it is gone.
            let file = left.open(path()).unwrap();
            file.write_at(100, &[0; KEY.len()]).unwrap();
            file.sync().unwrap();
            assert!(!left.still_holds(KEY) && !left.still_holds(&KEY[KEY.len() / 2..]));
        }
        assert!(old >= 1 && new >= 1, "{old} old, {new} new");
    }

    #[test]
    fn a_medium_that_copies_on_write_forgets_nothing() {
        let disk = with_key().on(Medium::CopyOnWrite);
        let file = disk.open(path()).unwrap();
        file.write_at(100, &[0; KEY.len()]).unwrap();
        file.sync().unwrap();
        assert!(disk.still_holds(KEY));
        drop(file);
        let after = disk.after_restart();
        assert!(after.still_holds(KEY), "a restart does not erase it either");
        let file = after.open(path()).unwrap();
        file.write_at(0, &[9; 5]).unwrap();
        file.sync().unwrap();
        assert!(
            after.after_power_loss().iter().all(|left| left.still_holds(KEY) && left.still_holds(&[1; 100]))
        );
    }

    #[test]
    fn given_files_are_on_the_medium_and_synced() {
        let files = [(PathBuf::from(FILE), KEY.to_vec()), (PathBuf::from("/keys/deep/x"), b"x".to_vec())];
        let disk = Recorder::with_files("/keys", files);
        assert_eq!(disk.steps(), []);
        assert_eq!(disk.after_power_loss().len(), 1);
        assert_eq!(disk.read(path()).unwrap(), KEY);
        assert!(disk.still_holds(KEY));
        assert_eq!(disk.list(Path::new("/keys")).unwrap(), ["deep", "slots"]);
        assert_eq!(disk.list(Path::new("/keys/deep")).unwrap(), ["x"]);
        assert_eq!(disk.list(Path::new("/none")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        durable_write(&disk, Path::new("/keys/deep/x"), b"y").unwrap();
    }
}
