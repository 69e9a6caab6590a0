//! `record/aad`: composing the AAD of a record.
//!
//! Each operation stores the key id read from the AAD that it composed; a reset stores zeros. Storing the
//! whole AAD would add a copy that takes as long as composing it.

use std::hint::black_box;

use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::parts::Parts;
use crate::measure::workload::fixture::record::AAD;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Composes a record's AAD.
pub(super) struct ComposeAad;

impl Kind for ComposeAad {
    fn name(&self) -> &'static str {
        "aad"
    }

    fn subject(&self) -> Subject {
        Subject::Part("record")
    }

    fn prepare(&self, _: &Workload, _: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        Ok(aads(count))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }
}

/// `count` storage AADs, each composed on the stack.
fn aads(count: usize) -> Box<dyn Timed> {
    Parts::timed(count, composed, u32::to_be_bytes)
}

fn composed(key_id: u32, to: &mut [u8; 4]) {
    black_box(&AAD).compose(0, key_id, |bytes| to.copy_from_slice(&black_box(bytes)[2..6]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::{pass, removed};

    #[test]
    fn aads_are_composed_and_removed_work_shows_in_what_is_left() {
        let mut aads = Parts { count: 4, write: composed, written: vec![[0; 4]; 4], right: u32::to_be_bytes };
        assert_eq!(pass(&mut aads), Ok(()));
        for left in removed(&aads.written.clone(), &[0; 4]) {
            aads.written = left;
            assert!(aads.check().is_err_and(|why| why.contains("key id")), "{:?}", aads.written);
        }
    }
}
