//! The configuration of both ends (spec §4), the modes, the limits of a receiver, and the names of the rules
//! by which it is stricter than the reference.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use crate::primitive::cbc::BLOCK_LEN;

/// Rule: a receiver in mode `safe` refuses a stream whose encryption flag differs from its configuration.
/// The reference obeys the stream.
pub const FLAG_MISMATCH: &str = "flag-mismatch";
/// Rule: a receiver in mode `safe` accepts at most [`Limits::empty_chunks`] chunks without text. The
/// reference accepts any number, so a hostile peer keeps it busy for ever.
pub const EMPTY_CHUNKS: &str = "empty-chunks";
/// Rule: a receiver in mode `safe` has one error, `Crypto`, for whatever depends on the text of an encrypted
/// stream. The reference tells a wrong padding from a wrong length, which lets a sender decrypt by trial.
pub const ONE_ERROR: &str = "one-error";
/// Every rule that makes this scheme stricter than its reference.
pub const RULES: [&str; 3] = [FLAG_MISMATCH, EMPTY_CHUNKS, ONE_ERROR];

/// The most bytes that a chunk may have, and the largest sizes that a stream may announce.
pub const MAX_CHUNK_LEN: usize = 5 * 1024 * 1024;
/// The lengths that a snapshot header may have, in bytes.
pub const HEADER_LENS: RangeInclusive<usize> = 8..=1024;
/// The chunk length by default, in bytes.
pub const DEFAULT_BUFFER_LEN: usize = 16 * 1024;
/// The header length by default, in bytes.
pub const DEFAULT_HEADER_LEN: usize = 1024;
/// The port by default.
pub const DEFAULT_PORT: u16 = 8105;
/// The time between two cycles of the driver by default.
pub const DEFAULT_CADENCE: Duration = Duration::from_secs(300);

/// How a stream is protected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Mode {
    /// As the reference does, byte for byte and check for check.
    Compat,
    /// The same bytes, with a receiver that is stricter by [`RULES`] and has deadlines.
    #[default]
    Safe,
    /// Authenticated chunks, for a sink that commits.
    Hardened,
    /// Authenticated chunks, for a sink that passes each one on before the end is known.
    HardenedStream,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Compat, Self::Safe, Self::Hardened, Self::HardenedStream];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compat => "compat",
            Self::Safe => "safe",
            Self::Hardened => "hardened",
            Self::HardenedStream => "hardened-stream",
        }
    }

    /// The mode with that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether its stream is the authenticated one.
    pub const fn is_hardened(self) -> bool {
        matches!(self, Self::Hardened | Self::HardenedStream)
    }
}

/// Where to read keys, where to listen and send, and how to cut a snapshot into chunks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The file of the key.
    pub key_file: PathBuf,
    /// The file of the initialisation vector.
    pub iv_file: PathBuf,
    /// The address on which a receiver listens.
    pub listen_addr: SocketAddr,
    /// The address that a sender binds before it dials, if any.
    pub send_addr: Option<SocketAddr>,
    /// The receiver that a sender dials: a name or an address, and a port.
    pub peer_endpoint: String,
    /// Bytes of text in a chunk.
    pub buffer_size: usize,
    /// Bytes of the snapshot header.
    pub header_size: usize,
    /// Whether a sender encrypts. In mode `safe`, a receiver insists on it.
    pub encrypt: bool,
}

impl Config {
    /// The defaults with these files: encrypted, 16 KiB chunks, port 8105 of this machine.
    pub fn new(key_file: impl Into<PathBuf>, iv_file: impl Into<PathBuf>) -> Self {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
        Self {
            key_file: key_file.into(),
            iv_file: iv_file.into(),
            listen_addr: here,
            send_addr: None,
            peer_endpoint: here.to_string(),
            buffer_size: DEFAULT_BUFFER_LEN,
            header_size: DEFAULT_HEADER_LEN,
            encrypt: true,
        }
    }

    /// Checks the sizes, as the reference does. A `buffer_size` within 16 bytes of [`MAX_CHUNK_LEN`] passes,
    /// although every receiver refuses its encrypted chunks.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn validate(&self) -> Result<(), Error> {
        let (buffer, header) = (self.buffer_size, self.header_size);
        let (least, most) = HEADER_LENS.into_inner();
        let why = if !(1..=MAX_CHUNK_LEN).contains(&buffer) {
            format!("buffer_size is {buffer}: it must be 1 to {MAX_CHUNK_LEN}")
        } else if !HEADER_LENS.contains(&header) {
            format!("header_size is {header}: it must be {least} to {most}")
        } else if self.encrypt && !buffer.is_multiple_of(BLOCK_LEN) {
            format!("buffer_size is {buffer}: with encryption it must be a multiple of {BLOCK_LEN}")
        } else {
            return Ok(());
        };
        Err(Error::Config(why))
    }
}

/// What a receiver tolerates. Mode `compat` has none of these limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest wait for a peer's next bytes.
    pub idle: Duration,
    /// The longest time that a connection may take.
    pub total: Duration,
    /// The number of connections served at once.
    pub connections: usize,
    /// Chunks without text in an encrypted stream. The reference's sender writes none.
    pub empty_chunks: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (idle, total) = (Duration::from_secs(30), Duration::from_secs(3600));
        Self { idle, total, connections: 8, empty_chunks: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(buffer_size: usize, header_size: usize, encrypt: bool) -> Config {
        Config { buffer_size, header_size, encrypt, ..Config::new("key", "iv") }
    }

    #[test]
    fn a_size_out_of_range_is_refused_with_its_name() {
        for (buffer, header, encrypt, why) in [
            (0, 64, true, "buffer_size is 0: it must be 1 to 5242880"),
            (5_242_881, 64, false, "buffer_size is 5242881"),
            (16, 7, true, "header_size is 7: it must be 8 to 1024"),
            (16, 1025, true, "header_size is 1025"),
            (17, 64, true, "buffer_size is 17: with encryption it must be a multiple of 16"),
        ] {
            let refused = config(buffer, header, encrypt).validate().unwrap_err();
            assert_eq!(refused.spec_name(), "Config");
            assert!(refused.to_string().contains(why), "{refused}");
        }
        for (buffer, header, encrypt) in [(1, 8, false), (17, 64, false), (5_242_880, 1024, true)] {
            assert!(config(buffer, header, encrypt).validate().is_ok(), "{buffer}, {header}, {encrypt}");
        }
        assert!(Config::new("key", "iv").validate().is_ok());
    }

    #[test]
    fn every_mode_is_found_by_its_name_and_safe_is_the_default() {
        assert!(Mode::ALL.iter().all(|mode| Mode::find(mode.name()) == Some(*mode)));
        assert_eq!((Mode::find("fast"), Mode::default()), (None, Mode::Safe));
        assert_eq!(Mode::ALL.map(Mode::is_hardened), [false, false, true, true]);
    }
}
