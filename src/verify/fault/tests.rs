//! Every scheme keeps its claims; a double that lies or breaks its law fails for that reason.

use super::double::{Double, clear, frames, log, stream};
use super::*;
use crate::aead::Alg;
use crate::engine::{Shape, find};
use crate::scheme::{Law, schemes};

/// The cases that a scheme fails, each with the reason.
fn wrong(scheme: &'static dyn Scheme) -> Vec<(String, String)> {
    let set = set(scheme, 1);
    assert_eq!(set.broken, [""; 0]);
    assert_eq!(set.cases.len() as u64, set.declared);
    let engine = find("sealmark").unwrap();
    let outcome = |case: &Case| match case.check.run(engine) {
        Outcome::Agree => None,
        Outcome::Wrong { what } => Some((case.id.clone(), what)),
        other => panic!("{}: {other:?}", case.id),
    };
    set.cases.iter().filter_map(outcome).collect()
}

fn ids(wrong: &[(String, String)]) -> Vec<&str> {
    wrong.iter().map(|(id, _)| id.as_str()).collect()
}

/// Checks that exactly those cases fail, each for that reason.
fn assert_found(scheme: &'static dyn Scheme, expected: &[(&str, &str)]) {
    let wrong = wrong(scheme);
    assert_eq!(ids(&wrong), expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{wrong:?}");
    for ((id, what), (_, reason)) in wrong.iter().zip(expected) {
        assert!(what.contains(reason), "{id}: {what}");
    }
}

#[test]
fn every_scheme_and_every_honest_double_passes() {
    for scheme in schemes() {
        assert_found(scheme, &[]);
    }
    static HONEST: [Double; 3] = [frames::HONEST, stream::HONEST, log::HONEST];
    let laws = HONEST.each_ref().map(|double| {
        assert_found(double, &[]);
        double.law
    });
    assert_eq!(laws, [Law::AtMostOnce, Law::AllOrNothing, Law::Prefix]);
}

#[test]
fn every_fault_and_every_part_has_a_case() {
    let ids = |scheme: &'static dyn Scheme| -> Vec<String> {
        set(scheme, 1).cases.into_iter().map(|case| case.id).collect()
    };
    let storage = schemes().into_iter().find(|scheme| scheme.name() == "storage").unwrap();
    let whole =
        ["none", "flip", "cut", "extend", "swap", "copy", "drop", "repeat", "splice", "tail", "older"];
    assert_eq!(ids(storage), whole);
    static FRAMES: Double = frames::HONEST;
    assert_eq!(ids(&FRAMES)[..6], ["none", "flip", "flip/sequence", "cut", "cut/sequence", "extend"]);
    static LOG: Double = log::HONEST;
    assert_eq!(
        ids(&LOG),
        [
            "none",
            "flip/body",
            "flip/head",
            "flip/start",
            "cut/body",
            "cut/head",
            "cut/start",
            "extend",
            "drop",
            "repeat",
            "splice",
            "tail",
            "older",
            "forge/body",
            "forge/head",
            "forge/start",
        ]
    );
    static STREAM: Double = stream::HONEST;
    for kind in ["drop/chunk", "drop/last", "swap", "swap/chunk"] {
        assert!(ids(&STREAM).iter().any(|id| id == kind), "{kind}");
    }
}

#[test]
fn a_receiver_without_a_window_breaks_at_most_once() {
    static WITHOUT: Double = frames::WITHOUT_WINDOW;
    let unseen = "it is not refused; judged Caught";
    assert_found(&WITHOUT, &[("copy", unseen), ("repeat", unseen), ("older", unseen)]);
    static ADMITS: Double = Double { judge: |_, _| Judgement::Harmless, ..frames::WITHOUT_WINDOW };
    let wrong = wrong(&ADMITS);
    let what = |id: &str| &wrong.iter().find(|(of, _)| of == id).expect(id).1;
    assert!(what("repeat").contains("the reader returned message 0 twice"), "{wrong:?}");
    assert!(what("older").contains("the reader returned another message as number 0"), "{wrong:?}");
}

