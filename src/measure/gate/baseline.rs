//! Stored runs: which result may become a baseline, and whether a program still executes the same.
//!
//! A baseline holds digests and counts of streams of instructions, which are exact on the machine and with
//! the compiler that made them. It also holds times, which are not: those are shown and never judged. So a
//! comparison with a baseline says `same` or `unsure`, and never `slower`.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::host::{Build, Host};
use crate::measure::Error;
use crate::measure::gate::exact::{self, Streams};
use crate::measure::gate::result::{Gate, Row, Stored};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::run::{self, Step, Subject};

/// Why a result cannot be a baseline, or a baseline cannot be compared with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A row is slower, undecided, or without a digest.
    #[error("this run cannot be a baseline: {rows}; fix that, or give a reason with --accept")]
    Undecided {
        /// Which rows, and why.
        rows: String,
    },
    /// The reason to accept it is empty.
    #[error("--accept needs a reason")]
    NoReason,
    /// There is no digest at all.
    #[error("this run cannot be a baseline: it holds no stream of instructions ({why})")]
    NotTraced {
        /// Why not.
        why: String,
    },
    /// It was recorded on another machine.
    #[error(
        "the baseline is of another machine, {theirs}, and this is {ours}: instructions differ between \
         machines, so save a baseline of each"
    )]
    Machine {
        /// Its CPU and fingerprint.
        theirs: String,
        /// Those of this machine.
        ours: String,
    },
    /// It was recorded with another compiler or with other flags.
    #[error("the baseline was built with {theirs:?}, and this program with {ours:?}: save it again")]
    Compiler {
        /// Its compiler, profile and flags.
        theirs: String,
        /// Those of this program.
        ours: String,
    },
}

/// Makes a result a baseline.
///
/// # Errors
/// [`Refusal`]; a reason to accept it overrides [`Refusal::Undecided`] and is recorded.
pub fn admit(gate: &mut Gate, accept: Option<&str>) -> Result<(), Refusal> {
    let reason = accept.map(str::trim);
    if reason == Some("") {
        return Err(Refusal::NoReason);
    }
    if gate.rows.iter().all(|row| row.digests.is_none()) {
        let of_rows = || gate.rows.iter().find_map(|row| row.why.clone());
        let why = gate.not_traced.clone().or_else(of_rows);
        return Err(Refusal::NotTraced { why: why.unwrap_or_else(|| "nothing was traced".into()) });
    }
    let mut against: Vec<String> = gate.rows.iter().filter_map(objection).collect();
    if against.is_empty() && matches!(gate.verdict, Verdict::Slower | Verdict::Unsure) {
        against.push("the base did not agree with itself".into());
    }
    match (against.as_slice(), reason) {
        ([], _) => Ok(()),
        (_, Some(reason)) => {
            gate.accepted = Some(reason.to_owned());
            Ok(())
        }
        (_, None) => Err(Refusal::Undecided { rows: shortened(&against) }),
    }
}

/// Why a row keeps a result from being a baseline.
fn objection(row: &Row) -> Option<String> {
    let name = format!("{} on {}", row.workload, row.engine);
    match (row.verdict, &row.digests) {
        (Verdict::Slower, _) => Some(format!("{name} is slower")),
        (Verdict::Unsure, _) => Some(format!("{name} is unsure")),
        (_, None) => Some(format!("{name} was not traced")),
        (Verdict::Same | Verdict::Faster, Some(_)) => None,
    }
}

/// The first few, and how many more.
fn shortened(words: &[String]) -> String {
    const SHOWN: usize = 4;
    let more = words.len().saturating_sub(SHOWN);
    let shown = words[..words.len().min(SHOWN)].join(", ");
    if more == 0 { shown } else { format!("{shown}, and {more} more") }
}

/// Whether a program that was built like that, on that machine, may be compared with a baseline.
///
/// # Errors
/// [`Refusal::Machine`], [`Refusal::Compiler`].
pub fn fits(stored: &Gate, host: &Host, build: &str) -> Result<(), Refusal> {
    let named = |host: &Host| format!("{} ({})", host.cpu, host.fingerprint);
    if stored.host.fingerprint != host.fingerprint {
        return Err(Refusal::Machine { theirs: named(&stored.host), ours: named(host) });
    }
    if stored.build != build {
        return Err(Refusal::Compiler { theirs: stored.build.clone(), ours: build.to_owned() });
    }
    Ok(())
}

/// Compares a program with a baseline of this machine and compiler. `set` names the choice of `subjects`.
///
/// # Errors
/// [`Error::Worker`] where the program cannot be opened.
pub fn compare(
    (file, stored): (&str, &Gate),
    subjects: &[Subject],
    set: &str,
    head: &Path,
    stop: &AtomicBool,
    show: &mut (dyn FnMut(Step) + Send),
) -> Result<Gate, Error> {
    let (began, build) = (Instant::now(), Build::open(head)?);
    let mut rows: Vec<Row> = subjects
        .iter()
        .map(|subject| Row::open(&subject.workload.path, subject.engine.name(), subject.margin))
        .collect();
    let of = |workload: &str, engine: &str| {
        stored.rows.iter().find(|row| row.workload == workload && row.engine == engine)
    };
    let against = |subject: &Subject| {
        let row = of(&subject.workload.path, subject.engine.name());
        let Some((digests, counts, size)) = row.and_then(exact_part) else {
            let why = match row {
                None => "the baseline has no such row: save it again",
                Some(_) => "the baseline has no digest of it",
            };
            return Ok(Streams { why: Some(why.into()), ..Streams::default() });
        };
        exact::against((digests, counts), size, &build, &subject.workload, subject.engine)
    };
    let not_traced = run::trace(subjects, &against, &mut rows, stop, show);
    run::note_times(subjects, &build, &mut rows, stop);
    for row in &mut rows {
        let then = of(&row.workload, &row.engine).and_then(|stored| stored.ns);
        if let (Some(now), Some(then)) = (&mut row.ns, then) {
            now.base = Some(then.head);
        }
        if row.changed == Some(true) {
            row.why =
                Some("it executes other instructions than the baseline, whose times are not judged".into());
        }
    }
    let is_compared =
        |old: &&Row| rows.iter().any(|row| row.workload == old.workload && row.engine == old.engine);
    let gone = stored.rows.iter().filter(|row| stored.setup.set == set && !is_compared(row));
    let left_out = gone.map(|row| format!("{} on {}: only the baseline has it", row.workload, row.engine));
    let left_out = left_out.collect();
    let mut gate = Gate {
        not_traced,
        seconds: began.elapsed().as_secs_f64(),
        ..Gate::of(rows, vec![file.to_owned()], vec![head.display().to_string()])
    };
    gate.setup.left_out = left_out;
    let (started, accepted) = (stored.started.clone(), stored.accepted.clone());
    gate.setup.baseline = Some(Stored { file: file.to_owned(), started, accepted });
    Ok(gate)
}

