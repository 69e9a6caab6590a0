//! The tunnel as the fault injector and the workloads drive it: a session of two peers, whose frames are the
//! pieces.
//!
//! Pieces are sealed frames; the exchange is over before the first one. What spans several sessions or needs
//! an exchange (a replayed exchange, a forgotten epoch, a flood of forged frames) is no fault of a piece: the
//! scheme declares it as [`HISTORIES`], and the campaign plays each of them in every mode.

use std::ops::Range;

use zeroize::Zeroizing;

use super::envelope;
use super::exchange::derive;
use super::frame::{DATA_HEADER_LEN, PILS_HEADER_LEN};
use super::session::{Arc, Budget, Keys, NewSession, Ring, Session};
use super::{Error, Limits, Mode, Timing, risk};
use crate::aead::{Alg, TAG_LEN};
use crate::engine::{Engine, Shape};
use crate::primitive::x25519;
use crate::scheme::{self, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme};

/// The reference's behaviour.
pub(in crate::scheme) static COMPAT: Tunnel = Tunnel(Mode::Compat);
/// The reference's wire, authenticated first.
pub(in crate::scheme) static SAFE: Tunnel = Tunnel(Mode::Safe);
/// Our own frames.
pub(in crate::scheme) static HARDENED: Tunnel = Tunnel(Mode::Hardened);

/// The peers of every session: the writer, then the reader.
const IDS: [u32; 2] = [1, 2];
/// Their X25519 secrets, the long-term keys of the compatible exchange. They protect only generated messages.
const SECRETS: [[u8; 32]; 2] = [[0x71; 32], [0x72; 32]];
/// Counters that a window remembers.
const REMEMBERED: u64 = 256;
/// The time of everything: no fault depends on it.
const NOW_MS: u64 = 0;

const REFUSALS: [&str; 7] = [
    Error::TooShort.spec_name(),
    Error::NoKey(0).spec_name(),
    Error::NotAuthentic.spec_name(),
    Error::Replay.spec_name(),
    Error::OutsideWindow.spec_name(),
    Error::StaleEpoch.spec_name(),
    Error::NotATunnelFrame.spec_name(),
];

/// The names of the histories that some mode declares; see [`histories`].
pub mod history {
    /// A forged frame with a huge counter, then genuine frames.
    pub const FORGED_COUNTER: &str = "forged-counter";
    /// Forged frames until the session is dropped.
    pub const FORGED_FAILURES: &str = "forged-failures";
    /// An authentic frame with counter 0, twice.
    pub const COUNTER_ZERO: &str = "counter-zero";
    /// An unauthenticated exchange over an authenticated session.
    pub const DOWNGRADE: &str = "downgrade";
    /// An unauthenticated exchange where the options allow it.
    pub const UNAUTHENTICATED: &str = "unauthenticated-exchange";
    /// A recorded exchange with an older key.
    pub const OLD_EXCHANGE: &str = "old-exchange";
    /// Frames recorded before a re-derivation with unchanged keys.
    pub const SAME_KEYS: &str = "same-keys";
    /// A frame of an epoch that was forgotten.
    pub const FORGOTTEN_EPOCH: &str = "forgotten-epoch";
    /// A peer that starts over with unchanged keys.
    pub const RESTART: &str = "restart-with-same-keys";
    /// A rekey within seconds of a message that arrived.
    pub const SALVAGE: &str = "rekey-after-delivery";
}

const OLD_EXCHANGE: (&str, &str) = (
    history::OLD_EXCHANGE,
    "an authenticated exchange has no freshness: a recorded one with an older key of the peer replaces the \
     session, and recent messages are sealed again to a key that nobody holds any more",
);
const SAME_KEYS: (&str, &str) = (
    history::SAME_KEYS,
    "unchanged X25519 keys give the same AES key: after a restart of the receiver, which empties the window, \
     recorded frames open again",
);
const UNAUTHENTICATED: (&str, &str) = (
    history::UNAUTHENTICATED,
    "where an unauthenticated exchange is allowed, whoever sends one in the peer's name gets a session",
);
const SALVAGE: (&str, &str) = (
    history::SALVAGE,
    "the last messages of 5 s are sealed again after a rekey: those that had arrived arrive twice, and \
     whoever completed the new exchange reads them",
);

