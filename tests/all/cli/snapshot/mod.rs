//! `sealmark snapshot`: ends, and refusals.

mod hostile;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use sealmark::scheme::snapshot::{ChunkCipher, Material};

use super::{errors, json, path, sealmark};

/// A folder with keys of the command.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("there is room for a folder"));
        for (name, mode) in [("key", "safe"), ("iv", "compat"), ("stream", "hardened")] {
            let made = sealmark(&["snapshot", "key", &folder.at(name), "--mode", mode]);
            assert_eq!(made.status.code(), Some(0), "{}", errors(&made));
        }
        folder
    }

    fn at(&self, name: &str) -> String {
        path(&self.0.path().join(name)).to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.path().join(name), bytes).expect("it can be written");
        self.at(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).expect("it is there")
    }

    /// The arguments for a mode's keys.
    fn mode(&self, mode: &str) -> Vec<String> {
        let words = match mode {
            "safe" | "compat" => vec!["--key".to_owned(), self.at("key"), "--iv".into(), self.at("iv")],
            _ => vec!["--key".to_owned(), self.at("stream")],
        };
        [vec!["--mode".into(), mode.into()], words].concat()
    }

    fn cipher(&self) -> ChunkCipher {
        let [key, iv] = ["key", "iv"].map(|name| self.0.path().join(name));
        ChunkCipher::new(&Material::load(&key, &iv).expect("the command made them"))
    }
}

/// A receiver, and the port on which it listens.
struct Receiver(Child, u16);

