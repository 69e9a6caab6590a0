//! `sealmark tunnel keygen`, identity files, and the public keys of peers.
//!
//! An identity is the Ed25519 key that signs key exchanges, with a node id. The X25519 key is in no file:
//! each process draws a new one, so that a restart never derives an earlier session's AES key again, and
//! frames recorded before it open nowhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use schemars::JsonSchema;
use serde::Serialize;
use zeroize::Zeroizing;

use super::super::{ExitStatus, Format};
use crate::disk::{Os, durable_write, read_key_file};
use crate::scheme::tunnel::exchange::{Identity, Registry, Unavailable};

/// The name and version of the JSON that `keygen` prints.
pub(crate) const SCHEMA: &str = "sealmark.tunnel-keygen/1";

/// Begins an identity file, and is its version.
const MAGIC: [u8; 4] = *b"SMI1";
/// The magic, the node id, and the seed of the Ed25519 key.
const FILE_LEN: usize = 4 + 4 + 32;
/// Ends the names of files with public keys.
const PUBLIC: &str = "pub";

/// Makes an identity: a file with the secret key, and a file with the public one for the peers.
///
/// FILE is readable by its owner alone (mode 0600) and durable when the command ends. The public key is next
/// to it, with the ending .pub. An existing file is never replaced.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark tunnel keygen alice.key --node-id 1\n  \
                  sealmark tunnel keygen bob.key --node-id 2 --format json")]
