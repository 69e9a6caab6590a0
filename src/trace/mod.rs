//! What the CPU really executes between two marks in a program: every instruction, one at a time.
//!
//! The program is started anew under `ptrace`, as a single thread, with address randomisation off and with
//! arguments, environment and input of fixed sizes, so that each run executes the same instructions at the
//! same addresses. Between its two calls of [`mark`] it is single-stepped. That takes no performance counter
//! and no privilege, and the program sees the CPU as it is: what is counted is what runs in production, wide
//! kernels included.
//!
//! Not here: what the instructions cost, other threads, and what the kernel does on the program's behalf. On
//! aarch64 a loop over exclusive loads and stores never ends while it is single-stepped; the cap ends it. On
//! other systems than Linux on x86-64 and aarch64 nothing can be traced, and [`record`] says so.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use crate::host::Build;

#[cfg(any(test, all(target_os = "linux", target_arch = "aarch64")))]
mod arm;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod count;
mod decode;
mod diff;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[expect(unsafe_code, reason = "floor 2: a breakpoint, and what a child does before it becomes the program")]
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

/// The most steps that a trace takes: about a minute of them.
pub const MAX_STEPS: u64 = 2_000_000;

/// What is executed: this program itself, anew, or another build of it.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Another build; absent for this program.
    pub build: Option<&'a Build>,
    /// Its arguments, which should not depend on what is traced: their length moves the stack.
    pub arguments: &'a [&'a str],
    /// Its whole environment, whose size moves the stack too.
    pub environment: &'a [(OsString, OsString)],
    /// The most steps between its marks.
    pub cap: u64,
    /// Whether more steps than that are an error; else the trace ends there, and the program runs on freely.
    pub whole: bool,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Tracing exists on Linux on x86-64 and aarch64.
    #[error(
        "nothing can be traced on {} on {}: only on Linux on x86-64 and aarch64",
        std::env::consts::OS,
        std::env::consts::ARCH
    )]
    Unsupported,
    /// The system does not let one process trace another, whatever its reason.
    #[error(
        "the system does not let a process be traced: {what} ({how}); see ptrace(2): seccomp or Yama in a \
         container, \
         an emulator or another tracer may stand in the way"
    )]
    Refused {
        /// What it does not let us do.
        what: &'static str,
        /// What it said, or how the process ended.
        how: String,
    },
    /// The process could not be started or spoken to.
    #[error("a process to be traced could not be started or spoken to")]
    Process(#[source] std::io::Error),
    /// It ended before its first mark.
    #[error("the traced process ended before its first mark ({how})")]
    NoMark {
        /// How.
        how: Ending,
        /// What it wrote to its standard output.
        output: Vec<u8>,
    },
    /// It ended between its marks, or badly after them.
    #[error("the traced process ended between its marks, or badly after them ({0})")]
    Ended(Ending),
    /// The work is done on several threads.
    #[error("it is done on several threads, of which only one can be stepped")]
    Threads,
    /// There are more instructions between the marks than may be stepped.
    #[error("more than {cap} steps between the marks")]
    TooLong {
        /// The most steps.
        cap: u64,
    },
    /// A file that code came from is not an ELF file.
    #[error("{file}: its symbols cannot be read: {reason}")]
    Symbols {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Whether it lies in this system, and not in what was to be traced: nothing else can be traced either.
    pub fn is_of_the_system(&self) -> bool {
        matches!(self, Self::Unsupported | Self::Refused { .. } | Self::Process(_))
    }

    /// Whether the program is to blame: it crashed of itself. A process that was killed, or that a filter of
    /// system calls ended, was not.
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
    /// With this status; 0 says that all is well.
    Status(i32),
    /// By a signal of this name.
    Signal(&'static str),
}

impl Ending {
    /// Whether it crashed of itself: a panic, an abort, a bad access, an instruction that this CPU lacks.
    pub fn is_a_crash(&self) -> bool {
        /// What a Rust program that has panicked ends with.
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

/// What was executed between the marks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trace {
    /// Instructions. One that repeats itself (`rep movsb`) counts once.
    pub instructions: u64,
    /// Iterations of such instructions beyond the first.
    pub iterations: u64,
    /// SHA-256 over the text of every instruction in order: mnemonics and operands without addresses, and
    /// how often one repeats itself. Two runs with equal digests took the same way through the code.
    pub digest: String,
    /// Whether address randomisation was off. Where it stays on, counts may move from run to run.
    pub fixed_addresses: bool,
    /// Single steps taken.
    pub steps: u64,
    /// How long they took.
    pub seconds: f64,
    /// Which instructions did the work of AES-GCM, in short.
    pub witness: Witness,
    /// By class and width, in the order of [`Class::ALL`], widest first.
    pub classes: Vec<ByClass>,
    /// By mnemonic and width, the most frequent first.
    pub mnemonics: Vec<ByMnemonic>,
    /// By symbol, the one with the most instructions first.
    pub symbols: Vec<BySymbol>,
    /// What was gone through again by jumping back, the most instructions first; some of the hottest.
    pub loops: Vec<Loop>,
    /// Each instruction that was executed, by file and address: what the run covers.
    pub executed: Vec<Executed>,
}

/// What the CPU really executed, in short: the widest instructions for AES and the widest carry-less
/// multiplies.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Witness {
    /// For AES; absent where no instruction was, as in portable code.
    pub aes: Option<Seen>,
    /// For GHASH; absent where there was no carry-less multiply.
    pub multiply: Option<Seen>,
}

/// The widest instructions of a class, and where most of them are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Seen {
    /// The vector register.
    pub width: Option<Width>,
    /// The function.
    pub symbol: String,
    /// How many of that width were executed, anywhere.
    pub count: u64,
}

/// Instructions of one class and width.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ByClass {
    /// What they are for.
    pub class: Class,
    /// The widest vector register that each names; absent where it names none.
    pub width: Option<Width>,
    /// How many were executed.
    pub count: u64,
}

