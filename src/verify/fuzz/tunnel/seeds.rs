//! The seeds of the tunnel's targets, made from the published vectors; those of the hardened mode, which has
//! none, from fixed keys. `SEALMARK_SEEDS_DIR=fuzz/seeds cargo test --lib the_committed_seeds` writes them.

use serde_json::Value;

use super::frame::{OWN, VECTORS_PEER, session};
use crate::scheme::tunnel::testing::{B, Pair, identity};
use crate::scheme::tunnel::{Mode, envelope};
use crate::verify::fuzz::seeds::{Seeds, bytes, check_committed, list, vectors};

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

/// Every frame of the vectors, and one of each hardened kind.
fn frame() -> Seeds {
    let (envelope, kex) = (vectors("pilot-envelope.json"), vectors("pilot-kex.json"));
    let mut seeds = Seeds::new();
    let mut add = |name: &str, i: usize, frame: Vec<u8>| seeds.insert(format!("{name}-{i}"), frame);
    for (name, cases) in [("sealed", list(&envelope, "vectors")), ("refused", list(&envelope, "negatives"))] {
        for (i, case) in cases.iter().enumerate() {
            add(name, i, bytes(&case["frame"]));
        }
    }
    for (i, case) in list(&kex, "handle_auth").iter().enumerate() {
        add("exchange", i, bytes(&case["frame"]));
    }
    for (i, case) in list(&kex, "vectors").iter().enumerate().take(2) {
        add("pila", i, bytes(&case["a"]["pila"]));
        add("pilk", i, bytes(&case["b"]["pilk"]));
    }
    let sender = session(Mode::Hardened, VECTORS_PEER, OWN, [0; 4], 6);
    let mut sealed = vec![0; 4 + envelope::overhead(Mode::Hardened)];
    envelope::seal_unkept(&sender, b"word", &mut sealed).unwrap();
    add("hardened", 0, sealed);
    add("known", 0, identity(2).pila().unwrap().to_vec());
    seeds
}

/// Every sequence of counters: the mode of the first byte, then each counter as a whole.
fn window() -> Seeds {
    let mut seeds = Seeds::new();
    for (i, sequence) in list(&vectors("pilot-replay.json"), "sequences").iter().enumerate() {
        let steps = list(sequence, "steps").iter().flat_map(|step| {
            let counter = number(&step["counter"]).to_be_bytes();
            [&[5][..], &counter].concat()
        });
        let quirk = sequence["name"].as_str().unwrap().contains("QUIRK");
        let mode = if quirk { 0 } else { i % 3 };
        seeds.insert(format!("replay-{i}"), [mode as u8].into_iter().chain(steps).collect());
    }
    // Six epochs, so that the first is forgotten, then a replay and a late frame of an older one and of the
    // newest.
    let offers =
        (0..6_u8).chain([4, 3, 5]).map(|prefix| (prefix, 1)).chain([(4, 900), (5, 900), (4, 2), (5, 2)]);
    let offer = |(prefix, counter): (u8, u64)| [&[prefix << 5 | 5][..], &counter.to_be_bytes()].concat();
    seeds.insert("epochs".into(), [1].into_iter().chain(offers.flat_map(offer)).collect());
    seeds
}

/// Every order of genuine and forged frames, in every mode, after a key exchange: a counter that comes for
/// the first time is a message, the same again is a replay, and a forged one is made under the header of the
/// last frame.
fn handshake() -> Seeds {
    let mut seeds = Seeds::new();
    for (i, history) in list(&vectors("pilot-state.json"), "frame_order").iter().enumerate() {
        let mut steps = vec![[1, 0, 0], [2, 0, 0], [2, 0, 0], [2, 0, 0]];
        let mut known = Vec::new();
        for frame in list(history, "frames") {
            let (counter, forged) = (number(&frame[0]), frame[1].as_bool().unwrap());
            let kind = |of: u8| (if counter > 1 << 32 { 4 } else { u8::from(counter > 1) }) << 4 | of;
            match known.iter().position(|other| *other == counter) {
                _ if forged => steps.extend([[9, 0, kind(5)], [9, 0, kind(6)]]),
                Some(at) => steps.push([3, (known.len() - 1 - at) as u8, 0]),
                None => {
                    known.push(counter);
                    steps.extend([[0, 3, 0], [2, 0, 0]]);
                }
            }
        }
        for (mode, name) in ["compat", "safe", "hardened"].into_iter().enumerate() {
            let data = [&[mode as u8][..], &steps.concat()].concat();
            seeds.insert(format!("order-{i}-{name}"), data);
        }
    }
    seeds
}

#[test]
fn the_committed_seeds_are_those_of_the_vectors() {
    check_committed([("frame", frame(), 34), ("handshake", handshake(), 18), ("window", window(), 14)]);
}

#[test]
fn every_seed_runs() {
    for (run, seeds) in
        [(super::frame as fn(&[u8]), frame()), (super::handshake, handshake()), (super::window, window())]
    {
        seeds.values().for_each(|seed| run(seed));
    }
    // The fixtures of the hardened mode are what the seeds of frames assume.
    assert!(Pair::new(Mode::Hardened).a.node.exchange().request(B).frame_sent);
}
