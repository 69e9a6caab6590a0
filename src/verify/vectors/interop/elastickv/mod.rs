//! The interoperability vectors of elastickv: what it wrote and refused, schema version 1.
//!
//! Ten files, told apart by their member `file`: three of the envelope, seven of the storage scheme. Every member of
//! every array is a case, judged by the floor that it is about. A call's arguments stand only in its id and its words,
//! so an id that is not known here is a problem, as is an array: nothing is skipped.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::json::Node;
use super::super::{Content, Decoded, File, Problem, Vectors};
use crate::aead::Alg;
use crate::aead::TAG_LEN;
use crate::engine::{Engine, Shape};
use crate::envelope::{Aad, Cipher, Error, HEADER_LEN, Keystore, OVERHEAD};
use crate::scheme;
use crate::verify::{Case, Check, Outcome};

mod applier;
mod fsmwire;
mod kek;
mod keystore;
mod nonce;
mod raft;
mod registry;
mod sidecar;
mod startup;
mod storage;
mod store_path;

/// One kind of file.
struct Kind {
    /// The text of its member `file`.
    file: &'static str,
    /// Its arrays, and the objects that hold arrays.
    arrays: &'static [&'static str],
    read: fn(&Node<'_>) -> Result<Vec<Case>, Problem>,
}

const KINDS: [Kind; 10] = [
    Kind {
        file: "ek-storage-envelope.json",
        arrays: &["vectors", "negatives", "calls", "keystore", "value_header"],
        read: storage::read,
    },
    Kind { file: "ek-raft-envelope.json", arrays: &["vectors", "negatives", "calls"], read: raft::read },
    Kind { file: "ek-nonce-factory.json", arrays: &["vectors", "exhaustion", "node_ids"], read: nonce::read },
    Kind { file: "ek-kek.json", arrays: &["vectors", "negatives", "files"], read: kek::read },
    Kind { file: "ek-registry.json", arrays: &["vectors", "negatives"], read: registry::read },
    Kind {
        file: "ek-fsmwire.json",
        arrays: &["registration", "bootstrap", "rotation", "negatives", "cap"],
        read: fsmwire::read,
    },
    Kind { file: "ek-sidecar.json", arrays: &["vectors", "bump_local_epoch"], read: sidecar::read },
    Kind { file: "ek-applier.json", arrays: &["keys", "scenarios"], read: applier::read },
    Kind {
        file: "ek-startup.json",
        arrays: &[
            "guards",
            "local_epoch_rollback",
            "node_id_collision",
            "sidecar_behind_log",
            "relevant_opcodes",
            "snapshot_header",
        ],
        read: startup::read,
    },
    Kind { file: "ek-store-path.json", arrays: &["keys", "write_gate", "reads"], read: store_path::read },
];

const SCHEMA_VERSION: u64 = 1;

pub(in super::super) fn known(content: &Content<'_>) -> bool {
    content.object().is_some_and(|file| file.contains_key("schema_version") && file.contains_key("file"))
}

/// Every case of one of the files.
///
/// # Errors
/// The first member that is missing, of a wrong type, or not known here, by its path.
pub(in super::super) fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let value = file.content.json()?;
    let root = Node::root(value);
    let file = root.member("file")?;
    let name = file.text()?;
    let kind = KINDS.iter().find(|kind| kind.file == name).ok_or_else(|| {
        let known = KINDS.map(|kind| kind.file).join(", ");
        file.problem(format!("{name} is not read here, only {known}"))
    })?;
    let version = root.member("schema_version")?;
    if version.number()? != SCHEMA_VERSION {
        return Err(version.problem("schema version 1 is expected"));
    }
    for words in ["set", "description", "source"] {
        root.member(words)?.text()?;
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        if (value.is_array() || value.is_object()) && !kind.arrays.contains(&name.as_str()) {
            return Err(Problem::new(name, "an array that is not known here: its cases would be skipped"));
        }
    }
    let cases = (kind.read)(&root)?;
    let mut ids = HashSet::new();
    if let Some(case) = cases.iter().find(|case| !ids.insert(&case.id)) {
        return Err(Problem::new(&case.id, "two cases have this id"));
    }
    Ok(Decoded::Cases(Vectors::new(cases, Vec::new())?))
}

