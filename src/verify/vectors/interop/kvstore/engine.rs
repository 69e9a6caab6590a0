//! `kv-engine.json`: a script of the engine, the files and the snapshot that it leaves, and Raft files.
//!
//! Each step is a case, judged after the steps before it, on a disk in memory. The files are the reference's
//! byte for byte, and one case says that there are no others, apart from ours, whose names the reference
//! ignores.

use std::path::{Component, Path};

use super::{
    Arc, Judgement, LOG_DIR, Node, Problem, TABLES_DIR, code, decimal, equal, integer, only, same,
    without_cipher, words,
};
use crate::disk::{Disk, Recorder};
use crate::scheme::log::Error;
use crate::scheme::log::engine::{Applied, Engine, Options, is_own};
use crate::scheme::log::raft_files::{LogEntry, Meta, decode_log, encode_log};
use crate::verify::Case;

const OPS: [&str; 6] = ["put", "get", "delete", "flush", "compact", "reopen"];

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["script", "files_after", "snapshot_payload_before_reopen", "raft_storage"])?;
    let mut cases = Vec::new();
    let script = root.member("script")?;
    let steps: Arc<Vec<Step>> =
        Arc::new(script.elements()?.map(|step| Step::read(&step)).collect::<Result<_, _>>()?);
    for i in 0..steps.len() {
        let steps = Arc::clone(&steps);
        cases.push(without_cipher(format!("script/{i}"), move || World::new()?.take_all(&steps[..=i])));
    }
    read_files(&root.member("files_after")?, &steps, &mut cases)?;
    let payload = root.member("snapshot_payload_before_reopen")?;
    let mut reopens = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Reopen { .. }));
    let (Some((reopen, _)), None) = (reopens.next(), reopens.next()) else {
        return Err(script.problem("expected one step that reopens: the snapshot is taken before it"));
    };
    let vector = payload.bytes()?;
    cases.push(without_cipher("snapshot_payload_before_reopen".into(), move || {
        judge_snapshot(&steps[..reopen], &vector)
    }));
    for (i, node) in root.member("raft_storage")?.elements()?.enumerate() {
        let raft = Raft::read(&node)?;
        cases.push(without_cipher(format!("raft_storage/{i}"), move || raft.judge()));
    }
    Ok(cases)
}

/// A case for each file, and one for the list of their names.
fn read_files(list: &Node<'_>, steps: &Arc<Vec<Step>>, cases: &mut Vec<Case>) -> Result<(), Problem> {
    let mut names = Vec::new();
    for (i, node) in list.elements()?.enumerate() {
        node.only(&["path", "bytes"])?;
        let (path, vector) = (node.member("path")?.text()?.to_owned(), node.member("bytes")?.bytes()?);
        names.push(path.clone());
        let steps = Arc::clone(steps);
        cases.push(without_cipher(format!("files_after/{i}"), move || {
            let world = World::after(&steps)?;
            let seen = world.disk.read(&Path::new(LOG_DIR).join(&path));
            same(&path, &seen.map_err(|error| format!("{path}: {error}"))?, &vector)
        }));
    }
    names.sort();
    let steps = Arc::clone(steps);
    cases.push(without_cipher("files_after/names".into(), move || {
        let world = World::after(&steps)?;
        equal("the names of the files", world.files(), names.clone())
    }));
    Ok(())
}

/// A step, with what it must say.
enum Step {
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
        id: Vec<u8>,
        expect: Written,
    },
    Delete {
        key: Vec<u8>,
        id: Vec<u8>,
        expect: Written,
    },
    Get {
        key: Vec<u8>,
        expect: Option<Vec<u8>>,
    },
    Flush {
        ok: bool,
    },
    Compact {
        ok: bool,
    },
    /// Records replayed and duplicate requests, if it succeeds.
    Reopen {
        expect: Option<(u64, u64)>,
    },
}

