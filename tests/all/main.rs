//! The ordinary tests of the whole program, linked as one: each binary of its own costs as much to link as it does to
//! compile. Tests with an allocator, a main or an emulated CPU of their own stay beside this folder.

#[cfg(all(feature = "aead-traits", feature = "peers"))]
mod aead_traits;
#[cfg(feature = "cli")]
mod cli;
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
