//! Each altered expectation fails its own case, and no other.

use serde_json::json;

use super::{ENGINE, SERVICE, TABLE, WAL, flipped, outcomes, replaced, row, short, value};

#[test]
fn a_false_expectation_in_any_section_of_the_logs_fails_only_that_case() {
    for (pointer, id) in [
        ("/crc32c/3/data", "crc32c/3"),
        ("/records/0/encoded", "records/0"),
        ("/records/0/key", "records/0"),
        ("/records/0/value", "records/0"),
        ("/records/0/request_id", "records/0"),
        ("/forged/0/file", "forged/0"),
    ] {
        assert_eq!(outcomes(&flipped(WAL, pointer)).0, [id], "{pointer}");
    }
    let clean = row(WAL, "truncations", 1, json!(["", 0, 2]));
    let cut = value(WAL)["truncations"][clean][0].as_u64().unwrap();
    for (pointer, with, id) in [
        ("/crc32c/2/crc32c", json!(1), "crc32c/2"),
        ("/records/0/op", json!(2), "records/0"),
        ("/records/0/replay/2", json!(0), "records/0"),
        ("/records/0/replay/0", json!("INVALID_MAGIC"), "records/0"),
        ("/file_verdict/2", json!(2), "file"),
        ("/flips/0/2/0", json!("INVALID_RECORD"), "flips/0/0x01"),
        ("/flips/1/2/1", json!(1), "flips/0/0x80"),
        ("/flips/203/2/2", json!(3), "flips/101/0x80"),
        ("/truncations/1/1/0", json!("INVALID_MAGIC"), "truncations/1"),
        ("/truncations/1/1/1", json!(1), "truncations/1"),
        (&format!("/truncations/{clean}/1/2"), json!(3), &format!("truncations/{cut}")),
        ("/appended_zero_bytes/0/1/1", json!(2), "appended_zero_bytes/1"),
        ("/appended_zero_bytes/29/1/0", json!("TRUNCATED_RECORD"), "appended_zero_bytes/30"),
        ("/forged/1/verdict/0", json!("INVALID_RECORD"), "forged/1"),
        ("/forged/14/verdict/2", json!(0), "forged/14"),
        ("/forged/15/why", json!("value 1048576 bytes of 'v', key 'k', request_id 'r'"), "forged/15"),
    ] {
        assert_eq!(outcomes(&replaced(WAL, pointer, with)).0, [id], "{pointer}");
    }
}

#[test]
fn a_false_expectation_in_any_section_of_the_tables_fails_only_that_case() {
    for (pointer, id) in [("/files/0/file", "files/0"), ("/files/0/entries/0/value", "files/0")] {
        assert_eq!(outcomes(&flipped(TABLE, pointer)).0, [id], "{pointer}");
    }
    let scan = row(TABLE, "flips", 2, json!(["scan", "CHECKSUM_MISMATCH", 1]));
    let fine = row(TABLE, "flips", 2, json!(["ok"]));
    let id = |at: usize| {
        let row = &value(TABLE)["flips"][at];
        format!("flips/{}/{:#04x}", row[0], row[1].as_u64().unwrap())
    };
    for (pointer, with, id) in [
        ("/files/0/target_block_size", json!(4_097), "files/0"),
        ("/files/2/blocks", json!(5), "files/2"),
        ("/files/0/entries/1/tombstone", json!(false), "files/0"),
        ("/files/3/verdict", json!(["scan", "CHECKSUM_MISMATCH", 0]), "files/3"),
        ("/base_verdict", json!(["open", "INVALID_MAGIC"]), "base"),
        ("/corrupt_base_keys/3", json!("646b657a"), "base"),
        ("/corrupt_base_keys", json!([]), "base"),
        ("/flips/0/2/1", json!("TRUNCATED_RECORD"), &id(0)),
        (&format!("/flips/{scan}/2/2"), json!(2), &id(scan)),
        (&format!("/flips/{scan}/2/0"), json!("get"), &id(scan)),
        (&format!("/flips/{fine}/2"), json!(["open", "INVALID_RECORD"]), &id(fine)),
        ("/truncations/0/1/1", json!("INVALID_MAGIC"), "truncations/0"),
        ("/truncations/118/1", json!(["open", "TRUNCATED_RECORD"]), "truncations/376"),
    ] {
        assert_eq!(outcomes(&replaced(TABLE, pointer, with)).0, [id], "{pointer}");
    }
}

