//! OpenSSL's evp tests (`test/recipes/30-test_evp_data/*.txt`), and BoringSSL's `cipher_tests.txt`, which has
//! the same structure: records `Cipher = aes-128-gcm` with `Key`, `IV`, `AAD`, `Tag`, `Plaintext`,
//! `Ciphertext`, separated by empty lines. Several `AAD` are concatenated.
//!
//! A record with a `Result` must be refused when it is opened. One file contains many ciphers: a remark
//! counts the records of others, and the few AES-GCM records that test OpenSSL's own calls instead of the
//! algorithm.

use std::collections::BTreeMap;

use super::text::{Attribute, Line, stanzas};
use super::{Content, Decoded, File, Format, Parts, Problem, Vectors};
use crate::aead::Alg;
use crate::verify::Case;
use crate::verify::aead_case::Expect;

/// Possible names of a record's first attribute in files with this structure.
const SUBJECTS: [&str; 15] = [
    "Cipher",
    "Digest",
    "MAC",
    "KDF",
    "PKEYKDF",
    "PBE",
    "Encoding",
    "Sign",
    "Verify",
    "Decrypt",
    "Derive",
    "KEM",
    "PrivateKey",
    "PublicKey",
    "Keygen",
];

pub(super) const FORMAT: Format = Format {
    name: "openssl-evp",
    looks: "text with records Cipher = ..., Key = ..., Plaintext = ...",
    known,
    decode,
};

fn known(content: &Content<'_>) -> bool {
    let mut attributes = content.lines().iter().filter_map(Line::attribute);
    let first = attributes.clone().find(|attribute| !PASSED_OVER.iter().any(|name| attribute.is(name)));
    first.is_some_and(|first| SUBJECTS.iter().any(|name| first.is(name)))
        || attributes.any(|attribute| attribute.is("Cipher"))
            && has_any(content, &["Plaintext", "Ciphertext"])
}

fn has_any(content: &Content<'_>, names: &[&str]) -> bool {
    let mut attributes = content.lines().iter().filter_map(Line::attribute);
    attributes.any(|attribute| names.iter().any(|name| attribute.is(name)))
}

/// The cases of a file, named `line12`, ... after the line where the record begins.
///
/// # Errors
/// What is wrong with the file, and where.
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let (mut cases, mut others, mut own) = (Vec::new(), BTreeMap::<String, u64>::new(), 0);
    for stanza in stanzas(file.content.lines()) {
        let attributes = stanza.iter().map(|line| line.attribute().ok_or(*line));
        let attributes = attributes.collect::<Result<Vec<_>, _>>();
        let subject = attributes.as_ref().ok().and_then(|attributes| {
            attributes.iter().find(|attribute| SUBJECTS.iter().any(|name| attribute.is(name)))
        });
        let alg = subject.filter(|subject| subject.is("Cipher")).and_then(|subject| alg_of(subject.value));
        match (&attributes, subject, alg) {
            (Ok(attributes), _, Some(alg)) => match record(attributes, alg)? {
                Some(case) => cases.push(case),
                None => own += 1,
            },
            (Ok(_), Some(subject), None) => *others.entry(name_of(subject)).or_default() += 1,
            // A title, or lines between records of other kinds.
            (Ok(attributes), None, None) if !attributes.iter().any(is_part) => {}
            (Ok(attributes), ..) => return Err(attributes[0].problem("a record without its Cipher")),
            (Err(line), ..) => return Err(line.problem("neither `NAME = VALUE` nor a comment")),
        }
    }
    let others = others.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    if cases.is_empty() && own == 0 && !others.is_empty() {
        return Ok(Decoded::Other(others));
    }
    let mut remarks = Vec::new();
    if !others.is_empty() {
        remarks.push(format!("records of other algorithms are left out: {others}"));
    }
    if own > 0 {
        remarks
            .push(format!("{own} records are left out: they are about OpenSSL's calls, not about AES-GCM"));
    }
    Ok(Decoded::Cases(Vectors::new(cases, remarks)?))
}

/// AES-GCM in any of its spellings: `aes-128-gcm`, `AES-128-GCM`, `id-aes128-GCM`.
fn alg_of(cipher: &str) -> Option<Alg> {
    let letters: String = cipher.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    match letters.strip_prefix("id").unwrap_or(&letters) {
        "aes128gcm" => Some(Alg::Aes128Gcm),
        "aes192gcm" => Some(Alg::Aes192Gcm),
        "aes256gcm" => Some(Alg::Aes256Gcm),
        _ => None,
    }
}

