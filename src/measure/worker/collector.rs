//! Gathers the answers of workers into rows.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::measure::limit::probe::Limits;
use crate::measure::limit::roofline;
use crate::measure::worker::protocol::{Answer, Measured, Quantiles};
use crate::measure::{Arena, ClockInfo, Estimate, Limit, Row, Tails, Workload};

/// The answers about one workload on one engine.
#[derive(Clone, Default)]
pub(in crate::measure) struct Cell {
    pub samples: Vec<f64>,
    pub cycles: Vec<f64>,
    pub tails: Vec<Quantiles>,
    pub arena: Option<Arena>,
    pub threads: Option<u32>,
    pub clock_error: Option<f64>,
    /// Why there is no time, whatever other processes report: a wrong result, a crash, a hang.
    pub error: Option<String>,
    /// Why individual processes gave no sample.
    pub lost: Vec<String>,
}

/// The answers of all workers.
#[derive(Default)]
pub(in crate::measure) struct Collector {
    pub clock: Option<ClockInfo>,
    pub cells: BTreeMap<(String, String), Cell>,
    /// Workloads without a time on any engine, and why.
    pub failures: BTreeMap<String, String>,
    /// Workloads for which individual processes gave no sample on any engine, and why.
    pub lost: BTreeMap<String, Vec<String>>,
    /// Engines that hung. No further process runs them.
    pub hung: Vec<String>,
}

impl Collector {
    /// Records an answer; returns the workload that it finishes.
    pub fn take(&mut self, answer: Answer) -> Option<String> {
        match answer {
            Answer::Clock(clock) => {
                let ghz = self.clock.take().and_then(|before| before.ghz);
                self.clock = Some(ClockInfo { ghz, ..clock });
                None
            }
            Answer::Workload { workload, rows, cycle_ns } => {
                if let Some(clock) = self.clock.as_mut().filter(|_| cycle_ns > 0.0) {
                    let ghz = 1.0 / cycle_ns;
                    let [low, high] = clock.ghz.unwrap_or([ghz; 2]);
                    clock.ghz = Some([low.min(ghz), high.max(ghz)]);
                }
                for row in rows {
                    let time = row.time();
                    let Measured { engine, cycles, tails, arena, threads, clock_error, .. } = row;
                    let cell = self.cell(&workload, &engine);
                    cell.arena = arena.or(cell.arena.take());
                    cell.threads = threads.max(cell.threads);
                    cell.clock_error = [clock_error, cell.clock_error].into_iter().flatten().reduce(f64::max);
                    cell.cycles.extend(cycles);
                    cell.tails.extend(tails);
                    match time {
                        Ok(ns) => cell.samples.push(ns),
                        Err(why) => cell.error = Some(why),
                    }
                }
                Some(workload)
            }
            _ => None,
        }
    }

    fn cell(&mut self, workload: &str, engine: &str) -> &mut Cell {
        self.cells.entry((workload.to_owned(), engine.to_owned())).or_default()
    }

    /// Records why a workload has no time, on one engine or on all.
    pub fn fail(&mut self, workload: &str, engine: Option<&str>, how: String) {
        match engine {
            Some(engine) => self.cell(workload, engine).error = Some(how),
            None => _ = self.failures.insert(workload.to_owned(), how),
        }
    }

    /// Records why one process gave no sample of a workload, on one engine or on all.
    pub fn lose(&mut self, workload: &str, engine: Option<&str>, how: String) {
        match engine {
            Some(engine) => self.cell(workload, engine).lost.push(how),
            None => self.lost.entry(workload.to_owned()).or_default().push(how),
        }
    }

