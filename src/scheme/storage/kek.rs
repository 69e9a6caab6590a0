//! The key-encryption key: where it comes from, and the 60 bytes of a wrapped data key (spec §5).
//!
//! Follows elastickv `internal/encryption/kek`. The envelope wraps ([`wrap`]); this module decides what a
//! wrap binds. A compatible wrap has empty AAD, so nothing prevents two wrapped keys from being swapped. A
//! bound wrap binds purpose and key id, and is ours alone. A key management service would be one more
//! [`Kek`]. elastickv's `ErrNilFileWrapper` has no counterpart here: a [`LocalKek`] cannot exist without its
//! key.

use std::env::VarError;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Error, Purpose};
use crate::aead::Nonce;
use crate::disk::{KeyFileError, read_key_file};
use crate::envelope::keystore::DEK_LEN;
use crate::envelope::wrap::{self, WrappingKey};

/// Bytes of a key-encryption key.
pub const KEK_LEN: usize = wrap::KEY_LEN;
/// Bytes of a wrapped data key.
pub const WRAPPED_LEN: usize = wrap::WRAPPED_LEN;
/// The environment variable that [`LocalKek::from_env`] reads.
pub const KEK_VARIABLE: &str = "ELASTICKV_KEK_BASE64";

/// An unwrapped data key; wiped when dropped.
pub type Dek = wrap::SecretKey;

/// Wraps data keys: a local key, or a service that holds one.
pub trait Kek: Send + Sync + fmt::Debug {
    /// Wraps a data key with fresh randomness.
    ///
    /// # Errors
    /// [`Error::Random`], or the service's.
    fn wrap(&self, purpose: Purpose, key_id: u32, dek: &[u8; DEK_LEN]) -> Result<Vec<u8>, Error>;

    /// Unwraps a data key. `purpose` and `key_id` are those that the caller expects; a wrap that binds them
    /// refuses others.
    ///
    /// # Errors
    /// [`Error::Unwrap`], or the service's.
    fn unwrap(&self, purpose: Purpose, key_id: u32, wrapped: &[u8]) -> Result<Dek, Error>;
}

/// The data that a wrap binds besides the data key.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Binding {
    /// Nothing, as in elastickv.
    #[default]
    Compatible,
    /// Purpose and key id: a wrapped key does not open if it is moved to another entry of the sidecar.
    Bound,
}

/// A key-encryption key in this process's memory.
pub struct LocalKek {
    key: WrappingKey,
    binding: Binding,
}

impl LocalKek {
    /// The KEK with these bytes.
    ///
    /// # Errors
    /// [`Error::Envelope`] if this CPU cannot create the key.
    pub fn new(key: &[u8; KEK_LEN]) -> Result<Self, Error> {
        Ok(Self { key: WrappingKey::new(key)?, binding: Binding::Compatible })
    }

    /// The same KEK with another binding for its wraps.
    #[must_use]
    pub fn with(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// Reads the KEK from a file of exactly 32 raw bytes, by the rules of [`read_key_file`].
    ///
    /// # Errors
    /// In this order: [`Error::Disk`] if the file does not open; [`Error::Kek`] if it is not a regular file;
    /// [`Error::InsecureKekFile`]; [`Error::Kek`] if it has another length.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; KEK_LEN]);
        let unusable = |why| Error::Kek(format!("{} {why}", path.display()));
        read_key_file(path, &mut key).map_err(|refused| match refused {
            KeyFileError::Io { path, reason } => {
                crate::disk::Error::Io { doing: "reading the KEK file", path, reason }.into()
            }
            KeyFileError::Insecure { path, mode } => Error::InsecureKekFile { path, mode },
            KeyFileError::NotRegular { .. } => unusable("is not a regular file"),
            KeyFileError::Length { .. } => unusable("is not exactly 32 bytes long"),
        })?;
        Self::new(&key)
    }