/// The histories after which a mode accepts what it should refuse, or loses what it should deliver.
pub const fn histories(mode: Mode) -> &'static [(&'static str, &'static str)] {
    match mode {
        Mode::Compat => &[
            (
                history::FORGED_COUNTER,
                "a counter is recorded before the frame is authenticated: one forged frame with a huge \
                 counter moves the window, and the peer's frames are refused until the next rekey",
            ),
            (
                history::FORGED_FAILURES,
                "five frames that do not open drop a session older than 3 s, and anybody can send them",
            ),
            (
                history::COUNTER_ZERO,
                "counter 0 doubles as an empty window: an authentic frame with it is accepted again and \
                 again",
            ),
            (
                history::DOWNGRADE,
                "while the registry cannot be asked, an unauthenticated exchange replaces an authenticated \
                 session",
            ),
            UNAUTHENTICATED,
            OLD_EXCHANGE,
            SAME_KEYS,
            (
                history::RESTART,
                "a same-key exchange keeps the window: the frames of a peer that starts over count from 1 \
                 and are refused as replays",
            ),
            SALVAGE,
        ],
        Mode::Safe => &[
            UNAUTHENTICATED,
            OLD_EXCHANGE,
            SAME_KEYS,
            (
                history::FORGOTTEN_EPOCH,
                "the newest epoch and four older ones are remembered: a recorded frame of an earlier one \
                 opens again",
            ),
            SALVAGE,
        ],
        Mode::Hardened => &[SALVAGE],
    }
}

/// The scheme in one of its modes.
pub(in crate::scheme) struct Tunnel(Mode);

impl Scheme for Tunnel {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn law(&self) -> Law {
        Law::AtMostOnce
    }

    fn needs(&self) -> Option<Shape> {
        Some(Shape::usual(Alg::Aes256Gcm))
    }

    fn refusals(&self) -> &'static [&'static str] {
        &REFUSALS
    }

    fn judge(&self, fault: Fault, _: &str) -> Judgement {
        match fault {
            Fault::Swap | Fault::Drop | Fault::Tail => Judgement::Harmless,
            Fault::Splice if self.0.is_compatible() => Judgement::Blind(match self.0 {
                Mode::Compat => {
                    "sessions of the same X25519 keys have the same AES key, and one window for all"
                }
                _ => {
                    "sessions of the same X25519 keys have the same AES key: another one's frame is a new \
                     epoch"
                }
            }),
            Fault::Flip | Fault::Cut | Fault::Extend | Fault::Copy | Fault::Repeat | Fault::Splice => {
                Judgement::Caught
            }
            Fault::Older | Fault::Forge => Judgement::Caught,
        }
    }

    fn risks(&self) -> Vec<scheme::Risk> {
        if self.0.is_compatible() { vec![risk::compatible()] } else { Vec::new() }
    }

    fn blind_histories(&self) -> &'static [(&'static str, &'static str)] {
        histories(self.0)
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn scheme::Session>, scheme::Error> {
        let secrets = Secrets::exchanged(self.0)?;
        let writer = secrets.session(engine, 0)?;
        Ok(Box::new(Writer { engine, secrets, writer, first: 1 }))
    }
}

/// What two peers derived, as the writer names it.
struct Secrets {
    mode: Mode,
    /// Seals what the writer sends, then what the reader sends; the same key in the compatible modes.
    keys: [Zeroizing<[u8; 32]>; 2],
    prefix: [u8; 4],
    session_id: [u8; 4],
    /// The X25519 keys of both.
    public: [[u8; 32]; 2],
}

impl Secrets {
    /// The result of an exchange: from the long-term keys, or from fresh ones in the hardened mode.
    fn exchanged(mode: Mode) -> Result<Self, Error> {
        let mut own = SECRETS.map(Zeroizing::new);
        let (mut prefix, mut randoms) = ([0; 4], [[0; 32]; 2]);
        if mode == Mode::Hardened {
            for bytes in own.iter_mut().map(|secret| &mut **secret).chain(&mut randoms) {
                getrandom::fill(bytes)?;
            }
        } else {
            getrandom::fill(&mut prefix)?;
        }
        let public = own.each_ref().map(|secret| x25519::public(secret));
        let shared = derive::shared(&own[0], &public[1])?;
        let party = |side: usize| derive::Party { node_id: IDS[side], random: randoms[side] };
        let (keys, session_id) = match mode {
            Mode::Hardened => {
                let derived = derive::hardened(&shared, &party(0), &party(1));
                ([derived.seal, derived.open], derived.session)
            }
            _ => (std::array::from_fn(|_| derive::compatible(&shared)), [0; 4]),
        };
        Ok(Self { mode, keys, prefix, session_id, public })
    }

    /// The session of the writer (0) or the reader (1).
    fn session(&self, engine: &dyn Engine, side: usize) -> Result<Session, Error> {
        let key = |of: usize| engine.key(Alg::Aes256Gcm, &self.keys[of][..]).map_err(Error::Engine);
        let keys = match self.mode {
            Mode::Hardened => Keys::Directed { seal: key(side)?, open: key(1 - side)? },
            _ => Keys::Both(key(0)?),
        };
        let (limits, timing) = (Limits::default(), Timing::default());
        let budget = Arc::new(Budget::new(limits.salvage_bytes));
        Ok(Session::new(NewSession {
            mode: self.mode,
            own: IDS[side],
            peer: IDS[1 - side],
            keys,
            prefix: self.prefix,
            session_id: self.session_id,
            created_at: NOW_MS,
            peer_x25519: self.public[1 - side],
            authenticated: true,
            sealed_before: 0,
            ring: Ring::new(budget, limits.salvage_frames, timing.salvage_ms),
        }))
    }
}

