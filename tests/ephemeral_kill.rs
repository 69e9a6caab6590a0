//! The scheme of ephemeral keys under real kills. A child process requests rounds, seals under their keys and
//! purges them on this machine's disk, is killed with SIGKILL at a random moment, and is restarted. Every
//! blob of a round that was not purged opens, and no blob of a purged round does, not even with the master
//! key and every byte of the file.
//!
//! A kill is not a power cut: the system keeps the data that it has. The crash campaign covers power cuts.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sealmark::disk::Os;
use sealmark::scheme::ephemeral::{
    Context, Error, Form, MasterKey, Options, Purpose, Record, Role, RoundId, Rounds,
};

/// The variable with a child's folder; a process that has it is a child.
const FOLDER: &str = "SEALMARK_EPHEMERAL_KILL_FOLDER";
const SELF: &str = "no_kill_loses_a_key_or_brings_a_purged_one_back";
const KILLS: u64 = 25;
/// Rounds that are active at a time.
const ACTIVE: u64 = 3;
const PLAINTEXT: &[u8] = b"a keyshare";

fn master() -> MasterKey {
    MasterKey::from_bytes(&[3; 32]).expect("every CPU can make a key")
}

fn round(number: u64) -> RoundId {
    RoundId::new(7, &number.to_string()).expect("a number is an id")
}

fn context(number: u64) -> Context {
    Context { round: round(number), role: Role::AtRest, purpose: Purpose::Keyshare }
}

fn start(folder: &Path) -> Result<Rounds, Error> {
    Ok(Rounds::start(&Os, master(), Options::new(&folder.join("round-keys")))?.0)
}

/// The child's work until it is killed: it prints each blob, and each purge before and after it.
fn child(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let first: u64 = std::fs::read_to_string(folder.join("first"))?.parse()?;
    let rounds = start(folder)?;
    let mut out = io::stdout().lock();
    // On one core, the test's name and no end of a line stand before the first word.
    writeln!(out)?;
    for number in first.. {
        rounds.request(&round(number))?;
        for _ in 0..3 {
            let blob = rounds.seal(&context(number), &mut PLAINTEXT.to_vec())?;
            writeln!(out, "sealed {number} {}", hex::encode(blob))?;
        }
        out.flush()?;
        if let Some(old) = number.checked_sub(ACTIVE).filter(|old| *old >= first) {
            writeln!(out, "purging {old} -")?;
            out.flush()?;
            rounds.purge(&round(old))?;
            writeln!(out, "purged {old} -")?;
            out.flush()?;
        }
    }
    Ok(())
}

/// What the children said.
#[derive(Default)]
struct Said {
    blobs: BTreeMap<u64, Vec<Vec<u8>>>,
    purging: BTreeSet<u64>,
    purged: BTreeSet<u64>,
}

impl Said {
    /// Takes in a line. The last line of a killed child may be cut short.
    fn take(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let (what, number, rest) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        match what {
            "sealed" => {
                let blob = hex::decode(rest).ok().filter(|blob| blob.len() == PLAINTEXT.len() + 28)?;
                self.blobs.entry(number).or_default().push(blob);
            }
            "purging" => drop(self.purging.insert(number)),
            "purged" => drop(self.purged.insert(number)),
            _ => return None,
        }
        Some(())
    }
}

#[test]
fn no_kill_loses_a_key_or_brings_a_purged_one_back() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let ended = child(Path::new(&folder));
        panic!("the child ended by itself: {ended:?}");
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut said = Said::default();
    for kill in 0..KILLS {
        // Each child has rounds of its own.
        std::fs::write(folder.path().join("first"), (kill * 10_000).to_string()).expect("it can be written");
        let mut process = Command::new(std::env::current_exe().expect("this test is a program"))
            .args(["--exact", SELF, "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped"));
        // Until its first blob: a child that is killed before it works shows nothing.
        let (mut line, before) = (String::new(), said.blobs.len());
        while said.blobs.len() == before {
            line.clear();
            let read = lines.read_line(&mut line).expect("it is text");
            assert!(read > 0, "kill {kill}: the child ended before it sealed");
            said.take(line.trim_end());
        }
        std::thread::sleep(Duration::from_millis(kill * 7 % 40));
        process.kill().expect("it runs");
        let mut rest = String::new();
        io::Read::read_to_string(&mut lines, &mut rest).expect("it is text");
        assert_eq!(process.wait().expect("it ended").signal(), Some(9), "kill {kill}");
        for line in rest.lines() {
            said.take(line);
        }
        check(folder.path(), &mut said);
    }
    let (rounds, purged) = (said.blobs.len(), said.purged.len());
    println!("{rounds} rounds, {purged} purged, {KILLS} kills");
    assert!(rounds as u64 >= KILLS && purged > 0, "{rounds} rounds, {purged} purged");
}

/// Restarts on the folder, and checks every round. A round whose purge was interrupted is settled: it keeps
/// its key from now on, or has lost it for good.
fn check(folder: &Path, said: &mut Said) {
    let rounds = start(folder).expect("a killed node starts again");
    for (number, blobs) in &said.blobs {
        for blob in blobs {
            let opened = rounds.open(&context(*number), blob);
            let gone = matches!(opened, Err(Error::NoRoundKey(_)));
            if said.purging.remove(number) && gone {
                said.purged.insert(*number);
            }
            if said.purged.contains(number) {
                assert!(gone, "{number}: the key of a purged round is there");
            } else {
                assert_eq!(opened.expect("its key is there")[..], *PLAINTEXT, "{number}");
            }
        }
    }
    let file = std::fs::read(folder.join("round-keys")).expect("it is there");
    // Other bytes may look like a record, such as a checksum that ends with a record's length.
    let unwrapped = |record: Record| master().unwrap(Form::Compatible, &round(0), &record, None).ok();
    let keys: Vec<_> = Record::all_in(&file).filter_map(unwrapped).collect();
    let kept = said.blobs.keys().filter(|number| !said.purged.contains(number)).count();
    assert!(keys.len() >= kept, "{} keys are in the file, of {kept} rounds that keep theirs", keys.len());
    for blob in said.purged.iter().filter_map(|number| said.blobs.get(number)).flatten() {
        let holds = keys.iter().any(|key| key.open_compatible(blob).is_ok());
        assert!(!holds, "the file holds the key of a purged round");
    }
}
