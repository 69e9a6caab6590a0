//! Made-up banks for tests.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::measure::gate::calibrate::kind::{Kind, Margins};
use crate::measure::gate::calibrate::line::{Entry, Line, Origin, Pair, Row, Run, SCHEMA};
use crate::measure::gate::rule::{NullPairs, Verdict};

pub const MARGINS: Margins = Margins { orders: 0.005, single: 0.0075 };
const PROGRAMS: usize = 6;
const WORKLOADS: usize = 4;

pub fn kind(name: &str) -> Kind {
    Kind::named(name).unwrap()
}

pub fn line(name: &str, entry: Entry) -> Line {
    let text = String::new;
    let origin = Origin {
        schema: SCHEMA.into(),
        sealmark: text(),
        host: text(),
        set: text(),
        driver: text(),
        programs: text(),
    };
    Line { origin, kind: kind(name), started: text(), entry }
}

/// Pairs of a kind whose estimates scatter by half a percent and more, with a heavy tail on one side; each
/// program is by so much slower than the first.
pub fn pairs_of(name: &str, count: usize, layout: f64, rng: &mut ChaCha8Rng) -> Vec<Line> {
    let kind = kind(name);
    let programs: Vec<usize> = (0..PROGRAMS.max(kind.builds.programs())).collect();
    let pair = |rng: &mut ChaCha8Rng| {
        let [base, head] = kind.builds.draw(&programs, rng).unwrap();
        let (base, head) = (base[0], head[0]);
        let own = layout * (head as f64 - base as f64) + kind.plant.ln_1p();
        let noise = |rng: &mut ChaCha8Rng| {
            let at: f64 = rng.random_range(-1.0..1.0);
            if at < 0.0 { 0.01 * at } else { 0.01 * at / (1.01 - at) }
        };
        let logs = (0..WORKLOADS).map(|i| (format!("w{i}"), own + noise(rng))).collect();
        line(name, Entry::Pair(Pair { base, head, logs }))
    };
    (0..count).map(|_| pair(rng)).collect()
}

pub fn run(verdicts: &[Verdict], planted: Option<usize>, seconds: f64) -> Run {
    let name = |i: usize| format!("w{i}");
    let row = |(i, &verdict): (usize, &Verdict)| Row {
        workload: name(i),
        verdict,
        ratio: None,
        pairs: 32,
        confirming: 0,
    };
    Run {
        base: vec![0],
        head: vec![1],
        planted: planted.map(name),
        verdict: Verdict::Same,
        rows: verdicts.iter().enumerate().map(row).collect(),
        null_pair: NullPairs::of(&[]),
        ended_early: false,
        lost: Vec::new(),
        seconds,
        load: None,
    }
}
