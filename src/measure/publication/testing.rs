//! Made-up runs: rows with given samples, and a whole quick suite that may be published.

use crate::host::Host;
use crate::measure::publication::{LEAST, PEERS};
use crate::measure::workload::catalog;
use crate::measure::{EngineVersion, Estimate, Row, Run, SCHEMA, Suite, WITHIN, Workload};

/// One of our engines, beside the peers of a whole run.
pub const OURS: &str = "sealmark/aesni";

/// A row of AES-256-GCM.
pub fn row(op: &str, bytes: u64, engine: &str, samples: &[f64]) -> Row {
    let path = format!("{op}/aes-256-gcm/{bytes}");
    timed(catalog::find(&path).expect("it is in the catalog"), engine, samples)
}

fn timed(workload: &Workload, engine: &str, samples: &[f64]) -> Row {
    let (ns, processes, samples) = (Estimate::of(samples), samples.len() as u32, samples.to_vec());
    Row { ns, processes, samples, ..Row::empty(workload, engine) }
}

/// A run of these rows.
pub fn run(rows: Vec<Row>) -> Run {
    Run {
        schema: SCHEMA.into(),
        sealmark: "0.1.0".into(),
        started: "2026-11-26T00:00:00Z".into(),
        host: Host::detect(),
        suite: "quick".into(),
        partial: false,
        coverage: 0.961,
        within: WITHIN,
        until: None,
        seed: 1,
        build: "by hand".into(),
        clock: None,
        limits: Vec::new(),
        engines: [OURS].into_iter().chain(PEERS).map(engine).collect(),
        rows,
        seconds: 1.0,
    }
}

fn engine(name: &str) -> EngineVersion {
    EngineVersion { name: name.into(), version: "1".into(), unavailable: None, environment: Vec::new() }
}

/// A run of the whole quick suite that nothing speaks against: times differ by 0.1 % from process to process.
pub fn publishable() -> Run {
    let engines: Vec<&str> = [OURS].into_iter().chain(PEERS).collect();
    let samples = |i: usize| -> Vec<f64> {
        (0..LEAST as usize)
            .map(|process| 100.0 * (i + 1) as f64 + ((process * (i + 1)) % 7) as f64 / 70.0)
            .collect()
    };
    let rows = Suite::Quick.workloads().flat_map(|workload| {
        engines.iter().enumerate().map(|(i, engine)| timed(workload, engine, &samples(i))).collect::<Vec<_>>()
    });
    run(rows.collect())
}
