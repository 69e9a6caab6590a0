//! The peak rates of this CPU: every backend's probes, timed next to a chain of core cycles.
//!
//! A core may change its clock at any moment, and a virtual machine does not say to which frequency. So every
//! probe is timed in short slices, each right after a slice of cycles (`timing::spend_cycles`), and backends
//! take turns. Operations per cycle are the median of the slices' ratios. Not here: the bound of a message.

use serde::{Deserialize, Serialize};

use crate::aead::{BACKENDS, Backend, Probe};
use crate::timing::{Clock, interval, spend_cycles};

/// The peak rates of one backend on this CPU. Operations are on whole vectors.
///
/// A vector under AES-128, 192 or 256 needs 10, 12 or 14 rounds and at least 3 multiplies. If rounds and
/// multiplies have separate execution units, the slower of the two is the bound; if they share one, the sum
/// is. The mixes, which are those of AES-256, tell the two cases apart.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Limits {
    /// The backend's name.
    pub backend: String,
    /// Blocks in a vector, 16 bytes each.
    pub blocks: u64,
    /// The core's clock while this backend was probed, an estimate: the median of cycles per nanosecond.
    pub clock_ghz: f64,
    /// AES rounds, as many at once as registers allow.
    pub rounds: Figure,
    /// AES rounds in a dependent chain: one operation takes a round's latency.
    pub round_latency: Figure,
    /// Carry-less multiplies, as many at once as registers allow.
    pub multiplies: Figure,
    /// Carry-less multiplies in a dependent chain: one operation takes a multiply's latency.
    pub multiply_latency: Figure,
    /// 14 rounds and 4 multiplies per vector: AES-256-GCM without Karatsuba.
    pub mix_of_four: Figure,
    /// 14 rounds and 3 multiplies per vector: AES-256-GCM with Karatsuba.
    pub mix_of_three: Figure,
}

/// The rate of one kind of operation.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Figure {
    /// Operations per core cycle, the median.
    pub per_cycle: f64,
    /// Nanoseconds per operation, at [`Limits::clock_ghz`].
    pub ns: f64,
}

impl Figure {
    /// Cycles per operation.
    pub fn cycles(&self) -> f64 {
        1.0 / self.per_cycle
    }
}

impl Limits {
    /// Decimal gigabytes per second at one vector per operation: the bound that a mix sets at
    /// [`clock_ghz`](Self::clock_ghz).
    pub fn gb_per_s(&self, mix: Figure) -> f64 {
        16.0 * self.blocks as f64 / mix.ns
    }
}

/// Visits to each backend. Backends alternate, so that all see the same clock frequencies.
const VISITS: usize = 4;
/// Slices per probe and visit.
const SLICES: usize = 8;
/// The warm-up of a visit: a core may change its clock for wide vectors, and takes a while to do so.
const WARM_UP_NS: f64 = 1_000_000.0;
/// The minimum length of a slice of a probe or of cycles: short compared with the scheduler's time slices and
/// with the intervals between clock changes.
const SLICE_NS: f64 = 100_000.0;

/// Probes every backend that has probes and can run here. Takes about 0.25 s on an x86-64 server.
pub fn limits(clock: &Clock) -> Vec<Limits> {
    let slice_ns = SLICE_NS.max(clock.shortest_pass_ns());
    let available = BACKENDS.iter().filter(|backend| backend.available() && backend.has_probes());
    let mut backends: Vec<_> = available
        .map(|backend| Probe::ALL.map(|probe| Probed::new(backend, probe, clock, slice_ns)))
        .collect();
    let cycles = cycles_of(clock, slice_ns);
    for _ in 0..VISITS {
        for probes in &mut backends {
            let mut warm_ns = 0.0;
            while warm_ns < WARM_UP_NS {
                warm_ns += probes.iter().map(|one| one.time(clock).1).sum::<f64>();
            }
            for _ in 0..SLICES {
                for one in &mut *probes {
                    one.slice(clock, cycles);
                }
            }
        }
    }
    backends.iter().map(limits_of).collect()
}

/// One probe of one backend, with its slices so far.
struct Probed {
    backend: &'static Backend,
    probe: Probe,
    turns: u64,
    slices: Vec<Slice>,
}

/// A slice of cycles, and the slice of operations right after it.
#[derive(Clone, Copy)]
struct Slice {
    cycles: u64,
    cycles_ns: f64,
    operations: u64,
    operations_ns: f64,
}

impl Slice {
    fn ghz(&self) -> f64 {
        self.cycles as f64 / self.cycles_ns
    }

    fn per_cycle(&self) -> f64 {
        self.operations as f64 / self.operations_ns / self.ghz()
    }
}

