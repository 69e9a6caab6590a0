//! The promises about a member's disk at the end, judged by the checker of the clusters.

use std::path::Path;
use std::sync::Arc;

use sealmark::aead::Nonce;
use sealmark::disk::Recorder;
use sealmark::engine;
use sealmark::envelope::{Cipher, Keystore};
use sealmark::scheme::storage::guards::LogScanner;
use sealmark::scheme::storage::load::hydrate;
use sealmark::scheme::storage::proposal::open_proposal;
use sealmark::scheme::storage::value::read;
use sealmark::scheme::storage::{Clear, Sidecar};

use crate::cluster::Outcome;
use crate::cluster::checker::Checker;
use crate::cluster::log::{Log, payload};
use crate::node::{LOG, SIDECAR, kek};

/// Records of the members: who wrote it, its key, its bytes.
pub type Records = Vec<(u64, Vec<u8>, Vec<u8>)>;

/// A nonce that is used.
pub fn issue(checker: &mut Checker, key_id: u32, nonce: Nonce) {
    let unique = [&key_id.to_be_bytes()[..], &nonce[..]].concat();
    checker.once(&format!("nonce {nonce:02x?} under key {key_id}"), unique);
}

/// What the checker calls a record of a member.
pub fn place(id: u64, key: &[u8]) -> String {
    format!("member {id}: the record of {}", hex::encode(key))
}

impl LogScanner for Log {
    fn visit(&self, first: u64, last: u64, entry: &mut dyn FnMut(u64, &[u8])) -> std::io::Result<()> {
        for found in self.entries().map_err(std::io::Error::other)? {
            if let (Some(data), true) = (payload(&found), (first..=last).contains(&found.log_id.index)) {
                entry(found.log_id.index, data);
            }
        }
        Ok(())
    }
}

/// Checks that a member opens its records and its log with the data on its disk.
pub fn check(id: u64, disk: &Recorder, records: &Records, checker: &mut Checker) -> Outcome<()> {
    let text = |error: sealmark::scheme::storage::Error| format!("member {id}: {error}");
    let sidecar = Sidecar::read(disk, Path::new(SIDECAR)).map_err(text)?;
    let keystore = Keystore::new(engine::find("sealmark").expect("our own engine is always there"));
    hydrate(&sidecar, &*kek(), &keystore).map_err(text)?;
    let cipher = Cipher::from(Arc::new(keystore));
    for (_, key, stored) in records.iter().filter(|(of, ..)| *of == id) {
        let value = read(Some(&cipher), Clear::Allowed, key, stored).map_err(text)?.value;
        checker.read(&place(id, key), Some(value.to_vec()));
    }
    // Its process still has the log open.
    let log = Log::open(&disk.after_restart(), LOG).map_err(|error| error.to_string())?;
    for entry in log.entries().map_err(|error| error.to_string())? {
        if let openraft::EntryPayload::Normal(data) = &entry.payload {
            let cutover = sidecar.raft_envelope_cutover_index;
            open_proposal(data, entry.log_id.index, cutover, Some(&cipher)).map_err(text)?;
        }
    }
    Ok(())
}
