//! Files in a user's folder that are not AES-GCM vectors: decides which may be set aside and which must count
//! as unreadable.
//!
//! A clone of a project contains vectors of a hundred algorithms, documents and programs, none of which is an
//! error. But a damaged AES-GCM file must not pass for one of them. A file that no decoder reads is therefore
//! set aside only if its content or its name says that it is something else, and never if either says
//! AES-GCM.

use super::text::{clean, is_json, is_utf16};

/// The algorithm that a file's name suggests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// AES-GCM.
    AesGcm,
    /// Another one.
    Other(&'static str),
    /// None.
    Nothing,
}

/// Whether an algorithm's name means AES-GCM, in any spelling: `AES-GCM`, `AesGcm`, `ACVP-AES-GCM`.
pub fn is_aes_gcm(algorithm: &str) -> bool {
    matches!(letters(algorithm).as_str(), "aesgcm" | "acvpaesgcm" | "aes128gcm" | "aes192gcm" | "aes256gcm")
}

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Relatives of AES-GCM, whose names contain `gcm`: the distinctive part of the name, and the algorithm.
const RELATIVES: [(&str, &str); 8] = [
    ("siv", "AES-GCM-SIV"),
    ("xpn", "AES-XPN"),
    ("chunked", "chunked encryption"),
    ("aria", "ARIA-GCM"),
    ("camellia", "CAMELLIA-GCM"),
    ("seed", "SEED-GCM"),
    ("sm4", "SM4-GCM"),
    ("kuznyechik", "Kuznyechik-GCM"),
];

/// Algorithms without `gcm` in their names: the beginning of a part of the name, and the algorithm.
const OTHERS: [(&str, &str); 12] = [
    ("chacha", "ChaCha20-Poly1305"),
    ("xchacha", "XChaCha20-Poly1305"),
    ("poly1305", "Poly1305"),
    ("ccm", "AES-CCM"),
    ("cbc", "AES-CBC"),
    ("eax", "AES-EAX"),
    ("ocb", "AES-OCB"),
    ("siv", "AES-SIV"),
    ("hmac", "HMAC"),
    ("aegis", "AEGIS"),
    ("ascon", "Ascon"),
    ("rc4", "RC4"),
];

/// The algorithm that a name suggests; also works for a comment.
pub fn named(name: &str) -> Named {
    let all = letters(name);
    let lower = name.to_ascii_lowercase();
    // Whole parts, without the size at their end: "variants" is not ARIA.
    let mut parts = lower.split(|c: char| !c.is_ascii_alphanumeric());
    if all.contains("gcm") {
        let is = |part: &str, word: &str| {
            part == word || part.trim_end_matches(|c: char| c.is_ascii_digit()) == word
        };
        let relative = parts.find_map(|part| RELATIVES.iter().find(|(word, _)| is(part, word)));
        return match relative {
            Some((_, algorithm)) => Named::Other(algorithm),
            None if all.contains("gcmsiv") => Named::Other("AES-GCM-SIV"),
            None if all.contains("xaes") => Named::Other("XAES-256-GCM"),
            None => Named::AesGcm,
        };
    }
    let other = parts.find_map(|part| OTHERS.iter().find(|(begins, _)| part.starts_with(begins)));
    other.map_or(Named::Nothing, |(_, algorithm)| Named::Other(algorithm))
}

/// Endings of documents, programs, pictures and other files that are not vectors, whatever they mention.
const NOT_DATA: &str = " adoc am asm bat bazel bib bzl c cc cfg cjs cmake conf cpp cs css dart diff ex \
    exs gif go gradle groovy h hpp hs htm html ico in ini ipynb java jpeg jpg js jsx kt kts lock log lua m \
    m4 md mjs mk ml mod nix patch pdf php pl pm png proto ps1 pub py pyi rb rs rst s scala sh sol sum svg \
    swift tex toml ts tsx vue webp work xml yaml yml zig ";

/// First parts of the names of files that have no ending, or an unusual one.
const NOT_DATA_STEMS: &str = " authors build changelog changes codeowners contributing contributors copying \
    credits dockerfile gemfile history install license licence makefile news notice owners patents rakefile \
    readme security thanks todo version workspace ";

