//! Tables against a naive reader and a naive writer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::model::{self, Row, crc32c};
use crate::disk::Recorder;
use crate::scheme::log::Error;
use crate::scheme::log::table::{Cache, Entry, Found, Table, encode};
use crate::verify::fuzz::planted;

const PATH: &str = "/log/000001.sst";
/// The most keys that are looked up in one table.
const KEYS: usize = 48;

/// Treats the first byte as options, and the rest as a table, or as entries from which one is made and then
/// altered. If the lowest bit is set, the checksums are corrected before it is read.
///
/// # Panics
/// If a table is written as other bytes than the model's; if opening, scanning or reading a key differs from
/// the model, in memory, from a file or through a cache.
pub fn table(data: &[u8]) {
    if searched(data) {
        planted();
    }
}

/// Whether a table of several blocks was scanned, and every key found.
pub(super) fn searched(data: &[u8]) -> bool {
    let Some((options, rest)) = data.split_first() else { return false };
    let made = options & 2 != 0;
    let Some(mut file) = (if made { built(rest) } else { Some(rest.to_vec()) }) else { return false };
    if options & 1 != 0 {
        correct(&mut file);
    }
    let expected = model::Table::open(&file);
    let disk = Recorder::with_files("/log", [(PATH.into(), file.clone())]);
    let (memory, on_disk) = (Table::of_bytes(file.clone()), Table::open(&disk, Path::new(PATH)));
    let codes = [&memory, &on_disk].map(|table| table.as_ref().err().map(|error| error.code().spec_name()));
    assert_eq!(codes, [expected.as_ref().err().copied(); 2], "opening, in memory and from a file");
    let (Ok(expected), Ok(memory), Ok(on_disk)) = (expected, memory, on_disk) else { return false };
    assert_eq!([memory.blocks(), on_disk.blocks()], [expected.blocks(); 2], "the number of blocks");
    let (rows, end) = expected.scan();
    let cached = on_disk.with_cache(Arc::new(Cache::new(2)));
    let sorted = rows.iter().map(|(key, _)| key.clone());
    let near = rows.iter().flat_map(|(key, _)| [[&key[..], &[0]].concat(), before(key)]);
    let keys: Vec<Vec<u8>> = [Vec::new(), vec![0xff; 9]].into_iter().chain(sorted).chain(near).collect();
    let (mut all, step) = (end.is_ok(), keys.len().div_ceil(KEYS));
    for (table, what) in [(&memory, "in memory"), (&cached, "through a cache"), (&cached, "cached")] {
        scanned(table, &rows, end, what);
        for key in keys.iter().step_by(step) {
            let found = table.get(key).map(|found| match found {
                Some(Found::Value(value)) => Some(Some(value)),
                Some(Found::Tombstone) => Some(None),
                None => None,
            });
            all &= found.is_ok();
            assert_eq!(found.map_err(named), expected.get(key), "{key:02x?}, {what}");
        }
    }
    all && expected.blocks() > 1
}

/// The code and the block of an error.
fn named(error: Error) -> (&'static str, u64) {
    (error.code().spec_name(), error.record_index())
}

