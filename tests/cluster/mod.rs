//! What the clusters of the tests share: three members under openraft in one process, their network, their
//! log, and the checker that judges them.

pub mod checker;
pub mod log;
pub mod net;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

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

/// The number of schedules: SEALMARK_SCHEDULES, or 20.
pub fn schedule_count() -> u64 {
    std::env::var("SEALMARK_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(20)
}

/// Runs schedules, four at a time, up to the first that breaks a promise. Adds up what each of them counts.
pub fn schedules<const COUNTS: usize, F>(count: u64, schedule: impl Fn(u64) -> F) -> Outcome<[usize; COUNTS]>
where
    F: Future<Output = Outcome<[usize; COUNTS]>> + Send + 'static,
{
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let mut sums = [0; COUNTS];
    let told: Outcome<()> = runtime.block_on(async {
        for first in (0..count).step_by(4) {
            let some: Vec<_> =
                (first..(first + 4).min(count)).map(|seed| (seed, tokio::spawn(schedule(seed)))).collect();
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
