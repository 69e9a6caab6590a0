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
mod completions;
mod host;
mod list;
mod output;
mod profile;
mod progress;
mod publication;
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
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::engine::Engine;
use crate::measure;
use crate::scheme::Scheme;
use registry::Registry;

/// Verifies and measures AES envelope encryption on this CPU.
///
/// Three questions, one command: which AES-GCM engines can run on this CPU, is each of them right, and how
/// fast is each? Without a verb, `sealmark` answers all three and writes a report.
#[derive(Parser)]
#[command(
    name = "sealmark",
    version,
    after_help = "Examples:\n  \
                  sealmark                             verify, measure, write a report\n  \
                  sealmark verify --engine ring        is ring right on this CPU?\n  \
                  sealmark bench open/aes-256-gcm      how fast does every engine open?\n\
                  \n\
                  Exit codes: 0 fine, 1 found something, 2 bad usage or unreadable input, 3 could not tell.\n\
                  NO_COLOR turns colours off. Results go to stdout, progress to stderr when it is a terminal."
)]
struct Cli;

/// A verb: a file of this folder with its `Args` and what it does with them, `run`.
struct Verb {
    name: &'static str,
    /// Adds its arguments and its help to an empty command.
    describe: fn(Command) -> Command,
    run: fn(&ArgMatches, &Registry) -> anyhow::Result<ExitStatus>,
}

macro_rules! verb {
    ($file:ident) => {
        Verb {
            name: stringify!($file),
            describe: <$file::Args as Args>::augment_args,
            run: |matches, registry| {
                let args = $file::Args::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
                $file::run(&args, registry)
            },
        }
    };
}

/// Every verb, in the order of the help. Adding one is a file and a line here.
const VERBS: &[Verb] = &[
    verb!(run),
    verb!(host),
    verb!(list),
    verb!(schema),
    verb!(verify),
    verb!(bench),
    verb!(report),
    verb!(profile),
    verb!(trace),
    verb!(storage),
    verb!(completions),
];

/// The command with all its verbs.
fn command() -> Command {
    VERBS.iter().fold(Cli::command(), |all, verb| all.subcommand((verb.describe)(Command::new(verb.name))))
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

/// How long after a signal another one is taken for the same wish: a terminal sends Ctrl-C to every process
/// of a group, and a wrapper among them forwards it once more.
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

/// A verb that this program gives to the processes that it starts.
type Hidden = fn(&Registry) -> anyhow::Result<ExitStatus>;

/// The hidden verbs. They are looked up before any argument is parsed: parsing puts every help text on the
/// heap, and where a traced process has its buffers would depend on their length.
const HIDDEN: [(&str, Hidden); 2] =
    [(measure::worker::parent::VERB, worker::run), (measure::trace::VERB, step::run)];

/// The hidden verb that is the only argument.
fn hidden(mut arguments: std::env::ArgsOs) -> Option<Hidden> {
    let verb = arguments.nth(1).filter(|_| arguments.len() == 0)?;
    HIDDEN.iter().find(|(name, _)| verb == *name).map(|(_, run)| *run)
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
    let end = match hidden(std::env::args_os()) {
        Some(run) => run(&registry),
        None => visible(&registry),
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

/// Parses the arguments and runs the verb among them.
fn visible(registry: &Registry) -> anyhow::Result<ExitStatus> {
    let matches = command().get_matches();
    match matches.subcommand() {
        None => run::run(&run::Args::default(), registry),
        Some((name, matches)) => {
            let verb = VERBS.iter().find(|verb| verb.name == name);
            (verb.expect("the parser knows these verbs alone").run)(matches, registry)
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
    use crate::engine;
    use crate::engine::double::FaultyEngine;

    #[test]
    fn the_arguments_are_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        let command = command();
        let verbs: Vec<_> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
        assert_eq!(verbs.len(), VERBS.len());
        for verb in verbs {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("sealmark "), "{} has no example", verb.get_name());
        }
    }

    #[test]
    fn hidden_verbs_are_none_that_arguments_are_parsed_for() {
        let command = command();
        for (verb, _) in HIDDEN {
            assert!(command.find_subcommand(verb).is_none(), "{verb}");
        }
        assert!(command.get_subcommands().all(|verb| !verb.is_hide_set()));
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
