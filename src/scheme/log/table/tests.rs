//! Tests of tables: every flip and truncation of a small one, forged frames with right checksums, blocks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::disk::{Disk, Fault, Recorder};
use crate::primitive::crc32c;
use crate::scheme::log::Code::*;
use crate::scheme::log::{Code, Error};

const PATH: &str = "/log/sst/000001.sst";

fn entry<'a>(key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
    Entry { key, value: Some(value) }
}

fn tombstone(key: &[u8]) -> Entry<'_> {
    Entry { key, value: None }
}

/// Four entries in three blocks.
fn entries() -> Vec<Entry<'static>> {
    vec![entry(b"akey", &[1; 60]), entry(b"bkey", &[2; 60]), tombstone(b"ckey"), entry(b"dkey", &[3; 70])]
}

fn table() -> Vec<u8> {
    encode(128, entries()).unwrap()
}

/// The stage that fails, the code, the record: as in the published vectors.
type Verdict = Result<(), (&'static str, Code, u64)>;

fn judge(bytes: &[u8], keys: &[&[u8]]) -> Verdict {
    let at = |stage| move |error: Error| (stage, error.code(), error.record_index());
    let table = Table::of_bytes(bytes.to_vec()).map_err(at("open"))?;
    table.scan(&mut |_| Ok(())).map_err(at("scan"))?;
    keys.iter().try_for_each(|key| table.get(key).map(|_| ()).map_err(at("get")))
}

/// The verdict of a table in memory and of one on a disk, which must agree.
fn verdict(bytes: &[u8]) -> Verdict {
    let keys: Vec<_> = entries().iter().map(|entry| entry.key).collect();
    let memory = judge(bytes, &keys);
    let disk = Recorder::with_files("/log/sst", [(PATH.into(), bytes.to_vec())]);
    let opened = Table::open(&disk, Path::new(PATH));
    let from_disk = opened.map_err(|error| ("open", error)).and_then(|table| {
        table.scan(&mut |_| Ok(())).map_err(|error| ("scan", error))?;
        keys.iter().try_for_each(|key| table.get(key).map(|_| ()).map_err(|error| ("get", error)))
    });
    if let Err((_, error)) = &from_disk {
        assert!(error.to_string().starts_with(PATH), "{error}");
    }
    assert_eq!(from_disk.map_err(|(stage, error)| (stage, error.code(), error.record_index())), memory);
    memory
}

fn all(table: &Table) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut seen = Vec::new();
    table
        .scan(&mut |entry| {
            seen.push((entry.key.to_vec(), entry.value.map(<[u8]>::to_vec)));
            Ok(())
        })
        .unwrap();
    seen
}

fn owned(entries: &[Entry<'_>]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    entries.iter().map(|entry| (entry.key.to_vec(), entry.value.map(<[u8]>::to_vec))).collect()
}

#[test]
fn a_table_has_the_bytes_of_the_reference() {
    let bytes = encode(4_096, []).unwrap();
    let hex = "5453534b0100000000100000000000000400000000000000c74b67485446534b01000000\
               10000000000000000c0000000000000000000000eec300a3";
    assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex);
    let table = Table::of_bytes(bytes).unwrap();
    assert_eq!((table.blocks(), table.get(b"").unwrap(), all(&table).len()), (0, None, 0));
    assert_eq!(encode(0, [entry(b"k", b"v")]).unwrap()[8..12], [0; 4], "the target as it was given");
}

