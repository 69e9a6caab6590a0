//! `verify` as a whole: declared counts hold on every engine, and planted defects are found.

use std::fs;

use sealmark::aead::{Aead, Alg, Error};
use sealmark::engine::double::{Call, FaultyEngine, altered};
use sealmark::engine::{self, Engine, Residue, Shape};
use sealmark::verify::{self, Outcome, Plan, RULE_ACCEPTABLE, Report, Sets, dir, vectors};

const SEED: u64 = 20_261_122;

fn run(engines: Vec<&'static dyn Engine>, sets: Sets) -> Report {
    verify::run(&Plan::new(engines, sets, SEED), &|_| {})
}

fn own() -> &'static dyn Engine {
    engine::find("sealmark").expect("it always exists")
}

/// Every set except the crash campaigns, which have their own tests and use no engine.
#[test]
fn every_engine_agrees_with_every_built_in_set_and_the_counts_add_up() {
    let names = verify::built_in_names().into_iter().filter(|name| !name.starts_with("campaign/"));
    let sets = names.map(|name| verify::built_in(&name, SEED).expect("it is built in")).collect();
    let report = run(engine::engines(), Sets::Given(sets));
    assert_eq!((report.wrong, &report.failures[..]), (0, &[][..]));
    let declared = |prefix: &str| -> u64 {
        report.sets.iter().filter(|set| set.set.starts_with(prefix)).map(|set| set.declared).sum()
    };
    assert_eq!(declared("nist/cavp-gcm-"), 47_250);
    assert_eq!(declared("wycheproof/aes-gcm"), 316);
    let interop =
        ["interop/ek-", "interop/e3-", "interop/pilot-", "interop/dyn-", "interop/kv-"].map(declared);
    assert_eq!((interop, declared("interop/")), ([788, 107, 968, 160, 1_368], 3_391));
    assert_eq!(["wycheproof/x25519", "wycheproof/ed25519"].map(declared), [518, 151]);
    assert_eq!(declared("differential"), 11_615);
    assert_eq!(declared("contract"), 114);
    let able: Vec<_> = report.engines.iter().filter(|info| info.unavailable.is_none()).collect();
    assert!(!able.is_empty());
    for set in &report.sets {
        for (engine, tally) in &set.engines {
            println!("{:28} {:5} {engine:18} {tally:?}", set.set, set.declared);
            let sum = tally.agree + tally.stricter + tally.unsupported + tally.wrong;
            assert_eq!(sum, set.declared, "{} {engine}", set.set);
            if engine.starts_with("sealmark") {
                assert_eq!(tally.agree + tally.stricter, set.declared, "{} {engine}", set.set);
            }
        }
        let alone = set.engines.len() == 1 && set.engines.contains_key("sealmark");
        assert!(alone || set.engines.len() == able.len(), "{}", set.set);
    }
    println!("{:.1} s", report.seconds);
}

#[test]
fn every_planted_defect_is_caught_and_its_case_named() {
    let planted = verify::self_test(SEED);
    for plant in &planted {
        assert!(plant.caught, "{plant:?}");
        assert!(!plant.by.is_empty(), "{plant:?}");
    }
    assert_eq!(planted.len(), 8);
    assert_eq!(planted[0].by, ["wycheproof/aes-gcm: tc1"]);
    assert_eq!(planted[1].by, ["nist/cavp-gcm-encrypt-128: iv96-pt0-aad0-tag128/0"]);
    assert!(planted[3].what.contains("round constant"));
    assert_eq!(planted[3].by[0], "wycheproof/aes-gcm: tc1");
    assert_eq!(planted[6].by[0], "differential: length/aes-128-gcm-iv12-aad7@0-len1793@23");
    assert!(planted[7].what.contains("runs no case"));
}

