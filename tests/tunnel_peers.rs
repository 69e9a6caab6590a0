//! The tunnel between real processes: a sender and a listener on UDP, with a relay between them that loses
//! 30 % of all datagrams and reorders, duplicates and corrupts others, both ways. Both ends are killed with
//! SIGKILL at seeded moments and started again, with timers that run twenty times as fast.
//!
//! The judge reads both journals, and what the listeners printed. Each message was given out at most once and
//! as it was sent; each message that was not is one that a sealed report called lost, and no other is; no
//! frame opened twice.

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
    Run::start("safe", 1).to_the_end();
}

#[test]
fn hardened_peers_that_are_killed_receive_each_message_once_or_report_it_lost() {
    Run::start("hardened", 2).to_the_end();
}

#[test]
fn another_seed_kills_hardened_peers_at_other_moments() {
    Run::start("hardened", 3).to_the_end();
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
    fn to_the_end(mut self) {
        for kill in 0..KILLS {
            let before = self.opened();
            wait(&format!("messages arrive after {kill} kills"), || self.opened() > before);
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
        let before = self.opened();
        wait("messages arrive after the last kill", || self.opened() > before);
        // One that is asked to stop reports first.
        let code = self.sender.stop();
        assert!(code == 0 || code == 1, "{code}");
        self.next_sender("150");
        let code = self.sender.code();
        let outcome: Value =
            serde_json::from_slice(&fs::read(&self.sender.output).expect("it is there")).expect("it is JSON");
        assert!(code == 0 || code == 1, "{code}: {outcome}");
        assert_eq!(self.listener.stop(), 0, "the tunnel opened no frame twice");
        let ended = self.listener.lines().pop().expect("it printed its counts");
        assert_eq!((&ended["kind"], &ended["messages"]["replayed"]), (&"end".into(), &0.into()), "{ended}");
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

    fn journal(&self, name: &str) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.folder.path().join(name)).expect("it is there");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().skip(1);
        lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    }

    fn opened(&self) -> usize {
        self.journal("bob.journal").iter().filter(|line| line[0] == "opened").count()
    }

    /// A message is named by its run and number.
    fn judge(&self, relayed: &Value) {
        let name = |run: &str, number: &str| (run.to_owned(), number.parse::<u64>().expect("a number"));
        let (mut sent, mut lost, mut reported) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for line in self.journal("alice.journal") {
            match &line.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["sent", run, number, digest] => {
                    assert!(sent.insert(name(run, number), (*digest).to_owned()).is_none(), "{line:?}");
                }
                ["lost", run, first, last] => {
                    let (first, last) = (name(run, first).1, name(run, last).1);
                    lost.extend((first..=last).map(|number| ((*run).to_owned(), number)));
                }
                ["reported", run, _] => assert!(reported.insert((*run).to_owned()), "{line:?}"),
                _ => panic!("{line:?}"),
            }
        }
        let (mut given, mut tags, mut fates) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        for line in self.journal("bob.journal") {
            match &line.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["opened", peer, run, number, tag, digest, fate] => {
                    let message = name(run, number);
                    assert_eq!(*peer, "1");
                    assert_eq!(sent.get(&message).map(String::as_str), Some(*digest), "altered: {line:?}");
                    assert!(tags.insert((*tag).to_owned()), "a frame opened twice: {line:?}");
                    *fates.entry((*fate).to_owned()).or_insert(0) += 1;
                    if *fate == "given" {
                        assert!(given.insert(message), "given out twice: {line:?}");
                    }
                }
                ["closed", "1", ..] => {}
                _ => panic!("{line:?}"),
            }
        }
        let runs: BTreeSet<String> = sent.keys().map(|(run, _)| run.clone()).collect();
        assert_eq!(runs, reported, "every run has a report");
        let arrived_or_lost: BTreeSet<_> = given.union(&lost).cloned().collect();
        let all: BTreeSet<_> = sent.keys().cloned().collect();
        assert!(given.is_disjoint(&lost), "called lost, and given out");
        assert_eq!(arrived_or_lost, all, "every loss is reported");
        self.compare_with_what_was_printed(&sent, &given);
        println!(
            "{}, seed {}: {} sent in {} runs, {} given out, {} lost, opened {fates:?}, {relayed}",
            self.mode,
            self.seed,
            sent.len(),
            runs.len(),
            given.len(),
            lost.len()
        );
        assert!(given.len() > 100 && lost.len() > 30, "{} given, {} lost", given.len(), lost.len());
    }

    fn compare_with_what_was_printed(
        &self,
        sent: &BTreeMap<(String, u64), String>,
        given: &BTreeSet<(String, u64)>,
    ) {
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
