//! The published script: one transcript in process, over `dev` and over `secure`.

use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use super::super::listen::{Acceptor, Limits, Server};
use super::super::wire::{Answer, Frame, MAX_ANSWER, Request, read_frame, write_frame};
use super::*;
#[cfg(feature = "tls")]
use crate::primitive::tls::{Client, Files, certificates::Certificates};

/// The requests of the script, with what the written contract answers.
fn script() -> Vec<(Request, Answer)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/interop/kv-service.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    vectors["service"].as_array().unwrap().iter().map(|row| (request(row), contract(row))).collect()
}

fn field(row: &Value, name: &str, fill: u8) -> Vec<u8> {
    let text = row[name].as_str().unwrap();
    match text.strip_prefix("len:") {
        Some(len) => vec![fill; len.parse().unwrap()],
        None => hex::decode(text).unwrap(),
    }
}

fn request(row: &Value) -> Request {
    let key = field(row, "key", b'k');
    match row["op"].as_str().unwrap() {
        "put" => {
            Request::Put { key, value: field(row, "value", b'v'), request_id: field(row, "request_id", b'r') }
        }
        "delete" => Request::Delete { key, request_id: field(row, "request_id", b'r') },
        "get" => Request::Get { key },
        other => panic!("{other}"),
    }
}

/// The published answer, or that of the written contract where the reference breaks it.
fn contract(row: &Value) -> Answer {
    if row["upstream_bug"] == true {
        let message = match field(row, "request_id", b'r').len() {
            4097 => "request_id exceeds 4KiB limit",
            _ => REUSED,
        };
        return Answer::refused(Refusal::invalid(message));
    }
    let flag = |name: &str| row[name].as_bool().unwrap();
    match (row["error"].as_str().unwrap(), row["op"].as_str().unwrap()) {
        ("", "put") => Answer::put(Ok(flag("overwritten"))),
        ("", "delete") => Answer::delete(Ok(flag("deleted"))),
        ("", _) => Answer::get(Ok(flag("found").then(|| field(row, "value", b'v')))),
        (name, _) => {
            let code = Code::ALL.into_iter().find(|code| code.name() == name).unwrap();
            Answer::refused(Refusal::new(code, row["message"].as_str().unwrap()))
        }
    }
}

/// Plays the script over a connection.
fn play(stream: &mut (impl std::io::Read + std::io::Write)) -> Vec<Answer> {
    let ask = |(request, _): (Request, Answer)| {
        write_frame(stream, &request.encode()).unwrap();
        match read_frame(stream, MAX_ANSWER).unwrap() {
            Frame::Body(body) => Answer::decode(&body).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    script().into_iter().map(ask).collect()
}

/// What a server with this acceptor answers to a client.
fn served(acceptor: Acceptor, client: impl FnOnce(TcpStream) -> Vec<Answer>) -> Vec<Answer> {
    let server = Server::bind("127.0.0.1:0", alone(), acceptor, Limits::default()).unwrap();
    let address = server.local_addr().unwrap();
    std::thread::scope(|scope| {
        let runs = scope.spawn(|| server.run(&|_| {}));
        let answers = client(TcpStream::connect(address).unwrap());
        server.stop();
        runs.join().unwrap();
        answers
    })
}

fn in_process() -> Vec<Answer> {
    let service = alone();
    script().iter().map(|(request, _)| service.answer(request)).collect()
}

#[test]
fn the_published_script_is_answered_by_the_written_contract() {
    let (script, answers) = (script(), in_process());
    assert_eq!(answers.len(), 31);
    for (i, ((_, expected), answer)) in script.iter().zip(&answers).enumerate() {
        assert_eq!(answer, expected, "row {i}");
    }
}

#[test]
fn the_script_has_one_transcript_in_process_and_over_dev() {
    assert!(served(Acceptor::Plain, |mut tcp| play(&mut tcp)) == in_process());
}

#[cfg(feature = "tls")]
#[test]
fn the_script_has_one_transcript_in_process_and_over_secure() {
    let made = Certificates::new();
    let own = Files { cert: Some(made.path("server.pem")), key: Some(made.path("server.key")), ca: None };
    let trusts = Files { ca: Some(made.path("ca.pem")), ..Files::default() };
    let acceptor = Acceptor::Secure(crate::primitive::tls::Server::load(&own).unwrap());
    let client = Client::load(&trusts).unwrap();
    let answers = served(acceptor, |tcp| {
        let mut stream = client.connect(tcp, "localhost").unwrap();
        let answers = play(&mut stream);
        stream.finish().unwrap();
        answers
    });
    assert!(answers == in_process());
}
