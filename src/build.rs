//! Records the compiler and the profile for result files: a time belongs to the build that produced it. Also
//! lists the files that `vectors/index.toml` names, so that adding a vector set takes only a file and its
//! entry there.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    note_the_build();
    // Only the command runs the vectors.
    if std::env::var_os("CARGO_FEATURE_CLI").is_some() {
        list_the_vectors();
    }
}

fn note_the_build() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let rustc = std::env::var_os("RUSTC")
        .and_then(|rustc| Command::new(rustc).arg("-V").output().ok())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| "rustc of unknown version".to_owned());
    let flags = variable("CARGO_ENCODED_RUSTFLAGS").replace('\u{1f}', " ");
    let flags = if flags.is_empty() { "no RUSTFLAGS".to_owned() } else { format!("RUSTFLAGS {flags}") };
    let (profile, level) = (variable("PROFILE"), variable("OPT_LEVEL"));
    println!("cargo::rustc-env=SEALMARK_BUILD={}, {profile}, opt-level {level}, {flags}", rustc.trim());
}

/// Writes `vectors.rs`: an array with each file's path below `vectors/` and its bytes. The paths are relative
/// to the package's folder, so the list does not depend on where the package lies. `crate:NAME` is a file
/// that ships in a dependency.
fn list_the_vectors() {
    const INDEX: &str = "vectors/index.toml";
    println!("cargo::rerun-if-changed={INDEX}");
    let index = std::fs::read_to_string(INDEX).unwrap_or_else(|error| panic!("{INDEX}: {error}"));
    let files = index.lines().filter_map(|line| line.strip_prefix("file = \"")?.strip_suffix('"'));
    let mut list = String::from("&[\n");
    for file in files.filter(|file| !file.starts_with("crate:")) {
        assert!(Path::new("vectors").join(file).is_file(), "{INDEX} names {file}, which is not in vectors/");
        let path = format!("/vectors/{file}");
        writeln!(list, "    ({file:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),")
            .expect("writing to a String cannot fail");
    }
    list.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("vectors.rs"), list).expect("cargo's output folder is writable");
}
