//! Declared counts, no wrong case, and each altered member reported with its case or its place.

use serde_json::{Value, json};

use super::super::testing::{decode, every_member_is_named, flipped, replaced};
use crate::engine;
use crate::scheme::tunnel;
use crate::verify::Outcome;
use crate::verify::vectors::index;

const KEX: &str = include_str!("../../../../../vectors/interop/pilot-kex.json");
const ENVELOPE: &str = include_str!("../../../../../vectors/interop/pilot-envelope.json");
const REPLAY: &str = include_str!("../../../../../vectors/interop/pilot-replay.json");
const STATE: &str = include_str!("../../../../../vectors/interop/pilot-state.json");

/// Every case with its outcome, on the engine chosen for this CPU.
fn outcomes(text: &str) -> Vec<(String, Outcome)> {
    let sealmark = engine::find("sealmark").unwrap();
    decode(text).unwrap().into_iter().map(|case| (case.id, case.check.run(sealmark))).collect()
}

/// The ids of the cases that come out wrong.
fn wrong(text: &str) -> Vec<String> {
    let wrong = |(id, outcome)| matches!(outcome, Outcome::Wrong { .. }).then_some(id);
    outcomes(text).into_iter().filter_map(wrong).collect()
}

/// The file with steps of its own in place of the scripts for rekeying.
fn script(steps: Value) -> String {
    let whole = json!([{ "name": "own", "cooldown_ms": 5_000, "steps": steps }]);
    replaced(STATE, "/rekey", whole)
}

/// The ids of a case in both modes.
fn both(id: &str) -> Vec<String> {
    ["compat", "safe"].map(|mode| format!("{id}/{mode}")).into()
}

#[test]
fn every_case_is_present_and_compat_agrees_with_all_of_them() {
    for (text, count) in [(KEX, 36), (ENVELOPE, 36), (REPLAY, 532), (STATE, 364)] {
        let outcomes = outcomes(text);
        assert_eq!(outcomes.len(), count);
        let (mut compat, mut safe) = (0, 0);
        for (id, outcome) in outcomes {
            match (id.rsplit('/').next().unwrap(), outcome) {
                ("compat", Outcome::Agree) => compat += 1,
                ("safe", Outcome::Agree) => safe += 1,
                ("safe", Outcome::Stricter { rule }) if tunnel::RULES.contains(&rule) => safe += 1,
                (_, other) => panic!("{id}: {other:?}"),
            }
        }
        assert_eq!((compat, safe), (count / 2, count / 2));
    }
}

/// By what the vectors say, and not by what our code did: `safe` refuses counter 0, and drops no session.
#[test]
fn the_index_lists_the_cases_of_each_rule() {
    let value = |text| serde_json::from_str::<Value>(text).unwrap();
    let (mut zero, mut kept) = (Vec::new(), Vec::new());
    for sequence in value(REPLAY)["sequences"].as_array().unwrap() {
        for (i, step) in sequence["steps"].as_array().unwrap().iter().enumerate() {
            if step["counter"] == "0" {
                zero.push(format!("{}/{i}/safe", sequence["name"].as_str().unwrap()));
            }
        }
    }
    for section in ["decrypt_fail_drop", "window_fault_drop"] {
        for (i, row) in value(STATE)[section].as_array().unwrap().iter().enumerate() {
            if row["drop"] == true {
                kept.push(format!("{section}/{i}/safe"));
            }
        }
    }
    let mut listed = index::rows();
    listed.retain(|row| row.scheme.as_deref() == Some("tunnel"));
    assert_eq!(listed.len(), 4);
    assert!(listed.iter().all(|row| row.demanded.is_empty()));
    let rules: Vec<_> = listed.into_iter().flat_map(|row| row.rules).collect();
    let expected = [(tunnel::COUNTER_ZERO.to_owned(), zero), (tunnel::NO_DROP.to_owned(), kept)];
    assert_eq!(rules, expected);
}

