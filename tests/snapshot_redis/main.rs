//! Redis at both ends, with real servers of Debian's package: a whole copy over TLS, the rules of source and
//! sink, and kills of either end at seeded moments.
//!
//! 20,000 keys and 20 kills, or as many as SEALMARK_KEYS and SEALMARK_KILLS say. Without `redis-server`
//! nothing is tested, which is said; with CI=true that is a failure.

#![cfg(target_os = "linux")]

#[path = "../certificates/mod.rs"]
mod certificates;
mod ends;
mod kill;
mod server;
#[path = "../transfer/mod.rs"]
mod transfer;

use server::{Data, Server, fill};
use transfer::{Keys, Receiving, number, send, sent};

#[test]
fn a_database_of_every_type_arrives_equal_over_tls() {
    let Some((near, far)) = Server::pair() else { return };
    let keys = number("SEALMARK_KEYS", 20_000);
    fill(&near, keys, 1);
    fill(&far, 100, 2);
    let (there, before) = (Data::of(&near), Data::of(&far));
    assert_eq!(there.expiries.len() as u64, keys);
    assert_ne!(there, before);
    let made = Keys::new();
    let setting = made.setting("hardened", "secure");
    let mut receiving = Receiving::start(&far.url(0), &setting, &["--count", "1"]);
    sent(send(&near.url(0), &receiving.address, &setting, &[])).expect("both servers run");
    assert!(receiving.ended(), "{:?}", receiving.says());
    assert_eq!(far.keys(15), 0, "the old data is gone");
    assert!(Data::of(&far) == there, "the copy differs");
    let dated = there.expiries.values().filter(|expiry| **expiry >= 0).count();
    println!("Redis {}: {keys} keys, {dated} with a time to live, equal by DEBUG DIGEST", near.version());
    assert!(dated as u64 > keys / 5);
}
