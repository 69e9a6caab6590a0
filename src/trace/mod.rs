//! Records what the CPU really executes between two marks in a program: every instruction, one at a time.
//!
//! The program is restarted under `ptrace`, as a single thread, with address randomisation off and with
//! arguments, environment and input of fixed sizes, so that each run executes the same instructions at the
//! same addresses. Between its two calls of [`mark`] it is single-stepped. This needs no performance counter
//! and no privilege, and the program sees the real CPU: the trace counts the code that runs in production,
//! wide kernels included.
//!
//! Not here: the cost of instructions, other threads, and kernel code that runs on the program's behalf. On
//! aarch64 a loop over exclusive loads and stores never ends under single-stepping; the cap ends it. Tracing
//! works only on Linux, on x86-64 and aarch64; elsewhere [`record`] returns [`Error::Unsupported`].

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

#[cfg(any(test, all(target_os = "linux", target_arch = "aarch64")))]
mod arm;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod count;
mod decode;
mod diff;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[expect(unsafe_code, reason = "floor 2: a breakpoint, and the child's calls between fork and exec")]
mod step;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod symbols;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod x86;

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
use arm as isa;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use x86 as isa;

pub use decode::{Class, Width};
pub use diff::{Change, Diff};

/// The maximum number of steps in a trace: about a minute's worth.
pub const MAX_STEPS: u64 = 2_000_000;

/// How to run the traced program, which is this program itself, started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program<'a> {
    /// Its arguments. They should not depend on the traced work, because their length moves the stack.
    pub arguments: &'a [&'a str],
    /// Its complete environment, whose size also moves the stack.
    pub environment: &'a [(OsString, OsString)],
    /// The maximum number of steps between its marks.
    pub cap: u64,
    /// Whether exceeding the cap is an error; if not, the trace ends there and the program runs on freely.
    pub whole: bool,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Tracing works only on Linux, on x86-64 and aarch64.
    #[error(
        "tracing is not supported on {} on {}: it needs Linux on x86-64 or aarch64",
        std::env::consts::OS,
        std::env::consts::ARCH
    )]
    Unsupported,
    /// The system does not allow one process to trace another, for whatever reason.
    #[error(
        "the system does not allow tracing: {what} ({how}); see ptrace(2): seccomp or Yama in a \
         container, an emulator or another tracer may prevent it"
    )]
    Refused {
        /// The action that was refused.
        what: &'static str,
        /// The system's answer, or how the process ended.
        how: String,
    },
    /// Starting the process or communicating with it failed.
    #[error("starting the process to be traced, or communicating with it, failed")]
    Process(#[source] std::io::Error),
    /// The process ended before its first mark.
    #[error("the traced process ended before its first mark ({how})")]
    NoMark {
        /// How it ended.
        how: Ending,
        /// Its standard output.
        output: Vec<u8>,
    },
    /// The process ended between its marks, or failed after them.
    #[error("the traced process ended between its marks, or failed after them ({0})")]
    Ended(Ending),
    /// The work runs on several threads.
    #[error("the work runs on several threads, and only one can be single-stepped")]
    Threads,
    /// The cap is too low for the instructions between the marks.
    #[error("more than {cap} steps between the marks")]
    TooLong {
        /// The maximum number of steps.
        cap: u64,
    },
    /// A mapped file with executed code is not a valid ELF file.
    #[error("cannot read the symbols of {file}: {reason}")]
    Symbols {
        /// The file.
        file: String,
        /// Why its symbols cannot be read.
        reason: String,
    },
}

impl Error {
    /// Whether the cause is this system rather than the traced work, so that nothing else can be traced
    /// either.
    pub fn is_of_the_system(&self) -> bool {
        matches!(self, Self::Unsupported | Self::Refused { .. } | Self::Process(_))
    }

    /// Whether the program itself crashed. A process that was killed, or stopped by a system-call filter, did
    /// not crash.
    pub fn is_a_crash(&self) -> bool {
        match self {
            Self::NoMark { how, .. } | Self::Ended(how) => how.is_a_crash(),
            _ => false,
        }
    }
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// With this status; 0 means success.
    Status(i32),
    /// By the signal with this name.
    Signal(&'static str),
}

impl Ending {
    /// Whether this is a crash: a panic, an abort, an invalid memory access, or an instruction that this CPU
    /// lacks.
    pub fn is_a_crash(&self) -> bool {
        /// The exit status of a Rust program that panicked.
        const PANICKED: i32 = 101;
        match self {
            Self::Status(code) => *code == PANICKED,
            Self::Signal(name) => ["SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"].contains(name),
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(code) => write!(f, "exit status {code}"),
            Self::Signal(name) => write!(f, "killed by {name}"),
        }
    }
}

/// The code executed between the marks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trace {
    /// Instructions. A repeated string instruction (`rep movsb`) counts once.
    pub instructions: u64,
    /// Iterations of such instructions beyond the first.
    pub iterations: u64,
    /// SHA-256 over the text of every instruction in order: mnemonics and operands without addresses, and
    /// repeat counts. Two runs with equal digests took the same path through the code.
    pub digest: String,
    /// Whether address randomisation was off. If it was on, counts may vary from run to run.
    pub fixed_addresses: bool,
    /// Single steps taken.
    pub steps: u64,
    /// Seconds that the steps took.
    pub seconds: f64,
    /// The instructions that did the work of AES-GCM, in summary.
    pub witness: Witness,
    /// Counts by class and width, in the order of [`Class::ALL`], widest first.
    pub classes: Vec<ByClass>,
    /// Counts by mnemonic and width, most frequent first.
    pub mnemonics: Vec<ByMnemonic>,
    /// Counts by symbol, largest first.
    pub symbols: Vec<BySymbol>,
    /// The hottest loops, most instructions first.
    pub loops: Vec<Loop>,
    /// Each distinct instruction that was executed, by file and address: the coverage of the run.
    pub executed: Vec<Executed>,
}

