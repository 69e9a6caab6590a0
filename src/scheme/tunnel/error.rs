//! Why the tunnel refused, with the reference's own words as names.

use crate::{aead, primitive};

/// Why a call was refused. Reveals nothing about secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The frame is shorter than the shortest of its kind.
    #[error("the frame is shorter than the shortest of its kind: it was cut short, or is not a frame")]
    TooShort,
    /// The bytes begin with no magic of this mode.
    #[error("these bytes are not a frame of this mode: hand them to another protocol")]
    NotATunnelFrame,
    /// There is no session with the peer.
    #[error("there is no session with peer {0}: ask for a key exchange")]
    NoKey(u32),
    /// The frame does not open.
    #[error("the frame does not open: it was altered, forged, or sealed under another key")]
    NotAuthentic,
    /// The frame is authentic and was opened before.
    #[error("the frame was opened before: drop it")]
    Replay,
    /// The frame is authentic and older than the window, which cannot tell whether it was opened.
    #[error("the frame is more than 255 frames late, so it may have been opened before: drop it")]
    OutsideWindow,
    /// The frame belongs to an earlier epoch of the sender, and was opened before or is too late.
    #[error("the frame belongs to an earlier epoch of its sender and may have been opened before: drop it")]
    StaleEpoch,
    /// An authentic frame carries counter 0, which no sender uses (rule `counter-zero`).
    #[error(
        "an authentic frame carries counter 0, which no sender uses: the peer does not keep the protocol"
    )]
    CounterZero,
    /// The session has sealed as many frames as there are counters.
    #[error("the session has no counters left: exchange keys again")]
    CounterExhausted,
    /// The message is longer than AES-GCM allows under one nonce.
    #[error("the message is longer than AES-GCM allows: split it")]
    MessageTooLong,
    /// The output buffer cannot hold the frame.
    #[error("the buffer is too small for the frame: it needs the message and the overhead of its mode")]
    BufferTooSmall,
    /// The peer's X25519 key is a point of low order.
    #[error("the peer's X25519 key is a point of low order: refuse the peer")]
    LowOrderPoint,
    /// The store holds as many sessions as it may.
    #[error("the store is full: remove peers, or raise the limit of sessions")]
    StoreFull,
    /// The exchange with the peer was given up a moment ago.
    #[error("peer {0} does not answer key exchanges: wait for the cool-down to end")]
    GaveUp(u32),
    /// The queue of the peer, or of all peers, is full.
    #[error("the queue for peer {0} is full: the message was not taken; send it again later")]
    QueueFull(u32),
    /// The frame names us as its sender.
    #[error("the frame names this node as its sender: it was reflected")]
    Reflected,
    /// The frame is meant for another receiver.
    #[error("the frame is meant for node {0}: it was misrouted")]
    WrongReceiver(u32),
    /// We have no X25519 key, so there can be no exchange.
    #[error("this node has no X25519 key: give the identity one")]
    NoOwnKey,
    /// We have no Ed25519 identity, which the mode needs.
    #[error("this node has no Ed25519 identity, which this mode needs: give it one")]
    NoIdentity,
    /// The registry did not answer, or does not know the peer.
    #[error("the registry gives no key for peer {0}: try again when it can be reached")]
    NoPeerKey(u32),
    /// The key in the frame is not the one in the registry.
    #[error("the frame's Ed25519 key is not the registry's key of peer {0}: it was forged")]
    WrongPeerKey(u32),
    /// The signature is not valid under the registry's key.
    #[error("the signature is not one of peer {0}: it was forged or altered")]
    BadSignature(u32),
    /// The peer has an identity and came without it.
    #[error("peer {0} has an identity and came without it: only an authenticated exchange is accepted")]
    Downgrade(u32),
    /// The peer's share of fetches or signature checks is used up.
    #[error("peer {0} has used up its key exchanges for now: the frame was not examined")]
    Limited(u32),
    /// A named rule that makes a mode stricter than the reference.
    #[error("refused by the rule `{0}`")]
    Rule(&'static str),
    /// The engine refused: a limit of AES-GCM, or a shape that it does not support.
    #[error("the engine refused: {0}")]
    Engine(aead::Error),
    /// A key agreement, a signature or a key derivation was refused.
    #[error("{0}")]
    Primitive(primitive::Error),
    /// The system's random source failed.
    #[error("the system's random source failed: {0}; try again once it works")]
    Random(getrandom::Error),
}

