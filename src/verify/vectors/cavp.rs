//! NIST's CAVP response files for AES-GCM (`gcmDecrypt128.rsp`, `gcmEncryptExtIV128.rsp` and their like),
//! as the GCMVS document describes them.
//!
//! Every record must be complete and as long as its section declares, and every section must have as many records
//! as the first (15 in NIST's six files). Not noticed here: a file cut between two sections, or inside its only one
//! between two records; the format does not say how many there should be. The index does.

use super::{Problem, some};
use crate::aead::{Alg, TAG_LEN};
use crate::verify::Case;
use crate::verify::aead_case::{AeadCase, Expect};

/// The cases of a file, under names like `iv96-pt104-aad0-tag128/3`: the section's bits, then the count.
///
/// # Errors
/// What is wrong with the file, and where.
pub fn decode(bytes: &[u8]) -> Result<Vec<Case>, Problem> {
    let mut reader = Reader::default();
    for (i, line) in bytes.split(|&b| b == b'\n').enumerate() {
        reader.line = i + 1;
        let line = str::from_utf8(line).map_err(|e| reader.at(e.valid_up_to() + 1, "not text"))?;
        reader.take(line.strip_suffix('\r').unwrap_or(line))?;
    }
    reader.end_record()?;
    if reader.section.is_some() && reader.count == 0 {
        return Err(reader.at(1, "the last section has no records: the file is cut short"));
    }
    reader.end_section()?;
    some(reader.cases)
}

const SIZES: [&str; 5] = ["Keylen", "IVlen", "PTlen", "AADlen", "Taglen"];
const FIELDS: [&str; 6] = ["Key", "IV", "PT", "AAD", "Tag", "CT"];
/// Which of [`SIZES`] each of [`FIELDS`] is as long as.
const SIZE_OF_FIELD: [usize; 6] = [0, 1, 2, 3, 4, 2];

#[derive(Default)]
struct Reader {
    line: usize,
    /// Bits, in the order of [`SIZES`]; `None` before the first section.
    section: Option<[Option<u64>; 5]>,
    record: Option<Record>,
    /// The line that this section begins at.
    section_line: usize,
    /// Records of this section so far.
    count: u64,
    /// Records of the first section, once it has ended.
    first_count: Option<u64>,
    cases: Vec<Case>,
}

#[derive(Default)]
struct Record {
    count: u64,
    fields: [Option<Vec<u8>>; 6],
    fail: bool,
}

impl Reader {
    fn at(&self, column: usize, reason: impl Into<String>) -> Problem {
        Problem::new(format!("line {}, column {column}", self.line), reason)
    }

    fn take(&mut self, line: &str) -> Result<(), Problem> {
        if line.is_empty() || line.starts_with('#') {
            return self.end_record();
        }
        if let Some(size) = line.strip_prefix('[') {
            self.end_record()?;
            return self.take_size(size);
        }
        if line == "FAIL" {
            let Some(record) = &mut self.record else { return Err(self.at(1, "FAIL outside a record")) };
            record.fail = true;
            return Ok(());
        }
        let Some((name, value)) = line.split_once(" =") else {
            return Err(self.at(1, "neither `NAME = VALUE`, `[NAME = BITS]`, FAIL nor a comment"));
        };
        let (value, column) = match value.strip_prefix(' ') {
            Some(value) => (value, name.len() + 4),
            None => (value, name.len() + 3),
        };
        if name == "Count" {
            self.end_record()?;
            return self.begin_record(value, column);
        }
        self.take_field(name, value, column)
    }

    fn take_size(&mut self, text: &str) -> Result<(), Problem> {
        let size = text.strip_suffix(']').and_then(|t| t.split_once(" = "));
        let Some((name, bits)) = size else { return Err(self.at(1, "not `[NAME = BITS]`")) };
        let Some(i) = SIZES.iter().position(|n| *n == name) else {
            return Err(self.at(2, format!("{name} is none of {}", SIZES.join(", "))));
        };
        let bits: u64 = bits.parse().map_err(|_| self.at(name.len() + 5, "not a number of bits"))?;
        if !bits.is_multiple_of(8) {
            return Err(self.at(name.len() + 5, "not whole bytes"));
        }
        let fresh = self.section.is_none() || self.count > 0;
        if fresh {
            self.end_section()?;
            self.section_line = self.line;
        }
        let mut section = if fresh { [None; 5] } else { self.section.unwrap_or_default() };
        if section[i].replace(bits).is_some() {
            return Err(self.at(2, format!("{name} twice in a section")));
        }
        self.section = Some(section);
        self.count = 0;
        Ok(())
    }

