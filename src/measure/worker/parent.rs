//! A worker process and the conversation with it.
//!
//! A worker that crashes or hangs costs the engine it was touching its rows, and no other; it is then started again with
//! the rest. One that ends for another reason, or while it samples, costs this one process its samples: the rows are of
//! the others. Where most are lost, that is the rows' error.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::measure::Error;
use crate::measure::worker::collector::Sheet;
use crate::measure::worker::protocol::{Answer, Job};

/// How to start a worker.
pub(in crate::measure) type Spawn<'a> = &'a dyn Fn() -> std::io::Result<Child>;
/// Told of everything that is known whenever a workload is finished, and of that workload.
pub(in crate::measure) type Note<'a> = &'a mut (dyn FnMut(&Sheet, &str) + Send);

/// How often a conversation looks whether it is to stop.
const TICK: Duration = Duration::from_millis(100);
/// How long a worker may take for preparations and checks.
const PREPARING: Duration = Duration::from_secs(120);
/// How many times its timed nanoseconds a workload may take: twice what the sampler allows a turn with long resets.
const SAMPLING: f64 = 20.0;

/// How long a worker may say nothing before it counts as hung. It speaks before it touches an engine and before it
/// samples a workload on all of them, which takes longest.
pub(in crate::measure) fn patience(job: &Job) -> Duration {
    let turns = f64::from(job.rounds + 1) * (job.engines.len() + 1) as f64;
    PREPARING + Duration::from_secs_f64(SAMPLING * turns * job.target_ns / 1e9)
}

