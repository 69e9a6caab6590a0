//! A database as a sink: restored into a spare one, then swapped.
//!
//! While a transfer runs, the spare database holds a mark of it, [`MARK`]. A spare database with keys but no
//! mark is somebody's data, and is refused. Every write to the spare checks in the same transaction that the
//! mark is still this transfer's, so that two transfers never mix their keys; the last one that began wins.
//! The transaction that swaps the databases also moves the mark to the old data, which is then removed; if
//! that fails, the next transfer removes it.

use std::sync::atomic::{AtomicBool, Ordering};

use ::redis::{Connection, Pipeline, Value, cmd, pipe};

use super::super::{BoxError, Sink, Transfer};
use super::Database;
use super::stream::Commands;

/// The key that marks a spare database. No snapshot may hold it.
pub const MARK: &str = "sealmark.snapshot.spare";
/// Bytes that are restored at once, about.
const BATCH_LEN: usize = 1024 * 1024;
/// The most keys that are restored at once.
const MOST: usize = 1000;

/// Replaces the content of a database. One transfer at a time; another one that begins meanwhile is refused.
#[derive(Debug)]
pub struct RedisSink {
    database: Database,
    spare: i64,
    busy: AtomicBool,
}

impl RedisSink {
    /// A sink that replaces this database by way of a spare one of the same server, which must be empty.
    ///
    /// # Errors
    /// If both are the same.
    pub fn new(database: Database, spare: i64) -> Result<Self, BoxError> {
        if database.index() == spare {
            return Err(format!("{database}: its spare database must be another one").into());
        }
        Ok(Self { database, spare, busy: AtomicBool::new(false) })
    }

    /// Empties the spare database and marks it.
    fn start<'a>(&'a self, busy: Busy<'a>) -> Result<InRedis<'a>, BoxError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| format!("asking the system for random bytes: {error}"))?;
        let mark = format!("{:032x}", u128::from_ne_bytes(random));
        let mut connection = self.database.selecting(self.spare)?;
        let ask = |connection: &mut Connection| -> ::redis::RedisResult<(u64, Option<String>)> {
            // Watched, or somebody could fill the database between the question and the answer.
            cmd("WATCH").arg(MARK).exec(connection)?;
            pipe().cmd("DBSIZE").cmd("GET").arg(MARK).query(connection)
        };
        let (keys, marked) = self.database.within("looking into the spare database", ask(&mut connection))?;
        if keys > 0 && marked.is_none() {
            return Err(format!(
                "{}: database {} has {keys} keys and is no spare one: name an empty database",
                self.database, self.spare
            )
            .into());
        }
        let mut begin = pipe();
        begin.atomic().cmd("FLUSHDB").cmd("SET").arg(MARK).arg(&mark);
        let begun: Value =
            self.database.within("emptying the spare database", begin.query(&mut connection))?;
        if begun == Value::Nil {
            return Err(format!("{}: another transfer began at the same time", self.database).into());
        }
        let (waiting, size) = (Vec::new(), 0);
        let commands = Commands::default();
        Ok(InRedis { sink: self, connection, mark, commands, waiting, size, done: false, _busy: busy })
    }
}

impl Sink for RedisSink {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        if self.busy.swap(true, Ordering::SeqCst) {
            return Err(format!("{}: another transfer is being restored", self.database).into());
        }
        let busy = Busy(&self.busy);
        Ok(Box::new(self.start(busy)?))
    }
}

/// Lets the next transfer begin when dropped.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

struct InRedis<'a> {
    sink: &'a RedisSink,
    connection: Connection,
    mark: String,
    commands: Commands,
    /// Keys to restore next, and the bytes of their payloads.
    waiting: Vec<super::stream::Entry>,
    size: usize,
    /// Whether the spare database is no longer this transfer's.
    done: bool,
    /// Dropped last.
    _busy: Busy<'a>,
}

impl InRedis<'_> {
    /// Runs commands as one transaction, if the spare database still is this transfer's.
    fn run(&mut self, doing: &str, commands: &Pipeline) -> Result<(), BoxError> {
        let database = &self.sink.database;
        let ask = |connection: &mut Connection| -> ::redis::RedisResult<Option<String>> {
            cmd("WATCH").arg(MARK).exec(connection)?;
            cmd("GET").arg(MARK).query(connection)
        };
        let marked = database.within(doing, ask(&mut self.connection))?;
        let ours = marked.as_ref() == Some(&self.mark);
        if ours && database.within::<Value>(doing, commands.query(&mut self.connection))? != Value::Nil {
            return Ok(());
        }
        self.done = true;
        Err(format!("{database}: another transfer has taken the spare database {}", self.sink.spare).into())
    }

    /// Restores the keys that wait.
    fn restore(&mut self) -> Result<(), BoxError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut commands = pipe();
        commands.atomic();
        for entry in self.waiting.drain(..) {
            let restore = commands.cmd("RESTORE").arg(entry.key).arg(entry.expiry).arg(entry.payload);
            restore.arg("REPLACE").arg("ABSTTL").ignore();
        }
        // Without this answer, a transaction that ran would look like one that did not.
        commands.cmd("PING");
        self.size = 0;
        self.run("restoring keys", &commands)
    }
}

impl Transfer for InRedis<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.commands.push(bytes);
        while let Some(entry) = self.commands.next_entry()? {
            if entry.key == MARK.as_bytes() {
                return Err(format!("the snapshot holds the key {MARK}, which is reserved").into());
            }
            self.size += entry.key.len() + entry.payload.len();
            self.waiting.push(entry);
            if self.size >= BATCH_LEN || self.waiting.len() >= MOST {
                self.restore()?;
            }
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), BoxError> {
        self.commands.finish()?;
        self.restore()?;
        let mut swap = pipe();
        swap.atomic().cmd("DEL").arg(MARK);
        swap.cmd("SWAPDB").arg(self.sink.database.index()).arg(self.sink.spare);
        // The connection's database now holds the old data.
        swap.cmd("SET").arg(MARK).arg(&self.mark);
        self.run("swapping the databases", &swap)?;
        // The snapshot is in its place. If the old data stays, the next transfer removes it, by its mark.
        self.empty();
        Ok(())
    }

    fn abort(self: Box<Self>) {}
}

impl InRedis<'_> {
    /// Removes what the spare database holds, if that is this transfer's. Errors do not matter: the mark
    /// stays.
    fn empty(&mut self) {
        if !self.done {
            let mut empty = pipe();
            empty.atomic().cmd("FLUSHDB");
            let _ = self.run("emptying the spare database", &empty);
            self.done = true;
        }
    }
}

impl Drop for InRedis<'_> {
    fn drop(&mut self) {
        self.empty();
    }
}
