//! Where a snapshot comes from: something that can be read from its beginning to its end.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::{Zeroize, Zeroizing};

use super::reading::fill;
use super::{BoxError, Error};

/// Gives snapshots, one after the other, to any thread.
pub trait Source: Send + Sync {
    /// A snapshot, to be read once from its beginning.
    ///
    /// # Errors
    /// The source's own.
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError>;

    /// A whole snapshot, as the compatible stream needs it.
    ///
    /// # Errors
    /// The source's own; also if the snapshot has more than 2^32 - 1 bytes.
    fn snapshot(&self) -> Result<Zeroizing<Vec<u8>>, BoxError> {
        let mut whole = Growing::default();
        let mut from = self.open()?;
        let mut piece = Zeroizing::new(vec![0; 64 * 1024]);
        loop {
            match fill(&mut *from, &mut piece)? {
                0 => return Ok(whole.0),
                read => whole.append(&piece[..read]),
            }
            total_len(whole.0.len())?;
        }
    }
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
        (**self).open()
    }

    fn snapshot(&self) -> Result<Zeroizing<Vec<u8>>, BoxError> {
        (**self).snapshot()
    }
}

/// A source's whole snapshot; a panic counts as an error of the source.
///
/// # Errors
/// [`Error::Source`].
pub(super) fn take(source: &dyn Source) -> Result<Zeroizing<Vec<u8>>, Error> {
    catch_unwind(AssertUnwindSafe(|| source.snapshot()))
        .unwrap_or_else(|_| Err("the source panicked".into()))
        .map_err(Error::Source)
}

/// The length of a snapshot as the compatible header has it.
///
/// # Errors
/// [`Error::Source`] if it does not fit into 32 bits.
pub(super) fn total_len(len: usize) -> Result<u32, Error> {
    u32::try_from(len).map_err(|_| {
        Error::Source(format!("the snapshot has {len} bytes: this format holds at most {}", u32::MAX).into())
    })
}

/// Bytes that are wiped when dropped, and when they move because they outgrow their place.
#[derive(Default)]
pub(super) struct Growing(pub Zeroizing<Vec<u8>>);

impl Growing {
    /// Room for this many bytes.
    pub fn with_capacity(len: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(len)))
    }

    pub fn append(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(self.0.capacity() * 2));
            larger.extend_from_slice(&self.0);
            let mut smaller = std::mem::replace(&mut *self.0, larger);
            smaller.zeroize();
        }
        self.0.extend_from_slice(bytes);
    }
}

/// The same bytes each time.
#[derive(Clone)]
pub struct StaticSource(Vec<u8>);

impl StaticSource {
    /// A source of these bytes.
    pub fn new(snapshot: impl Into<Vec<u8>>) -> Self {
        Self(snapshot.into())
    }
}

impl fmt::Debug for StaticSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticSource({} bytes)", self.0.len())
    }
}

impl Source for StaticSource {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
        Ok(Box::new(&self.0[..]))
    }
}

/// A file, read anew for each snapshot.
#[derive(Clone, Debug)]
pub struct FileSource(PathBuf);

impl FileSource {
    /// A source that reads this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Source for FileSource {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
        let file = File::open(&self.0).map_err(|error| format!("opening {}: {error}", self.0.display()))?;
        Ok(Box::new(file))
    }
}

/// Something that can be read only once, such as the standard input. A second snapshot is refused.
pub struct Once<R>(Mutex<Option<R>>);

impl<R: Read + Send> Once<R> {
    /// A source that reads this to its end.
    pub fn new(from: R) -> Self {
        Self(Mutex::new(Some(from)))
    }
}

impl<R> fmt::Debug for Once<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once(..)")
    }
}

impl<R: Read + Send> Source for Once<R> {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(from) => Ok(Box::new(from)),
            None => Err("this input was read already, and cannot be read twice".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_gives_its_bytes_whole_and_in_parts() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let sources: [Arc<dyn Source>; 3] = [
            Arc::new(StaticSource::new(bytes.clone())),
            Arc::new(FileSource::new(file.path())),
            Arc::new(Once::new(std::io::Cursor::new(bytes.clone()))),
        ];
        for source in sources {
            assert_eq!(*take(&source).unwrap(), bytes);
        }
    }

    #[test]
    fn a_missing_file_a_second_read_and_a_panic_are_errors_of_the_source() {
        struct Panics;
        impl Source for Panics {
            fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
                panic!("out of order")
            }
        }
        let once = Once::new(&b"x"[..]);
        assert_eq!(*take(&once).unwrap(), b"x");
        let sources: [(&dyn Source, &str); 3] = [
            (&FileSource::new("/nowhere"), "opening /nowhere"),
            (&once, "read already"),
            (&Panics, "panicked"),
        ];
        for (source, why) in sources {
            let refused = take(source).unwrap_err();
            assert_eq!(refused.spec_name(), "Source");
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }

    #[test]
    fn a_snapshot_that_does_not_fit_into_32_bits_is_refused() {
        assert_eq!(total_len(u32::MAX as usize).unwrap(), u32::MAX);
        let refused = total_len(u32::MAX as usize + 1).unwrap_err();
        assert_eq!(refused.spec_name(), "Source");
        assert!(refused.to_string().contains("at most 4294967295"), "{refused}");
    }
}
