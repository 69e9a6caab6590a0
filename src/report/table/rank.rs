//! The places of the engines at each size of each curve.

use crate::measure::Run;
use crate::report::block::{Block, Cell, Mark, Table};
use crate::report::curve::{Curve, curves};
use crate::report::number::size;
use crate::report::section::Section;

/// A table for each curve of several engines.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    section.bench.iter().flat_map(tables).map(|table| Block::new(table).folded()).collect()
}

/// Engines share a place where their intervals overlap that of its leader.
fn tables(run: &Run) -> Vec<Table> {
    let mut tables = Vec::new();
    for curve in curves(run).iter().filter(|curve| curve.engines.len() > 1) {
        let sizes = curve.sizes.iter().map(|&bytes| size(bytes));
        let title = format!("{}: places", curve.title());
        let mut table = Table::new(
            &format!("rank-{}", curve.id()),
            &title,
            std::iter::once("engine".to_owned()).chain(sizes),
        );
        let places: Vec<Vec<(String, String)>> =
            curve.sizes.iter().map(|&bytes| places(curve, bytes)).collect();
        for engine in &curve.engines {
            let mut row = vec![Cell::new(engine)];
            for (&bytes, places) in curve.sizes.iter().zip(&places) {
                let place = places.iter().find(|(name, _)| name == engine);
                row.push(match place {
                    Some((_, place)) => {
                        let mark = if place == "1" { Mark::Best } else { Mark::Plain };
                        Cell::new(place).mark(mark)
                    }
                    None if curve.has_failed(engine, bytes) => Cell::error(),
                    None => Cell::none(),
                });
            }
            table.push(row);
        }
        tables.push(
            table.note("1 is the fastest. Engines share a place, such as 2=, where their intervals overlap."),
        );
    }
    tables
}

/// Engines at a size and their places.
fn places(curve: &Curve<'_>, bytes: u64) -> Vec<(String, String)> {
    let mut timed: Vec<_> = curve.engines.iter().filter_map(|e| Some((*e, curve.speed(e, bytes)?))).collect();
    timed.sort_by(|a, b| b.1.median.total_cmp(&a.1.median));
    let mut groups: Vec<(usize, Vec<&str>, f64)> = Vec::new();
    for (i, (engine, speed)) in timed.iter().enumerate() {
        match groups.last_mut() {
            Some((_, group, low)) if speed.high >= *low => group.push(engine),
            _ => groups.push((i + 1, vec![engine], speed.low)),
        }
    }
    let word =
        |place: usize, group: &[&str]| if group.len() > 1 { format!("{place}=") } else { place.to_string() };
    let named = |(place, group, _): &(usize, Vec<&str>, f64)| -> Vec<(String, String)> {
        group.iter().map(|engine| ((*engine).to_owned(), word(*place, group))).collect()
    };
    groups.iter().flat_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn an_engine_with_an_error_has_no_place() {
        let mut run = sample::run();
        run.rows.iter_mut().find(|row| row.engine == "ring").unwrap().error = Some("wrong".into());
        let table = &tables(&run)[0];
        let ring = table.rows.iter().find(|row| row[0].text == "ring").unwrap();
        assert_eq!((&ring[1], ring[2].mark == Mark::Bad), (&Cell::error(), false));
    }

    #[test]
    fn engines_share_a_place_where_their_intervals_overlap() {
        let rows =
            [("ring", [100.0, 90.0, 110.0]), ("aws-lc", [105.0, 104.0, 106.0]), ("graviola", [200.0; 3])];
        let rows =
            rows.iter().flat_map(|(engine, ns)| [16, 64].map(|b| sample::row("seal", "a", b, engine, ns)));
        let run = Run { rows: rows.collect(), ..sample::run() };
        let table = &tables(&run)[0];
        let places: Vec<_> =
            table.rows.iter().map(|row| (row[0].text.as_str(), row[1].text.as_str())).collect();
        assert_eq!(places.len(), 3);
        for (engine, place) in [("ring", "1="), ("aws-lc", "1="), ("graviola", "3")] {
            assert!(places.contains(&(engine, place)), "{places:?}");
        }
    }
}
