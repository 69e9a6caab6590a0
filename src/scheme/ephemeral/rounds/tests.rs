//! The life of a key, with another master key in each role, and a clock that the test moves.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::disk::{Fault, Medium, Recorder};
use crate::scheme::ephemeral::shred::ShredFile;
use crate::scheme::ephemeral::testing::{context, master, round};

const FILE: &str = "/keys/slots";

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn start_as(disk: &Recorder, number: u8) -> Rounds {
    Rounds::start(disk, master(number), Options::new(Path::new(FILE))).unwrap().0
}

fn start(disk: &Recorder) -> Rounds {
    start_as(disk, 1)
}

fn seal(rounds: &Rounds, number: u8) -> Result<Vec<u8>, Error> {
    rounds.seal(&context(number), &mut b"share".to_vec())
}

/// The name of an open's result.
fn open(rounds: &Rounds, number: u8, blob: &[u8]) -> &'static str {
    rounds.open(&context(number), blob).map_or_else(|error| error.spec_name(), |_| "opened")
}

#[test]
fn a_round_seals_and_opens_from_its_request_to_its_purge_and_no_longer() {
    let disk = Recorder::with_dir("/keys");
    let rounds = start(&disk);
    assert!(matches!(seal(&rounds, 1), Err(Error::NoRoundKey(of)) if of == round(1)));
    assert_eq!(rounds.request(&round(1)).unwrap(), Requested::Created);
    assert_eq!(rounds.request(&round(2)).unwrap(), Requested::Created);
    let blob = seal(&rounds, 1).unwrap();
    assert_eq!(rounds.request(&round(1)).unwrap(), Requested::Unchanged);
    assert_eq!([1, 2].map(|number| open(&rounds, number, &blob)), ["opened", "Could not decrypt data"]);
    rounds.purge(&round(1)).unwrap();
    assert_eq!(open(&rounds, 1, &blob), "NoRoundKey");
    let mut plaintext = b"share".to_vec();
    assert!(matches!(rounds.seal(&context(1), &mut plaintext), Err(Error::NoRoundKey(_))));
    assert!(plaintext.is_empty(), "the plaintext of a refused seal is wiped too");
    assert!(matches!(rounds.request(&round(1)), Err(Error::AlreadyCompleted(_))));
    assert!(matches!(rounds.hydrate(&round(1), true), Err(Error::NoRoundKey(_))));
    rounds.purge(&round(1)).unwrap();
    assert_eq!((rounds.rounds(), rounds.cached()), (vec![round(2)], 1));
}

#[test]
fn a_restart_restores_a_listed_key_and_never_creates_one() {
    let disk = Recorder::with_dir("/keys");
    let rounds = start(&disk);
    rounds.request(&round(1)).unwrap();
    let blob = seal(&rounds, 1).unwrap();
    drop(rounds);
    let wrong = start_as(&disk, 2);
    assert!(matches!(wrong.hydrate(&round(1), true), Err(Error::Unwrap)));
    assert!(
        matches!(wrong.request(&round(1)), Err(Error::Unwrap)),
        "the key is neither replaced nor aborted"
    );
    assert_eq!(open(&wrong, 1, &blob), "Could not decrypt data");
    drop(wrong);
    let rounds = start(&disk);
    assert_eq!(rounds.hydrate(&round(1), false).unwrap(), Hydrated::NotListed);
    assert!(!rounds.is_cached(&round(1)));
    assert!(matches!(rounds.hydrate(&round(9), true), Err(Error::RecordMissing(of)) if of == round(9)));
    assert_eq!(rounds.hydrate(&round(1), true).unwrap(), Hydrated::Restored);
    assert!(rounds.is_cached(&round(1)));
    assert_eq!(open(&rounds, 1, &blob), "opened");
    drop(rounds);
    let rounds = start(&disk);
    assert_eq!(rounds.request(&round(1)).unwrap(), Requested::Unchanged, "a request after a restart");
    assert_eq!(open(&rounds, 1, &blob), "opened");
}

#[test]
fn a_key_that_cannot_be_stored_aborts_its_round_for_good() {
    for fault in [Fault::Io, Fault::NoSpace, Fault::ReadOnly] {
        let disk = Recorder::with_dir("/keys");
        let rounds = start(&disk);
        disk.plan(disk.steps().len(), fault);
        for _ in 0..2 {
            let refused = rounds.request(&round(1)).unwrap_err();
            assert!(
                matches!(&refused, Error::RoundAborted { round: of, .. } if *of == round(1)),
                "{refused}"
            );
            assert!(refused.to_string().contains("planned"), "{refused}");
        }
        assert!(matches!(seal(&rounds, 1), Err(Error::NoRoundKey(_))), "{fault:?}");
        assert_eq!(rounds.cached(), 0);
    }
}

