//! The end of a run's part of the page: the machine, how to repeat the run, how it was measured. All folded.
//!
//! Statements about the run come from its file; statements about Sealmark describe how its floors measure and
//! verify. The probability of the interval is the file's own.

use maud::{Markup, html};

use super::heading;
use crate::measure::{Row, Run, Suite};
use crate::report::number::{counted, plain, size, three};
use crate::report::rows;
use crate::report::section::Section;
use crate::report::summary;

/// The machine.
pub(super) fn host(section: &Section, level: u8) -> Markup {
    let host = &section.host;
    let unknown = || "unknown".to_owned();
    let features =
        if host.features.is_empty() { "none detected".to_owned() } else { host.features.join(" ") };
    let rows = [
        (
            "Family, model, stepping",
            format!("{} {}, {}, {}", host.vendor, host.family, host.model, host.stepping),
        ),
        ("Features", features),
        (
            "Machine",
            format!("{}, {} usable", summary::machine(host.virtualised), counted(host.cores as u64, "core")),
        ),
        (
            "System",
            format!("{} {}, kernel {}", host.os, host.arch, host.kernel.clone().unwrap_or_else(unknown)),
        ),
        ("Microcode", host.microcode.clone().unwrap_or_else(unknown)),
        ("Fingerprint", host.fingerprint.clone()),
    ];
    html! {
        details.block {
            summary { (heading(level, None, &html! { "The machine" })) }
            dl.facts { @for (name, words) in &rows { dt { (name) } dd { (plain(words)) } } }
        }
    }
}

/// How to repeat the run, and how it was measured.
pub(super) fn method(section: &Section, level: u8) -> Markup {
    html! {
        details.block {
            summary { (heading(level, None, &html! { "How to repeat this run" })) }
            (repeat(section))
        }
        details.block {
            summary { (heading(level, None, &html! { "How this was measured" })) }
            (notes(section))
        }
    }
}

/// The commands and their settings.
fn repeat(section: &Section) -> Markup {
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
        dl.facts {
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

/// How the numbers were obtained, and what they do not show.
fn notes(section: &Section) -> Markup {
    html! {
        ul {
            @if section.verify.is_some() {
                li { "Every engine runs the same cases. Agree, stricter, unsupported and wrong add up to \
                      the number that a set declares. Stricter means that the engine refuses, by a named \
                      rule, an input that the reference accepts. Cases can show errors; they cannot prove \
                      that there are no others." }
            }
            @if let Some(run) = &section.bench {
                li { "An engine must be right to be timed: a wrong result gets an error and no time." }
                li { "Engines are timed in interleaved rounds, in " (rows::processes(run)) ", each started \
                      afresh. Each process contributes one sample: the lower quartile of the passes in \
                      its quietest rounds, because other work on the machine can only make a pass slower." }
                li { "A time is the median of the samples. Its interval covers the true median over \
                      processes with a probability of " (rows::coverages(run)) ", on this machine in its \
                      state at the time; it does not cover other machines." }
                li { "“Too close to call” means that the interval of the ratio of two engines, paired \
                      process by process, includes 1." }
                @if let Some(clock) = &run.clock {
                    li { "Reading the clock costs " (three(clock.overhead_ns)) " ns per pass, which is \
                          subtracted. Every pass lasts at least 100 times as long, so the correction is \
                          below 1 %." }
                    @if let Some([low, high]) = clock.ghz {
                        li { "The core's clock ran between " (three(low)) " and " (three(high)) " GHz. \
                              Cycles are counted by a chain of additions that takes a turn in every round, \
                              like an engine." }
                    }
                }
                @if !run.limits.is_empty() {
                    li { "The CPU's limit comes from probes of its AES rounds and carry-less multiplies on \
                          its widest vectors: all rounds of a message's blocks, and three multiplies for \
                          each hashed block; for a latency, those that wait for each other. Loads, stores, \
                          shuffles, the tail, the call and memory are left out, so an engine stays below \
                          it. A long message whose counter blocks share their first rounds may exceed it." }
                }
                @for words in arenas(run) { li { (words) } }
                li { "Times are with warm caches, one message or one batch after another. An application \
                      adds its own work between messages." }
                @if run.rows.iter().any(Row::is_latency) {
                    li { "A processor begins the next call before the previous one ends, so consecutive \
                          calls give throughput. In a latency measurement each call takes its nonce from \
                          the tag of the previous call and must wait for it. That is for timing only; never \
                          derive nonces this way." }
                }
            }
            @if section.host.virtualised == Some(true) {
                li { "A virtual machine shares its CPU with neighbours that it cannot see." }
            }
        }
    }
}

/// The buffers that the operations walk through, by cache level.
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
