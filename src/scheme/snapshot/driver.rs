//! Pushes snapshots to every peer, again and again (spec §5).
//!
//! The clock is injected, so that tests need not wait. A cycle begins at once and then every cadence; a cycle
//! that takes longer delays the next one, and delayed cycles are not made up for.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::config::{DEFAULT_CADENCE, DEFAULT_PORT};
use super::send::resolve;
use super::{Error, Sender, Source};

/// A member of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address, or its name, without a port.
    pub host: String,
    /// Whether it is this node, which is skipped.
    pub local: bool,
}

/// The counts of a driver, or of one cycle. They stop at their largest value.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Peers to which a push was attempted.
    pub attempted: u64,
    /// Peers that took a snapshot.
    pub exchanged: u64,
    /// Of these, the ones whose snapshot was not empty.
    pub ranges_diverged: u64,
    /// The same number; the reference counts it twice.
    pub ranges_repaired: u64,
}

impl Counts {
    /// Adds those of a cycle.
    pub fn merge(&mut self, cycle: &Self) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.attempted, cycle.attempted);
        add(&mut self.exchanged, cycle.exchanged);
        add(&mut self.ranges_diverged, cycle.ranges_diverged);
        add(&mut self.ranges_repaired, cycle.ranges_repaired);
    }
}

/// The time since some fixed moment, and a wait that can be ended.
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Duration;

    /// Waits until that time, or until `stop`; returns at once if either is past.
    fn wait_until(&self, time: Duration, stop: &Stop);
}

/// Tells a driver to return.
#[derive(Default, Debug)]
pub struct Stop {
    told: AtomicBool,
    lock: Mutex<()>,
    waiting: Condvar,
}

impl Stop {
    /// Tells it. A cycle in progress finishes.
    pub fn stop(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.told.store(true, Ordering::SeqCst);
        self.waiting.notify_all();
    }

    /// Whether it was told.
    pub fn is_stopped(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }

    /// Waits for so long, or until it is told.
    pub fn wait(&self, time: Duration) {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.waiting.wait_timeout_while(guard, time, |()| !self.is_stopped());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// This machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait_until(&self, time: Duration, stop: &Stop) {
        stop.wait(time.saturating_sub(self.now()));
    }
}

/// The members of the cluster as they are now.
pub type Peers = Box<dyn Fn() -> Vec<Peer> + Send + Sync>;
/// A failed push: the peer's host, and why.
pub type Warn<'a> = &'a dyn Fn(&str, &Error);

/// Pushes snapshots to every peer.
pub struct Driver {
    peers: Peers,
    sender: Sender,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    cadence: Duration,
    port: u16,
    counts: [AtomicU64; 4],
}

impl Driver {
    /// A driver that sends to the default port of each peer. A cadence of zero is the default one. The keys
    /// are loaded here, once.
    ///
    /// # Errors
    /// As [`Sender::loaded`].
    pub fn new(
        peers: Peers,
        sender: Sender,
        source: Arc<dyn Source>,
        cadence: Duration,
    ) -> Result<Self, Error> {
        let cadence = if cadence.is_zero() { DEFAULT_CADENCE } else { cadence };
        let (sender, clock) = (sender.loaded()?, Arc::new(Monotonic::default()));
        Ok(Self { peers, sender, source, clock, cadence, port: DEFAULT_PORT, counts: Default::default() })
    }

    /// The same with another port for every peer.
    pub fn to_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// The same with another clock.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The time between two cycles.
    pub const fn cadence(&self) -> Duration {
        self.cadence
    }

    /// The counts of all finished cycles. May be asked from any thread.
    pub fn counts(&self) -> Counts {
        let [attempted, exchanged, ranges_diverged, ranges_repaired] =
            self.counts.each_ref().map(|count| count.load(Ordering::SeqCst));
        Counts { attempted, exchanged, ranges_diverged, ranges_repaired }
    }

    /// Pushes to every peer but this node, one after the other, and adds up the results.
    pub fn cycle(&self, warn: Warn<'_>) -> Counts {
        let mut cycle = Counts::default();
        for peer in (self.peers)().into_iter().filter(|peer| !peer.local) {
            cycle.attempted += 1;
            match self.push(&peer.host) {
                Ok(len) => {
                    cycle.exchanged += 1;
                    cycle.ranges_diverged += u64::from(len > 0);
                    cycle.ranges_repaired += u64::from(len > 0);
                }
                Err(error) => warn(&peer.host, &error),
            }
        }
        let mut sum = self.counts();
        sum.merge(&cycle);
        let all = [sum.attempted, sum.exchanged, sum.ranges_diverged, sum.ranges_repaired];
        self.counts.iter().zip(all).for_each(|(count, sum)| count.store(sum, Ordering::SeqCst));
        cycle
    }

    fn push(&self, host: &str) -> Result<u64, Error> {
        let address = match host.parse() {
            Ok(ip) => SocketAddr::new(ip, self.port),
            Err(_) => resolve((host, self.port))?,
        };
        self.sender.send_to(&self.source, host, address)
    }

