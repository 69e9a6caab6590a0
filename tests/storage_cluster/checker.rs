//! The checker, which sees every nonce and every record, and the promises about a member's disk at the end.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use sealmark::aead::Nonce;
use sealmark::disk::Recorder;
use sealmark::engine;
use sealmark::envelope::{Cipher, Keystore};
use sealmark::scheme::storage::load::hydrate;
use sealmark::scheme::storage::proposal::open_proposal;
use sealmark::scheme::storage::value::read;
use sealmark::scheme::storage::{Clear, Sidecar};

use crate::log::Log;
use crate::node::{SIDECAR, kek};

/// Or what is broken.
pub type Outcome<T> = Result<T, String>;

/// Sees every nonce and every record of every member.
#[derive(Default)]
pub struct Checker {
    pub issued: HashSet<(u32, Nonce)>,
    pub records: Vec<(u64, Vec<u8>, Vec<u8>)>,
    pub broken: Vec<String>,
}

impl Checker {
    pub fn issue(&mut self, key_id: u32, nonce: Nonce) {
        if !self.issued.insert((key_id, nonce)) {
            self.broken.push(format!("nonce {nonce:02x?} is issued twice under key {key_id}"));
        }
    }
}

/// Checks that a member opens its records and its log with the data on its disk.
pub fn check(id: u64, disk: &Recorder, checker: &Checker) -> Outcome<()> {
    let text = |error: sealmark::scheme::storage::Error| format!("member {id}: {error}");
    let sidecar = Sidecar::read(disk, Path::new(SIDECAR)).map_err(text)?;
    let keystore = Keystore::new(engine::find("sealmark").expect("our own engine is always there"));
    hydrate(&sidecar, &*kek(), &keystore).map_err(text)?;
    let cipher = Cipher::from(Arc::new(keystore));
    for (_, key, stored) in checker.records.iter().filter(|(of, ..)| *of == id) {
        let value = read(Some(&cipher), Clear::Allowed, key, stored).map_err(text)?.value;
        let (_, version) = key.split_last_chunk::<8>().expect("a key ends in its version");
        if value != (!u64::from_be_bytes(*version)).to_be_bytes() {
            return Err(format!("member {id}: a record reads as another"));
        }
    }
    // Its process still has the log open.
    let log = Log::open(&disk.after_restart()).map_err(|error| error.to_string())?;
    for entry in log.entries().map_err(|error| error.to_string())? {
        if let openraft::EntryPayload::Normal(data) = &entry.payload {
            let cutover = sidecar.raft_envelope_cutover_index;
            open_proposal(data, entry.log_id.index, cutover, Some(&cipher)).map_err(text)?;
        }
    }
    Ok(())
}
