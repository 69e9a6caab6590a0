//! The first screen of a run: its CPU and date, the answer in one sentence, three figures, and what is wrong.

use maud::{Markup, html};

use super::heading;
use crate::report::answer::{Answer, Standing};
use crate::report::curve::Lead;
use crate::report::finding::{Finding, Kind};
use crate::report::number::{count, counted, plain, size, three};
use crate::report::rows::operation;
use crate::report::section::Section;

/// Failures that are named here; the tables below have all of them.
const NAMED: usize = 3;

/// Draws it, with a heading of that level.
pub(super) fn top(section: &Section, place: usize, level: u8) -> Markup {
    let (answer, findings) = (section.answer(), section.findings());
    let title = html! { (answer.cpu) " " small { (date(section)) } };
    html! {
        (heading(level, Some(&format!("run-{place}")), &title))
        p.answer { (answer.headline()) }
        dl.figures {
            (rightness(&answer, &findings))
            (fastest(&answer))
            (limit(&answer))
        }
        (wrong(&findings))
        (unsure(&answer.unsure))
    }
}

/// The day on which the first file was begun.
pub(super) fn date(section: &Section) -> String {
    let started = section.started();
    plain(started.get(..10).filter(|day| started[day.len()..].starts_with('T')).unwrap_or(started))
}

/// How many engines are right. It is not called right while anything of the verification failed.
fn rightness(answer: &Answer, findings: &[Finding]) -> Markup {
    let of_verification = |kind| [Kind::Verification, Kind::Nothing].contains(&kind);
    let failed = findings.iter().filter(|finding| of_verification(finding.kind)).count() as u64;
    let verified = answer.present().filter(|engine| engine.standing != Standing::Unverified).count();
    let absent = answer.engines.len() - answer.present().count();
    let absent = match absent {
        0 => String::new(),
        n => format!("; {n} cannot run here"),
    };
    html! {
        div {
            dt { "Engines right" }
            @match answer.cases {
                None => dd { "–" small { "not verified" (absent) } },
                Some(cases) if failed > 0 => dd.bad {
                    i aria-hidden="true" { "✗ " } (answer.right()) " of " (verified)
                    small { (counted(failed, "failure")) " in " (counted(cases.ran, "case")) (absent) }
                },
                Some(cases) => dd {
                    i.right aria-hidden="true" { "✓ " } (answer.right()) " of " (verified)
                    small { (counted(cases.ran, "case")) ", 0 wrong" (absent) }
                },
            }
        }
    }
}

/// The fastest engine for short and for long messages.
fn fastest(answer: &Answer) -> Markup {
    let leads: Vec<&Lead> = answer.short.iter().chain(&answer.long).collect();
    html! {
        div.wide {
            @match leads.first() {
                None => { dt { "Fastest" } dd { "–" small { "not measured" } } }
                Some(lead) => {
                    dt { "Fastest " (operation(&lead.op)) ", " (lead.algorithm) }
                    @for lead in &leads {
                        dd {
                            (lead.speed()) " "
                            small { (size(lead.bytes)) ": " b { (lead.engine) } (margin(lead)) }
                        }
                    }
                }
            }
        }
    }
}

/// How far the fastest is ahead.
fn margin(lead: &Lead) -> String {
    let close: Vec<&str> = lead.close().map(|rival| rival.engine.as_str()).collect();
    match (close.as_slice(), lead.others.first()) {
        ([], None) => String::new(),
        ([], Some(next)) => format!(", {} {}", next.advantage(), next.engine),
        ([one], _) => format!(", too close to {one} to call"),
        ([one, rest @ ..], _) => {
            format!(", too close to {one} and {} to call", counted(rest.len() as u64, "other"))
        }
    }
}

