//! The engine on a recorded disk: the published script, group commit, damage, tails, and power cuts.

use std::path::Path;

use serde_json::Value;

use super::super::Code;
use super::*;
use crate::disk::{Fault, Recorder, Step};

mod crash;
mod killed;
mod snapshots;

const DIR: &str = "/log";

fn empty() -> Recorder {
    Recorder::with_dir("/log/sst")
}

fn open_with(disk: &Recorder, tail: Tail) -> Result<Engine, Error> {
    Engine::open(Arc::new(disk.clone()), DIR, Options { tail, ..Options::default() })
}

fn open(disk: &Recorder) -> Engine {
    open_with(disk, Tail::Strict).unwrap()
}

/// A disk with the files of another, after some of them were changed.
fn altered(disk: &Recorder, alter: impl Fn(&Path, &mut Vec<u8>)) -> Recorder {
    let files = disk.names().into_iter().map(|path| {
        let mut bytes = disk.read(&path).unwrap();
        alter(&path, &mut bytes);
        (path, bytes)
    });
    let files: Vec<_> = files.collect();
    Recorder::with_files("/log/sst", files)
}

/// The files that the reference knows, by their path in the folder.
fn reference_files(disk: &Recorder) -> Vec<(String, Vec<u8>)> {
    let names = disk.names().into_iter().filter(|path| !is_own(path.file_name().unwrap().to_str().unwrap()));
    let inside = |path: &Path| path.strip_prefix(DIR).unwrap().to_str().unwrap().to_owned();
    names.map(|path| (inside(&path), disk.read(&path).unwrap())).collect()
}

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/interop/kv-engine.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(row: &Value, member: &str) -> Vec<u8> {
    hex::decode(row[member].as_str().unwrap()).unwrap()
}

#[test]
fn the_published_script_gives_the_published_results_and_files() {
    let (vectors, disk) = (vectors(), empty());
    let mut engine = Some(open(&disk));
    let mut steps = 0;
    for row in vectors["script"].as_array().unwrap() {
        steps += 1;
        let open_engine = engine.as_mut().unwrap();
        match row["op"].as_str().unwrap() {
            "put" | "delete" => {
                let (key, id) = (bytes(row, "key"), bytes(row, "request_id"));
                let done = match row["op"] == "put" {
                    true => open_engine.put(&key, &bytes(row, "value"), &id),
                    false => open_engine.delete(&key, &id),
                };
                let (applied, duplicate, error) = match done {
                    Ok(Applied::New) => (true, false, ""),
                    Ok(Applied::Duplicate) => (false, true, ""),
                    Err(error) => (false, false, error.code().spec_name()),
                };
                assert_eq!(row["applied"], applied, "step {steps}");
                assert_eq!(row["duplicate"], duplicate, "step {steps}");
                assert_eq!(row["error"], error, "step {steps}");
            }
            "get" => {
                let value = open_engine.get(&bytes(row, "key")).unwrap();
                assert_eq!(row["found"], value.is_some(), "step {steps}");
                assert_eq!(value.unwrap_or_default(), bytes(row, "value"), "step {steps}");
            }
            "flush" => open_engine.flush().unwrap(),
            "compact" => open_engine.compact().unwrap(),
            "reopen" => {
                let payload = open_engine.snapshot_payload().unwrap();
                assert_eq!(payload, bytes(&vectors, "snapshot_payload_before_reopen"));
                drop(engine.take());
                let again = open(&disk);
                assert_eq!(row["records_replayed"], again.recovery().records_replayed);
                assert_eq!(row["duplicate_requests"], again.recovery().duplicate_requests);
                engine = Some(again);
            }
            other => panic!("step {steps} is a {other}"),
        }
    }
    assert_eq!(steps, 37);
    let after = vectors["files_after"].as_array().unwrap().iter();
    let expected: Vec<_> =
        after.map(|file| (file["path"].as_str().unwrap().to_owned(), bytes(file, "bytes"))).collect();
    assert_eq!(reference_files(&disk), expected);
}

#[test]
fn a_batch_is_one_write_and_one_sync_and_uses_each_id_once() {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"k", b"old", b"r0").unwrap();
    let before = disk.steps().len();
    let batch = [
        Mutation::put("k", "1", "r1"),
        Mutation::put("new", "2", "r2"),
        Mutation::put("k", "3", "r1"),
        Mutation::delete("new", "r3"),
        Mutation::put("new", "4", "r4"),
        Mutation::put("k", "5", "r0"),
    ];
    let applied = engine.commit(&batch).unwrap();
    let wal = Path::new("/log/000001.wal");
    let steps = disk.steps().split_off(before);
    assert!(matches!(&steps[..], [Step::WriteAt(path, ..), Step::Sync(_)] if path == wal), "{steps:?}");
    let dup = Applied::Duplicate;
    assert_eq!(applied, [Applied::New, Applied::New, dup, Applied::New, Applied::New, dup]);
    assert_eq!(engine.scan().unwrap(), [(b"k".to_vec(), b"1".to_vec()), (b"new".to_vec(), b"4".to_vec())]);
    for (id, existed, i) in [("r1", true, 0), ("r2", false, 1), ("r3", true, 3), ("r4", false, 4)] {
        let done = Done { content: batch[i].content(), existed };
        assert_eq!(engine.known(id.as_bytes()), Known::Done(done), "{id}");
    }
    assert_eq!(engine.commit(&[]).unwrap(), []);
}

