//! Rounds from request to completion, by every way in which they end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::disk::{Fault, Recorder};
use crate::scheme::ephemeral::rounds::Options;
use crate::scheme::ephemeral::routing::FailureReason;
use crate::scheme::ephemeral::testing::{context, master, round};

#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Scene {
    disk: Recorder,
    clock: Arc<Hand>,
    rounds: Arc<Rounds>,
    router: Router,
}

fn scene() -> Scene {
    let (disk, clock) = (Recorder::with_dir("/keys"), Arc::new(Hand::default()));
    let path = Path::new("/keys/slots");
    let options = Options { clock: Arc::clone(&clock) as _, lifetime: 50_000, ..Options::new(path) };
    let rounds = Arc::new(Rounds::start(&disk, master(1), options).unwrap().0);
    let (keys, now) = (Arc::clone(&rounds), Arc::clone(&clock) as _);
    let router = Router::new(keys, Timeouts::default(), now, BTreeSet::new()).unwrap();
    Scene { disk, clock, rounds, router }
}

impl Scene {
    /// Handles an event and all that it publishes; returns the events in order.
    fn run(&mut self, event: Event) -> Vec<Event> {
        let mut seen = vec![event];
        let mut at = 0;
        while at < seen.len() {
            seen.extend(self.router.handle(&seen[at]).unwrap().publish);
            at += 1;
        }
        seen
    }

    fn is_active(&self, number: u8) -> bool {
        self.rounds.seal(&context(number), &mut b"share".to_vec()).is_ok()
    }
}

fn failed(reason: FailureReason) -> Event {
    Event::Failed { round: round(1), stage: Stage::None, reason }
}

#[test]
fn each_event_that_completes_a_round_purges_its_key_and_others_keep_it() {
    let ends = [
        Event::PlaintextAggregated(round(1)),
        Event::StageChanged(round(1), Stage::Complete),
        failed(FailureReason::DKGTimeout),
        failed(FailureReason::DecryptionTimeout),
    ];
    for end in ends {
        let mut scene = scene();
        scene.run(Event::Requested(round(1)));
        scene.run(Event::Requested(round(2)));
        assert!(scene.is_active(1));
        assert_eq!(scene.run(end.clone()), [end, Event::RequestComplete(round(1))]);
        assert_eq!([1, 2].map(|number| scene.is_active(number)), [false, true]);
        assert_eq!(scene.router.completed().iter().collect::<Vec<_>>(), [&round(1)]);
    }
    let mut scene = scene();
    scene.run(Event::Requested(round(1)));
    let stays = [
        Event::StageChanged(round(1), Stage::Failed),
        failed(FailureReason::DKGInvalidShares),
        failed(FailureReason::None),
        Event::KeyshareCreated(round(1)),
        Event::Shutdown,
        Event::NoRound,
    ];
    for event in stays {
        assert_eq!(scene.run(event.clone()), [event]);
        assert!(scene.is_active(1));
    }
}

#[test]
fn late_echoes_are_ignored_and_other_late_events_are_refused() {
    let mut scene = scene();
    scene.run(Event::Requested(round(1)));
    scene.run(Event::PlaintextAggregated(round(1)));
    for late in [failed(FailureReason::ComputeTimeout), Event::StageChanged(round(1), Stage::Failed)] {
        assert_eq!(scene.router.handle(&late).unwrap().decision, Decision::Ignore);
    }
    for late in [Event::RequestComplete(round(1)), Event::Requested(round(1)), failed(FailureReason::None)] {
        let refused = scene.router.handle(&late).unwrap_err();
        assert!(matches!(&refused, Error::AlreadyCompleted(of) if *of == round(1)), "{refused}");
    }
    assert!(!scene.is_active(1));
}

#[test]
fn a_key_that_cannot_be_created_aborts_the_round_with_its_id_and_completes_it() {
    let mut scene = scene();
    scene.disk.plan(scene.disk.steps().len(), Fault::NoSpace);
    let seen = scene.run(Event::Requested(round(1)));
    let [_, Event::RoundAborted { round: of, why }, Event::RequestComplete(complete)] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((of, complete), (&round(1), &round(1)));
    assert!(why.contains("the disk is full"), "{why}");
    assert!(!scene.is_active(1) && scene.router.completed().contains(&round(1)));
}

#[test]
fn whichever_step_of_a_creation_fails_the_round_is_completed_and_has_no_key_after_the_next_start() {
    let steps = {
        let mut scene = scene();
        let before = scene.disk.steps().len();
        scene.run(Event::Requested(round(1)));
        scene.disk.steps().len() - before
    };
    assert!(steps >= 4, "{steps}");
    for step in 0..steps {
        let mut scene = scene();
        scene.disk.plan(scene.disk.steps().len() + step, Fault::Io);
        let seen = scene.run(Event::Requested(round(1)));
        assert!(
            matches!(&seen[1], Event::RoundAborted { round: of, .. } if *of == round(1)),
            "{step}: {seen:?}"
        );
        assert_eq!(seen[2..], [Event::RequestComplete(round(1))], "{step}");
        let completed = scene.router.completed().clone();
        assert!(completed.contains(&round(1)) && !scene.is_active(1), "{step}");
        for left in scene.disk.after_power_loss() {
            let options = Options::new(Path::new("/keys/slots"));
            let rounds = Arc::new(Rounds::start(&left, master(1), options).unwrap().0);
            let keys = Arc::clone(&rounds);
            Router::new(keys, Timeouts::default(), Arc::new(Hand::default()), completed.clone()).unwrap();
            assert_eq!(rounds.rounds(), [], "{step}");
        }
    }
}

