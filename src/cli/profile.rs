//! `sealmark profile`: where a workload's time goes, as a flame graph. Unix, with the feature `profile`.

use std::path::PathBuf;

/// Draws a flame graph of a workload and names the functions that take its time.
///
/// Needs a build with the feature `profile`, on Unix. Restoring the buffers between passes is part of the
/// picture.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  sealmark profile seal/aes-256-gcm/16384 --engine ring -o ring.svg")]
pub(super) struct Args {
    /// The workload's path; `sealmark list workloads` names them all.
    workload: String,
    /// The engine.
    #[arg(long, value_name = "NAME", default_value = "sealmark")]
    engine: String,
    /// The picture.
    #[arg(short, value_name = "FILE", default_value = "profile.svg")]
    output: PathBuf,
    /// How long to run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

#[cfg(not(all(unix, feature = "profile")))]
pub(super) fn run(args: &Args, _: &super::Registry) -> anyhow::Result<super::ExitStatus> {
    eprintln!("sealmark: this build cannot profile {} on {}", args.workload, args.engine);
    eprintln!(
        "sealmark: build it on Unix with --features profile: neither {} nor {} s of sampling",
        args.output.display(),
        args.seconds
    );
    Ok(super::ExitStatus::CouldNotTell)
}

#[cfg(all(unix, feature = "profile"))]
pub(super) use sampled::run;

#[cfg(all(unix, feature = "profile"))]
mod sampled {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use anyhow::{Context, bail};

    use super::super::{ExitStatus, Registry};
    use super::Args;
    use crate::report;

    /// Samples a second: not a divisor of anything that the kernel does by the clock.
    const HERTZ: i32 = 997;
    /// Functions that are printed.
    const TOP: usize = 12;

    pub(crate) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
        super::super::output::check(&args.output)?;
        let engine = registry.engines_named(std::slice::from_ref(&args.engine))?[0];
        if let Some(reason) = super::super::none_can_run(&[engine]) {
            eprintln!("sealmark: {reason}");
            return Ok(ExitStatus::CouldNotTell);
        }
        let Some(workload) = registry.workloads().find(&args.workload) else {
            bail!("no workload is called {:?}; `sealmark list workloads` names them", args.workload);
        };
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
