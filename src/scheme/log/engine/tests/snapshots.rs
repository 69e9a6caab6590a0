//! Installing a snapshot: what it replaces, what its request ids keep, and power cuts in between.

use super::*;

/// An engine with two rows, three request ids and a table.
fn source() -> (Recorder, Engine) {
    let disk = empty();
    let mut engine = open(&disk);
    engine.put(b"a", b"1", b"r1").unwrap();
    engine.put(b"b", b"2", b"r2").unwrap();
    engine.flush().unwrap();
    engine.put(b"a", b"3", b"r3").unwrap();
    engine.put(b"gone", b"", b"r4").unwrap();
    engine.delete(b"gone", b"r5").unwrap();
    (disk, engine)
}

/// An engine with other rows, two tables and three generations.
fn target() -> (Recorder, Engine) {
    let disk = empty();
    let mut engine = open(&disk);
    for i in 0..3_u8 {
        engine.put(b"old", &[i], &[i]).unwrap();
        engine.put(&[i], b"old", &[i, i]).unwrap();
        if i < 2 {
            engine.flush().unwrap();
        }
    }
    (disk, engine)
}

const IDS: [&[u8]; 5] = [b"r1", b"r2", b"r3", b"r4", b"r5"];

#[test]
fn a_snapshot_replaces_rows_and_ids_and_keeps_what_the_ids_were_used_for() {
    let (_, from) = source();
    let (disk, mut engine) = target();
    // Blocks of the old tables are in the cache, under names that are used again.
    engine.get(b"old").unwrap();
    engine.install_with(&from.snapshot_payload().unwrap(), &from.history().unwrap()).unwrap();
    let known = IDS.map(|id| from.known(id));
    for again in [false, true] {
        assert_eq!(engine.scan().unwrap(), from.scan().unwrap());
        assert_eq!(engine.snapshot_payload().unwrap(), from.snapshot_payload().unwrap());
        assert_eq!(IDS.map(|id| engine.known(id)), known, "{again}");
        assert_eq!(engine.known(&[0]), Known::Never);
        drop(engine);
        engine = open(&disk);
    }
    let names: Vec<_> = reference_files(&disk).into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["000001.wal", "sst/000001.sst"]);
    assert!(!disk.exists(Path::new("/log/sealmark.install")).unwrap());
}

#[test]
fn without_a_history_the_ids_are_used_up_but_for_what_is_not_known() {
    let (_, from) = source();
    let (disk, mut engine) = target();
    engine.install(&from.snapshot_payload().unwrap()).unwrap();
    for again in [false, true] {
        assert_eq!(IDS.map(|id| engine.known(id)), [Known::Forgotten; 5], "{again}");
        assert_eq!(engine.put(b"a", b"again", b"r1").unwrap(), Applied::Duplicate);
        drop(engine);
        engine = open(&disk);
    }
    // Handed on, they stay as they are.
    let (_, mut third) = target();
    third.install_with(&engine.snapshot_payload().unwrap(), &engine.history().unwrap()).unwrap();
    assert_eq!(IDS.map(|id| third.known(id)), [Known::Forgotten; 5]);
}

#[test]
fn what_a_write_after_a_snapshot_found_is_the_same_after_a_restart() {
    let (_, from) = source();
    let (disk, mut engine) = target();
    engine.install_with(&from.snapshot_payload().unwrap(), &from.history().unwrap()).unwrap();
    engine.put(b"b", b"new", b"s1").unwrap();
    engine.put(b"old", b"new", b"s2").unwrap();
    engine.delete(b"gone", b"s3").unwrap();
    engine.compact().unwrap();
    let ids: [&[u8]; 3] = [b"s1", b"s2", b"s3"];
    let known = ids.map(|id| engine.known(id));
    assert_eq!(known.map(|known| matches!(known, Known::Done(done) if done.existed)), [true, false, false]);
    drop(engine);
    assert_eq!(ids.map(|id| open(&disk).known(id)), known);
}

#[test]
fn an_empty_snapshot_leaves_nothing_and_the_engine_goes_on() {
    let nothing = open(&empty()).snapshot_payload().unwrap();
    let (disk, mut engine) = target();
    engine.install(&nothing).unwrap();
    assert_eq!(engine.scan().unwrap(), []);
    engine.put(b"old", b"1", &[0]).unwrap();
    drop(engine);
    assert_eq!(open(&disk).scan().unwrap(), [(b"old".to_vec(), b"1".to_vec())]);
    assert_eq!(reference_files(&disk).len(), 1);
}

