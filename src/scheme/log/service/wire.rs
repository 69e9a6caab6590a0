//! The wire: a frame is its length as a big-endian `u32`, then one JSON object.
//!
//! ```text
//! {"op":"put","request_id":"cjE=","key":"aw==","value":"dg=="}    {"status":"OK","overwritten":false}
//! {"op":"delete","request_id":"cjI=","key":"aw=="}                {"status":"OK","deleted":true}
//! {"op":"get","key":"aw=="}                                       {"status":"OK","found":false}
//! ```
//!
//! `request_id`, `key` and `value` are in base64 (RFC 4648 §4, padded). An answer's `status` is `OK` or the
//! gRPC status of [`Code::status`](super::Code::status), then with a `message`. `value` is there only if
//! `found`. A request has the members of its operation and no others. Requests of one connection are
//! answered in their order. A frame longer than [`MAX_REQUEST`] is answered once and ends the connection:
//! that is enough for every request within the limits, and for one a little above them, so that the
//! contract's own message is given. The reference speaks gRPC; this protocol is ours.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::super::limit::{MAX_KEY_LEN, MAX_REQUEST_ID_LEN, MAX_VALUE_LEN};
use super::Refusal;

/// How far above its limit a field may be and still be refused by name.
const MARGIN: usize = 1024;
/// Room for the members' names and the punctuation.
const PUNCTUATION: usize = 256;
/// The longest frame that a server reads, in bytes without the length.
pub const MAX_REQUEST: usize = base64_len(MAX_KEY_LEN + MARGIN)
    + base64_len(MAX_VALUE_LEN + MARGIN)
    + base64_len(MAX_REQUEST_ID_LEN + MARGIN)
    + PUNCTUATION;
/// The longest answer: one with a value.
pub const MAX_ANSWER: usize = base64_len(MAX_VALUE_LEN) + PUNCTUATION;
/// The status of a request that was carried out.
pub const OK: &str = "OK";

const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Writes a value.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// The request's own name.
        request_id: Vec<u8>,
    },
    /// Deletes a key.
    Delete {
        /// The key.
        key: Vec<u8>,
        /// The request's own name.
        request_id: Vec<u8>,
    },
    /// Reads a key.
    Get {
        /// The key.
        key: Vec<u8>,
    },
}

/// A request's members as they are on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    op: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl Request {
    /// The JSON object of a frame.
    pub fn encode(&self) -> Vec<u8> {
        let (op, request_id, key, value) = match self {
            Self::Put { key, value, request_id } => ("put", Some(request_id), key, Some(value)),
            Self::Delete { key, request_id } => ("delete", Some(request_id), key, None),
            Self::Get { key } => ("get", None, key, None),
        };
        let base64 = |bytes: &Vec<u8>| STANDARD.encode(bytes);
        json(&Members {
            op: op.into(),
            request_id: request_id.map(base64),
            key: Some(base64(key)),
            value: value.map(base64),
        })
    }

    /// Reads the JSON object of a frame. Fields may have any length: the contract judges that.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](super::Code::InvalidArgument) for anything that is no request.
    pub fn decode(frame: &[u8]) -> Result<Self, Refusal> {
        let members: Members = serde_json::from_slice(frame)
            .map_err(|error| Refusal::invalid(format!("not a request: {error}")))?;
        let Members { op, request_id, key, value } = members;
        let key = needed(&op, "key", key)?;
        match &*op {
            "put" => {
                let (value, request_id) =
                    (needed(&op, "value", value)?, needed(&op, "request_id", request_id)?);
                Ok(Self::Put { key, value, request_id })
            }
            "delete" => {
                let request_id = needed(&op, "request_id", request_id)?;
                unwanted(&op, "value", value)?;
                Ok(Self::Delete { key, request_id })
            }
            "get" => {
                unwanted(&op, "request_id", request_id)?;
                unwanted(&op, "value", value)?;
                Ok(Self::Get { key })
            }
            _ => Err(Refusal::invalid(format!("op {op:?} is none of put, delete, get"))),
        }
    }
}

