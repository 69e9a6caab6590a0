//! What to compare: the configuration that applies, and the rows that the arguments choose from it.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Args;
use crate::cli::Registry;
use crate::measure::gate::config::{Chosen, Config, DEFAULT_SET, Known, Wanted};

/// Where a package keeps its configuration.
const FILE: &str = "benches/gate.toml";
/// The name of the configuration that is compiled in.
const BUILT_IN: &str = "built in";

/// A configuration and its name.
pub(super) struct Choice<'a> {
    args: &'a Args,
    registry: &'a Registry,
    config: Config,
    /// Its file, or `built in`.
    pub name: String,
}

impl<'a> Choice<'a> {
    /// From the file of `--config`, or of the package in whose folder the command runs, or built in.
    pub fn read(args: &'a Args, registry: &'a Registry) -> anyhow::Result<Self> {
        let file = args.config.clone().or_else(|| of_package(&std::env::current_dir().ok()?));
        let (config, name) = match file {
            None => (Config::built_in(), BUILT_IN.to_owned()),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
                (Config::read(&name, &text)?, name)
            }
        };
        Ok(Self { args, registry, config, name })
    }

    /// The rows, with the margins for sides of so many link orders.
    pub fn rows(&self, orders: usize) -> anyhow::Result<Chosen> {
        self.rows_of(self.args.set.as_deref(), orders)
    }

    /// The same from that set, or from all workloads.
    pub fn rows_of(&self, set: Option<&str>, orders: usize) -> anyhow::Result<Chosen> {
        let named = match self.args.engines.as_slice() {
            [] => Vec::new(),
            names => self.registry.engines_named(names)?,
        };
        let filter = self.args.filter.as_deref();
        let wanted = Wanted { set, filter, engines: &named, orders };
        let known = Known {
            catalog: self.registry.workloads(),
            engines: &self.registry.engines(),
            own_engines: &self.registry.own_engines(),
            added_schemes: &self.registry.added_schemes(),
        };
        Ok(self.config.choose(&wanted, &known)?)
    }

    /// What was chosen, in a word: the set, or the filter.
    pub fn set(&self) -> String {
        match (&self.args.set, &self.args.filter) {
            (None, None) => DEFAULT_SET.to_owned(),
            (Some(set), None) => set.clone(),
            (None, Some(filter)) => filter.clone(),
            (Some(set), Some(filter)) => format!("{set}: {filter}"),
        }
    }
}

/// The configuration of the package that holds a folder, if it has one.
fn of_package(folder: &Path) -> Option<PathBuf> {
    let package = folder.ancestors().find(|folder| folder.join("Cargo.toml").is_file())?;
    let file = package.join(FILE);
    if !file.is_file() {
        return None;
    }
    // Shown as a path from here, where it is one.
    Some(file.strip_prefix(folder).map(Path::to_owned).unwrap_or(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_that_holds_the_folder_has_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("src/deep");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir(dir.path().join("benches")).unwrap();
        std::fs::write(dir.path().join(FILE), "").unwrap();
        assert!(of_package(&inner).is_none_or(|found| !found.starts_with(dir.path())), "it is no package");
        std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
        assert_eq!(of_package(&inner), Some(dir.path().join(FILE)));
        assert_eq!(of_package(dir.path()), Some(PathBuf::from(FILE)));
        std::fs::write(dir.path().join("src/Cargo.toml"), "").unwrap();
        assert_eq!(of_package(&inner), None, "the nearest package has none");
    }
}
