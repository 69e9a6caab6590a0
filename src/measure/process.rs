//! A worker process and the conversation with it.
//!
//! A worker that dies costs the engine it was touching its rows, and no other; it is then started again with the
//! rest. One that dies while it samples costs that workload.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Error;
use super::job::{Answer, Job};
use super::sheet::Sheet;

/// How to start a worker.
pub(super) type Spawn<'a> = &'a dyn Fn() -> std::io::Result<Child>;

/// One process; as many as it takes when workers die.
pub(super) fn fresh_process(
    mut job: Job,
    spawn: Spawn<'_>,
    sheet: &mut Sheet,
    stop: &AtomicBool,
    note: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Error> {
    while let Some(death) = converse(&job, spawn, sheet, stop, note)? {
        // Ctrl-C reaches the worker too, perhaps before this process has noticed.
        std::thread::sleep(Duration::from_millis(100));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        job.workloads.drain(..death.finished);
        match death.engine {
            Some(engine) => {
                for workload in &job.workloads {
                    sheet.fail(workload, Some(&engine), format!("{} while it ran {engine}", death.how));
                }
                job.engines.retain(|name| *name != engine);
            }
            None => {
                let Some(workload) = job.workloads.first().cloned() else { break };
                sheet.fail(&workload, None, death.how);
                job.workloads.remove(0);
            }
        }
        if job.workloads.is_empty() || job.engines.is_empty() {
            break;
        }
    }
    Ok(())
}

/// How a worker died.
struct Death {
    how: String,
    finished: usize,
    engine: Option<String>,
}

/// Sends a worker its job and takes its answers. `None` when it finished, or was stopped.
fn converse(
    job: &Job,
    spawn: Spawn<'_>,
    sheet: &mut Sheet,
    stop: &AtomicBool,
    note: &mut (dyn FnMut(&str) + Send),
) -> Result<Option<Death>, Error> {
    let mut child = spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A worker that is already dead shows below, by its answers.
        let _ = serde_json::to_writer(&mut input, job).is_ok() && input.flush().is_ok();
    }
    let output = child.stdout.take().expect("it was started with a pipe");
    let (mut finished, mut engine, mut done) = (0, None, false);
    let mut how = String::new();
    for line in BufReader::new(output).lines() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match line.map_err(Error::from).and_then(|line| Ok(serde_json::from_str(&line)?)) {
            Ok(answer) => {
                match &answer {
                    Answer::At { engine: name, .. } => engine = Some(name.clone()),
                    Answer::Sampling { .. } => engine = None,
                    Answer::Workload { .. } => finished += 1,
                    Answer::Done => done = true,
                    Answer::Clock(_) => {}
                }
                sheet.take(answer, note);
            }
            Err(error) => {
                how = format!("a worker process said what its parent does not understand ({error})");
                break;
            }
        }
    }
    if done && child.wait()?.success() {
        return Ok(None);
    }
    // It may still be running when it was stopped or misunderstood; killing a dead one is refused, harmlessly.
    let _ = child.kill();
    let status = child.wait()?;
    if stop.load(Ordering::Relaxed) || done {
        return Ok(None);
    }
    if how.is_empty() {
        how = format!("a worker process died ({status})");
    }
    Ok(Some(Death { how, finished, engine }))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::engine::find;
    use crate::measure::job::Measured;
    use crate::measure::{Plan, Suite};

    /// Runs a shell script in the place of the worker.
    fn talk(script: &str, job: Job, stop: bool) -> Sheet {
        let mut sheet = Sheet::default();
        let spawn = || {
            Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
        };
        fresh_process(job, &spawn, &mut sheet, &AtomicBool::new(stop), &mut |_| {}).unwrap();
        sheet
    }

    fn job() -> Job {
        let plan = Plan::new(Suite::Quick, vec![find("sealmark").unwrap()]);
        plan.job(&plan.workloads()[..2])
    }

    fn line(answer: &Answer) -> String {
        format!("echo '{}'; ", serde_json::to_string(answer).unwrap())
    }

    #[test]
    fn the_answers_of_a_worker_become_samples() {
        let mut script = "cat >/dev/null; ".to_owned();
        for workload in job().workloads {
            let rows = vec![Measured {
                engine: "sealmark".into(),
                ns: Ok(12.5),
                cycles: None,
                tails: None,
                arena: None,
            }];
            script += &line(&Answer::Workload { workload, rows, cycle_ns: 0.3 });
        }
        let sheet = talk(&(script + &line(&Answer::Done)), job(), false);
        assert_eq!(sheet.cells.len(), 2);
        assert!(sheet.cells.values().all(|cell| cell.samples == [12.5] && cell.error.is_none()));
    }

    #[test]
    fn a_worker_that_dies_costs_the_engine_it_was_touching() {
        let at = line(&Answer::At { workload: job().workloads[0].clone(), engine: "sealmark".into() });
        let sheet = talk(&format!("cat >/dev/null; {at} kill -4 $$"), job(), false);
        assert_eq!(sheet.cells.len(), 2);
        for cell in sheet.cells.values() {
            let error = cell.error.as_deref().unwrap();
            assert!(error.contains("died") && error.contains("sealmark"), "{error}");
        }
    }

    #[test]
    fn a_worker_that_dies_while_sampling_costs_the_workload() {
        let sheet = talk("cat >/dev/null; exit 3", job(), false);
        assert_eq!(sheet.failures.len(), 2);
        assert!(sheet.failures.values().all(|how| how.contains("exit status: 3")), "{:?}", sheet.failures);
    }

    #[test]
    fn a_worker_that_talks_nonsense_is_not_believed() {
        let sheet = talk("cat >/dev/null; echo hello", job(), false);
        assert_eq!(sheet.failures.len(), 2);
        assert!(sheet.failures.values().all(|how| how.contains("understand")));
    }

    #[test]
    fn a_worker_that_was_stopped_is_nobodys_error() {
        let sheet = talk("cat >/dev/null; exit 130", job(), true);
        assert!(sheet.failures.is_empty() && sheet.cells.is_empty());
    }
}
