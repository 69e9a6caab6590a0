//! Runs in this process, of engines that are right and of some that are not.

use super::*;
use crate::engine::{self, engines};
use crate::measure::Suite;
use crate::measure::workload::testing::{Broken, Fault};

fn plan(filter: &str, engines: Vec<&'static dyn Engine>) -> Plan {
    let budget = Duration::from_millis(10);
    Plan { filter: Some(filter.into()), processes: 0, budget, ..Plan::new(Suite::Quick, engines) }
}

fn go(plan: &Plan) -> Run {
    run(plan, &AtomicBool::new(false), &mut |_| {}).unwrap()
}

#[test]
fn a_tiny_workload_gives_a_row_for_each_engine() {
    let mut seen = Vec::new();
    let plan = plan("seal/*-256-gcm/64", engines());
    let result = run(&plan, &AtomicBool::new(false), &mut |p| seen.push((p.done, p.total)));
    let result = result.unwrap();
    let steps = reports(plan.rounds);
    assert!(seen.iter().copied().eq((1..=steps).map(|step| (step, steps))), "{seen:?}");
    let can: Vec<_> =
        engines().into_iter().filter(|e| e.available().is_ok()).map(|e| e.name().to_owned()).collect();
    let rows: Vec<_> = result.rows.iter().map(|row| row.engine.clone()).collect();
    assert_eq!(rows, can);
    assert_eq!(result.engines.len(), engines().len());
    for row in &result.rows {
        assert_eq!((row.workload.as_str(), row.op.as_str(), row.bytes), ("seal/aes-256-gcm/64", "seal", 64));
        assert_eq!(row.arena.as_ref().map(|a| a.bytes % 64), Some(0));
        assert!(row.ns.is_some() && row.error.is_none(), "{row:?}");
        assert_eq!(row.gb_per_s.is_some(), row.ns.is_some());
    }
    let clock = result.clock.unwrap();
    assert!(clock.grain_ns > 0.0 && clock.pinning.contains("pinned") && clock.rounds >= 11);
    assert!(result.build.starts_with("rustc "), "{}", result.build);
}

#[test]
fn a_wrong_engine_gets_no_time() {
    for fault in [Fault::DoesNothing, Fault::FlipsTag, Fault::FlipsText, Fault::Refuses] {
        let result = go(&plan("*seal*-256-gcm/64", vec![Broken::with(fault)]));
        let workloads: Vec<_> = result.rows.iter().map(|row| row.op.as_str()).collect();
        assert_eq!(workloads, ["seal", "latency/seal", "seal_batch"], "{fault:?}");
        for row in &result.rows {
            assert!(row.error.is_some() && row.ns.is_none() && row.gb_per_s.is_none(), "{row:?}");
            assert!(row.samples.is_empty());
        }
    }
}

#[test]
fn a_latency_has_no_throughput_and_a_batch_says_how_many() {
    let engine = || vec![engine::find("sealmark").unwrap()];
    for (filter, batch, throughput) in
        [("latency/*/64", None, false), ("seal_batch/*/64", Some(64), true), ("seal/*/64", None, true)]
    {
        let result = go(&plan(filter, engine()));
        assert!(!result.rows.is_empty(), "{filter}");
        for row in &result.rows {
            assert_eq!(row.batch, batch, "{row:?}");
            assert_eq!(row.gb_per_s.is_some(), throughput && row.ns.is_some(), "{row:?}");
        }
    }
}

#[test]
fn a_row_of_all_cores_says_how_many_threads() {
    let threads = |filter| {
        let plan = plan(filter, vec![engine::find("sealmark").unwrap()]);
        let row = go(&Plan { suite: Suite::Standard, ..plan }).rows.remove(0);
        assert!(row.ns.is_some(), "{row:?}");
        row.threads
    };
    assert_eq!(threads("parallel/seal/*/1024"), Some(crate::timing::parallelism() as u32));
    assert_eq!(threads("seal/aes-256-gcm/1024"), None);
}

#[test]
fn an_unavailable_engine_is_listed_with_its_reason_and_has_no_row() {
    let engines = vec![Broken::with(Fault::Unavailable), engine::find("sealmark").unwrap()];
    let result = go(&plan("open/aes-256-gcm/16", engines));
    assert_eq!(result.engines[0].unavailable.as_deref(), Some("it was told not to be"));
    assert_eq!(result.rows.iter().map(|r| r.engine.as_str()).collect::<Vec<_>>(), ["sealmark", "sealmark"]);
}

