//! The cases of a set that a rule of ours decides: those that the index lists, compared with those that came
//! out so.
//!
//! The comparison goes both ways. A rule that decides one case more than the index lists is a failure, and so
//! is a listed case that the rule does not decide.

use std::collections::BTreeMap;

use super::Outcome;

/// The cases that rules decide, as a set declares them: the rule of each case, by the case's id.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rulings {
    /// Cases in which we refuse what the reference accepts: [`Outcome::Stricter`] by this rule, and only
    /// these.
    pub stricter: BTreeMap<String, String>,
    /// Cases in which the vector itself demands what the rule does: [`Outcome::Agree`].
    pub demanded: BTreeMap<String, String>,
}

impl Rulings {
    /// How the outcomes on one engine differ from the declaration: a sentence for each case. A case that is
    /// wrong is reported elsewhere, and one that the engine does not support says nothing.
    pub(super) fn differences<'a>(
        &self,
        outcomes: impl Iterator<Item = (&'a str, &'a Outcome)>,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (id, outcome) in outcomes {
            let by = match outcome {
                Outcome::Agree => None,
                Outcome::Stricter { rule } => Some(*rule),
                Outcome::Unsupported | Outcome::Wrong { .. } => continue,
            };
            match (by, self.stricter.get(id)) {
                (Some(by), Some(listed)) if by == listed => {}
                (None, None) => {}
                (Some(by), Some(listed)) => {
                    found.push(format!("{id} is stricter by {by}; the index lists it under {listed}"));
                }
                (Some(by), None) => {
                    found.push(format!("{id} is stricter by {by}; the index does not list it"));
                }
                (None, Some(listed)) => {
                    found.push(format!("{id} agrees; the index lists it as stricter by {listed}"));
                }
            }
            if let (Some(by), Some(rule)) = (by, self.demanded.get(id)) {
                found.push(format!(
                    "{id} is stricter by {by}; the index says that the vector demands {rule}, so it agrees"
                ));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::verify::vectors::index;
    use crate::verify::{Plan, Sets, built_in, run};

    #[test]
    fn a_case_more_and_a_case_fewer_than_the_index_lists_are_both_named() {
        let strict = |rule| Outcome::Stricter { rule };
        let wrong = Outcome::Wrong { what: "differs".into() };
        let outcomes = [
            ("a", strict("one")),
            ("b", strict("one")),
            ("c", Outcome::Agree),
            ("d", strict("two")),
            ("e", Outcome::Agree),
            ("f", wrong),
            ("g", Outcome::Unsupported),
            ("h", strict("one")),
        ];
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|&(id, rule)| (id.to_owned(), rule.to_owned())).collect()
        };
        let stricter = of(&[("a", "one"), ("c", "one"), ("d", "one"), ("f", "one"), ("g", "one")]);
        let declared = Rulings { stricter, demanded: of(&[("e", "one"), ("h", "two")]) };
        let expected = [
            "b is stricter by one; the index does not list it",
            "c agrees; the index lists it as stricter by one",
            "d is stricter by two; the index lists it under one",
            "h is stricter by one; the index does not list it",
            "h is stricter by one; the index says that the vector demands two, so it agrees",
        ];
        assert_eq!(declared.differences(outcomes.iter().map(|(id, outcome)| (*id, outcome))), expected);
    }

    /// The failures of a set whose declaration was changed.
    fn failures(name: &str, change: impl FnOnce(&mut Rulings)) -> Vec<String> {
        let mut set = built_in(name, 1).expect("the index has it");
        change(set.rulings.as_mut().expect("an interop set declares its rules"));
        let own = engine::find("sealmark").expect("always there");
        let report = run(&Plan::new(vec![own], Sets::Given(vec![set]), 1), &|_| {});
        assert_eq!(report.wrong, report.failures.len() as u64);
        report.failures.into_iter().map(|failure| failure.what).collect()
    }

    #[test]
    fn one_row_more_or_fewer_in_the_index_fails_the_run() {
        let name = "interop/ek-sidecar";
        assert_eq!(failures(name, |_| {}), [""; 0]);
        let fewer = failures(name, |declared| {
            declared.stricter.remove("vectors/null-active").expect("it is listed");
        });
        assert_eq!(fewer, ["vectors/null-active is stricter by strict-json; the index does not list it"]);
        let more = failures(name, |declared| {
            declared.stricter.insert("vectors/v2-full".into(), "strict-json".into());
        });
        assert_eq!(more, ["vectors/v2-full agrees; the index lists it as stricter by strict-json"]);
        let other = failures(name, |declared| {
            declared.stricter.insert("vectors/null-active".into(), "replay-is-done".into());
        });
        let expected =
            "vectors/null-active is stricter by strict-json; the index lists it under replay-is-done";
        assert_eq!(other, [expected]);
        let demanded = failures(name, |declared| {
            declared.demanded.insert("vectors/null-active".into(), "strict-json".into());
        });
        assert_eq!(demanded.len(), 1, "{demanded:?}");
    }

    #[test]
    fn every_interop_set_and_no_other_is_compared() {
        for row in index::rows() {
            let compared = row.load().rulings.is_some();
            assert_eq!(compared, row.format == "interop", "{}", row.name);
        }
    }
}