    /// One row per workload and engine with an answer, in the order of the plan.
    pub fn rows(
        &self,
        workloads: &[&Workload],
        engines: &[&'static dyn Engine],
        limits: &[Limits],
    ) -> Vec<Row> {
        let mut rows = Vec::new();
        for workload in workloads {
            for engine in workload.eligible_engines(engines) {
                let key = (workload.path.clone(), engine.name().to_owned());
                let mut cell = self.cells.get(&key).cloned().unwrap_or_default();
                cell.lost.extend(self.lost.get(&workload.path).into_iter().flatten().cloned());
                let error = cell.error.take().or_else(|| self.failures.get(&workload.path).cloned());
                cell.error = error.or_else(|| mostly_lost(&cell));
                if cell.error.is_some() || !cell.samples.is_empty() {
                    rows.push(row(workload, engine.name(), cell, limits));
                }
            }
        }
        rows
    }
}

/// The error of a cell for which most processes gave no sample.
fn mostly_lost(cell: &Cell) -> Option<String> {
    let (lost, all) = (cell.lost.len(), cell.lost.len() + cell.samples.len());
    let first = cell.lost.first().filter(|_| 2 * lost > all)?;
    Some(format!("{lost} of {all} processes gave no time: {first}"))
}

/// Combines the quantiles of all processes. If an operation was too short to be timed alone in one process,
/// the row says so.
fn tails(processes: &[Quantiles]) -> Option<Tails> {
    let mut ns: [Vec<f64>; 3] = Default::default();
    for quantiles in processes {
        let Quantiles::Ns(all) = quantiles else { return Some(Tails::BelowTheClock) };
        ns.iter_mut().zip(all).for_each(|(ns, &one)| ns.push(one));
    }
    let [p50, p99, p999] = ns.map(|ns| Estimate::of(&ns));
    Some(Tails::Ns { p50: p50?, p99: p99?, p999: p999? })
}

fn row(workload: &Workload, engine: &str, cell: Cell, limits: &[Limits]) -> Row {
    let mut row = Row { arena: cell.arena, error: cell.error, ..Row::empty(workload, engine) };
    // The samples of a wrong engine from earlier processes do not count either.
    if row.error.is_some() {
        return row;
    }
    row.ns = Estimate::of(&cell.samples);
    row.cycles = Estimate::of(&cell.cycles);
    row.tails = tails(&cell.tails);
    row.processes = cell.samples.len() as u32;
    row.samples = cell.samples;
    (row.threads, row.clock_error, row.lost) = (cell.threads, cell.clock_error, cell.lost);
    // Bytes per nanosecond are decimal gigabytes per second.
    let speed = |ns: Estimate| (ns.median > 0.0).then(|| row.bytes as f64 / ns.median);
    row.gb_per_s = row.ns.filter(|_| row.bytes > 0 && !row.is_latency()).and_then(speed);
    row.limit = row.cycles.filter(|cycles| cycles.median > 0.0).and_then(|cycles| {
        let bound = roofline::bound(limits, &workload.work()?)?;
        Some(Limit { percent: 100.0 * bound.cycles / cycles.median, bound })
    });
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::workload::catalog;

    fn told(ns: &[Result<f64, String>]) -> Vec<Row> {
        let (workload, engine) = (catalog::find("seal/aes-256-gcm/1024").unwrap(), find("sealmark").unwrap());
        let mut collector = Collector::default();
        for ns in ns {
            let rows = vec![Measured::new("sealmark", ns.clone())];
            let workload = workload.path.clone();
            assert!(collector.take(Answer::Workload { workload, rows, cycle_ns: 0.5 }).is_some());
        }
        collector.rows(&[workload], &[engine], &[])
    }

    #[test]
    fn three_processes_make_a_median_with_an_interval() {
        let rows = told(&[Ok(400.0), Ok(256.0), Ok(300.0)]);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].ns, Some(Estimate { median: 300.0, low: 256.0, high: 400.0 }));
        assert_eq!(rows[0].samples, [400.0, 256.0, 300.0]);
        assert_eq!((rows[0].processes, rows[0].gb_per_s), (3, Some(1024.0 / 300.0)));
    }

    #[test]
    fn one_process_that_was_wrong_takes_the_time_away() {
        let rows = told(&[Ok(400.0), Err("wrong".into()), Ok(300.0)]);
        assert_eq!((rows[0].ns, rows[0].gb_per_s, rows[0].error.as_deref()), (None, None, Some("wrong")));
        assert_eq!((rows[0].processes, rows[0].samples.as_slice()), (0, &[][..]));
    }

    #[test]
    fn a_process_that_died_costs_the_row_only_where_most_did() {
        let (workload, engine) = (catalog::find("seal/aes-256-gcm/1024").unwrap(), find("sealmark").unwrap());
        let path = workload.path.clone();
        let rows = |timed: usize, lost_here: usize, lost_everywhere: usize| {
            let mut collector = Collector::default();
            for _ in 0..timed {
                let rows = vec![Measured::new("sealmark", Ok(400.0))];
                collector.take(Answer::Workload { workload: path.clone(), rows, cycle_ns: 0.5 });
            }
            (0..lost_here).for_each(|_| collector.lose(&path, Some("sealmark"), "it was killed".into()));
            (0..lost_everywhere).for_each(|_| collector.lose(&path, None, "it was killed".into()));
            collector.rows(&[workload], &[engine], &[]).remove(0)
        };
        for (timed, here, everywhere) in [(4, 1, 0), (4, 0, 1), (2, 1, 1), (1, 0, 1)] {
            let row = rows(timed, here, everywhere);
            assert_eq!((row.error.as_deref(), row.processes as usize), (None, timed));
            assert_eq!(row.lost, vec!["it was killed"; here + everywhere]);
        }
        for (timed, here, everywhere) in [(0, 1, 0), (2, 3, 0), (2, 1, 2)] {
            let row = rows(timed, here, everywhere);
            let lost = here + everywhere;
            let words = format!("{lost} of {} processes gave no time: it was killed", timed + lost);
            assert_eq!((row.error, row.ns), (Some(words), None));
        }
    }

    #[test]
    fn what_nobody_measured_has_no_row() {
        assert_eq!(told(&[]), []);
    }
}