    /// Runs cycles until it is stopped. If it is stopped already, it returns without one.
    pub fn run(&self, stop: &Stop, warn: Warn<'_>) {
        let mut next = self.clock.now();
        loop {
            self.clock.wait_until(next, stop);
            if stop.is_stopped() {
                return;
            }
            // From the later of both, so that a late cycle shifts the ones after it.
            next = self.clock.now().max(next) + self.cadence;
            self.cycle(warn);
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("cadence", &self.cadence)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::super::testing::Files;
    use super::super::{BoxError, Format, Mode, StaticSource};
    use super::*;

    /// A clock that jumps to the time that is waited for, and stops the driver at the end.
    struct Simulated {
        now: Mutex<Duration>,
        end: Duration,
        waits: Mutex<Vec<u64>>,
    }

    impl Simulated {
        fn until(end: u64) -> Arc<Self> {
            let end = Duration::from_secs(end);
            Arc::new(Self { now: Mutex::default(), end, waits: Mutex::default() })
        }

        fn pass(&self, seconds: u64) {
            *self.now.lock().unwrap() += Duration::from_secs(seconds);
        }
    }

    impl Clock for Simulated {
        fn now(&self) -> Duration {
            *self.now.lock().unwrap()
        }

        fn wait_until(&self, time: Duration, stop: &Stop) {
            self.waits.lock().unwrap().push(time.as_secs());
            let mut now = self.now.lock().unwrap();
            *now = time.max(*now);
            if *now >= self.end {
                stop.stop();
            }
        }
    }

    /// A source that takes its time, and notes when it was asked.
    struct Slow {
        clock: Arc<Simulated>,
        takes: Vec<u64>,
        asked: Mutex<Vec<u64>>,
    }

    impl Source for Slow {
        fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxError> {
            let mut asked = self.asked.lock().unwrap();
            asked.push(self.clock.now().as_secs());
            self.clock.pass(self.takes.get(asked.len() - 1).copied().unwrap_or(0));
            Err("nothing to send".into())
        }
    }

    fn sender() -> Sender {
        let config = super::super::Config { encrypt: false, ..Files::new().config() };
        let format = Format::of(Mode::Compat, &config).unwrap();
        Sender::new(config, format)
    }

    fn peer(host: &str, local: bool) -> Peer {
        Peer { host: host.into(), local }
    }

    fn cycles_begin_at(cadence: u64, takes: &[u64], end: u64) -> Vec<u64> {
        let clock = Simulated::until(end);
        let asked = Mutex::default();
        let source = Arc::new(Slow { clock: Arc::clone(&clock), takes: takes.to_vec(), asked });
        let peers: Peers = Box::new(|| vec![peer("127.0.0.1", false)]);
        let cadence = Duration::from_secs(cadence);
        let driver = Driver::new(peers, sender(), Arc::clone(&source) as _, cadence).unwrap();
        driver.with_clock(clock).run(&Stop::default(), &|_, _| {});
        source.asked.lock().unwrap().clone()
    }

    #[test]
    fn the_first_cycle_is_at_once_and_a_late_one_shifts_the_rest_without_bunching() {
        assert_eq!(cycles_begin_at(10, &[], 35), [0, 10, 20, 30]);
        assert_eq!(cycles_begin_at(10, &[1, 25, 1], 60), [0, 10, 35, 45, 55]);
        assert_eq!(cycles_begin_at(0, &[], 700), [0, 300, 600], "zero is the default");
    }

    #[test]
    fn a_driver_that_is_stopped_before_does_nothing() {
        let source = Arc::new(StaticSource::new(*b"x"));
        let peers: Peers = Box::new(|| panic!("nobody asks"));
        let driver = Driver::new(peers, sender(), source, Duration::from_secs(1)).unwrap();
        let stop = Stop::default();
        stop.stop();
        driver.run(&stop, &|_, _| {});
        assert_eq!(driver.counts(), Counts::default());
    }

    #[test]
    fn a_stop_ends_the_wait_and_the_cycle_before_it_is_finished() {
        let (stop, clock) = (Stop::default(), Monotonic::default());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| clock.wait_until(Duration::from_secs(3600), &stop));
            stop.stop();
            waits.join().unwrap();
        });
    }

    #[test]
    fn local_peers_are_skipped_failures_are_counted_and_the_rest_is_served() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for (snapshot, ranges) in [(&b"snapshot"[..], 1), (b"", 0)] {
            let peers: Peers = Box::new(|| {
                vec![peer("here", true), peer("no.such.host.invalid", false), peer("127.0.0.1", false)]
            });
            let source = Arc::new(StaticSource::new(snapshot));
            let driver = Driver::new(peers, sender(), source, Duration::from_secs(1)).unwrap().to_port(port);
            let warned = Mutex::new(Vec::new());
            let cycle = driver
                .cycle(&|host, error| warned.lock().unwrap().push((host.to_owned(), error.spec_name())));
            assert_eq!(*warned.lock().unwrap(), [("no.such.host.invalid".to_owned(), "Io")]);
            let expected =
                Counts { attempted: 2, exchanged: 1, ranges_diverged: ranges, ranges_repaired: ranges };
            assert_eq!((cycle, driver.counts()), (expected, expected));
            driver.cycle(&|_, _| {});
            assert_eq!(driver.counts().attempted, 4);
            let mut seen = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut seen).unwrap();
            assert!(seen.ends_with(snapshot));
            drop(listener.accept().unwrap());
        }
    }

    #[test]
    fn counts_stop_at_their_largest_value() {
        let mut counts = Counts { attempted: u64::MAX, ..Counts::default() };
        counts.merge(&Counts { attempted: 1, exchanged: 2, ..Counts::default() });
        assert_eq!((counts.attempted, counts.exchanged), (u64::MAX, 2));
    }
}
