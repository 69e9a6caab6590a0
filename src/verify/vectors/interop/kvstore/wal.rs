//! `kv-wal.json`: checksums, records, and what a replay makes of a log: whole, with each byte altered, cut at
//! each length, with zeros behind its end, and forged with right checksums.

use super::{
    Arc, Edit, Judgement, MAX_REPEATED, Node, Problem, Write, code, equal, integer, only, same, tuple,
    without_cipher, words,
};
use crate::primitive::crc32c;
use crate::scheme::log::{Error, Tail, wal};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(
        root,
        &[
            "crc32c",
            "records",
            "file_hex",
            "file_verdict",
            "flips",
            "truncations",
            "appended_zero_bytes",
            "forged",
        ],
    )?;
    let mut cases = Vec::new();
    for (i, node) in root.member("crc32c")?.elements()?.enumerate() {
        node.only(&["data", "crc32c"])?;
        let (data, vector): (_, u32) = (node.member("data")?.bytes()?, integer(&node.member("crc32c")?)?);
        cases.push(without_cipher(format!("crc32c/{i}"), move || {
            equal("the checksum", crc32c::checksum(&data), vector)
        }));
    }
    for (i, node) in root.member("records")?.elements()?.enumerate() {
        node.only(&["op", "key", "value", "request_id", "encoded", "replay"])?;
        let (record, encoded) = (Write::read(&node)?, node.member("encoded")?.bytes()?);
        let verdict = Verdict::read(&node.member("replay")?)?;
        cases.push(without_cipher(format!("records/{i}"), move || {
            let mut seen = Vec::new();
            wal::encode(&record.record(), &mut seen).map_err(words)?;
            same("the encoded record", &seen, &encoded)?;
            verdict.judge(&encoded, Some(std::slice::from_ref(&record)))
        }));
    }
    let base: Arc<[u8]> = root.member("file_hex")?.bytes()?.into();
    let verdict = Verdict::read(&root.member("file_verdict")?)?;
    // What the whole file holds: no more and no less comes before an error.
    let whole: Arc<[Write]> = replay(&base).1.into();
    let file = Arc::clone(&base);
    cases.push(without_cipher("file".into(), move || verdict.judge(&file, None)));
    let mut edited = |(edit, verdict): (Edit, Node<'_>)| {
        let (base, whole, verdict) = (Arc::clone(&base), Arc::clone(&whole), Verdict::read(&verdict)?);
        cases.push(without_cipher(edit.id(), move || {
            // Where a flip is not noticed, a record may be another one.
            let unnoticed = matches!(edit, Edit::Flip(..)) && verdict.code.is_empty();
            verdict.judge(&edit.apply(&base), (!unnoticed).then_some(&whole[..]))
        }));
        Ok(())
    };
    for node in root.member("flips")?.elements()? {
        edited(Edit::flip(&base, &node)?)?;
    }
    for node in root.member("truncations")?.elements()? {
        edited(Edit::truncation(&base, &node)?)?;
    }
    for node in root.member("appended_zero_bytes")?.elements()? {
        edited(Edit::zeros(&node)?)?;
    }
    for (i, node) in root.member("forged")?.elements()?.enumerate() {
        node.only(&["why", "file", "verdict"])?;
        let why = node.member("why")?;
        let bytes = match node.find("file")? {
            Some(file) => {
                why.text()?;
                file.bytes()?
            }
            None => long_value(&why)?,
        };
        let verdict = Verdict::read(&node.member("verdict")?)?;
        cases.push(without_cipher(format!("forged/{i}"), move || verdict.judge(&bytes, None)));
    }
    Ok(cases)
}

/// A forged file that is too long to be written out: a put whose value is a repeated byte, in the words
/// `value N bytes of 'v', key 'k', request_id 'r'`.
fn long_value(why: &Node<'_>) -> Result<Vec<u8>, Problem> {
    let described = || {
        let (len, rest) = why.text().ok()?.strip_prefix("value ")?.split_once(" bytes of '")?;
        let (byte, rest) = rest.split_once("', key '")?;
        let (key, id) = rest.strip_suffix('\'')?.split_once("', request_id '")?;
        let [byte] = byte.as_bytes() else { return None };
        let len = len.parse().ok().filter(|len: &u64| *len <= MAX_REPEATED)?;
        Some((vec![*byte; usize::try_from(len).ok()?], key.as_bytes(), id.as_bytes()))
    };
    let Some((value, key, id)) = described() else {
        why.text()?;
        return Err(why.problem(format!(
            "without a file, expected: value N bytes of 'v', key 'k', request_id 'r', with N up to \
             {MAX_REPEATED}"
        )));
    };
    // Written here, because our own encoder refuses what is too long.
    let mut bytes = b"AWVK\x01\0\x01\0".to_vec();
    for len in [key.len(), value.len(), id.len()] {
        bytes.extend(u32::try_from(len).expect("at most two mebibytes").to_le_bytes());
    }
    let payload = [key, &value, id].concat();
    let checksum = crc32c::checksum(&[&bytes, &payload[..]].concat());
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// What a replay ends with: the code of the error or the empty word, the index of its record or 0, and the
/// number of records before it.
struct Verdict {
    code: &'static str,
    index: u64,
    delivered: u64,
}

impl Verdict {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let [word, index, delivered] = tuple(node, "a code, the index of a record and a number of records")?;
        let (code, at) = (code(&word)?, index.number()?);
        if code.is_empty() && at != 0 {
            return Err(index.problem("where no record is refused, the index is 0"));
        }
        Ok(Self { code, index: at, delivered: delivered.number()? })
    }

    /// Replays the file. Whatever is delivered must be the first of these records.
    fn judge(&self, file: &[u8], written: Option<&[Write]>) -> Judgement {
        let (end, delivered) = replay(file);
        let (code, index) = match &end {
            Ok(()) => ("", 0),
            Err(error) => (error.code().spec_name(), error.record_index()),
        };
        let told = end.as_ref().err().map(ToString::to_string).unwrap_or_default();
        equal("the code", code, self.code).map_err(|what| format!("{what} ({told})"))?;
        equal("the index of the record", index, self.index)?;
        equal("records delivered", delivered.len() as u64, self.delivered)?;
        let Some(written) = written else { return Ok(()) };
        if delivered.len() > written.len() {
            return Err(format!("{} records are delivered of {}", delivered.len(), written.len()));
        }
        delivered.iter().zip(written).try_for_each(|(seen, vector)| seen.same(vector))
    }
}

/// The end of a replay, and what it delivered.
fn replay(file: &[u8]) -> (Result<(), Error>, Vec<Write>) {
    let mut reader = wal::Reader::of_bytes(file, Tail::Strict);
    let mut delivered = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(record)) => delivered.push(Write::of(record)),
            Ok(None) => return (Ok(()), delivered),
            Err(error) => return (Err(error), delivered),
        }
    }
}