impl Probed {
    /// Finds the number of loop turns that fill a slice.
    fn new(backend: &'static Backend, probe: Probe, clock: &Clock, slice_ns: f64) -> Self {
        let mut one = Self { backend, probe, turns: 16, slices: Vec::with_capacity(VISITS * SLICES) };
        while one.time(clock).1 < slice_ns {
            one.turns *= 2;
        }
        one
    }

    /// The operations of its turns, and the nanoseconds that they take.
    fn time(&self, clock: &Clock) -> (u64, f64) {
        let mut operations = 0;
        let ns = clock.time(|| {
            let done = self.backend.probe(self.probe, self.turns);
            operations = done.expect("only available backends are probed").operations;
        });
        (operations, ns)
    }

    fn slice(&mut self, clock: &Clock, cycles: u64) {
        let mut spent = 0;
        let cycles_ns = clock.time(|| spent = spend_cycles(cycles));
        let (operations, operations_ns) = self.time(clock);
        self.slices.push(Slice { cycles: spent, cycles_ns, operations, operations_ns });
    }
}

/// The number of cycles that fill a slice.
fn cycles_of(clock: &Clock, slice_ns: f64) -> u64 {
    let mut cycles = 1024;
    while clock.time(|| _ = spend_cycles(cycles)) < slice_ns {
        cycles *= 2;
    }
    cycles
}

/// The rates from one backend's slices.
fn limits_of(probed: &[Probed; Probe::ALL.len()]) -> Limits {
    let median = |of: &mut dyn Iterator<Item = f64>| {
        interval::median(&of.collect::<Vec<_>>()).expect("every probe has its slices")
    };
    let clock_ghz = median(&mut probed.iter().flat_map(|one| &one.slices).map(Slice::ghz));
    let figure = |probe| {
        let one = probed.iter().find(|one| one.probe == probe).expect("every backend has every probe");
        let per_cycle = median(&mut one.slices.iter().map(Slice::per_cycle));
        Figure { per_cycle, ns: 1.0 / (per_cycle * clock_ghz) }
    };
    let backend = probed[0].backend;
    Limits {
        backend: backend.name.into(),
        blocks: backend.blocks as u64,
        clock_ghz,
        rounds: figure(Probe::Rounds),
        round_latency: figure(Probe::RoundLatency),
        multiplies: figure(Probe::Multiplies),
        multiply_latency: figure(Probe::MultiplyLatency),
        mix_of_four: figure(Probe::MixOfFour),
        mix_of_three: figure(Probe::MixOfThree),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(probe: Probe, slices: &[Slice]) -> Probed {
        Probed { backend: &BACKENDS[0], probe, turns: 1, slices: slices.to_vec() }
    }

    #[test]
    fn figures_are_medians_of_ratios_so_a_clock_that_changes_does_not_move_them() {
        // Two operations a cycle: twice at 2 GHz, once at 3, and once interrupted.
        let slice =
            |cycles_ns, operations_ns| Slice { cycles: 6000, cycles_ns, operations: 12_000, operations_ns };
        let slices =
            [slice(3000.0, 3000.0), slice(2000.0, 2000.0), slice(3000.0, 3000.0), slice(3000.0, 90_000.0)];
        let limits = limits_of(&Probe::ALL.map(|probe| probed(probe, &slices)));
        assert_eq!((limits.backend.as_str(), limits.blocks), ("portable", 4));
        assert_eq!(limits.clock_ghz, 2.0);
        for figure in [
            limits.rounds,
            limits.round_latency,
            limits.multiplies,
            limits.multiply_latency,
            limits.mix_of_four,
            limits.mix_of_three,
        ] {
            assert_eq!(figure, Figure { per_cycle: 2.0, ns: 0.25 });
            assert_eq!(figure.cycles(), 0.5);
        }
        assert_eq!(limits.gb_per_s(limits.mix_of_four), 256.0);
    }

    #[test]
    fn every_available_backend_has_its_limits() {
        let limits = limits(&Clock::calibrate());
        let names: Vec<_> = limits.iter().map(|limits| limits.backend.as_str()).collect();
        let available: Vec<_> = BACKENDS
            .iter()
            .filter(|backend| backend.available() && backend.has_probes())
            .map(|backend| backend.name)
            .collect();
        assert_eq!(names, available);
        for limits in &limits {
            for figure in [limits.rounds, limits.round_latency, limits.multiplies, limits.multiply_latency] {
                assert!(figure.per_cycle > 0.0 && figure.per_cycle.is_finite(), "{limits:?}");
                assert!(figure.ns > 0.0 && figure.ns.is_finite(), "{limits:?}");
            }
        }
    }
}
