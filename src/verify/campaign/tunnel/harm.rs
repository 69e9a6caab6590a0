//! The histories of the tunnel: what an attacker, or mere bad luck, does to each mode across several
//! sessions.
//!
//! Each history is played on real nodes in every mode, by one script. It harms the modes that declare it
//! (`Scheme::blind_histories`) and no other: claiming too little fails, and so does claiming too much.

use super::forgery::{self, Forgery};
use super::peer::{Peer, Surroundings};
use super::{is_exchange, is_sealed, short};
use crate::aead::Tag;
use crate::host::sync::Arc;
use crate::scheme::tunnel::frame::{DataHeader, Header};
use crate::scheme::tunnel::{Mode, Options, Received, Sent, Source, envelope, history};
use crate::scheme::{self, Scheme};

const IDS: [u32; 2] = [1, 2];
/// Indices of [`Pair::peers`].
const A: usize = 0;
const B: usize = 1;

/// A history.
pub(super) struct History {
    /// Its name, as the scheme declares it.
    pub name: &'static str,
    play: fn(Mode) -> Result<bool, String>,
}

/// Every history.
pub(super) static HISTORIES: &[History] = &[
    History { name: history::FORGED_COUNTER, play: forged_counter },
    History { name: history::FORGED_FAILURES, play: forged_failures },
    History { name: history::COUNTER_ZERO, play: counter_zero },
    History { name: history::DOWNGRADE, play: downgrade },
    History { name: history::UNAUTHENTICATED, play: unauthenticated },
    History { name: history::OLD_EXCHANGE, play: old_exchange },
    History { name: history::SAME_KEYS, play: same_keys },
    History { name: history::FORGOTTEN_EPOCH, play: forgotten_epoch },
    History { name: history::RESTART, play: restart },
    History { name: history::SALVAGE, play: rekey_after_delivery },
];

/// Plays a history in a mode, and compares with what the scheme declares.
///
/// # Errors
/// A harm that is not declared, a declared one that does not happen, or why the history could not be played.
pub(super) fn agrees(history: &History, mode: Mode) -> Result<(), String> {
    let scheme = scheme::find(mode.name()).ok_or("there is no scheme of that name")?;
    let declared = declares(scheme, history);
    match ((history.play)(mode)?, declared) {
        (true, false) => Err(format!("{} harms {}, which does not declare it", history.name, short(mode))),
        (false, true) => Err(format!("{} declares {}, which does no harm", short(mode), history.name)),
        _ => Ok(()),
    }
}

fn declares(scheme: &dyn Scheme, history: &History) -> bool {
    scheme.blind_histories().iter().any(|(name, _)| *name == history.name)
}

/// Two peers, and a network that delivers at once.
struct Pair {
    mode: Mode,
    around: Surroundings,
    peers: [Peer; 2],
    /// The exchange frames that reached each, since somebody last looked.
    exchanged: [Vec<Vec<u8>>; 2],
    /// The messages that each was given.
    given: [Vec<Vec<u8>>; 2],
}

impl Pair {
    /// Two peers that share a session.
    fn established(mode: Mode) -> Result<Self, String> {
        let around = Surroundings::at(1_000_000);
        let peers = IDS.map(|id| Peer::start(id, 0, Options::new(mode), &around));
        let (exchanged, given) = Default::default();
        let mut pair = Self { mode, around, peers, exchanged, given };
        pair.exchange(A)?;
        Ok(pair)
    }

    /// After a while one asks the other for keys, and all frames arrive. An unchanged key is answered only if
    /// nothing was opened for some seconds.
    fn exchange(&mut self, from: usize) -> Result<(), String> {
        self.exchange_after(Options::default().timing.reply_stale_ms + 1, from)
    }

    fn exchange_after(&mut self, ms: u64, from: usize) -> Result<(), String> {
        self.around.clock.advance(ms);
        let node = self.peers[from].node().ok_or("the node did not start")?;
        node.exchange().request(IDS[1 - from]);
        self.pass();
        let both =
            |side: usize| self.peers[side].node().is_some_and(|node| node.session(IDS[1 - side]).is_some());
        if both(A) && both(B) { Ok(()) } else { Err("the exchange leads to no session".into()) }
    }

