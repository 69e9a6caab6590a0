//! `ek-applier.json`: log entries applied in sequence; each step is a case, judged after the steps before it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::sidecar::{FILE, disk_with, file_on};
use super::{Node, Problem, Ruling, array, decimal, ends_by_name, integer, named, ruled};
use crate::disk::{Disk, Memory, Recorder, Store};
use crate::engine;
use crate::envelope::Keystore;
use crate::envelope::keystore::DEK_LEN;
use crate::scheme::storage::applier::{Applier, Identity, Keys};
use crate::scheme::storage::kek::KEK_LEN;
use crate::scheme::storage::registry::PREFIX;
use crate::scheme::storage::{Error, Kek, LocalKek, Purpose, REPLAY_IS_DONE, Sidecar, epoch};
use crate::timing::wall::Manual;
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let kek: [u8; KEK_LEN] = array(&root.member("kek")?)?;
    for node in root.member("keys")?.elements()? {
        let dek: [u8; DEK_LEN] = array(&node.member("dek")?)?;
        let (key_id, wrapped) = (node.member("key_id")?, node.member("wrapped")?.bytes()?);
        let opened = LocalKek::new(&kek)
            .and_then(|kek| kek.unwrap(Purpose::Storage, integer(&key_id).unwrap_or(0), &wrapped));
        if opened.is_ok_and(|opened| *opened != dek) {
            return Err(key_id.problem("its wrapped key is another one"));
        }
    }
    let mut cases = Vec::new();
    for node in root.member("scenarios")?.elements()? {
        let scenario = Arc::new(Scenario::read(&node, kek)?);
        for i in 0..scenario.steps.len() {
            let (scenario, id) = (Arc::clone(&scenario), format!("{}/{i}", scenario.name));
            cases.push(ruled(id, false, move |_| scenario.judge(i)));
        }
    }
    Ok(cases)
}

struct Scenario {
    name: String,
    kek: Option<[u8; KEK_LEN]>,
    storage_epoch: u16,
    raft_epoch: u16,
    steps: Vec<Step>,
}

struct Step {
    opcode: u8,
    index: u64,
    payload: Vec<u8>,
    expect: String,
    after: After,
    installer_calls: Option<Vec<(u32, u64)>>,
}

/// The observable state of a node.
#[derive(Clone, PartialEq, Eq)]
struct After {
    registry: Vec<(Vec<u8>, Vec<u8>)>,
    keystore_ids: Vec<u32>,
    active_storage: Option<u32>,
    storage_envelope_active: bool,
    sidecar: Option<Vec<u8>>,
}

impl Scenario {
    fn read(node: &Node<'_>, kek: [u8; KEK_LEN]) -> Result<Self, Problem> {
        Ok(Self {
            name: node.member("name")?.text()?.to_owned(),
            kek: node.member("kek_wired")?.truth()?.then_some(kek),
            storage_epoch: integer(&node.member("local_epoch")?)?,
            raft_epoch: integer(&node.member("raft_local_epoch")?)?,
            steps: node
                .member("steps")?
                .elements()?
                .map(|node| Step::read(&node))
                .collect::<Result<_, _>>()?,
        })
    }

    fn judge(&self, step: usize) -> Ruling {
        let node = Running::new(self)?;
        let mut ruling = Ok(None);
        for step in &self.steps[..=step] {
            ruling = node.judge(step);
        }
        ruling
    }
}

impl Step {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.member("why")?.text()?;
        let expect = node.member("expect")?.text()?.to_owned();
        let halt = node.member("halt")?;
        if halt.truth()? == expect.is_empty() {
            return Err(halt.problem("an error always halts, and nothing else does"));
        }
        let active = integer(&node.member("cache_active_storage")?)?;
        let row = |row: Node<'_>| Ok((row.member("key")?.bytes()?, row.member("value")?.bytes()?));
        let call = |call: Node<'_>| {
            Ok((integer(&call.member("raft_dek_id")?)?, decimal(&call.member("cutover_index")?)?))
        };
        Ok(Self {
            opcode: integer(&node.member("opcode")?)?,
            index: decimal(&node.member("raft_index")?)?,
            payload: node.member("payload")?.bytes()?,
            expect,
            after: After {
                registry: node.member("registry_after")?.elements()?.map(row).collect::<Result<_, _>>()?,
                keystore_ids: (node.member("keystore_ids_after")?.elements()?)
                    .map(|id| integer(&id))
                    .collect::<Result<_, _>>()?,
                active_storage: node.member("cache_active_storage_ok")?.truth()?.then_some(active),
                storage_envelope_active: node.member("cache_storage_envelope_active")?.truth()?,
                sidecar: node.optional("sidecar_after")?.map(|text| Ok(text.text()?.into())).transpose()?,
            },
            installer_calls: match node.find("installer_calls")? {
                Some(calls) => Some(calls.elements()?.map(call).collect::<Result<_, _>>()?),
                None => None,
            },
        })
    }
}

