//! Shared by both benches: choosing the workloads, and measuring one workload with Criterion on each of its
//! engines.
//!
//! Use these timings while you work. For comparisons that must hold use `sealmark bench`, which measures in
//! several processes and interleaved rounds. Criterion measures one engine after the other in one process.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use sealmark::engine::engines;
use sealmark::measure::{Suite, Workload};

/// Sizes to measure unless a suite is named.
const SIZES: [usize; 4] = [0, 16, 1024, 16_384];

/// Measures the `wanted` workloads of the suite that `SEALMARK_SUITE` names, or else the quick ones at the
/// usual sizes.
pub fn measure(wanted: fn(&Workload) -> bool) {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        // Drawing takes ten times as long as measuring: 6 s for every benchmark here.
        .without_plots()
        .configure_from_args();
    let named = std::env::var("SEALMARK_SUITE").ok();
    let suite = named
        .as_deref()
        .map(|name| Suite::from_name(name).expect("SEALMARK_SUITE is quick, standard or full"));
    for workload in suite.unwrap_or(Suite::Quick).workloads() {
        if wanted(workload) && (suite.is_some() || SIZES.contains(&workload.bytes)) {
            one(&mut criterion, workload);
        }
    }
    criterion.final_summary();
}

fn one(criterion: &mut Criterion, workload: &Workload) {
    let mut group = criterion.benchmark_group(&workload.path);
    if workload.bytes > 0 {
        group.throughput(Throughput::BytesDecimal(workload.bytes as u64));
    }
    for engine in workload.eligible_engines(&engines()) {
        let mut prepared = None;
        // The closure runs only if the command line's filter matches this name.
        group.bench_function(BenchmarkId::from_parameter(engine.name()), |bencher| {
            let batch = prepared.get_or_insert_with(|| {
                let mut batch =
                    workload.prepare(engine, workload.count()).expect("it supports this workload");
                batch.reset();
                batch.run();
                batch.check().expect("a wrong engine gets no time");
                batch.refuse_forgery().expect("an engine that opens forgeries gets no time");
                batch
            });
            bencher.iter_custom(|operations| {
                let passes = operations.div_ceil(batch.count());
                let mut spent = Duration::ZERO;
                for _ in 0..passes {
                    batch.reset();
                    let start = Instant::now();
                    batch.run();
                    spent += start.elapsed();
                }
                // Passes are whole, so they may hold more operations than requested.
                spent.mul_f64(operations as f64 / (passes * batch.count()) as f64)
            });
            batch.check().expect("a wrong engine gets no time");
        });
    }
    group.finish();
}
