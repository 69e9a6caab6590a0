//! A made-up result of the gate for the tests of this folder: one row of each kind. No measurement.

use crate::measure::gate::exact::Counts;
use crate::measure::gate::rule::{NullPairs, Verdict};
use crate::measure::gate::{Commits, Gate, Ratio, Row, SCHEMA, Setup};
use crate::measure::trace::Size;
use crate::report::sample;
use crate::trace::{Change, Diff};

/// A reason that no format may take for markup.
pub const WHY: &str = "base: a worker process said <b>|x|</b>";

fn timed(workload: &str, verdict: Verdict, estimate: f64, half: f64) -> Row {
    let mut row = Row::open(workload, "sealmark", 0.005);
    row.verdict = verdict;
    row.changed = Some(true);
    row.instructions = Some(Counts { base: 10_340, head: 10_404 });
    row.ratio = Some(Ratio { estimate, low: estimate - half, high: Some(estimate + half) });
    row.smallest_detectable = Some(half.max(0.005));
    row.pairs = 96;
    row.samples = (0..96).map(|i| estimate + 3.0 * half * (f64::from(i) / 95.0 - 0.5)).collect();
    row.traced = Some(Size { bytes: 1024, messages: 1 });
    let change = |name: &str, before, after| Change { name: name.into(), before, after };
    row.diff = Some(Diff {
        before: 10_340,
        after: 10_404,
        same_digest: false,
        mnemonics: vec![change("nop", 0, 64)],
        symbols: vec![change("sealmark::aead::bulk<64>", 9_000, 9_064)],
        loops: vec![change("sealmark::aead::bulk<64>, loop 1", 8_000, 8_064)],
    });
    row
}

/// Slower, faster, the same by time, open, and the same by its instructions; the open one is not traced.
pub fn gate() -> Gate {
    let mut open = timed("seal/aes-256-gcm/16", Verdict::Unsure, 1.004, 0.02);
    (open.changed, open.instructions, open.diff, open.traced) = (None, None, None, None);
    open.pairs_needed = Some(1_240);
    let mut equal = Row::open("seal/aes-256-gcm/1024", "sealmark", 0.005);
    (equal.verdict, equal.changed) = (Verdict::Same, Some(false));
    equal.instructions = Some(Counts { base: 1_210, head: 1_210 });
    let rows = vec![
        equal,
        timed("open/aes-256-gcm/64", Verdict::Same, 1.0004, 0.003),
        timed("open/aes-256-gcm/1024", Verdict::Slower, 1.024, 0.008),
        open,
        timed("seal/record/1024", Verdict::Faster, 0.97, 0.01),
    ];
    Gate {
        schema: SCHEMA.into(),
        sealmark: "0.1.0".into(),
        started: "2026-11-03T09:12:44.25Z".into(),
        host: sample::host(),
        build: "rustc 1.95.0, release".into(),
        base: vec!["base-1".into(), "base-2".into(), "base-3".into()],
        head: vec!["head-1".into(), "head-2".into(), "head-3".into()],
        commits: Some(Commits {
            base: "0123456789".repeat(4),
            head: format!("{}-dirty", "abcdef0123".repeat(4)),
        }),
        verdict: Verdict::Slower,
        setup: Setup::default(),
        rows,
        null_pair: Some(NullPairs { longer: 61, shorter: 59, chance: 0.927 }),
        lost: vec![WHY.into(), WHY.into()],
        not_traced: None,
        ended_early: false,
        accepted: None,
        seconds: 9.71,
    }
}
