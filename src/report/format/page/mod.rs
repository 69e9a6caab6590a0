//! The page: one HTML file with everything in it, readable without a script and with nothing to fetch.
//!
//! `maud` escapes every word; the only text that goes in as markup is our own style sheet and the figures,
//! which escape for themselves. A policy in the head forbids whatever a mistake might still let in.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::measure::warnings;
use crate::report::block::{Block, Mark, Table};
use crate::report::figure::{Figure, PALETTE};
use crate::report::number::{counted, plain};
use crate::report::rows::all_engines;
use crate::report::section::{Report, Section};
use crate::report::{compare, summary};

mod method;

/// Draws the page.
pub(super) fn page(report: &Report) -> String {
    let sentence = report.sentence();
    let sections = report.sections();
    let several = sections.len() > 1;
    let engines = all_engines(sections.iter().filter_map(|section| section.bench.as_ref()));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Sealmark report: " (plain(&sentence)) }
                style { (PreEscaped(style())) }
            }
            body {
                main {
                    p.over { "Sealmark report" }
                    h1 { (plain(&sentence)) }
                    @for words in summary::changes(sections) { p { (plain(&words)) } }
                    @if several { (contents(sections)) (side_by_side(sections)) }
                    @for (i, section) in sections.iter().enumerate() { (draw(section, i + 1, &engines)) }
                    footer { "Drawn by sealmark " (env!("CARGO_PKG_VERSION")) " from result files. \
                              report.csv, beside this page, holds every number unrounded and every process's \
                              number." }
                }
            }
        }
    }
    .into_string()
}

/// The style sheet, with the figures' colours.
fn style() -> String {
    let colors = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
        let colors = PALETTE.iter().enumerate();
        colors.map(|(i, pair)| format!("--line-{i}:{};", pick(pair))).collect::<String>()
    };
    let (light, dark) = (colors(|pair| pair.0), colors(|pair| pair.1));
    let sheet = include_str!("page.css");
    format!(":root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n{sheet}")
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Contents" {
            ol {
                @for (i, section) in sections.iter().enumerate() {
                    li {
                        a href=(format!("#run-{}", i + 1)) { (plain(&section.host.cpu)) }
                        span { (plain(section.started())) ". " (plain(&section.sentence())) }
                    }
                }
            }
        }
    }
}

/// One run. `all` are the engines of the report, in the order that chooses their colours.
fn draw(section: &Section, place: usize, all: &[&str]) -> Markup {
    html! {
        section {
            h2 id=(format!("run-{place}")) { (plain(&section.host.cpu)) }
            (host(section))
            @for (i, found) in section.blocks().iter().enumerate() {
                (block(found, all, &format!("run-{place}-{}", i + 1)))
            }
            @for words in section.bench.iter().flat_map(warnings) { p.note { "Warning: " (plain(&words)) } }
            h3 { "To repeat it" }
            (method::repeat(section))
            h3 { "Method and limits" }
            (method::notes(section))
        }
    }
}

/// A table with its heading, below its figure.
fn block(block: &Block<'_>, all: &[&str], name: &str) -> Markup {
    let found = &block.table;
    let inside = html! {
        @if let Some(figure) = &block.figure { (drawn(figure, &found.title, all, name)) }
        (table(found))
    };
    html! {
        @if block.folded {
            details { summary { (found.title) } (inside) }
        } @else {
            h3 { (found.title) }
            (inside)
        }
    }
}

fn drawn(figure: &Figure<'_>, title: &str, all: &[&str], name: &str) -> Markup {
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label=(title) {
                (PreEscaped(figure.in_page(all, name)))
            }
            figcaption { (figure.caption()) }
        }
    }
}

/// All runs in one table for each operation, and what could not be put there.
fn side_by_side(sections: &[Section]) -> Markup {
    let compared = compare::compare(sections);
    html! {
        @for words in &compared.refused { p.note { (plain(words)) } }
        @for found in &compared.tables { h3 { (found.title) } (table(found)) }
    }
}

