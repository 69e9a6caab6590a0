//! The storage scheme's targets: log entries, sidecars, and sequences of applied entries.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::aead::Nonce;
use crate::disk::{Disk, Memory, Recorder, Store};
use crate::engine;
use crate::envelope::aad::VALUE_HEADER_LEN;
use crate::envelope::{Header, Record};
use crate::scheme::storage::SEALED_OVERHEAD;
use crate::scheme::storage::guards::LogScanner;
use crate::scheme::storage::proposal::FRAME_LEN;
use crate::scheme::storage::wire::{Bootstrap, Entry, Registration, Rotation, Subtag};
use crate::scheme::storage::{
    Form, Kek, LocalKek, Proposals, Purpose, Sealer, Sidecar, SidecarFile, SnapshotHeader, Start, load,
    registry,
};

/// Treats the bytes as a log entry, a registry row and a snapshot header: they are refused, or round-trip.
///
/// # Panics
/// If a decoded value encodes to other bytes.
pub fn wire(data: &[u8]) {
    if let Ok(Some(entry)) = Entry::decode(data) {
        assert_eq!(entry.encode(), data, "an entry round-trips");
    }
    if let Ok((dek_id, node_id)) = registry::decode_key(data) {
        assert_eq!(registry::encode_key(dek_id, node_id), data, "a row's key round-trips");
    }
    if let Ok(writer) = registry::Writer::decode(data) {
        assert_eq!(writer.encode(), data, "a row's value round-trips");
    }
    if let Ok((header, payload)) = SnapshotHeader::decode(data) {
        let again = [&header.encode()[..], payload].concat();
        let decoded = SnapshotHeader::decode(&again).expect("an encoded header decodes");
        assert_eq!(decoded, (header, payload), "a header round-trips");
    }
}

/// Treats the bytes as a sidecar: they are refused, or the sidecar survives writing and reading.
///
/// # Panics
/// If it does not.
pub fn sidecar(data: &[u8]) {
    let Ok(sidecar) = Sidecar::parse(data) else { return };
    sidecar.check().expect("a parsed sidecar passes the check");
    let text = sidecar.to_json();
    assert_eq!(Sidecar::parse(text.as_bytes()).ok(), Some(sidecar), "a written sidecar reads back the same");
}

const NODE: u64 = 7;
const KEYS: u8 = 5;

/// Treats the bytes as a node's history: log entries that need not make sense, values, and restarts with a
/// replay from any index. The node may halt and refuse to start, but it must never issue a nonce twice under
/// a key.
///
/// # Panics
/// If it does.
pub fn applier(data: &[u8]) {
    told(data);
}

/// The result of a sequence.
#[derive(Default)]
struct Told {
    issued: HashSet<(u32, Nonce)>,
    /// Starts that replayed something and passed every guard.
    replays: usize,
}

impl Told {
    /// Seals a value and an entry, each only if its cut-over has happened; returns whether the node could.
    fn seal(&mut self, sealer: &Sealer, proposals: &Proposals, active: Option<u32>) -> bool {
        if let Some(key_id) = active.and_then(NonZeroU32::new) {
            let Some(nonce) = nonce_of_value(sealer, key_id) else { return false };
            assert!(self.issued.insert((key_id.get(), nonce)), "a value's nonce was issued twice");
        }
        proposals.key_id().is_none() || self.propose(proposals, b"entry").is_some()
    }

    /// Frames an entry for the log.
    fn propose(&mut self, proposals: &Proposals, entry: &[u8]) -> Option<Vec<u8>> {
        let data = proposals.seal(0, entry).ok()?;
        if let Some(key_id) = proposals.key_id() {
            let header = Header::decode(&data[FRAME_LEN..]).expect("a sealed entry decodes");
            assert!(self.issued.insert((key_id, header.nonce)), "an entry's nonce was issued twice");
        }
        Some(data)
    }
}

/// The log, index 1 first.
struct Log(Vec<Vec<u8>>);

impl LogScanner for Log {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> std::io::Result<()> {
        let entries = (1..).zip(&self.0).filter(|(index, _)| (first..=last).contains(index));
        entries.for_each(|(index, data)| entry(index, data));
        Ok(())
    }
}

