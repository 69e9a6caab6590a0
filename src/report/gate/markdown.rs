//! A gate's result as Markdown: the verdict, the table of workloads, what executes differently, and the
//! facts.

use super::sentence::{facts, name, null_pairs, sentence, streams};
use super::table;
use crate::measure::gate::Gate;
use crate::report::format::markdown::{escape, markdown as drawn};

/// Draws a result for the summary of a CI job, or a comment on a pull request.
pub fn markdown(gate: &Gate) -> String {
    let mut out = format!("## Gate: {}\n\n{}\n", name(gate.verdict), escape(&sentence(gate)));
    for (at, block) in table::blocks(gate).into_iter().enumerate() {
        let body = drawn(&block.table);
        if at == 0 {
            out += &format!("\n{body}");
        } else {
            // Long, and seldom needed: folded. GitHub and GitLab take these two tags.
            let title = escape(&block.table.title);
            out += &format!("\n<details><summary>{title}</summary>\n\n{body}\n</details>\n");
        }
    }
    out.push('\n');
    let words = [streams(gate), null_pairs(gate)];
    for line in words.iter().filter(|line| !line.is_empty()) {
        out += &format!("- {}\n", escape(line));
    }
    for (name, value) in facts(gate) {
        out += &format!("- {name}: {}\n", escape(&value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::gate::sample;

    #[test]
    fn the_verdict_comes_first_and_every_row_and_change_is_there() {
        let gate = sample::gate();
        let text = markdown(&gate);
        assert!(text.starts_with("## Gate: Slower\n\nSlower: 1 of 5 workloads, most of all open/"), "{text}");
        for row in &gate.rows {
            assert!(text.contains(&format!("| {} | sealmark |", row.workload)), "{}", row.workload);
        }
        for words in [
            "| **Slower** | 10,340 → 10,404 (+64) | +2.40 % (+1.60 % to +3.20 %) |",
            "Unsure (about 1,240 pairs would decide)",
            "sealmark::aead::bulk&lt;64&gt;, loop 1",
            "Base against base: 61 longer, 59 shorter, as a fair coin may fall (chance 0.927).",
            "base-1 to base-3 (3 link orders)",
            "0123456789",
            "9.71 s",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }

    #[test]
    fn words_from_a_file_are_no_markup() {
        let text = markdown(&sample::gate());
        assert!(!text.contains("<b>") && text.contains("&lt;b&gt;\\|x\\|&lt;/b&gt;"), "{text}");
        let tags: Vec<&str> = text.lines().filter(|line| line.contains('<')).collect();
        assert!(tags.iter().all(|line| line.contains("details>")), "{tags:?}");
    }
}
