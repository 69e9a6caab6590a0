//! A node with many rounds, on a disk in memory, so that the time is that of this crate and not of a storage
//! medium.

use std::path::Path;

use crate::aead::NONCE_LEN;
use crate::disk::Recorder;
use crate::engine::Engine;
use crate::measure::Error;
use crate::scheme::ephemeral::slots::{Entry, file_of};
use crate::scheme::ephemeral::{self, Context, MasterKey, Options, Purpose, Role, RoundId, RoundKey, Rounds};

/// The subject of the kinds of this folder.
pub(in crate::measure) const SUBJECT: &str = "ephemeral";

/// The file of keys.
pub(in crate::measure) const FILE: &str = "/node/round-keys";
/// The plaintext of every blob.
pub(in crate::measure) const PLAINTEXT: &[u8; 16] = b"a keyshare of 16";
const MASTER: [u8; 32] = [0x4d; 32];

/// The error for the scheme's refusal while a workload was prepared.
pub(in crate::measure) fn refused(error: ephemeral::Error) -> Error {
    Error::Scheme { scheme: SUBJECT.into(), refusal: Box::new(error) }
}

/// The round of that number.
pub(in crate::measure) fn round(number: u32) -> RoundId {
    RoundId::new(1, &number.to_string()).expect("a number is an id")
}

/// The place of a round's only blob.
pub(in crate::measure) fn context(number: u32) -> Context {
    Context { round: round(number), role: Role::AtRest, purpose: Purpose::Keyshare }
}

/// The key of that round in a prepared store.
pub(in crate::measure) fn key(number: u32) -> [u8; 32] {
    let mut key = [0x52; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

/// A disk with the keys of the rounds 1 to `rounds`.
pub(in crate::measure) fn disk_of(engine: &'static dyn Engine, rounds: u32) -> Result<Recorder, Error> {
    let master = MasterKey::with_engine(engine, &MASTER).map_err(refused)?;
    let entry = |number: u32| {
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let record = master.wrap_with(&nonce, &key(number))?;
        Ok(Entry { round: round(number), record, deadline: u64::MAX })
    };
    let entries = (1..=rounds).map(entry).collect::<Result<Vec<_>, _>>().map_err(refused)?;
    Ok(Recorder::with_files("/node", [(FILE.into(), file_of(&entries))]))
}

/// The node on this disk.
pub(in crate::measure) fn start(
    disk: &Recorder,
    engine: &'static dyn Engine,
) -> Result<Rounds, ephemeral::Error> {
    let master = MasterKey::with_engine(engine, &MASTER)?;
    Ok(Rounds::start(disk, master, Options::new(Path::new(FILE)))?.0)
}

/// Checks that the node opens what another engine sealed under the key of each of these rounds.
pub(in crate::measure) fn all_open(rounds: &Rounds, last: u32, other: &dyn Engine) -> Result<(), String> {
    for number in 1..=last {
        let key = RoundKey::with_engine(other, &key(number)).map_err(|error| error.to_string())?;
        let blob =
            key.seal_with(&[1; NONCE_LEN], &mut PLAINTEXT.to_vec()).map_err(|error| error.to_string())?;
        match rounds.open(&context(number), &blob) {
            Ok(opened) if opened[..] == *PLAINTEXT => {}
            _ => return Err(format!("the key of round {number} is another")),
        }
    }
    Ok(())
}
