//! The account of a simulation: every message, every frame that carried it, and what became of each copy.
//!
//! The length of a message says which one it is, so that the account knows a sealed frame without a key.

use std::collections::BTreeMap;

use super::Found;
use crate::scheme::tunnel::Mode;

/// Bytes of a message that say whose it is and which one.
const HEAD_LEN: usize = 16;

/// A direction: who sends, and to whom.
pub(super) type Way = (u32, u32);

/// The message with that number. Every number of a direction has a length of its own.
pub(super) fn message((from, to): Way, number: usize) -> Vec<u8> {
    let head = [&from.to_be_bytes()[..], &to.to_be_bytes(), &(number as u64).to_be_bytes()].concat();
    let body = (0..number).map(|i| (i * 7 + number) as u8);
    head.into_iter().chain(body).collect()
}

/// The number of the message with that length.
pub(super) const fn number_of(len: usize) -> Option<usize> {
    len.checked_sub(HEAD_LEN)
}

/// What became of a copy of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// The receiver was down.
    Down,
    /// It arrived with a flipped bit, and was refused or ignored.
    Altered,
    /// It arrived as it was sent, and was refused for this reason.
    Refused(&'static str),
    /// It arrived as it was sent, and its message was given to this life of the receiver.
    Given(u32),
}

/// A sealed frame that a peer sent.
#[derive(Clone, Default, Debug)]
struct Frame {
    /// The message in it.
    message: usize,
    /// Copies on their way.
    flying: u32,
    fates: Vec<Fate>,
}

/// A message.
#[derive(Clone, Debug)]
struct Message {
    sent_at: u64,
    /// The sender's error, if it took the message back at once.
    refused: Option<&'static str>,
    /// The numbers of the frames that carried it.
    frames: Vec<u64>,
}

/// A session that a peer installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Install {
    pub at: u64,
    /// Which of the peer's lives installed it.
    pub life: u32,
    /// The other side's X25519 key.
    pub key: [u8; 32],
    /// Whether it replaced a session, so that the last messages are sent once more.
    pub replaced: bool,
}

/// What a peer reports about another one, each with its time.
#[derive(Clone, Default, Debug)]
struct Direction {
    messages: Vec<Message>,
    frames: BTreeMap<u64, Frame>,
    /// Sessions that the sender installed for this receiver.
    installs: Vec<Install>,
    /// Messages that waited for a session, and that the sender reported as lost.
    reported: usize,
}

/// Everything that was sent.
#[derive(Clone, Default, Debug)]
pub(super) struct Ledger {
    ways: BTreeMap<Way, Direction>,
    /// When each peer was stopped.
    stops: BTreeMap<u32, Vec<u64>>,
}

/// The extent of a simulation.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Messages that the peers were asked to send.
    pub messages: usize,
    /// Messages that arrived.
    pub arrived: usize,
    /// Messages that were refused at once, with an error.
    pub refused: usize,
    /// Messages that arrived once more because a rekey sent them again, or by a declared blind spot.
    pub repeated: usize,
    /// Sessions that were installed.
    pub sessions: usize,
    /// Restarts of a peer.
    pub restarts: usize,
    /// Forged datagrams.
    pub forged: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.arrived += other.arrived;
        self.refused += other.refused;
        self.repeated += other.repeated;
        self.sessions += other.sessions;
        self.restarts += other.restarts;
        self.forged += other.forged;
    }
}

impl Ledger {
    /// A new message: its number.
    pub fn ask(&mut self, way: Way, now: u64) -> usize {
        let messages = &mut self.ways.entry(way).or_default().messages;
        messages.push(Message { sent_at: now, refused: None, frames: Vec::new() });
        messages.len() - 1
    }

    /// The sender took the message back with this error.
    pub fn refuse(&mut self, way: Way, number: usize, error: &'static str) {
        if let Some(message) = self.message(way, number) {
            message.refused = Some(error);
        }
    }

    /// A frame left the sender with a plaintext of that length, and this many copies will arrive.
    ///
    /// # Errors
    /// The sender sent what it was never asked to send, or sent a message again though no rekey replaced a
    /// session just then.
    pub fn leave(
        &mut self,
        way: Way,
        frame: u64,
        len: Option<usize>,
        copies: u32,
        now: u64,
    ) -> Result<(), Found> {
        let direction = self.ways.entry(way).or_default();
        let number = len.and_then(number_of);
        let Some((number, message)) = number.and_then(|n| Some((n, direction.messages.get_mut(n)?))) else {
            return Err(Found::Invented { way, len });
        };
        let salvaged = direction.installs.iter().any(|install| install.at == now && install.replaced);
        if !message.frames.is_empty() && !salvaged {
            return Err(Found::SentAgain { way, number });
        }
        message.frames.push(frame);
        direction.frames.insert(frame, Frame { message: number, flying: copies, fates: Vec::new() });
        Ok(())
    }

