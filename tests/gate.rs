//! The gate on builds that differ as a commit would make them differ: what changed nothing is not timed, a
//! slowdown is called by the name of its workload, and more instructions alone are no slowdown.
//!
//! The builds are copies of this program, which is the whole command with the engine of `examples/gated.rs`.
//! In each copy, one byte chooses another variant of the engine. Verdicts are asked for only where the effect
//! is a multiple of the margin; no test looks at a time. With arguments, this program is the command; without,
//! it is the test. `ci/check gate` compiles the variants for real.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sealmark::measure::gate::rule::Verdict;
use sealmark::measure::gate::{self, Gate, Plan, Row, Subject};
use sealmark::measure::workloads;

#[expect(dead_code, reason = "its main is the example's")]
#[path = "../examples/gated.rs"]
mod gated;

use gated::Gated;

/// What every build is asked for.
const WORKLOAD: &str = "seal/aes-256-gcm/64";

fn main() -> ExitCode {
    let is_test = std::env::args().nth(1).is_none_or(|first| first.starts_with('-'));
    if !is_test {
        return sealmark::main(&[&Gated], &[]);
    }
    let folder = tempfile::tempdir().expect("a folder for the builds");
    let builds = Builds::new(folder.path());
    a_build_equals_itself_without_a_pair(&builds);
    a_change_of_documentation_is_the_same_without_a_pair(&builds);
    a_needless_instruction_is_shown_and_timed(&builds);
    a_lost_inlining_and_a_wrong_dispatch_are_slower_by_name(&builds);
    more_instructions_that_run_quicker_are_not_slower(&builds);
    a_base_that_is_no_worker_leaves_the_row_unsure_with_the_reason(&builds);
    println!("6 passed, 0 failed");
    ExitCode::SUCCESS
}

/// Copies of this program, each with a variant of the engine.
struct Builds<'a> {
    folder: &'a Path,
    program: Vec<u8>,
    /// Where the letter of the variant is.
    at: usize,
}

impl<'a> Builds<'a> {
    fn new(folder: &'a Path) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let program = fs::read(own).expect("this program can be read");
        // Backwards, or the words would be in the program twice.
        let words: Vec<u8> = b"=tnairav-detag-kramlaes".iter().rev().copied().collect();
        let found: Vec<usize> = program
            .windows(words.len())
            .enumerate()
            .filter(|(_, part)| *part == words)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(found.len(), 1, "the variant stands in one place");
        Self { folder, at: found[0] + words.len(), program }
    }

    /// The build of that variant.
    fn variant(&self, letter: u8) -> PathBuf {
        let path = self.folder.join(char::from(letter).to_string());
        if !path.exists() {
            let mut program = self.program.clone();
            assert_eq!(program[self.at], gated::PLAIN);
            program[self.at] = letter;
            write_program(&path, &program);
        }
        path
    }
}

fn write_program(path: &Path, program: &[u8]) {
    fs::write(path, program).expect("room for a build");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own file");
    }
}

fn compare(base: &Path, head: &Path) -> Gate {
    let workload =
        workloads().iter().find(|workload| workload.path == WORKLOAD).expect("it is in the catalog");
    let subject = Subject { workload: workload.clone(), engine: &Gated, margin: 0.0075 };
    let plan = Plan {
        base: vec![base.to_owned()],
        head: vec![head.to_owned()],
        subjects: vec![subject],
        all: false,
        keep: false,
        // Enough on a slow and busy machine; a decided workload ends earlier.
        budget: Duration::from_secs(300),
        seed: 7,
        plant: None,
    };
    gate::run(&plan, &AtomicBool::new(false), &mut |_| {}).expect("both builds are there")
}

/// The one row; with a loud line where nothing can be traced, and then everything is timed.
fn row(found: &Gate) -> &Row {
    let [row] = &found.rows[..] else { panic!("one row: {:?}", found.rows) };
    assert_eq!((row.workload.as_str(), row.engine.as_str()), (WORKLOAD, "gated"));
    if let Some(why) = &found.not_traced {
        println!("!!!!!!!! NOT TRACED: {why}");
    }
    row
}

fn a_build_equals_itself_without_a_pair(builds: &Builds<'_>) {
    let plain = builds.variant(gated::PLAIN);
    let found = compare(&plain, &plain);
    let row = row(&found);
    assert_eq!((found.verdict, row.verdict, row.changed), (Verdict::Same, Verdict::Same, Some(false)));
    assert_eq!((row.pairs, found.null_pair, row.ratio), (0, None, None));
}

fn a_change_of_documentation_is_the_same_without_a_pair(builds: &Builds<'_>) {
    let found = compare(&builds.variant(gated::PLAIN), &builds.variant(gated::DOCUMENTED));
    let row = row(&found);
    if found.not_traced.is_some() {
        return;
    }
    assert_eq!((found.verdict, row.changed, &row.why), (Verdict::Same, Some(false), &None));
    assert_eq!(
        (row.pairs, found.null_pair, row.ratio),
        (0, None, None),
        "the files differ, and nothing is timed"
    );
    assert!(
        row.instructions.is_some_and(|counts| counts.base == counts.head && counts.base > 1_000),
        "{row:?}"
    );
}

fn a_needless_instruction_is_shown_and_timed(builds: &Builds<'_>) {
    let found = compare(&builds.variant(gated::PLAIN), &builds.variant(gated::NEEDLESS));
    let row = row(&found);
    assert!(row.pairs > 0 && row.ratio.is_some() && found.null_pair.is_some(), "{found:?}");
    if found.not_traced.is_some() {
        return;
    }
    assert_eq!(row.changed, Some(true), "{row:?}");
    let diff = row.diff.as_ref().expect("what changed");
    // Without optimisation the loop's instructions stand in other functions than `walk`.
    assert!(!diff.symbols.is_empty() && diff.after > diff.before, "{diff:?}");
}

fn a_lost_inlining_and_a_wrong_dispatch_are_slower_by_name(builds: &Builds<'_>) {
    for letter in [gated::CALLED, gated::PORTABLE] {
        let found = compare(&builds.variant(gated::PLAIN), &builds.variant(letter));
        let row = row(&found);
        assert_eq!((found.verdict, row.verdict), (Verdict::Slower, Verdict::Slower), "{row:?}");
        let ratio = row.ratio.expect("it was timed");
        assert!(ratio.low > 1.0 + row.margin && row.confirming.len() > 90, "{row:?}");
    }
}

fn more_instructions_that_run_quicker_are_not_slower(builds: &Builds<'_>) {
    let found = compare(&builds.variant(gated::DIVIDES), &builds.variant(gated::MIXES));
    let row = row(&found);
    assert!(row.pairs > 0 && row.verdict != Verdict::Slower, "{row:?}");
    if found.not_traced.is_none() {
        let counts = row.instructions.expect("both were traced");
        assert!(counts.head > counts.base, "{counts:?}");
    }
}

fn a_base_that_is_no_worker_leaves_the_row_unsure_with_the_reason(builds: &Builds<'_>) {
    let base = builds.folder.join("no-worker");
    write_program(&base, b"this is no program");
    let found = compare(&base, &builds.variant(gated::PLAIN));
    let row = row(&found);
    assert_eq!((found.verdict, row.changed, row.pairs), (Verdict::Unsure, None, 0));
    let why = row.why.as_deref().expect("a reason");
    assert!(why.starts_with("base: a worker process "), "{why}");
}
