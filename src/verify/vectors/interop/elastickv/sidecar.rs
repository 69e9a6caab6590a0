//! `ek-sidecar.json`: reading a `keys.json`, writing it back byte for byte, and raising an epoch.

use std::path::Path;
use std::sync::Arc;

use super::{
    Judgement, Node, Problem, Ruling, ends_by_name, id_of, integer, named, ruled, same, without_cipher,
};
use crate::disk::{Disk, Recorder};
use crate::scheme::storage::{Error, STRICT_JSON, Sidecar, SidecarFile, epoch};
use crate::verify::Case;

pub(super) const FILE: &str = "/encryption/keys.json";

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let mut cases = Vec::new();
    for node in root.member("vectors")?.elements()? {
        let vector = Text::read(&node)?;
        cases.push(ruled(id_of("vectors", &node)?, false, move |_| vector.judge()));
    }
    for (i, node) in root.member("bump_local_epoch")?.elements()?.enumerate() {
        let bump = Bump::read(&node)?;
        cases.push(without_cipher(format!("bump_local_epoch/{i}"), move || bump.judge()));
    }
    Ok(cases)
}

/// A disk with that file, or without one.
pub(super) fn disk_with(text: Option<&[u8]>) -> Result<Recorder, String> {
    let disk = Recorder::with_dir("/encryption");
    if let Some(text) = text {
        let written = disk.create(Path::new(FILE)).and_then(|mut file| file.write_all(text));
        written.map_err(|error| error.to_string())?;
    }
    Ok(disk)
}

pub(super) fn file_on(disk: &Recorder) -> SidecarFile {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    SidecarFile::new(disk, FILE)
}

struct Text {
    /// `None` if there is no file.
    text: Option<Vec<u8>>,
    expect: String,
    /// Only the leniency of the reference's reader makes it pass.
    lenient: bool,
    rewritten: Option<String>,
}

impl Text {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let expect = node.member("expect_read")?.text()?.to_owned();
        let text = match node.find("file_hex")? {
            Some(hex) => Some(hex.bytes()?),
            None if expect == "ErrNotExist" => None,
            None => return Err(node.problem("expected file_hex")),
        };
        let rewritten = match expect.is_empty() {
            true => Some(node.member("rewritten_text")?.text()?.to_owned()),
            false => None,
        };
        if let Some(mode) = node.find("rewritten_mode_octal")?
            && mode.text()? != "0600"
        {
            return Err(mode.problem("expected 0600"));
        }
        Ok(Self { text, expect, lenient: node.member("go_json_leniency")?.truth()?, rewritten })
    }

    fn judge(&self) -> Ruling {
        let disk = disk_with(self.text.as_deref())?;
        let seen = file_on(&disk).read();
        if self.lenient && self.expect.is_empty() && matches!(seen, Err(Error::SidecarStrict(_))) {
            return Ok(Some(STRICT_JSON));
        }
        ends_by_name("read", named(&seen), &self.expect)?;
        if let (Ok(sidecar), Some(rewritten)) = (seen, &self.rewritten) {
            sidecar.write(&disk, Path::new(FILE)).map_err(|error| error.to_string())?;
            let written = disk.read(Path::new(FILE)).map_err(|error| error.to_string())?;
            same("the text written back", &written, rewritten.as_bytes())?;
            if Sidecar::parse(&written).ok() != Some(sidecar) {
                return Err("the text written back reads as another sidecar".into());
            }
        }
        Ok(None)
    }
}

/// The call `BumpLocalEpoch`.
struct Bump {
    dek_id: Option<u32>,
    epoch_before: u16,
    expect: String,
    after: Option<After>,
}

struct After {
    returned: u16,
    epoch: u16,
    version: u64,
}

impl Bump {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let expect = node.member("expect")?.text()?.to_owned();
        let dek_id = node.find("dek_id")?.map(|id| integer(&id)).transpose()?;
        let before = node.find("epoch_before")?;
        let after = match &before {
            None => None,
            Some(_) => Some(After {
                returned: integer(&node.member("returned")?)?,
                epoch: integer(&node.member("epoch_on_disk_after")?)?,
                version: node.member("version_on_disk_after")?.number()?,
            }),
        };
        let epoch_before = before.map_or(Ok(0), |before| integer(&before))?;
        Ok(Self { dek_id, epoch_before, expect, after })
    }

    fn judge(&self) -> Judgement {
        let text = format!(
            r#"{{"version":1,"active":{{"storage":7}},"keys":{{"7":
            {{"purpose":"storage","wrapped":"","created":"","local_epoch":{}}}}}}}"#,
            self.epoch_before
        );
        let disk = disk_with(Some(text.as_bytes()))?;
        // A vector without a key id is the call with an empty path.
        let file = match self.dek_id {
            Some(_) => file_on(&disk),
            None => SidecarFile::new(Arc::new(disk.clone()) as Arc<dyn Disk>, ""),
        };
        let bumped = epoch::bump(&file, self.dek_id.unwrap_or(7));
        ends_by_name("bump", named(&bumped), &self.expect)?;
        let written = disk.read(Path::new(FILE)).map_err(|error| error.to_string())?;
        if bumped.is_err() {
            same("the file after a refusal", &written, text.as_bytes())?;
        }
        let Some(after) = &self.after else { return Ok(()) };
        let sidecar = Sidecar::parse(&written).map_err(|error| error.to_string())?;
        let epoch = sidecar.entry(7).map(|entry| entry.local_epoch);
        let version =
            serde_json::from_slice::<serde_json::Value>(&written).ok().and_then(|v| v["version"].as_u64());
        if (bumped.unwrap_or(0), epoch, version) != (after.returned, Some(after.epoch), Some(after.version)) {
            return Err("the epoch returned, or epoch and version on the disk, are not the vector's".into());
        }
        Ok(())
    }
}
