//! `log/checked`: two tables and two logs, read like the engine reads them, tables first.
//!
//! A checksum without a key detects accidents. Whoever can write to a file can correct it, and nothing binds
//! a file to its place, or a record to the ones around it.

use std::ops::Range;

use super::{KEY, REQUEST_ID, folder, message_of};
use crate::engine::{Engine, Shape};
use crate::primitive::crc32c;
use crate::scheme::log::table::{self, Entry, Found, Table};
use crate::scheme::log::wal::{self, Header, Reader as Replay, Record, Tail, record_checksum};
use crate::scheme::log::{Code, Error};
use crate::scheme::{self, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

/// The files that the reference writes.
pub(in crate::scheme) static CHECKED: Checked = Checked;

/// The checked mode.
pub(in crate::scheme) struct Checked;

const REFUSALS: [&str; 6] = [
    Code::TruncatedRecord.spec_name(),
    Code::InvalidMagic.spec_name(),
    Code::UnsupportedVersion.spec_name(),
    Code::InvalidOperation.spec_name(),
    Code::InvalidRecord.spec_name(),
    Code::ChecksumMismatch.spec_name(),
];

const UNBOUND: &str = "nothing binds a file to its folder, its place or its time";
const UNKEYED: &str = "the checksum has no key: whoever can write to the file corrects it";
const SIZES: &str =
    "a forged size under a corrected checksum moves what follows, which is refused unless it happens to fit";

const HISTORIES: [(&str, &str); 1] = [(
    super::history::FOLDER_PUT_BACK,
    "a folder as it was earlier is a folder: nothing tells when it was written",
)];

/// The tombstone before the value of each table, so that a block has two entries.
const REMOVED: Entry<'_> = Entry { key: b"a removed key", value: None };

impl Scheme for Checked {
    fn name(&self) -> &'static str {
        "log/checked"
    }

    fn law(&self) -> Law {
        Law::Prefix
    }

    fn needs(&self) -> Option<Shape> {
        None
    }

    fn refusals(&self) -> &'static [&'static str] {
        &REFUSALS
    }

    fn judge(&self, fault: Fault, part: &str) -> Judgement {
        match (fault, part) {
            (Fault::Flip, "unchecked") => Judgement::Harmless,
            (Fault::Forge, "unchecked" | "reserved" | "footer-reserved") => Judgement::Harmless,
            (Fault::Forge, "key" | "value" | "request-id" | "removed-key") => Judgement::Alters(UNKEYED),
            (Fault::Forge, "sizes" | "entry-sizes" | "index-sizes" | "count") => Judgement::Chance(SIZES),
            (Fault::Forge, "first-key") => Judgement::Chance(
                "with a forged first key, a lookup finds its block or does not look into it",
            ),
            (Fault::Cut, "start") => {
                Judgement::Blind("a log that ends with a record may have had more records")
            }
            (Fault::Swap | Fault::Copy | Fault::Splice | Fault::Older, "log" | "table") => {
                Judgement::Blind(UNBOUND)
            }
            (Fault::Drop | Fault::Tail, _) => {
                Judgement::Blind("a missing file reads like one that never was")
            }
            // A folder has one file of a name.
            (Fault::Repeat, _) => Judgement::Harmless,
            _ => Judgement::Caught,
        }
    }

    fn blind_histories(&self) -> &'static [(&'static str, &'static str)] {
        &HISTORIES
    }

    fn session(&self, _: &'static dyn Engine) -> Result<Box<dyn Session>, scheme::Error> {
        Ok(Box::new(Files))
    }
}

/// The writer. Files depend on nothing but the messages.
struct Files;

/// The messages of both tables, then of both logs.
fn shares(count: usize) -> [Range<usize>; 4] {
    let (one, two) = (count.min(1), count.min(2));
    let three = two.max(count.saturating_sub(1));
    [0..one, one..two, two..three, three..count]
}

impl Session for Files {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, scheme::Error> {
        let [one, two, three, four] = shares(messages.len()).map(|share| &messages[share]);
        Ok(vec![
            table_piece("000001.sst", one)?,
            table_piece("000002.sst", two)?,
            log_piece("000001.wal", three)?,
            log_piece("000002.wal", four)?,
        ])
    }

    fn reader(&self) -> Result<Box<dyn Reader>, scheme::Error> {
        Ok(Box::new(Self))
    }

    fn forge(&self, piece: &mut Piece) -> bool {
        if piece.kind() == "table" {
            forge_table(piece)
        } else {
            forge_log(piece)
        }
        true
    }
}

/// A log of these messages.
fn log_piece(name: &str, messages: &[Vec<u8>]) -> Result<Piece, Error> {
    let (mut bytes, mut parts) = (Vec::new(), Vec::new());
    for message in messages {
        let at = bytes.len();
        wal::encode(&Record::put(KEY, message, REQUEST_ID), &mut bytes)?;
        let value = at + wal::HEADER_LEN + KEY.len();
        let id = bytes.len() - REQUEST_ID.len();
        parts.extend([
            ("start", at..at + 1),
            ("magic", at + 1..at + 4),
            ("version", at + 4..at + 6),
            ("operation", at + 6..at + 7),
            ("reserved", at + 7..at + 8),
            ("sizes", at + 8..at + 20),
            ("checksum", at + 20..at + 24),
            ("key", at + 24..value),
            ("value", value..id),
            ("request-id", id..bytes.len()),
        ]);
    }
    parts.push(("log", 0..bytes.len()));
    Ok(Piece { place: name.into(), bytes, parts })
}

