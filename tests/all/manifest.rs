//! The package's demands on users of the library: its dependencies and features.

use toml::{Table, Value};

const MANIFEST: &str = include_str!("../../Cargo.toml");

/// The dependencies of a section that need no feature.
fn always(section: &Table) -> Vec<&str> {
    let Some(Value::Table(all)) = section.get("dependencies") else { return Vec::new() };
    let optional = |value: &Value| value.get("optional").and_then(Value::as_bool).unwrap_or(false);
    all.iter().filter(|(_, value)| !optional(value)).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn without_features_the_library_has_five_dependencies_on_every_system() {
    let manifest: Table = MANIFEST.parse().expect("cargo reads it too");
    assert_eq!(always(&manifest), ["arc-swap", "arrayvec", "subtle", "thiserror", "zeroize"]);
    let targets = manifest["target"].as_table().expect("some dependencies are of one system");
    assert!(!targets.is_empty());
    for (target, section) in targets {
        assert_eq!(always(section.as_table().expect("a section")), [""; 0], "{target}");
    }
}

/// Nobody finds a feature that the documentation does not mention.
#[test]
fn the_first_page_of_the_documentation_mentions_every_feature() {
    let manifest: Table = MANIFEST.parse().expect("cargo reads it too");
    let features = manifest["features"].as_table().expect("there are features");
    let page = include_str!("../../src/lib.rs");
    assert!(features.len() > 5);
    for name in features.keys().filter(|name| *name != "default") {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
