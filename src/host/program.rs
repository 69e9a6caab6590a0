//! Starts this program again, for the processes that measure and for the traced one.
//!
//! A long run must not switch to other code half-way because somebody installed or built a new version under
//! the same path. On Linux `/proc/self/exe` leads to the file being executed, even if another file has taken
//! its path; its name also has the same length everywhere, which keeps traces reproducible. Other systems
//! know the program only by its path, so if the file is replaced, the new one is started.

use std::io;
use std::process::Command;

/// The command that starts this program again, without arguments.
///
/// # Errors
/// The system does not report which file this program is.
#[cfg(target_os = "linux")]
pub fn program() -> io::Result<Command> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("sealmark");
    Ok(command)
}

/// The command that starts this program again, without arguments.
///
/// # Errors
/// The system does not report which file this program is.
#[cfg(not(target_os = "linux"))]
pub fn program() -> io::Result<Command> {
    std::env::current_exe().map(Command::new)
}
