//! The environment: the one that every process started here gets, and the variables that change what an
//! engine executes.
//!
//! Some ciphers choose their code by a variable (`OPENSSL_ia32cap`), and so do the loader and the C library.
//! A process that is traced must therefore see the variables of the one that is measured: both get the list
//! of [`for_children`], the caller's own environment filled up to a fixed size. The kernel puts it above the
//! stack, so without the filling the length of `PATH` would move every address on the stack, and with them
//! the count of instructions of a copy. Not here: which variables an engine listens to. Each engine names its
//! own.

use std::ffi::OsString;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// An environment variable that is set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; what is not UTF-8 in it is replaced by U+FFFD.
    pub value: String,
}

/// What changes the code of any engine: which `memcpy` the C library takes, what the loader puts in between,
/// and which CPU an emulator pretends to be.
const OF_ANY_ENGINE: &[&str] =
    &["GLIBC_TUNABLES", "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "QEMU_CPU"];

/// Binds a shared library's functions at its start. Lazily, that would happen in the first call of each,
/// which may be the one that is traced.
const BIND_NOW: &str = "LD_BIND_NOW";
/// The variable that fills the environment up, and another one for an even number of them.
const PADDING: [&str; 2] = ["SEALMARK_PADDING", "SEALMARK_PADDING_2"];
/// Bytes that the environment's size is a multiple of: whole pages, so that nothing that depends on an
/// address's low bits moves where one is not enough.
const BLOCK: usize = 64 * 1024;

/// Gives a process that is about to be started the environment of every other one. On Unix; elsewhere nothing
/// is traced, and it inherits the caller's.
pub fn give(command: &mut Command) {
    if cfg!(unix) {
        command.env_clear().envs(for_children());
    }
}

/// The environment of processes that are measured or traced: the caller's, with `LD_BIND_NOW` and the
/// padding.
pub fn for_children() -> Vec<(OsString, OsString)> {
    filled(std::env::vars_os())
}

/// Bytes that the kernel puts above a new process's stack for a variable: its text, and a pointer to it.
fn room_of((name, value): &(OsString, OsString)) -> usize {
    name.len() + "=".len() + value.len() + "\0".len() + size_of::<usize>()
}

/// The first value of each name, as `getenv` finds it, and the padding.
fn filled(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = vec![(BIND_NOW.into(), "1".into())];
    let mut seen: std::collections::HashSet<OsString> =
        std::iter::once(BIND_NOW).chain(PADDING).map(OsString::from).collect();
    all.extend(variables.filter(|(name, _)| seen.insert(name.clone())));
    // The stack is aligned to two pointers: an odd number of them would move it.
    if all.len().is_multiple_of(2) {
        all.push((PADDING[1].into(), OsString::new()));
    }
    let mut padding = (OsString::from(PADDING[0]), OsString::new());
    let size = all.iter().map(room_of).sum::<usize>() + room_of(&padding);
    padding.1 = " ".repeat(size.next_multiple_of(BLOCK) - size).into();
    all.push(padding);
    all
}

/// The variables that are set here, of those that change what any engine executes and of those that `names`
/// names: a name that ends with `*` stands for all that begin like it.
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

/// One warning for each variable that changes what engines execute, with the names of those.
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
    fn the_first_of_two_values_counts_and_ours_are_not_the_callers() {
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
    fn variables_are_found_by_name_and_by_beginning() {
        let given =
            [("OTHER", "1"), ("B_2", "x"), ("B_1", "y"), ("LD_PRELOAD", "/a.so"), ("A", "z"), ("AB", "w")];
        let found = among(variables(&given), &["A", "B_*"]);
        let found: Vec<_> = found.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
        assert_eq!(found, [("A", "z"), ("B_1", "y"), ("B_2", "x"), ("LD_PRELOAD", "/a.so")]);
    }

    #[test]
    fn a_variable_has_one_warning_with_the_engines_that_listen_to_it() {
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
