//! Logs against a naive reader, and what continues them; commands and Raft files.

use std::path::Path;

use super::model::{self, Record, crc32c, lengths};
use crate::disk::Recorder;
use crate::scheme::log::raft_files::{Meta, decode_log, encode_log};
use crate::scheme::log::wal::{Append, Reader, Record as Written, encode, open};
use crate::scheme::log::{Error, Operation, Tail, command};
use crate::verify::fuzz::planted;

const PATH: &str = "/log/000001.wal";
/// A longer tail is not searched for hidden records by the model, which does it byte by byte.
const SEARCHED: usize = 4_096;

/// Treats the first byte as options and the rest as a log, as a command and as Raft files. If the lowest bit
/// is set, the checksums of the log are corrected first, so that what is behind them is reached.
///
/// # Panics
/// If a replay differs from the model, in memory or from a file; if a record is read that encodes to other
/// bytes; if a tail is dropped that hides a record, or kept that a crash leaves; if a log that was continued
/// does not hold what it held and the new record.
pub fn wal(data: &[u8]) {
    let Some((options, bytes)) = data.split_first() else { return };
    commands(bytes);
    raft(bytes);
    let mut file = bytes.to_vec();
    if options & 1 == 1 {
        correct(&mut file);
    }
    if replayed(&file) {
        planted();
    }
}

/// Puts the checksum of each record right, as far as their lengths lead.
fn correct(file: &mut [u8]) {
    let mut at = 0;
    while let Some(lengths) = lengths(&file[at..]) {
        let Some(len) = lengths.iter().try_fold(24, |sum: usize, len| sum.checked_add(*len)) else { break };
        let Some(record) = file[at..].get_mut(..len) else { break };
        let sum = crc32c(&[&record[..20], &record[24..]].concat());
        record[20..24].copy_from_slice(&sum.to_le_bytes());
        at += len;
    }
}

/// The records, how the replay ended, where, and how many bytes it dropped.
type Seen = (Vec<Record>, Result<(), Error>, u64, u64);

