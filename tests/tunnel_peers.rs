//! The tunnel between real processes: a sender and a listener on UDP, with a relay between them that loses
//! 30 % of all datagrams and reorders, duplicates and corrupts others, both ways. Both ends are killed with
//! SIGKILL at seeded moments and started again, with timers that run twenty times as fast.
//!
//! The judge reads both journals, and what the listeners printed. Each message was given out at most once and
//! as it was sent; each message that was not is one that a sealed report called lost, and no other is. In
//! `hardened` no frame opens twice. In `safe` one may, which is declared: a late copy of an old key exchange
//! brings back the old keys with an empty window. The listener recognises the frame and gives nothing out.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sealmark::primitive::sha256;
use serde_json::Value;

/// Kills in each run.
const KILLS: usize = 5;
/// The longest that a step may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const FAULTS: [&str; 8] = ["--loss", "30", "--reorder", "20", "--duplicate", "15", "--corrupt", "5"];

#[test]
fn safe_peers_that_are_killed_receive_each_message_once_or_report_it_lost() {
    Run::start("safe", 1).until_the_end();
}

#[test]
fn hardened_peers_that_are_killed_receive_each_message_once_or_report_it_lost() {
    Run::start("hardened", 2).until_the_end();
}

#[test]
fn another_seed_kills_hardened_peers_at_other_moments() {
    Run::start("hardened", 3).until_the_end();
}

/// A process that ends with its owner. What it prints goes to a file: nobody has to read a pipe.
struct Process {
    child: Child,
    output: PathBuf,
}

impl Process {
    fn start(folder: &Path, name: &str, arguments: &[&str]) -> Self {
        let output = folder.join(name);
        let file = File::create(&output).expect("it can be written");
        let child = Command::new(env!("CARGO_BIN_EXE_sealmark"))
            .arg("tunnel")
            .args(arguments)
            .current_dir(folder)
            .stdout(file)
            .spawn()
            .expect("the command can be run");
        Self { child, output }
    }

    /// The lines that it has printed. The last line of a killed process may be cut short.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.output).expect("it is text");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// The address that its first line names.
    fn address(&mut self) -> String {
        let mut address = None;
        wait(&format!("{} is ready", self.output.display()), || {
            address = self.lines().first().and_then(|line| Some(line["address"].as_str()?.to_owned()));
            assert!(address.is_some() || !self.has_ended(), "{} ended", self.output.display());
            address.is_some()
        });
        address.expect("it is ready")
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_some()
    }

    fn kill(&mut self) {
        use std::os::unix::process::ExitStatusExt;
        self.child.kill().expect("it runs");
        let ended = self.child.wait().expect("it ended");
        assert_eq!(ended.signal(), Some(9), "{} ended before", self.output.display());
    }

    /// Asks it to stop, as Ctrl-C does; returns its exit code.
    fn stop(&mut self) -> i32 {
        let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(kill.expect("there is a shell").success());
        self.code()
    }

