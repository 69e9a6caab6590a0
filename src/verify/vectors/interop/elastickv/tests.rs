//! Declared counts, no wrong case, and each altered member reported with its case or its place.

use super::super::testing::{self, replaced};
use super::*;
use crate::engine;
use crate::verify::{Case, Outcome};

const STORAGE: &str = include_str!("../../../../../vectors/interop/ek-storage-envelope.json");
const RAFT: &str = include_str!("../../../../../vectors/interop/ek-raft-envelope.json");
const NONCE: &str = include_str!("../../../../../vectors/interop/ek-nonce-factory.json");

const KEK: &str = include_str!("../../../../../vectors/interop/ek-kek.json");
const REGISTRY: &str = include_str!("../../../../../vectors/interop/ek-registry.json");
const WIRE: &str = include_str!("../../../../../vectors/interop/ek-fsmwire.json");
const SIDECAR: &str = include_str!("../../../../../vectors/interop/ek-sidecar.json");
const APPLIER: &str = include_str!("../../../../../vectors/interop/ek-applier.json");
const STARTUP: &str = include_str!("../../../../../vectors/interop/ek-startup.json");
const STORE_PATH: &str = include_str!("../../../../../vectors/interop/ek-store-path.json");
const SCHEME: [&str; 7] = [KEK, REGISTRY, WIRE, SIDECAR, APPLIER, STARTUP, STORE_PATH];

fn decode(text: &[u8]) -> Result<Vec<Case>, Problem> {
    crate::verify::vectors::Format::find("interop").unwrap().decode(text).map(|vectors| vectors.cases)
}

