//! Keeps the writes of a server paused while a snapshot is read.
//!
//! A pause has an end of its own, so that a reader that dies blocks nobody for long. A thread renews it over
//! a connection of its own, however slowly the snapshot is passed on.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::redis::{Connection, cmd};

use super::super::BoxError;
use super::Database;

/// How long a pause lasts if nobody renews it.
const PAUSE: Duration = Duration::from_secs(20);
/// The time between two renewals.
const RENEWAL: Duration = Duration::from_secs(4);

/// A pause of all writes, ended by [`end`](Self::end) or by dropping it.
pub(super) struct Pause {
    ending: Option<mpsc::Sender<()>>,
    renewing: Option<JoinHandle<()>>,
    /// Why the pause may have ended too early.
    broken: Arc<Mutex<Option<String>>>,
}

/// Pauses writes, or makes the pause longer.
fn pause(connection: &mut Connection) -> ::redis::RedisResult<()> {
    cmd("CLIENT").arg("PAUSE").arg(PAUSE.as_millis() as u64).arg("WRITE").exec(connection)
}

impl Pause {
    /// Pauses the writes of a server, and goes on doing so.
    pub(super) fn begin(database: &Database) -> Result<Self, BoxError> {
        let mut connection = database.connect()?;
        let mut since = Instant::now();
        database.within("pausing writes (needs Redis 6.2)", pause(&mut connection))?;
        let (ending, told) = mpsc::channel();
        let broken = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&broken);
        let renewing = std::thread::Builder::new().spawn(move || {
            let note = |why: String| *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            while matches!(told.recv_timeout(RENEWAL), Err(RecvTimeoutError::Timeout)) {
                let asked = Instant::now();
                match pause(&mut connection) {
                    // The server counts from when it got the command, which is not before it was sent.
                    Ok(()) if since.elapsed() < PAUSE => since = asked,
                    Ok(()) => return note("its renewal came too late".into()),
                    Err(error) => return note(error.to_string()),
                }
            }
            // If this fails, the pause ends by itself.
            let _ = cmd("CLIENT").arg("UNPAUSE").exec(&mut connection);
        });
        match renewing {
            Ok(renewing) => Ok(Self { ending: Some(ending), renewing: Some(renewing), broken }),
            Err(error) => Err(format!("{database}: starting a thread: {error}").into()),
        }
    }

    /// Fails if writes may have run since the pause began.
    pub(super) fn check(&self) -> Result<(), BoxError> {
        match &*self.broken.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(why) => Err(format!("the pause of writes ended before the snapshot was read: {why}").into()),
        }
    }

    /// Lets writes go on.
    pub(super) fn end(&mut self) {
        self.ending = None;
        if let Some(renewing) = self.renewing.take() {
            // A panic there is no reason for one here.
            let _ = renewing.join();
        }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.end();
    }
}