fn told(data: &[u8]) -> Told {
    let kek: Arc<dyn Kek> = Arc::new(LocalKek::new(&[0x4b; 32]).expect("every CPU can make a key"));
    let disk: Arc<dyn Disk> = Arc::new(Recorder::with_dir("/data"));
    let store = Arc::<Memory>::default();
    let (mut told, mut log, mut rest) = (Told::default(), Log(Vec::new()), data);
    // Each round is a process. It ends at a restart, at a halt, or at the end of the bytes.
    loop {
        let Some(([from], after)) = rest.split_first_chunk() else { return told };
        rest = after;
        let loaded = load(Start {
            encryption_enabled: true,
            kek: Some(Arc::clone(&kek)),
            sidecar: Some(Arc::new(SidecarFile::new(Arc::clone(&disk), "/data/keys.json"))),
            store: Arc::clone(&store) as Arc<dyn Store>,
            engine: engine::find("sealmark").expect("the engine of our own choice always exists"),
            full_node_id: NODE,
            peers: Vec::new(),
            snapshot_cutover: 0,
        });
        let Ok(mut loaded) = loaded else { return told };
        let sealer = loaded.sealer();
        let from = usize::from(*from) % (log.0.len() + 1);
        for (index, data) in (1..).zip(&log.0).skip(from) {
            let entry = loaded.proposals.open(index, data).expect("a sealed entry opens");
            if loaded.applier.apply(index, &entry).is_err() {
                return told;
            }
            let active = loaded.cache().active_storage();
            if !told.seal(&sealer, &loaded.proposals, active) {
                return told;
            }
        }
        let Ok(node) = loaded.ready(log.0.len() as u64, Some(&log)) else { return told };
        told.replays += usize::from(from < log.0.len());
        let mut applier = node.applier;
        loop {
            let Some(([what, a, b], after)) = rest.split_first_chunk() else { return told };
            rest = after;
            if what % 8 == 7 {
                break;
            }
            let Some(entry) = entry(&*kek, *what, *a, *b, &mut rest) else { return told };
            let Some(data) = told.propose(&node.proposals, &entry) else { break };
            log.0.push(data);
            if applier.apply(log.0.len() as u64, &entry).is_err() {
                // Treated as never committed: otherwise no start could finish.
                log.0.pop();
                break;
            }
            let active = applier.cache().active_storage();
            if !told.seal(&node.sealer, &node.proposals, active) {
                break;
            }
        }
    }
}

fn nonce_of_value(sealer: &Sealer, key_id: NonZeroU32) -> Option<Nonce> {
    let mut stored = [0; 1 + SEALED_OVERHEAD];
    sealer.seal_as(Form::Sealed(key_id), b"key", 1, 0, b"v", &mut stored).ok()?;
    Some(Record::decode(&stored[VALUE_HEADER_LEN..]).expect("a sealed value decodes").header.nonce)
}

/// An entry built from the bytes, or the raw bytes.
fn entry(kek: &dyn Kek, what: u8, a: u8, b: u8, rest: &mut &[u8]) -> Option<Vec<u8>> {
    let id = |byte: u8| u32::from(byte % KEYS);
    let purpose = if b & 1 == 0 { Purpose::Storage } else { Purpose::Raft };
    let row = |dek_id| Registration {
        dek_id,
        full_node_id: NODE + u64::from(b >> 1 & 1),
        local_epoch: u16::from(b >> 2 & 7),
    };
    let wrapped = |purpose, key_id: u32| kek.wrap(purpose, key_id, &[key_id as u8 + 1; 32]).ok();
    let rotation = |subtag, dek_id, wrapped| {
        Entry::Rotation(Rotation { subtag, dek_id, purpose, wrapped, proposer: row(dek_id) })
    };
    Some(match what % 8 {
        0 => Entry::Registration(row(id(a))).encode(),
        1 => {
            let (storage_id, raft_id) = (id(a), id(a / KEYS));
            let entry = Bootstrap {
                storage_id,
                wrapped_storage: wrapped(Purpose::Storage, storage_id)?,
                raft_id,
                wrapped_raft: wrapped(Purpose::Raft, raft_id)?,
                rows: vec![row(storage_id), row(raft_id)],
            };
            Entry::Bootstrap(entry).encode()
        }
        2 | 3 => rotation(Subtag::Rotate, id(a), wrapped(purpose, id(a))?).encode(),
        4 => rotation(Subtag::EnableStorage, id(a), Vec::new()).encode(),
        5 => rotation(Subtag::EnableRaft, id(a), Vec::new()).encode(),
        _ => {
            let (raw, after) = rest.split_at_checked(usize::from(a))?;
            *rest = after;
            raw.to_vec()
        }
    })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn bytes(rng: &mut ChaCha8Rng, len: usize) -> Vec<u8> {
        (0..len).map(|_| rng.random()).collect()
    }

    #[test]
    fn entries_rows_and_headers_round_trip_or_are_refused() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for len in (0..40).cycle().take(4_000) {
            let mut data = bytes(&mut rng, len);
            for first in [3, 4, 5, b'E'] {
                data.iter_mut().take(1).for_each(|b| *b = first);
                data.iter_mut().skip(1).take(1).for_each(|b| *b = 1);
                wire(&data);
            }
        }
        let header = [&b"EKVTHLC2\x00\x14"[..], &[7; 30]].concat();
        wire(&header);
        wire(&registry::encode_key(5, 6));
        wire(&[9; 12]);
    }

    #[test]
    fn sidecars_round_trip_or_are_refused() {
        for text in [
            "",
            "{",
            r#"{"version":2,"keys":{}}"#,
            r#"{"version":1,"active":{"raft":7},"keys":{"7":{"purpose":"raft","wrapped":"AA==","created":"<>",
                "local_epoch":9}}}"#,
        ] {
            sidecar(text.as_bytes());
        }
    }

    #[test]
    fn no_sequence_of_entries_and_restarts_repeats_a_nonce() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (mut issued, mut replays) = (0, 0);
        for _ in 0..400 {
            let mut data = bytes(&mut rng, 400);
            // Start with a bootstrap, or nearly every sequence would end at once.
            data[..4].copy_from_slice(&[0, 1, 1 + KEYS * 2, 0]);
            let told = told(&data);
            issued += told.issued.len();
            replays += told.replays;
        }
        println!("{issued} nonces, {replays} replays");
        assert!(issued > 1_000 && replays > 100, "{issued} nonces, {replays} replays: they end too soon");
    }
}
