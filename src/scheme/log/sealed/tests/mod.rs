//! A sealed log keeps its promise, and does not detect what its documentation lists.

mod crash;
mod faults;
mod long;
mod subject;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::testing::{DIR, expecting, key, named, new_log, open, put};
use super::*;
use crate::disk::{Fault, Recorder, Step};
use crate::scheme::log::table::{Entry, Found};
use crate::scheme::log::wal::{Record, Tail};

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Every file of the folder but the lock.
fn files(disk: &Recorder) -> Vec<(PathBuf, Vec<u8>)> {
    let names = disk.names().into_iter().filter(|name| *name != path(LOCK));
    names.map(|name| (name.clone(), disk.read(&name).unwrap())).collect()
}

/// The folder with some files replaced.
fn with(files: &[(PathBuf, Vec<u8>)], replaced: &[(&str, &[u8])]) -> Recorder {
    let of = |(name, bytes): &(PathBuf, Vec<u8>)| {
        let other = replaced.iter().find(|(replaced, _)| path(replaced) == *name);
        (name.clone(), other.map_or_else(|| bytes.clone(), |(_, bytes)| bytes.to_vec()))
    };
    Recorder::with_files(DIR, files.iter().map(of))
}

fn bytes<'a>(files: &'a [(PathBuf, Vec<u8>)], name: &str) -> &'a [u8] {
    &files.iter().find(|(of, _)| *of == path(name)).unwrap().1
}

fn refused<T>(result: Result<T, Error>) -> &'static str {
    result.err().expect("it is refused").spec_name()
}

fn strict() -> Options {
    Options::default()
}

fn truncating() -> Options {
    Options { tail: Tail::Truncate, ..strict() }
}

#[test]
fn records_come_back_in_order_after_any_number_of_runs_and_rotations() {
    let (disk, mut log) = new_log();
    let mut expected = Vec::new();
    for run in 0..4 {
        for i in 0..run {
            let name = format!("{run}.{i}");
            put(&mut log, &name);
            expected.push(name);
            if i == 1 {
                log.rotate().unwrap();
            }
        }
        let head = log.sync().unwrap();
        assert_eq!(log.sync().unwrap(), head, "without new records there is no new head");
        drop(log);
        let names;
        (log, names) = open(&disk, &expecting(head)).unwrap();
        assert_eq!(names, expected);
    }
    assert_eq!(bytes(&files(&disk), EPOCH)[15], 5, "each run had its epoch");
}

#[test]
fn a_record_has_all_its_fields_and_limits() {
    let (disk, mut log) = new_log();
    let large = Record::put(&[1; 1024], &[2; 1 << 20], &[3; 4096]);
    let small = Record::put(b"", b"", b"");
    let delete = Record::delete(b"key", b"id");
    for record in [&large, &small, &delete] {
        log.append(record).unwrap();
    }
    for over in [
        Record::put(&[1; 1025], b"", b"id"),
        Record::put(b"", &[2; (1 << 20) + 1], b"id"),
        Record::put(b"", b"", &[3; 4097]),
    ] {
        assert_eq!(refused(log.append(&over)), "INVALID_RECORD");
    }
    log.sync().unwrap();
    let mut given = 0;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let checked = check(&disk, Path::new(DIR), &key(), &strict(), &mut |item| {
        let Item::Record(record) = item else { panic!("there is no table") };
        assert!(record == [large, small, delete][given]);
        given += 1;
    });
    let checked = checked.unwrap();
    assert_eq!((given, checked.records, checked.torn, checked.last), (3, 3, 0, log.head()));
}

#[test]
fn appended_records_are_written_in_large_pieces_and_durable_after_one_sync_of_the_log() {
    let (disk, mut log) = new_log();
    let before = disk.steps().len();
    for i in 0..1000 {
        put(&mut log, &format!("{i}"));
    }
    assert_eq!(disk.steps().len(), before, "the buffer holds them");
    log.sync().unwrap();
    let steps = disk.steps().split_off(before);
    let log_path = path("000001.wal");
    let wal = |step: &&Step| matches!(step, Step::WriteAt(of, ..) | Step::Sync(of) if *of == log_path);
    assert_eq!(steps.iter().filter(wal).count(), 2, "{steps:?}");
    let renames = |step: &Step| matches!(step, Step::Rename(_, to) if *to == path("head"));
    let head = steps.iter().position(renames).unwrap();
    assert!(steps.iter().position(|step| matches!(step, Step::Sync(_))).unwrap() < head);
    log.append(&Record::put(b"", &vec![0; 300_000], b"")).unwrap();
    assert!(matches!(disk.steps().last(), Some(Step::WriteAt(..))), "a full buffer is written");
}

