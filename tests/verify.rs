//! The whole of `verify`: declared counts hold on every engine, and what is planted is found.

use sealmark::engine::{self, Engine};
use sealmark::verify::{self, Plan, Report, Sets};

const SEED: u64 = 20_261_122;

fn run(engines: Vec<&'static dyn Engine>, sets: Sets) -> Report {
    verify::run(&Plan { engines, sets, require: Vec::new(), seed: SEED }, &|_| {})
}

fn built_in() -> Report {
    run(engine::engines(), Sets::BuiltIn)
}

#[test]
fn every_engine_agrees_with_every_built_in_set_and_the_counts_add_up() {
    let report = built_in();
    for failure in &report.failures {
        eprintln!("{failure:?}");
    }
    assert_eq!(report.wrong, 0);
    assert_eq!(report.failures, []);
    let declared = |prefix: &str| -> u64 {
        report.sets.iter().filter(|set| set.set.starts_with(prefix)).map(|set| set.declared).sum()
    };
    assert_eq!(declared("nist/"), 47_250);
    assert_eq!(declared("wycheproof/aes-gcm"), 316);
    let able = report.engines.iter().filter(|info| info.unavailable.is_none()).count();
    assert!(able > 0);
    for set in &report.sets {
        for (engine, tally) in &set.engines {
            eprintln!("{:30} {:6} {engine:20} {tally:?}", set.set, set.declared);
            assert_eq!(tally.total(), set.declared, "{} {engine}", set.set);
        }
        assert_eq!(set.engines.len(), able, "{}", set.set);
    }
    eprintln!("{:.1} s", report.seconds);
}
