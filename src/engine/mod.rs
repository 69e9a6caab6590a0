//! Engines: our own and third-party AEADs behind one trait.
//!
//! Only this floor names third-party ciphers. An engine is verified and measured through the same [`Aead`]
//! object that its users hold. To add one, add a file here and a line in [`engines`].

use crate::aead::{Aead, Alg, Error};

#[cfg(feature = "peers")]
mod awslc;
#[doc(hidden)]
pub mod double;
#[cfg(feature = "peers")]
mod graviola;
#[cfg(all(feature = "ipsec-mb", target_arch = "x86_64", unix))]
#[expect(unsafe_code, reason = "a C library without a crate")]
mod ipsec_mb;
#[cfg(feature = "openssl")]
mod openssl;
mod own;
#[cfg(feature = "peers")]
mod ring;
#[cfg(feature = "peers")]
mod rustcrypto;
#[cfg(feature = "cli")]
pub mod witness;

#[doc(hidden)]
pub use double::FaultyEngine;
pub use own::Own;
#[cfg(feature = "cli")]
pub use witness::Witnesses;

/// Every engine that was compiled in: our backends, then the peers. [`Engine::available`] tells whether this
/// CPU can run it.
pub fn engines() -> Vec<&'static dyn Engine> {
    let peers: &[&'static dyn Engine] = &[
        #[cfg(feature = "peers")]
        &rustcrypto::RustCrypto,
        #[cfg(feature = "peers")]
        &ring::Ring,
        #[cfg(feature = "peers")]
        &awslc::AwsLc,
        #[cfg(feature = "peers")]
        &graviola::Graviola,
        #[cfg(feature = "openssl")]
        &openssl::OpenSsl,
        #[cfg(all(feature = "ipsec-mb", target_arch = "x86_64", unix))]
        &ipsec_mb::IpsecMb,
    ];
    own::engines().into_iter().chain(peers.iter().copied()).collect()
}

/// The engine with this name; `sealmark` is the backend chosen for this CPU.
pub fn find(name: &str) -> Option<&'static dyn Engine> {
    if name == own::CHOICE {
        return Some(own::choice());
    }
    engines().into_iter().find(|engine| engine.name() == name)
}

/// The parameters of a call that an engine must support: key size, IV length, tag length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// The algorithm, which determines the key size.
    pub alg: Alg,
    /// IV length in bytes.
    pub iv_len: usize,
    /// Tag length in bytes.
    pub tag_len: usize,
}

impl Shape {
    /// The usual shape: a 96-bit nonce and a 128-bit tag.
    pub const fn usual(alg: Alg) -> Self {
        Self { alg, iv_len: 12, tag_len: 16 }
    }
}

/// What a refused `open` leaves in the caller's buffer. Declared by the engine, checked by verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Residue {
    /// Zeros.
    Zeros,
    /// The ciphertext, unchanged.
    Ciphertext,
    /// The unauthenticated plaintext: the caller must wipe it.
    Plaintext,
}

/// An AEAD implementation: one of our backends, a peer, or a user's own.
pub trait Engine: Send + Sync {
    /// Its path-like name: `sealmark/aesni`, `ring`.
    fn name(&self) -> &str;

    /// The version of the code behind it.
    fn version(&self) -> String;

    /// Whether this CPU can run it, or the reason if not. By default every CPU can.
    ///
    /// # Errors
    /// A human-readable description of what is missing.
    fn available(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it supports calls of this shape. By default the [usual one](Shape::usual), for every key size.
    fn supports(&self, shape: Shape) -> bool {
        shape == Shape::usual(shape.alg)
    }

    /// What a refused open leaves in the buffer. The default is the strictest promise: verification fails an
    /// engine that leaves anything but zeros.
    fn residue(&self) -> Residue {
        Residue::Zeros
    }

    /// Expands a key.
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::Unsupported`] for a key size it lacks, [`Error::CpuLacksFeature`].
    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error>;

    /// The environment variables that change which code it runs; a name ending in `*` matches every variable
    /// with that prefix. Variables that are set are recorded with every result.
    fn variables(&self) -> &[&str] {
        &[]
    }

    /// The part of the name before the slash, under which `vectors/index.toml` declares counts.
    fn family(&self) -> &str {
        let name = self.name();
        name.split_once('/').map_or(name, |(family, _)| family)
    }
}

/// The version of a peer, followed in parentheses by the versions of the packages that do its work:
/// `aes-gcm 0.11.1 (aes 0.9.4)`.
///
/// `Cargo.toml` pins each of them exactly, so these versions were built, whatever the lock file.
#[cfg(feature = "peers")]
fn version_of(package: &str, parts: &[&str]) -> String {
    let named = |name: &&str| format!("{name} {}", pinned(name).unwrap_or("unknown"));
    let parts: Vec<String> = parts.iter().map(named).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    named(&package) + &parts
}

/// The version to which `Cargo.toml` pins a package.
#[cfg(feature = "peers")]
fn pinned(package: &str) -> Option<&'static str> {
    // In our own manifest the version stands on the package's line; in the one that cargo writes for the
    // registry, in the package's section.
    let manifest = include_str!("../../Cargo.toml");
    let (line, section) = (format!("{package} = "), format!("[dependencies.{package}]"));
    let mut lines = manifest.lines().skip_while(|text| !text.starts_with(&line) && *text != section);
    let text = lines.find(|text| text.contains("version = \"="))?;
    text.split_once("version = \"=")?.1.split('"').next()
}

#[cfg(all(test, feature = "peers"))]
mod tests {
    use super::*;

    /// Every version of a package in this build's lock file.
    fn locked(package: &str) -> Vec<&'static str> {
        let lock = include_str!("../../Cargo.lock");
        let name = format!("name = \"{package}\"");
        let lines: Vec<_> = lock.lines().collect();
        let found = lines.windows(2).filter(|pair| pair[0] == name);
        found.filter_map(|pair| pair[1].strip_prefix("version = \"")?.strip_suffix('"')).collect()
    }

    #[test]
    fn a_peers_version_names_the_packages_that_do_its_work() {
        for (engine, packages) in [
            ("rustcrypto", &["aes-gcm", "aes", "ctr", "ghash", "polyval"][..]),
            ("ring", &["ring"]),
            ("aws-lc", &["aws-lc-rs", "aws-lc-sys"]),
            ("graviola", &["graviola"]),
        ] {
            let version = find(engine).expect("it was compiled in").version();
            for package in packages {
                let pin = pinned(package).expect("it is pinned");
                assert!(
                    locked(package).contains(&pin),
                    "{package} is pinned to {pin}, but another version was built"
                );
                assert!(version.contains(&format!("{package} {pin}")), "{version}");
            }
        }
    }
}