#[test]
fn a_receiver_that_lies_about_loss_and_order_is_found() {
    static STRICT: Double = Double { judge: |_, _| Judgement::Caught, ..frames::HONEST };
    let unseen = "it is not refused";
    assert_found(&STRICT, &[("swap", unseen), ("drop", unseen), ("tail", unseen)]);
    static MODEST: Double = Double {
        judge: |fault, part| match fault {
            Fault::Swap | Fault::Repeat => Judgement::Blind("so it says"),
            _ => frames::judge(fault, part),
        },
        ..frames::HONEST
    };
    assert_found(
        &MODEST,
        &[
            ("swap", "it does no harm: the law holds, and no message is missing"),
            ("repeat", "it is refused with replayed"),
        ],
    );
}

#[test]
fn a_refusal_by_a_name_that_is_not_the_schemes_does_not_count() {
    static UNNAMED: Double = Double { refusals: &["short", "forged"], ..frames::HONEST };
    let unnamed = "\"replayed\" is not one of the scheme's refusals";
    assert_found(&UNNAMED, &[("copy", unnamed), ("repeat", unnamed), ("older", unnamed)]);
}

#[test]
fn a_stream_that_returns_only_a_part_breaks_all_or_nothing() {
    static UNMARKED: Double = stream::UNMARKED;
    let unseen = "it is not refused; judged Caught";
    assert_found(&UNMARKED, &[("drop/chunk", unseen), ("tail", unseen)]);
    static EAGER: Double = stream::EAGER;
    let wrong = wrong(&EAGER);
    assert!(ids(&wrong).contains(&"tail") && ids(&wrong).contains(&"flip/last"), "{wrong:?}");
    assert!(wrong.iter().all(|(_, what)| what.contains("messages, not all or none")), "{wrong:?}");
    static LOSES: Double = Double {
        judge: |fault, _| if fault == Fault::Tail { Judgement::Harmless } else { Judgement::Caught },
        ..stream::UNMARKED
    };
    assert_found(&LOSES, &[("drop/chunk", unseen), ("tail", "message 0 is missing unnoticed")]);
}

#[test]
fn a_log_that_continues_after_damage_breaks_the_prefix() {
    static SKIPS: Double = log::SKIPS;
    let wrong = wrong(&SKIPS);
    assert!(ids(&wrong).contains(&"flip/body"), "{wrong:?}");
    assert!(wrong.iter().all(|(_, what)| what.contains("in place of")), "{wrong:?}");
}

#[test]
fn a_log_that_lies_about_forgery_and_age_is_found() {
    static PROUD: Double = Double {
        judge: |fault, part| match fault {
            Fault::Forge if part == "body" => Judgement::Caught,
            Fault::Older => Judgement::Harmless,
            Fault::Flip if part == "body" => Judgement::Alters("so it says"),
            Fault::Splice => Judgement::Alters("so it says"),
            _ => log::judge(fault, part),
        },
        ..log::HONEST
    };
    assert_found(
        &PROUD,
        &[
            ("flip/body", "it is refused with damaged"),
            ("splice", "the reader returned no message that was never protected"),
            ("older", "the reader returned another message as number 0"),
            ("forge/body", "it is not refused"),
        ],
    );
}

#[test]
fn a_scheme_that_protects_nothing_is_found_whatever_it_claims() {
    static CAUGHT: Double = clear::CAUGHT;
    static HARMLESS: Double = clear::HARMLESS;
    static BLIND: Double = clear::BLIND;
    let all = ["flip", "cut", "extend", "swap", "copy", "drop", "repeat", "splice", "tail", "older"];
    assert_eq!(ids(&wrong(&CAUGHT)), all);
    let harmful: Vec<_> = all.into_iter().filter(|id| *id != "repeat").collect();
    assert_eq!(ids(&wrong(&HARMLESS)), harmful);
    let never = "the reader returned a message that was never protected";
    let harmless = "it does no harm";
    assert_found(&BLIND, &[("flip", never), ("cut", never), ("extend", never), ("repeat", harmless)]);
}

#[test]
fn a_scheme_that_cannot_start_is_reported_and_not_skipped() {
    static NEVER: Double = Double { session: |_| Err("no key today".into()), ..frames::HONEST };
    let set = set(&NEVER, 1);
    assert_eq!(set.broken, ["its faults cannot be determined: nothing was protected: no key today"]);
    assert_eq!(set.cases.len(), 1);
    let outcome = set.cases[0].check.run(find("sealmark").unwrap());
    assert_eq!(outcome, Outcome::Wrong { what: "nothing was protected: no key today".into() });
    assert_eq!(report(&NEVER, 1), Err("nothing was protected: no key today".into()));
}

