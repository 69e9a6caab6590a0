//! The contract of the service as its documents state it, naively: a map of keys, and every request id that
//! was ever used, with its request and the answer. It judges the rows that are marked as upstream's bugs, and
//! it is the model of the fuzz target `service`.

use std::collections::BTreeMap;
use std::fmt;

/// A request of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::verify) enum Request {
    /// Sets a key.
    Put {
        /// At most 1,024 bytes.
        key: Vec<u8>,
        /// At most 1 MiB.
        value: Vec<u8>,
        /// 1 to 4,096 bytes.
        id: Vec<u8>,
    },
    /// Removes a key.
    Delete {
        /// At most 1,024 bytes.
        key: Vec<u8>,
        /// 1 to 4,096 bytes.
        id: Vec<u8>,
    },
    /// Reads a key.
    Get {
        /// At most 1,024 bytes.
        key: Vec<u8>,
    },
}

/// The answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::verify) enum Answer {
    /// A put is done.
    Put {
        /// Whether the key was there before.
        overwritten: bool,
    },
    /// A delete is done.
    Delete {
        /// Whether the key was there before.
        deleted: bool,
    },
    /// The value, if the key is there.
    Get(Option<Vec<u8>>),
    /// An error by its name, and the message.
    Refused(&'static str, String),
}

/// A value may be long: its length and its first bytes are enough.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { overwritten } => write!(f, "a put that overwrites: {overwritten}"),
            Self::Delete { deleted } => write!(f, "a delete that deletes: {deleted}"),
            Self::Get(None) => f.write_str("no such key"),
            Self::Get(Some(value)) => {
                let shown = &value[..value.len().min(16)];
                write!(f, "a value of {} bytes, {}...", value.len(), hex::encode(shown))
            }
            Self::Refused(error, message) => write!(f, "{error} ({message})"),
        }
    }
}

impl Request {
    /// Its request id, if it is one that changes something.
    pub(in crate::verify) fn id(&self) -> Option<&[u8]> {
        match self {
            Self::Put { id, .. } | Self::Delete { id, .. } => Some(id),
            Self::Get { .. } => None,
        }
    }
}

const INVALID: &str = "kInvalidArgument";

/// All that the contract needs to know.
#[derive(Clone, Default, Debug)]
pub(in crate::verify) struct Contract {
    /// What the keys hold.
    pub keys: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The request that used an id first, and its answer.
    pub used: BTreeMap<Vec<u8>, (Request, Answer)>,
}

impl Contract {
    /// Takes a request as the only node of a cluster would.
    pub(in crate::verify) fn answer(&mut self, request: &Request) -> Answer {
        if let Some(message) = malformed(request) {
            return Answer::Refused(INVALID, message.into());
        }
        if let Some((first, answer)) = request.id().and_then(|id| self.used.get(id)) {
            if first == request {
                return answer.clone();
            }
            return Answer::Refused(INVALID, "request_id reused with different key/value".into());
        }
        let answer = match request.clone() {
            Request::Put { key, value, .. } => {
                Answer::Put { overwritten: self.keys.insert(key, value).is_some() }
            }
            Request::Delete { key, .. } => Answer::Delete { deleted: self.keys.remove(&key).is_some() },
            Request::Get { key } => Answer::Get(self.keys.get(&key).cloned()),
        };
        if let Some(id) = request.id() {
            self.used.insert(id.into(), (request.clone(), answer.clone()));
        }
        answer
    }
}

/// The message for the first member that breaks a limit: key, value, empty id, length of the id.
pub(in crate::verify) fn malformed(request: &Request) -> Option<&'static str> {
    let (key, value, id) = match request {
        Request::Put { key, value, id } => (key, Some(value), Some(id)),
        Request::Delete { key, id } => (key, None, Some(id)),
        Request::Get { key } => (key, None, None),
    };
    if key.len() > 1_024 {
        Some("key exceeds 1KiB limit")
    } else if value.is_some_and(|value| value.len() > 1_048_576) {
        Some("value exceeds 1MiB limit")
    } else if id.is_some_and(Vec::is_empty) {
        Some("request_id must be non-empty")
    } else if id.is_some_and(|id| id.len() > 4_096) {
        Some("request_id exceeds 4KiB limit")
    } else {
        None
    }
}
