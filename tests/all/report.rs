//! `sealmark report` on results that hold a failure: every format shows the failure in its own way, or the
//! command reports it on stderr, and the exit code never means success.
#![expect(clippy::unwrap_used, reason = "its helpers fail as a test does")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sealmark::report::{Report, read_all};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The formats that `--format` takes; the page is written by `-o` instead.
const FORMATS: [&str; 7] = ["text", "markdown", "csv", "junit", "gha", "bmf", "benchstat"];
/// Formats that can only express benchmarks: a failure outside the rows appears on stderr alone.
const METRICS: [&str; 3] = ["gha", "bmf", "benchstat"];

const WORKLOAD: &str = "open/aes-256-gcm/4096";
const ENGINE: &str = "ring";
/// One word, so that no format can break it over two lines.
const WHY: &str = "differs-in-message-17";

/// One kind of result that is not success.
struct Kind {
    name: &'static str,
    /// Turns a good verification and a good run into this result.
    spoil: fn(&mut Value, &mut Value),
    exit: i32,
    /// The words on stderr, in every format. `ALL` is the number of failures.
    said: &'static str,
    /// The words in every format for people, in CSV and in JUnit.
    shown: &'static str,
    /// The rows that the metrics must show as failed.
    rows: Rows,
}

/// Which rows fail.
enum Rows {
    None,
    One,
    Every,
    Of(&'static str),
}

impl Rows {
    /// How many of a run's rows these are.
    fn count(&self, run: &Value) -> usize {
        let rows = run["rows"].as_array().unwrap();
        match self {
            Self::None => 0,
            Self::One => 1,
            Self::Every => rows.len(),
            Self::Of(engine) => rows.iter().filter(|row| row["engine"] == *engine).count(),
        }
    }
}

const KINDS: [Kind; 12] = [
    Kind {
        name: "a row with an error",
        spoil: |_, run| fail(row(run, WORKLOAD, ENGINE), Some(WHY)),
        exit: 1,
        said: "1 failure; the first: open/aes-256-gcm/4096 on ring: differs-in-message-17",
        shown: WHY,
        rows: Rows::One,
    },
    Kind {
        name: "a row with neither time nor error",
        spoil: |_, run| fail(row(run, WORKLOAD, ENGINE), None),
        exit: 1,
        said: "1 failure; the first: open/aes-256-gcm/4096 on ring: the file holds no time for it",
        shown: "the file holds no time for it",
        rows: Rows::One,
    },
    Kind {
        name: "every row failed",
        spoil: |_, run| {
            for row in run["rows"].as_array_mut().unwrap() {
                fail(row, Some(WHY));
            }
        },
        exit: 1,
        said: "ALL failures",
        shown: WHY,
        rows: Rows::Every,
    },
    Kind {
        name: "a wrong case",
        spoil: |verify, _| {
            let set = verify["sets"].as_array_mut().unwrap();
            let set = set.iter_mut().find(|set| set["set"] == "wycheproof/aes-gcm").unwrap();
            let tally = &mut set["engines"]["sealmark/aesni"];
            tally["agree"] = (tally["agree"].as_u64().unwrap() - 1).into();
            tally["wrong"] = 1.into();
            failure(verify, "wycheproof/aes-gcm", "sealmark/aesni", "tc92", WHY);
        },
        exit: 1,
        said: "1 failure; the first: wycheproof/aes-gcm on sealmark/aesni: 1 of 316 cases wrong: tc92: differs-in-",
        shown: WHY,
        rows: Rows::None,
    },
    Kind {
        name: "a set of which nothing ran",
        spoil: |verify, _| failure(verify, "contract", "", "", WHY),
        exit: 1,
        said: "1 failure; the first: contract: differs-in-message-17",
        shown: WHY,
        rows: Rows::None,
    },
    Kind {
        name: "a set that could not be read and has no tally",
        spoil: |verify, _| failure(verify, "dir/cut.json", "", "", WHY),
        exit: 1,
        said: "1 failure; the first: dir/cut.json: differs-in-message-17",
        shown: WHY,
        rows: Rows::None,
    },
    Kind {
        name: "an engine that ran fewer cases than it must",
        spoil: |verify, _| failure(verify, "wycheproof/aes-gcm", "ring", "", WHY),
        exit: 1,
        said: "1 failure; the first: wycheproof/aes-gcm on ring: differs-in-message-17",
        shown: WHY,
        rows: Rows::None,
    },
    Kind {
        name: "an engine that its witness refutes",
        spoil: |verify, run| {
            failure(verify, "", "sealmark/aesni", "", WHY);
            for row in run["rows"].as_array_mut().unwrap() {
                if row["engine"] == "sealmark/aesni" {
                    fail(row, Some(WHY));
                }
            }
        },
        exit: 1,
        said: "ALL failures; the first: sealmark/aesni: differs-in-message-17",
        shown: WHY,
        rows: Rows::Of("sealmark/aesni"),
    },
    Kind {
        name: "an engine that was required and is not there",
        spoil: |verify, _| failure(verify, "", "sealmark/abacus", "", WHY),
        exit: 1,
        said: "1 failure; the first: sealmark/abacus: differs-in-message-17",
        shown: WHY,
        rows: Rows::None,
    },
    Kind {
        name: "a run that ended before all was measured",
        spoil: |_, run| run["partial"] = true.into(),
        exit: 1,
        said: "1 failure; the first: the run ended before all was measured",
        shown: "ended before all was measured",
        rows: Rows::None,
    },
    Kind {
        name: "a run without a row",
        spoil: |_, run| run["rows"] = json!([]),
        exit: 3,
        said: "nothing was measured",
        shown: "othing was measured",
        rows: Rows::None,
    },
    Kind {
        name: "an engine that this CPU cannot run",
        spoil: |verify, run| {
            for file in [verify, run] {
                let engines = file["engines"].as_array_mut().unwrap();
                engines.push(json!({ "name": "sealmark/armv8", "version": "0.1.0", "unavailable": WHY }));
            }
        },
        exit: 0,
        said: "note: sealmark/armv8 did not run: differs-in-message-17",
        shown: WHY,
        rows: Rows::None,
    },
];

fn row<'a>(run: &'a mut Value, workload: &str, engine: &str) -> &'a mut Value {
    let rows = run["rows"].as_array_mut().unwrap();
    rows.iter_mut().find(|row| row["workload"] == workload && row["engine"] == engine).unwrap()
}

