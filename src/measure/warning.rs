//! What a run's own figures say against it: a machine too noisy, a clock that moved, a thread that was not
//! kept on its core, a variable that changes what an engine executes. Each warning is one line: what was seen
//! and what it spoils. `sealmark bench --help` says what to do about them.

use crate::host::environment;
use crate::measure::{Row, Run};

/// The share of rows that may have noisy intervals.
const EXCUSED: f64 = 0.10;
/// The largest error of the clock, as a fraction of a pass. Passes are sized for half of that.
const COARSE: f64 = 0.02;
/// How far apart the lowest and the highest clock of a run may be.
const DRIFT: f64 = 0.05;

/// The warnings of a run; none for a quiet machine.
pub fn warnings(run: &Run) -> Vec<String> {
    let mut found = Vec::new();
    let timed: Vec<&Row> = run.rows.iter().filter(|row| row.ns.is_some() && row.error.is_none()).collect();
    let wide = |row: &&&Row| row.ns.is_some_and(|ns| (ns.high - ns.low) / ns.median > run.within);
    let count = timed.iter().filter(wide).count();
    if count as f64 > EXCUSED * timed.len() as f64 {
        found.push(format!(
            "noisy machine: {count} of {} intervals are wider than {:.0} %: trust ratios, not times.",
            timed.len(),
            100.0 * run.within,
        ));
    }
    if let Some([low, high]) = run.clock.as_ref().and_then(|clock| clock.ghz)
        && high / low > 1.0 + DRIFT
    {
        found.push(format!(
            "the clock moved ({low:.2} to {high:.2} GHz): trust cycles and ratios, not times."
        ));
    }
    let lost: Vec<&Row> = timed.iter().copied().filter(|row| !row.lost.is_empty()).collect();
    if let Some(worst) = lost.iter().max_by_key(|row| row.lost.len()) {
        found.push(format!(
            "{} rows lost processes: {} on {} has {} of {} ({}).",
            lost.len(),
            worst.workload,
            worst.engine,
            worst.processes,
            worst.processes as usize + worst.lost.len(),
            worst.lost[0],
        ));
    }
    let coarse = timed.iter().filter_map(|row| Some((row.clock_error?, row)));
    if let Some((error, row)) = coarse.clone().max_by(|(a, _), (b, _)| a.total_cmp(b))
        && error > COARSE
    {
        found.push(format!(
            "{} rows are short for this clock: {} on {} may be off by {:.1} %.",
            coarse.count(),
            row.workload,
            row.engine,
            100.0 * error,
        ));
    }
    if let Some(clock) = run.clock.as_ref().filter(|clock| clock.pinning.starts_with("not pinned")) {
        found.push(format!("the measuring thread was {}, so it may have changed cores.", clock.pinning));
    }
    let able = run.engines.iter().filter(|engine| engine.unavailable.is_none());
    found.extend(environment::warnings(
        able.map(|engine| (engine.name.as_str(), engine.environment.as_slice())),
    ));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::measure::{ClockInfo, Plan, Suite, run};
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    fn of_nonces() -> Run {
        let budget = Duration::from_millis(1);
        let engines = vec![find("sealmark").unwrap()];
        let plan =
            Plan { filter: Some("nonce".into()), processes: 0, budget, ..Plan::new(Suite::Quick, engines) };
        run(&plan, &AtomicBool::new(false), &mut |_| {}).unwrap()
    }

    #[test]
    fn a_quiet_run_has_no_warning_and_each_trouble_has_its_own() {
        let mut run = of_nonces();
        run.rows.retain(|row| row.ns.is_some());
        assert!(!run.rows.is_empty());
        let clock = |ghz, pinning: &str| ClockInfo {
            grain_ns: 1.0,
            overhead_ns: 1.0,
            pinning: pinning.into(),
            rounds: 11,
            target_ns: 1.0,
            ghz: Some(ghz),
        };
        run.clock = Some(clock([3.0, 3.1], "pinned to core 1"));
        let spread = |run: &mut Run, by: f64| {
            for ns in run.rows.iter_mut().filter_map(|row| row.ns.as_mut()) {
                (ns.low, ns.high) = (ns.median, ns.median * (1.0 + by));
            }
        };
        spread(&mut run, 0.01);
        assert_eq!(warnings(&run), Vec::<String>::new());
        spread(&mut run, 0.5);
        assert!(warnings(&run)[0].contains("noisy machine"));
        run.within = 0.6;
        assert_eq!(warnings(&run), Vec::<String>::new(), "as wide as was asked for");
        let row = run.rows.last_mut().unwrap();
        row.lost.push("it was killed".into());
        assert!(warnings(&run)[0].contains("(it was killed)"));
        run.rows.last_mut().unwrap().lost.clear();
        run.rows.last_mut().unwrap().clock_error = Some(0.015);
        assert_eq!(warnings(&run), Vec::<String>::new(), "noise of the first passes, which set the length");
        run.rows.last_mut().unwrap().clock_error = Some(0.25);
        assert!(warnings(&run)[0].contains("25.0 %"));
        run.rows.last_mut().unwrap().clock_error = None;
        run.clock = Some(clock([2.0, 3.1], "not pinned: the system has no such call"));
        let words = warnings(&run).join("\n");
        assert!(words.contains("2.00 to 3.10 GHz") && words.contains("not pinned"), "{words}");
    }
}
