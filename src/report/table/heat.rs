//! The heat map: our speed over the best peer's, by operation and message size.

use crate::measure::{Row, Run};
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::curve::{Curve, curves};
use crate::report::number::{size, three};
use crate::report::rows::{OWN, without};
use crate::report::section::Section;

/// Ratios from which a cell is one step warmer; their inverses are the steps down.
const STEPS: [f64; 3] = [1.02, 1.25, 2.0];

/// Its one table, where a curve has engines of ours and peers.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().filter_map(table).map(Block::new).collect()
}

/// One row for each operation and engine of ours, one column for each size; none without peers.
fn table(run: &Run) -> Option<Table> {
    let curves = curves(run);
    let mut sizes: Vec<u64> = curves.iter().flat_map(|curve| curve.sizes.iter().copied()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let columns = std::iter::once("operation".to_owned()).chain(sizes.iter().map(|&bytes| size(bytes)));
    let mut table = Table::new("heat", "Our speed over the best peer's", columns);
    for curve in &curves {
        for engine in curve.engines.iter().filter(|engine| engine.starts_with(OWN) && **engine != OWN) {
            let mut row = vec![Cell::new(format!("{} {engine}", curve.title()))];
            row.extend(sizes.iter().map(|&bytes| cell(curve, engine, bytes)));
            if row.iter().skip(1).any(|cell| cell.mark != Mark::Quiet) {
                table.push(row);
            }
        }
    }
    (!table.rows.is_empty()).then(|| {
        table.note(
            "2 means twice as fast as the fastest peer at that size, by medians. The table of ratios has the \
             intervals.",
        )
    })
}

/// One of ours over the best peer, with the peers that failed there. Empty where a size has no peer.
fn cell(curve: &Curve<'_>, engine: &str, bytes: u64) -> Cell {
    let peers: Vec<&Row> = curve.rows_at(bytes).filter(|row| !row.engine.starts_with(OWN)).collect();
    if peers.is_empty() {
        return Cell::none();
    }
    if curve.has_failed(engine, bytes) {
        return Cell::error();
    }
    let Some(ours) = curve.speed(engine, bytes) else { return Cell::none() };
    let speeds = peers.iter().filter_map(|peer| curve.speed(&peer.engine, bytes));
    let best = speeds.map(|speed| speed.median).fold(0.0, f64::max);
    let found = if best > 0.0 { warm(ours.median / best) } else { Cell::error() };
    found.detail(without(&peers))
}

fn warm(ratio: f64) -> Cell {
    let steps = |ratio: f64| STEPS.iter().filter(|&&step| ratio >= step).count() as i8;
    Cell::new(three(ratio)).mark(Mark::Heat(steps(ratio) - steps(1.0 / ratio)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_ratio_has_its_place_on_the_scale() {
        let place = |ratio| match warm(ratio).mark {
            Mark::Heat(place) => place,
            other => panic!("{other:?}"),
        };
        let places: Vec<_> = [0.4, 0.6, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5, 3.0].map(place).into();
        assert_eq!(places, [-3, -2, -1, 0, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn our_backends_are_compared_with_the_fastest_peer() {
        let run = Run {
            rows: [("ring", 100.0), ("aws-lc", 80.0), ("sealmark/aesni", 40.0)]
                .into_iter()
                .flat_map(|(engine, ns)| [16, 64].map(|bytes| sample::row("seal", "a", bytes, engine, &[ns])))
                .collect(),
            ..sample::run()
        };
        let found = table(&run).unwrap();
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.rows[0][1], Cell::new("2.00").mark(Mark::Heat(3)));
        let mut failed = run.clone();
        failed.rows[2].error = Some("wrong".into());
        let cell = &table(&failed).unwrap().rows[0][1];
        assert_eq!((cell.text.as_str(), cell.detail.as_str()), ("2.50", "without aws-lc"));
        failed.rows[0].error = Some("wrong".into());
        assert_eq!(table(&failed).unwrap().rows[0][1], Cell::error().detail("without ring and aws-lc"));
        for row in &mut failed.rows[4..] {
            row.error = Some("wrong".into());
        }
        let row = &table(&failed).expect("it stays in the table").rows[0];
        assert_eq!(row[1..], [Cell::error(), Cell::error()]);
        assert!(table(&Run { rows: run.rows[4..].to_vec(), ..run }).is_none(), "no peer, no ratio");
    }
}
