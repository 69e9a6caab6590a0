//! `sealmark log serve`: the request service of one node, in the profile `dev` or `secure`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::summary::Served;
use crate::cli::{ExitStatus, Format, STOP, install_ctrlc_handler};
use crate::disk::{self, Disk, Os};
use crate::primitive::tls::{Files, Profile};
use crate::scheme::log::engine::{Engine, Options, TABLES, is_own};
use crate::scheme::log::service::listen::{Acceptor, Event, Limits, Server};
use crate::scheme::log::service::{Alone, Failure, Machine, Service};
use crate::scheme::log::{Code, Error, Tail};

/// Answers requests to put, delete and get, until Ctrl-C. Exits with 1 if the log is damaged, or if it could
/// not be read or written at any time.
///
/// A request is a frame: its length as a big-endian u32, then a JSON object such as
/// {"op":"put","request_id":"cjE=","key":"aw==","value":"dg=="}, with the bytes in base64. A request id is
/// used once: the same request again gets the original answer, another request with it is refused.
///
/// An unknown profile, or a PEM file that is missing or empty, ends the command before it touches the folder.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n    \
                  sealmark log serve /data/kv\n    \
                  sealmark log serve /data/kv --tls-profile secure --tls-cert my.pem --tls-key my.key\n    \
                  sealmark log serve /data/kv --check --format json\n\
                  \n\
                  Exit codes: 0 stopped by Ctrl-C, or the check found nothing; 1 the log is damaged, or a \
                  read or write of it failed; 2 bad usage, there is no log to check, or the folder or a file \
                  cannot be used.")]
pub(super) struct Args {
    /// The folder of the log. It is created if there is none, except with --check.
    folder: PathBuf,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8107")]
    listen: SocketAddr,
    /// `dev` is plain TCP; `secure` is TLS 1.3, and needs a build with `--features tls`.
    #[arg(long, value_name = "dev|secure", default_value = "dev")]
    tls_profile: String,
    /// The server's certificate, in PEM.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, in PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// What to do if the log ends inside a record.
    #[arg(long, value_enum, default_value_t = TailPolicy::Strict)]
    tail: TailPolicy,
    /// The number of connections served at once. Others wait.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections as u16,
          value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Seconds that a connection may be silent between two requests.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().idle.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    idle: u64,
    /// Only open the log, read every table, and say what was found. All rows are then in memory.
    ///
    /// Opening does not only read. It also writes: a lock, an empty generation if there is none, the newest
    /// records once more, the rest of a snapshot's installation that was interrupted, and, with --tail
    /// truncate, the log without its incomplete record.
    #[arg(long)]
    check: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TailPolicy {
    /// Refuse the log, as the reference does.
    Strict,
    /// Drop the incomplete record, which a crash leaves; nothing else.
    Truncate,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let acceptor = args.acceptor()?;
    if args.check && !holds_log(&args.folder)? {
        bail!("{} holds no log: there is nothing to check", args.folder.display());
    }
    prepare(&args.folder)?;
    let mut summary = Served::new(&args.folder, acceptor.profile());
    let options = match args.tail {
        TailPolicy::Strict => Options::default(),
        TailPolicy::Truncate => Options { tail: Tail::Truncate, ..Options::default() },
    };
    let engine = match Engine::open(Arc::new(Os), &args.folder, options) {
        Ok(engine) => engine,
        Err(error) => {
            summary.failed(&damaged(error).with_context(|| format!("opening {}", args.folder.display()))?);
            return finish(&summary, args.format);
        }
    };
    summary.opened(engine.recovery());
    if args.check {
        if let Err(error) = engine.scan() {
            summary.failed(&damaged(error).with_context(|| format!("reading {}", args.folder.display()))?);
        }
        return finish(&summary, args.format);
    }
    finish(&serve(args, engine, acceptor, summary)?, args.format)
}

/// The damage that an error reports. An error of the disk stays one: it says nothing about the log.
fn damaged(error: Error) -> Result<Failure, Error> {
    if error.code() == Code::IoError { Err(error) } else { Ok(Failure::from(&error)) }
}

fn serve(args: &Args, engine: Engine, acceptor: Acceptor, mut summary: Served) -> anyhow::Result<Served> {
    let machine = Arc::new(Machine::new(engine));
    let leadership = Alone::start(Arc::clone(&machine)).context("starting a thread")?;
    let service = Arc::new(Service::new(Arc::clone(&machine), leadership));
    let idle = Duration::from_secs(args.idle);
    let limits = Limits { connections: args.connections.into(), idle, ..Limits::default() };
    let server = Server::bind(args.listen, service, acceptor, limits)
        .with_context(|| format!("listening on {}", args.listen))?;
    let listen = server.local_addr().context("asking for the listening address")?.to_string();
    install_ctrlc_handler();
    // Scripts wait for this line.
    eprintln!("listening on {listen}");
    summary.listen = Some(listen);
    let noted = Mutex::new(summary);
    let ended = AtomicBool::new(false);
    let report = |event: Event| {
        noted.lock().unwrap_or_else(PoisonError::into_inner).note(&event);
        match event {
            Event::Ended(peer, Err(why)) => eprintln!("{peer}: {why}"),
            Event::Failed(why) => eprintln!("accepting a connection: {why}"),
            Event::Ended(_, Ok(_)) | Event::Answered(..) => {}
        }
    };
    std::thread::scope(|scope| {
        let stops = scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) && !STOP.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(50));
            }
            server.stop();
        });
        server.run(&report);
        ended.store(true, Ordering::SeqCst);
        stops.thread().unpark();
    });
    // Writes whose clients have gone are still queued: they are applied now, before the log is judged.
    drop(server);
    let mut summary = noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = machine.failure() {
        summary.failed(&failure);
    }
    Ok(summary)
}

