//! NIST's ACVP JSON for AES-GCM (ACVP-AES-GCM, revision 1.0; draft-vassilev-acvp-aes), with lengths in bits.
//!
//! A vector set comes in three files. `internalProjection.json` has questions and answers. `prompt.json` has
//! the questions and `expectedResults.json` the answers: each is a [`Half`], and [`pair`] joins them by
//! `vsId`, `tgId` and `tcId`. `testPassed: false` means that open must refuse. A test whose IV the
//! implementation draws itself has no answer known beforehand; a remark counts these.

use std::collections::HashMap;

use serde_json::Value;

use super::json::Node;
use super::stray::is_aes_gcm;
use super::{Content, Decoded, File, Format, Parts, Problem, Vectors};
use crate::verify::Case;
use crate::verify::aead_case::Expect;

/// The questions or the answers of a vector set.
#[derive(Debug)]
pub struct Half {
    /// The number of the vector set, which both halves carry.
    pub vs_id: u64,
    /// Which half it is.
    pub holds: Holds,
    set: Value,
}

/// The content of a [`Half`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// `prompt.json`.
    Questions,
    /// `expectedResults.json`.
    Answers,
}

impl Half {
    /// The error that the other half is missing.
    pub fn alone(&self) -> Problem {
        let (this, other) = match self.holds {
            Holds::Questions => ("questions (prompt.json)", "answers (expectedResults.json)"),
            Holds::Answers => ("answers (expectedResults.json)", "questions (prompt.json)"),
        };
        let reason =
            format!("these are the {this} of vector set {}: the {other} belong next to them", self.vs_id);
        Problem::new("vsId", reason)
    }
}

pub(super) const FORMAT: Format =
    Format { name: "acvp-gcm", looks: "JSON with the members vsId and testGroups", known, decode };

fn known(content: &Content<'_>) -> bool {
    let Content::Json(file) = content else { return false };
    let is_set = |set: &Value| {
        let algorithm = set.get("algorithm").and_then(Value::as_str).unwrap_or_default();
        set.get("vsId").is_some() || algorithm.starts_with("ACVP-")
    };
    vector_set(file).is_some_and(is_set)
}

/// The vector set: the file itself, or the element of the array in which the protocol wraps it.
fn vector_set(file: &Value) -> Option<&Value> {
    match file {
        Value::Array(members) => members.iter().find(|member| member.get("acvVersion").is_none()),
        other => Some(other),
    }
}

/// The cases of a file, named `tc1`, `tc2`, ..., or the half that it contains.
///
/// # Errors
/// What is wrong with the file, and where.
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let value = file.content.json()?;
    let value = vector_set(value).unwrap_or(value);
    let set = Node::root(value);
    let algorithm = set.member("algorithm")?;
    if !is_aes_gcm(algorithm.text()?) {
        return Ok(Decoded::Other(algorithm.text()?.into()));
    }
    if let Some(revision) = set.optional("revision")?
        && revision.text()? != "1.0"
    {
        return Err(revision.problem("expected revision 1.0"));
    }
    if !set.has("testGroups") {
        let other = [("direction", "an ACVP registration"), ("disposition", "an ACVP verdict")];
        let other = other.iter().find(|(member, _)| set.has(member));
        return match other {
            Some((_, what)) => Ok(Decoded::Other(format!("{what}, without vectors"))),
            None => Err(set.problem("the member testGroups is missing")),
        };
    }
    let groups = set.member("testGroups")?;
    let (mut asks, mut lacks_answers) = (false, false);
    for group in groups.elements()? {
        let Some(direction) = Direction::of(&group)? else { continue };
        asks = true;
        for test in group.member("tests")?.elements()? {
            let is_deferred = direction.has_own_iv && test.find("deferred")?.is_some();
            lacks_answers |= !direction.is_answered(&test) && !is_deferred;
        }
    }
    if asks && !lacks_answers {
        return Ok(Decoded::Cases(vectors(&set, None)?));
    }
    let holds = if asks { Holds::Questions } else { Holds::Answers };
    Ok(Decoded::Half(Half { vs_id: set.member("vsId")?.number()?, holds, set: value.clone() }))
}

/// The cases of a prompt joined with its expected results.
///
/// # Errors
/// What is wrong with either, and where; a question without an answer, or an answer without a question.
pub fn pair(questions: &Half, answers: &Half) -> Result<Vectors, Problem> {
    let set = Node::root(&answers.set);
    let mut found = HashMap::new();
    for group in set.member("testGroups")?.elements()? {
        let group_id = group.member("tgId")?.number()?;
        for test in group.member("tests")?.elements()? {
            let id = (group_id, test.member("tcId")?.number()?);
            if found.insert(id, test).is_some() {
                return Err(group.problem(format!("in the answers, test {} appears twice", id.1)));
            }
        }
    }
    vectors(&Node::root(&questions.set), Some(found))
}

type Answers<'a> = HashMap<(u64, u64), Node<'a>>;

