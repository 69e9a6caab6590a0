//! Curves: one operation over several message sizes, in GB/s or in percent of what the CPU can do; or a latency in
//! nanoseconds, which is drawn only as such a percentage.
//!
//! Speeds are computed here from the nanoseconds, so a speed and its interval always fit together. Not here: drawing
//! them, which is `svg`.

use super::number::{count, size, slug, three};
use super::speed::{distinct, engines_of, processes, steered, time};
use super::table::{Cell, Mark, Table};
use crate::measure::roofline::By;
use crate::measure::{Estimate, Row, Run};

/// One operation of one algorithm over several message sizes.
#[derive(Clone, Debug)]
pub(super) struct Curve<'a> {
    /// `seal`, `open`, `latency/seal`.
    pub op: &'a str,
    /// `aes-256-gcm`.
    pub algorithm: &'a str,
    /// Sizes, ascending.
    pub sizes: Vec<u64>,
    /// Engines, in the order of the run.
    pub engines: Vec<&'a str>,
    /// What is drawn of it.
    pub unit: Unit,
    rows: Vec<&'a Row>,
}

/// What a curve shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// Decimal gigabytes of message a second.
    Throughput,
    /// The least that the CPU allows in percent of what was measured.
    Limit,
}

impl Unit {
    /// As an axis says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "GB/s",
            Self::Limit => "%",
        }
    }
}

/// A speed in GB/s and its interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Speed {
    /// At the median.
    pub median: f64,
    /// At the slow end.
    pub low: f64,
    /// At the quick end.
    pub high: f64,
}

impl<'a> Curve<'a> {
    fn row(&self, engine: &str, bytes: u64) -> Option<&Row> {
        self.rows.iter().find(|row| row.engine == engine && row.bytes == bytes).copied()
    }

    /// What is drawn of an engine at a size; none without a time, or without a limit.
    pub fn value(&self, engine: &str, bytes: u64) -> Option<Speed> {
        match self.unit {
            Unit::Throughput => self.speed(engine, bytes),
            Unit::Limit => percent(self.row(engine, bytes)?),
        }
    }

    /// The same in percent of the CPU's limit, where that is known.
    pub fn of_limit(&self) -> Option<Curve<'a>> {
        let known = self.rows.iter().any(|row| percent(row).is_some());
        known.then(|| Curve { unit: Unit::Limit, ..self.clone() })
    }

    /// The speed of an engine at a size; none without a time.
    pub fn speed(&self, engine: &str, bytes: u64) -> Option<Speed> {
        let ns = time(self.row(engine, bytes)?)?;
        let bytes = bytes as f64;
        Some(Speed { median: bytes / ns.median, low: bytes / ns.high, high: bytes / ns.low })
    }

    /// What tables and pictures of it are found by: `seal-aes-256-gcm`, `latency-seal-aes-256-gcm`.
    pub fn id(&self) -> String {
        let prefix = if self.unit == Unit::Limit { "limit-" } else { "" };
        slug(&format!("{prefix}{}-{}", self.op, self.algorithm))
    }

    /// The name as a heading: `Seal, aes-256-gcm`.
    pub fn title(&self) -> String {
        let words = operation(self.op);
        let mut letters = words.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        let unit = if self.unit == Unit::Limit { ": percent of this CPU's limit" } else { "" };
        format!("{first}{}, {}{unit}", letters.as_str(), self.algorithm)
    }

    /// Whether it is of calls that wait for each other, so that its times say nothing of GB/s.
    pub fn is_latency(&self) -> bool {
        self.rows.iter().any(|row| row.is_latency())
    }

    /// ` A time is ...`: what a reader must know of batches; nothing where there are none.
    fn batches(&self) -> String {
        let sizes = || self.rows.iter().filter_map(|row| row.batch);
        let messages = match (sizes().min(), sizes().max()) {
            (Some(low), Some(high)) if low < high => format!("{} to {}", count(low), count(high)),
            (Some(n), _) => count(n),
            (None, _) => return String::new(),
        };
        format!(
            " {messages} messages go to the engine at once; a time is that of one of them, with its share of making \
             the list."
        )
    }

    /// The engine quickest at a size, its speed, and the engines whose intervals reach its own.
    pub fn fastest(&self, bytes: u64) -> Option<(&str, f64, Vec<&str>)> {
        let mut timed: Vec<_> =
            self.engines.iter().filter_map(|e| Some((*e, self.speed(e, bytes)?))).collect();
        timed.sort_by(|a, b| b.1.median.total_cmp(&a.1.median));
        let (engine, best) = *timed.first()?;
        let near = timed[1..].iter().filter(|(_, speed)| speed.high >= best.low);
        Some((engine, best.median, near.map(|(engine, _)| *engine).collect()))
    }

    /// The quickest engine at a size where its interval stands clear of all others, of which there is one.
    fn clear(&self, bytes: u64) -> Option<&str> {
        let timed = self.engines.iter().filter(|e| self.speed(e, bytes).is_some()).count();
        self.fastest(bytes).filter(|(_, _, near)| timed > 1 && near.is_empty()).map(|(engine, ..)| engine)
    }
}

