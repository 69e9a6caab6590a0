//! What a command knows: the engines and schemes that were compiled in, and the caller's own.

use std::sync::Arc;

use anyhow::bail;

use crate::engine::{self, Engine};
use crate::measure::{self, Plan, Suite};
use crate::scheme::{self, Scheme};
use crate::verify::Catalog;

/// Engines and schemes, each under a name of its own.
pub(super) struct Registry {
    engines: Vec<&'static dyn Engine>,
    schemes: Vec<&'static dyn Scheme>,
    workloads: Arc<measure::Catalog>,
}

impl Registry {
    /// Ours, then those.
    ///
    /// # Errors
    /// Two engines or two schemes of one name, or two workloads of one path.
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

    /// All schemes.
    pub fn schemes(&self) -> Vec<&'static dyn Scheme> {
        self.schemes.clone()
    }

    /// What there is to measure, with workloads for all schemes.
    pub fn workloads(&self) -> &Arc<measure::Catalog> {
        &self.workloads
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
                let names = self.engines.iter().map(|engine| engine.name()).collect::<Vec<_>>().join(", ");
                bail!("no engine is called {name:?}; there are: sealmark, {names}");
            };
            if !found.iter().any(|other| other.name() == engine.name()) {
                found.push(engine);
            }
        }
        Ok(found)
    }
}

/// A name that stands twice.
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
    fn an_unknown_engine_is_refused_with_the_known_names() {
        let registry = Registry::with(&[], &[]).unwrap();
        let error = registry.engines_named(&["rong".into()]).err().expect("refused").to_string();
        assert!(error.contains("rong") && error.contains("sealmark/portable"), "{error}");
        assert_eq!(registry.engines_named(&["sealmark".into()]).expect("known").len(), 1);
    }
}