#[test]
fn a_false_expectation_in_any_section_fails_only_that_case() {
    for (text, pointer, id) in [
        (KEX, "/vectors/1/shared_secret", "vectors/1"),
        (KEX, "/vectors/1/hkdf_prk", "vectors/1"),
        (KEX, "/vectors/1/aead_key", "vectors/1"),
        (KEX, "/vectors/1/not_this_key_pre_hkdf_sha256", "vectors/1"),
        (KEX, "/vectors/2/a/pila", "vectors/2"),
        (KEX, "/vectors/2/a/signed_message", "vectors/2"),
        (KEX, "/vectors/2/b/pilk", "vectors/2"),
        (KEX, "/vectors/2/b/x25519_pub", "vectors/2"),
        (KEX, "/vectors/2/b/ed25519_seed", "vectors/2"),
        (KEX, "/handle_auth/0/frame", "handle_auth/0"),
        (KEX, "/handle_auth/0/registry_pub_for_77", "handle_auth/0"),
        (ENVELOPE, "/vectors/3/frame", "vectors/3"),
        (ENVELOPE, "/vectors/3/aad", "vectors/3"),
        (ENVELOPE, "/vectors/3/aead_key", "vectors/3"),
        (ENVELOPE, "/vectors/3/nonce_prefix", "vectors/3"),
        (ENVELOPE, "/vectors/3/plaintext", "vectors/3"),
        (ENVELOPE, "/negatives/0/frame", "negatives/0"),
        (STATE, "/salvage/0/5/returned/0", "salvage/0/5"),
    ] {
        assert_eq!(wrong(&flipped(text, pointer)), both(id), "{pointer}");
    }
    for (text, pointer, with, id) in [
        (KEX, "/vectors/3/a/node_id", json!(7), "vectors/3"),
        (KEX, "/handle_auth/1/expect_accept", json!(false), "handle_auth/1"),
        (KEX, "/handle_auth/8/expect_accept", json!(true), "handle_auth/8"),
        (ENVELOPE, "/vectors/4/counter_before", json!("7"), "vectors/4"),
        (ENVELOPE, "/vectors/4/counter_on_wire", json!("7"), "vectors/4"),
        (ENVELOPE, "/vectors/4/sender_node_id", json!(7), "vectors/4"),
        (ENVELOPE, "/negatives/1/expect", json!("ErrAEAD"), "negatives/1"),
        (ENVELOPE, "/negatives/3/expect", json!("ErrAEAD"), "negatives/3"),
        (ENVELOPE, "/negatives/7/expect", json!(""), "negatives/7"),
        (REPLAY, "/sequences/0/steps/1/verdict", json!("accept"), "dup/1"),
        (REPLAY, "/sequences/0/steps/4/verdict", json!("ErrOutsideWindow"), "dup/4"),
        (REPLAY, "/sequences/1/steps/1/max_after", json!("745"), "first-is-large/1"),
        (REPLAY, "/sequences/7/steps/199/max_after", json!("1"), "random-200/199"),
        (STATE, "/salvage/0/4/ring_len", json!(5), "salvage/0/4"),
        (STATE, "/salvage/2/1/ring_len", json!(2), "salvage/2/1"),
        (STATE, "/salvage/3/1/returned", json!(["01"]), "salvage/3/1"),
        (STATE, "/rekey/0/steps/0/tracked", json!(false), "rekey/give-up-timeline/0"),
        (STATE, "/rekey/0/steps/0/frame_sent", json!(false), "rekey/give-up-timeline/0"),
        (STATE, "/rekey/0/steps/7/tracked", json!(true), "rekey/give-up-timeline/7"),
        (STATE, "/rekey/0/steps/6/gave_up_events", json!([]), "rekey/give-up-timeline/6"),
        (STATE, "/rekey/0/steps/6/in_cooldown", json!([]), "rekey/give-up-timeline/6"),
        (STATE, "/rekey/1/steps/2/attempts_after", json!({"1": 2}), "rekey/cleared-by-peer-frame/2"),
        (STATE, "/rekey/2/steps/4/retransmitted", json!([]), "rekey/path-change-reset/4"),
        (STATE, "/rekey/3/steps/5/attempts_after/3", json!(5), "rekey/give-up-ignores-recency/5"),
    ] {
        assert_eq!(wrong(&replaced(text, pointer, with)), both(id), "{pointer}");
    }
}

/// Where the modes differ, a false expectation fails the mode that it is about.
#[test]
fn a_false_expectation_for_one_mode_fails_only_that_mode() {
    let of = "frame_order/forged-high-counter-wedges-baseline";
    for (pointer, with, id) in [
        ("record_before_auth/3/0", json!("ok"), "3/compat"),
        ("record_before_auth/3/1", json!("4"), "3/compat"),
        ("record_before_auth/3/3", json!(0), "3/compat"),
        ("auth_first/2/1", json!("3"), "2/safe"),
        ("auth_first/2/2", json!(0), "2/safe"),
        ("auth_first/3/0", json!("ErrReplay"), "3/safe"),
    ] {
        let altered = replaced(STATE, &format!("/frame_order/0/{pointer}"), with);
        assert_eq!(wrong(&altered), [format!("{of}/{id}")], "{pointer}");
    }
    let altered = replaced(REPLAY, "/sequences/12/steps/1/verdict", json!("ErrReplay"));
    assert_eq!(wrong(&altered), ["zero-first-QUIRK/1/compat"]);
    let value: Value = serde_json::from_str(STATE).unwrap();
    for section in ["decrypt_fail_drop", "window_fault_drop"] {
        for drop in [true, false] {
            let rows = value[section].as_array().unwrap();
            let row = rows.iter().position(|row| row["drop"] == drop).unwrap();
            let altered = replaced(STATE, &format!("/{section}/{row}/drop"), json!(!drop));
            assert_eq!(wrong(&altered), [format!("{section}/{row}/compat")]);
        }
    }
}

