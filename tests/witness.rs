//! An engine that is called `sealmark/vaes512` and runs the portable code: it is right, it is timed, and its witness
//! takes the time away. Called with arguments this program is the processes that it measures and traces.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sealmark::aead::{Aead, Alg, BACKENDS, Error};
use sealmark::engine::{Engine, Residue, Shape, find};
use sealmark::measure::{self, Plan, Row, Suite};

/// The portable code under the name of this CPU's widest backend.
struct Double(&'static str);

impl Engine for Double {
    fn name(&self) -> &str {
        self.0
    }

    fn version(&self) -> String {
        "0".into()
    }

    fn available(&self) -> Result<(), String> {
        Ok(())
    }

    fn supports(&self, shape: Shape) -> bool {
        shape == Shape::usual(shape.alg)
    }

    fn residue(&self) -> Residue {
        Residue::Zeros
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        BACKENDS[0].key(alg, bytes)
    }
}

#[cfg(target_arch = "x86_64")]
static DOUBLE: Double = Double("sealmark/vaes512");
#[cfg(not(target_arch = "x86_64"))]
static DOUBLE: Double = Double("sealmark/armv8");

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("worker") => measure::worker_main(&[&DOUBLE]),
        Some("step") => measure::trace::step_main(&[&DOUBLE]),
        _ => {
            a_double_is_refused_by_its_witness();
            the_real_ones_are_confirmed();
            println!("2 passed, 0 failed");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measured(engine: &'static dyn Engine) -> Vec<Row> {
    let plan = Plan {
        filter: Some("seal/*-256-gcm/1024".into()),
        processes: 1,
        budget: Duration::from_millis(100),
        ..Plan::new(Suite::Quick, vec![engine])
    };
    let rows = measure::run(&plan, &AtomicBool::new(false), &mut |_| {}).expect("a run").rows;
    assert_eq!(rows.len(), 1);
    if let Some(why) = &rows[0].no_witness {
        eprintln!("!!!!!!!! NOT TRACED: {}: {why}", engine.name());
    }
    rows
}

fn a_double_is_refused_by_its_witness() {
    let row = measured(&DOUBLE).remove(0);
    if row.no_witness.is_some() {
        return;
    }
    let error = row.error.expect("it is refused");
    assert!(error.contains("AES instructions: none"), "{error}");
    assert!(row.ns.is_none() && row.samples.is_empty());
    assert_eq!(row.witness.expect("it was traced").aes, None);
}

fn the_real_ones_are_confirmed() {
    for engine in BACKENDS.iter().filter_map(|backend| find(&format!("sealmark/{}", backend.name))) {
        // The double stands in the place of one of them.
        if engine.available().is_err() || engine.name() == DOUBLE.name() {
            continue;
        }
        let row = measured(engine).remove(0);
        // The check of times may fail on a busy machine; that is no matter of witnesses.
        let error = row.error.unwrap_or_default();
        assert!(!error.contains("it executed"), "{}: {error}", engine.name());
    }
}
