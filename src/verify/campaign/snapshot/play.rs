//! A story as it is played: a driver and a receiver that live until a fault, and the model of the file.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::defect::{self, Defect};
use super::wire::{Deliver, Simulated, Snapshots, Wire};
use super::{FILE, Found, Push, Story};
use crate::disk::{Disk, Recorder};
use crate::engine;
use crate::envelope::SecretKey;
use crate::scheme::snapshot::{
    Config, Context, Counts, Driver, Format, Keys, Limits, Material, Peer, Sender, Stop, Stream, StreamKey,
    receive_snapshot,
};

/// The time between two pushes.
const CADENCE: Duration = Duration::from_secs(60);

/// How a story ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Played {
    /// With its last push.
    Whole,
    /// With a receiver that refused a whole stream.
    Stopped(String),
}

/// A story up to some push, and what the file may hold.
#[derive(Clone)]
pub(super) struct Play<'a> {
    pub story: &'a Story,
    defect: Option<Defect>,
    /// The number of the next push.
    pub next: usize,
    /// The number of the snapshot that the file holds.
    holds: usize,
    /// The number of a snapshot that it may hold instead: of a push that a fault stopped.
    perhaps: Option<usize>,
}

/// The bytes that arrived, and then the end.
struct Arrived<'a>(&'a [u8]);

impl std::io::Read for Arrived<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(out)
    }
}

impl std::io::Write for Arrived<'_> {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Stream for Arrived<'_> {
    fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn close(&mut self) {}
}

/// What the connections of one process came to.
#[derive(Default)]
struct Results {
    /// The push that was delivered, and the receiver's refusal if any.
    delivered: Vec<Option<String>>,
    found: Option<Found>,
}

impl<'a> Play<'a> {
    pub fn new(story: &'a Story, defect: Option<Defect>) -> Self {
        Self { story, defect, next: 0, holds: 0, perhaps: None }
    }

    /// Plays from the next push to the end, or until the receiver refuses a whole stream.
    pub fn go(&mut self, disk: &Recorder) -> Result<Played, Found> {
        let (first, story) = (self.next, self.story);
        if first == story.pushes.len() {
            return Ok(Played::Whole);
        }
        let (stop, results) = (Arc::<Stop>::default(), Arc::<Mutex<Results>>::default());
        let next = Arc::new(Mutex::new(story.pushes[first]));
        let shared = Arc::new(Mutex::new(self.owned()));
        let deliver: Box<Deliver> = {
            let (shared, results, stop, next) =
                (Arc::clone(&shared), Arc::clone(&results), Arc::clone(&stop), Arc::clone(&next));
            let (disk, sink, format) =
                (disk.clone(), defect::sink(disk, self.defect), format(story.hardened));
            let (pushes, snapshots) = (story.pushes.clone(), story.snapshots.clone());
            Box::new(move |bytes| {
                let mut model = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                let push = pushes[model.next];
                let limits = Limits::default();
                let done = receive_snapshot(&mut Arrived(&bytes), &format, true, &limits, &*sink);
                let done = done.map(drop).map_err(|error| error.to_string());
                let is_over = model.judge(push, &done, &disk, &snapshots, &mut results.found);
                results.delivered.push(done.err());
                match pushes.get(model.next) {
                    Some(push) if !is_over => *next.lock().unwrap_or_else(PoisonError::into_inner) = *push,
                    _ => stop.stop(),
                }
            })
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| Found::Driver(format!("no port of this machine is free: {error}")))?;
        let port = listener.local_addr().map_err(|error| Found::Driver(error.to_string()))?.port();
        let clock = Arc::<Simulated>::default();
        let source = Arc::new(Snapshots {
            all: story.snapshots[first + 1..].to_vec(),
            clock: Arc::clone(&clock),
            asked: Mutex::default(),
        });
        let config = Config { buffer_size: 4096, ..Config::new("", "") };
        let wire = Wire { listener, receiver: Arc::new(Mutex::new(deliver)), next };
        let sender = Sender::new(config, format(story.hardened)).over(Arc::new(wire));
        let peers = || {
            let local = Peer { host: "localhost".into(), local: true };
            vec![local, Peer { host: Ipv4Addr::LOCALHOST.to_string(), local: false }]
        };
        let driver = Driver::new(Box::new(peers), sender, Arc::clone(&source) as _, CADENCE)
            .map_err(|error| Found::Driver(error.to_string()))?
            .to_port(port)
            .with_clock(clock);
        driver.run(&stop, &|_, _| {});
        let model = *shared.lock().unwrap_or_else(PoisonError::into_inner);
        (self.next, self.holds, self.perhaps) = (model.next, model.holds, model.perhaps);
        let results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(found) = results.found {
            return Err(found);
        }
        let asked = source.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.check_driver(first, &asked, driver.counts())?;
        match results.delivered.last() {
            Some(Some(why)) if self.perhaps.is_some() => Ok(Played::Stopped(why.clone())),
            _ => Ok(Played::Whole),
        }
    }

