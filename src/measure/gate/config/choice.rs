//! Chooses the rows to compare: each workload on each engine, once, with its margin.

use std::fmt;

use crate::engine::{self, Engine};
use crate::measure::gate::config::{Config, ConfigError, DEFAULT_SET, Entry};
use crate::measure::gate::orders;
use crate::measure::gate::run::Subject;
use crate::measure::worker::protocol::SLOTS;
use crate::measure::workload::filter::chooses;
use crate::measure::{Catalog, Workload};
use crate::scheme::Scheme;

/// What stands for each own engine in a file.
const EACH_OWN: &str = "*";

/// What this program can run.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// All workloads.
    pub catalog: &'a Catalog,
    /// All engines.
    pub engines: &'a [&'static dyn Engine],
    /// Our backends and the engines that the program adds: `*` in a file.
    pub own_engines: &'a [&'static dyn Engine],
    /// The schemes that the program adds.
    pub added_schemes: &'a [&'static dyn Scheme],
}

/// What the user asks for.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// A set of the file. Without one: all workloads where there is a filter, else [`DEFAULT_SET`].
    pub set: Option<&'a str>,
    /// Paths or filters, separated by commas.
    pub filter: Option<&'a str>,
    /// Only these engines. Without one, a filter that is not within a set means `sealmark`.
    pub engines: &'a [&'static dyn Engine],
    /// How many link orders each side has.
    pub orders: usize,
}

impl fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.engines.iter().map(|engine| engine.name()).collect();
        f.debug_struct("Known").field("engines", &names).finish_non_exhaustive()
    }
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.engines.iter().map(|engine| engine.name()).collect();
        let Self { set, filter, orders, .. } = self;
        write!(f, "set {set:?}, filter {filter:?}, engines {names:?}, {orders} link orders")
    }
}

/// What is compared.
#[derive(Clone, Default, Debug)]
pub struct Chosen {
    /// Each workload on each engine, once.
    pub subjects: Vec<Subject>,
    /// What was named and is not compared, with the reason.
    pub left_out: Vec<String>,
}

impl Config {
    /// Chooses what to compare.
    ///
    /// # Errors
    /// [`ConfigError`], if a name is unknown or a filter matches nothing.
    pub fn choose(&self, wanted: &Wanted<'_>, known: &Known<'_>) -> Result<Chosen, ConfigError> {
        let mut chosen = match (wanted.set, wanted.filter) {
            (None, Some(filter)) => self.of_all(filter, wanted.engines, known)?,
            (set, filter) => {
                let set = set.unwrap_or(DEFAULT_SET);
                let mut chosen = self.of_set(set, known)?;
                self.narrow(set, &mut chosen, filter, wanted.engines, known)?;
                chosen
            }
        };
        for Subject { workload, engine, margin } in &mut chosen.subjects {
            *margin = self.margin(&workload.path, engine.name(), wanted.orders, known);
        }
        match chosen.subjects.len() {
            rows if rows > SLOTS as usize => Err(ConfigError::TooMany { rows }),
            _ => Ok(chosen),
        }
    }

    /// Every row of a set.
    fn of_set(&self, set: &str, known: &Known<'_>) -> Result<Chosen, ConfigError> {
        let file = self.name.clone();
        let entries = || self.file.compare.iter().filter(|entry| entry.set == set);
        if entries().next().is_none() {
            let known = self.sets().join(", ");
            return Err(ConfigError::NoSet { file, set: set.to_owned(), known });
        }
        let mut chosen = Chosen::default();
        for entry in entries() {
            let engines = self.engines(entry, known, &mut chosen.left_out)?;
            for filter in &entry.workloads {
                let of_scheme =
                    |workload: &&Workload| !entry.added_schemes || is_added(workload, known.added_schemes);
                let workloads = matching(&file, filter, known.catalog)?;
                let workloads = workloads.into_iter().filter(of_scheme).collect::<Vec<_>>();
                let each = entry.engines.iter().any(|name| name == EACH_OWN);
                chosen.add(filter, &workloads, &engines, each);
            }
        }
        Ok(chosen)
    }

