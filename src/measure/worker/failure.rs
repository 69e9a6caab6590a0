//! What becomes of workers that do not finish, and whether the code that they ran is to blame.

use std::process::ExitStatus;
use std::time::Duration;

use crate::measure::worker::protocol::{Fault, Misfit};

/// What became of a worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing: the driver was told to stop.
    #[error("stopped")]
    Stopped,
    /// It could not be started.
    #[error("a worker process could not be started ({0})")]
    Start(#[source] std::io::Error),
    /// It ended before it was told to.
    #[error("a worker process died ({0})")]
    Died(ExitStatus),
    /// It was ended for its silence.
    #[error("a worker process said nothing for {} s and was ended", .0.as_secs())]
    Silent(Duration),
    /// It sent something that no answer is, or not this one.
    #[error("a worker process said what its parent does not understand ({0})")]
    Garbled(String),
    /// It is another version.
    #[error("a worker process does not fit: {0}")]
    Misfit(#[from] Misfit),
    /// It did not carry out a command.
    #[error("a worker process refused a command: {why}")]
    Refused {
        /// Whose fault that is.
        cause: Fault,
        /// What was wrong.
        why: String,
    },
}

/// Why a worker did not finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It did what only wrong code does: a fault of memory, an instruction that the CPU lacks, an abort.
    Crash,
    /// It said nothing for too long.
    Hang,
    /// Something else, perhaps from outside: a lack of memory, an operator, another version.
    Other,
}

impl Failure {
    /// Whether the code that it ran is to blame.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Died(status) => Cause::of(*status),
            Self::Silent(_) => Cause::Hang,
            Self::Stopped | Self::Start(_) | Self::Garbled(_) | Self::Misfit(_) | Self::Refused { .. } => {
                Cause::Other
            }
        }
    }
}

impl Cause {
    #[cfg(unix)]
    fn of(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        const OWN: [libc::c_int; 7] = [
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGSEGV,
            libc::SIGSYS,
        ];
        if status.signal().is_some_and(|signal| OWN.contains(&signal)) { Self::Crash } else { Self::Other }
    }

    /// Windows ends a process that faults with the exception's number, whose two highest bits are set.
    #[cfg(not(unix))]
    fn of(status: ExitStatus) -> Self {
        if status.code().is_some_and(|code| code as u32 >> 30 == 3) { Self::Crash } else { Self::Other }
    }
}
