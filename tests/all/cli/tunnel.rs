//! `sealmark tunnel`: identities, and two ends that talk over UDP.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use super::{errors, json, path, sealmark};

/// A program that prints lines, killed if the test ends before it.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealmark"))
            .arg("tunnel")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command can be run");
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it is text");
        line.trim_end().to_owned()
    }

    /// The rest of its lines and its exit code, once it has ended.
    fn rest(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("it is text");
        (rest, self.child.wait().expect("it ended").code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with the identities of alice, node 1, and bob, node 2.
fn identities() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, id) in [("alice.key", "1"), ("bob.key", "2")] {
        let file = folder.path().join(name);
        let output = sealmark(&["tunnel", "keygen", path(&file), "--node-id", id, "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let made = json(&output);
        assert_eq!(made["schema"], "sealmark.tunnel-keygen/1");
        let public = fs::read_to_string(file.with_extension("pub")).expect("it was written");
        assert_eq!(public, format!("{id} {}\n", made["ed25519"].as_str().expect("a key")));
        // The secret is in its file and nowhere else.
        let secret = fs::read(&file).expect("it was written");
        let seed = hex::encode(&secret[8..]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &errors(&output) + &public;
        assert!(!said.contains(&seed[..16]), "the seed was printed");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &fs::metadata(&file).expect("it was written").permissions(),
            );
            assert_eq!(mode & 0o777, 0o600);
        }
    }
    folder
}

/// Starts bob; returns him with the address that his first line names.
fn listen(folder: &Path, more: &[&str]) -> (Running, String) {
    let key = folder.join("bob.key");
    let fixed = ["listen", "--identity", path(&key), "--peers", path(folder), "--bind", "127.0.0.1:0"];
    let mut listener = Running::start(&[&fixed, more].concat());
    let ready = listener.line();
    let address = match serde_json::from_str::<Value>(&ready) {
        Ok(line) => line["address"].as_str().map(str::to_owned),
        Err(_) => ready.split([' ', ',']).find(|word| word.starts_with("127.")).map(str::to_owned),
    };
    (listener, address.unwrap_or_else(|| panic!("no address in {ready:?}")))
}

fn send(folder: &Path, address: &str, more: &[&str]) -> Output {
    let (key, to) = (folder.join("alice.key"), format!("2@{address}"));
    let fixed = ["tunnel", "send", "--identity", path(&key), "--peers", path(folder), "--to", &to];
    sealmark(&[&fixed, more].concat())
}

#[test]
fn the_lines_of_a_file_arrive_in_every_mode_as_they_were_sent() {
    let folder = identities();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "one\n\nth\x1bree\n").unwrap();
    for mode in ["compat", "safe", "hardened"] {
        let (listener, address) = listen(folder.path(), &["--mode", mode, "--runs", "1"]);
        let output = send(folder.path(), &address, &["--mode", mode, path(&file)]);
        assert_eq!(output.status.code(), Some(0), "{mode}: {}", errors(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("3 sent, all arrived\n"), "{said}");
        let (rest, code) = listener.rest();
        assert_eq!(code, Some(0), "{mode}: {rest}");
        let expected = ["1 #0: one", "1 #1: ", "1 #2: th\\u{1b}ree"];
        assert_eq!(rest.lines().take(3).collect::<Vec<_>>(), expected, "{mode}");
        assert!(
            rest.contains("3 messages given out, 0 again, 0 late, 0 replayed; runs reported: 1"),
            "{rest}"
        );
    }
}

#[test]
fn a_lossy_relay_makes_losses_that_both_ends_agree_on() {
    let folder = identities();
    let json_of = ["--mode", "hardened", "--timers", "0.05", "--format", "json"];
    let (listener, address) = listen(folder.path(), &[&json_of, &["--runs", "1"][..]].concat());
    let mut relay = Running::start(&["relay", "--to", &address, "--loss", "30", "--seed", "5"]);
    let front = relay.line();
    let front = front.split(' ').nth(1).expect("`relaying ADDRESS to ADDRESS`");
    let output = send(folder.path(), front, &[&json_of, &["--count", "60", "--size", "20"][..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let outcome = json(&output);
    let run = &outcome["runs"][0];
    assert_eq!(
        (&outcome["schema"], &outcome["mode"]),
        (&"sealmark.tunnel-send/1".into(), &"tunnel/hardened".into())
    );
    assert_eq!((&run["sent"], &run["reported"], &run["earlier"]), (&60.into(), &true.into(), &false.into()));
    let mut missing = Vec::new();
    for range in run["missing"].as_array().expect("ranges") {
        missing.extend(range["first"].as_u64().unwrap()..=range["last"].as_u64().unwrap());
    }
    assert_eq!(run["lost"], missing.len());
    let (rest, code) = listener.rest();
    assert_eq!(code, Some(0), "{rest}");
    let lines: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().all(|line| line["schema"] == "sealmark.tunnel-listen/1"));
    let messages = lines.iter().filter(|line| line["kind"] == "message");
    let mut numbers: Vec<u64> = messages.map(|line| line["number"].as_u64().expect("a number")).collect();
    assert_eq!(numbers.len() + missing.len(), 60);
    numbers.extend(missing);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
}

#[test]
fn a_peer_that_does_not_answer_or_has_another_key_leaves_the_question_open() {
    let folder = identities();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let output = send(folder.path(), &address, &["--count", "1", "--wait", "1"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(errors(&output).contains("node 2 does not answer"), "{}", errors(&output));

    // Bob's key in alice's folder is that of somebody else.
    let (_listener, address) = listen(folder.path(), &[]);
    let other = tempfile::tempdir().unwrap();
    fs::copy(folder.path().join("alice.key"), other.path().join("alice.key")).unwrap();
    let stranger = other.path().join("stranger.key");
    assert!(sealmark(&["tunnel", "keygen", path(&stranger), "--node-id", "2"]).status.success());
    let output = send(other.path(), &address, &["--count", "1", "--wait", "1"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("wrong-peer-key") || said.contains("limited"), "{said}");
}

#[test]
fn mistakes_end_with_2_and_name_the_way_out() {
    let folder = identities();
    let at = |name: &str| folder.path().join(name);
    let long = at("long.txt");
    fs::write(&long, vec![b'x'; 1_351]).unwrap();
    let (alice, none, empty) = (at("alice.key"), at("none"), at("empty"));
    fs::create_dir(&empty).unwrap();
    let to = ["--to", "2@127.0.0.1:9"];
    let end = |identity: &Path, peers: &Path, more: &[&str]| {
        let fixed = ["send", "--identity", path(identity), "--peers", path(peers)];
        let mut arguments: Vec<String> = fixed.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        arguments
    };
    for (arguments, said) in [
        (end(&none, folder.path(), &to), "reading the key file"),
        (end(&alice, &empty, &to), "has no public keys"),
        (end(&alice, folder.path(), &["--to", "127.0.0.1:9"]), "write the node id and the address"),
        (end(&alice, folder.path(), &["--to", "7@127.0.0.1:9"]), "node 7 has no public key"),
        (end(&alice, folder.path(), &[&to[..], &["--engine", "rign"]].concat()), "did you mean \"ring\"?"),
        (
            end(&alice, folder.path(), &[&to[..], &["--mode", "sfae"]].concat()),
            "a similar value exists: 'safe'",
        ),
        (end(&alice, folder.path(), &[&to[..], &["--timers", "0"]].concat()), "from 0.001 to 1000"),
        (end(&alice, folder.path(), &[&to[..], &["--journal", path(&long)]].concat()), "not a journal"),
        (
            end(&alice, folder.path(), &[&to[..], &["--count", "1", path(&long)]].concat()),
            "cannot be used with",
        ),
    ] {
        let words: Vec<&str> =
            std::iter::once("tunnel").chain(arguments.iter().map(String::as_str)).collect();
        let output = sealmark(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", errors(&output));
        assert!(errors(&output).contains(said), "{words:?}: {said} in {}", errors(&output));
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    // A line that is too long is found once the peer has answered.
    let (_listener, address) = listen(folder.path(), &[]);
    let output = send(folder.path(), &address, &[path(&long)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("line 1 has 1351 bytes"), "{}", errors(&output));
}

#[test]
fn a_listener_that_saw_fewer_runs_than_asked_for_could_not_tell() {
    let folder = identities();
    let (listener, _) = listen(folder.path(), &["--runs", "1", "--seconds", "1"]);
    let (rest, code) = listener.rest();
    assert_eq!(code, Some(3), "{rest}");
    assert!(rest.starts_with("0 messages given out"), "{rest}");
}
