//! `sealmark log serve`: what it answers, what it leaves on disk, and when it refuses to start.

#![cfg(unix)]

#[path = "../../certificates/mod.rs"]
mod certificates;

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use certificates::Certificates;
use sealmark::disk::Os;
use sealmark::primitive::tls::{Client, Files};
use sealmark::scheme::log::engine::{Engine, Options};
use sealmark::scheme::log::service::wire::{Answer, Frame, MAX_ANSWER, Request, read_frame, write_frame};

use super::{errors, json, path, sealmark};

/// A server, and the port on which it listens.
struct Serving(Child, u16);

impl Serving {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::by(Command::new(env!("CARGO_BIN_EXE_sealmark")), folder, arguments)
    }

    /// A server that this command starts.
    fn by(mut command: Command, folder: &Path, arguments: &[&str]) -> Self {
        let mut child = command
            .args(["log", "serve", path(folder), "--listen", "127.0.0.1:0", "--format", "json"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // Byte by byte, because the rest is read when it has ended.
        let (said, mut line) = (child.stderr.as_mut().expect("it is piped"), Vec::new());
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            if said.read(&mut byte).expect("it is a pipe") == 0 {
                break;
            }
            line.push(byte[0]);
        }
        let line = String::from_utf8(line).expect("UTF-8");
        let port = line.trim().strip_prefix("listening on 127.0.0.1:").unwrap_or_else(|| panic!("{line}"));
        Self(child, port.parse().expect("it is a port"))
    }

    fn dial(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.1)).expect("it listens")
    }

    /// Ends it as Ctrl-C does.
    fn stop(self) -> Output {
        let signal = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(signal.expect("there is a kill").success());
        self.0.wait_with_output().expect("it ends")
    }
}

fn ask(stream: &mut (impl Read + std::io::Write), request: &Request) -> Answer {
    write_frame(stream, &request.encode()).expect("it listens");
    match read_frame(stream, MAX_ANSWER).expect("it answers") {
        Frame::Body(body) => Answer::decode(&body).expect("it is an answer"),
        other => panic!("{other:?}"),
    }
}

fn put(value: &[u8], request_id: &[u8]) -> Request {
    Request::Put { key: b"k".to_vec(), value: value.to_vec(), request_id: request_id.to_vec() }
}

#[test]
fn what_is_written_over_either_profile_is_there_after_a_restart_with_the_original_answers() {
    let (folder, made) = (tempfile::tempdir().unwrap(), Certificates::new());
    let data = folder.path().join("data");
    let serving = Serving::start(&data, &[]);
    let mut tcp = serving.dial();
    assert_eq!(ask(&mut tcp, &put(b"1", b"r1")), Answer::put(Ok(false)));
    assert_eq!(ask(&mut tcp, &put(b"2", b"r2")), Answer::put(Ok(true)));
    assert_eq!(ask(&mut tcp, &put(b"3", b"r2")).status, "INVALID_ARGUMENT");
    let output = serving.stop();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let summary = json(&output);
    assert_eq!(summary["schema"], "sealmark.log-serve/1");
    assert_eq!((&summary["profile"], &summary["pass"]), (&"dev".into(), &true.into()));
    assert_eq!(summary["answers"], serde_json::json!({ "OK": 2, "INVALID_ARGUMENT": 1 }));

    let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|name| made.path(name));
    let secure = ["--tls-profile", "secure", "--tls-cert", path(&cert), "--tls-key", path(&key)];
    let serving = Serving::start(&data, &secure);
    let client = Client::load(&Files { ca: Some(ca), ..Files::default() }).unwrap();
    let mut stream = client.connect(serving.dial(), "localhost").unwrap();
    assert_eq!(ask(&mut stream, &put(b"1", b"r1")), Answer::put(Ok(false)));
    assert_eq!(
        ask(&mut stream, &put(b"3", b"r1")).message.unwrap(),
        "request_id reused with different key/value"
    );
    let read = ask(&mut stream, &Request::Get { key: b"k".to_vec() });
    assert_eq!(read, Answer::get(Ok(Some(b"2".to_vec()))));
    let summary = json(&serving.stop());
    assert_eq!((&summary["profile"], &summary["records_replayed"]), (&"secure".into(), &2.into()));
}

