//! Why a worker did not finish, and whether the code that it ran is to blame.

use std::process::ExitStatus;
use std::time::Duration;

use crate::measure::worker::protocol::{Fault, Misfit};

/// How a worker failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It did not: the driver was told to stop.
    #[error("stopped")]
    Stopped,
    /// It could not be started.
    #[error("a worker process could not be started ({0})")]
    Start(#[source] std::io::Error),
    /// It ended before it was told to.
    #[error("a worker process died ({0})")]
    Died(ExitStatus),
    /// It did not answer in time and was killed.
    #[error("a worker process said nothing for {} s and was killed", .0.as_secs())]
    Silent(Duration),
    /// It sent something that is not an answer, or not the expected one.
    #[error("a worker process sent an answer that its parent does not understand ({0})")]
    Garbled(String),
    /// It is an incompatible version.
    #[error("a worker process is not compatible: {0}")]
    Misfit(#[from] Misfit),
    /// It refused a command.
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
    /// It crashed as only wrong code does: a memory fault, an illegal instruction, an abort.
    Crash,
    /// It did not answer for too long.
    Hang,
    /// Another cause, perhaps external: out of memory, an operator, an incompatible version.
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

    /// Windows ends a faulting process with the exception's number, whose two highest bits are set.
    #[cfg(not(unix))]
    fn of(status: ExitStatus) -> Self {
        if status.code().is_some_and(|code| code as u32 >> 30 == 3) { Self::Crash } else { Self::Other }
    }
}