static ABSENT: FaultyEngine = refusing("absent").unavailable("this CPU has no such thing");
static PANICS: FaultyEngine = refusing("panics").with_keys(&|_, _| panic!("out of cheese"));
static REFUSES: FaultyEngine = refusing("refuses");
static NO_CALLS: FaultyEngine = refusing("ring/none").with_shapes(|_| false);
static IDLE: FaultyEngine = refusing("idle").with_shapes(|_| false);

/// An engine that refuses every call.
const fn refusing(name: &'static str) -> FaultyEngine {
    FaultyEngine::new(name).with_residue(Residue::Ciphertext).with_calls(&|_, call| match call {
        Call::Seal { .. } => Err(Error::MessageTooLong),
        Call::Open { .. } => Err(Error::NotAuthentic),
    })
}

/// One case in Wycheproof's format; the ciphertext and tag fit no message.
const ONE_CASE: &str = r#"{"algorithm": "AES-GCM", "numberOfTests": 1, "testGroups": [{"keySize": 128,
    "ivSize": 96, "tagSize": 128, "tests": [{"tcId": 5, "key": "000102030405060708090a0b0c0d0e0f",
    "iv": "000102030405060708090a0b", "aad": "", "msg": "00", "ct": "ff",
    "tag": "000102030405060708090a0b0c0d0e0f", "result": "acceptable"}]}]}"#;

fn one_case(result: &str) -> Sets {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let text = ONE_CASE.replace("acceptable", result);
    fs::write(folder.path().join("one"), text).expect("it can be written to");
    Sets::Folder(dir::read(folder.path()).expect("it holds a file"))
}

#[test]
fn an_acceptable_case_may_be_refused_by_the_rule_and_may_not_be_wrong() {
    let cases = vectors::decode_any(ONE_CASE.as_bytes()).unwrap().cases;
    assert_eq!(cases[0].check.run(&REFUSES), Outcome::Stricter { rule: RULE_ACCEPTABLE });
    let outcome = cases[0].check.run(own());
    assert!(matches!(&outcome, Outcome::Wrong { what } if !what.is_empty()), "{outcome:?}");
    let report = run(vec![&REFUSES], one_case("acceptable"));
    let tally = report.sets[0].engines["refuses"];
    assert_eq!((tally.stricter, tally.wrong, report.wrong), (1, 0, 0));
    let report = run(vec![&REFUSES], one_case("valid"));
    assert_eq!((report.sets[0].engines["refuses"].wrong, report.wrong), (1, 1));
    assert_eq!((&*report.failures[0].engine, &*report.failures[0].case), ("refuses", "tc5"));
}

#[test]
fn a_refusal_is_right_for_an_invalid_case_only_if_the_key_stays_usable() {
    assert_eq!(run(vec![own()], one_case("invalid")).wrong, 0);
    let report = run(vec![&REFUSES], one_case("invalid"));
    assert!(report.failures[0].what.contains("does not seal"), "{:?}", report.failures);
}

#[test]
fn an_engine_that_panics_is_wrong_and_the_others_still_run() {
    let report = run(vec![&PANICS, own()], one_case("invalid"));
    assert_eq!(report.sets[0].engines["panics"].wrong, 1);
    assert_eq!(report.sets[0].engines["sealmark"].agree, 1);
    assert!(report.failures[0].what.contains("panicked: out of cheese"), "{:?}", report.failures);
}

#[test]
fn a_required_engine_that_is_absent_is_a_failure() {
    let require = |name: &str| {
        let (engines, require) = (vec![&ABSENT as &dyn Engine, own()], vec![name.to_owned()]);
        verify::run(&Plan { require, ..Plan::new(engines, one_case("invalid"), SEED) }, &|_| {})
    };
    let report = require("absent");
    assert_eq!(report.engines[0].unavailable.as_deref(), Some("this CPU has no such thing"));
    assert!(!report.sets[0].engines.contains_key("absent"));
    assert_eq!(report.wrong, 1);
    assert!(report.failures[0].what.contains("no such thing"), "{:?}", report.failures);
    assert_eq!(require("nobody").wrong, 1);
    assert_eq!(require("sealmark").wrong, 0);
}