/// The bound's cycles in percent of the measured ones.
fn percent(row: &Row) -> Option<Speed> {
    time(row)?;
    let (limit, cycles) = (row.limit.as_ref()?, row.cycles?);
    let of = |cycles: f64| 100.0 * limit.bound.cycles / cycles;
    let usable = [cycles.median, cycles.low, cycles.high].into_iter().all(|x| x.is_finite() && x > 0.0);
    usable.then(|| Speed { median: of(cycles.median), low: of(cycles.high), high: of(cycles.low) })
}

/// Whether a row is of the operation as such: others have the same operation in other circumstances, and say so at the
/// end of their path.
pub(super) fn is_usual(row: &Row) -> bool {
    row.bytes > 0 && row.workload == format!("{}/{}/{}", row.op, row.algorithm, row.bytes)
}

/// An operation in words: `seal`, `seal batch`, `latency of seal`.
pub(super) fn operation(op: &str) -> String {
    op.replace("latency/", "latency of ").replace('_', " ")
}

/// Operations measured at two message sizes or more, in the order of the run.
pub(super) fn curves(run: &Run) -> Vec<Curve<'_>> {
    let names = distinct(
        run.rows.iter().filter(|row| is_usual(row)).map(|row| (row.op.as_str(), row.algorithm.as_str())),
    );
    let curve = |(op, algorithm)| {
        let rows: Vec<&Row> =
            run.rows.iter().filter(|r| is_usual(r) && r.op == op && r.algorithm == algorithm).collect();
        let mut sizes = distinct(rows.iter().map(|row| row.bytes));
        sizes.sort_unstable();
        Curve { op, algorithm, sizes, engines: engines_of(run, &rows), unit: Unit::Throughput, rows }
    };
    names.into_iter().map(curve).filter(|curve| curve.sizes.len() > 1).collect()
}

/// Percent of the CPU's limit by engine and size.
pub(super) fn limit_table(run: &Run, curve: &Curve<'_>) -> Table {
    let sizes = curve.sizes.iter().map(|&bytes| size(bytes));
    let title = format!("{}, by message size", curve.title());
    let mut table = Table::new(&curve.id(), &title, std::iter::once("engine".to_owned()).chain(sizes));
    table.details = false;
    for &engine in &curve.engines {
        let mut row = vec![Cell::new(engine)];
        for &bytes in &curve.sizes {
            row.push(match curve.value(engine, bytes) {
                Some(percent) => Cell::new(three(percent.median)).detail(format!(
                    "{}–{}",
                    three(percent.low),
                    three(percent.high)
                )),
                None => Cell::none(),
            });
        }
        table.push(row);
    }
    let mut bounds = vec![Cell::new("the limit, in cycles")];
    for &bytes in &curve.sizes {
        let bound = curve.rows.iter().filter(|row| row.bytes == bytes).find_map(|row| row.limit.as_ref());
        bounds.push(bound.map_or_else(Cell::none, |limit| {
            let by = if limit.bound.by == By::Latency { "latency" } else { "throughput" };
            Cell::new(three(limit.bound.cycles)).detail(format!("{by}, {}", limit.bound.backend))
        }));
    }
    table.push(bounds);
    table.note(&format!(
        "100 is the least time that AES rounds and carry-less multiplies alone allow on this CPU, at its median over \
         {}: what its widest vectors were probed to do. Loads, stores, the tail and the call are left out, so nothing \
         reaches it, but for a long message whose counter blocks share their first rounds.{}",
        processes(run),
        steered(run, &curve.engines),
    ))
}

