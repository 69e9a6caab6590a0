//! The targets of the tunnel: frames, histories of two nodes, and the replay state.
//!
//! Behind the last check of each stands [`planted`](super::planted), so that a run can show that its inputs
//! get there. The seeds in `fuzz/seeds/` are made from the published vectors, by a test.

mod forgery;
mod frame;
mod handshake;
#[cfg(test)]
mod seeds;
mod window;

pub use frame::frame;
pub use handshake::handshake;
pub use window::window;
