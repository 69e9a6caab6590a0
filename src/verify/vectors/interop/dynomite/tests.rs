//! Declared counts, no wrong case, exactly the listed rows stricter, and each altered member reported with
//! its case or its place.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::testing::{decode, every_member_is_named, flipped, replaced};
use crate::engine;
use crate::scheme::snapshot;
use crate::verify::Outcome;

const STREAM: &str = include_str!("../../../../../vectors/interop/dyn-stream.json");
const MATERIAL: &str = include_str!("../../../../../vectors/interop/dyn-material.json");

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

#[test]
fn every_case_of_both_files_is_present_and_none_is_wrong() {
    for (text, count) in [(STREAM, 127), (MATERIAL, 33)] {
        assert_eq!(decode(text).unwrap().len(), count);
        assert_eq!(outcomes(text).0, [""; 0]);
    }
}

#[test]
fn the_index_lists_exactly_the_cases_of_each_rule() {
    let mut listed = BTreeMap::<String, Vec<String>>::new();
    for row in crate::verify::vectors::index::rows() {
        if row.scheme.as_deref() == Some("snapshot") {
            listed.extend(row.rules);
        }
    }
    let (_, mut ruled) = outcomes(STREAM);
    assert!(outcomes(MATERIAL).1.is_empty());
    for ids in listed.values_mut().chain(ruled.values_mut()) {
        ids.sort();
    }
    assert_eq!(ruled, listed);
    let mut rules = snapshot::RULES;
    rules.sort_unstable();
    assert_eq!(ruled.keys().collect::<Vec<_>>(), rules);
    assert!(ruled.values().flatten().all(|id| id.starts_with("safe/")), "compat has no rules: {ruled:?}");
}

/// The receiver's row with that id.
fn receiver(id: &str) -> usize {
    let value: Value = serde_json::from_str(STREAM).unwrap();
    value["receiver"].as_array().unwrap().iter().position(|row| row["id"] == id).unwrap()
}

#[test]
fn a_false_expectation_in_any_section_fails_only_that_case() {
    for (text, pointer, ids) in [
        (STREAM, "/sender/9/wire".into(), &["sender/s09"][..]),
        (STREAM, "/sender/9/snapshot".into(), &["sender/s09"]),
        (STREAM, "/sender/9/key".into(), &["sender/s09"]),
        (STREAM, "/sender/9/iv".into(), &["sender/s09"]),
        (STREAM, format!("/receiver/{}/applied", receiver("ok-enc")), &["receiver/ok-enc", "safe/ok-enc"]),
        (
            STREAM,
            format!("/receiver/{}/applied", receiver("wrong-iv")),
            &["receiver/wrong-iv", "safe/wrong-iv"],
        ),
        (
            STREAM,
            format!("/receiver/{}/applied", receiver("downgrade")),
            &["receiver/downgrade", "safe/downgrade"],
        ),
        (
            STREAM,
            format!("/receiver/{}/applied", receiver("empty-plain-chunks")),
            &["receiver/empty-plain-chunks", "safe/empty-plain-chunks"],
        ),
        (STREAM, format!("/receiver/{}/stream", receiver("ok-enc")), &["receiver/ok-enc", "safe/ok-enc"]),
        (MATERIAL, "/key_files/0/material".into(), &["key_files/0"]),
        (MATERIAL, "/key_files/0/file".into(), &["key_files/0"]),
    ] {
        assert_eq!(outcomes(&flipped(text, &pointer)).0, ids, "{pointer}");
    }
    for (text, pointer, with, ids) in [
        (STREAM, "/sender/9/returned".into(), 255.into(), &["sender/s09"][..]),
        (STREAM, "/sender/13/expect".into(), "Protocol".into(), &["sender/bad-buffer-not-16"]),
        (STREAM, "/sender/9/header_size".into(), 65.into(), &["sender/s09"]),
        (STREAM, "/sender/9/buffer_size".into(), 128.into(), &["sender/s09"]),
        (STREAM, "/sender/9/encrypt".into(), false.into(), &["sender/s09"]),
        (
            STREAM,
            format!("/receiver/{}/expect", receiver("magic-deadbeef")),
            "Io".into(),
            &["receiver/magic-deadbeef", "safe/magic-deadbeef"],
        ),
        (
            STREAM,
            format!("/receiver/{}/expect", receiver("misaligned")),
            "Source".into(),
            &["receiver/misaligned", "safe/misaligned"],
        ),
        (MATERIAL, "/key_files/4/expect".into(), "Io".into(), &["key_files/4"]),
        (MATERIAL, "/config/0/expect".into(), "".into(), &["config/0"]),
        (MATERIAL, "/config/1/buffer_size".into(), 17.into(), &["config/1"]),
        (MATERIAL, "/config/1/header_size".into(), 7.into(), &["config/1"]),
        (MATERIAL, "/config/3/encrypt".into(), true.into(), &["config/3"]),
    ] {
        assert_eq!(outcomes(&replaced(text, &pointer, with)).0, ids, "{pointer}");
    }
    // A configuration that differs from the stream's flag turns an agreement into the rule's refusal.
    let other =
        replaced(STREAM, &format!("/receiver/{}/receiver_encrypt_cfg", receiver("ok-enc")), false.into());
    let (wrong, ruled) = outcomes(&other);
    assert_eq!(wrong, [""; 0]);
    assert_eq!(ruled["flag-mismatch"], ["safe/ok-enc", "safe/downgrade", "safe/upgrade"]);
}

