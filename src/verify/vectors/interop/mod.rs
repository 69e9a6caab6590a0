//! Interoperability vectors: data that other systems wrote or refused, one folder for each system.
//!
//! The member `file` identifies the files; all have schema version 1. Every element of every array is a case,
//! judged by the floor that it is about. An unknown array is an error, because its cases would be skipped. To
//! add a system, add a folder and a line in [`SYSTEMS`].

use std::collections::HashSet;
use std::sync::Arc;

use super::json::Node;
use super::{Content, Decoded, File, Format, Problem, Vectors};
use crate::aead::Alg;
use crate::engine::{Engine, Shape};
use crate::verify::{Case, Check, Outcome};

mod dynomite;
mod elastickv;
mod enclave;
pub(in crate::verify) mod kvstore;
mod pilot;
#[cfg(test)]
mod testing;

/// Every system, with its files.
const SYSTEMS: [&[Layout]; 5] =
    [&dynomite::FILES, &elastickv::FILES, &enclave::FILES, &kvstore::FILES, &pilot::FILES];

/// The layout of a file, and its reader.
struct Layout {
    /// The text of its member `file`.
    file: &'static str,
    /// Its arrays, and the objects that contain arrays.
    arrays: &'static [&'static str],
    read: fn(&Node<'_>) -> Result<Vec<Case>, Problem>,
}

const SCHEMA_VERSION: u64 = 1;

pub(super) const FORMAT: Format =
    Format { name: "interop", looks: "JSON with the members schema_version and file", known, decode };

fn known(content: &Content<'_>) -> bool {
    content.object().is_some_and(|file| file.contains_key("schema_version") && file.contains_key("file"))
}

/// Every case of one of the files.
///
/// # Errors
/// The path of the first member that is missing, has a wrong type, or is unknown.
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let value = file.content.json()?;
    let root = Node::root(value);
    let file = root.member("file")?;
    let name = file.text()?;
    let layouts = || SYSTEMS.into_iter().flatten();
    let layout = layouts().find(|layout| layout.file == name).ok_or_else(|| {
        let known: Vec<_> = layouts().map(|layout| layout.file).collect();
        file.problem(format!("{name} is unknown; the known files are {}", known.join(", ")))
    })?;
    let version = root.member("schema_version")?;
    if version.number()? != SCHEMA_VERSION {
        return Err(version.problem("expected schema version 1"));
    }
    for words in ["set", "description", "source"] {
        root.member(words)?.text()?;
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        if (value.is_array() || value.is_object()) && !layout.arrays.contains(&name.as_str()) {
            return Err(Problem::new(name, "an unknown array: its cases would be skipped"));
        }
    }
    let cases = (layout.read)(&root)?;
    let mut ids = HashSet::new();
    if let Some(case) = cases.iter().find(|case| !ids.insert(&case.id)) {
        return Err(Problem::new(&case.id, "two cases have this id"));
    }
    Ok(Decoded::Cases(Vectors::new(cases, Vec::new())?))
}

/// `Err` holds the expected and the actual result.
type Judgement = Result<(), String>;
/// [`Judgement`], with the rule by which our result is stricter than the vector.
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

/// A case whose outcome may be stricter.
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

/// Checks that the bytes are the vector's. An error says where they differ, but does not show them.
fn same(what: &str, seen: &[u8], vector: &[u8]) -> Judgement {
    if seen == vector {
        return Ok(());
    }
    let at = seen.iter().zip(vector).take_while(|(a, b)| a == b).count();
    let (seen, vector) = (seen.len(), vector.len());
    Err(format!("{what}: differs from the vector from byte {at} on ({seen} bytes, the vector has {vector})"))
}

/// An integer in the type's range.
fn integer<T: TryFrom<u64>>(node: &Node<'_>) -> Result<T, Problem> {
    T::try_from(node.number()?).map_err(|_| node.problem("too large for this member"))
}

/// A 64-bit integer, written as decimal text.
fn decimal(node: &Node<'_>) -> Result<u64, Problem> {
    node.text()?.parse().map_err(|_| node.problem("expected a decimal number below 2^64, as text"))
}

/// A fixed number of bytes.
fn array<const N: usize>(node: &Node<'_>) -> Result<[u8; N], Problem> {
    let bytes = node.bytes()?;
    let len = bytes.len();
    bytes.try_into().map_err(|_| node.problem(format!("expected {N} bytes, found {len}")))
}

/// The id of an array's element, after the array's name.
fn id_of(array: &str, node: &Node<'_>) -> Result<String, Problem> {
    if let Some(why) = node.find("why")? {
        why.text()?;
    }
    Ok(format!("{array}/{}", node.member("id")?.text()?))
}

/// The vector named by `negatives_base`, among those just read.
fn base_of<T>(root: &Node<'_>, vectors: &[(String, Arc<T>)]) -> Result<Arc<T>, Problem> {
    let base = root.member("negatives_base")?;
    let id = format!("vectors/{}", base.text()?);
    let found = vectors.iter().find(|(name, _)| *name == id).map(|(_, vector)| Arc::clone(vector));
    found.ok_or_else(|| base.problem("no vector has this id"))
}

/// Refuses a member of the outermost object that is neither common to all files nor one of these.
fn only(root: &Node<'_>, own: &[&str]) -> Result<(), Problem> {
    const COMMON: [&str; 5] = ["set", "file", "schema_version", "description", "source"];
    root.only(&[&COMMON, own].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_belongs_to_two_systems_and_every_array_is_named_once() {
        let mut files = HashSet::new();
        for layout in SYSTEMS.into_iter().flatten() {
            assert!(files.insert(layout.file), "{} appears twice", layout.file);
            let arrays: HashSet<_> = layout.arrays.iter().collect();
            assert_eq!(arrays.len(), layout.arrays.len(), "{}", layout.file);
        }
    }
}
