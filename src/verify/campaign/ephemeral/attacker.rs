//! The attacker: the master key, what the media still hold, and every blob.

use std::path::Path;

use super::fixture::{FILE, PLAINTEXT, context, id, master};
use super::{DIR, MASKS};
use crate::disk::{Medium, Recorder};
use crate::envelope::wrap::{KEY_LEN, SecretKey};
use crate::scheme::ephemeral::shred::{Shred, ShredFile};
use crate::scheme::ephemeral::{Error, Form, Options, Record, RoundKey, Rounds};

/// Whether the master key opens one of the blobs, with these records and these masks. Blobs come with their
/// rounds, and records too, if they are known. No check of a tag stops the attacker: a record also meets no
/// mask, in case none was put over its key.
pub(super) fn attacker_opens(
    form: Form,
    records: &[(Option<usize>, Record)],
    masks: &[SecretKey],
    blobs: &[(usize, Vec<u8>)],
) -> bool {
    let master = master();
    records.iter().any(|(round, record)| {
        let blobs: Vec<_> = blobs.iter().filter(|(of, _)| round.is_none_or(|round| round == *of)).collect();
        if blobs.is_empty() {
            return false;
        }
        let opens =
            |key: RoundKey| blobs.iter().any(|(of, blob)| key.open(form, &context(*of), blob).is_ok());
        let of = id(round.unwrap_or(0));
        let mut under = masks.iter().map(|mask| master.unwrap(form, &of, record, Some(mask)));
        master.unwrap_unchecked(record).is_ok_and(opens) || under.any(|key| key.is_ok_and(opens))
    })
}

/// The mask with these bytes.
pub(super) fn mask_of(bytes: &[u8]) -> SecretKey {
    let mut mask = SecretKey::default();
    mask.copy_from_slice(bytes);
    mask
}

/// Everything in these bytes that could be a mask.
fn masks_in(bytes: &[u8]) -> impl Iterator<Item = SecretKey> {
    bytes.windows(KEY_LEN).filter(|window| **window != [0; KEY_LEN]).map(mask_of)
}

/// Whether the attacker opens a blob after its round was purged, with everything that the medium of the keys
/// and that of the masks, if there are any, still hold.
///
/// # Errors
/// Why the round did not get that far.
pub(super) fn opened_after_purge(keys: Medium, masks: Option<Medium>) -> Result<bool, String> {
    let disk = Recorder::with_dir(DIR).on(keys);
    let masks = masks.map(|medium| Recorder::with_dir(MASKS).on(medium));
    let run = || -> Result<Vec<u8>, Error> {
        let mut options = Options::new(Path::new(FILE));
        if let Some(masks) = &masks {
            options.shred = Some(Box::new(ShredFile::open(masks, Path::new(MASKS))?) as Box<dyn Shred>);
        }
        let (rounds, _) = Rounds::start(&disk, master(), options)?;
        rounds.request(&id(0))?;
        let blob = rounds.seal(&context(0), &mut PLAINTEXT.to_vec())?;
        rounds.purge(&id(0))?;
        Ok(blob)
    };
    let blob = run().map_err(|error| error.to_string())?;
    let (keys, masks) = (disk.remanence(), masks.as_ref().map(Recorder::remanence).unwrap_or_default());
    let records = keys.iter().flat_map(|remnant| Record::all_in(&remnant.bytes));
    let records: Vec<_> = records.map(|record| (None, record)).collect();
    let masks: Vec<_> = masks.iter().flat_map(|remnant| masks_in(&remnant.bytes)).collect();
    Ok(attacker_opens(Form::Compatible, &records, &masks, &[(0, blob)]))
}