fn read(mut reader: Reader<'_>) -> Seen {
    let mut records = Vec::new();
    let end = loop {
        assert_eq!(reader.index(), records.len() as u64, "the index counts the records");
        match reader.next() {
            Ok(Some(Written { op, key, value, request_id })) => {
                let [key, value, id] = [key, value, request_id].map(<[u8]>::to_vec);
                records.push(Record { op: op as u8, key, value, id });
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    (records, end, reader.offset(), reader.torn())
}

/// Whether a log of several records lost an incomplete tail, and was continued.
pub(super) fn replayed(file: &[u8]) -> bool {
    let expected = model::replay(file);
    let disk = Recorder::with_files("/log", [(PATH.into(), file.to_vec())]);
    let handle = open(&disk, Path::new(PATH)).expect("nothing fails").expect("the file is there");
    let of_file = |tail| read(Reader::of_file(&*handle, tail).expect("nothing fails"));
    for seen in [read(Reader::of_bytes(file, Tail::Strict)), of_file(Tail::Strict)] {
        let (records, end, offset, torn) = seen;
        assert_eq!(records, expected.records, "the records of a strict replay");
        let refused = end.as_ref().err().map(|error| error.code().spec_name());
        assert_eq!(refused, expected.refused, "the end of a strict replay: {end:?}");
        let index = end.map_or_else(|error| error.record_index(), |()| records.len() as u64);
        assert_eq!((index, offset, torn), (records.len() as u64, expected.end as u64, 0));
    }
    let mut from = 0;
    for record in &expected.records {
        let mut again = Vec::new();
        encode(&written(record), &mut again).expect("what was read is within the limits");
        let len = again.len();
        // The reference checks the reserved byte only as a part of what the checksum covers.
        if file[from + 7] == 0 {
            assert_eq!(again, file[from..from + len], "a record encodes to the same bytes");
        }
        from += len;
    }
    let [memory, (records, end, offset, torn)] =
        [read(Reader::of_bytes(file, Tail::Truncate)), of_file(Tail::Truncate)];
    assert_eq!(records, expected.records, "a tail is dropped, and no record before it");
    assert_eq!(memory.0, records, "a log in memory and in a file");
    let codes = [&memory.1, &end].map(|end| end.as_ref().err().map(|error| error.code()));
    assert!(codes[0] == codes[1] && (memory.2, memory.3) == (offset, torn), "in memory, and in a file");
    let rest = &file[expected.end..];
    if rest.len() <= SEARCHED {
        let dropped = expected.refused.is_some() && is_torn(rest);
        assert_eq!(end.is_ok(), dropped || rest.is_empty(), "{} bytes of a tail: {end:?}", rest.len());
    }
    if end.is_err() {
        return false;
    }
    assert_eq!((offset, torn), (expected.end as u64, rest.len() as u64), "the tail is all that is dropped");
    // The next process continues it, and the power is cut.
    let new = Record { op: 1, key: b"key".to_vec(), value: b"value".to_vec(), id: b"id".to_vec() };
    let mut log = Append::resume(handle, offset).expect("nothing fails");
    log.append(&written(&new)).expect("nothing fails");
    drop(log);
    for left in disk.some_after_power_loss(2, |_| 0) {
        let bytes = crate::disk::Disk::read(&left, Path::new(PATH)).expect("its name was synced");
        let (after, end, _, _) = read(Reader::of_bytes(&bytes, Tail::Strict));
        assert!(end.is_ok(), "a log that was continued: {end:?}");
        let all: Vec<_> = records.iter().chain([&new]).collect();
        assert!(after.iter().eq(all), "{} records, and one more, are {}", records.len(), after.len());
    }
    records.len() > 1 && torn > 0
}

fn written(record: &Record) -> Written<'_> {
    let op = Operation::from_byte(record.op).expect("a put or a delete");
    Written { op, key: &record.key, value: &record.value, request_id: &record.id }
}

/// Whether the rest of a log is what a crash leaves of its last write: zeros, or a beginning of a record that
/// hides no whole one.
fn is_torn(rest: &[u8]) -> bool {
    let begun = rest.len().min(4);
    if rest.iter().all(|byte| *byte == 0) {
        return true;
    }
    if rest[..begun] != b"AWVK"[..begun] {
        return false;
    }
    let Some(sizes) = lengths(rest) else { return true };
    if model::replay(rest).refused != Some("TRUNCATED_RECORD") {
        return false;
    }
    let hidden = (1..rest.len()).any(|at| {
        let after = model::replay(&rest[at..]);
        after.refused.is_none() && !after.records.is_empty()
    });
    // One of the sizes was altered, and the record ends with the log.
    let missing = 24 + sizes.iter().sum::<usize>() - rest.len();
    let resized = sizes.iter().enumerate().any(|(which, size)| {
        let Some(size) = size.checked_sub(missing) else { return false };
        let mut record = rest.to_vec();
        record[8 + 4 * which..][..4].copy_from_slice(&(size as u32).to_le_bytes());
        model::replay(&record).refused.is_none()
    });
    !hidden && !resized
}

/// Bytes as a command: what the reference decodes, and no more; it encodes to the same bytes.
fn commands(bytes: &[u8]) {
    let expected = (|| {
        let (head, mut rest) = bytes.split_first_chunk::<2>()?;
        let mut text = |most: usize| {
            let (len, after) = rest.split_first_chunk::<4>()?;
            let len = u32::from_be_bytes(*len) as usize;
            let (text, after) = after.split_at_checked(len).filter(|_| len <= most)?;
            rest = after;
            Some(text)
        };
        let (id, key, value) = (text(4_096)?, text(1_024)?, text(1_048_576)?);
        let op = Operation::from_byte(head[1]).filter(|_| head[0] == 1 && rest.is_empty())?;
        Some(Written { op, key, value, request_id: id })
    })();
    let decoded = command::decode(bytes).ok();
    let parts = |record: Written<'_>| {
        let [key, value, id] = [record.key, record.value, record.request_id].map(<[u8]>::to_vec);
        (record.op, key, value, id)
    };
    assert_eq!(decoded.map(parts), expected.map(parts), "a command");
    if let Some(record) = decoded {
        let mut again = Vec::new();
        command::encode(&record, &mut again).expect("what was decoded is within the limits");
        assert_eq!(again, bytes, "a command encodes to the same bytes");
    }
}

/// Bytes as each Raft file: refused, or the same bytes come back.
fn raft(bytes: &[u8]) {
    if let Ok(meta) = Meta::decode(bytes) {
        assert_eq!(meta.encode(), bytes, "meta.bin");
    }
    if let Ok(entries) = decode_log(bytes) {
        assert_eq!(encode_log(&entries).expect("what was decoded can be written"), bytes, "log.bin");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of three records.
    fn log() -> Vec<u8> {
        let mut file = Vec::new();
        for (key, value, id) in [("a", "one", "1"), ("b", "", "2"), ("a", "three", "3")] {
            let op = if value.is_empty() { Operation::Delete } else { Operation::Put };
            let (key, value, request_id) = (key.as_bytes(), value.as_bytes(), id.as_bytes());
            encode(&Written { op, key, value, request_id }, &mut file).unwrap();
        }
        file
    }

    #[test]
    fn logs_whole_cut_altered_and_forged_follow_the_model() {
        let file = log();
        assert!(!replayed(&file), "nothing is dropped");
        let (mut continued, mut refused) = (0, 0);
        for at in 0..=file.len() {
            continued += u32::from(replayed(&file[..at]));
            replayed(&[&file[..at], &[0; 40]].concat());
            for value in [0x01, 0x03, 0x80, 0xff] {
                let mut altered = file.clone();
                if let Some(byte) = altered.get_mut(at) {
                    *byte ^= value;
                    refused += u32::from(model::replay(&altered).refused.is_some());
                    for options in 0..2 {
                        wal(&[&[options][..], &altered].concat());
                    }
                }
            }
        }
        // Cut inside the third record. Every alteration is seen.
        assert_eq!(continued as usize, 24 + 7 - 1);
        assert_eq!(refused as usize, 4 * file.len());
    }

    /// A flip of a size makes the record behind it look like a part of an incomplete one.
    #[test]
    fn a_tail_that_hides_a_record_is_kept() {
        for (at, value) in [(12, 0x40), (16, 0x40), (8, 0x40)] {
            let mut file = log();
            file[at] ^= value;
            assert!(!is_torn(&file), "records follow");
            assert!(!replayed(&file));
            let last = file.len() - 31;
            let mut alone = log()[last..].to_vec();
            alone[at] ^= value;
            assert!(!is_torn(&alone), "with the size put right, it is a record");
            assert!(!replayed(&alone));
        }
    }

    #[test]
    fn commands_and_raft_files_come_back_or_are_refused() {
        let mut whole = Vec::new();
        command::encode(&Written::put(b"key", b"value", b"id"), &mut whole).unwrap();
        commands(&whole);
        let entries = [crate::scheme::log::raft_files::LogEntry { term: 7, command: whole.clone() }];
        for file in [whole, Meta::default().encode(), encode_log(&entries).unwrap()] {
            for at in 0..file.len() {
                wal(&[&[0], &file[..at]].concat());
                for value in [0x01, 0x80] {
                    let mut altered = file.clone();
                    altered[at] ^= value;
                    wal(&[&[0][..], &altered].concat());
                }
            }
        }
    }
}
