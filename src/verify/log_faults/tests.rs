//! Maps of small folders, whose findings are known.

use std::collections::BTreeSet;

use super::*;
use crate::disk::Recorder;

fn plan() -> Plan {
    Plan { budget: Duration::from_secs(60), threads: 2 }
}

fn folder(files: &[(&str, Vec<u8>)]) -> Recorder {
    let files = files.iter().map(|(name, bytes)| (Path::new("/log").join(name), bytes.clone()));
    Recorder::with_files("/log/sst", files)
}

fn drawn(disk: &Recorder) -> Map {
    map(disk, Path::new("/log"), &plan(), &AtomicBool::new(false), &mut |_| {}).unwrap()
}

fn small() -> Recorder {
    let files = testing::files();
    let names = ["000001.wal", "sst/000001.sst", "raft/meta.bin", "raft/log.bin"];
    let files: Vec<_> = names.into_iter().zip(files).map(|(name, (_, bytes))| (name, bytes)).collect();
    let disk = folder(&files);
    let file = disk.create(Path::new("/log/notes.txt")).and_then(|mut file| file.write_all(b"x"));
    file.unwrap();
    disk
}

#[test]
fn a_small_log_is_mapped_completely_and_every_finding_has_its_reason() {
    let map = drawn(&small());
    assert!(map.complete && map.pass && map.semantic_drift, "{:#?}", map.evidence);
    assert_eq!(map.files.len(), 4);
    assert!(map.others.contains(&"notes.txt".to_owned()), "{:?}", map.others);
    for file in &map.files {
        assert_eq!((file.integrity_code.as_str(), file.record_index), ("OK", None), "{}", file.file);
        assert_eq!(file.strip.first().map(|stretch| stretch.from), Some(0));
        assert_eq!(file.strip.last().map(|stretch| stretch.to), Some(file.bytes));
        assert!(file.strip.iter().all(|stretch| stretch.worst().is_some()), "{}", file.file);
        let tried: u64 = file.coverage.iter().map(|found| found.tried).sum();
        assert!(tried > file.bytes * 8, "{}: {tried}", file.file);
    }
    let counted: u64 = Verdict::ALL.map(|verdict| map.count(verdict)).iter().sum();
    let strips = map.files.iter().flat_map(|file| &file.strip);
    let in_strips: u64 = strips.map(|s| s.detected + s.late + s.harmless + s.undetected).sum();
    assert_eq!((map.trials, map.trials), (counted, in_strips));
}

#[test]
fn the_checked_files_see_every_flip_but_those_in_ten_bytes_of_a_tables_header() {
    let map = drawn(&small());
    let checked = |one: &&Evidence| one.file.ends_with(".wal") || one.file.ends_with(".sst");
    let unseen: BTreeSet<(&str, &str)> = map
        .evidence
        .iter()
        .filter(checked)
        .filter(|one| one.fault == "flip" && one.verdict != Verdict::Detected)
        .map(|one| (one.part.as_str(), one.reason.as_deref().unwrap_or_default()))
        .collect();
    let expected = [("header block size", reason::HEADER_REST), ("header reserved", reason::HEADER_REST)];
    assert_eq!(unseen, expected.into());
    let flips = map.evidence.iter().filter(checked).filter(|one| one.fault == "flip");
    let unseen_flips: u64 = flips.filter(|one| one.verdict != Verdict::Detected).map(|one| one.count).sum();
    assert_eq!(unseen_flips, 10 * 8, "every bit of the ten bytes");
}

#[test]
fn what_the_format_cannot_see_is_found_and_named() {
    let map = drawn(&small());
    let find = |file: &str, fault: &str, part: &str, verdict| {
        let mut all = map.evidence.iter();
        all.find(|one| one.file == file && one.fault == fault && one.part == part && one.verdict == verdict)
            .unwrap_or_else(|| panic!("{fault} of {part} in {file}: {:#?}", map.evidence))
    };
    let wal = "000001.wal";
    let cut = find(wal, "cut", "between units", Verdict::Undetected);
    assert_eq!((cut.reason.as_deref(), cut.pass, cut.semantic_drift), (Some(reason::CLEAN_END), true, true));
    assert_eq!(cut.integrity_code, "OK");
    find(wal, "swap", "record", Verdict::Undetected);
    find(wal, "drop", "record", Verdict::Undetected);
    find(wal, "copy", "record", Verdict::Harmless);
    find(wal, "forge", "value", Verdict::Undetected);
    find(wal, "forge", "reserved", Verdict::Harmless);
    let forged = |verdict| -> BTreeSet<&str> {
        let of_table = |one: &&Evidence| one.file.ends_with(".sst") && one.fault == "forge";
        let all = map.evidence.iter().filter(of_table).filter(|one| one.verdict == verdict);
        all.map(|one| one.part.as_str()).collect()
    };
    let unseen = ["block", "index count", "index key", "index place"];
    assert_eq!(forged(Verdict::Undetected), unseen.into());
    // No key lies between the first one and a lower one in the index.
    assert_eq!(forged(Verdict::Harmless), ["footer reserved", "index key"].into());
    assert_eq!(forged(Verdict::Late), BTreeSet::new());
    // A size or an offset that contradicts the frame, in spite of right checksums.
    let sizes = ["block size", "index frame size", "index key size", "index offset", "index size"];
    assert!(forged(Verdict::Detected).is_superset(&sizes.into()));
    find("raft/meta.bin", "flip", "term", Verdict::Undetected);
    find("raft/log.bin", "flip", "entry", Verdict::Undetected);
    let flip = find(wal, "flip", "value", Verdict::Detected);
    assert_eq!((flip.integrity_code.as_str(), flip.record_index), ("CHECKSUM_MISMATCH", Some(0)));
    let torn = find(wal, "cut", "inside a record", Verdict::Detected);
    assert_eq!(torn.integrity_code, "TRUNCATED_RECORD");
}

