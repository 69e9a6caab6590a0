//! The AEAD tests of BoringSSL, aws-lc and ring: records `KEY: NONCE: IN: AD: CT: TAG:` separated by empty
//! lines, with `:` or `=`. Also the text that BoringSSL generates from Wycheproof's files (`key = iv = msg =
//! aad = ct = tag = result =`).
//!
//! The format does not name the algorithm: a comment `Algorithm: ...` may, and otherwise the file's name does
//! (`chacha20_poly1305_tests.txt`). A quoted value stands for its characters; a quoted `IN` is hex if only
//! that matches the length of `CT`. A record with `FAILS`, or with the result `invalid`, must be refused.

use super::stray::{Named, is_aes_gcm, named};
use super::text::{Attribute, Line, stanzas};
use super::{Content, Decoded, File, Format, Parts, Problem, Vectors};
use crate::aead::{NONCE_LEN, TAG_LEN};
use crate::verify::Case;
use crate::verify::aead_case::Expect;

/// The parts of a record, with the other name of each.
const PARTS: [[&str; 2]; 6] =
    [["KEY", "key"], ["NONCE", "iv"], ["IN", "msg"], ["AD", "aad"], ["CT", "ct"], ["TAG", "tag"]];

pub(super) const FORMAT: Format = Format {
    name: "boringssl-aead",
    looks: "text with records KEY: ..., NONCE: ..., TAG: ...",
    known,
    decode,
};

fn known(content: &Content<'_>) -> bool {
    let has = |part: usize| {
        let mut attributes = content.lines().iter().filter_map(Line::attribute);
        attributes.any(|attribute| part_of(&attribute) == Some(part))
    };
    has(0) && has(1) && has(5)
}

fn part_of(attribute: &Attribute<'_>) -> Option<usize> {
    PARTS.iter().position(|names| names.iter().any(|name| attribute.is(name)))
}

/// The cases of a file, named `line12`, ... after the line where the record begins.
///
/// # Errors
/// What is wrong with the file, and where.
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let lines = file.content.lines();
    let mut remarks = Vec::new();
    let comments = || lines.iter().filter(|line| line.is_comment()).map(|line| line.text);
    let declared = comments().find_map(|text| text.trim_start_matches('#').trim().strip_prefix("Algorithm:"));
    match (declared.map(str::trim), named(file.name)) {
        (Some(algorithm), _) if is_aes_gcm(algorithm) => {}
        (Some(algorithm), _) => return Ok(Decoded::Other(algorithm.into())),
        (None, Named::Other(algorithm)) => return Ok(Decoded::Other(algorithm.into())),
        (None, Named::AesGcm) => {}
        (None, Named::Nothing) if comments().any(|text| named(text) == Named::AesGcm) => {}
        (None, Named::Nothing) => {
            remarks
                .push("neither the file nor its name says which algorithm this is: judged as AES-GCM".into());
        }
    }
    for line in lines.iter().filter(|line| line.text.starts_with('[')) {
        let size = line.section().ok_or_else(|| line.problem("not `[NAME: BITS]`"))?;
        if !["keySize", "ivSize", "tagSize"].iter().any(|name| size.is(name)) {
            return Err(size.problem(format!("{} is none of keySize, ivSize, tagSize", size.name)));
        }
        size.bits_as_bytes()?;
    }
    let mut cases = Vec::new();
    let mut limits = 0;
    for stanza in stanzas(lines) {
        match record(&stanza, &mut remarks)? {
            Some(case) => cases.push(case),
            None => limits += 1,
        }
    }
    if limits > 0 {
        remarks.push(format!("{limits} records are left out: they test one library's calls, not AES-GCM"));
    }
    Ok(Decoded::Cases(Vectors::new(cases, remarks)?))
}

