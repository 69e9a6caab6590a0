//! The targets of the scheme of ephemeral keys: blobs and records, and the life of rounds against a model.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::Recorder;
use crate::engine::find;
use crate::scheme::ephemeral::slots::Slots;
use crate::scheme::ephemeral::timeout::Clock;
use crate::scheme::ephemeral::{
    Context, Error, Form, Hydrated, MasterKey, Options, Purpose, Record, Requested, Role, RoundId, RoundKey,
    Rounds,
};

/// The key of the vectors' refused blobs, so that the seeds reach the code behind the tag.
const VECTORS_KEY: [u8; 32] = [
    0x4a, 0x31, 0x0e, 0xfb, 0x24, 0xf8, 0x2b, 0xb4, 0x85, 0x59, 0x33, 0xa4, 0x3f, 0x9d, 0x5b, 0x45, 0x0a,
    0x85, 0x0f, 0x03, 0xb5, 0xfd, 0xba, 0xa8, 0xed, 0x26, 0x15, 0x81, 0x02, 0x9c, 0x02, 0xc0,
];
const FILE: &str = "/node/round-keys";

/// Treats the bytes as a blob, a stored key, the id of a round, and a file of slots: they are refused, or
/// round-trip.
///
/// # Panics
/// If a decoded value encodes to other bytes, or a blob with an altered byte opens.
pub fn blob(data: &[u8]) {
    let engine = find("sealmark").expect("the engine of our own choice always exists");
    let key = RoundKey::with_engine(engine, &VECTORS_KEY).expect("32 bytes are a key");
    if let Ok(plaintext) = key.open_compatible(data) {
        let nonce = data.first_chunk().expect("what opens has a nonce");
        let again = key.seal_with(nonce, &mut plaintext.to_vec()).expect("the message is short");
        assert_eq!(again, data, "an opened blob seals to the same bytes");
        let mut altered = data.to_vec();
        let at = usize::from(data[0]) % data.len();
        altered[at] ^= 1;
        assert!(key.open_compatible(&altered).is_err(), "byte {at} was altered, and the blob opens");
    }
    if let Ok(Some(record)) = Record::from_stored(data) {
        assert_eq!(record.to_stored()[..], *data, "a stored key round-trips");
    }
    if let Some(round) = str::from_utf8(data).ok().and_then(|text| text.parse::<RoundId>().ok()) {
        assert_eq!(round.to_string().parse::<RoundId>().ok(), Some(round), "an id round-trips");
    }
    let disk = Recorder::with_files("/node", [(FILE.into(), data.to_vec())]);
    if let Ok((slots, _)) = Slots::open(&disk, Path::new(FILE)) {
        let rounds = slots.rounds();
        for round in &rounds {
            assert!(slots.read(round).expect("it was read before").is_some(), "a listed round has a key");
        }
        drop(slots);
        let (slots, recovery) = Slots::open(&disk, Path::new(FILE)).expect("what opened opens again");
        assert_eq!(slots.rounds(), rounds, "a start changes no key");
        assert_eq!(recovery, Default::default(), "the first start left something to finish");
    }
}

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const ROUNDS: usize = 4;
const LIFETIME: u64 = 50;

/// What the model knows of a round.
#[derive(Clone, Default)]
struct Model {
    /// The deadline of its key, if it has one.
    key: Option<u64>,
    /// Whether this process purged it.
    gone: bool,
    /// Blobs under its key, and blobs under keys that are purged.
    live: Vec<Vec<u8>>,
    dead: Vec<Vec<u8>>,
}

impl Model {
    fn purge(&mut self) {
        (self.key, self.gone) = (None, true);
        self.dead.append(&mut self.live);
    }
}