fn needed(op: &str, name: &str, member: Option<String>) -> Result<Vec<u8>, Refusal> {
    let text = member.ok_or_else(|| Refusal::invalid(format!("{op} needs {name}")))?;
    STANDARD.decode(text).map_err(|error| Refusal::invalid(format!("{name} is not base64: {error}")))
}

fn unwanted(op: &str, name: &str, member: Option<String>) -> Result<(), Refusal> {
    match member {
        None => Ok(()),
        Some(_) => Err(Refusal::invalid(format!("{op} takes no {name}"))),
    }
}

fn json(members: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(members).expect("strings and booleans always have a JSON form")
}

/// An answer: `OK` with the members of the operation, or another status with a message.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `OK`, or the gRPC status of the refusal.
    pub status: String,
    /// The refusal's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of a put: whether the key had a value before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwritten: Option<bool>,
    /// Of a delete: whether the key had a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// Of a get: whether the key has a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<bool>,
    /// Of a get that found one: the value, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Answer {
    fn ok() -> Self {
        Self { status: OK.into(), ..Self::default() }
    }

    /// The answer to a put.
    pub fn put(result: Result<bool, Refusal>) -> Self {
        result.map_or_else(Self::refused, |overwritten| Self { overwritten: Some(overwritten), ..Self::ok() })
    }

    /// The answer to a delete.
    pub fn delete(result: Result<bool, Refusal>) -> Self {
        result.map_or_else(Self::refused, |deleted| Self { deleted: Some(deleted), ..Self::ok() })
    }

    /// The answer to a get.
    pub fn get(result: Result<Option<Vec<u8>>, Refusal>) -> Self {
        result.map_or_else(Self::refused, |value| Self {
            found: Some(value.is_some()),
            value: value.map(|value| STANDARD.encode(value)),
            ..Self::ok()
        })
    }

    /// A refusal.
    pub fn refused(refusal: Refusal) -> Self {
        let (status, message) = (refusal.code.status().into(), Some(refusal.to_string()));
        Self { status, message, ..Self::default() }
    }

    /// The JSON object of a frame.
    pub fn encode(&self) -> Vec<u8> {
        json(self)
    }

    /// Reads the JSON object of a frame.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for anything that is no answer.
    pub fn decode(frame: &[u8]) -> io::Result<Self> {
        serde_json::from_slice(frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// What a reader finds where a frame may begin.
#[derive(PartialEq, Eq, Debug)]
pub enum Frame {
    /// The end of the connection.
    End,
    /// The JSON object of a frame.
    Body(Vec<u8>),
    /// A frame of this length, which is over the limit. Its body was not read.
    TooLong(u32),
}

/// Reads a frame of at most `limit` bytes. Memory grows with what arrives, not with what the length claims.
///
/// # Errors
/// The connection's; [`io::ErrorKind::UnexpectedEof`] if it ends inside a frame.
pub fn read_frame(from: &mut (impl Read + ?Sized), limit: usize) -> io::Result<Frame> {
    let mut len = [0; 4];
    let begun = loop {
        match from.read(&mut len) {
            Ok(0) => return Ok(Frame::End),
            Ok(begun) => break begun,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    from.read_exact(&mut len[begun..])?;
    let len = u32::from_be_bytes(len);
    if len as usize > limit {
        return Ok(Frame::TooLong(len));
    }
    let mut body = Vec::new();
    from.take(u64::from(len)).read_to_end(&mut body)?;
    if body.len() < len as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Frame::Body(body))
}

/// Writes a frame.
///
/// # Errors
/// The connection's; [`io::ErrorKind::InvalidInput`] for 4 GiB or more.
pub fn write_frame(to: &mut (impl Write + ?Sized), body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // In one piece, or a small frame would be two packets.
    to.write_all(&[&len.to_be_bytes()[..], body].concat())?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<Request, String> {
        Request::decode(json.as_bytes()).map_err(|refusal| {
            assert_eq!(refusal.code, super::super::Code::InvalidArgument);
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
}