/// A node in the middle of a scenario.
struct Running {
    disk: Recorder,
    store: Arc<Memory>,
    keystore: Arc<Keystore>,
    applier: Mutex<Applier>,
    calls: Arc<Mutex<Vec<(u32, u64)>>>,
}

impl Running {
    fn new(scenario: &Scenario) -> Result<Self, String> {
        let text = |error: Error| error.to_string();
        let (disk, store) = (disk_with(None)?, Arc::<Memory>::default());
        let engine = engine::find("sealmark").expect("the engine of our own choice always exists");
        let keystore = Arc::new(Keystore::new(engine));
        let keys = match &scenario.kek {
            None => None,
            Some(kek) => Some(Keys {
                kek: Arc::new(LocalKek::new(kek).map_err(text)?),
                keystore: Arc::clone(&keystore),
                sidecar: Arc::new(file_on(&disk)),
            }),
        };
        // The scenarios do not depend on the node's id.
        let identity = Identity {
            full_node_id: u64::MAX,
            storage_epoch: scenario.storage_epoch,
            raft_epoch: scenario.raft_epoch,
        };
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&calls);
        let applier = Applier::new(keys, Arc::clone(&store) as Arc<dyn Store>, identity)
            .map_err(text)?
            .with_clock(Manual::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_315_200)))
            .with_installer(Box::new(move |key_id, cutover| {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((key_id, cutover));
                Ok(())
            }))
            .map_err(text)?;
        Ok(Self { disk, store, keystore, applier: Mutex::new(applier), calls })
    }

    fn seen(&self) -> Result<After, String> {
        let applier = self.applier.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(After {
            registry: self.store.scan(PREFIX, None, usize::MAX).map_err(|error| error.to_string())?,
            keystore_ids: self.keystore.ids(),
            active_storage: applier.cache().active_storage(),
            storage_envelope_active: applier.cache().storage_envelope_active(),
            sidecar: self.disk.read(Path::new(FILE)).ok(),
        })
    }

    fn judge(&self, step: &Step) -> Ruling {
        let before = self.seen()?;
        let applied = match step.opcode {
            // A process start: the index is the key's id.
            0 => {
                let key_id = u32::try_from(step.index).map_err(|error| error.to_string())?;
                epoch::bump(&file_on(&self.disk), key_id).map(|_| true)
            }
            opcode => {
                let entry = [&[opcode][..], &step.payload].concat();
                let mut applier = self.applier.lock().unwrap_or_else(PoisonError::into_inner);
                applier.apply(step.index, &entry).map_err(|halt| halt.cause)
            }
        };
        let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        let seen = self.seen()?;
        if step.opcode != 0 && is_safe_replay(step, &before, &seen, applied.is_ok()) {
            return Ok(Some(REPLAY_IS_DONE));
        }
        ends_by_name("apply", named(&applied), &step.expect)?;
        if applied.is_ok_and(|ours| !ours) {
            return Err("apply: the entry was ignored".into());
        }
        if step.installer_calls.as_ref().is_some_and(|expected| *expected != calls) {
            return Err(format!("the wrapper was installed for {calls:?}"));
        }
        seen.differs_from(&step.after).map_or(Ok(None), Err)
    }
}

impl After {
    fn differs_from(&self, expected: &Self) -> Option<String> {
        let parts = [
            ("registry", self.registry == expected.registry),
            ("keystore", self.keystore_ids == expected.keystore_ids),
            ("active storage key of the cache", self.active_storage == expected.active_storage),
            ("cut-over of the cache", self.storage_envelope_active == expected.storage_envelope_active),
            ("sidecar", self.sidecar == expected.sidecar),
        ];
        let wrong: Vec<_> = parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect();
        (!wrong.is_empty()).then(|| format!("differs from the vector afterwards: {}", wrong.join(", ")))
    }
}

/// Whether a replayed entry changed nothing here, although the reference halts on it or lowers an epoch.
fn is_safe_replay(step: &Step, before: &After, seen: &After, applied: bool) -> bool {
    let parsed = |text: &Option<Vec<u8>>| text.as_ref().and_then(|text| Sidecar::parse(text).ok());
    let (Some(ours), Some(theirs)) = (parsed(&seen.sidecar), parsed(&step.after.sidecar)) else {
        return false;
    };
    let replayed =
        step.index != 0 && parsed(&before.sidecar).is_some_and(|s| step.index <= s.raft_applied_index);
    let halts = step.expect == "ErrEncryptionApply";
    let takes_back = step.expect.is_empty() && {
        let mut raised = theirs.clone();
        for (name, entry) in &mut raised.keys {
            let kept = ours.keys.get(name).map_or(0, |ours| ours.local_epoch);
            entry.local_epoch = entry.local_epoch.max(kept);
        }
        raised == ours && theirs != ours
    };
    replayed && applied && before == seen && (halts || takes_back)
}