#[test]
fn a_log_opens_only_with_its_key_and_its_name_and_one_writer() {
    let (disk, log) = new_log();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let open_as = |key: &LogKey| Log::open(Arc::clone(&shared), DIR, key, &strict(), &mut |_| {});
    assert!(matches!(open_as(&key()), Err(Error::InUse)));
    assert!(matches!(Log::create(Arc::clone(&shared), DIR, &key()), Err(Error::InUse)));
    drop(log);
    assert_eq!(refused(open_as(&named(b"other"))), "NOT_AUTHENTIC");
    let other = LogKey::new(crate::engine::find("sealmark").unwrap(), Default::default(), b"test");
    assert_eq!(refused(open_as(&other)), "NOT_AUTHENTIC");
    open_as(&key()).unwrap();
    assert!(matches!(Log::create(shared, DIR, &key()), Err(Error::AlreadyThere(name)) if name == EPOCH));
    for name in ["head", "000001.wal", "000007.sst"] {
        let disk = Recorder::with_files(DIR, [(path(name), Vec::new())]);
        let created = Log::create(Arc::new(disk), DIR, &key());
        assert!(matches!(created, Err(Error::AlreadyThere(found)) if found == name));
    }
}

#[test]
fn a_torn_tail_is_refused_unless_the_options_cut_it_off() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    let head = log.sync().unwrap();
    put(&mut log, "b");
    log.write().unwrap();
    drop(log);
    let all = files(&disk);
    let wal = bytes(&all, "000001.wal");
    let durable = {
        let (disk, mut log) = new_log();
        put(&mut log, "a");
        log.sync().unwrap();
        bytes(&files(&disk), "000001.wal").len()
    };
    for len in durable..wal.len() {
        let disk = with(&all, &[("000001.wal", &wal[..len])]);
        if len > durable {
            assert_eq!(refused(open(&disk, &strict())), "TRUNCATED_RECORD", "{len}");
        }
        let (mut log, names) = open(&disk, &truncating()).unwrap();
        assert_eq!((names, disk.read(&path("000001.wal")).unwrap().len()), (vec!["a".into()], durable));
        put(&mut log, "c");
        log.sync().unwrap();
        drop(log);
        assert_eq!(open(&disk, &expecting(head)).unwrap().1, ["a", "c"], "{len}");
    }
    // A crash may also leave zeros.
    let mut zeros = wal.to_vec();
    zeros[durable..].fill(0);
    let disk = with(&all, &[("000001.wal", &zeros)]);
    assert_eq!(refused(open(&disk, &strict())), "NOT_AUTHENTIC");
    assert_eq!(open(&disk, &truncating()).unwrap().1, ["a"]);
    // Before the head, nothing is torn.
    let disk = with(&all, &[("000001.wal", &wal[..durable - 1])]);
    assert_eq!(refused(open(&disk, &truncating())), "TRUNCATED_RECORD");
}

#[test]
fn blind_a_cut_between_frames_past_the_durable_head() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    log.sync().unwrap();
    let durable = bytes(&files(&disk), "000001.wal").len();
    put(&mut log, "b");
    log.write().unwrap();
    drop(log);
    let all = files(&disk);
    assert_eq!(open(&with(&all, &[]), &strict()).unwrap().1, ["a", "b"], "it was there");
    let cut = with(&all, &[("000001.wal", &bytes(&all, "000001.wal")[..durable])]);
    assert_eq!(open(&cut, &strict()).unwrap().1, ["a"]);
}

