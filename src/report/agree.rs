//! Do two runs agree? Of each row the ratio to a named engine, with its interval, in both runs.
//!
//! A ratio pairs the samples of one process, in which both engines ran in the same rounds; its interval is over
//! processes, by order statistics. Two runs agree on a row where the two intervals overlap.

use super::number::three;
use super::table::{Cell, Mark, Table};
use crate::measure::{Row, Run};
use crate::timing::Interval;

/// What comparing two runs found.
#[derive(Clone, PartialEq, Debug)]
pub struct Agreement {
    /// Rows that both runs have, of other engines than the reference.
    pub rows: usize,
    /// Of those, rows whose intervals overlap.
    pub agree: usize,
    /// The others.
    pub table: Table,
}

impl Agreement {
    /// The share of rows that agree; none where nothing was compared.
    pub fn share(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.agree as f64 / self.rows as f64)
    }
}

/// Compares two runs by ratios of nanoseconds to those of `reference`.
pub fn agreement(one: &Run, other: &Run, reference: &str) -> Agreement {
    let mut table = Table::new(
        "disagree",
        &format!("Ratios to {reference} that do not agree"),
        ["workload", "engine", "first run", "second run"],
    );
    table.columns[1].number = false;
    let (mut rows, mut agree) = (0, 0);
    for row in one.rows.iter().filter(|row| row.engine != reference) {
        let first = ratio(one, row, reference);
        let twin = other.rows.iter().find(|twin| twin.workload == row.workload && twin.engine == row.engine);
        let (Some(first), Some(second)) = (first, twin.and_then(|twin| ratio(other, twin, reference))) else {
            continue;
        };
        rows += 1;
        if first.low <= second.high && second.low <= first.high {
            agree += 1;
        } else {
            let cell = |i: Interval| {
                Cell::new(three(i.median))
                    .detail(format!("{}–{}", three(i.low), three(i.high)))
                    .mark(Mark::Bad)
            };
            table.push(vec![Cell::new(&row.workload), Cell::new(&row.engine), cell(first), cell(second)]);
        }
    }
    Agreement { rows, agree, table }
}

/// A row's nanoseconds over the reference's, process by process.
fn ratio(run: &Run, row: &Row, reference: &str) -> Option<Interval> {
    let other = run.rows.iter().find(|other| other.workload == row.workload && other.engine == reference)?;
    let timed = row.error.is_none() && other.error.is_none() && row.samples.len() == other.samples.len();
    let ratios: Vec<f64> = row.samples.iter().zip(&other.samples).map(|(a, b)| a / b).collect();
    Interval::of(&ratios).filter(|interval| timed && interval.median.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn run(ours: &[f64], ring: &[f64]) -> Run {
        let rows =
            vec![sample::row("seal", "a", 16, "aws-lc", ours), sample::row("seal", "a", 16, "ring", ring)];
        Run { rows, ..sample::run() }
    }

    #[test]
    fn runs_agree_where_the_intervals_of_ratios_overlap_whatever_the_clock() {
        let (one, slower) = (run(&[100.0, 110.0], &[200.0, 200.0]), run(&[210.0, 205.0], &[400.0, 400.0]));
        let found = agreement(&one, &slower, "ring");
        assert_eq!((found.rows, found.agree, found.share()), (1, 1, Some(1.0)));
        let other = run(&[150.0, 160.0], &[200.0, 200.0]);
        let found = agreement(&one, &other, "ring");
        assert_eq!((found.rows, found.agree, found.table.rows.len()), (1, 0, 1));
        assert_eq!(agreement(&one, &other, "graviola").share(), None);
    }
}
