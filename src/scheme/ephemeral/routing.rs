//! Which events end a round (spec §4): the reference's routing table, as one function.
//!
//! Only a completion ends a round. A failure that is not a timeout ends nothing, so the reference keeps the
//! round's key until something else does; ours also has a deadline ([`Rounds`](super::Rounds)).

use super::RoundId;

/// Why a round failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the reference's names, which say all that is known")]
pub enum FailureReason {
    None,
    CommitteeFormationTimeout,
    InsufficientCommitteeMembers,
    DKGTimeout,
    DKGInvalidShares,
    NoInputsReceived,
    ComputeTimeout,
    ComputeProviderExpired,
    ComputeProviderFailed,
    RequesterCancelled,
    DecryptionTimeout,
    DecryptionInvalidShares,
    VerificationFailed,
}

impl FailureReason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::CommitteeFormationTimeout,
        Self::InsufficientCommitteeMembers,
        Self::DKGTimeout,
        Self::DKGInvalidShares,
        Self::NoInputsReceived,
        Self::ComputeTimeout,
        Self::ComputeProviderExpired,
        Self::ComputeProviderFailed,
        Self::RequesterCancelled,
        Self::DecryptionTimeout,
        Self::DecryptionInvalidShares,
        Self::VerificationFailed,
    ];

    /// Whether it is a timeout, which ends the round.
    pub const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::CommitteeFormationTimeout
                | Self::DKGTimeout
                | Self::ComputeTimeout
                | Self::DecryptionTimeout
        )
    }

    /// The reason with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| format!("{reason:?}") == name)
    }
}

/// How far a round is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the reference's names, which say all that is known")]
pub enum Stage {
    None,
    Requested,
    CommitteeFinalized,
    KeyPublished,
    CiphertextReady,
    Complete,
    Failed,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Requested,
        Self::CommitteeFinalized,
        Self::KeyPublished,
        Self::CiphertextReady,
        Self::Complete,
        Self::Failed,
    ];

    /// The stage with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| format!("{stage:?}") == name)
    }
}

/// What is collected from the parties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Encryption keys.
    EncryptionKey,
    /// Threshold shares.
    ThresholdShare,
    /// Shares of the decryption key.
    DecryptionKeyShared,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 3] = [Self::EncryptionKey, Self::ThresholdShare, Self::DecryptionKeyShared];

    /// The reason of the failure if it runs out of time.
    pub const fn failure(self) -> FailureReason {
        match self {
            Self::EncryptionKey | Self::ThresholdShare => FailureReason::DKGTimeout,
            Self::DecryptionKeyShared => FailureReason::DecryptionTimeout,
        }
    }
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The node stops.
    Shutdown,
    /// The node may act on the outside world.
    EffectsEnabled,
    /// Something that belongs to no round.
    NoRound,
    /// A round begins.
    Requested(RoundId),
    /// A keyshare exists.
    KeyshareCreated(RoundId),
    /// The plaintext is known: the round's work is done.
    PlaintextAggregated(RoundId),
    /// The chain moved the round to another stage.
    StageChanged(RoundId, Stage),
    /// The round failed at a stage.
    Failed {
        /// The round.
        round: RoundId,
        /// The stage, if it is known.
        stage: Stage,
        /// Why.
        reason: FailureReason,
    },
    /// The round is over: everything about it is torn down.
    RequestComplete(RoundId),
    /// A collection ran out of time. Published before the failure that it causes, in every phase.
    CollectionFailed {
        /// The round.
        round: RoundId,
        /// What was collected.
        phase: Phase,
        /// The parties that did not contribute.
        missing: Vec<u64>,
        /// The reason of the failure that follows.
        reason: FailureReason,
    },
    /// The round's key could not be created, so the round is aborted.
    RoundAborted {
        /// The round.
        round: RoundId,
        /// Why.
        why: String,
    },
}

impl Event {
    /// The round that it belongs to.
    pub fn round(&self) -> Option<&RoundId> {
        match self {
            Self::Shutdown | Self::EffectsEnabled | Self::NoRound => None,
            Self::Requested(round)
            | Self::KeyshareCreated(round)
            | Self::PlaintextAggregated(round)
            | Self::StageChanged(round, _)
            | Self::Failed { round, .. }
            | Self::RequestComplete(round)
            | Self::CollectionFailed { round, .. }
            | Self::RoundAborted { round, .. } => Some(round),
        }
    }
}

