//! NIST's CAVP response files for AES-GCM (`gcmDecrypt128.rsp`, `gcmEncryptExtIV128.rsp` and similar), as the
//! GCMVS document describes them.
//!
//! Every record must be complete and have the lengths that its section declares. The format does not fix the
//! number of records in a section. If a section has more or fewer than the first, or its numbers do not run
//! from 0, it is read as it is, with a remark, because files are trimmed for bug reports. A file truncated
//! between two records is therefore not noticed here; the index of the built-in sets notices it.

use super::text::{Attribute, Line};
use super::{Content, Decoded, File, Format, Parts, Problem, Vectors};
use crate::verify::Case;
use crate::verify::aead_case::Expect;

pub(super) const FORMAT: Format =
    Format { name: "cavp-gcm", looks: "text with sections [Keylen = ...]", known, decode };

fn known(content: &Content<'_>) -> bool {
    let lines = content.lines();
    let has = |name: &str| lines.iter().any(|line| line.attribute().is_some_and(|field| field.is(name)));
    let has_section = lines.iter().any(|line| line.section().is_some_and(|size| size.is(SIZES[0])));
    has_section || has("Count") && has("Tag")
}

/// The cases of a file, with names like `iv96-pt104-aad0-tag128/3`: the section's bits, then the count.
///
/// # Errors
/// What is wrong with the file, and where.
fn decode(file: &File<'_>) -> Result<Decoded, Problem> {
    let mut reader = Reader::default();
    for line in file.content.lines() {
        reader.take(line)?;
    }
    reader.end_record()?;
    reader.end_section();
    Ok(Decoded::Cases(Vectors::new(reader.cases, reader.remarks)?))
}

const SIZES: [&str; 5] = ["Keylen", "IVlen", "PTlen", "AADlen", "Taglen"];
const FIELDS: [&str; 6] = ["Key", "IV", "PT", "AAD", "Tag", "CT"];
/// The index in [`SIZES`] of each field's length.
const SIZE_OF_FIELD: [usize; 6] = [0, 1, 2, 3, 4, 2];

#[derive(Default)]
struct Reader {
    section: Option<Section>,
    record: Option<Record>,
    /// Records in the first section, once it has ended.
    first_count: Option<u64>,
    cases: Vec<Case>,
    remarks: Vec<String>,
}

#[derive(Default)]
struct Section {
    /// The line where it begins.
    line: usize,
    /// Lengths in bytes, in the order of [`SIZES`].
    sizes: [Option<u64>; 5],
    /// Records in this section so far.
    count: u64,
    /// Whether a remark on a number out of order has been made.
    out_of_turn: bool,
}

struct Record {
    line: usize,
    count: u64,
    fields: [Option<Vec<u8>>; 6],
    fail: bool,
}

impl Reader {
    fn take(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        if line.text.is_empty() || line.is_comment() {
            return Ok(());
        }
        if line.text.starts_with('[') {
            self.end_record()?;
            let size = line.section().ok_or_else(|| line.problem("not `[NAME = BITS]`"))?;
            return self.take_size(&size);
        }
        if line.text.eq_ignore_ascii_case("FAIL") {
            let record = self.record.as_mut().ok_or_else(|| line.problem("FAIL outside a record"))?;
            record.fail = true;
            return Ok(());
        }
        let field = line.attribute();
        let field = field
            .ok_or_else(|| line.problem("neither `NAME = VALUE`, `[NAME = BITS]`, FAIL nor a comment"))?;
        if field.is("Count") {
            self.end_record()?;
            return self.begin_record(&field);
        }
        self.take_field(&field)
    }

    fn take_size(&mut self, size: &Attribute<'_>) -> Result<(), Problem> {
        let i = SIZES.iter().position(|name| size.is(name));
        let i = i.ok_or_else(|| size.problem(format!("{} is none of {}", size.name, SIZES.join(", "))))?;
        let bytes = size.bits_as_bytes()?;
        // A size that is declared again begins a section, even if the last one has no records.
        let goes_on = |section: &Section| section.count == 0 && section.sizes[i].is_none();
        if !self.section.as_ref().is_some_and(goes_on) {
            self.end_section();
            self.section = Some(Section { line: size.line, ..Section::default() });
        }
        self.section.get_or_insert_default().sizes[i] = Some(bytes);
        Ok(())
    }

