//! The coverage of intervals. It depends on the row, because a row may lose a process.
//!
//! A single figure for the run, taken from its poorest row, would let one lost process lower the claim of
//! every row.

use crate::measure::Row;
use crate::timing::interval;

/// Sets the coverage of each row that has fewer processes than the fullest one; returns the coverage of the
/// fullest.
pub(super) fn state(rows: &mut [Row]) -> f64 {
    let full = rows.iter().map(|row| row.samples.len()).max().unwrap_or(0);
    for row in rows {
        let n = row.samples.len();
        row.coverage = (0 < n && n < full).then(|| interval::coverage(n));
    }
    interval::coverage(full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::catalog;

    #[test]
    fn a_row_that_lost_a_process_speaks_for_itself_alone() {
        let row = |samples: usize| Row {
            samples: vec![1.0; samples],
            ..Row::empty(catalog::find("nonce").unwrap(), "sealmark")
        };
        let mut rows = [row(5), row(4), row(0), row(5)];
        assert_eq!(state(&mut rows), 0.9375, "of five, as before one row lost one");
        assert_eq!(rows.map(|row| row.coverage), [None, Some(0.875), None, None]);
        assert_eq!(state(&mut []), 0.0);
    }
}