    /// Every workload that the filter matches.
    fn of_all(
        &self,
        filter: &str,
        engines: &[&'static dyn Engine],
        known: &Known<'_>,
    ) -> Result<Chosen, ConfigError> {
        let mut chosen = Chosen::default();
        let usual: Vec<_> = engine::find("sealmark").into_iter().collect();
        let engines = if engines.is_empty() { &usual } else { engines };
        let engines = chosen.runnable(engines);
        for filter in filter.split(',') {
            let workloads = matching("the command line", filter, known.catalog)?;
            chosen.add(filter, &workloads, &engines, false);
        }
        Ok(chosen)
    }

    /// Keeps the rows of a set that the user asks for.
    fn narrow(
        &self,
        set: &str,
        chosen: &mut Chosen,
        filter: Option<&str>,
        engines: &[&'static dyn Engine],
        known: &Known<'_>,
    ) -> Result<(), ConfigError> {
        let absent = |what: String, way_out| {
            let (set, file) = (set.to_owned(), self.name.clone());
            Err(ConfigError::NotInSet { set, file, what, way_out })
        };
        let filters: Vec<&str> = filter.into_iter().flat_map(|filter| filter.split(',')).collect();
        for filter in &filters {
            matching("the command line", filter, known.catalog)?;
            if !chosen.subjects.iter().any(|row| matches(filter, &row.workload.path, known.catalog)) {
                return absent(format!("{filter:?}"), "leave --set out to choose among all workloads");
            }
        }
        for engine in engines {
            let is = |row: &Subject| row.engine.name() == engine.name();
            if engine.available().is_ok() && !chosen.subjects.iter().any(is) {
                return absent(engine.name().to_owned(), "name workloads as well");
            }
        }
        let named = |row: &Subject| filters.iter().any(|f| matches(f, &row.workload.path, known.catalog));
        let on = |row: &Subject| engines.iter().any(|engine| engine.name() == row.engine.name());
        chosen.subjects.retain(|row| (filters.is_empty() || named(row)) && (engines.is_empty() || on(row)));
        chosen.runnable(engines);
        Ok(())
    }

    /// The engines of an entry that can run here.
    fn engines(
        &self,
        entry: &Entry,
        known: &Known<'_>,
        left_out: &mut Vec<String>,
    ) -> Result<Vec<&'static dyn Engine>, ConfigError> {
        let mut found: Vec<&'static dyn Engine> = Vec::new();
        for name in &entry.engines {
            if name == EACH_OWN {
                // Each that can run: no other is meant.
                found.extend(known.own_engines.iter().filter(|engine| engine.available().is_ok()));
                continue;
            }
            let named = known.engines.iter().copied().find(|engine| engine.name() == name);
            let Some(engine) = named.or_else(|| engine::find(name)) else {
                let names: Vec<&str> = std::iter::once("sealmark")
                    .chain(known.engines.iter().map(|engine| engine.name()))
                    .collect();
                let (file, engine) = (self.name.clone(), name.clone());
                return Err(ConfigError::NoEngine { file, engine, known: names.join(", ") });
            };
            match engine.available() {
                Ok(()) => found.push(engine),
                Err(why) => note(left_out, format!("{name}: {why}")),
            }
        }
        Ok(found)
    }

    /// The margin of a row: that of the last entry that covers it and has one, else the file's.
    fn margin(&self, path: &str, engine: &str, builds: usize, known: &Known<'_>) -> f64 {
        let several = builds >= orders::A_SIDE;
        let covers = |entry: &&Entry| {
            let own = || known.own_engines.iter().any(|own| own.name() == engine);
            entry.engines.iter().any(|name| name == engine || (name == EACH_OWN && own()))
                && entry.workloads.iter().any(|filter| matches(filter, path, known.catalog))
        };
        let of = |entry: &Entry| if several { entry.margin } else { entry.margin_single };
        let usual = if several { self.file.margin } else { self.file.margin_single };
        let own = self.file.compare.iter().filter(covers).filter_map(of).next_back();
        own.unwrap_or(usual).0
    }
}

impl Chosen {
    /// Adds each workload on each engine that supports it. Where an engine of that name runs none of them,
    /// that is noted, unless any engine will do.
    fn add(&mut self, filter: &str, workloads: &[&Workload], engines: &[&'static dyn Engine], any: bool) {
        let mut on: Vec<&str> = Vec::new();
        for workload in workloads {
            if !workload.on_one_core() {
                let why = "it runs on several threads, and the gate compares on one core";
                note(&mut self.left_out, format!("{}: {why}", workload.path));
                continue;
            }
            for asked in engines {
                for engine in workload.eligible_engines(&[*asked]) {
                    on.push(asked.name());
                    let is = |row: &Subject| {
                        row.workload.path == workload.path && row.engine.name() == engine.name()
                    };
                    if !self.subjects.iter().any(is) {
                        let workload = (*workload).clone();
                        self.subjects.push(Subject { workload, engine, margin: 0.0 });
                    }
                }
            }
        }
        let single = workloads.iter().any(|workload| workload.on_one_core());
        for engine in engines {
            if single && !any && !on.contains(&engine.name()) {
                note(&mut self.left_out, format!("{filter}: {} does not support it", engine.name()));
            }
        }
    }

    /// Those of the engines that can run here; notes the others.
    fn runnable(&mut self, engines: &[&'static dyn Engine]) -> Vec<&'static dyn Engine> {
        let mut found = Vec::new();
        for engine in engines {
            match engine.available() {
                Ok(()) => found.push(*engine),
                Err(why) => note(&mut self.left_out, format!("{}: {why}", engine.name())),
            }
        }
        found
    }
}

/// Notes a reason once.
fn note(left_out: &mut Vec<String>, words: String) {
    if !left_out.contains(&words) {
        left_out.push(words);
    }
}

/// Whether a filter chooses a path: as in `sealmark bench`, but a whole path chooses that workload alone.
fn matches(filter: &str, path: &str, catalog: &Catalog) -> bool {
    if catalog.find(filter).is_some() { filter == path } else { chooses(filter, path) }
}

/// The workloads that a filter chooses.
fn matching<'a>(place: &str, filter: &str, catalog: &'a Catalog) -> Result<Vec<&'a Workload>, ConfigError> {
    let found: Vec<&Workload> =
        catalog.workloads().iter().filter(|workload| matches(filter, &workload.path, catalog)).collect();
    if found.is_empty() {
        let (place, filter) = (place.to_owned(), filter.to_owned());
        return Err(ConfigError::NoWorkload { place, filter });
    }
    Ok(found)
}

fn is_added(workload: &Workload, added: &[&'static dyn Scheme]) -> bool {
    let is = |scheme: &&'static dyn Scheme| added.iter().any(|own| own.name() == scheme.name());
    workload.scheme.as_ref().is_some_and(is)
}
