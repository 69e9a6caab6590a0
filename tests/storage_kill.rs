//! The storage scheme under real kills. A child process starts, replays, rotates and writes on this machine's
//! disk, is killed with SIGKILL at a random moment, and is restarted. No nonce repeats, and every
//! acknowledged value opens.
//!
//! A kill is not a power cut: the system keeps the data that it has. The crash campaign covers power cuts.

#![cfg(unix)]

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sealmark::disk::{Disk, Os, Redb, Store};
use sealmark::engine;
use sealmark::envelope::aad::pebble_key;
use sealmark::envelope::{Cipher, Keystore};
use sealmark::scheme::storage::SEALED_OVERHEAD;
use sealmark::scheme::storage::guards::LogScanner;
use sealmark::scheme::storage::load::{Node, hydrate};
use sealmark::scheme::storage::proposal::seal_proposal;
use sealmark::scheme::storage::value::read;
use sealmark::scheme::storage::wire::{Bootstrap, Entry, Rotation, Subtag};
use sealmark::scheme::storage::{
    Clear, Kek, LocalKek, Origin, Purpose, Sidecar, SidecarFile, Start, kek, load,
};

/// The variable with a child's folder; a process that has it is a child.
const FOLDER: &str = "SEALMARK_KILL_FOLDER";
const NODE: u64 = 0xbeef;
const KILLS: u64 = 25;

fn wrapper() -> Arc<dyn Kek> {
    Arc::new(LocalKek::new(&[3; 32]).expect("every CPU can make a key"))
}

fn sidecar_file(folder: &Path) -> SidecarFile {
    SidecarFile::new(Arc::new(Os) as Arc<dyn Disk>, folder.join("keys.json"))
}

fn registry(folder: &Path) -> Result<Arc<dyn Store>, sealmark::disk::Error> {
    Ok(Arc::new(Redb::open(&Os, &folder.join("registry"))?))
}

/// The log: a file of lengths and entries. An entry counts once it is synced; a truncated entry does not
/// count.
struct Log {
    file: File,
    entries: Vec<Vec<u8>>,
}

impl Log {
    fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("log");
        let bytes = fs::read(&path).unwrap_or_default();
        let (mut rest, mut entries) = (&bytes[..], Vec::new());
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            let Some((entry, after)) = after.split_at_checked(u32::from_be_bytes(*len) as usize) else {
                break;
            };
            entries.push(entry.to_vec());
            rest = after;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len((bytes.len() - rest.len()) as u64)?;
        Ok(Self { file, entries })
    }

    fn push(&mut self, entry: Vec<u8>) -> io::Result<()> {
        let len = u32::try_from(entry.len()).expect("entries are short");
        self.file.write_all(&[&len.to_be_bytes(), &entry[..]].concat())?;
        self.file.sync_all()?;
        self.entries.push(entry);
        Ok(())
    }
}

impl LogScanner for Log {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        // This log has no frames and no cut-over.
        for (index, payload) in (1..).zip(&self.entries).filter(|(index, _)| (first..=last).contains(index)) {
            entry(index, &seal_proposal(index, payload, None).map_err(io::Error::other)?);
        }
        Ok(())
    }
}

