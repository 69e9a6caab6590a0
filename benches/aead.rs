//! Criterion over the workloads of the cipher and its keys: `cargo bench --bench aead --
//! seal/aes-256-gcm/16384`.
//!
//! Three sizes of AES-256-GCM on every engine; `SEALMARK_SUITE=full` measures a whole suite.

mod criterion;

fn main() {
    criterion::measure(|workload| workload.alg.is_some());
}
