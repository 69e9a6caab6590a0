//! Power cuts at every step: what was acknowledged is there, and nothing is there in part.

use std::collections::BTreeMap;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// The acts of a life, each acknowledged or not as a whole.
#[derive(Clone, Copy, Debug)]
enum Act {
    Put(u8, u8),
    Delete(u8),
    /// Two rows with one sync; a power cut may leave the first alone.
    Two(u8, u8),
    Flush,
    Compact,
    Reopen,
}

const LIFE: [Act; 12] = [
    Act::Put(1, 1),
    Act::Two(2, 2),
    Act::Flush,
    Act::Put(1, 3),
    Act::Delete(2),
    Act::Reopen,
    Act::Put(4, 4),
    Act::Flush,
    Act::Put(5, 5),
    Act::Compact,
    Act::Put(1, 6),
    Act::Delete(5),
];

fn apply(model: &mut Model, mutations: &[Mutation]) {
    for Mutation { op, key, value, .. } in mutations {
        match op {
            Operation::Put => model.insert(key.clone(), value.clone()),
            Operation::Delete => model.remove(key),
        };
    }
}

/// Lives until the disk fails. Returns the states that may be found afterwards: of what was acknowledged, and
/// with each beginning of the act that was cut.
fn live(disk: &Recorder) -> Vec<Model> {
    let mut model = Model::new();
    let Ok(mut engine) = open_with(disk, Tail::Truncate) else { return vec![model] };
    for (i, act) in LIFE.into_iter().enumerate() {
        let id = |n: u8| vec![b'r', i as u8, n];
        let mutations = match act {
            Act::Put(key, value) => vec![Mutation::put([key], [value; 40], id(0))],
            Act::Delete(key) => vec![Mutation::delete([key], id(0))],
            Act::Two(key, value) => {
                vec![Mutation::put([key], [value; 40], id(0)), Mutation::put([key + 1], [value; 40], id(1))]
            }
            Act::Flush | Act::Compact | Act::Reopen => Vec::new(),
        };
        let done = match act {
            Act::Flush => engine.flush().is_ok(),
            Act::Compact => engine.compact().is_ok(),
            Act::Reopen => {
                drop(engine);
                let Ok(again) = open_with(disk, Tail::Truncate) else { return vec![model] };
                engine = again;
                true
            }
            _ => engine.commit(&mutations).is_ok(),
        };
        let rows = engine.scan().unwrap_or_default().into_iter().collect::<Model>();
        if !done {
            let beginnings = (0..=mutations.len()).map(|count| {
                let mut state = model.clone();
                apply(&mut state, &mutations[..count]);
                state
            });
            return beginnings.collect();
        }
        apply(&mut model, &mutations);
        assert_eq!(rows, model, "{i}: {act:?}");
    }
    vec![model]
}

#[test]
fn a_power_cut_at_any_step_of_a_life_loses_nothing_acknowledged_and_shows_nothing_in_part() {
    let disk = empty();
    live(&disk);
    let steps = disk.steps().len();
    let (mut states, mut cut_off) = (0, 0);
    for cut in 0..=steps {
        let disk = empty();
        disk.plan(cut, Fault::Power);
        let allowed = live(&disk);
        for left in disk.after_power_loss() {
            let mut engine = open_with(&left, Tail::Truncate)
                .unwrap_or_else(|error| panic!("cut at step {cut}: {error}; {:?}", left.names()));
            let found: Model = engine.scan().unwrap().into_iter().collect();
            assert!(allowed.contains(&found), "cut at step {cut}: {found:?} is none of {allowed:?}");
            cut_off += u64::from(engine.recovery().truncated > 0);
            // The survivor works, and what it says survives a strict start.
            engine.put(b"after", b"all", b"after").unwrap();
            engine.compact().unwrap();
            let rows = engine.scan().unwrap();
            drop(engine);
            assert_eq!(open(&left).scan().unwrap(), rows, "cut at step {cut}");
            states += 1;
        }
    }
    assert!(steps > 60 && states > 200 && cut_off > 10, "{steps} steps, {states} states, {cut_off} cut off");
}

#[test]
fn an_error_at_any_step_of_a_life_loses_nothing_acknowledged() {
    let disk = empty();
    live(&disk);
    let steps = disk.steps().len();
    for (at, fault) in (0..steps).flat_map(|at| [(at, Fault::Io), (at, Fault::NoSpace)]) {
        let disk = empty();
        disk.plan(at, fault);
        let allowed = live(&disk);
        let left = disk.after_restart();
        let engine =
            open_with(&left, Tail::Truncate).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
        let found: Model = engine.scan().unwrap().into_iter().collect();
        assert!(allowed.contains(&found), "{fault:?} at step {at}: {found:?} is none of {allowed:?}");
    }
}

#[test]
fn what_a_start_finds_after_a_kill_or_an_error_at_any_step_survives_a_power_cut() {
    let disk = empty();
    live(&disk);
    let steps = disk.steps().len();
    let mut states = 0;
    for (at, fault) in (0..steps).flat_map(|at| [(at, Fault::Power), (at, Fault::Io), (at, Fault::NoSpace)]) {
        let disk = empty();
        disk.plan(at, fault);
        let allowed = live(&disk);
        let killed = disk.after_kill();
        let rows = |disk: &Recorder, when: &str| -> Model {
            let engine = open_with(disk, Tail::Truncate);
            let engine = engine.unwrap_or_else(|error| panic!("{fault:?} at {at}, {when}: {error}"));
            engine.scan().unwrap().into_iter().collect()
        };
        let found = rows(&killed, "after the kill");
        assert!(allowed.contains(&found), "{fault:?} at {at}: {found:?} is none of {allowed:?}");
        for left in killed.some_after_power_loss(4, |of| at % of) {
            assert_eq!(rows(&left, "after the power cut"), found, "{fault:?} at {at}");
            states += 1;
        }
    }
    assert!(states > 3 * steps, "{states} states of {steps} steps");
}
