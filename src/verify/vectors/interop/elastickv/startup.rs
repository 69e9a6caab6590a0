//! `ek-startup.json`: the guards of a starting node, one by one, and the snapshot header.

use std::io;

use super::sidecar::{disk_with, file_on};
use super::{
    Judgement, Node, Problem, Ruling, array, decimal, ends_by_name, integer, named, ruled, without_cipher,
};
use crate::disk::{Disk, Memory, Recorder, Store};
use crate::envelope::nonce::node_id16;
use crate::scheme::storage::guards::{
    LogScanner, check_configuration, check_epoch_after_bump, check_log, check_node_ids,
};
use crate::scheme::storage::kek::KEK_LEN;
use crate::scheme::storage::proposal::{open_proposal, seal_proposal};
use crate::scheme::storage::registry::{Registry, Writer, encode_key};
use crate::scheme::storage::wire::{ROTATION, is_sidecar_relevant};
use crate::scheme::storage::{Error, Kek, LocalKek, SIDECAR_IN_LOG, SidecarFile, SnapshotHeader};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let kek: [u8; KEK_LEN] = array(&root.member("kek")?)?;
    let mut cases = Vec::new();
    for node in root.member("guards")?.elements()? {
        let guard = Guard::read(&node, &kek)?;
        cases.push(without_cipher(super::id_of("guards", &node)?, move || guard.judge()));
    }
    for (i, node) in root.member("local_epoch_rollback")?.elements()?.enumerate() {
        let rollback = Rollback::read(&node)?;
        cases.push(without_cipher(format!("local_epoch_rollback/{i}"), move || rollback.judge()));
    }
    for (i, node) in root.member("node_id_collision")?.elements()?.enumerate() {
        let expect = node.member("expect")?.text()?.to_owned();
        let ids = node.member("full_node_ids")?;
        let ids: Vec<u64> = ids.elements()?.map(|id| decimal(&id)).collect::<Result<_, _>>()?;
        let case = move || ends_by_name("check_node_ids", named(&check_node_ids(&ids)), &expect);
        cases.push(without_cipher(format!("node_id_collision/{i}"), case));
    }
    for (i, node) in root.member("sidecar_behind_log")?.elements()?.enumerate() {
        let log = Log::read(&node)?;
        cases.push(ruled(format!("sidecar_behind_log/{i}"), false, move |_| log.judge()));
    }
    let opcodes = root.member("relevant_opcodes")?;
    let opcodes: Vec<u8> =
        opcodes.elements()?.map(|opcode| integer::<u8>(&opcode)).collect::<Result<_, _>>()?;
    let relevant = (0..=u8::MAX).filter(|opcode| is_sidecar_relevant(*opcode)).count();
    let all = opcodes.len();
    for (i, opcode) in opcodes.into_iter().enumerate() {
        cases.push(without_cipher(format!("relevant_opcodes/{i}"), move || {
            let same = is_sidecar_relevant(opcode) && relevant == all;
            if same {
                Ok(())
            } else {
                Err(format!("opcode {opcode} and {all} in all must be relevant, here {relevant} are"))
            }
        }));
    }
    for (i, node) in root.member("snapshot_header")?.elements()?.enumerate() {
        let header = Header::read(&node)?;
        cases.push(without_cipher(format!("snapshot_header/{i}"), move || header.judge()));
    }
    Ok(cases)
}

struct Guard {
    enabled: bool,
    kek: Option<[u8; KEK_LEN]>,
    path_given: bool,
    sidecar: Option<Vec<u8>>,
    folder: bool,
    expect: String,
}

impl Guard {
    fn read(node: &Node<'_>, right: &[u8; KEK_LEN]) -> Result<Self, Problem> {
        let (kek, configured) = (node.member("kek")?, node.member("kek_configured")?);
        let kek_bytes = match kek.text()? {
            "right" => Some(*right),
            "wrong" => Some([0x5a; KEK_LEN]),
            "" => None,
            _ => return Err(kek.problem("expected right, wrong or nothing")),
        };
        if configured.truth()? != kek_bytes.is_some() {
            return Err(configured.problem("expected true exactly if there is a KEK"));
        }
        Ok(Self {
            enabled: node.member("encryption_enabled")?.truth()?,
            kek: kek_bytes,
            path_given: node.member("sidecar_path_given")?.truth()?,
            sidecar: node.optional("sidecar_text")?.map(|text| Ok(text.text()?.into())).transpose()?,
            // Only the id says that the folder is missing.
            folder: node.member("id")?.text()? != "on-kek-missing-dir",
            expect: node.member("expect")?.text()?.to_owned(),
        })
    }

    fn judge(&self) -> Judgement {
        let disk = if self.folder { disk_with(self.sidecar.as_deref())? } else { Recorder::default() };
        let file: Option<SidecarFile> = self.path_given.then(|| file_on(&disk));
        let kek = self.kek.as_ref().map(LocalKek::new).transpose().map_err(|error| error.to_string())?;
        let kek = kek.as_ref().map(|kek| kek as &dyn Kek);
        let seen = check_configuration(self.enabled, kek, file.as_ref());
        ends_by_name("check_configuration", named(&seen), &self.expect)?;
        let names = disk.names().len();
        if names > 1 || disk.exists(&disk.names().first().cloned().unwrap_or_default()).is_err() {
            return Err(format!("the probe left files behind: {names}"));
        }
        Ok(())
    }
}

