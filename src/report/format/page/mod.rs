//! The page: one HTML file with everything in it, complete without a script and with nothing to fetch.
//!
//! The first screen is the answer: one sentence, three figures, the first curve. Failures follow it, never
//! folded; then the blocks in the order of the tables. `maud` escapes every word; only our own style sheet
//! and script, and the figures, which escape for themselves, go in as markup. A policy in the head admits
//! these two by their hashes and forbids everything else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::primitive::sha256;
use crate::report::block::Mark;
use crate::report::figure::PALETTE;
use crate::report::number::plain;
use crate::report::rows::all_engines;
use crate::report::section::{Report, Section};
use crate::report::{compare, summary};

pub(in crate::report) mod block;
mod end;
mod top;

const SCRIPT: &str = include_str!("page.js");

/// Draws the page.
pub(super) fn page(report: &Report) -> String {
    let sections = report.sections();
    let engines = all_engines(sections.iter().filter_map(|section| section.bench.as_ref()));
    let sentence = report.sentence();
    shell(
        &format!("Sealmark report: {sentence}"),
        &html! {
            p.over { "Sealmark report" }
            @match sections {
                [only] => (draw(only, 1, 1, &engines)),
                _ => {
                    h1 { (summary::several(sections)) }
                    p.answer { (plain(&sentence)) }
                    (contents(sections))
                    (side_by_side(sections))
                    @for (i, section) in sections.iter().enumerate() {
                        (draw(section, i + 1, 2, &engines))
                    }
                }
            }
        },
    )
}

/// A whole page around its sections, with our style sheet and script and no other.
pub(in crate::report) fn shell(title: &str, sections: &Markup) -> String {
    let end = "from result files. report.csv, beside this page, has every number unrounded and each \
               process's samples.";
    shell_ending(title, sections, end)
}

/// As [`shell`], with these words after the program's name at the end of the page.
pub(in crate::report) fn shell_ending(title: &str, sections: &Markup, end: &str) -> String {
    let style = style();
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(&style),
        hash(SCRIPT)
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (plain(title)) }
                style { (PreEscaped(&style)) }
            }
            body {
                main {
                    (sections)
                    footer { "Drawn by sealmark " (env!("CARGO_PKG_VERSION")) " " (end) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

/// A text as the policy names it: `sha256-` and the hash in base 64.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(sha256::digest(text.as_bytes())))
}

/// The style sheet, with the figures' colours.
fn style() -> String {
    let colors = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
        let colors = PALETTE.iter().enumerate();
        colors.map(|(i, pair)| format!("--line-{i}:{};", pick(pair))).collect::<String>()
    };
    let (light, dark) = (colors(|pair| pair.0), colors(|pair| pair.1));
    let sheet = include_str!("page.css");
    format!(":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n{sheet}")
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Runs" {
            ol {
                @for (i, section) in sections.iter().enumerate() {
                    li {
                        a href=(format!("#run-{}", i + 1)) { (plain(&section.host.cpu)) }
                        span { (top::date(section)) ". " (plain(&section.answer().headline())) }
                    }
                }
            }
        }
    }
}

/// All runs in one table for each operation, and the rows that cannot be compared.
fn side_by_side(sections: &[Section]) -> Markup {
    let compared = compare::compare(sections);
    let words: Vec<String> = summary::changes(sections).into_iter().chain(compared.refused).collect();
    html! {
        @for words in &words { p.note { (plain(words)) } }
        @for found in &compared.tables {
            details.block open[found.has(Mark::Bad)] {
                summary { h2 { (found.title) } }
                (block::table(found))
            }
        }
    }
}

/// One run, its heading of that level. `all` are the engines of the report, in the order that chooses their
/// colours.
fn draw(section: &Section, place: usize, level: u8, all: &[&str]) -> Markup {
    let changes = if level == 1 { summary::changes(std::slice::from_ref(section)) } else { Vec::new() };
    html! {
        section {
            (top::top(section, place, level))
            @for words in &changes { p.note { (plain(words)) } }
            @for (i, found) in section.blocks().iter().enumerate() {
                (block::block(found, all, &format!("run-{place}-{}", i + 1), level + 1))
            }
            (end::host(section, level + 1))
            (end::method(section, level + 1))
        }
    }
}

