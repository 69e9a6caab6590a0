//! What the two programs say to each other inside sealed frames: messages, the question what became of them,
//! and the answer.
//!
//! A *run* is one stream of messages: each start of `sealmark tunnel send` begins one, under 16 random bytes,
//! and numbers its messages from 0. The number is inside the sealed plaintext, so nobody but the peer can
//! choose it. All integers are big-endian.
//!
//! | kind | layout |
//! |---|---|
//! | message | 1, 1, run (16), number (8), body |
//! | ask | 1, 2, run (16), count (8), from (8) |
//! | report | 1, 3, run (16), count (8), from (8), next (8), ranges that are missing (16 each) |
//!
//! The first byte is the version. `count` is how many messages the run has; a report covers the numbers from
//! `from` to before `next`, and the asker goes on at `next` until that is `count`. Every other plaintext is
//! refused.

use super::ranges::Range;

/// The version of these plaintexts.
const VERSION: u8 = 1;
const MESSAGE: u8 = 1;
const ASK: u8 = 2;
const REPORT: u8 = 3;

/// The most bytes of a body: sealed, in UDP over IPv6, a message fits a packet of 1,500 bytes.
pub(super) const MAX_BODY: usize = 1_350;
/// The most messages of a run.
pub(super) const MAX_COUNT: u64 = 1 << 32;
/// The most ranges of one report, by the same measure.
pub(super) const MAX_RANGES: usize = 80;

/// What names a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Run(pub [u8; 16]);

impl Run {
    /// A new one.
    pub fn random() -> anyhow::Result<Self> {
        let mut run = [0; 16];
        getrandom::fill(&mut run)?;
        Ok(Self(run))
    }

    pub fn hex(self) -> String {
        hex::encode(self.0)
    }
}

/// A plaintext.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Plaintext<'a> {
    Message { run: Run, number: u64, body: &'a [u8] },
    Ask { run: Run, count: u64, from: u64 },
    Report(Report),
}

/// What a receiver says of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Report {
    pub run: Run,
    /// The count that it was asked for the first time.
    pub count: u64,
    pub from: u64,
    pub next: u64,
    /// What never arrived, of `from..next`.
    pub missing: Vec<Range>,
}

impl Plaintext<'_> {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        let mut begin = |kind: u8, run: &Run, numbers: &[u64]| {
            bytes.push(kind);
            bytes.extend(run.0);
            bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        };
        match self {
            Self::Message { run, number, body } => {
                begin(MESSAGE, run, &[*number]);
                bytes.extend(*body);
            }
            Self::Ask { run, count, from } => begin(ASK, run, &[*count, *from]),
            Self::Report(report) => {
                begin(REPORT, &report.run, &[report.count, report.from, report.next]);
                let ranges = report.missing.iter().flat_map(|range| [range.first, range.last]);
                bytes.extend(ranges.flat_map(u64::to_be_bytes));
            }
        }
        bytes
    }
}

/// Reads a plaintext. `None` if it is none of the above to the last byte.
pub(super) fn decode(bytes: &[u8]) -> Option<Plaintext<'_>> {
    let (&[VERSION, kind], rest) = bytes.split_first_chunk::<2>()? else { return None };
    let (run, rest) = rest.split_first_chunk::<16>()?;
    let run = Run(*run);
    let (first, rest) = number(rest)?;
    match kind {
        MESSAGE if first < MAX_COUNT && rest.len() <= MAX_BODY => {
            Some(Plaintext::Message { run, number: first, body: rest })
        }
        ASK if first <= MAX_COUNT => {
            let (from, rest) = number(rest)?;
            (rest.is_empty() && from <= first).then_some(Plaintext::Ask { run, count: first, from })
        }
        REPORT if first <= MAX_COUNT => report(run, first, rest).map(Plaintext::Report),
        _ => None,
    }
}