    /// Decodes the KEK from padded standard Base64.
    ///
    /// # Errors
    /// [`Error::Kek`].
    pub fn from_base64(text: &str) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; KEK_LEN + 3]);
        let len = STANDARD.decode_slice(text.trim_ascii(), &mut bytes[..]);
        let refused = || Error::Kek("the text is not padded Base64 of 32 bytes".into());
        let len = len.map_err(|_| refused())?;
        Self::new(bytes[..len].try_into().map_err(|_| refused())?)
    }

    /// Reads the KEK from [`KEK_VARIABLE`]. Other processes of this user can read the variable, so a file is
    /// the better place.
    ///
    /// # Errors
    /// [`Error::Kek`] if it is not set, or not the Base64 of 32 bytes.
    pub fn from_env() -> Result<Self, Error> {
        let unusable = |why| Error::Kek(format!("{KEK_VARIABLE} {why}"));
        match std::env::var(KEK_VARIABLE) {
            Ok(text) => Self::from_base64(&Zeroizing::new(text)),
            Err(VarError::NotPresent) => Err(unusable("is not set")),
            Err(VarError::NotUnicode(text)) => {
                drop(Zeroizing::new(text.into_encoded_bytes()));
                Err(unusable("is not Unicode, so it is not Base64"))
            }
        }
    }

    fn aad(&self, purpose: Purpose, key_id: u32) -> Vec<u8> {
        match self.binding {
            Binding::Compatible => Vec::new(),
            Binding::Bound => {
                [b"sealmark kek wrap 1".as_slice(), &[purpose.byte()], &key_id.to_be_bytes()].concat()
            }
        }
    }

    /// Wraps with a nonce of the caller's choice, for published vectors. A nonce used twice reveals both
    /// keys.
    ///
    /// # Errors
    /// [`Error::Envelope`] if the engine refuses.
    pub fn wrap_with(
        &self,
        nonce: &Nonce,
        purpose: Purpose,
        key_id: u32,
        dek: &[u8; DEK_LEN],
    ) -> Result<Vec<u8>, Error> {
        Ok(self.key.wrap_with(nonce, &self.aad(purpose, key_id), dek)?.to_vec())
    }
}

impl Kek for LocalKek {
    fn wrap(&self, purpose: Purpose, key_id: u32, dek: &[u8; DEK_LEN]) -> Result<Vec<u8>, Error> {
        Ok(self.key.wrap(&self.aad(purpose, key_id), dek)?.to_vec())
    }

    fn unwrap(&self, purpose: Purpose, key_id: u32, wrapped: &[u8]) -> Result<Dek, Error> {
        Ok(self.key.unwrap(&self.aad(purpose, key_id), wrapped)?)
    }
}

impl fmt::Debug for LocalKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKek").field("binding", &self.binding).finish_non_exhaustive()
    }
}