/// Takes a row's time away, as a failed measurement does.
fn fail(row: &mut Value, why: Option<&str>) {
    for number in ["ns", "cycles", "limit", "tails", "gb_per_s"] {
        row[number] = Value::Null;
    }
    (row["processes"], row["samples"]) = (0.into(), json!([]));
    if let Some(why) = why {
        row["error"] = why.into();
    }
}

fn failure(verify: &mut Value, set: &str, engine: &str, case: &str, what: &str) {
    let failure = json!({ "set": set, "engine": engine, "case": case, "what": what });
    verify["failures"].as_array_mut().unwrap().push(failure);
    verify["wrong"] = (verify["wrong"].as_u64().unwrap() + 1).into();
}

/// The committed run: every engine is right and every row has a time.
fn good() -> (Value, Value) {
    let folder = crate::baseline::folders().remove(0);
    let read = |name: &str| serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
    (read("verify.json"), read("bench.json"))
}

/// A folder with both files.
fn folder(verify: &Value, run: &Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("verify.json"), verify.to_string()).unwrap();
    fs::write(folder.path().join("bench.json"), run.to_string()).unwrap();
    folder
}

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_sealmark");
    Command::new(program).arg("report").arg(folder).args(arguments).output().expect("the command can be run")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Rows that a metric shows as failed, each with its reason where the format can hold one.
