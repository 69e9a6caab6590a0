//! The log's key, and the key of each of its files.
//!
//! ```text
//! a file begins:  magic (8) | epoch u32 | salt (24, random)
//! its key:        HKDF-SHA-256(log key, salt, "sealmark log/sealed 1" | kind u8 | number u64 | epoch u32 |
//!                              log id (16) | name)
//! ```
//!
//! A file's key thus depends on the file, on the run that began it, on the log and on its name. Two files
//! never share a key, even if a folder was put back and written to again. Integers are big-endian.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::{Error, engine_or};
use crate::engine::Engine;
use crate::envelope::{Cipher, Keystore, SecretKey};
use crate::primitive::hkdf_sha256;

/// Bytes of a log's id.
pub const ID_LEN: usize = 16;
/// Bytes of a file's salt.
const SALT_LEN: usize = 24;
const MAGIC_LEN: usize = 8;
const EPOCH_END: usize = MAGIC_LEN + 4;
/// Bytes before a file's first frame.
pub(in crate::scheme::log) const HEADER_LEN: usize = EPOCH_END + SALT_LEN;

const LABEL: &[u8] = b"sealmark log/sealed 1";

/// The kinds of sealed files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Head,
    Wal,
    Table,
}

impl Kind {
    const fn magic(self) -> &'static [u8; MAGIC_LEN] {
        match self {
            Self::Head => b"smloghd1",
            Self::Wal => b"smlogwl1",
            Self::Table => b"smlogtb1",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Head => 0,
            Self::Wal => 1,
            Self::Table => 2,
        }
    }
}

/// A file of a log: its kind and its number. The head has number 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileId {
    pub kind: Kind,
    pub number: u64,
}

impl FileId {
    pub const HEAD: Self = Self { kind: Kind::Head, number: 0 };

    pub const fn wal(number: u64) -> Self {
        Self { kind: Kind::Wal, number }
    }

    pub const fn table(number: u64) -> Self {
        Self { kind: Kind::Table, number }
    }

    /// Its name in the folder.
    pub fn name(self) -> String {
        let Self { kind, number } = self;
        match kind {
            Kind::Head => "head".into(),
            Kind::Wal => format!("{number:06}.wal"),
            Kind::Table => format!("{number:06}.sst"),
        }
    }

    /// The WAL or table with this name, spelled as [`name`](Self::name) spells it.
    pub fn of_name(name: &str) -> Option<Self> {
        let (digits, extension) = name.split_once('.')?;
        let kind = match extension {
            "wal" => Kind::Wal,
            "sst" => Kind::Table,
            _ => return None,
        };
        let id = Self { kind, number: digits.parse().ok()? };
        (id.name() == name).then_some(id)
    }

    /// The first bytes of an AAD.
    pub const fn bytes(self) -> [u8; 9] {
        let [a, b, c, d, e, f, g, h] = self.number.to_be_bytes();
        [self.kind.byte(), a, b, c, d, e, f, g, h]
    }
}

/// The key of a log, with the engine that seals under it and the log's name. Wiped when dropped.
#[derive(Clone)]
pub struct LogKey {
    engine: &'static dyn Engine,
    key: SecretKey,
    name: Arc<[u8]>,
}

impl LogKey {
    /// A key for the log with this name: whatever the log is for, such as a node's id. Logs of different
    /// names may share a key; a log never opens under another name.
    pub fn new(engine: &'static dyn Engine, key: SecretKey, name: &[u8]) -> Self {
        Self { engine, key, name: name.into() }
    }

    /// The header of a new file, and its key.
    pub(super) fn begin(
        &self,
        log: &[u8; ID_LEN],
        file: FileId,
        epoch: u32,
    ) -> Result<(Header, FileKey), Error> {
        let mut bytes = [0; HEADER_LEN];
        bytes[..MAGIC_LEN].copy_from_slice(file.kind.magic());
        bytes[MAGIC_LEN..EPOCH_END].copy_from_slice(&epoch.to_be_bytes());
        getrandom::fill(&mut bytes[EPOCH_END..]).map_err(Error::Random)?;
        let header = Header { bytes, epoch };
        let key = self.file_key(log, file, &header)?;
        Ok((header, key))
    }