/// Corrects the checksums of all records, whatever their sizes are now, up to one that is none.
fn forge_log(piece: &mut Piece) {
    let mut rest = &mut piece.bytes[..];
    while let Some(header) = rest.first_chunk() {
        let Ok(parsed) = Header::parse(header) else { break };
        let Some((record, after)) = rest.split_at_mut_checked(wal::HEADER_LEN + parsed.payload_len()) else {
            break;
        };
        let (covered, _) = record.split_first_chunk().expect("a header was parsed");
        let checksum = record_checksum(covered, &record[wal::HEADER_LEN..]);
        record[wal::COVERED_LEN..wal::HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
        rest = after;
    }
}

/// A table of at most one message, after a tombstone.
fn table_piece(name: &str, messages: &[Vec<u8>]) -> Result<Piece, Error> {
    let rows = messages.iter().map(|message| Entry { key: KEY, value: Some(message) });
    let entries: Vec<_> = messages.first().map(|_| REMOVED).into_iter().chain(rows).collect();
    let bytes = table::encode(table::DEFAULT_BLOCK_LEN, entries.iter().copied())?;
    let mut parts = vec![("table", 0..bytes.len()), ("magic", 0..4), ("version", 4..6), ("unchecked", 6..16)];
    let mut at = 16;
    if !entries.is_empty() {
        parts.push(("frame-size", at..at + 4));
        at += 4;
        for entry in &entries {
            let value = entry.value.unwrap_or_default().len();
            let key = at + 9 + entry.key.len();
            let key_part = if entry.value.is_some() { "key" } else { "removed-key" };
            parts.extend([("kind", at..at + 1), ("entry-sizes", at + 1..at + 9), (key_part, at + 9..key)]);
            parts.push(("value", key..key + value));
            at = key + value;
        }
        parts.push(("checksum", at..at + 4));
        at += 4;
    }
    parts.extend([("frame-size", at..at + 4), ("count", at + 4..at + 8)]);
    at += 8;
    if let Some(first) = entries.first() {
        let key = at + 4 + first.key.len();
        parts.extend([("index-sizes", at..at + 4), ("first-key", at + 4..key), ("place", key..key + 12)]);
        at = key + 12;
    }
    let footer = at + 4;
    parts.extend([
        ("checksum", at..footer),
        ("magic", footer..footer + 4),
        ("version", footer + 4..footer + 6),
        ("footer-reserved", footer + 6..footer + 8),
        ("place", footer + 8..footer + 20),
        ("footer-reserved", footer + 20..footer + 28),
        ("checksum", footer + 28..bytes.len()),
    ]);
    Ok(Piece { place: name.into(), bytes, parts })
}

/// Corrects the checksums of the frames, where the writer put them, and of the footer.
fn forge_table(piece: &mut Piece) {
    let ends: Vec<usize> =
        piece.parts.iter().filter(|(name, _)| *name == "checksum").map(|(_, range)| range.start).collect();
    let starts = piece.parts.iter().filter(|(name, _)| *name == "frame-size").map(|(_, range)| range.end);
    let footer = piece.bytes.len() - table::FOOTER_LEN;
    for (start, end) in starts.chain([footer]).zip(ends).collect::<Vec<_>>() {
        let checksum = crc32c::checksum(&piece.bytes[start..end]);
        piece.bytes[end..end + 4].copy_from_slice(&checksum.to_le_bytes());
    }
}

impl Reader for Files {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut given = Vec::new();
        let refused = read(pieces, &mut given).err().map(|error| error.code().spec_name());
        Recovered { given: given.into_iter().enumerate().collect(), refused: refused.into_iter().collect() }
    }
}

/// Reads every table, then every log, as far as they are sound.
fn read(pieces: &[Piece], given: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    let folder = folder(pieces);
    for (_, bytes) in folder.iter().filter(|(name, _)| name.ends_with(b".sst")) {
        let table = Table::of_bytes(bytes.to_vec())?;
        table.scan(&mut |entry| {
            match (entry.key, entry.value) {
                // A user finds it by its key.
                (KEY, Some(value)) => {
                    if table.get(KEY)? == Some(Found::Value(value.to_vec())) {
                        given.push(value.to_vec());
                    }
                }
                (key, None) if key == REMOVED.key => {}
                (key, value) => given.push([key, value.unwrap_or_default()].concat()),
            }
            Ok(())
        })?;
    }
    for (_, bytes) in folder.iter().filter(|(name, _)| name.ends_with(b".wal")) {
        let mut replay = Replay::of_bytes(bytes, Tail::Strict);
        while let Some(record) = replay.next()? {
            given.push(message_of(&record));
        }
    }
    Ok(())
}
