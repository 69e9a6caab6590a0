//! What the decoders do not know is an error with its place.

use serde_json::json;

use super::{ENGINE, SERVICE, TABLE, WAL, decode, replaced, short, value};

#[test]
fn an_unknown_member_step_or_verdict_is_named_with_its_place() {
    let text = short();
    for (text, place, reason) in [
        (replaced(WAL, "/records/0/op", json!(3)), "records[0].op", "expected 1, a put, or 2, a delete"),
        (replaced(WAL, "/crc32c/0/crc32c", json!(1_u64 << 32)), "crc32c[0].crc32c", "too large"),
        (replaced(WAL, "/flips/0/2/0", json!("CRC")), "flips[0][2][0]", "the word \"CRC\" is unknown"),
        (replaced(WAL, "/flips/0/2", json!(["", 0])), "flips[0][2]", "2 elements; expected a code"),
        (replaced(WAL, "/flips/0/0", json!(102)), "flips[0][0]", "past the end of 102 bytes"),
        (replaced(WAL, "/flips/0/1", json!(0)), "flips[0][1]", "alters nothing"),
        (replaced(WAL, "/flips/0/1", json!(256)), "flips[0][1]", "too large"),
        (replaced(WAL, "/flips/1", json!([0, 1, ["", 0, 0]])), "flips/0/0x01", "two cases have this id"),
        (replaced(WAL, "/truncations/0/0", json!(103)), "truncations[0][0]", "more than all 102 bytes"),
        (replaced(WAL, "/truncations/0/1/1", json!(1)), "truncations[0][1][1]", "the index is 0"),
        (
            replaced(WAL, "/appended_zero_bytes/0/0", json!(1 << 22)),
            "appended_zero_bytes[0][0]",
            "more than 2097152 bytes",
        ),
        (
            replaced(WAL, "/forged/14/why", json!("value 9 bytes of 'vv', key 'k', request_id 'r'")),
            "forged[14].why",
            "without a file, expected",
        ),
        (
            replaced(WAL, "/forged/14/why", json!("value 99999999 bytes of 'v', key 'k', request_id 'r'")),
            "forged[14].why",
            "N up to 2097152",
        ),
        (replaced(WAL, "/file_verdict", json!(7)), "file_verdict", "expected an array"),
        (replaced(TABLE, "/flips/0/2/0", json!("read")), "flips[0][2][0]", "the word \"read\" is unknown"),
        (replaced(TABLE, "/flips/0/2/1", json!("")), "flips[0][2][1]", "a check that fails has a code"),
        (replaced(TABLE, "/flips/0/2", json!([])), "flips[0][2]", "0 elements"),
        (replaced(TABLE, "/flips/0/2", json!(["scan", "INVALID_MAGIC"])), "flips[0][2]", "2 elements"),
        (replaced(TABLE, "/flips/0/2", json!(["open", "INVALID_MAGIC", 1])), "flips[0][2]", "3 elements"),
        (replaced(TABLE, "/base_verdict", json!(["ok", ""])), "base_verdict", "2 elements"),
        (replaced(TABLE, "/corrupt_base_keys/0", json!("x")), "corrupt_base_keys[0]", "not hex"),
        (replaced(ENGINE, "/script/0/op", json!("append")), "script[0].op", "the word \"append\" is unknown"),
        (replaced(ENGINE, "/script/0/error", json!("ODD")), "script[0].error", "the word \"ODD\" is unknown"),
        (replaced(ENGINE, "/script/7/value", json!("00")), "script[7].value", "has no value"),
        (replaced(ENGINE, "/script/30/ok", json!(false)), "script[30].", "an unknown member"),
        (
            replaced(ENGINE, "/script/30", json!({"op": "flush", "ok": true})),
            "script",
            "one step that reopens",
        ),
        (
            replaced(ENGINE, "/script/17", value(ENGINE)["script"][30].clone()),
            "script",
            "one step that reopens",
        ),
        (replaced(ENGINE, "/raft_storage/0/term", json!(1)), "raft_storage[0].term", "expected a string"),
        (
            replaced(ENGINE, "/raft_storage/0/voted_for", json!(1_u64 << 32)),
            "raft_storage[0].voted_for",
            "too large",
        ),
        (replaced(&text, "/service/0/op", json!("cas")), "service[0].op", "the word \"cas\" is unknown"),
        (replaced(&text, "/service/0/error", json!("kOdd")), "service[0].error", "\"kOdd\" is unknown"),
        (replaced(&text, "/service/0/error", json!("kTimeout")), "service[0].overwritten", "unknown member"),
        (replaced(&text, "/service/2/error", json!("")), "service[2].message", "an unknown member"),
        (replaced(&text, "/service/0/key", json!("len:-1")), "service[0].key", "a number up to 2097152"),
        (replaced(&text, "/service/0/key", json!("len:2097153")), "service[0].key", "a number up to"),
        (replaced(&text, "/service/0/why", json!(1)), "service[0].why", "expected a string"),
        (replaced(&text, "/service/10/value", json!("00")), "service[10].value", "has no value"),
        (replaced(&text, "/grpc_status/kTimeout", json!("LATE")), "grpc_status.kTimeout", "\"LATE\""),
        (
            replaced(&text, "/grpc_status/kTimeout", json!("UNAVAILABLE (message + \" n\")")),
            "grpc_status.kTimeout",
            "with <n> in END",
        ),
        (
            replaced(&text, "/grpc_status", json!({"kOdd": "INTERNAL"})),
            "grpc_status.kOdd",
            "the error \"kOdd\" is unknown",
        ),
        (replaced(&text, "/command_decode/0/ok", json!("")), "command_decode[0].ok", "expected true or"),
        (replaced(&text, "/description", json!([{}])), "description", "expected a string"),
    ] {
        let problem = decode(&text).err().unwrap_or_else(|| panic!("{place} is accepted"));
        assert!(problem.place.starts_with(place), "{place}: {problem}");
        assert!(problem.reason.contains(reason), "{place}: {problem}");
    }
}

