//! Kills of either end while one database takes another's place: it holds the old data or the new, never a
//! mixture. A quarter of the kills, or more, fall between the first RESTORE and SWAPDB.

use std::time::{Duration, Instant};

use redis::cmd;

use crate::server::{Data, Server, fill};
use crate::transfer::{Keys, Receiving, Seeded, Setting, number, send, sent};

const SEED: u64 = 1919;
/// The spare database by default.
const SPARE: u8 = 15;
/// The key that marks it.
const MARK: &str = sealmark::scheme::snapshot::redis::MARK;

/// The receiving server, and what it may hold.
struct Trial<'a> {
    near: &'a Server,
    far: &'a Server,
    setting: &'a Setting,
    old: &'a Data,
    new: &'a Data,
    longest: Duration,
}

/// Restores the old data as a whole, by way of a file of it.
fn reset(far: &Server, old: &[u8]) {
    use sealmark::scheme::snapshot::{Database, RedisSink, Sink as _};

    let database = Database::parse(&far.url(0), None).expect("it is a URL");
    RedisSink::new(database, SPARE.into()).and_then(|sink| sink.apply(old)).expect("nobody kills it");
}

impl Trial<'_> {
    /// Kills one end, in the middle of the restoring if `aimed`. Returns whether the new data is there
    /// afterwards, and whether keys had been restored when the kill came and the swap had not happened.
    fn kill(&self, random: &mut Seeded, aimed: bool) -> (bool, bool) {
        let mut receiving = Receiving::start(&self.far.url(0), self.setting, &[]);
        let mut sender = send(&self.near.url(0), &receiving.address, self.setting, &["--rate", "40M"]);
        let mut seen = false;
        if aimed {
            while !seen && sender.try_wait().expect("it is ours").is_none() {
                seen = self.restored() > 0;
            }
            std::thread::sleep(random.moment(self.longest / 4));
        } else {
            std::thread::sleep(random.moment(self.longest + self.longest / 10));
        }
        let during = self.restored() > 0;
        if random.below(2) == 0 {
            // It may have ended by itself.
            let _ = sender.kill();
            drop(sender.wait_with_output());
            let _ = receiving.says();
        } else {
            receiving.child.kill().expect("it waits for the next one");
            receiving.child.wait().expect("it ended");
            let _ = sent(sender);
        }
        drop(receiving);
        let is_new = self.judge();
        (is_new, during && !is_new)
    }

    /// The keys in the spare database, while it is a transfer's: without the mark, and none after the swap.
    fn restored(&self) -> u64 {
        let mut connection = self.far.connection(SPARE);
        let swapped: u64 = cmd("EXISTS").arg(MARK).query(&mut connection).expect("it looks");
        if swapped == 0 { 0 } else { self.far.keys(SPARE).saturating_sub(1) }
    }

    /// Whether the new data is there; anything but the old and the new is a failure.
    fn judge(&self) -> bool {
        let mut spare = self.far.connection(SPARE);
        let marked: u64 = cmd("EXISTS").arg(MARK).query(&mut spare).expect("it looks");
        assert!(self.far.keys(SPARE) == 0 || marked == 1, "what a killed transfer left has its mark");
        // The digest is of all databases.
        cmd("FLUSHDB").exec(&mut spare).expect("it empties");
        let now = Data::of(self.far);
        assert!(now == *self.old || now == *self.new, "neither old nor new: {now:?}");
        now == *self.new
    }
}

#[test]
fn whoever_is_killed_and_whenever_the_database_is_old_or_new() {
    use sealmark::scheme::snapshot::{Database, RedisSource, Source as _};

    let Some((near, far)) = Server::pair() else { return };
    let (kills, keys) = (number("SEALMARK_KILLS", 20), number("SEALMARK_KEYS", 20_000));
    fill(&near, keys, 1);
    fill(&far, keys / 2, 2);
    let source = RedisSource::new(Database::parse(&far.url(0), None).expect("it is a URL"));
    let kept = source.snapshot().expect("it is read");
    let (old, new) = (Data::of(&far), Data::of(&near));
    let made = Keys::new();
    let settings =
        [made.setting("hardened", "secure"), made.setting("hardened", "dev"), made.setting("safe", "dev")];
    let longest = settings.each_ref().map(|setting| {
        let mut receiving = Receiving::start(&far.url(0), setting, &["--count", "1"]);
        let began = Instant::now();
        sent(send(&near.url(0), &receiving.address, setting, &["--rate", "40M"])).expect("nobody kills it");
        assert!(receiving.ended(), "{:?}", receiving.says());
        let longest = began.elapsed();
        reset(&far, &kept);
        assert!(Data::of(&far) == old, "a reset brings the old data back");
        longest
    });
    let (mut random, mut counts, mut within) = (Seeded(SEED), [0; 2], 0);
    let mut kill = 0;
    // More than asked for, if too few of the aimed ones hit.
    while kill < kills || within * 4 < kills {
        assert!(kill < 3 * kills, "only {within} of {kill} kills fell between the first RESTORE and SWAPDB");
        let i = kill as usize % settings.len();
        let setting = &settings[i];
        let trial = Trial { near: &near, far: &far, setting, old: &old, new: &new, longest: longest[i] };
        let (is_new, during) = trial.kill(&mut random, kill % 2 == 0);
        counts[usize::from(is_new)] += 1;
        within += u64::from(during);
        kill += 1;
        if is_new {
            reset(&far, &kept);
        }
    }
    let [old_left, new_left] = counts;
    println!(
        "seed {SEED}: {kill} kills left the old data {old_left} times, the new {new_left} times; {within} \
         fell between the first RESTORE and SWAPDB"
    );
}
