//! The ordinary tests of the whole program, linked as one binary, because linking another costs as much as
//! compiling it. Tests that need their own allocator, main or emulated CPU are beside this folder.

#[cfg(all(feature = "aead-traits", feature = "peers"))]
mod aead_traits;
#[cfg(feature = "cli")]
mod baseline;
#[cfg(feature = "cli")]
mod cli;
#[cfg(all(feature = "cli", feature = "peers", unix))]
mod commands;
mod envelope;
mod floors;
#[cfg(feature = "cli")]
mod help;
#[cfg(feature = "cli")]
mod manifest;
#[cfg(feature = "cli")]
mod own_kind;
#[cfg(feature = "cli")]
mod readme;
#[cfg(feature = "cli")]
mod report;
mod source;
mod structure;
#[cfg(feature = "cli")]
mod trace;
#[cfg(feature = "cli")]
mod verify;
#[cfg(feature = "cli")]
mod worker;
