//! The power goes at every step of a script: acknowledged records and tables are never lost, and no epoch is
//! used before it is durable.

use std::sync::Arc;

use super::*;

/// What a script was told.
#[derive(Default)]
struct Told {
    appended: Vec<String>,
    acknowledged: usize,
    tables: Vec<u64>,
    /// A table whose removal has begun.
    removing: Option<u64>,
    head: Option<Head>,
}

/// A run from an empty folder to the end, or to the step at which the power goes.
fn script(disk: &Recorder, told: &mut Told) -> Result<(), Error> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut log = Log::create(Arc::clone(&shared), DIR, &key())?;
    told.head = Some(log.head());
    let append = |log: &mut Log, told: &mut Told, name: &str| {
        told.appended.push(name.into());
        log.append(&Record::put(name.as_bytes(), b"value", b"id"))
    };
    let acknowledge = |told: &mut Told, head: Head| {
        (told.acknowledged, told.head) = (told.appended.len(), Some(head));
    };
    append(&mut log, told, "a")?;
    let head = log.sync()?;
    acknowledge(told, head);
    append(&mut log, told, "b")?;
    append(&mut log, told, "c")?;
    log.write()?;
    append(&mut log, told, "d")?;
    let head = log.rotate()?;
    acknowledge(told, head);
    append(&mut log, told, "e")?;
    let table = log.add_table([Entry { key: b"k", value: Some(b"v") }])?;
    told.tables.push(table);
    acknowledge(told, log.head());
    append(&mut log, told, "f")?;
    drop(log);
    let mut names = Vec::new();
    let mut each =
        |record: &Record<'_>| names.push(String::from_utf8(record.key.to_vec()).expect("a letter"));
    // What was only in the buffer is gone.
    told.appended.pop();
    let mut log = Log::open(shared, DIR, &key(), &strict(), &mut each)?;
    assert_eq!(names, told.appended);
    told.head = Some(log.head());
    append(&mut log, told, "g")?;
    told.removing = told.tables.pop();
    log.remove_table(1)?;
    acknowledge(told, log.head());
    Ok(())
}

/// The highest epoch in the header of any file.
fn highest_epoch(disk: &Recorder) -> u32 {
    let epoch = |(name, bytes): &(PathBuf, Vec<u8>)| {
        let sealed = *name != path(EPOCH) && bytes.len() >= 12;
        if sealed { u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) } else { 0 }
    };
    files(disk).iter().map(epoch).max().unwrap_or(0)
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_every_step() {
    let (mut steps, mut disks, mut strictly, mut empty) = (0, 0, 0, 0);
    for step in 0.. {
        let disk = Recorder::with_dir(DIR);
        disk.plan(step, Fault::Power);
        let mut told = Told::default();
        if script(&disk, &mut told).is_ok() {
            break;
        }
        steps += 1;
        for left in disk.after_power_loss() {
            disks += 1;
            let all = files(&left);
            let Some(head) = told.head else {
                // Nothing was acknowledged: the log is empty, or the folder is to be emptied.
                if let Ok((_, names)) = open(&left, &truncating()) {
                    assert_eq!(names, [""; 0], "step {step}");
                    empty += 1;
                }
                continue;
            };
            let epoch = highest_epoch(&left);
            let options = Options { expect_head: Some(head), tail: Tail::Truncate };
            let opened = open(&left, &options);
            let (mut log, names) = opened.unwrap_or_else(|error| panic!("step {step}: {error}"));
            assert!(
                names.len() >= told.acknowledged && told.appended.starts_with(&names),
                "step {step}: {names:?}"
            );
            let tables: Vec<u64> = log.tables().map(|table| table.number).collect();
            let expected = told.tables.iter().all(|table| tables.contains(table));
            assert!(expected && tables.len() <= 1, "step {step}: {tables:?}");
            for table in tables {
                assert!(log.table(table).unwrap().get(b"k").unwrap().is_some());
            }
            assert!(log.head().number > head.number);
            put(&mut log, "after");
            let head = log.sync().unwrap();
            drop(log);
            assert!(highest_epoch(&left) > epoch, "step {step}: a new run has a new epoch");
            let again = open(&left, &expecting(head)).unwrap().1;
            assert_eq!(again[..], [&names[..], &["after".to_owned()]].concat(), "step {step}");
            strictly += usize::from(open(&with(&all, &[]), &strict()).is_ok());
        }
    }
    println!("sealed log: the power went at {steps} steps; {disks} disks, nothing acknowledged was lost");
    assert!(steps > 60 && disks > 200, "{steps} steps, {disks} disks");
    assert!(empty > 0, "a creation may have been complete but not acknowledged");
    assert!(strictly < disks, "some disks have a torn tail, which only `Truncate` cuts off");
}

