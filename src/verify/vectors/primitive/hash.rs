//! NIST's CAVP response files for hash functions (`SHA256ShortMsg.rsp` and similar), byte-oriented, as the
//! SHAVS document describes them: a section `[L = BYTES]`, then records of `Len` in bits, `Msg` and `MD`.

use super::{case, same, wrong_kind};
use crate::primitive::{Function, Primitive};
use crate::verify::Case;
use crate::verify::vectors::{Content, Problem, text::Attribute};

/// A record as read so far: its line, its length in bits, its message.
type Open = (usize, u64, Option<Vec<u8>>);

/// The cases of a file, with names like `1304-bits`; the second of that length is `1304-bits/2`.
pub(super) fn decode(content: &Content<'_>, primitive: &'static Primitive) -> Result<Vec<Case>, Problem> {
    let (Function::Hash(hash) | Function::Checksum(hash)) = primitive.function else {
        return Err(wrong_kind(primitive, "hash"));
    };
    let (mut cases, mut digest_len, mut open) = (Vec::new(), None, None::<Open>);
    for line in content.lines().iter().filter(|line| !line.text.is_empty() && !line.is_comment()) {
        if let Some(section) = line.section() {
            if !section.is("L") {
                return Err(section.problem(format!("{} is not L, the digest's length", section.name)));
            }
            digest_len = Some(section.number()?);
            continue;
        }
        let field =
            line.attribute().ok_or_else(|| line.problem("neither `NAME = VALUE` nor `[L = BYTES]`"))?;
        open = match open {
            None if field.is("Len") => Some((field.line, field.number()?, None)),
            Some((line, bits, None)) if field.is("Msg") => Some((line, bits, Some(message(&field, bits)?))),
            Some((_, bits, Some(message))) if field.is("MD") => {
                let digest = field.bytes()?;
                if Some(digest.len() as u64) != digest_len {
                    let declared = digest_len.map_or("no".into(), |len| len.to_string());
                    return Err(field.in_value(0, format!("{} bytes, L declares {declared}", digest.len())));
                }
                let name = format!("{bits}-bits");
                let before = cases.iter().filter(|case: &&Case| case.id.split('/').next() == Some(&*name));
                let id = match before.count() {
                    0 => name,
                    count => format!("{name}/{}", count + 1),
                };
                cases.push(case(id, move || same("the digest", &hash(&message), &digest)));
                None
            }
            _ => return Err(field.problem(format!("unexpected {}: a record is Len, Msg, MD", field.name))),
        };
    }
    match open {
        None => Ok(cases),
        Some((line, ..)) => Err(Problem::new(format!("line {line}"), "the record is cut short")),
    }
}

/// The message with that many bits. An empty message is written as a zero byte.
fn message(field: &Attribute<'_>, bits: u64) -> Result<Vec<u8>, Problem> {
    let bytes = field.bytes()?;
    if !bits.is_multiple_of(8) {
        return Err(field.problem("a message that is not whole bytes"));
    }
    match bits {
        0 if bytes == [0] => Ok(Vec::new()),
        _ if bytes.len() as u64 == bits / 8 => Ok(bytes),
        _ => Err(field.in_value(0, format!("{} bytes, Len declares {}", bytes.len(), bits / 8))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::PRIMITIVES;

    fn read(text: &str) -> Result<usize, String> {
        let content = Content::of(text.as_bytes()).map_err(|problem| problem.to_string())?;
        decode(&content, &PRIMITIVES[0]).map(|cases| cases.len()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_place() {
        const GOOD: &str =
            "# CAVS\n[L = 2]\n\nLen = 0\nMsg = 00\nMD = abcd\n\nLen = 8\nMsg = d3\nMD = abce\n";
        assert_eq!(read(GOOD), Ok(2));
        for (from, to, expected) in [
            ("MD = abce\n", "", "line 8: the record is cut short"),
            ("MD = abce", "MD = ab", "line 10, column 6: 1 bytes, L declares 2"),
            ("[L = 2]", "", "line 6, column 6: 2 bytes, L declares no"),
            ("[L = 2]", "[Keylen = 2]", "line 2, column 2: Keylen is not L, the digest's length"),
            ("Msg = d3", "Msg = d3d3", "line 9, column 7: 2 bytes, Len declares 1"),
            ("Len = 8", "Len = 7", "line 9, column 1: a message that is not whole bytes"),
            ("Msg = 00", "Msg = 01", "line 5, column 7: 1 bytes, Len declares 0"),
            ("Msg = d3\n", "", "line 9, column 1: unexpected MD: a record is Len, Msg, MD"),
            (
                "Len = 8\n",
                "Len = 8\nCount = 1\n",
                "line 9, column 1: unexpected Count: a record is Len, Msg, MD",
            ),
            ("MD = abce", "and so on", "line 10, column 1: neither `NAME = VALUE` nor `[L = BYTES]`"),
        ] {
            assert_eq!(read(&GOOD.replacen(from, to, 1)), Err(expected.into()));
        }
    }
}