#[test]
fn a_damaged_payload_or_history_changes_nothing() {
    let (_, from) = source();
    let (payload, history) = (from.snapshot_payload().unwrap(), from.history().unwrap());
    let (disk, mut engine) = target();
    let (before, steps) = (engine.snapshot_payload().unwrap(), disk.steps().len());
    let refused = engine.install(&payload[..payload.len() - 1]).unwrap_err();
    assert_eq!(refused.code(), Code::TruncatedRecord, "{refused}");
    let mut flipped = history.clone();
    flipped[20] ^= 1;
    assert_eq!(engine.install_with(&payload, &flipped).unwrap_err().code(), Code::ChecksumMismatch);
    let (_, other) = target();
    let refused = engine.install_with(&payload, &other.history().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("name other request ids"), "{refused}");
    assert_eq!((engine.snapshot_payload().unwrap(), disk.steps().len()), (before, steps));
    assert!(!engine.halted());
}

#[test]
fn a_power_cut_at_any_step_of_an_installation_leaves_the_old_state_or_the_new() {
    let (_, from) = source();
    let (payload, history) = (from.snapshot_payload().unwrap(), from.history().unwrap());
    let (_, old) = target();
    let old = old.snapshot_payload().unwrap();
    let install = |disk: &Recorder, engine: &mut Engine, cut: usize| {
        disk.plan(disk.steps().len() + cut, Fault::Power);
        engine.install_with(&payload, &history).is_ok()
    };
    let (mut cut, mut counts) = (0, [0; 3]);
    loop {
        let (disk, mut engine) = target();
        let done = install(&disk, &mut engine, cut);
        for left in disk.after_power_loss() {
            let mut engine = open(&left);
            let found = engine.snapshot_payload().unwrap();
            let new = found == payload;
            assert!(new || (found == old && !done), "cut {cut}");
            counts[usize::from(new)] += 1;
            counts[2] += usize::from(engine.recovery().install_finished);
            if new {
                assert_eq!(IDS.map(|id| engine.known(id)), IDS.map(|id| from.known(id)), "cut {cut}");
            }
            // A write that is acknowledged now is not installed over later.
            engine.put(b"after", b"all", b"after").unwrap();
            drop(engine);
            for later in left.after_power_loss() {
                assert_eq!(open(&later).get(b"after").unwrap().unwrap(), b"all", "cut {cut}");
            }
        }
        if done {
            break;
        }
        cut += 1;
    }
    assert!(cut > 20 && counts.iter().all(|count| *count > 5), "{cut} cuts, {counts:?}");
}

#[test]
fn an_error_in_the_middle_of_an_installation_halts_the_engine_and_a_start_completes_it() {
    let (_, from) = source();
    let (payload, history) = (from.snapshot_payload().unwrap(), from.history().unwrap());
    let (clean, mut engine) = target();
    let before = clean.steps().len();
    engine.install_with(&payload, &history).unwrap();
    let (steps, mut halted) = (clean.steps().len() - before, 0);
    for at in 0..steps {
        let (disk, mut engine) = target();
        disk.plan(disk.steps().len() + at, Fault::Io);
        let done = engine.install_with(&payload, &history);
        if engine.halted() {
            halted += 1;
            assert!(
                done.is_err() && matches!(engine.put(b"x", b"", b"x"), Err(Error::Stopped(_))),
                "step {at}"
            );
            drop(engine);
            let found = open(&disk.after_restart()).snapshot_payload().unwrap();
            assert!(found == payload, "step {at}");
        } else if done.is_err() {
            // Nothing was replaced yet: it goes on as before.
            engine.put(b"x", b"", b"x").unwrap();
            drop(engine);
            let again = open(&disk.after_restart());
            assert_eq!(again.get(b"old").unwrap().unwrap(), [2], "step {at}");
            assert_eq!(again.get(b"x").unwrap().unwrap(), b"", "step {at}");
        }
    }
    assert!(halted > 10, "{halted} of {steps} halted");
}
