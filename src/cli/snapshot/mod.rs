//! `sealmark snapshot`: makes keys, and sends and receives snapshots between files, pipes and databases.

mod end;
mod key;
mod meter;
mod receive;
mod send;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};

use super::ExitStatus;
use crate::primitive::tls::{Files, Profile};
use crate::scheme::snapshot::config::{DEFAULT_BUFFER_LEN, DEFAULT_HEADER_LEN};
use crate::scheme::snapshot::{Config, Context, Error, Format, Limits, Mode, Plain, StreamKey, Transport};
pub(super) use receive::{Received, SCHEMA as RECEIVE_SCHEMA};
pub(super) use send::{SCHEMA as SEND_SCHEMA, Sent};

/// Sends a copy of a database from one host to another over one connection, and receives it.
///
/// The mode is the protection, and both ends must name the same. `safe` (the default) and `compat` are
/// dynomite's stream: AES-128-CBC without authentication, which hides a snapshot from onlookers and protects
/// it from nobody who can change it. `hardened` authenticates every chunk and the end. A receiver keeps its
/// old data until a snapshot is complete; only the standard output receives chunks before the end is known,
/// in the mode `hardened-stream`.
///
/// Ends: a file, `-` for the standard input or output, or redis://host:port/database in a build with
/// `--features redis`. Over a network, use `--tls-profile secure` in a build with `--features tls`.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
                  sealmark snapshot key stream.key --mode hardened\n  \
                  sealmark snapshot key key.pem && sealmark snapshot key iv.pem\n\
                  \n\
                  On two hosts, with the same key file:\n    \
                  sealmark snapshot receive 0.0.0.0:8105 --to copy.db --mode hardened --key stream.key\n    \
                  sealmark snapshot send db2:8105 --from my.db --mode hardened --key stream.key"
)]
pub(super) struct Args {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    Key(key::Args),
    Send(send::Args),
    Receive(receive::Args),
}

pub(super) fn run(args: &Args, _: &super::Registry) -> anyhow::Result<ExitStatus> {
    match &args.tool {
        Tool::Key(args) => key::run(args),
        Tool::Send(args) => send::run(args),
        Tool::Receive(args) => receive::run(args),
    }
}

/// The modes, as arguments.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Named {
    /// As dynomite reads it: also plaintext where ciphertext is expected, and without deadlines.
    Compat,
    /// The same bytes under stricter rules.
    Safe,
    /// Authenticated, into an end that keeps its old data until the new is complete.
    Hardened,
    /// Authenticated, into the standard output, chunk by chunk.
    HardenedStream,
}

impl Named {
    const fn mode(self) -> Mode {
        match self {
            Self::Compat => Mode::Compat,
            Self::Safe => Mode::Safe,
            Self::Hardened => Mode::Hardened,
            Self::HardenedStream => Mode::HardenedStream,
        }
    }
}

/// What both ends must agree on.
#[derive(clap::Args)]
struct Protection {
    /// How the stream is protected.
    #[arg(long, value_enum, default_value_t = Named::Safe)]
    mode: Named,
    /// The key file: 16 bytes for `compat` and `safe`, 32 for the hardened modes (`sealmark snapshot key`).
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The file of the initialisation vector, for `compat` and `safe`.
    #[arg(long, value_name = "FILE")]
    iv: Option<PathBuf>,
    /// No encryption, in `compat` and `safe`.
    #[arg(long, conflicts_with_all = ["key", "iv"])]
    plaintext: bool,
    /// What a hardened stream is bound to besides its key: the cluster, the day. Both ends name the same.
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// Seconds to wait for the other end's next bytes. Not in `compat`.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    idle: u64,
    /// Seconds that a connection may take. Not in `compat`.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = seconds())]
    total: u64,
}

/// At least one.
fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