#[test]
fn a_false_expectation_in_any_section_of_the_engine_fails_only_that_case() {
    for (pointer, ids) in [
        ("/files_after/0/bytes", &["files_after/0"][..]),
        ("/files_after/3/bytes", &["files_after/3"]),
        ("/snapshot_payload_before_reopen", &["snapshot_payload_before_reopen"]),
        ("/raft_storage/1/meta_bin", &["raft_storage/1"]),
        ("/raft_storage/1/log_bin", &["raft_storage/1"]),
        ("/raft_storage/1/entries/0/command", &["raft_storage/1"]),
        ("/script/3/value", &["script/3"]),
    ] {
        assert_eq!(outcomes(&flipped(ENGINE, pointer)).0, ids, "{pointer}");
    }
    for (pointer, with, ids) in [
        ("/script/0/applied", json!(false), &["script/0"][..]),
        ("/script/1/duplicate", json!(false), &["script/1"]),
        ("/script/4/duplicate", json!(false), &["script/4"]),
        ("/script/12/error", json!("INVALID_MAGIC"), &["script/12"]),
        ("/script/13/error", json!(""), &["script/13"]),
        ("/script/8/error", json!("INVALID_RECORD"), &["script/8"]),
        ("/script/11/found", json!(false), &["script/11"]),
        ("/script/7/found", json!(true), &["script/7"]),
        ("/script/17/ok", json!(false), &["script/17"]),
        ("/script/26/ok", json!(false), &["script/26"]),
        ("/script/30/records_replayed", json!(11), &["script/30"]),
        ("/script/30/duplicate_requests", json!(1), &["script/30"]),
        ("/files_after/1/path", json!("000004.wal"), &["files_after/1", "files_after/names"]),
        ("/files_after", json!([]), &["files_after/names"]),
        ("/raft_storage/1/term", json!("1"), &["raft_storage/1"]),
        ("/raft_storage/1/voted_for", json!(1), &["raft_storage/1"]),
        ("/raft_storage/1/snapshot_index", json!("1"), &["raft_storage/1"]),
        ("/raft_storage/1/snapshot_term", json!("1"), &["raft_storage/1"]),
        ("/raft_storage/1/entries/1/term", json!("1"), &["raft_storage/1"]),
        ("/raft_storage/1/entries", json!([]), &["raft_storage/1"]),
    ] {
        assert_eq!(outcomes(&replaced(ENGINE, pointer, with)).0, ids, "{pointer}");
    }
    // One that says that it does not open again.
    let closed = replaced(ENGINE, "/script/30", json!({"op": "reopen", "ok": false}));
    assert_eq!(outcomes(&closed).0, ["script/30"]);
}

#[test]
fn a_false_expectation_in_any_section_of_the_service_fails_only_that_case() {
    let text = short();
    for (pointer, id) in [
        ("/service/6/value", "service/6"),
        ("/commands/1/encoded", "commands/1"),
        ("/commands/1/key", "commands/1"),
        ("/commands/1/value", "commands/1"),
        ("/commands/1/request_id", "commands/1"),
    ] {
        assert_eq!(outcomes(&flipped(&text, pointer)).0, [id], "{pointer}");
    }
    let leader = "FAILED_PRECONDITION (message + \"<n>\")";
    for (pointer, with, id) in [
        ("/service/0/overwritten", json!(true), "service/0"),
        ("/service/5/overwritten", json!(true), "service/5"),
        ("/service/2/message", json!("request_id reused"), "service/2"),
        ("/service/2/error", json!("kInternal"), "service/2"),
        ("/service/9/deleted", json!(false), "service/9"),
        ("/service/10/found", json!(true), "service/10"),
        // A row that is no bug and one that is, each marked as the other.
        ("/service/0/upstream_bug", json!(true), "service/0"),
        ("/service/7/upstream_bug", json!(false), "service/7"),
        ("/service/12/upstream_bug", json!(false), "service/12"),
        ("/commands/1/op", json!(2), "commands/1"),
        ("/command_decode/0/ok", json!(false), "command_decode/0"),
        ("/command_decode/1/ok", json!(true), "command_decode/1"),
        ("/grpc_status/kTimeout", json!("UNAVAILABLE"), "grpc_status/kTimeout"),
        ("/grpc_status/kNotLeader", json!("FAILED_PRECONDITION"), "grpc_status/kNotLeader"),
        ("/grpc_status/kNotLeader", json!(leader), "grpc_status/kNotLeader"),
    ] {
        assert_eq!(outcomes(&replaced(&text, pointer, with)).0, [id], "{pointer}");
    }
    // The last row, marked as no bug, and the request id of 4,096 bytes, one byte longer.
    let altered = replaced(SERVICE, "/service/30/upstream_bug", json!(false));
    let altered = replaced(&altered, "/service/16/request_id", json!("len:4097"));
    let wrong = outcomes(&altered).0;
    // Its put did not set the key, so the next one does not overwrite.
    assert_eq!(wrong, ["service/16", "service/20", "service/30"]);
}

/// What no row of the files says.
#[test]
fn the_rest_of_the_vocabulary_has_its_meaning() {
    let put = |key: &str, id: &str| {
        json!({"why": "", "op": "put", "key": key, "value": "len:3", "request_id": id, "error": "",
            "overwritten": false, "upstream_bug": false})
    };
    let get = |value: &str| {
        json!({"why": "", "op": "get", "key": "6b6b", "error": "", "found": true, "value": value,
            "upstream_bug": false})
    };
    let rows = json!([put("len:2", "01"), get("767676"), get("len:3"), get("len:2")]);
    assert_eq!(outcomes(&replaced(&short(), "/service", rows)).0, ["service/3"]);
    // A table whose reads stop at the first match does not see what its scan sees.
    let get = replaced(TABLE, "/base_verdict", json!(["get", "INVALID_RECORD", 0]));
    assert_eq!(outcomes(&get).0, ["base"]);
}
