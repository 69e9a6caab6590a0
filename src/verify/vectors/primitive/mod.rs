//! Published vectors of the functions other than AEADs: a decoder for each format and a check for each kind
//! of function.
//!
//! A file alone does not always say which function it is about (CAVP's digest files do not). These formats
//! are therefore read only for a set named in a row of [`PRIMITIVES`], and not in a user's folder.

use super::{Content, Problem, Vectors};
use crate::engine::Engine;
use crate::primitive::{PRIMITIVES, Primitive};
use crate::verify::{Case, Check, Outcome};

mod agreement;
mod cipher_mode;
mod hash;
mod kdf;
mod password_hash;
mod signature;

/// A format, and the decoder that turns its files into cases of one function.
struct Format {
    /// Its name in the index.
    name: &'static str,
    decode: fn(&Content<'_>, &'static Primitive) -> Result<Vec<Case>, Problem>,
}

const FORMATS: [Format; 6] = [
    Format { name: "argon2", decode: password_hash::decode },
    Format { name: "cavp-hash", decode: hash::decode },
    Format { name: "wycheproof-eddsa", decode: signature::decode },
    Format { name: "wycheproof-hkdf", decode: kdf::decode },
    Format { name: "wycheproof-xdh", decode: agreement::decode },
    Format { name: "wycheproof-ind-cpa", decode: cipher_mode::decode },
];

/// The primitive that a set of the index judges, if any.
pub(super) fn judged_by(set: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|primitive| primitive.vectors.contains(&set))
}

/// Every case of a file, for that primitive.
///
/// # Errors
/// An unknown format; an error in the file, with its place; a function of another kind.
pub(super) fn decode(format: &str, bytes: &[u8], primitive: &'static Primitive) -> Result<Vectors, Problem> {
    let Some(format) = FORMATS.iter().find(|known| known.name == format) else {
        let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        let reason =
            format!("there is no primitive format {format}; the known ones are: {}", known.join(", "));
        return Err(Problem::new("vectors/index.toml", reason));
    };
    Vectors::new((format.decode)(&Content::of(bytes)?, primitive)?, Vec::new())
}

/// The error for vectors of one kind that are applied to a function of another kind.
fn wrong_kind(primitive: &Primitive, vectors_of: &str) -> Problem {
    let (name, kind) = (primitive.name, primitive.function.kind());
    Problem::new(
        "vectors/index.toml",
        format!("these are {vectors_of} vectors, but {name} is a {kind} function"),
    )
}

/// A case that uses no engine; the error text gives the expected and the actual result.
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

/// Checks that a result is the published one.
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
    use crate::primitive::{CipherMode, Error, Function};
    use crate::verify::vectors::index;

    #[test]
    fn every_primitive_has_sets_in_the_index_and_all_of_them_contain_cases() {
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
    fn every_primitive_format_reads_a_set_of_the_index() {
        let formats: Vec<_> = index::rows().into_iter().map(|row| row.format).collect();
        for format in FORMATS {
            assert!(formats.iter().any(|used| used == format.name), "{} is read by nothing", format.name);
        }
    }

    /// The number of a set's cases that come out wrong on a function.
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
        static NO_SECRET: Primitive = Primitive {
            name: "argon2id",
            krate: "none",
            function: Function::PasswordHash(|input, out| {
                crate::primitive::argon2id::derive(
                    &crate::primitive::argon2id::Input { secret: b"", ..*input },
                    out,
                )
            }),
            vectors: &[],
        };
        static NO_CHECK: Primitive = Primitive {
            name: "x25519",
            krate: "none",
            function: Function::KeyAgreement(|secret, peer| {
                Ok(crate::primitive::x25519::shared(secret, peer))
            }),
            vectors: &[],
        };
        static NO_LENGTH: Primitive = Primitive {
            name: "ed25519",
            krate: "none",
            function: Function::SignatureCheck(|key, message, signature| {
                crate::primitive::ed25519::verify(key, message, signature.get(..64).unwrap_or(signature))
            }),
            vectors: &[],
        };
        static ALL_SIGNED: Primitive = Primitive {
            name: "ed25519",
            krate: "none",
            function: Function::SignatureCheck(|_, _, _| Ok(())),
            vectors: &[],
        };
        assert_eq!(wrong("wycheproof/x25519", &NO_CHECK), 31, "the all-zero shared secrets");
        assert_eq!(
            wrong("wycheproof/ed25519", &NO_LENGTH),
            3,
            "tc33, tc34 and tc37 have bytes after their end"
        );
        assert_eq!(wrong("wycheproof/ed25519", &ALL_SIGNED), 63, "all that are invalid");
        static NO_PADDING: Primitive = Primitive {
            name: "aes-cbc-pkcs5",
            krate: "none",
            function: Function::CipherMode(CipherMode {
                encrypt: |_, _, text| Ok(text.to_vec()),
                decrypt: |_, _, ciphertext| Ok(ciphertext.to_vec()),
            }),
            vectors: &[],
        };
        assert_eq!(wrong("wycheproof/aes-cbc-pkcs5", &NO_PADDING), 216);
        assert_eq!(wrong("argon2/argon2id", &NO_SECRET), 1, "only the RFC's vector has a secret");
        assert_eq!(wrong("nist/cavp-sha-256-short", &CUT), 65);
        assert_eq!(wrong("nist/cavp-sha-256-long", &CUT), 64);
        // The other 34 have an empty info, or must be refused.
        assert_eq!(wrong("wycheproof/hkdf-sha-256", &NO_INFO), 52);
        assert_eq!(
            wrong("wycheproof/hkdf-sha-256", &NO_LIMIT),
            3,
            "a request that is too long must be refused"
        );
    }

    #[test]
    fn vectors_of_another_kind_or_an_unknown_format_are_refused_by_name() {
        let (hash, kdf) = (&PRIMITIVES[0], &PRIMITIVES[1]);
        let refused = |format: &str, bytes: &[u8], primitive| {
            decode(format, bytes, primitive).expect_err("it is refused").reason
        };
        assert_eq!(
            refused("cavp-hash", b"[L = 32]", kdf),
            "these are hash vectors, but hkdf-sha-256 is a key derivation function"
        );
        assert_eq!(
            refused("wycheproof-hkdf", b"{}", hash),
            "these are key derivation vectors, but sha-256 is a hash function"
        );
        assert!(refused("cavp-mac", b"x", hash).contains(
            "the known ones are: argon2, cavp-hash, wycheproof-eddsa, wycheproof-hkdf, wycheproof-xdh"
        ));
    }
}
