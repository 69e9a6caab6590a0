//! The answer in sentences: which engine to take, how far it is from the limit, what is uncertain.

use super::{Answer, Standing};
use crate::report::curve::{Lead, Rival};
use crate::report::number::{capital, counted, size, three};
use crate::report::rows::operation;

impl Answer {
    /// The answer in one sentence: engines right, and the fastest for short and for long messages.
    pub fn headline(&self) -> String {
        let mut parts = Vec::from_iter(self.rightness());
        let leads = self.short.iter().chain(&self.long).enumerate();
        parts.extend(leads.map(|(n, lead)| {
            let what = if n == 0 { format!("fastest {} ", lead.subject()) } else { String::new() };
            format!("{what}at {}: {}", size(lead.bytes), lead.name_or_tie())
        }));
        if parts.is_empty() {
            "Nothing was verified and nothing was measured.".to_owned()
        } else {
            capital(&parts.join("; ")) + "."
        }
    }

    /// Two or three sentences: for short messages, for long ones, each with the distance to the limit.
    pub fn sentences(&self) -> Vec<String> {
        let named = [("Short messages", &self.short), ("Long messages", &self.long)];
        named.into_iter().filter_map(|(what, lead)| Some(lead.as_ref()?.sentence(what))).collect()
    }

    /// `7 of 7 engines right in 46,541 cases`; none without a verification.
    fn rightness(&self) -> Option<String> {
        let cases = self.cases?;
        let present = self.present().filter(|one| one.standing != Standing::Unverified).count() as u64;
        Some(match (cases.ran, cases.wrong) {
            (0, _) => "nothing was verified: no case ran".to_owned(),
            (ran, 0) if self.wrong() == 0 => {
                format!("{} right in {}", counted(present, "engine"), counted(ran, "case"))
            }
            (ran, wrong) => format!(
                "{} of {} right; {}, {wrong} wrong",
                self.right(),
                counted(present, "engine"),
                counted(ran, "case")
            ),
        })
    }
}

impl Lead {
    /// `aes-256-gcm seal`.
    fn subject(&self) -> String {
        format!("{} {}", self.algorithm, operation(&self.op))
    }

    /// The engine and its speed, and how many are too close to it: `ring at 5.56 GB/s`.
    pub fn name_or_tie(&self) -> String {
        let tie = self.tie();
        let failed = match self.failed.as_slice() {
            [] => String::new(),
            failed => format!(" (no time of {})", listed(failed)),
        };
        format!("{} at {}{tie}{failed}", self.engine, self.speed())
    }

    /// `, too close to aws-lc to call`; empty where it stands clear.
    pub fn tie(&self) -> String {
        match self.close().map(|rival| rival.engine.as_str()).collect::<Vec<_>>().as_slice() {
            [] => String::new(),
            close => format!(", too close to {} to call", listed(close)),
        }
    }

    /// `5.56 GB/s`, or `31.2 ns` for a latency.
    pub fn speed(&self) -> String {
        self.gb_per_s
            .map_or_else(|| format!("{} ns", three(self.ns)), |speed| format!("{} GB/s", three(speed)))
    }

    /// `Short messages (64 B): ring is fastest at 5.56 GB/s (47 % of this CPU's limit), 7.1 % faster than
    /// the runner-up, aws-lc.`
    pub(super) fn sentence(&self, what: &str) -> String {
        let limit = self
            .percent
            .map_or_else(String::new, |percent| format!(" ({} % of this CPU's limit)", three(percent)));
        let (engine, speed) = (self.engine.as_str(), self.speed());
        let close: Vec<&str> = self.close().map(|rival| rival.engine.as_str()).collect();
        let mut words = format!("{what} ({}): ", size(self.bytes));
        words += &match close.as_slice() {
            [] if self.others.is_empty() => format!("{engine} reaches {speed}{limit}"),
            [] => format!("{engine} is fastest at {speed}{limit}"),
            close => format!("{engine} at {speed}{limit} and {} are too close to call", listed(close)),
        };
        let clear = self.others.iter().find(|rival| !rival.close);
        words += &match (self.best_peer(), clear) {
            (Some(peer), _) if peer.close => format!("; the best peer is {}", peer.engine),
            (Some(peer), _) => format!(", {} the best peer, {}", peer.advantage(), peer.engine),
            (None, Some(next)) if close.is_empty() => {
                format!(", {} the runner-up, {}", next.advantage(), next.engine)
            }
            _ => String::new(),
        };
        if !self.failed.is_empty() {
            words += &format!("; no time of {}", listed(&self.failed));
        }
        words + "."
    }
}

impl Rival {
    /// How the fastest compares with it: `7.1 % faster than`, `3.3 times as fast as`.
    pub fn advantage(&self) -> String {
        if self.ratio < 2.0 {
            format!("{:.1} % faster than", 100.0 * (self.ratio - 1.0))
        } else {
            format!("{:.1} times as fast as", self.ratio)
        }
    }
}

/// Names as a sentence lists them: `a`, `a and b`, `a, b and 4 others`.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {}", counted(rest.len() as u64, "other")),
    }
}
