//! An engine with one wrong AES round constant, through the whole command: it is caught, its cases are named, and it
//! gets no time. Called with arguments this program is the command with that engine; without, it is the test.

use std::process::{Command, ExitCode, Output};

const WRONG: &str = "planted/round-constant";

fn main() -> ExitCode {
    let is_test = std::env::args().nth(1).is_none_or(|first| first.starts_with('-'));
    if !is_test {
        return sealmark::main(&[sealmark::verify::wrong_engine()], &[]);
    }
    verify_ends_with_1_and_names_the_case();
    bench_gives_it_a_row_without_a_time();
    run_does_not_measure_it();
    println!("3 passed, 0 failed");
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
