//! A database as a source: every key at one moment.
//!
//! Writes are paused from the first key to the last. Whether any ran nevertheless, because another client
//! ended the pause or the server is a replica, shows in the server's count of changes.

use std::collections::VecDeque;
use std::io::{self, Read};

use ::redis::{Connection, Value, cmd, pipe};

use super::super::{BoxError, Source};
use super::pause::Pause;
use super::{Database, stream};

/// Keys that a step of a scan gives, about.
const SCANNED: usize = 1000;
/// Bytes that one answer should have, about.
const ANSWER_LEN: usize = 1024 * 1024;
/// The most keys that are dumped at once.
const MOST: usize = 512;

/// Reads a database anew for each snapshot. Writes to its server wait meanwhile.
#[derive(Clone, Debug)]
pub struct RedisSource(Database);

impl RedisSource {
    /// A source that reads this database.
    pub fn new(database: Database) -> Self {
        Self(database)
    }
}

impl Source for RedisSource {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
        let mut connection = self.0.connect()?;
        let pause = Pause::begin(&self.0)?;
        let changes = changes(&self.0, &mut connection)?;
        let exact = knows_expiry_times(&self.0, &mut connection)?;
        let mut out = Vec::new();
        stream::put_begin(&mut out);
        let (at, keys, waiting, batch) = (0, 0, VecDeque::new(), 16);
        Ok(Box::new(Reading {
            database: &self.0,
            connection,
            pause,
            changes,
            exact,
            cursor: Some(0),
            waiting,
            batch,
            keys,
            out,
            at,
            ended: false,
        }))
    }
}

/// The changes that the server has made since it last saved them.
fn changes(database: &Database, connection: &mut Connection) -> Result<u64, BoxError> {
    let info: String =
        database.within("asking for its changes", cmd("INFO").arg("persistence").query(connection))?;
    let line = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
    let changes = line.and_then(|number| number.trim().parse().ok());
    changes.ok_or_else(|| format!("{database}: it does not count its changes").into())
}

/// Whether the server has `PEXPIRETIME`, as Redis 7 does.
fn knows_expiry_times(database: &Database, connection: &mut Connection) -> Result<bool, BoxError> {
    let answer = cmd("COMMAND").arg("INFO").arg("PEXPIRETIME").query(connection);
    let known: Vec<Value> = database.within("asking for its commands", answer)?;
    Ok(matches!(known.first(), Some(Value::Array(_))))
}

/// A snapshot that is being read.
struct Reading<'a> {
    database: &'a Database,
    connection: Connection,
    pause: Pause,
    /// The server's count of changes when last asked.
    changes: u64,
    exact: bool,
    /// Where the scan goes on; `None` when it is over.
    cursor: Option<u64>,
    /// Keys that were scanned and not dumped.
    waiting: VecDeque<Vec<u8>>,
    /// How many are dumped next.
    batch: usize,
    keys: u64,
    /// Bytes to pass on, from `at` on.
    out: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Reading<'_> {
    /// Reads some more into `out`.
    fn step(&mut self) -> Result<(), BoxError> {
        self.out.clear();
        self.at = 0;
        self.pause.check()?;
        if !self.waiting.is_empty() {
            return self.dump();
        }
        match self.cursor {
            Some(cursor) => {
                self.watch()?;
                let scan = cmd("SCAN").arg(cursor).arg("COUNT").arg(SCANNED).query(&mut self.connection);
                let (next, keys): (u64, Vec<Vec<u8>>) = self.database.within("scanning", scan)?;
                self.waiting.extend(keys);
                self.cursor = (next != 0).then_some(next);
            }
            None => {
                self.watch()?;
                self.pause.end();
                stream::put_end(&mut self.out, self.keys);
                self.ended = true;
            }
        }
        Ok(())
    }

    /// Fails if data changed since the last time. A save in between makes the count smaller.
    fn watch(&mut self) -> Result<(), BoxError> {
        self.pause.check()?;
        let before = std::mem::replace(&mut self.changes, changes(self.database, &mut self.connection)?);
        if self.changes > before {
            let why = "data changed while writes were paused, so the snapshot is of no one moment";
            return Err(format!("{}: {why}", self.database).into());
        }
        Ok(())
    }

    /// Dumps the next keys.
    fn dump(&mut self) -> Result<(), BoxError> {
        let keys: Vec<_> = self.waiting.drain(..self.batch.min(self.waiting.len())).collect();
        let mut asked = pipe();
        if !self.exact {
            // In one transaction, the time is the same for all of them.
            asked.atomic().cmd("TIME");
        }
        for key in &keys {
            asked.cmd("DUMP").arg(key).cmd(if self.exact { "PEXPIRETIME" } else { "PTTL" }).arg(key);
        }
        let answers: Vec<Value> = self.database.within("dumping keys", asked.query(&mut self.connection))?;
        let unexpected = || format!("{}: an answer of DUMP is not one", self.database);
        let (now, answers) = match (self.exact, &answers[..]) {
            (true, all) => (0, all),
            (false, [time, rest @ ..]) => {
                let (seconds, micros): (i64, i64) = ::redis::from_redis_value_ref(time)?;
                (seconds * 1000 + micros / 1000, rest)
            }
            (false, []) => return Err(unexpected().into()),
        };
        if answers.len() != 2 * keys.len() {
            return Err(unexpected().into());
        }
        for (key, answer) in keys.iter().zip(answers.chunks_exact(2)) {
            match answer {
                // It expired after it was scanned.
                [Value::Nil, _] | [_, Value::Int(-2)] => {}
                [Value::BulkString(payload), Value::Int(time)] => {
                    let expiry = if *time < 0 { 0 } else { u64::try_from(now + *time)? };
                    stream::put_entry(&mut self.out, key, expiry, payload);
                    self.keys += 1;
                }
                _ => return Err(unexpected().into()),
            }
        }
        // As many next time as give an answer of the right size.
        let each = self.out.len().max(1).div_ceil(keys.len().max(1));
        self.batch = (ANSWER_LEN / each).clamp(1, MOST);
        Ok(())
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && !self.ended {
            self.step().map_err(io::Error::other)?;
        }
        let len = into.len().min(self.out.len() - self.at);
        into[..len].copy_from_slice(&self.out[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}