/// Nothing, or what was expected and what was seen.
type Judgement = Result<(), String>;
/// [`Judgement`], with the rule by which what came is stricter than the vector.
type Ruling = Result<Option<&'static str>, String>;

/// A case for every engine that offers AES-256-GCM.
fn on_engine<F>(id: String, judge: F) -> Case
where
    F: Fn(&'static dyn Engine) -> Judgement + Send + Sync + 'static,
{
    Case { id, check: Box::new(OnEngine(judge)) }
}

/// A case that uses no cipher.
fn without_cipher<F: Fn() -> Judgement + Send + Sync + 'static>(id: String, judge: F) -> Case {
    Case { id, check: Box::new(WithoutCipher(judge)) }
}

/// A case that may come out stricter.
fn ruled<F>(id: String, uses_engine: bool, judge: F) -> Case
where
    F: Fn(&'static dyn Engine) -> Ruling + Send + Sync + 'static,
{
    Case { id, check: Box::new(Ruled { uses_engine, judge }) }
}

struct Ruled<F> {
    uses_engine: bool,
    judge: F,
}

impl<F: Fn(&'static dyn Engine) -> Ruling + Send + Sync> Check for Ruled<F> {
    fn uses_engine(&self) -> bool {
        self.uses_engine
    }

    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        if self.uses_engine && !engine.supports(Shape::usual(Alg::Aes256Gcm)) {
            return Outcome::Unsupported;
        }
        match (self.judge)(engine) {
            Ok(None) => Outcome::Agree,
            Ok(Some(rule)) => Outcome::Stricter { rule },
            Err(what) => Outcome::Wrong { what },
        }
    }
}

struct OnEngine<F>(F);

impl<F: Fn(&'static dyn Engine) -> Judgement + Send + Sync> Check for OnEngine<F> {
    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        if engine.supports(Shape::usual(Alg::Aes256Gcm)) {
            outcome(self.0(engine))
        } else {
            Outcome::Unsupported
        }
    }
}

struct WithoutCipher<F>(F);

impl<F: Fn() -> Judgement + Send + Sync> Check for WithoutCipher<F> {
    fn uses_engine(&self) -> bool {
        false
    }

    fn run(&self, _: &'static dyn Engine) -> Outcome {
        outcome(self.0())
    }
}

fn outcome(judgement: Judgement) -> Outcome {
    judgement.map_or_else(|what| Outcome::Wrong { what }, |()| Outcome::Agree)
}

/// A cipher with that one key.
fn cipher_of(engine: &'static dyn Engine, key_id: u32, dek: &[u8]) -> Result<Cipher, String> {
    let keystore = Keystore::new(engine);
    keystore.set(key_id, dek).map_err(|e| format!("the vector's own key is refused: {e}"))?;
    Ok(Arc::new(keystore).into())
}

/// A key id that names a key, though not that one.
fn other_key_id(key_id: u32) -> u32 {
    key_id.wrapping_add(1).max(1)
}

/// That those bytes are the vector's. Shows where they part, not what they are.
fn same(what: &str, seen: &[u8], vector: &[u8]) -> Judgement {
    if seen == vector {
        return Ok(());
    }
    let at = seen.iter().zip(vector).take_while(|(a, b)| a == b).count();
    let (seen, vector) = (seen.len(), vector.len());
    Err(format!("{what}: differs from the vector from byte {at} on ({seen} bytes, the vector has {vector})"))
}

/// That a call came out under that name: empty for success, `OTHER` for any error.
fn ends_as<T>(what: &str, seen: &Result<T, Error>, expect: &str) -> Judgement {
    let error = seen.as_ref().err().map(|error| Named { name: error.spec_name(), reason: error.to_string() });
    ends_by_name(what, error, expect)
}

/// That a call ended in success, or in an error of that name; any error where `OTHER` is expected. What came is told
/// with its reason: most errors have no name of their own in the reference.
fn ends_by_name(what: &str, error: Option<Named>, expect: &str) -> Judgement {
    let fits = match &error {
        None => expect.is_empty(),
        Some(error) => expect == "OTHER" || expect == error.name,
    };
    if fits {
        return Ok(());
    }
    let expected = if expect.is_empty() { "success" } else { expect };
    let seen = error.map_or_else(|| "success".to_owned(), |error| error.to_string());
    Err(format!("{what}: {expected} is expected, this came: {seen}"))
}

