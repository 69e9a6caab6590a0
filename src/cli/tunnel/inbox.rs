//! What a listener has received: every message at most once, and a report on a run that no later frame can
//! make untrue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::journal::Line;
use super::message::{MAX_RANGES, Report, Run};
use super::ranges::Ranges;

/// How many runs of one peer are remembered. Messages of further ones are refused.
const MAX_RUNS: usize = 1_024;
/// How many frames are remembered by their tags.
const MAX_TAGS: usize = 65_536;

/// What becomes of a message that opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Fate {
    /// Given out: the first time that this number arrives.
    Given,
    /// Not given out: the number arrived before, in another frame. After a rekey a sender repeats its last
    /// messages.
    Again,
    /// Not given out: its run was reported, and the report counts it as lost.
    Late,
    /// Not given out: this very frame was opened before. In `hardened` the tunnel always refuses it; in the
    /// other modes not after a replayed old key exchange.
    Replayed,
    /// Not given out: the peer has begun too many runs.
    Full,
}

impl Fate {
    pub const ALL: [Self; 5] = [Self::Given, Self::Again, Self::Late, Self::Replayed, Self::Full];

    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Again => "again",
            Self::Late => "late",
            Self::Replayed => "replayed",
            Self::Full => "full",
        }
    }
}

#[derive(Default)]
struct Received {
    numbers: Ranges,
    /// The count of the first question; from then on nothing is added.
    closed: Option<u64>,
}

/// All that was received.
#[derive(Default)]
pub(super) struct Inbox {
    runs: BTreeMap<(u32, Run), Received>,
    /// How many runs each peer has.
    of_peer: BTreeMap<u32, usize>,
    tags: BTreeSet<[u8; 16]>,
    oldest: VecDeque<[u8; 16]>,
}

impl Inbox {
    /// As a killed listener left it.
    pub fn from_journal(lines: &[Line]) -> Self {
        let mut inbox = Self::default();
        for line in lines {
            match line {
                Line::Opened { peer, run, number, tag, .. } => {
                    inbox.take(*peer, *run, *number, *tag);
                }
                Line::Closed { peer, run, count } => {
                    inbox.close(*peer, *run, *count);
                }
                _ => {}
            }
        }
        inbox
    }