#[test]
fn nothing_to_measure_is_an_error() {
    for plan in [
        plan("no such workload", engines()),
        plan("seal", vec![]),
        plan("seal", vec![Broken::with(Fault::Unsupported)]),
    ] {
        assert!(matches!(run(&plan, &AtomicBool::new(false), &mut |_| {}), Err(Error::Nothing(_))));
    }
}

/// The step at which the second workload ends. The check and the end of each workload come after the rounds
/// of all.
fn second_end(plan: &Plan) -> usize {
    plan.workloads().len() * (reports(plan.rounds) - 2) + 2 * 2
}

#[test]
fn a_run_that_was_stopped_keeps_what_was_finished() {
    let stop = AtomicBool::new(false);
    let plan = plan("seal/aes-256-gcm/*", vec![engine::find("sealmark").unwrap()]);
    let second_end = second_end(&plan);
    let result = run(&plan, &stop, &mut |p| stop.store(p.done == second_end, Ordering::Relaxed)).unwrap();
    assert_eq!((result.rows.len(), result.partial), (2, true));
}

#[test]
fn a_run_in_progress_is_handed_out_as_partial_and_ends_whole() {
    let plan = plan("seal/aes-256-gcm/64", vec![engine::find("sealmark").unwrap()]);
    let mut kept = Vec::new();
    let result = run_and_keep(&plan, &AtomicBool::new(false), &mut |_| {}, &mut |run| kept.push(run));
    let result = result.unwrap();
    assert!(!result.partial);
    let last = kept.last().expect("one at least, after the last process");
    assert!(kept.iter().all(|run| run.partial));
    assert_eq!(last.rows, result.rows);
    let text = serde_json::to_value(&result).unwrap();
    assert!(text.get("partial").is_none(), "a whole run reads as those of earlier versions");
    assert_eq!(serde_json::to_value(last).unwrap()["partial"], true);
}

/// Runs a plan, and collects the states that its progress reports.
fn states(plan: &Plan) -> (Run, Vec<String>) {
    let mut states = Vec::new();
    let result = run(plan, &AtomicBool::new(false), &mut |progress| states.push(progress.state())).unwrap();
    (result, states)
}

#[test]
fn a_run_in_this_process_is_one_process_whatever_the_precision() {
    let plan = plan("seal/aes-256-gcm/6?", vec![engine::find("sealmark").unwrap()]);
    let until = Precision { within: 0.0, most: 30 };
    let plan = Plan { until: Some(until), ..plan };
    assert_eq!(plan.most_processes(), 1);
    let (run, states) = states(&plan);
    assert!(!states.is_empty() && states.iter().all(|state| state == "process 1 of at most 1"));
    assert_eq!((run.until, run.partial, run.rows[0].processes), (Some(until), false, 1));
    assert_eq!(Plan { processes: 12, ..plan.clone() }.most_processes(), 30);
    assert_eq!(Plan { processes: 12, until: None, ..plan }.most_processes(), 12);
}

#[test]
fn a_run_that_was_stopped_is_partial_whatever_its_precision() {
    let stop = AtomicBool::new(false);
    let plan = plan("seal/aes-256-gcm/*", vec![engine::find("sealmark").unwrap()]);
    let plan = Plan { until: Some(Precision { within: 0.03, most: 30 }), ..plan };
    let second_end = second_end(&plan);
    let result = run(&plan, &stop, &mut |p| stop.store(p.done == second_end, Ordering::Relaxed)).unwrap();
    assert_eq!((result.rows.len(), result.partial), (2, true));
}

#[test]
fn progress_says_how_many_ratios_are_still_too_wide() {
    let progress = Progress {
        process: 13,
        processes: 30,
        until: Some(Precision { within: 0.03, most: 30 }),
        wide: Some(3),
        workload: "nonce",
        done: 1,
        total: 2,
    };
    assert_eq!(progress.state(), "process 13 of at most 30, 3 ratios wider than ±3 %");
    assert!(Progress { wide: Some(1), ..progress }.state().ends_with("30, 1 ratio wider than ±3 %"));
    assert_eq!(Progress { wide: None, ..progress }.state(), "process 13 of at most 30");
    assert_eq!(Progress { until: None, ..progress }.state(), "process 13 of 30");
}