fn scanned(table: &Table, rows: &[Row], end: Result<(), (&'static str, u64)>, what: &str) {
    let mut seen: Vec<Row> = Vec::new();
    let scan = table.scan(&mut |entry| {
        seen.push((entry.key.to_vec(), entry.value.map(<[u8]>::to_vec)));
        Ok(())
    });
    let scan = scan.map_err(named);
    assert_eq!(scan, end, "the end of a scan, {what}");
    match end {
        Ok(()) => assert_eq!(seen, rows, "a scan, {what}"),
        // A block may be checked before its first entry is given.
        Err(_) => assert!(rows.starts_with(&seen), "a scan that fails, {what}"),
    }
}

/// A key that sorts shortly before this one.
fn before(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    match key.pop() {
        Some(0) | None => key,
        Some(last) => [&key[..], &[last - 1, 0xff]].concat(),
    }
}

/// Bytes as a block length, an alteration (a place and the bits to flip), and entries. Each entry is its
/// key's length, its value's length and its kind in three bytes, and the key.
fn built(data: &[u8]) -> Option<Vec<u8>> {
    let ([target, at @ .., bits], mut rest) = data.split_first_chunk::<4>()?;
    let mut rows = BTreeMap::new();
    while let Some(([key, value, kind], after)) = rest.split_first_chunk::<3>() {
        let (key, after) = after.split_at(after.len().min(usize::from(key % 24)));
        let value = vec![*kind; usize::from(*value)];
        rows.insert(key.to_vec(), (kind % 4 != 0).then_some(value));
        rest = after;
    }
    let rows: Vec<Row> = rows.into_iter().collect();
    let target = u32::from(*target) * 8;
    let entries = rows.iter().map(|(key, value)| Entry { key, value: value.as_deref() });
    let mut file = encode(target, entries).expect("the keys ascend");
    assert_eq!(file, model::written(target, &rows), "a table is written as the reference writes it");
    let len = file.len();
    file[usize::from(u16::from_be_bytes(*at)) % len] ^= bits;
    Some(file)
}

/// Puts the checksums right: those of the blocks that the index lists, of the index, and of the footer.
fn correct(file: &mut [u8]) {
    for _ in 0..2 {
        let Some(footer) = file.len().checked_sub(32) else { return };
        let number = |file: &[u8], at: usize, len: usize| {
            file[footer + at..][..len].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        let (at, len) = (number(file, 8, 8), number(file, 16, 4));
        let end = at.checked_add(len).filter(|end| *end <= footer as u64 && len >= 8);
        let index = end.map(|end| at as usize..end as usize);
        let blocks = model::Table::open(file).map(|table| table.frames()).unwrap_or_default();
        for frame in blocks.into_iter().chain(index) {
            let frame = &mut file[frame];
            let sum = frame.len() - 4;
            let right = crc32c(&frame[4..sum]).to_le_bytes();
            frame[sum..].copy_from_slice(&right);
        }
        let right = crc32c(&file[footer..footer + 28]).to_le_bytes();
        file[footer + 28..].copy_from_slice(&right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries for a table with several blocks, whose keys are not in order.
    fn entries() -> Vec<u8> {
        let entry =
            |key: &str, value: u8, kind: u8| [&[key.len() as u8, value, kind][..], key.as_bytes()].concat();
        let rows = [("d", 30, 1), ("a", 60, 2), ("c", 0, 3), ("", 9, 1), ("b", 40, 4), ("ee", 200, 5)];
        rows.iter().flat_map(|(key, value, kind)| entry(key, *value, *kind)).collect()
    }

    #[test]
    fn tables_built_altered_and_corrected_follow_the_model() {
        let entries = entries();
        assert!(searched(&[&[2, 16, 0, 0, 0][..], &entries].concat()));
        assert!(!searched(&[&[2, 255, 0, 0, 0][..], &entries].concat()), "one block");
        let len = built(&[&[16, 0, 0, 0][..], &entries].concat()).unwrap().len();
        assert!(len > 400, "{len}");
        let mut through = 0;
        for at in 0..len as u16 {
            for bits in [0x01, 0x04, 0x80, 0xff] {
                let [high, low] = at.to_be_bytes();
                assert!(
                    !searched(&[&[2, 16, high, low, bits][..], &entries].concat()) || (6..16).contains(&at),
                    "byte {at} is covered"
                );
                through += u32::from(searched(&[&[3, 16, high, low, bits][..], &entries].concat()));
            }
        }
        // With the checksums corrected, keys and values are other ones.
        assert!(through > 200, "{through}");
    }

    #[test]
    fn tables_cut_anywhere_and_bytes_that_are_none_follow_the_model() {
        let file = built(&[&[16, 0, 0, 0][..], &entries()].concat()).unwrap();
        assert!(searched(&[&[0], &file[..]].concat()));
        for at in 0..file.len() {
            for options in 0..2 {
                table(&[&[options], &file[..at]].concat());
                table(&[&[options], &file[at..]].concat());
            }
        }
        table(&[]);
        table(&[2, 0, 0]);
    }
}