fn finish(summary: &Served, format: Format) -> anyhow::Result<ExitStatus> {
    match format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(summary)?),
        Format::Text => print_line!("{}", summary.text()),
    }
    Ok(if summary.pass { ExitStatus::Fine } else { ExitStatus::FoundSomething })
}

impl Args {
    /// What carries the requests, with every PEM file read.
    fn acceptor(&self) -> anyhow::Result<Acceptor> {
        let files = Files { cert: self.tls_cert.clone(), key: self.tls_key.clone(), ca: None };
        match Profile::find(&self.tls_profile)? {
            Profile::Dev if files != Files::default() => {
                bail!("the TLS profile dev uses no certificates: choose --tls-profile secure")
            }
            Profile::Dev => Ok(Acceptor::Plain),
            Profile::Secure => secure(&files),
        }
    }
}

#[cfg(feature = "tls")]
fn secure(files: &Files) -> anyhow::Result<Acceptor> {
    let server = crate::primitive::tls::Server::load(files).context("with --tls-profile secure")?;
    Ok(Acceptor::Secure(server))
}

#[cfg(not(feature = "tls"))]
fn secure(_: &Files) -> anyhow::Result<Acceptor> {
    bail!("serving with --tls-profile secure needs the feature tls: cargo install --path . --features tls")
}

/// Makes the folders of a new log, durably. A folder with other things in it stays as it is.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let tables = folder.join(TABLES);
    if !tables.is_dir() {
        match Os.list(folder) {
            Ok(names) if !names.is_empty() && !names.iter().any(|name| is_of_a_log(name)) => {
                bail!(
                    "{} is not empty and holds no log: name an empty folder, or a new one",
                    folder.display()
                )
            }
            _ => {}
        }
    }
    make(&tables, |dir| Os.sync_dir(dir))
}

/// Makes a folder and those above it from the top down, each with a durable name before anything is in it.
/// A run that died may have left a folder whose name is not durable: the innermost that is there, so that is
/// made up for, and for the folder of the log in any case.
fn make(tables: &Path, mut sync: impl FnMut(&Path) -> io::Result<()>) -> anyhow::Result<()> {
    let mut durable = |dir: &Path| {
        let holder = disk::parent(dir);
        sync(holder).with_context(|| format!("syncing the folder {}", holder.display()))
    };
    let (mut missing, mut there) = (Vec::new(), tables);
    while !there.try_exists().with_context(|| format!("looking for {}", there.display()))? {
        missing.push(there);
        there = disk::parent(there);
    }
    match durable(there) {
        // Whoever made it could list the folder that holds it.
        Err(error) if !missing.is_empty() && is_denied(&error) => {}
        synced => synced?,
    }
    for dir in missing.iter().rev() {
        // Another process may have made it meanwhile.
        std::fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
        durable(dir)?;
    }
    durable(disk::parent(tables))
}

