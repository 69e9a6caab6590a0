//! Whether two runs agree: each row's ratio to a named engine, with its interval, in both runs.
//!
//! A ratio pairs the samples of one process, in which both engines ran in the same rounds; its interval is
//! over processes, by order statistics. Two runs agree on a row where the two intervals overlap.

use crate::measure::Run;
use crate::measure::ratio::pairs;
use crate::report::block::{Cell, Mark, Table};
use crate::report::number::three;
use crate::report::rows::{distinct, time};
use crate::timing::Interval;

/// The comparison of two runs.
#[derive(Clone, PartialEq, Debug)]
pub struct Agreement {
    /// Rows that both runs have, of other engines than the reference.
    pub rows: usize,
    /// Rows among them whose intervals overlap.
    pub agree: usize,
    /// Relative distances of all medians, over the smaller one, in rising order. Wide intervals agree easily;
    /// these show how much the agreement is worth.
    pub apart: Vec<f64>,
    /// Rows that do not agree.
    pub table: Table,
    /// Rows that could not be compared, and why.
    pub left_out: Table,
}

impl Agreement {
    /// The share of rows that agree; none where nothing was compared.
    pub fn share(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.agree as f64 / self.rows as f64)
    }

    /// The distance that this share of the rows does not exceed; none where nothing was compared.
    pub fn within(&self, share: f64) -> Option<f64> {
        let rank = (share * self.apart.len() as f64).ceil() as usize;
        self.apart.get(rank.saturating_sub(1)).copied()
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
    let title = "Rows that could not be compared";
    let mut left_out = Table::new("left-out", title, ["workload", "engine", "why"]).words();
    let (mut rows, mut agree, mut apart) = (0, 0, Vec::new());
    let keys = one.rows.iter().chain(&other.rows).map(|row| (row.workload.as_str(), row.engine.as_str()));
    for (workload, engine) in distinct(keys).into_iter().filter(|(_, engine)| *engine != reference) {
        let (first, second) =
            match (ratio(one, workload, engine, reference), ratio(other, workload, engine, reference)) {
                // A row that neither run has the reference for, such as a nonce's, is not left out.
                (Err(Lack::Reference), Err(Lack::Reference)) => continue,
                (Ok(first), Ok(second)) => (first, second),
                (first, second) => {
                    let why = why(first.err(), second.err(), reference);
                    left_out.push(vec![Cell::new(workload), Cell::new(engine), Cell::new(why)]);
                    continue;
                }
            };
        rows += 1;
        let (less, more) = (first.median.min(second.median), first.median.max(second.median));
        apart.push(more / less - 1.0);
        if first.low <= second.high && second.low <= first.high {
            agree += 1;
        } else {
            let cell = |i: Interval| {
                Cell::new(three(i.median))
                    .detail(format!("{}–{}", three(i.low), three(i.high)))
                    .mark(Mark::Bad)
            };
            table.push(vec![Cell::new(workload), Cell::new(engine), cell(first), cell(second)]);
        }
    }
    apart.sort_unstable_by(f64::total_cmp);
    Agreement { rows, agree, apart, table, left_out }
}

/// Why a run has no ratio of a row to the reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// It has no such row.
    Row,
    /// It has no row of the reference beside it.
    Reference,
    /// One of the two has no time.
    Time,
    /// Their samples come from different processes.
    Pairs,
}

/// Why a row is not compared: the reasons in the first run and in the second.
fn why(first: Option<Lack>, second: Option<Lack>, reference: &str) -> String {
    let words = |lack: Lack, run: &str| match lack {
        Lack::Row => format!("the {run} run does not have it"),
        Lack::Reference => format!("no {reference} beside it in the {run} run"),
        Lack::Time => format!("no time in the {run} run"),
        Lack::Pairs => format!("the {run} run lost a process of one of the two"),
    };
    match (first, second) {
        (None, Some(Lack::Row)) => "only the first run has it".to_owned(),
        (Some(Lack::Row), None) => "only the second run has it".to_owned(),
        (first, second) => {
            let lacks = [(first, "first"), (second, "second")];
            let lacks = lacks.into_iter().filter_map(|(lack, run)| Some(words(lack?, run)));
            lacks.collect::<Vec<_>>().join("; ")
        }
    }
}

/// A row's nanoseconds over the reference's, process by process.
fn ratio(run: &Run, workload: &str, engine: &str, reference: &str) -> Result<Interval, Lack> {
    let find = |engine: &str| run.rows.iter().find(|row| row.workload == workload && row.engine == engine);
    let row = find(engine).ok_or(Lack::Row)?;
    let other = find(reference).ok_or(Lack::Reference)?;
    if time(row).is_none() || time(other).is_none() {
        return Err(Lack::Time);
    }
    let ratios = pairs(run, row, other).ok_or(Lack::Pairs)?;
    Interval::of(&ratios).filter(|interval| interval.median.is_finite()).ok_or(Lack::Time)
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
        assert_eq!(found.within(0.5), found.within(1.0));
        assert!(found.within(0.95).is_some_and(|apart| apart < 0.03), "{:?}", found.apart);
        let other = run(&[150.0, 160.0], &[200.0, 200.0]);
        let found = agreement(&one, &other, "ring");
        assert_eq!((found.rows, found.agree, found.table.rows.len()), (1, 0, 1));
        assert!(found.within(0.95).is_some_and(|apart| apart > 0.4), "{:?}", found.apart);
        let nothing = agreement(&one, &other, "graviola");
        assert_eq!((nothing.share(), nothing.within(0.95)), (None, None));
        assert!(nothing.left_out.rows.is_empty(), "neither run has the reference");
    }

    #[test]
    fn a_row_that_cannot_be_compared_says_why() {
        let whole = run(&[100.0, 110.0], &[200.0, 200.0]);
        let why = |one: &Run, other: &Run| {
            let found = agreement(one, other, "ring");
            assert_eq!((found.rows, found.left_out.rows.len()), (0, 1));
            found.left_out.rows[0].iter().map(|cell| cell.text.clone()).collect::<Vec<_>>().join(" ")
        };
        let without = |engine: &str| {
            let mut run = whole.clone();
            run.rows.retain(|row| row.engine != engine);
            run
        };
        assert_eq!(why(&whole, &without("aws-lc")), "seal/a/16 aws-lc only the first run has it");
        assert_eq!(why(&without("aws-lc"), &whole), "seal/a/16 aws-lc only the second run has it");
        let why_not = why(&whole, &without("ring"));
        assert_eq!(why_not, "seal/a/16 aws-lc no ring beside it in the second run");
        let mut failed = whole.clone();
        failed.rows[1].error = Some("wrong".into());
        let twice = "seal/a/16 aws-lc no time in the first run; no time in the second run";
        assert_eq!(why(&failed, &failed), twice);
        let lost = run(&[100.0], &[200.0, 200.0]);
        let lost = why(&whole, &lost);
        assert_eq!(lost, "seal/a/16 aws-lc the second run lost a process of one of the two");
    }
}