fn name_of(subject: &Attribute<'_>) -> String {
    if subject.is("Cipher") || subject.is("Digest") || subject.is("MAC") || subject.is("KDF") {
        return subject.value.to_ascii_uppercase().chars().take(40).collect();
    }
    subject.name.to_owned()
}

/// Attributes that do not affect the result.
const PASSED_OVER: [&str; 8] = [
    "Title",
    "Comment",
    "Availablein",
    "FIPSversion",
    "SecurityCategory",
    "Extended-Test",
    "Threads",
    "Unapproved",
];

/// Attributes of a record that is not about the algorithm, but about OpenSSL's calls or its use in TLS.
const OF_OPENSSL: [&str; 5] = ["NextIV", "TLSAAD", "TLSVersion", "CtrlInit", "KeyBits"];

const PARTS: [&str; 5] = ["Key", "IV", "Tag", "Plaintext", "Ciphertext"];

fn is_part(attribute: &Attribute<'_>) -> bool {
    PARTS.iter().any(|name| attribute.is(name))
}

/// `None` if the record is not about the algorithm.
fn record(attributes: &[Attribute<'_>], alg: Alg) -> Result<Option<Case>, Problem> {
    let first = attributes[0];
    let mut parts = [const { None }; PARTS.len()];
    let (mut aad, mut refused, mut seals, mut own) = (Vec::new(), false, false, false);
    for attribute in attributes {
        if let Some(i) = PARTS.iter().position(|name| attribute.is(name)) {
            if parts[i].replace(attribute.bytes()?).is_some() {
                return Err(attribute.problem(format!("{} twice in a record", PARTS[i])));
            }
        } else if attribute.is("AAD") {
            aad.extend(attribute.bytes()?);
        } else if attribute.is("Operation") {
            match attribute.value.to_ascii_uppercase().as_str() {
                "ENCRYPT" => seals = true,
                "DECRYPT" => {}
                "INVALIDDECRYPT" => refused = true,
                _ => return Err(attribute.in_value(0, "neither ENCRYPT, DECRYPT nor InvalidDecrypt")),
            }
        } else if attribute.is("Result") {
            let word = attribute.value;
            if !word.ends_with("_ERROR") && !word.starts_with("INVALID") {
                return Err(attribute.in_value(0, format!("{word} is not a known refusal")));
            }
            refused = true;
        } else if OF_OPENSSL.iter().any(|name| attribute.is(name)) {
            own = true;
        } else if !attribute.is("Cipher") && !PASSED_OVER.iter().any(|name| attribute.is(name)) {
            return Err(attribute.problem(format!("{} is unknown", attribute.name)));
        }
    }
    let [key, iv, tag, plaintext, ciphertext] = parts;
    let missing = |name: &str| first.problem(format!("the record that begins here has no {name}"));
    let key = key.ok_or_else(|| missing("Key"))?;
    let iv = iv.ok_or_else(|| missing("IV"))?;
    let sized = key.len() == alg.key_len();
    // An empty IV is refused either way; any other record that cannot be sealed, or started, tests OpenSSL
    // itself.
    if own || refused && (!sized || seals && !iv.is_empty()) {
        return Ok(None);
    }
    if !sized {
        let (key, alg) = (key.len() * 8, alg.key_len() * 8);
        return Err(first.problem(format!("a key of {key} bits, but the cipher's has {alg}")));
    }
    let parts = Parts {
        key,
        iv,
        aad,
        message: plaintext,
        ciphertext: ciphertext.ok_or_else(|| missing("Ciphertext"))?,
        tag: tag.ok_or_else(|| missing("Tag"))?,
        expect: if refused { Expect::Invalid } else { Expect::Valid },
    };
    let case = parts.case(format!("line{}", first.line));
    case.map(Some).map_err(|reason| first.problem(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Outcome;
    use crate::verify::vectors::decode_any;

    const FILE: &str = "Title = AES GCM Test vectors\n\n# A comment\nAvailablein = default\nCipher = \
        aes-128-gcm\n\
        Key = 00000000000000000000000000000000\nIV = 000000000000000000000000\n\
        Tag = ab6e47d42cec13bdf53a67b21257bddf\nPlaintext = 00000000000000000000000000000000\n\
        Ciphertext = 0388dace60b6a392f328c2b971b2fe78\n\nCipher = id-aes128-GCM\nOperation = DECRYPT\n\
        Key = 00000000000000000000000000000000\nIV = 000000000000000000000000\nAAD =\n\
        Tag = ab6e47d42cec13bdf53a67b21257bdde\nCiphertext = 0388dace60b6a392f328c2b971b2fe78\n\
        Result = CIPHERUPDATE_ERROR\n";

    fn broken(from: &str, to: &str) -> Result<Vectors, Problem> {
        assert!(FILE.contains(from), "{from}");
        decode_any(FILE.replacen(from, to, 1).as_bytes())
    }

    fn agree(vectors: &Vectors) -> Vec<(&str, bool)> {
        let own = crate::engine::find("sealmark").unwrap();
        vectors.cases.iter().map(|case| (&*case.id, case.check.run(own) == Outcome::Agree)).collect()
    }

    #[test]
    fn a_record_with_a_result_must_be_refused_and_one_without_must_not() {
        assert_eq!(agree(&decode_any(FILE.as_bytes()).unwrap()), [("line4", true), ("line12", true)]);
        let none =
            broken("Result = CIPHERUPDATE_ERROR", "Plaintext = 00000000000000000000000000000000").unwrap();
        assert_eq!(agree(&none), [("line4", true), ("line12", false)]);
        let on_the_good_one = broken("Title = AES GCM Test vectors\n\n", "").unwrap();
        assert_eq!(agree(&on_the_good_one), [("line2", true), ("line10", true)]);
        let refused =
            broken("Plaintext = 00000000000000000000000000000000", "Result = CIPHERFINAL_ERROR").unwrap();
        assert_eq!(agree(&refused), [("line4", false), ("line12", true)]);
    }

    #[test]
    fn boringssls_spelling_is_read_as_well() {
        let colons =
            FILE.replace(" = ", ": ").replace("Result: CIPHERUPDATE_ERROR", "Operation: InvalidDecrypt");
        let colons = colons.replace("Operation: DECRYPT\n", "");
        assert_eq!(agree(&decode_any(colons.as_bytes()).unwrap()), [("line4", true), ("line12", true)]);
    }

    #[test]
    fn records_of_other_ciphers_are_counted_and_a_file_with_only_those_is_not_ours() {
        let ecb = "Cipher = aes-128-ecb\nKey = 00\nPlaintext = 00\nCiphertext = 00\n";
        let mixed = decode_any(format!("{FILE}\n{ecb}\n{ecb}").as_bytes()).unwrap();
        assert_eq!(mixed.remarks, ["records of other algorithms are left out: AES-128-ECB 2"]);
        let kdf = "Title = KDF tests\n\nKDF = HKDF\nOutput = 00\n";
        let decoded = crate::verify::vectors::decode("", format!("{ecb}\n{kdf}").as_bytes()).unwrap().1;
        assert!(matches!(decoded, Decoded::Other(others) if others == "AES-128-ECB 1, HKDF 1"));
        let own = "Cipher = aes-128-gcm\nOperation = ENCRYPT\nKey = 00\nIV = 00\nResult = KEY_SET_ERROR\n";
        let own = decode_any(format!("{FILE}\n{own}").as_bytes()).unwrap();
        assert!(
            own.remarks[0].starts_with("1 records are left out: they are about OpenSSL"),
            "{:?}",
            own.remarks
        );
    }

    #[test]
    fn errors_name_their_line() {
        assert_eq!(broken("IV = 0", "IV = ").unwrap_err().reason, "an odd number of hex digits");
        assert_eq!(broken("Tag = ab", "Tag = zz").unwrap_err().place, "line 8, column 7");
        assert!(broken("Tag = ", "Label = ").unwrap_err().reason.contains("Label is unknown"));
        assert!(broken("CIPHERUPDATE_ERROR", "MAYBE").unwrap_err().reason.contains("MAYBE is not a known"));
        assert!(
            broken("Operation = DECRYPT", "Operation = WRAP").unwrap_err().reason.contains("neither ENCRYPT")
        );
        assert!(broken("aes-128-gcm", "aes-256-gcm").unwrap_err().reason.contains("a key of 128 bits"));
        assert!(
            broken("Plaintext = 00", "Plaintext = ").unwrap_err().reason.contains("a message of 15 bytes")
        );
        assert!(broken("Cipher = aes-128-gcm\n", "").unwrap_err().reason.contains("without its Cipher"));
        assert!(broken("AAD =\n", "AAD =\nIV = 00\n").unwrap_err().reason.contains("IV twice"));
    }
}
