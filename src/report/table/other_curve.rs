//! The curves of everything else: other key sizes, schemes, a user's own operations.

use super::curve;
use crate::report::block::Block;
use crate::report::rows::{RECORD, RECORD_CIPHER};
use crate::report::section::Section;

/// Every curve that `curve` and `record_curve` leave.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    curve::of(section, |algorithm| algorithm != RECORD_CIPHER && algorithm != RECORD)
}
