//! The curves of records: the cipher with everything that an envelope adds.

use super::curve;
use crate::report::block::Block;
use crate::report::rows::RECORD;
use crate::report::section::Section;

/// The curves of sealing and opening a record.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    curve::of(section, |algorithm| algorithm == RECORD)
}
