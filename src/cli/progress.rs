//! Progress on stderr, and only where stderr is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that turns while something of unknown length runs.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(what);
    bar.set_style(style("{spinner} {prefix}: {wide_msg}"));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A bar of `len` steps.
pub(super) fn bar(what: &'static str, len: u64) -> ProgressBar {
    let bar = ProgressBar::new(len).with_prefix(what);
    bar.set_style(style("{prefix} [{bar:30}] {pos}/{len} {eta} {wide_msg}"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well formed")
}
