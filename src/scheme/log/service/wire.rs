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

use std::fmt;
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
/// The most characters of an unknown operation that an answer repeats.
const MAX_ECHO: usize = 32;
/// The most characters of a refusal's message. A character takes up to six bytes of an answer.
const MAX_MESSAGE: usize = 600;
/// The status of a request that was carried out.
pub const OK: &str = "OK";

const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// The text, or its beginning and a mark that it goes on.
fn cut(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A request. Its `Debug` shows lengths only: keys and values are the user's.
#[derive(Clone, PartialEq, Eq)]
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
        let op = cut(op, MAX_ECHO);
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

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, value, request_id } => f
                .debug_struct("Put")
                .field("key", &Len(key))
                .field("value", &Len(value))
                .field("request_id", &Len(request_id))
                .finish(),
            Self::Delete { key, request_id } => f
                .debug_struct("Delete")
                .field("key", &Len(key))
                .field("request_id", &Len(request_id))
                .finish(),
            Self::Get { key } => f.debug_struct("Get").field("key", &Len(key)).finish(),
        }
    }
}

/// Bytes that are shown as their number.
struct Len<'a>(&'a [u8]);

impl fmt::Debug for Len<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
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

/// An answer: `OK` with the members of the operation, or another status with a message. Its `Debug` shows
/// only the length of the value.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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

    /// A refusal. Of a message of more than 600 characters, the rest is left out.
    pub fn refused(refusal: Refusal) -> Self {
        let (status, message) = (refusal.code.status().into(), Some(cut(refusal.to_string(), MAX_MESSAGE)));
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

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, message, overwritten, deleted, found, value } = self;
        f.debug_struct("Answer")
            .field("status", status)
            .field("message", message)
            .field("overwritten", overwritten)
            .field("deleted", deleted)
            .field("found", found)
            .field("value", &value.as_ref().map(|value| Len(value.as_bytes())))
            .finish()
    }
}

/// What a reader finds where a frame may begin. Its `Debug` shows only the length of the body.
#[derive(PartialEq, Eq)]
pub enum Frame {
    /// The end of the connection.
    End,
    /// The JSON object of a frame.
    Body(Vec<u8>),
    /// A frame of this length, which is over the limit. Its body was not read.
    TooLong(u32),
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("End"),
            Self::Body(body) => f.debug_tuple("Body").field(&Len(body)).finish(),
            Self::TooLong(len) => f.debug_tuple("TooLong").field(len).finish(),
        }
    }
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
