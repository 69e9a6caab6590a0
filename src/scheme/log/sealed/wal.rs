//! The WAL that a run appends to.

use std::path::PathBuf;

use super::chain::{self, Place};
use super::error::Error;
use super::key::{FileId, FileKey};
use super::note::Note;
use super::remove_if_there;
use super::replay::io;
use super::table::Of;
use crate::disk::OpenFile;
use crate::envelope::NonceSource;

/// The WAL that is appended to.
pub(super) struct Wal {
    pub id: FileId,
    pub key: FileKey,
    pub file: Box<dyn OpenFile>,
    pub path: PathBuf,
    /// Bytes written.
    pub size: u64,
}

impl Wal {
    /// Creates a WAL with its first frame; both file and name are durable afterwards. A file of this name
    /// that no head includes is replaced.
    pub fn start(
        of: Of<'_>,
        number: u64,
        epoch: u32,
        nonces: &NonceSource,
        place: Place,
        head: u64,
    ) -> Result<(Self, Place), Error> {
        let id = FileId::wal(number);
        let (header, key) = of.key.begin(of.log, id, epoch)?;
        let mut bytes = header.bytes.to_vec();
        let at = chain::begin(&mut bytes, Note::Start.len());
        Note::Start.encode(head, &mut bytes);
        let place = chain::seal(&key, nonces, id, place, &mut bytes, at)?;
        let path = of.dir.join(id.name());
        remove_if_there(of.disk, &path)?;
        let mut new = of.disk.create(&path).map_err(io("creating", &path))?;
        new.write_all(&bytes).map_err(io("writing", &path))?;
        new.sync().map_err(io("syncing", &path))?;
        drop(new);
        of.disk.sync_dir(of.dir).map_err(io("syncing the folder", of.dir))?;
        let file = of.disk.open(&path).map_err(io("opening", &path))?;
        Ok((Self { id, key, file, path, size: bytes.len() as u64 }, place))
    }
}
