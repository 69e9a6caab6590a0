//! The sets that exist: those in the index, the generated ones, and those of each scheme.

use super::vectors::index;
use super::{Set, campaign, contract, differential, fault};
use crate::scheme::{Scheme, schemes};

/// The sets of some schemes: the built-in ones and a user's own.
#[derive(Clone, Copy)]
pub struct Catalog<'a>(pub &'a [&'static dyn Scheme]);

impl std::fmt::Debug for Catalog<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|scheme| scheme.name())).finish()
    }
}

impl Catalog<'_> {
    /// The names of all sets: those in the index, then the generated ones.
    pub fn names(&self) -> Vec<String> {
        let generated = [differential::NAME, contract::NAME].map(str::to_owned);
        let faults = self.0.iter().map(|scheme| fault::name(*scheme));
        let campaigns = campaign::families().map(|family| format!("{}{family}", campaign::PREFIX));
        index::rows()
            .into_iter()
            .map(|row| row.name)
            .chain(generated)
            .chain(faults)
            .chain(campaigns)
            .collect()
    }

    /// The names of the sets for a scheme, or for all modes of a family. A family's vectors and campaign
    /// apply to each of its modes. `None` if there is no such scheme.
    pub fn of_scheme(&self, name: &str) -> Option<Vec<String>> {
        let modes: Vec<_> =
            self.0.iter().filter(|scheme| scheme.name() == name || scheme.family() == name).collect();
        let family = modes.first()?.family();
        let about = |of: &str| of == name || of == family || modes.iter().any(|mode| mode.name() == of);
        let rows = index::rows().into_iter().filter(|row| row.scheme.as_deref().is_some_and(about));
        let campaigns = campaign::families().filter(|of| *of == family);
        let campaigns = campaigns.map(|family| format!("{}{family}", campaign::PREFIX));
        Some(
            rows.map(|row| row.name)
                .chain(modes.iter().map(|mode| fault::name(**mode)))
                .chain(campaigns)
                .collect(),
        )
    }

    /// The set with that name: read, hashed and counted. Generated cases are drawn from `seed`.
    pub fn set(&self, name: &str, seed: u64) -> Option<Set> {
        if let Some(of) = name.strip_prefix(fault::PREFIX) {
            return self.0.iter().find(|scheme| scheme.name() == of).map(|scheme| fault::set(*scheme, seed));
        }
        match name {
            differential::NAME => Some(differential::set(seed)),
            contract::NAME => Some(contract::set()),
            _ => match name.strip_prefix(campaign::PREFIX) {
                Some(family) => campaign::set(family, seed),
                None => index::rows().iter().find(|row| row.name == name).map(index::Row::load),
            },
        }
    }
}

/// [`Catalog::names`] for the built-in schemes.
pub fn built_in_names() -> Vec<String> {
    Catalog(&schemes()).names()
}

/// [`Catalog::set`] for the built-in schemes.
pub fn built_in(name: &str, seed: u64) -> Option<Set> {
    Catalog(&schemes()).set(name, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Shape};
    use crate::scheme::{Error, Fault, Judgement, Law, Session};

    /// A scheme with a name and nothing else.
    struct Named(&'static str);

    impl Scheme for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn law(&self) -> Law {
            Law::Each
        }

        fn needs(&self) -> Option<Shape> {
            None
        }

        fn refusals(&self) -> &'static [&'static str] {
            &[]
        }

        fn judge(&self, _: Fault, _: &str) -> Judgement {
            Judgement::Caught
        }

        fn session(&self, _: &'static dyn Engine) -> Result<Box<dyn Session>, Error> {
            Err("never asked".into())
        }
    }

    #[test]
    fn a_family_is_all_its_modes_and_a_mode_has_its_familys_vectors() {
        let schemes: [&'static dyn Scheme; 4] =
            [&Named("storage/strict"), &Named("storage/loose"), &Named("letter"), &Named("letter/safe")];
        let catalog = Catalog(&schemes);
        let family = catalog.of_scheme("storage").unwrap();
        let interop = family.iter().filter(|name| name.starts_with("interop/")).count();
        assert!(interop > 0);
        assert_eq!(family[interop..], ["faults/storage/strict", "faults/storage/loose", "campaign/storage"]);
        let mode = catalog.of_scheme("storage/loose").unwrap();
        assert_eq!(mode[..interop], family[..interop]);
        assert_eq!(mode[interop..], ["faults/storage/loose", "campaign/storage"]);
        assert_eq!(catalog.of_scheme("letter/safe"), Some(vec!["faults/letter/safe".to_owned()]));
        assert_eq!(
            catalog.of_scheme("letter"),
            Some(vec!["faults/letter".to_owned(), "faults/letter/safe".to_owned()])
        );
        assert_eq!(catalog.of_scheme("stor"), None);
    }

    #[test]
    fn every_listed_set_exists_under_its_name() {
        for name in built_in_names().into_iter().filter(|name| !name.starts_with("nist/")) {
            assert_eq!(built_in(&name, 1).map(|set| set.name), Some(name));
        }
        for name in ["faults/none", "campaign/none", "none"] {
            assert!(built_in(name, 1).is_none(), "{name}");
        }
    }
}
