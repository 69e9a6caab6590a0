//! Single-stepping a program between its two marks, with `ptrace` on Linux.
//!
//! The child asks to be traced before it executes the program, so no other process is affected and no
//! capability is needed. It runs freely to its first mark; from there each step costs two context switches
//! and three system calls here, one of which reads only the instruction pointer. The code itself is read
//! once, at the end.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::personality::{self, Persona};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Ending, Error, Program, isa};

/// The raw recording of a run.
pub(super) struct Recording {
    /// The address of every instruction, in order; a repeated string instruction appears once per iteration.
    pub addresses: Vec<u64>,
    /// The mapped files: the text of `/proc/PID/maps`.
    pub maps: String,
    /// Each distinct address, in ascending order, with the bytes that start there.
    pub code: Vec<(u64, Vec<u8>)>,
    /// Whether address randomisation was off.
    pub fixed_addresses: bool,
    /// Seconds that the stepping took.
    pub seconds: f64,
    /// The program's standard output.
    pub output: Vec<u8>,
}

/// Runs the program and records what it executes between its marks.
pub(super) fn record(program: &Program<'_>, input: &[u8]) -> Result<Recording, Error> {
    let mut tracee = Tracee::start(program, input)?;
    let mark = tracee.run_to_mark()?;
    let fixed_addresses = tracee.has_fixed_addresses();
    let began = Instant::now();
    let addresses = tracee.step_to(mark, program)?;
    let seconds = began.elapsed().as_secs_f64();
    let maps = tracee.file("maps", |mut file| {
        let mut text = String::new();
        file.read_to_string(&mut text).map(|_| text)
    })?;
    let code = tracee.file("mem", |file| code(&file, &addresses))?;
    let output = tracee.finish()?;
    Ok(Recording { addresses, maps, code, fixed_addresses, seconds, output })
}

/// Each distinct address, in ascending order, with the bytes that start there.
fn code(memory: &File, addresses: &[u64]) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let mut distinct = addresses.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let read = |address| {
        // The read is short at the end of a mapping.
        let mut bytes = vec![0; isa::LONGEST];
        let len = memory.read_at(&mut bytes, address)?;
        bytes.truncate(len);
        Ok((address, bytes))
    };
    distinct.into_iter().map(read).collect()
}

/// A traced process, killed when this value is dropped.
struct Tracee {
    child: Child,
    pid: Pid,
    ended: bool,
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if !self.ended {
            // The process may have ended already; in either case there is nothing more to do.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Tracee {
    /// Starts the program, which stops before its first instruction, and writes its input.
    fn start(program: &Program<'_>, input: &[u8]) -> Result<Self, Error> {
        let mut command = crate::host::program().map_err(Error::Process)?;
        command
            .args(program.arguments)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // SAFETY: between fork and exec only async-signal-safe calls are allowed; `prepare` makes two system
        // calls and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn().map_err(|e| refused(ASKS, e))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("process IDs are positive i32"));
        let mut tracee = Self { child, pid, ended: false };
        match tracee.wait()? {
            Stop::Signal(Signal::SIGTRAP) => {}
            Stop::Signal(signal) => return Err(refused(ASKS, format!("it received {signal} instead"))),
            // A system-call filter may kill it for asking. If asking has no effect, the program runs untraced
            // and exits.
            Stop::Ended(how) => return Err(refused(ASKS, how)),
        }
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL).map_err(forbidden)?;
        if let Some(mut stdin) = tracee.child.stdin.take() {
            stdin.write_all(input).map_err(Error::Process)?;
        }
        Ok(tracee)
    }

    /// Lets it run to a mark; returns the address of the breakpoint.
    fn run_to_mark(&mut self) -> Result<u64, Error> {
        let mut signal = None;
        loop {
            ptrace::cont(self.pid, signal).map_err(forbidden)?;
            match self.wait()? {
                Stop::Signal(Signal::SIGTRAP) => break,
                Stop::Signal(other) => signal = Some(other),
                Stop::Ended(how) => return Err(Error::NoMark { how, output: self.output()? }),
            }
        }
        let mark = pc(self.pid)?.wrapping_sub(isa::BREAKPOINT_LEN);
        skip_breakpoint(self.pid)?;
        Ok(mark)
    }

    /// Steps until the next instruction is at `end`; returns the address of each one executed.
    fn step_to(&mut self, end: u64, program: &Program<'_>) -> Result<Vec<u64>, Error> {
        let mut addresses = Vec::new();
        let mut at = pc(self.pid)?;
        let mut signal = None;
        while at != end {
            if addresses.len() as u64 == program.cap {
                if program.whole {
                    return Err(Error::TooLong { cap: program.cap });
                }
                break;
            }
            ptrace::step(self.pid, signal.take()).map_err(forbidden)?;
            match self.wait()? {
                Stop::Signal(Signal::SIGTRAP) => addresses.push(at),
                // The signal came before the instruction was executed: deliver it and step again.
                Stop::Signal(other) => signal = Some(other),
                Stop::Ended(how) => return Err(Error::Ended(how)),
            }
            at = pc(self.pid)?;
        }
        Ok(addresses)
    }

    /// Lets it run to its end, past the mark where it stopped or the next one; returns its output.
    fn finish(mut self) -> Result<Vec<u8>, Error> {
        let mut signal = None;
        let mut passed = false;
        loop {
            ptrace::cont(self.pid, signal.take()).map_err(forbidden)?;
            match self.wait()? {
                Stop::Signal(Signal::SIGTRAP) if !passed => {
                    skip_breakpoint(self.pid)?;
                    passed = true;
                }
                Stop::Signal(other) => signal = Some(other),
                Stop::Ended(Ending::Status(0)) => return self.output(),
                Stop::Ended(how) => return Err(Error::Ended(how)),
            }
        }
    }