/// A data key from the system's random source.
///
/// # Errors
/// [`Error::Random`].
pub fn new_dek() -> Result<Dek, Error> {
    Ok(Dek::random()?)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    const DEK: [u8; DEK_LEN] = [7; DEK_LEN];

    fn kek(binding: Binding) -> LocalKek {
        LocalKek::new(&[9; KEK_LEN]).unwrap().with(binding)
    }

    #[test]
    fn a_wrap_opens_and_no_two_wraps_are_equal() {
        for binding in [Binding::Compatible, Binding::Bound] {
            let kek = kek(binding);
            let wraps = [0; 2].map(|_| kek.wrap(Purpose::Raft, 3, &DEK).unwrap());
            assert_ne!(wraps[0], wraps[1]);
            for wrapped in wraps {
                assert_eq!(wrapped.len(), 60);
                assert_eq!(*kek.unwrap(Purpose::Raft, 3, &wrapped).unwrap(), DEK);
                for at in 0..60 {
                    let mut altered = wrapped.clone();
                    altered[at] ^= 1;
                    assert!(kek.unwrap(Purpose::Raft, 3, &altered).is_err(), "{at}");
                    assert!(kek.unwrap(Purpose::Raft, 3, &wrapped[..at]).is_err(), "{at}");
                }
            }
        }
    }

    #[test]
    fn a_bound_wrap_opens_only_for_its_purpose_and_id_and_a_compatible_one_for_any() {
        for (binding, moves) in [(Binding::Compatible, true), (Binding::Bound, false)] {
            let kek = kek(binding);
            let wrapped = kek.wrap(Purpose::Storage, 3, &DEK).unwrap();
            assert_eq!(kek.unwrap(Purpose::Storage, 4, &wrapped).is_ok(), moves);
            assert_eq!(kek.unwrap(Purpose::Raft, 3, &wrapped).is_ok(), moves);
        }
        let bound = kek(Binding::Bound).wrap(Purpose::Storage, 3, &DEK).unwrap();
        assert!(kek(Binding::Compatible).unwrap(Purpose::Storage, 3, &bound).is_err());
    }

    #[test]
    fn only_base64_of_32_bytes_is_a_kek() {
        let good = STANDARD.encode([9; 32]);
        let wrapped =
            LocalKek::from_base64(&format!("{good}\n")).unwrap().wrap(Purpose::Raft, 1, &DEK).unwrap();
        assert!(kek(Binding::Compatible).unwrap(Purpose::Raft, 1, &wrapped).is_ok());
        for bad in [
            "",
            "!!!",
            &STANDARD.encode([9; 31]),
            &STANDARD.encode([9; 33]),
            &STANDARD.encode([9; 36]),
            &good[..43],
        ] {
            assert!(matches!(LocalKek::from_base64(bad), Err(Error::Kek(_))), "{bad}");
        }
    }

    /// Runs in child processes, because an environment variable belongs to the whole process.
    #[test]
    fn the_environments_kek_is_read_and_a_wrong_or_missing_one_is_named() {
        const ENDS: &str = "SEALMARK_TEST_KEK_ENDS";
        const SELF: &str = "the_environments_kek_is_read_and_a_wrong_or_missing_one_is_named";
        if let Ok(expected) = std::env::var(ENDS) {
            let wrapped = kek(Binding::Compatible).wrap(Purpose::Raft, 1, &DEK).unwrap();
            let opened = LocalKek::from_env().and_then(|kek| kek.unwrap(Purpose::Raft, 1, &wrapped));
            let ends = opened.map_or_else(|error| error.to_string(), |dek| format!("opened {}", *dek == DEK));
            assert!(ends.contains(&expected), "{ends}, not {expected}");
            return;
        }
        let encoded = |bytes: &[u8]| Some(OsString::from(STANDARD.encode(bytes)));
        for (value, ends) in [
            (encoded(&[9; 32]), "opened true"),
            (encoded(&[8; 32]), "another KEK"),
            (encoded(&[9; 31]), "not padded Base64 of 32 bytes"),
            (Some("!".into()), "not padded Base64 of 32 bytes"),
            #[cfg(unix)]
            (
                Some(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff; 44])),
                "ELASTICKV_KEK_BASE64 is not Unicode",
            ),
            (None, "ELASTICKV_KEK_BASE64 is not set"),
        ] {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", &format!("scheme::storage::kek::tests::{SELF}")]).env(ENDS, ends);
            match value {
                Some(value) => child.env(KEK_VARIABLE, value),
                None => child.env_remove(KEK_VARIABLE),
            };
            let output = child.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.contains("1 passed"), "{ends}: {said}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", kek(Binding::Bound)), "LocalKek { binding: Bound, .. }");
        assert_eq!(format!("{:?}", new_dek().unwrap()), "SecretKey(..)");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pipe_and_a_device_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "Linux has mkfifo");
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            assert!(matches!(LocalKek::from_file(path), Err(Error::Kek(_))), "{}", path.display());
        }
        assert_eq!(
            LocalKek::from_file(&folder.path().join("absent")).unwrap_err().spec_name(),
            "ErrNotExist"
        );
    }
}
