//! Every single-byte flip, every cut, and swaps, copies, removals and replays of frames and files, over a
//! whole folder: all are refused. 64 KiB, or as many bytes as `SEALMARK_LOG_BYTES` says.
//!
//! `reread` reads what a change can affect; see `subject`.

use std::collections::BTreeSet;
use std::ops::Range;

use super::subject::{Folder, Subject};
use super::*;

/// The values that a byte is XORed with.
const MASKS: [u8; 2] = [0x01, 0x80];

/// Pairs of a thing with each of the next `reach` ones.
fn pairs(of: usize, reach: usize) -> usize {
    (0..of).map(|i| reach.min(of - 1 - i)).sum()
}

/// Trials of one kind, and the names of the refusals.
#[derive(Default)]
struct Trials {
    count: usize,
    refusals: BTreeSet<&'static str>,
}

impl Trials {
    /// Counts a trial, which must be refused.
    fn refused(&mut self, result: Result<(), Error>, what: impl FnOnce() -> String) {
        self.count += 1;
        match result {
            Err(error) => assert!(REFUSALS.contains(&self.name(&error)), "{}: {error}", what()),
            Ok(()) => panic!("{} is not detected", what()),
        }
    }

    fn name(&mut self, error: &Error) -> &'static str {
        self.refusals.insert(error.spec_name());
        error.spec_name()
    }

    fn say(&self, what: &str) {
        let names: Vec<_> = self.refusals.iter().copied().collect();
        println!("sealed log: {} {what}, all refused: {}", self.count, names.join(", "));
    }
}

fn subject() -> Subject {
    let bytes = std::env::var("SEALMARK_LOG_BYTES")
        .map_or(64 * 1024, |bytes| bytes.parse().expect("a number of bytes"));
    let subject = Subject::of(bytes);
    println!("sealed log: {} files with {} bytes", subject.files.len(), subject.len());
    assert!(subject.len() >= bytes && subject.stored.generation > 5 && subject.tables.len() > 4);
    subject
}

