//! `sealmark gate --self-check`: slowdowns planted in this program, and whether the gate finds them.

use anyhow::bail;

use super::{Args, Format, with_progress};
use crate::cli::{ExitStatus, STOP, width};
use crate::measure::gate::config::Chosen;
use crate::measure::gate::self_check::{PLANTED, SelfCheck, Sight, self_check};
use crate::measure::gate::{self, Plan};
use crate::report::{self, Cell, Mark, Table, text};

pub(super) fn run(args: &Args, chosen: Chosen) -> anyhow::Result<ExitStatus> {
    if matches!(args.format, Format::Markdown | Format::Junit) {
        bail!("--self-check prints text or JSON: leave --format out, or give --format json");
    }
    let programs = if args.head.is_empty() { vec![std::env::current_exe()?] } else { args.head.clone() };
    let plan = |planted: f64| Plan {
        base: programs.clone(),
        head: programs.clone(),
        subjects: chosen.subjects.clone(),
        all: true,
        keep: false,
        budget: args.budget(),
        seed: args.seed,
        plant: Some(planted),
    };
    let check =
        with_progress(|show| self_check(&mut |planted| gate::run(&plan(planted), &STOP, &mut *show)))?;
    if let Some(path) = &args.output {
        report::write(path, &check)?;
    }
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&check)?),
        _ => {
            print_line!("{}", text::table(&table(&check), width()).trim_end());
            for words in &chosen.left_out {
                print_line!("Left out: {words}");
            }
            print_line!("{}", sentence(&check));
        }
    }
    Ok(exit_of(&check))
}

fn exit_of(check: &SelfCheck) -> ExitStatus {
    match check.blind().next() {
        None if check.rows.is_empty() => ExitStatus::CouldNotTell,
        None => ExitStatus::Fine,
        Some(_) if check.is_blind() => ExitStatus::FoundSomething,
        Some(_) => ExitStatus::CouldNotTell,
    }
}

/// What was found, and the workloads in which it was not.
fn sentence(check: &SelfCheck) -> String {
    let mut blind: Vec<String> =
        check.blind().map(|row| format!("{} on {}", row.workload, row.engine)).collect();
    blind.dedup();
    let all = check.rows.len() / PLANTED.len();
    if blind.is_empty() {
        return format!("The gate finds slowdowns of 2 % and 5 % in each of {all} rows.");
    }
    let early = if check.ended_early { " It was stopped, or spent its budget." } else { "" };
    format!("The gate does not find every planted slowdown in: {}.{early}", report::plain(&blind.join(", ")))
}

/// One row for each workload and engine, one column for each planted slowdown.
fn table(check: &SelfCheck) -> Table {
    let columns = PLANTED.iter().map(|planted| format!("planted {:.0} %", 100.0 * planted));
    let columns: Vec<String> = ["row".to_owned()].into_iter().chain(columns).collect();
    let mut table = Table::new("self-check", "Planted slowdowns, and what the gate measured", columns);
    let first = check.rows.iter().filter(|row| row.planted == PLANTED[0]);
    for Sight { workload, engine, .. } in first {
        let cell = |planted: &f64| {
            let is =
                |row: &&Sight| row.workload == *workload && row.engine == *engine && row.planted == *planted;
            check.rows.iter().find(is).map_or_else(Cell::error, seen)
        };
        let name = Cell::new(format!("{workload} on {engine}"));
        table.push(std::iter::once(name).chain(PLANTED.iter().map(cell)).collect());
    }
    table
}

fn seen(row: &Sight) -> Cell {
    match (&row.ratio, &row.why) {
        (Some(ratio), _) => {
            let measured = format!("{:+.1} %", 100.0 * (ratio.estimate - 1.0));
            if row.found {
                Cell::new(measured)
            } else {
                Cell::new(format!("not found: {measured}")).mark(Mark::Bad)
            }
        }
        (None, why) => Cell::new(why.as_deref().unwrap_or("not measured")).mark(Mark::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::rule::Verdict;
    use crate::measure::gate::{Gate, Ratio, Row};

    fn check(verdicts: [Verdict; 2], ended_early: bool) -> SelfCheck {
        let gate = |planted: f64| {
            let rows = ["a", "b"].into_iter().zip(verdicts).map(|(name, verdict)| {
                let ratio = Ratio { estimate: 1.0 + planted, low: 1.0, high: Some(1.1) };
                Row { verdict, ratio: Some(ratio), ..Row::open(name, "e", 0.0075) }
            });
            Ok(Gate { ended_early, ..Gate::of(rows.collect(), Vec::new(), Vec::new()) })
        };
        self_check(&mut { gate }).unwrap()
    }

    #[test]
    fn the_exit_code_and_the_words_name_the_workload_that_sees_nothing() {
        let all = check([Verdict::Slower, Verdict::Slower], false);
        assert_eq!(exit_of(&all), ExitStatus::Fine);
        assert_eq!(sentence(&all), "The gate finds slowdowns of 2 % and 5 % in each of 2 rows.");
        let half = check([Verdict::Slower, Verdict::Same], false);
        assert_eq!(exit_of(&half), ExitStatus::FoundSomething);
        assert_eq!(sentence(&half), "The gate does not find every planted slowdown in: b on e.");
        let drawn = text::table(&table(&half), 100);
        assert!(drawn.contains("+2.0 %") && drawn.contains("not found: +5.0 %"), "{drawn}");
        assert_eq!(exit_of(&check([Verdict::Slower, Verdict::Unsure], false)), ExitStatus::FoundSomething);
        let early = check([Verdict::Slower, Verdict::Unsure], true);
        assert_eq!(exit_of(&early), ExitStatus::CouldNotTell);
        assert!(sentence(&early).ends_with("It was stopped, or spent its budget."));
        let empty = SelfCheck { rows: Vec::new(), ..early };
        assert_eq!(exit_of(&empty), ExitStatus::CouldNotTell);
    }
}
