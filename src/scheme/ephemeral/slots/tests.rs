//! The order of a purge, a power cut at each of its steps, and damage.

use super::*;
use crate::disk::{Fault, Medium, Recorder, Step};
use crate::scheme::ephemeral::testing::{master, round};
use crate::scheme::ephemeral::{Form, Record};

const FILE: &str = "/keys/slots";

fn disk() -> Recorder {
    Recorder::with_dir("/keys")
}

fn open(disk: &Recorder) -> Slots {
    Slots::open(disk, Path::new(FILE)).unwrap().0
}

fn entry(number: u8) -> Entry {
    let (record, _) = master(1).create(Form::Compatible, &round(number), None).unwrap();
    Entry { round: round(number), record, deadline: 100 }
}

/// Whether the medium may still hold the key's ciphertext.
fn holds(disk: &Recorder, record: &Record) -> bool {
    disk.still_holds(&record.0[12..44])
}

#[test]
fn keys_are_found_again_after_a_restart_and_purged_ones_are_not() {
    let disk = disk();
    let slots = open(&disk);
    let entries: Vec<Entry> = (0..100).map(entry).collect();
    entries.iter().for_each(|entry| slots.create(entry).unwrap());
    for entry in entries.iter().step_by(3) {
        assert!(slots.purge(&entry.round).unwrap());
        assert!(!slots.purge(&entry.round).unwrap(), "there is nothing left to purge");
    }
    drop(slots);
    let slots = open(&disk);
    for (i, entry) in entries.iter().enumerate() {
        let expected = (i % 3 != 0).then(|| entry.clone());
        assert_eq!(slots.read(&entry.round).unwrap(), expected);
        assert_eq!(holds(&disk, &entry.record), i % 3 != 0, "{i}");
    }
    assert_eq!(slots.rounds().len(), 66);
}

#[test]
fn a_purge_takes_its_steps_in_this_order() {
    let disk = disk();
    let slots = open(&disk);
    slots.create(&entry(1)).unwrap();
    let before = disk.steps().len();
    slots.purge(&round(1)).unwrap();
    // The recorder names a file as it was created: before its first rename.
    let path = PathBuf::from(format!("{FILE}.tmp"));
    let (write, sync) = (|at, len| Step::WriteAt(path.clone(), at, len), || Step::Sync(path.clone()));
    let expected = [write(256, 1), sync(), write(257, 255), sync(), write(256, 1), sync()];
    assert_eq!(disk.steps()[before..], expected);
}

#[test]
fn a_round_keeps_its_key_and_a_freed_slot_is_used_again() {
    let disk = disk();
    let slots = open(&disk);
    let first = entry(1);
    slots.create(&first).unwrap();
    let refused = slots.create(&entry(1)).unwrap_err();
    assert!(matches!(&refused, Error::KeyExists(of) if *of == round(1)), "{refused}");
    assert_eq!(slots.read(&round(1)).unwrap(), Some(first));
    let size = disk.read(Path::new(FILE)).unwrap().len();
    for number in 2..=200 {
        slots.create(&entry(number)).unwrap();
        slots.purge(&round(number)).unwrap();
    }
    assert_eq!(disk.read(Path::new(FILE)).unwrap().len(), size, "one free slot is enough");
}

#[test]
fn a_power_cut_at_any_step_leaves_a_whole_key_or_none_and_a_start_finishes_the_purge() {
    let first = |disk: &Recorder| {
        let slots = open(disk);
        slots.create(&entry(1)).unwrap();
        slots
    };
    let whole = disk();
    let slots = first(&whole);
    let prepared = whole.steps().len();
    let second = entry(2);
    slots.create(&second).unwrap();
    let created = whole.steps().len();
    slots.purge(&round(2)).unwrap();
    let purged = whole.steps().len();
    let mut states = 0;
    for cut in prepared..=purged {
        let disk = disk();
        let slots = first(&disk);
        disk.plan(cut, Fault::Power);
        let acknowledged = slots.create(&second).is_ok();
        let gone = acknowledged && slots.purge(&round(2)).is_ok();
        assert_eq!((acknowledged, gone), (cut >= created, cut == purged), "{cut}");
        let marked = cut >= created + 2;
        for left in disk.after_power_loss() {
            states += 1;
            let (slots, _) = Slots::open(&left, Path::new(FILE)).unwrap();
            assert!(slots.read(&round(1)).unwrap().is_some(), "{cut}: another round's key is untouched");
            let found = slots.read(&round(2)).unwrap();
            assert!(found.is_none() || found.as_ref() == Some(&second), "{cut}");
            if acknowledged && cut == created {
                assert!(found.is_some(), "{cut}: a durable key was lost");
            }
            if marked {
                assert!(found.is_none(), "{cut}: the start did not finish the purge");
            }
            if found.is_none() {
                assert!(!holds(&left, &second.record), "{cut}: the medium still holds the key");
            }
            slots.create(&entry(3)).unwrap();
        }
    }
    // One after each sync; after a write of one byte, two; after a longer one, which may be torn, three.
    assert_eq!(states, 18);
}

