//! The request contract (spec §5): limits, the order of checks, the messages, idempotency, and requests that
//! join one in flight.
//!
//! It is the written contract, not the reference's behaviour where the two differ (rule `written-contract`):
//! a delete's request id has a limit too, and one id stands for one request, whatever the operation.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::command;
use super::super::engine::Mutation;
use super::super::limit::{MAX_KEY_LEN, MAX_REQUEST_ID_LEN, MAX_VALUE_LEN};
use super::{Leader, Leadership, MAX_BATCH, Machine, Outcome, Refusal};

/// How long a request without a deadline waits.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// The most writes of a service that are not yet decided: one batch that is being synced, and one that waits.
/// Each takes twice its length in memory, so all of them at most about 1 GiB.
pub const MAX_IN_FLIGHT: usize = 2 * MAX_BATCH;

/// The service of one member.
pub struct Service {
    machine: Arc<Machine>,
    leadership: Arc<dyn Leadership>,
    flights: Arc<Flights>,
}

/// The writes that were proposed and are not yet decided, by request id.
type Flights = Mutex<HashMap<Vec<u8>, Arc<Flight>>>;

impl Service {
    /// The service of this machine.
    pub fn new(machine: Arc<Machine>, leadership: Arc<dyn Leadership>) -> Self {
        Self { machine, leadership, flights: Arc::default() }
    }

    /// The machine.
    pub fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// Writes a value, and returns whether the key had one before. The same request again returns the
    /// original answer and writes nothing.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](super::Code::InvalidArgument) by the contract, in this order: key, value,
    /// empty id, long id, id of another request. Then the leadership's, and
    /// [`Code::Unavailable`](super::Code::Unavailable) beyond [`MAX_IN_FLIGHT`].
    /// [`Code::Timeout`](super::Code) at the deadline: the write may still take effect, and the same request
    /// again joins it.
    pub fn put(
        &self,
        key: &[u8],
        value: &[u8],
        request_id: &[u8],
        deadline: Instant,
    ) -> Result<bool, Refusal> {
        check_key(key)?;
        check_value(value)?;
        check_id(request_id)?;
        match self.write(Mutation::put(key, value, request_id), deadline)? {
            Outcome::Put { overwritten } => Ok(overwritten),
            Outcome::Delete { .. } => Err(Refusal::reused()),
        }
    }

    /// Deletes a key, and returns whether it had a value.
    ///
    /// # Errors
    /// As [`put`](Self::put), without the value.
    pub fn delete(&self, key: &[u8], request_id: &[u8], deadline: Instant) -> Result<bool, Refusal> {
        check_key(key)?;
        check_id(request_id)?;
        match self.write(Mutation::delete(key, request_id), deadline)? {
            Outcome::Delete { deleted } => Ok(deleted),
            Outcome::Put { .. } => Err(Refusal::reused()),
        }
    }

    /// The value of a key: the newest that any client was told of (linearizable).
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](super::Code::InvalidArgument) for the key, then
    /// [`Code::NotLeader`](super::Code::NotLeader), [`Code::Unavailable`](super::Code::Unavailable);
    /// [`Code::Internal`](super::Code::Internal) if a file is damaged: the key is then never called absent.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        check_key(key)?;
        self.lead()?;
        if !self.leadership.quorum_contact() {
            return Err(Refusal::no_quorum_contact());
        }
        self.machine.get(key).map_err(Refusal::internal)
    }

    fn lead(&self) -> Result<(), Refusal> {
        match self.leadership.leader() {
            Leader::Own => Ok(()),
            Leader::Other(hint) => Err(Refusal::not_leader(hint)),
            Leader::None => Err(Refusal::no_leader()),
        }
    }

    fn write(&self, request: Mutation, deadline: Instant) -> Result<Outcome, Refusal> {
        let flight = {
            let mut flights = lock(&self.flights);
            // Under the lock: a flight leaves only after the machine knows its result.
            if let Some(result) = self.machine.completed(&request) {
                return result;
            }
            if let Some(flight) = flights.get(&request.request_id) {
                if flight.request != request {
                    return Err(Refusal::reused());
                }
                Arc::clone(flight)
            } else {
                self.lead()?;
                // Those that timed out count too: they are kept until the leadership has decided them.
                if flights.len() >= MAX_IN_FLIGHT {
                    return Err(Refusal::too_many_in_flight());
                }
                let id = request.request_id.clone();
                let flight = Arc::new(Flight { request, landed: Mutex::new(None), signal: Condvar::new() });
                flights.insert(id, Arc::clone(&flight));
                drop(flights);
                self.propose(&flight);
                flight
            }
        };
        flight.wait(deadline)
    }

    fn propose(&self, flight: &Arc<Flight>) {
        let landing =
            Landing { flights: Arc::clone(&self.flights), flight: Arc::clone(flight), result: None };
        let mut encoded = Vec::new();
        match command::encode(&flight.request.record(), &mut encoded) {
            Ok(()) => self.leadership.propose(encoded, Box::new(move |result| landing.land(result))),
            Err(damage) => landing.land(Err(Refusal::internal(damage))),
        }
    }

    /// The number of writes that are not yet decided.
    pub fn in_flight(&self) -> usize {
        lock(&self.flights).len()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_key(key: &[u8]) -> Result<(), Refusal> {
    if key.len() > MAX_KEY_LEN { Err(Refusal::invalid("key exceeds 1KiB limit")) } else { Ok(()) }
}

fn check_value(value: &[u8]) -> Result<(), Refusal> {
    if value.len() > MAX_VALUE_LEN { Err(Refusal::invalid("value exceeds 1MiB limit")) } else { Ok(()) }
}

fn check_id(id: &[u8]) -> Result<(), Refusal> {
    match id.len() {
        0 => Err(Refusal::invalid("request_id must be non-empty")),
        1..=MAX_REQUEST_ID_LEN => Ok(()),
        _ => Err(Refusal::invalid("request_id exceeds 4KiB limit")),
    }
}

/// A proposed write, and everybody who waits for it.
struct Flight {
    request: Mutation,
    landed: Mutex<Option<Result<Outcome, Refusal>>>,
    signal: Condvar,
}

impl Flight {
    fn wait(&self, deadline: Instant) -> Result<Outcome, Refusal> {
        let mut landed = lock(&self.landed);
        loop {
            if let Some(result) = &*landed {
                return result.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refusal::timeout());
            }
            landed = self.signal.wait_timeout(landed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Ends a flight once. Dropped without a result, it says that the proposal was lost.
struct Landing {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    result: Option<Result<Outcome, Refusal>>,
}

impl Landing {
    fn land(mut self, result: Result<Outcome, Refusal>) {
        self.result = Some(result);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| Err(Refusal::propose_failed()));
        // Before anybody is told: who then sends a failed request again begins a new flight.
        lock(&self.flights).remove(&self.flight.request.request_id);
        *lock(&self.flight.landed) = Some(result);
        self.flight.signal.notify_all();
    }
}
