//! The seeds of the log's targets, made from the published vectors.
//! `SEALMARK_SEEDS_DIR=fuzz/seeds cargo test --lib the_committed_seeds` writes them.

use serde_json::Value;

use crate::scheme::log::service::wire::{Request, write_frame};
use crate::verify::fuzz::seeds::{Seeds, bytes, check_committed, list, vectors};

/// A seed with these options.
fn with(options: u8, data: &[u8]) -> Vec<u8> {
    [&[options], data].concat()
}

/// Logs: the records, the three records together, whole, cut and with zeros behind them, and the forged ones;
/// commands and Raft files.
fn wal() -> Seeds {
    let (log, service, engine) =
        (vectors("kv-wal.json"), vectors("kv-service.json"), vectors("kv-engine.json"));
    let whole = bytes(&log["file_hex"]);
    let mut seeds: Seeds = [("whole".into(), with(0, &whole))].into();
    for len in [20, 34, 60, 75, 90] {
        seeds.insert(format!("cut-{len}"), with(0, &whole[..len]));
    }
    for count in [1, 24, 30] {
        seeds.insert(format!("zeros-{count}"), with(0, &[&whole[..], &vec![0; count]].concat()));
    }
    for (i, row) in list(&log, "records").iter().enumerate() {
        seeds.insert(format!("record-{i}"), with(1, &bytes(&row["encoded"])));
    }
    for (i, row) in list(&log, "forged").iter().enumerate().filter(|(_, row)| row["file"].is_string()) {
        seeds.insert(format!("forged-{i}"), with(0, &bytes(&row["file"])));
    }
    for (i, row) in list(&service, "commands").iter().enumerate() {
        seeds.insert(format!("command-{i}"), with(0, &bytes(&row["encoded"])));
    }
    for (i, row) in list(&engine, "raft_storage").iter().enumerate() {
        seeds.insert(format!("meta-{i}"), with(0, &bytes(&row["meta_bin"])));
        seeds.insert(format!("log-{i}"), with(0, &bytes(&row["log_bin"])));
    }
    seeds
}

/// Tables: each that is written, with right checksums whatever is altered, and entries to make one from.
fn table() -> Seeds {
    let tables = vectors("kv-sst.json");
    let mut seeds = Seeds::new();
    for (i, row) in list(&tables, "files").iter().enumerate() {
        seeds.insert(format!("file-{i}"), with(0, &bytes(&row["file"])));
        seeds.insert(format!("corrected-{i}"), with(1, &bytes(&row["file"])));
        let entries = list(row, "entries").iter().flat_map(|entry| {
            let (key, value) = (bytes(&entry["key"]), bytes(&entry["value"]));
            let kind = if entry["tombstone"] == true { 0 } else { 1 };
            [&[key.len().min(23) as u8, value.len().min(255) as u8, kind][..], &key[..key.len().min(23)]]
                .concat()
        });
        let target = (row["target_block_size"].as_u64().unwrap() / 8).min(255) as u8;
        seeds.insert(format!("made-{i}"), [2, target, 0, 0, 0].into_iter().chain(entries).collect());
    }
    seeds.insert("base".into(), with(0, &bytes(&tables["corrupt_base"])));
    seeds
}

/// Numbers for byte strings, in the order in which they appear; those at the limits keep their meaning.
#[derive(Default)]
struct Numbers(Vec<String>);

impl Numbers {
    fn of(&mut self, value: &Value, limit: usize) -> u8 {
        let text = value.as_str().unwrap();
        let len = text.strip_prefix("len:").map_or(text.len() / 2, |len| len.parse().unwrap());
        match len {
            0 => 250,
            _ if len == limit => 251,
            _ if len > limit => 252,
            _ => match self.0.iter().position(|known| known == text) {
                Some(at) => at as u8,
                None => {
                    self.0.push(text.into());
                    self.0.len() as u8 - 1
                }
            },
        }
    }
}

/// The steps of a script of the vectors.
fn steps(rows: &[Value]) -> Vec<[u8; 4]> {
    let [mut keys, mut values, mut ids] = <[Numbers; 3]>::default();
    let mut step = |row: &Value| {
        let mut key = || keys.of(&row["key"], 1_024);
        match row["op"].as_str().unwrap() {
            "put" => {
                let (value, id) = (values.of(&row["value"], 1 << 20), ids.of(&row["request_id"], 4_096));
                [0, key(), value, id]
            }
            "delete" => [6, key(), 0, ids.of(&row["request_id"], 4_096)],
            "get" => [8, key(), 0, 0],
            "flush" => [14, 0, 0, 0],
            "compact" => [14, 0, 1, 0],
            "reopen" => [13, 0, 1, 0],
            other => panic!("{other}"),
        }
    };
    rows.iter().map(&mut step).collect()
}