/// The ids of the cases that come out wrong.
fn wrong(text: &str) -> Vec<String> {
    let sealmark = engine::find("sealmark").unwrap();
    let cases = decode(text.as_bytes()).unwrap();
    let out = |case: &Case| match case.check.run(sealmark) {
        Outcome::Agree | Outcome::Stricter { .. } => None,
        other => Some((case.id.clone(), other)),
    };
    let wrong: Vec<_> = cases.iter().filter_map(out).collect();
    assert!(wrong.iter().all(|(_, outcome)| matches!(outcome, Outcome::Wrong { .. })), "{wrong:?}");
    wrong.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn every_case_of_the_three_files_is_present_and_agrees() {
    for (text, count, uses_engine) in [(STORAGE, 323, true), (RAFT, 23, true), (NONCE, 17, false)] {
        let cases = decode(text.as_bytes()).unwrap();
        assert_eq!(cases.len(), count);
        assert!(cases.iter().all(|case| case.check.uses_engine() == uses_engine));
        assert_eq!(wrong(text), [""; 0]);
    }
    let ids: Vec<_> = decode(STORAGE.as_bytes()).unwrap().into_iter().map(|case| case.id).collect();
    for id in ["vectors/st-00", "negatives/n-empty", "calls/enc-key0", "keystore/3", "value_header/17"] {
        assert!(ids.iter().any(|known| known == id), "{id}");
    }
    let ids: Vec<_> = decode(NONCE.as_bytes()).unwrap().into_iter().map(|case| case.id).collect();
    assert!(["exhaustion/2", "node_ids/n1"].iter().all(|id| ids.iter().any(|known| known == id)));
}

#[test]
fn a_key_that_opens_nothing_after_a_refusal_fails_the_cases_refused_by_the_tag() {
    for text in [STORAGE, RAFT] {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        let by_tag = file["negatives"].as_array().unwrap().iter().filter(|n| n["expect"] == "ErrIntegrity");
        let by_tag: Vec<_> = by_tag.map(|n| format!("negatives/{}", n["id"].as_str().unwrap())).collect();
        let wrong = decode(text.as_bytes()).unwrap().into_iter().filter(|case| {
            match case.check.run(crate::verify::double::STAYS_SHUT) {
                Outcome::Wrong { what } => {
                    assert!(what.contains("a good record afterwards"), "{}: {what}", case.id);
                    true
                }
                _ => false,
            }
        });
        assert_eq!(wrong.map(|case| case.id).collect::<Vec<_>>(), by_tag);
        assert!(by_tag.len() >= 3, "{by_tag:?}");
    }
}

#[test]
fn a_refused_record_is_zeroed_once_the_cipher_ran_and_is_untouched_before() {
    let record = [7; OVERHEAD + 5];
    let mut wiped = record;
    wiped[HEADER_LEN..][..5].fill(0);
    for (error, right, false_) in [(Error::Integrity, wiped, record), (Error::UnknownKeyId(1), record, wiped)]
    {
        assert_eq!(left(error, &record, &right), Ok(()));
        let why = left(error, &record, &false_).unwrap_err();
        assert!(why.contains("must zero the ciphertext"), "{why}");
        for at in [0, HEADER_LEN, HEADER_LEN + 4, HEADER_LEN + 5, OVERHEAD + 4] {
            let mut altered = right;
            altered[at] ^= 1;
            assert_eq!(left(error, &record, &altered), Err(why.clone()), "{at}");
        }
    }
    assert_eq!(left(Error::EnvelopeShort, &record[..9], &record[..9]), Ok(()));
}

/// The file with one bit flipped in the last byte of that element's hex member.
fn flipped(text: &str, array: &str, i: usize, member: &str) -> String {
    testing::flipped(text, &format!("/{array}/{i}/{member}"))
}

#[test]
fn a_flipped_bit_in_any_member_of_a_vector_fails_only_that_case() {
    let members = [
        "dek",
        "nonce",
        "user_key",
        "pebble_key",
        "value_header",
        "aad",
        "plaintext",
        "body",
        "envelope",
        "stored_value",
    ];
    for member in members {
        assert_eq!(wrong(&flipped(STORAGE, "vectors", 3, member)), ["vectors/st-03"], "{member}");
    }
    for member in ["dek", "nonce", "aad", "plaintext", "envelope"] {
        assert_eq!(wrong(&flipped(RAFT, "vectors", 2, member)), ["vectors/rf-02"], "{member}");
    }
    assert_eq!(wrong(&flipped(STORAGE, "negatives", 0, "envelope")), ["negatives/n-ok"]);
    assert_eq!(wrong(&flipped(STORAGE, "value_header", 2, "raw")), ["value_header/2"]);
    assert_eq!(wrong(&flipped(RAFT, "negatives", 1, "envelope")), ["negatives/flag-flip-OPENS"]);
}

#[test]
fn a_false_expectation_fails_only_that_case() {
    for (text, pointer, with, id) in [
        (STORAGE, "/vectors/3/local_epoch", 1.into(), "vectors/st-03"),
        (STORAGE, "/vectors/3/tombstone", true.into(), "vectors/st-03"),
        (STORAGE, "/vectors/3/flag", 1.into(), "vectors/st-03"),
        (STORAGE, "/negatives/1/expect", "ErrEnvelopeVersion".into(), "negatives/n-empty"),
        (STORAGE, "/calls/3/expect", "ErrBadNonceSize".into(), "calls/enc-key0-badnonce"),
        (STORAGE, "/keystore/2/expect", "".into(), "keystore/2"),
        (STORAGE, "/keystore/9/len_after", 2.into(), "keystore/9"),
        (STORAGE, "/keystore/10/ids_after/0", 9.into(), "keystore/10"),
        (STORAGE, "/value_header/256/expect", "ErrEncryptedValueReservedState".into(), "value_header/256"),
        (RAFT, "/calls/1/expect", "ErrReservedKeyID".into(), "calls/wrap-key0-badnonce"),
        (NONCE, "/vectors/2/local_epoch", 1.into(), "vectors/2"),
        (NONCE, "/exhaustion/calls/4/expect", "ErrIntegrity".into(), "exhaustion/4"),
        (NONCE, "/node_ids/0/full_node_id", "1".into(), "node_ids/n1"),
    ] {
        assert_eq!(wrong(&replaced(text, pointer, with)), [id], "{pointer}");
    }
}

#[test]
fn a_member_of_the_wrong_type_or_an_unknown_one_is_reported_with_its_place() {
    for (text, pointer, with, place) in [
        (STORAGE, "/vectors/3/nonce", 7.into(), "vectors[3].nonce"),
        (STORAGE, "/vectors/3/nonce", "00".into(), "vectors[3].nonce"),
        (STORAGE, "/vectors/3/dek", "0g".into(), "vectors[3].dek"),
        (STORAGE, "/vectors/3/key_id", 4_294_967_296_u64.into(), "vectors[3].key_id"),
        (STORAGE, "/vectors/3/commit_ts", "18446744073709551616".into(), "vectors[3].commit_ts"),
        (STORAGE, "/vectors/3/enc_state", 2.into(), "vectors[3].enc_state"),
        (STORAGE, "/vectors/3/tombstone", "false".into(), "vectors[3].tombstone"),
        (STORAGE, "/calls/0/id", "enc-other".into(), "calls[0].id"),
        (STORAGE, "/keystore/4/op", "replace".into(), "keystore[4].op"),
        (STORAGE, "/negatives_base", "st-99".into(), "negatives_base"),
        (STORAGE, "/negatives/1/id", "n-ok".into(), "negatives/n-ok"),
        (STORAGE, "/schema_version", 2.into(), "schema_version"),
        (STORAGE, "/file", "kv-other.json".into(), "file"),
        (STORAGE, "/description", serde_json::json!([{}]), "description"),
        (RAFT, "/calls/0/id", "wrap".into(), "calls[0].id"),
        (RAFT, "/file", "ek-nonce-factory.json".into(), "calls"),
        (NONCE, "/exhaustion/calls", serde_json::json!({}), "exhaustion.calls"),
        (NONCE, "/exhaustion/calls/0", serde_json::json!({"expect": ""}), "exhaustion.calls[0].nonce"),
    ] {
        let problem = decode(replaced(text, pointer, with).as_bytes()).err().unwrap();
        assert_eq!(problem.place, place, "{problem}");
    }
}

#[test]
fn every_member_of_every_first_element_is_needed() {
    let mut removed = 0;
    for text in [STORAGE, RAFT, NONCE] {
        let whole: serde_json::Value = serde_json::from_str(text).unwrap();
        for (array, elements) in whole.as_object().unwrap() {
            for member in
                elements.pointer("/0").and_then(|e| e.as_object()).into_iter().flat_map(|e| e.keys())
            {
                let mut cut = whole.clone();
                cut[array][0].as_object_mut().unwrap().remove(member);
                let problem = decode(cut.to_string().as_bytes()).err();
                match member.as_str() {
                    "why" => assert_eq!(problem, None),
                    _ => assert_eq!(problem.unwrap().place, format!("{array}[0].{member}")),
                }
                removed += 1;
            }
        }
    }
    assert_eq!(removed, 60);
}

#[test]
fn truncated_and_empty_files_are_errors() {
    for text in [STORAGE, RAFT, NONCE] {
        for len in (0..text.len()).step_by(997) {
            let problem = decode(&text.as_bytes()[..len]).err().unwrap();
            let reason = if len == 0 { "the file is empty" } else { "the JSON is cut short" };
            assert_eq!(problem.reason, reason, "{len}: {problem}");
        }
    }
    assert_eq!(decode(b"{}").err().unwrap().place, "file");
}

/// The ids of the stricter cases, with their rules.
fn stricter(text: &str) -> Vec<(String, &'static str)> {
    let sealmark = engine::find("sealmark").unwrap();
    let rule = |case: &Case| match case.check.run(sealmark) {
        Outcome::Stricter { rule } => Some((case.id.clone(), rule)),
        _ => None,
    };
    decode(text.as_bytes()).unwrap().iter().filter_map(rule).collect()
}

#[test]
fn every_case_of_the_scheme_is_present_and_agrees_or_is_stricter_by_a_named_rule() {
    let counts = [23, 21, 87, 56, 65, 60, 94];
    for (text, count) in SCHEME.into_iter().zip(counts) {
        assert_eq!(decode(text.as_bytes()).unwrap().len(), count);
        assert_eq!(wrong(text), [""; 0]);
    }
    let ruled: Vec<_> = SCHEME.into_iter().flat_map(stricter).collect();
    let by = |rule| ruled.iter().filter(|(_, by)| *by == rule).map(|(id, _)| id.as_str()).collect::<Vec<_>>();
    assert_eq!(
        by(scheme::storage::STRICT_JSON),
        [
            "vectors/v2-minimal",
            "vectors/v2-keys-null",
            "vectors/case-insensitive-field",
            "vectors/dup-top-level-version-last-wins",
            "vectors/dup-key-entry-last-wins",
            "vectors/null-active",
            "vectors/wrapped-null",
        ]
    );
    assert_eq!(
        by(scheme::storage::REPLAY_IS_DONE),
        ["bootstrap-replay-after-rotation/2", "bootstrap-replay-after-epoch-bump/3"]
    );
    assert_eq!(by(scheme::storage::SIDECAR_IN_LOG), ["sidecar_behind_log/1"]);
    assert_eq!(ruled.len(), 10);
    assert!(ruled.iter().all(|(_, rule)| scheme::storage::RULES.contains(rule)));
}

#[test]
fn a_respelled_sidecar_is_read_like_in_gos_decoder() {
    let text = include_str!("../../../../../vectors/interop/ek-sidecar-respelled.json");
    assert_eq!(decode(text.as_bytes()).unwrap().len(), 19);
    assert_eq!((wrong(text), stricter(text)), (vec![], vec![]));
    assert_eq!(wrong(&replaced(text, "/vectors/3/expect_read", "ErrSidecarVersion".into())), ["vectors/bom"]);
}

#[test]
fn a_false_expectation_of_the_scheme_fails_only_that_case() {
    for (text, pointer, with, id) in [
        (KEK, "/negatives/1/expect", "ok".into(), "negatives/1"),
        (KEK, "/vectors/0/nonce", "806e92552f8bff1fca7f5cf9".into(), "vectors/0"),
        (REGISTRY, "/vectors/0/last_seen", 1.into(), "vectors/0"),
        (REGISTRY, "/negatives/0/expect", "".into(), "negatives/0"),
        (WIRE, "/bootstrap/1/raft_dek_id", 1.into(), "bootstrap/1"),
        (WIRE, "/negatives/3/expect", "ErrFSMWireVersion".into(), "negatives/3"),
        (WIRE, "/cap/0/batch_count", 16_385.into(), "cap/0"),
        (SIDECAR, "/vectors/0/rewritten_text", "{}".into(), "vectors/v2-full"),
        (SIDECAR, "/vectors/0/expect_read", "ErrSidecarVersion".into(), "vectors/v2-full"),
        (SIDECAR, "/vectors/4/go_json_leniency", false.into(), "vectors/v2-minimal"),
        (SIDECAR, "/bump_local_epoch/0/returned", 2.into(), "bump_local_epoch/0"),
        (SIDECAR, "/bump_local_epoch/4/expect", "".into(), "bump_local_epoch/4"),
        (APPLIER, "/scenarios/0/steps/4/expect", "ErrKEKNotConfigured".into(), "registration-cases/4"),
        (APPLIER, "/scenarios/2/steps/3/keystore_ids_after/0", 7.into(), "bootstrap-ok-replay/3"),
        (APPLIER, "/scenarios/7/steps/5/cache_storage_envelope_active", false.into(), "enable-storage/5"),
        (APPLIER, "/scenarios/8/steps/3/installer_calls/0/raft_dek_id", 7.into(), "enable-raft/3"),
        (STARTUP, "/guards/11/expect", "".into(), "guards/on-wrongkek-good"),
        (STARTUP, "/local_epoch_rollback/3/expect", "".into(), "local_epoch_rollback/3"),
        (STARTUP, "/sidecar_behind_log/4/expect", "".into(), "sidecar_behind_log/4"),
        (STARTUP, "/snapshot_header/0/ceiling", "1".into(), "snapshot_header/0"),
        (STORE_PATH, "/write_gate/71/outcome", "cleartext".into(), "write_gate/71"),
        (STORE_PATH, "/reads/0/expect", "ErrUnknownKeyID".into(), "reads/ok"),
    ] {
        assert_eq!(wrong(&replaced(text, pointer, with)), [id], "{pointer}");
    }
}
