//! Primitives: the cryptography that schemes need besides an AEAD, each a thin call into one well-maintained
//! crate.
//!
//! Only this floor and `engine` name cryptography crates. Each function is one file and one row of
//! [`PRIMITIVES`]; the row names its crate and the published vectors that it must pass, which
//! `sealmark verify --primitive` runs on it. Not here: formats, and the use of the results. The one protocol
//! is `tls`, which several schemes need and no vectors judge.

#[cfg(feature = "ephemeral")]
pub mod argon2id;
#[cfg(feature = "snapshot")]
pub mod cbc;
#[cfg(feature = "log")]
pub mod crc32c;
#[cfg(feature = "tunnel")]
pub mod ed25519;
#[cfg(any(feature = "cli", feature = "log", feature = "tunnel"))]
pub mod hkdf_sha256;
#[cfg(feature = "snapshot")]
pub mod hkdf_sha512;
#[cfg(any(feature = "ephemeral", feature = "log", feature = "storage", feature = "tunnel"))]
pub mod sha256;
#[cfg(any(feature = "cli", feature = "log", feature = "tls"))]
pub mod tls;
#[cfg(feature = "tunnel")]
pub mod x25519;

/// A function and the vectors that judge it.
#[derive(Clone, Copy, Debug)]
pub struct Primitive {
    /// Its name, as given to `--primitive`.
    pub name: &'static str,
    /// The crate that does the work, as `use` spells it.
    pub krate: &'static str,
    /// The function itself.
    pub function: Function,
    /// The names in `vectors/index.toml` of the published vector sets that it must pass. At least one.
    pub vectors: &'static [&'static str],
}

/// Key material, salt, info, and the buffer that receives the derived key.
pub type Kdf = fn(&[u8], &[u8], &[u8], &mut [u8]) -> Result<(), Error>;

/// Our secret, the peer's public key, and the shared secret, wiped when dropped.
#[cfg(feature = "tunnel")]
pub type KeyAgreement = fn(&[u8; 32], &[u8; 32]) -> Result<zeroize::Zeroizing<[u8; 32]>, Error>;

/// The public key, the message, and the signature.
#[cfg(feature = "tunnel")]
pub type SignatureCheck = fn(&[u8; 32], &[u8], &[u8]) -> Result<(), Error>;

/// The inputs with their costs, and the buffer that receives the derived bytes.
#[cfg(feature = "ephemeral")]
pub type PasswordHash = fn(&argon2id::Input<'_>, &mut [u8]) -> Result<(), Error>;

/// A mode of a block cipher with a key, an initialisation vector, and the input: text, or ciphertext.
#[cfg(feature = "snapshot")]
pub type Crypt = fn(&[u8], &cbc::Iv, &[u8]) -> Result<Vec<u8>, Error>;

/// Both directions of a mode of a block cipher.
#[cfg(feature = "snapshot")]
#[derive(Clone, Copy, Debug)]
pub struct CipherMode {
    /// The ciphertext of a text.
    pub encrypt: Crypt,
    /// The text of a ciphertext.
    pub decrypt: Crypt,
}

/// The kinds of functions. All vectors for one kind have the same form.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Function {
    /// Maps a message to its digest.
    Hash(fn(&[u8]) -> Vec<u8>),
    /// Maps a message to a checksum, which detects accidents and no attacker.
    #[cfg(feature = "log")]
    Checksum(fn(&[u8]) -> Vec<u8>),
    /// Derives as many key bytes as the buffer holds from key material, salt and info.
    Kdf(Kdf),
    /// Derives as many bytes as the buffer holds from a password, at a chosen cost.
    #[cfg(feature = "ephemeral")]
    PasswordHash(PasswordHash),
    /// Computes the secret that two sides share from one's secret and the other's public key.
    #[cfg(feature = "tunnel")]
    KeyAgreement(KeyAgreement),
    /// Checks a signature over a message.
    #[cfg(feature = "tunnel")]
    SignatureCheck(SignatureCheck),
    /// Encrypts and decrypts without authentication.
    #[cfg(feature = "snapshot")]
    CipherMode(CipherMode),
}

impl Function {
    /// The name of the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hash(_) => "hash",
            #[cfg(feature = "log")]
            Self::Checksum(_) => "checksum",
            Self::Kdf(_) => "key derivation",
            #[cfg(feature = "ephemeral")]
            Self::PasswordHash(_) => "password hash",
            #[cfg(feature = "tunnel")]
            Self::KeyAgreement(_) => "key agreement",
            #[cfg(feature = "tunnel")]
            Self::SignatureCheck(_) => "signature check",
            #[cfg(feature = "snapshot")]
            Self::CipherMode(_) => "cipher mode",
        }
    }
}

/// Every primitive.
pub const PRIMITIVES: &[Primitive] = &[
    #[cfg(any(feature = "ephemeral", feature = "log", feature = "storage", feature = "tunnel"))]
    sha256::PRIMITIVE,
    #[cfg(any(feature = "cli", feature = "log", feature = "tunnel"))]
    hkdf_sha256::PRIMITIVE,
    #[cfg(feature = "ephemeral")]
    argon2id::PRIMITIVE,
    #[cfg(feature = "tunnel")]
    x25519::PRIMITIVE,
    #[cfg(feature = "tunnel")]
    ed25519::PRIMITIVE,
    #[cfg(feature = "snapshot")]
    cbc::PRIMITIVE,
    #[cfg(feature = "snapshot")]
    hkdf_sha512::PRIMITIVE,
    #[cfg(feature = "log")]
    crc32c::PRIMITIVE,
];

/// The primitive with this name.
pub fn find(name: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|primitive| primitive.name == name)
}

/// Why a primitive was refused. Reveals nothing about secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes were requested than the function can derive.
    #[error("this function cannot derive {asked} bytes: request at most {most}")]
    OutputTooLong {
        /// The number of bytes requested.
        asked: usize,
        /// The largest number that it can derive.
        most: usize,
    },
    /// A cost or a length is out of the password hash's range.
    #[error("this password hash refuses its input: {0}")]
    PasswordHash(&'static str),
    /// The shared secret is all zeros.
    #[error("the peer's key is a point of low order, so the shared secret is all zeros: refuse the peer")]
    NotContributory,
    /// The bytes are not a public key.
    #[error("the bytes are not the encoding of a public key")]
    NotAKey,
    /// The signature is not valid.
    #[error("the signature is not one of this key over this message")]
    NotSigned,
    /// The key does not have 16, 24 or 32 bytes.
    #[error("the key has {0} bytes: AES takes 16, 24 or 32")]
    KeyLength(usize),
    /// The ciphertext is empty or not whole blocks, or its padding is wrong.
    #[error("the ciphertext does not decrypt: it is not whole blocks, or its padding is wrong")]
    Ciphertext,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_found_by_its_name_and_has_its_own_vectors() {
        let mut seen = BTreeSet::new();
        for primitive in PRIMITIVES {
            assert!(find(primitive.name).is_some_and(|found| found.krate == primitive.krate));
            assert!(!primitive.vectors.is_empty(), "{} has no vectors to judge it", primitive.name);
            for set in primitive.vectors {
                assert!(seen.insert(set), "{set} judges two primitives");
            }
        }
        assert!(find("md5").is_none());
    }
}