/// What to do with an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Give it to every round.
    Broadcast,
    /// Nothing: it belongs to no round, or it is a late echo from the chain.
    Ignore,
    /// Refuse it: its round is over.
    AlreadyCompleted,
    /// Give it to its round, then do this.
    Process(After),
}

/// What follows an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum After {
    /// Nothing.
    None,
    /// Publish [`Event::RequestComplete`].
    PublishComplete,
    /// Tear the round down and mark it as completed.
    Teardown,
}

impl Decision {
    /// Its name in the published vectors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "Broadcast",
            Self::Ignore => "Ignore",
            Self::AlreadyCompleted => "AlreadyCompleted",
            Self::Process(After::None) => "Process/None",
            Self::Process(After::PublishComplete) => "Process/PublishComplete",
            Self::Process(After::Teardown) => "Process/Teardown",
        }
    }
}

/// The decision on an event, given whether its round is completed.
pub fn decide(event: &Event, completed: bool) -> Decision {
    match event {
        Event::Shutdown | Event::EffectsEnabled => Decision::Broadcast,
        Event::NoRound => Decision::Ignore,
        Event::StageChanged(_, Stage::Complete | Stage::Failed) if completed => Decision::Ignore,
        Event::Failed { reason, .. } if completed && reason.is_timeout() => Decision::Ignore,
        _ if completed => Decision::AlreadyCompleted,
        Event::PlaintextAggregated(_) | Event::StageChanged(_, Stage::Complete) => {
            Decision::Process(After::PublishComplete)
        }
        Event::Failed { reason, .. } if reason.is_timeout() => Decision::Process(After::PublishComplete),
        Event::RequestComplete(_) => Decision::Process(After::Teardown),
        _ => Decision::Process(After::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::ephemeral::testing::round;

    #[test]
    fn the_table_holds_for_every_stage_and_every_reason() {
        let of = |event: &Event| [false, true].map(|completed| decide(event, completed).name());
        for stage in Stage::ALL {
            let expected = match stage {
                Stage::Complete => ["Process/PublishComplete", "Ignore"],
                Stage::Failed => ["Process/None", "Ignore"],
                _ => ["Process/None", "AlreadyCompleted"],
            };
            assert_eq!(of(&Event::StageChanged(round(1), stage)), expected, "{stage:?}");
        }
        let mut timeouts = Vec::new();
        for reason in FailureReason::ALL {
            let event = Event::Failed { round: round(1), stage: Stage::None, reason };
            if reason.is_timeout() {
                timeouts.push(format!("{reason:?}"));
                assert_eq!(of(&event), ["Process/PublishComplete", "Ignore"], "{reason:?}");
            } else {
                assert_eq!(of(&event), ["Process/None", "AlreadyCompleted"], "{reason:?}");
            }
        }
        let expected = ["CommitteeFormationTimeout", "DKGTimeout", "ComputeTimeout", "DecryptionTimeout"];
        assert_eq!(timeouts, expected);
    }

    #[test]
    fn the_table_holds_for_every_other_event() {
        let of = |event: &Event| [false, true].map(|completed| decide(event, completed).name());
        for event in [Event::Shutdown, Event::EffectsEnabled] {
            assert_eq!(of(&event), ["Broadcast"; 2]);
        }
        assert_eq!(of(&Event::NoRound), ["Ignore"; 2]);
        let done = Event::PlaintextAggregated(round(1));
        assert_eq!(of(&done), ["Process/PublishComplete", "AlreadyCompleted"]);
        assert_eq!(of(&Event::RequestComplete(round(1))), ["Process/Teardown", "AlreadyCompleted"]);
        for event in [Event::Requested(round(1)), Event::KeyshareCreated(round(1))] {
            assert_eq!(of(&event), ["Process/None", "AlreadyCompleted"]);
        }
    }

    #[test]
    fn names_are_found_and_unknown_ones_are_not() {
        assert_eq!(FailureReason::from_name("DKGTimeout"), Some(FailureReason::DKGTimeout));
        assert_eq!(Stage::from_name("KeyPublished"), Some(Stage::KeyPublished));
        assert!(FailureReason::from_name("DkgTimeout").is_none() && Stage::from_name("").is_none());
    }

    #[test]
    fn a_phase_that_runs_out_of_time_has_its_reason() {
        let reasons = Phase::ALL.map(Phase::failure);
        use FailureReason::{DKGTimeout, DecryptionTimeout};
        assert_eq!(reasons, [DKGTimeout, DKGTimeout, DecryptionTimeout]);
        assert!(reasons.iter().all(|reason| reason.is_timeout()), "else nothing would end the round");
    }
}