    /// Compares the number of records in the section that ends here with the first section's.
    fn end_section(&mut self) {
        let Some(section) = self.section.take() else { return };
        let expected = *self.first_count.get_or_insert(section.count);
        if section.count == expected && section.count > 0 {
            return;
        }
        let sizes = SIZES.iter().zip(section.sizes);
        let sizes = sizes.filter_map(|(name, bytes)| Some(format!("{name} = {}", bytes? * 8)));
        let (line, sizes, count) = (section.line, sizes.collect::<Vec<_>>().join(", "), section.count);
        self.remarks.push(match count {
            0 => format!("line {line}: the section [{sizes}] has no records: was the file cut short?"),
            _ => format!("line {line}: the section [{sizes}] has {count} records, the first has {expected}"),
        });
    }

    fn begin_record(&mut self, number: &Attribute<'_>) -> Result<(), Problem> {
        let count = number.number()?;
        let section = self.section.get_or_insert_default();
        if count != section.count && !section.out_of_turn {
            section.out_of_turn = true;
            let expected = section.count;
            self.remarks
                .push(format!("line {}: the record is numbered {count}, not {expected}", number.line));
        }
        self.record = Some(Record { line: number.line, count, fields: Default::default(), fail: false });
        Ok(())
    }

    fn take_field(&mut self, field: &Attribute<'_>) -> Result<(), Problem> {
        let i = FIELDS.iter().position(|name| field.is(name));
        let i = i.ok_or_else(|| {
            field.problem(format!("{} is none of Count, {}", field.name, FIELDS.join(", ")))
        })?;
        let bytes = field.hex(field.value, 0)?;
        let size = SIZES[SIZE_OF_FIELD[i]];
        let declared = self.section.as_ref().and_then(|section| section.sizes[SIZE_OF_FIELD[i]]);
        let declared = declared.ok_or_else(|| field.problem(format!("no {size} declared above")))?;
        if bytes.len() as u64 != declared {
            return Err(field.in_value(0, format!("{} bytes, {size} declares {declared}", bytes.len())));
        }
        let record = self.record.as_mut().ok_or_else(|| field.problem("a field before Count"))?;
        if record.fields[i].replace(bytes).is_some() {
            return Err(field.problem(format!("{} twice in a record", FIELDS[i])));
        }
        Ok(())
    }

