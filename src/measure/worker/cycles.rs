//! A cycle counter that takes a turn in every round, like an engine.
//!
//! The cycle length that divides an engine's sample is therefore measured within the same milliseconds. A
//! clock that changes during a run then changes nanoseconds, but not cycles.

use crate::timing::{Clock, Timed, spend_cycles};

/// The intended length of a pass, in nanoseconds.
const PASS_NS: f64 = 20e3;

/// One pass is `count` cycles; one operation is a cycle.
pub(in crate::measure) struct Cycles {
    count: u64,
    spent: u64,
}

impl Cycles {
    /// Enough cycles to be timed.
    pub fn new(clock: &Clock) -> Self {
        let wanted = PASS_NS.max(clock.shortest_pass_ns());
        let mut count = 1024;
        while clock.time(|| _ = spend_cycles(count)) < wanted && count < 1 << 40 {
            count *= 2;
        }
        Self { count, spent: 0 }
    }
}

impl Timed for Cycles {
    fn reset(&mut self) {
        self.spent = 0;
    }

    fn run(&mut self) {
        self.spent = spend_cycles(self.count);
    }

    fn count(&self) -> u64 {
        self.count
    }

    fn check(&mut self) -> Result<(), String> {
        if self.spent == self.count {
            Ok(())
        } else {
            Err(format!("{} cycles were spent, not {}", self.spent, self.count))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::workload::testing::pass;

    #[test]
    fn a_pass_spends_the_cycles_that_it_counts() {
        let mut cycles = Cycles::new(&Clock { grain_ns: 1.0, overhead_ns: 0.0 });
        assert!(cycles.count() >= 1024);
        assert!(cycles.check().is_err(), "none was spent yet");
        assert_eq!(pass(&mut cycles), Ok(()));
    }
}
