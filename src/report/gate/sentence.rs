//! A gate's result in words: the verdict in one sentence, and what it rests on.
//!
//! Each is built from the rows, so it is as true as the file. A ratio is spelled as a change in percent.

use crate::measure::gate::rule::Verdict;
use crate::measure::gate::{Gate, Ratio, Row};
use crate::report::number::{change, count, counted, plain, three};

/// A verdict's name.
pub(super) const fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Slower => "Slower",
        Verdict::Unsure => "Unsure",
        Verdict::Faster => "Faster",
        Verdict::Same => "Same",
    }
}

/// The interval of a ratio, in percent.
pub(super) fn interval(ratio: Ratio) -> String {
    match ratio.high {
        Some(high) if ratio.low > 0.0 => format!("{} to {}", change(ratio.low), change(high)),
        _ => "too few pairs for an interval".to_owned(),
    }
}

/// `seal/aes-256-gcm/16 on ring`.
pub(super) fn named(row: &Row) -> String {
    plain(&format!("{} on {}", row.workload, row.engine))
}

/// The rows of that verdict.
pub(super) fn rows_of(gate: &Gate, verdict: Verdict) -> impl Iterator<Item = &Row> {
    gate.rows.iter().filter(move |row| row.verdict == verdict)
}

/// The verdict in one sentence.
pub(super) fn sentence(gate: &Gate) -> String {
    let number = rows_of(gate, gate.verdict).count() as u64;
    let all = counted(gate.rows.len() as u64, "workload");
    let extreme = |further: fn(f64) -> f64| {
        let timed = rows_of(gate, gate.verdict).filter_map(|row| Some((row, row.ratio?.estimate)));
        let most = timed.max_by(|one, other| further(one.1).total_cmp(&further(other.1)));
        most.map_or_else(String::new, |(row, ratio)| {
            format!(", most of all {} ({} time)", named(row), change(ratio))
        })
    };
    let early = if gate.ended_early { " It ended early." } else { "" };
    let words = match gate.verdict {
        Verdict::Slower => format!("Slower: {number} of {all}{}.", extreme(|ratio| ratio)),
        Verdict::Faster => {
            format!("Faster: {number} of {all}{}. None is slower.", extreme(|ratio| -ratio))
        }
        Verdict::Same => format!("Same: {all}."),
        Verdict::Unsure if gate.rows.is_empty() => "Unsure: nothing was compared.".to_owned(),
        Verdict::Unsure if number > 0 => format!("Unsure: {number} of {all} could not be decided."),
        Verdict::Unsure => "Unsure: the base differs from itself, so no time of this run counts.".to_owned(),
    };
    plain(&format!("{words}{early}"))
}

/// The result that decides over several.
pub(super) fn overall(gates: &[Gate]) -> Option<&Gate> {
    let order = [Verdict::Slower, Verdict::Unsure, Verdict::Faster, Verdict::Same];
    order.into_iter().find_map(|verdict| gates.iter().find(|gate| gate.verdict == verdict))
}

/// What the streams of instructions say.
pub(super) fn streams(gate: &Gate) -> String {
    if let Some(why) = &gate.not_traced {
        return plain(&format!("No instructions were compared ({why}), so every workload was timed."));
    }
    let of = |changed| gate.rows.iter().filter(|row| row.changed == changed).count() as u64;
    let mut words = format!(
        "{} of {} execute the same instructions in base and head",
        count(of(Some(false))),
        counted(gate.rows.len() as u64, "workload")
    );
    if of(None) > 0 {
        words += &format!("; of {} that is not known", count(of(None)));
    }
    words + "."
}

/// What the base says of itself; empty where nothing was timed.
pub(super) fn null_pairs(gate: &Gate) -> String {
    let Some(null) = &gate.null_pair else { return String::new() };
    let verdict =
        if null.fair() { "as a fair coin may fall" } else { "too uneven: no time of this run counts" };
    format!(
        "Base against base: {} longer, {} shorter, {verdict} (chance {}).",
        count(null.longer),
        count(null.shorter),
        three(null.chance)
    )
}

/// Why a row has no better verdict; empty where it is decided.
pub(super) fn reason(row: &Row) -> String {
    let mut parts: Vec<String> = row.why.iter().map(|why| plain(why)).collect();
    if row.verdict == Verdict::Unsure {
        if let Some(pairs) = row.pairs_needed {
            parts.push(format!("about {} would decide", counted(pairs, "pair")));
        }
        if row.pairs == 0 && row.why.is_none() {
            parts.push("no pair gave an estimate".to_owned());
        }
    }
    parts.join("; ")
}

