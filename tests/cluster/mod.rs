//! What the clusters of the tests share: three members under openraft in one process, their network, their
//! log, and the checker that judges them.

pub mod checker;
pub mod log;
pub mod net;

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, Raft, SnapshotPolicy};

use crate::Types;

/// Attempts at an entry before a schedule gives up.
pub const TRIES: usize = 200;

/// Or what is broken.
pub type Outcome<T> = Result<T, String>;

/// The result of some work, if it ends within this many milliseconds.
pub async fn within<T>(ms: u64, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(ms), work).await.ok()
}

/// The timing of every cluster here: elections within half a second.
pub fn config(snapshots: SnapshotPolicy) -> Outcome<Arc<Config>> {
    let config = Config {
        heartbeat_interval: 30,
        election_timeout_min: 150,
        election_timeout_max: 300,
        snapshot_policy: snapshots,
        max_in_snapshot_log_to_keep: 0,
        ..Config::default()
    };
    Ok(Arc::new(config.validate().map_err(|error| error.to_string())?))
}

/// The seeds of the schedules: SEALMARK_SCHEDULES of them, or 20, from SEALMARK_FIRST_SCHEDULE on, or from 0.
/// A seed makes the same choices each time, but the members' clocks run freely, so a failure may take several
/// attempts to repeat.
pub fn seeds() -> Range<u64> {
    let of = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let (first, count) = (of("SEALMARK_FIRST_SCHEDULE").unwrap_or(0), of("SEALMARK_SCHEDULES").unwrap_or(20));
    first..first + count
}

/// Runs schedules, four at a time, up to the first that breaks a promise. Adds up what each of them counts.
pub fn schedules<const COUNTS: usize, F>(
    seeds: Range<u64>,
    schedule: impl Fn(u64) -> F,
) -> Outcome<[usize; COUNTS]>
where
    F: Future<Output = Outcome<[usize; COUNTS]>> + Send + 'static,
{
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let mut sums = [0; COUNTS];
    let told: Outcome<()> = runtime.block_on(async {
        for first in seeds.clone().step_by(4) {
            let some = first..(first + 4).min(seeds.end);
            let some: Vec<_> = some.map(|seed| (seed, tokio::spawn(schedule(seed)))).collect();
            for (seed, task) in some {
                let told = task.await.expect("a schedule does not panic");
                let counts = told.map_err(|why| format!("schedule {seed}: {why}"))?;
                sums.iter_mut().zip(counts).for_each(|(sum, more)| *sum += more);
            }
        }
        Ok(())
    });
    // A thread may still wait for a member that is cut off.
    runtime.shutdown_background();
    told.map(|()| sums)
}

/// What each of these members says of itself, a line each: its state, and the error that ended its Raft core.
pub async fn shown(members: Vec<(u64, Option<Raft<Types>>)>, net: &net::Net) -> String {
    let cut_off = net.cut_off.lock().unwrap().clone();
    let mut lines = String::new();
    for (id, raft) in members {
        lines += &format!("\n  member {id}{}: ", if cut_off.contains(&id) { ", cut off" } else { "" });
        let Some(raft) = raft else {
            lines += "stopped";
            continue;
        };
        lines += &raft.metrics().borrow().to_string();
        // The metrics of a core that has panicked stay as they were, so it is asked too.
        match within(300, raft.is_initialized()).await {
            Some(Ok(_)) => {}
            Some(Err(ended)) => lines += &format!(", ended: {ended}"),
            None => lines += ", does not answer",
        }
    }
    lines
}
