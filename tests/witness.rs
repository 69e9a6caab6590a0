//! An engine called `sealmark/vaes512` that runs the portable code: its results are right, and its witness
//! refutes it, in a measurement and in a verification. With arguments, this program is one of the processes
//! that it measures and traces.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sealmark::aead::{Alg, BACKENDS};
use sealmark::engine::double::FaultyEngine;
use sealmark::engine::{Engine, Witnesses, find};
use sealmark::measure::trace::witness;
use sealmark::measure::{self, Catalog, Plan, Suite};
use sealmark::verify::{self, Sets};

/// The portable code under the name of this CPU's widest backend.
static DOUBLE: FaultyEngine =
    FaultyEngine::new(if cfg!(target_arch = "x86_64") { "sealmark/vaes512" } else { "sealmark/armv8" })
        .with_keys(&|alg, bytes| BACKENDS[0].key(alg, bytes));

/// The variable that names a file to which a process of this program writes its environment.
const ENVIRONMENTS: &str = "SEALMARK_TEST_ENVIRONMENTS";

fn main() -> ExitCode {
    if let (Some(folder), Some(verb)) = (std::env::var_os(ENVIRONMENTS), std::env::args().nth(1)) {
        let seen = format!("{:?}", std::env::vars_os().collect::<Vec<_>>());
        std::fs::write(Path::new(&folder).join(verb), seen).expect("the folder is there");
    }
    let done = match std::env::args().nth(1).as_deref() {
        Some("worker") => measure::worker_main(&[&DOUBLE], Catalog::ours()),
        Some(measure::trace::VERB) => measure::trace::step_main(&[&DOUBLE], Catalog::ours()),
        _ => {
            let passed = tests();
            println!("{passed} passed, 0 failed");
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

fn tests() -> u32 {
    let own = find("sealmark").expect("the engine of our own choice always exists");
    let engines: [&'static dyn Engine; 2] = [&DOUBLE, own];
    let witnesses = witness::take(&engines, &[Alg::Aes256Gcm], &|_| {});
    if let Err(why) = witnesses.find(DOUBLE.name(), Alg::Aes256Gcm, 1024) {
        println!("!!!!!!!! NOT TRACED: {why}");
        return 0;
    }
    let why = witnesses.refute(DOUBLE.name()).expect("it is refused");
    assert!(why.contains("AES instructions: none"), "{why}");
    assert_eq!(witnesses.refute("sealmark"), None, "this CPU's own choice is what it is called");
    it_gets_no_times(&engines, &witnesses, &why);
    no_case_runs_on_it(&engines, &witnesses, &why);
    measured_and_traced_processes_see_the_same_environment();
    4
}

/// This program again, as a process with a folder to write to.
fn measured_and_traced_processes_see_the_same_environment() {
    if std::env::var_os(ENVIRONMENTS).is_some() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("this test is a file");
    let mut again = Command::new(program);
    again
        .env(ENVIRONMENTS, folder.path())
        .env("SEALMARK_TEST_ODD", "\u{e9} = 1")
        .env("OPENSSL_ia32cap", "~0x1");
    assert!(again.status().expect("this test can be run").success());
    let of = |verb: &str| std::fs::read_to_string(folder.path().join(verb)).expect("it was run");
    let (measured, traced) = (of("worker"), of(measure::trace::VERB));
    assert_eq!(measured, traced);
    for expected in ["SEALMARK_TEST_ODD", "OPENSSL_ia32cap", "PATH"] {
        assert!(traced.contains(expected), "{expected} is not in {traced}");
    }
}

fn it_gets_no_times(engines: &[&'static dyn Engine], witnesses: &Witnesses, why: &str) {
    let plan = Plan {
        filter: Some("seal/*-256-gcm/64".into()),
        processes: 1,
        budget: Duration::from_millis(100),
        witnesses: witnesses.clone(),
        ..Plan::new(Suite::Quick, engines.to_vec())
    };
    let rows = measure::run(&plan, &AtomicBool::new(false), &mut |_| {}).expect("a run").rows;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].engine.as_str(), rows[0].error.as_deref()), (DOUBLE.name(), Some(why)));
    assert!(rows[0].ns.is_none() && rows[0].gb_per_s.is_none() && rows[0].samples.is_empty());
    assert_eq!(rows[0].witness.as_ref().expect("it was traced").aes, None);
    // A busy machine may fail a row for another reason; this test is about witnesses.
    assert!(rows[1].error.as_ref().is_none_or(|error| !error.contains("it executed")), "{:?}", rows[1]);
    assert!(rows[1].witness.is_some());
}

fn no_case_runs_on_it(engines: &[&'static dyn Engine], witnesses: &Witnesses, why: &str) {
    let set = || verify::built_in("contract", 1).expect("it is built in");
    let run = |witnesses: &Witnesses| {
        let plan = verify::Plan::new(engines.to_vec(), Sets::Given(vec![set()]), 1);
        verify::run(&verify::Plan { witnesses: witnesses.clone(), ..plan }, &|_| {})
    };
    let report = run(witnesses);
    assert_eq!(report.wrong, 1);
    assert_eq!((report.failures[0].engine.as_str(), report.failures[0].what.as_str()), (DOUBLE.name(), why));
    let judged: Vec<_> = report.sets[0].engines.keys().collect();
    assert_eq!(judged, ["sealmark"]);
    assert!(report.engines.iter().all(|info| info.witnesses.len() == 2));
    let believed = run(&Witnesses::default());
    assert_eq!(believed.sets[0].engines.len(), 2, "without a witness it takes part");
}
