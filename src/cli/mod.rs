//! The command: arguments in, tables and files out, one exit code. One file for each verb.
//!
//! Only this floor uses `anyhow`: an error gets "while doing what to which file" and is printed on one line.

/// Prints a line to standard output. A full disk behind it is an error, and a reader that left no panic.
macro_rules! print_line {
    ($($words:tt)*) => {
        $crate::cli::print(format_args!($($words)*))?
    };
}

mod bench;
mod host;
mod list;
mod output;
mod profile;
mod progress;
mod registry;
mod report;
mod run;
mod schema;
mod step;
mod storage;
mod trace;
mod verify;
mod witness;
mod worker;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::engine::Engine;
use crate::scheme::Scheme;
use registry::Registry;

/// Verifies and measures AES envelope encryption on this CPU.
///
/// Three questions, one command: which AES-GCM engines can run on this CPU, is each of them right, and how fast is
/// each? Without a verb, `sealmark` answers all three and writes a report.
#[derive(Parser)]
#[command(
    name = "sealmark",
    version,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  sealmark                             verify, measure, write a report\n  sealmark verify --engine ring        is ring right on this CPU?\n  sealmark bench open/aes-256-gcm      how fast does every engine open?\n\nExit codes: 0 fine, 1 found something, 2 bad usage or unreadable input, 3 could not tell.\nNO_COLOR turns colours off. Results go to stdout, progress to stderr when it is a terminal."
)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Args),
    Host(host::Args),
    List(list::Args),
    Schema(schema::Args),
    Verify(verify::Args),
    Bench(bench::Args),
    Report(report::Args),
    Profile(profile::Args),
    Trace(trace::Args),
    Storage(storage::Args),
    /// Prints a completion script for a shell.
    #[command(after_help = "Example:\n  sealmark completions bash > /etc/bash_completion.d/sealmark")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Measures one process's share of a bench: reads a job on stdin, answers on stdout.
    #[command(hide = true)]
    Worker,
    /// Runs one call of a workload between two marks, to be traced: reads a job on stdin, answers on stdout.
    #[command(hide = true)]
    Step,
}

/// How a verb prints its result.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Text,
    /// For a program; `sealmark schema` describes it.
    Json,
}

/// How a verb ended, when nothing kept it from doing its work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum ExitStatus {
    Fine = 0,
    FoundSomething = 1,
    BadInput = 2,
    CouldNotTell = 3,
}

/// What keeps every one of these engines from running here, for the end [`ExitStatus::CouldNotTell`].
fn none_can_run(engines: &[&'static dyn Engine]) -> Option<String> {
    let reasons: Vec<String> = engines.iter().filter_map(|engine| engine.available().err()).collect();
    (reasons.len() == engines.len())
        .then(|| format!("no engine asked for can run here: {}", reasons.join("; ")))
}

/// Set by the first Ctrl-C: finish what is being measured, keep it, stop. A later one ends at once.
static STOP: AtomicBool = AtomicBool::new(false);

/// How long after a signal another one is taken for the same wish: a terminal sends Ctrl-C to every process of a group,
/// and a wrapper among them forwards it once more.
const SAME_WISH: Duration = Duration::from_secs(1);

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Stop,
    Again,
    EndAtOnce,
}

/// What a signal asks for that comes `now`, with the time of the first one.
fn wish(first: &mut Option<Instant>, now: Instant) -> Wish {
    match first {
        None => {
            *first = Some(now);
            Wish::Stop
        }
        Some(first) if now.duration_since(*first) < SAME_WISH => Wish::Again,
        Some(_) => Wish::EndAtOnce,
    }
}

fn install_ctrlc_handler() {
    let mut first = None;
    let handled = ctrlc::set_handler(move || match wish(&mut first, Instant::now()) {
        Wish::Stop => {
            STOP.store(true, Ordering::SeqCst);
            eprintln!("stopping: what is finished is kept (once more, after a second, to end at once)");
        }
        Wish::Again => {}
        Wish::EndAtOnce => std::process::exit(130),
    });
    if handled.is_err() {
        eprintln!("note: Ctrl-C cannot be caught here; it will end the run without a report");
    }
}

/// The whole command, with extra engines and schemes of the caller's own.
///
/// Exit codes: 0 fine, 1 found something, 2 bad usage or unreadable input, 3 could not tell.
pub fn main(engines: &[&'static dyn Engine], schemes: &[&'static dyn Scheme]) -> ExitCode {
    let registry = match Registry::with(engines, schemes) {
        Ok(registry) => registry,
        Err(error) => {
            eprintln!("sealmark: {error}");
            return ExitCode::from(ExitStatus::BadInput as u8);
        }
    };
    let end = match Cli::parse().verb.unwrap_or_else(|| Verb::Run(run::Args::default())) {
        Verb::Run(args) => run::run(&args, &registry),
        Verb::Host(args) => host::run(&args, &registry),
        Verb::List(args) => list::run(&args, &registry),
        Verb::Schema(args) => schema::run(&args),
        Verb::Verify(args) => verify::run(&args, &registry),
        Verb::Bench(args) => bench::run(&args, &registry),
        Verb::Report(args) => report::run(&args),
        Verb::Profile(args) => profile::run(&args, &registry),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sealmark", &mut script);
            print(format_args!("{}", String::from_utf8_lossy(&script))).map(|()| ExitStatus::Fine)
        }
        Verb::Trace(args) => trace::run(&args, &registry),
        Verb::Storage(args) => storage::run(&args),
        Verb::Worker => worker::run(&registry),
        Verb::Step => step::run(&registry),
    };
    match end {
        Ok(end) => ExitCode::from(end as u8),
        // A worker whose parent is gone has nobody to tell.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(ExitStatus::Fine as u8),
        Err(error) => {
            eprintln!("sealmark: {error:#}");
            ExitCode::from(ExitStatus::BadInput as u8)
        }
    }
}

fn print(words: fmt::Arguments<'_>) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{words}") {
        // Whoever read the output has seen enough, which does not change what was found.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Columns that tables may take: the terminal's, or a wide page's where there is none.
fn width() -> u16 {
    use std::io::IsTerminal;
    const WIDE: u16 = 160;
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    if std::io::stdout().is_terminal() { columns.unwrap_or(120) } else { WIDE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{self, double::FaultyEngine};

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        let command = Cli::command();
        let verbs: Vec<_> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
        assert_eq!(verbs.len(), 11);
        for verb in verbs {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("sealmark "), "{} has no example", verb.get_name());
        }
    }

    #[test]
    fn engines_that_cannot_run_leave_the_question_open() {
        static ABSENT: FaultyEngine = FaultyEngine::new("absent").unavailable("it needs another CPU");
        assert!(none_can_run(&[&ABSENT]).expect("none").contains("another CPU"));
        assert_eq!(none_can_run(&[&ABSENT, engine::find("sealmark").expect("always there")]), None);
    }

    #[test]
    fn a_second_signal_ends_at_once_but_not_within_the_same_moment() {
        let (mut first, now) = (None, Instant::now());
        let after = |ms| now + Duration::from_millis(ms);
        assert_eq!(wish(&mut first, now), Wish::Stop);
        for (ms, expected) in
            [(0, Wish::Again), (3, Wish::Again), (999, Wish::Again), (1000, Wish::EndAtOnce)]
        {
            assert_eq!(wish(&mut first, after(ms)), expected, "{ms} ms after the first");
        }
    }
}