#[test]
fn a_log_whose_opening_was_interrupted_again_and_again_opens() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    let head = log.sync().unwrap();
    drop(log);
    let old = files(&disk);
    let mut left = with(&old, &[]);
    for step in 0..40 {
        let start = left.steps().len();
        left.plan(start + step % 13, Fault::Power);
        let interrupted = open(&left, &expecting(head)).is_err();
        let mut outcomes = left.some_after_power_loss(3, |of| step % of);
        left = outcomes.swap_remove(step % outcomes.len());
        let again = with(&files(&left), &[]);
        assert_eq!(open(&again, &expecting(head)).unwrap().1, ["a"], "step {step}, {interrupted}");
    }
    assert!(highest_epoch(&left) > 1, "some openings went far");
}

#[test]
fn what_a_killed_process_had_only_written_is_durable_before_a_head_includes_it() {
    for torn in [false, true] {
        let (disk, mut log) = new_log();
        put(&mut log, "a");
        log.write().unwrap();
        drop(log);
        if torn {
            let file = disk.open(&path("000001.wal")).unwrap();
            file.write_at(file.size().unwrap(), b"torn").unwrap();
        }
        let (log, names) = open(&disk, &truncating()).unwrap();
        assert_eq!(names, ["a"]);
        let head = log.head();
        drop(log);
        let left = disk.after_power_loss();
        assert!(!left.is_empty());
        for left in left {
            assert_eq!(open(&left, &expecting(head)).unwrap().1, ["a"], "torn: {torn}");
        }
    }
}

#[test]
fn frames_whose_sync_failed_are_written_anew_before_a_head_includes_them() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    log.sync().unwrap();
    put(&mut log, "b");
    disk.plan(disk.steps().len() + 1, Fault::Io);
    assert!(log.sync().unwrap_err().to_string().contains("syncing /sealed/000001.wal"));
    drop(log);
    let (log, names) = open(&disk, &strict()).unwrap();
    assert_eq!(names, ["a", "b"], "the system still has what it could not write");
    let head = log.head();
    drop(log);
    let left = disk.after_power_loss();
    assert!(!left.is_empty());
    for left in left {
        assert_eq!(open(&left, &expecting(head)).unwrap().1, ["a", "b"]);
    }
}

#[test]
fn what_an_opening_finds_after_a_kill_or_an_error_at_any_step_survives_a_power_cut() {
    let (mut openings, mut states) = (0, 0);
    for fault in [Fault::Power, Fault::Io, Fault::NoSpace] {
        for step in 0.. {
            let disk = Recorder::with_dir(DIR);
            disk.plan(step, fault);
            let mut told = Told::default();
            if script(&disk, &mut told).is_ok() && disk.steps().len() <= step {
                break;
            }
            // Without a head nothing was acknowledged.
            let (killed, Some(head)) = (disk.after_kill(), told.head) else { continue };
            let options = Options { expect_head: Some(head), tail: Tail::Truncate };
            let opened = open(&killed, &options);
            let (log, names) = opened.unwrap_or_else(|error| panic!("{fault:?} at {step}: {error}"));
            assert!(names.len() >= told.acknowledged, "{fault:?} at {step}: {names:?}");
            let (head, tables) = (log.head(), log.tables().count());
            drop(log);
            openings += 1;
            for left in killed.some_after_power_loss(4, |of| step % of) {
                let opened = open(&left, &expecting(head));
                let (log, again) = opened.unwrap_or_else(|error| panic!("{fault:?} at {step}: {error}"));
                assert_eq!((again, log.tables().count()), (names.clone(), tables), "{fault:?} at {step}");
                states += 1;
            }
        }
    }
    assert!(openings > 150 && states >= openings, "{openings} openings, {states} states");
}

#[test]
fn opening_a_log_that_was_synced_writes_no_wal_but_the_new_one() {
    let (disk, mut log) = new_log();
    put(&mut log, "a");
    log.sync().unwrap();
    drop(log);
    let before = disk.steps().len();
    open(&disk, &strict()).unwrap();
    let old = |step: &Step| format!("{step:?}").contains("000001.wal");
    assert!(!disk.steps().split_off(before).iter().any(old));
}
