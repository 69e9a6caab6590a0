//! Log entries that change keys and registry (spec §7).
//!
//! Follows elastickv `internal/encryption/fsmwire.go`. An entry is an opcode and the output of its codec.
//! Every length is checked before anything of that length is allocated, and nothing may follow the end. Not
//! here: applying entries, and sealing them ([`super::proposal`]).

use super::{Error, Purpose};

/// Opcode of a registration.
pub const REGISTRATION: u8 = 0x03;
/// Opcode of a bootstrap.
pub const BOOTSTRAP: u8 = 0x04;
/// Opcode of a rotation.
pub const ROTATION: u8 = 0x05;
/// Opcodes of this scheme; 6 and 7 are reserved and halt the node.
pub const OPCODES: std::ops::RangeInclusive<u8> = 0x03..=0x07;
/// Maximum number of rows in a bootstrap.
pub const MAX_BOOTSTRAP_ROWS: usize = 16_384;

const VERSION: u8 = 1;
const ROW_LEN: usize = 14;

/// Whether an entry with that opcode changes the sidecar. A registration does not.
pub const fn is_sidecar_relevant(opcode: u8) -> bool {
    matches!(opcode, 0x04..=0x07)
}

/// A node's epoch under a data key: an entry of its own, and a row in the other entries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Registration {
    /// The data key.
    pub dek_id: u32,
    /// The node.
    pub full_node_id: u64,
    /// The epoch of its nonces.
    pub local_epoch: u16,
}

/// The first keys of a cluster, and its writers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootstrap {
    /// The storage key's id.
    pub storage_id: u32,
    /// The storage key, wrapped.
    pub wrapped_storage: Vec<u8>,
    /// The raft key's id.
    pub raft_id: u32,
    /// The raft key, wrapped.
    pub wrapped_raft: Vec<u8>,
    /// Up to [`MAX_BOOTSTRAP_ROWS`] writers.
    pub rows: Vec<Registration>,
}

/// The effect of a rotation entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subtag {
    /// A new active key.
    Rotate,
    /// From here on, new values are sealed.
    EnableStorage,
    /// After this entry, log entries are sealed.
    EnableRaft,
}

/// A new active key, or a cut-over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// What it does.
    pub subtag: Subtag,
    /// The key.
    pub dek_id: u32,
    /// The key's purpose.
    pub purpose: Purpose,
    /// The key, wrapped; empty for a cut-over.
    pub wrapped: Vec<u8>,
    /// The node that proposed it.
    pub proposer: Registration,
}

/// A log entry of this scheme.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Opcode 3.
    Registration(Registration),
    /// Opcode 4.
    Bootstrap(Bootstrap),
    /// Opcode 5.
    Rotation(Rotation),
}

impl Entry {
    /// Reads an entry that starts with its opcode; `None` if the entry does not belong to this scheme.
    ///
    /// # Errors
    /// [`Error::Apply`] for the reserved opcodes 6 and 7; otherwise those of the payload's codec.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let Some((opcode, payload)) = bytes.split_first() else { return Ok(None) };
        Ok(Some(match *opcode {
            REGISTRATION => Self::Registration(Registration::decode(payload)?),
            BOOTSTRAP => Self::Bootstrap(Bootstrap::decode(payload)?),
            ROTATION => Self::Rotation(Rotation::decode(payload)?),
            reserved if OPCODES.contains(&reserved) => return Err(Error::Apply("its opcode is reserved")),
            _ => return Ok(None),
        }))
    }

    /// Its bytes, opcode first.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Registration(entry) => [&[REGISTRATION][..], &entry.encode()].concat(),
            Self::Bootstrap(entry) => [&[BOOTSTRAP][..], &entry.encode()].concat(),
            Self::Rotation(entry) => [&[ROTATION][..], &entry.encode()].concat(),
        }
    }
}

impl Registration {
    /// Its 15 bytes.
    pub fn encode(&self) -> [u8; 1 + ROW_LEN] {
        let mut bytes = [VERSION; 1 + ROW_LEN];
        bytes[1..].copy_from_slice(&self.row());
        bytes
    }

    /// Decodes it.
    ///
    /// # Errors
    /// [`Error::WireMalformed`] unless the payload has 15 bytes, then [`Error::WireVersion`].
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        let payload: &[u8; 1 + ROW_LEN] =
            payload.try_into().map_err(|_| Error::WireMalformed("a registration has 15 bytes"))?;
        let mut reader = Reader(payload);
        reader.version()?;
        reader.row()
    }

    fn row(&self) -> [u8; ROW_LEN] {
        let mut bytes = [0; ROW_LEN];
        bytes[..4].copy_from_slice(&self.dek_id.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.full_node_id.to_be_bytes());
        bytes[12..].copy_from_slice(&self.local_epoch.to_be_bytes());
        bytes
    }
}