fn is_denied(error: &anyhow::Error) -> bool {
    let reason = error.downcast_ref::<io::Error>();
    reason.is_some_and(|reason| reason.kind() == io::ErrorKind::PermissionDenied)
}

/// Whether a folder holds a log, even an empty one, or a part of one.
fn holds_log(folder: &Path) -> anyhow::Result<bool> {
    let list = |dir: &Path| match Os.list(dir) {
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.with_context(|| format!("listing {}", dir.display())),
    };
    // The lock alone is what remains when the files of a log are gone.
    let part = |name: &OsString| is_of_a_log(name) && Path::new(name).extension() != Some("lock".as_ref());
    let table = |name: &OsString| Path::new(name).extension() == Some("sst".as_ref());
    Ok(list(folder)?.iter().any(part) || list(&folder.join(TABLES))?.iter().any(table))
}

fn is_of_a_log(name: &OsStr) -> bool {
    Path::new(name).extension() == Some("wal".as_ref()) || name.to_str().is_some_and(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_made_and_one_with_other_things_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("a/b");
        for _ in 0..2 {
            prepare(&new).unwrap();
            assert!(new.join("sst").is_dir());
        }
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("diary.txt"), "").unwrap();
        let refused = prepare(&other).unwrap_err().to_string();
        assert!(refused.contains("holds no log"), "{refused}");
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
        std::fs::write(other.join("000001.wal"), "").unwrap();
        prepare(&other).unwrap();
    }

    #[test]
    fn the_name_of_every_folder_that_a_run_made_is_durable_before_the_log_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let log = at("a/b/log");
        let synced = |fails_at: usize| {
            let (mut dirs, mut left) = (Vec::new(), fails_at);
            let made = make(&log.join("sst"), |dir| {
                left = left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
                dirs.push(dir.to_owned());
                Ok(())
            });
            assert_eq!(made.is_ok(), left > 0, "{dirs:?}");
            dirs
        };
        let above = dir.path().parent().unwrap().to_owned();
        // This run dies after it made a/b, whose name is then not durable.
        assert_eq!(synced(2), [above, at("")]);
        assert!(at("a/b").is_dir() && !log.exists());
        let expected = [at("a"), at("a/b"), log.clone(), at("a/b")];
        assert_eq!(synced(usize::MAX), expected, "that of a/b, of a/b/log, of a/b/log/sst, of the log's");
        assert_eq!(synced(usize::MAX), [log.clone(), at("a/b")], "everything is there");
    }

    #[test]
    fn a_folder_whose_holder_may_not_be_opened_is_taken_for_durable_only_if_the_log_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let tables = dir.path().join("log/sst");
        let holder = dir.path().parent().unwrap();
        let deny = |denied: &Path| {
            let denied = denied.to_owned();
            make(
                &tables,
                move |dir| if dir == denied { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) },
            )
        };
        deny(holder).unwrap();
        let refused = format!("{:#}", deny(dir.path()).unwrap_err());
        assert!(refused.contains("syncing the folder"), "{refused}");
    }

    #[test]
    fn a_log_is_told_from_what_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let holds = || holds_log(dir.path()).unwrap();
        assert!(!holds_log(&dir.path().join("absent")).unwrap());
        std::fs::create_dir(dir.path().join("sst")).unwrap();
        std::fs::write(dir.path().join("sealmark.lock"), "").unwrap();
        assert!(!holds());
        for name in ["000001.wal", "sealmark.install", "sst/000001.sst"] {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            assert!(holds(), "{name}");
            std::fs::remove_file(path).unwrap();
        }
        assert!(!holds());
    }
}
