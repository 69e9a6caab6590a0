//! An engine with one wrong AES round constant, through the whole command: it is caught, its cases are named,
//! and it gets no time. The engine and the scheme of the examples are one file and one argument each: they
//! are verified, injected with faults, listed, measured and reported. A scheme that lies is caught. With
//! arguments, this program is the command with all of them; without, it is the test.

use std::process::{Command, ExitCode, Output};

use sealmark::engine::{Engine, Shape};
use sealmark::scheme::{Error, Fault, Judgement, Law, Scheme, Session};

#[expect(dead_code, reason = "its main is the example's")]
#[path = "../examples/own_engine.rs"]
mod own_engine;
#[expect(dead_code, reason = "its main is the example's")]
#[path = "../examples/own_scheme.rs"]
mod own_scheme;

use own_engine::Mine;
use own_scheme::Notes;

const WRONG: &str = "planted/round-constant";
/// The schemes that the command has without this program.
const BUILT_IN: &str = "storage, ephemeral/compat, ephemeral/bound, tunnel/compat, tunnel/safe, tunnel/hardened, snapshot/compat, snapshot/safe, snapshot/hardened, snapshot/hardened-stream, log/checked, log/sealed";

/// The example's scheme, which claims to have no blind spots.
struct Boastful;

impl Scheme for Boastful {
    fn name(&self) -> &'static str {
        "notes/boastful"
    }

    fn law(&self) -> Law {
        Notes.law()
    }

    fn needs(&self) -> Option<Shape> {
        Notes.needs()
    }

    fn refusals(&self) -> &'static [&'static str] {
        Notes.refusals()
    }

    fn judge(&self, _: Fault, _: &str) -> Judgement {
        Judgement::Caught
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, Error> {
        Notes.session(engine)
    }
}

fn main() -> ExitCode {
    let is_test = std::env::args().nth(1).is_none_or(|first| first.starts_with('-'));
    if !is_test {
        return sealmark::main(&[sealmark::verify::wrong_engine(), &Mine], &[&Notes, &Boastful]);
    }
    verify_ends_with_1_and_names_the_case();
    the_tunnels_vectors_find_it();
    bench_gives_it_a_row_without_a_time();
    run_does_not_measure_it();
    an_honest_scheme_is_verified_listed_and_measured();
    a_scheme_that_lies_is_found_and_its_family_has_both();
    a_users_own_engine_is_verified_measured_and_reported();
    println!("7 passed, 0 failed");
    ExitCode::SUCCESS
}

fn sealmark(arguments: &[&str]) -> Output {
    let program = std::env::current_exe().expect("this program has a path");
    Command::new(program).args(arguments).output().expect("this program can be run")
}

