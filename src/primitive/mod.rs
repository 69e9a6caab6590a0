//! Primitives: what schemes need beside an AEAD, each function a thin call of one well-kept crate.
//!
//! This floor and `engine` alone name crates of cryptography. A function is one file and one row of
//! [`PRIMITIVES`]; the row names its crate and the published vectors that judge it, which `sealmark verify
//! --primitive` runs. Not here: protocols, formats, and what a result is used for.

#[cfg(feature = "cli")]
pub mod hkdf_sha256;
#[cfg(feature = "storage")]
pub mod sha256;

/// A function and what judges it.
#[derive(Clone, Copy, Debug)]
pub struct Primitive {
    /// Its name, as `--primitive` takes it.
    pub name: &'static str,
    /// The crate that does the work, as `use` spells it.
    pub krate: &'static str,
    /// The function itself.
    pub function: Function,
    /// The sets of published vectors that it must pass, by their names in `vectors/index.toml`. At least
    /// one.
    pub vectors: &'static [&'static str],
}

/// Key material, salt, info, and the buffer that takes the derived key.
pub type Kdf = fn(&[u8], &[u8], &[u8], &mut [u8]) -> Result<(), Error>;

/// The kinds of functions. Vectors of one kind have one form, whatever the function.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Function {
    /// A message to its digest.
    Hash(fn(&[u8]) -> Vec<u8>),
    /// Key material, salt and info to as many bytes of key as the buffer takes.
    Kdf(Kdf),
}

impl Function {
    /// What the kind is called.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hash(_) => "hash",
            Self::Kdf(_) => "key derivation",
        }
    }
}

/// Every primitive.
pub const PRIMITIVES: &[Primitive] = &[
    #[cfg(feature = "storage")]
    sha256::PRIMITIVE,
    #[cfg(feature = "cli")]
    hkdf_sha256::PRIMITIVE,
];

/// The primitive of that name.
pub fn find(name: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|primitive| primitive.name == name)
}

/// Why a primitive was refused. Says nothing about secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes were asked for than the function has.
    #[error("{asked} bytes are more than this function derives: ask for at most {most}")]
    OutputTooLong {
        /// How many were asked for.
        asked: usize,
        /// How many there are.
        most: usize,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_found_by_its_name_and_names_vectors_of_its_own() {
        let mut seen = BTreeSet::new();
        for primitive in PRIMITIVES {
            assert!(find(primitive.name).is_some_and(|found| found.krate == primitive.krate));
            assert!(!primitive.vectors.is_empty(), "{} is judged by no vectors", primitive.name);
            for set in primitive.vectors {
                assert!(seen.insert(set), "{set} judges two primitives");
            }
        }
        assert!(find("md5").is_none());
    }
}