/// A run's failures of an engine, by set.
fn accused(report: &Report, engine: &str) -> Vec<(String, String)> {
    let of_it = report.failures.iter().filter(|f| f.engine == engine && f.case.is_empty());
    of_it.map(|f| (f.set.clone(), f.what.clone())).collect()
}

#[test]
fn a_run_that_checked_nothing_is_a_failure() {
    assert_eq!(run(vec![own()], Sets::Given(Vec::new())).failures[0].what, "no set was verified");
    let report = run(vec![&ABSENT], one_case("valid"));
    assert!(report.failures.iter().any(|f| f.what == "no engine took part"), "{:?}", report.failures);
    let report = run(vec![&NO_CALLS], one_case("valid"));
    let told: Vec<_> = report.failures.iter().filter(|f| f.engine.is_empty()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|f| f.what.starts_with("nothing ran")), "{told:?}");
    assert_ne!(told[0].set.is_empty(), told[1].set.is_empty());
    let mut empty = verify::built_in("contract", SEED).expect("it is built in");
    (empty.cases, empty.declared) = (Vec::new(), 0);
    let report = run(vec![own()], Sets::Given(vec![empty]));
    assert_eq!(report.failures[0].what, "nothing ran: there are no cases in this set");
}

#[test]
fn an_engine_that_runs_no_case_of_a_set_fails_it_whatever_others_ran() {
    // Its family is not in the index; the sets are of every origin, and one has cases that use no engine.
    let names =
        ["wycheproof/aes-gcm", "interop/ek-raft-envelope", "differential", "contract", "faults/storage"];
    let sets = names.map(|name| verify::built_in(name, SEED).expect("it is built in"));
    let report = run(vec![&IDLE, own()], Sets::Given(sets.into()));
    let accused = accused(&report, "idle");
    assert_eq!(accused.iter().map(|(set, _)| &**set).collect::<Vec<_>>(), names);
    assert!(accused.iter().all(|(_, what)| what.starts_with("no case of this set ran")), "{accused:?}");
    assert_eq!(report.wrong, names.len() as u64);
    assert_eq!(report.sets[0].engines["sealmark"].wrong, 0);
}

#[test]
fn an_engine_that_runs_no_case_of_a_folder_fails_and_one_that_runs_any_does_not() {
    let report = run(vec![&NO_CALLS, own()], one_case("invalid"));
    let told = accused(&report, "ring/none");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0.is_empty() && told[0].1.starts_with("no case of any set ran"), "{told:?}");
    assert_eq!((report.wrong, report.sets[0].engines["sealmark"].agree), (1, 1));
    // The second file uses a key size that the engine lacks.
    let folder = tempfile::tempdir().unwrap();
    let invalid = ONE_CASE.replace("acceptable", "invalid");
    fs::write(folder.path().join("128"), &invalid).unwrap();
    let other = invalid.replace("\"keySize\": 128", "\"keySize\": 192");
    let other = other.replace("\"key\": \"0001", "\"key\": \"00112233445566770001");
    fs::write(folder.path().join("192"), other).unwrap();
    let found = dir::read(folder.path()).unwrap();
    assert_eq!(found.sets.len(), 2);
    assert_eq!(run(vec![&LACKS_192, own()], Sets::Folder(found)).wrong, 0);
}

