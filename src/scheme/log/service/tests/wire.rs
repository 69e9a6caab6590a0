//! The wire: its documented frames, requests that are none, answers that stay short, and what is shown.

use std::io;

use super::super::super::limit::{MAX_KEY_LEN, MAX_REQUEST_ID_LEN, MAX_VALUE_LEN};
use super::super::wire::{Answer, Frame, MAX_ANSWER, MAX_REQUEST, Request, read_frame, write_frame};
use super::*;

fn request(json: &str) -> Result<Request, String> {
    Request::decode(json.as_bytes()).map_err(|refusal| {
        assert_eq!(refusal.code, Code::InvalidArgument);
        refusal.message
    })
}

#[test]
fn the_documented_frames_are_what_is_written_and_read() {
    let (key, value) = (b"k".to_vec(), b"v".to_vec());
    for (request, json) in [
        (
            Request::Put { key: key.clone(), value, request_id: b"r1".to_vec() },
            r#"{"op":"put","request_id":"cjE=","key":"aw==","value":"dg=="}"#,
        ),
        (
            Request::Delete { key: key.clone(), request_id: b"r2".to_vec() },
            r#"{"op":"delete","request_id":"cjI=","key":"aw=="}"#,
        ),
        (Request::Get { key }, r#"{"op":"get","key":"aw=="}"#),
    ] {
        assert_eq!(String::from_utf8(request.encode()).unwrap(), json);
        assert_eq!(Request::decode(json.as_bytes()).unwrap(), request);
    }
    for (answer, json) in [
        (Answer::put(Ok(false)), r#"{"status":"OK","overwritten":false}"#),
        (Answer::delete(Ok(true)), r#"{"status":"OK","deleted":true}"#),
        (Answer::get(Ok(None)), r#"{"status":"OK","found":false}"#),
        (Answer::get(Ok(Some(Vec::new()))), r#"{"status":"OK","found":true,"value":""}"#),
        (
            Answer::get(Err(Refusal::not_leader(2))),
            r#"{"status":"FAILED_PRECONDITION","message":"not leader (leader_hint=2)"}"#,
        ),
    ] {
        assert_eq!(String::from_utf8(answer.encode()).unwrap(), json);
        assert_eq!(Answer::decode(json.as_bytes()).unwrap(), answer);
    }
}

#[test]
fn what_is_no_request_is_refused_by_the_member_that_is_wrong() {
    for (json, why) in [
        ("", "not a request"),
        ("[]", "not a request"),
        (r#"{"key":""}"#, "missing field `op`"),
        (r#"{"op":"get","key":"","more":1}"#, "unknown field `more`"),
        (r#"{"op":"get","key":""} x"#, "trailing characters"),
        (r#"{"op":"get","key":"a"}"#, "key is not base64"),
        (r#"{"op":"get"}"#, "get needs key"),
        (r#"{"op":"get","key":"","value":""}"#, "get takes no value"),
        (r#"{"op":"get","key":"","request_id":""}"#, "get takes no request_id"),
        (r#"{"op":"delete","key":""}"#, "delete needs request_id"),
        (r#"{"op":"delete","key":"","request_id":"","value":""}"#, "delete takes no value"),
        (r#"{"op":"put","key":"","request_id":""}"#, "put needs value"),
        (r#"{"op":"put","key":"","value":""}"#, "put needs request_id"),
        (r#"{"op":"scan","key":""}"#, r#"op "scan" is none of put, delete, get"#),
    ] {
        let said = request(json).unwrap_err();
        assert!(said.contains(why), "{json}: {said}");
    }
}

#[test]
fn the_longest_request_within_the_limits_and_one_above_them_fit_a_frame() {
    for above in [0, 1] {
        let request = Request::Put {
            key: vec![0; MAX_KEY_LEN + above],
            value: vec![0; MAX_VALUE_LEN + above],
            request_id: vec![0; MAX_REQUEST_ID_LEN + above],
        };
        assert!(request.encode().len() <= MAX_REQUEST);
    }
    assert!(Answer::get(Ok(Some(vec![0; MAX_VALUE_LEN]))).encode().len() <= MAX_ANSWER);
}

#[test]
fn a_frame_is_read_whole_or_its_end_is_named() {
    let mut wire = Vec::new();
    write_frame(&mut wire, b"{}").unwrap();
    assert_eq!(wire, b"\0\0\0\x02{}");
    assert_eq!(read_frame(&mut &wire[..], 2).unwrap(), Frame::Body(b"{}".to_vec()));
    assert_eq!(read_frame(&mut &wire[..], 1).unwrap(), Frame::TooLong(2));
    assert_eq!(read_frame(&mut &b"\xff\xff\xff\xff"[..], MAX_REQUEST).unwrap(), Frame::TooLong(u32::MAX));
    assert_eq!(read_frame(&mut &b""[..], 1).unwrap(), Frame::End);
    for cut in 1..wire.len() {
        let error = read_frame(&mut &wire[..cut], 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
    }
}

#[test]
fn a_refusal_echoes_little_of_a_long_frame_and_always_fits_an_answer() {
    let service = alone();
    for fill in ["x", "\u{1}", "\u{7f}", "\"", "\u{1f600}"] {
        let long = fill.repeat(1_400_000 / fill.len());
        let quoted = serde_json::to_string(&long).unwrap();
        for (frame, why) in [
            (format!(r#"{{"op":{quoted},"key":""}}"#), "is none of put, delete, get"),
            (format!(r#"{{"op":{quoted}}}"#), "needs key"),
            (format!(r#"{{"op":"get","key":"",{quoted}:1}}"#), "not a request: unknown field"),
            (quoted.clone(), "not a request: invalid type"),
        ] {
            let answer = service.answer_frame(frame.as_bytes());
            assert_eq!(answer.status, "INVALID_ARGUMENT");
            assert!(answer.encode().len() <= 4096, "{fill:?} {why}: {} bytes", answer.encode().len());
            assert!(answer.encode().len() <= MAX_ANSWER);
            assert!(answer.message.unwrap().contains(why), "{fill:?} {why}");
        }
    }
    let long = Refusal::internal("y".repeat(2 * MAX_ANSWER));
    assert!(Answer::refused(long).encode().len() <= 4096);
}

#[test]
fn what_a_request_a_frame_or_an_answer_holds_is_not_shown() {
    let secret = || b"secret".to_vec();
    let put = Request::Put { key: secret(), value: secret(), request_id: secret() };
    let delete = Request::Delete { key: secret(), request_id: secret() };
    let frame = Frame::Body(put.encode());
    let answer = Answer::get(Ok(Some(secret())));
    let in_base64 = answer.value.clone().unwrap();
    // The bytes of "secret" as a list begin with these numbers.
    let clear = [&in_base64[..], "secret", "115, 101"];
    for (shown, len) in [
        (format!("{put:?}"), 6),
        (format!("{delete:?}"), 6),
        (format!("{:?}", Request::Get { key: secret() }), 6),
        (format!("{frame:?}"), put.encode().len()),
        (format!("{answer:?}"), in_base64.len()),
    ] {
        assert!(clear.iter().all(|clear| !shown.contains(clear)), "{shown}");
        assert!(shown.contains(&format!("{len} bytes")), "{shown}");
    }
    let refused = format!("{:?}", Answer::refused(Refusal::timeout()));
    assert!(refused.contains("timed out waiting for commit"), "{refused}");
}
