//! What the workers have said, gathered into rows.

use std::collections::BTreeMap;

use super::job::{Answer, Measured};
use super::worker::contestants;
use super::{Arena, ClockInfo, Ns, Row, Workload};
use crate::engine::Engine;
use crate::timing::Interval;

/// What is known of one workload on one engine.
#[derive(Default)]
pub(super) struct Cell {
    pub samples: Vec<f64>,
    pub arena: Option<Arena>,
    pub error: Option<String>,
}

/// Everything that the workers have said.
#[derive(Default)]
pub(super) struct Sheet {
    pub clock: Option<ClockInfo>,
    pub cells: BTreeMap<(String, String), Cell>,
    pub failures: BTreeMap<String, String>,
}

impl Sheet {
    pub fn take(&mut self, answer: Answer, note: &mut (dyn FnMut(&str) + Send)) {
        match answer {
            Answer::Clock(clock) => self.clock = Some(clock),
            Answer::Workload { workload, rows } => {
                for Measured { engine, ns, arena } in rows {
                    let cell = self.cells.entry((workload.clone(), engine)).or_default();
                    cell.arena = arena.or(cell.arena.take());
                    match ns {
                        Ok(ns) => cell.samples.push(ns),
                        Err(why) => cell.error = Some(why),
                    }
                }
                note(&workload);
            }
            Answer::At { .. } | Answer::Sampling { .. } | Answer::Done => {}
        }
    }

    /// Notes why a workload has no time, on one engine or on all.
    pub fn fail(&mut self, workload: &str, engine: Option<&str>, how: String) {
        match engine {
            Some(engine) => {
                self.cells.entry((workload.to_owned(), engine.to_owned())).or_default().error = Some(how);
            }
            None => {
                self.failures.insert(workload.to_owned(), how);
            }
        }
    }

    /// One row for each workload and engine of which something is known, in the order of the plan.
    pub fn rows(&mut self, workloads: &[&Workload], engines: &[&'static dyn Engine]) -> Vec<Row> {
        let mut rows = Vec::new();
        for workload in workloads {
            for engine in contestants(workload, engines) {
                let cell =
                    self.cells.remove(&(workload.path.clone(), engine.name().to_owned())).unwrap_or_default();
                let error = cell.error.or_else(|| self.failures.get(&workload.path).cloned());
                if error.is_some() || !cell.samples.is_empty() {
                    rows.push(row(workload, engine.name(), cell.samples, cell.arena, error));
                }
            }
        }
        rows
    }
}

fn row(
    workload: &Workload,
    engine: &str,
    samples: Vec<f64>,
    arena: Option<Arena>,
    error: Option<String>,
) -> Row {
    // What a wrong engine took in the processes before is no time either.
    let samples = if error.is_some() { Vec::new() } else { samples };
    let ns = Interval::of(&samples).map(|i| Ns { median: i.median, low: i.low, high: i.high });
    let mut row = Row::empty(workload, engine);
    // Bytes for each nanosecond are decimal gigabytes for each second.
    let speed = |ns: Ns| (ns.median > 0.0).then(|| row.bytes as f64 / ns.median);
    row.gb_per_s = ns.filter(|_| row.bytes > 0 && !row.is_latency()).and_then(speed);
    Row { ns, processes: samples.len() as u32, samples, arena, error, ..row }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::suite;

    fn told(ns: &[Result<f64, String>]) -> Vec<Row> {
        let (workload, engine) = (suite::find("seal/aes-256-gcm/1024").unwrap(), find("sealmark").unwrap());
        let mut sheet = Sheet::default();
        for ns in ns {
            let rows = vec![Measured { engine: "sealmark".into(), ns: ns.clone(), arena: None }];
            sheet.take(Answer::Workload { workload: workload.path.clone(), rows }, &mut |_| {});
        }
        sheet.rows(&[workload], &[engine])
    }

    #[test]
    fn three_processes_make_a_median_with_an_interval() {
        let rows = told(&[Ok(400.0), Ok(256.0), Ok(300.0)]);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].ns, Some(Ns { median: 300.0, low: 256.0, high: 400.0 }));
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
    fn what_nobody_measured_has_no_row() {
        assert_eq!(told(&[]), []);
    }
}
