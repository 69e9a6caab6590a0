//! Interoperability vectors, one folder for each system that wrote them.

mod elastickv;

pub(super) use elastickv::{decode, known};