    fn end_record(&mut self) -> Result<(), Problem> {
        let Some(record) = self.record.take() else { return Ok(()) };
        let Record { line, count, fields: [key, iv, pt, aad, tag, ct], fail } = record;
        let at = |reason: &str| Problem::new(format!("line {line}, column 1"), reason);
        let missing = |name: &str| at(&format!("the record that begins here has no {name}"));
        let expect = match (&pt, fail) {
            (Some(_), false) => Expect::Valid,
            (None, true) => Expect::Invalid,
            (Some(_), true) => return Err(at("the record that begins here has both PT and FAIL")),
            (None, false) => return Err(missing("PT or FAIL")),
        };
        let parts = Parts {
            key: key.ok_or_else(|| missing("Key"))?,
            iv: iv.ok_or_else(|| missing("IV"))?,
            aad: aad.ok_or_else(|| missing("AAD"))?,
            message: pt,
            ciphertext: ct.ok_or_else(|| missing("CT"))?,
            tag: tag.ok_or_else(|| missing("Tag"))?,
            expect,
        };
        let bits = |bytes: &[u8]| bytes.len() * 8;
        let (iv, pt, aad, tag) =
            (bits(&parts.iv), bits(&parts.ciphertext), bits(&parts.aad), bits(&parts.tag));
        let case = parts.case(format!("iv{iv}-pt{pt}-aad{aad}-tag{tag}/{count}"));
        self.cases.push(case.map_err(|reason| at(&reason))?);
        if let Some(section) = &mut self.section {
            section.count += 1;
        }
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

    fn read(text: &str) -> Result<Vectors, Problem> {
        Format::find("cavp-gcm").unwrap().decode(text.as_bytes())
    }

    fn refused(text: &str) -> Problem {
        read(text).unwrap_err()
    }

    #[test]
    fn a_record_with_fail_and_one_with_a_plaintext_are_read() {
        for text in [GOOD.to_owned(), GOOD.replace("\r\n", "\n"), GOOD.trim_end().to_owned()] {
            let ids: Vec<_> = read(&text).unwrap().cases.into_iter().map(|c| c.id).collect();
            assert_eq!(ids, ["iv96-pt8-aad0-tag32/0", "iv96-pt8-aad0-tag32/1"]);
        }
    }

    #[test]
    fn a_file_truncated_inside_a_record_is_refused_with_its_line() {
        let text = GOOD.trim_end();
        let first = text.find("Count = 0").unwrap();
        let whole = text.find("FAIL").unwrap() + "FAIL".len()..=text.find("Count = 1").unwrap();
        for end in (1..text.len()).filter(|end| !whole.contains(end)) {
            let problem = refused(&text[..end]);
            assert!(end <= first || problem.place.starts_with("line "), "{end}: {problem}");
        }
    }

    #[test]
    fn a_section_with_fewer_or_more_records_than_the_first_is_read_with_a_remark() {
        let body = &GOOD[GOOD.find('[').unwrap()..];
        let remarks = |text: &str, cases: usize| {
            let vectors = read(text).unwrap();
            assert_eq!(vectors.cases.len(), cases);
            vectors.remarks
        };
        let two = format!(
            "{GOOD}\r\n{}",
            body.replace("IVlen = 96", "IVlen = 88").replace("090a0b\r\nCT", "090a\r\nCT")
        );
        assert!(remarks(&two, 4).is_empty());
        let second = two.rfind("Count = 1").unwrap();
        let section = "[Keylen = 128, IVlen = 88, PTlen = 8, AADlen = 0, Taglen = 32]";
        let fewer = format!("line 25: the section {section} has 1 records, the first has 2");
        assert_eq!(remarks(&two[..second], 3), [fewer]);
        let first = GOOD.rfind("Count = 1").unwrap();
        let more = remarks(&format!("{}{body}", &GOOD[..first]), 3);
        assert!(more[0].contains("has 2 records, the first has 1"), "{more:?}");
        assert!(more[1].contains("the id iv96-pt8-aad0-tag32/0 appears more than once"), "{more:?}");
        let empty = remarks(&format!("{GOOD}{}", &body[..body.find("Count").unwrap()]), 2);
        assert!(empty[0].contains("has no records: was the file cut short?"), "{empty:?}");
    }

    #[test]
    fn a_record_with_an_unexpected_number_is_read_with_a_remark() {
        let kept = read(&GOOD.replace("Count = 0", "Count = 3").replace("Count = 1", "Count = 9")).unwrap();
        let ids: Vec<_> = kept.cases.iter().map(|case| &*case.id).collect();
        assert_eq!(ids, ["iv96-pt8-aad0-tag32/3", "iv96-pt8-aad0-tag32/9"]);
        assert_eq!(kept.remarks, ["line 9: the record is numbered 3, not 0"]);
    }

    #[test]
    fn errors_name_line_and_column() {
        let broken = |from: &str, to: &str| refused(&GOOD.replacen(from, to, 1));
        assert_eq!(broken("CT = ff", "CT = fg").place, "line 12, column 7");
        assert_eq!(broken("CT = ff", "CT = f").place, "line 12, column 6");
        assert_eq!(broken("CT = ff", "CT = ffff").reason, "2 bytes, PTlen declares 1");
        assert_eq!(broken("[Keylen = 128]", "[Keylen = 121]").reason, "not whole bytes");
        assert_eq!(broken("[Keylen = 128]", "[Keylen = x]").place, "line 3, column 11");
        assert_eq!(broken("[Keylen = 128]", "[Kenlen = 128]").place, "line 3, column 2");
        assert_eq!(broken("Count = 1", "Count = one").place, "line 17, column 9");
        assert!(broken("PT = aa", "PT = aa\r\nFAIL").reason.contains("both PT and FAIL"));
        assert!(broken("AAD = \r\n", "").reason.contains("no AAD"));
        assert!(broken("CT = ff", "CT = ff\r\nCT = ff").reason.contains("twice"));
        assert!(broken("FAIL", "FAIR").reason.contains("neither"));
        assert_eq!(broken("AAD = \r\n", "").place, "line 9, column 1");
        assert!(refused("[Keylen = 128]\n").reason.contains("no cases"));
        assert!(refused("# nothing\n").reason.contains("no cases"));
    }
}
