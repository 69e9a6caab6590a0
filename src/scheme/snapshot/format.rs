//! What both ends of a stream must agree on: the format, and the keys for it.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Config, Context, Error, Material, Mode, StreamKey};

/// The keys of a compatible stream.
#[derive(Clone, Debug)]
pub enum Keys {
    /// These files, read anew for each stream.
    Files {
        /// The key's.
        key: PathBuf,
        /// The initialisation vector's.
        iv: PathBuf,
    },
    /// Keys that were loaded before.
    Loaded(Arc<Material>),
}

impl Keys {
    /// The files that the configuration names.
    pub fn of(config: &Config) -> Self {
        Self::Files { key: config.key_file.clone(), iv: config.iv_file.clone() }
    }

    /// The keys themselves.
    ///
    /// # Errors
    /// As [`Material::load`].
    pub fn load(&self) -> Result<Arc<Material>, Error> {
        match self {
            Self::Files { key, iv } => Ok(Arc::new(Material::load(key, iv)?)),
            Self::Loaded(material) => Ok(Arc::clone(material)),
        }
    }
}

/// A format with its keys.
#[derive(Clone, Debug)]
pub enum Format {
    /// The reference's stream, read as the reference reads it.
    Compat(Keys),
    /// The reference's stream, read under [`RULES`](super::RULES). A sender writes the same bytes.
    Safe(Keys),
    /// The authenticated stream.
    Hardened(Arc<StreamKey>, Context),
}

impl Format {
    /// The compatible format of that mode with the configuration's key files.
    ///
    /// # Errors
    /// [`Error::Config`] for a hardened mode, which has another key file: use [`Format::Hardened`].
    pub fn of(mode: Mode, config: &Config) -> Result<Self, Error> {
        match mode {
            Mode::Compat => Ok(Self::Compat(Keys::of(config))),
            Mode::Safe => Ok(Self::Safe(Keys::of(config))),
            Mode::Hardened | Mode::HardenedStream => {
                Err(Error::Config(format!("mode {} needs a key file of its own", mode.name())))
            }
        }
    }

    /// The same with its keys loaded, so that the files are not read again.
    ///
    /// # Errors
    /// As [`Material::load`].
    pub fn loaded(self) -> Result<Self, Error> {
        Ok(match self {
            Self::Compat(keys) => Self::Compat(Keys::Loaded(keys.load()?)),
            Self::Safe(keys) => Self::Safe(Keys::Loaded(keys.load()?)),
            hardened @ Self::Hardened(..) => hardened,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn loaded_keys_are_not_read_again_and_files_are() {
        let files = testing::Files::new();
        let format = Format::of(Mode::Safe, &files.config()).unwrap();
        let Format::Safe(loaded) = format.clone().loaded().unwrap() else { panic!("the mode changed") };
        let Format::Safe(keys) = format else { panic!("the mode is another") };
        assert_eq!(keys.load().unwrap(), loaded.load().unwrap());
        files.remove();
        assert_eq!(keys.load().unwrap_err().spec_name(), "Io");
        assert_eq!(loaded.load().unwrap().key(), testing::material().key());
    }

    #[test]
    fn a_hardened_mode_has_other_keys() {
        let refused = Format::of(Mode::Hardened, &Config::new("key", "iv")).unwrap_err();
        assert!(refused.to_string().contains("mode hardened needs a key file of its own"), "{refused}");
    }
}