#[test]
fn an_engine_without_the_calls_that_a_scheme_needs_is_unsupported() {
    static LOG: Double = log::HONEST;
    static FRAMES: Double = frames::HONEST;
    assert!(set(&LOG, 1).cases.iter().all(|case| !case.check.uses_engine()));
    assert!(set(&FRAMES, 1).cases.iter().all(|case| case.check.uses_engine()));
    static OTHER: Double =
        Double { needs: Some(Shape { tag_len: 5, ..Shape::usual(Alg::Aes256Gcm) }), ..frames::HONEST };
    let engine = find("sealmark/portable").unwrap();
    assert_eq!(set(&OTHER, 1).cases[0].check.run(engine), Outcome::Unsupported);
}

#[test]
fn the_list_of_blind_spots_is_the_schemes_judgement_as_data() {
    static LOG: Double = log::HONEST;
    let listed = report(&LOG, 1).unwrap();
    assert_eq!((listed.name.as_str(), listed.law.as_str()), ("double", "prefix"));
    let spot = |of: &BlindSpot| (of.fault.clone(), of.part.clone(), of.kind);
    let spots: Vec<_> = listed.blind.iter().map(spot).collect();
    let expected = [
        ("cut", "start", BlindKind::Blind),
        ("drop", "", BlindKind::Blind),
        ("splice", "", BlindKind::Blind),
        ("tail", "", BlindKind::Blind),
        ("older", "", BlindKind::Blind),
        ("forge", "body", BlindKind::Alters),
        ("forge", "head", BlindKind::Chance),
    ];
    assert_eq!(spots, expected.map(|(fault, part, kind)| (fault.into(), part.into(), kind)));
    let chance = listed.blind.last().unwrap();
    let (trials, unseen) = (chance.trials.unwrap(), chance.unseen.unwrap());
    assert!(trials > 0 && unseen < trials, "{chance:?}");
    assert!(
        listed.blind.iter().filter(|spot| spot.kind != BlindKind::Chance).all(|spot| spot.trials.is_none())
    );
    assert!(listed.blind_media.is_empty(), "it erases nothing");
    let ephemeral = report(crate::scheme::find("ephemeral/bound").unwrap(), 1).unwrap();
    let media: Vec<_> = ephemeral.blind_media.iter().map(|of| of.medium.split(' ').next().unwrap()).collect();
    assert_eq!(media, ["copy-on-write", "log-structured", "journals", "flash"]);
    assert!(listed.risks.is_empty() && ephemeral.risks.is_empty(), "no chance of theirs is worth a number");
    let hardened = report(crate::scheme::find("tunnel/hardened").unwrap(), 1).unwrap();
    let histories: Vec<_> = hardened.blind_histories.iter().map(|of| of.history.as_str()).collect();
    assert_eq!((hardened.blind.len(), histories), (0, vec!["rekey-after-delivery"]));
    let json = serde_json::to_string(&listed).unwrap();
    assert_eq!(serde_json::from_str::<SchemeReport>(&json).unwrap(), listed);
}

#[test]
fn the_tunnels_risk_of_a_repeated_nonce_is_data_in_the_modes_that_have_it() {
    let risks = |name: &str| report(crate::scheme::find(name).unwrap(), 1).unwrap().risks;
    let (compat, safe) = (risks("tunnel/compat"), risks("tunnel/safe"));
    assert_eq!(compat, safe);
    assert!(compat[0].harm.contains("nonce") && compat[0].counted.starts_with("sessions"), "{compat:?}");
    let levels: Vec<_> = compat[0].levels.iter().map(|level| (level.bits, level.after)).collect();
    assert_eq!((compat.len(), levels), (1, vec![(32, 2), (20, 46), (1, 38_582)]));
    assert!(risks("tunnel/hardened").is_empty());
    let json = serde_json::to_value(&compat).unwrap();
    assert_eq!(json[0]["levels"][0], serde_json::json!({"bits": 32, "after": 2}));
}

