//! The fault injector: does every fault to every part of a piece in every scheme, and checks the scheme's own
//! judgement in both directions.
//!
//! A session protects messages, a fault alters the pieces, and a fresh reader recovers them. Each trial must
//! end as [`Scheme::judge`] says: a scheme that claims to detect a fault but does not fails, and so does one
//! that lists a blind spot it does not have. `scene` creates the pieces and the trials; `outcome` checks the
//! results against law and judgement.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Case, Check, Outcome, Set, caught};
use crate::engine::{self, Engine};
use crate::scheme::{Fault, Judgement, Risk, Scheme};

mod outcome;
mod scene;

use outcome::Counts;
use scene::Scene;

/// The prefix of the sets' names; a scheme's name follows.
pub const PREFIX: &str = "faults/";

/// The name of a scheme's set.
pub fn name(scheme: &dyn Scheme) -> String {
    format!("{PREFIX}{}", scheme.name())
}

/// The set of a scheme: one case without a fault, and one for each fault and each part that the fault can
/// affect.
pub fn set(scheme: &'static dyn Scheme, seed: u64) -> Set {
    let case = |(id, target)| Case { id, check: Box::new(Injected { scheme, target, seed }) };
    let (targets, broken) = match caught(|| targets(scheme, seed)).and_then(|targets| targets) {
        Ok(targets) => (targets, Vec::new()),
        Err(why) => (Vec::new(), vec![format!("its faults cannot be determined: {why}")]),
    };
    let named = targets.into_iter().map(|(fault, part)| (id(fault, part), Some((fault, part))));
    let cases: Vec<_> = [("none".to_owned(), None)].into_iter().chain(named).map(case).collect();
    Set {
        name: name(scheme),
        source: "generated: faults done to what a scheme stores or sends".into(),
        declared: cases.len() as u64,
        must_run: Default::default(),
        rulings: None,
        cases,
        broken,
    }
}

fn id(fault: Fault, part: &str) -> String {
    if part.is_empty() { fault.name().into() } else { format!("{}/{part}", fault.name()) }
}

/// Every fault and part with at least one trial. Pieces and parts are the same on every engine.
fn targets(scheme: &dyn Scheme, seed: u64) -> Result<Vec<(Fault, &'static str)>, String> {
    let scene = Scene::of(scheme, own_engine(), seed)?;
    let mut found = Vec::new();
    for fault in Fault::ALL {
        let mut parts = BTreeSet::new();
        scene.trials(fault, &mut |trial| {
            parts.insert(trial.part);
        });
        found.extend(parts.into_iter().map(|part| (fault, part)));
    }
    Ok(found)
}

fn own_engine() -> &'static dyn Engine {
    engine::find("sealmark").expect("the engine of our own choice always exists")
}

/// A case: a fault done to a part, or no fault.
struct Injected {
    scheme: &'static dyn Scheme,
    target: Option<(Fault, &'static str)>,
    seed: u64,
}

impl Check for Injected {
    fn uses_engine(&self) -> bool {
        self.scheme.needs().is_some()
    }

    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        if self.scheme.needs().is_some_and(|shape| !engine.supports(shape)) {
            return Outcome::Unsupported;
        }
        let judged = Scene::of(self.scheme, engine, self.seed).and_then(|scene| match self.target {
            None => Ok(()),
            Some((fault, part)) => inject(self.scheme, &scene, fault, part).map(drop),
        });
        judged.map_or_else(|what| Outcome::Wrong { what }, |()| Outcome::Agree)
    }
}

/// Does a fault to a part in every possible way.
fn inject(scheme: &dyn Scheme, scene: &Scene, fault: Fault, part: &str) -> Result<Counts, String> {
    let judgement = scheme.judge(fault, part);
    let mut counts = Counts::default();
    let mut found = Ok(());
    scene.trials(fault, &mut |trial| {
        if trial.part != part || found.is_err() {
            return;
        }
        let seen = scene.recover(&trial.pieces).and_then(|recovered| {
            counts.add(scene, &recovered);
            outcome::judge(scheme, scene, &trial, judgement, &recovered)
        });
        let words =
            |why| format!("trial {} of {}: {why}; judged {judgement:?}", counts.trials, id(fault, part));
        found = seen.map_err(words);
    });
    found?;
    if counts.trials == 0 { Err(format!("{} has no trial", id(fault, part))) } else { Ok(counts) }
}

