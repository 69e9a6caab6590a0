//! Bytes of a file that lie in several runs, counted through as one.

use std::ops::Range;

/// Runs of bytes of a file, counted through.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Spans {
    runs: Vec<Range<usize>>,
    /// The number of bytes up to the end of each run.
    ends: Vec<usize>,
}

impl Spans {
    /// Adds a run behind the others.
    pub fn push(&mut self, run: Range<usize>) {
        if let Some(last) = self.runs.last_mut().filter(|last| last.end == run.start) {
            last.end = run.end;
            *self.ends.last_mut().expect("one for each run") += run.len();
        } else {
            self.ends.push(self.len() + run.len());
            self.runs.push(run);
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The offset in the file of the byte with this number, which is less than [`len`](Self::len).
    pub fn nth(&self, number: usize) -> usize {
        let run = self.ends.partition_point(|end| *end <= number);
        self.runs[run].end - (self.ends[run] - number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_through_all_runs() {
        let mut spans = Spans::default();
        for run in [3..5, 5..6, 9..10, 20..23] {
            spans.push(run);
        }
        let all: Vec<usize> = (0..spans.len()).map(|number| spans.nth(number)).collect();
        assert_eq!(all, [3, 4, 5, 9, 20, 21, 22]);
        assert_eq!((spans.runs.len(), Spans::default().len()), (3, 0));
    }
}