#[test]
fn a_batch_over_eight_mebibytes_is_several_syncs_and_reads_back_the_same() {
    let disk = empty();
    let mut engine = open(&disk);
    let batch: Vec<_> = (0..20_u8).map(|i| Mutation::put([i], vec![i; 1024 * 1024], [i])).collect();
    let before = disk.steps().len();
    engine.commit(&batch).unwrap();
    let syncs = disk.steps().split_off(before).iter().filter(|step| matches!(step, Step::Sync(_))).count();
    assert_eq!(syncs, 3);
    let rows = engine.scan().unwrap();
    drop(engine);
    assert!(open(&disk).scan().unwrap() == rows && rows.len() == 20);
}

#[test]
fn a_member_that_breaks_a_limit_refuses_the_whole_batch_by_its_number() {
    let disk = empty();
    let mut engine = open(&disk);
    let before = disk.steps().len();
    for wrong in [
        Mutation::put("k", "v", ""),
        Mutation::put(vec![0; 1025], "v", "r"),
        Mutation::put("k", vec![0; 1024 * 1024 + 1], "r"),
        Mutation::put("k", "v", vec![0; 4097]),
    ] {
        let refused = engine.commit(&[Mutation::put("a", "b", "r"), wrong]).unwrap_err();
        assert_eq!((refused.code(), refused.record_index()), (Code::InvalidRecord, 1), "{refused}");
    }
    assert_eq!(disk.steps().len(), before);
    assert_eq!(engine.known(b"r"), Known::Never);
}

#[test]
fn a_second_engine_is_refused_until_the_first_is_gone() {
    let disk = empty();
    let engine = open(&disk);
    let refused = open_with(&disk, Tail::Strict).unwrap_err();
    assert!(matches!(&refused, Error::Disk(crate::disk::Error::InUse { .. })), "{refused}");
    drop(engine);
    open(&disk);
}

#[test]
fn what_a_request_found_is_the_same_after_a_restart() {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"k", b"1", b"r1").unwrap();
    engine.flush().unwrap();
    engine.put(b"k", b"2", b"r2").unwrap();
    engine.delete(b"k", b"r3").unwrap();
    engine.flush().unwrap();
    engine.compact().unwrap();
    engine.put(b"k", b"4", b"r4").unwrap();
    let ids = [b"r1", b"r2", b"r3", b"r4"];
    let known = ids.map(|id| engine.known(id));
    let existed = known.map(|known| matches!(known, Known::Done(done) if done.existed));
    assert_eq!(existed, [false, true, true, false]);
    drop(engine);
    assert_eq!(ids.map(|id| open(&disk).known(id)), known);
}

#[test]
fn a_damaged_table_is_never_an_absent_key_and_stops_no_other_key() {
    let disk = empty();
    let mut engine = open(&disk);
    for i in 0..8_u8 {
        engine.put(&[i], &[i; 2000], &[i]).unwrap();
    }
    engine.flush().unwrap();
    drop(engine);
    // The first block's payload. Without the log, the table is all that is left.
    let damaged = altered(&disk, |path, bytes| {
        if path.ends_with("000001.sst") {
            bytes[30] ^= 1;
        } else if path.ends_with("000001.wal") {
            bytes.clear();
        }
    });
    let mut engine = open(&damaged);
    let refused = engine.get(&[0]).unwrap_err();
    assert_eq!((refused.code(), refused.record_index()), (Code::ChecksumMismatch, 0), "{refused}");
    assert!(refused.to_string().contains("000001.sst"), "{refused}");
    assert_eq!(engine.get(&[7]).unwrap().unwrap(), [7; 2000]);
    // Whether the key had a value cannot be told, so nothing is written.
    let refused = engine.put(&[0], b"new", b"new").unwrap_err();
    assert_eq!(refused.code(), Code::ChecksumMismatch);
    assert_eq!(engine.known(b"new"), Known::Never);
    engine.put(&[7], b"new", b"new").unwrap();
    assert_eq!(engine.scan().unwrap_err().code(), Code::ChecksumMismatch);
    assert_eq!(engine.snapshot_payload().unwrap_err().code(), Code::ChecksumMismatch);
    assert_eq!(engine.compact().unwrap_err().code(), Code::ChecksumMismatch);
    assert_eq!(engine.get(&[7]).unwrap().unwrap(), b"new");
    assert_eq!(reference_files(&damaged).iter().filter(|(path, _)| path.ends_with(".sst")).count(), 2);
}

