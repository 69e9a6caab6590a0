//! The end of a run's part of the page: how to repeat it, how it was done, what it does not show.
//!
//! What is said here of a run is what its file says; what is said of Sealmark is how it measures and verifies
//! (see the files of those floors). The probability of the interval is the file's own.

use maud::{Markup, html};

use crate::measure::{Row, Run, Suite};
use crate::report::number::{plain, size, three};
use crate::report::rows;
use crate::report::section::Section;

/// The commands and what they were run with.
pub(super) fn repeat(section: &Section) -> Markup {
    let mut commands = Vec::new();
    if section.verify.is_some() {
        commands.push("sealmark verify".to_owned());
    }
    if let Some(run) = &section.bench {
        let suite = plain(&run.suite);
        let named = Suite::from_name(&suite).is_some();
        let filter = || format!("sealmark bench '{}'", suite.replace('\'', r"'\''"));
        commands.push(if named { format!("sealmark bench --suite {suite}") } else { filter() });
    }
    html! {
        pre { (commands.join("\n")) }
        dl {
            @if let Some(report) = &section.verify {
                dt { "Verified" }
                dd {
                    (plain(&report.started)) ", sealmark " (plain(&report.sealmark)) ", "
                    (three(report.seconds)) " s"
                }
            }
            @if let Some(run) = &section.bench {
                dt { "Measured" }
                dd {
                    (plain(&run.started)) ", sealmark " (plain(&run.sealmark)) ", " (three(run.seconds)) " s"
                    @if run.partial { "; it ended before all was measured" }
                }
                dt { "Build" }
                dd { (plain(&run.build)) }
                dt { "Seed" }
                dd { (run.seed) " (order of the engines within a round)" }
            }
        }
    }
}

/// How the numbers came about, and what they do not say.
pub(super) fn notes(section: &Section) -> Markup {
    html! {
        ul {
            @if section.verify.is_some() {
                li { "Every engine is judged on the same cases. Agree, stricter, unsupported and wrong add \
                      up to what a set declares; stricter is a refusal by a named rule of what the reference \
                      accepts. Cases show errors; that there are none elsewhere they do not show." }
            }
            @if let Some(run) = &section.bench {
                li { "An engine must be right to be timed: one whose result differs has an error and no \
                      time." }
                li { "The engines are timed in interleaved rounds, in " (rows::processes(run)) " started \
                      afresh. A process counts as one sample: its number is the lower quartile of its \
                      passes, since other work on the machine only ever adds to a pass." }
                li { "A time is the median of those quartiles. Its interval covers the true median over \
                      processes with a probability of " (rows::coverages(run)) ", on this machine as it was \
                      then; it says nothing about another machine." }
                @if let Some(clock) = &run.clock {
                    li { "Reading the clock costs " (three(clock.overhead_ns)) " ns a pass, which is taken \
                          off; no pass is shorter than 100 times that, so what is taken off is below 1 %." }
                    @if let Some([low, high]) = clock.ghz {
                        li { "The core's clock was between " (three(low)) " and " (three(high)) " GHz. \
                              Cycles are counted beside the engines, by a chain of additions that takes its \
                              turn in every round." }
                    }
                }
                @if !run.limits.is_empty() {
                    li { "The limit of an operation is made of what the probes measured of AES rounds and \
                          carry-less multiplies: all rounds of its blocks and three multiplies for each \
                          block that is hashed, on the CPU's widest vectors; for a latency, those that wait \
                          for each other. It leaves out loads, stores, shuffles, the tail, the call and \
                          memory." }
                }
                @for words in arenas(run) { li { (words) } }
                li { "Times are of warm caches and one message after another, or one batch after another. An \
                      application adds what it does between messages." }
                @if run.rows.iter().any(Row::is_latency) {
                    li { "A processor begins the next call before the last one ends, so what is not called a \
                          latency says how often a call can end. Of a latency each call waits for the tag of \
                          the one before, of which its nonce is made: that is for timing, and no way to make \
                          nonces." }
                }
            }
            @if section.host.virtualised == Some(true) {
                li { "A virtual machine shares its CPU with neighbours that cannot be seen from here." }
            }
        }
    }
}

/// Which buffers the operations walked through, by cache level.
fn arenas(run: &Run) -> Vec<String> {
    let mut found: Vec<(&str, u64, u64, u64)> = Vec::new();
    for row in &run.rows {
        let Some(arena) = &row.arena else { continue };
        match found.iter_mut().find(|(level, bytes, ..)| *level == arena.level && *bytes == arena.bytes) {
            Some((_, _, low, high)) => (*low, *high) = ((*low).min(row.bytes), (*high).max(row.bytes)),
            None => found.push((&arena.level, arena.bytes, row.bytes, row.bytes)),
        }
    }
    let words = |(level, bytes, low, high): &(&str, u64, u64, u64)| {
        let messages = if low == high { size(*low) } else { format!("{} to {}", size(*low), size(*high)) };
        plain(&format!("Messages of {messages} walk through {} of buffers, sized to {level}.", size(*bytes)))
    };
    found.iter().map(words).collect()
}
