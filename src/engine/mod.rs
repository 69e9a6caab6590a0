//! Engines: everything that can seal and open, ours and other people's, behind one door.
//!
//! Only this floor names other people's ciphers. An engine is verified and measured through the same
//! [`Aead`] object that its users would hold. Adding one is a file here and a line in [`engines`].

use crate::aead::{Aead, Alg, Error};

#[cfg(feature = "peers")]
mod awslc;
#[doc(hidden)]
pub mod double;
#[cfg(feature = "peers")]
mod graviola;
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

/// Every engine that was compiled in: our backends, then the peers. Whether this CPU can run one, ask it.
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
    ];
    own::engines().into_iter().chain(peers.iter().copied()).collect()
}

/// The engine of that name; `sealmark` is the backend that this CPU would choose.
pub fn find(name: &str) -> Option<&'static dyn Engine> {
    if name == own::CHOICE {
        return Some(own::choice());
    }
    engines().into_iter().find(|engine| engine.name() == name)
}

/// What a call asks of an engine: key size, IV length, tag length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// Algorithm and with it the key size.
    pub alg: Alg,
    /// IV length in bytes.
    pub iv_len: usize,
    /// Tag length in bytes.
    pub tag_len: usize,
}

impl Shape {
    /// The usual one: a 96-bit nonce and a 128-bit tag.
    pub const fn usual(alg: Alg) -> Self {
        Self { alg, iv_len: 12, tag_len: 16 }
    }
}

/// What a refused `open` leaves in the caller's buffer. Declared by the engine, checked by verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Residue {
    /// Zeros.
    Zeros,
    /// The ciphertext, as it came.
    Ciphertext,
    /// The unauthenticated plaintext: the caller must wipe it.
    Plaintext,
}

/// Something that can seal and open: one of our backends, a peer, or a user's own.
pub trait Engine: Send + Sync {
    /// Its path-like name: `sealmark/aesni`, `ring`.
    fn name(&self) -> &str;

    /// The version of the code behind it.
    fn version(&self) -> String;

    /// Whether this CPU can run it; the reason when not. Every CPU can, where an engine says nothing.
    ///
    /// # Errors
    /// What is missing, for a person to read.
    fn available(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it offers calls of that shape: where an engine says nothing, the [usual one](Shape::usual) for
    /// every key size.
    fn supports(&self, shape: Shape) -> bool {
        shape == Shape::usual(shape.alg)
    }

    /// What a refused open leaves behind. An engine that says nothing is held to the strictest promise:
    /// verification finds it wrong if it leaves anything but zeros.
    fn residue(&self) -> Residue {
        Residue::Zeros
    }

    /// Expands a key.
    ///
    /// # Errors
    /// [`Error::KeyLength`]; [`Error::Unsupported`] for a key size it lacks, [`Error::CpuLacksFeature`].
    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error>;

    /// The environment variables that change what it executes; one that ends with `*` stands for all that
    /// begin like it. Those that are set are recorded with every result.
    fn variables(&self) -> &[&str] {
        &[]
    }

    /// The first part of the name, up to a slash: what `vectors/index.toml` counts by.
    fn family(&self) -> &str {
        let name = self.name();
        name.split_once('/').map_or(name, |(family, _)| family)
    }
}

/// The version of a peer, and in brackets those of the packages that do its work: `aes-gcm 0.11.1 (aes
/// 0.9.4)`.
///
/// `Cargo.toml` pins each of them exactly, so this is what was built, whatever lock file it was built with.
#[cfg(feature = "peers")]
fn version_of(package: &str, parts: &[&str]) -> String {
    let named = |name: &&str| format!("{name} {}", pinned(name).unwrap_or("unknown"));
    let parts: Vec<String> = parts.iter().map(named).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    named(&package) + &parts
}

/// The version that `Cargo.toml` pins a package to.
#[cfg(feature = "peers")]
fn pinned(package: &str) -> Option<&'static str> {
    // As it is written here: on the package's own line. As cargo writes it for the registry: in the package's
    // section.
    let manifest = include_str!("../../Cargo.toml");
    let (line, section) = (format!("{package} = "), format!("[dependencies.{package}]"));
    let mut lines = manifest.lines().skip_while(|text| !text.starts_with(&line) && *text != section);
    let text = lines.find(|text| text.contains("version = \"="))?;
    text.split_once("version = \"=")?.1.split('"').next()
}

#[cfg(all(test, feature = "peers"))]
mod tests {
    use super::*;

    /// Every version of a package in the lock file of this build.
    fn locked(package: &str) -> Vec<&'static str> {
        let lock = include_str!("../../Cargo.lock");
        let name = format!("name = \"{package}\"");
        let lines: Vec<_> = lock.lines().collect();
        let found = lines.windows(2).filter(|pair| pair[0] == name);
        found.filter_map(|pair| pair[1].strip_prefix("version = \"")?.strip_suffix('"')).collect()
    }

    #[test]
    fn a_peers_version_names_what_does_its_work() {
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
                    "{package} is pinned to {pin}, and another was built"
                );
                assert!(version.contains(&format!("{package} {pin}")), "{version}");
            }
        }
    }
}