impl Receiver {
    fn start(arguments: &[String]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealmark"))
            .args(["snapshot", "receive", "127.0.0.1:0", "--format", "json"])
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

    fn peer(&self) -> String {
        format!("127.0.0.1:{}", self.1)
    }

    fn dial(&self) -> TcpStream {
        TcpStream::connect(self.peer()).expect("it listens")
    }

    /// Writes bytes and ends, and waits until the receiver has closed.
    fn tell(&self, bytes: &[u8]) {
        let mut stream = self.dial();
        // It may close before it has read everything.
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let _ = stream.read_to_end(&mut Vec::new());
    }

    fn ended(self) -> Output {
        self.0.wait_with_output().expect("it ends")
    }
}

fn sent(receiver: &Receiver, from: &str, arguments: &[String]) -> Output {
    let peer = receiver.peer();
    let fixed = ["snapshot", "send", &peer, "--from", from, "--format", "json"];
    sealmark(&[&fixed[..], &arguments.iter().map(String::as_str).collect::<Vec<_>>()].concat())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_file_arrives_in_every_mode_and_both_ends_sum_it_up() {
    let folder = Folder::new();
    let text: Vec<u8> = (0..100_000_u32).map(|i| (i / 5) as u8).collect();
    let from = folder.write("new", &text);
    for mode in ["compat", "safe", "hardened"] {
        folder.write("copy", b"old");
        let own = folder.mode(mode);
        let receiver =
            Receiver::start(&[words(&["--to", &folder.at("copy"), "--count", "1"]), own.clone()].concat());
        let output = sent(&receiver, &from, &own);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let sent = json(&output);
        assert_eq!(
            (&sent["schema"], &sent["bytes"]),
            (&"sealmark.snapshot-send/1".into(), &text.len().into())
        );
        assert_eq!((&sent["mode"], &sent["transport"]), (&mode.into(), &"plain".into()));
        let output = receiver.ended();
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let received = json(&output);
        assert_eq!(received["schema"], "sealmark.snapshot-receive/1");
        assert_eq!(
            (&received["taken"], &received["refused"], &received["commits"]),
            (&1.into(), &0.into(), &true.into())
        );
        assert_eq!(received["connections"][0]["bytes"], text.len());
        assert!(folder.read("copy") == text, "{mode}");
    }
}

#[test]
#[cfg(unix)]
fn a_pipe_arrives_at_a_pipe_chunk_by_chunk() {
    let folder = Folder::new();
    let own = [folder.mode("hardened-stream"), words(&["--context", "cluster 7"])].concat();
    let receiver = Receiver::start(&[words(&["--to", "-", "--count", "1"]), own.clone()].concat());
    let text = b"a snapshot on a pipe".repeat(5_000);
    let mut sender = Command::new(env!("CARGO_BIN_EXE_sealmark"))
        .args(["snapshot", "send", &receiver.peer(), "--from", "-", "--rate", "2M"])
        .args(&own)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sender.stdin.take().unwrap().write_all(&text).unwrap();
    let output = sender.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(": 100000 bytes sent\n  mode hardened-stream, transport plain\n"), "{said}");
    let output = receiver.ended();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(output.stdout == text, "{} bytes", output.stdout.len());
    assert!(errors(&output).contains("\"commits\": false"), "the summary is where the snapshot is not");
}

#[test]
fn whatever_the_ends_disagree_about_is_refused_and_the_file_stays() {
    let folder = Folder::new();
    let from = folder.write("new", b"new");
    folder.write("copy", b"old");
    let (safe, hardened) = (folder.mode("safe"), folder.mode("hardened"));
    let plain = words(&["--plaintext"]);
    let bound = |context: &str| [hardened.clone(), words(&["--context", context])].concat();
    for (receives, sends, why) in [
        (
            safe.clone(),
            plain.clone(),
            "the stream is plaintext and this receiver is configured for encrypted ones",
        ),
        (plain, safe.clone(), "the stream is encrypted and this receiver is configured for plaintext ones"),
        (safe.clone(), hardened.clone(), "entropy protocol: "),
        (hardened.clone(), safe, "this is no hardened snapshot stream"),
        (bound("monday"), bound("tuesday"), "entropy crypto: "),
    ] {
        let receiver = Receiver::start(
            &[words(&["--to", &folder.at("copy"), "--count", "1"]), receives.clone()].concat(),
        );
        drop(sent(&receiver, &from, &sends));
        // The receiver goes on; it is the next one that it takes.
        let output = sent(&receiver, &from, &receives);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let output = receiver.ended();
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        let received = json(&output);
        assert_eq!((&received["taken"], &received["refused"]), (&1.into(), &1.into()));
        let refused = received["connections"][0]["error"].as_str().unwrap();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(folder.read("copy"), b"new");
        folder.write("copy", b"old");
    }
}

#[test]
fn bad_usage_ends_with_2_before_anything_is_touched() {
    let folder = Folder::new();
    let (key, iv, stream) = (folder.at("key"), folder.at("iv"), folder.at("stream"));
    let (from, to, empty) = (folder.write("new", b"new"), folder.at("sub/copy"), folder.write("empty", b""));
    let send = |more: &[&str]| {
        let fixed = ["snapshot", "send", "127.0.0.1:1", "--from", &from];
        sealmark(&[&fixed[..], more].concat())
    };
    let receive = |more: &[&str]| {
        let fixed = ["snapshot", "receive", "127.0.0.1:0", "--to", &to];
        sealmark(&[&fixed[..], more].concat())
    };
    let hardened = ["--mode", "hardened", "--key", &stream];
    let with = |more: &[&str]| receive(&[&hardened[..], more].concat());
    for (output, why) in [
        (send(&[]), "mode safe needs --key and --iv, or --plaintext"),
        (send(&["--key", &key]), "mode safe needs --key and --iv, or --plaintext"),
        (send(&["--key", &key, "--iv", &empty]), "entropy key material: "),
        (send(&["--plaintext", "--context", "x"]), "binds a stream to nothing"),
        (send(&["--plaintext", "--buffer-size", "0"]), "buffer_size is 0"),
        (send(&["--key", &key, "--iv", &iv, "--buffer-size", "20"]), "must be a multiple of 16"),
        (send(&["--mode", "hardened"]), "mode hardened needs --key"),
        (send(&["--mode", "hardened", "--key", &key]), "is not exactly 32 bytes long"),
        (send(&["--mode", "hardened", "--key", &stream, "--plaintext"]), "cannot be used with"),
        (send(&["--mode", "hardened", "--key", &stream, "--iv", &iv]), "takes neither --iv nor --plaintext"),
        (send(&["--plaintext", "--rate", "fast"]), "write a number of bytes"),
        (
            send(&["--plaintext", "--tls-profile", "secret"]),
            "no TLS profile is called \"secret\"; there are: dev, secure",
        ),
        (send(&["--plaintext", "--tls-ca", &key]), "the TLS profile dev uses no certificates"),
        (with(&["--tls-profile", "prod"]), "no TLS profile is called \"prod\"; there are: dev, secure"),
        (
            receive(&["--mode", "hardened-stream", "--key", &stream]),
            "for the standard output: choose --mode hardened",
        ),
        (
            sealmark(&["snapshot", "receive", "--to", "-", "--mode", "hardened", "--key", &stream]),
            "hardened-stream",
        ),
        (sealmark(&["snapshot", "receive", "--to", "http://x", "--plaintext"]), "redis://host:port/database"),
        (sealmark(&["snapshot", "send", "a:1", "--from", &folder.at("nowhere"), "--plaintext"]), "reading "),
    ] {
        assert_eq!(output.status.code(), Some(2), "{why}: {}", errors(&output));
        assert!(errors(&output).contains(why), "{why}: {}", errors(&output));
    }
    #[cfg(feature = "tls")]
    for (output, why) in [
        (with(&["--tls-profile", "secure"]), "the TLS profile secure needs a server's certificate"),
        (
            with(&["--tls-profile", "secure", "--tls-cert", &empty, "--tls-key", &key]),
            "holds no certificate in PEM",
        ),
        (
            with(&["--tls-profile", "secure", "--tls-cert", "/nowhere", "--tls-key", &key]),
            "reading certificate /nowhere",
        ),
        (send(&["--plaintext", "--tls-profile", "secure"]), "the authorities that vouch for the server"),
        (
            send(&["--plaintext", "--tls-profile", "secure", "--tls-ca", &empty]),
            "holds no certificate of an authority",
        ),
    ] {
        assert_eq!(output.status.code(), Some(2), "{why}: {}", errors(&output));
        assert!(errors(&output).contains(why), "{why}: {}", errors(&output));
    }
    assert!(!Path::new(&to).parent().unwrap().exists(), "not even the folder");
}

#[test]
fn a_transfer_that_fails_ends_with_1_and_says_why() {
    let folder = Folder::new();
    let from = folder.write("new", b"new");
    let output =
        sealmark(&["snapshot", "send", "127.0.0.1:1", "--from", &from, "--plaintext", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("entropy io: dialling the receiver"), "{}", errors(&output));
    assert!(json(&output)["error"].as_str().unwrap().contains("dialling the receiver"));
}

#[test]
fn a_key_file_is_its_owners_and_never_replaced() {
    let folder = Folder::new();
    let before = folder.read("stream");
    assert_eq!((before.len(), folder.read("key") == folder.read("iv")), (32, false));
    let again = sealmark(&["snapshot", "key", &folder.at("stream")]);
    assert_eq!(again.status.code(), Some(2));
    assert!(errors(&again).contains("writing "), "{}", errors(&again));
    assert_eq!(folder.read("stream"), before);
    #[cfg(unix)]
    for name in ["key", "iv", "stream"] {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.at(name)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// The same list of CPU features stands at the engine and at the provider of TLS.
#[test]
#[cfg(all(feature = "peers", feature = "tls"))]
fn tls_is_available_where_graviola_is() {
    let engine = sealmark::engine::find("graviola").unwrap().available();
    assert_eq!(sealmark::primitive::tls::available().is_ok(), engine.is_ok());
}