#[test]
fn an_incomplete_final_record_is_refused_or_cut_off_and_the_log_goes_on() {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"a", b"1", b"r1").unwrap();
    let whole = disk.read(Path::new("/log/000001.wal")).unwrap().len();
    engine.put(b"b", b"2", b"r2").unwrap();
    let all = disk.read(Path::new("/log/000001.wal")).unwrap().len();
    drop(engine);
    for len in whole + 1..all {
        let cut = altered(&disk, |path, bytes| {
            if path.ends_with("000001.wal") {
                bytes.truncate(len);
            }
        });
        let refused = open_with(&cut, Tail::Strict).unwrap_err();
        assert_eq!((refused.code(), refused.record_index()), (Code::TruncatedRecord, 1), "{refused}");
        let mut engine = open_with(&cut, Tail::Truncate).unwrap();
        assert_eq!(engine.recovery().truncated, (len - whole) as u64);
        assert_eq!(engine.known(b"r2"), Known::Never);
        engine.put(b"c", b"3", b"r3").unwrap();
        drop(engine);
        // What was written after the cut is read by the strictest reader.
        let rows = open(&cut).scan().unwrap();
        assert_eq!(rows, [(b"a".to_vec(), b"1".to_vec()), (b"c".to_vec(), b"3".to_vec())]);
    }
}

#[test]
fn an_incomplete_record_before_the_last_written_generation_is_damage_in_both_policies() {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"a", b"1", b"r1").unwrap();
    engine.flush().unwrap();
    let cut = |path: &Path, bytes: &mut Vec<u8>| {
        if path.ends_with("000001.wal") {
            bytes.pop();
        }
    };
    // The next generation is still empty: the flush may have died before the first write to it.
    let empty_next = altered(&disk, cut);
    assert_eq!(open_with(&empty_next, Tail::Truncate).unwrap().known(b"r1"), Known::Never);
    assert_eq!(empty_next.read(Path::new("/log/000001.wal")).unwrap(), b"");
    engine.put(b"b", b"2", b"r2").unwrap();
    let written_next = altered(&disk, cut);
    for tail in [Tail::Strict, Tail::Truncate] {
        let refused = open_with(&written_next, tail).unwrap_err();
        assert_eq!(refused.code(), Code::TruncatedRecord, "{refused}");
        assert!(refused.to_string().contains("000001.wal"), "{refused}");
    }
}

#[test]
fn a_failed_write_is_taken_back_and_a_failed_sync_stops_every_write_until_reopened() {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"a", b"1", b"r1").unwrap();
    disk.plan(disk.steps().len(), Fault::NoSpace);
    let refused = engine.put(b"b", b"2", b"r2").unwrap_err();
    assert_eq!(refused.code(), Code::IoError, "{refused}");
    assert!(!engine.halted());
    engine.put(b"b", b"3", b"r2").unwrap();
    disk.plan(disk.steps().len() + 1, Fault::Io);
    let refused = engine.put(b"c", b"4", b"r3").unwrap_err();
    assert!(refused.to_string().contains("syncing"), "{refused}");
    assert!(engine.halted());
    assert_eq!((engine.get(b"b").unwrap().unwrap(), engine.get(b"c").unwrap()), (b"3".to_vec(), None));
    for refused in [
        engine.put(b"d", b"5", b"r4").unwrap_err(),
        engine.flush().unwrap_err(),
        engine.compact().unwrap_err(),
        engine.install(b"").unwrap_err(),
    ] {
        assert!(matches!(refused, Error::Stopped(_)), "{refused}");
    }
    drop(engine);
    let mut engine = open(&disk);
    assert_eq!(engine.get(b"b").unwrap().unwrap(), b"3");
    engine.put(b"d", b"5", b"r4").unwrap();
}

#[test]
fn a_view_reads_what_the_engine_wrote_and_keeps_reading_while_tables_change() {
    let disk = empty();
    let mut engine = open(&disk);
    let view = engine.view();
    for i in 0..3_u8 {
        engine.put(b"k", &[i], &[i]).unwrap();
        assert_eq!(view.get(b"k").unwrap().unwrap(), [i]);
        engine.flush().unwrap();
        assert_eq!(view.get(b"k").unwrap().unwrap(), [i]);
    }
    engine.delete(b"k", b"r").unwrap();
    engine.compact().unwrap();
    assert_eq!(view.get(b"k").unwrap(), None);
    assert_eq!(reference_files(&disk).iter().filter(|(path, _)| path.ends_with(".sst")).count(), 1);
    let shown = format!("{engine:?}");
    assert!(shown.contains("request_ids: 4"), "{shown}");
}