#[test]
fn a_damaged_file_is_reported_and_not_damaged_further() {
    let mut wal = testing::wal();
    let last = wal.len() - 1;
    wal[last] ^= 1;
    let map = drawn(&folder(&[("000001.wal", wal)]));
    assert!(!map.pass);
    let file = &map.files[0];
    assert_eq!((file.integrity_code.as_str(), file.record_index), ("CHECKSUM_MISMATCH", Some(3)));
    assert_eq!((map.trials, map.evidence.len()), (0, 0));
    let refused = map.refused.as_ref().unwrap();
    assert_eq!((refused.file.as_deref(), refused.record_index), (Some("000001.wal"), Some(3)));
    assert_eq!(map.refused_although_files_are_well(), None, "it is said once");
}

#[test]
fn the_folder_itself_stays_as_it_was() {
    let disk = small();
    let (before, steps) = (disk.names(), disk.steps());
    drawn(&disk);
    assert_eq!((disk.names(), disk.steps()), (before, steps), "nothing is asked of the disk but to read");
}

#[test]
fn a_map_without_time_says_that_it_is_not_complete() {
    let none = Plan { budget: Duration::ZERO, threads: 1 };
    let map = map(&small(), Path::new("/log"), &none, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert!(!map.complete);
    assert_eq!(map.coverage(Aim::Structure.name()).0, 0);
    assert!(map.coverage(Aim::Structure.name()).1 > 0);
}

#[test]
fn a_folder_without_a_log_is_refused_by_name() {
    let disk = folder(&[("notes.txt", vec![1])]);
    let refused = map(&disk, Path::new("/log"), &plan(), &AtomicBool::new(false), &mut |_| {});
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::NoLog { .. }), "{refused}");
    let absent = map(&disk, Path::new("/absent"), &plan(), &AtomicBool::new(false), &mut |_| {});
    assert!(matches!(absent.unwrap_err(), Error::Unreadable { .. }));
}

/// The small log with one more file.
fn with(name: &str, bytes: Vec<u8>) -> Recorder {
    let (_, table) = testing::files().remove(1);
    folder(&[("000001.wal", testing::wal()), ("sst/000001.sst", table), (name, bytes)])
}

#[test]
fn a_log_that_the_engine_refuses_does_not_pass_although_each_file_reads_well() {
    let well = drawn(&with("sealmark.history", testing::history()));
    assert!(well.pass && well.complete, "{:#?}", well.evidence);
    let mut damaged = testing::history();
    *damaged.last_mut().unwrap() ^= 1;
    let cases = [
        ("sealmark.history", damaged, "CHECKSUM_MISMATCH"),
        ("18446744073709551616.wal", Vec::new(), "INVALID_RECORD"),
    ];
    for (name, bytes, code) in cases {
        let map = drawn(&with(name, bytes));
        let refused = map.refused_although_files_are_well().unwrap();
        assert_eq!((refused.file.as_deref(), refused.integrity_code.as_str()), (Some(name), code));
        assert_eq!(map.left_out, [whole::REFUSED]);
        assert!(map.files.iter().all(|file| file.integrity_code == "OK"), "{name}");
        assert!(!map.pass, "{name}");
        assert!(!map.complete, "{name}: nothing is known of files as wholes");
    }
}

#[test]
fn a_dropped_log_whose_rows_are_in_a_table_is_seen_by_its_request_ids() {
    let rows: &[testing::Row] = &[
        (b"alpha", None),
        (b"beta", Some(b"a longer value than the others have")),
        (b"gamma", Some(b"three")),
    ];
    let disk = folder(&[("000001.wal", testing::wal()), ("sst/000001.sst", testing::table(&[rows]))]);
    let map = drawn(&disk);
    let dropped = map.evidence.iter().find(|one| one.file == "000001.wal" && one.fault == "drop-file");
    let dropped = dropped.unwrap();
    assert_eq!((dropped.verdict, dropped.reason.as_deref()), (Verdict::Undetected, Some(reason::NO_LIST)));
}

#[test]
fn a_folder_that_cannot_be_listed_is_an_error_and_not_a_file() {
    let disk = testing::Unlistable(small(), "/log/sst".into(), io::ErrorKind::PermissionDenied);
    let refused = map(&disk, Path::new("/log"), &plan(), &AtomicBool::new(false), &mut |_| {});
    let Err(Error::Unreadable { path, reason }) = refused else { panic!("it is taken for a file") };
    assert_eq!((path.as_path(), reason.kind()), (Path::new("/log/sst"), io::ErrorKind::PermissionDenied));
}
