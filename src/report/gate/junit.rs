//! A gate's result as JUnit XML: a test case for each workload and engine, and one for the base against
//! itself.
//!
//! Slower is a failure. Unsure is skipped, with the reason, or an error where CI must not pass without an
//! answer.

use super::sentence::{interval, null_pairs, reason};
use crate::measure::gate::rule::Verdict;
use crate::measure::gate::{Gate, Row, WhenUnsure};
use crate::report::format::junit::xml;
use crate::report::number::change;

/// Draws a result for CI. What is unsure is an error where the run was told `--unsure fail`.
pub fn junit(gate: &Gate) -> String {
    document(std::slice::from_ref(gate))
}

/// Draws several results, a test suite for each.
pub(super) fn document(gates: &[Gate]) -> String {
    let suites: String = gates.iter().map(suite).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}</testsuites>\n")
}

/// What becomes of a test case, with its message.
enum Case {
    Passed,
    Failed(String),
    Skipped(String),
    Broken(String),
}

impl Case {
    fn of(row: &Row, strict: bool) -> Self {
        match row.verdict {
            Verdict::Same | Verdict::Faster => Self::Passed,
            Verdict::Slower => Self::Failed(row.ratio.map_or_else(
                || "slower".to_owned(),
                |ratio| format!("slower: {} time ({})", change(ratio.estimate), interval(ratio)),
            )),
            Verdict::Unsure => Self::open(reason(row), strict),
        }
    }

    fn open(why: String, strict: bool) -> Self {
        let why = if why.is_empty() { "unsure".to_owned() } else { format!("unsure: {why}") };
        if strict { Self::Broken(why) } else { Self::Skipped(why) }
    }
}

fn suite(gate: &Gate) -> String {
    let strict = gate.setup.unsure == WhenUnsure::Fail;
    let host = &gate.host.fingerprint;
    let mut cases: Vec<(String, &str, Case)> = gate
        .rows
        .iter()
        .map(|row| (row.workload.clone(), row.engine.as_str(), Case::of(row, strict)))
        .collect();
    match &gate.null_pair {
        Some(null) if null.fair() => cases.push(("null pairs".into(), "base", Case::Passed)),
        Some(_) => cases.push(("null pairs".into(), "base", Case::open(null_pairs(gate), strict))),
        None => {}
    }
    if gate.rows.is_empty() {
        cases.push(("the run".into(), "head", Case::open("nothing was compared".into(), strict)));
    }
    let number = |of: fn(&Case) -> bool| cases.iter().filter(|(.., case)| of(case)).count();
    let mut out = format!(
        "  <testsuite name=\"gate\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
         timestamp=\"{}\" hostname=\"{}\" time=\"{:.3}\">\n",
        cases.len(),
        number(|case| matches!(case, Case::Failed(_))),
        number(|case| matches!(case, Case::Broken(_))),
        number(|case| matches!(case, Case::Skipped(_))),
        // Readers expect a time without a zone.
        xml(gate.started.split(['.', 'Z']).next().unwrap_or_default()),
        xml(host),
        gate.seconds.max(0.0),
    );
    for (class, name, case) in &cases {
        let (class, name) = (xml(&format!("gate {class} @{host}")), xml(name));
        out += &format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\"");
        out += &match case {
            Case::Passed => "/>\n".to_owned(),
            Case::Failed(why) => inside("failure", "slower", why),
            Case::Broken(why) => inside("error", "unsure", why),
            Case::Skipped(why) => format!(">\n      <skipped message=\"{}\"/>\n    </testcase>\n", xml(why)),
        };
    }
    out + "  </testsuite>\n"
}

fn inside(tag: &str, kind: &str, why: &str) -> String {
    format!(">\n      <{tag} type=\"{kind}\" message=\"{}\"/>\n    </testcase>\n", xml(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::rule::NullPairs;
    use crate::report::gate::sample;

    /// How many cases of each kind, and that the suite's own counts agree.
    fn counts(text: &str) -> [usize; 4] {
        let document = roxmltree::Document::parse(text).unwrap();
        let count = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
        let found = ["testcase", "failure", "error", "skipped"].map(count);
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        for (attribute, found) in ["tests", "failures", "errors", "skipped"].into_iter().zip(found) {
            assert_eq!(suite.attribute(attribute), Some(found.to_string().as_str()), "{attribute}");
        }
        assert_eq!(suite.attribute("timestamp"), Some("2026-11-03T09:12:44"));
        found
    }

    fn junit_strict(gate: &Gate) -> String {
        let mut gate = gate.clone();
        gate.setup.unsure = WhenUnsure::Fail;
        junit(&gate)
    }

    #[test]
    fn slower_fails_and_unsure_is_skipped_or_an_error() {
        let gate = sample::gate();
        let text = junit(&gate);
        assert_eq!(counts(&text), [6, 1, 0, 1], "five rows and the null pairs");
        assert!(text.contains("message=\"slower: +2.40 % time (+1.60 % to +3.20 %)\""), "{text}");
        assert!(text.contains("<skipped message=\"unsure: about 1,240 pairs would decide\"/>"), "{text}");
        let strict = junit_strict(&gate);
        assert_eq!(counts(&strict), [6, 1, 1, 0]);
        assert!(strict.contains("<error type=\"unsure\" message=\"unsure: about"), "{strict}");
    }

    #[test]
    fn a_run_that_proves_nothing_has_no_case_that_passed() {
        let mut gate = sample::gate();
        (gate.rows, gate.null_pair) = (Vec::new(), None);
        assert_eq!(counts(&junit(&gate)), [1, 0, 0, 1]);
        assert_eq!(counts(&junit_strict(&gate)), [1, 0, 1, 0]);
        gate.null_pair = Some(NullPairs { longer: 90, shorter: 10, chance: 1e-9 });
        let text = junit_strict(&gate);
        assert_eq!(counts(&text), [2, 0, 2, 0]);
        assert!(text.contains("too uneven: no time of this run counts"), "{text}");
    }

    #[test]
    fn words_from_a_file_are_no_markup() {
        let mut gate = sample::gate();
        gate.rows[3].why = Some(sample::WHY.into());
        let text = junit(&gate);
        counts(&text);
        assert!(!text.contains("<b>") && text.contains("&lt;b&gt;"), "{text}");
    }
}
