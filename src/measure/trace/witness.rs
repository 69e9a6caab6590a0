//! Takes witnesses: what the CPU really executes when an engine seals.
//!
//! The beginning of one seal is traced for each engine, key size and range of lengths, separately from all
//! timing. Opens and batches have no witness of their own and carry the seal's. Where tracing is impossible,
//! the witnesses say why, and verification and measurement go on without them.

use rayon::prelude::*;

use crate::aead::Alg;
use crate::engine::witness::{Length, Witnesses};
use crate::engine::{Engine, Shape};
use crate::measure::trace;
use crate::measure::workload::catalog;
use crate::measure::{Catalog, Error, Row, Scope};
use crate::trace::Witness;

/// Steps of a trace: enough for a wide kernel to finish a message, and for a narrow one to show its
/// registers.
const STEPS: u64 = 20_000;

/// Takes the witnesses of every engine that can run, with these key sizes, on all cores. Calls `progress`
/// before each.
///
/// Processes are this program with the argument [`trace::VERB`], which must call [`trace::step_main`].
pub fn take(engines: &[&'static dyn Engine], algs: &[Alg], progress: &(dyn Fn(&str) + Sync)) -> Witnesses {
    let able = engines.iter().copied().filter(|engine| engine.available().is_ok());
    let each = able.flat_map(|engine| algs.iter().map(move |&alg| (engine, alg)));
    let each = each.filter(|(engine, alg)| engine.supports(Shape::usual(*alg)));
    let all: Vec<_> =
        each.flat_map(|(engine, alg)| Length::ALL.map(|length| (engine, alg, length))).collect();
    let one = |&(engine, alg, length): &(&'static dyn Engine, Alg, Length)| {
        progress(engine.name());
        one(engine, alg, length)
    };
    // The first one runs alone: if the system refuses to trace it, it refuses the others too.
    let Some((first, others)) = all.split_first() else { return Witnesses::default() };
    let found = match one(first) {
        Err(Error::Trace(error)) if error.is_of_the_system() => vec![Err(error.to_string()); all.len()],
        first => {
            let words = |found: Result<Witness, Error>| found.map_err(|error| error.to_string());
            let others = others.par_iter().map(|other| words(one(other)));
            std::iter::once(words(first)).chain(others.collect::<Vec<_>>()).collect()
        }
    };
    let mut witnesses = Witnesses::default();
    for ((engine, alg, length), found) in all.iter().zip(found) {
        witnesses.keep(engine.name(), *alg, *length, found);
    }
    witnesses
}

/// Traces the beginning of a seal.
fn one(engine: &dyn Engine, alg: Alg, length: Length) -> Result<Witness, Error> {
    let seal = catalog::workloads().iter().find(|w| w.op() == "seal" && w.alg == Some(alg));
    let seal = seal.ok_or_else(|| Error::Unknown(format!("seal/{}", alg.name())))?;
    trace::beginning(seal, engine, length.sealed(), STEPS).map(|trace| trace.witness)
}

/// Gives each row its witness or the reason for its absence, and removes the time of every engine that does
/// not execute what its name claims.
pub fn attach(rows: &mut [Row], catalog: &Catalog, witnesses: &Witnesses) {
    for row in rows {
        let cipher = catalog.find(&row.workload).filter(|workload| workload.scope() == Scope::EveryEngine);
        let found = match cipher {
            Some(workload) => witnesses.find(&row.engine, workload.needs(), row.bytes),
            None => Err("the workload uses no cipher"),
        };
        row.no_witness = found.err().map(str::to_owned);
        row.witness = found.ok().cloned();
        if cipher.is_some()
            && let Some(why) = witnesses.refute(&row.engine)
        {
            row.error = Some(why);
            (row.ns, row.cycles, row.limit, row.tails, row.gb_per_s) = (None, None, None, None, None);
            row.processes = 0;
            row.samples.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Estimate;
    use crate::trace::{Seen, Width};

    fn row(workload: &str, engine: &str) -> Row {
        let workload = catalog::find(workload).unwrap();
        let ns = Some(Estimate { median: 2.0, low: 1.0, high: 3.0 });
        let samples = vec![1.0, 2.0, 3.0];
        Row { ns, gb_per_s: Some(8192.0), processes: 3, samples, ..Row::empty(workload, engine) }
    }

    fn witnesses(engine: &str, found: Result<Witness, String>) -> Witnesses {
        let mut witnesses = Witnesses::default();
        witnesses.keep(engine, Alg::Aes256Gcm, Length::Long, found);
        witnesses
    }

    fn zmm() -> Witness {
        let seen = Seen { width: Some(Width::Zmm), symbol: "kernel".into(), count: 14 };
        Witness { aes: Some(seen.clone()), multiply: Some(seen) }
    }

    #[test]
    fn every_row_of_an_engine_that_is_refuted_loses_its_time() {
        let name = "sealmark/portable";
        let mut rows = ["seal/aes-256-gcm/16384", "open/aes-256-gcm/16", "seal_batch/aes-256-gcm/64"]
            .map(|workload| row(workload, name));
        attach(&mut rows, Catalog::ours(), &witnesses(name, Ok(zmm())));
        for row in &rows {
            assert!(row.error.as_ref().is_some_and(|why| why.contains("it is not portable")), "{row:?}");
            assert_eq!((row.ns, row.gb_per_s, row.processes), (None, None, 0));
            assert!(row.samples.is_empty());
        }
        assert_eq!(rows[0].witness, Some(zmm()), "what it executed stays to be seen");
    }

    #[test]
    fn what_a_peer_executes_is_a_fact_beside_its_time() {
        let mut rows = [row("seal/aes-256-gcm/16384", "ring"), row("open/aes-256-gcm/16", "ring")];
        attach(&mut rows, Catalog::ours(), &witnesses("ring", Ok(zmm())));
        assert!(rows[0].ns.is_some() && rows[0].witness == Some(zmm()) && rows[0].no_witness.is_none());
        assert_eq!((&rows[1].witness, rows[1].no_witness.as_deref()), (&None, Some("none was taken")));
    }

    #[test]
    fn without_a_trace_a_row_keeps_its_time_and_says_why() {
        let mut rows = [row("seal/aes-256-gcm/16384", "sealmark"), row("nonce", "sealmark")];
        attach(&mut rows, Catalog::ours(), &witnesses("sealmark", Err("forbidden".into())));
        let reasons: Vec<_> = rows.iter().map(|row| row.no_witness.as_deref()).collect();
        assert_eq!(reasons, [Some("forbidden"), Some("the workload uses no cipher")]);
        assert!(rows.iter().all(|row| row.ns.is_some() && row.witness.is_none() && row.error.is_none()));
    }

    #[test]
    fn each_key_size_has_a_workload_to_seal_with() {
        for alg in Alg::ALL {
            assert!(catalog::workloads().iter().any(|w| w.op() == "seal" && w.alg == Some(alg)));
        }
    }
}