#[test]
fn a_record_that_was_cut_off_past_the_head_cannot_be_brought_back_later() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    log.sync().unwrap();
    let durable = bytes(&files(&disk), "000001.wal").len();
    put(&mut log, "b");
    log.write().unwrap();
    drop(log);
    let all = files(&disk);
    let whole = bytes(&all, "000001.wal");
    let cut = with(&all, &[("000001.wal", &whole[..durable])]);
    let (mut log, _) = open(&cut, &strict()).unwrap();
    put(&mut log, "c");
    log.sync().unwrap();
    drop(log);
    let later = files(&cut);
    assert_eq!(open(&with(&later, &[]), &strict()).unwrap().1, ["a", "c"]);
    let back = with(&later, &[("000001.wal", whole)]);
    assert_eq!(refused(open(&back, &strict())), "NOT_AUTHENTIC");
    assert_eq!(refused(open(&back, &truncating())), "NOT_AUTHENTIC");
}

#[test]
fn blind_a_whole_folder_put_back_unless_the_expected_head_is_given() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    let first = log.sync().unwrap();
    let old = files(&disk);
    put(&mut log, "b");
    let second = log.sync().unwrap();
    drop(log);
    assert_eq!(open(&with(&old, &[]), &strict()).unwrap().1, ["a"]);
    assert_eq!(open(&with(&old, &[]), &expecting(first)).unwrap().1, ["a"]);
    assert_eq!(refused(open(&with(&old, &[]), &expecting(second))), "UNEXPECTED_HEAD");
    // A history that continues from the old folder is longer, and still another one.
    let forked = with(&old, &[]);
    let (mut log, _) = open(&forked, &strict()).unwrap();
    for name in ["x", "y", "z"] {
        put(&mut log, name);
        log.sync().unwrap();
    }
    assert!(log.head().number > second.number && log.head().frames > second.frames);
    drop(log);
    assert_eq!(open(&forked, &expecting(first)).unwrap().1, ["a", "x", "y", "z"]);
    assert_eq!(refused(open(&forked, &expecting(second))), "UNEXPECTED_HEAD");
    // So is another log under the same key and name.
    let (other, mut log) = new_log();
    (0..5).for_each(|i| put(&mut log, &format!("{i}")));
    log.sync().unwrap();
    drop(log);
    assert_eq!(open(&other, &strict()).unwrap().1.len(), 5);
    assert_eq!(refused(open(&other, &expecting(second))), "UNEXPECTED_HEAD");
}

#[test]
fn a_head_and_a_log_of_two_histories_of_one_folder_do_not_fit() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    log.sync().unwrap();
    drop(log);
    let old = files(&disk);
    let forks = ["b", "c"].map(|name| {
        let disk = with(&old, &[]);
        let (mut log, _) = open(&disk, &strict()).unwrap();
        put(&mut log, name);
        log.sync().unwrap();
        drop(log);
        files(&disk)
    });
    let [one, two] = &forks;
    let mixed = with(one, &[("head", bytes(two, "head"))]);
    assert!(matches!(open(&mixed, &strict()), Err(Error::Fork)));
    let mixed = with(one, &[("000002.wal", bytes(two, "000002.wal"))]);
    assert!(matches!(open(&mixed, &strict()), Err(Error::Fork)));
    assert_eq!(open(&with(one, &[]), &strict()).unwrap().1, ["a", "b"]);
}

