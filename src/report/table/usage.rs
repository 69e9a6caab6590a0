//! The lifetime of a data key under the record's nonces: computed, not measured.

use crate::envelope::usage::{CONFIDENTIALITY, INTEGRITY, Usage};
use crate::measure::Run;
use crate::report::block::{Block, Cell, Table};
use crate::report::number::{count, size};
use crate::report::rows::{RECORD, RECORD_AAD};
use crate::report::section::Section;

/// Message sizes.
const SIZES: [u64; 4] = [64, 1024, 16 * 1024, 1024 * 1024];

/// Its one table, where records were measured.
pub(super) fn blocks(section: &Section) -> Vec<Block<'_>> {
    let records = |run: &&Run| run.rows.iter().any(|row| row.algorithm == RECORD);
    section.bench.iter().filter(records).map(|_| Block::new(usage()).folded()).collect()
}

/// Messages, bytes and forgeries by message size.
fn usage() -> Table {
    let columns = ["record of", "records", "bytes", "at 10,000 a second", "forgeries"];
    let mut table = Table::new("usage", "How long a data key lasts", columns);
    for bytes in SIZES {
        let usage = Usage::of(bytes as usize, RECORD_AAD);
        let years = usage.messages as f64 / 10_000.0 / (365.25 * 86_400.0);
        let lasts = if years >= 1.0 {
            format!("{} years", count(years as u64))
        } else {
            format!("{} days", count((years * 365.25) as u64))
        };
        table.push(vec![
            Cell::new(size(bytes)),
            Cell::new(power(usage.messages as f64)),
            Cell::new(power(usage.bytes as f64)),
            Cell::new(lasts),
            Cell::new(power(usage.forgeries as f64)),
        ]);
    }
    table.note(&format!(
        "Records that all nodes together may seal under one key before an attacker's advantage exceeds \
         2^{CONFIDENTIALITY}, and forgery attempts before one succeeds with probability 2^{INTEGRITY} (CFRG \
         draft on AEAD usage limits, at the advantages of RFC 9001). SP 800-38D's limit of 2^32 messages \
         applies to random nonces; these count."
    ))
}

/// A large number as a power of two.
fn power(x: f64) -> String {
    format!("2^{:.1}", x.log2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lasts_for_fewer_of_longer_records() {
        let table = usage();
        assert_eq!(table.rows.len(), SIZES.len());
        let exponent = |row: usize, column: usize| -> f64 {
            table.rows[row][column].text.trim_start_matches("2^").parse().unwrap()
        };
        for row in 1..table.rows.len() {
            assert!(exponent(row, 1) < exponent(row - 1, 1));
        }
        // 64 blocks and one more: 34.5 - log2(65).
        assert_eq!(table.rows[1][1].text, "2^28.5");
    }
}