/// A verified scheme, and the faults that it does not detect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SchemeReport {
    /// Its name.
    pub name: String,
    /// The law that its readers keep: `each`, `at-most-once`, `all-or-nothing` or `prefix`.
    pub law: String,
    /// The faults that it admits not to detect; every case of its set checks this claim in both directions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind: Vec<BlindSpot>,
    /// The media that keep what it erases, by its own account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind_media: Vec<BlindMedium>,
    /// The histories, across several sessions, after which it accepts or loses what it should not; the
    /// campaign of its family checks this claim in both directions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind_histories: Vec<BlindHistory>,
    /// The harms that it keeps rare without preventing them, computed by the scheme.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<SchemeRisk>,
}

/// A history that a scheme does not withstand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BlindHistory {
    /// Its name, as in the campaign's cases.
    pub history: String,
    /// What happens, and why.
    pub why: String,
}

/// A harm that a scheme keeps rare without preventing it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SchemeRisk {
    /// The harm.
    pub harm: String,
    /// The use that is counted, in the plural.
    pub counted: String,
    /// Why chance decides.
    pub why: String,
    /// How much use makes it how likely; the smallest chance first.
    pub levels: Vec<RiskLevel>,
}

/// The use after which a harm has more than some chance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RiskLevel {
    /// The chance, as the power of two 2^-`bits`.
    pub bits: u32,
    /// The smallest count at which the chance is greater.
    pub after: u64,
}

impl SchemeRisk {
    fn of(risk: Risk) -> Self {
        let level = |(bits, after)| RiskLevel { bits, after };
        Self {
            harm: risk.harm.into(),
            counted: risk.counted.into(),
            why: risk.why.into(),
            levels: risk.levels.into_iter().map(level).collect(),
        }
    }
}

/// A medium that keeps the bytes that a scheme erases: there the scheme cannot make anything unreadable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BlindMedium {
    /// The medium.
    pub medium: String,
    /// Why the bytes stay.
    pub why: String,
}

/// A fault that a scheme does not detect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BlindSpot {
    /// The fault: `flip`, `cut`, `drop`, ...
    pub fault: String,
    /// The affected part of a piece; absent if it is the whole piece.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// Why it is not detected.
    pub why: String,
    /// Its consequence.
    pub kind: BlindKind,
    /// Number of trials, if chance decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u64>,
    /// Number of trials that went unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<u64>,
}

/// The consequence of an undetected fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlindKind {
    /// Messages are missing, repeated, out of order or from elsewhere, but each was protected once.
    Blind,
    /// The reader returns a message that was never protected.
    Alters,
    /// Some trials go unnoticed, others are refused.
    Chance,
}

/// The faults that a scheme does not detect: its judgements as data, with trial counts on our own engine if
/// chance decides.
///
/// # Errors
/// Why the scheme protects nothing on our own engine, as a message for a person.
pub fn report(scheme: &dyn Scheme, seed: u64) -> Result<SchemeReport, String> {
    caught(|| blind_spots(scheme, seed)).and_then(|spots| spots).map(|blind| {
        let (name, law) = (scheme.name().into(), scheme.law().name().into());
        let medium = |&(medium, why): &(&str, &str)| BlindMedium { medium: medium.into(), why: why.into() };
        let blind_media = scheme.blind_media().iter().map(medium).collect();
        let history =
            |&(history, why): &(&str, &str)| BlindHistory { history: history.into(), why: why.into() };
        let blind_histories = scheme.blind_histories().iter().map(history).collect();
        let risks = scheme.risks().into_iter().map(SchemeRisk::of).collect();
        SchemeReport { name, law, blind, blind_media, blind_histories, risks }
    })
}

fn blind_spots(scheme: &dyn Scheme, seed: u64) -> Result<Vec<BlindSpot>, String> {
    let mut blind = Vec::new();
    for (fault, part) in targets(scheme, seed)? {
        let (why, kind) = match scheme.judge(fault, part) {
            Judgement::Caught | Judgement::Harmless => continue,
            Judgement::Blind(why) => (why, BlindKind::Blind),
            Judgement::Alters(why) => (why, BlindKind::Alters),
            Judgement::Chance(why) => (why, BlindKind::Chance),
        };
        let counts = match kind {
            BlindKind::Chance => Some(inject(scheme, &Scene::of(scheme, own_engine(), seed)?, fault, part)?),
            BlindKind::Blind | BlindKind::Alters => None,
        };
        let (trials, unseen) = (counts.map(|counts| counts.trials), counts.map(|counts| counts.unseen));
        let (fault, part, why) = (fault.name().into(), part.into(), why.into());
        blind.push(BlindSpot { fault, part, why, kind, trials, unseen });
    }
    Ok(blind)
}

#[cfg(test)]
mod double;
#[cfg(test)]
mod tests;
