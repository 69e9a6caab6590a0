//! `sealmark log faults`, on the files that KVStore itself wrote: the published vectors hold them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{errors, json, path, sealmark};

/// The files that KVStore left after the script of `kv-engine`.
fn reference() -> Vec<(String, Vec<u8>)> {
    let set: Value = serde_json::from_slice(include_bytes!("../../../vectors/interop/kv-engine.json"))
        .expect("it is JSON");
    let files = set["files_after"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    files
        .iter()
        .map(|file| (text(&file["path"]), hex::decode(text(&file["bytes"])).expect("hexadecimal")))
        .collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder that is not kept");
    fs::create_dir(folder.path().join("sst")).expect("the folder of tables");
    for (name, bytes) in reference() {
        fs::write(folder.path().join(name), bytes).expect("a file of the log");
    }
    folder
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for dir in [folder.to_owned(), folder.join("sst")] {
        for entry in fs::read_dir(&dir).expect("a folder").flatten().filter(|entry| entry.path().is_file()) {
            all.insert(entry.path().display().to_string(), fs::read(entry.path()).expect("a file"));
        }
    }
    all
}

#[test]
fn a_folder_that_kvstore_wrote_is_mapped_completely_and_stays_as_it_was() {
    let (folder, out) = (folder(), tempfile::tempdir().unwrap());
    let before = contents(folder.path());
    let report = out.path().join("map");
    let told = sealmark(&[
        "log",
        "faults",
        path(folder.path()),
        "--budget",
        "300",
        "--threads",
        "2",
        "--format",
        "json",
        "--report",
        path(&report),
    ]);
    assert_eq!(told.status.code(), Some(0), "{}", errors(&told));
    let map = json(&told);
    assert_eq!(map["schema"], "sealmark.log-faults/1");
    assert_eq!((&map["complete"], &map["pass"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(map["files"].as_array().unwrap().len(), reference().len());
    // Every flip of a bit of the reference's files, of which the table has ten bytes in no checksum.
    let evidence = map["evidence"].as_array().unwrap();
    let flips = |detected: bool| -> u64 {
        let of = evidence.iter().filter(|one| one["fault"] == "flip");
        let of = of.filter(|one| (one["verdict"] == "detected") == detected);
        of.map(|one| one["count"].as_u64().unwrap()).sum()
    };
    let undetected: Vec<&Value> =
        evidence.iter().filter(|one| one["fault"] == "flip" && one["verdict"] != "detected").collect();
    let bytes: usize = reference().iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!((flips(true), flips(false)), ((bytes as u64 - 10) * 8, 10 * 8), "{undetected:#?}");
    assert!(undetected.iter().all(|one| one["semantic_drift"] == false), "{undetected:#?}");
    assert_eq!(contents(folder.path()), before);
    let page = fs::read_to_string(report.join("index.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("000001.wal"));
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(report.join("map.json")).unwrap()).unwrap(), map);
    let junit = fs::read_to_string(report.join("junit.xml")).unwrap();
    let suites = roxmltree::Document::parse(&junit).unwrap();
    let count = suites.descendants().filter(|node| node.has_tag_name("testsuite")).count();
    assert_eq!(count, reference().len());
}

#[test]
fn a_damaged_file_is_named_with_its_code_and_record_and_the_exit_code_is_1() {
    let folder = folder();
    let wal = folder.path().join("000002.wal");
    let mut bytes = fs::read(&wal).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&wal, bytes).unwrap();
    let told = sealmark(&["log", "faults", path(folder.path()), "--budget", "1", "--threads", "1"]);
    assert_eq!(told.status.code(), Some(1), "{}", errors(&told));
    let words = String::from_utf8_lossy(&told.stdout);
    assert!(words.contains("integrity_code=CHECKSUM_MISMATCH record_index="), "{words}");
    assert!(words.contains("000002.wal is damaged as it is"), "{words}");
}

#[test]
fn a_folder_without_a_log_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let told = sealmark(&["log", "faults", path(folder.path()), "--budget", "1"]);
    assert_eq!(told.status.code(), Some(2));
    assert!(errors(&told).contains("no log here"), "{}", errors(&told));
}