impl Protection {
    /// The configuration of either end, with its keys loaded.
    fn load(&self) -> anyhow::Result<(Config, Format)> {
        let mode = self.mode.mode();
        let name = mode.name();
        if mode.is_hardened() {
            if self.plaintext || self.iv.is_some() {
                bail!("mode {name} takes neither --iv nor --plaintext: it has one key file");
            }
            let Some(key) = &self.key else { bail!("mode {name} needs --key, a file of 32 bytes") };
            let context = Context::new(self.context.as_deref().unwrap_or_default().as_bytes());
            return Ok((Config::new("", ""), Format::Hardened(Arc::new(StreamKey::load(key)?), context)));
        }
        if self.context.is_some() {
            bail!("mode {name} binds a stream to nothing: --context is for the hardened modes");
        }
        let config = match (&self.key, &self.iv, self.plaintext) {
            (Some(key), Some(iv), _) => Config::new(key, iv),
            (None, None, true) => Config { encrypt: false, ..Config::new("", "") },
            _ => bail!("mode {name} needs --key and --iv, or --plaintext"),
        };
        let format = Format::of(mode, &config)?;
        Ok((config.clone(), if config.encrypt { format.loaded()? } else { format }))
    }

    fn limits(&self, connections: usize) -> Limits {
        let [idle, total] = [self.idle, self.total].map(Duration::from_secs);
        Limits { idle, total, connections, ..Limits::default() }
    }
}

/// The sizes in a compatible stream.
#[derive(clap::Args)]
struct Sizes {
    /// Bytes of text in a chunk, in `compat` and `safe`; a multiple of 16 unless --plaintext.
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_BUFFER_LEN)]
    buffer_size: usize,
    /// Bytes of the snapshot header, in `compat` and `safe`.
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_HEADER_LEN)]
    header_size: usize,
}

/// What carries the stream.
#[derive(clap::Args)]
struct Tls {
    /// `dev` is plain TCP; `secure` is TLS 1.3, and needs a build with `--features tls`.
    #[arg(long, value_name = "dev|secure", default_value = "dev")]
    tls_profile: String,
    /// This end's certificate, in PEM. A receiver needs one.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, in PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The authorities that vouch for the other end, in PEM. A sender needs them; a receiver that has them
    /// takes snapshots only from senders with a certificate.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
}

/// Which end a transport is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sender,
    Receiver,
}

impl Tls {
    /// The transport, with every file read.
    fn load(&self, side: Side) -> anyhow::Result<Arc<dyn Transport>> {
        let files = Files { cert: self.tls_cert.clone(), key: self.tls_key.clone(), ca: self.tls_ca.clone() };
        match Profile::find(&self.tls_profile)? {
            Profile::Dev if files != Files::default() => {
                bail!("the TLS profile dev uses no certificates: choose --tls-profile secure")
            }
            Profile::Dev => Ok(Arc::new(Plain)),
            Profile::Secure => secure(&files, side),
        }
    }
}

#[cfg(feature = "tls")]
fn secure(files: &Files, side: Side) -> anyhow::Result<Arc<dyn Transport>> {
    use anyhow::Context as _;

    use crate::scheme::snapshot::Secure;

    match side {
        Side::Sender => Secure::sender(files).context("with --tls-profile secure"),
        Side::Receiver => Secure::receiver(files).context("with --tls-profile secure"),
    }
}

#[cfg(not(feature = "tls"))]
fn secure(_: &Files, side: Side) -> anyhow::Result<Arc<dyn Transport>> {
    let end = if side == Side::Sender { "sending" } else { "receiving" };
    bail!("{end} with --tls-profile secure needs the feature tls: cargo install --path . --features tls")
}

/// Whether an error is the caller's, and nothing was moved.
fn is_usage(error: &Error) -> bool {
    matches!(error, Error::Config(_) | Error::KeyMaterial(_))
}

/// `1.2 MB`.
fn amount(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Reads a number of bytes with an optional k, M or G (powers of 1,000).
fn parse_bytes(text: &str) -> Result<std::num::NonZeroU64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        Some(b'G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number
        .and_then(std::num::NonZeroU64::new)
        .ok_or_else(|| "write a number of bytes, such as 500k or 20M".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown_in_powers_of_a_thousand() {
        for (text, bytes) in [("1", 1), ("500k", 500_000), ("20M", 20_000_000), ("3G", 3_000_000_000)] {
            assert_eq!(parse_bytes(text).unwrap().get(), bytes);
        }
        for text in ["", "0", "k", "-1", "1.5M", "20m", "99999999999G"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        let shown = [0, 999, 1_500, 20_000_000, 3_210_000_000].map(amount);
        assert_eq!(shown, ["0 B", "999 B", "1.5 kB", "20.0 MB", "3.2 GB"]);
    }
}