/// Whether a request was applied, whether its id was known, and the code of the error.
type Written = (bool, bool, &'static str);

impl Step {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let bytes = |name: &str| node.member(name)?.bytes();
        let written = || -> Result<Written, Problem> {
            let truth = |name: &str| node.member(name)?.truth();
            Ok((truth("applied")?, truth("duplicate")?, code(&node.member("error")?)?))
        };
        match node.member("op")?.word(&OPS)? {
            "put" => {
                node.only(&["op", "key", "value", "request_id", "applied", "duplicate", "error"])?;
                let (key, value, id) = (bytes("key")?, bytes("value")?, bytes("request_id")?);
                Ok(Self::Put { key, value, id, expect: written()? })
            }
            "delete" => {
                node.only(&["op", "key", "request_id", "applied", "duplicate", "error"])?;
                let (key, id) = (bytes("key")?, bytes("request_id")?);
                Ok(Self::Delete { key, id, expect: written()? })
            }
            "get" => {
                node.only(&["op", "key", "found", "value"])?;
                let (key, value) = (bytes("key")?, node.member("value")?);
                let (found, bytes) = (node.member("found")?.truth()?, value.bytes()?);
                if !found && !bytes.is_empty() {
                    return Err(value.problem("a key that is not found has no value"));
                }
                Ok(Self::Get { key, expect: found.then_some(bytes) })
            }
            "reopen" => {
                let counts = ["records_replayed", "duplicate_requests"];
                if !node.member("ok")?.truth()? {
                    node.only(&["op", "ok"])?;
                    return Ok(Self::Reopen { expect: None });
                }
                node.only(&["op", "ok", counts[0], counts[1]])?;
                let number = |name: &str| node.member(name)?.number();
                Ok(Self::Reopen { expect: Some((number(counts[0])?, number(counts[1])?)) })
            }
            op => {
                node.only(&["op", "ok"])?;
                let ok = node.member("ok")?.truth()?;
                Ok(if op == "flush" { Self::Flush { ok } } else { Self::Compact { ok } })
            }
        }
    }
}

/// An engine on its disk.
struct World {
    disk: Recorder,
    engine: Option<Engine>,
}

impl World {
    fn new() -> Result<Self, String> {
        let mut world = Self { disk: Recorder::with_dir(TABLES_DIR), engine: None };
        world.open().map_err(words)?;
        Ok(world)
    }

    fn open(&mut self) -> Result<(), Error> {
        self.engine = None;
        self.engine = Some(Engine::open(Arc::new(self.disk.clone()), LOG_DIR, Options::default())?);
        Ok(())
    }

    /// After all steps, whose judgements are cases of their own.
    fn after(steps: &[Step]) -> Result<Self, String> {
        let mut world = Self::new()?;
        for step in steps {
            let _ = world.take(step)?;
        }
        Ok(world)
    }

    /// Takes the steps in order; judges the last.
    fn take_all(&mut self, steps: &[Step]) -> Judgement {
        let mut judgement = Ok(());
        for step in steps {
            judgement = self.take(step)?;
        }
        judgement
    }

    fn engine(&mut self) -> Result<&mut Engine, String> {
        self.engine.as_mut().ok_or_else(|| "the engine did not open".into())
    }

    /// The outer error is one that no vector describes.
    fn take(&mut self, step: &Step) -> Result<Judgement, String> {
        let written = |seen: Result<Applied, Error>| -> Written {
            match seen {
                Ok(applied) => (applied == Applied::New, applied == Applied::Duplicate, ""),
                Err(error) => (false, false, error.code().spec_name()),
            }
        };
        Ok(match step {
            Step::Put { key, value, id, expect } => {
                equal("the put", written(self.engine()?.put(key, value, id)), *expect)
            }
            Step::Delete { key, id, expect } => {
                equal("the delete", written(self.engine()?.delete(key, id)), *expect)
            }
            Step::Get { key, expect } => {
                let found = self.engine()?.get(key).map_err(words)?;
                equal("the key is found", found.is_some(), expect.is_some()).and_then(|()| {
                    same("the value", &found.unwrap_or_default(), expect.as_deref().unwrap_or_default())
                })
            }
            Step::Flush { ok } => ends("the flush", &self.engine()?.flush(), *ok),
            Step::Compact { ok } => ends("the compaction", &self.engine()?.compact(), *ok),
            Step::Reopen { expect } => {
                let opened = self.open();
                let counts = |engine: &Engine| {
                    let recovery = engine.recovery();
                    (recovery.records_replayed, recovery.duplicate_requests)
                };
                ends("opening again", &opened, expect.is_some()).and_then(|()| {
                    equal("records replayed, and duplicates", self.engine.as_ref().map(counts), *expect)
                })
            }
        })
    }