#[test]
fn a_table_gives_back_what_was_written_in_blocks_of_about_the_target() {
    let keys: Vec<_> = (0..500_u32).map(|number| number.to_be_bytes()).collect();
    let value = vec![7; 9_000];
    let lens = |at: usize| [3, 200, 0, 9_000][at % 4] / (1 + at % 7);
    let written: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(at, key)| if at % 5 == 4 { tombstone(key) } else { entry(key, &value[..lens(at)]) })
        .collect();
    for target in [0, 128, 129, 4_096, 70_000, u32::MAX] {
        let table = Table::of_bytes(encode(target, written.clone()).unwrap()).unwrap();
        assert_eq!(all(&table), owned(&written), "{target}");
        for entry in &written {
            let found = table.get(entry.key).unwrap().expect("it was written");
            assert_eq!(found, entry.value.map_or(Found::Tombstone, |value| Found::Value(value.into())));
        }
        for absent in [&b""[..], b"\0\0\0", b"\0\0\0\x05x", b"\xff\xff\xff\xff"] {
            assert_eq!(table.get(absent).unwrap(), None, "{target} {absent:?}");
        }
        let limit = u64::from(target.max(MIN_BLOCK_LEN)) + FRAME_LEN as u64;
        let mut longer = 0;
        for block in 0..table.blocks() {
            let range = table.block_range(block).unwrap();
            assert_eq!(range.end, table.block_range(block + 1).unwrap_or(table.index_range()).start);
            longer += u32::from(range.end - range.start > limit);
        }
        assert!(longer == 0 || target < 9_000, "{longer} blocks are longer than {target}");
    }
}

#[test]
fn entries_that_do_not_ascend_or_are_too_long_are_refused() {
    let long = vec![0; (1 << 20) + 1];
    for (pair, why) in [
        ([entry(b"b", b""), entry(b"a", b"")], "the keys of a table must ascend"),
        ([entry(b"a", b""), tombstone(b"a")], "the keys of a table must ascend"),
        ([entry(b"", b""), entry(&long[..1_025], b"")], "the key is longer than 1,024 bytes"),
        ([entry(b"", b""), entry(b"a", &long)], "the value is longer than 1,048,576 bytes"),
    ] {
        assert_eq!(encode(128, pair).unwrap_err().damage(), InvalidRecord.damage(0, why));
    }
}

/// The parts of [`table`]: name and place.
fn parts() -> Vec<(&'static str, Range<usize>)> {
    let table = Table::of_bytes(table()).unwrap();
    let place = |range: Range<u64>| range.start as usize..range.end as usize;
    let mut parts = vec![("header", 0..HEADER_LEN)];
    let blocks = (0..table.blocks()).map(|block| table.block_range(block).unwrap());
    parts.extend(blocks.map(|range| ("block", place(range))));
    parts.push(("index", place(table.index_range())));
    parts.push(("footer", table.size() as usize - FOOTER_LEN..table.size() as usize));
    parts
}

#[test]
fn every_flipped_byte_but_the_last_ten_of_the_header_is_refused_in_its_part() {
    let (bytes, parts) = (table(), parts());
    assert_eq!(parts.iter().map(|(_, range)| range.len()).sum::<usize>(), bytes.len());
    let mut unseen = Vec::new();
    let mut counts = BTreeMap::new();
    for at in 0..bytes.len() {
        let number = parts.iter().position(|(_, range)| range.contains(&at)).unwrap();
        let (part, range) = &parts[number];
        for mask in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            let expected = match (*part, at - range.start, range.end - at) {
                ("header", 0..4, _) | ("footer", 0..4, _) => Err(("open", InvalidMagic, 0)),
                ("header", 4..6, _) | ("footer", 4..6, _) => Err(("open", UnsupportedVersion, 0)),
                ("header", ..) => Ok(()),
                ("footer", ..) => Err(("open", ChecksumMismatch, 0)),
                ("index", 0..4, _) => Err(("open", InvalidRecord, 0)),
                ("index", ..) => Err(("open", ChecksumMismatch, 0)),
                (_, 0..4, _) => Err(("scan", InvalidRecord, number as u64 - 1)),
                _ => Err(("scan", ChecksumMismatch, number as u64 - 1)),
            };
            assert_eq!(verdict(&flipped), expected, "{at} {mask:#x}");
            *counts.entry(expected).or_insert(0) += 1;
            if expected.is_ok() && unseen.last() != Some(&at) {
                unseen.push(at);
            }
        }
    }
    assert_eq!(unseen, (6..16).collect::<Vec<_>>(), "the declared blind spot, and no more");
    assert_eq!(counts.len(), 11, "{counts:?}");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = table();
    for len in 0..bytes.len() {
        let code = if len < HEADER_LEN + FOOTER_LEN { TruncatedRecord } else { InvalidMagic };
        assert_eq!(verdict(&bytes[..len]), Err(("open", code, 0)), "{len}");
    }
    assert_eq!(verdict(&bytes), Ok(()));
}

