//! Every refusal with its name, at every level.

use crate::scheme::storage::Error;
use crate::scheme::storage::sidecar::{Sidecar, tests::sample};

/// The name of the refusal; for a refusal by the rule, its reason.
fn refusal(text: &str) -> String {
    match Sidecar::parse(text.as_bytes()) {
        Ok(sidecar) => format!("read: {sidecar:?}"),
        Err(Error::SidecarStrict(why)) => why,
        Err(Error::SidecarJson(_)) => "JSON".into(),
        Err(error) => error.spec_name().into(),
    }
}

#[test]
fn missing_or_repeated_members_and_other_spellings_are_refused_by_the_rule() {
    assert!(Sidecar::parse(br#"{"version":2,"keys":{}}"#).is_ok());
    for (text, why) in [
        (r#"{"version":2}"#, "keys is missing"),
        (r#"{"version":2,"version":2,"keys":{}}"#, "version appears twice"),
        (r#"{"version":9,"keys":{},"keys":{}}"#, "keys appears twice"),
        (r#"{"version":2,"active":{"raft":0,"raft":0},"keys":{}}"#, "active.raft appears twice"),
        (r#"{"version":2,"keys":{"7":{"purpose":"raft"},"7":{"purpose":"raft"}}}"#, "keys.7 appears twice"),
        (
            r#"{"version":2,"keys":{"7":{"purpose":"raft"},"\u0037":{"purpose":"raft"}}}"#,
            "keys.7 appears twice",
        ),
        (r#"{"version":2,"keys":{"7":{"purpose":"raft","purpose":"raft"}}}"#, "keys.7.purpose appears twice"),
        (r#"{"Version":2,"KEYS":{}}"#, "Version is version to a reader that ignores case"),
        (
            r#"{"version":2,"Raft_Applied_Index":9,"keys":{}}"#,
            "Raft_Applied_Index is raft_applied_index to a reader that ignores case",
        ),
        (
            r#"{"version":2,"active":{"\u017ftorage":7},"keys":{}}"#,
            "active.\u{17f}torage is active.storage to a reader that ignores case",
        ),
        (
            "{\"version\":2,\"\u{212a}ey\u{17f}\":{},\"keys\":{}}",
            "\u{212a}ey\u{17f} is keys to a reader that ignores case",
        ),
        (
            r#"{"version":1,"keys":{"7":{"purpose":"raft","local_epoch":9,"Local_epoch":8}}}"#,
            "keys.7.Local_epoch is keys.7.local_epoch to a reader that ignores case",
        ),
        (
            r#"{"version":2,"keys":{"7":{"purpose":"raft","wrapped":"AB\nCD"}}}"#,
            "keys.7.wrapped is not canonical Base64",
        ),
        (
            r#"{"version":2,"keys":{"7":{"purpose":"raft","wrapped":"AB=="}}}"#,
            "keys.7.wrapped is not canonical Base64",
        ),
    ] {
        assert_eq!(refusal(text), why, "{text}");
    }
}

#[test]
fn null_is_refused_by_the_references_next_check_or_by_the_rule() {
    for (text, why) in [
        ("null", "ErrSidecarVersion"),
        (r#"{"version":null,"keys":{}}"#, "ErrSidecarVersion"),
        (r#"{"version":2,"keys":{"7":null}}"#, "ErrSidecarPurpose"),
        (r#"{"version":2,"keys":{"7":{"purpose":null}}}"#, "ErrSidecarPurpose"),
        (r#"{"version":2,"keys":{"x":null}}"#, "ErrSidecarKeyIDFormat"),
        (r#"{"version":2,"keys":{"0":null}}"#, "ErrSidecarReservedKeyID"),
        (r#"{"version":2,"raft_applied_index":null,"keys":{}}"#, "raft_applied_index is null"),
        (r#"{"version":2,"storage_envelope_active":null,"keys":{}}"#, "storage_envelope_active is null"),
        (
            r#"{"version":1,"raft_envelope_cutover_index":null,"keys":{}}"#,
            "raft_envelope_cutover_index is null",
        ),
        (r#"{"version":2,"active":null,"keys":{}}"#, "active is null"),
        (r#"{"version":2,"active":{"storage":null},"keys":{}}"#, "active.storage is null"),
        (r#"{"version":2,"keys":null}"#, "keys is null"),
        (r#"{"version":2,"keys":{"7":{"purpose":"raft","wrapped":null}}}"#, "keys.7.wrapped is null"),
        (r#"{"version":2,"keys":{"7":{"purpose":"raft","created":null}}}"#, "keys.7.created is null"),
        (r#"{"version":2,"keys":{"7":{"purpose":"raft","local_epoch":null}}}"#, "keys.7.local_epoch is null"),
    ] {
        assert_eq!(refusal(text), why, "{text}");
    }
    let text = sample().to_json();
    let keys = text.find("\"9\": {").unwrap();
    let in_use = format!("{}\"9\": null}}}}", &text[..keys]);
    assert_eq!(refusal(&in_use), "ErrSidecarPurpose", "even if it is in use: {in_use}");
}

#[test]
fn a_value_of_another_type_is_refused() {
    for text in [
        "[]",
        "[2,0,false,0,0,[0,0],{}]",
        "2",
        r#""keys""#,
        r#"{"version":"2","keys":{}}"#,
        r#"{"version":2.0,"keys":{}}"#,
        r#"{"version":2,"active":[0,0],"keys":{}}"#,
        r#"{"version":2,"active":{"raft":4294967296},"keys":{}}"#,
        r#"{"version":2,"storage_envelope_active":1,"keys":{}}"#,
        r#"{"version":2,"raft_applied_index":-1,"keys":{}}"#,
        r#"{"version":2,"raft_applied_index":18446744073709551616,"keys":{}}"#,
        r#"{"version":2,"keys":[]}"#,
        r#"{"version":2,"keys":{"7":["raft","AAAA","",3]}}"#,
        r#"{"version":2,"keys":{"7":{"purpose":1}}}"#,
        r#"{"version":2,"keys":{"7":{"purpose":"raft","local_epoch":65536}}}"#,
        r#"{"version":2,"keys":{"7":{"purpose":"raft","wrapped":"!!!!"}}}"#,
    ] {
        assert_eq!(refusal(text), "JSON", "{text}");
    }
}

const NAMES: [&str; 12] = [
    "version",
    "raft_applied_index",
    "storage_envelope_active",
    "storage_envelope_cutover_index",
    "raft_envelope_cutover_index",
    "active",
    "storage",
    "raft",
    "keys",
    "purpose",
    "wrapped",
    "local_epoch",
];

#[test]
fn a_flipped_case_bit_in_any_name_is_refused_in_both_versions() {
    let mut refused = 0;
    for version in ["\"version\": 2", "\"version\": 1"] {
        let text = sample().to_json().replace("\"version\": 2", version);
        for name in NAMES.into_iter().chain(["created"]) {
            let at = text.find(&format!("\"{name}\":")).unwrap() + 1;
            for i in (0..name.len()).filter(|i| name.as_bytes()[*i].is_ascii_alphabetic()) {
                let mut altered = text.clone().into_bytes();
                altered[at + i] ^= 0x20;
                let why = refusal(std::str::from_utf8(&altered).unwrap());
                assert!(why.ends_with("to a reader that ignores case"), "{name} {i}: {why}");
                // Next to the correct one as well: Go takes whichever comes last.
                let twin = std::str::from_utf8(&altered[at..at + name.len()]).unwrap();
                let both = text.replacen(&format!("\"{name}\":"), &format!("\"{twin}\": 0, \"{name}\":"), 1);
                assert_ne!(both, text);
                assert!(refusal(&both).ends_with("to a reader that ignores case"), "{twin}");
                refused += 2;
            }
        }
    }
    assert_eq!(refused, 2 * 2 * 147);
}

#[test]
fn a_sidecar_in_use_must_have_every_member() {
    let text = sample().to_json();
    let mut refusals = 0;
    for name in NAMES.into_iter().filter(|name| !["version", "active", "purpose", "keys"].contains(name)) {
        // Quotes on both sides, because one name is the beginning of another. A purpose is not a name.
        let altered = text.replacen(&format!("\"{name}\":"), &format!("\"{name}_\":"), 1);
        assert_ne!(altered, text);
        assert!(refusal(&altered).ends_with(&format!("{name} is missing")), "{name}: {}", refusal(&altered));
        let version_1 = altered.replace("\"version\": 2", "\"version\": 1");
        refusals += usize::from(!refusal(&version_1).starts_with("read"));
    }
    assert_eq!(refusals, 0, "version 1 may omit members");
}

#[test]
fn any_string_reads_back_the_same() {
    let mut sidecar = sample();
    let all: String = (0..0x2100_u32).filter_map(char::from_u32).collect();
    sidecar.entry_mut(9).unwrap().created = all;
    let text = sidecar.to_json();
    assert!(text.contains("\\u003c=\\u003e") && text.contains("\\u2028"));
    assert_eq!(Sidecar::parse(text.as_bytes()).unwrap(), sidecar);
}

#[test]
fn a_changed_or_missing_byte_is_an_error_or_a_valid_sidecar() {
    let text = sample().to_json().into_bytes();
    let (mut kept, mut refused) = (0, 0);
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut altered = text.clone();
            altered[at] ^= 1 << bit;
            match Sidecar::parse(&altered) {
                Ok(sidecar) => {
                    sidecar.check().unwrap();
                    kept += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(Sidecar::parse(&text[..at]).is_err(), "{at}");
    }
    assert!(kept > 0 && refused > kept, "{kept} kept, {refused} refused");
}