#[test]
fn an_unknown_verdict_or_an_impossible_member_is_named_with_its_place() {
    let row = receiver("misaligned");
    for (text, place, reason) in [
        (replaced(STREAM, "/sender/0/expect", "Odd".into()), "sender[0].expect".into(), "the word \"Odd\""),
        (
            replaced(STREAM, &format!("/receiver/{row}/expect"), "Odd".into()),
            format!("receiver[{row}].expect"),
            "the word \"Odd\"",
        ),
        (
            replaced(STREAM, &format!("/receiver/{row}/sink_untouched"), false.into()),
            format!("receiver[{row}].sink_untouched"),
            "always untouched",
        ),
        (
            replaced(STREAM, "/receiver/0/expect", "Io".into()),
            "receiver[0].applied".into(),
            "a refusal has no such member",
        ),
        (replaced(STREAM, "/sender/0/expect", "Io".into()), "sender[0].wire".into(), "a refusal has no such"),
        (replaced(STREAM, "/sender/0/key", "0".into()), "sender[0].key".into(), "not hex"),
        (replaced(MATERIAL, "/key_files/0/expect", "Odd".into()), "key_files[0].expect".into(), "the word"),
        (replaced(MATERIAL, "/config/0/expect", "Odd".into()), "config[0].expect".into(), "the word"),
        (replaced(MATERIAL, "/config/0/encrypt", 1.into()), "config[0].encrypt".into(), "expected true"),
        (replaced(MATERIAL, "/key_files/0/why", 1.into()), "key_files[0].why".into(), "expected a string"),
    ] {
        let problem = decode(&text).err().unwrap();
        assert_eq!(problem.place, place, "{problem}");
        assert!(problem.reason.contains(reason), "{problem}");
    }
}

#[test]
fn every_member_is_needed_and_no_other_is_skipped() {
    let refused = format!("/receiver/{}", receiver("misaligned"));
    let objects = [
        (STREAM, ""),
        (STREAM, "/sender/0"),
        (STREAM, "/sender/13"),
        (STREAM, "/receiver/0"),
        (STREAM, &refused),
        (MATERIAL, ""),
        (MATERIAL, "/key_files/0"),
        (MATERIAL, "/key_files/4"),
        (MATERIAL, "/config/0"),
    ];
    let (added, removed) = every_member_is_named(&objects, &[]);
    assert!(added == 9 && removed > 50, "{added} and {removed}");
}
