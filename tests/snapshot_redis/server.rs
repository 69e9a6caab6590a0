//! Servers, and what they hold.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Connection, cmd, pipe};

/// A server on a free port with a folder of its own.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

/// Whether there is a server to test with. Says so if not.
fn is_there() -> bool {
    if Command::new("redis-server").arg("--version").output().is_ok() {
        return true;
    }
    let said = "NOT TESTED: there is no redis-server here (apt-get install redis-server)";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{said}");
    // Not `eprintln`, which a test that passes does not show.
    writeln!(std::io::stderr(), "{said}").expect("there is a standard error");
    false
}

impl Server {
    /// Starts one, if there is a program for it.
    pub fn start(more: &[&str]) -> Option<Self> {
        if !is_there() {
            return None;
        }
        // Another process may take the port before the server does.
        for _ in 0..5 {
            let probe = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let port = probe.local_addr().expect("it is bound").port();
            drop(probe);
            let folder = tempfile::tempdir().expect("there is room for a folder");
            let child = Command::new("redis-server")
                .args([
                    "--port",
                    &port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ])
                .args(["--enable-debug-command", "local", "--dir"])
                .arg(folder.path())
                .args(more)
                .stdout(Stdio::null())
                .spawn()
                .expect("it starts");
            let mut server = Self { child, port, _folder: folder };
            if server.answers() {
                return Some(server);
            }
        }
        panic!("redis-server does not answer");
    }

    /// Two of them.
    pub fn pair() -> Option<(Self, Self)> {
        Some((Self::start(&[])?, Self::start(&[])?))
    }

    /// Whether it answers before it ends.
    fn answers(&mut self) -> bool {
        while self.child.try_wait().expect("it is ours").is_none() {
            let client = redis::Client::open(self.url(0)).expect("it is a URL");
            let ours = client.get_connection().ok().and_then(|mut connection| {
                let info: String = cmd("INFO").arg("server").query(&mut connection).ok()?;
                Some(info.contains(&format!("process_id:{}\r", self.child.id())))
            });
            match ours {
                Some(ours) => return ours,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        false
    }

    /// A database of it.
    pub fn url(&self, index: u8) -> String {
        format!("redis://127.0.0.1:{}/{index}", self.port)
    }

    /// A connection to a database of it.
    pub fn connection(&self, index: u8) -> Connection {
        let client = redis::Client::open(self.url(index)).expect("it is a URL");
        client.get_connection().expect("the server runs")
    }

    /// The number of keys in a database.
    pub fn keys(&self, index: u8) -> u64 {
        cmd("DBSIZE").query(&mut self.connection(index)).expect("it counts")
    }

    /// Its version.
    pub fn version(&self) -> String {
        let info: String = cmd("INFO").arg("server").query(&mut self.connection(0)).expect("it tells");
        let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        line.expect("it has a version").to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What database 0 holds, if the others are empty.
#[derive(PartialEq, Eq)]
pub struct Data {
    digest: String,
    /// The expiry time of each key in Unix milliseconds, or -1.
    pub expiries: BTreeMap<Vec<u8>, i64>,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys, {}", self.expiries.len(), self.digest)
    }
}

impl Data {
    /// Asks a server.
    pub fn of(server: &Server) -> Self {
        let mut connection = server.connection(0);
        let digest = cmd("DEBUG").arg("DIGEST").query(&mut connection).expect("debug commands are allowed");
        let (mut expiries, mut cursor) = (BTreeMap::new(), 0_u64);
        loop {
            let scan = cmd("SCAN").arg(cursor).arg("COUNT").arg(1000).query(&mut connection);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.expect("it scans");
            let mut asked = pipe();
            for key in &keys {
                asked.cmd("PEXPIRETIME").arg(key);
            }
            let times: Vec<i64> = match keys.is_empty() {
                true => Vec::new(),
                false => asked.query(&mut connection).expect("it is Redis 7"),
            };
            expiries.extend(keys.into_iter().zip(times));
            cursor = next;
            if cursor == 0 {
                return Self { digest, expiries };
            }
        }
    }
}

/// Fills database 0 with keys of every type. Three in ten expire, in years.
pub fn fill(server: &Server, keys: u64, salt: u64) {
    let mut connection = server.connection(0);
    let years_from_now = 4_000_000_000_000_u64;
    for first in (0..keys).step_by(1000) {
        let mut all = pipe();
        for i in first..keys.min(first + 1000) {
            // Binary, with the bytes that frame commands.
            let key = [format!("key\r\n${salt}:").as_bytes(), &i.to_be_bytes()].concat();
            let value = vec![(i ^ salt) as u8; (i * 37 % 300) as usize];
            match i % 6 {
                0 => all.cmd("SET").arg(&key).arg(&value),
                1 => all.cmd("RPUSH").arg(&key).arg(&value).arg(i).arg("\r\n"),
                2 => all.cmd("HSET").arg(&key).arg("field").arg(&value).arg("n").arg(i),
                3 => all.cmd("SADD").arg(&key).arg(i).arg(salt).arg(&value),
                4 => all.cmd("ZADD").arg(&key).arg(i as f64 / 3.0).arg(&value).arg(1).arg("one"),
                _ => all.cmd("XADD").arg(&key).arg(format!("{}-1", i + 1)).arg("field").arg(&value),
            };
            if i % 10 < 3 {
                all.cmd("PEXPIREAT").arg(&key).arg(years_from_now + i * 1_234_567);
            }
        }
        all.exec(&mut connection).expect("it takes them");
    }
    // Two that are larger than a batch.
    for (key, len) in
        [("large", 3_000_000_usize), ("larger", 5_000_000)].into_iter().take(keys.min(2) as usize)
    {
        let index = if key == "large" { 0 } else { 6 };
        let name = [format!("key\r\n${salt}:").as_bytes(), &u64::to_be_bytes(index)].concat();
        cmd("SET")
            .arg(name)
            .arg(vec![salt as u8; len])
            .arg("KEEPTTL")
            .exec(&mut connection)
            .expect("it fits");
    }
}