/// Pairs that were lost, each reason once with its count.
pub(super) fn lost(gate: &Gate) -> Vec<(&str, u64)> {
    let mut found: Vec<(&str, u64)> = Vec::new();
    for why in &gate.lost {
        match found.iter_mut().find(|(known, _)| known == why) {
            Some((_, times)) => *times += 1,
            None => found.push((why, 1)),
        }
    }
    found
}

/// What was compared, and where, one fact a line: its name and its value.
pub(super) fn facts(gate: &Gate) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(commits) = &gate.commits {
        facts.push(("Commits", format!("{} against the base {}", commits.head, commits.base)));
    }
    let mut side = |name, files: &[String]| {
        let words = match files {
            [] => String::new(),
            [only] => only.clone(),
            [first, .., last] => format!("{first} to {last} ({} link orders)", files.len()),
        };
        facts.push((name, words));
    };
    side("Base", &gate.base);
    side("Head", &gate.head);
    let setup = &gate.setup;
    if !setup.set.is_empty() {
        facts.push(("Set", format!("{} ({})", setup.set, setup.config)));
    }
    if let Some(stored) = &setup.baseline {
        let accepted = stored.accepted.iter().map(|why| format!("; it was accepted: {why}"));
        let accepted: String = accepted.collect();
        facts.push(("Baseline", format!("{}, of {}{accepted}", stored.file, stored.started)));
    }
    let told =
        |name, words: &Option<String>| words.iter().map(|words| (name, words.clone())).collect::<Vec<_>>();
    facts.extend(told("One link order a side", &setup.one_order));
    facts.extend(setup.left_out.iter().map(|words| ("Left out", words.clone())));
    facts.extend(told("Accepted as a baseline", &gate.accepted));
    facts.push(("Machine", format!("{} ({})", gate.host.cpu, gate.host.fingerprint)));
    facts.push(("Build", gate.build.clone()));
    let seconds = three(gate.seconds);
    facts.push(("Compared", format!("{}, sealmark {}, {seconds} s", gate.started, gate.sealmark)));
    facts.into_iter().map(|(name, value)| (name, plain(&value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::gate::sample;

    #[test]
    fn an_interval_without_ends_says_so() {
        let wide = Ratio { estimate: 1.0, low: 0.0, high: None };
        assert_eq!(interval(wide), "too few pairs for an interval");
        let narrow = Ratio { estimate: 1.0, low: 0.999, high: Some(1.002) };
        assert_eq!(interval(narrow), "−0.10 % to +0.20 %");
    }

    #[test]
    fn every_verdict_has_its_sentence() {
        let slower = sample::gate();
        let worst = "Slower: 1 of 5 workloads, most of all open/aes-256-gcm/1024 on sealmark (+2.40 % time).";
        assert_eq!(sentence(&slower), worst);
        let only = |verdict| {
            let mut gate = sample::gate();
            gate.rows.retain(|row| row.verdict == verdict);
            gate.verdict = verdict;
            sentence(&gate)
        };
        assert_eq!(only(Verdict::Same), "Same: 2 workloads.");
        assert!(only(Verdict::Faster).starts_with("Faster: 1 of 1 workload, most of all seal/record/1024"));
        assert_eq!(only(Verdict::Unsure), "Unsure: 1 of 1 workload could not be decided.");
        let mut none = sample::gate();
        (none.verdict, none.ended_early) = (Verdict::Unsure, true);
        none.rows.clear();
        assert_eq!(sentence(&none), "Unsure: nothing was compared. It ended early.");
        let mut unfair = sample::gate();
        unfair.rows.retain(|row| row.verdict == Verdict::Same);
        unfair.verdict = Verdict::Unsure;
        assert!(sentence(&unfair).contains("the base differs from itself"));
    }

    #[test]
    fn an_open_row_says_why_and_how_many_pairs_would_do() {
        let mut row = sample::gate().rows.remove(3);
        assert_eq!(reason(&row), "about 1,240 pairs would decide");
        (row.pairs, row.pairs_needed) = (0, None);
        assert_eq!(reason(&row), "no pair gave an estimate");
        row.why = Some("head: a worker process died".into());
        assert_eq!(reason(&row), "head: a worker process died");
    }

    #[test]
    fn streams_that_were_not_compared_are_not_called_equal() {
        let mut gate = sample::gate();
        assert_eq!(
            streams(&gate),
            "1 of 5 workloads execute the same instructions in base and head; of 1 that is not known."
        );
        gate.not_traced = Some("the system does not allow tracing".into());
        assert!(streams(&gate).contains("does not allow tracing), so every workload was timed"));
    }
}
