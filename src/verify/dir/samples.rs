//! The public samples in `tests/vectors/`, one by one and all at once, with the required result of each.

use super::*;
use crate::verify::Outcome;

pub(super) const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

/// The required result of a sample.
enum Right {
    /// This many cases, all of which agree; the first remark contains these words, or there is none.
    Agree(usize, Option<&'static str>),
    /// This many cases, of which these are wrong.
    Wrong(usize, &'static [&'static str]),
    /// Refused with a message that contains these words.
    Refused(&'static str),
    /// Set aside with this description.
    Aside(&'static str),
}

use Right::{Agree, Aside, Refused, Wrong};

/// Every sample, with the result that its README states.
const RIGHT: [(&str, Right); 36] = [
    ("acvp/internalProjection.json", Agree(4, None)),
    ("cavp/00-base.rsp", Agree(2, None)),
    ("cavp/01-crlf.rsp", Agree(2, None)),
    ("cavp/02-bom.rsp", Agree(2, None)),
    ("cavp/03-nospace.rsp", Agree(2, None)),
    ("cavp/04-trailing.rsp", Agree(2, None)),
    ("cavp/05-upper.rsp", Agree(2, None)),
    ("cavp/06-utf16.rsp", Refused("line 1, column 1: the file is UTF-16")),
    ("cavp/07-crcr.rsp", Agree(2, None)),
    ("cavp/08-mac.rsp", Agree(2, None)),
    ("cavp/09-tabs.rsp", Agree(2, None)),
    (
        "cavp/10-trimmed.rsp",
        Agree(
            3,
            Some(
                "line 26: the section [Keylen = 128, IVlen = 96, PTlen = 0, \
        AADlen = 0, Taglen = 128] has 1 records, the first has 2",
            ),
        ),
    ),
    ("cavp/11-trimmed-first.rsp", Agree(3, Some("has 2 records, the first has 1"))),
    ("cavp/12-kept-count.rsp", Agree(1, Some("line 10: the record is numbered 1, not 0"))),
    ("cavp/13-bare-eq.rsp", Agree(2, None)),
    ("cavp/14-nul-end.rsp", Agree(2, None)),
    ("cavp/15-leading-blank.rsp", Agree(2, None)),
    ("cavp/16-double.rsp", Agree(2, None)),
    ("cavp/17-upper-COUNT.rsp", Agree(2, None)),
    ("json/a-plain.json", Agree(3, None)),
    ("json/acceptable.json", Agree(2, None)),
    ("json/b-bom.json", Agree(3, None)),
    ("json/c-utf16.json", Refused("line 1, column 1: the file is UTF-16")),
    ("json/d-crlf.json", Agree(3, None)),
    ("json/dup-id.json", Agree(2, Some("the id tc1 appears more than once: the second is tc1#2"))),
    ("json/dup-member.json", Refused("the member testGroups[0].tests[0].tag appears twice")),
    ("json/e-filtered-count-left.json", Agree(3, Some("numberOfTests: 316 cases are declared, 3 found"))),
    ("json/f-no-count.json", Agree(3, Some("numberOfTests is missing: 3 cases found"))),
    ("json/g-upper.json", Agree(3, None)),
    ("json/h-v0schema.json", Agree(3, None)),
    ("json/invalid-but-right.json", Wrong(2, &["tc1"])),
    ("rooterberg/aes_gcm_128_128_128.json", Agree(156, None)),
    ("sidecar/ek-sidecar.json", Wrong(19, &NOT_READ)),
    (
        "text/aws-lc-aes_128_gcm_tests.txt",
        Agree(1, Some("line 4: IN is quoted, but read as hex to match CT")),
    ),
    ("text/openssl-evpciph.txt", Agree(2, None)),
    ("README.md", Aside("a document or a program")),
];

/// Texts of a `keys.json` that the file expects to be read, but that must not be. The file expects this of
/// every text in it, even of a merge conflict and a file of NULs; only the texts with other line ends are
/// harmless.
const NOT_READ: [&str; 16] = [
    "vectors/bom",
    "vectors/utf16",
    "vectors/nul-tail",
    "vectors/all-nul",
    "vectors/nul-tail-4096",
    "vectors/ctrl-z",
    "vectors/twice",
    "vectors/half-old-half-new",
    "vectors/merge-conflict",
    "vectors/js-comment",
    "vectors/epoch-float",
    "vectors/epoch-exp",
    "vectors/index-float-big",
    "vectors/epoch-string",
    "vectors/epoch-neg",
    "vectors/trailing-comma",
];

/// The ids of the cases in a set that neither agree nor are stricter by a rule.
pub(super) fn wrong(set: &Set) -> Vec<&str> {
    let own = crate::engine::find("sealmark").unwrap();
    let right = |outcome| matches!(outcome, Outcome::Agree | Outcome::Stricter { .. });
    set.cases.iter().filter(|case| !right(case.check.run(own))).map(|case| &*case.id).collect()
}

/// Checks the result for one file of the samples.
fn check(name: &str, right: &Right, found: &Folder, file: &Path) {
    let path = file.display().to_string();
    let report = found.files.iter().find(|report| report.file == path).expect(name);
    let set = found.sets.iter().find(|set| set.name == path);
    match right {
        Agree(cases, remark) => {
            let set = set.unwrap_or_else(|| panic!("{name}: {}", report.what));
            assert_eq!((set.cases.len(), wrong(set)), (*cases, Vec::new()), "{name}");
            assert_eq!(report.state, FileState::Read, "{name}");
            match remark {
                None => assert_eq!(report.remarks, Vec::<String>::new(), "{name}"),
                Some(words) => assert!(report.remarks[0].contains(words), "{name}: {:?}", report.remarks),
            }
        }
        Wrong(cases, ids) => {
            let set = set.unwrap_or_else(|| panic!("{name}: {}", report.what));
            assert_eq!((set.cases.len(), &*wrong(set)), (*cases, *ids), "{name}");
        }
        Refused(words) => {
            assert!(set.is_none() && report.state == FileState::Unreadable, "{name}");
            assert!(report.what.contains(words), "{name}: {}", report.what);
            let unread =
                found.unread.iter().filter(|error| error.to_string() == format!("{path}: {}", report.what));
            assert_eq!(unread.count(), 1, "{name}");
        }
        Aside(what) => {
            assert!(set.is_none() && report.state == FileState::SetAside, "{name}");
            assert_eq!(report.what, *what, "{name}");
        }
    }
}

#[test]
fn every_sample_alone_has_the_result_that_its_readme_states() {
    for (name, right) in &RIGHT {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(Path::new(name).file_name().unwrap());
        fs::copy(Path::new(SAMPLES).join(name), &file).unwrap();
        check(name, right, &read(folder.path()).unwrap(), &file);
    }
}

#[test]
fn all_samples_together_have_the_same_results_and_none_is_left_out() {
    let found = read(Path::new(SAMPLES)).unwrap();
    assert_eq!(found.files.len(), RIGHT.len());
    for (name, right) in &RIGHT {
        check(name, right, &found, &Path::new(SAMPLES).join(name));
    }
    assert_eq!((found.sets.len(), found.unread.len()), (32, 3));
}

#[test]
fn the_harmless_spellings_contain_the_cases_of_the_base() {
    let found = read(Path::new(SAMPLES)).unwrap();
    let ids = |name: &str| -> Vec<String> {
        let path = Path::new(SAMPLES).join(name).display().to_string();
        let set = found.sets.iter().find(|set| set.name == path).expect(name);
        set.cases.iter().map(|case| case.id.clone()).collect()
    };
    let base = ids("cavp/00-base.rsp");
    assert_eq!(base, ["iv96-pt0-aad0-tag128/0", "iv96-pt0-aad0-tag128/1"]);
    let respelled =
        RIGHT.iter().filter(|(name, right)| name.starts_with("cavp/") && matches!(right, Agree(2, _)));
    assert_eq!(respelled.map(|(name, _)| assert_eq!(ids(name), base, "{name}")).count(), 14);
}

#[test]
fn a_text_that_is_not_read_is_reported_with_the_parsers_reason() {
    let found = read(&Path::new(SAMPLES).join("sidecar")).unwrap();
    let own = crate::engine::find("sealmark").unwrap();
    let cases = found.sets[0].cases.iter().filter(|case| NOT_READ.contains(&&*case.id));
    let reasons: Vec<_> = cases.map(|case| case.check.run(own)).collect();
    assert_eq!(reasons.len(), NOT_READ.len());
    let told = |outcome: &Outcome| match outcome {
        Outcome::Wrong { what } => {
            what.starts_with("read: expected success, got: the sidecar") && !what.contains("OTHER")
        }
        _ => false,
    };
    assert!(reasons.iter().all(told), "{reasons:#?}");
}