/// `None` if the record is about a limit that AES-GCM does not have.
fn record(stanza: &[Line<'_>], remarks: &mut Vec<String>) -> Result<Option<Case>, Problem> {
    let first = stanza[0];
    let mut parts: [Option<Attribute<'_>>; PARTS.len()] = [None; PARTS.len()];
    let (mut expect, mut is_limit, mut tag_len) = (Expect::Valid, false, None);
    for line in stanza {
        let attribute =
            line.attribute().ok_or_else(|| line.problem("neither `NAME: VALUE` nor a comment"))?;
        if let Some(part) = part_of(&attribute) {
            if parts[part].replace(attribute).is_some() {
                return Err(attribute.problem(format!("{} twice in a record", attribute.name)));
            }
        } else if attribute.is("FAILS") {
            expect = Expect::Invalid;
            is_limit = attribute.value.eq_ignore_ascii_case("WRONG_NONCE_LENGTH");
        } else if attribute.is("result") {
            // The file's writer may append flags to the word.
            expect = match attribute.value.split_whitespace().next() {
                Some("valid") => Expect::Valid,
                Some("acceptable") => Expect::Acceptable,
                Some("invalid") => Expect::Invalid,
                _ => return Err(attribute.in_value(0, "neither valid, acceptable nor invalid")),
            };
        } else if attribute.is("TAG_LEN") {
            tag_len = Some((attribute.number()?, attribute));
        } else if !["NO_SEAL", "flags", "comment", "tcId"].iter().any(|name| attribute.is(name)) {
            return Err(attribute.problem(format!("{} is unknown", attribute.name)));
        }
    }
    if is_limit {
        return Ok(None);
    }
    let part = |i: usize| {
        parts[i].ok_or_else(|| first.problem(format!("the record that begins here has no {}", PARTS[i][0])))
    };
    let (mut iv, mut tag) = (part(1)?.bytes()?, part(5)?.bytes()?);
    if let Some((len, attribute)) = tag_len
        && len != tag.len() as u64
    {
        return Err(attribute.in_value(0, format!("TAG has {} bytes", tag.len())));
    }
    // For tests with a random nonce, which then follows the tag.
    if iv.is_empty() && tag.len() == TAG_LEN + NONCE_LEN {
        iv = tag.split_off(TAG_LEN);
    }
    let ciphertext = part(4)?.bytes()?;
    let input = part(2)?;
    let mut message = input.bytes()?;
    if let Some(text) = input.quoted()
        && text.len() == 2 * ciphertext.len()
        && !text.is_empty()
        && let Ok(bytes) = input.hex(text, 1)
    {
        message = bytes;
        remarks.push(format!("line {}: IN is quoted, but read as hex to match CT", input.line));
    }
    let (key, aad) = (part(0)?.bytes()?, part(3)?.bytes()?);
    let parts = Parts { key, iv, aad, message: Some(message), ciphertext, tag, expect };
    let case = parts.case(format!("line{}", first.number));
    case.map(Some).map_err(|reason| first.problem(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Outcome;
    use crate::verify::vectors;

    const FILE: &str = "# AES-128-GCM\nKEY: 00000000000000000000000000000000\nNONCE: \
        000000000000000000000000\n\
        IN: 00000000000000000000000000000000\nAD:\nCT: 0388dace60b6a392f328c2b971b2fe78\n\
        TAG: ab6e47d42cec13bdf53a67b21257bddf\n\nKEY: 00000000000000000000000000000000\n\
        NONCE: 000000000000000000000000\nIN: \nAD: \"\"\nCT:\nTAG: 58e2fccefa7e3061367f1d57a4e7455b\n\
        NO_SEAL: 01\nFAILS: 01\n";

    fn read(text: &str) -> Result<Vectors, Problem> {
        vectors::decode_any(text.as_bytes())
    }

    fn broken(from: &str, to: &str) -> Result<Vectors, Problem> {
        assert!(FILE.contains(from), "{from}");
        read(&FILE.replacen(from, to, 1))
    }

    fn agree(vectors: &Vectors) -> Vec<(&str, bool)> {
        let own = crate::engine::find("sealmark").unwrap();
        vectors.cases.iter().map(|case| (&*case.id, case.check.run(own) == Outcome::Agree)).collect()
    }

    #[test]
    fn a_record_with_fails_must_be_refused_and_others_must_not() {
        let read = read(FILE).unwrap();
        assert_eq!((agree(&read), read.remarks.len()), (vec![("line2", true), ("line9", true)], 0));
        let none = broken("FAILS: 01\n", "").unwrap();
        assert_eq!(agree(&none), [("line2", true), ("line9", false)]);
        let equals = self::read(&FILE.replace(": ", " = ").replace("AD:", "AD =").replace("CT:", "CT ="));
        assert_eq!(agree(&equals.unwrap()), [("line2", true), ("line9", true)]);
    }

    #[test]
    fn text_generated_from_wycheproof_is_read() {
        let text = "# Algorithm: AES-GCM\n\n[ivSize: 96]\n[keySize: 128]\n[tagSize: 128]\n\n# tcId = 1\naad \
            =\n\
            ct = 0388dace60b6a392f328c2b971b2fe78\niv = 000000000000000000000000\n\
            key = 00000000000000000000000000000000\nmsg = 00000000000000000000000000000000\n\
            result = valid\ntag = ab6e47d42cec13bdf53a67b21257bddf\n# a flag\nflags = Ktv\n";
        assert_eq!(agree(&read(text).unwrap()), [("line8", true)]);
        assert_eq!(agree(&read(&text.replace("= valid", "= invalid")).unwrap()), [("line8", false)]);
        assert!(read(&text.replace("= valid", "= good")).unwrap_err().reason.contains("neither valid"));
        assert!(read(&text.replace("ivSize", "evSize")).unwrap_err().reason.contains("evSize is none of"));
        let other = vectors::decode("", text.replace("AES-GCM", "AES-GCM-SIV").as_bytes()).unwrap().1;
        assert!(matches!(other, Decoded::Other(other) if other == "AES-GCM-SIV"));
    }

    #[test]
    fn the_name_gives_the_algorithm_if_the_file_does_not() {
        let text = FILE.replace("# AES-128-GCM\n", "");
        let decoded = |name: &str| vectors::decode(name, text.as_bytes()).unwrap().1;
        for other in ["chacha20_poly1305_tests.txt", "aes_128_gcm_siv_tests.txt", "xaes_256_gcm_tests.txt"] {
            assert!(matches!(decoded(other), Decoded::Other(_)), "{other}");
        }
        assert!(matches!(decoded("aes_128_gcm_tests.txt"), Decoded::Cases(v) if v.remarks.is_empty()));
        assert!(
            matches!(decoded("tests.txt"), Decoded::Cases(v) if v.remarks[0].contains("judged as AES-GCM"))
        );
    }

    #[test]
    fn a_quoted_value_is_text_and_hex_only_if_the_ciphertexts_length_shows_it() {
        let hex = broken("IN: 00000000000000000000000000000000", "IN: \"00000000000000000000000000000000\"")
            .unwrap();
        assert_eq!(agree(&hex)[0], ("line2", true));
        assert_eq!(hex.remarks, ["line 4: IN is quoted, but read as hex to match CT"]);
        let text = broken("IN: 00000000000000000000000000000000", "IN: \"sixteen letters.\"").unwrap();
        assert_eq!((agree(&text)[0], text.remarks.len()), (("line2", false), 0));
    }

    #[test]
    fn a_nonce_after_the_tag_is_found() {
        let moved = FILE.replacen("NONCE: 000000000000000000000000", "NONCE:", 1);
        let moved = moved.replacen("57bddf", "57bddf000000000000000000000000", 1);
        assert_eq!(agree(&read(&moved).unwrap())[0], ("line2", true));
    }

    #[test]
    fn errors_name_their_line() {
        assert_eq!(broken("TAG: ab", "TAG: zz").unwrap_err().place, "line 7, column 6");
        assert!(broken("AD:\n", "").unwrap_err().reason.contains("has no AD"));
        assert!(broken("AD:\n", "AD:\nMOOD: 1\n").unwrap_err().reason.contains("MOOD is unknown"));
        assert!(broken("AD:\n", "AD:\nAD: 00\n").unwrap_err().reason.contains("AD twice"));
        assert!(broken("AD:\n", "AD:\nTAG_LEN: 12\n").unwrap_err().reason.contains("TAG has 16 bytes"));
        assert!(broken("KEY: 00", "KEY: ").unwrap_err().reason.contains("a key of 120 bits"));
        assert!(broken("CT: 03", "CT: ").unwrap_err().reason.contains("a message of 16 bytes"));
        let limit = broken("FAILS: 01", "FAILS: WRONG_NONCE_LENGTH").unwrap();
        assert_eq!((limit.cases.len(), limit.remarks.len()), (1, 1));
    }
}