    /// Holds the number of records of the section that ends here against the first section's.
    fn end_section(&mut self) -> Result<(), Problem> {
        let Some(section) = self.section else { return Ok(()) };
        let expected = *self.first_count.get_or_insert(self.count);
        if self.count == expected {
            return Ok(());
        }
        let sizes = SIZES.iter().zip(section).filter_map(|(name, bits)| Some(format!("{name} = {}", bits?)));
        let sizes = sizes.collect::<Vec<_>>().join(", ");
        let (line, count) = (self.section_line, self.count);
        let reason = format!("the section [{sizes}] has {count} records, the first has {expected}");
        Err(Problem::new(format!("line {line}, column 1"), reason))
    }

    fn begin_record(&mut self, count: &str, column: usize) -> Result<(), Problem> {
        let count: u64 = count.parse().map_err(|_| self.at(column, "not a number"))?;
        if count != self.count {
            return Err(self.at(column, format!("record {} of its section is expected here", self.count)));
        }
        self.record = Some(Record { count, ..Record::default() });
        Ok(())
    }

    fn take_field(&mut self, name: &str, value: &str, column: usize) -> Result<(), Problem> {
        let Some(i) = FIELDS.iter().position(|f| *f == name) else {
            return Err(self.at(1, format!("{name} is none of Count, {}", FIELDS.join(", "))));
        };
        let bytes = hex::decode(value).map_err(|e| match e {
            hex::FromHexError::InvalidHexCharacter { c, index } => {
                self.at(column + index, format!("{c:?} is not a hex digit"))
            }
            _ => self.at(column, "an odd number of hex digits"),
        })?;
        let declared = self.section.and_then(|s| s[SIZE_OF_FIELD[i]]);
        let size = SIZES[SIZE_OF_FIELD[i]];
        let Some(bits) = declared else { return Err(self.at(1, format!("no {size} declared above"))) };
        if bytes.len() as u64 != bits / 8 {
            return Err(self.at(column, format!("{} bytes, {size} declares {}", bytes.len(), bits / 8)));
        }
        let Some(record) = &mut self.record else { return Err(self.at(1, "a field before Count")) };
        if record.fields[i].replace(bytes).is_some() {
            return Err(self.at(1, format!("{name} twice in a record")));
        }
        Ok(())
    }

