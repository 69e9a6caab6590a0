//! Criterion over the workloads of records, nonces and key lookups: `cargo bench --bench envelope --
//! seal/record`.
//!
//! A few sizes on every engine; `SEALMARK_SUITE=quick` measures a whole suite.

mod criterion;

fn main() {
    criterion::measure(|workload| workload.alg.is_none());
}
