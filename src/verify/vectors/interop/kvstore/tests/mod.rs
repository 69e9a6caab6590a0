//! Declared counts, no wrong case, exactly the listed rows stricter, and each altered member reported with
//! its case or its place.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Problem;
use super::contract::{Answer, Contract, Request};
use crate::engine;
use crate::scheme::log;
use crate::verify::{Case, Outcome};

mod expectation;
mod shape;

const WAL: &str = include_str!("../../../../../../vectors/interop/kv-wal.json");
const TABLE: &str = include_str!("../../../../../../vectors/interop/kv-sst.json");
const ENGINE: &str = include_str!("../../../../../../vectors/interop/kv-engine.json");
const SERVICE: &str = include_str!("../../../../../../vectors/interop/kv-service.json");

fn decode(text: &str) -> Result<Vec<Case>, Problem> {
    let format = crate::verify::vectors::Format::find("interop").unwrap();
    format.decode(text.as_bytes()).map(|vectors| vectors.cases)
}

/// The ids of the wrong cases, and those of each rule.
fn outcomes(text: &str) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let sealmark = engine::find("sealmark").unwrap();
    let (mut wrong, mut ruled) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
    for case in decode(text).unwrap() {
        match case.check.run(sealmark) {
            Outcome::Agree => {}
            Outcome::Wrong { .. } => wrong.push(case.id),
            Outcome::Stricter { rule } => ruled.entry(rule.into()).or_default().push(case.id),
            other => panic!("{}: {other:?}", case.id),
        }
    }
    (wrong, ruled)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The file with one member replaced, by JSON pointer.
fn replaced(text: &str, pointer: &str, with: Value) -> String {
    let mut value = value(text);
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = with;
    value.to_string()
}

/// The file with one bit of a hex member flipped.
fn flipped(text: &str, pointer: &str) -> String {
    let mut bytes = hex::decode(value(text).pointer(pointer).unwrap().as_str().unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    replaced(text, pointer, hex::encode(bytes).into())
}

/// The service's file without the rows from 15 on, which send a mebibyte several times.
fn short() -> String {
    let mut value = value(SERVICE);
    value["service"].as_array_mut().unwrap().truncate(15);
    value.to_string()
}

/// The first row of an array whose verdict, at this place of the row, is this.
fn row(text: &str, array: &str, at: usize, verdict: Value) -> usize {
    value(text)[array].as_array().unwrap().iter().position(|row| row[at] == verdict).unwrap()
}

#[test]
fn every_case_of_the_four_files_is_present_and_none_is_wrong() {
    let mut count = BTreeMap::<String, usize>::new();
    for (text, cases) in [(WAL, 370), (TABLE, 877), (ENGINE, 46), (SERVICE, 75)] {
        let decoded = decode(text).unwrap();
        assert_eq!(decoded.len(), cases);
        for case in decoded {
            *count.entry(case.id.split('/').next().unwrap().into()).or_default() += 1;
        }
        assert_eq!(outcomes(text).0, [""; 0]);
    }
    // Every row of every array, the two whole files, the snapshot, and the list of names.
    let mut rows = BTreeMap::<String, usize>::new();
    for text in [WAL, TABLE, ENGINE, SERVICE] {
        for (name, member) in value(text).as_object().unwrap() {
            let len = member.as_array().map(Vec::len).or(member.as_object().map(serde_json::Map::len));
            if !["file_verdict", "base_verdict", "corrupt_base_keys"].contains(&name.as_str()) {
                *rows.entry(name.clone()).or_default() += len.unwrap_or(0);
            }
        }
    }
    rows.retain(|_, rows| *rows > 0);
    *rows.get_mut("files_after").unwrap() += 1;
    for single in ["file", "base", "snapshot_payload_before_reopen"] {
        rows.insert(single.into(), 1);
    }
    assert_eq!(count, rows);
}

#[test]
fn the_index_lists_exactly_the_cases_of_each_rule() {
    let mut listed = BTreeMap::<String, Vec<String>>::new();
    for row in crate::verify::vectors::index::rows() {
        if row.scheme.as_deref() == Some("log") {
            assert!(row.demanded.is_empty());
            listed.extend(row.rules);
        }
    }
    for text in [WAL, TABLE, ENGINE] {
        assert!(outcomes(text).1.is_empty());
    }
    assert_eq!(outcomes(SERVICE).1, listed);
    assert!(listed.keys().all(|rule| log::RULES.contains(&rule.as_str())), "{listed:?}");
    // By what the file says, and not by what our code did.
    let marked: Vec<String> = value(SERVICE)["service"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .filter(|(_, row)| row["upstream_bug"] == true)
        .map(|(i, _)| format!("service/{i}"))
        .collect();
    assert_eq!(listed[log::WRITTEN_CONTRACT], marked);
}

/// The model, which judges the marked rows, agrees with all others.
#[test]
fn the_written_contract_agrees_with_every_row_that_is_no_bug() {
    let bytes = |row: &Value, name: &str, byte: u8| -> Vec<u8> {
        let text = row[name].as_str().unwrap();
        match text.strip_prefix("len:") {
            Some(len) => vec![byte; len.parse().unwrap()],
            None => hex::decode(text).unwrap(),
        }
    };
    let (mut contract, mut bugs) = (Contract::default(), Vec::new());
    for row in value(SERVICE)["service"].as_array().unwrap() {
        let key = bytes(row, "key", b'k');
        let id = || bytes(row, "request_id", b'r');
        let request = match row["op"].as_str().unwrap() {
            "put" => Request::Put { key, value: bytes(row, "value", b'v'), id: id() },
            "delete" => Request::Delete { key, id: id() },
            _ => Request::Get { key },
        };
        let answer = contract.answer(&request);
        if row["upstream_bug"] == true {
            bugs.push(answer.to_string());
            continue;
        }
        match answer {
            Answer::Refused(error, message) => {
                assert_eq!((row["error"].as_str(), row["message"].as_str()), (Some(error), Some(&*message)));
            }
            Answer::Put { overwritten } => assert_eq!(row["overwritten"], overwritten),
            Answer::Delete { deleted } => assert_eq!(row["deleted"], deleted),
            Answer::Get(found) => {
                assert_eq!(row["found"], found.is_some());
                assert_eq!(row["value"], hex::encode(found.unwrap_or_default()));
            }
        }
    }
    let reused = "kInvalidArgument (request_id reused with different key/value)";
    assert_eq!(bugs, [reused, reused, "kInvalidArgument (request_id exceeds 4KiB limit)"]);
}
