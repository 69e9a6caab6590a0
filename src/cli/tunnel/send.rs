//! `sealmark tunnel send`: sends numbered messages, and says which of them never arrived.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::super::{ExitStatus, Format, Registry, STOP, install_ctrlc_handler};
use super::bodies::{Bodies, Next};
use super::journal::{Journal, Line};
use super::message::{MAX_BODY, MAX_COUNT, Plaintext, Run, decode};
use super::ranges::{self, Range};
use super::socket::bind;
use super::wire::{Counts, EndArgs, Wire};
use crate::primitive::sha256;

/// The name and version of the JSON that `send` prints.
pub(crate) const SCHEMA: &str = "sealmark.tunnel-send/1";

/// How long the last messages may be under way before the listener is asked what arrived.
const SETTLE: Duration = Duration::from_millis(300);
/// How long an answer may be under way before the listener is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Sends messages to a peer, and prints which of them never arrived, as the peer reports it.
///
/// A message is one line of FILE, or of standard input, or with --count it is generated. Each is sent once:
/// nothing is sent again because it was lost. With --journal, runs that were killed before their report are
/// reported too.
#[derive(clap::Args)]
#[command(after_help = "With keys of your own:\n  \
                  sealmark tunnel send --identity alice.key --peers . --to 2@127.0.0.1:4700 --count 100\n  \
                  sealmark tunnel send --identity alice.key --peers . --to 2@127.0.0.1:4700 notes.txt\n\
                  \n\
                  Exit codes: 0 everything arrived, 1 messages were lost, 2 bad usage or unreadable input, \
                  3 the peer did not answer or sent no report.")]
pub(super) struct Args {
    #[command(flatten)]
    end: EndArgs,
    /// The peer's node id and address.
    #[arg(long, value_name = "ID@ADDRESS", value_parser = peer)]
    to: (u32, SocketAddr),
    /// The address to send from. Default: any.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<SocketAddr>,
    /// The file with the messages, one per line, each of at most 1,350 bytes. Default: standard input.
    #[arg(value_name = "FILE", conflicts_with = "count")]
    file: Option<PathBuf>,
    /// Generates this many messages.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(0..=MAX_COUNT))]
    count: Option<u64>,
    /// Bytes of each generated message.
    #[arg(long, value_name = "BYTES", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(0..=MAX_BODY as i64))]
    size: u16,
    /// Seed of the generated messages.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Messages per second, at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Seconds to wait for keys, and for each answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn peer(text: &str) -> Result<(u32, SocketAddr), String> {
    let parts =
        text.split_once('@').and_then(|(id, address)| Some((id.parse().ok()?, address.parse().ok()?)));
    parts.ok_or_else(|| "write the node id and the address: 2@127.0.0.1:4700".to_owned())
}

/// What `sealmark tunnel send --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Outcome {
    schema: &'static str,
    mode: &'static str,
    engine: String,
    /// The peer's node id.
    peer: u32,
    /// This run, and before it those of the journal that had no report.
    runs: Vec<Sent>,
    /// Why frames of the peer were refused, and how often.
    refused: Counts,
    /// What happened to the sessions, and how often.
    events: Counts,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Sent {
    /// In hexadecimal.
    run: String,
    /// Whether it is one of the journal, which was killed.
    earlier: bool,
    sent: u64,
    /// Whether the peer reported on it. Without a report nobody knows what arrived.
    reported: bool,
    lost: u64,
    /// The numbers of the lost messages.
    missing: Vec<Range>,
}

/// The runs of a journal that have no report, with the counts of their messages.
fn unreported(lines: &[Line]) -> Vec<(Run, u64)> {
    let mut runs = BTreeMap::new();
    for line in lines {
        match line {
            Line::Sent { run, number, .. } => {
                let count = runs.entry(*run).or_insert(0);
                *count = (*count).max(number + 1);
            }
            Line::Reported { run, .. } => drop(runs.remove(run)),
            _ => {}
        }
    }
    runs.into_iter().collect()
}

struct Sender {
    wire: Wire,
    journal: Journal,
    peer: u32,
    wait: Duration,
    /// How many times the peer had been given up when it was last asked.
    gave_up: u64,
}