#[test]
fn a_profile_or_a_pem_file_that_is_wrong_ends_it_before_the_folder_is_touched() {
    let (folder, made) = (tempfile::tempdir().unwrap(), Certificates::new());
    let data = folder.path().join("data");
    made.write("empty.pem", "");
    let at = |name: &str| path(&made.path(name)).to_owned();
    let [cert, key, empty, missing] = ["server.pem", "server.key", "empty.pem", "none.pem"].map(at);
    let cases: [(&[&str], &str); 8] = [
        (&["--tls-profile", "prod"], "no TLS profile is called \"prod\"; there are: dev, secure"),
        (&["--tls-profile", "secure"], "needs a server's certificate: name its PEM file"),
        (&["--tls-profile", "secure", "--tls-cert", &cert], "needs the certificate's private key"),
        (&["--tls-profile", "secure", "--tls-cert", &missing, "--tls-key", &key], "reading certificate"),
        (&["--tls-profile", "secure", "--tls-cert", &cert, "--tls-key", &missing], "reading private key"),
        (
            &["--tls-profile", "secure", "--tls-cert", &empty, "--tls-key", &key],
            "holds no certificate in PEM",
        ),
        (
            &["--tls-profile", "secure", "--tls-cert", &cert, "--tls-key", &empty],
            "holds no private key in PEM",
        ),
        (&["--tls-cert", &cert, "--tls-key", &key], "dev uses no certificates"),
    ];
    for (arguments, said) in cases {
        let output = sealmark(&[&["log", "serve", path(&data)], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(said), "{arguments:?}: {said} in {}", errors(&output));
        assert!(!data.exists(), "{arguments:?}");
    }
}

/// A folder with one record, and the path of its log.
fn written(folder: &Path) -> PathBuf {
    let serving = Serving::start(folder, &[]);
    assert_eq!(ask(&mut serving.dial(), &put(b"value", b"r1")), Answer::put(Ok(false)));
    assert_eq!(serving.stop().status.code(), Some(0));
    folder.join("000001.wal")
}

#[test]
fn a_damaged_log_ends_it_with_1_and_names_the_code_and_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let wal = written(&data);
    let whole = fs::read(&wal).unwrap();
    let check = |tail: &str| {
        let output = sealmark(&["log", "serve", path(&data), "--check", "--tail", tail, "--format", "json"]);
        (output.status.code(), json(&output))
    };
    // The alteration of the reference's own corruption suite: bit 0 of the first byte of the key.
    let mut flipped = whole.clone();
    flipped[24] ^= 1;
    fs::write(&wal, &flipped).unwrap();
    for tail in ["strict", "truncate"] {
        let (code, summary) = check(tail);
        assert_eq!((code, &summary["pass"]), (Some(1), &false.into()));
        assert_eq!(summary["integrity_code"], "CHECKSUM_MISMATCH");
        assert_eq!(summary["record_index"], 0);
        let message = summary["message"].as_str().unwrap();
        assert!(message.contains("000001.wal: integrity_code=CHECKSUM_MISMATCH record_index=0"), "{message}");
    }
    assert_eq!(fs::read(&wal).unwrap(), flipped);
    fs::write(&wal, &whole[..whole.len() - 1]).unwrap();
    let (code, summary) = check("strict");
    assert_eq!((code, &summary["integrity_code"]), (Some(1), &"TRUNCATED_RECORD".into()));
    let (code, summary) = check("truncate");
    assert_eq!((code, &summary["truncated_bytes"]), (Some(0), &(whole.len() - 1).into()));
    assert_eq!(fs::read(&wal).unwrap(), b"");
}

#[test]
fn a_second_server_of_the_same_folder_and_a_folder_of_other_things_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serving = Serving::start(&data, &[]);
    let output = sealmark(&["log", "serve", path(&data), "--check"]);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("it is in use"), "{}", errors(&output));
    assert_eq!(serving.stop().status.code(), Some(0));
    for arguments in [&["--check"][..], &[]] {
        let output = sealmark(&[&["log", "serve", path(folder.path())], arguments].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains("holds no log"), "{}", errors(&output));
    }
}

