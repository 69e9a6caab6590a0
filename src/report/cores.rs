//! All cores beside one: how much of as many times the speed is there.

use super::number::{count, size, three};
use super::speed::time;
use super::table::{Cell, Table};
use crate::measure::Run;

/// One row for each workload on all cores whose single-core twin was measured too.
pub(super) fn table(run: &Run) -> Option<Table> {
    let columns = ["workload", "engine", "one core, GB/s", "all cores, GB/s", "times as fast", "efficiency"];
    let mut table = Table::new("cores", "All cores beside one", columns);
    table.columns[1].number = false;
    let cores = run.host.cores.max(1);
    for row in run.rows.iter().filter(|row| row.op.starts_with("parallel/")) {
        let alone = row.workload.trim_start_matches("parallel/");
        let one = run.rows.iter().find(|one| one.workload == alone && one.engine == row.engine);
        let (Some(all_ns), Some(one_ns)) = (time(row), one.and_then(time)) else { continue };
        let speed = |ns: f64| row.bytes as f64 / ns;
        let times = one_ns.median / all_ns.median;
        table.push(vec![
            Cell::new(format!(
                "{} {}, {}",
                row.op.trim_start_matches("parallel/"),
                row.algorithm,
                size(row.bytes)
            )),
            Cell::new(&row.engine),
            Cell::new(three(speed(one_ns.median))),
            Cell::new(three(speed(all_ns.median))),
            Cell::new(three(times)),
            Cell::new(format!("{:.0} %", 100.0 * times / cores as f64)),
        ]);
    }
    (!table.rows.is_empty()).then(|| {
        table.note(&format!(
            "Efficiency is of {} times as fast, one for each core that the system offers. Two of those may be threads \
             of one core, and a clock may fall when all cores work.",
            count(cores as u64)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn efficiency_is_of_as_many_times_as_there_are_cores() {
        let mut run = sample::run();
        assert!(table(&run).is_none());
        run.host.cores = 4;
        run.rows.push(sample::row("parallel/seal", "aes-256-gcm", 1024, "ring", &[100.0]));
        let one =
            run.rows.iter_mut().find(|row| row.workload == "seal/aes-256-gcm/1024" && row.engine == "ring");
        one.unwrap().ns = Some(crate::measure::Estimate { median: 300.0, low: 300.0, high: 300.0 });
        let found = table(&run).unwrap();
        let words: Vec<_> = found.rows[0].iter().skip(4).map(|cell| cell.text.as_str()).collect();
        assert_eq!(words, ["3.00", "75 %"]);
    }
}