#[test]
fn what_a_change_can_affect_gives_the_same_result_as_the_whole_folder() {
    let subject = Subject::of(16 * 1024);
    let (mut folder, mut seen) = (Folder(subject.files.clone()), 0);
    for (name, bytes) in &subject.files {
        assert!(subject.reread(&folder, &[name]).is_ok(), "{name} is unaltered");
        for at in (0..bytes.len()).step_by(31) {
            folder.0.get_mut(name).unwrap()[at] ^= 1;
            let results = [subject.reread(&folder, &[name]), subject.read(&folder.0)];
            let [some, whole] = results.map(|result| result.unwrap_err().to_string());
            assert_eq!(some, whole, "{name}, byte {at}");
            folder.0.get_mut(name).unwrap()[at] ^= 1;
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}

#[test]
fn every_flip_of_every_byte_is_detected() {
    let (subject, mut trials) = (subject(), Trials::default());
    let mut folder = Folder(subject.files.clone());
    for (name, bytes) in &subject.files {
        for at in 0..bytes.len() {
            for mask in MASKS {
                folder.0.get_mut(name).unwrap()[at] ^= mask;
                trials
                    .refused(subject.reread(&folder, &[name]), || format!("{name}, byte {at} ^ {mask:#04x}"));
                folder.0.get_mut(name).unwrap()[at] ^= mask;
            }
        }
    }
    assert_eq!(folder.0, subject.files);
    assert_eq!(trials.count, subject.len() * MASKS.len());
    trials.say("single-byte flips");
}

#[test]
fn every_cut_of_every_file_before_the_head_and_every_longer_file_are_detected() {
    let (subject, mut trials) = (subject(), Trials::default());
    let mut folder = Folder(subject.files.clone());
    for (name, bytes) in &subject.files {
        for len in (0..bytes.len()).rev() {
            folder.0.get_mut(name).unwrap().truncate(len);
            trials.refused(subject.reread(&folder, &[name]), || format!("{name}, cut to {len} bytes"));
        }
        folder.0.insert(name.clone(), bytes.clone());
    }
    assert_eq!(trials.count, subject.len());
    trials.say("cuts");
    let mut trials = Trials::default();
    for (name, bytes) in &subject.files {
        for more in [&[0][..], &[0xff], &[0; 64], &bytes[..]] {
            folder.0.insert(name.clone(), [bytes, more].concat());
            trials
                .refused(subject.reread(&folder, &[name]), || format!("{name}, {} bytes longer", more.len()));
        }
        folder.0.insert(name.clone(), bytes.clone());
    }
    assert_eq!(trials.count, subject.files.len() * 4);
    trials.say("extensions");
}

#[test]
fn every_swap_copy_removal_and_replay_of_a_file_is_detected() {
    let subject = subject();
    let names: Vec<&str> = subject.files.keys().map(String::as_str).collect();
    let reach = subject.reach(names.len());
    let [mut swaps, mut copies, mut removals, mut replays] = [(); 4].map(|()| Trials::default());
    for (i, one) in names.iter().copied().enumerate() {
        let mut folder = Folder(subject.files.clone());
        folder.0.remove(one);
        removals.refused(subject.reread(&folder, &[one]), || format!("{one} removed"));
        for other in names.iter().copied().skip(i + 1).take(reach) {
            for (to, from) in [(one, other), (other, one)] {
                let mut folder = Folder(subject.files.clone());
                folder.0.insert(to.into(), subject.files[from].clone());
                copies.refused(subject.reread(&folder, &[to]), || format!("{from} copied over {to}"));
            }
            let mut folder = Folder(subject.files.clone());
            folder.0.insert(one.into(), subject.files[other].clone());
            folder.0.insert(other.into(), subject.files[one].clone());
            swaps.refused(subject.reread(&folder, &[one, other]), || format!("{one} and {other} swapped"));
        }
    }
    let mut older = BTreeSet::new();
    for then in &subject.history {
        for (name, bytes) in then.iter().filter(|(name, bytes)| subject.files[*name] != **bytes) {
            if older.insert((name, bytes)) {
                let mut folder = Folder(subject.files.clone());
                folder.0.insert(name.clone(), bytes.clone());
                replays.refused(subject.reread(&folder, &[name]), || format!("an older {name} put back"));
            }
        }
    }
    assert_eq!((removals.count, swaps.count), (names.len(), pairs(names.len(), reach)));
    assert_eq!(copies.count, 2 * swaps.count);
    let kinds: BTreeSet<_> = older.iter().map(|(name, _)| name.rsplit('.').next()).collect();
    assert!(replays.count > 10 && kinds.len() >= 3, "{} of {kinds:?}", replays.count);
    removals.say("removals of a file");
    copies.say("copies of a file over another");
    swaps.say("swaps of files");
    replays.say("older files put back");
}

/// The folder with the bytes in some ranges of files replaced.
fn replaced(subject: &Subject, changes: &[(&str, &Range<usize>, &[u8])]) -> Folder {
    let mut folder = Folder(subject.files.clone());
    let mut changes = changes.to_vec();
    // From the end, so that earlier ranges stay where they are.
    changes.sort_by_key(|(_, range, _)| std::cmp::Reverse(range.start));
    for (name, range, bytes) in changes {
        folder.0.get_mut(name).unwrap().splice(range.clone(), bytes.iter().copied());
    }
    folder
}

#[test]
fn every_swap_copy_removal_and_repetition_of_a_frame_is_detected() {
    let subject = subject();
    let frames = subject.frames();
    let reach = subject.reach(frames.len());
    let [mut swaps, mut copies, mut insertions, mut removals] = [(); 4].map(|()| Trials::default());
    let bytes = |(name, range): &(String, Range<usize>)| &subject.files[name][range.clone()];
    for (i, one) in frames.iter().enumerate() {
        let (name, range) = (&one.0, &one.1);
        let what = |of: &str| format!("{of} of {name} {range:?}");
        removals
            .refused(subject.reread(&replaced(&subject, &[(name, range, b"")]), &[name]), || what("removal"));
        let twice = bytes(one).repeat(2);
        let repeated = replaced(&subject, &[(name, range, &twice)]);
        insertions.refused(subject.reread(&repeated, &[name]), || what("repetition"));
        for other in frames.iter().skip(i + 1).take(reach) {
            for (to, from) in [(one, other), (other, one)] {
                let copied = replaced(&subject, &[(&to.0, &to.1, bytes(from))]);
                copies.refused(subject.reread(&copied, &[&to.0]), || {
                    format!("{} {:?} copied over {}", from.0, from.1, what("a frame"))
                });
            }
            let changes = [(&*one.0, &one.1, bytes(other)), (&*other.0, &other.1, bytes(one))];
            let changed: &[&str] = if one.0 == other.0 { &[name] } else { &[name, &other.0] };
            swaps.refused(subject.reread(&replaced(&subject, &changes), changed), || {
                format!("swap with {} {:?} {}", other.0, other.1, what("a frame"))
            });
        }
    }
    assert_eq!((removals.count, insertions.count), (frames.len(), frames.len()));
    assert_eq!((swaps.count, copies.count), (pairs(frames.len(), reach), 2 * swaps.count));
    assert!(frames.len() > 200);
    removals.say("removals of a frame");
    insertions.say("repetitions of a frame");
    copies.say("copies of a frame over another");
    swaps.say("swaps of frames");
}