#[test]
fn a_resolver_that_read_the_record_before_the_purge_does_not_bring_the_key_back() {
    let disk = Recorder::with_dir("/keys");
    drop({
        let rounds = start(&disk);
        rounds.request(&round(1)).unwrap();
        rounds
    });
    let rounds = start(&disk);
    let late = rounds.begin_resolve(&round(1)).unwrap();
    rounds.purge(&round(1)).unwrap();
    assert!(matches!(rounds.finish_resolve(late), Err(Error::NoRoundKey(_))));
    assert!(!rounds.is_cached(&round(1)));
    assert!(matches!(rounds.begin_resolve(&round(1)), Err(Error::NoRoundKey(_))));
}

#[test]
fn past_its_deadline_a_key_is_refused_at_once_and_then_purged() {
    let disk = Recorder::with_dir("/keys");
    let clock = Arc::new(Hand::default());
    let start = || {
        let options =
            Options { clock: Arc::clone(&clock) as _, lifetime: 100, ..Options::new(Path::new(FILE)) };
        Rounds::start(&disk, master(1), options).unwrap().0
    };
    let rounds = start();
    rounds.request(&round(1)).unwrap();
    clock.0.store(50, Ordering::Relaxed);
    rounds.request(&round(2)).unwrap();
    let blob = seal(&rounds, 1).unwrap();
    clock.0.store(99, Ordering::Relaxed);
    assert_eq!(open(&rounds, 1, &blob), "opened");
    assert_eq!(rounds.purge_expired().len(), 0);
    clock.0.store(100, Ordering::Relaxed);
    assert_eq!(open(&rounds, 1, &blob), "NoRoundKey");
    assert!(matches!(rounds.request(&round(1)), Err(Error::NoRoundKey(of)) if of == round(1)));
    drop(rounds);
    let rounds = start();
    assert_eq!(open(&rounds, 1, &blob), "NoRoundKey", "the deadline outlives a restart");
    assert!(matches!(rounds.hydrate(&round(1), true), Err(Error::NoRoundKey(of)) if of == round(1)));
    assert!(matches!(rounds.request(&round(1)), Err(Error::NoRoundKey(of)) if of == round(1)));
    assert!(!rounds.is_cached(&round(1)), "a key past its deadline is not loaded");
    let purged: Vec<_> = rounds.purge_expired().into_iter().map(|(of, done)| (of, done.is_ok())).collect();
    assert_eq!(purged, [(round(1), true)]);
    assert_eq!((rounds.rounds(), open(&rounds, 1, &blob)), (vec![round(2)], "NoRoundKey"));
}

#[test]
fn a_failed_purge_is_reported_and_the_key_is_refused_all_the_same() {
    let disk = Recorder::with_dir("/keys");
    let rounds = start(&disk);
    rounds.request(&round(1)).unwrap();
    let blob = seal(&rounds, 1).unwrap();
    for step in [0, 0, 1] {
        disk.plan(disk.steps().len() + step, Fault::NoSpace);
        assert!(matches!(rounds.purge(&round(1)), Err(Error::Disk(_))), "{step}");
        assert_eq!((open(&rounds, 1, &blob), rounds.rounds()), ("NoRoundKey", vec![round(1)]));
    }
    assert!(matches!(rounds.purge(&round(1)), Err(Error::Unsynced { .. })), "after a failed sync");
}

#[test]
fn a_purge_that_a_failed_sync_prevents_is_repeated_and_a_round_without_a_record_needs_none() {
    let disk = Recorder::with_dir("/keys");
    let rounds = start(&disk);
    rounds.request(&round(1)).unwrap();
    // The sync after the body of the second round's record.
    disk.plan(disk.steps().len() + 1, Fault::Io);
    assert!(matches!(rounds.request(&round(2)), Err(Error::RoundAborted { .. })));
    rounds.purge(&round(2)).unwrap();
    assert!(matches!(rounds.purge(&round(1)), Err(Error::Unsynced { .. })));
    let repeated = rounds.purge_expired();
    assert!(matches!(&repeated[..], [(of, Err(Error::Unsynced { .. }))] if *of == round(1)), "{repeated:?}");
}

