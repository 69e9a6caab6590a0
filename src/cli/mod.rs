//! The command: arguments in, tables and files out, one exit code. One file for each verb.
//!
//! Only this floor uses `anyhow`: an error gets "while doing what to which file" and is printed on one line.

/// Prints a line to standard output. A full disk behind it is an error, and a reader that left no panic.
macro_rules! say {
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

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::engine::{self, Engine};

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
enum End {
    Fine = 0,
    FoundSomething = 1,
    BadInput = 2,
    CouldNotTell = 3,
}

/// The engines that a command knows: those compiled in, and the caller's own.
struct Engines(Vec<&'static dyn Engine>);

impl Engines {
    fn all(&self) -> Vec<&'static dyn Engine> {
        self.0.clone()
    }

    /// A name that two of them have.
    fn twice(&self) -> Option<&str> {
        let names: Vec<&str> = self.0.iter().map(|engine| engine.name()).collect();
        names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| *name)
    }

    /// The engines of these names, or all; `sealmark` is this CPU's choice.
    fn named(&self, names: &[String]) -> anyhow::Result<Vec<&'static dyn Engine>> {
        if names.is_empty() {
            return Ok(self.all());
        }
        let mut found = Vec::<&'static dyn Engine>::new();
        for name in names {
            let known = self.0.iter().copied().find(|engine| engine.name() == name);
            let Some(engine) = known.or_else(|| engine::find(name)) else {
                let names = self.0.iter().map(|engine| engine.name()).collect::<Vec<_>>().join(", ");
                bail!("no engine is called {name:?}; there are: sealmark, {names}");
            };
            if !found.iter().any(|other| other.name() == engine.name()) {
                found.push(engine);
            }
        }
        Ok(found)
    }
}

/// What keeps every one of these engines from running here, for the end [`End::CouldNotTell`].
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

fn heed_ctrl_c() {
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

/// The whole command, with extra engines of the caller's own.
///
/// Exit codes: 0 fine, 1 found something, 2 bad usage or unreadable input, 3 could not tell.
pub fn main(engines: &[&'static dyn Engine]) -> ExitCode {
    let engines = Engines(engine::engines().into_iter().chain(engines.iter().copied()).collect());
    if let Some(name) = engines.twice() {
        eprintln!("sealmark: two engines are called {name:?}: give your own another name");
        return ExitCode::from(End::BadInput as u8);
    }
    let end = match Cli::parse().verb.unwrap_or_else(|| Verb::Run(run::Args::default())) {
        Verb::Run(args) => run::run(&args, &engines),
        Verb::Host(args) => host::run(&args, &engines),
        Verb::List(args) => list::run(&args, &engines),
        Verb::Schema(args) => schema::run(&args),
        Verb::Verify(args) => verify::run(&args, &engines),
        Verb::Bench(args) => bench::run(&args, &engines),
        Verb::Report(args) => report::run(&args),
        Verb::Profile(args) => profile::run(&args, &engines),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sealmark", &mut script);
            print(format_args!("{}", String::from_utf8_lossy(&script))).map(|()| End::Fine)
        }
        Verb::Trace(args) => trace::run(&args, &engines),
        Verb::Storage(args) => storage::run(&args),
        Verb::Worker => worker::run(&engines),
        Verb::Step => step::run(&engines),
    };
    match end {
        Ok(end) => ExitCode::from(end as u8),
        // A worker whose parent is gone has nobody to tell.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(End::Fine as u8),
        Err(error) => {
            eprintln!("sealmark: {error:#}");
            ExitCode::from(End::BadInput as u8)
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
    use crate::engine::double::FaultyEngine;

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

    #[test]
    fn a_name_that_two_engines_have_is_found() {
        let mut engines = Engines(engine::engines());
        assert_eq!(engines.twice(), None);
        engines.0.push(engines.0[0]);
        assert_eq!(engines.twice(), Some("sealmark/portable"));
    }

    #[test]
    fn an_unknown_engine_is_refused_with_the_known_names() {
        let engines = Engines(engine::engines());
        let error = engines.named(&["rong".into()]).err().expect("refused").to_string();
        assert!(error.contains("rong") && error.contains("sealmark/portable"), "{error}");
        assert_eq!(engines.named(&["sealmark".into()]).expect("known").len(), 1);
    }
}