    /// Takes in a message of a frame that opened.
    pub fn take(&mut self, peer: u32, run: Run, number: u64, tag: [u8; 16]) -> Fate {
        if !self.tags.insert(tag) {
            return Fate::Replayed;
        }
        self.oldest.push_back(tag);
        if self.oldest.len() > MAX_TAGS
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.tags.remove(&oldest);
        }
        match self.of(peer, run) {
            None => Fate::Full,
            Some(received) if received.numbers.contains(number) => Fate::Again,
            Some(received) if received.closed.is_some() => Fate::Late,
            Some(received) => {
                received.numbers.insert(number);
                Fate::Given
            }
        }
    }

    /// Closes a run at this count, if it is open; true if it was. `None` if the peer has too many runs.
    pub fn close(&mut self, peer: u32, run: Run, count: u64) -> Option<bool> {
        let received = self.of(peer, run)?;
        let was_open = received.closed.is_none();
        received.closed.get_or_insert(count);
        Some(was_open)
    }

    /// The report on a closed run, from this number on.
    pub fn report(&self, peer: u32, run: Run, from: u64) -> Option<Report> {
        let received = self.runs.get(&(peer, run))?;
        let count = received.closed?;
        let from = from.min(count);
        let (missing, next) = received.numbers.missing(from, count, MAX_RANGES);
        Some(Report { run, count, from, next, missing })
    }

    /// How many messages were given out.
    pub fn given(&self) -> u64 {
        self.runs.values().map(|received| received.numbers.len()).sum()
    }

    fn of(&mut self, peer: u32, run: Run) -> Option<&mut Received> {
        if !self.runs.contains_key(&(peer, run)) {
            let runs = self.of_peer.entry(peer).or_default();
            if *runs == MAX_RUNS {
                return None;
            }
            *runs += 1;
        }
        Some(self.runs.entry((peer, run)).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ranges::Range;
    use super::*;

    const RUN: Run = Run([1; 16]);
    const OTHER: Run = Run([2; 16]);

    fn tag(number: u64) -> [u8; 16] {
        u128::from(number).to_be_bytes()
    }

    #[test]
    fn a_number_is_given_out_once_and_a_frame_that_opens_twice_is_called_replayed() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.take(7, RUN, 3, tag(1)), Fate::Given);
        assert_eq!(inbox.take(7, RUN, 3, tag(1)), Fate::Replayed);
        assert_eq!(inbox.take(7, RUN, 3, tag(2)), Fate::Again);
        assert_eq!(inbox.take(7, OTHER, 3, tag(3)), Fate::Given, "another run counts for itself");
        assert_eq!(inbox.take(8, RUN, 3, tag(4)), Fate::Given, "and so does another peer");
        assert_eq!(inbox.given(), 3);
    }

    #[test]
    fn a_report_stays_true_whatever_arrives_after_it() {
        let mut inbox = Inbox::default();
        for number in [0, 1, 4] {
            inbox.take(7, RUN, number, tag(number));
        }
        assert_eq!(inbox.report(7, RUN, 0), None, "an open run has none");
        assert_eq!(inbox.close(7, RUN, 6), Some(true));
        let report = inbox.report(7, RUN, 0).expect("it is closed");
        let missing = [Range { first: 2, last: 3 }, Range { first: 5, last: 5 }];
        assert_eq!((report.next, &report.missing[..]), (6, &missing[..]));
        assert_eq!(inbox.take(7, RUN, 3, tag(10)), Fate::Late);
        assert_eq!(inbox.take(7, RUN, 4, tag(11)), Fate::Again);
        assert_eq!(inbox.close(7, RUN, 9), Some(false), "the first question counts");
        assert_eq!(inbox.report(7, RUN, 0).as_ref(), Some(&report));
        assert_eq!(inbox.report(7, RUN, 7).map(|page| (page.from, page.next)), Some((6, 6)));
        assert_eq!(inbox.close(7, OTHER, 2), Some(true), "a run of which nothing arrived");
        assert_eq!(inbox.report(7, OTHER, 0).unwrap().missing, [Range { first: 0, last: 1 }]);
    }

    #[test]
    fn a_long_report_comes_in_pages() {
        let mut inbox = Inbox::default();
        for number in (0..1_000).step_by(2) {
            inbox.take(7, RUN, number, tag(number));
        }
        inbox.close(7, RUN, 1_000);
        let (mut from, mut missing, mut pages) = (0, 0, 0);
        while from < 1_000 {
            let page = inbox.report(7, RUN, from).unwrap();
            missing += page.missing.len();
            (from, pages) = (page.next, pages + 1);
        }
        assert_eq!((missing, pages), (500, 500_usize.div_ceil(MAX_RANGES)));
    }

    #[test]
    fn the_journal_brings_back_what_was_given_and_what_was_reported() {
        let opened = |number: u64, tagged: u64| Line::Opened {
            peer: 7,
            run: RUN,
            number,
            tag: tag(tagged),
            digest: [0; 32],
            what: "given".to_owned(),
        };
        let closed = Line::Closed { peer: 7, run: RUN, count: 3 };
        let mut inbox = Inbox::from_journal(&[opened(0, 1), opened(2, 2), closed, opened(1, 3)]);
        assert_eq!(inbox.given(), 2);
        assert_eq!(inbox.report(7, RUN, 0).unwrap().missing, [Range { first: 1, last: 1 }]);
        assert_eq!(inbox.take(7, RUN, 0, tag(1)), Fate::Replayed);
        assert_eq!(inbox.take(7, RUN, 1, tag(3)), Fate::Replayed, "a frame that came late is known too");
    }

    #[test]
    fn a_peer_that_begins_run_after_run_fills_no_memory() {
        let mut inbox = Inbox::default();
        let run = |n: usize| Run(u128::try_from(n).expect("small").to_be_bytes());
        for n in 0..MAX_RUNS {
            assert_eq!(inbox.take(7, run(n), 0, tag(n as u64)), Fate::Given);
        }
        assert_eq!(inbox.take(7, run(MAX_RUNS), 0, tag(u64::MAX)), Fate::Full);
        assert_eq!(inbox.close(7, run(MAX_RUNS), 1), None);
        assert_eq!(inbox.take(7, run(0), 1, tag(u64::MAX - 1)), Fate::Given, "the others go on");
        for n in 0..2 * MAX_TAGS {
            inbox.take(7, run(0), 1, tag(1 << 40 | n as u64));
        }
        assert_eq!((inbox.tags.len(), inbox.oldest.len()), (MAX_TAGS, MAX_TAGS));
    }
}