#[test]
fn a_purge_that_failed_is_repeated() {
    let disk = Recorder::with_dir("/keys");
    let rounds = start(&disk);
    rounds.request(&round(1)).unwrap();
    assert!(rounds.purge_expired().is_empty());
    // The mark is written and synced; the body is not overwritten.
    disk.plan(disk.steps().len() + 2, Fault::Io);
    assert!(matches!(rounds.purge(&round(1)), Err(Error::Disk(_))));
    let repeated = rounds.purge_expired();
    assert!(matches!(&repeated[..], [(of, Ok(()))] if *of == round(1)), "{repeated:?}");
    assert_eq!(rounds.rounds(), []);
}

/// On a medium that keeps every byte, the master key and the medium open the blobs of a purged round; with a
/// mask on another medium they do not.
#[test]
fn a_mask_makes_a_purge_final_on_a_medium_that_keeps_the_records() {
    for masked in [false, true] {
        let disk = Recorder::with_dir("/keys").on(Medium::CopyOnWrite);
        let usb = Recorder::with_dir("/usb");
        let shred = |masked: bool| {
            masked.then(|| Box::new(ShredFile::open(&usb, Path::new("/usb")).unwrap()) as Box<dyn Shred>)
        };
        let start = || {
            let options = Options { shred: shred(masked), ..Options::new(Path::new(FILE)) };
            Rounds::start(&disk, master(1), options).unwrap().0
        };
        let rounds = start();
        rounds.request(&round(1)).unwrap();
        let blob = seal(&rounds, 1).unwrap();
        drop(rounds);
        let rounds = start();
        assert_eq!(open(&rounds, 1, &blob), "opened", "after a restart");
        rounds.purge(&round(1)).unwrap();
        let mut opened = false;
        for remnant in disk.remanence().iter().chain(&usb.remanence()) {
            for bytes in remnant.bytes.windows(60) {
                let record = crate::scheme::ephemeral::Record::new(bytes.try_into().unwrap());
                opened |= master(1).unwrap_unchecked(&record).unwrap().open_compatible(&blob).is_ok();
            }
        }
        assert_eq!(opened, !masked);
    }
}

#[test]
fn a_mask_that_could_not_be_erased_is_erased_with_the_expired_keys() {
    let (disk, usb) = (Recorder::with_dir("/keys"), Recorder::with_dir("/usb"));
    let masks = ShredFile::open(&usb, Path::new("/usb")).unwrap();
    let options = Options { shred: Some(Box::new(masks)), ..Options::new(Path::new(FILE)) };
    let rounds = Rounds::start(&disk, master(1), options).unwrap().0;
    rounds.request(&round(1)).unwrap();
    rounds.request(&round(2)).unwrap();
    usb.plan(usb.steps().len(), Fault::NoSpace);
    assert!(matches!(rounds.purge(&round(1)), Err(Error::Disk(_))));
    assert_eq!(rounds.rounds(), [round(2)], "its record is gone, and its mask is not");
    let repeated = rounds.purge_expired();
    assert!(matches!(&repeated[..], [(of, Ok(()))] if *of == round(1)), "{repeated:?}");
    assert!(rounds.purge_expired().is_empty(), "a mask with a record stays");
    seal(&rounds, 2).unwrap();
}

#[test]
fn a_start_erases_masks_whose_round_has_no_key() {
    let usb = Recorder::with_dir("/usb");
    let masks = ShredFile::open(&usb, Path::new("/usb")).unwrap();
    let mask = masks.create(&round(1)).unwrap();
    drop(masks);
    let disk = Recorder::with_dir("/keys");
    let start_masked = || {
        let shred = Some(Box::new(ShredFile::open(&usb, Path::new("/usb")).unwrap()) as Box<dyn Shred>);
        Rounds::start(&disk, master(1), Options { shred, ..Options::new(Path::new(FILE)) })
    };
    let refused = start_masked().map(drop).unwrap_err();
    assert!(matches!(&refused, Error::MasksWithoutRecords { masks: 1, .. }), "{refused}");
    assert!(usb.still_holds(&mask[..]) && !disk.exists(Path::new(FILE)).unwrap());
    drop(start(&disk));
    let rounds = start_masked().unwrap().0;
    assert!(!usb.still_holds(&mask[..]));
    assert_eq!(rounds.rounds(), []);
}