/// Both scripts, over both ways to the service, with a restart, a power cut and a move in the middle and the
/// same again; late, lost and refused requests; and each request as a frame.
fn service() -> Seeds {
    let (service, engine) = (vectors("kv-service.json"), vectors("kv-engine.json"));
    let mut seeds = Seeds::new();
    for (name, rows) in [("service", list(&service, "service")), ("engine", list(&engine, "script"))] {
        let steps = steps(rows);
        let mut add = |kind: &str, steps: Vec<[u8; 4]>| {
            seeds.insert(format!("{name}-{kind}"), with(0, &steps.concat()));
        };
        add("direct", steps.clone());
        add("wire", steps.iter().map(|[what, rest @ ..]| [what | 0x80, rest[0], rest[1], rest[2]]).collect());
        for (kind, between) in [
            ("restart", [13, 0, 0, 0]),
            ("power", [13, 0, 1, 0]),
            ("move", [15, 0, 0, 0]),
            ("forget", [15, 0, 1, 0]),
            ("halt", [15, 0, 2, 0]),
            ("follower", [10, 0, 1, 0]),
            ("no-leader", [10, 0, 2, 0]),
            ("cut-off", [10, 0, 0, 1]),
        ] {
            add(kind, [&steps[..], &[between], &steps[..]].concat());
        }
        let late = [&[[11, 0, 1, 0]][..], &steps[..12], &[[12, 0, 0, 0]], &steps[..12]].concat();
        let lost = [&[[11, 0, 2, 0]][..], &steps[..12], &[[11, 0, 0, 0]], &steps[..12]].concat();
        add("late", late);
        add("lost", lost);
    }
    let mut all = vec![1];
    for (i, row) in list(&service, "service").iter().enumerate() {
        let member = |name: &str| {
            let text = row[name].as_str().unwrap();
            if text.starts_with("len:") { vec![b'x'; 2] } else { hex::decode(text).unwrap() }
        };
        let key = member("key");
        let request = match row["op"].as_str().unwrap() {
            "put" => Request::Put { key, value: member("value"), request_id: member("request_id") },
            "delete" => Request::Delete { key, request_id: member("request_id") },
            _ => Request::Get { key },
        };
        let mut frame = Vec::new();
        write_frame(&mut frame, &request.encode()).unwrap();
        all.extend(&frame);
        if i < 8 {
            seeds.insert(format!("frame-{i}"), with(1, &frame));
        }
    }
    seeds.insert("frames".into(), all);
    seeds
}

#[test]
fn the_committed_seeds_are_those_of_the_vectors() {
    check_committed([("wal", wal(), 45), ("table", table(), 16), ("service", service(), 33)]);
}

#[test]
fn every_seed_runs() {
    for (run, seeds) in
        [(super::wal as fn(&[u8]), wal()), (super::table, table()), (super::service, service())]
    {
        seeds.values().for_each(|seed| run(seed));
    }
}

/// `ci/fuzz planted` begins with these seeds.
#[test]
fn some_seeds_of_each_target_get_behind_its_last_check() {
    let through = |seeds: Seeds, reaches: fn(&[u8]) -> bool| -> Vec<String> {
        seeds.into_iter().filter(|(_, seed)| reaches(seed)).map(|(name, _)| name).collect()
    };
    assert_eq!(
        through(wal(), |seed| super::wal::replayed(&seed[1..])),
        ["cut-75", "cut-90", "zeros-1", "zeros-24", "zeros-30"]
    );
    let tables = through(table(), super::table::searched);
    assert_eq!(tables, ["base", "corrected-2", "corrected-3", "file-2", "file-3", "made-2"]);
    let scripts = through(service(), |seed| seed[0] == 0 && super::service::played(&seed[1..]));
    let restarted = ["engine-power", "engine-restart", "service-power", "service-restart"];
    assert!(restarted.iter().all(|name| scripts.contains(&(*name).into())), "{scripts:?}");
}

/// What a fuzzer would do first: bytes altered, removed, repeated, and taken from other seeds.
#[test]
fn altered_seeds_run() {
    const TIMES: usize = 20;
    let mut state = 1_u64;
    let mut draw = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (run, seeds) in
        [(super::wal as fn(&[u8]), wal()), (super::table, table()), (super::service, service())]
    {
        let seeds: Vec<_> = seeds.into_values().collect();
        for seed in &seeds {
            for _ in 0..TIMES {
                let mut data = seed.clone();
                for _ in 0..1 + draw(4) {
                    let (at, len) = (draw(data.len()), 1 + draw(16));
                    let end = (at + len).min(data.len());
                    match draw(5) {
                        0 => data[at] ^= 1 << draw(8),
                        1 => data[at] = [0, 1, 2, 0x7f, 0x80, 0xff][draw(6)],
                        2 if data.len() > 32 => drop(data.drain(at..end)),
                        3 => data.extend_from_within(at..end),
                        _ => {
                            let other = &seeds[draw(seeds.len())];
                            data.truncate(at.max(1));
                            data.extend(&other[draw(other.len())..]);
                        }
                    }
                }
                run(&data);
            }
        }
    }
}
