//! Progress on stderr: the current step and the time left. Only if stderr is a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::verify::{Catalog, Plan, Progress, Sets};

/// A spinner, shown while something of unknown length runs.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(what);
    bar.set_style(style("{spinner} {prefix}: {wide_msg}"));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A bar of `len` steps of about the same length, with the time that the remaining ones will take.
pub(super) fn bar(what: &'static str, len: u64) -> ProgressBar {
    let bar = ProgressBar::new(len).with_prefix(what);
    let left = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let (done, all) = (state.pos(), state.len().unwrap_or(0));
        if done > 0 {
            let each = state.elapsed().as_secs_f64() / done as f64;
            // A terminal that takes no more text loses only this estimate.
            let _ = write!(out, "{}", about(each * all.saturating_sub(done) as f64));
        }
    };
    bar.set_style(style("{prefix} [{bar:20}]{left} {wide_msg}").with_key("left", left));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well formed")
}

/// ` about 50 s left`, in steps that do not flicker; nothing below a second.
fn about(seconds: f64) -> String {
    match seconds {
        ..1.0 => String::new(),
        ..10.0 => format!(" about {seconds:.0} s left:"),
        ..90.0 => format!(" about {:.0} s left:", (seconds / 5.0).ceil() * 5.0),
        _ => format!(" about {:.0} min left:", (seconds / 60.0).ceil()),
    }
}

/// The time left of a verification, estimated from how long its sets usually take.
pub(super) struct Verification {
    sets: Vec<String>,
    began: Instant,
}

/// Seconds that sets take on two cores with the eight engines of an ordinary build. Measured times scale
/// these, so only their ratios matter: two sets take most of the time.
fn usual_seconds(set: &str) -> f64 {
    match set {
        "differential" => 4.0,
        _ if set.starts_with("campaign/") => 10.0,
        _ => 0.2,
    }
}

impl Verification {
    /// A verification that starts now.
    pub fn begin(plan: &Plan) -> Self {
        let sets = match &plan.sets {
            Sets::BuiltIn => Catalog(&plan.schemes).names(),
            Sets::Given(sets) => sets.iter().map(|set| set.name.clone()).collect(),
            Sets::Folder(folder) => folder.sets.iter().map(|set| set.name.clone()).collect(),
        };
        Self { sets, began: Instant::now() }
    }

    /// `3 of 25, about 8 s left: differential on ring, 11,615 cases`.
    pub fn message(&self, progress: &Progress<'_>) -> String {
        self.words(progress, self.began.elapsed().as_secs_f64())
    }

    fn words(&self, progress: &Progress<'_>, elapsed: f64) -> String {
        let Progress { set, engine, cases } = progress;
        let Some(place) = self.sets.iter().position(|name| name == set) else {
            return format!("{set} on {engine}, {cases} cases");
        };
        let usual = |sets: &[String]| sets.iter().map(|set| usual_seconds(set)).sum::<f64>();
        // Until a second of work is done, this machine is assumed to be of usual speed.
        let pace = (elapsed + 1.0) / (usual(&self.sets[..place]) + 1.0);
        let left = about(pace * usual(&self.sets[place..]));
        let comma = if left.is_empty() { ":" } else { "," };
        format!("{} of {}{comma}{left} {set} on {engine}, {cases} cases", place + 1, self.sets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verification_says_which_set_runs_and_for_how_much_longer() {
        let sets = ["wycheproof/aes-gcm", "differential", "campaign/storage"].map(str::to_owned);
        let verification = Verification { sets: sets.into(), began: Instant::now() };
        let words = |set, elapsed| verification.words(&Progress { set, engine: "ring", cases: 316 }, elapsed);
        assert_eq!(
            words("wycheproof/aes-gcm", 0.0),
            "1 of 3, about 15 s left: wycheproof/aes-gcm on ring, 316 cases"
        );
        // Half as fast as usual.
        assert_eq!(
            words("campaign/storage", 9.4),
            "3 of 3, about 20 s left: campaign/storage on ring, 316 cases"
        );
        assert_eq!(words("my/file.json", 0.0), "my/file.json on ring, 316 cases");
    }

    #[test]
    fn time_left_is_rounded_up_and_not_said_at_the_end() {
        let cases = [
            (0.4, ""),
            (7.0, " about 7 s left:"),
            (43.0, " about 45 s left:"),
            (130.0, " about 3 min left:"),
        ];
        for (seconds, words) in cases {
            assert_eq!(about(seconds), words);
        }
    }
}