pub(super) struct Args {
    /// The file for the identity.
    file: PathBuf,
    /// The node id, by which the peers know it.
    #[arg(long, value_name = "NUMBER")]
    node_id: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What `sealmark tunnel keygen --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Keygen {
    schema: &'static str,
    /// The secret.
    identity: PathBuf,
    /// The file for the peers.
    public: PathBuf,
    node_id: u32,
    /// In hexadecimal.
    ed25519: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let public = args.file.with_extension(PUBLIC);
    if public == args.file {
        bail!("{} would be the public key: give the identity another ending", args.file.display());
    }
    for path in [&args.file, &public] {
        if fs::symlink_metadata(path).is_ok() {
            bail!("{} exists, and a key is never replaced: choose another name", path.display());
        }
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut seed[..]).context("drawing a key")?;
    let identity = Identity::from_bytes(args.node_id, None, Some(&seed));
    let key = identity.ed25519_public().expect("it was given a seed");
    let mut secret = Zeroizing::new([0; FILE_LEN]);
    secret[..4].copy_from_slice(&MAGIC);
    secret[4..8].copy_from_slice(&args.node_id.to_be_bytes());
    secret[8..].copy_from_slice(&seed[..]);
    // The secret first: a public key without its secret would be of no use.
    durable_write(&Os, &args.file, &secret[..])?;
    durable_write(&Os, &public, line(args.node_id, &key).as_bytes())?;
    let made = Keygen {
        schema: SCHEMA,
        identity: args.file.clone(),
        public,
        node_id: args.node_id,
        ed25519: hex::encode(key),
    };
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&made)?),
        Format::Text => {
            print_line!("{}: the identity of node {}, secret", made.identity.display(), made.node_id);
            print_line!("{}: its public key, for its peers", made.public.display());
        }
    }
    Ok(ExitStatus::Fine)
}

/// A line of a file with public keys.
fn line(node_id: u32, ed25519: &[u8; 32]) -> String {
    format!("{node_id} {}\n", hex::encode(ed25519))
}

/// The identity in a file, with a new X25519 key.
pub(super) fn read(path: &Path) -> anyhow::Result<Identity> {
    let mut file = Zeroizing::new([0; FILE_LEN]);
    read_key_file(path, &mut file)?;
    let Some((node_id, seed)) = file.strip_prefix(&MAGIC).and_then(<[u8]>::split_first_chunk::<4>) else {
        bail!("{}: not an identity: make one with `sealmark tunnel keygen`", path.display());
    };
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).expect("the file's length was checked"));
    let mut x25519 = Zeroizing::new([0; 32]);
    getrandom::fill(&mut x25519[..]).context("drawing a key")?;
    Ok(Identity::from_bytes(u32::from_be_bytes(*node_id), Some(&x25519), Some(&seed)))
}

/// The public keys of peers, from a file or from the .pub files of a folder.
#[derive(Debug)]
pub(super) struct PublicKeys(BTreeMap<u32, [u8; 32]>);

impl PublicKeys {
    /// Reads them.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("reading the public keys in {}", path.display());
        let mut files = vec![path.to_owned()];
        if path.is_dir() {
            let entries = fs::read_dir(path).with_context(doing)?;
            let entries = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
            files = entries.with_context(doing)?;
            files.retain(|file| file.extension().is_some_and(|end| end == PUBLIC));
            files.sort();
        }
        let mut keys = BTreeMap::new();
        for file in files {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("reading the public keys in {}", file.display()))?;
            for (at, line) in text.lines().enumerate() {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let place = format!("{}: line {}", file.display(), at + 1);
                let (id, key) = parse(line)
                    .with_context(|| format!("{place}: not a node id and a key of 64 hexadecimal digits"))?;
                if keys.insert(id, key).is_some_and(|other| other != key) {
                    bail!("{place}: another key of node {id} was read before: keep the right one");
                }
            }
        }
        if keys.is_empty() {
            bail!("{} has no public keys: copy the peers' .pub files there", path.display());
        }
        Ok(Self(keys))
    }

    /// Whether a node is among them.
    pub fn knows(&self, node_id: u32) -> bool {
        self.0.contains_key(&node_id)
    }
}

fn parse(line: &str) -> Option<(u32, [u8; 32])> {
    let (id, digits) = line.split_once(' ')?;
    let mut key = [0; 32];
    hex::decode_to_slice(digits.trim(), &mut key).ok()?;
    Some((id.parse().ok()?, key))
}

impl Registry for PublicKeys {
    fn ed25519_key(&self, peer: u32) -> Result<Option<[u8; 32]>, Unavailable> {
        Ok(self.0.get(&peer).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keygen(file: &Path, node_id: u32) -> anyhow::Result<ExitStatus> {
        run(&Args { file: file.to_owned(), node_id, format: Format::Json })
    }

    #[test]
    fn an_identity_is_read_back_with_another_exchange_key_each_time_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alice.key");
        keygen(&file, 7).unwrap();
        let (first, second) = (read(&file).unwrap(), read(&file).unwrap());
        assert_eq!((first.node_id(), second.node_id()), (7, 7));
        assert_ne!(first.x25519_public(), second.x25519_public());
        let keys = PublicKeys::read(folder.path()).unwrap();
        assert!(keys.knows(7) && !keys.knows(8));
        assert_eq!(keys.ed25519_key(7).unwrap(), first.ed25519_public());
        assert!(PublicKeys::read(&folder.path().join("alice.pub")).unwrap().knows(7));

        let before = fs::read(&file).unwrap();
        for name in ["alice.key", "alice.other"] {
            let error = keygen(&folder.path().join(name), 8).unwrap_err().to_string();
            assert!(error.contains("is never replaced"), "{error}");
        }
        let error = keygen(&folder.path().join("bob.pub"), 8).unwrap_err().to_string();
        assert!(error.contains("another ending"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_is_no_identity_is_refused_and_so_is_one_that_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alice.key");
        keygen(&file, 7).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
            let error = read(&file).unwrap_err().to_string();
            assert!(error.contains("has mode 0640"), "{error}");
            fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        }
        let mut bytes = fs::read(&file).unwrap();
        bytes[3] = b'2';
        fs::write(&file, &bytes).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("not an identity"));
        fs::write(&file, &bytes[1..]).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("not exactly 40 bytes"));
    }

    #[test]
    fn public_keys_are_refused_with_the_line_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("peers");
        let (key, other) = ("ab".repeat(32), "cd".repeat(32));
        fs::write(&file, format!("# two nodes\n\n1 {key}\n2 {other}\n1 {key}\n")).unwrap();
        let keys = PublicKeys::read(&file).unwrap();
        assert_eq!(keys.ed25519_key(1), Ok(Some([0xab; 32])));
        assert_eq!(keys.ed25519_key(3), Ok(None));
        for (text, said) in [
            (format!("1 {key}\n1 {other}\n"), "line 2: another key of node 1"),
            (format!("1 {key}ab\n"), "line 1: not a node id"),
            (format!("x {key}\n"), "line 1: not a node id"),
            (format!("4294967296 {key}\n"), "line 1: not a node id"),
            ("# none\n".to_owned(), "has no public keys"),
        ] {
            fs::write(&file, &text).unwrap();
            let error = format!("{:#}", PublicKeys::read(&file).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
        // Only files with the ending count in a folder.
        assert!(PublicKeys::read(folder.path()).unwrap_err().to_string().contains("has no public keys"));
        assert!(PublicKeys::read(&folder.path().join("absent")).is_err());
    }
}