impl Error {
    /// The name of this error in the reference and the published vectors, or our own name in kebab case.
    pub const fn spec_name(&self) -> &'static str {
        match self {
            Self::TooShort => "ErrTooShort",
            Self::NoKey(_) => "ErrNoKey",
            Self::NotAuthentic => "ErrAEAD",
            Self::Replay => "ErrReplay",
            Self::OutsideWindow => "ErrOutsideWindow",
            Self::StaleEpoch => "ErrStaleEpoch",
            Self::NotATunnelFrame => "not-a-tunnel-frame",
            Self::CounterZero => super::COUNTER_ZERO,
            Self::CounterExhausted => "counter-exhausted",
            Self::MessageTooLong => "message-too-long",
            Self::BufferTooSmall => "buffer-too-small",
            Self::LowOrderPoint => "low-order-point",
            Self::StoreFull => "store-full",
            Self::GaveUp(_) => "gave-up",
            Self::QueueFull(_) => "queue-full",
            Self::Reflected => "reflected",
            Self::WrongReceiver(_) => "wrong-receiver",
            Self::NoOwnKey => "no-own-key",
            Self::NoIdentity => "no-identity",
            Self::NoPeerKey(_) => "no-peer-key",
            Self::WrongPeerKey(_) => "wrong-peer-key",
            Self::BadSignature(_) => "bad-signature",
            Self::Downgrade(_) => "downgrade",
            Self::Limited(_) => "limited",
            Self::Rule(rule) => rule,
            Self::Engine(_) => "engine",
            Self::Primitive(_) => "primitive",
            Self::Random(_) => "random",
        }
    }

    /// The named rule by which it was refused, if the reference would have accepted.
    pub const fn rule(&self) -> Option<&'static str> {
        match self {
            Self::CounterZero => Some(super::COUNTER_ZERO),
            Self::Rule(rule) => Some(rule),
            _ => None,
        }
    }
}

impl From<aead::Error> for Error {
    fn from(error: aead::Error) -> Self {
        match error {
            aead::Error::NotAuthentic => Self::NotAuthentic,
            aead::Error::MessageTooLong => Self::MessageTooLong,
            other => Self::Engine(other),
        }
    }
}

impl From<primitive::Error> for Error {
    fn from(error: primitive::Error) -> Self {
        match error {
            primitive::Error::NotContributory => Self::LowOrderPoint,
            other => Self::Primitive(other),
        }
    }
}

impl From<getrandom::Error> for Error {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_reference_keep_its_words_and_rules_their_names() {
        let named = [
            (Error::TooShort, "ErrTooShort"),
            (Error::NoKey(1), "ErrNoKey"),
            (Error::NotAuthentic, "ErrAEAD"),
            (Error::Replay, "ErrReplay"),
            (Error::OutsideWindow, "ErrOutsideWindow"),
            (Error::StaleEpoch, "ErrStaleEpoch"),
        ];
        for (error, name) in named {
            assert_eq!((error.spec_name(), error.rule()), (name, None));
        }
        assert_eq!(Error::CounterZero.rule(), Some("counter-zero"));
        assert_eq!(Error::Rule(crate::scheme::tunnel::NO_RESET).spec_name(), "no-reset");
    }

    #[test]
    fn lower_floors_errors_become_the_tunnels_own_where_it_has_a_word() {
        assert_eq!(Error::from(aead::Error::NotAuthentic), Error::NotAuthentic);
        assert_eq!(Error::from(aead::Error::MessageTooLong), Error::MessageTooLong);
        assert_eq!(Error::from(aead::Error::KeyLength), Error::Engine(aead::Error::KeyLength));
        assert_eq!(Error::from(primitive::Error::NotContributory), Error::LowOrderPoint);
        let other = primitive::Error::NotSigned;
        assert_eq!(Error::from(other), Error::Primitive(other));
    }
}