fn vectors(set: &Node<'_>, mut answers: Option<Answers<'_>>) -> Result<Vectors, Problem> {
    let (mut cases, mut deferred) = (Vec::new(), 0);
    for group in set.member("testGroups")?.elements()? {
        let direction = Direction::of(&group)?;
        let direction = direction.ok_or_else(|| group.problem("the member direction is missing"))?;
        let sizes = Sizes::read(&group)?;
        let group_id = group.find("tgId")?.map_or(Ok(0), |id| id.number())?;
        for test in group.member("tests")?.elements()? {
            let id = test.member("tcId")?.number()?;
            let answer = answers.as_mut().and_then(|answers| answers.remove(&(group_id, id)));
            if ![Some(&test), answer.as_ref()].into_iter().flatten().any(|test| direction.is_answered(test)) {
                if direction.has_own_iv {
                    deferred += 1;
                    continue;
                }
                return Err(test.problem(format!("test {id} of group {group_id} has no answer")));
            }
            cases.push(case(id, &test, answer.as_ref(), &direction, &sizes)?);
        }
    }
    if let Some(((group, test), _)) = answers.into_iter().flatten().next() {
        let reason = format!("the answers have test {test} of group {group}, but the questions do not");
        return Err(set.problem(reason));
    }
    let mut remarks = Vec::new();
    if deferred > 0 {
        remarks.push(format!(
            "{deferred} tests are left out: the implementation draws their IV, so they have no answer"
        ));
    }
    Vectors::new(cases, remarks)
}

/// The direction of a group's tests.
struct Direction {
    encrypts: bool,
    /// Whether the implementation draws the IV itself.
    has_own_iv: bool,
}

impl Direction {
    /// `None` in the answers, which do not give it.
    fn of(group: &Node<'_>) -> Result<Option<Self>, Problem> {
        let Some(direction) = group.find("direction")? else { return Ok(None) };
        let encrypts = match direction.text()? {
            "encrypt" => true,
            "decrypt" => false,
            _ => return Err(direction.problem("neither encrypt nor decrypt")),
        };
        if let Some(kind) = group.find("testType")?
            && kind.text()? != "AFT"
        {
            return Err(kind.problem("an unknown test type: only AFT is known"));
        }
        let mut has_own_iv = false;
        if let Some(drawn) = group.find("ivGen")? {
            has_own_iv = match drawn.text()? {
                "external" => false,
                "internal" => encrypts,
                _ => return Err(drawn.problem("neither internal nor external")),
            };
        }
        Ok(Some(Self { encrypts, has_own_iv }))
    }

    fn is_answered(&self, test: &Node<'_>) -> bool {
        match self.encrypts {
            true => test.has("ct") && test.has("tag"),
            false => test.has("testPassed") || test.has("pt"),
        }
    }
}

/// Lengths in bytes that a group declares; undeclared lengths are not checked.
struct Sizes([(&'static str, Option<u64>); 5]);

impl Sizes {
    fn read(group: &Node<'_>) -> Result<Self, Problem> {
        let size = |names: &[&str]| {
            for name in names {
                if let Some(bits) = group.find(name)? {
                    return bits.bits_as_bytes().map(Some);
                }
            }
            Ok(None)
        };
        Ok(Self([
            ("key", size(&["keyLen"])?),
            ("iv", size(&["ivLen"])?),
            // The second name is from before revision 1.0 was final.
            ("payload", size(&["payloadLen", "ptLen"])?),
            ("aad", size(&["aadLen"])?),
            ("tag", size(&["tagLen"])?),
        ]))
    }

    fn of(&self, member: &str) -> Option<u64> {
        let name = if matches!(member, "pt" | "ct") { "payload" } else { member };
        self.0.iter().find(|(sized, _)| *sized == name).and_then(|(_, len)| *len)
    }
}

fn case(
    id: u64,
    test: &Node<'_>,
    answer: Option<&Node<'_>>,
    direction: &Direction,
    sizes: &Sizes,
) -> Result<Case, Problem> {
    let find = |name: &str| match test.optional(name)? {
        Some(member) => Ok(Some(member)),
        None => answer.map_or(Ok(None), |answer| answer.optional(name)),
    };
    let bytes = |name: &str| {
        let Some(member) = find(name)? else { return Ok(None) };
        let bytes = member.bytes()?;
        match sizes.of(name) {
            Some(len) if bytes.len() as u64 != len => {
                Err(member.problem(format!("{} bytes, its group declares {len}", bytes.len())))
            }
            _ => Ok(Some(bytes)),
        }
    };
    let needed = |name: &str| bytes(name)?.ok_or_else(|| test.problem(format!("test {id} has no {name}")));
    let mut expect = Expect::Valid;
    if let Some(passed) = find("testPassed")?
        && !passed.truth()?
    {
        if direction.encrypts {
            return Err(passed.problem("an encryption test that must fail is unknown"));
        }
        expect = Expect::Invalid;
    }
    let parts = Parts {
        key: needed("key")?,
        iv: needed("iv")?,
        aad: needed("aad")?,
        message: bytes("pt")?,
        ciphertext: needed("ct")?,
        tag: needed("tag")?,
        expect,
    };
    parts.case(format!("tc{id}")).map_err(|reason| test.problem(reason))
}

#[cfg(test)]
mod tests;