    /// Delivers everything that was sent, and what is sent because of it.
    fn pass(&mut self) {
        loop {
            let sent = [A, B].map(|side| self.peers[side].take_sent());
            if sent.iter().all(Vec::is_empty) {
                return;
            }
            for (from, frames) in sent.into_iter().enumerate() {
                for (_, frame) in frames.into_iter().filter(|(to, _)| *to == IDS[1 - from]) {
                    if is_exchange(&frame) {
                        self.exchanged[1 - from].push(frame.clone());
                    }
                    if let Ok(message) = self.receive(1 - from, &frame) {
                        self.given[1 - from].extend(message);
                    }
                }
            }
        }
    }

    /// A frame arrives: the message in it, if it is a sealed one.
    fn receive(&self, side: usize, frame: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        let node = self.peers[side].node().ok_or("the node did not start")?;
        let mut datagram = frame.to_vec();
        let received = node.receive(&mut datagram, Source::DIRECT).map_err(|error| error.spec_name());
        received.map(|received| match received {
            Received::Message(opened) => Some(opened.plaintext.to_vec()),
            _ => None,
        })
    }

    /// Whether a sealed frame opens.
    fn opens(&self, side: usize, frame: &[u8]) -> bool {
        matches!(self.receive(side, frame), Ok(Some(_)))
    }

    /// A frame that a peer seals for the other, not yet delivered.
    fn seal(&self, from: usize, message: &[u8]) -> Result<Vec<u8>, String> {
        let node = self.peers[from].node().ok_or("the node did not start")?;
        let taken = node.send(IDS[1 - from], message).map_err(|error| error.to_string())?;
        if taken != Sent::Sealed {
            return Err("there is no session to seal with".into());
        }
        let sent = self.peers[from].take_sent();
        let sealed = sent.into_iter().map(|(_, frame)| frame).rfind(|frame| is_sealed(frame));
        sealed.ok_or_else(|| "no sealed frame was sent".into())
    }

    /// Seals a message, and lets it arrive.
    fn deliver(&self, from: usize, message: &[u8]) -> Result<Vec<u8>, String> {
        let frame = self.seal(from, message)?;
        match self.receive(1 - from, &frame) {
            Ok(Some(opened)) if opened == message => Ok(frame),
            other => Err(format!("a genuine frame was not opened: {other:?}")),
        }
    }

    /// A peer starts over, with the X25519 key of that turn.
    fn restart(&mut self, side: usize, turn: u32) {
        self.peers[side].restart(turn);
    }

    /// Which session a peer has with the other.
    fn session(&self, side: usize) -> Option<usize> {
        let session = self.peers[side].node()?.session(IDS[1 - side])?;
        Some(Arc::as_ptr(&session).addr())
    }

    /// A forged frame from A arrives at B.
    fn forge(&self, forgery: Forgery, seen: &[u8]) -> Result<(), String> {
        let frame = forgery::forged(forgery, self.mode, Some(seen), IDS[A]).ok_or("there is no forgery")?;
        match self.receive(B, &frame) {
            Ok(Some(_)) => Err("a forged frame was opened".into()),
            _ => Ok(()),
        }
    }
}

fn forged_counter(mode: Mode) -> Result<bool, String> {
    let pair = Pair::established(mode)?;
    let seen = pair.deliver(A, b"first")?;
    pair.forge(Forgery::FarCounter, &seen)?;
    let next = pair.seal(A, b"second")?;
    Ok(!pair.opens(B, &next))
}

fn forged_failures(mode: Mode) -> Result<bool, String> {
    let pair = Pair::established(mode)?;
    let seen = pair.deliver(A, b"first")?;
    let before = pair.session(B);
    pair.around.clock.advance(Options::default().timing.decrypt_drop_age_ms);
    for _ in 0..Options::default().limits.drop_failures {
        pair.forge(Forgery::NextCounter, &seen)?;
    }
    Ok(pair.session(B) != before)
}

