//! `sealmark profile`: a flame graph of a workload. Unix, with the feature `profile`.

use std::path::PathBuf;

/// Draws a flame graph of a workload and lists the functions that take most of its time.
///
/// Needs a build with the feature `profile`, on Unix. The picture includes the work of restoring buffers
/// between passes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark profile seal/aes-256-gcm/16384 --engine ring -o ring.svg\n  \
                  sealmark profile open/aes-256-gcm/1024 --seconds 1")]
pub(super) struct Args {
    /// The workload (`sealmark list workloads`).
    workload: String,
    /// The engine.
    #[arg(long, value_name = "NAME", default_value = "sealmark")]
    engine: String,
    /// The file for the picture, in SVG.
    #[arg(short, value_name = "FILE", default_value = "profile.svg")]
    output: PathBuf,
    /// Seconds to sample for.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

#[cfg(not(all(unix, feature = "profile")))]
pub(super) fn run(args: &Args, _: &super::Registry) -> anyhow::Result<super::ExitStatus> {
    eprintln!(
        "sealmark: this build cannot profile: {} on {} was not sampled for {} s, and {} was not written",
        args.workload,
        args.engine,
        args.seconds,
        args.output.display(),
    );
    eprintln!("sealmark: on Unix, build it with `cargo install --path . --features profile`");
    Ok(super::ExitStatus::CouldNotTell)
}

#[cfg(all(unix, feature = "profile"))]
pub(super) use sampled::run;

#[cfg(all(unix, feature = "profile"))]
mod sampled {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use anyhow::Context;

    use super::super::{ExitStatus, Registry};
    use super::Args;
    use crate::report;

    /// Samples a second: not a divisor of anything that the kernel does by the clock.
    const HERTZ: i32 = 997;
    /// How many functions are printed.
    const TOP: usize = 12;

    pub(crate) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
        super::super::output::check(&args.output)?;
        let engine = registry.engines_named(std::slice::from_ref(&args.engine))?[0];
        if let Some(reason) = super::super::none_can_run(&[engine]) {
            eprintln!("sealmark: {reason}");
            return Ok(ExitStatus::CouldNotTell);
        }
        let workload = registry.workload(&args.workload)?;
        let mut batch = workload.prepare(engine, workload.count()).context("preparing the workload")?;
        let profiler = pprof::ProfilerGuard::new(HERTZ).context("starting the sampler")?;
        let end = Instant::now() + Duration::from_secs(args.seconds);
        while Instant::now() < end {
            batch.reset();
            batch.run();
        }
        let found = profiler.report().build().context("resolving symbols")?;
        drop(profiler);
        batch.check().map_err(anyhow::Error::msg).context("the engine is wrong: no profile")?;

        let mut picture = Vec::new();
        found.flamegraph(&mut picture).context("drawing")?;
        report::write_text(&args.output, &String::from_utf8_lossy(&picture))?;
        let mut leaves = BTreeMap::<String, isize>::new();
        for (frames, samples) in &found.data {
            let name = frames
                .frames
                .first()
                .and_then(|inlined| inlined.first())
                .map_or_else(String::new, |s| s.name());
            *leaves.entry(name).or_default() += samples;
        }
        let total = leaves.values().sum::<isize>().max(1);
        let mut leaves: Vec<_> = leaves.into_iter().collect();
        leaves.sort_by_key(|(_, samples)| -samples);
        print_line!("{} on {}: {total} samples at {HERTZ} Hz", args.workload, args.engine);
        for (name, samples) in leaves.into_iter().take(TOP) {
            print_line!("{:5.1} %  {name}", 100.0 * samples as f64 / total as f64);
        }
        print_line!("{}", args.output.display());
        Ok(ExitStatus::Fine)
    }
}
