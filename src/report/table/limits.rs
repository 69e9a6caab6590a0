//! The limits of a CPU, probed with each backend's instructions.

use crate::measure::limit::probe::{Figure, Limits};
use crate::report::block::{Block, Cell, Table};
use crate::report::number::three;
use crate::report::section::Section;

/// Its one table, where something was probed.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let probed = section.bench.iter().filter(|run| !run.limits.is_empty());
    probed.map(|run| Block::new(limits(&run.limits)).folded()).collect()
}

/// One row for each backend that was probed.
pub fn limits(limits: &[Limits]) -> Table {
    let mut table = Table::new(
        "limits",
        "Limits of this CPU",
        [
            "backend",
            "blocks",
            "rounds/cycle",
            "cycles/round",
            "products/cycle",
            "cycles/product",
            "mix 4",
            "mix 3",
            "GHz",
        ],
    )
    .note(
        "An operation works on one vector of that many 16-byte blocks. A mix is the bound of AES-256-GCM in \
         GB/s: 14 rounds and 4 or 3 products per vector. GHz is the core's clock during the probe.",
    );
    for one in limits {
        let latency = |figure: Figure| Cell::new(three(figure.cycles()));
        let rate = |figure: Figure| Cell::new(three(figure.per_cycle));
        let bound = |mix: Figure| Cell::new(three(one.gb_per_s(mix)));
        table.push(vec![
            Cell::new(&one.backend),
            Cell::new(one.blocks.to_string()),
            rate(one.rounds),
            latency(one.round_latency),
            rate(one.multiplies),
            latency(one.multiply_latency),
            bound(one.mix_of_four),
            bound(one.mix_of_three),
            Cell::new(three(one.clock_ghz)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::text;

    #[test]
    fn a_row_has_rates_latencies_bounds_and_the_clock() {
        let figure = |per_cycle: f64| Figure { per_cycle, ns: 1.0 / (per_cycle * 2.5) };
        let one = Limits {
            backend: "armv8-sha3".into(),
            blocks: 4,
            clock_ghz: 2.5,
            rounds: figure(1.0),
            round_latency: figure(0.2),
            multiplies: figure(0.75),
            multiply_latency: figure(0.25),
            mix_of_four: figure(1.0 / 16.0),
            mix_of_three: figure(1.0 / 14.0),
        };
        let table = limits(&[one]);
        let cells: Vec<_> = table.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(cells, ["armv8-sha3", "4", "1.00", "5.00", "0.750", "4.00", "10.0", "11.4", "2.50"]);
        let drawn = text::table(&table, 80);
        assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
        assert_eq!(drawn.matches("armv8-sha3").count(), 1, "in one block:\n{drawn}");
    }
}
