//! The environment of every process that Sealmark starts, and the variables that change which code an engine
//! runs.
//!
//! Some ciphers select their code by an environment variable (`OPENSSL_ia32cap`), and so do the loader and
//! the C library. The traced process must therefore see the same variables as the measured one. Both get
//! [`for_children`]: the caller's environment, padded to a fixed size. The kernel places the environment
//! above the stack, so without padding the length of `PATH` would shift every stack address and change the
//! instruction count of a copy. Not here: which variables an engine reads. Each engine lists its own.

use std::ffi::OsString;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// An environment variable that is set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; bytes that are not UTF-8 are replaced by U+FFFD.
    pub value: String,
}

/// Variables that affect every engine: which `memcpy` the C library selects, which libraries the loader
/// injects, and which CPU an emulator presents.
const OF_ANY_ENGINE: &[&str] =
    &["GLIBC_TUNABLES", "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "QEMU_CPU"];

/// Resolves the functions of shared libraries at program start. Lazy binding would do it in the first call of
/// each function, which may be the traced one.
const BIND_NOW: &str = "LD_BIND_NOW";
/// The variable that pads the environment, and a second one that makes the number of variables even.
const PADDING: [&str; 2] = ["SEALMARK_PADDING", "SEALMARK_PADDING_2"];
/// The environment's size is a multiple of this: whole pages, so that the low bits of addresses stay the same
/// even when the environment needs more than one block.
const BLOCK: usize = 64 * 1024;

/// Sets the common environment on a command about to be started. Unix only: elsewhere nothing is traced, and
/// the child inherits the caller's environment.
pub fn give(command: &mut Command) {
    if cfg!(unix) {
        command.env_clear().envs(for_children());
    }
}

/// The environment of measured and traced processes: the caller's, plus `LD_BIND_NOW` and the padding.
pub fn for_children() -> Vec<(OsString, OsString)> {
    filled(std::env::vars_os())
}

/// Bytes that a variable occupies above a new process's stack: its text, and a pointer to it.
fn room_of((name, value): &(OsString, OsString)) -> usize {
    name.len() + "=".len() + value.len() + "\0".len() + size_of::<usize>()
}

/// The first value of each name, as `getenv` would find it, plus the padding.
fn filled(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = vec![(BIND_NOW.into(), "1".into())];
    let mut seen: std::collections::HashSet<OsString> =
        std::iter::once(BIND_NOW).chain(PADDING).map(OsString::from).collect();
    all.extend(variables.filter(|(name, _)| seen.insert(name.clone())));
    // The stack is aligned to two pointers: an odd number of variables would move it.
    if all.len().is_multiple_of(2) {
        all.push((PADDING[1].into(), OsString::new()));
    }
    let mut padding = (OsString::from(PADDING[0]), OsString::new());
    let size = all.iter().map(room_of).sum::<usize>() + room_of(&padding);
    padding.1 = " ".repeat(size.next_multiple_of(BLOCK) - size).into();
    all.push(padding);
    all
}

/// The variables set in this process that affect every engine or that `names` lists. A name ending in `*`
/// matches every variable with that prefix.
pub fn steering(names: &[&str]) -> Vec<Variable> {
    among(std::env::vars_os(), names)
}

fn among(variables: impl Iterator<Item = (OsString, OsString)>, names: &[&str]) -> Vec<Variable> {
    let is = |name: &str, known: &&str| match known.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *known,
    };
    let mut found: Vec<_> = variables
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| OF_ANY_ENGINE.iter().chain(names).any(|known| is(name, known)))
        .map(|(name, value)| Variable { name, value: value.to_string_lossy().into_owned() })
        .collect();
    found.sort();
    found.dedup_by(|later, first| later.name == first.name);
    found
}

/// One warning for each variable that changes which code engines run, with the names of those engines.
pub fn warnings<'a>(engines: impl Iterator<Item = (&'a str, &'a [Variable])> + Clone) -> Vec<String> {
    let mut all: Vec<&Variable> = engines.clone().flat_map(|(_, variables)| variables).collect();
    all.sort();
    all.dedup();
    let words = |variable: &Variable| {
        let steered = engines.clone().filter(|(_, variables)| variables.contains(variable));
        let names = steered.map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        let Variable { name, value } = variable;
        format!(
            "{name}={value:?} was set, which may change what {names} executes; unset it to see the usual \
             code."
        )
    };
    all.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(given: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
        given.iter().map(|&(name, value)| (name.into(), value.into())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn the_environment_of_a_child_is_the_callers_at_a_fixed_size() {
        let long = "x".repeat(BLOCK + 77);
        for count in 0..5 {
            for path in ["", "/bin", "/usr/local/bin:/usr/bin:/bin", &long] {
                let names: Vec<String> = (0..count).map(|i| format!("V{i}")).collect();
                let mut given: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
                given.push(("PATH", path));
                let all = filled(variables(&given));
                assert_eq!(all.iter().map(room_of).sum::<usize>() % BLOCK, 0, "{count} and {}", path.len());
                assert!(all.len().is_multiple_of(2), "{count} and {}", path.len());
                for expected in variables(&given) {
                    assert!(all.contains(&expected), "{expected:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_of_two_values_wins_and_the_callers_padding_is_replaced() {
        let given = [("A", "1"), ("A", "2"), (BIND_NOW, ""), (PADDING[0], "old"), (PADDING[1], "old")];
        let all = filled(variables(&given));
        let of = |wanted: &str| {
            let found = all.iter().filter(|(name, _)| name == wanted);
            found.map(|(_, value)| value.to_str().expect("given as UTF-8")).collect::<Vec<_>>()
        };
        assert_eq!(of("A"), ["1"]);
        assert_eq!(of(BIND_NOW), ["1"]);
        assert!(of(PADDING[0])[0].trim().is_empty() && of(PADDING[1]).len() < 2);
    }

    #[test]
    fn variables_are_found_by_name_and_by_prefix() {
        let given =
            [("OTHER", "1"), ("B_2", "x"), ("B_1", "y"), ("LD_PRELOAD", "/a.so"), ("A", "z"), ("AB", "w")];
        let found = among(variables(&given), &["A", "B_*"]);
        let found: Vec<_> = found.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
        assert_eq!(found, [("A", "z"), ("B_1", "y"), ("B_2", "x"), ("LD_PRELOAD", "/a.so")]);
    }

    #[test]
    fn a_variable_has_one_warning_with_the_engines_that_read_it() {
        let of = |name: &str| Variable { name: name.into(), value: "1\n".into() };
        let (both, one) = ([of("A"), of("B")], [of("B")]);
        let engines = [("first", &both[..]), ("second", &one[..]), ("third", &[][..])];
        let words = warnings(engines.into_iter());
        assert_eq!(words.len(), 2);
        assert!(
            words[0].starts_with("A=\"1\\n\" was set, which may change what first executes;"),
            "{words:?}"
        );
        assert!(words[1].contains("what first, second executes"), "{words:?}");
    }
}
