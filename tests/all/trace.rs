//! `sealmark trace` on every engine on this CPU. If the system forbids tracing, each test says so and passes.
//! `ci/deep trace` is the long version, with ten runs each beside a busy core.

use std::fs;
use std::io::Write;
use std::process::{Command, Output};

use sealmark::aead::{Alg, BACKENDS};
use sealmark::engine::{Engine, Shape, engines};
use serde_json::Value;

fn sealmark(arguments: &[&str]) -> Output {
    sealmark_with(&[], arguments)
}

/// The command with more variables in its environment.
fn sealmark_with(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
    command.envs(variables.iter().copied()).args(arguments).output().expect("the command can be run")
}

/// A trace as JSON; `None`, with a loud line, if nothing can be traced.
fn trace(workload: &str, engine: &str, more: &[&str]) -> Option<Value> {
    trace_with(&[], workload, engine, more)
}

fn trace_with(variables: &[(&str, &str)], workload: &str, engine: &str, more: &[&str]) -> Option<Value> {
    let arguments = [&["trace", workload, "--engine", engine, "--format", "json"], more].concat();
    let output = sealmark_with(variables, &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) {
        // Bypasses the capture of the test's output.
        let _ = writeln!(std::io::stderr(), "!!!!!!!! NOT TRACED: {engine} {workload}: {errors}");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{workload} on {engine}: {errors}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn available() -> Vec<&'static dyn Engine> {
    let runs = |e: &&'static dyn Engine| e.available().is_ok() && e.supports(Shape::usual(Alg::Aes256Gcm));
    engines().into_iter().filter(runs).collect()
}

/// The widths of the instructions of a class.
fn widths(trace: &Value, class: &str) -> Vec<String> {
    let rows = trace["trace"]["classes"].as_array().expect("a list");
    let of_class = rows.iter().filter(|row| row["class"] == class);
    of_class.map(|row| row["width"].as_str().unwrap_or("none").to_owned()).collect()
}

/// Steps that a test may take for one trace; `ci/deep trace` takes the longer ones.
const STEPS: u64 = 60_000;

#[test]
fn the_path_is_the_same_for_every_key_nonce_and_message() {
    let mut seen = 0;
    for engine in available() {
        for op in ["seal", "open"] {
            let mut estimate = 0;
            for size in [64, 1024, 16_384] {
                let workload = format!("{op}/aes-256-gcm/{size}");
                if estimate * size / 64 > STEPS {
                    continue;
                }
                let once = |seed: &str| {
                    let trace = trace(&workload, engine.name(), &["--seed", seed])?;
                    let (count, digest) = (&trace["trace"]["instructions"], &trace["trace"]["digest"]);
                    Some((count.as_u64().expect("a number"), digest.to_string()))
                };
                let Some(first) = once("0") else { return };
                let other = once("18446744073709551615");
                assert_eq!(other.as_ref(), Some(&first), "{workload} on {}", engine.name());
                estimate = estimate.max(first.0);
                seen += 1;
            }
        }
    }
    assert!(seen >= 2 * available().len(), "{seen}");
}

#[test]
fn each_backend_executes_the_vectors_of_its_row() {
    let mut seen = 0;
    for backend in BACKENDS.iter().filter(|backend| backend.available()) {
        let (name, width) = (&*format!("sealmark/{}", backend.name), backend.width);
        let size = if width.is_some() { 4096 } else { 16 };
        let Some(trace) = trace(&format!("seal/aes-256-gcm/{size}"), name, &[]) else { return };
        let witness = |class: &str| trace["trace"]["witness"][class]["width"].as_str().map(str::to_owned);
        for class in ["aes", "multiply"] {
            assert_eq!(witness(class).as_deref(), width, "{class} of {name}");
            let found = widths(&trace, class);
            assert_eq!(found.first().map(String::as_str), width, "{class} of {name}: the widest first");
        }
        let own = trace["trace"]["symbols"].as_array().expect("a list");
        let module = name.trim_start_matches("sealmark/").trim_end_matches("-sha3");
        let aes = own.iter().filter(|row| row["aes"].as_u64() > Some(0));
        for row in aes {
            assert!(row["symbol"].as_str().is_some_and(|symbol| symbol.contains(module)), "{name}: {row}");
        }
        seen += 1;
    }
    assert!(seen >= 1);
}

#[test]
fn a_trace_adds_up() {
    let Some(trace) = trace("open/aes-256-gcm/1024", "sealmark", &[]) else { return };
    assert_eq!(trace["schema"], "sealmark.trace/1");
    assert_eq!((&trace["bytes"], &trace["messages"]), (&1024.into(), &1.into()));
    let all = &trace["trace"];
    let total = all["instructions"].as_u64().expect("a number");
    for list in ["classes", "mnemonics", "symbols", "executed"] {
        let rows = all[list].as_array().expect("a list");
        assert_eq!(rows.iter().filter_map(|row| row["count"].as_u64()).sum::<u64>(), total, "{list}");
    }
    assert_eq!(all["steps"].as_u64(), Some(total + all["iterations"].as_u64().expect("a number")));
    let harness = trace["harness"].as_u64().expect("an engine takes part");
    assert!((10..500).contains(&harness) && harness < total, "{harness} of {total}");
    assert_eq!(all["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn a_saved_trace_shows_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.json");
    let path = file.to_str().expect("test paths are UTF-8");
    let workload = "seal/aes-256-gcm/16";
    let Some(saved) = trace(workload, "sealmark", &["-o", path]) else { return };
    assert_eq!(saved, serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap());
    let compared =
        |engine| trace(workload, engine, &["--diff", path]).expect("traced before")["diff"].clone();
    let same = compared("sealmark");
    assert_eq!(same["same_digest"], true);
    assert_eq!((&same["mnemonics"], &same["symbols"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    let other = compared("sealmark/portable");
    let portable = sealmark::aead::Backend::choose().name == "portable";
    assert_eq!(other["same_digest"], portable);
    assert_ne!(other["before"] == other["after"], !portable);

    let text = sealmark(&["trace", workload, "--engine", "sealmark/portable", "--diff", path]);
    assert_eq!(text.status.code(), Some(0));
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("By class") && text.contains("By symbol") && text.contains("digest "), "{text}");
    assert!(text.contains("Changes by mnemonic"), "{text}");
}

#[test]
fn what_cannot_be_traced_ends_with_2_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.json");
    fs::write(&file, "{\"schema\":\"sealmark.bench/1\"}").unwrap();
    let path = file.to_str().expect("test paths are UTF-8");
    for (arguments, reason) in [
        (&["trace", "seal/rot-13/16"][..], "sealmark list workloads"),
        (&["trace", "nonce", "--engine", "rong"], "sealmark/portable"),
        (&["trace", "nonce", "--diff", path], "sealmark.bench/1"),
        (&["trace", "nonce", "seal/aes-256-gcm/16", "-o", path], "one workload on one engine"),
        (&["step"], "nobody traces"),
    ] {
        let output = sealmark(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_workload_without_a_cipher_has_no_harness() {
    let Some(trace) = trace("nonce", "sealmark", &[]) else { return };
    assert_eq!(trace["harness"], Value::Null);
    assert!(trace["trace"]["instructions"].as_u64() > Some(5));
}

#[test]
fn several_traces_are_shown_side_by_side_and_spliced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("README.md");
    let path = file.to_str().expect("test paths are UTF-8");
    fs::write(&file, "a\n<!-- sealmark:instructions -->\nold\n<!-- /sealmark:instructions -->\nb\n").unwrap();
    let two = ["--engine", "sealmark", "--engine", "sealmark/portable"];
    let workloads = ["trace", "seal/aes-256-gcm/16", "seal/aes-256-gcm/64"];
    let output = sealmark(&[&workloads[..], &two, &["--splice", path]].concat());
    if output.status.code() == Some(3) {
        assert_eq!(fs::read_to_string(&file).unwrap().lines().nth(2), Some("old"));
        return;
    }
    assert_eq!(output.status.code(), Some(0));
    let spliced = fs::read_to_string(&file).unwrap();
    assert!(!spliced.contains("old") && spliced.contains("| engine | 16 B | 64 B |"), "{spliced}");
    let row = spliced.lines().find(|line| line.starts_with("| sealmark/portable |")).expect("its row");
    assert_eq!(row.matches("(no AES)").count(), 2, "{row}");
    assert!(spliced.contains("sealmark trace seal/aes-256-gcm/16 seal/aes-256-gcm/64 --engine sealmark "));

    let lines = sealmark(&[&workloads[..], &two, &["--format", "json"]].concat());
    let lines = String::from_utf8(lines.stdout).expect("UTF-8");
    let traces: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(traces.len(), 4);
    assert!(traces.iter().all(|trace| trace["schema"] == "sealmark.trace/1"));
}

#[test]
fn every_engine_of_ours_is_confirmed_with_every_key_size() {
    let own: Vec<_> = BACKENDS.iter().map(|backend| format!("--engine=sealmark/{}", backend.name)).collect();
    let arguments = ["verify", "--set", "contract", "--engine", "sealmark", "--format", "json"];
    let output = sealmark(&arguments.into_iter().chain(own.iter().map(String::as_str)).collect::<Vec<_>>());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &report["wrong"]), (Some(0), &0.into()), "{}", report["failures"]);
    let mut seen = 0;
    for engine in report["engines"].as_array().expect("a list") {
        let witnesses = engine["witnesses"].as_array().map_or(&[][..], Vec::as_slice);
        if engine["unavailable"].is_null() {
            assert_eq!(witnesses.len(), 6, "two lengths of three key sizes: {engine}");
        }
        for taken in witnesses {
            assert_eq!(taken["witness"].is_null(), taken["no_witness"].is_string(), "{taken}");
            seen += 1;
        }
    }
    assert!(seen >= 6);
}

/// Bit 57 of the first word: AES-NI.
#[cfg(all(target_arch = "x86_64", feature = "peers"))]
const WITHOUT_AES: (&str, &str) = ("OPENSSL_ia32cap", "~0x200000000000000");

#[test]
#[cfg(all(target_arch = "x86_64", feature = "peers"))]
fn a_variable_that_masks_the_cpu_masks_it_for_the_trace_too() {
    if !std::arch::is_x86_feature_detected!("aes") {
        let _ = writeln!(std::io::stderr(), "!!!!!!!! NOT TRIED: this CPU has no AES-NI to be masked");
        return;
    }
    let workload = "seal/aes-256-gcm/1024";
    let Some(usual) = trace(workload, "aws-lc", &[]) else { return };
    assert!(usual["trace"]["witness"]["aes"]["width"].is_string(), "{}", usual["trace"]["witness"]);
    assert!(usual["environment"].is_null(), "{}", usual["environment"]);
    let masked = trace_with(&[WITHOUT_AES], workload, "aws-lc", &[]).expect("traced before");
    assert_eq!(masked["trace"]["witness"]["aes"], Value::Null, "the code without AES-NI");
    let recorded = serde_json::json!([{ "name": WITHOUT_AES.0, "value": WITHOUT_AES.1 }]);
    assert_eq!(masked["environment"], recorded);
    let ours = trace_with(&[WITHOUT_AES], workload, "sealmark/portable", &[]).expect("traced before");
    assert_eq!(ours["environment"], Value::Null, "ours does not listen to it");

    let engine = ["--engine", "aws-lc", "--format", "json"];
    let bench = [&["bench", workload, "--processes", "1"][..], &engine].concat();
    let verify = [&["verify", "--set", "contract"][..], &engine].concat();
    for arguments in [bench, verify] {
        let output = sealmark_with(&[WITHOUT_AES], &arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("warning: OPENSSL_ia32cap=\"~0x200000000000000\" was set"), "{errors}");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(found["engines"][0]["environment"], recorded, "{arguments:?}");
        let of =
            if arguments[0] == "bench" { &found["rows"][0] } else { &found["engines"][0]["witnesses"][4] };
        assert!(of["witness"].is_object() && of["witness"]["aes"].is_null(), "{arguments:?}: {of}");
    }
}

#[test]
fn the_path_does_not_depend_on_the_callers_environment() {
    let filler = "x".repeat(100_000);
    let once = |variables: &[(&str, &str)]| {
        let trace = trace_with(variables, "seal/aes-256-gcm/1024", "sealmark", &[])?;
        Some((trace["trace"]["instructions"].clone(), trace["trace"]["digest"].clone()))
    };
    let Some(first) = once(&[]) else { return };
    for len in [0, 1, 7, 8, 16, 100, 4096, filler.len()] {
        let found = once(&[("SEALMARK_TEST_FILLER", &filler[..len]), ("PATH", &filler[..len / 2])]);
        assert_eq!(found.as_ref(), Some(&first), "{len} bytes more");
    }
}

/// A filter on system calls forbids tracing, as in many containers.
#[cfg(target_os = "linux")]
mod forbidden {
    use std::io;
    use std::os::unix::process::CommandExt;

    use nix::errno::Errno;
    use nix::libc;

    use super::*;

    const TRACEME: u32 = 0;

    /// The requests to `ptrace`, with the numbers of `sys/ptrace.h`: the child's, and then its tracer's.
    const ASKS: &[(&str, u32)] = &[
        ("TRACEME", TRACEME),
        ("SETOPTIONS", 0x4200),
        ("CONT", 7),
        #[cfg(target_arch = "x86_64")]
        ("PEEKUSER", 3),
        #[cfg(target_arch = "aarch64")]
        ("GETREGSET", 0x4204),
        ("SINGLESTEP", 9),
    ];

    fn errno(errno: Errno) -> u32 {
        libc::SECCOMP_RET_ERRNO | errno as u32
    }

    /// From here on `ptrace` answers this request of this process and its children with `answer`, and does
    /// nothing.
    fn refuse_ptrace(request: u32, answer: u32) -> io::Result<()> {
        let line = |code: u32, jf, k| libc::sock_filter { code: code as u16, jt: 0, jf, k };
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let filter = [
            // Compares the number of the call, then its first argument: is it this request to `ptrace`?
            // Allows everything else.
            line(load, 0, 0),
            line(equal, 3, libc::SYS_ptrace as u32),
            line(load, 0, 16),
            line(equal, 1, request),
            line(libc::BPF_RET | libc::BPF_K, 0, answer),
            line(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        #[expect(unsafe_code, reason = "two system calls that no safe interface offers")]
        // SAFETY: `program` and the filter that it points to live until both calls have returned.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
        };
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn sealmark(request: u32, answer: u32, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
        #[expect(unsafe_code, reason = "the only way to do something in the child")]
        // SAFETY: `refuse_ptrace` makes system calls on its own stack and allocates nothing.
        unsafe {
            command.pre_exec(move || refuse_ptrace(request, answer))
        };
        command.args(arguments).output().expect("a process may give up what it is allowed")
    }

    /// The name of each answer in the reason.
    fn answers() -> Vec<(u32, String)> {
        use Errno::{EACCES, EBUSY, EINVAL, EIO, ENOSYS, EPERM, ESRCH};
        let all = [EPERM, EACCES, EIO, EINVAL, ESRCH, ENOSYS, EBUSY];
        all.map(|answer| (errno(answer), io::Error::from(answer).to_string())).to_vec()
    }

    /// For all engines together: it is said once.
    fn could_not_tell(what: &str, output: &Output, reason: &str) {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{what}: {errors}");
        assert!(errors.contains("the system does not allow tracing"), "{what}: {errors}");
        assert!(errors.contains(reason) && errors.contains("ptrace(2)"), "{what}: {errors}");
        assert_eq!(errors.matches("no trace of").count(), 1, "{what}: once, not for each engine: {errors}");
        assert!(output.stdout.is_empty(), "{what}");
    }

    #[test]
    fn whatever_ptrace_answers_a_trace_ends_with_3_and_says_why_once() {
        for (name, request) in ASKS {
            for (answer, reason) in answers() {
                let output = sealmark(*request, answer, &["trace", "seal/aes-256-gcm/16"]);
                could_not_tell(&format!("{name}: {reason}"), &output, &reason);
            }
        }
    }

    #[test]
    fn a_process_killed_for_asking_proves_nothing() {
        for (answer, name) in [(libc::SECCOMP_RET_KILL_PROCESS, "kill"), (libc::SECCOMP_RET_TRAP, "trap")] {
            let output = sealmark(TRACEME, answer, &["trace", "seal/aes-256-gcm/16"]);
            could_not_tell(name, &output, "killed by SIGSYS");
        }
    }

    #[test]
    fn a_refused_or_ignored_request_proves_nothing() {
        // Answers "done" without doing anything, as an emulator may.
        let output = sealmark(TRACEME, libc::SECCOMP_RET_ERRNO, &["trace", "seal/aes-256-gcm/16"]);
        could_not_tell("nothing was done", &output, "exit status 2");
    }

    #[test]
    fn everything_else_goes_on_without_a_witness_and_says_why() {
        let reason = |of: &Value| {
            assert!(of.as_object().expect("an object").contains_key("witness"), "{of}");
            assert!(of["witness"].is_null(), "{of}");
            assert!(
                of["no_witness"].as_str().is_some_and(|why| why.contains("does not allow tracing")),
                "{of}"
            );
        };
        let once = |output: &Output| {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(errors.matches("does not allow tracing").count(), 1, "{errors}");
        };
        let workload = "seal/aes-256-gcm/1024";
        for answer in [errno(Errno::EPERM), errno(Errno::EIO), libc::SECCOMP_RET_KILL_PROCESS] {
            let sealmark = |arguments: &[&str]| sealmark(TRACEME, answer, arguments);
            let engine = ["--engine", "sealmark", "--format", "json"];
            let output = sealmark(&[&["bench", workload, "--processes", "1"][..], &engine].concat());
            let run: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert!(run["rows"][0]["ns"]["median"].as_f64() > Some(0.0), "{run}");
            reason(&run["rows"][0]);
            once(&output);
            let output = sealmark(&["verify", "--set", "contract", "--format", "json"]);
            assert_eq!(output.status.code(), Some(0));
            let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let engines = report["engines"].as_array().expect("a list");
            let witnesses = engines.iter().filter_map(|engine| engine["witnesses"].as_array()).flatten();
            assert!(witnesses.clone().count() >= 6);
            witnesses.for_each(reason);
            once(&output);
        }
        let text = sealmark(TRACEME, errno(Errno::EIO), &["verify", "--set", "contract"]);
        let text = String::from_utf8_lossy(&text.stdout);
        assert_eq!(text.matches("does not allow tracing").count(), 1, "once, not for each engine: {text}");
    }
}
