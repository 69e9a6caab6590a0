//! What the CPU executed for each engine, as the files say: the verification's witnesses, or else the rows'.

use crate::aead::Alg;
use crate::engine::witness::Length;
use crate::report::number::plain;
use crate::report::rows::{distinct, widths};
use crate::report::section::Section;
use crate::trace::Witness;

/// What is known of an engine with one key size and length: its witness, or why there is none.
pub(in crate::report) type Found<'a> = (&'a str, &'a str, Length, Result<&'a Witness, &'a str>);

/// How what was executed for messages shorter than 1 KiB is introduced, where it differs.
pub(in crate::report) const SHORT: &str = "short:";

/// Why nothing is said of an engine where a file has no witnesses at all.
const SILENT: &str = "the files do not say";

/// What the verification says, or else the measurement.
pub(in crate::report) fn found(section: &Section) -> Vec<Found<'_>> {
    let engines = section.verify.iter().flat_map(|report| &report.engines);
    let verified: Vec<_> = engines
        .flat_map(|engine| engine.witnesses.iter().map(|taken| (engine.name.as_str(), taken)))
        .map(|(engine, taken)| {
            let reason = taken.no_witness.as_deref().unwrap_or("no reason was given");
            (engine, taken.algorithm.as_str(), taken.length, taken.witness.as_ref().ok_or(reason))
        })
        .collect();
    if !verified.is_empty() {
        return verified;
    }
    let rows = section.bench.iter().flat_map(|run| &run.rows);
    let of_cipher =
        rows.filter(|row| row.bytes > 0 && Alg::ALL.iter().any(|alg| alg.name() == row.algorithm));
    distinct(of_cipher.filter_map(|row| {
        let witness = match &row.witness {
            Some(witness) => Ok(witness),
            // A file from before there were witnesses says neither.
            None => Err(row.no_witness.as_deref()?),
        };
        Some((row.engine.as_str(), row.algorithm.as_str(), Length::of(row.bytes), witness))
    }))
}

/// What an engine executed for AES-256-GCM, or for the first key size that is known: `zmm AES, xmm CLMUL
/// (short: xmm, xmm)`.
pub(super) fn of(section: &Section, engine: &str) -> Result<String, String> {
    let of_it: Vec<Found<'_>> = found(section).into_iter().filter(|found| found.0 == engine).collect();
    let at = |length: Length| {
        let all = || of_it.iter().filter(move |found| found.2 == length);
        all().find(|found| found.1 == super::ALGORITHM).or_else(|| all().next()).map(|found| found.3)
    };
    let multiply = if section.host.arch == "aarch64" { "PMULL" } else { "CLMUL" };
    let words = |witness: &Witness| match widths(witness) {
        ["none", "none"] => "no AES instruction".to_owned(),
        ["none", product] => format!("no AES instruction, {product} {multiply}"),
        [aes, "none"] => format!("{aes} AES, no {multiply}"),
        [aes, product] => format!("{aes} AES, {product} {multiply}"),
    };
    // Shorter than 1 KiB.
    let at_short = |widths: [&str; 2]| format!("{SHORT} {}, {}", widths[0], widths[1]);
    match (at(Length::Long), at(Length::Short)) {
        (Some(Ok(long)), Some(Ok(short))) if widths(long) != widths(short) => {
            Ok(format!("{} ({})", words(long), at_short(widths(short))))
        }
        (Some(Ok(witness)), _) | (None, Some(Ok(witness))) => Ok(words(witness)),
        (Some(Err(_)), Some(Ok(short))) => Ok(format!("long: unknown ({})", at_short(widths(short)))),
        (Some(Err(why)), _) | (None, Some(Err(why))) => Err(plain(why)),
        (None, None) => Err(SILENT.to_owned()),
    }
}
