//! The bytes of the file of slots: a header, then slots of 256 bytes.
//!
//! ```text
//! header    0..8    "SMROUND1"
//!           8..12   length of a slot, little-endian
//! slot      0       state: 0 free, 'A' active, 'P' purging
//!           1..8    zeros
//!           8..16   deadline, seconds since 1970, little-endian
//!           16      length of the round's id
//!           17..116 the round's id, as it prints, then zeros
//!           116..184 the stored key
//!           184..192 the first 8 bytes of SHA-256 over bytes 8..184
//!           192..   zeros
//! ```
//!
//! The state is written on its own, in one byte, which no power cut can tear.

use zeroize::Zeroizing;

use super::super::record::STORED_LEN;
use super::super::round::MAX_ROUND_LEN;
use super::super::{Record, RoundId};
use crate::primitive::sha256;

/// Bytes of the header, and of a slot.
pub(super) const SLOT_LEN: usize = 256;

const MAGIC: &[u8; 8] = b"SMROUND1";

/// A slot without its key is free.
pub(super) const FREE: u8 = 0;
/// The slot holds the key of a round.
pub(super) const ACTIVE: u8 = b'A';
/// The slot's key is being erased.
pub(super) const PURGING: u8 = b'P';

/// Where the body begins: all but the state.
pub(super) const BODY_AT: usize = 1;
/// Bytes of the body.
pub(super) const BODY_LEN: usize = SLOT_LEN - BODY_AT;

const DEADLINE: usize = 8;
const ID_LEN: usize = 16;
const ID: usize = ID_LEN + 1;
const KEY: usize = ID + MAX_ROUND_LEN;
const CHECK: usize = KEY + STORED_LEN;
const END: usize = CHECK + 8;

const _: () = assert!(KEY == 116 && END <= SLOT_LEN, "the picture above");

/// The header.
pub(super) fn header() -> [u8; SLOT_LEN] {
    let mut header = [0; SLOT_LEN];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&(SLOT_LEN as u32).to_le_bytes());
    header
}

/// The content of an active slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The round.
    pub round: RoundId,
    /// Its wrapped key.
    pub record: Record,
    /// The time at which the key is purged, whatever happened: seconds since 1970.
    pub deadline: u64,
}

impl Entry {
    /// The slot, with this state; wiped when dropped.
    pub(super) fn to_slot(&self, state: u8) -> Zeroizing<[u8; SLOT_LEN]> {
        let mut slot = Zeroizing::new([0; SLOT_LEN]);
        slot[0] = state;
        slot[DEADLINE..ID_LEN].copy_from_slice(&self.deadline.to_le_bytes());
        let round = self.round.to_string();
        slot[ID_LEN] = u8::try_from(round.len()).expect("a round's id has at most 99 bytes");
        slot[ID..ID + round.len()].copy_from_slice(round.as_bytes());
        slot[KEY..CHECK].copy_from_slice(&self.record.to_stored()[..]);
        let check = check(&slot);
        slot[CHECK..END].copy_from_slice(&check);
        slot
    }

    /// Reads an active slot. Every byte counts: what [`Self::to_slot`] would not write is damage.
    pub(super) fn from_slot(slot: &[u8; SLOT_LEN]) -> Result<Self, &'static str> {
        if slot[CHECK..END] != check(slot) {
            return Err("its checksum does not match");
        }
        let len = usize::from(slot[ID_LEN]).min(MAX_ROUND_LEN);
        let round = str::from_utf8(&slot[ID..ID + len]).ok().and_then(|text| text.parse().ok());
        let record = Record::from_stored(&slot[KEY..CHECK]).ok().flatten();
        let (Some(round), Some(record)) = (round, record) else { return Err("it holds no round and key") };
        let mut deadline = [0; 8];
        deadline.copy_from_slice(&slot[DEADLINE..ID_LEN]);
        let entry = Self { round, record, deadline: u64::from_le_bytes(deadline) };
        if *entry.to_slot(slot[0]) == *slot {
            Ok(entry)
        } else {
            Err("it holds other bytes than were written")
        }
    }
}

fn check(slot: &[u8; SLOT_LEN]) -> [u8; 8] {
    let digest = sha256::digest(&slot[DEADLINE..CHECK]);
    *digest.first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written_and_no_altered_byte_passes() {
        let record = Record::new(&[7; 60]);
        let rounds = ["1:1".to_owned(), format!("{}:{}", u64::MAX, "1".repeat(78))];
        for round in rounds {
            let entry = Entry { round: round.parse().unwrap(), record: record.clone(), deadline: 99 };
            let slot = entry.to_slot(ACTIVE);
            assert_eq!(Entry::from_slot(&slot), Ok(entry));
            for at in BODY_AT..SLOT_LEN {
                let mut altered = *slot;
                altered[at] ^= 1;
                assert!(Entry::from_slot(&altered).is_err(), "{at}");
            }
        }
    }
}
