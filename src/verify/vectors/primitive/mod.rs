//! Published vectors of the functions beside AEADs: a decoder for each format, a check for each kind of
//! function.
//!
//! A file alone does not always say which function it is about (CAVP's digests do not), so these formats are
//! read only for a set that a row of [`PRIMITIVES`] names, and not in somebody's folder.

use super::{Content, Problem, Vectors};
use crate::engine::Engine;
use crate::primitive::{PRIMITIVES, Primitive};
use crate::verify::{Case, Check, Outcome};

mod hash;
mod kdf;

/// A format, and how a file of it becomes cases of one function.
struct Format {
    /// Its name in the index.
    name: &'static str,
    decode: fn(&Content<'_>, &'static Primitive) -> Result<Vec<Case>, Problem>,
}

const FORMATS: [Format; 2] = [
    Format { name: "cavp-hash", decode: hash::decode },
    Format { name: "wycheproof-hkdf", decode: kdf::decode },
];

/// The primitive that a set of the index judges, if it judges one.
pub(super) fn judged_by(set: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|primitive| primitive.vectors.contains(&set))
}

/// Every case of a file, judging that primitive.
///
/// # Errors
/// A format that is not known; what is wrong with the file, and where; a function of another kind.
pub(super) fn decode(format: &str, bytes: &[u8], primitive: &'static Primitive) -> Result<Vectors, Problem> {
    let Some(format) = FORMATS.iter().find(|known| known.name == format) else {
        let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        let reason = format!("no format of primitives is called {format}; there are: {}", known.join(", "));
        return Err(Problem::new("vectors/index.toml", reason));
    };
    Vectors::new((format.decode)(&Content::of(bytes)?, primitive)?, Vec::new())
}

/// The complaint about vectors of one kind for a function of another.
fn wrong_kind(primitive: &Primitive, vectors_of: &str) -> Problem {
    let (name, kind) = (primitive.name, primitive.function.kind());
    Problem::new("vectors/index.toml", format!("vectors of {vectors_of}, and {name} is one of {kind}"))
}

/// A case that no engine takes part in; the text says what was expected and what came.
fn case(id: String, judge: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Case {
    Case { id, check: Box::new(Judged(judge)) }
}

struct Judged<F>(F);

impl<F: Fn() -> Result<(), String> + Send + Sync> Check for Judged<F> {
    fn uses_engine(&self) -> bool {
        false
    }

    fn run(&self, _: &'static dyn Engine) -> Outcome {
        match (self.0)() {
            Ok(()) => Outcome::Agree,
            Err(what) => Outcome::Wrong { what },
        }
    }
}

/// That a result is the published one.
fn same(what: &str, seen: &[u8], expected: &[u8]) -> Result<(), String> {
    if seen == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {}, got {}", hex::encode(expected), hex::encode(seen)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;
    use crate::primitive::{Error, Function};
    use crate::verify::vectors::index;

    #[test]
    fn every_primitive_has_sets_in_the_index_and_every_one_of_them_holds_cases() {
        for primitive in PRIMITIVES {
            for name in primitive.vectors {
                let row = index::rows().into_iter().find(|row| row.name == *name);
                let set = row.unwrap_or_else(|| panic!("the index has no set {name}")).load();
                assert_eq!(set.broken, [""; 0], "{name}");
                assert!(set.declared > 0 && set.cases.len() as u64 == set.declared, "{name}");
                assert!(set.cases.iter().all(|case| !case.check.uses_engine()), "{name}");
            }
        }
    }

    #[test]
    fn every_format_of_primitives_reads_a_set_of_the_index() {
        let formats: Vec<_> = index::rows().into_iter().map(|row| row.format).collect();
        for format in FORMATS {
            assert!(formats.iter().any(|used| used == format.name), "{} is read by nothing", format.name);
        }
    }

    /// How many cases of a set come out wrong on a function.
    fn wrong(set: &str, primitive: &'static Primitive) -> usize {
        let row = index::rows().into_iter().find(|row| row.name == set).expect("the index has it");
        let bytes = row.bytes().expect("the file is embedded");
        let vectors = decode(&row.format, &bytes, primitive).expect("the file is sound");
        let engine = find("sealmark").expect("always there");
        let outcomes = vectors.cases.iter().map(|case| case.check.run(engine));
        outcomes.filter(|outcome| matches!(outcome, Outcome::Wrong { .. })).count()
    }

    #[test]
    fn a_function_that_is_wrong_fails_its_vectors() {
        static CUT: Primitive = Primitive {
            name: "sha-256",
            krate: "none",
            function: Function::Hash(|message| crate::primitive::sha256::digest(message)[..31].to_vec()),
            vectors: &[],
        };
        static NO_INFO: Primitive = Primitive {
            name: "hkdf-sha-256",
            krate: "none",
            function: Function::Kdf(|material, salt, _, out| {
                crate::primitive::hkdf_sha256::derive(material, salt, b"", out)
            }),
            vectors: &[],
        };
        static NO_LIMIT: Primitive = Primitive {
            name: "hkdf-sha-256",
            krate: "none",
            function: Function::Kdf(|material, salt, info, out| match crate::primitive::hkdf_sha256::derive(
                material, salt, info, out,
            ) {
                Err(Error::OutputTooLong { .. }) => Ok(()),
                done => done,
            }),
            vectors: &[],
        };
        assert_eq!(wrong("nist/cavp-sha-256-short", &CUT), 65);
        assert_eq!(wrong("nist/cavp-sha-256-long", &CUT), 64);
        // The other 34 have an empty info, or must be refused.
        assert_eq!(wrong("wycheproof/hkdf-sha-256", &NO_INFO), 52);
        assert_eq!(wrong("wycheproof/hkdf-sha-256", &NO_LIMIT), 3, "what is too long must be refused");
    }

    #[test]
    fn vectors_of_another_kind_or_an_unknown_format_are_refused_by_name() {
        let (hash, kdf) = (&PRIMITIVES[0], &PRIMITIVES[1]);
        let refused = |format: &str, bytes: &[u8], primitive| {
            decode(format, bytes, primitive).expect_err("it is refused").reason
        };
        assert_eq!(
            refused("cavp-hash", b"[L = 32]", kdf),
            "vectors of hash, and hkdf-sha-256 is one of key derivation"
        );
        assert_eq!(
            refused("wycheproof-hkdf", b"{}", hash),
            "vectors of key derivation, and sha-256 is one of hash"
        );
        assert!(refused("cavp-mac", b"x", hash).contains("there are: cavp-hash, wycheproof-hkdf"));
    }
}
