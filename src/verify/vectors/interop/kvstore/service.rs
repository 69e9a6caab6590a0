//! `kv-service.json`: a script of the service, the commands of its replicated log, and the names of its
//! errors on the wire.
//!
//! Each request is a case, judged after the requests before it, against one fresh service with one member.

use std::time::{Duration, Instant};

use super::contract::{Answer, Contract, Request};
use super::{
    Arc, Judgement, LOG_DIR, MAX_REPEATED, Node, Problem, Ruling, TABLES_DIR, Write, equal, only, ruled,
    same, without_cipher, words,
};
use crate::disk::Recorder;
use crate::scheme::log::engine::{Engine, Options};
use crate::scheme::log::service::{Alone, Code, Machine, Refusal, Service};
use crate::scheme::log::{WRITTEN_CONTRACT, command};
use crate::verify::Case;

/// The errors of the service.
const ERRORS: [&str; 5] = ["kInvalidArgument", "kNotLeader", "kUnavailable", "kTimeout", "kInternal"];
/// Their names in gRPC.
const STATUSES: [&str; 5] =
    ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"];
/// A machine in trouble, and not a late commit, would exceed it.
const DEADLINE: Duration = Duration::from_secs(300);

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["service", "commands", "command_decode", "grpc_status"])?;
    let mut cases = Vec::new();
    let rows: Arc<Vec<Row>> =
        Arc::new(root.member("service")?.elements()?.map(|row| Row::read(&row)).collect::<Result<_, _>>()?);
    for i in 0..rows.len() {
        let rows = Arc::clone(&rows);
        cases.push(ruled(format!("service/{i}"), false, move |_| judge(&rows[..=i])));
    }
    for (i, node) in root.member("commands")?.elements()?.enumerate() {
        node.only(&["op", "key", "value", "request_id", "encoded"])?;
        let (write, encoded) = (Write::read(&node)?, node.member("encoded")?.bytes()?);
        cases.push(without_cipher(format!("commands/{i}"), move || {
            let mut seen = Vec::new();
            command::encode(&write.record(), &mut seen).map_err(words)?;
            same("the encoded command", &seen, &encoded)?;
            Write::of(command::decode(&encoded).map_err(words)?).same(&write)
        }));
    }
    for (i, node) in root.member("command_decode")?.elements()?.enumerate() {
        node.only(&["why", "encoded", "ok"])?;
        node.member("why")?.text()?;
        let (encoded, ok) = (node.member("encoded")?.bytes()?, node.member("ok")?.truth()?);
        cases.push(without_cipher(format!("command_decode/{i}"), move || judge_decoding(&encoded, ok)));
    }
    for (name, node) in root.member("grpc_status")?.members()? {
        let Some(error) = ERRORS.iter().find(|error| **error == name) else {
            return Err(node.problem(format!("the error {name:?} is unknown; known: {}", ERRORS.join(", "))));
        };
        let (status, suffix) = read_status(&node)?;
        cases.push(without_cipher(format!("grpc_status/{name}"), move || {
            judge_status(error, status, suffix.as_deref())
        }));
    }
    Ok(cases)
}

/// A request, and the reference's answer.
struct Row {
    request: Request,
    answer: Answer,
    upstream_bug: bool,
}

impl Row {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.member("why")?.text()?;
        let upstream_bug = node.member("upstream_bug")?.truth()?;
        let op = node.member("op")?.word(&["put", "delete", "get"])?;
        let error = node.member("error")?;
        let known: Vec<&'static str> = [""].into_iter().chain(ERRORS).collect();
        let error = error.word(&known)?;
        let (asked, told): (&[&str], &[&str]) = match (op, error) {
            ("put", "") => (&["key", "value", "request_id"], &["overwritten"]),
            ("put", _) => (&["key", "value", "request_id"], &["message"]),
            ("delete", "") => (&["key", "request_id"], &["deleted"]),
            ("delete", _) => (&["key", "request_id"], &["message"]),
            (_, "") => (&["key"], &["found", "value"]),
            (_, _) => (&["key"], &["message"]),
        };
        node.only(&[&["why", "op", "error", "upstream_bug"], asked, told].concat())?;
        let key = bytes(node, "key", b'k')?;
        let request = match op {
            "put" => {
                let (value, id) = (bytes(node, "value", b'v')?, bytes(node, "request_id", b'r')?);
                Request::Put { key, value, id }
            }
            "delete" => Request::Delete { key, id: bytes(node, "request_id", b'r')? },
            _ => Request::Get { key },
        };
        let answer = match (op, error) {
            ("put", "") => Answer::Put { overwritten: node.member("overwritten")?.truth()? },
            ("delete", "") => Answer::Delete { deleted: node.member("deleted")?.truth()? },
            (_, "") => {
                let (found, value) = (node.member("found")?.truth()?, bytes(node, "value", b'v')?);
                if !found && !value.is_empty() {
                    return Err(node.member("value")?.problem("a key that is not found has no value"));
                }
                Answer::Get(found.then_some(value))
            }
            (_, error) => Answer::Refused(error, node.member("message")?.text()?.into()),
        };
        Ok(Self { request, answer, upstream_bug })
    }
}

