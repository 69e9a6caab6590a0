//! The command: arguments in, tables and files out, one exit code. One file for each verb.
//!
//! Only this floor uses `anyhow`. Each error is one line that says what was being done, and to which file.

/// Prints a line to standard output. A full disk is an error; a closed pipe is not.
macro_rules! print_line {
    ($($words:tt)*) => {
        $crate::cli::print(format_args!($($words)*))?
    };
}

mod bench;
mod completions;
mod gate;
mod host;
mod list;
mod log;
mod man;
mod output;
mod profile;
mod progress;
mod registry;
mod report;
mod run;
mod schema;
mod snapshot;
mod step;
mod storage;
mod terminal;
mod trace;
mod tunnel;
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
use crate::report::Report;
use crate::scheme::Scheme;
use registry::Registry;
use terminal::width;

/// Verifies and measures AES-GCM and envelope encryption on this CPU.
///
/// Which AES-GCM implementations run on this CPU, is each one correct, and how fast is it? Without a verb,
/// `sealmark` answers all three questions and writes a report.
#[derive(Parser)]
#[command(
    name = "sealmark",
    version,
    after_help = "Examples:\n  \
                  sealmark                             verify, measure, write a report\n  \
                  sealmark verify --engine ring --set wycheproof/aes-gcm\n  \
                  sealmark bench open/aes-256-gcm/1024 --engine ring --engine aws-lc\n\
                  \n\
                  Exit codes: 0 fine, 1 found a failure, 2 bad usage or unreadable input, 3 could not tell.\n\
                  Results go to stdout, progress to stderr if it is a terminal. COLUMNS sets the width of \
                  results.\n\
                  `sealmark man` prints the manual page, `sealmark completions SHELL` a completion script."
)]
struct Cli;

/// A verb: a file of this folder, with its arguments `Args` and the function `run`.
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
    verb!(gate),
    verb!(report),
    verb!(profile),
    verb!(trace),
    verb!(storage),
    verb!(snapshot),
    verb!(log),
    verb!(tunnel),
    verb!(completions),
    verb!(man),
];

/// The command with all its verbs.
fn command() -> Command {
    VERBS.iter().fold(Cli::command(), |all, verb| all.subcommand((verb.describe)(Command::new(verb.name))))
}

/// The format of a verb's result.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Human-readable.
    Text,
    /// Machine-readable; `sealmark schema` prints its JSON schema.
    Json,
}

/// How a verb ended, if no error stopped it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum ExitStatus {
    Fine = 0,
    FoundSomething = 1,
    BadInput = 2,
    CouldNotTell = 3,
}

/// Why none of these engines runs here, for [`ExitStatus::CouldNotTell`]; `None` if at least one does.
fn none_can_run(engines: &[&'static dyn Engine]) -> Option<String> {
    let reasons: Vec<String> = engines.iter().filter_map(|engine| engine.available().err()).collect();
    (reasons.len() == engines.len())
        .then(|| format!("none of the engines runs on this CPU: {}", reasons.join("; ")))
}

/// Set by the first Ctrl-C: finish the current measurement, keep the results, stop. A later Ctrl-C ends the
/// process at once.
static STOP: AtomicBool = AtomicBool::new(false);

/// Signals this close together count as one: a terminal sends Ctrl-C to every process of a group, and a
/// wrapper among them may forward it again.
const SAME_WISH: Duration = Duration::from_secs(1);

/// What the user asks for with a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Stop,
    Again,
    EndAtOnce,
}

/// What the user asks for with a signal at time `now`, given the time of the first one.
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
            eprintln!("stopping; results so far are kept (Ctrl-C again, after a second, quits at once)");
        }
        Wish::Again => {}
        Wish::EndAtOnce => std::process::exit(130),
    });
    if handled.is_err() {
        eprintln!("note: Ctrl-C cannot be caught here and would end the run without a report");
    }
}

/// A verb for the processes that this program starts itself.
type Hidden = fn(&Registry) -> anyhow::Result<ExitStatus>;

/// The hidden verbs. They are looked up before any argument is parsed: parsing puts every help text on the
/// heap, so the addresses of a traced process's buffers would depend on the length of the help.
const HIDDEN: [(&str, Hidden); 2] =
    [(measure::worker::parent::VERB, worker::run), (measure::trace::VERB, step::run)];

/// The hidden verb, if it is the only argument.
fn hidden(mut arguments: std::env::ArgsOs) -> Option<Hidden> {
    let verb = arguments.nth(1).filter(|_| arguments.len() == 0)?;
    HIDDEN.iter().find(|(name, _)| verb == *name).map(|(_, run)| *run)
}

/// The whole command, with the caller's own engines and schemes added.
///
/// Exit codes: 0 fine, 1 found a failure, 2 bad usage or unreadable input, 3 could not tell.
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
        // A worker whose parent is gone has nobody to report to.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(ExitStatus::Fine as u8),
        Err(error) => {
            eprintln!("sealmark: {error:#}");
            ExitCode::from(ExitStatus::BadInput as u8)
        }
    }
}

/// Parses the arguments and runs the verb.
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
        // The reader has seen enough. That does not change the result.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

/// Prints the results: every table if `full` is set, and the summary last, so that it remains in view.
fn print_report(report: &Report, full: bool) -> anyhow::Result<()> {
    if full {
        print_line!("{}", report.text(width()));
    }
    print_line!("{}", report.screen(terminal::screen_width()));
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
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
    fn every_verb_shows_two_examples() {
        let command = command();
        let verbs: Vec<_> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
        assert_eq!(verbs.len(), VERBS.len());
        for verb in verbs {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.lines().filter(|line| line.starts_with("  sealmark ")).count();
            assert!(examples >= 2, "{} has {examples} examples", verb.get_name());
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