/// How much of the CPU's limit the fastest reaches.
fn limit(answer: &Answer) -> Markup {
    let known: Vec<(&Lead, f64)> =
        answer.long.iter().chain(&answer.short).filter_map(|lead| Some((lead, lead.percent?))).collect();
    html! {
        div {
            dt { "Of this CPU's limit" }
            @match known.as_slice() {
                [] => dd { "–" small { "no limit is known" } },
                [(lead, percent), rest @ ..] => dd {
                    (three(*percent)) " %"
                    small {
                        (lead.engine) " at " (size(lead.bytes))
                        @for (lead, percent) in rest {
                            "; " (three(*percent)) " % at " (size(lead.bytes))
                        }
                    }
                },
            }
        }
    }
}

/// The first failures by name, and how many more there are.
fn wrong(findings: &[Finding]) -> Markup {
    let more = findings.len().saturating_sub(NAMED) as u64;
    html! {
        @if !findings.is_empty() {
            ul.wrong {
                @for finding in findings.iter().take(NAMED) {
                    li { i aria-hidden="true" { "✗ " } (plain(&finding.to_string())) }
                }
                @if more > 0 { li { "and " (count(more)) " more, in the tables below" } }
            }
        }
    }
}

/// What makes the numbers less certain, folded: none of it is a failure.
fn unsure(unsure: &[String]) -> Markup {
    let words = match unsure.len() {
        0 => return html! {},
        1 => "One thing makes these numbers less certain".to_owned(),
        n => format!("{n} things make these numbers less certain"),
    };
    html! {
        details.unsure { summary { (words) } ul { @for words in unsure { li { (words) } } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn drawn(section: &Section) -> String {
        top(section, 1, 1).into_string()
    }

    fn both() -> Section {
        Section { host: sample::host(), verify: Some(sample::report()), bench: Some(sample::run()) }
    }

    #[test]
    fn the_first_screen_names_the_cpu_the_day_and_the_answer() {
        let page = drawn(&both());
        for words in [
            "<small>2026-11-03</small>",
            "fastest aes-256-gcm seal at 64 B: sealmark/aesni at",
            "✗ </i>5 of 6<small>1 failure in 23,971 cases; 1 cannot run here</small>",
            "<b>sealmark/aesni</b>",
            "no limit is known",
            "tc 92: a modified tag was accepted",
        ] {
            assert!(page.contains(words), "{words} in {page}");
        }
    }

    #[test]
    fn every_failure_is_counted_and_the_first_are_named() {
        let mut section = both();
        for row in section.bench.as_mut().unwrap().rows.iter_mut().take(9) {
            row.error = Some("wrong".into());
        }
        let page = drawn(&section);
        assert!(page.contains("tc 92: a modified tag was accepted"), "{page}");
        assert!(page.contains("and 8 more, in the tables below"), "{page}");
    }

    #[test]
    fn a_failure_that_no_engine_is_to_blame_for_takes_the_tick() {
        let mut section = both();
        let report = section.verify.as_mut().unwrap();
        let right = crate::verify::Tally { agree: 121, unsupported: 195, ..Default::default() };
        report.sets[1].engines.insert("graviola".into(), right);
        (report.wrong, report.failures) = (0, Vec::new());
        assert!(drawn(&section).contains("✓ </i>6 of 6"), "{}", drawn(&section));
        section.verify.as_mut().unwrap().failures.push(crate::verify::Failure {
            set: "contract".into(),
            engine: String::new(),
            case: String::new(),
            what: "nothing ran".into(),
        });
        let page = drawn(&section);
        assert!(page.contains("✗ </i>6 of 6") && !page.contains('✓'), "{page}");
    }

    #[test]
    fn a_section_of_one_kind_has_no_figure_of_the_other() {
        let measured = drawn(&Section { verify: None, ..both() });
        assert!(measured.contains("not verified") && !measured.contains('✓'), "{measured}");
        let verified = drawn(&Section { bench: None, ..both() });
        assert!(verified.contains("not measured"), "{verified}");
    }
}