    /// A copy of a frame ended like this.
    pub fn settle(&mut self, way: Way, frame: u64, fate: Fate) {
        let frames = self.ways.get_mut(&way).map(|direction| &mut direction.frames);
        if let Some(frame) = frames.and_then(|frames| frames.get_mut(&frame)) {
            frame.flying = frame.flying.saturating_sub(1);
            frame.fates.push(fate);
        }
    }

    /// A receiver was given these bytes, out of a copy of that frame.
    ///
    /// # Errors
    /// They are not the message that the frame carried.
    pub fn give(&mut self, way: Way, frame: u64, life: u32, bytes: &[u8]) -> Result<(), Found> {
        let sent = self.ways.get(&way).and_then(|direction| direction.frames.get(&frame));
        if sent.is_none_or(|sent| message(way, sent.message) != bytes) {
            return Err(Found::Altered { way });
        }
        self.settle(way, frame, Fate::Given(life));
        Ok(())
    }

    /// A peer was stopped.
    pub fn stop(&mut self, peer: u32, now: u64) {
        self.stops.entry(peer).or_default().push(now);
    }

    /// A peer installed a session with another.
    pub fn install(&mut self, way: Way, install: Install) {
        self.ways.entry(way).or_default().installs.push(install);
    }

    /// A peer reported the loss of this many messages for another.
    pub fn report_lost(&mut self, way: Way, messages: usize) {
        self.ways.entry(way).or_default().reported += messages;
    }

    fn message(&mut self, way: Way, number: usize) -> Option<&mut Message> {
        self.ways.get_mut(&way)?.messages.get_mut(number)
    }

    /// Checks every promise once nothing is on its way any more. Messages asked for from `healed` on must
    /// have arrived.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn check(&self, mode: Mode, healed: u64) -> Result<Tally, Found> {
        let mut tally = Tally::default();
        for (&way, direction) in &self.ways {
            let back = self.ways.get(&(way.1, way.0));
            for frame in direction.frames.values() {
                accepted_once(mode, way, frame, back.map_or(&[], |back| &back.installs))?;
            }
            let mut unexplained = Vec::new();
            for (number, message) in direction.messages.iter().enumerate() {
                let fates = || message.frames.iter().flat_map(|frame| &direction.frames[frame].fates);
                let given = fates().filter(|fate| matches!(fate, Fate::Given(_))).count();
                tally.messages += 1;
                tally.arrived += usize::from(given > 0);
                tally.repeated += given.saturating_sub(1);
                tally.refused += usize::from(message.refused.is_some());
                if given > 0 {
                    continue;
                }
                if message.sent_at >= healed {
                    let fates = || format!("{:?}", fates().collect::<Vec<_>>());
                    let why = message.refused.map_or_else(fates, str::to_owned);
                    return Err(Found::Stuck { way, number, why });
                }
                if !self.explained(mode, way, number, message, direction)? {
                    unexplained.push(number);
                }
            }
            // A report says how many messages are lost, not which.
            if unexplained.len() > direction.reported {
                return Err(Found::Vanished { way, number: unexplained[direction.reported] });
            }
            tally.sessions += direction.installs.len();
        }
        tally.restarts = self.stops.values().map(Vec::len).sum();
        Ok(tally)
    }

    /// Whether something says why a message did not arrive: its sender refused it or was stopped, or the
    /// network lost every frame, or the receiver refused them for a good reason. Otherwise the sender must
    /// report it.
    fn explained(
        &self,
        mode: Mode,
        way: Way,
        number: usize,
        message: &Message,
        direction: &Direction,
    ) -> Result<bool, Found> {
        let stopped = |at: &u64| *at >= message.sent_at;
        if message.refused.is_some() {
            return Ok(true);
        }
        if message.frames.is_empty() {
            return Ok(self.stops.get(&way.0).is_some_and(|stops| stops.iter().any(stopped)));
        }
        for frame in message.frames.iter().map(|frame| &direction.frames[frame]) {
            if frame.flying > 0 {
                return Ok(false);
            }
            for fate in &frame.fates {
                if let Fate::Refused(why) = *fate
                    && !may_refuse(mode, why)
                {
                    return Err(Found::WronglyRefused { way, number, why });
                }
            }
        }
        Ok(true)
    }
}

/// Whether a mode may refuse an unaltered frame, whose message never arrived, for this reason: the receiver
/// restarted or one of the two has other keys by now. Frames of the compatible mode also meet a window that
/// knows no epochs.
fn may_refuse(mode: Mode, why: &str) -> bool {
    match why {
        "ErrNoKey" | "ErrAEAD" => true,
        "ErrReplay" | "ErrOutsideWindow" => mode == Mode::Compat,
        _ => false,
    }
}

