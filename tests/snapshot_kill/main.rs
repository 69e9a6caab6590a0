//! `sealmark snapshot` under real kills: a sender and a receiver are processes, and one of them gets SIGKILL
//! at a seeded moment of a transfer between files. The receiver's file holds the old snapshot or the new one,
//! whole, whoever dies and whenever.
//!
//! 20 kills, or as many as SEALMARK_KILLS says. tests/snapshot_redis does the same to databases.

#![cfg(unix)]

#[path = "../certificates/mod.rs"]
mod certificates;
#[path = "../transfer/mod.rs"]
mod transfer;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use transfer::{Keys, Receiving, Seeded, number, send, sent};

const SEED: u64 = 19;
/// Every mode that keeps the old data, over both profiles.
const SETTINGS: [(&str, &str); 5] =
    [("hardened", "dev"), ("safe", "dev"), ("hardened", "secure"), ("compat", "dev"), ("safe", "secure")];

/// A path as text.
fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it is a folder");
    entries.map(|entry| entry.expect("it can be read").file_name().into()).collect()
}

#[test]
fn whoever_is_killed_and_whenever_the_file_is_old_or_new() {
    let kills = number("SEALMARK_KILLS", 20);
    let (keys, folder) = (Keys::new(), tempfile::tempdir().expect("there is room for a folder"));
    let (from, sinks) = (folder.path().join("new"), folder.path().join("sinks"));
    std::fs::create_dir(&sinks).expect("it is new");
    let to = sinks.join("copy");
    let old: Vec<u8> = (0..700_000_u32).map(|i| (i / 3) as u8).collect();
    let new: Vec<u8> = (0..3_000_001_u32).map(|i| (i / 11) as u8).collect();
    std::fs::write(&from, &new).expect("it can be written");
    // About a fifth of a second, so that kills fall into all of it.
    let rate = ["--rate", "15M"];
    let settings = SETTINGS.map(|(mode, profile)| keys.setting(mode, profile));

    // How long a whole transfer takes.
    let whole = |i: usize| {
        let mut receiving = Receiving::start(text(&to), &settings[i], &["--count", "1"]);
        let began = Instant::now();
        sent(send(text(&from), &receiving.address, &settings[i], &rate)).expect("nobody kills it");
        assert!(receiving.ended(), "{:?}", receiving.says());
        assert!(std::fs::read(&to).expect("it is there") == new);
        began.elapsed()
    };
    let longest: Vec<Duration> = (0..settings.len()).map(whole).collect();

    let (mut random, mut counts) = (Seeded(SEED), [0; 2]);
    for kill in 0..kills {
        let i = kill as usize % settings.len();
        std::fs::write(&to, &old).expect("it can be written");
        let content = || {
            let now = std::fs::read(&to).expect("it is there");
            assert!(now == old || now == new, "kill {kill}: {} bytes, {:?}", now.len(), SETTINGS[i]);
            now == new
        };
        let mut receiving = Receiving::start(text(&to), &settings[i], &[]);
        let mut sender = send(text(&from), &receiving.address, &settings[i], &rate);
        std::thread::sleep(random.moment(longest[i] + longest[i] / 10));
        if random.below(2) == 0 {
            // It may have ended by itself.
            let _ = sender.kill();
            drop(sender.wait_with_output());
            content();
            let said = receiving.says();
            let is_new = content();
            match said.as_deref() {
                Some(said) if said.ends_with("bytes taken") => assert!(is_new, "kill {kill}: {said}"),
                Some(said) => assert!(said.contains("refused: entropy") && !is_new, "kill {kill}: {said}"),
                // It was killed before it connected, or the receiver is slow to say.
                None => {}
            }
        } else {
            receiving.child.kill().expect("it waits for the next one");
            receiving.child.wait().expect("it ended");
            content();
            // It fails, or had handed over everything.
            let _ = sent(sender);
        }
        drop(receiving);
        counts[usize::from(content())] += 1;
    }
    let [old_left, new_left] = counts;
    println!("seed {SEED}: {kills} kills left the old file {old_left} times, the new one {new_left} times");
    assert!(old_left > kills / 4, "the kills came too late: {old_left} of {kills}");
    // Whatever the killed ones left behind is in nobody's way, and goes.
    whole(0);
    assert_eq!(names(&sinks), [PathBuf::from("copy")]);
}
