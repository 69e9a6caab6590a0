//! `record/header`: writing the header of a record.
//!
//! Sealing a record consists of this, the nonce, the key lookup, the AAD, a copy and the bare AEAD. Each
//! operation writes its whole header; a reset writes zeros.

use crate::engine::Engine;
use crate::envelope::record::{HEADER_LEN, Header, VERSION};
use crate::measure::Error;
use crate::measure::workload::Workload;
use crate::measure::workload::fixture::parts::Parts;
use crate::measure::workload::kind::{Kind, Scope, Subject};
use crate::timing::Timed;

/// Writes a record's header.
pub(super) struct WriteHeader;

impl Kind for WriteHeader {
    fn name(&self) -> &'static str {
        "header"
    }

    fn subject(&self) -> Subject {
        Subject::Part("record")
    }

    fn prepare(&self, _: &Workload, _: &'static dyn Engine, count: usize) -> Result<Box<dyn Timed>, Error> {
        Ok(headers(count))
    }

    fn scope(&self) -> Scope {
        Scope::CipherFree
    }
}

/// The nonce of every header.
const NONCE: [u8; 12] = [7; 12];

fn write(key_id: u32, to: &mut [u8; HEADER_LEN]) {
    *to = Header { flag: 0, key_id, nonce: NONCE }.encode();
}

/// A header: version, flag, key id, nonce.
fn right_header(key_id: u32) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[0] = VERSION;
    bytes[2..6].copy_from_slice(&key_id.to_be_bytes());
    bytes[6..].copy_from_slice(&NONCE);
    bytes
}

/// `count` headers, each written to its place.
fn headers(count: usize) -> Box<dyn Timed> {
    Parts::timed(count, write, right_header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::{pass, removed};

    #[test]
    fn headers_are_written_and_removed_work_shows_in_what_is_left() {
        let mut headers = Parts { count: 4, write, written: vec![[0; HEADER_LEN]; 4], right: right_header };
        assert_eq!(pass(&mut headers), Ok(()));
        for left in removed(&headers.written.clone(), &[0; HEADER_LEN]) {
            headers.written = left;
            assert!(headers.check().is_err_and(|why| why.contains("key id")), "{:?}", headers.written);
        }
    }
}
