//! The screen: its order, its size, and what it says of each verdict.

use super::*;
use crate::measure::gate::Ratio;
use crate::measure::gate::exact::{Counts, Digests};
use crate::measure::gate::rule::NullPairs;
use crate::measure::gate::{Commits, Stored, Times};
use crate::trace::Change;

fn row(workload: &str, verdict: Verdict) -> Row {
    Row { verdict, changed: Some(false), ..Row::open(workload, "sealmark/portable", 0.005) }
}

fn counted_row(workload: &str, verdict: Verdict, base: u64, head: u64) -> Row {
    let instructions = Some(Counts { base, head });
    let changed = Some(base != head);
    let digests = Some(Digests { base: base.to_string(), head: head.to_string() });
    Row { instructions, changed, digests, ..row(workload, verdict) }
}

fn timed(estimate: f64, row: Row) -> Row {
    let ratio = Some(Ratio { estimate, low: estimate - 0.004, high: Some(estimate + 0.005) });
    let changes = |n: u64| Change { name: format!("sealmark::aead::f{n}"), before: 10, after: 10 + n };
    let diff = Diff {
        before: 100,
        after: 136,
        same_digest: false,
        mnemonics: Vec::new(),
        symbols: (0..5).rev().map(changes).collect(),
        loops: Vec::new(),
    };
    Row { ratio, pairs: 96, diff: Some(diff), smallest_detectable: Some(0.012), ..row }
}

fn gate(rows: Vec<Row>) -> Gate {
    let mut gate = Gate::of(rows, vec!["old".into()], vec!["new".into()]);
    (gate.setup.set, gate.setup.config) = ("default".into(), "built in".into());
    gate
}

#[test]
fn the_verdict_comes_first_then_the_worst_row_and_what_changed_in_it() {
    let slower = timed(1.0213, counted_row("seal/aes-256-gcm/1024", Verdict::Slower, 1_204, 1_240));
    let unsure =
        Row { pairs_needed: Some(1_000), ..timed(1.004, counted_row("nonce", Verdict::Unsure, 9, 8)) };
    let mut found = gate(vec![counted_row("open/aes-256-gcm/16", Verdict::Same, 203, 203), unsure, slower]);
    found.null_pair = Some(NullPairs { longer: 51, shorter: 49, chance: 0.92 });
    let drawn = text(&found, 100);
    let at = |words: &str| drawn.find(words).unwrap_or_else(|| panic!("{words} in\n{drawn}"));
    assert_eq!(
        at(
            "Slower: 1 of 3 workloads, most of all seal/aes-256-gcm/1024 on sealmark/portable (+2.13 % time)."
        ),
        0
    );
    let order = ["seal/aes-256-gcm/1024 on", "nonce on", "open/aes-256-gcm/16 on"].map(at);
    assert!(order.is_sorted(), "{drawn}");
    for words in [
        "+2.13 %",
        "+1.73 % to +2.63 %",
        "1,204 → 1,240",
        "203",
        "by symbol sealmark::aead::f4 +4, sealmark::aead::f3 +3, sealmark::aead::f2 +2 and 2 more",
        "96 pairs find 1.2 % half of the time, some 1,000 would decide",
        "Base against base: 51 longer, 49 shorter, as a fair coin may fall (chance 0.920).",
        "Set default (built in). Least effect called: 0.5 %. It took 0.0 s.",
    ] {
        let flowed = drawn.replace('\n', " ");
        assert!(flowed.contains(words), "{words} in\n{drawn}");
    }
}

