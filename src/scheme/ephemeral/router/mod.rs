//! Events in, keys created and purged, events out (spec §3-§5).
//!
//! An event goes through the [routing table](super::routing). The key is created first, before anything that
//! could use it; then the event is forwarded to the round's actors; then follow the table's consequences, as
//! the purge of the key. [`Router::handle_with`] returns the events to
//! publish, which come back through it like any other: a completion is published first and tears the round
//! down when it comes back. The completed rounds are the caller's checkpoint. Not here: the actors of a
//! round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::routing::{After, Decision, Event, Phase, Stage, decide};
use super::timeout::{Clock, Timeouts};
use super::{Error, RoundId, Rounds};

/// Routes the events of a node's rounds.
#[derive(Debug)]
pub struct Router {
    rounds: Arc<Rounds>,
    timeouts: Timeouts,
    clock: Arc<dyn Clock>,
    completed: BTreeSet<RoundId>,
    collections: BTreeMap<(RoundId, Phase), Collection>,
}

#[derive(Debug)]
struct Collection {
    missing: BTreeSet<u64>,
    ends: u64,
}

/// What an event led to.
#[derive(Debug)]
pub struct Handled {
    /// The table's decision.
    pub decision: Decision,
    /// The events to publish, in order.
    pub publish: Vec<Event>,
}

/// What the passing of time led to.
#[derive(Debug)]
pub struct Ticked {
    /// The events to publish: for each collection its missing parties, then the failure that they cause; then
    /// the rounds that are past their deadline.
    pub publish: Vec<Event>,
    /// Rounds whose key could not be erased. It is refused all the same, and the next tick tries again.
    pub failed: Vec<(RoundId, Error)>,
}

impl Router {
    /// A router for these rounds. Keys of rounds that the checkpoint lists as completed are purged.
    ///
    /// # Errors
    /// Those of [`Rounds::purge`].
    pub fn new(
        rounds: Arc<Rounds>,
        timeouts: Timeouts,
        clock: Arc<dyn Clock>,
        completed: BTreeSet<RoundId>,
    ) -> Result<Self, Error> {
        completed.iter().try_for_each(|round| rounds.purge(round))?;
        Ok(Self { rounds, timeouts, clock, completed, collections: BTreeMap::new() })
    }

    /// The completed rounds, for the checkpoint.
    pub fn completed(&self) -> &BTreeSet<RoundId> {
        &self.completed
    }

    /// Handles an event of a round without actors: [`Self::handle_with`] that forwards it to nobody.
    ///
    /// # Errors
    /// Those of [`Self::handle_with`].
    pub fn handle(&mut self, event: &Event) -> Result<Handled, Error> {
        self.handle_with(event, &mut |_| ())
    }

    /// Handles an event. If a round's key cannot be created, the events to publish say so with the round's id
    /// and complete the round. `forward` receives an event that is processed or broadcast, for the actors:
    /// after the round's key exists, and before it is purged.
    ///
    /// # Errors
    /// [`Error::AlreadyCompleted`]; those of [`Rounds::request`] and [`Rounds::purge`], after which the event
    /// can be repeated; after one of the latter it was forwarded.
    pub fn handle_with(&mut self, event: &Event, forward: &mut dyn FnMut(&Event)) -> Result<Handled, Error> {
        let completed = event.round().is_some_and(|round| self.completed.contains(round));
        let decision = decide(event, completed);
        let (Decision::Process(after), Some(round)) = (decision, event.round()) else {
            return match (decision, event.round()) {
                (Decision::AlreadyCompleted, Some(round)) => Err(Error::AlreadyCompleted(round.clone())),
                _ => {
                    if decision == Decision::Broadcast {
                        forward(event);
                    }
                    Ok(Handled { decision, publish: Vec::new() })
                }
            };
        };
        let mut publish = Vec::new();
        if let Event::Requested(round) = event {
            match self.rounds.request(round) {
                Err(Error::RoundAborted { round, reason: why }) => {
                    let aborted = Event::RoundAborted { round: round.clone(), why };
                    publish.extend([aborted, Event::RequestComplete(round)]);
                }
                requested => drop(requested?),
            }
        }
        forward(event);
        match after {
            After::None => {}
            After::PublishComplete => publish.push(Event::RequestComplete(round.clone())),
            After::Teardown => {
                self.rounds.purge(round)?;
                self.collections.retain(|(of, _), _| of != round);
                self.completed.insert(round.clone());
            }
        }
        Ok(Handled { decision, publish })
    }

    /// Begins a collection from these parties, in a window that began at `started`, if that is known. A
    /// collection from nobody is whole at once, and a completed round collects nothing.
    pub fn collect(&mut self, round: &RoundId, phase: Phase, parties: BTreeSet<u64>, started: Option<u64>) {
        if parties.is_empty() || self.completed.contains(round) {
            return;
        }
        let now = self.clock.now();
        let ends = now.saturating_add(self.timeouts.remaining(phase, started, now));
        self.collections.insert((round.clone(), phase), Collection { missing: parties, ends });
    }

    /// A party contributed. The last one ends the collection.
    pub fn contributed(&mut self, round: &RoundId, phase: Phase, party: u64) {
        let key = (round.clone(), phase);
        if let Some(collection) = self.collections.get_mut(&key) {
            collection.missing.remove(&party);
            if collection.missing.is_empty() {
                self.collections.remove(&key);
            }
        }
    }

    /// Ends the collections that ran out of time, and purges the rounds that are past their deadline.
    pub fn tick(&mut self) -> Ticked {
        let now = self.clock.now();
        let mut publish = Vec::new();
        let expired = |(_, collection): &(&(RoundId, Phase), &Collection)| collection.ends <= now;
        let keys: Vec<_> = self.collections.iter().filter(expired).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let Some(collection) = self.collections.remove(&key) else { continue };
            let (round, phase) = key;
            let (missing, reason) = (collection.missing.into_iter().collect(), phase.failure());
            publish.extend([
                Event::CollectionFailed { round: round.clone(), phase, missing, reason },
                Event::Failed { round, stage: Stage::CommitteeFinalized, reason },
            ]);
        }
        let mut failed = Vec::new();
        for (round, purged) in self.rounds.purge_expired() {
            match purged {
                Ok(()) => publish.push(Event::RequestComplete(round)),
                Err(error) => failed.push((round, error)),
            }
        }
        Ticked { publish, failed }
    }
}

#[cfg(test)]
mod tests;
