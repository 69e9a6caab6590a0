//! What the gate compares: `benches/gate.toml`, compiled in, or a file of the user's.
//!
//! The file is read strictly. An unknown member, a margin that is none, and a filter that matches nothing are
//! refused by name: a gate that compares less than its file says would pass for the wrong reason. An engine
//! that this CPU cannot run is left out and named in the result.

mod choice;
#[cfg(test)]
mod tests;

use serde::Deserialize;

pub use self::choice::{Chosen, Known, Wanted};
use crate::measure::worker::protocol::SLOTS;

/// The configuration that is compiled in.
const BUILT_IN: &str = include_str!("../../../../benches/gate.toml");
/// The set of entries that name none.
pub const DEFAULT_SET: &str = "default";

/// A configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its file, for messages.
    name: String,
    file: File,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    margin: Margin,
    margin_single: Margin,
    compare: Vec<Entry>,
}

/// Workloads by engines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default = "default_set")]
    set: String,
    /// For the reader of the file.
    #[serde(default, rename = "why")]
    _why: String,
    engines: Vec<String>,
    workloads: Vec<String>,
    #[serde(default)]
    added_schemes: bool,
    margin: Option<Margin>,
    margin_single: Option<Margin>,
}

fn default_set() -> String {
    DEFAULT_SET.to_owned()
}

/// The least effect of interest, as a ratio less one.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Margin(f64);

impl TryFrom<f64> for Margin {
    type Error = String;

    fn try_from(ratio: f64) -> Result<Self, String> {
        if ratio > 0.0 && ratio < 0.5 {
            Ok(Self(ratio))
        } else {
            Err(format!("{ratio} is not a margin: 0.005 stands for half a percent, and 0.5 is too much"))
        }
    }
}

/// What is wrong with a configuration, or with a choice from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is not TOML, a member is missing or unknown, or a margin is none.
    #[error("{file}: {error}")]
    Decode {
        /// The file.
        file: String,
        /// Where, and why.
        error: Box<toml::de::Error>,
    },
    /// An entry names no engine or no workload.
    #[error("{file}: entry {entry} of `compare` names no {lacks}")]
    Empty {
        /// The file.
        file: String,
        /// Which, from 1.
        entry: usize,
        /// `engines` or `workloads`.
        lacks: &'static str,
    },
    /// A filter of the file or of the user matches no workload.
    #[error("{place}: no workload matches {filter:?}; `sealmark list workloads` names them all")]
    NoWorkload {
        /// The file, or the command line.
        place: String,
        /// The filter.
        filter: String,
    },
    /// An engine that this program does not have.
    #[error("{file}: no engine is called {engine:?}; there are: {known}")]
    NoEngine {
        /// The file.
        file: String,
        /// Its name.
        engine: String,
        /// Those that there are.
        known: String,
    },
    /// A set that the file does not have.
    #[error("{file}: no set is called {set:?}; there are: {known}")]
    NoSet {
        /// The file.
        file: String,
        /// Its name.
        set: String,
        /// Those that there are.
        known: String,
    },
    /// The filter or the engines choose nothing of a set.
    #[error("the set {set} of {file} has no row for {what}: {way_out}")]
    NotInSet {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// The filter or engine.
        what: String,
        /// What to do instead.
        way_out: &'static str,
    },
    /// More rows than a worker keeps ready.
    #[error("{rows} rows are more than the {SLOTS} that a worker keeps ready: choose fewer with a filter")]
    TooMany {
        /// How many.
        rows: usize,
    },
}

impl Config {
    /// The one that is compiled in.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn built_in() -> Self {
        Self::read("benches/gate.toml", BUILT_IN).unwrap_or_else(|e| panic!("a test reads it: {e}"))
    }

    /// Reads a configuration; `name` is its file's.
    ///
    /// # Errors
    /// [`ConfigError::Decode`], [`ConfigError::Empty`].
    pub fn read(name: &str, text: &str) -> Result<Self, ConfigError> {
        let decode =
            |error: toml::de::Error| ConfigError::Decode { file: name.to_owned(), error: Box::new(error) };
        let file: File = toml::from_str(text).map_err(decode)?;
        for (at, entry) in file.compare.iter().enumerate() {
            for (list, lacks) in [(&entry.engines, "engines"), (&entry.workloads, "workloads")] {
                if list.is_empty() {
                    return Err(ConfigError::Empty { file: name.to_owned(), entry: at + 1, lacks });
                }
            }
        }
        Ok(Self { name: name.to_owned(), file })
    }

    /// The names of its sets, in their order.
    pub fn sets(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in &self.file.compare {
            if !names.contains(&entry.set.as_str()) {
                names.push(&entry.set);
            }
        }
        names
    }
}
