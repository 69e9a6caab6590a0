//! The engines and schemes that a command knows: the compiled-in ones and the caller's own. Also the messages
//! for an unknown name.

use std::sync::Arc;

use anyhow::{Context, bail};

use crate::engine::{self, Engine};
use crate::measure::{self, Plan, Suite, Workload};
use crate::scheme::{self, Scheme};
use crate::verify::Catalog;

/// Engines and schemes, each with a unique name.
pub(super) struct Registry {
    engines: Vec<&'static dyn Engine>,
    schemes: Vec<&'static dyn Scheme>,
    workloads: Arc<measure::Catalog>,
}

impl Registry {
    /// The built-in ones, then the caller's.
    ///
    /// # Errors
    /// Two engines or two schemes with the same name, or two workloads with the same path.
    pub fn with(engines: &[&'static dyn Engine], schemes: &[&'static dyn Scheme]) -> anyhow::Result<Self> {
        let engines: Vec<_> = engine::engines().into_iter().chain(engines.iter().copied()).collect();
        let schemes: Vec<_> = scheme::schemes().into_iter().chain(schemes.iter().copied()).collect();
        if let Some(name) = twice(engines.iter().map(|engine| engine.name())) {
            bail!("two engines are called {name:?}: give your own another name");
        }
        if let Some(name) = twice(schemes.iter().map(|scheme| scheme.name())) {
            bail!("two schemes are called {name:?}: give your own another name");
        }
        let workloads = Arc::new(measure::Catalog::of(&schemes)?);
        Ok(Self { engines, schemes, workloads })
    }

    /// All engines.
    pub fn engines(&self) -> Vec<&'static dyn Engine> {
        self.engines.clone()
    }

    /// Our own backends, and the caller's engines.
    pub fn own_engines(&self) -> Vec<&'static dyn Engine> {
        let built_in = engine::engines();
        let peer = |engine: &dyn Engine| {
            engine.family() != "sealmark" && built_in.iter().any(|other| other.name() == engine.name())
        };
        self.engines.iter().copied().filter(|engine| !peer(*engine)).collect()
    }

    /// The caller's schemes.
    pub fn added_schemes(&self) -> Vec<&'static dyn Scheme> {
        let built_in = scheme::schemes();
        let added = |scheme: &dyn Scheme| built_in.iter().all(|other| other.name() != scheme.name());
        self.schemes.iter().copied().filter(|scheme| added(*scheme)).collect()
    }

    /// All schemes.
    pub fn schemes(&self) -> Vec<&'static dyn Scheme> {
        self.schemes.clone()
    }

    /// All workloads, including those for every scheme.
    pub fn workloads(&self) -> &Arc<measure::Catalog> {
        &self.workloads
    }

    /// The workload of that path.
    ///
    /// # Errors
    /// There is none; the error names the nearest match.
    pub fn workload(&self, path: &str) -> anyhow::Result<&Workload> {
        self.workloads.find(path).with_context(|| self.no_workload("is called", path))
    }

    /// The message if no workload `is called` a path, or `matches` a filter.
    pub fn no_workload(&self, how: &str, name: &str) -> String {
        let known: Vec<&str> =
            self.workloads.workloads().iter().map(|workload| workload.path.as_str()).collect();
        format!(
            "no workload {how} {name:?}{}; `sealmark list workloads` names them all",
            nearest(name, &known)
        )
    }

    /// The usual plan of a suite of these workloads.
    pub fn plan(&self, suite: Suite, engines: Vec<&'static dyn Engine>) -> Plan {
        Plan { catalog: Arc::clone(&self.workloads), ..Plan::new(suite, engines) }
    }

    /// The sets over all schemes.
    pub fn catalog(&self) -> Catalog<'_> {
        Catalog(&self.schemes)
    }

    /// The engines of these names, or all; `sealmark` is this CPU's choice.
    pub fn engines_named(&self, names: &[String]) -> anyhow::Result<Vec<&'static dyn Engine>> {
        if names.is_empty() {
            return Ok(self.engines());
        }
        let mut found = Vec::<&'static dyn Engine>::new();
        for name in names {
            let known = self.engines.iter().copied().find(|engine| engine.name() == name);
            let Some(engine) = known.or_else(|| engine::find(name)) else {
                let known: Vec<&str> = std::iter::once("sealmark")
                    .chain(self.engines.iter().map(|engine| engine.name()))
                    .collect();
                bail!("{}", unknown("engine", name, &known));
            };
            if !found.iter().any(|other| other.name() == engine.name()) {
                found.push(engine);
            }
        }
        Ok(found)
    }
}

/// The message for an unknown name: it suggests the nearest known name, and lists all of them.
pub(super) fn unknown<S: AsRef<str>>(what: &str, name: &str, known: &[S]) -> String {
    let all = known.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    format!("no {what} is called {name:?}{}; there are: {all}", nearest(name, known))
}

/// ` (did you mean "ring"?)`, or nothing if no name is near.
pub(super) fn nearest<S: AsRef<str>>(name: &str, known: &[S]) -> String {
    let near = |other: &&str| strsim::jaro_winkler(name, other);
    let best = known.iter().map(AsRef::as_ref).max_by(|a, b| near(a).total_cmp(&near(b)));
    best.filter(|best| near(best) >= NEAR)
        .map_or_else(String::new, |best| format!(" (did you mean {best:?}?)"))
}

/// The least similarity at which a name counts as a misspelling of another.
const NEAR: f64 = 0.8;

/// The first name that repeats.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_two_engines_or_two_schemes_have_is_refused() {
        assert!(Registry::with(&[], &[]).is_ok());
        let why = |engines: &[_], schemes: &[_]| Registry::with(engines, schemes).err().unwrap().to_string();
        let engine = engine::find("sealmark/portable").unwrap();
        assert_eq!(
            why(&[engine], &[]),
            "two engines are called \"sealmark/portable\": give your own another name"
        );
        let scheme = scheme::find("storage").unwrap();
        assert_eq!(why(&[], &[scheme]), "two schemes are called \"storage\": give your own another name");
    }

    #[test]
    fn the_callers_engines_count_as_own_and_peers_do_not() {
        static MINE: engine::FaultyEngine = engine::FaultyEngine::new("mine");
        let registry = Registry::with(&[&MINE], &[]).unwrap();
        let own: Vec<&str> = registry.own_engines().iter().map(|engine| engine.name()).collect();
        assert_eq!(own.len(), crate::aead::BACKENDS.len() + 1, "{own:?}");
        assert!(own.contains(&"mine") && own.contains(&"sealmark/portable") && !own.contains(&"ring"));
        assert!(registry.added_schemes().is_empty());
    }

    #[test]
    fn an_unknown_engine_is_refused_with_the_known_names() {
        let registry = Registry::with(&[], &[]).unwrap();
        let error = registry.engines_named(&["rong".into()]).expect_err("refused").to_string();
        let begins =
            "no engine is called \"rong\" (did you mean \"ring\"?); there are: sealmark, sealmark/portable";
        assert!(error.starts_with(begins), "{error}");
        let error = registry.engines_named(&["abacus".into()]).expect_err("refused").to_string();
        assert!(error.starts_with("no engine is called \"abacus\"; there are: "), "{error}");
        assert_eq!(registry.engines_named(&["sealmark".into()]).expect("known").len(), 1);
    }
}