impl Sender {
    /// Deals with what arrived; the ranges of a report page if it was the one wanted.
    fn pump(&mut self, wanted: Option<(Run, u64, u64)>) -> anyhow::Result<Option<(Vec<Range>, u64)>> {
        let opened = self.wire.next()?;
        let gave_up = self.wire.events().get("tunnel.rekey_gave_up").copied().unwrap_or(0);
        if gave_up > self.gave_up && self.wire.request(self.peer) {
            self.gave_up = gave_up;
        }
        let Some(opened) = opened.filter(|opened| opened.peer == self.peer) else { return Ok(None) };
        let Some(Plaintext::Report(page)) = decode(&opened.plaintext) else { return Ok(None) };
        // The peer may have closed the run at the count of an earlier question: then it reports on fewer.
        let is_wanted = wanted.is_some_and(|(run, count, from)| {
            page.run == run && page.from == from && page.count == count && (page.next > from || from == count)
        });
        Ok(is_wanted.then_some((page.missing, page.next)))
    }

    /// Waits for keys; false if there are none in time.
    fn connect(&mut self) -> anyhow::Result<bool> {
        let started = Instant::now();
        self.wire.request(self.peer);
        while !self.wire.has_session(self.peer) {
            if started.elapsed() >= self.wait || STOP.load(Ordering::SeqCst) {
                return Ok(false);
            }
            self.pump(None)?;
        }
        Ok(true)
    }

    /// Sends the messages of a run; returns how many.
    fn send(&mut self, run: Run, bodies: &mut Bodies, rate: u32) -> anyhow::Result<u64> {
        let (started, mut count) = (Instant::now(), 0);
        while count < MAX_COUNT && !STOP.load(Ordering::SeqCst) {
            self.pump(None)?;
            while started.elapsed().mul_f64(rate.into()).as_secs() >= count {
                let body = match bodies.next()? {
                    Next::Body(body) => body,
                    Next::NotYet => break,
                    Next::End => return Ok(count),
                };
                // The journal first: what may arrive is in it, and a kill in between is a loss.
                self.journal.write(&Line::Sent { run, number: count, digest: sha256::digest(&body) })?;
                let plaintext = Plaintext::Message { run, number: count, body: &body }.encode();
                count += 1;
                if !self.hand_over(&plaintext)? {
                    return Ok(count);
                }
            }
        }
        Ok(count)
    }

    /// Gives a plaintext to the node, waiting for its queue; false if it was not taken in time.
    fn hand_over(&mut self, plaintext: &[u8]) -> anyhow::Result<bool> {
        let started = Instant::now();
        while !self.wire.send(self.peer, plaintext)? {
            if started.elapsed() >= self.wait {
                return Ok(false);
            }
            self.pump(None)?;
        }
        Ok(true)
    }

    /// Asks the peer what never arrived. `None` if it does not answer in time.
    fn ask(&mut self, run: Run, count: u64) -> anyhow::Result<Option<Vec<Range>>> {
        let (mut missing, mut from): (Vec<Range>, u64) = (Vec::new(), 0);
        loop {
            let Some((page, next)) = self.page(run, count, from)? else { return Ok(None) };
            for range in page {
                self.journal.write(&Line::Lost { run, range })?;
                // Two pages may share a gap.
                match missing.last_mut().filter(|last| last.last + 1 == range.first) {
                    Some(last) => last.last = range.last,
                    None => missing.push(range),
                }
            }
            from = next;
            if from == count {
                self.journal.write(&Line::Reported { run, count })?;
                return Ok(Some(missing));
            }
        }
    }

