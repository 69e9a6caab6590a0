//! Starts this program again, or another build of it, for the processes that measure and for the traced one.
//!
//! A long run must not switch to other code half-way because somebody installed or built a new version under
//! the same path. On Linux `/proc/self/exe` leads to the file being executed, even if another file has taken
//! its path, and `/proc/self/fd/` to a file that is kept open. Such names also have the same length
//! everywhere, which keeps traces reproducible. Other systems know a program only by its path, so if the file
//! is replaced, the new one is started.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name that every build finds as its own: always the same length.
#[cfg(target_os = "linux")]
const NAME: &str = "sealmark";

/// The command that starts this program again, without arguments.
///
/// # Errors
/// The system does not report which file this program is.
#[cfg(target_os = "linux")]
pub fn program() -> io::Result<Command> {
    Ok(named("/proc/self/exe"))
}

/// The command that starts this program again, without arguments.
///
/// # Errors
/// The system does not report which file this program is.
#[cfg(not(target_os = "linux"))]
pub fn program() -> io::Result<Command> {
    std::env::current_exe().map(Command::new)
}

#[cfg(target_os = "linux")]
fn named(path: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(path);
    command.arg0(NAME);
    command
}

/// A build of this program, in a file of its own.
#[derive(Debug)]
pub struct Build {
    path: PathBuf,
    /// The file, kept open under a number of three digits.
    #[cfg(target_os = "linux")]
    file: std::os::fd::OwnedFd,
}

impl Build {
    /// The build in that file. Whether it is a program at all shows when it is started.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    #[cfg(target_os = "linux")]
    pub fn open(path: &Path) -> io::Result<Self> {
        /// The least number that the file gets: all names are then equally long, up to 900 of them.
        const FIRST: i32 = 100;
        let file = std::fs::File::open(path)?;
        let file = rustix::io::fcntl_dupfd_cloexec(&file, FIRST)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// The build in that file.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    #[cfg(not(target_os = "linux"))]
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::File::open(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The command that starts it, without arguments.
    #[cfg(target_os = "linux")]
    pub fn command(&self) -> Command {
        use std::os::fd::AsRawFd;
        named(&format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// The command that starts it, without arguments.
    #[cfg(not(target_os = "linux"))]
    pub fn command(&self) -> Command {
        Command::new(&self.path)
    }

    /// Where the file was found.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_the_file_that_was_opened() {
        let own = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("build");
        std::fs::copy(&own, &path).unwrap();
        let build = Build::open(&path).unwrap();
        assert_eq!(build.path(), path);
        if cfg!(target_os = "linux") {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, "something else").unwrap();
        }
        // Busy as long as the child of another test holds the descriptor through which it was copied.
        let started = || build.command().arg("--list").output();
        let is_busy = |result: &io::Result<_>| {
            result.as_ref().is_err_and(|error: &io::Error| error.kind() == io::ErrorKind::ExecutableFileBusy)
        };
        let output = std::iter::repeat_with(started).find(|result| !is_busy(result)).unwrap().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("a_build_is_the_file"));
        assert!(Build::open(&dir.path().join("none")).is_err());
    }
}
