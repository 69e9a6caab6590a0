//! The end of a comparison: the result on the screen and in files, a baseline that is saved or refused, the
//! exit code.

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};

use super::{Args, Format};
use crate::cli::terminal::screen_width;
use crate::cli::{ExitStatus, STOP};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::{Gate, SCHEMA, WhenUnsure, baseline, history};
use crate::report::{self, plain};

/// Writes and prints the result.
pub(super) fn finish(args: &Args, mut gate: Gate) -> anyhow::Result<ExitStatus> {
    let saved = args.save.as_deref().map(|path| save(&mut gate, path, args.accept.as_deref()));
    if let Some(path) = &args.output {
        report::write(path, &gate)?;
    }
    if let Some(path) = &args.history {
        for line in history::append(path, &gate)? {
            eprintln!("note: {}: line {line} was cut short and stays as it is", path.display());
        }
    }
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&gate)?),
        Format::Markdown => print_line!("{}", report::gate::markdown(&gate).trim_end()),
        Format::Junit => print_line!("{}", report::gate::junit(&gate).trim_end()),
        Format::Text => print_line!("{}", report::gate::text(&gate, screen_width()).trim_end()),
    }
    let end = exit_of(&gate, STOP.load(Ordering::SeqCst));
    match saved.transpose()? {
        None => Ok(end),
        Some(None) => Ok(if gate.accepted.is_some() { ExitStatus::Fine } else { end }),
        Some(Some(refusal)) => {
            eprintln!("sealmark: {}", plain(&refusal.to_string()));
            Ok(if end == ExitStatus::Fine { ExitStatus::CouldNotTell } else { end })
        }
    }
}

/// Saves a baseline, or says why this result is none.
fn save(gate: &mut Gate, path: &Path, accept: Option<&str>) -> anyhow::Result<Option<baseline::Refusal>> {
    match baseline::admit(gate, accept) {
        Ok(()) => {
            report::write(path, gate)?;
            Ok(None)
        }
        Err(refusal @ baseline::Refusal::NoReason) => bail!(refusal),
        Err(refusal) => Ok(Some(refusal)),
    }
}

/// The exit code. Slower stays slower where the run was `stopped`; nothing else is certain then.
fn exit_of(gate: &Gate, stopped: bool) -> ExitStatus {
    let compared = !gate.rows.iter().any(|row| row.lacks_times());
    match (gate.verdict, gate.setup.unsure) {
        (Verdict::Slower, _) => ExitStatus::FoundSomething,
        (Verdict::Unsure, WhenUnsure::Fail) => ExitStatus::FoundSomething,
        (Verdict::Unsure, WhenUnsure::Pass) if compared && !stopped => ExitStatus::Fine,
        (Verdict::Unsure, _) => ExitStatus::CouldNotTell,
        (Verdict::Same | Verdict::Faster, _) => ExitStatus::Fine,
    }
}

/// Reads a stored run.
pub(super) fn read(path: &Path) -> anyhow::Result<Gate> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{name}: not JSON"))?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        other => bail!(
            "{name}: not a baseline: its schema is {}, not {SCHEMA} (write one with `sealmark gate --save`)",
            plain(other.unwrap_or("absent"))
        ),
    }
    serde_json::from_value(value).with_context(|| format!("{name}: does not match the schema {SCHEMA}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::{Ratio, Row};

    fn gate(verdict: Verdict, timed: bool, unsure: WhenUnsure) -> Gate {
        let mut row = Row::open("seal/aes-256-gcm/16", "sealmark", 0.005);
        row.verdict = verdict;
        row.ratio = timed.then_some(Ratio { estimate: 1.0, low: 0.9, high: Some(1.1) });
        let mut gate = Gate::of(vec![row], Vec::new(), Vec::new());
        gate.setup.unsure = unsure;
        gate
    }

    #[test]
    fn each_verdict_has_its_exit_code() {
        use ExitStatus::{CouldNotTell, Fine, FoundSomething};
        use WhenUnsure::{Fail, Open, Pass};
        for (verdict, timed, unsure, stopped, expected) in [
            (Verdict::Same, false, Open, false, Fine),
            (Verdict::Faster, true, Fail, false, Fine),
            (Verdict::Slower, true, Open, false, FoundSomething),
            (Verdict::Slower, true, Pass, true, FoundSomething),
            (Verdict::Unsure, true, Open, false, CouldNotTell),
            (Verdict::Unsure, true, Pass, false, Fine),
            (Verdict::Unsure, true, Pass, true, CouldNotTell),
            (Verdict::Unsure, false, Pass, false, CouldNotTell),
            (Verdict::Unsure, true, Fail, false, FoundSomething),
            (Verdict::Unsure, false, Fail, true, FoundSomething),
        ] {
            let found = exit_of(&gate(verdict, timed, unsure), stopped);
            assert_eq!(found, expected, "{verdict:?} timed {timed} {unsure:?} stopped {stopped}");
        }
        let nothing = Gate::of(Vec::new(), Vec::new(), Vec::new());
        assert_eq!(exit_of(&nothing, false), CouldNotTell);
    }

    #[test]
    fn a_file_that_is_no_baseline_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.json");
        let why = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", read(&path).unwrap_err())
        };
        assert!(why("{").contains("b.json: not JSON"));
        let foreign = why("{\"schema\":\"sealmark.bench/1\"}");
        assert!(foreign.contains("b.json: not a baseline: its schema is sealmark.bench/1"), "{foreign}");
        let torn = why("{\"schema\":\"sealmark.gate/1\"}");
        assert!(torn.contains("does not match the schema sealmark.gate/1: missing field"), "{torn}");
        let stored = gate(Verdict::Same, true, WhenUnsure::Open);
        report::write(&path, &stored).unwrap();
        assert_eq!(read(&path).unwrap(), stored);
        assert!(format!("{:#}", read(&dir.path().join("none")).unwrap_err()).contains("reading "));
    }

    #[test]
    fn a_refused_baseline_leaves_the_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.json");
        std::fs::write(&path, "old").unwrap();
        let mut bad = gate(Verdict::Slower, true, WhenUnsure::Open);
        let refusal = save(&mut bad, &path, None).unwrap().expect("refused");
        assert!(refusal.to_string().contains("no stream of instructions"), "{refusal}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let why = save(&mut bad, &path, Some("")).unwrap_err().to_string();
        assert_eq!(why, "--accept needs a reason");
    }
}