fn verify_ends_with_1_and_names_the_case() {
    let set = "wycheproof/aes-gcm";
    let output =
        sealmark(&["verify", "--set", set, "--engine", WRONG, "--engine", "sealmark", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tally = &report["sets"][0]["engines"][WRONG];
    assert!(tally["wrong"].as_u64() > Some(0), "{tally}");
    assert_eq!(report["sets"][0]["engines"]["sealmark"]["wrong"], 0);
    let failure = report["failures"].as_array().expect("a list").first().expect("a failure").clone();
    assert_eq!(failure["engine"], WRONG);
    assert_eq!(failure["case"], "tc1");
    assert_eq!(report["wrong"], tally["wrong"]);
}

/// A wrong engine opens what it sealed, so only frames of somebody else show it.
fn the_tunnels_vectors_find_it() {
    let set = "interop/pilot-envelope";
    let output =
        sealmark(&["verify", "--set", set, "--engine", WRONG, "--engine", "sealmark", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    let engines = &report["sets"][0]["engines"];
    assert!(engines[WRONG]["wrong"].as_u64() > Some(0), "{engines}");
    assert_eq!(engines["sealmark"]["wrong"], 0, "{engines}");
    let failures = report["failures"].as_array().expect("a list");
    assert!(
        !failures.is_empty() && failures.iter().all(|failure| failure["engine"] == WRONG),
        "{failures:?}"
    );
}

fn bench_gives_it_a_row_without_a_time() {
    let bench = |format| {
        let filter = "seal/aes-256-gcm/64";
        let output = sealmark(&[
            "bench",
            filter,
            "--engine",
            WRONG,
            "--engine",
            "sealmark",
            "--processes",
            "1",
            "--format",
            format,
        ]);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let run: serde_json::Value = serde_json::from_str(&bench("json")).expect("JSON");
    let rows = run["rows"].as_array().expect("a list");
    let row = |engine: &str| {
        rows.iter()
            .find(|row| row["engine"] == engine && row["workload"] == "seal/aes-256-gcm/64")
            .expect("a row")
    };
    assert!(row(WRONG)["ns"].is_null() && row(WRONG)["gb_per_s"].is_null());
    assert!(row(WRONG)["error"].is_string());
    assert!(row("sealmark")["ns"]["median"].as_f64() > Some(0.0));
    assert!(bench("text").contains("no time"), "the text says that there is no time");
}

fn run_does_not_measure_it() {
    let folder = tempfile::tempdir().expect("a folder for the report");
    let path = folder.path().to_str().expect("test paths are UTF-8");
    let output = sealmark(&["run", "--engine", WRONG, "-o", path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.path().join("index.html").is_file() && folder.path().join("verify.json").is_file());
    assert!(!folder.path().join("bench.json").exists(), "there was no right engine to measure");
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn an_honest_scheme_is_verified_listed_and_measured() {
    let output = sealmark(&["list", "schemes", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = json(&output);
    let listed = listed["schemes"].as_array().expect("a list");
    let built_in = BUILT_IN.split(", ").collect::<Vec<_>>();
    let names: Vec<_> = listed.iter().map(|scheme| scheme["name"].as_str().expect("a name")).collect();
    assert_eq!(names, [&built_in[..], &["notes", "notes/boastful"]].concat());
    let notes = &listed[built_in.len()];
    let faults: Vec<_> =
        notes["blind"].as_array().expect("a list").iter().map(|spot| &spot["fault"]).collect();
    assert_eq!(faults, ["drop", "splice", "tail", "older"]);
    assert_eq!(notes["law"], "each");
    assert_eq!(notes["blind"][0]["kind"], "blind");
    let text = String::from_utf8(sealmark(&["list", "schemes"]).stdout).expect("UTF-8");
    assert!(text.contains("notes (law: each)\n  blind to drop: nothing counts the notes\n"), "{text}");

    let set = "faults/notes";
    let output = sealmark(&["verify", "--set", set, "--engine", "sealmark", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    assert_eq!(report["schemes"], serde_json::json!([notes]));
    let (declared, tally) = (&report["sets"][0]["declared"], &report["sets"][0]["engines"]["sealmark"]);
    assert_eq!((tally["agree"].as_u64(), tally["wrong"].as_u64()), (declared.as_u64(), Some(0)));

    for op in ["protect", "recover"] {
        let path = format!("{op}/notes/64");
        let filter = ["bench", &path, "--engine", "sealmark", "--engine", WRONG];
        let output = sealmark(&[&filter[..], &["--processes", "1", "--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let run = json(&output);
        let row = |engine: &str| {
            let rows = run["rows"].as_array().expect("a list");
            rows.iter()
                .find(|row| row["engine"] == engine && row["workload"] == *path)
                .expect("a row")
                .clone()
        };
        assert!(row("sealmark")["ns"]["median"].as_f64() > Some(0.0), "{run}");
        assert!(row(WRONG)["ns"].is_null() && row(WRONG)["error"].is_string(), "{run}");
    }
}

fn a_scheme_that_lies_is_found_and_its_family_has_both() {
    let output = sealmark(&["verify", "--scheme", "notes", "--engine", "sealmark", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    let sets: Vec<_> = report["sets"].as_array().expect("a list").iter().map(|set| &set["set"]).collect();
    assert_eq!(sets, ["faults/notes", "faults/notes/boastful"]);
    let failures: Vec<_> = report["failures"].as_array().expect("a list").iter().collect();
    let cases: Vec<_> = failures.iter().map(|failure| &failure["case"]).collect();
    assert_eq!(cases, ["drop", "repeat", "splice", "tail", "older"]);
    for failure in failures {
        assert_eq!(failure["set"], "faults/notes/boastful");
        let what = failure["what"].as_str().expect("words");
        assert!(what.contains("it is not refused; judged Caught"), "{what}");
    }
    let unknown = sealmark(&["verify", "--scheme", "note"]);
    assert_eq!(unknown.status.code(), Some(2));
    let words = String::from_utf8_lossy(&unknown.stderr).into_owned();
    let expected = format!(
        "no scheme or family of schemes is called \"note\" (did you mean \"notes\"?); there are: {BUILT_IN}, notes, notes/boastful"
    );
    assert!(words.contains(&expected), "{words}");
}

fn a_users_own_engine_is_verified_measured_and_reported() {
    let sets = ["--set", "wycheproof/aes-gcm", "--set", "faults/notes"];
    let output = sealmark(&[&["verify", "--engine", "mine", "--format", "json"], &sets[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    for set in report["sets"].as_array().expect("a list") {
        let tally = &set["engines"]["mine"];
        assert!(tally["agree"].as_u64() > Some(0) && tally["wrong"] == 0, "{set}");
    }

    let folder = tempfile::tempdir().expect("a folder for the run");
    let file = folder.path().join("run.json");
    let file = file.to_str().expect("test paths are UTF-8");
    let filter = "seal/aes-256-gcm/64,protect/notes/64";
    let output = sealmark(&["bench", filter, "--engine", "mine", "--processes", "1", "-o", file]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = sealmark(&["report", file, "--format", "csv"]);
    let csv = String::from_utf8(output.stdout).expect("UTF-8");
    for path in ["seal/aes-256-gcm/64", "protect/notes/64"] {
        assert!(csv.lines().any(|line| line.contains(&format!("{path},mine,"))), "{path}: {csv}");
    }
}
