//! The trials of one file with one aim, on several threads, until they are done or their time is up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Subject;
use super::read::Original;
use super::schedule::{Aim, Phase};
use super::tally::Findings;
use crate::verify::caught;

/// Flips that a thread takes at a time.
const CHUNK: usize = 16;
/// How often progress is reported.
const TICK: Duration = Duration::from_millis(100);

/// What is to be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// The place of the file among all.
    pub place: usize,
    /// The place of the phase in the file's schedule.
    pub phase: usize,
    /// Threads.
    pub threads: usize,
    /// When to stop.
    pub until: Instant,
}

/// Continues a phase of a file. Returns how many of its alterations have now been tried, and what the new
/// ones came to; `None` where there is nothing to try.
pub(super) fn run(
    subject: &Subject,
    work: &Work,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize),
) -> Option<(usize, Findings)> {
    let (original, schedule) = subject.original.as_ref().ok()?;
    let (phase, done) = (&schedule.phases()[work.phase], subject.tried[work.phase]);
    let is_over = || stop.load(Ordering::Relaxed) || Instant::now() >= work.until;
    if done >= phase.len() || is_over() {
        return None;
    }
    // A unit may be as long as the file.
    let chunk = if phase.aim == Aim::Units { 1 } else { CHUNK };
    let next = AtomicUsize::new(done);
    let mut all = Findings::of(work.place, subject.bytes.len());
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..work.threads.min(phase.len().div_ceil(chunk)) {
            let (send, next, mut found) = (send.clone(), &next, all.clone());
            scope.spawn(move || {
                let mut copy = subject.bytes.to_vec();
                while !is_over() {
                    let first = next.fetch_add(chunk, Ordering::Relaxed);
                    if first >= phase.len() {
                        break;
                    }
                    for number in first..(first + chunk).min(phase.len()) {
                        one(subject, original, phase, number, &mut copy, &mut found);
                    }
                }
                // The receiver lives as long as this scope.
                let _ = send.send(found);
            });
        }
        drop(send);
        loop {
            match receive.recv_timeout(TICK) {
                Ok(found) => all.merge(found),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            progress(next.load(Ordering::Relaxed).min(phase.len()), phase.len());
        }
    });
    Some((next.into_inner().min(phase.len()), all))
}

/// Tries one alteration on the copy, which is restored.
fn one(
    subject: &Subject,
    original: &Original,
    phase: &Phase,
    number: usize,
    copy: &mut Vec<u8>,
    found: &mut Findings,
) {
    let Some(alteration) = phase.nth(original.layout(), &subject.bytes, number) else { return };
    let judge = |seen: &[u8]| caught(|| original.judge(&subject.bytes, seen, &alteration));
    match alteration.with(copy, judge) {
        Ok(judged) => found.add(subject.kind, &alteration, judged),
        Err(panic) => found.add_panic(&alteration, panic),
    }
}