const DEK_ID: u32 = 7;
const NODE: u64 = 0x1234_5678_9abc_def0;

struct Rollback {
    row: Option<Vec<u8>>,
    sidecar_epoch: u16,
    active: bool,
    expect: String,
}

impl Rollback {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let row = node.member("row")?;
        let last_seen = integer(&node.member("row_last_seen")?)?;
        let encoded = |full_node_id| Writer { full_node_id, first_seen: 0, last_seen }.encode().to_vec();
        Ok(Self {
            row: match row.text()? {
                "none" => None,
                "own" => Some(encoded(NODE)),
                "foreign" => Some(encoded(NODE ^ 1 << 63)),
                "malformed" => Some(vec![0; 11]),
                _ => return Err(row.problem("expected none, own, foreign or malformed")),
            },
            sidecar_epoch: integer(&node.member("sidecar_local_epoch")?)?,
            active: node.member("storage_envelope_active")?.truth()?,
            expect: node.member("expect")?.text()?.to_owned(),
        })
    }

    fn judge(&self) -> Judgement {
        let store = Memory::default();
        if let Some(row) = &self.row {
            let change = (encode_key(DEK_ID, node_id16(NODE)).to_vec(), Some(row.clone()));
            store.commit(&[change]).map_err(|error| error.to_string())?;
        }
        let seen = check_epoch_after_bump(Registry(&store), DEK_ID, NODE, self.sidecar_epoch, self.active);
        ends_by_name("check_epoch_after_bump", named(&seen), &self.expect)
    }
}

struct Log {
    sidecar: u64,
    engine: u64,
    scanner: Option<Scanner>,
    expect: String,
}

enum Scanner {
    Entries(Vec<u64>),
    Fails,
}

impl Log {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let entries = node.member("relevant_entry_indexes")?;
        let entries = entries.elements()?.map(|index| index.number()).collect::<Result<_, _>>()?;
        let scanner = node.member("scanner")?;
        Ok(Self {
            sidecar: node.member("sidecar_index")?.number()?,
            engine: node.member("engine_index")?.number()?,
            scanner: match scanner.text()? {
                "scanner" => Some(Scanner::Entries(entries)),
                "ioerror" => Some(Scanner::Fails),
                "nil" => None,
                _ => return Err(scanner.problem("expected scanner, ioerror or nil")),
            },
            expect: node.member("expect")?.text()?.to_owned(),
        })
    }

    fn judge(&self) -> Ruling {
        let scanner = self.scanner.as_ref().map(|scanner| scanner as &dyn LogScanner);
        let open = |index, data: &[u8]| open_proposal(data, index, 0, None);
        let seen = check_log(self.sidecar, self.engine, scanner, &open);
        let ahead = matches!(seen, Err(Error::SidecarNotOfRaftLog { .. })) && self.sidecar > self.engine;
        if self.expect.is_empty() && ahead {
            return Ok(Some(SIDECAR_IN_LOG));
        }
        if self.expect == "OTHER" && named(&seen).is_some_and(|error| error.name == "ErrSidecarBehindRaftLog")
        {
            return Err("a log that cannot be searched is reported as one with a gap".into());
        }
        ends_by_name("check_log", named(&seen), &self.expect).map(|()| None)
    }
}

impl LogScanner for Scanner {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let Self::Entries(indexes) = self else { return Err(io::Error::other("the vector's own")) };
        let entries = indexes.iter().filter(|index| (first..=last).contains(*index));
        for index in entries {
            entry(*index, &seal_proposal(*index, &[ROTATION], None).map_err(io::Error::other)?);
        }
        Ok(())
    }
}

struct Header {
    raw: Vec<u8>,
    expect: String,
    decoded: Option<(SnapshotHeader, usize)>,
}

impl Header {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.member("why")?.text()?;
        let expect = node.member("expect")?.text()?.to_owned();
        let decoded = match expect.is_empty() {
            false => None,
            true => Some((
                SnapshotHeader {
                    ceiling: decimal(&node.member("ceiling")?)?,
                    cutover: decimal(&node.member("cutover")?)?,
                },
                integer(&node.member("bytes_left_for_payload")?)?,
            )),
        };
        Ok(Self { raw: node.member("raw")?.bytes()?, expect, decoded })
    }

    fn judge(&self) -> Judgement {
        let seen = SnapshotHeader::decode(&self.raw);
        ends_by_name("decode", named(&seen), &self.expect)?;
        match (seen, self.decoded) {
            (Ok((header, payload)), Some(expected)) if (header, payload.len()) != expected => {
                Err(format!("got {header:?} with {} bytes of payload", payload.len()))
            }
            _ => Ok(()),
        }
    }
}
