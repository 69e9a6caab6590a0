//! Test vectors of Argon2: records of `Memory` (in KiB), `Passes`, `Lanes`, `Password`, `Salt`, `Secret`,
//! `Data` and `Tag`, in this order. RFC 9106 and the reference implementation give theirs as prose and as C
//! code, so the file's format is our own.

use super::{case, same, wrong_kind};
use crate::primitive::argon2id::Input;
use crate::primitive::{Function, Primitive};
use crate::verify::Case;
use crate::verify::vectors::{Content, Problem, text};

/// A record's members, in order.
const MEMBERS: [&str; 8] = ["Memory", "Passes", "Lanes", "Password", "Salt", "Secret", "Data", "Tag"];

/// The cases of a file, with names like `2-memory-65536-passes-2-lanes-1`; the first number counts records.
pub(super) fn decode(content: &Content<'_>, primitive: &'static Primitive) -> Result<Vec<Case>, Problem> {
    let Function::PasswordHash(derive) = primitive.function else {
        return Err(wrong_kind(primitive, "password hash"));
    };
    let mut cases = Vec::new();
    for record in text::stanzas(content.lines()) {
        let (mut costs, mut bytes) = ([0; 3], Vec::new());
        for (i, line) in record.iter().enumerate() {
            let member = line.attribute().ok_or_else(|| line.problem("not `NAME = VALUE`"))?;
            match MEMBERS.get(i) {
                Some(expected) if member.is(expected) => {}
                Some(expected) => {
                    return Err(member.problem(format!("unexpected {}: {expected} comes here", member.name)));
                }
                None => return Err(member.problem(format!("unexpected {} after the tag", member.name))),
            }
            match costs.get_mut(i) {
                Some(cost) => {
                    *cost = u32::try_from(member.number()?)
                        .map_err(|_| member.in_value(0, "more than 2^32 - 1"))?;
                }
                None => bytes.push(member.bytes()?),
            }
        }
        let [memory_kib, passes, lanes] = costs;
        let cut = |_| record[0].problem("the record is cut short");
        let [password, salt, secret, data, tag]: [Vec<u8>; 5] = bytes.try_into().map_err(cut)?;
        let id = format!("{}-memory-{memory_kib}-passes-{passes}-lanes-{lanes}", cases.len() + 1);
        cases.push(case(id, move || {
            let mut out = vec![0; tag.len()];
            let (password, salt, secret, data) = (&password[..], &salt[..], &secret[..], &data[..]);
            let input = Input { memory_kib, passes, lanes, password, salt, secret, data };
            derive(&input, &mut out).map_err(|error| format!("refused: {error}"))?;
            same("the tag", &out, &tag)
        }));
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::find;

    fn read(text: &str) -> Result<usize, String> {
        let content = Content::of(text.as_bytes()).map_err(|problem| problem.to_string())?;
        let argon2id = find("argon2id").expect("it is a primitive");
        decode(&content, argon2id).map(|cases| cases.len()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_place() {
        const GOOD: &str = "# RFC\n\nMemory = 32\nPasses = 3\nLanes = 4\nPassword = \"p\"\n\
            Salt = 0202020202020202\n\
            Secret =\nData =\nTag = 0d64\n";
        assert_eq!(read(GOOD), Ok(1));
        assert_eq!(read(&format!("{GOOD}\n{GOOD}")), Ok(2));
        for (from, to, expected) in [
            ("Tag = 0d64\n", "", "line 3, column 1: the record is cut short"),
            ("Lanes = 4\n", "", "line 5, column 1: unexpected Password: Lanes comes here"),
            ("Lanes = 4", "Lanes = four", "line 5, column 9: not a number"),
            ("Lanes = 4", "Lanes = 4294967296", "line 5, column 9: more than 2^32 - 1"),
            ("Tag = 0d64", "Tag = 0d6", "line 10, column 7: an odd number of hex digits"),
            ("Tag = 0d64\n", "Tag = 0d64\nHash = 00\n", "line 11, column 1: unexpected Hash after the tag"),
            ("Secret =", "and so on", "line 8, column 1: not `NAME = VALUE`"),
        ] {
            assert_eq!(read(&GOOD.replacen(from, to, 1)), Err(expected.into()));
        }
    }
}