#[test]
fn a_failed_step_is_reported_and_after_a_failed_sync_nothing_more_is_promised() {
    for (step, sync) in [(0, false), (1, true), (2, false), (3, true)] {
        let disk = disk();
        let slots = open(&disk);
        slots.create(&entry(1)).unwrap();
        disk.plan(disk.steps().len() + step, Fault::Io);
        let refused = slots.create(&entry(2)).unwrap_err();
        assert!(matches!(&refused, Error::Disk(_)), "{step}: {refused}");
        assert_eq!(slots.read(&round(2)).unwrap(), None, "{step}");
        let next = slots.create(&entry(3));
        if sync {
            assert!(matches!(next, Err(Error::Unsynced { .. })), "{step}");
            assert!(matches!(slots.purge(&round(1)), Err(Error::Unsynced { .. })), "{step}");
        } else {
            next.unwrap();
        }
    }
}

#[test]
fn a_disk_without_room_refuses_the_key_and_keeps_no_part_of_it() {
    for step in 0..4 {
        let disk = disk();
        let slots = open(&disk);
        slots.create(&entry(1)).unwrap();
        disk.plan(disk.steps().len() + step, Fault::NoSpace);
        let second = entry(2);
        assert!(slots.create(&second).is_err(), "{step}");
        drop(slots);
        let slots = Slots::open(&disk.after_restart(), Path::new(FILE)).unwrap().0;
        let found = slots.read(&round(2)).unwrap();
        assert!(found.is_none() || step == 3, "{step}: only a failed sync leaves it open");
    }
}

#[test]
fn a_copy_on_write_medium_keeps_the_wrapped_key_as_declared() {
    assert!(KEPT.iter().any(|(medium, _)| medium.contains("copy-on-write")));
    for (medium, keeps) in [(Medium::InPlace, false), (Medium::CopyOnWrite, true)] {
        let disk = disk().on(medium);
        let slots = open(&disk);
        let entry = entry(1);
        slots.create(&entry).unwrap();
        assert!(holds(&disk, &entry.record));
        slots.purge(&round(1)).unwrap();
        assert_eq!(holds(&disk, &entry.record), keeps, "{medium:?}");
    }
}

#[test]
fn a_damaged_slot_keeps_no_start_from_finishing_a_purge() {
    let whole = disk();
    let slots = open(&whole);
    let entries: Vec<Entry> = (1..=3).map(entry).collect();
    entries.iter().for_each(|entry| slots.create(entry).unwrap());
    let mut bytes = whole.read(Path::new(FILE)).unwrap();
    // The first slot is being purged, and the last one is damaged.
    bytes[256] = PURGING;
    bytes[768 + 120] ^= 1;
    let disk = Recorder::with_files("/keys", [(FILE.into(), bytes)]);
    let refused = Slots::open(&disk, Path::new(FILE)).map(drop).unwrap_err();
    assert!(matches!(&refused, Error::DamagedSlot { slot: 2, .. }), "{refused}");
    assert!(!holds(&disk, &entries[0].record) && holds(&disk, &entries[1].record));
}

#[test]
fn another_file_and_a_damaged_slot_are_refused_by_name() {
    let whole = disk();
    open(&whole).create(&entry(1)).unwrap();
    let bytes = whole.read(Path::new(FILE)).unwrap();
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let refused = |change: Change<'_>| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let disk = Recorder::with_files("/keys", [(FILE.into(), bytes)]);
        Slots::open(&disk, Path::new(FILE)).map(drop).unwrap_err().to_string()
    };
    let damages: [(Change<'_>, &str); 6] = [
        (&|bytes| bytes.truncate(255), "shorter than a header"),
        (&|bytes| bytes[0] ^= 1, "not that of a file of slots"),
        (&|bytes| bytes.truncate(700), "cut short"),
        (&|bytes| bytes[256] = b'?', "slot 0: its state is unknown"),
        (&|bytes| bytes[256 + 120] ^= 1, "slot 0: its checksum does not match"),
        (&|bytes| bytes.copy_within(256..512, 512), "slot 1: its round has another slot too"),
    ];
    for (change, reason) in damages {
        let seen = refused(change);
        assert!(seen.contains(reason), "{seen}");
    }
}
