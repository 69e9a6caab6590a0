//! The counts, the planted defects, and damage to a disk between two starts.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::world::SIDECAR;
use super::*;
use crate::disk::Disk;
use crate::scheme::storage::{LocalKek, Sign};

#[test]
fn no_story_breaks_a_promise_in_over_10_000_histories() {
    let told: Vec<_> = (0..STORIES).into_par_iter().map(|story| (story, tell(1_000 + story, None))).collect();
    let mut all = Tally::default();
    for (story, tally) in told {
        let tally = tally.unwrap_or_else(|broken| panic!("story {story}: {broken}"));
        all.steps += tally.steps;
        all.histories += tally.histories;
    }
    println!("{} steps, {} histories", all.steps, all.histories);
    assert!(all.histories >= 10_000, "{all:?}");
}

#[test]
fn every_planted_defect_is_found_in_every_story() {
    let (missing, gap) = ("the sidecar is missing", "with key changes between");
    let (repeated, epochs) = ("was issued twice", "disagree on this node's epoch");
    // In most stories the guards notice the defect before a nonce repeats.
    let planted: [(Defect, &[&str]); _] = [
        (Defect::DirSyncSkipped, &[missing, epochs, gap]),
        #[cfg(feature = "redb")]
        (Defect::CommitNotSynced, &[epochs, "damaged"]),
        (Defect::BumpForgotten, &[repeated, epochs]),
        (Defect::ReplayResetsEpoch, &[repeated, epochs]),
        (Defect::RowBeforeSidecar, &[epochs]),
    ];
    for (defect, how) in planted {
        for story in 0..STORIES {
            let found = tell(1_000 + story, Some(defect)).err();
            let found =
                found.unwrap_or_else(|| panic!("{defect:?} was not found in story {story}")).to_string();
            println!("{defect:?}, story {story}: {found}");
            assert!(how.iter().any(|how| found.contains(how)), "{defect:?}, story {story}: {found}");
        }
    }
}

/// A node that has been through a cut-over, a rotation and three starts, and its disk.
fn grown() -> (World, Recorder, ChaCha8Rng) {
    let (disk, mut world) = (Recorder::with_dir(DIR), World::new(None));
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let ops = [
        Op::Enable(Purpose::Storage),
        Op::Direct,
        Op::Enable(Purpose::Raft),
        Op::Rotate(Purpose::Storage),
        Op::Value,
        Op::Restart,
        Op::Rotate(Purpose::Raft),
        Op::Direct,
        Op::Restart,
        Op::Value,
    ];
    assert!(world.play(&disk, &ops, &mut rng).is_ok());
    (world, disk, rng)
}

/// A copy of the disk with that sidecar.
fn with_sidecar(disk: &Recorder, bytes: &[u8]) -> Recorder {
    let disk = disk.after_restart();
    crate::disk::durable_write(&disk, Path::new(SIDECAR), bytes).unwrap();
    disk
}

/// The node's error, if any, when it starts from that disk and writes; panics if it breaks a promise.
fn started(world: &World, disk: &Recorder, rng: &mut ChaCha8Rng) -> Option<Error> {
    match world.clone().play(disk, &[Op::Direct, Op::Value], rng) {
        Ok(()) => None,
        Err(Stop::Failed(why, _)) => Some(why),
        Err(Stop::Broken(found)) => panic!("{}", found.at(0, None)),
    }
}

/// Whether a damaged sidecar may be refused with this error: it names the sidecar or its content.
fn names_the_sidecar(why: &Error) -> bool {
    let names_it = |why: &str| why.contains("the sidecar counts it as applied but lacks its key");
    matches!(why, Error::Apply(why) if names_it(why))
        || matches!(
            why,
            Error::SidecarJson(_)
                | Error::SidecarStrict(_)
                | Error::SidecarVersion(_)
                | Error::SidecarKeyIdFormat(_)
                | Error::SidecarReservedKeyId(_)
                | Error::SidecarPurpose { .. }
                | Error::SidecarActiveKeyMissing { .. }
                | Error::SidecarActivePurposeMismatch { .. }
                | Error::SidecarInconsistent(_)
                | Error::SidecarBehindRaftLog { .. }
                | Error::SidecarNotOfRaftLog { .. }
                | Error::KekMismatch(_)
                | Error::LocalEpochRollback(_)
                | Error::LocalEpochExhausted(_)
                | Error::RaftUnwrapFailed { .. }
                | Error::SealedEntry { .. }
        )
}

