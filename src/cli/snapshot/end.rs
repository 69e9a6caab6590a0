//! What lies behind an end of the stream: a file, the standard input or output, or a database.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};

use crate::disk::Os;
use crate::scheme::snapshot::{BoxError, FileSink, FileSource, Mode, Once, Passing, Sink, Source, Transfer};

/// An end, as an argument.
#[derive(Clone)]
pub(super) enum End {
    File(PathBuf),
    /// The standard input or output.
    Standard,
    /// The URL of a database.
    Redis(String),
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("name a file, - or redis://host:port/database".into()),
            "-" => Ok(Self::Standard),
            _ if text.starts_with("redis://") => Ok(Self::Redis(text.into())),
            _ if text.contains("://") => Err("the only URLs here are redis://host:port/database".into()),
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl End {
    /// A source, its name, and the length of its snapshot if that is known.
    pub(super) fn source(&self) -> anyhow::Result<(Arc<dyn Source>, String, Option<u64>)> {
        match self {
            Self::File(path) => {
                let facts = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
                if facts.is_dir() {
                    bail!("{} is a folder: a snapshot is one file", path.display());
                }
                let len = facts.is_file().then_some(facts.len());
                Ok((Arc::new(FileSource::new(path)), path.display().to_string(), len))
            }
            Self::Standard => Ok((Arc::new(Once::new(io::stdin())), "standard input".into(), None)),
            Self::Redis(url) => redis_source(url),
        }
    }

    /// A sink for that mode, and its name.
    pub(super) fn sink(&self, mode: Mode, spare: i64) -> anyhow::Result<(Arc<dyn Sink>, String)> {
        // Decided before a folder is made or a server asked.
        match (self, mode) {
            (Self::Standard, Mode::Hardened) => bail!(
                "the standard output receives chunks before the end is known: choose --mode hardened-stream"
            ),
            (Self::File(_) | Self::Redis(_), Mode::HardenedStream) => {
                bail!("mode hardened-stream is for the standard output: choose --mode hardened")
            }
            _ => {}
        }
        let (sink, name): (Arc<dyn Sink>, _) = match self {
            Self::File(path) => (file(path)?, path.display().to_string()),
            Self::Standard => (Arc::new(Passing::new(io::stdout())), "standard output".into()),
            Self::Redis(url) => redis_sink(url, spare)?,
        };
        Ok((Arc::new(InLine { sink, line: Mutex::new(()) }), name))
    }
}

fn file(path: &Path) -> anyhow::Result<Arc<dyn Sink>> {
    super::super::output::check(path)?;
    Ok(Arc::new(FileSink::new(Arc::new(Os), path)))
}

#[cfg(feature = "redis")]
fn database(url: &str) -> anyhow::Result<crate::scheme::snapshot::Database> {
    // Where Redis's own client looks for it.
    let password = std::env::var("REDISCLI_AUTH").ok();
    crate::scheme::snapshot::Database::parse(url, password.as_deref()).map_err(anyhow::Error::from_boxed)
}

#[cfg(feature = "redis")]
fn redis_source(url: &str) -> anyhow::Result<(Arc<dyn Source>, String, Option<u64>)> {
    let database = database(url)?;
    let name = database.to_string();
    Ok((Arc::new(crate::scheme::snapshot::RedisSource::new(database)), name, None))
}

#[cfg(feature = "redis")]
fn redis_sink(url: &str, spare: i64) -> anyhow::Result<(Arc<dyn Sink>, String)> {
    let database = database(url)?;
    let name = database.to_string();
    let sink = crate::scheme::snapshot::RedisSink::new(database, spare).map_err(anyhow::Error::from_boxed)?;
    Ok((Arc::new(sink), name))
}

#[cfg(not(feature = "redis"))]
fn redis_source(url: &str) -> anyhow::Result<(Arc<dyn Source>, String, Option<u64>)> {
    Err(without_redis("reading", url))
}

#[cfg(not(feature = "redis"))]
fn redis_sink(url: &str, _: i64) -> anyhow::Result<(Arc<dyn Sink>, String)> {
    Err(without_redis("replacing", url))
}

#[cfg(not(feature = "redis"))]
fn without_redis(doing: &str, url: &str) -> anyhow::Error {
    // The URL may hold a password.
    let host = url.rsplit('@').next().unwrap_or_default().trim_start_matches("redis://");
    anyhow::anyhow!("{doing} {host} needs the feature redis: cargo install --path . --features redis")
}

/// Takes whole snapshots one after the other: two that arrive at once both get in, and the later one stays.
struct InLine {
    sink: Arc<dyn Sink>,
    line: Mutex<()>,
}

impl Sink for InLine {
    fn begin(&self) -> Result<Box<dyn Transfer + '_>, BoxError> {
        self.sink.begin()
    }

    fn apply(&self, snapshot: &[u8]) -> Result<(), BoxError> {
        let _turn = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        self.sink.apply(snapshot)
    }

    fn commits(&self) -> bool {
        self.sink.commits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_file_a_pipe_or_a_database() {
        assert!(matches!("-".parse(), Ok(End::Standard)));
        assert!(matches!("redis://a/0".parse(), Ok(End::Redis(url)) if url == "redis://a/0"));
        assert!(matches!("./-".parse(), Ok(End::File(path)) if path == Path::new("./-")));
        for wrong in ["", "rediss://a/0", "http://a"] {
            assert!(wrong.parse::<End>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_mode_has_its_kind_of_sink() {
        let dir = tempfile::tempdir().unwrap();
        let file = End::File(dir.path().join("copy"));
        for mode in [Mode::Compat, Mode::Safe, Mode::Hardened] {
            assert!(file.sink(mode, 15).unwrap().0.commits());
        }
        let refused = file.sink(Mode::HardenedStream, 15).err().unwrap().to_string();
        assert!(refused.contains("for the standard output: choose --mode hardened"), "{refused}");
        let refused = End::Standard.sink(Mode::Hardened, 15).err().unwrap().to_string();
        assert!(refused.contains("choose --mode hardened-stream"), "{refused}");
        assert!(!End::Standard.sink(Mode::HardenedStream, 15).unwrap().0.commits());
    }
}