/// A table of these frames and this index payload, with right checksums everywhere. `footer` alters the
/// footer before its checksum is made.
fn forged(frames: &[Vec<u8>], index: &[u8], footer: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = encode(128, []).unwrap()[..HEADER_LEN].to_vec();
    frames.iter().for_each(|frame| bytes.extend_from_slice(frame));
    let index_at = bytes.len() as u64;
    let index = frame(index);
    bytes.extend_from_slice(&index);
    let mut last = [0; FOOTER_LEN];
    last[..6].copy_from_slice(b"TFSK\x01\0");
    last[8..16].copy_from_slice(&index_at.to_le_bytes());
    last[16..20].copy_from_slice(&(index.len() as u32).to_le_bytes());
    footer(&mut last[..28]);
    let checksum = crc32c::checksum(&last[..28]);
    last[28..].copy_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(&last);
    bytes
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let (len, checksum) = (payload.len() as u32, crc32c::checksum(payload));
    [&len.to_le_bytes()[..], payload, &checksum.to_le_bytes()].concat()
}

/// An index payload: the count, and for each block its first key, offset and frame length.
fn index(count: u32, blocks: &[(&[u8], u64, u32)]) -> Vec<u8> {
    let mut out = count.to_le_bytes().to_vec();
    for (key, offset, len) in blocks {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
    }
    out
}

#[test]
fn a_forged_footer_or_index_is_refused_by_the_check_that_it_breaks() {
    let none = |_: &mut [u8]| {};
    let set = |at: usize, value: u64, len: usize| {
        move |footer: &mut [u8]| footer[at..at + len].copy_from_slice(&value.to_le_bytes()[..len])
    };
    let refused = |code, record| Err(("open", code, record));
    let empty = index(0, &[]);
    for (why, bytes, expected) in [
        ("nothing", forged(&[], &empty, none), Ok(())),
        ("an index before the first block", forged(&[], &empty, set(8, 15, 8)), refused(InvalidRecord, 0)),
        ("an index at the footer", forged(&[], &empty, set(8, 28, 8)), refused(InvalidRecord, 0)),
        ("an index far away", forged(&[], &empty, set(8, u64::MAX, 8)), refused(InvalidRecord, 0)),
        ("a frame past the footer", forged(&[], &empty, set(16, 13, 4)), refused(InvalidRecord, 0)),
        ("a frame of 4 GiB", forged(&[], &empty, set(16, 0xffff_ffff, 4)), refused(InvalidRecord, 0)),
        ("a frame of 7 bytes", forged(&[], &empty, set(16, 7, 4)), refused(InvalidRecord, 0)),
        ("a frame of no bytes", forged(&[], &empty, set(16, 0, 4)), refused(InvalidRecord, 0)),
        ("a frame one byte shorter", forged(&[], &empty, set(16, 11, 4)), refused(InvalidRecord, 0)),
        ("an index without a count", forged(&[], &[1, 0, 0], none), refused(InvalidRecord, 0)),
        ("a count of 4 billion", forged(&[], &index(u32::MAX, &[]), none), refused(InvalidRecord, 0)),
        (
            "a count one too high",
            forged(&[], &index(3, &[(b"a", 16, 8), (b"b", 16, 8)]), none),
            refused(InvalidRecord, 2),
        ),
        (
            "a key longer than the index",
            forged(&[], &[&index(2, &[(b"a", 16, 8)])[..], &[0xff; 20]].concat(), none),
            refused(InvalidRecord, 1),
        ),
        (
            "keys that descend",
            forged(&[], &index(3, &[(b"a", 16, 8), (b"c", 16, 8), (b"b", 16, 8)]), none),
            refused(InvalidRecord, 2),
        ),
        (
            "equal keys",
            forged(&[], &index(2, &[(b"", 16, 8), (b"", 16, 8)]), none),
            refused(InvalidRecord, 1),
        ),
        ("bytes after the last entry", forged(&[], &[&empty[..], b"extra"].concat(), none), Ok(())),
        ("reserved fields of the footer", forged(&[], &empty, set(20, u64::MAX, 8)), Ok(())),
    ] {
        assert_eq!(verdict(&bytes), expected, "{why}");
    }
}