/// A summary of what the CPU really executed: the widest AES instructions and the widest carry-less
/// multiplies.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Witness {
    /// The AES instructions; absent if there were none, as in portable code.
    pub aes: Option<Seen>,
    /// The multiplies of GHASH; absent if there was no carry-less multiply.
    pub multiply: Option<Seen>,
}

/// The widest instructions of a class, and the function that holds most of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Seen {
    /// The vector register.
    pub width: Option<Width>,
    /// The function.
    pub symbol: String,
    /// How many of that width were executed, in all functions.
    pub count: u64,
}

/// Instructions of one class and width.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ByClass {
    /// Their class.
    pub class: Class,
    /// The widest vector register that they use; absent if they use none.
    pub width: Option<Width>,
    /// How many were executed.
    pub count: u64,
}

/// Instructions of one mnemonic and width.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ByMnemonic {
    /// `vaesenc`.
    pub mnemonic: String,
    /// Their class.
    pub class: Class,
    /// The widest vector register that they use; absent if they use none.
    pub width: Option<Width>,
    /// How many were executed.
    pub count: u64,
}

/// Instructions of one function.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BySymbol {
    /// Its name; the file's name in brackets if the file has no symbol for it.
    pub symbol: String,
    /// The file that contains it.
    pub file: String,
    /// How many were executed.
    pub count: u64,
    /// How many of them are AES instructions.
    pub aes: u64,
    /// How many of them are carry-less multiplies.
    pub multiplies: u64,
    /// The widest vector register that one of those uses; absent if there are none.
    pub width: Option<Width>,
}

/// A loop: the code from the target of a backward jump to that jump.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Loop {
    /// The function that contains it.
    pub symbol: String,
    /// Bytes from the start of the function to the start of the loop.
    pub start: u64,
    /// Bytes from the start of the function to the last backward jump.
    pub end: u64,
    /// How many backward jumps were taken.
    pub turns: u64,
    /// Distinct instructions in the loop that were executed.
    pub length: u64,
    /// How many instructions were executed in it, inner loops included.
    pub count: u64,
}

/// An instruction that was executed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Executed {
    /// The function that contains it.
    pub symbol: String,
    /// Bytes from the start of the function.
    pub offset: u64,
    /// Mnemonic and operands, without addresses.
    pub text: String,
    /// How often it was executed.
    pub count: u64,
}

impl Trace {
    /// How many instructions of a class were executed, at any width.
    pub fn count_of(&self, class: Class) -> u64 {
        self.classes.iter().filter(|row| row.class == class).map(|row| row.count).sum()
    }

    /// The widest register that instructions of a class used; `None` if none used a vector register.
    pub fn widest(&self, class: Class) -> Option<Width> {
        self.classes.iter().filter(|row| row.class == class).filter_map(|row| row.width).max()
    }
}

/// Marks a place in a traced program: the trace begins after the first mark and ends before the second.
///
/// In a program that is not traced, this is a breakpoint without a debugger and ends the process; see
/// [`is_traced`].
#[inline(never)]
pub fn mark() {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    step::breakpoint();
}

impl Witness {
    /// Checks that the witness matches code for vectors of this width: AES instructions and carry-less
    /// multiplies of that width and none wider. If the message does not fill such vectors, narrower ones are
    /// accepted too. `None` means code without such instructions.
    ///
    /// # Errors
    /// A human-readable description of what was executed instead.
    pub fn confirm(&self, claimed: Option<Width>, fills: bool) -> Result<(), String> {
        let words = |width: Option<Width>| width.map_or("none", Width::name);
        for (what, seen) in [("AES instructions", &self.aes), ("carry-less multiplies", &self.multiply)] {
            let width = seen.as_ref().and_then(|seen| seen.width);
            let fits = if fills { width == claimed } else { width <= claimed };
            if !fits || seen.is_some() != claimed.is_some() {
                let place = seen.as_ref().map_or(String::new(), |seen| format!(" in {}", seen.symbol));
                return Err(format!("{what}: {}{place}, expected {}", words(width), words(claimed)));
            }
        }
        Ok(())
    }
}

/// Whether another process traces this one.
pub fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}

/// Runs the program with this input; returns what it executed between its marks, and its output.
///
/// The calling thread is the tracer and blocks until the program has ended.
///
/// # Errors
/// [`Error`]; the process has then ended.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn record(program: &Program<'_>, input: &[u8]) -> Result<(Trace, Vec<u8>), Error> {
    let recording = step::record(program, input)?;
    Ok((count::count(&recording)?, recording.output))
}

/// Reports that tracing is not supported here.
///
/// # Errors
/// [`Error::Unsupported`].
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub fn record(_: &Program<'_>, _: &[u8]) -> Result<(Trace, Vec<u8>), Error> {
    Err(Error::Unsupported)
}
