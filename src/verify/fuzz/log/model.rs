//! The reference's readers, and its writer of tables, naively: its specification (§2, §3), check by check, on
//! bytes that are there as a whole. Nothing here is shared with the scheme, not even the checksum.

/// The code of a refusal.
pub(super) type Code = &'static str;

/// CRC-32C, bit by bit.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn double(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at + 4)) << 32 | u64::from(word(bytes, at))
}

fn version(bytes: &[u8], at: usize) -> u32 {
    u32::from(bytes[at + 1]) << 8 | u32::from(bytes[at])
}

/// A record of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub op: u8,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub id: Vec<u8>,
}

/// What a replay makes of a log.
pub(super) struct Replay {
    pub records: Vec<Record>,
    /// The error, which is about the record after those.
    pub refused: Option<Code>,
    /// Where the records end.
    pub end: usize,
}

pub(super) fn replay(file: &[u8]) -> Replay {
    let mut records = Vec::new();
    let mut end = 0;
    let refused = loop {
        let rest = &file[end..];
        if rest.is_empty() {
            break None;
        }
        match record(rest) {
            Ok((record, len)) => {
                records.push(record);
                end += len;
            }
            Err(code) => break Some(code),
        }
    };
    Replay { records, refused, end }
}

/// The lengths of a record's key, value and request id, if it has a header.
pub(super) fn lengths(rest: &[u8]) -> Option<[usize; 3]> {
    (rest.len() >= 24).then(|| [8, 12, 16].map(|at| word(rest, at) as usize))
}

fn record(rest: &[u8]) -> Result<(Record, usize), Code> {
    let Some([key, value, id]) = lengths(rest) else { return Err("TRUNCATED_RECORD") };
    if word(rest, 0) != 0x4b56_5741 {
        return Err("INVALID_MAGIC");
    }
    if version(rest, 4) != 1 {
        return Err("UNSUPPORTED_VERSION");
    }
    if rest[6] != 1 && rest[6] != 2 {
        return Err("INVALID_OPERATION");
    }
    if key > 1_024 || value > 1_048_576 || id > 4_096 {
        return Err("INVALID_RECORD");
    }
    let Some(payload) = rest[24..].get(..key + value + id) else { return Err("TRUNCATED_RECORD") };
    if word(rest, 20) != crc32c(&[&rest[..20], payload].concat()) {
        return Err("CHECKSUM_MISMATCH");
    }
    let (key, tail) = payload.split_at(key);
    let (value, id) = tail.split_at(value);
    let record = Record { op: rest[6], key: key.into(), value: value.into(), id: id.into() };
    Ok((record, 24 + payload.len()))
}

/// A key with its value, or with the mark that it was deleted.
pub(super) type Row = (Vec<u8>, Option<Vec<u8>>);

/// A block, as the index lists it.
struct Block {
    first: Vec<u8>,
    at: u64,
    len: u64,
}

/// A table that opened.
pub(super) struct Table<'a> {
    file: &'a [u8],
    blocks: Vec<Block>,
}

/// Takes bytes, or refuses what is too short.
fn take<'a>(from: &mut &'a [u8], len: usize) -> Result<&'a [u8], Code> {
    let (taken, rest) = from.split_at_checked(len).ok_or("INVALID_RECORD")?;
    *from = rest;
    Ok(taken)
}

impl<'a> Table<'a> {
    pub(super) fn open(file: &'a [u8]) -> Result<Self, Code> {
        if file.len() < 16 {
            return Err("TRUNCATED_RECORD");
        }
        if word(file, 0) != 0x4b53_5354 {
            return Err("INVALID_MAGIC");
        }
        if version(file, 4) != 1 {
            return Err("UNSUPPORTED_VERSION");
        }
        if file.len() < 48 {
            return Err("TRUNCATED_RECORD");
        }
        let footer_at = file.len() - 32;
        let footer = &file[footer_at..];
        if word(footer, 0) != 0x4b53_4654 {
            return Err("INVALID_MAGIC");
        }
        if version(footer, 4) != 1 {
            return Err("UNSUPPORTED_VERSION");
        }
        if word(footer, 28) != crc32c(&footer[..28]) {
            return Err("CHECKSUM_MISMATCH");
        }
        let (at, len) = (double(footer, 8), u64::from(word(footer, 16)));
        if at < 16 || at >= footer_at as u64 || len > footer_at as u64 - at {
            return Err("INVALID_RECORD");
        }
        let frame = &file[at as usize..(at + len) as usize];
        if len < 8 || u64::from(word(frame, 0)) != len - 8 {
            return Err("INVALID_RECORD");
        }
        let (payload, sum) = frame[4..].split_at(frame.len() - 8);
        if word(sum, 0) != crc32c(payload) {
            return Err("CHECKSUM_MISMATCH");
        }
        let mut rest = payload;
        let count = word(take(&mut rest, 4)?, 0);
        let mut blocks: Vec<Block> = Vec::new();
        for _ in 0..count {
            let len = word(take(&mut rest, 4)?, 0);
            let first = take(&mut rest, len as usize)?.to_vec();
            let place = take(&mut rest, 12)?;
            blocks.push(Block { first, at: double(place, 0), len: word(place, 8).into() });
        }
        if blocks.windows(2).any(|two| two[0].first >= two[1].first) {
            return Err("INVALID_RECORD");
        }
        Ok(Self { file, blocks })
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The payload of a block, whose checksum is right.
    fn payload(&self, block: &Block) -> Result<&'a [u8], Code> {
        let from = usize::try_from(block.at).ok().and_then(|at| self.file.get(at..));
        let Some(frame) = from.filter(|frame| frame.len() >= 4) else { return Err("TRUNCATED_RECORD") };
        let len = u64::from(word(frame, 0));
        if len + 8 != block.len {
            return Err("INVALID_RECORD");
        }
        let Some(frame) = frame.get(4..block.len as usize) else { return Err("TRUNCATED_RECORD") };
        let (payload, sum) = frame.split_at(len as usize);
        if word(sum, 0) == crc32c(payload) { Ok(payload) } else { Err("CHECKSUM_MISMATCH") }
    }