#[test]
fn an_engine_that_is_required_or_named_must_run_a_case() {
    let without_engine = || Sets::Given(vec![verify::built_in("interop/ek-nonce-factory", SEED).unwrap()]);
    let plan = |sets, engines| Plan::new(engines, sets, SEED);
    assert_eq!(verify::run(&plan(without_engine(), vec![&REFUSES]), &|_| {}).wrong, 0, "nobody asked for it");
    let asked = |require: &[&str], named: &[&str]| {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let plan = Plan {
            require: names(require),
            named: names(named),
            ..plan(without_engine(), vec![&REFUSES, own()])
        };
        verify::run(&plan, &|_| {})
    };
    for report in [asked(&["refuses"], &[]), asked(&[], &["refuses"]), asked(&["refuses"], &["refuses"])] {
        let told = accused(&report, "refuses");
        assert!(told[0].1.starts_with("requested, but not verified"), "{told:?}");
    }
    assert_eq!(asked(&["sealmark"], &["sealmark"]).wrong, 0, "the cases are judged under its name");
    let require = vec!["ring".to_owned()];
    let plan = Plan { require, ..plan(one_case("invalid"), vec![&NO_CALLS, own()]) };
    let told = accused(&verify::run(&plan, &|_| {}), "ring/none");
    assert_eq!(told.len(), 1, "told once: {told:?}");
}

#[test]
fn a_file_that_could_not_be_read_is_a_failure_of_the_report() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), ONE_CASE.replace("acceptable", "invalid")).unwrap();
    fs::write(folder.path().join("b"), &ONE_CASE[..200]).unwrap();
    fs::write(folder.path().join("c.md"), "on AES-GCM").unwrap();
    let report = run(vec![own()], Sets::Folder(dir::read(folder.path()).unwrap()));
    assert_eq!(report.wrong, 1);
    assert_eq!(report.failures[0].set, folder.path().join("b").display().to_string());
    assert!(report.failures[0].what.contains("cut short"), "{:?}", report.failures);
    let states: Vec<_> = report.files.iter().map(|file| file.state).collect();
    use verify::FileState::{Read, SetAside, Unreadable};
    assert_eq!(states, [Read, Unreadable, SetAside]);
}

/// An engine of a family without AES-192. Its usual calls exist and are sound.
static LACKS_192: FaultyEngine = FaultyEngine::new("ring/of-ours")
    .with_shapes(|shape| shape == Shape::usual(shape.alg) && shape.alg != Alg::Aes192Gcm);

#[test]
fn a_declared_zero_is_right_where_another_set_exercised_the_engine() {
    let run_sets = |names: &[&str], engines| {
        let sets = names.iter().map(|name| verify::built_in(name, SEED).expect("it is built in"));
        run(engines, Sets::Given(sets.collect()))
    };
    let lacking = "nist/cavp-gcm-decrypt-192";
    let report = run_sets(&[lacking], vec![&LACKS_192]);
    assert_eq!(report.wrong, 2, "of the engine, and of the whole run");
    assert_eq!(run_sets(&[lacking, "nist/cavp-gcm-decrypt-128"], vec![&LACKS_192]).wrong, 0);
    assert_eq!(
        run_sets(&["interop/ek-nonce-factory"], vec![&LACKS_192]).wrong,
        0,
        "judged without an engine"
    );
    let report = run_sets(&[lacking], vec![&LACKS_192, own()]);
    assert_eq!(accused(&report, "ring/of-ours").len(), 1, "another engine ran it: {:?}", report.failures);
    assert_eq!(report.wrong, 1);
}

#[test]
fn a_peer_that_runs_fewer_generated_cases_than_declared_is_a_failure() {
    for name in ["differential", "contract"] {
        let set = verify::built_in(name, SEED).expect("it is built in");
        let must = set.must_run["ring"];
        let report = run(vec![&NO_CALLS], Sets::Given(vec![set]));
        assert_eq!(report.failures[0].what, format!("0 cases ran, {must} must"));
    }
}