/// The child's work until it is killed. It prints each stored value once it is acknowledged.
fn child(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut log = Log::open(folder)?;
    let mut loaded = load(Start {
        encryption_enabled: true,
        kek: Some(wrapper()),
        sidecar: Some(Arc::new(sidecar_file(folder))),
        store: registry(folder)?,
        engine: engine::find("sealmark").expect("our own engine is always there"),
        full_node_id: NODE,
        peers: vec![NODE, NODE + 1],
        snapshot_cutover: 0,
    })?;
    for (i, entry) in log.entries.iter().enumerate() {
        loaded.applier.apply(i as u64 + 1, entry)?;
    }
    let mut node = loaded.ready(log.entries.len() as u64, Some(&log))?;
    let identity = node.applier.identity();
    let file = sidecar_file(folder);
    let mut propose = |node: &mut Node, entry: Entry| -> Result<(), Box<dyn std::error::Error>> {
        log.push(entry.encode())?;
        node.applier.apply(log.entries.len() as u64, &entry.encode())?;
        Ok(())
    };
    let new_key = |purpose, key_id| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Ok(wrapper().wrap(purpose, key_id, &*kek::new_dek()?)?)
    };
    if file.find()?.is_none() {
        let bootstrap = Bootstrap {
            storage_id: 1,
            wrapped_storage: new_key(Purpose::Storage, 1)?,
            raft_id: 2,
            wrapped_raft: new_key(Purpose::Raft, 2)?,
            rows: vec![identity.registration(Purpose::Storage, 1), identity.registration(Purpose::Raft, 2)],
        };
        propose(&mut node, Entry::Bootstrap(bootstrap))?;
    }
    let active = file.read()?.active_storage;
    propose(&mut node, Entry::Registration(identity.registration(Purpose::Storage, active)))?;
    let rotation = |subtag, dek_id, wrapped| {
        let proposer = identity.registration(Purpose::Storage, dek_id);
        Entry::Rotation(Rotation { subtag, dek_id, purpose: Purpose::Storage, wrapped, proposer })
    };
    propose(&mut node, rotation(Subtag::EnableStorage, active, Vec::new()))?;
    let mut out = io::stdout().lock();
    // On one core, the test's name and no end of a line stand before the first word.
    writeln!(out)?;
    for round in 0_u64.. {
        if round % 5 == 4 {
            let last = file.read()?.entries().last().map_or(2, |(key_id, _)| *key_id);
            let wrapped = new_key(Purpose::Storage, last + 1)?;
            propose(&mut node, rotation(Subtag::Rotate, last + 1, wrapped))?;
        }
        for ts in 0..20 {
            let mut stored = [0; 8 + SEALED_OVERHEAD];
            let ts = round * 20 + ts;
            node.sealer.seal_into(b"k", ts, 0, &ts.to_be_bytes(), Origin::Direct, &mut stored)?;
            writeln!(out, "{ts} {}", hex::encode(stored))?;
        }
        out.flush()?;
    }
    Ok(())
}

/// Starts a child, lets it write for a while, and kills it. Returns its complete lines.
fn life(folder: &Path, wait: Duration) -> Vec<(u64, Vec<u8>)> {
    let mut child = Command::new(std::env::current_exe().expect("this test is a file"))
        .args(["--exact", "a_child_that_waits_to_be_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test can be started again");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let reader = std::thread::spawn(move || {
        let lines = stdout.lines().map_while(Result::ok);
        let value = |line: String| {
            let (ts, stored) = line.split_once(' ')?;
            Some((ts.parse().ok()?, hex::decode(stored).ok().filter(|s| s.len() == 8 + SEALED_OVERHEAD)?))
        };
        lines.filter_map(value).collect::<Vec<_>>()
    });
    std::thread::sleep(wait);
    // It may already have ended by itself; the status shows that.
    let _ = child.kill();
    let status = child.wait().expect("it is our child");
    assert_eq!(status.signal(), Some(9), "the child was not killed, it refused to start: {status}");
    reader.join().expect("the reader does not panic")
}

/// Not a test: the child that [`life`] starts.
#[test]
fn a_child_that_waits_to_be_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let ended = child(&PathBuf::from(folder));
        panic!("{}", ended.err().map_or("it ended".into(), |error| error.to_string()));
    }
}

#[test]
fn no_kill_repeats_a_nonce_or_loses_a_value() {
    let folder = tempfile::tempdir().expect("a folder for files that are not kept");
    let (mut values, mut issued) = (Vec::new(), HashSet::new());
    let mut clear = 0;
    for kill in 0..KILLS {
        // From before the child has loaded until well into its writing.
        let said = life(folder.path(), Duration::from_millis(5 + kill * 37 % 300));
        for (ts, stored) in said {
            if stored[0] == 0 {
                clear += 1;
            } else {
                let header: [u8; 16] = stored[11..27].try_into().expect("key id and nonce");
                assert!(issued.insert(header), "life {kill}: a nonce is issued twice: {header:02x?}");
            }
            values.push((ts, stored));
        }
    }
    assert!(issued.len() > 100, "{} values in {KILLS} lives: nothing was tested", values.len());
    let sidecar = Sidecar::read(&Os, &folder.path().join("keys.json")).expect("the sidecar is whole");
    let keystore = Keystore::new(engine::find("sealmark").expect("our own engine is always there"));
    hydrate(&sidecar, &*wrapper(), &keystore).expect("the KEK opens every key");
    let cipher = Cipher::from(Arc::new(keystore));
    for (ts, stored) in &values {
        let value = read(Some(&cipher), Clear::Allowed, &pebble_key(b"k", *ts), stored).expect("it opens");
        assert_eq!(value.value, ts.to_be_bytes());
    }
    println!("{} values in {KILLS} lives, {clear} in clear, {} keys", values.len(), sidecar.keys.len());
}