fn failed_rows(format: &str, text: &str) -> usize {
    match format {
        "gha" => {
            let entries: Vec<Value> = serde_json::from_str(text).unwrap();
            let failed = entries.iter().filter(|entry| entry["value"] == 0);
            failed.inspect(|e| assert!(e["extra"].as_str().unwrap().starts_with("no time: "), "{e}")).count()
        }
        "bmf" => {
            let all: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
            let failed = |measures: &&Value| measures["errors"]["value"] == 1;
            let is_bare = |measures: &Value| measures.as_object().unwrap().len() == 1;
            let rows =
                all.iter().filter(|(name, _)| name.contains("aes-256-gcm/4096") || !is_bare(&all[*name]));
            assert!(rows.count() > 0 || all.values().all(is_bare));
            all.values()
                .filter(failed)
                .inspect(|m| assert!(is_bare(m), "no number beside an error: {m}"))
                .count()
        }
        _ => text.lines().filter(|line| line.ends_with(" 1 1 errors")).count(),
    }
}

#[test]
fn no_format_lets_a_failure_look_like_success() {
    for kind in &KINDS {
        let (mut verify, mut run) = good();
        (kind.spoil)(&mut verify, &mut run);
        let rows = kind.rows.count(&run);
        // Failures of the verification come on top.
        let before = good().0["failures"].as_array().unwrap().len();
        let all = rows + verify["failures"].as_array().unwrap().len() - before;
        let expected = kind.said.replace("ALL", &all.to_string());
        let folder = folder(&verify, &run);
        for format in FORMATS.iter().copied().chain(["html", "screen"]) {
            let at = format!("{} as {format}", kind.name);
            let site = folder.path().join("site");
            let place = site.to_str().unwrap();
            let output = match format {
                "html" => report(folder.path(), &["-o", place]),
                "screen" => report(folder.path(), &["--format", "text"]),
                format => report(folder.path(), &["--format", format]),
            };
            let said = words(&output.stderr);
            assert_eq!(output.status.code(), Some(kind.exit), "{at}: {said}");
            assert!(said.contains(&expected), "{at}: {said}");
            let text = match format {
                "html" => fs::read_to_string(site.join("index.html")).unwrap(),
                // What `verify`, `bench` and `run` print of the same results.
                "screen" => Report::build(read_all(folder.path()).unwrap()).screen(80),
                _ => words(&output.stdout),
            };
            if METRICS.contains(&format) {
                assert!(failed_rows(format, &text) >= rows, "{at}: {said}");
            } else {
                // Lines may break between any two words.
                let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(kind.shown), "{at}:\n{text}");
            }
            if format == "junit" {
                let document = roxmltree::Document::parse(&text).unwrap();
                let bad = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
                let failures = bad("failure") + bad("error");
                assert_eq!(failures > 0, kind.exit != 0, "{at}");
                assert!(failures >= rows, "{at}");
            }
        }
    }
}

#[test]
fn a_good_run_ends_with_0_and_says_nothing() {
    let (verify, run) = good();
    let folder = folder(&verify, &run);
    for format in FORMATS {
        let output = report(folder.path(), &["--format", format]);
        assert_eq!(output.status.code(), Some(0), "{format}");
        // An engine that this host cannot run is no fault, and is told.
        let told = words(&output.stderr);
        assert!(
            told.lines().all(|line| line.starts_with("note: ") && line.contains(" did not run: ")),
            "{told}"
        );
        assert!(!output.stdout.is_empty(), "{format}");
    }
}