/// An error by its name in the reference, and in words.
struct Named {
    name: &'static str,
    reason: String,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name {
            "OTHER" => f.write_str(&self.reason),
            name => write!(f, "{name} ({})", self.reason),
        }
    }
}

/// The name and the reason of a storage scheme's error, if it is one.
fn named<T>(seen: &Result<T, scheme::storage::Error>) -> Option<Named> {
    seen.as_ref().err().map(|error| Named { name: error.spec_name(), reason: error.to_string() })
}

/// A record, what it is bound to, and the message that it opens to under the key that is tried.
struct Good<'a> {
    record: &'a [u8],
    aad: Aad<'a>,
    plaintext: &'a [u8],
}

/// That a record ends under that name by either call, that a refusal releases nothing, and that the good record
/// opens afterwards. A record that opens must give the good one's message.
fn opens_as(cipher: &Cipher, record: &[u8], aad: &Aad<'_>, expect: &str, good: &Good<'_>) -> Judgement {
    let opened = cipher.open(record, aad);
    ends_as("open", &opened, expect)?;
    if let Ok(plaintext) = opened {
        same("open", &plaintext, good.plaintext)?;
    }
    let mut buffer = record.to_vec();
    let in_place = cipher.open_in_place(&mut buffer, aad).map(|plaintext| plaintext.to_vec());
    ends_as("open_in_place", &in_place, expect)?;
    match in_place {
        Ok(plaintext) => same("open_in_place", &plaintext, good.plaintext)?,
        Err(error) => left(error, record, &buffer)?,
    }
    let mut buffer = good.record.to_vec();
    let again = cipher.open_in_place(&mut buffer, &good.aad);
    same(
        "a good record afterwards",
        again.map_err(|e| format!("a good record afterwards: {e}"))?,
        good.plaintext,
    )
}

/// What a refused open leaves where the record lay: zeros for the ciphertext once the cipher has run, else the record
/// as it came; header and tag in any case.
fn left(error: Error, record: &[u8], buffer: &[u8]) -> Judgement {
    let mut expected = record.to_vec();
    if matches!(error, Error::Integrity | Error::Aead(_)) && record.len() >= OVERHEAD {
        expected[HEADER_LEN..record.len() - TAG_LEN].fill(0);
    }
    if buffer == expected {
        return Ok(());
    }
    Err("a refused open_in_place leaves neither zeros for the ciphertext nor, before the cipher, the record"
        .into())
}

/// An integer of the type's range.
fn integer<T: TryFrom<u64>>(node: &Node<'_>) -> Result<T, Problem> {
    T::try_from(node.number()?).map_err(|_| node.problem("too large for this member"))
}

/// A 64-bit integer, written as decimal text.
fn decimal(node: &Node<'_>) -> Result<u64, Problem> {
    node.text()?.parse().map_err(|_| node.problem("a decimal number below 2^64, as text, is expected"))
}

/// Bytes of a fixed number.
fn array<const N: usize>(node: &Node<'_>) -> Result<[u8; N], Problem> {
    let bytes = node.bytes()?;
    let len = bytes.len();
    bytes.try_into().map_err(|_| node.problem(format!("{N} bytes are expected, these are {len}")))
}

/// The id that a member of an array carries, behind the array's name.
fn id_of(array: &str, node: &Node<'_>) -> Result<String, Problem> {
    if let Some(why) = node.find("why")? {
        why.text()?;
    }
    Ok(format!("{array}/{}", node.member("id")?.text()?))
}

/// The member that `negatives_base` names, of the vectors just read.
fn base_of<T>(root: &Node<'_>, vectors: &[(String, Arc<T>)]) -> Result<Arc<T>, Problem> {
    let base = root.member("negatives_base")?;
    let id = format!("vectors/{}", base.text()?);
    let found = vectors.iter().find(|(name, _)| *name == id).map(|(_, vector)| Arc::clone(vector));
    found.ok_or_else(|| base.problem("no vector has this id"))
}

#[cfg(test)]
mod tests;
