//! The seeds of the tunnel's targets, made from the published vectors; those of the hardened mode, which has
//! none, from fixed keys. `SEALMARK_SEEDS_DIR=fuzz/seeds cargo test --lib the_committed_seeds` writes them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::frame::{OWN, VECTORS_PEER, session};
use crate::scheme::tunnel::testing::{B, Pair, identity};
use crate::scheme::tunnel::{Mode, envelope};

type Seeds = BTreeMap<String, Vec<u8>>;

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/interop").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let write = std::env::var_os("SEALMARK_SEEDS_DIR").map(|folder| Path::new(&folder).to_owned());
    let all = [("frame", frame(), 34), ("handshake", handshake(), 18), ("window", window(), 14)];
    for (target, seeds, count) in all {
        assert_eq!(seeds.len(), count, "{target}");
        if let Some(folder) = &write {
            let _ = std::fs::remove_dir_all(folder.join(target));
            std::fs::create_dir_all(folder.join(target)).unwrap();
            seeds
                .iter()
                .for_each(|(name, seed)| std::fs::write(folder.join(target).join(name), seed).unwrap());
        }
        let files = std::fs::read_dir(folder.join(target)).unwrap().map(|file| file.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let committed: Seeds = files.map(|file| (name(&file), std::fs::read(file).unwrap())).collect();
        assert_eq!(committed.keys().collect::<Vec<_>>(), seeds.keys().collect::<Vec<_>>(), "{target}");
        for (name, seed) in seeds {
            assert_eq!(committed[&name], seed, "{target}/{name}");
        }
    }
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
