//! What both benches share: which workloads, and one workload measured by Criterion on each of its engines.
//!
//! Timings are numbers to look at while working. Comparisons that must hold are made by `sealmark bench`, in
//! several processes and interleaved rounds; Criterion measures one engine after the other in one process.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use sealmark::engine::engines;
use sealmark::measure::{Suite, Workload};

/// Sizes that are measured unless a suite is named.
const SIZES: [usize; 4] = [0, 16, 1024, 16_384];

/// Measures the workloads that are `wanted`: those of the suite that `SEALMARK_SUITE` names, else the quick ones of
/// three sizes.
pub fn measure(wanted: fn(&Workload) -> bool) {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        // Drawing takes ten times as long as measuring: 6 s of every benchmark here.
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
        // The closure runs only where the filter of the command line chooses this name.
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
                // Passes are whole, so they may hold more operations than were asked for.
                spent.mul_f64(operations as f64 / (passes * batch.count()) as f64)
            });
            batch.check().expect("a wrong engine gets no time");
        });
    }
    group.finish();
}