    fn owned(&self) -> Model {
        Model { next: self.next, holds: self.holds, perhaps: self.perhaps }
    }

    /// Cycles begin every cadence, and count what the sender could know.
    fn check_driver(&self, first: usize, asked: &[Duration], counts: Counts) -> Result<(), Found> {
        let pushes = &self.story.pushes[first..self.next];
        let right: Vec<_> = (0..pushes.len() as u32).map(|cycle| CADENCE * cycle).collect();
        if asked != right {
            return Err(Found::Driver(format!("the cycles began at {asked:?}, not {right:?}")));
        }
        let sent = pushes.iter().filter(|push| !matches!(push, Push::Cut(_))).count() as u64;
        let expected = Counts {
            attempted: pushes.len() as u64,
            exchanged: sent,
            ranges_diverged: sent,
            ranges_repaired: sent,
        };
        match counts == expected {
            true => Ok(()),
            false => Err(Found::Driver(format!("it counts {counts:?}, not {expected:?}"))),
        }
    }

    /// Finds out what a fault left.
    pub fn check_after_fault(&mut self, left: &Recorder) -> Result<(), Found> {
        let content = left.read(Path::new(FILE)).unwrap_or_default();
        let is = |number: usize| content == self.story.snapshots[number];
        if self.perhaps.is_some_and(is) {
            self.holds = self.perhaps.take().unwrap_or(self.holds);
        } else if !is(self.holds) {
            return Err(self.wrong(&content));
        }
        self.perhaps = None;
        Ok(())
    }

    /// Checks the end of a story, whose last push removes what earlier ones left, if it came after the fault.
    pub fn check_end(&self, disk: &Recorder, pushed: bool) -> Result<(), Found> {
        let content = disk.read(Path::new(FILE)).unwrap_or_default();
        if content != self.story.snapshots[self.holds] {
            return Err(self.wrong(&content));
        }
        match disk.names().len() == 1 || !pushed {
            true => Ok(()),
            false => Err(Found::Stale),
        }
    }

    /// An earlier snapshot is a lost one.
    fn wrong(&self, content: &[u8]) -> Found {
        match self.story.snapshots[..self.holds].iter().any(|earlier| earlier == content) {
            true => Found::Lost,
            false => Found::Mixture(content.len()),
        }
    }
}

/// The part of a play that the connections change.
#[derive(Clone, Copy)]
struct Model {
    next: usize,
    holds: usize,
    perhaps: Option<usize>,
}

impl Model {
    /// Judges the receiver's result of a push, and what the file holds. Returns whether a fault stopped it.
    fn judge(
        &mut self,
        push: Push,
        done: &Result<(), String>,
        disk: &Recorder,
        snapshots: &[Vec<u8>],
        found: &mut Option<Found>,
    ) -> bool {
        let new = self.next + 1;
        self.next += 1;
        let content = disk.read(Path::new(FILE));
        let is = |number: usize| content.as_ref().is_ok_and(|bytes| *bytes == snapshots[number]);
        let dead = disk.exists(Path::new(FILE)).is_err();
        match (push, done) {
            (Push::Whole, Ok(())) => {
                let old = std::mem::replace(&mut self.holds, new);
                if !is(new) && !dead {
                    *found = Some(if is(old) { Found::Lost } else { mixture(&content) });
                }
                dead || found.is_some()
            }
            (Push::Whole, Err(_)) => {
                self.perhaps = Some(new);
                if !is(self.holds) && !is(new) && !dead {
                    *found = Some(mixture(&content));
                }
                true
            }
            (Push::Cut(_) | Push::Flip(_), Ok(())) => {
                *found = Some(Found::Accepted);
                true
            }
            (Push::Cut(_) | Push::Flip(_), Err(_)) => {
                if !is(self.holds) && !dead {
                    *found = Some(if is(new) { Found::Untold } else { mixture(&content) });
                }
                dead || found.is_some()
            }
        }
    }
}

fn mixture(content: &std::io::Result<Vec<u8>>) -> Found {
    Found::Mixture(content.as_ref().map_or(0, Vec::len))
}

/// The format of both ends.
fn format(hardened: bool) -> Format {
    if hardened {
        let mut key = SecretKey::default();
        key.fill(0x4b);
        let engine = engine::find("sealmark").expect("the engine of our own choice always exists");
        Format::Hardened(StreamKey::new(engine, key).into(), Context::new(b"campaign"))
    } else {
        let material = Material::parse(&[0x4b; 16], &[0x49; 16]).expect("both have 16 bytes");
        Format::Safe(Keys::Loaded(material.into()))
    }
}