/// A heading of a level from 1 to 4.
pub(in crate::report) fn heading(level: u8, id: Option<&str>, words: &Markup) -> Markup {
    html! {
        @match level {
            1 => h1 id=[id] { (words) },
            2 => h2 id=[id] { (words) },
            3 => h3 id=[id] { (words) },
            _ => h4 id=[id] { (words) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{File, sample};

    fn both() -> Report {
        Report::build(vec![File::Verify(sample::report()), File::Bench(sample::run())])
    }

    #[test]
    fn the_page_fetches_nothing_and_runs_its_own_script_alone() {
        let page = both().html();
        for forbidden in
            ["http:", "https:", "src=", "<link", "url(", "@import", "<img", "<iframe", "unsafe", "style="]
        {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("default-src 'none'"));
        for name in ["script", "style"] {
            let (open, close) = (format!("<{name}>"), format!("</{name}>"));
            assert_eq!(page.matches(&format!("<{name}")).count(), 1);
            let (_, rest) = page.split_once(&open).unwrap();
            let (text, _) = rest.split_once(&close).unwrap();
            assert!(page.contains(&format!("{name}-src '{}'", hash(text))), "{name}");
        }
        assert_eq!(hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn the_script_is_short() {
        assert!(SCRIPT.lines().count() < 150);
    }

    #[test]
    fn failures_follow_the_answer_and_come_before_the_first_figure() {
        let page = both().html();
        let at = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}"));
        let order = [
            "<p class=\"answer\">",
            "<dl class=\"figures\">",
            "<ul class=\"wrong\">",
            "<h2>Failures</h2>",
            "<h2>Measurements without a time</h2>",
            "<svg",
            "<h2>Key setup: nanoseconds</h2>",
            "<h2>Verification</h2>",
        ];
        assert!(order.map(at).is_sorted(), "{:?}", order.map(at));
    }

    #[test]
    fn the_page_has_the_host_the_engines_and_the_words_of_method() {
        let page = both().html();
        let mut wanted: Vec<&str> = sample::ENGINES.to_vec();
        wanted.extend([
            "5 of 6 engines right; 23,971 cases, 1 wrong; fastest aes-256-gcm seal at 64 B",
            "Intel(R) Xeon(R) Platinum 8481C",
            "pclmulqdq",
            "3f9ac27be01d5586",
            "virtual machine",
            "6.1.0-28-cloud-amd64",
            "not available: this CPU lacks avx512f",
            "aws-lc-rs 1.19.0",
            "tc 92",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "sealmark bench --suite standard",
            "20261103",
            "rustc 1.95.0, release",
            "75.0 %",
            "interleaved",
            "Messages of 16 B to 1 MiB walk through 32 KiB of buffers, sized to L1.",
        ]);
        for words in wanted {
            assert!(page.contains(words), "{words}");
        }
        assert_eq!(page.matches("<svg").count(), 3, "two curves and the bars of key setup");
        assert!(!page.contains("<nav"), "one run needs no contents");
    }

    #[test]
    fn a_latency_has_a_table_and_no_figure() {
        let mut run = sample::run();
        run.rows = [16, 64].map(|bytes| sample::row("latency/seal", "a", bytes, "ring", &[9.0])).into();
        let report = Report::build(vec![File::Bench(run)]);
        let page = report.html();
        assert!(page.contains("Latency of seal, a: nanoseconds") && !page.contains("<svg"));
        assert!(report.sections()[0].pictures().is_empty());
    }

    #[test]
    fn an_error_is_in_its_row_without_a_time() {
        let page = both().html();
        let cells = page.matches("✗ </i>error</td>").count();
        assert_eq!(cells, 3, "among the speeds, the ratios, and the ratios with intervals");
        assert!(page.contains("opened message 17 differs from what was sealed &lt;b&gt;&amp;"));
    }

    #[test]
    fn a_page_of_one_kind_says_nothing_of_the_other() {
        let verify = Report::build(vec![File::Verify(sample::report())]).html();
        assert!(verify.contains("sealmark verify") && !verify.contains("sealmark bench"));
        assert!(!verify.contains("<svg") && !verify.contains("interleaved"));
        let bench = Report::build(vec![File::Bench(sample::run())]).html();
        assert!(bench.contains("sealmark bench") && !bench.contains("sealmark verify"));
        assert!(bench.contains("not verified here") && !bench.contains("Cases by set"));
    }

    #[test]
    fn several_runs_have_contents_and_each_its_place() {
        let mut other = sample::run();
        other.host.fingerprint = "0123456789abcdef".into();
        other.host.cpu = "AMD EPYC <9575F>".into();
        other.suite = "seal/*' --x".into();
        other.engines.remove(0);
        other.rows.retain(|row| row.engine != sample::ENGINES[0]);
        let files = vec![File::Verify(sample::report()), File::Bench(sample::run()), File::Bench(other)];
        let page = Report::build(files).html();
        assert!(page.contains("<nav") && page.contains("href=\"#run-2\"") && page.contains("id=\"run-2\""));
        assert!(page.contains("AMD EPYC &lt;9575F&gt;"));
        assert!(page.contains(r"sealmark bench 'seal/*'\'' --x'"));
        let ids: Vec<_> =
            page.match_indices(" id=\"").map(|(at, _)| page[at + 5..].split('"').next()).collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        let figures = "two runs, six figures with title and description";
        assert_eq!((ids.len(), once.len()), (14, 14), "{figures}");
    }

    /// The committed results of a host.
    fn baseline() -> Report {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/baseline");
        let host = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        Report::build(crate::report::read_all(&host.path()).unwrap())
    }

    /// Writes pages for a browser, which `ci/check page` opens: the committed results, made-up ones with
    /// failures, and two hosts. `SEALMARK_PAGES=DIR cargo test --lib pages_for_a_browser`.
    #[test]
    fn pages_for_a_browser_are_whole() {
        let mut other = sample::run();
        other.host.fingerprint = "0".repeat(16);
        let hosts = vec![File::Verify(sample::report()), File::Bench(sample::run()), File::Bench(other)];
        let pages = [("baseline", baseline()), ("failing", both()), ("hosts", Report::build(hosts))];
        for (name, report) in pages {
            let page = report.html();
            assert!(page.ends_with("</html>"), "{name}");
            if let Some(dir) = std::env::var_os("SEALMARK_PAGES") {
                report.write_html(&std::path::Path::new(&dir).join(name)).unwrap();
            }
        }
    }
}
