//! Exchanges that we asked for and that have not come (spec 2, §6): what to send again, and when to give up.
//!
//! The operations are those of the published vectors: [`mark`](Rekeys::mark) (after `send`),
//! [`tick`](Rekeys::tick), [`clear`](Rekeys::clear), [`reset`](Rekeys::reset) and
//! [`clear_gave_up`](Rekeys::clear_gave_up). Time is an argument. Nothing here sends: the caller sends
//! [`Ticked::resend`] with no lock held, and marks each frame that the network took.

use std::collections::BTreeMap;

use crate::scheme::tunnel::{Limits, Timing};

/// A request that waits for its answer.
#[derive(Clone, Copy, Default, Debug)]
struct Pending {
    /// When the last frame was sent; `None` makes the next one due at once.
    last_sent: Option<u64>,
    attempts: u32,
    /// Answers that may still be examined beyond the peer's allowance.
    credit: u32,
}

/// Each frame that asks for an exchange pays for this many signature checks beyond the peer's allowance. Its
/// answer is examined even after a flood of forged ones, up to this number.
pub const ANSWERS_EXAMINED: u32 = 512;

/// The pending requests, and the peers that gave no answer.
#[derive(Debug)]
pub struct Rekeys {
    resend_ms: u64,
    attempts: u32,
    cooldown_ms: u64,
    resends_per_tick: usize,
    cap: usize,
    pending: BTreeMap<u32, Pending>,
    gave_up: BTreeMap<u32, u64>,
}

/// What a tick asks for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ticked {
    /// Peers to send to again, those that waited longest first.
    pub resend: Vec<u32>,
    /// Peers that were given up.
    pub gave_up: Vec<u32>,
}

impl Rekeys {
    /// Nothing pending. As many requests are tracked as there may be sessions.
    pub const fn new(timing: &Timing, limits: &Limits) -> Self {
        Self {
            resend_ms: timing.resend_ms,
            attempts: limits.attempts,
            cooldown_ms: timing.cooldown_ms,
            resends_per_tick: limits.resends_per_tick,
            cap: limits.sessions,
            pending: BTreeMap::new(),
            gave_up: BTreeMap::new(),
        }
    }

    /// Records that a frame was sent. Returns whether the request is tracked: not while the peer cools down,
    /// and not when the table is full.
    pub fn mark(&mut self, now: u64, peer: u32) -> bool {
        self.mark_among(self.cap, now, peer)
    }

    /// As [`mark`](Self::mark), but the table counts as full with `cap` requests already.
    pub fn mark_among(&mut self, cap: usize, now: u64, peer: u32) -> bool {
        if self.gave_up(now, peer) {
            return false;
        }
        self.gave_up.remove(&peer);
        if !self.pending.contains_key(&peer) && self.pending.len() >= cap.min(self.cap) {
            return false;
        }
        let pending = self.pending.entry(peer).or_default();
        pending.last_sent = Some(now);
        pending.credit = ANSWERS_EXAMINED;
        pending.attempts += 1;
        true
    }

    /// Gives up the requests that had all their attempts, whatever their age; then names those to send again;
    /// then forgets the peers that have cooled down.
    pub fn tick(&mut self, now: u64) -> Ticked {
        let spent = |pending: &Pending| pending.attempts >= self.attempts;
        let gave_up: Vec<u32> =
            self.pending.iter().filter(|(_, p)| spent(p)).map(|(peer, _)| *peer).collect();
        for peer in &gave_up {
            self.pending.remove(peer);
            if self.gave_up.len() < self.cap {
                self.gave_up.insert(*peer, now);
            }
        }
        let due = |last: Option<u64>| last.is_none_or(|last| now.saturating_sub(last) >= self.resend_ms);
        let mut resend: Vec<(Option<u64>, u32)> = self
            .pending
            .iter()
            .map(|(peer, p)| (p.last_sent, *peer))
            .filter(|(last, _)| due(*last))
            .collect();
        resend.sort_unstable();
        resend.truncate(self.resends_per_tick);
        let cooldown = self.cooldown_ms;
        self.gave_up.retain(|_, since| now.saturating_sub(*since) < cooldown);
        Ticked { resend: resend.into_iter().map(|(_, peer)| peer).collect(), gave_up }
    }

    /// Records a frame that was sent because of a [`tick`](Self::tick), unless the peer answered meanwhile.
    pub fn mark_resent(&mut self, now: u64, peer: u32) {
        if self.pending.contains_key(&peer) {
            self.mark(now, peer);
        }
    }

    /// Whether one more answer may be examined; see [`ANSWERS_EXAMINED`].
    pub fn take_credit(&mut self, peer: u32) -> bool {
        let Some(pending) = self.pending.get_mut(&peer) else { return false };
        let left = pending.credit.checked_sub(1);
        pending.credit = left.unwrap_or(0);
        left.is_some()
    }

    /// The peer answered: nothing is pending any more. It may still be cooling down.
    pub fn clear(&mut self, peer: u32) {
        self.pending.remove(&peer);
    }

    /// The peer proved itself: it no longer cools down.
    pub fn clear_gave_up(&mut self, peer: u32) {
        self.gave_up.remove(&peer);
    }

    /// The peer has another path: a pending request starts from the beginning, and is due at once.
    pub fn reset(&mut self, peer: u32) {
        if let Some(pending) = self.pending.get_mut(&peer) {
            *pending = Pending { credit: pending.credit, ..Pending::default() };
        }
    }

    /// Whether the peer was given up and still cools down.
    pub fn gave_up(&self, now: u64, peer: u32) -> bool {
        self.gave_up.get(&peer).is_some_and(|since| now.saturating_sub(*since) < self.cooldown_ms)
    }