#[test]
fn an_older_head_shows_once_anything_was_appended_after_the_next_one_and_before_that_loses_nothing() {
    let (disk, mut log) = new_log();
    let mut heads = vec![bytes(&files(&disk), "head").to_vec()];
    for name in ["a", "b", "c"] {
        put(&mut log, name);
        log.sync().unwrap();
        heads.push(bytes(&files(&disk), "head").to_vec());
    }
    log.add_table([Entry { key: b"k", value: Some(b"v") }]).unwrap();
    drop(log);
    let all = files(&disk);
    for (number, head) in heads.iter().enumerate() {
        let opened = open(&with(&all, &[("head", head)]), &strict());
        if number + 1 < heads.len() {
            assert!(matches!(opened, Err(Error::StaleHead { .. })), "{number}");
        } else {
            let (log, names) = opened.unwrap();
            let found = (names.len(), log.tables().count());
            assert_eq!(found, (3, 1), "blind, but the table is noted in the chain");
        }
    }
    // The same across runs: a WAL that the head does not include says more than a crash can leave.
    let (mut log, _) = open(&disk, &strict()).unwrap();
    let old = bytes(&all, "head").to_vec();
    let started = files(&disk);
    let opened = open(&with(&started, &[("head", &old)]), &strict());
    assert_eq!(opened.unwrap().1.len(), 3, "blind, nothing is lost");
    put(&mut log, "d");
    log.sync().unwrap();
    let appended = files(&disk);
    assert!(matches!(open(&with(&appended, &[("head", &old)]), &strict()), Err(Error::StaleHead { .. })));
    drop(log);
    for _ in 0..2 {
        open(&disk, &strict()).unwrap();
    }
    let later = files(&disk);
    assert!(matches!(open(&with(&later, &[("head", &old)]), &strict()), Err(Error::StaleHead { .. })));
}

#[test]
fn an_older_missing_or_damaged_epoch_is_refused() {
    let (disk, log) = new_log();
    let old = bytes(&files(&disk), EPOCH).to_vec();
    drop(log);
    open(&disk, &strict()).unwrap();
    let all = files(&disk);
    assert!(matches!(
        open(&with(&all, &[(EPOCH, &old)]), &strict()),
        Err(Error::Epoch(crate::disk::EpochError::Older { found: 1, at_least: 2, .. }))
    ));
    assert_eq!(refused(open(&with(&all, &[(EPOCH, b"")]), &strict())), "INVALID_EPOCH");
    let without = with(&all, &[]);
    without.remove(&path(EPOCH)).unwrap();
    assert_eq!(refused(open(&without, &strict())), "INVALID_EPOCH");
}

#[test]
fn a_folder_that_was_put_back_and_written_to_again_repeats_epochs_but_no_key() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    log.sync().unwrap();
    drop(log);
    let old = files(&disk);
    let mut salts = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let disk = with(&old, &[]);
        open(&disk, &strict()).unwrap();
        let all = files(&disk);
        assert_eq!(bytes(&all, "000002.wal")[8..12], [0, 0, 0, 2], "the epoch repeats");
        salts.insert(bytes(&all, "000002.wal")[12..36].to_vec());
        salts.insert(bytes(&all, "head")[12..36].to_vec());
    }
    assert_eq!(salts.len(), 8);
}

#[test]
fn nothing_is_written_after_a_failed_write_or_sync() {
    for fault in [Fault::Io, Fault::NoSpace, Fault::ReadOnly] {
        let mut halted = 0;
        for step in 0.. {
            let (disk, mut log) = new_log();
            let start = disk.steps().len();
            disk.plan(start + step, fault);
            put(&mut log, "a");
            if log.sync().is_ok() {
                break;
            }
            let after = disk.steps().len();
            disk.plan(usize::MAX, Fault::Power);
            assert!(matches!(log.sync(), Err(Error::Halted)), "{fault:?} {step}");
            assert!(matches!(log.append(&Record::put(b"b", b"", b"id")), Err(Error::Halted)));
            assert!(matches!(log.rotate(), Err(Error::Halted)));
            assert!(matches!(log.add_table([]), Err(Error::Halted)));
            assert_eq!(disk.steps().len(), after);
            halted += 1;
        }
        assert!(halted >= 6, "{fault:?}: {halted}");
    }
}

#[test]
fn debug_shows_neither_keys_nor_records() {
    let (_, mut log) = new_log();
    put(&mut log, "secret");
    let shown = format!("{log:?} {:?}", key());
    assert!(shown.starts_with("Log { dir: \"/sealed\", head: Head") && !shown.contains("90, 90"), "{shown}");
    let number = log.add_table([Entry { key: b"secret", value: Some(b"secret") }]).unwrap();
    let shown = format!("{:?}", log.table(number).unwrap());
    assert!(shown.starts_with("Table { file: FileId") && shown.contains("blocks: 1"), "{shown}");
    let bytes = format!("{:?}", b"secret");
    assert!(!shown.contains("secret") && !shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}