/// A row that `safe` no longer decides by its rule is one that the index lists and the outcome lacks, and the
/// other way round: verification compares them.
#[test]
fn a_row_that_leaves_or_joins_a_rule_is_noticed_by_its_outcome() {
    let rule = |text: &str, id: &str| {
        let found = outcomes(text).into_iter().find(|(of, _)| of == id).unwrap_or_else(|| panic!("no {id}"));
        match found.1 {
            Outcome::Stricter { rule } => Some(rule),
            Outcome::Agree => None,
            other => panic!("{id}: {other:?}"),
        }
    };
    let value: Value = serde_json::from_str(STATE).unwrap();
    let rows = value["decrypt_fail_drop"].as_array().unwrap();
    let at = |drop: bool| rows.iter().position(|row| row["drop"] == drop).unwrap();
    for (row, was) in [(at(true), Some(tunnel::NO_DROP)), (at(false), None)] {
        let (id, pointer) =
            (format!("decrypt_fail_drop/{row}/safe"), format!("/decrypt_fail_drop/{row}/drop"));
        assert_eq!(rule(STATE, &id), was);
        let altered = replaced(STATE, &pointer, json!(was.is_none()));
        assert_eq!(rule(&altered, &id), if was.is_none() { Some(tunnel::NO_DROP) } else { None });
    }
    assert_eq!(rule(REPLAY, "zero-first-QUIRK/0/safe"), Some(tunnel::COUNTER_ZERO));
    assert_eq!(rule(REPLAY, "zero-first-QUIRK/0/compat"), None);
    assert_eq!(rule(REPLAY, "zero-first-QUIRK/3/safe"), None);
}

/// The operation that no script of the file has.
#[test]
fn the_rest_of_the_vocabulary_has_its_meaning() {
    let send = |t_ms: u32, attempts: u32| {
        json!({"t_ms": t_ms, "op": "send", "peer": 3, "frame_sent": true, "tracked": true,
            "attempts_after": {"3": attempts}, "in_cooldown": []})
    };
    let tick = |t_ms: u32, gave_up: &[u32]| {
        json!({"t_ms": t_ms, "op": "tick", "peer": null, "retransmitted": [], "gave_up_events": gave_up,
            "attempts_after": {}, "in_cooldown": [3]})
    };
    let clear = |op: &str, cooling: &[u32]| {
        json!({
            "t_ms": 700, "op": op, "peer": 3, "attempts_after": {}, "in_cooldown": cooling
        })
    };
    let mut steps: Vec<Value> = (1..=6).map(|n| send(n, n)).collect();
    steps.extend([tick(600, &[3]), clear("clear", &[3]), clear("clear_gave_up", &[]), send(701, 1)]);
    assert_eq!(wrong(&script(steps.clone().into())), [""; 0]);
    steps[8]["in_cooldown"] = json!([3]);
    assert_eq!(wrong(&script(steps.into())), both("rekey/own/8"));
}