    /// Every entry, in order of the blocks; an error with the number of its block.
    pub(super) fn scan(&self) -> (Vec<Row>, Result<(), (Code, u64)>) {
        let mut rows = Vec::new();
        for (number, block) in self.blocks.iter().enumerate() {
            let refused = |code| (code, number as u64);
            let mut rest = match self.payload(block) {
                Ok(payload) => payload,
                Err(code) => return (rows, Err(refused(code))),
            };
            while !rest.is_empty() {
                match entry(&mut rest) {
                    Ok(row) => rows.push(row),
                    Err(code) => return (rows, Err(refused(code))),
                }
            }
        }
        (rows, Ok(()))
    }

    /// The first entry with this key in the only block that may have it.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Option<Vec<u8>>>, (Code, u64)> {
        let Some(number) = self.blocks.iter().rposition(|block| block.first[..] <= *key) else {
            return Ok(None);
        };
        let refused = |code| (code, number as u64);
        let mut rest = self.payload(&self.blocks[number]).map_err(refused)?;
        while !rest.is_empty() {
            let (of, value) = entry(&mut rest).map_err(refused)?;
            if of == key {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Where each block's frame is, if it is inside the file.
    pub(super) fn frames(&self) -> Vec<std::ops::Range<usize>> {
        let range = |block: &Block| {
            let end = block.at.checked_add(block.len).filter(|end| *end <= self.file.len() as u64)?;
            (block.len >= 8).then_some(block.at as usize..end as usize)
        };
        self.blocks.iter().filter_map(range).collect()
    }
}

fn entry(rest: &mut &[u8]) -> Result<Row, Code> {
    let head = take(rest, 9)?;
    let (key, value) = (word(head, 1) as usize, word(head, 5) as usize);
    match head[0] {
        // A deleted key has no value; where one is there all the same, it is passed over.
        1 | 2 => {}
        _ => return Err("INVALID_RECORD"),
    }
    let key = take(rest, key)?.to_vec();
    let value = take(rest, value)?.to_vec();
    Ok((key, (head[0] == 1).then_some(value)))
}

/// Appends a frame, and returns its place and its length.
fn frame(file: &mut Vec<u8>, payload: &[u8]) -> (u64, u32) {
    let at = file.len() as u64;
    file.extend((payload.len() as u32).to_le_bytes());
    file.extend(payload);
    file.extend(crc32c(payload).to_le_bytes());
    (at, payload.len() as u32 + 8)
}

/// The file of a table with these entries, which ascend.
pub(super) fn written(target: u32, rows: &[Row]) -> Vec<u8> {
    let mut file = 0x4b53_5354_u32.to_le_bytes().to_vec();
    file.extend([1, 0, 0, 0]);
    file.extend(target.to_le_bytes());
    file.extend([0; 4]);
    let mut blocks: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (key, value) in rows {
        let text = value.as_deref().unwrap_or_default();
        let mut entry = vec![if value.is_some() { 1 } else { 2 }];
        entry.extend((key.len() as u32).to_le_bytes());
        entry.extend((text.len() as u32).to_le_bytes());
        entry.extend(key);
        entry.extend(text);
        match blocks.last_mut() {
            Some((_, payload)) if payload.len() + entry.len() <= target.max(128) as usize => {
                payload.extend(entry);
            }
            _ => blocks.push((key.clone(), entry)),
        }
    }
    let mut index = (blocks.len() as u32).to_le_bytes().to_vec();
    for (first, payload) in blocks {
        let (at, len) = frame(&mut file, &payload);
        index.extend((first.len() as u32).to_le_bytes());
        index.extend(first);
        index.extend(at.to_le_bytes());
        index.extend(len.to_le_bytes());
    }
    let (at, len) = frame(&mut file, &index);
    let mut footer = 0x4b53_4654_u32.to_le_bytes().to_vec();
    footer.extend([1, 0, 0, 0]);
    footer.extend(at.to_le_bytes());
    footer.extend(len.to_le_bytes());
    footer.extend([0; 8]);
    let sum = crc32c(&footer);
    footer.extend(sum.to_le_bytes());
    file.extend(footer);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }
}
