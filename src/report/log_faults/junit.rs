//! A map as JUnit XML: a test suite for each file, with a test case for the file as it was found and one for
//! each alteration of each part. A log that only the engine refuses has a suite more.
//!
//! What the format cannot see is skipped, with the reason. What has no reason is a failure.

use std::collections::BTreeMap;

use super::table::refusal;
use crate::report::format::junit::xml;
use crate::verify::log_faults::{Evidence, FileMap, Map, Verdict};

/// What becomes of a test case, with its message.
enum Case {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Draws a map for CI.
pub fn junit(map: &Map) -> String {
    let engine = map.refused_although_files_are_well().map(|refused| {
        let found = ("as found".to_owned(), Case::Failed(refusal(refused)));
        drawn(map, "log faults: the engine", &[found])
    });
    let engine = engine.unwrap_or_default();
    let suites: String = map.files.iter().map(|file| suite(map, file)).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{engine}{suites}</testsuites>\n")
}

fn suite(map: &Map, file: &FileMap) -> String {
    let found = match file.integrity_code.as_str() {
        "OK" => Case::Passed,
        code => Case::Failed(format!("{code}: the file is damaged as it is")),
    };
    let mut cases = vec![("as found".to_owned(), found)];
    let mut alike: BTreeMap<String, Vec<&Evidence>> = BTreeMap::new();
    for one in map.evidence.iter().filter(|one| one.file == file.file) {
        alike.entry(format!("{} {}", one.fault, one.part)).or_default().push(one);
    }
    cases.extend(alike.into_iter().map(|(name, results)| (name, case(&results))));
    drawn(map, &format!("log faults {}", file.file), &cases)
}

/// A suite with these test cases.
fn drawn(map: &Map, name: &str, cases: &[(String, Case)]) -> String {
    let number = |of: fn(&Case) -> bool| cases.iter().filter(|(_, case)| of(case)).count();
    let mut out = format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" \
         timestamp=\"{}\" time=\"{:.3}\">\n",
        xml(name),
        cases.len(),
        number(|case| matches!(case, Case::Failed(_))),
        number(|case| matches!(case, Case::Skipped(_))),
        // Readers expect a time without a zone.
        xml(map.started.split(['.', 'Z']).next().unwrap_or_default()),
        map.seconds.max(0.0) / map.files.len() as f64,
    );
    let class = xml(name);
    for (name, case) in cases {
        out += &format!("    <testcase classname=\"{class}\" name=\"{}\" time=\"0\"", xml(name));
        out += &match case {
            Case::Passed => "/>\n".to_owned(),
            Case::Failed(why) => inside(&format!("failure type=\"undetected\" message=\"{}\"", xml(why))),
            Case::Skipped(why) => inside(&format!("skipped message=\"{}\"", xml(why))),
        };
    }
    out + "  </testsuite>\n"
}

fn inside(tag: &str) -> String {
    format!(">\n      <{tag}/>\n    </testcase>\n")
}

/// What several results of one test case come to: the worst.
fn case(results: &[&Evidence]) -> Case {
    if let Some(bad) = results.iter().find(|one| !one.pass) {
        return Case::Failed(Map::log_line(bad));
    }
    let unseen = results.iter().find(|one| matches!(one.verdict, Verdict::Late | Verdict::Undetected));
    match unseen.and_then(|one| one.reason.as_deref()) {
        Some(reason) => Case::Skipped(format!("the format cannot see it: {reason}")),
        None => Case::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::log_faults::sample;

    #[test]
    fn a_finding_fails_and_what_the_format_cannot_see_is_skipped() {
        let text = junit(&sample::map());
        let document = roxmltree::Document::parse(&text).unwrap();
        let count = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
        assert_eq!(["testsuite", "testcase", "failure", "skipped"].map(count), [2, 6, 2, 1], "{text}");
        for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
            let cases = suite.children().filter(|node| node.has_tag_name("testcase")).count();
            assert_eq!(suite.attribute("tests"), Some(cases.to_string().as_str()));
        }
        assert!(!text.contains("<b>") && text.contains("&lt;b&gt;"), "{text}");
    }

    #[test]
    fn a_log_that_only_the_engine_refuses_is_a_failure_in_a_suite_of_its_own() {
        let text = junit(&sample::refused());
        let document = roxmltree::Document::parse(&text).unwrap();
        let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
        let words = failure.attribute("message").unwrap();
        assert!(words.contains("CHECKSUM_MISMATCH") && words.contains("sealmark.<i>history"), "{words}");
        let case = failure.parent().unwrap();
        assert_eq!(case.attribute("classname"), Some("log faults: the engine"));
        assert_eq!(text.matches("<failure").count(), 1, "{text}");
    }
}
