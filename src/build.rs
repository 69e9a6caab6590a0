//! Notes the compiler and the profile for the results: a time belongs to the build that it was measured on.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
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