#[test]
fn the_rounds_actors_see_an_event_after_the_key_exists_and_before_it_is_purged() {
    let mut scene = scene();
    let rounds = Arc::clone(&scene.rounds);
    let mut seen = Vec::new();
    for event in [Event::Requested(round(1)), Event::RequestComplete(round(1))] {
        let seals = |of: &Event| (of.clone(), rounds.seal(&context(1), &mut b"share".to_vec()).is_ok());
        scene.router.handle_with(&event, &mut |of| seen.push(seals(of))).unwrap();
    }
    let expected = [Event::Requested(round(1)), Event::RequestComplete(round(1))].map(|event| (event, true));
    assert_eq!(seen, expected);
    assert!(!scene.is_active(1));
    let late = scene.router.handle_with(&Event::KeyshareCreated(round(1)), &mut |_| panic!("it is refused"));
    assert!(matches!(late, Err(Error::AlreadyCompleted(_))));
}

#[test]
fn a_completed_round_collects_nothing() {
    let mut scene = scene();
    scene.run(Event::Requested(round(1)));
    scene.run(Event::PlaintextAggregated(round(1)));
    scene.router.collect(&round(1), Phase::EncryptionKey, BTreeSet::from([1]), Some(0));
    scene.clock.0.store(9_000, Ordering::Relaxed);
    assert_eq!(scene.router.tick().publish, []);
}

#[test]
fn a_collection_that_runs_out_of_time_names_who_is_missing_before_it_fails_the_round() {
    for (phase, ends) in Phase::ALL.into_iter().zip([720, 4_320, 7_200]) {
        let mut scene = scene();
        scene.run(Event::Requested(round(1)));
        scene.router.collect(&round(1), phase, BTreeSet::from([1, 2, 3]), Some(0));
        scene.router.contributed(&round(1), phase, 2);
        scene.clock.0.store(ends - 1, Ordering::Relaxed);
        assert_eq!(scene.router.tick().publish, []);
        scene.clock.0.store(ends, Ordering::Relaxed);
        let (published, reason) = (scene.router.tick().publish, phase.failure());
        let expected = [
            Event::CollectionFailed { round: round(1), phase, missing: vec![1, 3], reason },
            Event::Failed { round: round(1), stage: Stage::CommitteeFinalized, reason },
        ];
        assert_eq!(published, expected);
        published.into_iter().for_each(|event| drop(scene.run(event)));
        assert!(!scene.is_active(1), "{phase:?}");
        assert_eq!(scene.router.tick().publish, [], "once");
    }
}

#[test]
fn a_whole_collection_and_a_completed_round_do_not_run_out_of_time() {
    let mut scene = scene();
    for number in [1, 2] {
        scene.run(Event::Requested(round(number)));
        scene.router.collect(&round(number), Phase::EncryptionKey, BTreeSet::from([1]), Some(0));
    }
    scene.router.contributed(&round(1), Phase::EncryptionKey, 1);
    scene.router.collect(&round(1), Phase::ThresholdShare, BTreeSet::new(), Some(0));
    scene.run(Event::PlaintextAggregated(round(2)));
    scene.clock.0.store(9_000, Ordering::Relaxed);
    assert_eq!(scene.router.tick().publish, []);
}

#[test]
fn a_round_past_its_deadline_is_purged_and_completed() {
    let mut scene = scene();
    scene.run(Event::Requested(round(1)));
    scene.run(failed(FailureReason::VerificationFailed));
    scene.clock.0.store(50_000, Ordering::Relaxed);
    let published = scene.router.tick().publish;
    assert_eq!(published, [Event::RequestComplete(round(1))]);
    assert_eq!(scene.rounds.rounds(), []);
    published.into_iter().for_each(|event| drop(scene.run(event)));
    assert!(scene.router.completed().contains(&round(1)));
}

#[test]
fn a_checkpoint_that_lists_a_round_as_completed_purges_its_key_at_the_start() {
    let mut scene = scene();
    scene.run(Event::Requested(round(1)));
    let (keys, now) = (Arc::clone(&scene.rounds), Arc::clone(&scene.clock) as _);
    let router = Router::new(keys, Timeouts::default(), now, BTreeSet::from([round(1)])).unwrap();
    assert!(router.completed().contains(&round(1)) && !scene.is_active(1));
    assert_eq!(scene.rounds.rounds(), []);
}