    fn page(&mut self, run: Run, count: u64, from: u64) -> anyhow::Result<Option<(Vec<Range>, u64)>> {
        let (started, mut asked) = (Instant::now(), None::<Instant>);
        let question = Plaintext::Ask { run, count, from }.encode();
        while started.elapsed() < self.wait {
            if asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
                // A question that waits for keys is asked again anyway.
                self.wire.send(self.peer, &question)?;
                asked = Some(Instant::now());
            }
            if let Some(page) = self.pump(Some((run, count, from)))? {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    install_ctrlc_handler();
    let (peer, address) = args.to;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let any = any.parse().expect("it is an address");
    let wire = Wire::new(&args.end, registry, bind(args.bind.unwrap_or(any))?)?;
    wire.place(peer, address)?;
    let mut bodies = match args.count {
        Some(count) => Bodies::generated(count, args.size.into(), args.seed),
        None => Bodies::lines(args.file.as_deref())?,
    };
    let (journal, lines) = Journal::open(args.end.journal.as_deref())?;
    let (run, wait) = (Run::random()?, Duration::from_secs(args.wait));
    let mut sender = Sender { wire, journal, peer, wait, gave_up: 0 };
    let mut runs: Vec<(Run, u64)> = unreported(&lines);
    let connected = sender.connect()?;
    if connected {
        runs.push((run, sender.send(run, &mut bodies, args.rate)?));
        let sent = Instant::now();
        while sent.elapsed() < SETTLE {
            sender.pump(None)?;
        }
    } else {
        eprintln!("sealmark: node {peer} does not answer at {address}: nothing was sent");
    }
    let mut outcomes = Vec::new();
    for (id, sent) in runs {
        let missing = if connected { sender.ask(id, sent)? } else { None };
        let reported = missing.is_some();
        let missing = missing.unwrap_or_default();
        let lost = missing.iter().map(|range| range.count()).sum();
        outcomes.push(Sent { run: id.hex(), earlier: id != run, sent, reported, lost, missing });
    }
    let outcome = Outcome {
        schema: SCHEMA,
        mode: sender.wire.mode,
        engine: sender.wire.engine.clone(),
        peer,
        runs: outcomes,
        refused: sender.wire.refused.clone(),
        events: sender.wire.events(),
    };
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&outcome)?),
        Format::Text => {
            for sent in &outcome.runs {
                print_line!("{}", sent.sentence());
            }
            print_line!("refused: {}", super::counts(&outcome.refused));
        }
    }
    Ok(end(connected, &outcome.runs))
}

fn end(connected: bool, runs: &[Sent]) -> ExitStatus {
    if !connected || runs.iter().any(|sent| !sent.reported) {
        ExitStatus::CouldNotTell
    } else if runs.iter().any(|sent| sent.lost > 0) {
        ExitStatus::FoundSomething
    } else {
        ExitStatus::Fine
    }
}

impl Sent {
    fn sentence(&self) -> String {
        let begin = if self.earlier { "an earlier run: " } else { "" };
        let sent = self.sent;
        if !self.reported {
            return format!("{begin}{sent} sent, and no report on what arrived");
        }
        match self.lost {
            0 => format!("{begin}{sent} sent, all arrived"),
            lost => format!("{begin}{sent} sent, {lost} lost: {}", ranges::text(&self.missing)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_whether_all_arrived_some_were_lost_or_nobody_knows() {
        let missing = vec![Range { first: 3, last: 4 }];
        let lossy = Sent { run: String::new(), earlier: false, sent: 9, reported: true, lost: 2, missing };
        let whole = Sent { lost: 0, missing: Vec::new(), ..lossy.clone() };
        let unknown = Sent { reported: false, earlier: true, ..whole.clone() };
        assert_eq!(end(true, std::slice::from_ref(&whole)), ExitStatus::Fine);
        assert_eq!(end(true, &[whole.clone(), lossy.clone()]), ExitStatus::FoundSomething);
        assert_eq!(end(true, &[lossy.clone(), unknown.clone()]), ExitStatus::CouldNotTell);
        assert_eq!(end(false, &[]), ExitStatus::CouldNotTell);
        assert_eq!(whole.sentence(), "9 sent, all arrived");
        assert_eq!(lossy.sentence(), "9 sent, 2 lost: 3-4");
        assert_eq!(unknown.sentence(), "an earlier run: 9 sent, and no report on what arrived");
    }

    #[test]
    fn a_killed_run_is_one_without_a_report() {
        let (a, b) = (Run([1; 16]), Run([2; 16]));
        let sent = |run, number| Line::Sent { run, number, digest: [0; 32] };
        let lines = [sent(a, 0), sent(a, 1), Line::Reported { run: a, count: 2 }, sent(b, 0), sent(b, 1)];
        assert_eq!(unreported(&lines[..2]), [(a, 2)]);
        assert_eq!(unreported(&lines), [(b, 2)]);
    }

    #[test]
    fn a_peer_is_an_id_and_an_address() {
        assert_eq!(peer("2@127.0.0.1:4700"), Ok((2, "127.0.0.1:4700".parse().unwrap())));
        assert_eq!(peer("7@[::1]:1"), Ok((7, "[::1]:1".parse().unwrap())));
        for wrong in ["127.0.0.1:4700", "2@", "2@localhost:1", "x@127.0.0.1:1", "4294967296@127.0.0.1:1"] {
            assert!(peer(wrong).is_err_and(|said| said.contains("2@127.0.0.1:4700")), "{wrong}");
        }
    }
}
