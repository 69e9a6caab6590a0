//! Made-up results for the tests of this floor: six engines, a wrong one among them. No measurement.

use std::collections::BTreeMap;

use crate::host::Host;
use crate::measure::{self, Arena, EngineVersion, Estimate, Row, Run};
use crate::verify::{self, EngineInfo, Failure, Report, SetReport, Tally};

pub const ENGINES: [&str; 6] =
    ["sealmark/portable", "sealmark/aesni", "rustcrypto", "ring", "aws-lc", "graviola"];
pub const SIZES: [u64; 8] = [16, 64, 256, 1024, 4096, 16_384, 65_536, 1_048_576];
/// Where `graviola` gives a wrong result: workload and size.
pub const WRONG: (&str, u64) = ("open", 4096);
pub const WRONG_WHAT: &str = "opened message 17 differs from what was sealed <b>&";

pub fn host() -> Host {
    Host {
        fingerprint: "3f9ac27be01d5586".into(),
        cpu: "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz".into(),
        vendor: "GenuineIntel".into(),
        family: 6,
        model: 143,
        stepping: 8,
        features: ["aes", "avx", "avx2", "pclmulqdq", "sse4.1", "ssse3", "vaes", "vpclmulqdq"]
            .map(String::from)
            .to_vec(),
        os: "linux".into(),
        arch: "x86_64".into(),
        virtualised: Some(true),
        cores: 2,
        kernel: Some("6.1.0-28-cloud-amd64".into()),
        microcode: Some("0xffffffff".into()),
    }
}

pub fn report() -> Report {
    let set = |set: &str, source: &str, declared: u64, tally: &dyn Fn(&str) -> Tally| SetReport {
        set: set.into(),
        source: source.into(),
        declared,
        engines: ENGINES.iter().map(|&engine| (engine.to_owned(), tally(engine))).collect(),
    };
    let agree = |agree| Tally { agree, ..Tally::default() };
    let sets = vec![
        set("nist/gcm-encrypt", "NIST CAVP, gcmEncryptExtIV", 7875, &|engine| match engine {
            "ring" | "graviola" => Tally { agree: 375, unsupported: 7500, ..Tally::default() },
            _ => agree(7875),
        }),
        set("wycheproof/aes-gcm", "C2SP Wycheproof, aes_gcm_test.json", 316, &|engine| match engine {
            "ring" => Tally { agree: 133, unsupported: 183, ..Tally::default() },
            "graviola" => Tally { agree: 120, unsupported: 195, wrong: 1, ..Tally::default() },
            _ => Tally { agree: 310, stricter: 6, ..Tally::default() },
        }),
        set("differential", "every engine against every other, seed 7", 15_756, &|_| agree(15_756)),
        SetReport {
            set: "record/golden".into(),
            source: "vectors/golden".into(),
            declared: 24,
            engines: BTreeMap::from([("sealmark".to_owned(), agree(24))]),
        },
    ];
    let mut engines: Vec<_> = ENGINES
        .iter()
        .map(|&name| EngineInfo {
            name: name.into(),
            version: version(name).into(),
            unavailable: None,
            witnesses: Vec::new(),
            environment: Vec::new(),
        })
        .collect();
    engines.push(EngineInfo {
        name: "sealmark/vaes512".into(),
        version: "0.1.0".into(),
        unavailable: Some("this CPU lacks avx512f".into()),
        witnesses: Vec::new(),
        environment: Vec::new(),
    });
    Report {
        schema: verify::SCHEMA.into(),
        sealmark: "0.1.0".into(),
        started: "2026-11-03T09:12:44Z".into(),
        host: host(),
        engines,
        sets,
        schemes: Vec::new(),
        primitives: Vec::new(),
        files: Vec::new(),
        wrong: 1,
        failures: vec![Failure {
            set: "wycheproof/aes-gcm".into(),
            engine: "graviola".into(),
            case: "tc 92".into(),
            what: "a modified tag was accepted, expected \"not authentic\"\n<script>alert(1)</script>".into(),
        }],
        seconds: 21.4,
    }
}