/// If `vectors/index.toml` forgot the counts of one of our engines, it could silently run too few cases.
#[test]
fn the_index_counts_the_cases_of_every_engine_in_every_set_that_it_runs() {
    let mut seen = 0;
    for name in verify::built_in_names() {
        let set = verify::built_in(&name, SEED).expect("it is built in");
        if set.must_run.is_empty() || !set.cases.iter().any(|case| case.check.uses_engine()) {
            continue;
        }
        for engine in engine::engines() {
            let counted = set.must_run.contains_key(engine.family());
            assert!(counted, "`run` of {name} in vectors/index.toml says nothing of {}", engine.family());
        }
        seen += 1;
    }
    assert!(seen >= 10, "{seen} sets");
}

/// An engine that implements only the required methods, and leaves the ciphertext when it refuses.
struct Silent;

impl Engine for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn version(&self) -> String {
        "0".into()
    }

    fn key(&self, alg: Alg, bytes: &[u8]) -> Result<Box<dyn Aead>, Error> {
        Ok(altered(own().key(alg, bytes)?, |sound, call| {
            let given = call.in_out().to_vec();
            let done = call.run(sound);
            if done == Err(Error::NotAuthentic) {
                call.in_out().copy_from_slice(&given);
            }
            done
        }))
    }
}

#[test]
fn an_engine_that_declares_nothing_is_held_to_zeros_and_to_the_usual_calls() {
    assert_eq!((Silent.available(), Silent.residue(), Silent.family()), (Ok(()), Residue::Zeros, "silent"));
    for alg in Alg::ALL {
        assert!(Silent.supports(Shape::usual(alg)));
        for other in [Shape { iv_len: 16, ..Shape::usual(alg) }, Shape { tag_len: 12, ..Shape::usual(alg) }] {
            assert!(!Silent.supports(other));
        }
    }
    let report =
        run(vec![&Silent], Sets::Given(vec![verify::built_in("contract", SEED).expect("it is built in")]));
    assert!(report.wrong > 0);
    let told: Vec<_> = report.failures.iter().filter(|failure| !failure.case.is_empty()).collect();
    let zeros = "after a refusal the buffer does not hold zeros, as the engine declares";
    assert!(!told.is_empty() && told.iter().all(|failure| failure.what.contains(zeros)), "{told:?}");
}

#[test]
fn a_family_that_runs_fewer_cases_than_declared_breaks_the_set() {
    let set = verify::built_in("wycheproof/aes-gcm", SEED).expect("it is built in");
    let report = run(vec![&NO_CALLS, own()], Sets::Given(vec![set]));
    let failure = report.failures.iter().find(|f| f.set == "wycheproof/aes-gcm").unwrap();
    assert_eq!((&*failure.engine, &*failure.what), ("ring/none", "0 cases ran, 133 must"));
    assert!(report.wrong > 0);
}

#[test]
fn failures_are_capped_and_the_tally_is_not() {
    let rows = vectors::index::rows();
    let report = run(vec![&PANICS], Sets::Given(vec![rows[0].load()]));
    assert_eq!(report.sets[0].engines["panics"].wrong, 197);
    assert_eq!(report.failures.iter().filter(|f| f.engine == "panics").count(), 10);
    assert_eq!(report.wrong, 197);
}

#[test]
fn a_folder_runs_its_good_files_and_names_its_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good"), ONE_CASE.replace("acceptable", "invalid")).unwrap();
    fs::write(folder.path().join("cut"), &ONE_CASE[..200]).unwrap();
    fs::write(folder.path().join("typed"), ONE_CASE.replace("\"tcId\": 5", "\"tcId\": []")).unwrap();
    let read = dir::read(folder.path()).unwrap();
    let unread: Vec<_> = read.unread.iter().map(ToString::to_string).collect();
    assert_eq!(unread.len(), 2);
    assert!(unread[0].contains("cut: line 3, column"), "{}", unread[0]);
    assert!(
        unread[1].contains("typed: testGroups[0].tests[0].tcId: expected a whole number"),
        "{}",
        unread[1]
    );
    let report = run(vec![own()], Sets::Given(read.sets));
    assert_eq!((report.wrong, report.sets[0].engines["sealmark"].agree), (0, 1));
}
