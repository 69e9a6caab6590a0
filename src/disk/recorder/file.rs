//! A file of the recorder: its bytes as read, its bytes on the medium, and the changes between the two.

use std::path::PathBuf;

use super::Fault;
use super::image::Image;

#[derive(Clone, Default, Debug)]
pub(super) struct File {
    /// The name under which it was created.
    pub(super) path: PathBuf,
    /// The content that readers see.
    pub(super) now: Image,
    /// The content that is certainly on the medium.
    pub(super) synced: Image,
    /// The changes between the two.
    pub(super) unsynced: Vec<Edit>,
    /// Whether a sync failed, after which no later sync helps.
    pub(super) lost: bool,
    /// Whether its medium keeps every earlier state of the file.
    pub(super) keeps: bool,
    /// Those states, if the medium keeps them.
    pub(super) kept: Vec<Image>,
    /// Whether it is open for writing in place.
    pub(super) held: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl File {
    /// Changes the content that readers see, and possibly the medium.
    pub(super) fn edit(&mut self, edit: Edit) {
        if self.keeps {
            self.kept.push(self.now.clone());
        }
        edit.make(&mut self.now);
        self.unsynced.push(edit);
    }

    /// Performs a write as its fault allows: all of it, half or nothing.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8], fault: Option<Fault>) {
        let done = match fault {
            None => bytes,
            Some(Fault::NoSpace) => &bytes[..bytes.len() / 2],
            Some(_) => return,
        };
        self.edit(Edit::Write(at, done.to_vec()));
    }

    pub(super) fn sync(&mut self, fault: Option<Fault>) {
        self.lost |= fault.is_some();
        if !self.lost {
            self.synced = self.now.clone();
            self.unsynced.clear();
        }
    }

    pub(super) fn left(&self, edits: usize, choose: &mut dyn FnMut(usize) -> usize) -> Image {
        let mut left = self.synced.clone();
        let (made, varying) = self.unsynced.split_at(self.unsynced.len().saturating_sub(edits));
        made.iter().for_each(|edit| edit.make(&mut left));
        varying.iter().for_each(|edit| edit.choose(&mut left, choose));
        left
    }
}

impl Edit {
    pub(super) fn make(&self, image: &mut Image) {
        match self {
            Self::Write(at, bytes) => image.write(*at, bytes),
            Self::SetLen(len) => image.set_len(*len),
        }
    }

    fn choose(&self, image: &mut Image, choose: &mut dyn FnMut(usize) -> usize) {
        match self {
            Self::SetLen(len) => {
                if choose(2) == 1 {
                    image.set_len(*len);
                }
            }
            Self::Write(at, bytes) => {
                let longer = at + bytes.len() > image.len();
                match choose(if longer { 4 } else { 3 }) {
                    0 => {}
                    1 => image.write(*at, &bytes[..bytes.len() / 2]),
                    2 if longer => image.write(*at, &vec![0; bytes.len()]),
                    _ => image.write(*at, bytes),
                }
            }
        }
    }
}
