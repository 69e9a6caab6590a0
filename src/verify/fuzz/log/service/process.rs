//! A process with its service, whose place in a cluster is what the script says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::disk::Recorder;
use crate::scheme::log::engine::{Engine, Options};
use crate::scheme::log::service::{Code, Finish, Leader, Leadership, Machine, Refusal, Service, wire};
use crate::verify::vectors::interop::kvstore::LOG_DIR;
use crate::verify::vectors::interop::kvstore::contract::{Answer, Request};

/// What becomes of a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It is committed at once.
    Applied,
    /// It waits.
    Held,
    /// It is lost.
    Lost,
}

pub(super) struct Place {
    pub(super) leader: Leader,
    pub(super) contact: bool,
    pub(super) fate: Fate,
    pub(super) held: Vec<(Vec<u8>, Finish)>,
}

/// A member whose cluster is the script.
pub(super) struct Member {
    machine: Arc<Machine>,
    place: Mutex<Place>,
}

impl Member {
    pub(super) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn apply(&self, command: &[u8], finish: Finish) {
        match self.machine.apply(&[command]) {
            Ok(results) => finish(results.into_iter().next().expect("a result for each command")),
            Err(error) => finish(Err(Refusal::internal(error))),
        }
    }
}

impl Leadership for Member {
    fn leader(&self) -> Leader {
        self.place().leader
    }

    fn quorum_contact(&self) -> bool {
        self.place().contact
    }

    fn propose(&self, command: Vec<u8>, finish: Finish) {
        let fate = self.place().fate;
        match fate {
            Fate::Applied => self.apply(&command, finish),
            Fate::Held => self.place().held.push((command, finish)),
            Fate::Lost => drop(finish),
        }
    }
}

/// A process with its service.
pub(super) struct Process {
    pub(super) service: Service,
    pub(super) member: Arc<Member>,
    pub(super) machine: Arc<Machine>,
}

impl Process {
    pub(super) fn start(disk: &Recorder) -> Self {
        let engine = Engine::open(Arc::new(disk.clone()), LOG_DIR, Options::default());
        let machine = Arc::new(Machine::new(engine.expect("what was acknowledged opens")));
        let place = Place { leader: Leader::Own, contact: true, fate: Fate::Applied, held: Vec::new() };
        let member = Arc::new(Member { machine: Arc::clone(&machine), place: Mutex::new(place) });
        let leadership: Arc<dyn Leadership> = member.clone();
        Self { service: Service::new(Arc::clone(&machine), leadership), member, machine }
    }

    /// Asks over the wire, without a connection.
    pub(super) fn ask_by_wire(&self, request: &Request) -> Answer {
        let request = match request.clone() {
            Request::Put { key, value, id } => wire::Request::Put { key, value, request_id: id },
            Request::Delete { key, id } => wire::Request::Delete { key, request_id: id },
            Request::Get { key } => wire::Request::Get { key },
        };
        let sent = wire::Request::decode(&request.encode()).expect("a request survives the wire");
        assert_eq!(sent, request, "a request survives the wire");
        answered(&self.service.answer(&sent))
    }
}

/// An answer as the client reads it.
fn answered(answer: &wire::Answer) -> Answer {
    let read = wire::Answer::decode(&answer.encode()).expect("an answer survives the wire");
    assert_eq!(read, *answer, "an answer survives the wire");
    let wire::Answer { status, message, overwritten, deleted, found, value } = read;
    match (&*status, message, overwritten, deleted, found, value) {
        (wire::OK, None, Some(overwritten), None, None, None) => Answer::Put { overwritten },
        (wire::OK, None, None, Some(deleted), None, None) => Answer::Delete { deleted },
        (wire::OK, None, None, None, Some(false), None) => Answer::Get(None),
        (wire::OK, None, None, None, Some(true), Some(value)) => {
            Answer::Get(Some(STANDARD.decode(value).expect("a value is in base64")))
        }
        (status, Some(message), None, None, None, None) => {
            let code = Code::ALL.into_iter().find(|code| code.status() == status).expect("a known status");
            Answer::Refused(code.name(), message)
        }
        other => panic!("no client understands {other:?}"),
    }
}