#[test]
fn two_hosts_have_two_names_in_every_format_for_programs() {
    let (verify, run) = good();
    let folder = folder(&verify, &run);
    let (mut other_verify, mut other) = (verify, run.clone());
    for file in [&mut other_verify, &mut other] {
        file["host"]["fingerprint"] = "0123456789abcdef".into();
    }
    fs::write(folder.path().join("verify-2.json"), other_verify.to_string()).unwrap();
    fs::write(folder.path().join("bench-2.json"), other.to_string()).unwrap();
    let rows = run["rows"].as_array().unwrap().len();
    let drawn = |format: &str| {
        let output = report(folder.path(), &["--format", format]);
        assert_eq!(output.status.code(), Some(0), "{format}: {}", words(&output.stderr));
        words(&output.stdout)
    };
    let distinct = |mut names: Vec<String>| {
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    let gha: Vec<Value> = serde_json::from_str(&drawn("gha")).unwrap();
    assert_eq!(gha.len(), 2 * rows, "a row of any kind is an entry");
    assert_eq!(distinct(gha.iter().map(|entry| entry["name"].to_string()).collect()), 2 * rows);
    let bmf: serde_json::Map<String, Value> = serde_json::from_str(&drawn("bmf")).unwrap();
    assert_eq!(bmf.len(), 2 * rows);
    let junit = drawn("junit");
    let document = roxmltree::Document::parse(&junit).unwrap();
    let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
    let name = |node: &roxmltree::Node<'_, '_>| {
        format!("{:?} {:?}", node.attribute("classname").unwrap(), node.attribute("name").unwrap())
    };
    assert!(cases.len() > 2 * rows, "rows, and engines by sets");
    assert_eq!(distinct(cases.iter().map(name).collect()), cases.len());
    let benchstat = drawn("benchstat");
    for host in [good().1["host"]["fingerprint"].as_str().unwrap(), "0123456789abcdef"] {
        assert_eq!(benchstat.matches(&format!("\nhost: {host}\n")).count(), 1, "{host}");
    }
    for format in ["csv", "text", "markdown"] {
        assert!(drawn(format).contains("0123456789abcdef"), "{format}");
    }
}

#[test]
fn a_name_that_two_runs_have_is_refused_where_one_would_hide_the_other() {
    let (verify, run) = good();
    let folder = folder(&verify, &run);
    let mut later = run.clone();
    later["started"] = "2999-01-01T00:00:00Z".into();
    fs::write(folder.path().join("later.json"), later.to_string()).unwrap();
    for format in FORMATS {
        let output = report(folder.path(), &["--format", format]);
        let said = words(&output.stderr);
        if ["text", "markdown", "csv"].contains(&format) {
            assert_eq!(output.status.code(), Some(0), "{format}: {said}");
        } else {
            assert_eq!(output.status.code(), Some(2), "{format}: {said}");
            assert!(
                said.contains("occurs twice") && said.contains("one run of each host"),
                "{format}: {said}"
            );
        }
    }
}

#[test]
fn agreement_names_the_rows_that_it_could_not_compare() {
    let (_, run) = good();
    let folder = tempfile::tempdir().unwrap();
    let mut other = run.clone();
    fail(row(&mut other, WORKLOAD, "aws-lc"), Some(WHY));
    other["rows"].as_array_mut().unwrap().retain(|row| row["workload"] != "seal/aes-256-gcm/16");
    fs::write(folder.path().join("a.json"), run.to_string()).unwrap();
    fs::write(folder.path().join("b.json"), other.to_string()).unwrap();
    let output = report(folder.path(), &["--agree", "ring"]);
    let (text, said) = (words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 failure; the first: open/aes-256-gcm/4096 on aws-lc"), "{said}");
    for words in ["seal/aes-256-gcm/16", "only the first run has it", WORKLOAD, "no time in the second run"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn splice_takes_one_run_and_ends_with_1_where_it_holds_a_failure() {
    let (verify, mut run) = good();
    fail(row(&mut run, WORKLOAD, ENGINE), Some(WHY));
    let folder = folder(&verify, &run);
    let target = folder.path().join("README.md");
    let markers = "<!-- sealmark:errors -->\n<!-- /sealmark:errors -->\n<!-- sealmark:cores -->\nold\n\
                   <!-- /sealmark:cores -->\n";
    fs::write(&target, markers).unwrap();
    let arguments = ["--splice", target.to_str().unwrap()];
    let output = report(folder.path(), &arguments);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 failure") && said.contains("left as they were: cores"), "{said}");
    assert!(fs::read_to_string(&target).unwrap().contains(WHY));
    fs::write(folder.path().join("again.json"), run.to_string()).unwrap();
    let output = report(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output.stderr).contains("hold 2 runs"), "{}", words(&output.stderr));
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_does_not_make_a_failure_a_success() {
    let (verify, mut run) = good();
    fail(row(&mut run, WORKLOAD, ENGINE), Some(WHY));
    let folder = folder(&verify, &run);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
    command.arg("report").arg(folder.path()).args(["--format", "csv"]).stdout(writer);
    assert_eq!(command.status().unwrap().code(), Some(1));
}