fn host(section: &Section) -> Markup {
    let host = &section.host;
    let unknown = "unknown".to_owned();
    let rows = [
        (
            "Family, model, stepping",
            format!("{} {}, {}, {}", host.vendor, host.family, host.model, host.stepping),
        ),
        (
            "Features",
            if host.features.is_empty() { "none detected".to_owned() } else { host.features.join(" ") },
        ),
        (
            "Machine",
            format!("{}, {} usable", summary::machine(host.virtualised), counted(host.cores as u64, "core")),
        ),
        ("System", format!("{} {}, kernel {}", host.os, host.arch, host.kernel.as_ref().unwrap_or(&unknown))),
        ("Microcode", host.microcode.clone().unwrap_or(unknown)),
        ("Fingerprint", host.fingerprint.clone()),
    ];
    html! { dl { @for (name, words) in &rows { dt { (name) } dd { (plain(words)) } } } }
}

fn table(table: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(table.title) {
            table {
                thead { tr { @for column in &table.columns {
                    th scope="col" class=[column.number.then_some("number")] { (heading(&column.name)) }
                } } }
                tbody { @for row in &table.rows { tr {
                    @for (i, (cell, column)) in row.iter().zip(&table.columns).enumerate() {
                        @let detail = html! { @if !cell.detail.is_empty() { " " small { (cell.detail) } } };
                        @if i == 0 {
                            th scope="row" { (heading(&cell.text)) (detail) }
                        } @else {
                            td class=(class(cell.mark, column.number)) { (cell.text) (detail) }
                        }
                    }
                } } }
            }
        }
        @if !table.note.is_empty() { p.note { (table.note) } }
    }
}

/// A path-like name, which may break after a slash.
fn heading(name: &str) -> Markup {
    html! {
        @for (i, part) in name.split('/').enumerate() {
            @if i > 0 { "/" wbr; }
            (part)
        }
    }
}

fn class(mark: Mark, number: bool) -> String {
    let mark = match mark {
        Mark::Plain => "",
        Mark::Quiet => " mute",
        Mark::Bad => " bad",
        Mark::Best => " best",
        Mark::Heat(-3) => " cold3",
        Mark::Heat(-2) => " cold2",
        Mark::Heat(-1) => " cold1",
        Mark::Heat(0) => "",
        Mark::Heat(1) => " warm1",
        Mark::Heat(2) => " warm2",
        Mark::Heat(_) => " warm3",
    };
    format!("{}{mark}", if number { "number" } else { "words" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{File, sample};

    fn both() -> Report {
        Report::build(vec![File::Verify(sample::report()), File::Bench(sample::run())])
    }

    #[test]
    fn the_page_fetches_nothing_and_runs_nothing() {
        let page = both().html();
        for forbidden in
            ["http://", "https://", "<script", "src=", "<link", "url(", "@import", "<img", "<iframe"]
        {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("default-src 'none'"));
    }

    #[test]
    fn the_page_has_the_host_the_engines_and_the_words_of_method() {
        let page = both().html();
        let mut wanted: Vec<&str> = sample::ENGINES.to_vec();
        wanted.extend([
            "6 engines, 23,971 cases, 1 wrong",
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
        assert_eq!(page.matches("<svg").count(), 2);
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
        let cells = page.matches("<td class=\"number bad\">error</td>").count();
        assert_eq!(cells, 2, "among the speeds, and among the places");
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
        assert_eq!((ids.len(), once.len()), (10, 10), "two runs, four figures with title and description");
    }

    /// Writes the samples as a report for a person to look at:
    /// `SEALMARK_SAMPLE=DIR cargo test --lib sample_page`.
    #[test]
    fn a_sample_page_can_be_written_for_looking_at() {
        let Some(dir) = std::env::var_os("SEALMARK_SAMPLE") else { return };
        let dir = std::path::PathBuf::from(dir);
        both().write_html(&dir).unwrap();
        std::fs::write(dir.join("report.txt"), both().text(100)).unwrap();
        for (name, svg) in both().sections()[0].pictures() {
            std::fs::write(dir.join(format!("{name}.svg")), svg).unwrap();
        }
    }
}
