//! Workers that fail, as shell scripts: each ends its pair with the side and the reason.

mod planted;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::timed::{self, Question};
use crate::measure::worker::parent::testing::script;

static GO: AtomicBool = AtomicBool::new(false);

/// A worker that does as it is told, in no time at all. `WHEN` is what it does before it answers a slice.
const WORKER: &str = r#"
while read -r line; do
    case $line in
    *'"hello"'*) echo '{"answer":"hello","major":1,"minor":1,"program":"a script","capabilities":[NEEDS]}' ;;
    *'"prepare"'*) echo '{"answer":"prepared","slot":0,"operations":PASS,"pass_ns":100.0}' ;;
    *'"run"'*)
        WHEN
        echo '{"answer":"ran","slot":0,"operations":SLICE,"ns":1000.0}'
        ;;
    *) exit 0 ;;
    esac
done"#;

fn task() -> Task {
    Task::sized("seal/aes-256-gcm/16", "sealmark", Some(64), 100.0)
}

/// The worker that does this before it answers a slice.
fn worker(when: &str) -> String {
    let task = task();
    let needs = NEEDS.map(|need| format!("\"{need}\"")).join(",");
    let text = WORKER.replace("NEEDS", &needs).replace("PASS", &task.pass.to_string());
    text.replace("SLICE", &task.slice.to_string()).replace("WHEN", when)
}

fn take(base: &str, head: &str) -> Result<Vec<f64>, Lost> {
    let (base, head) = (|| script(base), || script(head));
    pair([&base, &head], None, &[&task()], &mut ChaCha8Rng::seed_from_u64(1), &GO)
}

#[test]
fn two_workers_that_work_give_an_estimate() {
    let sound = worker(":");
    assert_eq!(take(&sound, &sound).unwrap(), [0.0]);
    let slow = sound.replace("1000.0", "2000.0");
    let logs = take(&sound, &slow).unwrap();
    assert!((logs[0] - 2.0_f64.ln()).abs() < 1e-12, "{logs:?}");
}

#[test]
fn a_worker_that_fails_ends_its_pair_with_its_side_and_the_reason() {
    let sound = worker(":");
    let older = sound.replace("\"minor\":1", "\"minor\":0").replace(&format!(",\"{ARENA_OFFSET}\""), "");
    assert_ne!(older, sound);
    for (failing, reason) in [
        (worker("kill -9 $$"), "a worker process died (signal: 9"),
        (worker("exit 3"), "a worker process died (exit status: 3)"),
        (worker("exec sleep 1000"), "a worker process said nothing for"),
        (worker("echo nonsense"), "an answer that its parent does not understand"),
        (worker(":").replace("\"ns\":1000.0", "\"ns\":0.0"), "unexpected answer: {\"answer\":\"ran\""),
        (worker(":").replace("\"ran\",\"slot\":0", "\"ran\",\"slot\":1"), "unexpected answer"),
        (
            worker("echo '{\"answer\":\"error\",\"cause\":\"work\",\"why\":\"it is wrong\"}'; continue"),
            "it is wrong",
        ),
        (older.clone(), "speaks version 1.0 of the worker protocol and lacks `arena_offset`"),
        (sound.replace("\"major\":1", "\"major\":2"), "speaks version 2.1 of the worker protocol"),
        ("exit 0".to_owned(), "a worker process died (exit status: 0)"),
    ] {
        for (side, lost) in [("base", take(&failing, &sound)), ("head", take(&sound, &failing))] {
            let lost = lost.expect_err(reason).to_string();
            assert!(lost.starts_with(&format!("{side}: ")) && lost.contains(reason), "{reason}: {lost}");
        }
    }
}

#[test]
fn a_base_that_always_fails_leaves_everything_unsure_and_every_pair_named() {
    let (sound, failing) = (worker(":"), worker("kill -9 $$"));
    let mut take = |_: timed::Sides, _: &[&Task]| {
        take(&failing, &sound).map(|logs| timed::Taken { logs, builds: [0, 0] })
    };
    let questions = [Question { task: task(), margin: 0.005 }];
    let found = timed::decide(&mut take, &questions, Duration::from_secs(600), &GO, &mut |_, _| {});
    assert!(found.ended_early && found.decisions[0].verdict == Verdict::Unsure);
    assert!(!found.lost.is_empty());
    assert!(found.lost.iter().all(|lost| lost.starts_with("base: a worker process died (signal: 9")));
}
