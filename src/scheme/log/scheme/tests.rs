//! Both modes give back what they protect, and declare exactly the histories that they do not detect. The
//! fault injector checks their judgements.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::disk::{Disk, Recorder};
use crate::engine::find;
use crate::envelope::SecretKey;
use crate::scheme::log::sealed::{self, Item, Log, LogKey, Options};
use crate::scheme::{Fault, Judgement, Scheme};

const MODES: [&dyn Scheme; 2] = [&CHECKED, &SEALED];

fn messages(lens: &[usize]) -> Vec<Vec<u8>> {
    lens.iter().enumerate().map(|(i, len)| vec![i as u8 + 1; *len]).collect()
}

#[test]
fn messages_of_any_length_come_back_in_every_call() {
    for scheme in MODES {
        let mut session = scheme.session(find("sealmark").unwrap()).unwrap();
        for lens in [&[5, 0, 149][..], &[], &[0], &[16_380, 1], &[1, 2, 3, 4, 5, 6, 7], &[100_000; 20]] {
            let messages = messages(lens);
            let pieces = session.protect(&messages).unwrap();
            let recovered = session.reader().unwrap().recover(&pieces);
            assert_eq!(recovered.refused, [""; 0], "{}, {lens:?}", scheme.name());
            let expected: Vec<_> = messages.into_iter().enumerate().collect();
            assert!(recovered.given == expected, "{}, {lens:?}", scheme.name());
        }
    }
}

#[test]
fn every_byte_of_a_file_has_a_part_of_its_own_in_the_checked_mode() {
    let mut session = CHECKED.session(find("sealmark").unwrap()).unwrap();
    for piece in session.protect(&messages(&[0, 1, 16, 33, 100])).unwrap() {
        assert!((0..piece.bytes.len()).all(|at| piece.part_at(at) != piece.kind()), "{:?}", piece.parts);
        let inner: usize = piece.parts.iter().skip(1).map(|(_, range)| range.len()).sum();
        let others: usize =
            piece.parts.iter().map(|(_, range)| range.len()).sum::<usize>() - piece.bytes.len();
        assert_eq!((others, inner.max(others)), (piece.bytes.len(), inner.max(others)), "no two overlap");
    }
}

#[test]
fn a_message_that_was_altered_anywhere_is_not_the_message() {
    let record = Record::put(KEY, b"message", REQUEST_ID);
    assert_eq!(message_of(&record), b"message");
    for altered in [
        Record { op: Operation::Delete, ..record },
        Record { key: b"kex", ..record },
        Record { request_id: b"", ..record },
        Record { value: b"messagf", ..record },
    ] {
        assert_ne!(message_of(&altered), b"message");
    }
}

#[test]
fn the_sealed_mode_is_blind_to_one_fault_and_the_checked_one_to_every_forgery_and_every_whole_file() {
    let alters = |scheme: &dyn Scheme, fault| {
        let parts = ["key", "value", "request-id", "log", "table", "past-head", "epoch-number", ""];
        parts
            .into_iter()
            .filter(|part| !matches!(scheme.judge(fault, part), Judgement::Caught | Judgement::Harmless))
            .count()
    };
    let blind = |scheme: &dyn Scheme| Fault::ALL.map(|fault| alters(scheme, fault)).iter().sum::<usize>();
    assert_eq!((blind(&SEALED), alters(&SEALED, Fault::Cut), alters(&SEALED, Fault::Forge)), (2, 1, 1));
    assert!(blind(&CHECKED) > 20, "{}", blind(&CHECKED));
}

/// A sealed log in which a record was appended; its folder before that, and after it.
struct Played {
    disk: Recorder,
    key: LogKey,
    before: Vec<(std::path::PathBuf, Vec<u8>)>,
    /// The head of the record.
    head: sealed::Head,
}

const DIR: &str = "/log";

fn files(disk: &Recorder) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let names = disk.names().into_iter().filter(|name| !name.ends_with("lock"));
    names.map(|name| (name.clone(), disk.read(&name).unwrap())).collect()
}

fn played() -> Played {
    let key = LogKey::new(find("sealmark").unwrap(), SecretKey::default(), b"");
    let disk = Recorder::with_dir(DIR);
    let mut log = Log::create(Arc::new(disk.clone()), DIR, &key).unwrap();
    log.append(&Record::put(KEY, b"one", REQUEST_ID)).unwrap();
    log.sync().unwrap();
    let before = files(&disk);
    log.append(&Record::put(KEY, b"two", REQUEST_ID)).unwrap();
    let head = log.sync().unwrap();
    Played { disk, key, before, head }
}

/// The messages that a folder gives, or the refusal.
fn given(
    key: &LogKey,
    files: Vec<(std::path::PathBuf, Vec<u8>)>,
    options: &Options,
) -> Result<usize, &'static str> {
    let disk: Arc<dyn Disk> = Arc::new(Recorder::with_files(DIR, files));
    let mut records = 0;
    let mut each = |item: Item<'_>| records += usize::from(matches!(item, Item::Record(_)));
    sealed::check(&disk, Path::new(DIR), key, options, &mut each).map_err(|error| error.spec_name())?;
    Ok(records)
}

#[test]
fn the_histories_that_pass_are_the_declared_ones() {
    let Played { disk, key, before, head } = played();
    let expecting = Options { expect_head: Some(head), ..Options::default() };
    let after = files(&disk);
    assert_eq!(given(&key, after.clone(), &expecting), Ok(2));
    // Every way to put back some of the files and not others.
    let mut passed = BTreeSet::new();
    for chosen in 0..1_u32 << after.len() {
        let old = |(i, file): (usize, &(std::path::PathBuf, Vec<u8>))| {
            let earlier = before.iter().find(|(name, _)| *name == file.0).filter(|_| chosen >> i & 1 == 1);
            earlier.unwrap_or(file).clone()
        };
        let mixed: Vec<_> = after.iter().enumerate().map(old).collect();
        if mixed == after {
            continue;
        }
        let changed: Vec<_> = mixed
            .iter()
            .zip(&after)
            .filter(|(a, b)| a != b)
            .map(|(a, _)| a.0.file_name().unwrap().to_owned())
            .collect();
        let history = match mixed == before {
            true => history::FOLDER_PUT_BACK,
            false if changed == ["head"] => history::LAST_HEAD_PUT_BACK,
            false => "another",
        };
        match given(&key, mixed.clone(), &Options::default()) {
            Ok(records) => {
                assert_eq!(records, if history == history::FOLDER_PUT_BACK { 1 } else { 2 });
                assert_eq!(given(&key, mixed, &expecting), Err("UNEXPECTED_HEAD"));
                passed.insert(history);
            }
            Err(name) => assert!(SEALED.refusals().contains(&name), "{name}"),
        }
    }
    let declared: BTreeSet<_> = SEALED.blind_histories().iter().map(|(name, _)| *name).collect();
    assert_eq!(passed, declared);
    // The checked log has no state besides its files, so the folder that was put back is one that was
    // written.
    let names: Vec<_> = CHECKED.blind_histories().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [history::FOLDER_PUT_BACK]);
    let mut session = CHECKED.session(find("sealmark").unwrap()).unwrap();
    let earlier = session.protect(&messages(&[1, 2, 3])).unwrap();
    session.protect(&messages(&[4, 5, 6, 7])).unwrap();
    let recovered = session.reader().unwrap().recover(&earlier);
    assert_eq!((recovered.given.len(), recovered.refused.len()), (3, 0));
}
