//! Processes whose workers are shell scripts: those that work, die, hang, talk nonsense or take turns.

use super::*;
use crate::measure::worker::parent::testing::{HELLO, LONG, SHORT, answer, script};
use crate::measure::worker::protocol::Measured;

/// Runs a process to its end, turn by turn.
fn run(spawn: Spawn<'_>, patience: Duration, stop: &AtomicBool) -> Collector {
    let mut collector = Collector::default();
    let mut process = Process::new(job(), spawn, patience, stop);
    while !process.is_done() {
        process.turn(&mut collector, &mut |_, _| {}).unwrap();
    }
    collector
}

/// Runs a shell script in place of the worker, after it has said hello and read its job.
fn talk(text: &str, patience: Duration) -> Collector {
    let text = answer(HELLO) + "read -r job; " + text;
    run(&|| script(&text), patience, &AtomicBool::new(false))
}

fn job() -> Job {
    let workloads = ["seal/aes-256-gcm/16", "seal/aes-256-gcm/64"].map(str::to_owned).to_vec();
    Job { workloads, engines: vec!["sealmark".into()], seed: 1, rounds: 11, target_ns: 2e5, turns: false }
}

fn line(answer: &Answer) -> String {
    format!("echo '{}'; ", serde_json::to_string(answer).unwrap())
}

#[test]
fn the_answers_of_a_worker_become_samples() {
    let mut script = String::new();
    for workload in job().workloads {
        let rows = vec![Measured::new("sealmark", Ok(12.5))];
        script += &line(&Answer::Workload { workload, rows, cycle_ns: 0.3 });
    }
    let collector = talk(&(script + &line(&Answer::Sampled)), LONG);
    assert_eq!(collector.cells.len(), 2);
    assert!(collector.cells.values().all(|cell| cell.samples == [12.5] && cell.error.is_none()));
}

#[test]
fn what_hung_is_not_asked_again_and_its_other_rows_do_not_pass_as_whole() {
    let mut collector = Collector::default();
    collector.hung.push("slow".into());
    collector.fail("seal/aes-256-gcm/64", None, "it hung".into());
    let job = Job { engines: vec!["sealmark".into(), "slow".into()], ..job() };
    let stop = AtomicBool::new(false);
    let spawn = || script("exit 0");
    let mut process = Process::new(job, &spawn, LONG, &stop);
    process.leave_out_hung(&mut collector);
    process.leave_out_hung(&mut collector);
    assert_eq!((process.job.engines.as_slice(), process.is_done()), (&["sealmark".to_owned()][..], false));
    assert_eq!(process.job.workloads, ["seal/aes-256-gcm/16"]);
    let lost: Vec<_> = collector.cells.values().flat_map(|cell| &cell.lost).collect();
    assert_eq!(lost, ["this engine hung in an earlier process"]);
}

#[test]
fn two_workers_take_turns_and_each_is_told_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let [first, second] = [0, 1].map(|at| job().workloads[at].clone());
    let done = |workload: &String, ns| {
        let rows = vec![Measured::new("sealmark", Ok(ns))];
        line(&Answer::Workload { workload: workload.clone(), rows, cycle_ns: 0.3 })
    };
    let [waits, sampled] = [line(&Answer::Waiting), line(&Answer::Sampled)];
    let round = line(&Answer::Sampling { workload: first.clone() });
    let worker = |name: &str, ns| {
        let step = format!("read -r go; echo {name} \"$go\" >>{}; ", log.display());
        let steps = format!("{waits}{step}{round}{waits}{step}{}{}", done(&first, ns), done(&second, ns));
        answer(HELLO) + "read -r job; " + &steps + &sampled + "exec cat"
    };
    let (stop, mut collector) = (AtomicBool::new(false), Collector::default());
    let [one, two] = [worker("one", 1.0), worker("two", 2.0)];
    let (one, two) = (|| script(&one), || script(&two));
    let mut both = [&one as Spawn<'_>, &two].map(|spawn| Process::new(job(), spawn, LONG, &stop));
    assert!(both[1].worker.is_none());
    while both.iter().any(|process| !process.is_done()) {
        for process in both.iter_mut().filter(|process| !process.is_done()) {
            process.turn(&mut collector, &mut |_, _| {}).unwrap();
        }
    }
    let go = r#"{"command":"go"}"#;
    let expected = ["one", "two", "one", "two"].map(|name| format!("{name} {go}\n")).concat();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), expected);
    assert_eq!(collector.cells.len(), 2);
    assert!(collector.cells.values().all(|cell| cell.samples == [1.0, 2.0]));
}

#[test]
fn a_worker_that_dies_costs_the_engine_it_was_touching() {
    let at = line(&Answer::At { workload: job().workloads[0].clone(), engine: "sealmark".into() });
    let collector = talk(&format!("{at} kill -4 $$"), LONG);
    assert_eq!(collector.cells.len(), 2);
    for cell in collector.cells.values() {
        let error = cell.error.as_deref().unwrap();
        assert!(error.contains("died") && error.contains("sealmark"), "{error}");
    }
}

#[test]
fn a_worker_that_dies_while_sampling_costs_the_workload() {
    let collector = talk("exit 3", LONG);
    assert_eq!(collector.lost.len(), 2);
    assert!(
        collector.lost.values().flatten().all(|how| how.contains("exit status: 3")),
        "{:?}",
        collector.lost
    );
}

