//! Kills and failed syncs, followed by a power cut: what the next process finds in the system's memory is on
//! the medium before anything builds on it.

use super::*;

/// A process that writes `r1` and ends: killed before the sync, or by a sync that fails.
fn ended(fault: Fault) -> Recorder {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"before", b"0", b"r0").unwrap();
    disk.plan(disk.steps().len() + 1, fault);
    assert!(engine.put(b"a", b"1", b"r1").is_err() && engine.halted());
    drop(engine);
    disk.after_kill()
}

fn after_power_loss(disk: &Recorder) -> Vec<Recorder> {
    let left = disk.after_power_loss();
    assert!(!left.is_empty());
    left
}

#[test]
fn a_retry_that_is_answered_after_a_kill_or_a_failed_sync_survives_a_power_cut() {
    for fault in [Fault::Power, Fault::Io] {
        let disk = ended(fault);
        let mut engine = open(&disk);
        assert_eq!(engine.put(b"a", b"1", b"r1").unwrap(), Applied::Duplicate, "{fault:?}");
        drop(engine);
        for left in after_power_loss(&disk) {
            let mut engine = open(&left);
            assert_eq!(engine.get(b"a").unwrap().as_deref(), Some(&b"1"[..]), "{fault:?}");
            assert_eq!(engine.put(b"a", b"2", b"r1").unwrap(), Applied::Duplicate, "{fault:?}");
        }
    }
}

#[test]
fn a_flush_after_a_kill_or_a_failed_sync_leaves_no_torn_generation_behind_it() {
    for fault in [Fault::Power, Fault::Io] {
        let disk = ended(fault);
        let mut engine = open(&disk);
        engine.flush().unwrap();
        engine.put(b"b", b"2", b"r2").unwrap();
        drop(engine);
        for left in after_power_loss(&disk) {
            let engine =
                open_with(&left, Tail::Truncate).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            let values = [&b"a"[..], b"b"].map(|key| engine.get(key).unwrap().expect("it was acknowledged"));
            assert_eq!(values, [b"1".to_vec(), b"2".to_vec()], "{fault:?}");
        }
    }
}

#[test]
fn a_write_to_a_generation_whose_creation_failed_survives_a_power_cut() {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"a", b"1", b"r1").unwrap();
    let before = disk.steps().len();
    engine.flush().unwrap();
    let last = disk.steps().len() - before - 2;
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"a", b"1", b"r1").unwrap();
    // The last two steps are the syncs of the new generation and of its folder.
    disk.plan(disk.steps().len() + last, Fault::Io);
    engine.flush().unwrap_err();
    drop(engine);
    let mut engine = open(&disk);
    engine.put(b"b", b"2", b"r2").unwrap();
    drop(engine);
    for left in after_power_loss(&disk) {
        assert_eq!(open(&left).get(b"b").unwrap().as_deref(), Some(&b"2"[..]));
    }
}

#[test]
fn a_start_that_refuses_a_log_changes_no_file_of_it() {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"a", b"1", b"r1").unwrap();
    engine.flush().unwrap();
    engine.put(b"b", b"2", b"r2").unwrap();
    drop(engine);
    let torn = altered(&disk, |path, bytes| {
        if path.ends_with("000002.wal") {
            bytes.pop();
        }
    });
    let before = reference_files(&torn);
    assert_eq!(open_with(&torn, Tail::Strict).unwrap_err().code(), Code::TruncatedRecord);
    assert_eq!(reference_files(&torn), before);
    assert!(!torn.steps().iter().any(|step| format!("{step:?}").contains(".wal")), "{:?}", torn.steps());
    let engine = open_with(&torn, Tail::Truncate).unwrap();
    assert!(engine.recovery().truncated > 0);
    drop(engine);
    assert_eq!(open(&torn).recovery().records_replayed, 1, "the incomplete record is gone for good");
}

/// A snapshot of another member that has one row.
fn snapshot(row: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut engine = open(&empty());
    engine.put(row, row, row).unwrap();
    (engine.snapshot_payload().unwrap(), engine.history().unwrap())
}

#[test]
fn an_installation_that_was_killed_leaves_the_old_state_or_the_new_if_the_power_goes_at_the_next_start() {
    let (first, second) = (snapshot(b"first"), snapshot(b"second"));
    let mut seen = [0; 2];
    for kill in 0.. {
        let disk = empty();
        let mut engine = open(&disk);
        engine.install_with(&first.0, &first.1).unwrap();
        disk.plan(disk.steps().len() + kill, Fault::Power);
        if engine.install_with(&second.0, &second.1).is_ok() {
            break;
        }
        drop(engine);
        for cut in 0.. {
            let killed = disk.after_kill();
            killed.plan(cut, Fault::Power);
            let started = open_with(&killed, Tail::Strict).map(|engine| engine.snapshot_payload().unwrap());
            for left in killed.some_after_power_loss(4, |of| (kill + cut) % of) {
                let found = open(&left).snapshot_payload().unwrap();
                assert!(started.as_ref().is_ok_and(|started| *started == found) || started.is_err());
                let state = [&first.0, &second.0].iter().position(|state| **state == found);
                seen[state.unwrap_or_else(|| panic!("{kill}, {cut}: neither the old state nor the new"))] +=
                    1;
            }
            if started.is_ok() {
                break;
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 30), "{seen:?}");
}