#[test]
fn a_check_of_a_folder_without_a_log_is_refused_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let refused = |path_given: &Path, said: &str| {
        let output = sealmark(&["log", "serve", path(path_given), "--check"]);
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert!(errors(&output).contains(said), "{}", errors(&output));
    };
    refused(&data, "holds no log: there is nothing to check");
    assert!(!data.exists());
    fs::create_dir_all(data.join("sst")).unwrap();
    refused(&data, "holds no log: there is nothing to check");
    // The lock is what remains of a log whose files were removed.
    fs::write(data.join("sealmark.lock"), "").unwrap();
    refused(&data, "holds no log: there is nothing to check");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 2);
    fs::write(data.join("000001.wal"), "").unwrap();
    let output = sealmark(&["log", "serve", path(&data), "--check"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

/// A log whose rows are in a table, in a block with a flipped bit.
fn rotten(folder: &Path) {
    fs::create_dir_all(folder.join("sst")).expect("a folder of tables");
    let mut engine = Engine::open(Arc::new(Os), folder, Options::default()).expect("it is empty");
    engine.put(b"k", b"value", b"r1").expect("it is written");
    let (payload, history) = (engine.snapshot_payload().expect("one row"), engine.history().expect("one id"));
    engine.install_with(&payload, &history).expect("it is the engine's own");
    drop(engine);
    let entries = fs::read_dir(folder.join("sst")).expect("it was made");
    let tables: Vec<PathBuf> = entries.map(|entry| entry.expect("a table").path()).collect();
    let [table] = &tables[..] else { panic!("{tables:?}") };
    let mut bytes = fs::read(table).expect("it can be read");
    // The first byte of the first entry.
    bytes[20] ^= 1;
    fs::write(table, bytes).expect("it can be written");
}

#[test]
fn damage_that_opening_does_not_see_is_found_by_a_check_and_by_the_request_that_meets_it() {
    let folder = tempfile::tempdir().unwrap();
    rotten(folder.path());
    let said = |output: &Output| {
        assert_eq!(output.status.code(), Some(1), "{}", errors(output));
        let summary = json(output);
        assert_eq!((&summary["pass"], &summary["record_index"]), (&false.into(), &0.into()));
        assert_eq!(summary["integrity_code"], "CHECKSUM_MISMATCH");
        let message = summary["message"].as_str().unwrap();
        assert!(message.contains(".sst: integrity_code=CHECKSUM_MISMATCH record_index=0"), "{message}");
        summary
    };
    said(&sealmark(&["log", "serve", path(folder.path()), "--check", "--format", "json"]));
    let text = sealmark(&["log", "serve", path(folder.path()), "--check"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("damaged: "), "{:?}", text.stdout);

    let serving = Serving::start(folder.path(), &[]);
    let mut tcp = serving.dial();
    assert_eq!(ask(&mut tcp, &Request::Get { key: b"k".to_vec() }).status, "INTERNAL");
    assert_eq!(ask(&mut tcp, &Request::Get { key: b"a".to_vec() }), Answer::get(Ok(None)));
    let summary = said(&serving.stop());
    assert_eq!(summary["answers"], serde_json::json!({ "OK": 1, "INTERNAL": 1 }));
}

#[test]
fn a_write_for_which_there_is_no_room_ends_in_1_although_later_ones_are_durable() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut limited = Command::new("sh");
    // A file may have 64 blocks; the signal that says so is ignored, so that the write fails.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sealmark")]);
    let serving = Serving::by(limited, &data, &[]);
    let mut tcp = serving.dial();
    let refused = ask(&mut tcp, &put(&[0; 1_000_000], b"r1"));
    assert_eq!(refused.status, "INTERNAL");
    assert!(refused.message.unwrap().contains("writing the log"));
    assert_eq!(ask(&mut tcp, &put(b"small", b"r2")), Answer::put(Ok(false)));
    let output = serving.stop();
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let summary = json(&output);
    assert_eq!((&summary["pass"], &summary["integrity_code"]), (&false.into(), &"IO_ERROR".into()));
    let message = summary["message"].as_str().unwrap();
    assert!(message.starts_with("writing the log: "), "{message}");
    let output = sealmark(&["log", "serve", path(&data), "--check", "--format", "json"]);
    assert_eq!((output.status.code(), &json(&output)["records_replayed"]), (Some(0), &1.into()));
}

#[test]
fn a_silence_of_more_than_a_year_is_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for seconds in ["0", "31536001", "18446744073709551615"] {
        let output = sealmark(&["log", "serve", path(&data), "--idle", seconds, "--check"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains("is not in 1..=31536000"), "{}", errors(&output));
    }
    let serving = Serving::start(&data, &["--idle", "31536000"]);
    assert_eq!(ask(&mut serving.dial(), &Request::Get { key: b"k".to_vec() }), Answer::get(Ok(None)));
    assert_eq!(serving.stop().status.code(), Some(0));
}
