//! The state machine of one member: commands in the order of the log, applied to the engine.
//!
//! One node and a consensus protocol call the same [`Machine::apply`], so idempotency and conflicts are
//! decided in the order of the log, the same way on every member.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::engine::{Applied, Done, Engine, Known, Mutation, View};
use super::super::wal::Operation;
use super::super::{Code, Damage, Error, Record, command};
use super::{Outcome, Refusal};

/// An error that a machine met: of the disk, or damage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// [`Error::code`].
    pub code: Code,
    /// [`Error::record_index`].
    pub record_index: u64,
    /// The error in words. They reveal neither keys nor values.
    pub message: String,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { code: error.code(), record_index: error.record_index(), message: error.to_string() }
    }
}

/// An engine that applies commands.
pub struct Machine {
    engine: Mutex<Engine>,
    /// Reads past the lock, which is held during a sync.
    view: View,
    halted: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

impl Machine {
    /// The machine of this engine.
    pub fn new(engine: Engine) -> Self {
        let (halted, failure) = (AtomicBool::new(false), Mutex::new(None));
        Self { view: engine.view(), engine: Mutex::new(engine), halted, failure }
    }

    /// Applies encoded commands in this order and makes them durable with one sync. Each gets its own
    /// result; a command that was applied before gets the result of that time.
    ///
    /// # Errors
    /// [`Error::Integrity`] with the number of a command that cannot be decoded: nothing of the batch is
    /// applied, and nothing after it ever will be (rule `halt-on-undecodable`). The errors of
    /// [`Engine::commit`].
    pub fn apply(&self, commands: &[&[u8]]) -> Result<Vec<Result<Outcome, Refusal>>, Error> {
        self.apply_all(commands).inspect_err(|error| self.note(error))
    }

    fn apply_all(&self, commands: &[&[u8]]) -> Result<Vec<Result<Outcome, Refusal>>, Error> {
        let mut engine = self.engine();
        if self.halted() {
            return Err(Error::Stopped("a committed command could not be decoded"));
        }
        let mut batch = Vec::with_capacity(commands.len());
        for (bytes, i) in commands.iter().zip(0..) {
            match command::decode(bytes) {
                Ok(record) => batch.push(mutation(&record)),
                Err(damage) => {
                    self.halted.store(true, Ordering::SeqCst);
                    return Err(Damage { record_index: i, ..damage }.into());
                }
            }
        }
        let applied = engine.commit(&batch)?;
        let results = batch.iter().zip(applied).map(|(mutation, applied)| self.result(mutation, applied));
        Ok(results.collect())
    }

    fn result(&self, mutation: &Mutation, applied: Applied) -> Result<Outcome, Refusal> {
        match (self.view.known(&mutation.request_id), applied) {
            (Known::Done(done), Applied::New) => Ok(outcome(mutation.op, done)),
            (Known::Done(done), Applied::Duplicate) => original(mutation.op, done, &mutation.content()),
            (Known::Forgotten, _) => Err(Refusal::forgotten()),
            (Known::Never, _) => Err(Refusal::propose_failed()),
        }
    }

    /// The result of an earlier request with the same id, if there was one: the original result for the same
    /// request, a refusal for another one.
    pub fn completed(&self, request: &Mutation) -> Option<Result<Outcome, Refusal>> {
        match self.view.known(&request.request_id) {
            Known::Never => None,
            Known::Done(done) => Some(original(request.op, done, &request.content())),
            Known::Forgotten => Some(Err(Refusal::forgotten())),
        }
    }

    /// The value of a key. Does not wait for a sync.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.view.get(key).inspect_err(|error| self.note(error))
    }

    /// The first error of a read or a write, also of one that a caller then did in another way.
    pub fn failure(&self) -> Option<Failure> {
        self.noted().clone()
    }

    /// Keeps an error if it is the first.
    pub(super) fn note(&self, error: &Error) {
        self.noted().get_or_insert_with(|| error.into());
    }

    fn noted(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine, locked: to flush, compact, export or install.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a command could not be decoded.
    pub fn halted(&self) -> bool {
        self.halted.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("halted", &self.halted()).finish_non_exhaustive()
    }
}

/// What a decoded command changes.
fn mutation(record: &Record<'_>) -> Mutation {
    let Record { op, key, value, request_id } = *record;
    Mutation { op, key: key.into(), value: value.into(), request_id: request_id.into() }
}

const fn outcome(op: Operation, done: Done) -> Outcome {
    match op {
        Operation::Put => Outcome::Put { overwritten: done.existed },
        Operation::Delete => Outcome::Delete { deleted: done.existed },
    }
}

/// Compares the contents, not their checksums (rule `compare-content`). They include the operation.
fn original(op: Operation, done: Done, content: &[u8; 32]) -> Result<Outcome, Refusal> {
    if done.content == *content { Ok(outcome(op, done)) } else { Err(Refusal::reused()) }
}
