use super::*;
use crate::aead::Alg;
use crate::engine::Witnesses;
use crate::engine::witness::Length;
use crate::report::sample;
use crate::trace::{Seen, Width, Witness};

fn both() -> Section {
    Section { host: sample::host(), verify: Some(sample::report()), bench: Some(sample::run()) }
}

fn standing(answer: &Answer, engine: &str) -> Standing {
    answer.engines.iter().find(|one| one.name == engine).expect("it is listed").standing.clone()
}

#[test]
fn each_engine_says_whether_it_is_right_or_why_it_took_no_part() {
    let answer = both().answer();
    assert_eq!(answer.cpu, sample::host().cpu);
    assert_eq!(standing(&answer, "ring"), Standing::Right { cases: 16_264, unsupported: 7_683 });
    let Standing::Wrong { cases, why, .. } = standing(&answer, "graviola") else { panic!("it is wrong") };
    assert_eq!(cases, Cases { ran: 16_252, wrong: 1 });
    assert!(why.contains("tc 92: a modified tag was accepted"), "{why}");
    let Standing::Absent { why } = standing(&answer, "sealmark/vaes512") else { panic!("it is absent") };
    assert_eq!(why, "this CPU lacks avx512f");
    assert_eq!((answer.right(), answer.wrong(), answer.present().count()), (5, 1, 6));
    assert_eq!(answer.without_engine, Some(Cases { ran: 24, wrong: 0 }));
    assert_eq!(answer.cases, Some(Cases { ran: 23_971, wrong: 1 }));
    let graviola = answer.engines.iter().find(|one| one.name == "graviola").expect("listed");
    assert_eq!(graviola.failed_rows, 1);
}

#[test]
fn an_engine_that_fails_without_a_wrong_case_is_not_right() {
    let mut section = both();
    let report = section.verify.as_mut().expect("a verification");
    report.sets[0].engines.get_mut("aws-lc").expect("a tally").agree -= 1;
    let answer = section.answer();
    let Standing::Wrong { cases, why, .. } = standing(&answer, "aws-lc") else { panic!("a case is missing") };
    assert_eq!((cases.wrong, why.as_str()), (0, "7874 cases came out, 7875 are declared"));
}

#[test]
fn an_engine_that_was_only_measured_is_called_unverified() {
    let section = Section { verify: None, ..both() };
    let answer = section.answer();
    assert_eq!(standing(&answer, "ring"), Standing::Unverified);
    assert_eq!((answer.right(), answer.cases), (0, None));
}

#[test]
fn the_leads_are_at_64_bytes_and_16_kib_with_the_best_peer_of_one_of_ours() {
    let answer = both().answer();
    let (short, long) = (answer.short.as_ref().expect("measured"), answer.long.as_ref().expect("measured"));
    assert_eq!((short.bytes, short.engine.as_str()), (64, "sealmark/aesni"));
    assert_eq!(short.best_peer().map(|peer| peer.engine.as_str()), Some("graviola"));
    assert!(short.is_clear());
    assert_eq!((long.bytes, long.engine.as_str()), (16_384, "aws-lc"));
    assert_eq!(long.best_peer(), None, "the fastest is a peer");
    assert_eq!(answer.keys[0].0, "sealmark/aesni");
    assert_eq!(
        answer.sentences(),
        [
            "Short messages (64 B): sealmark/aesni is fastest at 3.35 GB/s, 72.2 % faster than the best \
             peer, graviola.",
            "Long messages (16 KiB): aws-lc is fastest at 14.3 GB/s, 82.4 % faster than the runner-up, \
             sealmark/aesni."
        ]
    );
    assert_eq!(
        answer.headline(),
        "5 of 6 engines right; 23,971 cases, 1 wrong; fastest aes-256-gcm seal at 64 B: \
         sealmark/aesni at 3.35 GB/s; at 16 KiB: aws-lc at 14.3 GB/s."
    );
}

#[test]
fn a_lead_is_too_close_to_call_where_the_interval_of_the_ratio_reaches_one() {
    let rows = |peer: &[f64]| {
        vec![
            sample::row("seal", "aes-256-gcm", 64, "ring", &[100.0, 120.0, 110.0]),
            sample::row("seal", "aes-256-gcm", 64, "aws-lc", peer),
        ]
    };
    let lead = |rows| {
        let run = measure::Run { rows, ..sample::run() };
        lead::leads(&run)[0].clone().expect("a lead")
    };
    // Slower by a tenth in each process, though the times of the processes overlap.
    let clear = lead(rows(&[110.0, 132.0, 121.0]));
    assert!(clear.engine == "ring" && clear.is_clear() && (clear.others[0].ratio - 1.1).abs() < 1e-9);
    let near = lead(rows(&[99.0, 132.0, 121.0]));
    assert!(near.others[0].close);
    assert!(near.sentence("Short messages").contains("and aws-lc are too close to call"));
    // A lost process leaves nothing to pair: the intervals of the times decide.
    let lost = lead(rows(&[119.0, 121.0]));
    assert!(lost.others[0].close);
    let failed = {
        let mut rows = rows(&[90.0, 90.0, 90.0]);
        rows[1].error = Some("wrong".into());
        lead(rows)
    };
    assert_eq!((failed.engine.as_str(), failed.failed.as_slice()), ("ring", &["aws-lc".to_owned()][..]));
    assert!(!failed.is_clear(), "one engine alone is not the fastest");
    assert!(failed.sentence("Short messages").ends_with("; no time of aws-lc."));
}

#[test]
fn other_sizes_and_operations_answer_where_the_usual_ones_were_not_measured() {
    let rows = [16, 300, 2048].map(|bytes| sample::row("open", "aes-128-gcm", bytes, "ring", &[9.0]));
    let run = measure::Run { rows: rows.into(), ..sample::run() };
    let [short, long] = lead::leads(&run).map(|lead| lead.expect("measured"));
    assert_eq!((short.bytes, long.bytes, short.op.as_str()), (16, 2048, "open"));
    let run = measure::Run { rows: vec![sample::row("key", "aes-256-gcm", 0, "ring", &[9.0])], ..run };
    assert_eq!(lead::leads(&run), [None, None]);
}

#[test]
fn what_was_executed_is_said_for_long_messages_and_for_short_ones_where_they_differ() {
    let seen = |aes, multiply| {
        let seen = |width| Some(Seen { width: Some(width), symbol: "kernel".into(), count: 1 });
        Witness { aes: seen(aes), multiply: seen(multiply) }
    };
    let mut witnesses = Witnesses::default();
    witnesses.keep("ring", Alg::Aes256Gcm, Length::Short, Ok(seen(Width::Xmm, Width::Xmm)));
    witnesses.keep("ring", Alg::Aes256Gcm, Length::Long, Ok(seen(Width::Zmm, Width::Xmm)));
    witnesses.keep("aws-lc", Alg::Aes256Gcm, Length::Long, Err("ptrace is forbidden".into()));
    let mut section = both();
    for engine in &mut section.verify.as_mut().expect("a verification").engines {
        engine.witnesses = witnesses.of(&engine.name).to_vec();
    }
    let answer = section.answer();
    let executed =
        |name: &str| answer.engines.iter().find(|one| one.name == name).expect("listed").executed.clone();
    let words = "zmm AES, xmm CLMUL (short: xmm, xmm)";
    assert_eq!(executed("ring"), Ok(words.to_owned()));
    assert_eq!(executed("aws-lc"), Err("ptrace is forbidden".to_owned()));
    let said = "no trace of what aws-lc executed: ptrace is forbidden";
    assert!(answer.unsure.iter().any(|words| words == said), "{:?}", answer.unsure);
}
