//! `ek-kek.json`: wraps, byte for byte; wraps that do not open; and the files that may hold a KEK.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Judgement, Node, Problem, array, ends_by_name, named, same, without_cipher};
use crate::aead::Nonce;
use crate::envelope::keystore::DEK_LEN;
use crate::scheme::storage::kek::KEK_LEN;
use crate::scheme::storage::{Kek, LocalKek, Purpose};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let mut cases = Vec::new();
    for (i, node) in root.member("vectors")?.elements()?.enumerate() {
        let vector = Wrap::read(&node)?;
        cases.push(without_cipher(format!("vectors/{i}"), move || vector.judge()));
    }
    let kek: [u8; KEK_LEN] = array(&root.member("negatives_kek")?)?;
    for (i, node) in root.member("negatives")?.elements()?.enumerate() {
        let (wrapped, expect) = (node.member("wrapped")?.bytes()?, node.member("expect")?);
        let opens = match expect.text()? {
            "ok" => true,
            "error" => false,
            _ => return Err(expect.problem("expected ok or error")),
        };
        cases.push(without_cipher(format!("negatives/{i}"), move || {
            let kek = LocalKek::new(&kek).map_err(|error| error.to_string())?;
            let unwrapped = kek.unwrap(Purpose::Storage, 1, &wrapped);
            ends_by_name("unwrap", named(&unwrapped), if opens { "" } else { "OTHER" })
        }));
    }
    for (i, node) in root.member("files")?.elements()?.enumerate() {
        let file = KekFile::read(&node)?;
        cases.push(without_cipher(format!("files/{i}"), move || file.judge()));
    }
    Ok(cases)
}

struct Wrap {
    kek: [u8; KEK_LEN],
    dek: [u8; DEK_LEN],
    nonce: Nonce,
    wrapped: Vec<u8>,
    wrapped_base64: String,
    wrapped_upstream: Vec<u8>,
}

impl Wrap {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        Ok(Self {
            kek: array(&node.member("kek")?)?,
            dek: array(&node.member("dek")?)?,
            nonce: array(&node.member("nonce")?)?,
            wrapped: node.member("wrapped")?.bytes()?,
            wrapped_base64: node.member("wrapped_base64")?.text()?.to_owned(),
            wrapped_upstream: node.member("wrapped_by_upstream_random_nonce")?.bytes()?,
        })
    }

    fn judge(&self) -> Judgement {
        let kek = LocalKek::new(&self.kek).map_err(|error| error.to_string())?;
        let from_text =
            LocalKek::from_base64(&STANDARD.encode(self.kek)).map_err(|error| error.to_string())?;
        let wrapped = kek.wrap_with(&self.nonce, Purpose::Storage, 1, &self.dek);
        same("wrap", &wrapped.map_err(|error| error.to_string())?, &self.wrapped)?;
        same("wrapped_base64", STANDARD.encode(&self.wrapped).as_bytes(), self.wrapped_base64.as_bytes())?;
        for wrapped in [&self.wrapped, &self.wrapped_upstream] {
            for kek in [&kek, &from_text] {
                let dek = kek.unwrap(Purpose::Raft, 2, wrapped).map_err(|error| error.to_string())?;
                same("unwrap", &dek[..], &self.dek)?;
            }
        }
        Ok(())
    }
}

enum KekFile {
    Directory,
    Regular { size: usize, mode: u32, expect: String },
}

impl KekFile {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        if let Some(kind) = node.find("kind")? {
            let refused = node.member("expect_error")?;
            return match (kind.text()?, refused.truth()?) {
                ("directory", true) => Ok(Self::Directory),
                _ => Err(kind.problem("expected a directory that is refused")),
            };
        }
        let mode = node.member("mode_octal")?;
        Ok(Self::Regular {
            size: super::integer(&node.member("size")?)?,
            mode: u32::from_str_radix(mode.text()?, 8).map_err(|_| mode.problem("expected an octal mode"))?,
            expect: node.member("expect")?.text()?.to_owned(),
        })
    }

    /// Creates the file, and removes it again.
    fn judge(&self) -> Judgement {
        let folder = Folder::new()?;
        let (path, expect) = match self {
            Self::Directory => (folder.0.clone(), "OTHER"),
            Self::Regular { size, mode, expect } => {
                let path = folder.0.join("kek");
                fs::write(&path, vec![7; *size]).map_err(|error| error.to_string())?;
                set_mode(&path, *mode).map_err(|error| error.to_string())?;
                (path, expect.as_str())
            }
        };
        let seen = LocalKek::from_file(&path);
        // On systems without file modes, there are no rights to refuse.
        if !cfg!(unix) && expect == "ErrInsecureKEKFile" {
            return Ok(());
        }
        ends_by_name("reading the file", named(&seen), expect)
    }
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &std::path::Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

/// A folder of this process, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, String> {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let name = format!("sealmark-kek-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| format!("creating {}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
