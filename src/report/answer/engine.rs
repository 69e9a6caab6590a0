//! One engine's part of the answer: whether it is right, and what the CPU executed for it.

use super::Cases;
use super::executed;
use crate::report::finding::Kind;
use crate::report::number::plain;
use crate::report::rows::time;
use crate::report::section::Section;
use crate::report::tally;
use crate::verify;

/// What is known of an engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::report) struct EngineAnswer {
    /// Its name.
    pub name: String,
    /// Whether it is right.
    pub standing: Standing,
    /// What the CPU executed when it sealed, `ymm AES, ymm CLMUL`; or why that is unknown. An engine that
    /// cannot run here has executed nothing, and its words are empty.
    pub executed: Result<String, String>,
    /// Workloads that have a row of it without a time.
    pub failed_rows: usize,
}

/// Whether an engine is right here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::report) enum Standing {
    /// Every case that it ran came out as it must.
    Right {
        /// Cases that ran.
        cases: u64,
        /// Cases of calls that it does not offer.
        unsupported: u64,
    },
    /// A case came out wrong, or it failed the verification otherwise.
    Wrong {
        /// Cases that ran, and those that are wrong: none, where it failed as a whole.
        cases: Cases,
        /// Cases of calls that it does not offer.
        unsupported: u64,
        /// The first failure.
        why: String,
    },
    /// It was measured, and no verification is in the files.
    Unverified,
    /// It took no part.
    Absent {
        /// Why: what the CPU lacks.
        why: String,
    },
}

/// Every engine of a section.
pub(super) fn answers(section: &Section) -> Vec<EngineAnswer> {
    let absent = section.absent();
    let findings = section.findings();
    let rows = section.bench.as_ref().map_or(&[][..], |run| &run.rows);
    let answer = |name: &str| {
        let failed = findings.iter().find(|f| f.kind == Kind::Verification && f.engine == name);
        let missing = absent.iter().find(|(engine, _)| engine == name);
        let standing = match (failed, missing, &section.verify) {
            (Some(finding), _, report) => Standing::Wrong {
                cases: report.as_ref().map_or(Cases { ran: 0, wrong: 0 }, |report| cases(report, name)),
                unsupported: report.as_ref().map_or(0, |report| unsupported(report, name)),
                why: plain(&finding.why),
            },
            (None, Some((_, why)), _) => Standing::Absent { why: plain(why) },
            (None, None, Some(report)) if report.engines.iter().any(|engine| engine.name == name) => {
                Standing::Right { cases: cases(report, name).ran, unsupported: unsupported(report, name) }
            }
            (None, None, _) => Standing::Unverified,
        };
        let executed = match &standing {
            Standing::Absent { .. } => Ok(String::new()),
            _ => executed::of(section, name),
        };
        let failed_rows = rows.iter().filter(|row| row.engine == name && time(row).is_none()).count();
        EngineAnswer { name: plain(name), standing, executed, failed_rows }
    };
    section.engines().into_iter().map(answer).collect()
}

/// The tallies of a name.
fn tallies<'a>(report: &'a verify::Report, name: &'a str) -> impl Iterator<Item = &'a verify::Tally> {
    report.sets.iter().filter_map(move |set| set.engines.get(name))
}

fn cases(report: &verify::Report, name: &str) -> Cases {
    tallies(report, name).fold(Cases { ran: 0, wrong: 0 }, |sum, tally| Cases {
        ran: sum.ran + tally.ran(),
        wrong: sum.wrong + tally.wrong,
    })
}

fn unsupported(report: &verify::Report, name: &str) -> u64 {
    tallies(report, name).map(|tally| tally.unsupported).sum()
}

/// Cases that use no cipher: those tallied under a name that is no engine.
pub(super) fn without_engine(report: &verify::Report) -> Option<Cases> {
    let names = tally::columns(report).into_iter().filter(|name| !tally::is_engine(report, name));
    names
        .map(|name| cases(report, name))
        .reduce(|a, b| Cases { ran: a.ran + b.ran, wrong: a.wrong + b.wrong })
}