    fn code(&mut self) -> i32 {
        let mut code = None;
        wait(&format!("{} ends", self.output.display()), || {
            code = self.child.try_wait().expect("it can be asked").map(|status| status.code());
            code.is_some()
        });
        code.flatten().expect("it ended by itself")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let started = Instant::now();
    while !until() {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Run {
    folder: tempfile::TempDir,
    mode: &'static str,
    seed: u64,
    rng: ChaCha8Rng,
    relay: Process,
    relay_address: String,
    listener: Process,
    address: String,
    /// The outputs of every listener so far.
    printed: Vec<PathBuf>,
    sender: Process,
    senders: usize,
}

impl Run {
    fn start(mode: &'static str, seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        for (file, id) in [("alice.key", "1"), ("bob.key", "2")] {
            let mut keygen = Process::start(folder.path(), "keygen", &["keygen", file, "--node-id", id]);
            assert_eq!(keygen.code(), 0);
        }
        let mut listener = listen(folder.path(), mode, "127.0.0.1:0", 0);
        let address = listener.address();
        let seed_text = seed.to_string();
        let relay =
            [&["relay", "--to", &address, "--seed", &seed_text, "--format", "json"], &FAULTS[..]].concat();
        let mut relay = Process::start(folder.path(), "relay", &relay);
        let relay_address = relay.address();
        let sender = send(folder.path(), mode, &relay_address, 0, "1000000");
        Self {
            printed: vec![listener.output.clone()],
            rng: ChaCha8Rng::seed_from_u64(seed),
            folder,
            mode,
            seed,
            relay,
            relay_address,
            listener,
            address,
            sender,
            senders: 1,
        }
    }

    /// Kills one end or the other, again and again, and lets the last sender finish.
    fn until_the_end(mut self) {
        for kill in 0..KILLS {
            self.wait_for_messages(&format!("messages arrive after {kill} kills"));
            std::thread::sleep(Duration::from_millis(self.rng.random_range(20..300)));
            // Each end at least once.
            if kill == 1 || (kill > 1 && self.rng.random()) {
                self.listener.kill();
                self.listener = listen(self.folder.path(), self.mode, &self.address, self.printed.len());
                self.printed.push(self.listener.output.clone());
            } else {
                self.sender.kill();
                self.next_sender("1000000");
            }
        }
        self.wait_for_messages("messages arrive after the last kill");
        // One that is asked to stop reports first.
        let code = self.sender.stop();
        assert!(code == 0 || code == 1, "{code}");
        self.next_sender("150");
        let code = self.sender.code();
        let outcome: Value =
            serde_json::from_slice(&fs::read(&self.sender.output).expect("it is there")).expect("it is JSON");
        assert!(code == 0 || code == 1, "{code}: {outcome}");
        let code = self.listener.stop();
        let ended = self.listener.lines().pop().expect("it printed its counts");
        assert_eq!(ended["kind"], "end");
        let replayed = ended["messages"]["replayed"].as_u64().expect("a count");
        assert_eq!(code, i32::from(replayed > 0), "{ended}");
        assert!(replayed == 0 || self.mode != "hardened", "a frame opened twice: {ended}");
        assert_eq!(self.relay.stop(), 0);
        let relayed = self.relay.lines().pop().expect("it printed its counts");
        for fault in ["lost", "reordered", "duplicated", "corrupted"] {
            assert!(relayed[fault].as_u64() > Some(0), "no datagram was {fault}: {relayed}");
        }
        self.judge(&relayed);
    }

    fn next_sender(&mut self, count: &str) {
        self.sender = send(self.folder.path(), self.mode, &self.relay_address, self.senders, count);
        self.senders += 1;
    }

    /// A journal; nothing if it was not begun.
    fn journal(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Waits until the present listener receives a message of the present sender: a process that is killed
    /// before it works shows nothing.
    fn wait_for_messages(&self, what: &str) {
        let opened = |journal: &str| journal.lines().filter(|line| line.starts_with("opened ")).count();
        let before = opened(&self.journal("bob.journal"));
        wait(what, || {
            let (sent, journal) = (self.journal("alice.journal"), self.journal("bob.journal"));
            let runs: BTreeSet<&str> =
                sent.lines().filter_map(|line| line.strip_prefix("sent ")?.split(' ').next()).collect();
            let last =
                sent.lines().filter_map(|line| line.strip_prefix("sent ")?.split(' ').next()).next_back();
            let new = journal.lines().filter(|line| line.starts_with("opened ")).skip(before);
            let arrives = |run: &str| new.clone().any(|line| line.split(' ').nth(2) == Some(run));
            runs.len() == self.senders && last.is_some_and(arrives)
        });
    }

    fn judge(&self, relayed: &Value) {
        let judged = judge(&self.journal("alice.journal"), &self.journal("bob.journal"), self.mode);
        let Judged { sent, given, lost, runs, fates } = judged.unwrap_or_else(|breach| panic!("{breach}"));
        self.compare_with_what_was_printed(&sent, &given);
        println!(
            "{}, seed {}: {} sent in {runs} runs, {} given out, {lost} lost, opened {fates:?}, {relayed}",
            self.mode,
            self.seed,
            sent.len(),
            given.len(),
        );
        assert!(given.len() > 100 && lost > 30, "{} given, {lost} lost", given.len());
    }

    fn compare_with_what_was_printed(&self, sent: &BTreeMap<Name, String>, given: &BTreeSet<Name>) {
        let mut printed = BTreeSet::new();
        for output in &self.printed {
            let text = fs::read_to_string(output).expect("it is text");
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            for line in lines.filter(|line| line["kind"] == "message") {
                let run = line["run"].as_str().expect("a run").to_owned();
                let message = (run, line["number"].as_u64().expect("a number"));
                let body = match (line["text"].as_str(), line["hex"].as_str()) {
                    (Some(text), None) => text.as_bytes().to_vec(),
                    (None, Some(digits)) => hex::decode(digits).expect("hexadecimal"),
                    _ => panic!("{line}"),
                };
                assert_eq!(sent.get(&message), Some(&hex::encode(sha256::digest(&body))), "altered: {line}");
                assert!(printed.insert(message), "printed twice: {line}");
            }
        }
        assert!(printed.is_subset(given));
        // A kill between the journal and the print leaves one message unprinted.
        let unprinted = given.len() - printed.len();
        assert!(unprinted < self.printed.len(), "{unprinted} messages were not printed");
    }
}

/// The run and the number of a message.
type Name = (String, u64);

/// What two journals say that keep the promise.
#[derive(Debug)]
struct Judged {
    /// Every message that was sent, with its digest.
    sent: BTreeMap<Name, String>,
    given: BTreeSet<Name>,
    lost: usize,
    runs: usize,
    /// How often each fate befell a frame that opened.
    fates: BTreeMap<String, u64>,
}

/// Compares the journals of a sender and a listener in this mode. The error is the first breach.
fn judge(sender: &str, listener: &str, mode: &str) -> Result<Judged, String> {
    let name = |run: &str, number: &str| number.parse().map(|number: u64| (run.to_owned(), number));
    let lines = |journal: &str| -> Vec<Vec<String>> {
        // A killed program may leave the beginning of a line.
        let whole = journal.rfind('\n').map_or("", |end| &journal[..end]);
        whole.lines().skip(1).map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    };
    let (mut sent, mut lost, mut reported) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    for line in lines(sender) {
        let breach = |what: &str| format!("{what}: {line:?}");
        let unreadable = |_| breach("unreadable");
        match &line.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["sent", run, number, digest] => {
                let before = sent.insert(name(run, number).map_err(unreadable)?, (*digest).to_owned());
                before.map_or(Ok(()), |_| Err(breach("sent twice under one number")))?;
            }
            ["lost", run, first, last] => {
                let first = name(run, first).map_err(unreadable)?.1;
                let last = name(run, last).map_err(unreadable)?.1;
                lost.extend((first..=last).map(|number| ((*run).to_owned(), number)));
            }
            ["reported", run, _] => drop(reported.insert((*run).to_owned())),
            _ => return Err(breach("unknown")),
        }
    }
    let (mut given, mut tags, mut fates) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for line in lines(listener) {
        let breach = |what: &str| Err(format!("{what}: {line:?}"));
        match &line.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["opened", "1", run, number, tag, digest, fate] => {
                let message = name(run, number).map_err(|_| format!("unreadable: {line:?}"))?;
                if sent.get(&message).map(String::as_str) != Some(*digest) {
                    return breach("altered, or never sent");
                }
                let declared = mode == "safe" && *fate == "replayed";
                if !tags.insert((*tag).to_owned()) && !declared {
                    return breach("a frame opened twice");
                }
                if *fate == "given" && !given.insert(message) {
                    return breach("given out twice");
                }
                *fates.entry((*fate).to_owned()).or_insert(0) += 1;
            }
            ["closed", "1", ..] => {}
            _ => return breach("unknown"),
        }
    }
    let runs: BTreeSet<String> = sent.keys().map(|(run, _)| run.clone()).collect();
    if let Some(run) = runs.difference(&reported).next() {
        return Err(format!("no report on the run {run}"));
    }
    if let Some(message) = given.intersection(&lost).next() {
        return Err(format!("given out, and called lost: {message:?}"));
    }
    if let Some(message) = sent.keys().find(|message| !given.contains(message) && !lost.contains(message)) {
        return Err(format!("lost, and not reported: {message:?}"));
    }
    Ok(Judged { runs: runs.len(), lost: lost.len(), sent, given, fates })
}

#[test]
fn the_judge_finds_each_planted_breach() {
    let sender = "v\nsent a 0 x\nsent a 1 y\nsent a 2 z\nlost a 1 1\nreported a 3\n";
    let listener =
        "v\nopened 1 a 0 t x given\nopened 1 a 2 u z given\nopened 1 a 2 w z again\nclosed 1 a 3\nope";
    let judged = judge(sender, listener, "hardened").expect("nothing is wrong");
    assert_eq!((judged.sent.len(), judged.given.len(), judged.lost, judged.runs), (3, 2, 1, 1));
    assert_eq!(judged.fates.into_iter().collect::<Vec<_>>(), [("again".into(), 1), ("given".into(), 2)]);
    for (from, to, breach) in [
        ("t x given", "t y given", "altered"),
        ("1 a 0 t x given", "1 a 9 t x given", "never sent"),
        ("w z again", "u z again", "opened twice"),
        ("w z again", "w z given", "given out twice"),
        ("opened 1 a 0 t x given\n", "", "lost, and not reported"),
        ("u z given\n", "u z late\n", "lost, and not reported"),
        ("1 a 0", "2 a 0", "unknown"),
    ] {
        let planted = listener.replacen(from, to, 1);
        assert_ne!(planted, listener);
        assert!(judge(sender, &planted, "hardened").expect_err(breach).contains(breach), "{breach}");
    }
    for (from, to, breach) in [
        ("lost a 1 1\n", "", "lost, and not reported"),
        ("lost a 1 1", "lost a 1 2", "given out, and called lost"),
        ("reported a 3", "reported b 3", "no report on the run a"),
        ("sent a 1 y", "sent a 0 y", "sent twice"),
        ("sent a 1 y", "sent a one y", "unreadable"),
    ] {
        let planted = sender.replacen(from, to, 1);
        assert!(judge(&planted, listener, "hardened").expect_err(breach).contains(breach), "{breach}");
    }
    let replayed = listener.replacen("w z again", "u z replayed", 1);
    assert!(judge(sender, &replayed, "safe").is_ok());
    assert!(judge(sender, &replayed, "hardened").expect_err("replayed").contains("opened twice"));
    let twice = listener.replacen("w z again", "u z again", 1);
    assert!(judge(sender, &twice, "safe").expect_err("again").contains("opened twice"));
}

/// What both ends are told.
fn end<'a>(key: &'a str, journal: &'a str, mode: &'a str) -> [&'a str; 12] {
    [
        "--identity",
        key,
        "--peers",
        ".",
        "--mode",
        mode,
        "--timers",
        "0.05",
        "--journal",
        journal,
        "--format",
        "json",
    ]
}

fn listen(folder: &Path, mode: &str, address: &str, number: usize) -> Process {
    let arguments = [&["listen", "--bind", address], &end("bob.key", "bob.journal", mode)[..]].concat();
    Process::start(folder, &format!("listener-{number}"), &arguments)
}

fn send(folder: &Path, mode: &str, relay: &str, number: usize, count: &str) -> Process {
    let (to, seed) = (format!("2@{relay}"), number.to_string());
    let more = ["send", "--to", &to, "--count", count, "--seed", &seed, "--rate", "400", "--wait", "20"];
    let arguments = [&more, &end("alice.key", "alice.journal", mode)[..]].concat();
    Process::start(folder, &format!("sender-{number}"), &arguments)
}
