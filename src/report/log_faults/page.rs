//! The page of a map: the answer, three figures, what is wrong, the picture, then the tables.
//!
//! It is the page of `report` with other sections: the same style, the same script, nothing to fetch.

use maud::{Markup, html};

use super::table::{answer, blocks, coverage, wrong};
use crate::report::format::page::{block, heading, shell_ending};
use crate::report::number::{count, counted, plain};
use crate::verify::log_faults::{Map, Verdict};

/// Findings that are named at the top; the table has all of them.
const NAMED: usize = 5;

/// Draws the page.
pub(super) fn page(map: &Map) -> String {
    let (words, day) = (answer(map), map.started.split('T').next().unwrap_or_default());
    let end = "from one corruption map. map.json, beside this page, has every number, and junit.xml the \
               same for CI.";
    shell_ending(
        &format!("Sealmark corruption map: {words}"),
        &html! {
            p.over { "Sealmark corruption map" }
            section {
                (heading(1, None, &html! { (plain(&map.folder)) " " small { (plain(day)) } }))
                p.answer { (words) }
                dl.figures { (verdict(map)) (seen(map)) (covered(map)) }
                (named(map))
                @for (number, one) in blocks(map).iter().enumerate() {
                    (block::block(one, &[], &format!("map-{}", number + 1), 2))
                }
                @if !map.others.is_empty() {
                    p.note { "Not of the format, and left alone: " (plain(&map.others.join(", "))) "." }
                }
                details.block {
                    summary { (heading(3, None, &html! { "How the map is drawn" })) }
                    (method())
                }
            }
        },
        end,
    )
}

fn verdict(map: &Map) -> Markup {
    let wrong: u64 = map.evidence.iter().filter(|one| !one.pass).map(|one| one.count).sum();
    let damaged = map.files.iter().filter(|file| file.integrity_code != "OK").count() as u64;
    html! {
        div {
            dt { "Without a reason" }
            @if map.pass {
                dd {
                    i.right aria-hidden="true" { "✓ " } "nothing"
                    small { (counted(map.trials, "alteration")) }
                }
            } @else {
                dd.bad {
                    i aria-hidden="true" { "✗ " } (count(wrong))
                    small {
                        (counted(damaged, "file")) " damaged as found"
                        @if map.refused_although_files_are_well().is_some() {
                            ", and the engine refuses the log"
                        }
                    }
                }
            }
        }
    }
}

fn seen(map: &Map) -> Markup {
    let effective = map.trials - map.count(Verdict::Harmless);
    html! {
        div {
            dt { "Refused in time" }
            dd {
                (count(map.count(Verdict::Detected)))
                small { "of " (counted(effective, "alteration")) " with an effect" }
            }
        }
    }
}

fn covered(map: &Map) -> Markup {
    html! {
        div.wide {
            dt { "Coverage" }
            dd {
                @if map.complete { "complete" } @else { "in part" }
                small { (coverage(map)) }
            }
        }
    }
}

/// What is damaged, and what has no reason.
fn named(map: &Map) -> Markup {
    let all: Vec<String> = wrong(map).collect();
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
            li { "Only copies in memory are altered. Each file is read as its reader does at a start: a log \
                  record by record, a table with its index and all of its blocks, and then each of its keys \
                  by a lookup. Files as wholes are judged by the rows and request ids that the engine \
                  gives." }
            li { "“Refused” means that the reader named a code, and that what it had given until then is \
                  what was written. “Refused late” means that it had given something else before: records of \
                  a log, or rows of a table. The Raft files are decoded as wholes and give nothing before a \
                  refusal. “Changes nothing” means that it gave the same as without the alteration." }
            li { "What is not seen is a finding, except where the format has no means to see it; the reason \
                  is then given. So is what changes nothing although readers have to refuse it, as another \
                  version. A checksum without a key detects accidents and no forgery." }
            li { "First all headers, footers, sizes, checksums and indexes, then units as wholes, then the \
                  payload in an order that spreads evenly, then the other bits. What the time did not \
                  suffice for is stated as not tried." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::log_faults::sample;

    #[test]
    fn the_page_fetches_nothing_and_takes_no_name_for_markup() {
        let page = page(&sample::map());
        for forbidden in ["http:", "https:", "src=", "<link", "url(", "<img", "style=", "<b>"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!((page.matches("<h1").count(), page.matches("<svg").count()), (1, 1));
        assert!(page.ends_with("</html>") && page.contains("default-src 'none'"));
    }

    #[test]
    fn the_answer_comes_first_then_what_is_wrong_then_the_picture() {
        let page = page(&sample::map());
        let at = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}"));
        let order = ["<p class=\"answer\">", "<ul class=\"wrong\">", "<svg", "Table of these numbers"];
        assert!(order.map(at).is_sorted(), "{:?}", order.map(at));
    }

    #[test]
    fn a_map_with_a_finding_has_no_tick() {
        let bad = verdict(&sample::map()).into_string();
        assert!(bad.contains('✗') && !bad.contains('✓'), "{bad}");
        let mut good = sample::map();
        (good.pass, good.files[1].integrity_code) = (true, "OK".into());
        assert!(verdict(&good).into_string().contains('✓'));
    }

    #[test]
    fn a_log_that_only_the_engine_refuses_has_no_tick_and_is_named() {
        let page = page(&sample::refused());
        assert!(page.contains("and the engine refuses the log"), "{page}");
        assert!(page.contains("sealmark.&lt;i&gt;history: its checksum does not match"), "{page}");
    }
}
