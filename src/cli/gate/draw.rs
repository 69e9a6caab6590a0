//! What a campaign of the gate showed: tables, power curve and runs, on the terminal, in a folder and between
//! the markers of a page.

use std::path::Path;

use anyhow::{Context, bail};

use crate::cli::{ExitStatus, width};
use crate::host::Host;
use crate::measure::gate::calibrate::characteristic::{Case, characteristic};
use crate::measure::gate::calibrate::criterion;
use crate::measure::gate::calibrate::kind::{KINDS, Kind, Margins, Wanted};
use crate::measure::gate::calibrate::line::{Entry, Line};
use crate::report::gate::calibration;
use crate::report::{self, markers, splice, write_text};

/// Simulated runs of each kind. Each ranks the link orders of every workload, so a thousand take minutes.
const SIMULATED: usize = 200;

/// Prints what the lines of the bank in `folder` show. Also writes it to the folder of this machine in
/// `reports`, and between the markers of `page`.
pub(super) fn draw(
    folder: &Path,
    lines: &[Line],
    margins: Margins,
    reports: Option<&Path>,
    page: Option<&Path>,
) -> anyhow::Result<ExitStatus> {
    let criterion = criterion::read(folder)?;
    let Some(found) = characteristic(lines, SIMULATED, margins) else {
        eprintln!("sealmark: nothing is recorded in {}", folder.display());
        return Ok(ExitStatus::CouldNotTell);
    };
    let tables = calibration::tables(&found, criterion);
    for table in &tables {
        print_line!("{}", report::text::table(table, width()));
    }
    if let Some(reports) = reports {
        let host = Host::detect();
        let host = if host.fingerprint == found.origin.host {
            format!("{} ({})", host.cpu, host.fingerprint)
        } else {
            found.origin.host.clone()
        };
        let place = reports.join(&found.origin.host);
        let mut command = format!(
            "sealmark gate --calibrate {} --pairs 0 --runs 0 --reports {}",
            folder.display(),
            reports.display()
        );
        if let Some(page) = page {
            command += &format!(" --splice {}", page.display());
        }
        let by = format!(
            "On {host}, from {} to {}, by the program {}; put here by `{command}`.",
            day(&found.when[0]),
            day(&found.when[1]),
            found.origin.driver
        );
        let mut parts: Vec<(String, String)> = tables
            .iter()
            .map(|table| (table.id.clone(), format!("{}\n{by}", report::markdown(table))))
            .collect();
        let mut all = String::new();
        for (table, (_, text)) in tables.iter().zip(&parts) {
            all += &format!("## {}\n\n{text}\n\n", table.title);
        }
        write_text(&place.join("report.md"), &format!("# How good the gate is\n\n{}\n", all.trim_end()))?;
        write_text(&place.join("runs.jsonl"), &runs(lines)?)?;
        if let Some(picture) = calibration::picture(&found, &host) {
            let path = place.join("power.svg");
            write_text(&path, &picture)?;
            if let Some(page) = page {
                let link =
                    format!("![slowdowns that the gate finds, on {host}]({})", report::link(page, &path));
                parts.push(("picture-gate-power".to_owned(), link));
            }
        }
        if let Some(page) = page {
            put(page, &parts)?;
        }
        print_line!("{}", place.display());
    }
    Ok(end_of(&found.cases))
}

/// Every run, as the bank has it. The pairs are too many to be kept with the sources.
fn runs(lines: &[Line]) -> anyhow::Result<String> {
    let mut text = String::new();
    for line in lines.iter().filter(|line| matches!(line.entry, Entry::Run(_))) {
        text += &serde_json::to_string(line)?;
        text.push('\n');
    }
    Ok(text)
}

