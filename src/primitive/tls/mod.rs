//! TLS for the ends of a stream: two profiles, `dev` and `secure` (spec of the checked log, §6).
//!
//! `dev` is plaintext. `secure` is TLS 1.3 and nothing older, through `rustls` with graviola as its provider,
//! which is built without a C compiler. The client verifies the server against the authorities in a file that
//! it is given, never against the system's. A server that is given authorities asks for a client's
//! certificate and verifies that too. There is no resumption and no early data. Every file is read, and the
//! CPU asked, before anybody listens or dials.
//!
//! Not here: sockets, deadlines, and what is sent. Without the feature `tls` only the profiles are here.

#[cfg(all(test, feature = "tls"))]
#[path = "../../../tests/certificates/mod.rs"]
pub(crate) mod certificates;
#[cfg(feature = "tls")]
mod session;

use std::path::PathBuf;

#[cfg(feature = "tls")]
pub use session::{Client, Connection, Server, available};

/// How a connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Profile {
    /// Plaintext.
    Dev,
    /// TLS 1.3.
    Secure,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::Dev, Self::Secure];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Secure => "secure",
        }
    }

    /// The profile with that name.
    ///
    /// # Errors
    /// [`Error::UnknownProfile`].
    pub fn find(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == name);
        found.ok_or_else(|| Error::UnknownProfile(name.to_owned()))
    }
}

/// The PEM files of one end.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Files {
    /// Its certificate, followed by those of intermediate authorities. A server needs one.
    pub cert: Option<PathBuf>,
    /// The certificate's private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: Option<PathBuf>,
    /// The authorities that the other end's certificate is verified against. A client needs them; a server
    /// that has them insists on a client's certificate.
    pub ca: Option<PathBuf>,
}

/// Why an end cannot start. Shows no content of a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No profile has that name.
    #[error("no TLS profile is called {0:?}; there are: dev, secure")]
    UnknownProfile(String),
    /// The profile needs a file that was not named.
    #[error("the TLS profile secure needs {0}: name its PEM file")]
    Missing(&'static str),
    /// A file cannot be read.
    #[error("reading {what} {}: {reason}", path.display())]
    Read {
        /// What the file holds.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// A file holds nothing of its kind, or something broken.
    #[error("{} holds no {what} in PEM{why}", path.display())]
    Pem {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Further words.
        why: String,
    },
    /// The CPU lacks features that the provider needs.
    #[error("TLS is provided by graviola, which needs features that this CPU lacks: {0}")]
    Cpu(String),
    /// The TLS library refuses the certificates or the key.
    #[error("the TLS library refuses {what}: {reason}")]
    Refused {
        /// What it refuses.
        what: &'static str,
        /// Its reason.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_by_its_name_and_an_unknown_one_is_refused_by_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::find(profile.name()).unwrap(), profile);
        }
        for name in ["", "Secure", "prod"] {
            let refused = Profile::find(name).unwrap_err().to_string();
            assert_eq!(refused, format!("no TLS profile is called {name:?}; there are: dev, secure"));
        }
    }
}