fn block(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    entries.iter().for_each(|entry| entry.encode(&mut out));
    out
}

#[test]
fn a_forged_block_is_refused_by_the_check_that_it_breaks() {
    let good = block(&[entry(b"akey", b"one"), tombstone(b"bkey")]);
    let with = |at: usize, byte: u8| {
        let mut payload = good.clone();
        payload[at] = byte;
        frame(&payload)
    };
    let blocks = |frames: &[Vec<u8>], offset: u64, len: u32| {
        forged(frames, &index(1, &[(b"akey", offset, len)]), |_| {})
    };
    let one = |frame: Vec<u8>| {
        let len = frame.len() as u32;
        blocks(&[frame], 16, len)
    };
    let refused = |code| Err(("scan", code, 0));
    let len = frame(&good).len() as u32;
    for (why, bytes, expected) in [
        ("nothing", one(frame(&good)), Ok(())),
        ("an empty block", one(frame(b"")), Ok(())),
        ("kind 0", one(with(0, 0)), refused(InvalidRecord)),
        ("kind 3", one(with(16, 3)), refused(InvalidRecord)),
        ("a key longer than the block", one(with(4, 1)), refused(InvalidRecord)),
        ("a value longer than the block", one(with(5, 200)), refused(InvalidRecord)),
        ("a tombstone with a value", one(with(21, 1)), refused(InvalidRecord)),
        ("eight bytes left over", one(frame(&[&good[..], &[1; 8]].concat())), refused(InvalidRecord)),
        ("an offset past the file", blocks(&[frame(&good)], 9_999, len), refused(TruncatedRecord)),
        ("an offset far away", blocks(&[frame(&good)], u64::MAX, len), refused(TruncatedRecord)),
        ("a frame length of 0", blocks(&[frame(&good)], 16, 0), refused(InvalidRecord)),
        ("a frame length of 4 GiB", blocks(&[frame(&good)], 16, u32::MAX), refused(InvalidRecord)),
        (
            "a frame of almost 4 GiB",
            blocks(&[vec![0xf7, 0xff, 0xff, 0xff, 1, 2, 3]], 16, u32::MAX),
            refused(TruncatedRecord),
        ),
        (
            "a wrong checksum",
            one([&frame(&good)[..good.len() + 4], b"abcd"].concat()),
            refused(ChecksumMismatch),
        ),
    ] {
        assert_eq!(verdict(&bytes), expected, "{why}");
    }
}

#[test]
fn a_get_does_not_look_past_its_key_and_a_scan_does() {
    let payload = [&block(&[entry(b"akey", b"one")])[..], b"\x09rest"].concat();
    let whole = frame(&payload);
    let bytes = forged(std::slice::from_ref(&whole), &index(1, &[(b"akey", 16, whole.len() as u32)]), |_| {});
    let table = Table::of_bytes(bytes).unwrap();
    assert_eq!(table.get(b"akey").unwrap(), Some(Found::Value(b"one".into())));
    assert_eq!(
        table.get(b"b").unwrap_err().damage().why,
        "bytes are left over after the last entry of a block"
    );
    let mut seen = 0;
    let scanned = table.scan(&mut |_| {
        seen += 1;
        Ok(())
    });
    assert_eq!((scanned.unwrap_err().code(), seen), (InvalidRecord, 1));
}