fn counter_zero(mode: Mode) -> Result<bool, String> {
    let pair = Pair::established(mode)?;
    let session = pair.peers[A].node().and_then(|node| node.session(IDS[B])).ok_or("there is no session")?;
    let mut tag = Tag::default();
    let (mut header, mut nonce) = (vec![0; envelope::header_len(mode)], [0; 12]);
    if mode == Mode::Hardened {
        let of = DataHeader { sender: IDS[A], session: session.session_id(), counter: 0 };
        of.encode_into(&mut header);
    } else {
        let of = Header::new(IDS[A], session.prefix(), 0);
        of.encode_into(&mut header);
        nonce = of.nonce;
    }
    let aad = if mode == Mode::Hardened { &header[..] } else { &header[4..8] };
    session.keys().seal().seal(&nonce, aad, &mut [], &mut tag).map_err(|error| error.to_string())?;
    let frame = [&header[..], &tag.0].concat();
    let (first, second) = (pair.receive(B, &frame), pair.opens(B, &frame));
    match first {
        Ok(Some(_)) | Err("counter-zero") => Ok(second),
        other => Err(format!("an authentic frame is taken for another one: {other:?}")),
    }
}

/// B has forgotten A's Ed25519 key, and the registry cannot be asked.
fn downgrade(mode: Mode) -> Result<bool, String> {
    let pair = Pair::established(mode)?;
    pair.peers[B].node().ok_or("the node did not start")?.exchange().remove_peer(IDS[A]);
    pair.around.registry.set_down(true);
    let before = pair.session(B);
    pair.forge(Forgery::Unauthenticated, &[])?;
    Ok(pair.session(B) != before)
}

/// B's options allow A to go without authentication, and the registry does not know A.
fn unauthenticated(mode: Mode) -> Result<bool, String> {
    let around = Surroundings::at(1_000_000);
    let options = Options { unauthenticated: [IDS[A]].into(), ..Options::new(mode) };
    let peer = Peer::start(IDS[B], 0, options, &around);
    let frame = forgery::forged(Forgery::Unauthenticated, mode, None, IDS[A]);
    let node = peer.node().ok_or("the node did not start")?;
    // Refused or not: what counts is whether there is a session.
    let _ = node.receive(&mut frame.ok_or("there is no forgery")?, Source::DIRECT);
    Ok(node.session(IDS[A]).is_some())
}

fn old_exchange(mode: Mode) -> Result<bool, String> {
    let mut pair = Pair::established(mode)?;
    let recorded = std::mem::take(&mut pair.exchanged[B]);
    pair.restart(A, 1);
    pair.exchange(A)?;
    pair.deliver(A, b"to confirm")?;
    pair.deliver(B, b"both ways")?;
    pair.around.clock.advance(2_000);
    for frame in recorded {
        // Refused or not: what counts is whether the peers still understand each other.
        let _ = pair.receive(B, &frame);
    }
    let next = pair.seal(B, b"afterwards")?;
    Ok(!pair.opens(A, &next))
}

fn same_keys(mode: Mode) -> Result<bool, String> {
    let mut pair = Pair::established(mode)?;
    let recorded = pair.deliver(A, b"once")?;
    pair.restart(B, 0);
    pair.exchange(B)?;
    Ok(pair.opens(B, &recorded))
}

fn forgotten_epoch(mode: Mode) -> Result<bool, String> {
    let mut pair = Pair::established(mode)?;
    let recorded = pair.deliver(A, b"once")?;
    // The newest epoch and four older ones are remembered.
    for _ in 0..5 {
        pair.restart(A, 0);
        pair.exchange(A)?;
        let frame = pair.seal(A, b"another epoch")?;
        // The compatible mode refuses these, which is another history.
        let _ = pair.receive(B, &frame);
    }
    Ok(pair.opens(B, &recorded))
}

fn restart(mode: Mode) -> Result<bool, String> {
    let mut pair = Pair::established(mode)?;
    for _ in 0..3 {
        pair.deliver(A, b"before")?;
    }
    pair.restart(A, 0);
    pair.exchange(A)?;
    let next = pair.seal(A, b"after")?;
    Ok(!pair.opens(B, &next))
}

fn rekey_after_delivery(mode: Mode) -> Result<bool, String> {
    let mut pair = Pair::established(mode)?;
    pair.deliver(A, b"once")?;
    pair.restart(B, 1);
    pair.exchange_after(Options::default().timing.salvage_ms, B)?;
    Ok(pair.given[B].iter().any(|message| message == b"once"))
}
