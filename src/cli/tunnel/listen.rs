//! `sealmark tunnel listen`: prints every message that the peers send.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::super::{ExitStatus, Format, Registry, STOP, install_ctrlc_handler};
use super::inbox::{Fate, Inbox};
use super::journal::{self, Journal};
use super::message::{Plaintext, Run, decode};
use super::socket::bind;
use super::wire::{Counts, EndArgs, Opened, Wire};
use crate::primitive::sha256;

/// The name and version of the JSON that `listen` prints.
pub(crate) const SCHEMA: &str = "sealmark.tunnel-listen/1";

/// How long after its last report a listener stays, because the report may have been lost.
const LINGER: Duration = Duration::from_secs(2);

/// Prints each message that a peer sends, at most once and as it was sent, and reports to the sender what
/// never arrived.
///
/// A message that arrives after its run was reported is counted and not printed, so a report stays true.
/// Without --journal a listener that is started again has forgotten what it received, and reports it as lost.
#[derive(clap::Args)]
#[command(after_help = "With keys of your own:\n  \
                  sealmark tunnel listen --identity bob.key --peers . --bind 127.0.0.1:4700\n\
                  \n\
                  Exit codes: 0 fine, 1 the tunnel opened a frame twice (it was not printed twice; safe and \
                  compat cannot tell after a replayed old key exchange), 2 bad usage, 3 fewer runs than \
                  --runs were reported.")]
pub(super) struct Args {
    #[command(flatten)]
    end: EndArgs,
    /// The address to listen on. Port 0 takes a free one, which the first line of output names.
    #[arg(long, value_name = "ADDRESS")]
    bind: SocketAddr,
    /// Ends after it has reported on this many runs; each `sealmark tunnel send` is one. Default: at Ctrl-C.
    #[arg(long, value_name = "NUMBER")]
    runs: Option<u64>,
    /// Ends after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Output format. JSON is one object per line.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A line that `sealmark tunnel listen --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Line {
    schema: &'static str,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum What {
    /// Once, when it listens.
    Ready {
        address: SocketAddr,
        node_id: u32,
        mode: &'static str,
        engine: String,
        /// Messages that were given out before this start, as the journal says.
        restored: u64,
    },
    Message(Message),
    /// Once, at its end.
    End(Summary),
}

/// A message.
#[derive(Serialize, JsonSchema)]
struct Message {
    /// The node id of its sender.
    peer: u32,
    /// The sender's run, in hexadecimal.
    run: String,
    /// Its number in the run.
    number: u64,
    /// Its body, if that is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Otherwise its body in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// What a listener counted.
#[derive(Serialize, JsonSchema)]
struct Summary {
    /// What became of the messages that opened: `given` out; `again` and not given out, because a sender
    /// repeats its last messages after new keys; `late`, after the report on their run; `replayed`, a
    /// frame that opened twice; `full`, of a peer with too many runs.
    messages: Counts,
    /// How many runs were reported.
    runs: u64,
    /// How many plaintexts were no message of ours.
    not_ours: u64,
    /// Why frames were refused, and how often.
    refused: Counts,
    /// What happened to the sessions, and how often.
    events: Counts,
}

struct Listener {
    wire: Wire,
    inbox: Inbox,
    journal: Journal,
    format: Format,
    summary: Summary,
    last_report: Option<Instant>,
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    install_ctrlc_handler();
    let wire = Wire::new(&args.end, registry, bind(args.bind)?)?;
    let (journal, lines) = Journal::open(args.end.journal.as_deref())?;
    let summary = Summary {
        messages: Fate::ALL.iter().map(|fate| (fate.name(), 0)).collect(),
        runs: 0,
        not_ours: 0,
        refused: Counts::new(),
        events: Counts::new(),
    };
    let inbox = Inbox::from_journal(&lines);
    let mut listener = Listener { wire, inbox, journal, format: args.format, summary, last_report: None };
    print(
        args.format,
        What::Ready {
            address: listener.wire.address()?,
            node_id: listener.wire.node_id,
            mode: listener.wire.mode,
            engine: listener.wire.engine.clone(),
            restored: listener.inbox.given(),
        },
    )?;
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while !STOP.load(Ordering::SeqCst) && end.is_none_or(|end| Instant::now() < end) {
        if let Some(opened) = listener.wire.next()? {
            listener.take(&opened)?;
        }
        let all = args.runs.is_some_and(|runs| listener.summary.runs >= runs);
        if all && listener.last_report.is_none_or(|last| last.elapsed() >= LINGER) {
            break;
        }
    }
    listener.finish(args.runs)
}

impl Listener {
    fn take(&mut self, opened: &Opened) -> anyhow::Result<()> {
        let peer = opened.peer;
        match decode(&opened.plaintext) {
            Some(Plaintext::Message { run, number, body }) => {
                let fate = self.inbox.take(peer, run, number, opened.tag);
                // A kill between the two lines leaves a message that counts as given and was not printed.
                // The other order could print it twice.
                self.journal.write(&journal::Line::Opened {
                    peer,
                    run,
                    number,
                    tag: opened.tag,
                    digest: sha256::digest(body),
                    what: fate.name().to_owned(),
                })?;
                *self.summary.messages.entry(fate.name()).or_default() += 1;
                match fate {
                    Fate::Given => print(self.format, What::Message(message(peer, run, number, body))),
                    _ => Ok(()),
                }
            }
            Some(Plaintext::Ask { run, count, from }) => self.report(peer, run, count, from),
            Some(Plaintext::Report(_)) | None => {
                self.summary.not_ours += 1;
                Ok(())
            }
        }
    }