impl Bootstrap {
    /// Its bytes.
    ///
    /// # Panics
    /// If a wrapped key has 4 GiB or there are 2^32 rows.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for (key_id, wrapped) in
            [(self.storage_id, &self.wrapped_storage), (self.raft_id, &self.wrapped_raft)]
        {
            bytes.extend(key_id.to_be_bytes());
            put_with_len(&mut bytes, wrapped);
        }
        bytes.extend(len32(self.rows.len()));
        self.rows.iter().for_each(|row| bytes.extend(row.row()));
        bytes
    }

    /// Decodes it.
    ///
    /// # Errors
    /// [`Error::WireMalformed`] and [`Error::WireVersion`], in the order of the bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(payload);
        reader.version()?;
        let (storage_id, wrapped_storage) = (reader.u32()?, reader.with_len()?.to_vec());
        let (raft_id, wrapped_raft) = (reader.u32()?, reader.with_len()?.to_vec());
        let count = usize::try_from(reader.u32()?).map_err(|_| TOO_MANY)?;
        if count > MAX_BOOTSTRAP_ROWS {
            return Err(TOO_MANY);
        }
        if reader.0.len() != count * ROW_LEN {
            return Err(Error::WireMalformed("the number of rows differs from the declared one"));
        }
        let rows = (0..count).map(|_| reader.row()).collect::<Result<_, _>>()?;
        Ok(Self { storage_id, wrapped_storage, raft_id, wrapped_raft, rows })
    }
}

const TOO_MANY: Error = Error::WireMalformed("more than 16384 rows");

impl Rotation {
    /// Its bytes.
    ///
    /// # Panics
    /// If the wrapped key has 4 GiB.
    pub fn encode(&self) -> Vec<u8> {
        let subtag = match self.subtag {
            Subtag::Rotate => 1,
            Subtag::EnableStorage => 4,
            Subtag::EnableRaft => 5,
        };
        let mut bytes = vec![VERSION, subtag];
        bytes.extend(self.dek_id.to_be_bytes());
        bytes.push(self.purpose.byte());
        put_with_len(&mut bytes, &self.wrapped);
        bytes.extend(self.proposer.row());
        bytes
    }

    /// Decodes it.
    ///
    /// # Errors
    /// [`Error::WireVersion`], then [`Error::WireSubtag`] before the rest is read, then
    /// [`Error::WireMalformed`].
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(payload);
        reader.version()?;
        let [subtag] = reader.take()?;
        let subtag = match subtag {
            1 => Subtag::Rotate,
            4 => Subtag::EnableStorage,
            5 => Subtag::EnableRaft,
            other => return Err(Error::WireSubtag(other)),
        };
        let dek_id = reader.u32()?;
        let [purpose] = reader.take()?;
        let purpose = Purpose::from_byte(purpose).ok_or(Error::WireMalformed("the purpose is unknown"))?;
        let wrapped = reader.with_len()?.to_vec();
        let proposer = reader.row()?;
        reader.end()?;
        Ok(Self { subtag, dek_id, purpose, wrapped, proposer })
    }
}

fn len32(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("everything written to the log is shorter than 4 GiB").to_be_bytes()
}

fn put_with_len(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend(len32(part.len()));
    bytes.extend_from_slice(part);
}

/// The unread rest of a payload.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (part, rest) = self.0.split_first_chunk::<N>().ok_or(Error::WireMalformed("it is truncated"))?;
        self.0 = rest;
        Ok(*part)
    }

    fn version(&mut self) -> Result<(), Error> {
        match self.take()? {
            [VERSION] => Ok(()),
            [other] => Err(Error::WireVersion(other)),
        }
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_be_bytes)
    }

    /// Length-prefixed bytes. They are borrowed, so a false length allocates nothing.
    fn with_len(&mut self) -> Result<&'a [u8], Error> {
        let cut = || Error::WireMalformed("a length goes past the end");
        let len = usize::try_from(self.u32()?).map_err(|_| cut())?;
        let (part, rest) = self.0.split_at_checked(len).ok_or_else(cut)?;
        self.0 = rest;
        Ok(part)
    }

    fn row(&mut self) -> Result<Registration, Error> {
        Ok(Registration {
            dek_id: self.u32()?,
            full_node_id: u64::from_be_bytes(self.take()?),
            local_epoch: u16::from_be_bytes(self.take()?),
        })
    }

    fn end(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::WireMalformed("bytes follow the end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_outside_the_range_belong_to_others() {
        for opcode in (0..3).chain(8..=255) {
            assert!(Entry::decode(&[opcode, 1, 2, 3]).unwrap().is_none());
        }
        assert!(Entry::decode(&[]).unwrap().is_none());
        let relevant: Vec<u8> = (0..=255).filter(|opcode| is_sidecar_relevant(*opcode)).collect();
        assert_eq!(relevant, [4, 5, 6, 7]);
    }
}