fn report(run: Run, count: u64, rest: &[u8]) -> Option<Report> {
    let (from, rest) = number(rest)?;
    let (next, mut rest) = number(rest)?;
    if next > count || from > next || rest.len() > 16 * MAX_RANGES {
        return None;
    }
    let (mut missing, mut at) = (Vec::new(), from);
    while !rest.is_empty() {
        let (first, after) = number(rest)?;
        let (last, after) = number(after)?;
        if first < at || last < first || last >= next {
            return None;
        }
        missing.push(Range { first, last });
        (at, rest) = (last + 1, after);
    }
    Some(Report { run, count, from, next, missing })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Run = Run([7; 16]);

    fn report_of(missing: &[(u64, u64)]) -> Report {
        let missing = missing.iter().map(|&(first, last)| Range { first, last }).collect();
        Report { run: RUN, count: 100, from: 10, next: 90, missing }
    }

    #[test]
    fn every_plaintext_is_read_as_it_was_written_and_no_part_of_it_is() {
        let body = [9; MAX_BODY];
        for plaintext in [
            Plaintext::Message { run: RUN, number: 0, body: b"" },
            Plaintext::Message { run: RUN, number: MAX_COUNT - 1, body: &body },
            Plaintext::Ask { run: RUN, count: 100, from: 0 },
            Plaintext::Report(report_of(&[])),
            Plaintext::Report(report_of(&[(10, 10), (11, 40), (89, 89)])),
        ] {
            let bytes = plaintext.encode();
            assert_eq!(decode(&bytes).as_ref(), Some(&plaintext));
            let is_message = matches!(plaintext, Plaintext::Message { .. });
            for len in 0..bytes.len() {
                // A shorter body, or fewer ranges, is another plaintext; a frame's tag tells them apart.
                match decode(&bytes[..len]) {
                    None => {}
                    Some(Plaintext::Message { .. }) => assert!(is_message && len >= 26),
                    Some(Plaintext::Report(report)) => assert_eq!(len, 42 + 16 * report.missing.len()),
                    Some(Plaintext::Ask { .. }) => panic!("{len} bytes of a question"),
                }
            }
        }
    }

    #[test]
    fn what_no_program_of_ours_writes_is_refused() {
        let message = Plaintext::Message { run: RUN, number: 3, body: b"x" }.encode();
        for (at, byte) in [(0, 0), (0, 2), (1, 0), (1, 4)] {
            let mut other = message.clone();
            other[at] = byte;
            assert_eq!(decode(&other), None, "byte {at} is {byte}");
        }
        let long = Plaintext::Message { run: RUN, number: 3, body: &[0; MAX_BODY + 1] };
        let high = Plaintext::Message { run: RUN, number: MAX_COUNT, body: b"" };
        let behind = Plaintext::Ask { run: RUN, count: 3, from: 4 };
        let huge = Plaintext::Ask { run: RUN, count: MAX_COUNT + 1, from: 4 };
        for plaintext in [long, high, behind, huge] {
            assert_eq!(decode(&plaintext.encode()), None, "{plaintext:?}");
        }
        for ranges in [&[(9, 9)][..], &[(90, 90)], &[(30, 20)], &[(30, 40), (40, 50)], &[(50, 60), (20, 30)]]
        {
            assert_eq!(decode(&Plaintext::Report(report_of(ranges)).encode()), None, "{ranges:?}");
        }
        let longer = Report { next: 101, ..report_of(&[]) };
        assert_eq!(decode(&Plaintext::Report(longer).encode()), None);
        let mut asked = Plaintext::Ask { run: RUN, count: 3, from: 0 }.encode();
        asked.push(0);
        assert_eq!(decode(&asked), None);
    }

    #[test]
    fn the_largest_of_each_kind_fits_a_packet() {
        // IPv6 and UDP, and the larger of the two sealed forms.
        const AROUND: usize = 40 + 8 + 21 + 16;
        let many: Vec<_> = (0..MAX_RANGES as u64).map(|n| (10 + n, 10 + n)).collect();
        let report = Report { count: 1_000, next: 900, ..report_of(&many) };
        let body = Plaintext::Message { run: RUN, number: 0, body: &[0; MAX_BODY] };
        for plaintext in [body, Plaintext::Report(report)] {
            let bytes = plaintext.encode();
            assert!(decode(&bytes).is_some() && bytes.len() + AROUND <= 1_500, "{} bytes", bytes.len());
        }
    }
}
