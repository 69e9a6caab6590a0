//! The JSON of the Rooterberg project (github.com/bleichenbacher-daniel/Rooterberg) for AEADs: one list of
//! tests, with the sizes in bits next to the algorithm's name.
//!
//! Unknown members are ignored. If the declared count differs from the number of tests, that is a remark.

use super::json::Node;
use super::stray::is_aes_gcm;
use super::{Content, Decoded, File, Format, Parts, Problem, Vectors};
use crate::verify::Case;
use crate::verify::aead_case::Expect;

pub(super) const FORMAT: Format =
    Format { name: "rooterberg-aead", looks: "JSON with the members testType and tests", known, decode };

fn known(content: &Content<'_>) -> bool {
    content.object().is_some_and(|file| file.contains_key("testType") && file.contains_key("tests"))
}

/// The cases of a file, named `tc1`, `tc2`, ...
///
/// # Errors
/// What is wrong with the file, and where.
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let file = Node::root(file.content.json()?);
    let algorithm = file.member("algorithm")?;
    // Some of the project's other kinds of tests have no primitive, or an object in its place.
    let primitive = algorithm.find("primitive")?.and_then(|primitive| primitive.text().ok());
    match primitive {
        Some(primitive) if is_aes_gcm(primitive) => {}
        Some(other) => return Ok(Decoded::Other(other.into())),
        None => return Ok(Decoded::Other(file.member("testType")?.text()?.into())),
    }
    let test_type = file.member("testType")?;
    if test_type.text()? != "Aead" {
        return Err(test_type.problem("expected Aead"));
    }
    let size = |name: &str| algorithm.find(name)?.map(|bits| bits.bits_as_bytes()).transpose();
    let sizes = [("key", size("keySize")?), ("iv", size("ivSize")?), ("tag", size("tagSize")?)];
    let tests = file.member("tests")?;
    let cases = tests.elements()?.map(|test| case(&test, &sizes)).collect::<Result<Vec<_>, _>>()?;
    let mut remarks = Vec::new();
    if let Some(declared) = file.find("numTests")?.map(|declared| declared.number()).transpose()?
        && declared != cases.len() as u64
    {
        remarks.push(format!("numTests: {declared} cases are declared, {} found", cases.len()));
    }
    Ok(Decoded::Cases(Vectors::new(cases, remarks)?))
}

fn case(test: &Node<'_>, sizes: &[(&str, Option<u64>)]) -> Result<Case, Problem> {
    let bytes = |name: &str| {
        let member = test.member(name)?;
        let bytes = member.bytes()?;
        match sizes.iter().find(|(sized, _)| *sized == name) {
            Some((_, Some(len))) if bytes.len() as u64 != *len => {
                Err(member.problem(format!("{} bytes, but the algorithm declares {len}", bytes.len())))
            }
            _ => Ok(bytes),
        }
    };
    let valid = test.member("valid")?.truth()?;
    let parts = Parts {
        key: bytes("key")?,
        iv: bytes("iv")?,
        aad: bytes("aad")?,
        message: Some(bytes("msg")?),
        ciphertext: bytes("ct")?,
        tag: bytes("tag")?,
        expect: if valid { Expect::Valid } else { Expect::Invalid },
    };
    let id = format!("tc{}", test.member("tcId")?.number()?);
    parts.case(id).map_err(|reason| test.problem(reason))
}

#[cfg(test)]
mod tests {
    use crate::verify::vectors::decode_any;

    const FILE: &str = r#"{"testType": "Aead", "algorithm": {"algorithmType": "Aead", "primitive": "AesGcm",
        "keySize": 128, "ivSize": 96, "tagSize": 128}, "numTests": 2, "tests": [
        {"tcId": 1, "key": "00000000000000000000000000000000", "iv": "000000000000000000000000", "aad": "",
         "msg": "", "ct": "", "tag": "58e2fccefa7e3061367f1d57a4e7455a", "valid": true, "flags": ["Basic"]},
        {"tcId": 2, "key": "00000000000000000000000000000000", "iv": "000000000000000000000000", "aad": "",
         "msg": "", "ct": "", "tag": "58e2fccefa7e3061367f1d57a4e7455b", "valid": false, "flags": []}]}"#;

    #[test]
    fn a_valid_and_an_invalid_test_are_judged_as_such() {
        let vectors = decode_any(FILE.as_bytes()).unwrap();
        assert_eq!((vectors.cases.len(), vectors.remarks.len()), (2, 0));
        let own = crate::engine::find("sealmark").unwrap();
        for case in &vectors.cases {
            assert_eq!(case.check.run(own), crate::verify::Outcome::Agree, "{}", case.id);
        }
        let turned = FILE.replace("true", "maybe").replace("false", "true").replace("maybe", "false");
        for case in decode_any(turned.as_bytes()).unwrap().cases {
            assert!(matches!(case.check.run(own), crate::verify::Outcome::Wrong { .. }), "{}", case.id);
        }
    }

    #[test]
    fn errors_name_their_place_and_another_count_is_a_remark() {
        let broken = |from: &str, to: &str| decode_any(FILE.replacen(from, to, 1).as_bytes());
        assert_eq!(broken("\"ivSize\": 96", "\"ivSize\": 128").unwrap_err().place, "tests[0].iv");
        assert_eq!(broken("\"aad\"", "\"add\"").unwrap_err().place, "tests[0].aad");
        assert_eq!(broken("true", "1").unwrap_err().place, "tests[0].valid");
        assert_eq!(
            broken("\"Aead\", \"algorithm\"", "\"Mac\", \"algorithm\"").unwrap_err().place,
            "testType"
        );
        assert!(broken("AesGcm", "AesCcm").unwrap_err().reason.contains("but AesCcm"));
        let remarks = broken("\"numTests\": 2", "\"numTests\": 156").unwrap().remarks;
        assert_eq!(remarks, ["numTests: 156 cases are declared, 2 found"]);
    }
}