/// GB/s by engine and size; nanoseconds for a latency.
pub(super) fn table(run: &Run, curve: &Curve<'_>) -> Table {
    let latency = curve.is_latency();
    let sizes = curve.sizes.iter().map(|&bytes| size(bytes));
    let unit = if latency { "nanoseconds" } else { "GB/s" };
    let title = format!("{}: {unit} by message size", curve.title());
    let mut table = Table::new(&curve.id(), &title, std::iter::once("engine".to_owned()).chain(sizes));
    table.details = false;
    for &engine in &curve.engines {
        let mut row = vec![Cell::new(engine)];
        for &bytes in &curve.sizes {
            let found = curve.row(engine, bytes);
            let number = match (curve.speed(engine, bytes), found.and_then(time)) {
                (_, Some(ns)) if latency => Some((ns.median, ns.low, ns.high)),
                (Some(speed), _) => Some((speed.median, speed.low, speed.high)),
                _ => None,
            };
            row.push(match number {
                Some((median, low, high)) => {
                    let best = curve.clear(bytes) == Some(engine);
                    let mark = if best { Mark::Best } else { Mark::Plain };
                    Cell::new(three(median)).detail(format!("{}–{}", three(low), three(high))).mark(mark)
                }
                None if found.is_some() => Cell::new("error").mark(Mark::Bad),
                None => Cell::none(),
            });
        }
        table.push(row);
    }
    let rows = curve.rows.iter();
    let ends: Vec<Estimate> = rows.filter_map(|row| time(row)).collect();
    let slow = ends.iter().map(|ns| ns.high / ns.median - 1.0).fold(0.0, f64::max);
    let quick = ends.iter().map(|ns| 1.0 - ns.low / ns.median).fold(0.0, f64::max);
    let marked = if table.has(Mark::Best) {
        " Marked (bold, or *): the quickest, where its interval stands clear of all others."
    } else {
        ""
    };
    let unit = if latency {
        "Nanoseconds from one call to the next, whose nonce is taken from the tag of the one before,"
    } else {
        "GB/s is 10⁹ message bytes a second"
    };
    table.note(&format!(
        "{unit} at the median over {}. The widest interval reaches {:.1} % below and {:.1} % above its median \
         time.{}{marked}{}",
        processes(run),
        quick * 100.0,
        slow * 100.0,
        curve.batches(),
        steered(run, &curve.engines),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn by_hand(rows: Vec<Row>) -> Run {
        Run { rows, ..sample::run() }
    }

    #[test]
    fn a_speed_and_its_interval_come_from_the_nanoseconds() {
        let run = by_hand(vec![
            sample::row("seal", "a", 1000, "ring", &[100.0, 80.0, 125.0]),
            sample::row("seal", "a", 2000, "ring", &[100.0]),
        ]);
        let curve = &curves(&run)[0];
        assert_eq!(curve.speed("ring", 1000), Some(Speed { median: 10.0, low: 8.0, high: 12.5 }));
        assert_eq!(curve.speed("ring", 4000), None);
        let cell = &table(&run, curve).rows[0][1];
        assert_eq!((cell.text.as_str(), cell.detail.as_str()), ("10.0", "8.00–12.5"));
        assert_eq!(cell.mark, Mark::Plain, "one engine alone is not the quickest");
    }

    #[test]
    fn the_quickest_is_marked_only_when_its_interval_stands_clear() {
        let rows = |peer: &[f64]| {
            by_hand(vec![
                sample::row("seal", "a", 1000, "ring", &[100.0, 90.0, 110.0]),
                sample::row("seal", "a", 1000, "aws-lc", peer),
                sample::row("seal", "a", 2000, "ring", &[200.0]),
            ])
        };
        let (clear, near) = (rows(&[80.0, 79.0, 89.0]), rows(&[80.0, 79.0, 91.0]));
        assert_eq!(curves(&clear)[0].fastest(1000), Some(("aws-lc", 12.5, vec![])));
        assert_eq!(curves(&near)[0].fastest(1000), Some(("aws-lc", 12.5, vec!["ring"])));
        assert!(table(&clear, &curves(&clear)[0]).has(Mark::Best));
        assert!(!table(&near, &curves(&near)[0]).has(Mark::Best));
    }

    #[test]
    fn a_latency_is_in_nanoseconds_and_the_least_is_marked() {
        let run = by_hand(vec![
            sample::row("latency/seal", "a", 16, "ring", &[100.0, 80.0, 125.0]),
            sample::row("latency/seal", "a", 16, "aws-lc", &[40.0, 39.0, 41.0]),
            sample::row("latency/seal", "a", 64, "ring", &[200.0]),
        ]);
        let curves = curves(&run);
        assert_eq!((curves.len(), curves[0].is_latency()), (1, true));
        let table = table(&run, &curves[0]);
        assert_eq!(table.id, "latency-seal-a");
        assert_eq!(table.title, "Latency of seal, a: nanoseconds by message size");
        assert!(
            !table.note.contains("GB/s") && table.note.contains("tag of the one before"),
            "{}",
            table.note
        );
        let cell = |row: usize| (table.rows[row][1].text.as_str(), table.rows[row][1].detail.as_str());
        let row = |engine| table.rows.iter().position(|row| row[0].text == engine).unwrap();
        assert_eq!(cell(row("ring")), ("100", "80.0–125"));
        assert_eq!(cell(row("aws-lc")), ("40.0", "39.0–41.0"));
        assert_eq!(table.rows[row("aws-lc")][1].mark, Mark::Best);
    }

    #[test]
    fn a_batch_says_how_many_messages_it_has() {
        let batch = |bytes, batch| {
            let row = sample::row("seal_batch", "a", bytes, "ring", &[10.0]);
            Row { batch: Some(batch), ..row }
        };
        let run = by_hand(vec![batch(16, 64), batch(64, 64)]);
        let one = table(&run, &curves(&run)[0]);
        assert_eq!(one.title, "Seal batch, a: GB/s by message size");
        assert!(one.note.contains(" 64 messages go to the engine at once"), "{}", one.note);
        let run = by_hand(vec![batch(16, 64), batch(1024, 16)]);
        assert!(table(&run, &curves(&run)[0]).note.contains(" 16 to 64 messages go"));
        let single = sample::run();
        assert!(!table(&single, &curves(&single)[0]).note.contains("at once"));
    }
}