#[test]
fn a_worker_that_is_killed_from_outside_costs_its_engine_this_process_alone() {
    let at = line(&Answer::At { workload: job().workloads[0].clone(), engine: "sealmark".into() });
    let collector = talk(&format!("{at} kill -9 $$"), LONG);
    assert_eq!(collector.cells.len(), 2);
    for cell in collector.cells.values() {
        assert_eq!((cell.error.as_deref(), cell.lost.len()), (None, 1));
        assert!(cell.lost[0].contains("signal: 9") && cell.lost[0].contains("sealmark"), "{:?}", cell.lost);
    }
}

#[test]
fn a_worker_that_hangs_is_ended_and_its_engine_has_that_error() {
    let at = line(&Answer::At { workload: job().workloads[0].clone(), engine: "sealmark".into() });
    let collector = talk(&format!("{at} exec sleep 1000"), SHORT);
    assert_eq!((collector.cells.len(), collector.hung.as_slice()), (2, &["sealmark".to_owned()][..]));
    for cell in collector.cells.values() {
        let error = cell.error.as_deref().unwrap();
        assert!(error.contains("said nothing") && error.contains("sealmark"), "{error}");
    }
}

#[test]
fn a_worker_that_hangs_while_sampling_costs_the_workload_for_good() {
    let sampling = line(&Answer::Sampling { workload: job().workloads[0].clone() });
    let collector = talk(&format!("{sampling} exec sleep 1000"), SHORT);
    assert_eq!(collector.failures.len(), 2);
    assert!(collector.failures.values().all(|how| how.contains("said nothing")), "{:?}", collector.failures);
}

#[test]
fn a_worker_that_dies_between_rounds_costs_the_workload_of_that_round() {
    // Rounds of both workloads take turns; it is in the second one that it dies, each time.
    let [first, second] = [0, 1].map(|at| job().workloads[at].clone());
    let round = |workload: &String| line(&Answer::Sampling { workload: workload.clone() });
    let done = |workload: &String| {
        let rows = vec![Measured::new("sealmark", Ok(12.5))];
        line(&Answer::Workload { workload: workload.clone(), rows, cycle_ns: 0.3 })
    };
    let dies = format!("{}{}exit 3", round(&first), round(&second));
    let alone = format!("{}{}{}", round(&first), done(&first), line(&Answer::Sampled));
    let script = format!("case \"$job\" in *{second}*) {dies};; *) {alone} exec cat;; esac");
    let collector = talk(&script, LONG);
    assert_eq!(collector.lost.keys().collect::<Vec<_>>(), [&second]);
    assert_eq!(collector.cells.len(), 1);
    assert!(collector.cells.values().all(|cell| cell.samples == [12.5]));
}

#[test]
fn patience_covers_what_a_sampler_may_take() {
    let job = Job { rounds: 11, target_ns: 8e6, engines: vec![String::new(); 10], ..job() };
    // Twelve turns of ten engines and the cycles, each up to ten times its timed nanoseconds.
    assert!(patience(&job).as_secs_f64() > PREPARING.as_secs_f64() + 12.0 * 11.0 * 10.0 * 8e6 / 1e9);
}

#[test]
fn a_worker_that_talks_nonsense_is_not_believed() {
    let collector = talk("echo hello", LONG);
    assert_eq!(collector.lost.len(), 2);
    assert!(collector.lost.values().flatten().all(|how| how.contains("understand")));
}

#[test]
fn a_worker_that_was_stopped_is_nobodys_error() {
    let collector = run(&|| script("exit 130"), LONG, &AtomicBool::new(true));
    assert!(collector.failures.is_empty() && collector.lost.is_empty() && collector.cells.is_empty());
}

#[test]
fn an_answer_to_another_question_is_not_believed() {
    let jobs = job().workloads;
    let done = |workload: &str| {
        let rows = vec![Measured::new("sealmark", Ok(12.5))];
        line(&Answer::Workload { workload: workload.into(), rows, cycle_ns: 0.3 })
    };
    let (first, second) = (done(&jobs[0]), done(&jobs[1]));
    // The second one first, which the next process is then asked for alone; the same one twice; one too
    // many; the end too early.
    for (script, samples) in [
        (second.clone(), 1),
        (format!("{first}{first}"), 1),
        (format!("{first}{second}{second}"), 2),
        (format!("{first}{}", line(&Answer::Sampled)), 1),
    ] {
        let collector = talk(&script, LONG);
        assert_eq!(
            collector.cells.values().map(|cell| cell.samples.len()).sum::<usize>(),
            samples,
            "{script}"
        );
        let lost: Vec<_> = collector.lost.values().flatten().collect();
        assert_eq!(lost.len(), 2 - samples, "{script}: {lost:?}");
        assert!(lost.iter().all(|how| how.contains("unexpected answer")), "{lost:?}");
    }
}

#[test]
fn a_worker_that_refuses_its_job_says_why_in_the_rows() {
    let error = r#"{"answer":"error","cause":"unknown","why":"there is no workload x"}"#;
    let collector = talk(&format!("echo '{error}'; exec sleep 1000"), LONG);
    assert_eq!(collector.lost.len(), 2);
    for how in collector.lost.values().flatten() {
        assert_eq!(how, "a worker process refused a command: there is no workload x");
    }
}

#[test]
fn a_worker_of_another_version_is_not_started_once_more() {
    let starts = std::cell::Cell::new(0);
    let hello = HELLO.replace("\"sample\",", "");
    let spawn = || {
        starts.set(starts.get() + 1);
        script(&answer(&hello))
    };
    let collector = run(&spawn, LONG, &AtomicBool::new(false));
    assert_eq!((starts.get(), collector.lost.len()), (1, 2));
    assert!(collector.lost.values().flatten().all(|how| how.contains("lacks `sample`")));
}