/// Checks that a frame was accepted at most once: hardened ones ever, others once in each life of the
/// receiver, for each time that the receiver derived the session of one key anew.
fn accepted_once(mode: Mode, way: Way, frame: &Frame, installs: &[Install]) -> Result<(), Found> {
    let mut lives: BTreeMap<u32, usize> = BTreeMap::new();
    for fate in &frame.fates {
        if let Fate::Given(life) = fate {
            *lives.entry(*life).or_default() += 1;
        }
    }
    let twice = Found::Twice { way, number: frame.message };
    if mode == Mode::Hardened {
        return if lives.values().sum::<usize>() > 1 { Err(twice) } else { Ok(()) };
    }
    for (life, accepted) in lives {
        let mut derived: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        for install in installs.iter().filter(|install| install.life == life) {
            *derived.entry(install.key).or_default() += 1;
        }
        if accepted > derived.values().copied().max().unwrap_or(1) {
            return Err(twice);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = (1, 2);

    /// A ledger in which message 0 left in frame 0, and two copies of it will arrive.
    fn sent() -> Ledger {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.ask(WAY, 10), 0);
        ledger.leave(WAY, 0, Some(message(WAY, 0).len()), 2, 10).unwrap();
        ledger
    }

    #[test]
    fn a_message_has_a_length_of_its_own_and_its_bytes_are_known() {
        let lengths: Vec<usize> = (0..100).map(|number| message(WAY, number).len()).collect();
        assert_eq!(lengths, (HEAD_LEN..HEAD_LEN + 100).collect::<Vec<_>>());
        let mut ledger = sent();
        assert_eq!(ledger.give(WAY, 0, 1, &message(WAY, 1)), Err(Found::Altered { way: WAY }));
        assert_eq!(ledger.give(WAY, 1, 1, &message(WAY, 0)), Err(Found::Altered { way: WAY }));
        assert_eq!(ledger.give(WAY, 0, 1, &message(WAY, 0)), Ok(()));
    }

    #[test]
    fn a_frame_that_is_accepted_twice_is_found() {
        let mut ledger = sent();
        ledger.settle(WAY, 0, Fate::Given(1));
        ledger.settle(WAY, 0, Fate::Given(1));
        for mode in Mode::ALL {
            assert_eq!(ledger.check(mode, 0), Err(Found::Twice { way: WAY, number: 0 }));
        }
        // The receiver derived the same session a second time, which hardened sessions never do.
        for at in [0, 20] {
            ledger.install((2, 1), Install { at, life: 1, key: [7; 32], replaced: false });
        }
        assert_eq!(ledger.check(Mode::Safe, 0).map(|tally| (tally.arrived, tally.repeated)), Ok((1, 1)));
        assert_eq!(ledger.check(Mode::Hardened, 0), Err(Found::Twice { way: WAY, number: 0 }));
    }

    #[test]
    fn a_message_is_sent_again_only_at_a_rekey() {
        let mut ledger = sent();
        let again = |ledger: &mut Ledger| ledger.leave(WAY, 1, Some(HEAD_LEN), 0, 30);
        assert_eq!(again(&mut ledger), Err(Found::SentAgain { way: WAY, number: 0 }));
        ledger.install(WAY, Install { at: 30, life: 1, key: [7; 32], replaced: true });
        assert_eq!(again(&mut ledger), Ok(()));
        let unknown = ledger.leave(WAY, 2, Some(HEAD_LEN + 1), 0, 30);
        assert_eq!(unknown, Err(Found::Invented { way: WAY, len: Some(HEAD_LEN + 1) }));
    }

    #[test]
    fn a_loss_needs_a_reason() {
        let mut ledger = sent();
        let vanished = Err(Found::Vanished { way: WAY, number: 0 });
        assert_eq!(ledger.check(Mode::Safe, 99).map(|_| ()), vanished, "copies are still on their way");
        ledger.settle(WAY, 0, Fate::Down);
        ledger.settle(WAY, 0, Fate::Altered);
        assert_eq!(ledger.check(Mode::Safe, 99).map(|tally| tally.arrived), Ok(0));
        let stuck = ledger.check(Mode::Safe, 10).unwrap_err();
        assert_eq!(stuck, Found::Stuck { way: WAY, number: 0, why: "[Down, Altered]".into() });

        let mut ledger = Ledger::default();
        ledger.ask(WAY, 10);
        assert_eq!(ledger.check(Mode::Safe, 99).map(|_| ()), vanished, "it was queued, and never left");
        let mut explained: [Ledger; 3] = std::array::from_fn(|_| ledger.clone());
        explained[0].refuse(WAY, 0, "ErrNoKey");
        explained[1].stop(1, 20);
        explained[2].report_lost(WAY, 1);
        for ledger in &explained {
            assert_eq!(ledger.check(Mode::Safe, 99).map(|tally| tally.arrived), Ok(0));
        }
        ledger.stop(2, 20);
        ledger.stop(1, 5);
        assert_eq!(ledger.check(Mode::Safe, 99).map(|_| ()), vanished, "others, or earlier");
    }

    #[test]
    fn an_unaltered_frame_that_never_arrived_is_no_replay() {
        let mut ledger = sent();
        for _ in 0..2 {
            ledger.settle(WAY, 0, Fate::Refused("ErrReplay"));
        }
        let refused = Err(Found::WronglyRefused { way: WAY, number: 0, why: "ErrReplay" });
        assert_eq!(ledger.check(Mode::Safe, 99).map(|_| ()), refused);
        assert_eq!(ledger.check(Mode::Compat, 99).map(|tally| tally.arrived), Ok(0));
    }
}
