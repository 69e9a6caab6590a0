//! Sealmark verifies and measures AES envelope encryption on the CPU that it runs on.

pub mod aead;
pub mod engine;
#[cfg(feature = "cli")]
pub mod host;
#[cfg(feature = "cli")]
pub mod measure;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod verify;