#[test]
fn the_second_line_says_what_the_verdict_rests_on() {
    let of = |rows: Vec<Row>| basis(&gate(rows));
    let same = |n: u64| counted_row("a", Verdict::Same, n, n);
    let nothing = "Base and head are the same program, so nothing was run; --all times it anyway.";
    assert_eq!(of(vec![row("a", Verdict::Same)]), nothing);
    let equal = "2 of 2 workloads execute the same instructions in base and head.";
    assert_eq!(of(vec![same(3), same(4)]), equal);
    assert_eq!(of(vec![same(3), timed(1.0, same(4))]), equal);
    let mut blind = gate(vec![Row { changed: None, ..timed(1.0, row("a", Verdict::Same)) }]);
    blind.not_traced = Some("seccomp.".into());
    assert_eq!(basis(&blind), "No instructions were compared (seccomp), so every workload was timed.");
    assert!(!of(vec![Row { changed: None, ..row("a", Verdict::Unsure) }]).contains("the same program"));
    let mut doubted = gate(vec![same(3)]);
    doubted.verdict = Verdict::Unsure;
    doubted.null_pair = Some(NullPairs { longer: 20, shorter: 0, chance: 1.9e-6 });
    assert!(text(&doubted, 120).contains("20 longer, 0 shorter, too uneven: no time of this run counts"));
}

#[test]
fn a_stored_run_shows_its_times_and_what_it_cannot_decide() {
    let ns = Some(Times { base: Some(71.2), head: 80.4 });
    let changed = Row { ns, ..counted_row("nonce", Verdict::Unsure, 9, 10) };
    let mut found = gate(vec![changed]);
    found.setup.baseline = Some(Stored {
        file: "gate.json".into(),
        started: "2026-11-26T10:00:00Z".into(),
        accepted: Some("tag compare".into()),
    });
    let drawn = text(&found, 120);
    for words in ["ns then", "71.2", "80.4", "9 → 10", "1 stream not as in gate.json"] {
        assert!(drawn.contains(words), "{words} in\n{drawn}");
    }
    assert!(drawn.contains("The baseline is of 2026-11-26. It was accepted: tag compare."), "{drawn}");
}

#[test]
fn one_screen_is_enough_whatever_happened() {
    let long = "x ".repeat(400);
    let why = |row: Row| Row { why: Some(long.clone()), ..row };
    let bad = |n: usize| {
        let name = format!("open/aes-256-gcm/163{n:02}");
        why(Row {
            pairs_needed: Some(70_000),
            ..timed(1.02, counted_row(&name, Verdict::Unsure, 10_204, 10_240))
        })
    };
    let rows: Vec<Row> = (0..60).map(bad).collect();
    let mut found = gate(rows);
    found.null_pair = Some(NullPairs { longer: 20, shorter: 0, chance: 1.9e-6 });
    (found.lost, found.ended_early) = (vec![long.clone(); 9], true);
    (found.not_traced, found.accepted) = (Some(long.clone()), Some(long.clone()));
    (found.setup.one_order, found.setup.left_out) = (Some(long.clone()), vec![long.clone(); 9]);
    let base = "0123456789abcdef0123456789abcdef01234567".to_owned();
    found.commits = Some(Commits { head: format!("{base}-dirty"), base });
    let drawn = text(&found, 100);
    assert!(drawn.lines().count() <= LINES, "{} lines:\n{drawn}", drawn.lines().count());
    assert!(drawn.lines().all(|line| line.chars().count() <= 100), "{drawn}");
    assert!(drawn.contains("workloads, 0 the same; --format json shows all."), "{drawn}");
    let many = (0..60).map(|n| counted_row(&format!("seal/{n}"), Verdict::Same, 3, 3)).collect();
    let drawn = text(&gate(many), 100);
    assert!(drawn.lines().count() <= LINES && drawn.contains("all of them the same"), "{drawn}");
}

#[test]
fn words_from_a_file_cannot_move_the_cursor() {
    let mut found = gate(vec![Row { why: Some("\u{1b}[2J".into()), ..row("a\u{1b}[1m", Verdict::Unsure) }]);
    found.setup.set = "\u{1b}[3m".into();
    assert!(!text(&found, 80).contains('\u{1b}'));
}