/// Endings of archives, which are not opened here.
const ARCHIVES: &str = " 7z bz2 gz jar rar tar tgz xz zip ";

fn is_one_of(word: &str, list: &str) -> bool {
    !word.is_empty() && !word.contains(' ') && list.contains(&format!(" {word} "))
}

/// Describes a file that could not be read if it may be set aside; `None` if it must count as unreadable.
///
/// `name` is without the folders, `bytes` are unpacked, and `recognised` says whether one of the formats
/// recognised the file.
pub fn aside(name: &str, bytes: &[u8], recognised: bool) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let (stem, end) = lower.rsplit_once('.').unwrap_or((&lower, ""));
    let first = stem.split('.').next().unwrap_or_default();
    if is_one_of(end, NOT_DATA) || is_one_of(first, NOT_DATA_STEMS) {
        return Some("a document or a program".into());
    }
    let named = named(name);
    if recognised || named == Named::AesGcm {
        let content = is_json(bytes).then(|| declared(bytes)).flatten();
        return content.filter(|other| !recognised && !is_aes_gcm(other) && !is_aead(bytes));
    }
    if is_one_of(end, ARCHIVES) {
        return Some("an archive: unpack it first".into());
    }
    if name.starts_with('.') {
        return Some("a hidden file".into());
    }
    if is_utf16(bytes) {
        return None;
    }
    let bytes = clean(bytes).unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return match end {
            "" | "json" | "rsp" | "txt" | "zst" => None,
            _ => Some("empty".into()),
        };
    }
    if is_json(bytes) {
        return json(bytes);
    }
    let Ok(text) = str::from_utf8(bytes) else { return Some("neither text nor JSON".into()) };
    let says = |word: &str| text.to_ascii_lowercase().contains(word);
    match named {
        Named::Other(algorithm) => Some(algorithm.into()),
        _ if says("gcm") || labels_vectors(text) => None,
        _ => Some("text without vectors".into()),
    }
}

/// JSON with an unknown structure, or JSON that does not parse.
fn json(bytes: &[u8]) -> Option<String> {
    if let Some(algorithm) = declared(bytes) {
        return (!is_aes_gcm(&algorithm)).then_some(algorithm);
    }
    let Ok(text) = str::from_utf8(bytes) else { return None };
    let parsed = super::json::parse(bytes).ok()?;
    if parsed.get("$schema").is_some() {
        return Some("a JSON schema".into());
    }
    let lower = text.to_ascii_lowercase();
    let has = |member: &str| lower.contains(&format!("\"{member}\""));
    let vectors = has("key") && has("tag") && (has("iv") || has("nonce")) || has("testgroups");
    (!lower.contains("gcm") && !vectors).then(|| "JSON without vectors".into())
}

/// The first algorithm that a JSON text declares, whether or not the whole text parses.
fn declared(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    ["\"algorithm\"", "\"primitive\""].into_iter().find_map(|member| {
        let after = &text[text.find(member)? + member.len()..];
        let value = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        let value = &value[..value.find('"')?];
        (!value.is_empty()).then(|| value.chars().take(60).collect())
    })
}

/// Whether a JSON text uses Wycheproof's AEAD schema.
fn is_aead(bytes: &[u8]) -> bool {
    const SCHEMA: &[u8] = b"\"aead_test_schema";
    bytes.windows(SCHEMA.len()).any(|window| window == SCHEMA)
}

