//! Many seeds, every short script, planted defects, and the histories by name.

use std::collections::BTreeSet;
use std::time::Instant;

use rayon::prelude::*;

use super::script::Start;
use super::*;
use crate::scheme::tunnel::exchange::planted::Defect;
use crate::scheme::tunnel::{self, history};

/// A count from the environment, for longer runs by hand.
fn count(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn no_seed_breaks_a_promise() {
    let (seeds, start) = (count("SEALMARK_SEEDS", 1_000), Instant::now());
    let all = (0..seeds).into_par_iter().map(|seed| {
        let mode = Mode::ALL[(seed % 3) as usize];
        (mode, simulate(mode, seed).unwrap_or_else(|broken| panic!("{broken}")))
    });
    let all: Vec<(Mode, Tally)> = all.collect();
    println!("{seeds} seeds, {:.0} a second", seeds as f64 / start.elapsed().as_secs_f64());
    for mode in Mode::ALL {
        let mut sum = Tally::default();
        all.iter().filter(|(of, _)| *of == mode).for_each(|(_, tally)| sum += *tally);
        println!("{}: {sum:?}", mode.name());
        // A simulation in which nothing happens would break no promise either.
        let runs = usize::try_from(seeds / 3).unwrap();
        assert!(sum.messages > 100 * runs && sum.arrived > 50 * runs, "{}: {sum:?}", mode.name());
        assert!(sum.restarts > runs && sum.sessions > 2 * runs, "{}: {sum:?}", mode.name());
        assert!(sum.refused > 0, "no peer was ever given up: {}: {sum:?}", mode.name());
        assert_eq!(sum.forged > 0, mode != Mode::Compat, "{}: {sum:?}", mode.name());
    }
}

#[test]
fn the_harms_of_the_compatible_mode_are_found_by_the_simulation_too() {
    let found = (0..120).filter_map(|seed| simulation::simulate_unspared(Mode::Compat, seed).err());
    let found: Vec<Found> = found.map(|broken| broken.found).collect();
    let stuck = found.iter().filter(|found| matches!(found, Found::Stuck { .. })).count();
    println!("{} seeds of 120, {stuck} of them stuck", found.len());
    assert!(stuck >= 10, "{found:?}");
}

#[test]
fn a_seed_decides_everything() {
    for mode in Mode::ALL {
        for seed in 0..5 {
            assert_eq!(simulate(mode, seed), simulate(mode, seed), "{}, {seed}", mode.name());
        }
    }
}

#[test]
fn no_script_of_the_attacker_wins() {
    let more = usize::try_from(count("SEALMARK_MORE_STEPS", 1)).unwrap();
    let all = attacker::MODES.into_iter().flat_map(|mode| Start::ALL.map(|start| (mode, start)));
    all.collect::<Vec<_>>().into_par_iter().for_each(|(mode, start)| {
        let steps = steps(start) + more;
        let scripts = attacker::try_all(mode, start, steps, None).unwrap_or_else(|won| panic!("{won}"));
        println!("{}, {}: {scripts} scripts of {steps} moves", mode.name(), start.name());
        assert!(scripts > 10_u64.pow(u32::try_from(steps).unwrap()), "{scripts}");
    });
}

#[test]
fn a_script_of_one_forged_frame_wins_against_the_compatible_mode() {
    let won = attacker::try_all(Mode::Compat, Start::Established, 1, None).unwrap_err();
    assert!(matches!(won.script[..], [script::Move::Forge(..)]), "{won}");
    assert_eq!(won.found, Found::Moved { what: "window" });
}

#[test]
fn every_planted_defect_of_the_handshake_is_found() {
    let planted = [
        (Defect::EchoUnchecked, Start::Asked, 1, "echoes no hello of this life"),
        (Defect::NotConsumed, Start::Established, 1, "echoes a hello that was answered before"),
        (Defect::NeverExpires, Start::Asked, 3, "comes too late"),
        (Defect::ReceiverUnchecked, Start::Asked, 2, "is meant for another receiver"),
        (Defect::SignatureUnchecked, Start::Asked, 1, "its sender never sent"),
    ];
    for (defect, start, steps, why) in planted {
        let Err(won) = attacker::try_all(Mode::Hardened, start, steps, Some(defect)) else {
            panic!("{defect:?} was not found");
        };
        println!("{defect:?}: {won}");
        assert_eq!(won.script.len(), steps);
        assert!(matches!(won.found, Found::Installed { why: found, .. } if found == why), "{won}");
    }
}

#[test]
fn every_history_that_a_mode_declares_is_played_and_harms_that_mode_only() {
    let played: BTreeSet<&str> = harm::HISTORIES.iter().map(|history| history.name).collect();
    let mut declared = BTreeSet::new();
    for mode in Mode::ALL {
        declared.extend(tunnel::histories(mode).iter().map(|(name, _)| *name));
        for history in harm::HISTORIES {
            assert_eq!(harm::agrees(history, mode), Ok(()), "{} in {}", history.name, mode.name());
        }
    }
    assert_eq!(played, declared);
    let of = |mode| tunnel::histories(mode).iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(of(Mode::Hardened), [history::SALVAGE]);
}

#[test]
fn every_case_of_the_set_agrees() {
    let set = set(1);
    assert_eq!(set.cases.len() as u64, set.declared);
    let engine = engine::find("sealmark").unwrap();
    let wrong: Vec<_> = set.cases.par_iter().map(|case| (&case.id, case.check.run(engine))).collect();
    for (id, outcome) in wrong {
        assert_eq!(outcome, Outcome::Agree, "{id}");
    }
}
