//! `append_sync` and `group_commit`: records made durable, one by one or 64 at a time, on the file system of
//! the folder for temporary files. The checked log syncs its file; the sealed one also replaces its head,
//! which syncs a file and a folder. Where that folder is in memory, a sync is no more than a system call.
//!
//! The records prove the work, as in `append`; nothing shows a sync but its time.

use super::append::appends;
use super::fixture::Mode;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Records of a group.
pub(super) const GROUP: usize = 64;
/// Groups of a pass: few, because a sync may take milliseconds.
const GROUPS: usize = 2;

/// Makes records durable in that mode, so many at a time.
pub(super) struct Commit(pub Mode, pub usize);

impl Kind for Commit {
    fn name(&self) -> &'static str {
        if self.1 == 1 { "append_sync" } else { "group_commit" }
    }

    fn subject(&self) -> Subject {
        self.0.subject()
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        Ok(Box::new(appends(self.0, workload, engine, count, Some(self.1))?))
    }

    fn scope(&self) -> Scope {
        self.0.scope()
    }

    fn default_count(&self, _: &Workload) -> usize {
        GROUPS * self.1
    }

    /// Its time is the medium's.
    fn single_core(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;
    use crate::measure::workload::testing::pass;

    #[test]
    fn records_are_durable_in_groups_of_any_size() {
        for mode in [Mode::Checked, Mode::Sealed] {
            for group in [1, 2, GROUP] {
                let workload = catalog::find(&format!("append_sync/{}/1024", mode.name())).unwrap();
                let mut timed = Commit(mode, group).prepare(workload, find("sealmark").unwrap(), 5).unwrap();
                assert_eq!(timed.count(), 5);
                assert!(timed.check().is_err(), "not run yet");
                assert_eq!(pass(&mut *timed), Ok(()), "{mode:?} {group}");
                assert_eq!(pass(&mut *timed), Ok(()), "{mode:?} {group}, again");
            }
        }
    }
}
