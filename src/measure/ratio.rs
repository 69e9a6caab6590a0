//! Ratios of speeds and times: one engine compared with another, process by process.
//!
//! Both engines take their turns in the same rounds of one process, so whatever slows the machine slows both,
//! and their ratio is far steadier than either time. The interval is over processes, by order statistics.

use crate::measure::{Row, Run};
use crate::timing::Interval;
use crate::timing::interval::median;

/// The name of our own choice of backend, and what our other engines' names begin with.
pub const OWN: &str = "sealmark";

/// Whether an engine is one of ours: `sealmark`, or `sealmark/aesni`. Every other engine is a peer.
pub fn is_own(engine: &str) -> bool {
    engine.strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A row's time over another's, for each process. `None` where one of them lost a process or has no time.
///
/// Two rows that lost one process each have equally many samples, but perhaps not of the same processes, so
/// each is compared with the fullest row of the run. A run that ended early has its last process for some
/// workloads only; there it is the fullest row of the workload.
pub fn pairs(run: &Run, row: &Row, other: &Row) -> Option<Vec<f64>> {
    let beside = run.rows.iter().filter(|one| !run.partial || one.workload == row.workload);
    let fullest = beside.map(|one| one.samples.len()).max();
    let ratios: Vec<f64> = row.samples.iter().zip(&other.samples).map(|(a, b)| a / b).collect();
    let usable = [row, other].iter().all(|one| one.error.is_none() && Some(one.samples.len()) == fullest)
        && ratios.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0);
    (usable && !ratios.is_empty()).then_some(ratios)
}

/// How many times as fast a row is as another: the other's time over the row's, the median over processes
/// with its interval. `None` as for [`pairs`].
pub fn speed(run: &Run, row: &Row, other: &Row) -> Option<Interval> {
    Interval::of(&pairs(run, other, row)?)
}

/// How far a row is behind the fastest of its workload.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Behind {
    /// How many times its time is that of the fastest.
    pub ratio: f64,
    /// Whether the difference is too small for this run to tell: the interval of the ratio reaches 1.
    pub close: bool,
}

impl Behind {
    /// Compares two rows that have times: process by process, or where their processes cannot be paired, by
    /// the intervals of both times. `None` where one has no time.
    pub fn of(run: &Run, row: &Row, fastest: &Row) -> Option<Self> {
        let (time, least) = (row.ns?, fastest.ns?);
        Some(match pairs(run, row, fastest).and_then(|ratios| Interval::of(&ratios)) {
            Some(interval) => Self { ratio: interval.median, close: interval.low <= 1.0 },
            None => Self { ratio: time.median / least.median, close: time.low <= least.high },
        })
    }
}

/// The fastest peer of a workload: the one with the least median ratio of its time to that of the first peer.
/// The pairing makes a process in which the machine was slow count no more than any other. Where the peers'
/// processes cannot be paired, it is the one with the least median time. `None` where no peer has a time.
pub fn best_peer<'a>(run: &'a Run, workload: &str) -> Option<&'a Row> {
    let time = |row: &Row| row.ns.map(|ns| ns.median).filter(|ns| ns.is_finite() && *ns > 0.0);
    let peers = run.rows.iter().filter(|row| row.workload == workload && !is_own(&row.engine));
    let timed: Vec<&Row> = peers.filter(|row| row.error.is_none() && time(row).is_some()).collect();
    let first = *timed.first()?;
    let paired: Option<Vec<f64>> = timed.iter().map(|row| median(&pairs(run, row, first)?)).collect();
    let scores = paired.or_else(|| timed.iter().map(|row| time(row)).collect())?;
    timed.into_iter().zip(scores).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::publication::testing::{row, run};

    #[test]
    fn a_speed_is_the_median_over_processes_of_the_peers_time_over_ours() {
        let run = run(vec![row("seal", 16, "ring", &[100.0, 240.0, 150.0])]);
        let ours = row("seal", 16, "sealmark/aesni", &[80.0, 120.0, 150.0]);
        let found = speed(&run, &ours, &run.rows[0]).unwrap();
        // The ratio of the median times, 150 to 120, happens to be the same number; the ends are not.
        assert_eq!((found.median, found.low, found.high), (1.25, 1.0, 2.0));
        assert_eq!(pairs(&run, &ours, &run.rows[0]), Some(vec![0.8, 0.5, 1.0]));
    }

    #[test]
    fn two_rows_are_told_apart_by_their_ratios_and_without_pairs_by_their_intervals() {
        let run = run(vec![
            row("seal", 16, "ring", &[100.0, 200.0, 300.0]),
            row("seal", 16, "aws-lc", &[110.0, 220.0, 330.0]),
            row("seal", 16, "graviola", &[101.0, 199.0, 303.0]),
            row("seal", 16, "rustcrypto", &[250.0, 260.0]),
        ]);
        let behind = |at: usize| Behind::of(&run, &run.rows[at], &run.rows[0]).unwrap();
        assert_eq!((behind(1).close, (behind(1).ratio * 100.0).round()), (false, 110.0));
        assert!(behind(2).close);
        assert_eq!((behind(3).close, behind(3).ratio), (true, 255.0 / 200.0), "250 is within 100 to 300");
    }

    #[test]
    fn rows_that_lost_a_process_or_failed_have_no_ratio() {
        let mut run = run(vec![
            row("seal", 16, "ring", &[100.0, 200.0]),
            row("seal", 16, "aws-lc", &[100.0, 200.0]),
            row("seal", 64, "ring", &[100.0, 200.0, 300.0]),
        ]);
        assert_eq!(pairs(&run, &run.rows[1], &run.rows[0]), None, "each lost one, perhaps not the same");
        run.partial = true;
        assert_eq!(pairs(&run, &run.rows[1], &run.rows[0]), Some(vec![1.0, 1.0]));
        run.rows[1].error = Some("wrong".into());
        assert_eq!(pairs(&run, &run.rows[1], &run.rows[0]), None);
    }

    #[test]
    fn the_best_peer_is_the_fastest_in_most_processes() {
        // In the third process the machine was slow while `aws-lc` had its turns. By median time `ring`
        // leads.
        let mut run = run(vec![
            row("seal", 16, "sealmark/aesni", &[1.0, 1.0, 1.0]),
            row("seal", 16, "ring", &[100.0, 220.0, 130.0]),
            row("seal", 16, "aws-lc", &[90.0, 200.0, 140.0]),
        ]);
        assert_eq!(best_peer(&run, "seal/aes-256-gcm/16").unwrap().engine, "aws-lc");
        run.rows[2].error = Some("wrong".into());
        assert_eq!(best_peer(&run, "seal/aes-256-gcm/16").unwrap().engine, "ring");
        run.rows[1].error = Some("wrong".into());
        assert!(best_peer(&run, "seal/aes-256-gcm/16").is_none());
    }
}