    fn report(&mut self, peer: u32, run: Run, count: u64, from: u64) -> anyhow::Result<()> {
        if self.inbox.close(peer, run, count) == Some(true) {
            self.journal.write(&journal::Line::Closed { peer, run, count })?;
            self.summary.runs += 1;
        }
        if let Some(report) = self.inbox.report(peer, run, from) {
            self.last_report = Some(Instant::now());
            // One that is not taken, or is lost, is asked for again.
            self.wire.send(peer, &Plaintext::Report(report).encode())?;
        }
        Ok(())
    }

    fn finish(self, wanted: Option<u64>) -> anyhow::Result<ExitStatus> {
        let summary =
            Summary { refused: self.wire.refused.clone(), events: self.wire.events(), ..self.summary };
        let (runs, replayed) = (summary.runs, summary.of(Fate::Replayed));
        print(self.format, What::End(summary))?;
        Ok(match replayed {
            1.. => ExitStatus::FoundSomething,
            0 if wanted.is_some_and(|wanted| runs < wanted) => ExitStatus::CouldNotTell,
            0 => ExitStatus::Fine,
        })
    }
}

fn print(format: Format, what: What) -> anyhow::Result<()> {
    let line = Line { schema: SCHEMA, what };
    match (format, &line.what) {
        (Format::Json, _) => print_line!("{}", serde_json::to_string(&line)?),
        (Format::Text, What::Ready { address, node_id, mode, engine, .. }) => {
            print_line!("node {node_id} listens on {address}, {mode}, {engine}");
        }
        (Format::Text, What::Message(message)) => {
            print_line!("{} #{}: {}", message.peer, message.number, message.shown());
        }
        (Format::Text, What::End(summary)) => print_line!("{}", summary.sentence()),
    }
    Ok(())
}

fn message(peer: u32, run: Run, number: u64, body: &[u8]) -> Message {
    let text = std::str::from_utf8(body).ok().map(str::to_owned);
    let hex = text.is_none().then(|| hex::encode(body));
    Message { peer, run: run.hex(), number, text, hex }
}

impl Message {
    /// The body on one line. A peer cannot send commands to the terminal.
    fn shown(&self) -> String {
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        match (&self.text, &self.hex) {
            (Some(text), _) => text.chars().map(escape).collect(),
            (None, hex) => format!("0x{}", hex.as_deref().unwrap_or_default()),
        }
    }
}

impl Summary {
    fn of(&self, fate: Fate) -> u64 {
        self.messages.get(fate.name()).copied().unwrap_or(0)
    }

    fn sentence(&self) -> String {
        format!(
            "{} messages given out, {} again, {} late, {} replayed; runs reported: {}; refused: {}",
            self.of(Fate::Given),
            self.of(Fate::Again),
            self.of(Fate::Late),
            self.of(Fate::Replayed),
            self.runs,
            super::counts(&self.refused),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_on_one_line_and_commands_no_terminal() {
        let shown = |body: &[u8]| message(1, Run([0; 16]), 0, body).shown();
        assert_eq!(shown("grüße".as_bytes()), "grüße");
        assert_eq!(shown(b"a\x1b[2Jb\nc\x07"), "a\\u{1b}[2Jb\\nc\\u{7}");
        assert_eq!(shown(b"\xff\x00"), "0xff00");
        assert_eq!(shown("\u{9b}2J".as_bytes()), "\\u{9b}2J");
        let message = message(1, Run([0; 16]), 0, b"\xff");
        assert_eq!((message.text, message.hex.as_deref()), (None, Some("ff")));
    }
}