#[test]
fn every_member_is_needed_and_no_other_is_skipped() {
    let (mut removed, mut added) = (0, 0);
    let text = short();
    for (text, pointer) in [
        (WAL, ""),
        (WAL, "/crc32c/0"),
        (WAL, "/records/0"),
        (WAL, "/forged/0"),
        (WAL, "/forged/14"),
        (TABLE, ""),
        (TABLE, "/files/0"),
        (TABLE, "/files/0/entries/0"),
        (ENGINE, ""),
        (ENGINE, "/script/0"),
        (ENGINE, "/script/3"),
        (ENGINE, "/script/4"),
        (ENGINE, "/script/17"),
        (ENGINE, "/script/26"),
        (ENGINE, "/script/30"),
        (ENGINE, "/files_after/0"),
        (ENGINE, "/raft_storage/1"),
        (ENGINE, "/raft_storage/1/entries/0"),
        (&text, ""),
        (&text, "/service/0"),
        (&text, "/service/2"),
        (&text, "/service/6"),
        (&text, "/service/9"),
        (&text, "/commands/0"),
        (&text, "/command_decode/0"),
    ] {
        let whole = value(text);
        let mut more = whole.clone();
        more.pointer_mut(pointer).unwrap()["extra"] = 1.into();
        let problem = decode(&more.to_string()).err().unwrap();
        assert!(problem.place.ends_with("extra") && problem.reason.contains("unknown member"), "{problem}");
        added += 1;
        for member in whole.pointer(pointer).unwrap().as_object().unwrap().keys() {
            // Without these two, the file is not recognised at all.
            if pointer.is_empty() && ["file", "schema_version"].contains(&member.as_str()) {
                continue;
            }
            let mut cut = whole.clone();
            cut.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(member);
            let problem = decode(&cut.to_string()).err().unwrap_or_else(|| panic!("{pointer}/{member}"));
            // A forged file that is missing must be described.
            let place = if pointer == "/forged/0" && member == "file" { "why" } else { member };
            assert!(problem.place.ends_with(place), "{pointer}/{member}: {problem}");
            removed += 1;
        }
    }
    assert!(added == 25 && removed > 100, "{added} and {removed}");
}

#[test]
fn a_new_array_is_an_error_because_its_cases_would_be_skipped() {
    for text in [WAL, TABLE, ENGINE, SERVICE] {
        let mut value = value(text);
        value["more"] = json!([]);
        let problem = decode(&value.to_string()).err().unwrap();
        assert_eq!((problem.place.as_str(), problem.reason.contains("would be skipped")), ("more", true));
    }
}
