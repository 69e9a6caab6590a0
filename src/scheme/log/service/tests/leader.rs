//! One node: group commit, what a failure costs the others, and the end of the thread.

use std::path::{Path, PathBuf};

use super::super::super::{Code as Integrity, Record, command};
use super::*;
use crate::disk::{Disk as _, Fault, Step};

/// Proposes a put with this key as the request id, too.
fn propose(leadership: &Alone, key: &[u8], finish: Finish) {
    let mut encoded = Vec::new();
    command::encode(&Record::put(key, b"v", key), &mut encoded).unwrap();
    leadership.propose(encoded, finish);
}

/// A log whose only table has the key `m`, in a damaged block.
fn rotten() -> Recorder {
    let disk = disk();
    let mut engine = Engine::open(Arc::new(disk.clone()), "/log", Options::default()).unwrap();
    engine.put(b"m", b"value", b"r").unwrap();
    let (payload, history) = (engine.snapshot_payload().unwrap(), engine.history().unwrap());
    engine.install_with(&payload, &history).unwrap();
    drop(engine);
    let mut tables = 0;
    let files: Vec<(PathBuf, Vec<u8>)> = disk
        .names()
        .into_iter()
        .map(|path| {
            let mut bytes = disk.read(&path).unwrap();
            if path.extension() == Some("sst".as_ref()) {
                // The first byte of the first entry.
                bytes[20] ^= 1;
                tables += 1;
            }
            (path, bytes)
        })
        .collect();
    assert_eq!(tables, 1);
    assert!(files.iter().any(|(path, _)| path.starts_with(Path::new("/log/sst"))));
    Recorder::with_files("/log/sst", files)
}

#[test]
fn writes_that_wait_together_share_a_sync() {
    let disk = disk();
    let machine = machine_on(&disk);
    let leadership = Alone::start(Arc::clone(&machine)).unwrap();
    let (done, results) = mpsc::channel();
    let before = disk.steps().len();
    {
        // Nothing is applied while the engine is taken.
        let _engine = machine.engine();
        for i in 0..100_u8 {
            let done = done.clone();
            propose(&leadership, &[i], Box::new(move |result| done.send(result).unwrap()));
        }
    }
    for _ in 0..100 {
        assert_eq!(results.recv().unwrap(), Ok(Outcome::Put { overwritten: false }));
    }
    let syncs = disk.steps().split_off(before).iter().filter(|step| matches!(step, Step::Sync(_))).count();
    assert!((1..=2).contains(&syncs), "{syncs}");
}

#[test]
fn a_disk_that_fails_is_an_internal_error_for_writes_and_no_answer_is_made_up() {
    let disk = disk();
    let service = alone_on(&disk);
    service.put(b"k", b"v", b"r1", later()).unwrap();
    disk.plan(disk.steps().len() + 1, Fault::Io);
    let (failed, said) = code(service.put(b"k", b"w", b"r2", later()));
    assert!(failed == Code::Internal && said.contains("syncing"), "{said}");
    let (failed, said) = code(service.put(b"k", b"w", b"r2", later()));
    assert!(failed == Code::Internal && said.contains("open the log again"), "{said}");
    assert_eq!(service.get(b"k"), Ok(Some(b"v".to_vec())));
    assert_eq!(service.put(b"k", b"v", b"r1", later()), Ok(false));
    let failure = service.machine().failure().unwrap();
    assert!(failure.code == Integrity::IoError && failure.message.contains("syncing"), "{failure:?}");
}

#[test]
fn a_damaged_block_fails_the_write_that_needs_it_and_no_other_of_the_same_sync() {
    let machine = machine_on(&rotten());
    let leadership = Alone::start(Arc::clone(&machine)).unwrap();
    let (done, results) = mpsc::channel();
    let keys = [b"a", b"b", b"m", b"c", b"d"];
    {
        // Nothing is applied while the engine is taken, so all but perhaps the first wait for one sync.
        let _engine = machine.engine();
        for key in keys {
            let done = done.clone();
            propose(&leadership, key, Box::new(move |result| done.send((key, result)).unwrap()));
        }
    }
    for key in keys {
        let (told, result) = results.recv().unwrap();
        assert_eq!(told, key, "in order");
        if key == b"m" {
            let (code, said) = code(result);
            assert!(code == Code::Internal && said.contains("integrity_code=CHECKSUM_MISMATCH"), "{said}");
        } else {
            assert_eq!(result, Ok(Outcome::Put { overwritten: false }));
            assert_eq!(machine.get(key).unwrap(), Some(b"v".to_vec()));
        }
    }
    assert_eq!(machine.failure().unwrap().code, Integrity::ChecksumMismatch);
}

#[test]
fn the_first_error_of_a_read_or_a_write_is_kept() {
    let disk = rotten();
    let machine = machine_on(&disk);
    assert_eq!((machine.get(b"a").unwrap(), machine.failure()), (None, None));
    let damage = machine.get(b"m").unwrap_err();
    disk.plan(disk.steps().len(), Fault::NoSpace);
    let mut command = Vec::new();
    command::encode(&Record::put(b"a", b"v", b"a"), &mut command).unwrap();
    let full = machine.apply(&[&command]).unwrap_err();
    assert_eq!(full.code(), Integrity::IoError, "{full}");
    assert!(machine.apply(&[&command]).is_ok(), "it was taken back");
    assert_eq!(machine.failure(), Some(Failure::from(&damage)));
    assert_eq!(machine.failure().unwrap().code, Integrity::ChecksumMismatch);
}

#[test]
fn after_a_panic_of_its_thread_everybody_is_told_that_the_proposal_was_lost() {
    let machine = machine_on(&disk());
    let leadership = Alone::start(Arc::clone(&machine)).unwrap();
    let (done, results) = mpsc::channel();
    {
        let _engine = machine.engine();
        propose(&leadership, b"panics", Box::new(|_| panic!("the test's own")));
        // More than one batch.
        for i in 0..2 * MAX_BATCH as u32 {
            let done = done.clone();
            let finish = move |result| done.send(result).unwrap_or_default();
            propose(&leadership, &i.to_be_bytes(), Box::new(finish));
        }
    }
    // Each result has a sender, which it drops unused.
    let (later, never) = mpsc::channel::<Result<Outcome, Refusal>>();
    drop(done);
    let lost = mpsc::RecvTimeoutError::Disconnected;
    assert_eq!(results.recv_timeout(Duration::from_secs(60)), Err(lost));
    propose(&leadership, b"later", Box::new(move |result| later.send(result).unwrap()));
    assert_eq!(never.recv_timeout(Duration::from_secs(60)), Err(lost));
    let service = Service::new(Arc::clone(&machine), leadership);
    assert_eq!(
        code(service.put(b"k", b"v", b"r", super::later())),
        (Code::Internal, "propose failed".into())
    );
    assert_eq!(service.in_flight(), 0);
    let failure = machine.failure().unwrap();
    assert!(failure.message.contains("has panicked"), "{failure:?}");
}