    /// Its output, read after it has ended.
    fn output(&mut self) -> Result<Vec<u8>, Error> {
        let mut output = Vec::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_end(&mut output).map_err(Error::Process)?;
        }
        Ok(output)
    }

    fn has_fixed_addresses(&self) -> bool {
        let text = fs::read_to_string(format!("/proc/{}/personality", self.pid)).unwrap_or_default();
        let bits = u64::from_str_radix(text.trim(), 16).unwrap_or(0);
        bits & Persona::ADDR_NO_RANDOMIZE.bits() as u64 != 0
    }

    /// Reads one of its files in `/proc`.
    fn file<T>(&self, name: &str, read: impl FnOnce(File) -> io::Result<T>) -> Result<T, Error> {
        File::open(format!("/proc/{}/{name}", self.pid))
            .and_then(read)
            .map_err(|e| refused("reading the files of a traced process", e))
    }

    fn wait(&mut self) -> Result<Stop, Error> {
        loop {
            let stop = match waitpid(self.pid, None) {
                Ok(WaitStatus::Stopped(_, signal)) => Stop::Signal(signal),
                Ok(WaitStatus::Exited(_, code)) => Stop::Ended(Ending::Status(code)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Stop::Ended(Ending::Signal(signal.as_str())),
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(errno) => return Err(Error::Process(errno.into())),
            };
            self.ended = matches!(stop, Stop::Ended(_));
            return Ok(stop);
        }
    }
}

/// Why the process stopped.
enum Stop {
    /// It is about to receive this signal; a trap counts as one.
    Signal(Signal),
    /// It has ended.
    Ended(Ending),
}

/// Runs in the child between fork and exec.
fn prepare() -> io::Result<()> {
    ptrace::traceme()?;
    // If this is refused, as in some containers, addresses differ from run to run, and the result says so.
    let _ = personality::get().and_then(|persona| personality::set(persona | Persona::ADDR_NO_RANDOMIZE));
    Ok(())
}

/// The refused action if the process does not reach its first instruction.
const ASKS: &str = "starting a process that asks to be traced";

/// Any error of `ptrace`: a system-call filter may return any error number, and an emulator returns `EIO`.
/// None of them says anything about the program.
fn forbidden(errno: Errno) -> Error {
    refused("stopping, stepping or reading a process", io::Error::from(errno))
}

fn refused(what: &'static str, how: impl std::fmt::Display) -> Error {
    Error::Refused { what, how: how.to_string() }
}

/// The address of the next instruction.
#[cfg(target_arch = "x86_64")]
fn pc(pid: Pid) -> Result<u64, Error> {
    /// Its offset in `struct user`: the seventeenth register.
    const RIP: usize = 16 * 8;
    let rip = ptrace::read_user(pid, std::ptr::without_provenance_mut(RIP)).map_err(forbidden)?;
    Ok(rip.cast_unsigned())
}

/// The address of the next instruction.
#[cfg(target_arch = "aarch64")]
fn pc(pid: Pid) -> Result<u64, Error> {
    Ok(ptrace::getregs(pid).map_err(forbidden)?.pc)
}

/// The instruction pointer is already past the breakpoint.
#[cfg(target_arch = "x86_64")]
fn skip_breakpoint(_: Pid) -> Result<(), Error> {
    Ok(())
}

/// Moves the instruction pointer past the breakpoint, which traps without advancing it.
#[cfg(target_arch = "aarch64")]
fn skip_breakpoint(pid: Pid) -> Result<(), Error> {
    let mut registers = ptrace::getregs(pid).map_err(forbidden)?;
    registers.pc += 4;
    ptrace::setregs(pid, registers).map_err(forbidden)
}

/// A breakpoint.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn breakpoint() {
    // SAFETY: it changes neither registers nor memory. The caller checks that a tracer catches the signal.
    unsafe { std::arch::asm!("int3", options(nostack)) }
}

/// A breakpoint.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(super) fn breakpoint() {
    // SAFETY: it changes neither registers nor memory. The caller checks that a tracer catches the signal.
    unsafe { std::arch::asm!("brk #0", options(nostack)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ptrace_never_blames_the_program() {
        use Errno::{EACCES, EBUSY, EFAULT, EINVAL, EIO, ENOSYS, EPERM, ESRCH};
        for errno in [EPERM, EACCES, ENOSYS, EIO, EINVAL, ESRCH, EFAULT, EBUSY] {
            let error = forbidden(errno);
            assert!(error.is_of_the_system() && !error.is_a_crash(), "{errno}");
            assert!(error.to_string().contains(&io::Error::from(errno).to_string()), "{errno}: {error}");
        }
    }

    #[test]
    fn only_a_crash_is_the_programs_own_fault() {
        let output = Vec::new;
        for (how, crash) in [
            (Ending::Signal("SIGSEGV"), true),
            (Ending::Signal("SIGILL"), true),
            (Ending::Status(101), true),
            (Ending::Signal("SIGSYS"), false),
            (Ending::Signal("SIGKILL"), false),
            (Ending::Status(2), false),
        ] {
            for error in [Error::Ended(how.clone()), Error::NoMark { how: how.clone(), output: output() }] {
                assert_eq!(error.is_a_crash(), crash, "{how}");
                assert!(!error.is_of_the_system() && error.to_string().contains(&how.to_string()), "{error}");
            }
        }
    }
}
