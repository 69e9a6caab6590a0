//! Conversations with a worker in this process.

use super::*;
use crate::measure::worker::protocol::{CAPABILITIES, MINOR};
use crate::measure::workload::testing::{Broken, Fault as Defect};

const HELLO: &str = r#"{"command":"hello","major":1,"minor":0,"program":"a test"}"#;
const PREPARE: &str =
    r#"{"command":"prepare","workload":"seal/aes-256-gcm/64","engine":"sealmark","operations":3}"#;

const SAMPLE: &str = concat!(
    r#"{"command":"sample","engines":["sealmark"],"seed":1,"rounds":1,"#,
    r#""target_ns":1,"workloads":["nonce"]}"#
);

fn session<'a>(engines: &'a [&'static dyn Engine]) -> Session<'a> {
    let clock = Clock { grain_ns: 1.0, overhead_ns: 0.0 };
    let pinning = Pinning::Not("a test has its core for itself no more than others");
    Session {
        known: Known::ours(engines),
        pinning,
        clock,
        cycles: None,
        slots: BTreeMap::new(),
        greeted: false,
    }
}

/// The answers of a session to these lines.
fn answers_of(session: &mut Session<'_>, lines: &[&str]) -> Vec<Answer> {
    let mut told = Vec::new();
    let mut tell = |answer| {
        told.push(answer);
        Ok(())
    };
    session.serve(&mut lines.join("\n").as_bytes(), &mut tell).unwrap();
    told
}

/// The answers to these lines after a hello.
fn answers(lines: &[&str]) -> Vec<Answer> {
    let told = answers_of(&mut session(&[]), &[&[HELLO], lines].concat());
    assert!(matches!(told[0], Answer::Hello(_)), "{told:?}");
    told[1..].to_vec()
}

/// The fault and the reason of an error.
fn error(answer: &Answer) -> (Fault, &str) {
    match answer {
        Answer::Error { cause, why } => (*cause, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_prepared_run_in_slices_checked_and_timed_one_by_one() {
    let told = answers(&[
        PREPARE,
        r#"{"command":"run"}"#,
        r#"{"command":"run","operations":7,"cycles":true,"stack_offset":4080}"#,
        r#"{"command":"run","operations":3,"ns":1e15}"#,
        r#"{"command":"check"}"#,
        r#"{"command":"tails"}"#,
        r#"{"command":"end"}"#,
        r#"{"command":"run"}"#,
    ]);
    let Answer::Prepared { slot: 0, operations: 3, pass_ns, arena: Some(_) } = told[0] else {
        panic!("{told:?}")
    };
    assert!(pass_ns > 0.0);
    let ran: Vec<_> = told[1..4]
        .iter()
        .map(|answer| match answer {
            Answer::Ran { slot: 0, operations, ns, cycles } if *ns > 0.0 => (*operations, *cycles),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((ran[0], ran[2]), ((3, None), (3, None)), "one pass where nothing else is asked for");
    assert!(ran[1].0 == 9 && ran[1].1.is_some_and(|cycles| cycles > 0.0), "whole passes: {:?}", ran[1]);
    assert_eq!(told[4], Answer::Checked { slot: 0 });
    assert!(matches!(told[5], Answer::Tails { slot: 0, .. }));
    assert_eq!(told[6..], [Answer::Ended], "nothing is heard after the end");
}

#[test]
fn a_slice_ends_with_the_pass_that_reaches_its_time() {
    struct Counted;
    impl Timed for Counted {
        fn reset(&mut self) {}
        fn run(&mut self) {}
        fn count(&self) -> u64 {
            5
        }
        fn check(&mut self) -> Result<(), String> {
            Err("it is wrong".into())
        }
    }
    let mut session = session(&[]);
    // Every pass is shorter than this clock's overhead, so each counts as the clock's error.
    session.clock = Clock { grain_ns: 1.0, overhead_ns: 1e12 };
    assert_eq!(answers_of(&mut session, &[HELLO, PREPARE]).len(), 2);
    session.slots.get_mut(&0).unwrap().batch = Box::new(Counted);
    let run = |most, ns| Slice { operations: most, ns, ..Slice::default() };
    for (slice, passes) in [
        (run(None, None), 1),
        (run(None, Some(3e12)), 3),
        (run(None, Some(3.001e12)), 4),
        (run(Some(10), Some(3e12)), 2),
        (run(Some(1000), Some(2e12)), 2),
        (run(Some(0), None), 1),
    ] {
        let Ok(Answer::Ran { operations, .. }) = session.run(&slice) else { panic!("{slice:?}") };
        assert_eq!(operations, passes * 5, "{slice:?}");
    }
    let told = answers_of(&mut session, &[r#"{"command":"check"}"#]);
    assert_eq!(error(&told[0]), (Fault::Engine, "sealmark: it is wrong"));
}

#[test]
fn a_delay_is_within_the_time_of_its_slice_and_comes_once() {
    struct Two;
    impl Timed for Two {
        fn reset(&mut self) {}
        fn run(&mut self) {}
        fn count(&self) -> u64 {
            2
        }
        fn check(&mut self) -> Result<(), String> {
            Ok(())
        }
    }
    const MS: f64 = 1e6;
    let mut session = session(&[]);
    assert_eq!(answers_of(&mut session, &[HELLO, PREPARE]).len(), 2);
    session.slots.get_mut(&0).unwrap().batch = Box::new(Two);
    for (delay_ns, most) in [(50.0 * MS, None), (50.0 * MS, Some(20)), (5e3, Some(2))] {
        let slice = Slice { operations: most, delay_ns: Some(delay_ns), ..Slice::default() };
        let Ok(Answer::Ran { operations, ns, .. }) = session.run(&slice) else { panic!("{slice:?}") };
        assert_eq!(operations, most.unwrap_or(2), "the same work as without a delay");
        assert!(ns >= delay_ns, "{ns} of {slice:?}");
    }
    // It counts towards the time to spend, and the passes after the first, which take next to nothing, have
    // none: there is room for a hundred delays.
    let slice = Slice { ns: Some(60.0 * MS), delay_ns: Some(61.0 * MS), ..Slice::default() };
    assert!(matches!(session.run(&slice), Ok(Answer::Ran { operations: 2, .. })), "{slice:?}");
    let slice = Slice { ns: Some(100.0 * MS), delay_ns: Some(MS), ..Slice::default() };
    let Ok(Answer::Ran { operations, .. }) = session.run(&slice) else { panic!("{slice:?}") };
    assert!(operations > 2 * 100, "{operations}");
    let told = answers(&[
        PREPARE,
        r#"{"command":"run","operations":6,"delay_ns":1000.5}"#,
        r#"{"command":"run","delay_ns":-1}"#,
        r#"{"command":"run","delay_ns":1e10}"#,
        r#"{"command":"check"}"#,
    ]);
    assert!(matches!(told[1], Answer::Ran { operations: 6, ns, .. } if ns >= 1000.5), "{told:?}");
    for (answer, ns) in told[2..4].iter().zip(["-1", "10000000000"]) {
        let (fault, why) = error(answer);
        assert_eq!(fault, Fault::Command);
        assert_eq!(why, format!("a slice is delayed by 0 to 1000000000 ns, not by {ns}"));
    }
    assert_eq!(told[4], Answer::Checked { slot: 0 }, "a delayed batch is as right as another");
}

#[test]
fn batches_are_kept_in_slots_and_replaced() {
    let in_slot = |slot: u32, bytes: u32| {
        let of = PREPARE.replace("seal/aes-256-gcm/64", &format!("open/aes-256-gcm/{bytes}"));
        of.replace(":3}", &format!(":{bytes},\"slot\":{slot},\"seed\":9}}"))
    };
    let run = |slot| format!(r#"{{"command":"run","slot":{slot}}}"#);
    let lines = [in_slot(0, 16), in_slot(511, 64), run(0), run(511), in_slot(0, 256), run(0)];
    let told = answers(&lines.each_ref().map(String::as_str));
    let ran: Vec<_> = told
        .iter()
        .filter_map(|answer| match answer {
            Answer::Ran { slot, operations, .. } => Some((*slot, *operations)),
            _ => None,
        })
        .collect();
    assert_eq!(ran, [(0, 16), (511, 64), (0, 256)]);
}

#[test]
fn buffers_are_moved_and_their_batch_stays_right() {
    for path in ["seal/aes-256-gcm/64", "open/aes-256-gcm/64", "seal/record/64", "open/record/64"] {
        let mut lines = vec![PREPARE.replace("seal/aes-256-gcm/64", path)];
        for offset in [0, 64, 4032, 64] {
            lines.push(format!(r#"{{"command":"run","arena_offset":{offset},"stack_offset":16}}"#));
            lines.push(r#"{"command":"check"}"#.to_owned());
        }
        let told = answers(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told.len(), lines.len());
        for pair in told[1..].chunks(2) {
            let [Answer::Ran { .. }, Answer::Checked { .. }] = pair else { panic!("{path}: {told:?}") };
        }
    }
    let told = answers(&[
        r#"{"command":"prepare","workload":"nonce","engine":"sealmark"}"#,
        r#"{"command":"run","arena_offset":64}"#,
    ]);
    assert_eq!(error(&told[1]), (Fault::Command, "the buffers of nonce cannot be moved"));
}

#[test]
fn what_cannot_be_carried_out_is_an_error_and_the_worker_goes_on() {
    let place = |of: &str, offset: &str, at: u32| {
        format!(r#"{{"command":"{of}","{offset}":{at},"workload":"nonce","engine":"sealmark"}}"#)
    };
    let cases = [
        (r#"{"command":"fly"}"#.to_owned(), Fault::Command, "unknown variant `fly`"),
        ("{\"command\":".to_owned(), Fault::Command, "this is not a command: EOF"),
        ("\"run\"".to_owned(), Fault::Command, "this is not a command"),
        (r#"{"command":"run","slot":7}"#.to_owned(), Fault::Command, "nothing is prepared in slot 7"),
        (r#"{"command":"check","slot":7}"#.to_owned(), Fault::Command, "nothing is prepared in slot 7"),
        (r#"{"command":"tails","slot":7}"#.to_owned(), Fault::Command, "nothing is prepared in slot 7"),
        (PREPARE.replace("64", "65"), Fault::Unknown, "there is no workload seal/aes-256-gcm/65"),
        (PREPARE.replace("sealmark", "rong"), Fault::Unknown, "no engine is called rong"),
        (PREPARE.replace(":3}", ":0}"), Fault::Command, "has 1 to 16384 operations"),
        (PREPARE.replace(":3}", ":16385}"), Fault::Command, "has 1 to 16384 operations"),
        (PREPARE.replace(":3}", ":18446744073709551615}"), Fault::Command, "has 1 to 16384 operations"),
        (PREPARE.replace(":3}", ":3,\"slot\":512}"), Fault::Command, "the last one is 511"),
        (place("prepare", "stack_offset", 8), Fault::Command, "a multiple of 16 below 4096, not 8"),
        (place("run", "stack_offset", 4096), Fault::Command, "a multiple of 16 below 4096, not 4096"),
        (place("prepare", "arena_offset", 4096), Fault::Command, "an arena offset is a multiple of 64"),
        (place("run", "arena_offset", 16), Fault::Command, "a multiple of 64 below 4096, not 16"),
    ];
    let mut lines: Vec<&str> = cases.iter().map(|(line, ..)| line.as_str()).collect();
    lines.extend([PREPARE, r#"{"command":"run"}"#]);
    let told = answers(&lines);
    assert_eq!(told.len(), cases.len() + 2);
    for ((line, fault, reason), answer) in cases.iter().zip(&told) {
        let (cause, why) = error(answer);
        assert!(cause == *fault && why.contains(reason), "{line}: {cause:?}, {why}");
    }
    assert!(matches!(told[cases.len() + 1], Answer::Ran { operations: 3, .. }));
}

#[test]
fn a_wrong_engine_is_not_prepared_and_its_slot_is_empty() {
    for (defect, reason) in [
        (Defect::FlipsTag, "tag"),
        (Defect::Unavailable, "it was told not to be"),
        (Defect::Unsupported, "does not support the calls of seal/aes-256-gcm/64"),
    ] {
        let broken = Broken::with(defect);
        let prepare = PREPARE.replace("\"sealmark\"", &format!("{:?}", broken.name()));
        let mut session = session(&[]);
        let engines = [broken];
        session.known = Known::ours(&engines);
        let told = answers_of(&mut session, &[HELLO, &prepare, r#"{"command":"run"}"#]);
        let (cause, why) = error(&told[1]);
        assert!(cause == Fault::Engine && why.starts_with(broken.name()) && why.contains(reason), "{why}");
        assert_eq!(error(&told[2]), (Fault::Command, "nothing is prepared in slot 0"));
    }
}

#[test]
fn a_driver_of_another_version_is_told_which_one_this_is_and_nothing_else_is_done() {
    let newer = HELLO.replace("\"major\":1", "\"major\":2");
    let told = answers_of(&mut session(&[]), &[PREPARE, &newer, PREPARE, HELLO, PREPARE]);
    for refused in [&told[0], &told[2]] {
        assert_eq!(error(refused), (Fault::Command, "the first command is a `hello` of version 1"));
    }
    for greeting in [&told[1], &told[3]] {
        let Answer::Hello(hello) = greeting else { panic!("{greeting:?}") };
        assert_eq!((hello.major, hello.minor), (MAJOR, MINOR));
        assert_eq!(hello.capabilities, CAPABILITIES);
    }
    assert!(matches!(told[4], Answer::Prepared { .. }));
}

#[test]
fn a_newer_driver_of_the_same_major_version_is_understood() {
    let told = answers_of(
        &mut session(&[]),
        &[
            r#"{"command":"hello","major":1,"minor":9,"program":"later","colour":"blue"}"#,
            &PREPARE.replace(":3}", ":3,\"later\":{\"still\":[1]}}"),
            r#"{"command":"run","later":true}"#,
        ],
    );
    assert!(matches!(told[2], Answer::Ran { operations: 3, .. }), "{told:?}");
}

#[test]
fn a_sampling_in_turns_waits_for_each_step_and_ends_where_nobody_lets_it_go_on() {
    const GO: &str = r#"{"command":"go"}"#;
    let in_turns = SAMPLE.replace("\"rounds\":1", "\"rounds\":2,\"turns\":true");
    assert_eq!(error(&answers(&[GO])[0]), (Fault::Command, "no sampling is waiting for its turn"));
    // To prepare, for each of two rounds, and to check.
    let told = answers(&[&in_turns, GO, GO, GO, GO, r#"{"command":"end"}"#]);
    let waits: Vec<_> =
        (0..told.len()).filter(|&at| told[at] == Answer::Waiting).map(|at| &told[at + 1]).collect();
    let [Answer::At { .. }, Answer::Sampling { .. }, Answer::Sampling { .. }, Answer::Sampling { .. }] =
        waits[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(told[told.len() - 2..], [Answer::Sampled, Answer::Ended]);
    for (rest, kind) in [
        (&[GO][..], io::ErrorKind::BrokenPipe),
        (&[GO, "nonsense"], io::ErrorKind::InvalidData),
        (&[GO, r#"{"command":"end"}"#], io::ErrorKind::InvalidData),
    ] {
        let mut told = 0;
        let mut tell = |_| {
            told += 1;
            Ok(())
        };
        let lines = [&[HELLO, &in_turns][..], rest].concat().join("\n");
        let result = session(&[]).serve(&mut lines.as_bytes(), &mut tell);
        assert!(matches!(&result, Err(Error::Worker(error)) if error.kind() == kind), "{rest:?}: {result:?}");
        assert!(told > 4, "it had begun");
    }
}

#[test]
fn sampling_is_one_command_among_others() {
    let told =
        answers(&[&SAMPLE.replace("\"nonce\"", "\"nonce\",\"rot-13\""), SAMPLE, r#"{"command":"end"}"#]);
    assert_eq!(error(&told[0]), (Fault::Unknown, "there is no workload rot-13"));
    assert!(matches!(told[1], Answer::Clock(_)));
    let done = &told[told.len() - 3..];
    assert!(matches!(&done[0], Answer::Workload { rows, .. } if rows[0].time().is_ok()), "{done:?}");
    assert_eq!(done[1..], [Answer::Sampled, Answer::Ended]);
}
