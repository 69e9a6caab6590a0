//! Declared counts, no wrong case, and each altered member reported with its case or its place.

use serde_json::Value;

use super::super::testing::{decode, every_member_is_named, flipped, replaced};
use crate::engine;
use crate::scheme::ephemeral;
use crate::verify::{Case, Outcome};

const CIPHER: &str = include_str!("../../../../../vectors/interop/e3-cipher.json");
const ROUTING: &str = include_str!("../../../../../vectors/interop/e3-routing.json");
const LIFECYCLE: &str = include_str!("../../../../../vectors/interop/e3-lifecycle.json");

/// The ids of the cases that come out wrong.
fn wrong(text: &str) -> Vec<String> {
    let sealmark = engine::find("sealmark").unwrap();
    let out = |case: Case| match case.check.run(sealmark) {
        Outcome::Agree => None,
        Outcome::Wrong { .. } => Some(case.id),
        other => panic!("{}: {other:?}", case.id),
    };
    decode(text).unwrap().into_iter().filter_map(out).collect()
}

/// The file with steps of its own in place of the scenarios.
fn scenario(steps: &[(&str, &str)]) -> String {
    let steps: Vec<Value> =
        steps.iter().map(|(action, outcome)| serde_json::json!([action, outcome])).collect();
    replaced(LIFECYCLE, "/scenarios", serde_json::json!([{ "name": "own", "steps": steps }]))
}

#[test]
fn every_case_of_the_three_files_is_present_and_agrees() {
    for (text, count) in [(CIPHER, 38), (ROUTING, 47), (LIFECYCLE, 22)] {
        assert_eq!(decode(text).unwrap().len(), count);
        assert_eq!(wrong(text), [""; 0]);
    }
}

/// A case belongs to the rule exactly if its step finds no key in place, or no blob under the master key.
#[test]
fn the_index_lists_the_cases_of_each_rule() {
    let mut listed = crate::verify::vectors::index::rows();
    listed.retain(|row| row.scheme.as_deref() == Some("ephemeral"));
    let by_rule: Vec<_> = listed.iter().flat_map(|row| &row.demanded).collect();
    assert!(listed.iter().all(|row| row.rules.is_empty()), "no case of the scheme is stricter");
    assert_eq!(by_rule.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>(), ephemeral::RULES);
    let value: Value = serde_json::from_str(LIFECYCLE).unwrap();
    let mut ruled = Vec::new();
    for scenario in value["scenarios"].as_array().unwrap() {
        for (i, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            if ["NoRoundKey", "refused_not_master", "none"].contains(&step[1].as_str().unwrap()) {
                ruled.push(format!("{}/{i}", scenario["name"].as_str().unwrap()));
            }
        }
    }
    assert_eq!(*by_rule[0].1, ruled);
}

#[test]
fn a_false_expectation_in_any_section_fails_only_that_case() {
    for (text, pointer, id) in [
        (CIPHER, "/passwords/0/key", "passwords/0"),
        (CIPHER, "/passwords/3/password", "passwords/3"),
        (CIPHER, "/encrypt/2/blob", "encrypt/2"),
        (CIPHER, "/encrypt/2/plaintext", "encrypt/2"),
        (CIPHER, "/decrypt/0/plaintext", "decrypt/0"),
        (CIPHER, "/decrypt/10/key", "decrypt/10"),
        (CIPHER, "/wrapped/1/wrapped", "wrapped/1"),
        (CIPHER, "/wrapped/1/e3_key", "wrapped/1"),
        (CIPHER, "/wrapped/1/stored_bincode", "wrapped/1"),
        (CIPHER, "/tombstone_bincode", "tombstone_bincode"),
    ] {
        assert_eq!(wrong(&flipped(text, pointer)), [id], "{pointer}");
    }
    for (text, pointer, with, id) in [
        (CIPHER, "/encrypt/2/input_buffer_after", "00".into(), "encrypt/2"),
        (CIPHER, "/decrypt/1/expect", "Could not decrypt data".into(), "decrypt/1"),
        (CIPHER, "/decrypt/3/expect", "Invalid encrypted data length".into(), "decrypt/3"),
        (CIPHER, "/from_key_bytes/3/expect", "key must be exactly 32 bytes".into(), "from_key_bytes/3"),
        (CIPHER, "/from_key_bytes/2/len", 32.into(), "from_key_bytes/2"),
        (CIPHER, "/from_key_bytes/2/expect", "OTHER".into(), "from_key_bytes/2"),
        (ROUTING, "/routing/4/decision", "Process/None".into(), "routing/4"),
        (ROUTING, "/routing/4/completed", true.into(), "routing/4"),
        (ROUTING, "/is_timeout/DKGTimeout", false.into(), "is_timeout/DKGTimeout"),
        (ROUTING, "/store_keys/1/key", "e3_keys/31337:42".into(), "store_keys/1"),
        (ROUTING, "/store_keys/1/e3_id", "31337:43".into(), "store_keys/1"),
        (LIFECYCLE, "/scenarios/0/steps/0/1", "key_unchanged".into(), "happy/0"),
        (LIFECYCLE, "/scenarios/0/steps/6/1", "none".into(), "happy/6"),
        (LIFECYCLE, "/scenarios/1/steps/1/1", "key_created".into(), "create-fails-must-abort/1"),
        (LIFECYCLE, "/scenarios/2/steps/2/1", "key_restored".into(), "restart-wrong-master/2"),
        (LIFECYCLE, "/scenarios/3/steps/3/1", "AlreadyCompleted".into(), "timeout-tears-down/3"),
        (LIFECYCLE, "/scenarios/4/steps/2/1", "ok".into(), "late-compute-after-purge/2"),
    ] {
        assert_eq!(wrong(&replaced(text, pointer, with)), [id], "{pointer}");
    }
}

