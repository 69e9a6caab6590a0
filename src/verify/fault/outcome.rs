//! Checks a reader's results against the scheme's law and against its judgement.

use std::collections::BTreeSet;

use super::scene::{Scene, Trial};
use crate::scheme::{Judgement, Law, Recovered, Scheme};

/// The results of one case's trials.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Counts {
    /// All trials.
    pub trials: u64,
    /// Trials in which nothing was refused.
    pub unseen: u64,
    /// Trials in which the reader returned a message that was never protected.
    pub altered: u64,
}

impl Counts {
    pub fn add(&mut self, scene: &Scene, recovered: &Recovered) {
        self.trials += 1;
        self.unseen += u64::from(recovered.refused.is_empty());
        self.altered += u64::from(is_altered(scene, recovered));
    }
}

/// Whether the reader returned a message that was never protected.
fn is_altered(scene: &Scene, recovered: &Recovered) -> bool {
    recovered.given.iter().any(|(_, message)| !scene.was_protected(message))
}

/// Judges one trial.
///
/// # Errors
/// How the result differs from the scheme's judgement.
pub(super) fn judge(
    scheme: &dyn Scheme,
    scene: &Scene,
    trial: &Trial,
    judgement: Judgement,
    recovered: &Recovered,
) -> Result<(), String> {
    let unseen = || match recovered.refused.first() {
        None => Ok(()),
        Some(name) => Err(format!("it is refused with {name}")),
    };
    let law = || keeps(scheme.law(), &scene.messages, &recovered.given);
    if let Some(name) = recovered.refused.iter().find(|name| !scheme.refusals().contains(name)) {
        return Err(format!("{name:?} is not one of the scheme's refusals"));
    }
    match judgement {
        Judgement::Caught if recovered.refused.is_empty() => Err("it is not refused".into()),
        Judgement::Caught => law(),
        Judgement::Harmless => {
            unseen().and_then(|()| law()).and_then(|()| only_removed(scheme, scene, trial, recovered))
        }
        Judgement::Blind(_) => {
            unseen()?;
            if is_altered(scene, recovered) {
                Err("the reader returned a message that was never protected".into())
            } else if law().is_ok() && missing(scene, recovered).next().is_none() {
                Err("it does no harm: the law holds, and no message is missing".into())
            } else {
                Ok(())
            }
        }
        Judgement::Alters(_) => {
            unseen()?;
            if is_altered(scene, recovered) {
                Ok(())
            } else {
                Err("the reader returned no message that was never protected".into())
            }
        }
        Judgement::Chance(_) => Ok(()),
    }
}

/// Checks that messages keep a law.
fn keeps(law: Law, messages: &[Vec<u8>], given: &[(usize, Vec<u8>)]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (at, (number, message)) in given.iter().enumerate() {
        if messages.get(*number) != Some(message) {
            return Err(format!("the reader returned another message as number {number}"));
        }
        let again = !seen.insert(number);
        match law {
            Law::Each => {}
            Law::AtMostOnce if again => return Err(format!("the reader returned message {number} twice")),
            Law::AtMostOnce => {}
            Law::AllOrNothing | Law::Prefix if *number != at => {
                return Err(format!("the reader returned message {number} in place of {at}"));
            }
            Law::AllOrNothing | Law::Prefix => {}
        }
    }
    if law == Law::AllOrNothing && !given.is_empty() && given.len() < messages.len() {
        return Err(format!(
            "the reader returned {} of {} messages, not all or none",
            given.len(),
            messages.len()
        ));
    }
    Ok(())
}

/// Checks that only removed messages are missing, and only if the law allows a loss.
fn only_removed(
    scheme: &dyn Scheme,
    scene: &Scene,
    trial: &Trial,
    recovered: &Recovered,
) -> Result<(), String> {
    let may_be_lost = matches!(scheme.law(), Law::AtMostOnce | Law::Prefix);
    match missing(scene, recovered).find(|number| !may_be_lost || !trial.removed.contains(number)) {
        None => Ok(()),
        Some(number) => Err(format!("message {number} is missing unnoticed")),
    }
}

/// The numbers of the missing messages.
fn missing(scene: &Scene, recovered: &Recovered) -> impl Iterator<Item = usize> {
    let given: BTreeSet<usize> = recovered.given.iter().map(|(number, _)| *number).collect();
    (0..scene.messages.len()).filter(move |number| !given.contains(number))
}