/// Instructions of one mnemonic and width.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ByMnemonic {
    /// `vaesenc`.
    pub mnemonic: String,
    /// What they are for.
    pub class: Class,
    /// The widest vector register that each names; absent where it names none.
    pub width: Option<Width>,
    /// How many were executed.
    pub count: u64,
}

/// Instructions of one function.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BySymbol {
    /// Its name; that of the file, in brackets, where the file has no symbol for it.
    pub symbol: String,
    /// The file that it is in.
    pub file: String,
    /// How many were executed.
    pub count: u64,
    /// How many of them are for AES.
    pub aes: u64,
    /// How many of them are carry-less multiplies.
    pub multiplies: u64,
    /// The widest vector register that one of those names; absent where there are none.
    pub width: Option<Width>,
}

/// A loop: from where a jump goes back to, to that jump.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Loop {
    /// The function that it is in.
    pub symbol: String,
    /// Bytes from the function's beginning to the loop's.
    pub start: u64,
    /// Bytes from the function's beginning to the last jump back.
    pub end: u64,
    /// How often it was jumped back.
    pub turns: u64,
    /// Different instructions in it that were executed.
    pub length: u64,
    /// How many were executed in it, inner loops and all.
    pub count: u64,
}

/// An instruction that was executed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Executed {
    /// The function that it is in.
    pub symbol: String,
    /// Bytes from the function's beginning.
    pub offset: u64,
    /// Mnemonic and operands, without addresses.
    pub text: String,
    /// How often it was executed.
    pub count: u64,
}

impl Trace {
    /// Instructions of a class, of any width.
    pub fn count_of(&self, class: Class) -> u64 {
        self.classes.iter().filter(|row| row.class == class).map(|row| row.count).sum()
    }

    /// The widest register of a class of instructions; `None` where there are none, or none of vectors.
    pub fn widest(&self, class: Class) -> Option<Width> {
        self.classes.iter().filter(|row| row.class == class).filter_map(|row| row.width).max()
    }
}

/// Marks a place in a program that is being traced: the trace begins behind the first mark and ends before
/// the second.
///
/// In a program that is not traced it is a breakpoint that nobody expects, and ends the process; see
/// [`is_traced`].
#[inline(never)]
pub fn mark() {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    step::breakpoint();
}

impl Witness {
    /// Whether it is what code for vectors of this width leaves: AES and carry-less multiplies of that width
    /// and none wider. Where the message does not fill such vectors, narrower ones are right too. `None`
    /// is code without such instructions.
    ///
    /// # Errors
    /// What was executed instead, for a person to read.
    pub fn confirm(&self, claimed: Option<Width>, fills: bool) -> Result<(), String> {
        let words = |width: Option<Width>| width.map_or("none", Width::name);
        for (what, seen) in [("AES instructions", &self.aes), ("carry-less multiplies", &self.multiply)] {
            let width = seen.as_ref().and_then(|seen| seen.width);
            let fits = if fills { width == claimed } else { width <= claimed };
            if !fits || seen.is_some() != claimed.is_some() {
                let place = seen.as_ref().map_or(String::new(), |seen| format!(" in {}", seen.symbol));
                return Err(format!("{what}: {}{place}, and not {}", words(width), words(claimed)));
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

/// Runs the program with this input and records what it executes between its marks; and what it wrote.
///
/// The calling thread is the tracer and is held until the program has ended.
///
/// # Errors
/// [`Error`]; the process is then gone.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn record(program: &Program<'_>, input: &[u8]) -> Result<(Trace, Vec<u8>), Error> {
    let recording = step::record(program, input)?;
    Ok((count::count(&recording)?, recording.output))
}

/// Says that nothing can be traced here.
///
/// # Errors
/// [`Error::Unsupported`].
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub fn record(_: &Program<'_>, _: &[u8]) -> Result<(Trace, Vec<u8>), Error> {
    Err(Error::Unsupported)
}
