//! The leads that the answer speaks of: for a short message and for a long one.

use crate::engine::witness::Length;
use crate::measure::{Row, Run};
use crate::report::curve::{Lead, rows_of};
use crate::report::rows::{SEAL, distinct, is_usual};

/// The algorithm that the answer is about, where it was measured.
pub(in crate::report) const ALGORITHM: &str = "aes-256-gcm";
/// The short message, and the long one: one size each, rather than a mean of several, so that the number
/// can be found in the table.
const SIZES: [(Length, u64); 2] = [(Length::Short, 64), (Length::Long, 16 * 1024)];

/// The leads for a short and for a long message, of the operation that says most: sealing with AES-256-GCM,
/// or else the first that was measured.
pub(super) fn leads(run: &Run) -> [Option<Lead>; 2] {
    let names = distinct(run.rows.iter().filter(|row| is_usual(row)).map(|row| (&row.op, &row.algorithm)));
    let find = |wanted: &dyn Fn(&str, &str) -> bool| {
        names.iter().copied().find(|(op, algorithm)| wanted(op, algorithm))
    };
    let chosen = find(&|op, algorithm| op == SEAL && algorithm == ALGORITHM)
        .or_else(|| find(&|op, _| op == SEAL))
        .or_else(|| find(&|_, _| true));
    let Some((op, algorithm)) = chosen else { return [None, None] };
    leads_among(run, &rows_of(run, op, algorithm))
}

/// The leads for a short and for a long message among the rows of one operation.
pub(in crate::report) fn leads_among(run: &Run, rows: &[&Row]) -> [Option<Lead>; 2] {
    SIZES.map(|(length, wanted)| {
        let sizes = distinct(rows.iter().map(|row| row.bytes).filter(|&bytes| Length::of(bytes) == length));
        let far = |bytes: &u64| ((*bytes as f64).ln() - (wanted as f64).ln()).abs();
        let bytes = sizes.into_iter().min_by(|a, b| far(a).total_cmp(&far(b)))?;
        let at: Vec<&Row> = rows.iter().copied().filter(|row| row.bytes == bytes).collect();
        Lead::of(run, &at)
    })
}
