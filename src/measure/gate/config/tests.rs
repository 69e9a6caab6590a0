//! What the built-in configuration chooses, and how a wrong one is refused.

use super::*;
use crate::engine::{Engine, FaultyEngine, find};
use crate::measure::gate::orders::A_SIDE;
use crate::measure::{Catalog, workloads};

static MINE: FaultyEngine = FaultyEngine::new("mine");
static ABSENT: FaultyEngine = FaultyEngine::new("absent").unavailable("it needs another CPU");

const RIGHT: &str = "margin = 0.005\nmargin_single = 0.01\n\n[[compare]]\nengines = [\"sealmark\"]\n\
                     workloads = [\"seal/aes-256-gcm/16\"]\n";

/// With the built-in engines and these.
fn choose(config: &Config, wanted: &Wanted<'_>, more: &[&'static dyn Engine]) -> Result<Chosen, ConfigError> {
    let backends = crate::engine::engines().into_iter().filter(|engine| engine.family() == "sealmark");
    let own: Vec<&'static dyn Engine> = backends.chain(more.iter().copied()).collect();
    let all: Vec<_> = crate::engine::engines().into_iter().chain(more.iter().copied()).collect();
    let known = Known { catalog: Catalog::ours(), engines: &all, own_engines: &own, added_schemes: &[] };
    config.choose(wanted, &known)
}

fn names(chosen: &Chosen) -> Vec<(&str, &str)> {
    chosen.subjects.iter().map(|row| (row.workload.path.as_str(), row.engine.name())).collect()
}

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::read("own.toml", text)
}

#[test]
fn the_default_set_is_our_choice_the_records_and_every_backend() {
    let config = Config::built_in();
    let chosen = choose(&config, &Wanted { orders: A_SIDE, ..Wanted::default() }, &[&MINE, &ABSENT]).unwrap();
    let rows = names(&chosen);
    for size in [16, 64, 256, 1024, 4096, 16384] {
        for op in ["seal", "open"] {
            let path = format!("{op}/aes-256-gcm/{size}");
            assert!(rows.contains(&(path.as_str(), "sealmark")), "{path}");
        }
    }
    for path in ["seal/record/64", "open/record/1024", "seal/record/16384"] {
        assert!(rows.contains(&(path, "sealmark")), "{path}");
    }
    for engine in ["sealmark/portable", "mine"] {
        let on = rows.iter().filter(|row| row.1 == engine).map(|row| row.0);
        assert_eq!(on.collect::<Vec<_>>(), ["seal/aes-256-gcm/1024", "open/aes-256-gcm/1024"], "{engine}");
    }
    assert!(rows.iter().all(|row| row.1 != "absent" && row.1 != "ring"));
    let backends = crate::engine::engines()
        .iter()
        .filter(|engine| engine.family() == "sealmark" && engine.available().is_ok())
        .count();
    assert_eq!(rows.len(), 12 + 6 + 2 * (backends + 1));
    assert!(chosen.left_out.is_empty(), "`*` means those that can run: {:?}", chosen.left_out);
    assert!(chosen.subjects.iter().all(|row| row.margin == 0.005));
}

#[test]
fn the_acceptance_set_has_twelve_workloads() {
    let config = Config::built_in();
    assert_eq!(config.sets(), [DEFAULT_SET, "acceptance"]);
    let wanted = Wanted { set: Some("acceptance"), orders: 1, ..Wanted::default() };
    let chosen = choose(&config, &wanted, &[]).unwrap();
    assert_eq!(chosen.subjects.len(), 12);
    assert!(chosen.subjects.iter().all(|row| row.engine.name() == "sealmark" && row.margin == 0.0075));
}

#[test]
fn a_users_own_scheme_is_compared_and_ours_is_not() {
    let ours = crate::scheme::schemes();
    let engines = crate::engine::engines();
    let mut known =
        Known { catalog: Catalog::ours(), engines: &engines, own_engines: &[], added_schemes: &[] };
    let config = Config::built_in();
    let schemes = |known: &Known<'_>| {
        let chosen = config.choose(&Wanted::default(), known).unwrap();
        let of_schemes = chosen.subjects.iter().filter(|row| row.workload.scheme.is_some());
        of_schemes.map(|row| row.workload.path.clone()).collect::<Vec<_>>()
    };
    assert!(schemes(&known).is_empty());
    known.added_schemes = &ours[..1];
    let name = ours[0].name();
    assert_eq!(schemes(&known), [format!("protect/{name}/1024"), format!("recover/{name}/1024")]);
}