#[test]
fn a_bit_flipped_anywhere_in_the_sidecar_is_refused_or_breaks_no_promise() {
    let (world, disk, mut rng) = grown();
    let good = disk.read(Path::new(SIDECAR)).unwrap();
    let ops = [
        Op::Direct,
        Op::Value,
        Op::Rotate(Purpose::Storage),
        Op::Direct,
        Op::Restart,
        Op::Rotate(Purpose::Raft),
        Op::Value,
    ];
    let (mut refused, mut passed, mut others) = (0, 0, std::collections::BTreeMap::new());
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let (mut world, disk) = (world.clone(), with_sidecar(&disk, &bytes));
            let clear = world.in_clear();
            match world.play(&disk, &ops, &mut rng) {
                Err(Stop::Failed(why, _)) => {
                    if !names_the_sidecar(&why) {
                        others.insert(why.to_string(), (at, bit));
                    }
                    refused += 1;
                }
                Err(Stop::Broken(found)) => panic!("bit {bit} of byte {at}: {}", found.at(0, None)),
                Ok(()) => {
                    let whole = world.check(&disk).map_err(|found| found.at(0, None).to_string());
                    assert_eq!(whole, Ok(()), "bit {bit} of byte {at}");
                    assert_eq!(
                        world.in_clear(),
                        clear,
                        "bit {bit} of byte {at}: a value is stored in plaintext"
                    );
                    passed += 1;
                }
            }
        }
    }
    println!("{refused} refused, {passed} passed");
    assert!(others.is_empty(), "for reasons that do not name the sidecar: {others:#?}");
    assert!(refused > passed * 4, "{refused} refused, {passed} passed");
}

#[test]
fn a_sidecar_of_an_older_backup_or_none_is_refused() {
    let (mut world, disk, mut rng) = grown();
    let mut older = vec![disk.read(Path::new(SIDECAR)).unwrap()];
    for op in [Op::Value, Op::Rotate(Purpose::Storage), Op::Rotate(Purpose::Raft)] {
        assert!(world.play(&disk, &[op, Op::Direct], &mut rng).is_ok());
        older.push(disk.read(Path::new(SIDECAR)).unwrap());
    }
    let newest = older.pop().unwrap();
    let newest = started(&world, &with_sidecar(&disk, &newest), &mut rng);
    assert!(newest.is_none(), "{newest:?}");
    for (i, old) in older.iter().enumerate() {
        let why = started(&world, &with_sidecar(&disk, old), &mut rng).expect("an old backup is refused");
        assert!(matches!(why, Error::LocalEpochRollback(_)), "{i}: {why}");
    }
    let none = disk.after_restart();
    none.remove(Path::new(SIDECAR)).unwrap();
    // From any index at which an engine may begin its replay.
    for seed in 0..200 {
        let why = started(&world, &none, &mut ChaCha8Rng::seed_from_u64(seed)).expect("the node had keys");
        assert!(matches!(why, Error::SidecarMissing(Sign::OwnRow(1))), "seed {seed}: {why}");
    }
}

#[cfg(feature = "redb")]
#[test]
fn a_node_that_lost_sidecar_and_registry_is_refused_because_of_its_log() {
    let (world, disk, _) = grown();
    for path in [SIDECAR, rows::FILE] {
        disk.remove(Path::new(path)).unwrap();
    }
    for seed in 0..200 {
        let why = started(&world, &disk, &mut ChaCha8Rng::seed_from_u64(seed)).expect("the node had keys");
        assert!(matches!(why, Error::SidecarMissing(Sign::LogEntry(1))), "seed {seed}: {why}");
        assert!(!disk.exists(Path::new(SIDECAR)).unwrap(), "seed {seed}: it created a new sidecar");
    }
}

#[test]
fn another_kek_is_refused_before_an_epoch_is_raised() {
    let (mut world, disk, mut rng) = grown();
    let before = disk.read(Path::new(SIDECAR)).unwrap();
    world.kek = Arc::new(LocalKek::new(&[0x4c; 32]).unwrap());
    let why = started(&world, &disk, &mut rng).expect("another KEK is refused");
    assert!(matches!(why, Error::KekMismatch(1)), "{why}");
    assert_eq!(disk.read(Path::new(SIDECAR)).unwrap(), before);
}

#[cfg(feature = "redb")]
#[test]
fn a_damaged_registry_is_refused() {
    use super::rows::FILE;
    use crate::scheme::storage::registry::PREFIX as ROW_PREFIX;

    let (world, disk, mut rng) = grown();
    let good = disk.read(Path::new(FILE)).unwrap();
    // The file also holds old pages, in which a changed byte means nothing.
    let rows: Vec<usize> = (0..good.len()).filter(|&at| good[at..].starts_with(ROW_PREFIX)).collect();
    let mut refused = 0;
    for at in [0].into_iter().chain(rows) {
        let left = disk.after_restart();
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        crate::disk::durable_write(&left, Path::new(FILE), &bytes).unwrap();
        if let Some(why) = started(&world, &left, &mut rng) {
            let damaged = matches!(why, Error::Disk(crate::disk::Error::Damaged { .. }));
            assert!(damaged, "{at}: {why}");
            refused += 1;
        }
    }
    assert!(refused > world.deks.len(), "{refused} refused");
}