/// One process; more where workers die.
pub(in crate::measure) fn fresh_process(
    mut job: Job,
    spawn: Spawn<'_>,
    patience: Duration,
    sheet: &mut Sheet,
    stop: &AtomicBool,
    note: Note<'_>,
) -> Result<(), Error> {
    while let Some(death) = converse(&job, spawn, patience, sheet, stop, note)? {
        // Ctrl-C reaches the worker too, perhaps before this process has noticed.
        std::thread::sleep(TICK);
        if stop.load(Ordering::Relaxed) {
            break;
        }
        job.workloads.drain(..death.finished);
        let Some(first) = job.workloads.first().cloned() else { break };
        match (death.engine, death.cause) {
            (Some(engine), cause) => {
                let how = format!("{} while it ran {engine}", death.how);
                for workload in &job.workloads {
                    match cause {
                        Cause::Other => sheet.lose(workload, Some(&engine), how.clone()),
                        Cause::Crash | Cause::Hang => sheet.fail(workload, Some(&engine), how.clone()),
                    }
                }
                job.engines.retain(|name| *name != engine);
                if cause == Cause::Hang {
                    sheet.hung.push(engine);
                }
            }
            // It may hang again: nobody is asked for that workload any more.
            (None, Cause::Hang) => {
                sheet.fail(&first, None, format!("{} while it sampled", death.how));
                job.workloads.remove(0);
            }
            (None, Cause::Crash | Cause::Other) => {
                sheet.lose(&first, None, death.how);
                job.workloads.remove(0);
            }
        }
        if job.workloads.is_empty() || job.engines.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Why a worker did not finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    /// It did what only wrong code does: a fault of memory, an instruction that the CPU lacks, an abort.
    Crash,
    /// It said nothing for too long.
    Hang,
    /// Something else, perhaps from outside: a lack of memory, an operator.
    Other,
}

impl Cause {
    #[cfg(unix)]
    fn of(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        const OWN: [libc::c_int; 7] = [
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGSEGV,
            libc::SIGSYS,
        ];
        if status.signal().is_some_and(|signal| OWN.contains(&signal)) { Self::Crash } else { Self::Other }
    }

    /// Windows ends a process that faults with the exception's number, whose two highest bits are set.
    #[cfg(not(unix))]
    fn of(status: ExitStatus) -> Self {
        if status.code().is_some_and(|code| code as u32 >> 30 == 3) { Self::Crash } else { Self::Other }
    }
}

/// How a worker died.
struct Death {
    how: String,
    cause: Cause,
    finished: usize,
    engine: Option<String>,
}

/// Sends a worker its job and takes its answers. `None` when it finished, or was stopped.
fn converse(
    job: &Job,
    spawn: Spawn<'_>,
    patience: Duration,
    sheet: &mut Sheet,
    stop: &AtomicBool,
    note: Note<'_>,
) -> Result<Option<Death>, Error> {
    let mut child = spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A worker that is already dead shows below, by its answers.
        let _ = serde_json::to_writer(&mut input, job).is_ok() && input.flush().is_ok();
    }
    let output = child.stdout.take().expect("it was started with a pipe");
    let (send, lines) = mpsc::channel();
    // It ends with the pipe, or with the first line that nobody takes.
    std::thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| send.send(line)));
    let (mut finished, mut engine, mut done) = (0, None, false);
    let mut how = String::new();
    let mut cause = None;
    let mut heard = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let line = match lines.recv_timeout(TICK) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if heard.elapsed() < patience => continue,
            Err(RecvTimeoutError::Timeout) => {
                how = format!("a worker process said nothing for {} s and was ended", patience.as_secs());
                cause = Some(Cause::Hang);
                break;
            }
        };
        heard = Instant::now();
        match line.map_err(Error::from).and_then(|line| Ok(serde_json::from_str(&line)?)) {
            Ok(answer) => {
                match &answer {
                    Answer::At { engine: name, .. } => engine = Some(name.clone()),
                    Answer::Sampling { .. } => engine = None,
                    Answer::Workload { .. } => finished += 1,
                    Answer::Done => done = true,
                    Answer::Clock(_) => {}
                }
                if let Some(workload) = sheet.take(answer) {
                    note(sheet, &workload);
                }
            }
            Err(error) => {
                how = format!("a worker process said what its parent does not understand ({error})");
                cause = Some(Cause::Other);
                break;
            }
        }
    }
    if done && child.wait()?.success() {
        return Ok(None);
    }
    // It may still be running when it was stopped, misunderstood or silent; killing a dead one is refused, harmlessly.
    let _ = child.kill();
    let status = child.wait()?;
    if stop.load(Ordering::Relaxed) || done {
        return Ok(None);
    }
    if how.is_empty() {
        how = format!("a worker process died ({status})");
    }
    Ok(Some(Death { how, cause: cause.unwrap_or_else(|| Cause::of(status)), finished, engine }))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::engine::find;
    use crate::measure::worker::protocol::Measured;
    use crate::measure::{Plan, Suite};

    /// Runs a shell script in the place of the worker.
    fn talk(script: &str, job: Job, stop: bool) -> Sheet {
        let mut sheet = Sheet::default();
        let spawn = || {
            Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
        };
        let stop = AtomicBool::new(stop);
        fresh_process(job, &spawn, Duration::from_millis(300), &mut sheet, &stop, &mut |_, _| {}).unwrap();
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
            let rows = vec![Measured::new("sealmark", Ok(12.5))];
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
        assert_eq!(sheet.lost.len(), 2);
        assert!(sheet.lost.values().flatten().all(|how| how.contains("exit status: 3")), "{:?}", sheet.lost);
    }

    #[test]
    fn a_worker_that_is_killed_from_outside_costs_its_engine_this_process_alone() {
        let at = line(&Answer::At { workload: job().workloads[0].clone(), engine: "sealmark".into() });
        let sheet = talk(&format!("cat >/dev/null; {at} kill -9 $$"), job(), false);
        assert_eq!(sheet.cells.len(), 2);
        for cell in sheet.cells.values() {
            assert_eq!((cell.error.as_deref(), cell.lost.len()), (None, 1));
            assert!(
                cell.lost[0].contains("signal: 9") && cell.lost[0].contains("sealmark"),
                "{:?}",
                cell.lost
            );
        }
    }

    #[test]
    fn a_worker_that_hangs_is_ended_and_its_engine_has_that_error() {
        let at = line(&Answer::At { workload: job().workloads[0].clone(), engine: "sealmark".into() });
        let sheet = talk(&format!("cat >/dev/null; {at} exec sleep 1000"), job(), false);
        assert_eq!((sheet.cells.len(), sheet.hung.as_slice()), (2, &["sealmark".to_owned()][..]));
        for cell in sheet.cells.values() {
            let error = cell.error.as_deref().unwrap();
            assert!(error.contains("said nothing") && error.contains("sealmark"), "{error}");
        }
    }

    #[test]
    fn a_worker_that_hangs_while_sampling_costs_the_workload_for_good() {
        let sampling = line(&Answer::Sampling { workload: job().workloads[0].clone() });
        let sheet = talk(&format!("cat >/dev/null; {sampling} exec sleep 1000"), job(), false);
        assert_eq!(sheet.failures.len(), 2);
        assert!(sheet.failures.values().all(|how| how.contains("said nothing")), "{:?}", sheet.failures);
    }

    #[test]
    fn patience_covers_what_a_sampler_may_take() {
        let job = Job { rounds: 11, target_ns: 8e6, engines: vec![String::new(); 10], ..job() };
        // Twelve turns of ten engines and the cycles, each up to ten times its timed nanoseconds.
        assert!(patience(&job).as_secs_f64() > PREPARING.as_secs_f64() + 12.0 * 11.0 * 10.0 * 8e6 / 1e9);
    }

    #[test]
    fn a_worker_that_talks_nonsense_is_not_believed() {
        let sheet = talk("cat >/dev/null; echo hello", job(), false);
        assert_eq!(sheet.lost.len(), 2);
        assert!(sheet.lost.values().flatten().all(|how| how.contains("understand")));
    }

    #[test]
    fn a_worker_that_was_stopped_is_nobodys_error() {
        let sheet = talk("cat >/dev/null; exit 130", job(), true);
        assert!(sheet.failures.is_empty() && sheet.lost.is_empty() && sheet.cells.is_empty());
    }
}