    /// The key of a file with this header.
    pub(super) fn file_key(
        &self,
        log: &[u8; ID_LEN],
        file: FileId,
        header: &Header,
    ) -> Result<FileKey, Error> {
        let epoch = header.epoch;
        let info = [LABEL, &file.bytes(), &epoch.to_be_bytes(), log, &self.name].concat();
        let mut derived = Zeroizing::new([0; 32]);
        hkdf_sha256::derive(&self.key[..], &header.bytes[EPOCH_END..], &info, &mut derived[..])
            .expect("32 bytes are not too long");
        let keystore = Keystore::new(self.engine);
        // No writer has epoch 0, which no keystore takes.
        keystore.set(epoch, &derived[..]).map_err(|error| engine_or(error, || Error::Magic(file.name())))?;
        Ok(FileKey { cipher: Arc::new(keystore).into(), epoch })
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKey").field("engine", &self.engine.name()).finish_non_exhaustive()
    }
}

/// The first bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub bytes: [u8; HEADER_LEN],
    pub epoch: u32,
}

impl Header {
    /// Reads a file's header. Only the frames after it show that it is authentic.
    pub fn decode(file: FileId, bytes: &[u8]) -> Result<Self, Error> {
        let magic = file.kind.magic();
        let present = bytes.len().min(MAGIC_LEN);
        if bytes[..present] != magic[..present] {
            return Err(Error::Magic(file.name()));
        }
        let bytes: [u8; HEADER_LEN] =
            *bytes.first_chunk().ok_or_else(|| Error::Truncated { file: file.name(), frame: 0 })?;
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = bytes;
        Ok(Self { bytes, epoch: u32::from_be_bytes([a, b, c, d]) })
    }
}

/// The key of a file. Its id in the envelope is the epoch.
#[derive(Clone, Debug)]
pub(super) struct FileKey {
    pub cipher: Cipher,
    pub epoch: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::find;

    fn key(byte: u8, name: &[u8]) -> LogKey {
        let mut key = SecretKey::default();
        key.fill(byte);
        LogKey::new(find("sealmark").unwrap(), key, name)
    }

    #[test]
    fn names_are_those_of_the_reference_and_others_are_no_files_of_a_log() {
        for (id, name) in [(FileId::wal(1), "000001.wal"), (FileId::table(1_234_567), "1234567.sst")] {
            assert_eq!((id.name().as_str(), FileId::of_name(name)), (name, Some(id)));
        }
        for name in
            ["head", "1.wal", "0000001.wal", "+00001.wal", "000001.wal.tmp", "000001.WAL", ".wal", "x.sst"]
        {
            assert_eq!(FileId::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn every_file_run_log_and_name_has_its_own_key() {
        let (header, _) = key(1, b"a").begin(&[5; 16], FileId::wal(1), 1).unwrap();
        let dek = |key: &LogKey, log: u8, file: FileId, header: &Header| {
            let derived = key.file_key(&[log; 16], file, header).unwrap();
            *derived.cipher.keystore().unwrap().keys().dek(header.epoch).unwrap()
        };
        let mut salted = header;
        salted.bytes[HEADER_LEN - 1] ^= 1;
        let later = Header { epoch: 2, ..header };
        let deks = [
            dek(&key(1, b"a"), 5, FileId::wal(1), &header),
            dek(&key(2, b"a"), 5, FileId::wal(1), &header),
            dek(&key(1, b"b"), 5, FileId::wal(1), &header),
            dek(&key(1, b"a"), 6, FileId::wal(1), &header),
            dek(&key(1, b"a"), 5, FileId::wal(2), &header),
            dek(&key(1, b"a"), 5, FileId::table(1), &header),
            dek(&key(1, b"a"), 5, FileId::wal(1), &salted),
            dek(&key(1, b"a"), 5, FileId::wal(1), &later),
        ];
        let distinct: std::collections::BTreeSet<_> = deks.iter().collect();
        assert_eq!(distinct.len(), deks.len());
        assert_eq!(deks[0], dek(&key(1, b"a"), 5, FileId::wal(1), &header));
    }

    #[test]
    fn a_header_is_checked_for_its_magic_then_its_length() {
        let (header, _) = key(1, b"").begin(&[5; 16], FileId::wal(1), 7).unwrap();
        assert_eq!(Header::decode(FileId::wal(1), &header.bytes).unwrap(), header);
        let name = |result: Result<Header, Error>| result.unwrap_err().spec_name();
        assert_eq!(name(Header::decode(FileId::table(1), &header.bytes)), "INVALID_MAGIC");
        for len in 0..HEADER_LEN {
            assert_eq!(
                name(Header::decode(FileId::wal(1), &header.bytes[..len])),
                "TRUNCATED_RECORD",
                "{len}"
            );
        }
        let zero = Header { epoch: 0, ..header };
        assert_eq!(
            key(1, b"").file_key(&[5; 16], FileId::wal(1), &zero).unwrap_err().spec_name(),
            "INVALID_MAGIC"
        );
        assert_eq!(format!("{:?}", key(1, b"")), r#"LogKey { engine: "sealmark", .. }"#);
    }
}