/// What each mode of the snapshot stream publishes, and nothing else; the injector checks it both ways.
#[test]
fn the_snapshot_modes_publish_what_they_do_not_detect() {
    let blind = |name: &str| -> Vec<(String, String, BlindKind)> {
        let listed = report(crate::scheme::find(name).unwrap(), 1).unwrap();
        listed.blind.into_iter().map(|spot| (spot.fault, spot.part, spot.kind)).collect()
    };
    let named = |spots: &[(&str, &str, BlindKind)]| -> Vec<(String, String, BlindKind)> {
        spots.iter().map(|(fault, part, kind)| ((*fault).into(), (*part).into(), *kind)).collect()
    };
    let safe = [
        ("flip", "before-text", BlindKind::Alters),
        ("flip", "blocks", BlindKind::Alters),
        ("flip", "last", BlindKind::Chance),
        ("flip", "sizes", BlindKind::Chance),
        ("swap", "chunk", BlindKind::Blind),
        ("copy", "chunk", BlindKind::Blind),
        ("splice", "chunk", BlindKind::Blind),
        ("older", "chunk", BlindKind::Blind),
    ];
    assert_eq!(blind("snapshot/safe"), named(&safe));
    let downgraded = [
        "buffer-size",
        "cipher-size",
        "command",
        "flag",
        "header-size",
        "magic",
        "reserved",
        "size-high",
        "sizes",
        "total",
    ];
    let forged = downgraded.map(|part| ("forge", part, BlindKind::Alters));
    assert_eq!(blind("snapshot/compat"), named(&[&safe[..], &forged].concat()));
    let replayed = [("splice", "stream", BlindKind::Blind), ("older", "stream", BlindKind::Blind)];
    for name in ["snapshot/hardened", "snapshot/hardened-stream"] {
        assert_eq!(blind(name), named(&replayed));
    }
    // A garbled last block passes by a chance of 1 in 256, so about 2.5 of 640 do.
    let listed = report(crate::scheme::find("snapshot/compat").unwrap(), 1).unwrap();
    let last = listed.blind.iter().find(|spot| spot.part == "last").unwrap();
    let (trials, unseen) = (last.trials.unwrap(), last.unseen.unwrap());
    assert!(trials == 640 && (1..=10).contains(&unseen), "{unseen} of {trials}");
}

/// What each mode of the log publishes, and nothing else; the injector checks it both ways.
#[test]
fn the_log_modes_publish_what_they_do_not_detect() {
    let listed = |name: &str| report(crate::scheme::find(name).unwrap(), 1).unwrap();
    let spots = |report: &SchemeReport| -> Vec<String> {
        let spot = |spot: &BlindSpot| format!("{} {} {:?}", spot.fault, spot.part, spot.kind);
        report.blind.iter().map(spot).collect()
    };
    let (checked, sealed) = (listed("log/checked"), listed("log/sealed"));
    let expected = [
        "cut start Blind",
        "swap log Blind",
        "swap table Blind",
        "copy log Blind",
        "copy table Blind",
        "drop log Blind",
        "drop table Blind",
        "splice log Blind",
        "splice table Blind",
        "tail  Blind",
        "older log Blind",
        "older table Blind",
        "forge count Chance",
        "forge entry-sizes Chance",
        "forge first-key Chance",
        "forge index-sizes Chance",
        "forge key Alters",
        "forge removed-key Alters",
        "forge request-id Alters",
        "forge sizes Chance",
        "forge value Alters",
    ];
    assert_eq!(spots(&checked), expected);
    assert_eq!(spots(&sealed), ["cut past-head Blind", "forge epoch-number Chance"]);
    // Epoch 2: all bits but one raise it.
    let epoch = sealed.blind.last().unwrap();
    assert_eq!((epoch.trials, epoch.unseen), (Some(64), Some(63)));
    let histories = |report: &SchemeReport| -> Vec<String> {
        report.blind_histories.iter().map(|of| of.history.clone()).collect()
    };
    assert_eq!(histories(&checked), ["folder-put-back"]);
    assert_eq!(histories(&sealed), ["folder-put-back", "last-head-put-back"]);
    assert_eq!((checked.law.as_str(), sealed.law.as_str()), ("prefix", "prefix"));
}
