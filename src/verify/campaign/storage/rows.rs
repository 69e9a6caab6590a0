//! The place of a node's registry.
//!
//! With the feature `redb` it is a database on the node's disk, and a fault can interrupt each of its steps.
//! Without the feature it is a store that keeps every commit whatever happens to the disk, so faults
//! interrupt only the sidecar's steps.

use std::sync::Arc;

use crate::disk::{Disk, Error, Store};

pub(super) use kept::Rows;

/// The database's path.
#[cfg(feature = "redb")]
pub(super) const FILE: &str = "/data/registry";

#[cfg(feature = "redb")]
mod kept {
    use super::{Arc, Disk, Error, FILE, Store};
    use crate::disk::Redb;

    #[derive(Clone, Default)]
    pub struct Rows;

    impl Rows {
        /// The store as a process opens it.
        pub fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn Store>, Error> {
            Ok(Arc::new(Redb::open(disk, FILE.as_ref())?))
        }
    }
}

#[cfg(not(feature = "redb"))]
mod kept {
    use super::{Arc, Disk, Error, Store};
    use crate::disk::Memory;

    #[derive(Default)]
    pub struct Rows(Arc<Memory>);

    impl Rows {
        /// The store as a process opens it.
        pub fn open(&self, _: &dyn Disk) -> Result<Arc<dyn Store>, Error> {
            Ok(Arc::clone(&self.0) as Arc<dyn Store>)
        }
    }

    /// The copy is independent.
    impl Clone for Rows {
        fn clone(&self) -> Self {
            let (copy, rows) = (Memory::default(), self.0.scan(b"", None, usize::MAX));
            let changes: Vec<_> = rows.into_iter().flatten().map(|(key, value)| (key, Some(value))).collect();
            copy.commit(&changes).expect("a memory store accepts every change");
            Self(Arc::new(copy))
        }
    }
}