/// The whole vocabulary of the specification, in scenarios that the file does not have.
#[test]
fn the_rest_of_the_vocabulary_has_its_meaning() {
    for steps in [
        &[
            ("requested", "key_created"),
            ("requested", "key_unchanged"),
            ("seal", "ok"),
            ("open_old_blob", "ok"),
        ][..],
        &[
            ("requested", "key_created"),
            ("seal", "ok"),
            ("crash", ""),
            ("hydrate", "key_restored"),
            ("open_old_blob", "ok"),
            ("failed:DecryptionInvalidShares", "key_kept"),
            ("open", "ok"),
            ("failed:DecryptionTimeout", "complete_published"),
            ("complete", "purged"),
            ("failed:DecryptionInvalidShares", "AlreadyCompleted"),
            ("open_old_blob", "NoRoundKey"),
            ("crash", ""),
            ("hydrate", "error_fail_closed"),
            ("open_old_blob", "NoRoundKey"),
            ("master_leaked_open_blob", "unrecoverable"),
            ("any_blob_under_master", "none"),
        ],
        &[
            ("requested", "key_created"),
            ("crash", ""),
            ("key_record_lost", ""),
            ("hydrate", "error_fail_closed"),
            ("compute_request", "refused_not_master"),
            ("seal", "NoRoundKey"),
        ],
        &[
            ("requested", "key_created"),
            ("crash", ""),
            ("resolve_started", ""),
            ("complete", "purged"),
            ("resolve_finishes", "must_not_reinsert_into_cache"),
            ("cache_lookup", "miss"),
        ],
        &[("requested", "key_created"), ("crash", ""), ("resolve_started", ""), ("resolve_finishes", "ok")],
    ] {
        assert_eq!(wrong(&scenario(steps)), [""; 0], "{steps:?}");
    }
    // Before the purge, the master key and the medium do open the blobs: the attack is a real one.
    let steps = [("requested", "key_created"), ("seal", "ok"), ("master_leaked_open_blob", "unrecoverable")];
    assert_eq!(wrong(&scenario(&steps)), ["own/2"]);
}

#[test]
fn an_unknown_member_action_event_or_word_is_named_with_its_place() {
    for (text, place, reason) in [
        (
            replaced(CIPHER, "/decrypt/3/expect", "bad".into()),
            "decrypt[3].expect",
            "the word \"bad\" is unknown",
        ),
        (replaced(CIPHER, "/decrypt/1/why", 7.into()), "decrypt[1].why", "expected a string"),
        (replaced(CIPHER, "/encrypt/0/key", "00".into()), "encrypt[0].key", "expected 32 bytes"),
        (
            replaced(CIPHER, "/from_key_bytes/1/len", 65_537.into()),
            "from_key_bytes[1].len",
            "longer than the 65536 bytes",
        ),
        (replaced(ROUTING, "/routing/4/decision", "Process".into()), "routing[4].decision", "is unknown"),
        (replaced(ROUTING, "/routing/4/event/type", "E3Paused".into()), "routing[4].event.type", "E3Paused"),
        (
            replaced(ROUTING, "/routing/10/event/new_stage", "Paused".into()),
            "routing[10].event.new_stage",
            "Paused",
        ),
        (replaced(ROUTING, "/routing/16/event/reason", "Bored".into()), "routing[16].event.reason", "Bored"),
        (replaced(ROUTING, "/routing/4/event/e3_id", "1".into()), "routing[4].event.e3_id", "CHAIN:ID"),
        (replaced(ROUTING, "/is_timeout", serde_json::json!({"Bored": true})), "is_timeout.Bored", "Bored"),
        (scenario(&[("sleep", "")]), "scenarios[0].steps[0][0]", "the word \"sleep\" is unknown"),
        (scenario(&[("failed:Bored", "")]), "scenarios[0].steps[0][0]", "the reason \"Bored\" is unknown"),
        (scenario(&[("seal", "fine")]), "scenarios[0].steps[0][1]", "the word \"fine\" is unknown"),
        (
            replaced(LIFECYCLE, "/scenarios/0/steps/0", serde_json::json!(["seal"])),
            "scenarios[0].steps[0]",
            "a step is",
        ),
    ] {
        let problem = decode(&text).err().unwrap();
        assert_eq!(problem.place, place, "{problem}");
        assert!(problem.reason.contains(reason), "{problem}");
    }
}

#[test]
fn every_member_is_needed_and_no_other_is_skipped() {
    let objects = [
        (CIPHER, ""),
        (CIPHER, "/passwords/0"),
        (CIPHER, "/encrypt/0"),
        (CIPHER, "/decrypt/0"),
        (CIPHER, "/from_key_bytes/0"),
        (CIPHER, "/wrapped/0"),
        (ROUTING, ""),
        (ROUTING, "/routing/0"),
        (ROUTING, "/routing/4/event"),
        (ROUTING, "/store_keys/0"),
        (LIFECYCLE, ""),
        (LIFECYCLE, "/scenarios/0"),
    ];
    let (added, removed) = every_member_is_named(&objects, &["why"]);
    assert!(added == 12 && removed > 40, "{added} and {removed}");
}