/// The digest, the count and the size of a stored row.
fn exact_part(row: &Row) -> Option<(&str, u64, crate::measure::trace::Size)> {
    Some((row.digests.as_ref()?.head.as_str(), row.instructions?.head, row.traced?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::exact::{Counts, Digests};
    use crate::measure::gate::rule::NullPairs;

    fn row(workload: &str, verdict: Verdict) -> Row {
        let mut row = Row::open(workload, "sealmark", 0.005);
        row.verdict = verdict;
        row.instructions = Some(Counts { base: 10, head: 12 });
        row.digests = Some(Digests { base: "a".into(), head: "b".into() });
        row
    }

    fn gate(rows: Vec<Row>) -> Gate {
        Gate::of(rows, Vec::new(), Vec::new())
    }

    #[test]
    fn a_slower_or_undecided_run_becomes_a_baseline_only_with_a_reason_that_it_records() {
        let mut good = gate(vec![row("a", Verdict::Same), row("b", Verdict::Faster)]);
        assert_eq!(admit(&mut good, None), Ok(()));
        assert_eq!(admit(&mut good, Some("no need")), Ok(()));
        assert_eq!(good.accepted, None, "nothing had to be accepted");
        for (verdict, word) in [(Verdict::Slower, "slower"), (Verdict::Unsure, "unsure")] {
            let mut bad = gate(vec![row("a", Verdict::Same), row("b", verdict)]);
            let rows = format!("b on sealmark is {word}");
            let refusal = admit(&mut bad, None).unwrap_err();
            assert_eq!(refusal, Refusal::Undecided { rows: rows.clone() });
            assert!(
                refusal.to_string().contains(&format!("{rows}; fix that, or give a reason with --accept"))
            );
            assert_eq!(admit(&mut bad, Some(" ")), Err(Refusal::NoReason));
            assert_eq!(bad.accepted, None);
            assert_eq!(admit(&mut bad, Some("constant-time tag compare")), Ok(()));
            assert_eq!(bad.accepted.as_deref(), Some("constant-time tag compare"));
        }
        let many = (0..9).map(|i| row(&i.to_string(), Verdict::Slower)).collect();
        let refusal = admit(&mut gate(many), None).unwrap_err().to_string();
        assert!(refusal.contains("3 on sealmark is slower, and 5 more;"), "{refusal}");
    }

    #[test]
    fn a_base_that_differs_from_itself_makes_no_baseline() {
        let unfair = NullPairs::of(&[0.1; 20]);
        let mut doubted = gate(vec![row("a", Verdict::Same)]);
        doubted.verdict = Gate::overall(&doubted.rows, Some(&unfair));
        let rows = "the base did not agree with itself".into();
        assert_eq!(admit(&mut doubted, None), Err(Refusal::Undecided { rows }));
    }

    #[test]
    fn a_run_without_digests_makes_no_baseline_whatever_the_reason() {
        let mut blind = gate(vec![Row { digests: None, ..row("a", Verdict::Same) }]);
        blind.not_traced = Some("seccomp".into());
        let refused = Err(Refusal::NotTraced { why: "seccomp".into() });
        assert_eq!(admit(&mut blind, Some("please")), refused);
        let mut half = gate(vec![row("a", Verdict::Same), Row { digests: None, ..row("b", Verdict::Same) }]);
        let rows = "b on sealmark was not traced".into();
        assert_eq!(admit(&mut half, None), Err(Refusal::Undecided { rows }));
        assert_eq!(
            admit(&mut gate(Vec::new()), None).unwrap_err().to_string(),
            "this run cannot be a \
                   baseline: it holds no stream of instructions (nothing was traced)"
        );
    }

    #[test]
    fn another_machine_or_compiler_is_named() {
        let stored = gate(vec![row("a", Verdict::Same)]);
        let (host, build) = (stored.host.clone(), stored.build.clone());
        assert_eq!(fits(&stored, &host, &build), Ok(()));
        let other = Host { fingerprint: "0123456789abcdef".into(), cpu: "abacus".into(), ..host.clone() };
        let refusal = fits(&stored, &other, &build).unwrap_err().to_string();
        assert!(refusal.contains("this is abacus (0123456789abcdef)"), "{refusal}");
        let refusal = fits(&stored, &host, "rustc 0.1").unwrap_err().to_string();
        assert!(refusal.contains(&build) && refusal.contains("this program with \"rustc 0.1\""), "{refusal}");
    }
}
