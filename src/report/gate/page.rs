//! The page of the gate: for each result the verdict, three figures, what is slower, then the pairs and the
//! changes; and the history with its pictures.
//!
//! It is the page of `report` with other sections: the same style, the same script, nothing to fetch.

use maud::{Markup, html};

use super::sentence::{facts, name, named, null_pairs, overall, reason, rows_of, sentence, streams};
use super::{history, table};
use crate::measure::gate::Gate;
use crate::measure::gate::history::History;
use crate::measure::gate::rule::Verdict;
use crate::report::format::page::{block, heading, shell};
use crate::report::number::{change, count, counted, plain, three};

/// Slower workloads that are named at the top; the table has all of them.
const NAMED: usize = 3;

/// Draws the page.
pub(super) fn page(gates: &[Gate], history: &History) -> String {
    let is_history = !history.entries.is_empty();
    let parts = gates.len() + usize::from(is_history);
    let title = match (gates, overall(gates)) {
        ([gate], _) => sentence(gate),
        (_, Some(gate)) => {
            let verdict = name(gate.verdict).to_lowercase();
            format!("{} of the gate: {verdict}", counted(gates.len() as u64, "result"))
        }
        (_, None) => history::sentence(history),
    };
    let level = if parts > 1 { 2 } else { 1 };
    shell(
        &format!("Sealmark gate: {title}"),
        &html! {
            p.over { "Sealmark gate" }
            @if parts > 1 {
                h1 { "Base against head" }
                p.answer { (plain(&title)) }
                (contents(gates, is_history))
            }
            @for (n, gate) in gates.iter().enumerate() { (result(gate, n + 1, level)) }
            @if is_history { (over_time(history, gates.len() + 1, level)) }
        },
    )
}

fn contents(gates: &[Gate], is_history: bool) -> Markup {
    html! {
        nav aria-label="Results" {
            ol {
                @for (n, gate) in gates.iter().enumerate() {
                    li {
                        a href=(format!("#run-{}", n + 1)) { (plain(&gate.started)) }
                        span { (sentence(gate)) }
                    }
                }
                @if is_history { li { a href=(format!("#run-{}", gates.len() + 1)) { "History" } } }
            }
        }
    }
}

fn result(gate: &Gate, place: usize, level: u8) -> Markup {
    let day = gate.started.split('T').next().unwrap_or_default();
    html! {
        section {
            (heading(level, Some(&format!("run-{place}")), &html! {
                "Gate: " (name(gate.verdict).to_lowercase()) " " small { (plain(day)) }
            }))
            p.answer { (sentence(gate)) }
            dl.figures { (verdict(gate)) (executed(gate)) (timed(gate)) }
            (wrong(gate))
            @for (n, one) in table::blocks(gate).iter().enumerate() {
                (block::block(one, &[], &format!("run-{place}-{}", n + 1), level + 1))
            }
            details.block {
                summary { (heading(level + 1, None, &html! { "What was compared, and where" })) }
                dl.facts { @for (name, value) in facts(gate) { dt { (name) } dd { (value) } } }
            }
            details.block {
                summary { (heading(level + 1, None, &html! { "How the gate decides" })) }
                (method())
            }
        }
    }
}

fn verdict(gate: &Gate) -> Markup {
    let of = |verdict| rows_of(gate, verdict).count() as u64;
    let detail = format!(
        "{} slower, {} unsure, {} faster, {} the same",
        of(Verdict::Slower),
        of(Verdict::Unsure),
        of(Verdict::Faster),
        of(Verdict::Same)
    );
    html! {
        div {
            dt { "Verdict" }
            @match gate.verdict {
                Verdict::Slower => dd.bad {
                    i aria-hidden="true" { "✗ " } (name(gate.verdict)) small { (detail) }
                },
                Verdict::Unsure => dd { (name(gate.verdict)) small { (detail) } },
                Verdict::Same | Verdict::Faster => dd {
                    i.right aria-hidden="true" { "✓ " } (name(gate.verdict)) small { (detail) }
                },
            }
        }
    }
}

fn executed(gate: &Gate) -> Markup {
    let changed = gate.rows.iter().filter(|row| row.changed == Some(true)).count() as u64;
    let known = gate.rows.iter().any(|row| row.changed.is_some());
    html! {
        div {
            dt { "Workloads that execute other instructions" }
            dd {
                @if known { (count(changed)) " of " (count(gate.rows.len() as u64)) } @else { "–" }
                small { (streams(gate)) }
            }
        }
    }
}

fn timed(gate: &Gate) -> Markup {
    let pairs = gate.rows.iter().map(|row| row.pairs).max().unwrap_or(0);
    let null = null_pairs(gate);
    html! {
        div {
            dt { "Timed" }
            dd {
                @if pairs == 0 { "nothing" } @else { (counted(pairs, "pair")) }
                small {
                    @if !null.is_empty() { (null) " " }
                    (three(gate.seconds)) " s."
                }
            }
        }
    }
}

