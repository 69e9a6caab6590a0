//! The forms in which a report is drawn.

pub mod gha;
pub mod html;
pub mod junit;
pub mod markdown;
mod method;
pub mod text;