#[test]
fn a_scan_delivers_the_blocks_before_the_bad_one_and_stops_where_the_caller_does() {
    let mut bytes = table();
    let last = parts()[3].1.clone();
    bytes[last.end - 1] ^= 1;
    let table = Table::of_bytes(bytes).unwrap();
    let mut iter = table.entries();
    for expected in &entries()[..3] {
        assert_eq!(iter.next().unwrap().as_ref(), Some(expected));
    }
    for _ in 0..2 {
        let damage = iter.next().unwrap_err().damage();
        assert_eq!((damage.code, damage.record_index), (ChecksumMismatch, 2));
    }
    let stopped = table.scan(&mut |_| Err(Error::Stopped("enough")));
    assert!(matches!(stopped, Err(Error::Stopped("enough"))));
}

#[test]
fn a_cached_block_is_not_verified_again_and_a_fresh_table_does_not_use_it() {
    let disk = Recorder::with_dir("/log/sst");
    write(&disk, Path::new(PATH), 128, entries()).unwrap();
    let cache = Arc::new(Cache::default());
    let table = Table::open(&disk, Path::new(PATH)).unwrap().with_cache(cache.clone());
    assert_eq!(table.get(b"ckey").unwrap(), Some(Found::Tombstone));
    assert_eq!(cache.len(), 1);
    drop(table);
    // The file rots under a table that has the block, and under one that does not.
    for (cached, expected) in [(true, Ok(Some(Found::Tombstone))), (false, Err(ChecksumMismatch))] {
        let disk = Recorder::with_dir("/log/sst");
        write(&disk, Path::new(PATH), 128, entries()).unwrap();
        let cache = Arc::new(Cache::new(usize::from(cached)));
        let table = Table::open(&disk, Path::new(PATH)).unwrap().with_cache(cache);
        table.get(b"ckey").unwrap();
        table.rot(parts()[2].1.start + 5);
        assert_eq!(table.get(b"ckey").map_err(|error| error.code()), expected);
        drop(table);
        let again = Table::open(&disk, Path::new(PATH)).unwrap().with_cache(Arc::default());
        assert_eq!(again.get(b"ckey").unwrap_err().code(), ChecksumMismatch);
    }
}

#[test]
fn a_power_cut_while_a_table_is_written_leaves_all_of_it_or_no_file_of_its_name() {
    let clean = Recorder::with_dir("/log/sst");
    let done = write(&clean, Path::new(PATH), 128, entries()).unwrap();
    assert_eq!(done, Summary { entries: 4, blocks: 3, size: table().len() as u64 });
    assert_eq!(clean.read(Path::new(PATH)).unwrap(), table());
    let (steps, mut there) = (clean.steps().len(), 0);
    for cut in 0..=steps {
        let disk = Recorder::with_dir("/log/sst");
        disk.plan(cut, Fault::Power);
        let written = write(&disk, Path::new(PATH), 128, entries());
        assert_eq!(written.is_ok(), cut == steps);
        for left in disk.after_power_loss() {
            match left.read(Path::new(PATH)) {
                Ok(bytes) => {
                    assert_eq!(bytes, table(), "{cut}");
                    there += 1;
                }
                Err(_) => assert!(written.is_err(), "{cut}"),
            }
        }
    }
    assert!(there >= 2, "{there}");
    let refused = write(&clean, Path::new("/log/sst/2.sst"), 128, [tombstone(b"b"), tombstone(b"a")]);
    assert_eq!(refused.unwrap_err().code(), InvalidRecord);
    assert_eq!(clean.names(), [Path::new(PATH)], "a refused table leaves no file");
}

#[test]
fn a_table_that_is_absent_or_in_use_is_an_error_of_the_disk() {
    let disk = Recorder::with_dir("/log/sst");
    assert_eq!(Table::open(&disk, Path::new(PATH)).unwrap_err().code(), IoError);
    write(&disk, Path::new(PATH), 128, entries()).unwrap();
    let _held = Table::open(&disk, Path::new(PATH)).unwrap();
    assert_eq!(Table::open(&disk, Path::new(PATH)).unwrap_err().code(), IoError);
}