    /// The names of all files but our own, which the reference ignores, in order.
    fn files(&self) -> Vec<String> {
        let named =
            self.disk.names().into_iter().filter(|path| {
                path.file_name().and_then(|name| name.to_str()).is_none_or(|name| !is_own(name))
            });
        let mut names: Vec<String> = named
            .map(|path| {
                let below = path.strip_prefix(LOG_DIR).unwrap_or(&path);
                let parts = below.components().map(Component::as_os_str).map(|part| part.to_string_lossy());
                parts.collect::<Vec<_>>().join("/")
            })
            .collect();
        names.sort();
        names
    }
}

fn ends(what: &str, seen: &Result<(), Error>, ok: bool) -> Judgement {
    match seen {
        Err(error) if ok => Err(format!("{what}: expected success, got {error}")),
        Ok(()) if !ok => Err(format!("{what}: expected an error, got success")),
        _ => Ok(()),
    }
}

/// The payload is the vector's, and an engine that installs it has the same one, also when it opens again.
fn judge_snapshot(steps: &[Step], vector: &[u8]) -> Judgement {
    let payload = |world: &mut World| world.engine()?.snapshot_payload().map_err(words);
    same("the payload", &payload(&mut World::after(steps)?)?, vector)?;
    let mut other = World::new()?;
    other.engine()?.install(vector).map_err(words)?;
    same("the payload after its installation", &payload(&mut other)?, vector)?;
    other.open().map_err(words)?;
    same("the payload after opening again", &payload(&mut other)?, vector)
}

/// What a member of a cluster keeps, and the bytes of both files.
struct Raft {
    meta: [u64; 4],
    entries: Vec<(u64, Vec<u8>)>,
    meta_bin: Vec<u8>,
    log_bin: Vec<u8>,
}

impl Raft {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let numbers = ["term", "voted_for", "snapshot_index", "snapshot_term"];
        node.only(&[&numbers[..], &["meta_bin", "entries", "log_bin"]].concat())?;
        let number = |name: &str| decimal(&node.member(name)?);
        let voted_for: u32 = integer(&node.member(numbers[1])?)?;
        let meta = [number(numbers[0])?, voted_for.into(), number(numbers[2])?, number(numbers[3])?];
        let mut entries = Vec::new();
        for entry in node.member("entries")?.elements()? {
            entry.only(&["term", "command"])?;
            entries.push((decimal(&entry.member("term")?)?, entry.member("command")?.bytes()?));
        }
        let (meta_bin, log_bin) = (node.member("meta_bin")?.bytes()?, node.member("log_bin")?.bytes()?);
        Ok(Self { meta, entries, meta_bin, log_bin })
    }

    /// Both files are written as the vector's, and read back.
    fn judge(&self) -> Judgement {
        let [term, voted_for, snapshot_index, snapshot_term] = self.meta;
        let voted_for = u32::try_from(voted_for).map_err(|error| error.to_string())?;
        let meta = Meta { term, voted_for, snapshot_index, snapshot_term };
        same("meta.bin", &meta.encode(), &self.meta_bin)?;
        let entry = |(term, command): &(u64, Vec<u8>)| LogEntry { term: *term, command: command.clone() };
        let entries: Vec<LogEntry> = self.entries.iter().map(entry).collect();
        same("log.bin", &encode_log(&entries).map_err(words)?, &self.log_bin)?;
        let read = Meta::decode(&self.meta_bin).map_err(words)?;
        let read = [read.term, read.voted_for.into(), read.snapshot_index, read.snapshot_term];
        equal("meta.bin, read", read, self.meta)?;
        let read = decode_log(&self.log_bin).map_err(words)?;
        let read: Vec<_> = read.into_iter().map(|entry| (entry.term, entry.command)).collect();
        if read == self.entries { Ok(()) } else { Err("log.bin is read as other entries".into()) }
    }
}
