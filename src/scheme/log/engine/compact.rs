//! Merging all tables into one. The newest entry of a key wins, tombstones too.

use std::sync::Arc;

use super::super::Error;
use super::super::table::{Entries, Entry, Writer};
use super::state::TableFile;
use super::{Engine, folder, open_table};
use crate::disk::{Disk, Replacement};

impl Engine {
    /// Flushes, then merges all tables into a new one and removes them. A power cut in between leaves both,
    /// which read the same.
    ///
    /// # Errors
    /// The damage in a table, with every table still there; the disk's error; [`Error::Stopped`].
    pub fn compact(&mut self) -> Result<(), Error> {
        self.flush()?;
        let inputs = Arc::clone(&self.view.read().tables);
        if inputs.len() <= 1 {
            return Ok(());
        }
        let after = folder::next(self.next_table)?;
        let path = self.folder.table(self.next_table);
        self.next_table = after;
        let mut replacement = Replacement::begin(&*self.disk, &path)?;
        let mut out = |bytes: &[u8]| Ok(replacement.write_all(bytes)?);
        let mut writer = Writer::new(self.options.block_size, &mut out)?;
        merge(&inputs, &mut |entry| writer.add(entry))?;
        writer.finish()?;
        replacement.commit()?;
        let output = open_table(&*self.disk, path, &self.cache)?;
        self.view.write().tables = Arc::new(vec![output]);
        for input in inputs.iter() {
            self.disk.remove(&input.path).map_err(Error::disk("removing", &input.path))?;
        }
        let dir = &self.folder.tables;
        self.disk.sync_dir(dir).map_err(Error::disk("syncing the folder", dir))
    }
}

/// A table's entries, and the one that is next.
struct Source<'a> {
    file: &'a TableFile,
    entries: Entries<'a>,
    next: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Source<'_> {
    fn advance(&mut self) -> Result<(), Error> {
        let next = self.entries.next().map_err(|error| error.in_file(&self.file.path))?;
        self.next = next.map(|entry| (entry.key.to_vec(), entry.value.map(<[u8]>::to_vec)));
        Ok(())
    }
}

/// Delivers every key once, in order, with its newest entry.
fn merge(
    oldest_first: &[Arc<TableFile>],
    deliver: &mut dyn FnMut(Entry<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let sources = oldest_first.iter().map(|file| {
        let mut source = Source { file, entries: file.table.entries(), next: None };
        source.advance().map(|()| source)
    });
    let mut sources = sources.collect::<Result<Vec<_>, _>>()?;
    loop {
        let keys = sources.iter().filter_map(|source| source.next.as_ref().map(|(key, _)| key));
        let Some(key) = keys.min().cloned() else { return Ok(()) };
        let mut newest = None;
        for source in &mut sources {
            if source.next.as_ref().is_some_and(|(next, _)| *next == key) {
                newest = source.next.take();
                source.advance()?;
            }
        }
        if let Some((key, value)) = newest {
            deliver(Entry { key: &key, value: value.as_deref() })?;
        }
    }
}
