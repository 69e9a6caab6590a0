//! The structure holds: imports point down, each table names every file of its folder, `unsafe` stays where
//! it is justified, and only floor 3 names other people's ciphers.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{resolved, root, sources};
use crate::structure::crate_paths;

/// The floors, lowest first; modules on one floor do not import each other.
const FLOORS: &[&[&str]] = &[
    &["host", "disk"],
    &["aead", "trace", "timing"],
    &["engine", "primitive"],
    &["envelope"],
    &["scheme"],
    &["verify", "measure"],
    &["report"],
    &["cli"],
];

/// Crates that offer an AEAD, or TLS. The crates behind primitives are in the table of primitives.
const CIPHERS: &[&str] =
    &["aes_gcm", "aws_lc_rs", "graviola", "openssl", "ring", "rustls", "rustls_graviola"];

/// Files below floor 3 that name one of its crates, to name hosts and traces. Nothing there is secret or
/// promised.
const FINGERPRINTS: &[&str] = &["src/host/machine.rs", "src/trace/count.rs"];

/// Where `unsafe` may stand: floors, and single files by name.
const UNSAFE: &[&str] = &["src/aead/", "src/engine/ipsec_mb/", "src/trace/", "src/timing/"];

/// Where intrinsics may stand.
const INTRINSICS: &[&str] = &["src/aead/arch/", "src/timing/"];

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The modules of this crate that a source names: `crate::a::b` and `crate::{a::b, c}`.
fn modules_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in code.match_indices("crate::") {
        let after = &code[at + "crate::".len()..];
        let Some(list) = after.strip_prefix('{') else {
            named.insert(word(after));
            continue;
        };
        let (mut depth, mut start) = (1, true);
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => start = true,
                c if start && !c.is_whitespace() => {
                    named.insert(word(&list[i..]));
                    start = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    named
}

fn breaches(sources: &[(String, String)]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (file, code) in sources {
        let module = file.trim_start_matches("src/").split(['/', '.']).next().expect("split yields one");
        let Some(own) = floor_of(module) else { continue };
        for named in modules_named(&resolved(file, code)) {
            match floor_of(&named) {
                Some(other) if named != module && other >= own => {
                    breaches.push(format!(
                        "{file} is on floor {} and names crate::{named}, floor {}",
                        own + 1,
                        other + 1
                    ));
                }
                _ => {}
            }
        }
    }
    breaches
}

#[test]
fn imports_point_down() {
    let breaches = breaches(&sources());
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn an_import_that_points_up_or_sideways_is_found() {
    let breach = |file: &str, code: &str| breaches(&[(file.into(), code.into())]).len();
    assert_eq!(breach("src/aead/key.rs", "use crate::engine::Engine;"), 1);
    assert_eq!(breach("src/verify/mod.rs", "use crate::{aead::{self, Tag}, measure::Row};"), 1);
    assert_eq!(breach("src/aead.rs", "let f = crate::cli::main;"), 1);
    assert_eq!(breach("src/verify/mod.rs", "use super::measure::Row;"), 1);
    assert_eq!(breach("src/aead/arch/aesni.rs", "use super::super::super::report::Report;"), 1);
    assert_eq!(breach("src/verify/run.rs", "use super::Case; use super::super::engine::Engine;"), 0);
    assert_eq!(breach("src/cli/run.rs", "use crate::{aead, report::Report, verify::{self, Case}};"), 0);
}

#[test]
fn every_module_at_the_top_has_a_floor() {
    for entry in fs::read_dir(root().join("src")).expect("src is there") {
        let path = entry.expect("its entries can be read").path();
        let name = path.file_stem().expect("entries have names").to_string_lossy().into_owned();
        assert!(
            matches!(&*name, "lib" | "main" | "build" | "README") || floor_of(&name).is_some(),
            "{name} stands on no floor"
        );
    }
}

#[test]
fn every_floor_names_modules_that_are_there() {
    for module in FLOORS.iter().copied().flatten() {
        let src = root().join("src");
        let there = src.join(module).is_dir() || src.join(format!("{module}.rs")).is_file();
        assert!(there, "{module} has a floor and is not in src");
    }
}

#[test]
fn every_file_is_mentioned_by_its_folder() {
    let sources = sources();
    let text_of = |name: &str| sources.iter().find(|(file, _)| file == name).map(|(_, code)| code);
    for (file, _) in &sources {
        let Some((folder, name)) = file.rsplit_once('/') else { continue };
        if matches!(name, "lib.rs" | "main.rs" | "build.rs") {
            continue;
        }
        let (parent, module) = if name == "mod.rs" {
            folder.rsplit_once('/').expect("src is above")
        } else {
            (folder, name.trim_end_matches(".rs"))
        };
        let owner = if parent == "src" { "src/lib.rs".into() } else { format!("{parent}/mod.rs") };
        let text = text_of(&owner).unwrap_or_else(|| panic!("{owner} is missing"));
        assert!(text.contains(&format!("mod {module};")), "{file} is not mentioned in {owner}");
    }
}

/// A folder whose files are the rows of a table: the table must name each file's module outside the `mod`
/// line.
#[test]
fn every_file_of_a_recipe_has_its_row() {
    // Folder, the file with its table, files that are not rows.
    let tables: [(&str, &str, &[&str]); 11] = [
        ("src/aead/arch", "mod.rs", &[]),
        ("src/cli", "mod.rs", &["output", "progress", "registry", "step", "terminal", "witness", "worker"]),
        ("src/engine", "mod.rs", &[]),
        ("src/measure/workload", "mod.rs", &["catalog", "filter", "fixture", "kind", "testing"]),
        ("src/primitive", "mod.rs", &["tls"]),
        ("src/report/table", "mod.rs", &[]),
        ("src/scheme", "mod.rs", &["README"]),
        ("src/verify/campaign", "mod.rs", &[]),
        ("src/verify/vectors", "mod.rs", &["index", "json", "parts", "primitive", "stray", "text", "unpack"]),
        ("src/verify/vectors/interop", "mod.rs", &["testing"]),
        ("fuzz/fuzz_targets", "../../src/verify/fuzz/mod.rs", &["smoke"]),
    ];
    for (folder, table, others) in tables {
        let table = root().join(folder).join(table);
        let text = fs::read_to_string(&table).expect("the table is there");
        let mut rows = 0;
        for entry in fs::read_dir(root().join(folder)).expect("the folder is there") {
            let path = entry.expect("its entries can be read").path();
            let module = path.file_stem().expect("files have names").to_string_lossy().into_owned();
            if module == "mod" || others.contains(&&*module) {
                continue;
            }
            let row =
                [format!("{module}::"), format!("verb!({module})"), format!("(\"{module}\", {module})")];
            assert!(row.iter().any(|row| text.contains(row)), "{module} has no row in {}", table.display());
            rows += 1;
        }
        assert!(rows >= 1, "{folder} has no rows");
    }
}

/// The files of a scheme that name another one.
fn schemes_that_name_others(sources: &[(String, String)]) -> Vec<String> {
    let scheme_of = |file: &str| {
        file.strip_prefix("src/scheme/").and_then(|rest| rest.split_once('/')).map(|(s, _)| s.to_owned())
    };
    let schemes: BTreeSet<String> = sources.iter().filter_map(|(file, _)| scheme_of(file)).collect();
    let names = |file: &str, code: &str, other: &String| {
        scheme_of(file).is_some_and(|own| own != *other)
            && resolved(file, code).contains(&format!("crate::scheme::{other}"))
    };
    let guilty = |(file, code): &(String, String)| {
        schemes.iter().any(|other| names(file, code, other)).then(|| file.clone())
    };
    sources.iter().filter_map(guilty).collect()
}

#[test]
fn no_scheme_names_another() {
    assert_eq!(schemes_that_name_others(&sources()), [""; 0]);
    let two = |code: &str| {
        [("src/scheme/a/mod.rs".to_owned(), code.to_owned()), ("src/scheme/b/mod.rs".into(), String::new())]
    };
    assert_eq!(schemes_that_name_others(&two("use crate::scheme::b::Key;")), ["src/scheme/a/mod.rs"]);
    assert_eq!(schemes_that_name_others(&two("use super::b::Key;")), ["src/scheme/a/mod.rs"]);
    assert_eq!(schemes_that_name_others(&two("use crate::scheme::a::Key;")), [""; 0]);
}

/// Folders of a scheme, and the modules that their files never name: in the tunnel, a key exchange and a
/// session know nothing of the frames that they protect, nor of the node that drives them.
const BELOW: &[(&[&str], &[&str])] = &[(
    &["src/scheme/tunnel/exchange", "src/scheme/tunnel/session"],
    &["envelope", "scheme::tunnel::envelope", "scheme::tunnel::node"],
)];

/// The files of a folder in [`BELOW`] that name one of its modules, by a path or in a list of one.
fn names_of_upper_modules(sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, code) in sources {
        let code = resolved(file, code);
        for (folders, uppers) in BELOW {
            let inside = |folder: &&str| {
                file.strip_prefix(*folder).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
            };
            if !folders.iter().any(inside) {
                continue;
            }
            let paths = crate_paths(&code);
            let names = |upper: &&&str| paths.iter().any(|path| is_below(path, upper));
            found.extend(uppers.iter().filter(names).map(|upper| format!("{file} names crate::{upper}")));
        }
    }
    found
}

/// Whether a path of the crate is this module or something in it.
fn is_below(path: &[String], module: &str) -> bool {
    let mut words = path.iter();
    module.split("::").all(|word| words.next().is_some_and(|own| own == word))
}

#[test]
fn the_key_exchange_and_the_session_know_nothing_of_the_envelope() {
    let sources = sources();
    assert_eq!(names_of_upper_modules(&sources), [""; 0]);
    for folder in BELOW.iter().flat_map(|(folders, _)| folders.iter()) {
        let files = sources.iter().filter(|(file, _)| file.starts_with(&format!("{folder}/"))).count();
        assert!(files > 1, "{folder} has {files} files: this test must see them");
    }
}

#[test]
fn a_key_exchange_that_names_the_envelope_is_found() {
    let found = |file: &str, code: &str| names_of_upper_modules(&[(file.into(), code.into())]).len();
    let (exchange, session) = ("src/scheme/tunnel/exchange/mod.rs", "src/scheme/tunnel/session/store.rs");
    assert_eq!(found(exchange, "use crate::envelope::Cipher;"), 1);
    assert_eq!(found(exchange, "use super::envelope;"), 1);
    assert_eq!(found(exchange, "use super::{clock::Clock, node::{self, Node}, Error};"), 1);
    assert_eq!(found(session, "use super::super::{envelope, frame};"), 1);
    assert_eq!(found(session, "use crate::{aead::Aead, envelope::wrap as cover};"), 1);
    assert_eq!(found(session, "fn f() { crate::scheme::tunnel::node::Node::tick() }"), 1);
    assert_eq!(found("src/scheme/tunnel/exchange.rs", "use super::{envelope::seal, node::Node};"), 2);
    assert_eq!(found(session, "use super::{Session, window::Window}; use crate::aead::Aead;"), 0);
    assert_eq!(found(exchange, "use super::{frame, session::{self, Session}, Error};"), 0);
    assert_eq!(found("src/scheme/tunnel/node.rs", "use super::{envelope, exchange::Exchange};"), 0);
}

fn is_unsafe(code: &str) -> bool {
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern", "unsafe("]
        .iter()
        .any(|form| code.contains(form))
}

fn has_intrinsics(code: &str) -> bool {
    code.contains("core::arch::") || code.contains("std::arch::x86_64") || code.contains("_mm_")
}

#[test]
fn unsafe_code_stays_where_it_is_justified() {
    let mut seen = 0;
    for (file, code) in sources() {
        if is_unsafe(&code) {
            assert!(UNSAFE.iter().any(|allowed| file.starts_with(allowed)), "unsafe in {file}");
            seen += 1;
        }
    }
    assert!(seen > 0, "the kernels are unsafe: this test must see them");
}

/// Exceptions that no file needs: the path does not exist, or nothing there uses the exception.
fn needless<'a>(
    allowances: &[&'a str],
    sources: &[(String, String)],
    does: fn(&str) -> bool,
) -> Vec<&'a str> {
    let needed = |allowed: &str| sources.iter().any(|(file, code)| file.starts_with(allowed) && does(code));
    allowances.iter().copied().filter(|allowed| !needed(allowed)).collect()
}

#[test]
fn every_exception_is_needed() {
    let sources = sources();
    assert_eq!(needless(UNSAFE, &sources, is_unsafe), [""; 0], "unsafe is allowed where there is none");
    assert_eq!(needless(INTRINSICS, &sources, has_intrinsics), [""; 0], "intrinsics are allowed in vain");
    let gone = ["src/verify/no_such_file.rs", "src/report/"];
    assert_eq!(needless(&gone, &sources, is_unsafe), gone, "this test must see what is not there");
}

/// Whether a source names a crate at the beginning of a path, and not one of this crate's own modules.
fn names_crate(code: &str, krate: &str) -> bool {
    let path = format!("{krate}::");
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let mut places = code.match_indices(&path).map(|(at, _)| code[..at].chars().next_back());
    places.any(|before| !before.is_some_and(inside))
}

/// The files that name a cryptographic crate and are neither on floor 3 nor among the exceptions.
fn names_of_ciphers(sources: &[(String, String)]) -> Vec<String> {
    let primitives = sealmark::primitive::PRIMITIVES.iter().map(|primitive| primitive.krate);
    let crates: BTreeSet<&str> = CIPHERS.iter().copied().chain(primitives).collect();
    let mut found = Vec::new();
    for (file, code) in sources {
        let allowed = ["src/engine/", "src/primitive/"].iter().any(|floor| file.starts_with(floor));
        for krate in crates.iter().filter(|_| !allowed && !FINGERPRINTS.contains(&file.as_str())) {
            if names_crate(code, krate) && !code.contains(&format!("mod {krate};")) {
                found.push(format!("{file} names {krate}"));
            }
        }
    }
    found
}

#[test]
fn only_floor_3_names_other_peoples_ciphers() {
    let sources = sources();
    assert_eq!(names_of_ciphers(&sources), [""; 0]);
    let hash = |code: &str| names_crate(code, "sha2");
    assert_eq!(needless(FINGERPRINTS, &sources, hash), [""; 0], "an exception that nothing needs");
}

#[test]
fn a_cipher_that_is_named_elsewhere_is_found() {
    let found = |file: &str, code: &str| names_of_ciphers(&[(file.into(), code.into())]);
    assert_eq!(found("src/scheme/a/mod.rs", "use sha2::Sha256;"), ["src/scheme/a/mod.rs names sha2"]);
    assert_eq!(found("src/verify/a.rs", "let key = (ring::aead::x)(y);"), ["src/verify/a.rs names ring"]);
    assert_eq!(found("src/host/identity.rs", "sha2::Sha256::new()"), ["src/host/identity.rs names sha2"]);
    assert_eq!(found("src/scheme/a/mod.rs", "use super::ring::Ring; use crate::sha2::X;"), [""; 0]);
    assert_eq!(found("src/primitive/b.rs", "use sha2::Sha256;"), [""; 0]);
}

#[test]
fn intrinsics_appear_only_in_the_backends() {
    for (file, code) in sources() {
        let intrinsics = has_intrinsics(&code);
        let allowed = INTRINSICS.iter().any(|folder| file.starts_with(folder));
        assert!(!intrinsics || allowed, "intrinsics in {file}");
    }
}