fn version(engine: &str) -> &'static str {
    match engine {
        "rustcrypto" => "aes-gcm 0.11.0",
        "ring" => "ring 0.17.14",
        "aws-lc" => "aws-lc-rs 1.19.0",
        "graviola" => "graviola 0.4.1",
        _ => "0.1.0",
    }
}

/// Time before the first byte, and bytes per nanosecond at the far end.
fn speed(engine: &str) -> (f64, f64) {
    match engine {
        "sealmark/portable" => (310.0, 0.021),
        "sealmark/aesni" => (11.0, 7.9),
        "rustcrypto" => (95.0, 1.9),
        "ring" => (52.0, 7.4),
        "aws-lc" => (58.0, 15.1),
        _ => (24.0, 7.2),
    }
}

/// A row whose samples lie around `median`, one process each.
pub fn row(op: &str, algorithm: &str, bytes: u64, engine: &str, samples: &[f64]) -> Row {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let suffix = if bytes == 0 { String::new() } else { format!("/{bytes}") };
    Row {
        workload: format!("{op}/{algorithm}{suffix}"),
        op: op.into(),
        algorithm: algorithm.into(),
        bytes,
        batch: None,
        engine: engine.into(),
        ns: Some(Estimate { median, low: sorted[0], high: sorted[sorted.len() - 1] }),
        cycles: None,
        limit: None,
        tails: None,
        gb_per_s: (bytes > 0).then(|| bytes as f64 / median),
        threads: None,
        clock_error: None,
        processes: samples.len() as u32,
        lost: Vec::new(),
        samples: samples.to_vec(),
        arena: (bytes > 0).then(|| Arena { bytes: 32_768, level: "L1".into() }),
        witness: None,
        no_witness: None,
        coverage: None,
        error: None,
    }
}

pub fn run() -> Run {
    let mut rows = Vec::new();
    let around = |median: f64, engine: &str| {
        let spread = 0.004 * (1 + engine.len() % 5) as f64;
        [median * (1.0 + spread), median * (1.0 - spread / 2.0), median]
    };
    for op in ["seal", "open"] {
        for bytes in SIZES {
            for engine in ENGINES {
                let (start, rate) = speed(engine);
                let median = start + bytes as f64 / rate * if op == "open" { 1.03 } else { 1.0 };
                let mut row = row(op, "aes-256-gcm", bytes, engine, &around(median, engine));
                if (op, bytes, engine) == (WRONG.0, WRONG.1, "graviola") {
                    row.ns = None;
                    row.gb_per_s = None;
                    row.processes = 0;
                    row.samples.clear();
                    row.error = Some(WRONG_WHAT.into());
                }
                rows.push(row);
            }
        }
    }
    for engine in ENGINES {
        let (start, _) = speed(engine);
        rows.push(row("seal", "record", 1024, engine, &around(start * 2.0 + 200.0, engine)));
        rows.push(row("key", "aes-256-gcm", 0, engine, &around(start * 9.0, engine)));
    }
    rows.push(row("nonce", "counter", 0, "sealmark", &[8.31, 8.27, 8.3]));
    rows.push(row("keystore", "lookup", 0, "sealmark", &[23.5, 23.1, 24.9]));
    Run {
        schema: measure::SCHEMA.into(),
        sealmark: "0.1.0".into(),
        started: "2026-11-03T09:13:06Z".into(),
        host: host(),
        suite: "standard".into(),
        partial: false,
        coverage: 0.75,
        within: measure::WITHIN,
        until: None,
        seed: 20_261_103,
        build: "rustc 1.95.0, release".into(),
        clock: None,
        limits: Vec::new(),
        engines: ENGINES
            .iter()
            .map(|&name| EngineVersion {
                name: name.into(),
                version: version(name).into(),
                unavailable: None,
                environment: Vec::new(),
            })
            .collect(),
        rows,
        seconds: 184.0,
    }
}