/// Whether there are lines that begin with the names of a key, an IV and a tag: vectors in an unknown format.
fn labels_vectors(text: &str) -> bool {
    let labelled = |names: &[&str]| {
        text.lines().any(|line| {
            let name = line.split(['=', ':']).next().unwrap_or_default();
            name.len() < line.len() && names.iter().any(|label| name.trim().eq_ignore_ascii_case(label))
        })
    };
    labelled(&["key", "k"]) && labelled(&["iv", "nonce", "n"]) && labelled(&["tag", "t", "mac"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_suggests_aes_gcm_a_relative_another_algorithm_or_nothing() {
        for ours in [
            "aes_gcm_test.json",
            "gcmDecrypt128.rsp",
            "AES-256-GCM.txt",
            "# AES-128-GCM, as of",
            "aes_gcm_variants",
        ] {
            assert_eq!(named(ours), Named::AesGcm, "{ours}");
        }
        for (other, algorithm) in [
            ("aes_gcm_siv_test.json", "AES-GCM-SIV"),
            ("aes_gcm_siv256.json", "AES-GCM-SIV"),
            ("AesGcmSiv.json", "AES-GCM-SIV"),
            ("xaes_256_gcm_tests.txt", "XAES-256-GCM"),
            ("sm4_gcm_test.json", "SM4-GCM"),
            ("c2sp_chunked_encryption_aes_128_gcm_test.json", "chunked encryption"),
            ("chacha20_poly1305_tests.txt", "ChaCha20-Poly1305"),
            ("aes_128_ccm_bluetooth_tests.txt", "AES-CCM"),
        ] {
            assert_eq!(named(other), Named::Other(algorithm), "{other}");
        }
        for nothing in ["tests.txt", "", "success.txt", "a.json"] {
            assert_eq!(named(nothing), Named::Nothing, "{nothing}");
        }
    }

    #[test]
    fn a_file_that_says_aes_gcm_is_never_set_aside() {
        for (name, text, recognised) in [
            ("aes_gcm_test.json", &b""[..], false),
            ("aes_gcm_test.json", b"{\"algorithm\": \"AES-GC", false),
            ("aes_gcm_test.json", b"<html>not found</html>", false),
            ("gcmDecrypt128.rsp", b"version https://git-lfs.github.com/spec/v1", false),
            ("gcmtestvectors.zip", b"PK\x03\x04", false),
            ("x.json", b"{\"algorithm\": \"AES-GCM\", \"testGroups\": [", false),
            ("x.json", b"{\"a\": {\"primitive\": \"AesGcm\"", false),
            ("x.json", b"{\"mode\": \"aes-128-gcm\"}", false),
            ("x.json", b"{\"key\": \"\", \"iv\": \"\", \"tag\": \"\"}", false),
            ("x.json", b"{\"testGroups\": ", false),
            ("x.json", b"", false),
            ("x.txt", b"# made with AES-GCM\n00", false),
            ("x", b"K = 00\nN = 00\nT = 00\n", false),
            ("x.txt", b"\xff\xfea\0", false),
            ("x.txt", b"anything", true),
            (
                "aes_gcm_test.json",
                b"{\"algorithm\": \"AES-GCN\", \"schema\": \"aead_test_schema_v1.json\", ",
                false,
            ),
        ] {
            assert_eq!(aside(name, text, recognised), None, "{name} {}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_file_that_says_it_is_something_else_is_set_aside_as_that() {
        for (name, text, what) in [
            ("README.md", &b"On AES-GCM."[..], "a document or a program"),
            ("README", b"On AES-GCM.", "a document or a program"),
            ("AesGcmTest.java", b"class AesGcmTest {}", "a document or a program"),
            ("x.json", b"{\"algorithm\": \"ECDSA\", \"testGroups\": [", "ECDSA"),
            (
                "c2sp_chunked_encryption_aes_128_gcm_test.json",
                b"{\"algorithm\": \"Cobblestone-128\"",
                "Cobblestone-128",
            ),
            ("aead_test_schema.json", b"{\"$schema\": \"http\", \"enum\": [\"AES-GCM\"]}", "a JSON schema"),
            ("package.json", b"{\"name\": \"wycheproof\"}", "JSON without vectors"),
            ("chacha20_poly1305.txt", b"KEY: 00\nNONCE: 00\nTAG: 00\n", "ChaCha20-Poly1305"),
            ("x.txt", b"dear diary", "text without vectors"),
            ("x.bin", b"\x80\x81", "neither text nor JSON"),
            ("x.tar", b"\x80\x81", "an archive: unpack it first"),
            (".gitattributes", b"*.json text", "a hidden file"),
            ("__init__.pyx", b"", "empty"),
        ] {
            assert_eq!(aside(name, text, false).as_deref(), Some(what), "{name}");
        }
    }
}
