//! Tests of the log: every flip and truncation of small ones, forged headers, the tail policy, crashes.

use std::path::Path;

use super::*;
use crate::disk::{Fault, Recorder, Step};
use crate::scheme::log::Code::*;

const PATH: &str = "/log/000001.wal";

/// The records of the logs below; the last value has a length that several flips of its size make longer.
fn records() -> [Record<'static>; 3] {
    [
        Record::put(b"key1", b"value1", b"r1"),
        Record::delete(b"key1", b"r2"),
        Record::put(b"key2", &[b'v'; 40], b"r3"),
    ]
}

fn log() -> Vec<u8> {
    let mut bytes = Vec::new();
    records().iter().for_each(|record| encode(record, &mut bytes).unwrap());
    bytes
}

/// Where each record of [`log`] begins, and the end.
fn starts() -> Vec<usize> {
    let mut starts = vec![0];
    records().iter().for_each(|record| starts.push(starts.last().unwrap() + record.encoded_len()));
    starts
}

/// What a replay delivers, the bytes that it dropped, and how it ends.
type Replay = (Vec<Vec<u8>>, u64, Result<(), Error>);

fn drain(mut reader: Reader<'_>) -> Replay {
    let mut seen = Vec::new();
    let end = loop {
        match reader.next() {
            Ok(Some(record)) => {
                let mut bytes = Vec::new();
                encode(&record, &mut bytes).unwrap();
                seen.push(bytes);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(reader.index(), seen.len() as u64);
    assert_eq!(reader.offset(), seen.iter().map(|bytes| bytes.len() as u64).sum::<u64>());
    let again = reader.next().map(|record| record.is_some()).map_err(|error| error.damage());
    assert_eq!(again, end.as_ref().map(|()| false).map_err(Error::damage), "the end does not change");
    (seen, reader.torn(), end)
}

/// Replays from memory and from a file, which must agree.
fn replay(bytes: &[u8], tail: Tail) -> Replay {
    let memory = drain(Reader::of_bytes(bytes, tail));
    let disk = Recorder::with_files("/log", [(PATH.into(), bytes.to_vec())]);
    let file = open(&disk, Path::new(PATH)).unwrap().expect("it is there");
    let from_file = drain(Reader::of_file(&*file, tail).unwrap());
    let ends = [&memory, &from_file]
        .map(|(seen, torn, end)| (seen.clone(), *torn, end.as_ref().copied().map_err(Error::damage)));
    assert_eq!(ends[0], ends[1]);
    memory
}

/// The code, the record and the count of delivered records, as the published vectors have them.
fn verdict((seen, _, end): &Replay) -> (Option<Code>, u64, usize) {
    match end {
        Ok(()) => (None, 0, seen.len()),
        Err(error) => (Some(error.code()), error.record_index(), seen.len()),
    }
}

#[test]
fn a_record_has_the_bytes_of_the_reference() {
    let mut bytes = vec![9];
    encode(&Record::put(b"alpha", b"one", b"rid-1"), &mut bytes).unwrap();
    let expected = b"\x09AWVK\x01\0\x01\0\x05\0\0\0\x03\0\0\0\x05\0\0\0\x8c\xaf\xa0\x49alphaonerid-1";
    assert_eq!(bytes, expected);
    assert_eq!(Record::put(b"alpha", b"one", b"rid-1").encoded_len(), expected.len() - 1);
}

#[test]
fn a_log_replays_to_its_records_and_an_absent_one_is_empty() {
    let (seen, torn, end) = replay(&log(), Tail::Strict);
    assert!(end.is_ok() && torn == 0 && seen.concat() == log(), "{end:?}");
    assert_eq!(verdict(&replay(b"", Tail::Strict)), (None, 0, 0));
    let disk = Recorder::with_dir("/log");
    assert!(open(&disk, Path::new(PATH)).unwrap().is_none());
    disk.plan(0, Fault::Power);
    assert!(disk.create(Path::new(PATH)).is_err());
    assert_eq!(open(&disk, Path::new(PATH)).unwrap_err().code(), IoError);
}

/// The code that the order of the checks gives for a flip in the header of a record; `left` bytes follow.
fn expected(header: &[u8], left: usize) -> Code {
    match Header::parse(header.first_chunk().unwrap()) {
        Err((code, _)) => code,
        Ok(header) if header.payload_len() > left => TruncatedRecord,
        Ok(_) => ChecksumMismatch,
    }
}

#[test]
fn every_flipped_byte_is_refused_at_its_record_with_the_code_of_the_first_check_that_sees_it() {
    let (bytes, starts) = (log(), starts());
    let mut codes = std::collections::BTreeMap::new();
    for (at, mask) in (0..bytes.len()).flat_map(|at| (1..=255).map(move |mask| (at, mask))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= mask;
        let hit = starts.iter().rposition(|start| *start <= at).unwrap();
        let body = starts[hit] + HEADER_LEN;
        let code = expected(&flipped[starts[hit]..body], bytes.len() - body);
        let by_place = match at - starts[hit] {
            0..4 => Some(InvalidMagic),
            4..6 => Some(UnsupportedVersion),
            // An operation may become the other one, and a size another one.
            6 | 8..20 => None,
            _ => Some(ChecksumMismatch),
        };
        assert!(by_place.is_none_or(|by_place| by_place == code), "{at} {mask:#x}: {code}");
        let seen = verdict(&drain(Reader::of_bytes(&flipped, Tail::Strict)));
        assert_eq!(seen, (Some(code), hit as u64, hit), "{at} {mask:#x}");
        *codes.entry(code).or_insert(0) += 1;
    }
    assert_eq!(codes.values().sum::<usize>(), bytes.len() * 255);
    assert_eq!(codes[&InvalidMagic], 3 * 4 * 255);
    assert_eq!(codes[&UnsupportedVersion], 3 * 2 * 255);
    // Of 255 flips of an operation, one makes it the other one.
    assert_eq!(codes[&InvalidOperation], 3 * 254);
    assert!(codes[&TruncatedRecord] > 0 && codes[&InvalidRecord] > 0, "{codes:?}");
}

#[test]
fn every_truncation_inside_a_record_is_refused_and_at_an_end_of_a_record_it_is_not_noticed() {
    let (bytes, starts) = (log(), starts());
    for len in 0..=bytes.len() {
        let seen = verdict(&replay(&bytes[..len], Tail::Strict));
        let whole = starts.iter().filter(|start| **start <= len).count() - 1;
        if starts.contains(&len) {
            assert_eq!(seen, (None, 0, whole), "{len}");
        } else {
            assert_eq!(seen, (Some(TruncatedRecord), whole as u64, whole), "{len}");
        }
    }
}

#[test]
fn zeros_after_the_last_record_are_refused_by_the_strict_policy() {
    for zeros in 1..60 {
        let bytes = [&log()[..], &vec![0; zeros]].concat();
        let code = if zeros < HEADER_LEN { TruncatedRecord } else { InvalidMagic };
        assert_eq!(verdict(&replay(&bytes, Tail::Strict)), (Some(code), 3, 3), "{zeros}");
    }
}

/// A record with this header, whose checksum is right.
fn forged(change: impl FnOnce(&mut [u8]), payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&Record::put(b"k", b"v", b"r"), &mut bytes).unwrap();
    bytes.truncate(HEADER_LEN);
    change(&mut bytes);
    let checksum = record_checksum(bytes.first_chunk().unwrap(), payload);
    bytes[COVERED_LEN..].copy_from_slice(&checksum.to_le_bytes());
    [&bytes[..], payload].concat()
}

#[test]
fn a_forged_header_with_a_right_checksum_is_judged_by_the_order_of_the_checks() {
    let set = |at: usize, value: u32| {
        move |bytes: &mut [u8]| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes())
    };
    let accepted = (None, 0, 1);
    let refused = |code| (Some(code), 0, 0);
    let long = vec![b'x'; MAX_RECORD_LEN];
    for (why, bytes, expected) in [
        ("the reserved byte", forged(|bytes| bytes[7] = 0x5a, b"kvr"), accepted),
        ("operation 0", forged(|bytes| bytes[6] = 0, b"kvr"), refused(InvalidOperation)),
        ("operation 3", forged(|bytes| bytes[6] = 3, b"kvr"), refused(InvalidOperation)),
        ("version 0", forged(|bytes| bytes[4] = 0, b"kvr"), refused(UnsupportedVersion)),
        ("version 257", forged(|bytes| bytes[5] = 1, b"kvr"), refused(UnsupportedVersion)),
        ("magic, swapped", forged(|bytes| bytes[..4].reverse(), b"kvr"), refused(InvalidMagic)),
        ("all wrong", forged(|bytes| bytes[..20].fill(9), b"kvr"), refused(InvalidMagic)),
        ("version and operation", forged(|bytes| bytes[4..7].fill(9), b"kvr"), refused(UnsupportedVersion)),
        ("operation and size", forged(|bytes| bytes[6..20].fill(9), b"kvr"), refused(InvalidOperation)),
        ("key 1,024", forged(set(8, 1_024), &long[..1_026]), accepted),
        ("key 1,025", forged(set(8, 1_025), &long[..1_027]), refused(InvalidRecord)),
        ("value 1 MiB", forged(set(12, 1 << 20), &long[..(1 << 20) + 2]), accepted),
        ("value 1 MiB + 1", forged(set(12, (1 << 20) + 1), &long[..(1 << 20) + 3]), refused(InvalidRecord)),
        ("id 4,096", forged(set(16, 4_096), &long[..4_098]), accepted),
        ("id 4,097", forged(set(16, 4_097), &long[..4_099]), refused(InvalidRecord)),
        ("all sizes", forged(|bytes| bytes[8..20].fill(0xff), b""), refused(InvalidRecord)),
        ("a size that the file does not hold", forged(set(12, 2), b"kvr"), refused(TruncatedRecord)),
        ("a delete with a value", forged(|bytes| bytes[6] = 2, b"kvr"), accepted),
        ("no request id", forged(set(16, 0), b"kv"), accepted),
    ] {
        let seen = drain(Reader::of_bytes(&bytes, Tail::Strict));
        assert_eq!(verdict(&seen), expected, "{why}");
    }
}

#[test]
fn a_record_over_a_limit_is_not_encoded() {
    let long = vec![0; MAX_RECORD_LEN];
    for record in [
        Record::put(&long[..1_025], b"", b"r"),
        Record::put(b"", &long[..(1 << 20) + 1], b"r"),
        Record::delete(b"", &long[..4_097]),
    ] {
        let mut out = vec![7];
        assert_eq!(encode(&record, &mut out).unwrap_err().code, InvalidRecord);
        assert_eq!(out, [7]);
    }
}

#[test]
fn a_torn_tail_is_dropped_where_the_caller_asks_for_it() {
    let (bytes, starts) = (log(), starts());
    for len in 0..=bytes.len() {
        let whole = starts.iter().filter(|start| **start <= len).count() - 1;
        for zeros in [0, 1, 23, 24, 25, 4_096] {
            // Zeros stand where the write would have been, not after a beginning of it.
            if zeros > 0 && !starts.contains(&len) {
                continue;
            }
            let torn = [&bytes[..len], &vec![0; zeros]].concat();
            let (seen, dropped, end) = replay(&torn, Tail::Truncate);
            assert!(end.is_ok(), "{len} + {zeros}: {end:?}");
            assert_eq!(
                (seen.len(), dropped as usize),
                (whole, torn.len() - starts[whole]),
                "{len} + {zeros}"
            );
        }
    }
}

#[test]
fn no_flipped_byte_makes_truncation_drop_a_complete_record() {
    let bytes = log();
    for (at, mask) in (0..bytes.len()).flat_map(|at| (1..=255).map(move |mask| (at, mask))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= mask;
        let strict = drain(Reader::of_bytes(&flipped, Tail::Strict));
        let truncating = drain(Reader::of_bytes(&flipped, Tail::Truncate));
        assert!(strict.2.is_err() && truncating.2.is_err(), "{at} {mask:#x}");
        assert_eq!(verdict(&strict), verdict(&truncating), "{at} {mask:#x}");
    }
}

#[test]
fn bytes_that_no_append_begins_with_are_not_dropped() {
    let foreign: [&[u8]; 4] =
        [b"x", b"AWVx", b"\0\0\0\x01", b"AWVK\x02\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"];
    for (tail, code) in
        foreign.into_iter().zip([TruncatedRecord, TruncatedRecord, TruncatedRecord, UnsupportedVersion])
    {
        let bytes = [&log()[..], tail].concat();
        assert_eq!(verdict(&replay(&bytes, Tail::Truncate)), (Some(code), 3, 3), "{tail:?}");
    }
    // Nor are zeros that no single write leaves, or zeros in the middle.
    let many = [&log()[..], &vec![0; MAX_BATCH_LEN + 1]].concat();
    assert_eq!(verdict(&drain(Reader::of_bytes(&many, Tail::Truncate))), (Some(InvalidMagic), 3, 3));
    let hole = [&log()[..], &[0; 64], &log()].concat();
    assert_eq!(verdict(&replay(&hole, Tail::Truncate)), (Some(InvalidMagic), 3, 3));
}

#[test]
fn a_torn_record_whose_value_holds_records_is_dropped_as_well() {
    // The value is a log that does not end where the torn record does.
    let mut bytes = Vec::new();
    encode(&Record::put(b"k", &[&log()[..], b"more"].concat(), b"r"), &mut bytes).unwrap();
    let torn = &bytes[..bytes.len() - 3];
    let (seen, dropped, end) = replay(torn, Tail::Truncate);
    assert!(end.is_ok(), "{end:?}");
    assert_eq!((seen.len(), dropped), (0, torn.len() as u64));
}

#[test]
fn records_of_every_length_pass_through_the_window_unchanged() {
    // Around the window's length and around the limits, in an order that moves every kind of remainder.
    let value: Vec<u8> =
        (0..MAX_RECORD_LEN as u32).map(|i| (i.wrapping_mul(0x9e37_79b1) >> 23) as u8).collect();
    let window = 256 * 1024;
    let lens =
        [0, 4_096, window - 30, window - 25, 1, window, window + 1, 1 << 20, 100_000, 3, 1 << 20, 70_000];
    let mut bytes = Vec::new();
    for (at, len) in lens.into_iter().enumerate() {
        encode(&Record::put(&[at as u8], &value[at..at + len], b"r"), &mut bytes).unwrap();
    }
    for _ in 0..3 {
        (0..2_000).for_each(|len| encode(&Record::delete(&value[..len % 900], b"id"), &mut bytes).unwrap());
    }
    let (seen, _, end) = replay(&bytes, Tail::Strict);
    assert!(end.is_ok() && seen.concat() == bytes, "{end:?}");
    assert_eq!(seen.len(), lens.len() + 6_000);
}

#[test]
fn a_log_is_created_with_its_name_synced() {
    let disk = Recorder::with_dir("/log");
    let mut append = Append::create(&disk, Path::new(PATH)).unwrap();
    append.append(&Record::put(b"k", b"v", b"r")).unwrap();
    let path = || PATH.into();
    let steps = [
        Step::Create(path()),
        Step::Sync(path()),
        Step::SyncDir("/log".into()),
        Step::WriteAt(path(), 0, 27),
        Step::Sync(path()),
    ];
    assert_eq!(disk.steps(), steps);
    assert_eq!(Append::create(&disk, Path::new(PATH)).unwrap_err().code(), IoError, "the name is taken");
}

#[test]
fn a_batch_is_one_write_and_one_sync() {
    let disk = Recorder::with_dir("/log");
    let mut append = Append::create(&disk, Path::new(PATH)).unwrap();
    let before = disk.steps().len();
    records().iter().for_each(|record| append.push(record).unwrap());
    assert_eq!((append.pending(), append.size(), disk.steps().len()), (log().len(), 0, before));
    append.sync().unwrap();
    append.sync().unwrap();
    assert_eq!(disk.steps().len(), before + 2, "an empty batch takes no step");
    assert_eq!((append.pending(), append.size()), (0, log().len() as u64));
    assert_eq!(disk.read(Path::new(PATH)).unwrap(), log());
    let value = vec![1; 1 << 20];
    (0..8).for_each(|_| append.push(&Record::put(b"k", &value, b"r")).unwrap());
    assert!(append.size() > 7 << 20 && append.pending() < MAX_BATCH_LEN, "{append:?}");
    append.push(&Record::put(&value[..2_000], b"", b"")).unwrap_err();
    append.sync().unwrap();
    assert_eq!(append.size(), log().len() as u64 + 8 * (24 + 2 + (1 << 20)));
}

#[test]
fn a_failed_write_is_taken_back_and_a_failed_sync_stops_the_log() {
    for fault in [Fault::NoSpace, Fault::Io] {
        let disk = Recorder::with_dir("/log");
        let mut append = Append::create(&disk, Path::new(PATH)).unwrap();
        append.append(&Record::put(b"k", b"v", b"1")).unwrap();
        let (before, step) = (disk.read(Path::new(PATH)).unwrap(), disk.steps().len());
        disk.plan(step, fault);
        let refused = append.append(&Record::put(b"k", b"v", b"2")).unwrap_err();
        assert!(matches!(refused, Error::Io { doing: "writing the log", .. }), "{refused}");
        assert_eq!(disk.read(Path::new(PATH)).unwrap(), before, "{fault:?}");
        append.append(&Record::put(b"k", b"v", b"3")).unwrap();
        let bytes = disk.read(Path::new(PATH)).unwrap();
        assert_eq!(verdict(&replay(&bytes, Tail::Strict)), (None, 0, 2));
        disk.plan(disk.steps().len() + 1, fault);
        let refused = append.append(&Record::put(b"k", b"v", b"4")).unwrap_err();
        assert!(matches!(refused, Error::Io { doing: "syncing the log", .. }), "{refused}");
        for refused in [append.append(&Record::put(b"k", b"v", b"5")), append.sync()] {
            assert!(matches!(refused, Err(Error::Stopped("an earlier sync failed"))), "{refused:?}");
        }
    }
    let disk = Recorder::with_dir("/log");
    let mut append = Append::create(&disk, Path::new(PATH)).unwrap();
    disk.plan(disk.steps().len(), Fault::ReadOnly);
    append.append(&Record::put(b"k", b"v", b"1")).unwrap_err();
    assert!(matches!(
        append.sync(),
        Err(Error::Stopped("an earlier write failed and could not be taken back"))
    ));
    assert!(append.is_stopped());
}

/// Appends batches of one, two and three records until the power goes; returns what was acknowledged.
fn run(disk: &Recorder) -> Vec<u8> {
    let mut acknowledged = Vec::new();
    let Ok(mut append) = Append::create(disk, Path::new(PATH)) else { return acknowledged };
    for batch in 1..=3 {
        let mut bytes = Vec::new();
        for number in 0..batch {
            let (key, value) = ([batch, number], vec![batch; 30 * usize::from(number)]);
            let record = Record::put(&key, &value, b"id");
            append.push(&record).unwrap();
            encode(&record, &mut bytes).unwrap();
        }
        if append.sync().is_err() {
            break;
        }
        acknowledged.extend(bytes);
    }
    acknowledged
}

#[test]
fn a_power_cut_at_any_step_loses_no_acknowledged_record_and_leaves_none_in_half() {
    let whole = run(&Recorder::with_dir("/log"));
    let (mut states, mut dropped, mut strict) = (0, 0, 0);
    for cut in 0..=9 {
        let disk = Recorder::with_dir("/log");
        disk.plan(cut, Fault::Power);
        let acknowledged = run(&disk);
        assert_eq!(acknowledged == whole, cut == 9, "{cut}");
        for left in disk.after_power_loss() {
            states += 1;
            let Some(file) = open(&left, Path::new(PATH)).unwrap() else {
                assert!(acknowledged.is_empty(), "{cut}: the log is gone");
                continue;
            };
            let strictly = drain(Reader::of_file(&*file, Tail::Strict).unwrap()).2;
            strict += usize::from(strictly.is_err());
            let (seen, torn, end) = drain(Reader::of_file(&*file, Tail::Truncate).unwrap());
            end.unwrap_or_else(|error| panic!("{cut}: {error}"));
            let seen = seen.concat();
            assert!(seen.starts_with(&acknowledged) && whole.starts_with(&seen), "{cut}");
            assert_eq!(strictly.is_err(), torn > 0, "{cut}");
            dropped += usize::from(torn > 0);
            // The log goes on where it ended, and is then whole for the strict policy too.
            let mut append = Append::resume(file, seen.len() as u64).unwrap();
            append.append(&Record::delete(b"last", b"id")).unwrap();
            drop(append);
            let bytes = left.after_restart().read(Path::new(PATH)).unwrap();
            let (again, _, end) = drain(Reader::of_bytes(&bytes, Tail::Strict));
            end.unwrap_or_else(|error| panic!("{cut}: {error}"));
            assert!(again.len() > 1 || seen.is_empty(), "{cut}");
            assert!(bytes.starts_with(&seen), "{cut}");
        }
    }
    assert!(states >= 20 && dropped >= 5 && strict == dropped, "{states} states, {dropped} with a torn tail");
}

#[test]
fn nothing_shows_a_key_or_a_value() {
    let record = Record::put(b"secret-key", b"secret-value", b"secret-id");
    assert_eq!(format!("{record:?}"), "Record { Put, key 10 B, value 12 B, request id 9 B }");
    let mut append = Append::create(&Recorder::with_dir("/log"), Path::new(PATH)).unwrap();
    append.push(&record).unwrap();
    assert!(!format!("{append:?}").contains("115, 101, 99"), "{append:?}");
}
