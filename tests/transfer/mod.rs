//! Both ends of a snapshot as processes of the command, for tests that kill them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::certificates::Certificates;

/// A mode and a TLS profile, with the files that both ends need.
#[derive(Debug)]
pub struct Setting {
    send: Vec<String>,
    receive: Vec<String>,
}

/// A folder with keys for every mode and certificates for the profile `secure`.
#[derive(Debug)]
pub struct Keys(Certificates);

/// The command.
fn sealmark() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
    command.arg("snapshot");
    command
}

impl Keys {
    /// Makes them.
    pub fn new() -> Self {
        let made = Certificates::new();
        for (file, mode) in [("key.pem", "safe"), ("iv.pem", "safe"), ("stream.key", "hardened")] {
            let made = sealmark().arg("key").arg(made.path(file)).args(["--mode", mode]).output();
            assert!(made.expect("it runs").status.success(), "{file}");
        }
        Self(made)
    }

    fn file(&self, name: &str) -> String {
        self.0.path(name).to_str().expect("test paths are UTF-8").to_owned()
    }

    /// The arguments of both ends.
    pub fn setting(&self, mode: &str, profile: &str) -> Setting {
        let mut both = vec!["--mode".to_owned(), mode.to_owned(), "--tls-profile".into(), profile.into()];
        match mode {
            "hardened" => both.extend(["--key".into(), self.file("stream.key")]),
            _ => both.extend(["--key".into(), self.file("key.pem"), "--iv".into(), self.file("iv.pem")]),
        }
        let (mut send, mut receive) = (both.clone(), both);
        if profile == "secure" {
            send.extend(["--tls-ca".into(), self.file("ca.pem")]);
            receive.extend(["--tls-cert".into(), self.file("server.pem")]);
            receive.extend(["--tls-key".into(), self.file("server.key")]);
        }
        Setting { send, receive }
    }
}

/// A receiver that listens.
#[derive(Debug)]
pub struct Receiving {
    /// The process.
    pub child: Child,
    /// Where it listens.
    pub address: String,
    lines: Receiver<String>,
}

impl Receiving {
    /// Starts it, with further arguments.
    pub fn start(to: &str, setting: &Setting, more: &[&str]) -> Self {
        let mut child = sealmark()
            .args(["receive", "127.0.0.1:0", "--to", to])
            .args(&setting.receive)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let said = BufReader::new(child.stderr.take().expect("it is piped"));
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let first = lines.recv().expect("a receiver says something");
        let port = first.strip_prefix("listening on 127.0.0.1:").unwrap_or_else(|| panic!("{first}"));
        // The certificate has both names; this one is looked up.
        let address = format!("localhost:{port}");
        Self { child, address, lines }
    }

    /// What it says next of a connection, if that comes soon.
    pub fn says(&self) -> Option<String> {
        self.lines.recv_timeout(Duration::from_millis(700)).ok()
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self) -> bool {
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a sender, with further arguments.
pub fn send(from: &str, address: &str, setting: &Setting, more: &[&str]) -> Child {
    sealmark()
        .args(["send", address, "--from", from])
        .args(&setting.send)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// Waits for a sender; what it said if it failed.
pub fn sent(child: Child) -> Result<(), String> {
    let output = child.wait_with_output().expect("it ends");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Numbers that look random, the same for the same seed (SplitMix64).
#[derive(Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    /// A moment within so long.
    pub fn moment(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// A number from the environment, or the usual one.
pub fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |number| number.parse().expect("the variable holds a number"))
}
