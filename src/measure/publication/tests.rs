//! A run that may be published, and each way in which one may not.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::testing::{OURS, publishable, row, run};
use super::*;
use crate::engine::engines;
use crate::host::Variable;

/// What is done to a run that may be published, and what is said of it.
type Spoil = (fn(&mut Run), &'static str);

/// What is said where all rows but one lack a process.
const TOO_FEW: &str = "ROWS rows have too few processes, seal/aes-256-gcm/16 on rustcrypto only 11; a \
                       baseline needs at least 12";

fn words(run: &Run) -> Vec<String> {
    judge(run).expect_err("it is refused").iter().map(ToString::to_string).collect()
}

fn seal_1024(run: &mut Run, engine: &str) -> usize {
    let path = "seal/aes-256-gcm/1024";
    run.rows.iter().position(|row| row.workload == path && row.engine == engine).expect("it has a row")
}

#[test]
fn a_whole_run_with_steady_ratios_may_be_published() {
    let run = publishable();
    assert_eq!(judge(&run), Ok(()));
    // Eight sizes of seal and of open, each on every engine but the best peer.
    let found = ratios(&run);
    assert_eq!(found.len(), 16 * PEERS.len());
    assert!(found.iter().all(|ratio| ratio.peer == PEERS[0] && ratio.width() < 0.002), "{found:?}");
}

#[test]
fn each_flaw_is_named_where_it_is() {
    let spoils: [Spoil; 11] = [
        (|run| run.partial = true, "the run ended before it was done"),
        (
            |run| run.engines.retain(|engine| engine.name != "ring"),
            "ring is missing: build with the feature `peers` and measure every engine",
        ),
        (
            |run| run.engines[0].environment.push(Variable { name: "V".into(), value: "1".into() }),
            "sealmark/aesni ran with V set, which changes what it executes: unset it",
        ),
        (
            |run| run.rows.retain(|row| row.workload != "nonce"),
            "nonce has no row: measure the whole quick suite on every engine",
        ),
        (
            |run| {
                _ = {
                    let i = seal_1024(run, OURS);
                    run.rows.remove(i)
                }
            },
            "seal/aes-256-gcm/1024 on sealmark/aesni has no row: measure the whole quick suite on every \
             engine",
        ),
        (
            |run| {
                let i = seal_1024(run, "ring");
                run.rows[i].error = Some("a wrong tag".into())
            },
            "seal/aes-256-gcm/1024 on ring has no time: a wrong tag",
        ),
        (
            |run| {
                let i = seal_1024(run, OURS);
                run.rows[i].ns = None
            },
            "seal/aes-256-gcm/1024 on sealmark/aesni has no time: the file holds none",
        ),
        (
            |run| {
                let i = seal_1024(run, OURS);
                run.rows[i].lost.push("it was killed".into())
            },
            "seal/aes-256-gcm/1024 on sealmark/aesni lost 1 of 13 processes: it was killed",
        ),
        (
            |run| {
                let i = seal_1024(run, OURS);
                run.rows[i].samples.push(100.0)
            },
            "seal/aes-256-gcm/1024 on sealmark/aesni has no ratio to the best peer: the two rows come from \
             different processes",
        ),
        (|run| run.rows.iter_mut().skip(1).for_each(|row| _ = row.samples.pop()), TOO_FEW),
        (
            |run| {
                let i = seal_1024(run, OURS);
                run.rows[i].samples.iter_mut().take(4).for_each(|ns| *ns *= 1.05);
            },
            "seal/aes-256-gcm/1024 on sealmark/aesni: 2.00x rustcrypto, -4.7 % to +0.0 %; at most ±3 % is \
             allowed",
        ),
    ];
    for (spoil, said) in spoils {
        let mut run = publishable();
        spoil(&mut run);
        let said = said.replace("ROWS", &(run.rows.len() - 1).to_string());
        let found = words(&run);
        assert!(found.contains(&said), "{said}: {found:?}");
    }
}

#[test]
fn a_workload_without_any_peer_is_refused() {
    let mut run = publishable();
    run.rows.retain(|row| row.workload != "open/aes-256-gcm/16" || row.engine == OURS);
    assert!(words(&run).contains(&"open/aes-256-gcm/16 has no time of any peer".to_owned()));
}

#[test]
fn an_engine_that_the_cpu_cannot_run_needs_no_row() {
    let mut run = publishable();
    run.rows.retain(|row| row.engine != OURS || row.workload == "nonce");
    run.engines[0].unavailable = Some("this CPU lacks aes".into());
    assert_eq!(judge(&run), Ok(()));
}

#[test]
fn an_interval_is_as_wide_as_its_farther_end() {
    let samples: Vec<f64> = [100.0; 8].into_iter().chain([96.0; 4]).collect();
    let run = run(vec![row("seal", 16, "ring", &[100.0; 12]), row("seal", 16, OURS, &samples)]);
    let found = ratios(&run);
    assert_eq!(found.len(), 1);
    assert!((found[0].width() - (100.0 / 96.0 - 1.0)).abs() < 1e-9, "{found:?}");
    assert_eq!((wide(&run, 0.05).len(), wide(&run, 0.03).len()), (0, 1));
}

#[test]
fn further_processes_are_started_only_where_they_can_help() {
    let mut run = publishable();
    assert_eq!(left(&run, WITHIN), 0);
    let i = seal_1024(&mut run, OURS);
    run.rows[i].samples.iter_mut().take(4).for_each(|ns| *ns *= 1.05);
    assert_eq!((left(&run, WITHIN), left(&run, 0.1)), (1, 0));
    run.rows[i + 1].error = Some("a wrong tag".into());
    assert_eq!(left(&run, WITHIN), 0, "no process gives that row a time");
}

#[test]
#[cfg(feature = "peers")]
fn the_peers_of_a_baseline_are_those_that_the_feature_brings() {
    let names: Vec<_> = engines().into_iter().map(|engine| engine.name()).collect();
    assert_eq!(missing_peers(names.iter().copied()), Vec::<&str>::new());
    let others = ["openssl", "ipsec-mb"];
    let peers = names.iter().filter(|name| !name.starts_with("sealmark") && !others.contains(name));
    assert!(peers.eq(PEERS.iter()), "{names:?}");
    assert_eq!(missing_peers(["ring", "rustcrypto", "graviola"]), ["aws-lc"]);
}

/// Runs the stopping rule on one made-up ratio whose true value is 1: the interval at the end, if it is
/// narrow enough.
fn stopped(rng: &mut ChaCha8Rng, noise: f64) -> Option<Interval> {
    let mut samples = Vec::new();
    loop {
        // The sum of twelve uniform numbers has a standard deviation of 1.
        let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        samples.push(1.0 + noise * normal);
        if samples.len() < LEAST as usize {
            continue;
        }
        let interval = Interval::of(&samples)?;
        let ratio = Ratio { workload: String::new(), engine: String::new(), peer: String::new(), interval };
        if ratio.width() <= WITHIN {
            return Some(interval);
        }
        if samples.len() == MOST as usize {
            return None;
        }
    }
}

#[test]
fn stopping_at_a_width_leaves_the_median_unbiased_and_costs_little_coverage() {
    const TRIALS: usize = 2000;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (noise, least_published, least_coverage) in
        [(0.02, 0.99, 0.94), (0.03, 0.95, 0.93), (0.05, 0.55, 0.90)]
    {
        let ends: Vec<_> = (0..TRIALS).filter_map(|_| stopped(&mut rng, noise)).collect();
        let share = |count: usize| count as f64 / ends.len() as f64;
        assert!(ends.len() as f64 >= least_published * TRIALS as f64, "{noise}: {}", ends.len());
        let covered = share(ends.iter().filter(|end| (end.low..=end.high).contains(&1.0)).count());
        assert!(covered >= least_coverage, "{noise}: {covered}");
        let above = share(ends.iter().filter(|end| end.median > 1.0).count());
        assert!((above - 0.5).abs() < 0.05, "{noise}: {above} of the medians are too high");
    }
}