/// The day of a time.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// Puts parts between the markers of a page.
fn put(page: &Path, parts: &[(String, String)]) -> anyhow::Result<()> {
    let mut text = std::fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
    let there: Vec<String> = markers(&text).into_iter().map(str::to_owned).collect();
    let mut put = 0;
    for (marker, part) in parts.iter().filter(|(marker, _)| there.contains(marker)) {
        text = splice(&text, marker, part)?;
        put += 1;
    }
    if put == 0 {
        let names: Vec<&str> = parts.iter().map(|(marker, _)| marker.as_str()).collect();
        bail!("{} has no marker <!-- sealmark:NAME --> of these: {}", page.display(), names.join(", "));
    }
    write_text(page, &text)?;
    print_line!("{}: {put} parts replaced", page.display());
    Ok(())
}

/// Whether every target is met: one that is missed is a finding, and one with too few runs leaves it open.
fn end_of(cases: &[Case]) -> ExitStatus {
    let asked = |kind: &Kind| kind.wanted != Wanted::Reported;
    let meets = |kind: Kind| cases.iter().find(|case| case.kind == kind).and_then(Case::meets);
    let all: Vec<Option<bool>> = KINDS.into_iter().filter(asked).map(meets).collect();
    if all.contains(&Some(false)) {
        ExitStatus::FoundSomething
    } else if all.contains(&None) {
        ExitStatus::CouldNotTell
    } else {
        ExitStatus::Fine
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::calibrate::origin;
    use super::*;
    use crate::measure::gate::calibrate::bank::Bank;
    use crate::measure::gate::calibrate::proportion::Share;

    #[test]
    fn a_missed_target_is_a_finding_and_a_short_campaign_leaves_it_open() {
        let case = |name: &str, hits: u64, of: u64| {
            let kind = Kind::named(name).unwrap();
            let share = Share { hits, of };
            let [wrong, found] = if kind.is_planted() { [Share::default(), share] } else { [share; 2] };
            let unsure = Share::default();
            Case { kind, wrong, found, unsure, unfair: 0, seconds: None, effect: None, estimate: None }
        };
        let mut cases = vec![
            case("same", 1, 370),
            case("orders", 0, 150),
            case("planted-1", 70, 75),
            case("planted-2", 150, 150),
        ];
        assert_eq!(end_of(&cases), ExitStatus::Fine);
        cases[3] = case("planted-2", 100, 149);
        assert_eq!(end_of(&cases), ExitStatus::CouldNotTell);
        cases[0] = case("same", 2, 370);
        assert_eq!(end_of(&cases), ExitStatus::FoundSomething);
        assert_eq!(end_of(&[]), ExitStatus::CouldNotTell);
    }

    #[test]
    fn parts_are_put_between_their_markers_and_a_page_without_any_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.md");
        let parts =
            [("gate-false".to_owned(), "| new |".to_owned()), ("gate-power".to_owned(), "x".to_owned())];
        std::fs::write(&page, "a\n<!-- sealmark:gate-false -->\nold\n<!-- /sealmark:gate-false -->\nb\n")
            .unwrap();
        put(&page, &parts).unwrap();
        let text = std::fs::read_to_string(&page).unwrap();
        assert_eq!(text, "a\n<!-- sealmark:gate-false -->\n| new |\n<!-- /sealmark:gate-false -->\nb\n");
        std::fs::write(&page, "nothing").unwrap();
        let error = put(&page, &parts).unwrap_err().to_string();
        assert!(error.ends_with("of these: gate-false, gate-power"), "{error}");
    }

    #[test]
    fn only_runs_are_kept_with_the_sources() {
        let folder = tempfile::tempdir().unwrap();
        let mut bank = Bank::open(folder.path(), origin(&[], "a set".into()).unwrap()).unwrap();
        let pair = crate::measure::gate::calibrate::line::Pair { base: 0, head: 0, logs: BTreeMap::new() };
        bank.push(KINDS[0], "then".into(), Entry::Pair(pair)).unwrap();
        assert_eq!(runs(bank.lines()).unwrap(), "");
    }
}
