//! The witness of a row: what the CPU really executed, beside the time that it took.
//!
//! The beginning of one seal is traced, once for each engine, key size and size class, after everything was timed. An
//! engine of ours whose name claims other vectors than were executed loses its times; what a peer executes is a fact
//! that is shown. Where nothing can be traced, rows stay as they are and say why they have no witness.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Op, Row, suite, trace};
use crate::aead::{Alg, BACKENDS, Backend};
use crate::engine::{self, Engine};
use crate::trace::{Width, Witness};

/// Bytes from which on messages fill the widest vectors many times.
const LONG: u64 = 1024;
/// What is traced for a message of fewer bytes than that, and for the others.
const TRACED: (u64, u64) = (64, 4096);
/// Steps of a trace: wide kernels are through with [`TRACED`] by then, and narrow ones have shown what they are.
const STEPS: u64 = 20_000;

/// A witness, or why there is none.
type Found = Result<Witness, String>;

/// Gives each row of a cipher its witness, and takes the times from those that it refutes.
pub(super) fn attach(rows: &mut [Row], engines: &[&'static dyn Engine], stop: &AtomicBool) {
    let mut known = BTreeMap::new();
    for row in rows.iter_mut().filter(|row| row.ns.is_some()) {
        let Some(workload) = suite::find(&row.workload).filter(|w| w.engines == super::Engines::Each) else {
            continue;
        };
        let named = engines.iter().copied().find(|engine| engine.name() == row.engine);
        let Some(engine) = named.or_else(|| engine::find(&row.engine)) else { continue };
        let (alg, long) = (workload.needs(), row.bytes >= LONG);
        let found = known.entry((row.engine.clone(), alg, long)).or_insert_with(|| {
            if stop.load(Ordering::Relaxed) {
                return Err("stopped before it was traced".to_owned());
            }
            find(engine, alg, long)
        });
        judge(row, found, long);
    }
}

/// Traces the beginning of a seal.
fn find(engine: &dyn Engine, alg: Alg, long: bool) -> Found {
    let seal = suite::workloads().iter().find(|w| w.op == Op::Seal && w.alg == Some(alg));
    let seal = seal.ok_or_else(|| format!("no workload seals with {}", alg.name()))?;
    let bytes = if long { TRACED.1 } else { TRACED.0 };
    trace::beginning(seal, engine, bytes, STEPS).map(|trace| trace.witness).map_err(|e| e.to_string())
}

/// Gives a row what was found, and takes its time where that is not what the engine's name claims.
fn judge(row: &mut Row, found: &Found, long: bool) {
    let witness = match found {
        Ok(witness) => witness,
        Err(why) => {
            row.no_witness = Some(why.clone());
            return;
        }
    };
    row.witness = Some(witness.clone());
    // A short message does not fill wide vectors, and may be left to narrower ones.
    if let Some(backend) = claimed(&row.engine).filter(|_| long)
        && let Err(why) = witness.confirm(width(backend))
    {
        row.error = Some(format!("it is not {}: it executed {why}", backend.name));
        (row.ns, row.gb_per_s, row.processes) = (None, None, 0);
        row.samples.clear();
    }
}

/// The backend that an engine's name claims to be: `sealmark/NAME`, or `sealmark` for this CPU's choice.
fn claimed(engine: &str) -> Option<&'static Backend> {
    match engine.split_once('/') {
        None if engine == "sealmark" => Some(Backend::choose()),
        Some(("sealmark", name)) => BACKENDS.iter().find(|backend| backend.name == name),
        _ => None,
    }
}

/// The vectors that a backend's features give its AES and its multiplies; none where it asks for no AES.
fn width(backend: &Backend) -> Option<Width> {
    let has = |feature: &str| backend.features.contains(&feature);
    match () {
        () if has("avx512f") => Some(Width::Zmm),
        () if has("vaes") => Some(Width::Ymm),
        () if has("aes") && cfg!(target_arch = "aarch64") => Some(Width::V),
        () if has("aes") => Some(Width::Xmm),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Ns;
    use crate::trace::Seen;

    fn row(engine: &str) -> Row {
        let workload = suite::find("seal/aes-256-gcm/16384").unwrap();
        let ns = Some(Ns { median: 2.0, low: 1.0, high: 3.0 });
        let samples = vec![1.0, 2.0, 3.0];
        Row { ns, gb_per_s: Some(8192.0), processes: 3, samples, ..Row::empty(workload, engine) }
    }

    fn seen(width: Width) -> Witness {
        let seen = Seen { width: Some(width), symbol: "kernel".into(), count: 14 };
        Witness { aes: Some(seen.clone()), multiply: Some(seen) }
    }

    #[test]
    fn code_that_is_not_what_its_name_claims_loses_its_time() {
        for backend in BACKENDS {
            let name = format!("sealmark/{}", backend.name);
            let right = width(backend).map_or_else(Witness::default, seen);
            let mut confirmed = row(&name);
            judge(&mut confirmed, &Ok(right.clone()), true);
            assert_eq!((confirmed.error.as_deref(), confirmed.processes), (None, 3), "{name}");
            assert_eq!(confirmed.witness, Some(right.clone()));
            for wrong in [Witness::default(), seen(Width::Xmm), seen(Width::Ymm), seen(Width::Zmm)] {
                if wrong == right {
                    continue;
                }
                let mut refuted = row(&name);
                judge(&mut refuted, &Ok(wrong), true);
                assert!(refuted.error.is_some_and(|why| why.contains(backend.name)), "{name}");
                assert_eq!((refuted.ns, refuted.gb_per_s, refuted.processes), (None, None, 0));
                assert!(refuted.samples.is_empty());
            }
        }
    }

    #[test]
    fn what_a_peer_executes_and_a_short_message_are_facts() {
        let mut peer = row("ring");
        judge(&mut peer, &Ok(seen(Width::Ymm)), true);
        assert!(peer.ns.is_some() && peer.witness.is_some());
        let mut short = row("sealmark");
        judge(&mut short, &Ok(seen(Width::Xmm)), false);
        assert!(short.ns.is_some() && short.witness.is_some());
    }

    #[test]
    fn without_a_trace_a_row_keeps_its_time_and_says_why() {
        let mut row = row("sealmark");
        judge(&mut row, &Err("forbidden".into()), true);
        assert_eq!((row.no_witness.as_deref(), row.error.as_deref()), (Some("forbidden"), None));
        assert!(row.ns.is_some() && row.witness.is_none());
    }
}