#[test]
fn an_unknown_member_operation_or_verdict_is_named_with_its_place() {
    for (text, place, reason) in [
        (replaced(KEX, "/handle_auth/1/why", json!(7)), "handle_auth[1].why", "expected a string"),
        (replaced(KEX, "/handle_auth/1/expect_accept", json!("")), "handle_auth[1].expect_accept", "true or"),
        (replaced(KEX, "/vectors/0/aead_key", json!("00")), "vectors[0].aead_key", "expected 32 bytes"),
        (replaced(KEX, "/vectors/0/b/node_id", json!(1_u64 << 32)), "vectors[0].b.node_id", "too large"),
        (replaced(KEX, "/receiver_x25519_priv", json!("00")), "receiver_x25519_priv", "expected 32 bytes"),
        (
            replaced(ENVELOPE, "/negatives/1/expect", json!("ErrReplay")),
            "negatives[1].expect",
            "the word \"ErrReplay\" is unknown",
        ),
        (replaced(ENVELOPE, "/vectors/1/counter_before", json!(1)), "vectors[1].counter_before", "a string"),
        (
            replaced(REPLAY, "/sequences/0/steps/0/verdict", json!("ok")),
            "sequences[0].steps[0].verdict",
            "the word \"ok\" is unknown",
        ),
        (
            replaced(STATE, "/frame_order/0/auth_first/0/0", json!("accept")),
            "frame_order[0].auth_first[0][0]",
            "the word \"accept\" is unknown",
        ),
        (
            replaced(STATE, "/frame_order/0/record_before_auth/0/0", json!("ErrStale")),
            "frame_order[0].record_before_auth[0][0]",
            "the word \"ErrStale\" is unknown",
        ),
        (
            replaced(STATE, "/frame_order/0/frames/0", json!(["1"])),
            "frame_order[0].frames[0]",
            "a frame is a counter",
        ),
        (
            replaced(STATE, "/frame_order/0/auth_first/0", json!(["ok", "1", 0, 0])),
            "frame_order[0].auth_first[0]",
            "a state is a verdict",
        ),
        (
            replaced(STATE, "/frame_order/0/auth_first", json!([])),
            "frame_order[0].auth_first",
            "0 rows for 6 frames",
        ),
        (
            replaced(STATE, "/decrypt_fail_drop/0/drop", json!("no")),
            "decrypt_fail_drop[0].drop",
            "expected true or false",
        ),
        (
            replaced(STATE, "/window_fault_drop/0/count", json!(4_097)),
            "window_fault_drop[0].count",
            "more than the 4096 faults",
        ),
        (
            replaced(STATE, "/salvage/0/0/op", json!("peek")),
            "salvage[0][0].op",
            "the word \"peek\" is unknown",
        ),
        (
            replaced(STATE, "/rekey/0/steps/0/op", json!("resend")),
            "rekey[0].steps[0].op",
            "the word \"resend\" is unknown",
        ),
        (
            replaced(STATE, "/rekey/0/steps/1/peer", json!(9)),
            "rekey[0].steps[1].peer",
            "a tick is of no peer",
        ),
        (
            replaced(STATE, "/rekey/0/steps/0/peer", json!(u32::MAX)),
            "rekey[0].steps[0].peer",
            "the node's own id",
        ),
        (
            replaced(STATE, "/rekey/0/steps/0/attempts_after", json!({"nine": 1})),
            "rekey[0].steps[0].attempts_after.nine",
            "not a node id",
        ),
        (replaced(STATE, "/description", json!([{}])), "description", "expected a string"),
    ] {
        let problem = decode(&text).err().unwrap_or_else(|| panic!("{place} is accepted"));
        assert_eq!(problem.place, place, "{problem}");
        assert!(problem.reason.contains(reason), "{problem}");
    }
}

#[test]
fn every_member_is_needed_and_no_other_is_skipped() {
    let objects = [
        (KEX, ""),
        (KEX, "/vectors/0"),
        (KEX, "/vectors/0/a"),
        (KEX, "/vectors/0/b"),
        (KEX, "/handle_auth/0"),
        (ENVELOPE, ""),
        (ENVELOPE, "/vectors/0"),
        (ENVELOPE, "/negatives/0"),
        (REPLAY, ""),
        (REPLAY, "/sequences/0"),
        (REPLAY, "/sequences/0/steps/0"),
        (STATE, ""),
        (STATE, "/frame_order/0"),
        (STATE, "/decrypt_fail_drop/0"),
        (STATE, "/window_fault_drop/0"),
        (STATE, "/salvage/0/0"),
        (STATE, "/salvage/0/5"),
        (STATE, "/rekey/0"),
        (STATE, "/rekey/0/steps/0"),
        (STATE, "/rekey/0/steps/1"),
        (STATE, "/rekey/1/steps/2"),
        (STATE, "/rekey/2/steps/3"),
    ];
    let (added, removed) = every_member_is_named(&objects, &[]);
    assert!(added == 22 && removed > 100, "{added} and {removed}");
}

#[test]
fn a_new_array_is_an_error_because_its_cases_would_be_skipped() {
    for text in [KEX, ENVELOPE, REPLAY, STATE] {
        let mut value: Value = serde_json::from_str(text).unwrap();
        value["more"] = json!([]);
        let problem = decode(&value.to_string()).err().unwrap();
        assert_eq!((problem.place.as_str(), problem.reason.contains("would be skipped")), ("more", true));
    }
}
