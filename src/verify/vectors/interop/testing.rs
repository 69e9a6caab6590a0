//! What the tests of every system's reader do with a file.

use serde_json::Value;

use super::Problem;
use crate::verify::Case;
use crate::verify::vectors::Format;

/// The cases of a file.
pub(super) fn decode(text: &str) -> Result<Vec<Case>, Problem> {
    let format = Format::find("interop").unwrap();
    format.decode(text.as_bytes()).map(|vectors| vectors.cases)
}

/// The file with one member replaced, by JSON pointer.
pub(super) fn replaced(text: &str, pointer: &str, with: Value) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    *value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = with;
    value.to_string()
}

/// The file with the last bit of a hex member flipped.
pub(super) fn flipped(text: &str, pointer: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    let mut bytes = hex::decode(value.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    replaced(text, pointer, hex::encode(bytes).into())
}

/// Adds a member to each of these objects, and removes each of its members but the `optional` ones. Asserts
/// that the reader names every one of them; returns how many were added, and how many removed.
pub(super) fn every_member_is_named(objects: &[(&str, &str)], optional: &[&str]) -> (usize, usize) {
    let (mut added, mut removed) = (0, 0);
    for &(text, pointer) in objects {
        let whole: Value = serde_json::from_str(text).unwrap();
        let mut more = whole.clone();
        more.pointer_mut(pointer).unwrap()["extra"] = 1.into();
        let problem = decode(&more.to_string()).err().unwrap();
        assert!(problem.place.ends_with("extra") && problem.reason.contains("unknown member"), "{problem}");
        added += 1;
        for member in whole.pointer(pointer).unwrap().as_object().unwrap().keys() {
            // Without these two, the file is not recognised at all.
            let recognised_by = pointer.is_empty() && ["file", "schema_version"].contains(&member.as_str());
            if recognised_by || optional.contains(&member.as_str()) {
                continue;
            }
            let mut cut = whole.clone();
            cut.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(member);
            let problem = decode(&cut.to_string()).err().unwrap_or_else(|| panic!("{pointer}/{member}"));
            assert!(problem.place.ends_with(member.as_str()), "{pointer}/{member}: {problem}");
            removed += 1;
        }
    }
    (added, removed)
}