/// The peer that sends.
struct Writer {
    engine: &'static dyn Engine,
    secrets: Secrets,
    writer: Session,
    /// The counter of the first frame of the last call.
    first: u64,
}

impl scheme::Session for Writer {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, scheme::Error> {
        self.first = self.writer.counters().sealed + 1;
        let seal = |message: &Vec<u8>| {
            let mut bytes = vec![0; message.len() + envelope::overhead(self.secrets.mode)];
            envelope::seal_into(&self.writer, NOW_MS, message, &mut bytes)?;
            Ok(Piece { place: Vec::new(), parts: parts(self.secrets.mode, bytes.len()), bytes })
        };
        messages.iter().map(seal).collect()
    }

    /// The reader has accepted the frames of the earlier calls: the window remembers no more than the last
    /// ones.
    fn reader(&self) -> Result<Box<dyn Reader>, scheme::Error> {
        let session = self.secrets.session(self.engine, 1)?;
        for counter in self.first.saturating_sub(REMEMBERED).max(1)..self.first {
            session.commit(NOW_MS, self.secrets.prefix, counter)?;
        }
        Ok(Box::new(Receiver { session, first: self.first }))
    }
}

/// The parts of a frame of this length.
fn parts(mode: Mode, len: usize) -> Vec<(&'static str, Range<usize>)> {
    let tag = ("tag", len - TAG_LEN..len);
    match mode {
        Mode::Compat | Mode::Safe => vec![
            ("magic", 0..4),
            ("sender", 4..8),
            ("prefix", 8..12),
            ("counter", 12..20),
            ("ciphertext", PILS_HEADER_LEN..tag.1.start),
            tag,
        ],
        Mode::Hardened => vec![
            ("magic", 0..4),
            ("version", 4..5),
            ("sender", 5..9),
            ("session", 9..13),
            ("counter", 13..21),
            ("ciphertext", DATA_HEADER_LEN..tag.1.start),
            tag,
        ],
    }
}

/// The peer that receives.
struct Receiver {
    session: Session,
    /// The counter of the first message.
    first: u64,
}

impl Receiver {
    fn open(&self, frame: &[u8]) -> Result<(usize, Vec<u8>), Error> {
        let mut frame = frame.to_vec();
        let counter = envelope::Sealed::decode(self.session.mode(), &frame)?.counter;
        let opened = envelope::open_in_place(&self.session, NOW_MS, &mut frame)?;
        Ok((counter.saturating_sub(self.first) as usize, opened.plaintext.to_vec()))
    }
}

impl Reader for Receiver {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut recovered = Recovered::default();
        for piece in pieces {
            match self.open(&piece.bytes) {
                Ok(given) => recovered.given.push(given),
                Err(error) => recovered.refused.push(error.spec_name()),
            }
        }
        recovered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(scheme: &Tunnel) -> Box<dyn scheme::Session> {
        scheme.session(crate::engine::find("sealmark").unwrap()).unwrap()
    }

    fn messages(count: u8) -> Vec<Vec<u8>> {
        (0..count).map(|i| vec![i; usize::from(i) * 10]).collect()
    }

    #[test]
    fn every_byte_of_a_frame_belongs_to_a_part() {
        for scheme in [&COMPAT, &SAFE, &HARDENED] {
            for piece in session(scheme).protect(&messages(3)).unwrap() {
                assert_eq!(piece.kind(), "");
                let named: usize = piece.parts.iter().map(|(_, range)| range.len()).sum();
                assert_eq!(named, piece.bytes.len());
                assert!((0..piece.bytes.len()).all(|at| !piece.part_at(at).is_empty()));
            }
        }
    }

    #[test]
    fn a_reader_has_accepted_what_was_sent_before_and_no_more() {
        for scheme in [&COMPAT, &SAFE, &HARDENED] {
            let mut session = session(scheme);
            let earlier = session.protect(&messages(200)).unwrap();
            let pieces = session.protect(&messages(100)).unwrap();
            let recovered = session.reader().unwrap().recover(&pieces);
            assert_eq!(recovered.given, messages(100).into_iter().enumerate().collect::<Vec<_>>());
            assert_eq!(recovered.refused, [""; 0]);
            let replayed = session.reader().unwrap().recover(&earlier);
            assert_eq!((replayed.given.len(), replayed.refused), (0, vec!["ErrReplay"; 200]));
            session.protect(&messages(150)).unwrap();
            let late = session.reader().unwrap().recover(&earlier);
            let replays = late.refused.iter().filter(|why| **why == "ErrReplay").count();
            assert_eq!((late.given.len(), late.refused.len(), replays), (0, 200, 156), "{:?}", scheme.0);
        }
    }

    #[test]
    fn each_mode_names_its_histories_once() {
        for mode in Mode::ALL {
            let names: std::collections::BTreeSet<_> = histories(mode).iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), histories(mode).len());
        }
    }
}