/// Bytes in hex, or `len:N` for N of this byte.
fn bytes(node: &Node<'_>, name: &str, repeated: u8) -> Result<Vec<u8>, Problem> {
    let node = node.member(name)?;
    let Some(len) = node.text()?.strip_prefix("len:") else { return node.bytes() };
    match len.parse::<u64>() {
        Ok(len) if len <= MAX_REPEATED => Ok(vec![repeated; usize::try_from(len).unwrap_or(usize::MAX)]),
        _ => Err(node.problem(format!("expected len: and a number up to {MAX_REPEATED}"))),
    }
}

/// Sends the requests in order; judges the last answer.
fn judge(rows: &[Row]) -> Ruling {
    let disk = Arc::new(Recorder::with_dir(TABLES_DIR));
    let engine = Engine::open(disk, LOG_DIR, Options::default()).map_err(words)?;
    let machine = Arc::new(Machine::new(engine));
    let service =
        Service::new(Arc::clone(&machine), Alone::start(machine).map_err(|error| error.to_string())?);
    let mut contract = Contract::default();
    let mut ruling = Ok(None);
    for row in rows {
        let seen = ask(&service, &row.request, Instant::now() + DEADLINE);
        let stated = contract.answer(&row.request);
        ruling = match (row.upstream_bug, stated == row.answer) {
            (false, _) => answers(&seen, &row.answer).map(|()| None),
            (true, false) => answers(&seen, &stated).map(|()| Some(WRITTEN_CONTRACT)),
            (true, true) => Err("it is marked as a bug, but the contract gives the same answer".into()),
        };
    }
    ruling
}

fn answers(seen: &Answer, expected: &Answer) -> Judgement {
    if seen == expected { Ok(()) } else { Err(format!("expected {expected}, got {seen}")) }
}

/// Asks the service itself, without a wire.
pub(in crate::verify) fn ask(service: &Service, request: &Request, deadline: Instant) -> Answer {
    let answer = match request {
        Request::Put { key, value, id } => {
            service.put(key, value, id, deadline).map(|overwritten| Answer::Put { overwritten })
        }
        Request::Delete { key, id } => {
            service.delete(key, id, deadline).map(|deleted| Answer::Delete { deleted })
        }
        Request::Get { key } => service.get(key).map(Answer::Get),
    };
    answer.unwrap_or_else(|refusal| Answer::Refused(refusal.code.name(), refusal.message))
}

/// A command that decodes encodes to the same bytes.
fn judge_decoding(encoded: &[u8], ok: bool) -> Judgement {
    match command::decode(encoded) {
        Ok(record) if ok => {
            let mut again = Vec::new();
            command::encode(&record, &mut again).map_err(words)?;
            same("the command, encoded again", &again, encoded)
        }
        Ok(_) => Err("a command that the reference refuses decodes".into()),
        Err(damage) if ok => Err(format!("expected a command, got {damage}")),
        Err(_) => Ok(()),
    }
}

/// A status, and the end that the message gets: `STATUS` or `STATUS (message + "END")`, where `<n>` in the
/// end stands for the number of the leader.
fn read_status(node: &Node<'_>) -> Result<(&'static str, Option<String>), Problem> {
    let text = node.text()?;
    let (word, note) = text.split_once(' ').map_or((text, None), |(word, note)| (word, Some(note)));
    let Some(status) = STATUSES.iter().find(|status| **status == word) else {
        let known = STATUSES.join(", ");
        return Err(node.problem(format!("the status {word:?} is unknown; known: {known}")));
    };
    let suffix = note.map(|note| {
        let end = note.strip_prefix("(message + \"").and_then(|end| end.strip_suffix("\")"));
        end.filter(|end| end.contains("<n>")).map(str::to_owned)
    });
    match suffix {
        Some(None) => Err(node.problem("after a status, expected: (message + \"END\"), with <n> in END")),
        Some(suffix) => Ok((status, suffix)),
        None => Ok((status, None)),
    }
}

/// The name, the status and the text of an error of a member that knows the leader.
fn judge_status(error: &str, status: &str, suffix: Option<&str>) -> Judgement {
    const LEADER: u64 = 7;
    const MESSAGE: &str = "why it is refused";
    let code = match error {
        "kInvalidArgument" => Code::InvalidArgument,
        "kNotLeader" => Code::NotLeader,
        "kUnavailable" => Code::Unavailable,
        "kTimeout" => Code::Timeout,
        _ => Code::Internal,
    };
    equal("the name", code.name(), error)?;
    equal("the status", code.status(), status)?;
    let refusal = Refusal { code, message: MESSAGE.into(), leader_hint: LEADER };
    let end = suffix.unwrap_or_default().replace("<n>", &LEADER.to_string());
    equal("the text", refusal.to_string(), format!("{MESSAGE}{end}"))
}