/// Treats each byte as an operation on one of four rounds: request, seal, open, purge, restart with or
/// without a power cut, a wrong master key, the clock. Every result must be the model's.
///
/// # Panics
/// If one is not.
pub fn lifecycle(data: &[u8]) {
    let clock = Arc::new(Hand::default());
    let mut disk = Recorder::with_dir("/node");
    let start = |disk: &Recorder, master: u8| {
        let master = MasterKey::from_bytes(&[master; 32]).expect("32 bytes are a key");
        let clock: Arc<dyn Clock> = clock.clone();
        let options = Options { clock, lifetime: LIFETIME, ..Options::new(Path::new(FILE)) };
        Rounds::start(disk, master, options).expect("nothing fails").0
    };
    let mut rounds = start(&disk, 1);
    let mut models: [Model; ROUNDS] = Default::default();
    for byte in data.iter().take(256) {
        let (number, argument) = (usize::from(byte & 3), usize::from(byte >> 5));
        let id = RoundId::new(1, &number.to_string()).expect("a number is an id");
        let context = Context { round: id.clone(), role: Role::AtRest, purpose: Purpose::Keyshare };
        let model = &mut models[number];
        let now = clock.now();
        let usable = model.key.is_some_and(|deadline| now < deadline);
        match byte >> 2 & 7 {
            0 => match rounds.request(&id) {
                Ok(Requested::Created) => {
                    assert!(model.key.is_none() && !model.gone, "a second key");
                    model.key = Some(now + LIFETIME);
                }
                Ok(Requested::Unchanged) => assert!(usable, "a key from nowhere, or past its deadline"),
                Err(Error::AlreadyCompleted(_)) => assert!(model.gone, "the round is not over"),
                Err(Error::NoRoundKey(_)) => assert!(model.key.is_some() && !usable, "the key is refused"),
                Err(other) => panic!("{other}"),
            },
            1 => match rounds.seal(&context, &mut vec![byte & 3; argument]) {
                Ok(blob) => {
                    assert!(usable, "sealed without a key");
                    model.live.push(blob);
                }
                Err(Error::NoRoundKey(_)) => assert!(!usable, "the key is refused"),
                Err(other) => panic!("{other}"),
            },
            2 => {
                let blobs =
                    model.live.iter().map(|blob| (blob, usable)).chain(model.dead.iter().map(|b| (b, false)));
                for (blob, opens) in blobs {
                    let opened = rounds.open(&context, blob);
                    assert_eq!(opened.is_ok(), opens, "{opened:?}");
                }
            }
            3 => {
                rounds.purge(&id).expect("nothing fails");
                model.purge();
                assert!(!rounds.is_cached(&id) && !rounds.rounds().contains(&id), "the key is still there");
            }
            4 => {
                let hydrated = rounds.hydrate(&id, argument > 0);
                match hydrated {
                    Ok(Hydrated::NotListed) => assert_eq!(argument, 0),
                    Ok(Hydrated::Restored) => assert!(usable, "restored from nowhere"),
                    Err(Error::RecordMissing(_)) => {
                        assert!(model.key.is_none() && !model.gone, "it was lost")
                    }
                    Err(Error::NoRoundKey(_)) => assert!(!usable && (model.gone || model.key.is_some())),
                    Err(other) => panic!("{other}"),
                }
            }
            5 => {
                drop(rounds);
                if argument > 0 {
                    let left = disk.some_after_power_loss(1, |_| 0).pop();
                    disk = left.expect("a power loss leaves a disk");
                }
                rounds = start(&disk, 1);
                models.iter_mut().for_each(|model| model.gone = false);
            }
            6 => {
                drop(rounds);
                let wrong = start(&disk, 2);
                for (number, model) in models.iter().enumerate() {
                    let id = RoundId::new(1, &number.to_string()).expect("a number is an id");
                    assert!(wrong.hydrate(&id, true).is_err(), "another master key was accepted");
                    assert_eq!(wrong.rounds().contains(&id), model.key.is_some());
                }
                drop(wrong);
                rounds = start(&disk, 1);
                models.iter_mut().for_each(|model| model.gone = false);
            }
            _ => {
                clock.0.fetch_add(argument as u64 * 10, Ordering::Relaxed);
                for (id, purged) in rounds.purge_expired() {
                    purged.expect("nothing fails");
                    let model = models
                        .iter_mut()
                        .enumerate()
                        .find(|(number, _)| id.to_string() == format!("1:{number}"));
                    let (_, model) = model.expect("a round of the model");
                    assert!(model.key.is_some_and(|deadline| deadline <= clock.now()), "purged too early");
                    model.purge();
                }
                let late =
                    models.iter().filter(|model| model.key.is_some_and(|deadline| deadline <= clock.now()));
                assert_eq!(late.count(), 0, "a key outlived its deadline");
            }
        }
    }
    attack(&disk, &models);
}

/// With the master key and everything on the medium, no blob of a purged key opens.
fn attack(disk: &Recorder, models: &[Model; ROUNDS]) {
    let master = MasterKey::from_bytes(&[1; 32]).expect("32 bytes are a key");
    let id = RoundId::new(1, "0").expect("0 is an id");
    for remnant in disk.remanence() {
        for record in Record::all_in(&remnant.bytes) {
            let Ok(key) = master.unwrap(Form::Compatible, &id, &record, None) else { continue };
            let dead = models.iter().flat_map(|model| &model.dead);
            assert_eq!(
                dead.filter(|blob| key.open_compatible(blob).is_ok()).count(),
                0,
                "a purged key is back"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_records_ids_and_files_round_trip_or_are_refused() {
        let engine = find("sealmark").unwrap();
        let key = RoundKey::with_engine(engine, &VECTORS_KEY).unwrap();
        let sealed = key.seal_with(&[7; 12], &mut b"attack at dawn".to_vec()).unwrap();
        let disk = Recorder::with_dir("/node");
        let rounds =
            Rounds::start(&disk, MasterKey::from_bytes(&[1; 32]).unwrap(), Options::new(Path::new(FILE)));
        let rounds = rounds.unwrap().0;
        rounds.request(&RoundId::new(1, "1").unwrap()).unwrap();
        let mut file = crate::disk::Disk::read(&disk, Path::new(FILE)).unwrap();
        for data in [&sealed[..], &[0], b"1:1", b"", &Record::new(&[7; 60]).to_stored()[..], &file] {
            blob(data);
        }
        for at in (256..520).step_by(3) {
            file[at] ^= 0x41;
            blob(&file);
            file[at] ^= 0x41;
        }
        for at in 0..sealed.len() {
            blob(&sealed[..at]);
        }
    }

    #[test]
    fn histories_of_every_operation_follow_the_model() {
        let mut state = 1_u32;
        for _ in 0..60 {
            let history: Vec<u8> = (0..120)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            lifecycle(&history);
        }
    }
}
