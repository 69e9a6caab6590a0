//! `sealmark snapshot send`: one snapshot to one receiver.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::super::{ExitStatus, Format, progress};
use super::end::End;
use super::meter::Meter;
use super::{Protection, Side, Sizes, Tls, amount, is_usage, parse_bytes};
use crate::scheme::snapshot::{Config, Mode, Sender, Transport as _};

/// The name and version of the JSON that `send` prints.
pub(in super::super) const SCHEMA: &str = "sealmark.snapshot-send/1";

/// Sends a snapshot to a receiver. Exits with 1 if the transfer fails.
///
/// The stream's receiver never answers. A sender that ends well has handed over every byte; that they were
/// accepted shows at the receiver.
#[derive(clap::Args)]
#[command(after_help = "With a receiver of your own:\n    \
                  sealmark snapshot send db2:8105 --from my.db --mode hardened --key stream.key\n    \
                  sealmark snapshot send db2:8105 --from redis://localhost:6379/0 --mode hardened \
                  --key stream.key --rate 20M")]
pub(super) struct Args {
    /// The receiver: a name or an address, and a port. With `secure`, its certificate must have that name.
    peer: String,
    /// What to send: a file, - for the standard input, or redis://host:port/database.
    #[arg(long, value_name = "FILE|-|URL")]
    from: End,
    #[command(flatten)]
    protection: Protection,
    #[command(flatten)]
    sizes: Sizes,
    #[command(flatten)]
    tls: Tls,
    /// The most bytes a second: a number, or one with k, M or G.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    rate: Option<NonZeroU64>,
    /// The address to send from. Linux only.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<SocketAddr>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What `sealmark snapshot send --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct Sent {
    schema: &'static str,
    peer: String,
    /// The file, `standard input`, or the database without its password.
    source: String,
    mode: &'static str,
    /// `plain` or `secure`.
    transport: &'static str,
    /// The snapshot's length, if all of it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Bytes of the stream that were written, without those of TLS.
    stream_bytes: u64,
    seconds: f64,
    /// Why the transfer failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let transport = args.tls.load(Side::Sender)?;
    let (config, format) = args.protection.load()?;
    let config = Config {
        peer_endpoint: args.peer.clone(),
        send_addr: args.bind,
        buffer_size: args.sizes.buffer_size,
        header_size: args.sizes.header_size,
        ..config
    };
    let mode = args.protection.mode.mode();
    if !mode.is_hardened() {
        config.validate()?;
    }
    let (source, name, len) = args.from.source()?;
    let meter = Meter::new(transport, args.rate);
    let (moved, transport) = (meter.moved(), meter.name());
    let sender = Sender::new(config, format).over(Arc::new(meter));
    let sender = match mode {
        Mode::Compat => sender,
        _ => sender.within(args.protection.limits(1)),
    };
    let began = Instant::now();
    let sent = shown("sending", len, &moved, || sender.send(&source));
    let seconds = began.elapsed().as_secs_f64();
    let (bytes, error) = match sent {
        Ok(bytes) => (Some(bytes), None),
        Err(error) if is_usage(&error) => return Err(error.into()),
        Err(error) => (None, Some(error.to_string())),
    };
    let summary = Sent {
        schema: SCHEMA,
        peer: args.peer.clone(),
        source: name,
        mode: mode.name(),
        transport,
        bytes,
        stream_bytes: moved.load(Ordering::Relaxed),
        seconds,
        error,
    };
    if let Some(error) = &summary.error {
        eprintln!("sealmark: sending {} to {}: {error}", summary.source, summary.peer);
    }
    match (args.format, summary.bytes) {
        (Format::Json, _) => print_line!("{}", serde_json::to_string_pretty(&summary)?),
        (Format::Text, Some(bytes)) => {
            let each = (bytes as f64 / seconds.max(1e-9)) as u64;
            print_line!("{} to {}: {bytes} bytes sent", summary.source, summary.peer);
            print_line!("  mode {}, transport {}", summary.mode, summary.transport);
            print_line!("  {seconds:.1} s, {} a second", amount(each));
        }
        (Format::Text, None) => {}
    }
    Ok(if summary.error.is_none() { ExitStatus::Fine } else { ExitStatus::FoundSomething })
}

/// Does something while a line on the terminal shows how many bytes were moved.
pub(super) fn shown<T>(
    what: &'static str,
    len: Option<u64>,
    moved: &AtomicU64,
    work: impl FnOnce() -> T,
) -> T {
    let (bar, done) = (progress::spinner(what), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let shows = scope.spawn(|| {
            let began = Instant::now();
            while !done.load(Ordering::SeqCst) {
                let bytes = moved.load(Ordering::Relaxed);
                let each = (bytes as f64 / began.elapsed().as_secs_f64().max(0.1)) as u64;
                let all = len.map(|len| format!(" of about {}", amount(len))).unwrap_or_default();
                bar.set_message(format!("{}{all}, {} a second", amount(bytes), amount(each)));
                std::thread::park_timeout(Duration::from_millis(200));
            }
        });
        // Also if the work panics, or the scope would wait for ever.
        let _ends = Ends { done: &done, shows: shows.thread() };
        let result = work();
        bar.finish_and_clear();
        result
    })
}

/// Ends the line when dropped.
struct Ends<'a> {
    done: &'a AtomicBool,
    shows: &'a std::thread::Thread,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        self.shows.unpark();
    }
}
