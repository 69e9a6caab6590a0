//! Why the stream was refused: the reference's seven kinds, and its way to show them.

use std::io;

use crate::aead;

/// An error of a source, a sink or a transport, of whatever type it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a call was refused. Reveals nothing about secrets.
///
/// It is shown as in the reference: `entropy KIND: REASON`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, a connection or the system's random source failed.
    #[error("entropy io: {doing}: {reason}")]
    Io {
        /// The action.
        doing: &'static str,
        /// The reason.
        reason: io::Error,
    },
    /// The stream ended too early. Its kind is `Io`, as in the reference.
    #[error("entropy io: the stream ended inside {0}: it was cut short; send it again")]
    Truncated(&'static str),
    /// The configuration breaks a rule.
    #[error("entropy config: {0}")]
    Config(String),
    /// A key or initialisation vector file does not hold what it must.
    #[error("entropy key material: {0}")]
    KeyMaterial(String),
    /// The stream breaks a rule of the format.
    #[error("entropy protocol: {0}")]
    Protocol(String),
    /// The sender's encryption flag differs from the receiver's configuration (rule `flag-mismatch`). Its
    /// kind is `Protocol`.
    #[error(
        "entropy protocol: the stream is {} and this receiver is configured for {} ones: configure both ends \
         alike; if they are, somebody altered the stream",
        if *.encrypted { "encrypted" } else { "plaintext" },
        if *.encrypted { "plaintext" } else { "encrypted" }
    )]
    FlagMismatch {
        /// Whether the stream claims to be encrypted.
        encrypted: bool,
    },
    /// The bytes do not decrypt, or do not add up to the announced snapshot.
    #[error("entropy crypto: {0}")]
    Crypto(&'static str),
    /// The engine refused the key or a call. It is no fault of the stream, and has no name in the reference.
    #[error("entropy crypto: the engine refused: {0}")]
    Engine(aead::Error),
    /// The source of the snapshot failed.
    #[error("entropy source: {0}")]
    Source(BoxError),
    /// The sink refused the snapshot.
    #[error("entropy sink: {0}")]
    Sink(BoxError),
}

impl Error {
    /// The reference's name of this error's kind, as in the published vectors; `OTHER` if it has none there.
    pub const fn spec_name(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Truncated(_) => "Io",
            Self::Config(_) => "Config",
            Self::KeyMaterial(_) => "KeyMaterial",
            Self::Protocol(_) | Self::FlagMismatch { .. } => "Protocol",
            Self::Crypto(_) => "Crypto",
            Self::Engine(_) => "OTHER",
            Self::Source(_) => "Source",
            Self::Sink(_) => "Sink",
        }
    }

    /// An error of the system while `doing` something.
    pub fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Io { doing, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_shows_its_kind_after_the_word_entropy() {
        let text = || BoxError::from("why");
        for (error, kind, shown) in [
            (Error::io("reading")(io::ErrorKind::TimedOut.into()), "Io", "entropy io: reading: "),
            (Error::Truncated("a chunk"), "Io", "entropy io: the stream ended inside a chunk"),
            (Error::Config("why".into()), "Config", "entropy config: why"),
            (Error::KeyMaterial("why".into()), "KeyMaterial", "entropy key material: why"),
            (Error::Protocol("why".into()), "Protocol", "entropy protocol: why"),
            (
                Error::FlagMismatch { encrypted: false },
                "Protocol",
                "entropy protocol: the stream is plaintext",
            ),
            (Error::Crypto("why"), "Crypto", "entropy crypto: why"),
            (Error::Engine(aead::Error::NotAuthentic), "OTHER", "entropy crypto: the engine refused"),
            (Error::Source(text()), "Source", "entropy source: why"),
            (Error::Sink(text()), "Sink", "entropy sink: why"),
        ] {
            assert_eq!(error.spec_name(), kind);
            assert!(error.to_string().starts_with(shown), "{error}");
        }
    }
}