    fn end_record(&mut self) -> Result<(), Problem> {
        let Some(record) = self.record.take() else { return Ok(()) };
        let Record { count, fields: [key, iv, pt, aad, tag, ct], fail } = record;
        let missing = |reader: &Self, name: &str| reader.at(1, format!("the record above has no {name}"));
        let expect = match (&pt, fail) {
            (Some(_), false) => Expect::Valid,
            (None, true) => Expect::Invalid,
            (Some(_), true) => return Err(self.at(1, "the record above has both PT and FAIL")),
            (None, false) => return Err(missing(self, "PT or FAIL")),
        };
        let key = key.ok_or_else(|| missing(self, "Key"))?;
        let tag = tag.ok_or_else(|| missing(self, "Tag"))?;
        let alg = Alg::from_key_len(key.len());
        let check = AeadCase {
            alg: alg.ok_or_else(|| self.at(1, "the record above has no AES key: 128, 192 or 256 bits"))?,
            key,
            iv: iv.ok_or_else(|| missing(self, "IV"))?,
            aad: aad.ok_or_else(|| missing(self, "AAD"))?,
            message: pt.unwrap_or_default(),
            ciphertext: ct.ok_or_else(|| missing(self, "CT"))?,
            tag,
            expect,
        };
        if check.tag.len() > TAG_LEN {
            return Err(self.at(1, "the record above has a tag of more than 128 bits"));
        }
        let bits = |bytes: &[u8]| bytes.len() * 8;
        let (iv, pt, aad, tag) =
            (bits(&check.iv), bits(&check.ciphertext), bits(&check.aad), bits(&check.tag));
        let id = format!("iv{iv}-pt{pt}-aad{aad}-tag{tag}/{count}");
        self.cases.push(Case { id, check: Box::new(check) });
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# CAVS 14.0\r\n\r\n[Keylen = 128]\r\n[IVlen = 96]\r\n[PTlen = 8]\r\n[AADlen = 0]\r\n\
        [Taglen = 32]\r\n\r\nCount = 0\r\nKey = 000102030405060708090a0b0c0d0e0f\r\n\
        IV = 000102030405060708090a0b\r\nCT = ff\r\nAAD = \r\nTag = 01020304\r\nFAIL\r\n\r\nCount = 1\r\n\
        Key = 000102030405060708090a0b0c0d0e0f\r\nIV = 000102030405060708090a0b\r\nCT = ff\r\nAAD = \r\n\
        Tag = 01020304\r\nPT = aa\r\n";

    fn refused(text: &str) -> Problem {
        decode(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_record_with_fail_and_one_with_a_plaintext_are_read() {
        for text in [GOOD.to_owned(), GOOD.replace("\r\n", "\n"), GOOD.trim_end().to_owned()] {
            let ids: Vec<_> = decode(text.as_bytes()).unwrap().into_iter().map(|c| c.id).collect();
            assert_eq!(ids, ["iv96-pt8-aad0-tag32/0", "iv96-pt8-aad0-tag32/1"]);
        }
    }

    #[test]
    fn a_file_cut_inside_a_record_is_refused_with_its_line() {
        let text = GOOD.trim_end();
        let first = text.find("Count = 0").unwrap();
        let whole = text.find("FAIL").unwrap() + "FAIL".len()..=text.find("Count = 1").unwrap();
        for end in (1..text.len()).filter(|end| !whole.contains(end)) {
            let problem = refused(&text[..end]);
            assert!(end < first || problem.place.starts_with("line "), "{end}: {problem}");
        }
    }

    #[test]
    fn a_section_with_fewer_or_more_records_than_the_first_is_refused_with_its_line() {
        let body = &GOOD[GOOD.find('[').unwrap()..];
        let two = format!("{GOOD}\r\n{body}");
        assert_eq!(decode(two.as_bytes()).unwrap().len(), 4);
        let second = two.rfind("Count = 1").unwrap();
        let problem = refused(&two[..second]);
        assert_eq!(problem.place, "line 25, column 1");
        let section = "[Keylen = 128, IVlen = 96, PTlen = 8, AADlen = 0, Taglen = 32]";
        assert_eq!(problem.reason, format!("the section {section} has 1 records, the first has 2"));
        let first = GOOD.rfind("Count = 1").unwrap();
        let problem = refused(&format!("{}{body}", &GOOD[..first]));
        assert!(problem.reason.contains("has 2 records, the first has 1"), "{problem}");
        let three = format!("{}\r\n{body}", &two[..second]);
        assert_eq!(refused(&three).place, "line 25, column 1");
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_column() {
        let broken = |from: &str, to: &str| refused(&GOOD.replacen(from, to, 1));
        assert_eq!(broken("CT = ff", "CT = fg").place, "line 12, column 7");
        assert_eq!(broken("CT = ff", "CT = f").place, "line 12, column 6");
        assert_eq!(broken("CT = ff", "CT = ffff").reason, "2 bytes, PTlen declares 1");
        assert_eq!(broken("[Keylen = 128]", "[Keylen = 121]").reason, "not whole bytes");
        assert_eq!(broken("[Keylen = 128]", "[Keylen = x]").place, "line 3, column 11");
        assert_eq!(broken("[Keylen = 128]", "[Kenlen = 128]").place, "line 3, column 2");
        assert_eq!(broken("Count = 1", "Count = 2").place, "line 17, column 9");
        assert!(broken("PT = aa", "PT = aa\r\nFAIL").reason.contains("both PT and FAIL"));
        assert!(broken("AAD = \r\n", "").reason.contains("no AAD"));
        assert!(broken("CT = ff", "CT = ff\r\nCT = ff").reason.contains("twice"));
        assert!(broken("FAIL", "FAIR").reason.contains("neither"));
        assert!(refused("[Keylen = 128]\n").reason.contains("no records"));
        assert!(refused("# nothing\n").reason.contains("no cases"));
    }
}