    /// The attempts of a pending request.
    pub fn attempts(&self, peer: u32) -> Option<u32> {
        self.pending.get(&peer).map(|pending| pending.attempts)
    }

    /// Every pending request with its attempts, by peer.
    pub fn pending(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.pending.iter().map(|(peer, pending)| (*peer, pending.attempts))
    }

    /// The peers that were given up and not yet forgotten, by id.
    pub fn cooling(&self) -> impl Iterator<Item = u32> + '_ {
        self.gave_up.keys().copied()
    }

    /// How many entries there are: pending requests and peers that cool down.
    pub fn len(&self) -> usize {
        self.pending.len() + self.gave_up.len()
    }

    /// Whether nothing is pending and no peer cools down.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rekeys(cap: usize) -> Rekeys {
        Rekeys::new(&Timing::default(), &Limits { sessions: cap, ..Limits::default() })
    }

    /// A tick whose frames are all sent.
    fn tick(rekeys: &mut Rekeys, now: u64) -> (Vec<u32>, Vec<u32>) {
        let Ticked { resend, gave_up } = rekeys.tick(now);
        assert!(resend.iter().all(|peer| rekeys.mark(now, *peer)));
        (resend, gave_up)
    }

    #[test]
    fn without_an_answer_six_frames_are_sent_and_the_peer_given_up_at_24_seconds() {
        let mut rekeys = rekeys(10);
        assert!(rekeys.mark(0, 9));
        for now in [4_000, 8_000, 12_000, 16_000, 20_000] {
            assert_eq!(tick(&mut rekeys, now), (vec![9], vec![]), "{now}");
        }
        assert_eq!((rekeys.attempts(9), rekeys.gave_up(20_000, 9)), (Some(6), false));
        assert_eq!(tick(&mut rekeys, 24_000), (vec![], vec![9]));
        assert!(rekeys.gave_up(28_999, 9) && !rekeys.mark(28_999, 9));
        assert!(!rekeys.gave_up(29_000, 9) && rekeys.mark(29_000, 9));
    }

    #[test]
    fn an_answer_clears_what_is_pending_and_not_the_cool_down() {
        let mut rekeys = rekeys(10);
        (0..6).for_each(|now| assert!(rekeys.mark(now, 3)));
        assert_eq!(tick(&mut rekeys, 600), (vec![], vec![3]), "attempts are tested before the age");
        rekeys.clear(3);
        assert!(rekeys.gave_up(700, 3));
        rekeys.clear_gave_up(3);
        assert!(!rekeys.gave_up(700, 3) && rekeys.is_empty());
    }

    #[test]
    fn a_new_path_makes_a_pending_request_due_and_starts_none() {
        let mut rekeys = rekeys(10);
        assert!(rekeys.mark(0, 1));
        rekeys.reset(1);
        rekeys.reset(2);
        assert_eq!((rekeys.attempts(1), rekeys.attempts(2)), (Some(0), None));
        assert_eq!(tick(&mut rekeys, 100), (vec![1], vec![]));
    }

    #[test]
    fn a_tick_sends_64_frames_again_and_starves_nobody() {
        let mut rekeys = rekeys(1_000);
        (0..200).for_each(|peer| assert!(rekeys.mark(0, peer)));
        let mut sent = std::collections::BTreeSet::new();
        for now in [4_000, 4_100, 4_200, 4_300] {
            let (resend, _) = tick(&mut rekeys, now);
            assert!(resend.len() <= 64);
            sent.extend(resend);
        }
        assert_eq!(sent.len(), 200);
    }

    #[test]
    fn a_frame_that_the_network_refused_is_not_an_attempt() {
        let mut rekeys = rekeys(10);
        assert!(rekeys.mark(0, 1));
        assert_eq!(rekeys.tick(4_000).resend, [1]);
        assert_eq!(rekeys.tick(8_000).resend, [1]);
        assert_eq!(rekeys.attempts(1), Some(1));
    }

    #[test]
    fn each_frame_pays_for_a_fixed_number_of_answers() {
        let mut rekeys = rekeys(10);
        assert!(!rekeys.take_credit(1));
        for now in 0..2 {
            assert!(rekeys.mark(now, 1));
            let taken = (0..2_000).filter(|_| rekeys.take_credit(1)).count();
            assert_eq!(taken, ANSWERS_EXAMINED as usize);
        }
    }

    #[test]
    fn a_frame_sent_again_after_the_answer_came_starts_nothing() {
        let mut rekeys = rekeys(10);
        assert!(rekeys.mark(0, 1));
        let resend = rekeys.tick(4_000).resend;
        rekeys.clear(1);
        resend.iter().for_each(|peer| rekeys.mark_resent(4_000, *peer));
        assert!(rekeys.is_empty());
    }

    #[test]
    fn the_table_has_a_fixed_size() {
        let mut rekeys = rekeys(2);
        assert!(rekeys.mark(0, 1) && rekeys.mark(0, 2) && !rekeys.mark(0, 3) && rekeys.mark(1, 1));
        assert_eq!(rekeys.pending().collect::<Vec<_>>(), [(1, 2), (2, 1)]);
    }

    #[test]
    fn a_peer_that_has_cooled_down_is_forgotten() {
        let mut rekeys = rekeys(10);
        (0..6).for_each(|now| assert!(rekeys.mark(now, 1)));
        tick(&mut rekeys, 10);
        tick(&mut rekeys, 5_009);
        assert_eq!(rekeys.cooling().collect::<Vec<_>>(), [1]);
        tick(&mut rekeys, 5_010);
        assert_eq!((rekeys.cooling().count(), rekeys.len()), (0, 0));
    }
}
