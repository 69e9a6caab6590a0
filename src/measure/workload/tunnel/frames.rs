//! The kind that all workloads of one peer's frames share.

use super::fixture;
use super::open::slot_len;
use crate::engine::Engine;
use crate::measure::Error;
use crate::measure::limit::roofline::{Overlap, Work};
use crate::measure::workload::Workload;
use crate::measure::workload::kind::{Kind, Subject};
use crate::scheme::tunnel::Mode;
use crate::timing::Timed;

/// Prepares the frames of a kind, in a mode.
type Prepare = fn(Mode, &Workload, &'static dyn Engine, usize) -> Result<Box<dyn Timed>, Error>;

/// Seals, opens or refuses frames of one peer.
pub(super) struct Frames {
    pub name: &'static str,
    pub mode: Mode,
    pub prepare: Prepare,
    /// Opened in place: the slot holds no message beside the frame.
    pub opens: bool,
    /// How the work of one frame overlaps with that of the next; none where the work is not known.
    pub overlap: Option<Overlap>,
}

impl Kind for Frames {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subject(&self) -> Subject {
        Subject::One(fixture::subject(self.mode))
    }

    fn prepare(
        &self,
        workload: &Workload,
        engine: &'static dyn Engine,
        count: usize,
    ) -> Result<Box<dyn Timed>, Error> {
        (self.prepare)(self.mode, workload, engine, count)
    }

    fn slot_len(&self, workload: &Workload) -> Option<usize> {
        let of = if self.opens { slot_len } else { fixture::slot_len };
        Some(of(self.mode, workload))
    }

    fn work(&self, workload: &Workload) -> Option<Work> {
        self.overlap.map(|overlap| fixture::work(self.mode, workload, overlap))
    }

    fn opens(&self) -> bool {
        self.opens
    }
}