#[test]
fn a_path_chooses_one_workload_and_a_filter_those_that_it_matches() {
    let config = read(RIGHT).unwrap();
    let of = |set, filter: &str, engines: &[&'static dyn Engine]| {
        choose(&config, &Wanted { set, filter: Some(filter), engines, orders: A_SIDE }, &[&MINE])
    };
    let one = of(None, "seal/aes-256-gcm/16", &[]).unwrap();
    assert_eq!(names(&one), [("seal/aes-256-gcm/16", "sealmark")]);
    let several = of(None, "nonce,open/record/*", &[&MINE]).unwrap();
    assert_eq!(several.subjects.len(), 3, "{:?}", names(&several));
    assert_eq!(several.left_out, ["nonce: mine does not support it"], "it is measured on `sealmark` alone");
    let within = of(Some(DEFAULT_SET), "seal", &[]).unwrap();
    assert_eq!(names(&within), [("seal/aes-256-gcm/16", "sealmark")]);
    let why = |found: Result<Chosen, ConfigError>| found.err().unwrap().to_string();
    assert!(
        why(of(None, "seal/record/64,sael", &[]))
            .starts_with("the command line: no workload matches \"sael\""),
    );
    assert_eq!(
        why(of(Some(DEFAULT_SET), "open/record/64", &[])),
        "the set default of own.toml has no row for \"open/record/64\": leave --set out to choose among all \
         workloads"
    );
    let only = Wanted { engines: &[&MINE], ..Wanted::default() };
    assert_eq!(
        why(choose(&config, &only, &[&MINE])),
        "the set default of own.toml has no row for mine: name workloads as well"
    );
    let rows = workloads().iter().filter(|w| w.on_one_core()).count();
    assert!(rows <= SLOTS as usize && of(None, "*", &[]).is_ok());
    let many: Vec<&'static dyn Engine> =
        vec![find("sealmark").unwrap(), find("sealmark/portable").unwrap(), &MINE];
    let refused = why(of(None, "*", &many));
    assert!(refused.ends_with("are more than the 512 that a worker keeps ready: choose fewer with a filter"));
}

#[test]
fn what_cannot_be_compared_is_named() {
    let text = RIGHT.replace("\"sealmark\"", "\"absent\", \"sealmark\"");
    let text = text.replace("[\"seal/aes-256-gcm/16\"]", "[\"seal/aes-256-gcm/16\", \"parallel*/seal*\"]");
    let parallel = workloads().iter().find(|w| !w.on_one_core()).unwrap();
    let text = text.replace("parallel*/seal*", &parallel.path);
    let chosen = choose(&read(&text).unwrap(), &Wanted::default(), &[&ABSENT]).unwrap();
    assert_eq!(chosen.subjects.len(), 1);
    let threads = format!("{}: it runs on several threads, and the gate compares on one core", parallel.path);
    assert_eq!(chosen.left_out, ["absent: it needs another CPU".to_owned(), threads]);
    let named = Wanted { filter: Some("nonce"), engines: &[&ABSENT], ..Wanted::default() };
    let chosen = choose(&read(RIGHT).unwrap(), &named, &[&ABSENT]).unwrap();
    assert!(chosen.subjects.is_empty());
    assert_eq!(chosen.left_out, ["absent: it needs another CPU"]);
}

#[test]
fn the_last_entry_with_a_margin_of_its_own_decides() {
    let more = "\n[[compare]]\nset = \"loose\"\nwhy = \"noisy\"\nengines = [\"*\"]\nworkloads = [\"seal\"]\n\
                margin = 0.02\n";
    let config = read(&format!("{RIGHT}{more}")).unwrap();
    let margin = |filter, engines: &[&'static dyn Engine], orders| {
        let wanted = Wanted { set: None, filter: Some(filter), engines, orders };
        choose(&config, &wanted, &[]).unwrap().subjects[0].margin
    };
    let portable = [find("sealmark/portable").unwrap()];
    assert_eq!(margin("seal/record/64", &portable, A_SIDE), 0.02);
    assert_eq!(margin("seal/record/64", &portable, 1), 0.01, "that entry has no `margin_single`");
    assert_eq!(margin("open/record/64", &portable, A_SIDE + 1), 0.005);
    assert_eq!(margin("seal/record/64", &[], A_SIDE), 0.005, "`*` is not the choice among them");
}

#[test]
fn a_wrong_file_is_refused_by_name_and_line() {
    for (text, reasons) in [
        (format!("{RIGHT}colour = 1\n"), &["line 7", "unknown field `colour`"][..]),
        (format!("colour = 1\n{RIGHT}"), &["line 1", "unknown field `colour`"]),
        (RIGHT.replace("margin = 0.005", "margin = 0.0"), &["line 1", "0 is not a margin"]),
        (RIGHT.replace("margin = 0.005", "margin = 5.0"), &["line 1", "5 is not a margin"]),
        (RIGHT.replace("margin = 0.005\n", ""), &["missing field `margin`"]),
        (RIGHT.replace("\"sealmark\"", ""), &["entry 1 of `compare` names no engines"]),
        (RIGHT.replace("\"seal/aes-256-gcm/16\"", ""), &["entry 1 of `compare` names no workloads"]),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.starts_with("own.toml: "), "{error}");
        for reason in reasons {
            assert!(error.contains(reason), "{reason} in {error}");
        }
    }
    let why = |text: &str, set| {
        let wanted = Wanted { set, ..Wanted::default() };
        choose(&read(text).unwrap(), &wanted, &[]).err().unwrap().to_string()
    };
    let unknown = why(&RIGHT.replace("\"sealmark\"", "\"rong\""), None);
    assert!(
        unknown.starts_with("own.toml: no engine is called \"rong\"; there are: sealmark, "),
        "{unknown}"
    );
    let nothing = why(&RIGHT.replace("gcm/16", "gcm/17x"), None);
    let expected = "own.toml: no workload matches \"seal/aes-256-gcm/17x\"; `sealmark list workloads`";
    assert!(nothing.starts_with(expected), "{nothing}");
    assert_eq!(why(RIGHT, Some("fast")), "own.toml: no set is called \"fast\"; there are: default");
}
