//! Decides whether a node without keys was bootstrapped before (spec §12: a missing sidecar is a state, not
//! an absence).
//!
//! A missing or empty sidecar looks like that of a node that no bootstrap has reached. A node that took
//! itself for a new one would write plaintext and pass on sealed entries unopened. All other traces of a
//! bootstrap are therefore checked: the registry and the values before anything is touched, the log before
//! its replay and again after. The reference has no such guard.

use super::guards::{LogScanner, Open};
use super::registry::{self, Registry};
use super::wire::OPCODES;
use super::{Error, Sidecar, Sign};
use crate::disk::Store;
use crate::envelope::{OVERHEAD, Record, State, ValueHeader};

/// Number of values to inspect. Keys are spread evenly over a store, so if values are sealed, one is among
/// the first.
const VALUES: usize = 1024;

/// Whether there is a sidecar and it has keys.
pub fn has_keys(sidecar: Option<&Sidecar>) -> bool {
    sidecar.is_some_and(|sidecar| !sidecar.keys.is_empty())
}

/// Checks that the store of a node without keys shows no sign of any: no row of the registry, whether this
/// node's or another's, nothing else under the registry's prefix, and no sealed value among the first 1,024.
///
/// # Errors
/// [`Error::SidecarMissing`]; those of [`Registry::of_node`].
pub fn check_store(store: &dyn Store, full_node_id: u64) -> Result<(), Error> {
    if let Some(dek_id) = Registry(store).of_node(full_node_id)?.into_keys().min() {
        return Err(Error::SidecarMissing(Sign::OwnRow(dek_id)));
    }
    let other = store.scan(registry::PREFIX, None, VALUES)?;
    if let Some(dek_id) = other.iter().find_map(|(key, _)| registry::decode_key(key).ok()).map(|row| row.0) {
        return Err(Error::SidecarMissing(Sign::OthersRow(dek_id)));
    }
    if !other.is_empty() {
        return Err(Error::SidecarMissing(Sign::Bookkeeping));
    }
    if store.scan(b"", None, VALUES)?.iter().any(|(_, stored)| is_sealed(stored)) {
        return Err(Error::SidecarMissing(Sign::SealedValue));
    }
    Ok(())
}

fn is_sealed(stored: &[u8]) -> bool {
    let sealed = |(header, body): (ValueHeader, &[u8])| {
        header.state == State::Encrypted && body.len() >= OVERHEAD && Record::decode(body).is_ok()
    };
    ValueHeader::decode(stored).is_ok_and(sealed)
}

/// Checks that the log of a node without keys shows no sign of any in the entries that its engine has
/// applied: no entry of this scheme, not even a registration, and no sealed entry. If nothing was applied,
/// there is nothing to search and no scanner is needed.
///
/// # Errors
/// [`Error::SidecarMissing`], also if there is something to search but no scanner; [`Error::LogScan`]; those
/// of `open`.
pub fn check_log(applied: u64, scanner: Option<&dyn LogScanner>, open: &Open<'_>) -> Result<(), Error> {
    if applied == 0 {
        return Ok(());
    }
    let Some(scanner) = scanner else { return Err(Error::SidecarMissing(Sign::UnsearchedLog(applied))) };
    let mut found = None;
    let visited = scanner.visit(1, applied, &mut |index, data| {
        if found.is_some() {
            return;
        }
        found = match open(index, data) {
            Ok(payload) if payload.first().is_some_and(|opcode| OPCODES.contains(opcode)) => {
                Some(Error::SidecarMissing(Sign::LogEntry(index)))
            }
            Ok(_) => None,
            Err(Error::SealedEntry { .. }) => Some(Error::SidecarMissing(Sign::SealedEntry(index))),
            Err(other) => Some(other),
        };
    });
    match found {
        Some(found) => Err(found),
        None => visited.map_err(|error| Error::LogScan(error.to_string())),
    }
}
