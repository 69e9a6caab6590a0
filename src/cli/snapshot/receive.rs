//! `sealmark snapshot receive`: takes snapshots until it is told to stop, or a number of them.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::{ExitStatus, Format, STOP, install_ctrlc_handler};
use super::end::End;
use super::meter::Meter;
use super::send::shown;
use super::{Protection, Side, Tls};
use crate::scheme::snapshot::{Config, Error, Limits, Server, Sink as _, Transport as _};

/// The name and version of the JSON that `receive` prints.
pub(in super::super) const SCHEMA: &str = "sealmark.snapshot-receive/1";
/// The most connections that a summary lists.
const LISTED: usize = 100;
/// The spare database by default: the last of a server with Redis's usual 16.
const SPARE: i64 = 15;

/// Receives snapshots, each in place of the one before. Exits with 1 if any stream was refused.
///
/// The end keeps its old data until a snapshot is complete: whoever dies, and whenever, leaves the old data
/// or the new. Only the standard output passes chunks on before the end is known. The summary goes to the
/// standard output, or to the standard error if the snapshot goes there.
#[derive(clap::Args)]
#[command(after_help = "With keys of your own:\n    \
                  sealmark snapshot receive 0.0.0.0:8105 --to copy.db --mode hardened --key stream.key\n    \
                  sealmark snapshot receive --to redis://localhost:6379/0 --mode hardened --key stream.key \
                  --count 1")]
pub(super) struct Args {
    /// The address to listen on.
    #[arg(default_value = "127.0.0.1:8105")]
    listen: SocketAddr,
    /// Where snapshots go: a file, - for the standard output, or redis://host:port/database.
    #[arg(long, value_name = "FILE|-|URL")]
    to: End,
    #[command(flatten)]
    protection: Protection,
    #[command(flatten)]
    tls: Tls,
    /// The number of connections served at once. In `compat` it is one.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    connections: usize,
    /// Stop after this many snapshots. Default: go on until Ctrl-C.
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
    /// The number of the Redis database that is filled before it takes the other one's place. It must be
    /// empty.
    #[arg(long, value_name = "NUMBER", default_value_t = SPARE)]
    redis_spare: i64,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What `sealmark snapshot receive --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct Received {
    schema: &'static str,
    listen: String,
    /// The file, `standard output`, or the database without its password.
    sink: String,
    mode: &'static str,
    /// `plain` or `secure`.
    transport: &'static str,
    /// Whether the sink keeps its old data until a snapshot is complete.
    commits: bool,
    /// Snapshots that the sink took.
    taken: u64,
    /// Connections that gave none.
    refused: u64,
    /// Bytes of all snapshots taken.
    bytes: u64,
    /// The last hundred connections.
    connections: VecDeque<Connection>,
}

/// A connection that ended.
#[derive(Serialize, JsonSchema)]
struct Connection {
    /// Absent if it could not be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    /// The snapshot's length, if it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Received {
    /// Notes the end of a connection, and says it in words.
    fn note(&mut self, peer: Option<SocketAddr>, result: &Result<u64, Error>) -> String {
        let peer = peer.map(|peer| peer.to_string());
        let who = peer.clone().unwrap_or_else(|| self.listen.clone());
        let (said, bytes, error) = match result {
            Ok(bytes) => {
                self.taken += 1;
                self.bytes += bytes;
                (format!("{who}: {bytes} bytes taken"), Some(*bytes), None)
            }
            Err(error) => {
                self.refused += 1;
                (format!("{who}: refused: {error}"), None, Some(error.to_string()))
            }
        };
        if self.connections.len() == LISTED {
            self.connections.pop_front();
        }
        self.connections.push_back(Connection { peer, bytes, error });
        said
    }

    fn text(&self) -> String {
        let plural = |count, one| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let (taken, refused) = (plural(self.taken, "snapshot"), plural(self.refused, "stream"));
        format!(
            "{}: {taken} taken, {} bytes; {refused} refused\n  mode {}, transport {}",
            self.sink, self.bytes, self.mode, self.transport
        )
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let transport = args.tls.load(Side::Receiver)?;
    let (config, format) = args.protection.load()?;
    let mode = args.protection.mode.mode();
    let (sink, name) = args.to.sink(mode, args.redis_spare)?;
    let commits = sink.commits();
    let meter = Meter::new(transport, None);
    let (moved, transport) = (meter.moved(), meter.name());
    let config = Config { listen_addr: args.listen, ..config };
    let limits = args.protection.limits(args.connections);
    let server = Server::bind(&config, format, limits, sink)?.over(Arc::new(meter));
    let listen = server.local_addr()?.to_string();
    install_ctrlc_handler();
    // Scripts wait for this line.
    eprintln!("listening on {listen}");
    let (mode, connections) = (mode.name(), VecDeque::new());
    let (schema, sink) = (SCHEMA, name);
    let summary = Received {
        schema,
        listen,
        sink,
        mode,
        transport,
        commits,
        taken: 0,
        refused: 0,
        bytes: 0,
        connections,
    };
    let (noted, ended) = (Mutex::new(summary), AtomicBool::new(false));
    let report = |peer: Option<SocketAddr>, result: &Result<u64, Error>| {
        let mut summary = noted.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("{}", summary.note(peer, result));
        if args.count.is_some_and(|count| summary.taken >= count.get()) {
            ended.store(true, Ordering::SeqCst);
        }
    };
    shown("receiving", None, &moved, || {
        std::thread::scope(|scope| {
            let stops = scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) && !STOP.load(Ordering::SeqCst) {
                    std::thread::park_timeout(Duration::from_millis(50));
                }
                server.stop();
            });
            server.run(&report);
            ended.store(true, Ordering::SeqCst);
            stops.thread().unpark();
        });
    });
    let summary = noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    let said = match args.format {
        Format::Json => serde_json::to_string_pretty(&summary)?,
        Format::Text => summary.text(),
    };
    if matches!(args.to, End::Standard) {
        // A closed standard error changes no result.
        let _ = writeln!(std::io::stderr(), "{said}");
    } else {
        print_line!("{said}");
    }
    Ok(if summary.refused == 0 { ExitStatus::Fine } else { ExitStatus::FoundSomething })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_every_connection_and_lists_the_last_hundred() {
        let mut summary = Received {
            schema: SCHEMA,
            listen: "127.0.0.1:1".into(),
            sink: "copy".into(),
            mode: "safe",
            transport: "plain",
            commits: true,
            taken: 0,
            refused: 0,
            bytes: 0,
            connections: VecDeque::new(),
        };
        let peer = Some("127.0.0.1:2".parse().unwrap());
        assert_eq!(summary.note(peer, &Ok(5)), "127.0.0.1:2: 5 bytes taken");
        let said = summary.note(None, &Err(Error::Protocol("why".into())));
        assert_eq!(said, "127.0.0.1:1: refused: entropy protocol: why");
        assert!(summary.text().starts_with("copy: 1 snapshot taken, 5 bytes; 1 stream refused"));
        for _ in 0..120 {
            summary.note(peer, &Ok(1));
        }
        assert_eq!((summary.taken, summary.refused, summary.bytes), (121, 1, 125));
        assert_eq!(summary.connections.len(), LISTED);
    }
}
