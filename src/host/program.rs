//! This program, to be started once more: for the processes that measure, and for the one that is traced.
//!
//! A long run must not change its code half-way because somebody installed a new version, or built one, under
//! the same path. On Linux `/proc/self/exe` leads to the file that is being executed, whatever its path names
//! by now; the name is also of one length everywhere, as a trace wants. Other systems know the program by its
//! path alone, and there a replaced file is what would be started.

use std::io;
use std::process::Command;

/// The command that starts this program anew, without arguments.
///
/// # Errors
/// Where the system does not say which file this program is.
#[cfg(target_os = "linux")]
pub fn program() -> io::Result<Command> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("sealmark");
    Ok(command)
}

/// The command that starts this program anew, without arguments.
///
/// # Errors
/// Where the system does not say which file this program is.
#[cfg(not(target_os = "linux"))]
pub fn program() -> io::Result<Command> {
    std::env::current_exe().map(Command::new)
}
