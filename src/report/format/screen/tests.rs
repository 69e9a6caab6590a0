use super::*;
use crate::report::number::size;
use crate::report::{File, read_all, sample};

/// The widths that a terminal usually has, and the most lines at each.
const SCREENS: [(u16, usize); 3] = [(80, 45), (100, 40), (120, 40)];

/// Two lines and a blank one follow on a terminal: where the report is, and how to see more.
const AFTER: usize = 3;

/// The committed run on a real machine, whatever its folder is called.
fn baseline() -> Vec<File> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/baseline");
    let entries = std::fs::read_dir(folder).expect("there is a baseline");
    let folders: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    let files = folders.iter().find(|path| path.join("bench.json").is_file()).expect("a run is committed");
    read_all(files).expect("its files can be read")
}

fn fits(screen: &str, width: u16, lines: usize) {
    let wide = |line: &&str| line.chars().count() > usize::from(width);
    assert_eq!(screen.lines().find(wide), None, "at {width} columns:\n{screen}");
    assert!(screen.lines().count() <= lines, "at {width} columns, over {lines} lines:\n{screen}");
    assert!(!screen.contains('\u{1b}'), "no colour and no cursor");
}

/// Lines break anywhere between words.
fn flat(screen: &str) -> String {
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_run_with_eight_engines_fits_one_screen() {
    let samples = || vec![File::Verify(sample::report()), File::Bench(sample::run())];
    for (width, lines) in SCREENS {
        for files in [samples(), baseline()] {
            fits(&Report::build(files).screen(width), width, lines - AFTER);
        }
    }
    for width in [0, 40, 60, 79, 250] {
        fits(&Report::build(baseline()).screen(width), width.max(MIN_WIDTH), 60);
    }
}

#[test]
fn a_noisy_run_fits_as_well_and_the_reason_why_an_engine_does_not_run_is_cut() {
    let features = "avx512f, avx512bw, avx512vl, vaes, vpclmulqdq, aes, pclmulqdq, bmi2";
    for (width, lines) in SCREENS {
        let mut files = baseline();
        for file in &mut files {
            match file {
                File::Bench(run) => {
                    run.within = 0.0;
                    run.clock.as_mut().expect("it has one").ghz = Some([2.93, 3.08]);
                    run.rows.retain(|row| row.engine != "sealmark/vaes512");
                    run.engines.retain(|engine| engine.name != "sealmark/vaes512");
                }
                File::Verify(report) => {
                    for set in &mut report.sets {
                        set.engines.remove("sealmark/vaes512");
                    }
                    let mut engines = report.engines.iter_mut();
                    let lost = engines.find(|engine| engine.name == "sealmark/vaes512").expect("it is there");
                    lost.unavailable = Some(format!("this CPU lacks one or more of: {features}"));
                    lost.witnesses.clear();
                }
            }
        }
        let screen = Report::build(files).screen(width);
        let all = flat(&screen);
        for words in ["noisy machine: ", "the clock moved (2.93 to 3.08 GHz)", "avx512f,"] {
            assert!(all.contains(words), "{words} in\n{screen}");
        }
        fits(&screen, width, lines - AFTER);
    }
    assert_eq!(cut("one two three four five", 9), ["one two", "three …"]);
    assert_eq!(cut("one two", 9), ["one two"]);
}

#[test]
fn the_screen_answers_what_a_newcomer_asks() {
    let baseline = Report::build(baseline());
    let host = &baseline.sections()[0].host;
    for (width, _) in SCREENS {
        let screen = baseline.screen(width);
        assert!(screen.starts_with(&host.cpu), "{screen}");
        let all = flat(&screen);
        for words in [
            "engine right wrong not run executed",
            "sealmark/aesni",
            "ymm AES, ymm CLMUL",
            "cases that use no cipher",
            "aes-256-gcm seal, GB/s by message size:",
            "fastest, % of limit",
            "key, ns",
            "Short messages (64 B): ",
            "Long messages (16 KiB): ",
            "of this CPU's limit)",
            "the best peer",
        ] {
            assert!(all.contains(words), "{words} in\n{screen}");
        }
        assert!(!all.contains("failure"), "{screen}");
    }
    let samples = vec![File::Verify(sample::report()), File::Bench(sample::run())];
    let all = flat(&Report::build(samples).screen(100));
    for words in [
        "ring 16,264 0 7,683 not traced",
        "sealmark/vaes512 – – – does not run here: this CPU lacks avx512f",
        "(no engine) 24 0 0 cases that use no cipher",
        "sealmark/aesni 1.23* 3.35* 5.90* 7.28 7.74 7.86 7.89 7.90 99.0",
        "* fastest · 11 more workloads with --full.",
        "Short messages (64 B): sealmark/aesni is fastest at 3.35 GB/s, 72.2 % faster than the best peer, \
         graviola.",
        "Uncertain: no trace of what 6 engines executed: the files do not say",
    ] {
        assert!(all.contains(words), "{words} in {all}");
    }
}

#[test]
fn a_narrow_screen_leaves_the_least_sizes_out_and_says_so() {
    for files in [vec![File::Bench(sample::run())], baseline()] {
        let [narrow, wide] = [80, 100].map(|width| Report::build(files.clone()).screen(width));
        let head = |screen: &str| {
            let line =
                screen.lines().find(|line| line.contains("key, ns")).unwrap_or_else(|| panic!("{screen}"));
            line.split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let sizes: Vec<String> = sample::SIZES.iter().map(|&bytes| size(bytes)).collect();
        assert_eq!(head(&wide)[1..9], sizes, "{wide}");
        assert!(!wide.contains("not shown"), "{wide}");
        let shown = head(&narrow);
        let dropped = 10 - shown.len();
        assert!(dropped >= 1 && shown[1..shown.len() - 1] == sizes[dropped..], "{narrow}");
        let words = format!("not shown at this width: {}", sizes[..dropped].join(", "));
        assert!(flat(&narrow).contains(&words), "{words} in\n{narrow}");
    }
}

#[test]
fn failures_come_first_each_by_name_and_the_rest_are_counted() {
    let mut run = sample::run();
    run.partial = true;
    for row in run.rows.iter_mut().filter(|row| row.engine == "ring") {
        row.error = Some("3 cases came out wrong: no time".into());
    }
    let screen = Report::build(vec![File::Verify(sample::report()), File::Bench(run)]).screen(100);
    fits(&screen, 100, 40);
    let all = flat(&screen);
    let place = |words: &str| all.find(words).unwrap_or_else(|| panic!("{words} in\n{screen}"));
    assert!(place("21 failures:") < place("engine right wrong"), "{screen}");
    for words in [
        "wycheproof/aes-gcm on graviola: 1 of 316 cases wrong: tc 92: a modified tag was accepted",
        "the run ended before all was measured",
        "seal/aes-256-gcm/16 and 17 more on ring: 3 cases came out wrong: no time",
        "open/aes-256-gcm/4096 on graviola: opened message 17 differs",
        "graviola 16,251 1 7,695 not traced; no time in 1 measurement",
        "no time of ring.",
    ] {
        place(words);
    }

    let mut report = sample::report();
    for n in 0..20 {
        let failure = crate::verify::Failure { case: String::new(), ..report.failures[0].clone() };
        report.failures.push(crate::verify::Failure { set: format!("set-{n}"), ..failure });
    }
    let screen = Report::build(vec![File::Verify(report)]).screen(100);
    assert!(screen.contains("21 failures:") && screen.contains("set-4"), "{screen}");
    assert!(screen.contains("  and 15 more: --full names each\n"), "{screen}");
}

#[test]
fn a_verification_alone_and_a_measurement_alone_show_what_they_have() {
    let verified = Report::build(vec![File::Verify(sample::report())]).screen(100);
    assert!(verified.contains("engine              right  wrong  not run  executed"), "{verified}");
    assert!(!verified.contains("GB/s") && !verified.contains("fastest"), "{verified}");
    let measured = Report::build(vec![File::Bench(sample::run())]).screen(100);
    assert!(measured.contains("GB/s by message size") && !measured.contains("right"), "{measured}");
    assert_eq!(Report::build(vec![]).screen(100), "Nothing to report: no result file was given.\n");
}

#[test]
fn primitives_beside_engines_are_one_sentence() {
    let mut report = sample::report();
    report.primitives = ["sha-256", "hkdf"]
        .map(|name| crate::verify::PrimitiveReport {
            primitive: name.into(),
            kind: "hash".into(),
            krate: "crate".into(),
            set: "set".into(),
            declared: 1_000,
            agree: 1_000,
            wrong: 0,
        })
        .to_vec();
    let screen =
        |report: &crate::verify::Report| Report::build(vec![File::Verify(report.clone())]).screen(100);
    let right = screen(&report);
    assert!(right.contains("Primitives: all 2,000 right."), "{right}");
    report.primitives[1].wrong = 3;
    let wrong = screen(&report);
    assert!(wrong.contains("Primitives: 2,000 right, 3 wrong."), "{wrong}");
}

#[test]
fn a_risk_is_one_sentence_with_the_schemes_that_have_it() {
    let scheme = |name: &str, after: &[u64]| crate::verify::SchemeReport {
        name: name.into(),
        law: "each".into(),
        blind: Vec::new(),
        blind_media: Vec::new(),
        blind_histories: Vec::new(),
        risks: after.iter().map(|&after| risk(after)).collect(),
    };
    let mut report = sample::report();
    report.schemes =
        vec![scheme("a", &[2]), scheme("b/x", &[]), scheme("b/y", &[2, 1_046]), scheme("d", &[1_046])];
    let all = flat(&Report::build(vec![File::Verify(report)]).screen(100));
    for words in [
        "Schemes: a, b/x /y, d. Risk of a, b/y: a nonce repeats: chance over 2^-32 after 2 sessions.",
        "Risk of b/y, d: a nonce repeats: chance over 2^-32 after 1,046 sessions.",
    ] {
        assert!(all.contains(words), "{words} in {all}");
    }
    assert_eq!(all.matches("Risk of").count(), 2, "{all}");
}

fn risk(after: u64) -> crate::verify::SchemeRisk {
    crate::verify::SchemeRisk {
        harm: "a nonce repeats".into(),
        counted: "sessions".into(),
        why: "the prefix is short".into(),
        levels: vec![crate::verify::RiskLevel { bits: 32, after }],
    }
}

#[test]
fn any_selection_of_workloads_has_its_table() {
    let of = |keep: &dyn Fn(&crate::measure::Row) -> bool| {
        let mut run = sample::run();
        run.rows.retain(keep);
        let screen = Report::build(vec![File::Bench(run)]).screen(100);
        fits(&screen, 100, 40);
        screen
    };
    let open = of(&|row| row.op == "open");
    assert!(open.contains("aes-256-gcm open, GB/s by message size:"), "{open}");
    let one = of(&|row| row.workload == "seal/aes-256-gcm/64");
    assert!(one.contains("seal/aes-256-gcm/64:\nengine "), "{one}");
    assert!(flat(&one).contains("sealmark/aesni 19.1 3.35 – 1.00*"), "{one}");
    assert!(!one.contains("key, ns"), "{one}");
    let keys = of(&|row| row.op == "key");
    assert!(keys.contains("key/aes-256-gcm:\n"), "{keys}");
    let several = of(&|row| row.bytes == 0);
    assert!(flat(&several).contains("workload fastest ns key/aes-256-gcm sealmark/aesni 99.0"), "{several}");
    assert!(several.contains("keystore/lookup"), "{several}");
}

#[test]
fn another_engine_adds_a_line_to_each_list_and_names_stay_in_their_column() {
    let (mut verify, mut run) = (sample::report(), sample::run());
    let lines = |verify: &crate::verify::Report, run: &crate::measure::Run| {
        let files = vec![File::Verify(verify.clone()), File::Bench(run.clone())];
        let screen = Report::build(files).screen(120);
        fits(&screen, 120, 60);
        screen.lines().count()
    };
    let before = lines(&verify, &run);
    let name = format!("my-own/{}\u{1b}[2J", "very-".repeat(20));
    let info = crate::verify::EngineInfo { name: name.clone(), ..verify.engines[0].clone() };
    verify.engines.push(info);
    for set in &mut verify.sets {
        if let Some(tally) = set.engines.get("aws-lc").copied() {
            set.engines.insert(name.clone(), tally);
        }
    }
    let rows: Vec<_> = run.rows.iter().filter(|row| row.engine == "rustcrypto").cloned().collect();
    run.rows.extend(rows.into_iter().map(|row| crate::measure::Row { engine: name.clone(), ..row }));
    assert_eq!(lines(&verify, &run), before + 2);
}
