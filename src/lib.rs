//! Sealmark verifies and measures AES envelope encryption on the CPU that it runs on.

pub mod aead;
pub mod engine;
pub mod envelope;
#[cfg(feature = "cli")]
pub mod host;
#[cfg(feature = "cli")]
pub mod measure;
#[cfg(feature = "cli")]
pub mod timing;
#[cfg(feature = "cli")]
pub mod verify;