/// What is slower, and why a run is unsure as a whole.
fn wrong(gate: &Gate) -> Markup {
    let slower = rows_of(gate, Verdict::Slower).map(|row| {
        let time = row.ratio.map_or_else(String::new, |ratio| format!(": {} time", change(ratio.estimate)));
        format!("{}{time}", named(row))
    });
    let open = rows_of(gate, Verdict::Unsure).map(|row| format!("{}: unsure; {}", named(row), reason(row)));
    let slower: Vec<String> = slower.collect();
    let all: Vec<String> = if slower.is_empty() { open.collect() } else { slower };
    html! {
        @if !all.is_empty() {
            ul.wrong {
                @for words in all.iter().take(NAMED) { li { (words) } }
                @if all.len() > NAMED { li { "and " (all.len() - NAMED) " more, in the table below" } }
            }
        }
    }
}

fn method() -> Markup {
    html! {
        ul {
            li { "Both programs are single-stepped through the same call, each twice. A workload whose \
                  stream of instructions did not change is the same and is not timed. More instructions \
                  alone are no verdict." }
            li { "The others are timed in many short pairs of fresh processes, one of the base and one of \
                  the head, on one core. Both run the same slices of some 20 µs in turn, at the same \
                  random places of stack and buffers. A pair's estimate is the ratio of the lower \
                  quartiles of the slices." }
            li { "The interval of the median over pairs holds whatever the noise looks like, and is \
                  corrected for the number of workloads and looks. Slower: its lower end is above 1 and \
                  the estimate at least the margin. Faster: likewise below. Same: the interval lies within \
                  twice the margin. Everything else is unsure." }
            li { "What looks slower or faster is measured again in fresh pairs, with the roles exchanged. \
                  One pair in four compares the base with itself; if those look uneven, no time of the run \
                  counts." }
            li { "Not seen: a slowdown that hits fewer than a quarter of the slices. An effect as large as \
                  the margin is found half of the time. The place of the code in the file moves times too: \
                  one build a side cannot tell that from a change." }
        }
    }
}

fn over_time(history: &History, place: usize, level: u8) -> Markup {
    html! {
        section {
            (heading(level, Some(&format!("run-{place}")), &html! { "History of the gate" }))
            p.answer { (history::sentence(history)) }
            @for (n, one) in history::blocks(history).iter().enumerate() {
                (block::block(one, &[], &format!("run-{place}-{}", n + 1), level + 1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::gate::history::Entry;
    use crate::report::gate::sample;

    fn alone() -> String {
        page(&[sample::gate()], &History::default())
    }

    fn both() -> String {
        let entries = (0..12).map(|_| Entry::of(&sample::gate())).collect();
        page(&[sample::gate()], &History { entries, torn: Vec::new() })
    }

    #[test]
    fn the_page_fetches_nothing_and_has_one_heading_of_the_first_level() {
        for page in [alone(), both()] {
            for forbidden in ["http:", "https:", "src=", "<link", "url(", "<img", "style=", "<b>"] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
            assert_eq!(page.matches("<h1").count(), 1);
            assert!(page.ends_with("</html>") && page.contains("default-src 'none'"));
        }
    }

    #[test]
    fn the_verdict_comes_first_then_what_is_slower_then_the_pairs_with_their_table() {
        let page = alone();
        let at = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}"));
        let order = [
            "<p class=\"answer\">Slower: 1 of 5 workloads",
            "<dl class=\"figures\">",
            "<ul class=\"wrong\"><li>open/aes-256-gcm/1024 on sealmark: +2.40 % time",
            "<svg",
            "Table of these numbers",
            "What executes differently",
            "Pairs without an estimate",
        ];
        assert!(order.map(at).is_sorted(), "{:?}", order.map(at));
        assert_eq!((page.matches("<svg").count(), page.matches("<div").count() > 5), (1, true));
        assert!(page.contains("&lt;b&gt;|x|&lt;/<wbr>b&gt;"), "a reason is only words");
    }

    #[test]
    fn a_history_has_its_pictures_and_tables() {
        let page = both();
        assert!(page.contains("href=\"#run-2\"") && page.contains("id=\"run-2\""));
        assert!(page.contains("12 runs: 12 slower, 0 unsure.") && page.matches("<svg").count() == 2);
        let ids: Vec<_> =
            page.match_indices(" id=\"").map(|(at, _)| page[at + 5..].split('"').next()).collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(ids.len(), once.len(), "{ids:?}");
    }

    #[test]
    fn a_verdict_that_is_not_good_has_no_tick() {
        let mut unsure = sample::gate();
        unsure.rows.retain(|row| row.verdict == Verdict::Unsure);
        unsure.verdict = Verdict::Unsure;
        let text = verdict(&unsure).into_string() + &wrong(&unsure).into_string();
        assert!(!text.contains('✓') && text.contains("unsure; about 1,240 pairs would decide"), "{text}");
        assert!(verdict(&sample::gate()).into_string().contains('✗'));
        let same = Gate { verdict: Verdict::Same, ..sample::gate() };
        assert!(verdict(&same).into_string().contains('✓'));
    }
}
