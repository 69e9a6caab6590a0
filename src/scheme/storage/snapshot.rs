//! The header of a state machine's snapshot: the clock's ceiling, and the index after which log entries are
//! sealed (spec §10).
//!
//! Follows elastickv `kv/snapshot.go`: eight bytes of magic, then the ceiling in version 1, or in version 2 a
//! length (u16), the ceiling, the cut-over index and bytes reserved for later. Older snapshots have no
//! header.

use super::Error;

const FAMILY: &[u8; 7] = b"EKVTHLC";
const MAGIC_LEN: usize = 8;
const MIN_LEN: u16 = 16;
const MAX_LEN: u16 = 1024;

/// The fields of a snapshot's header.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SnapshotHeader {
    /// The hybrid clock's ceiling; 0 if it is not given.
    pub ceiling: u64,
    /// The index after which log entries are sealed; 0 for not yet, or not given.
    pub cutover: u64,
}

impl SnapshotHeader {
    /// Encodes the header in version 2.
    pub fn encode(&self) -> Vec<u8> {
        let len = MIN_LEN.to_be_bytes();
        [FAMILY, &b"2"[..], &len, &self.ceiling.to_be_bytes(), &self.cutover.to_be_bytes()].concat()
    }

    /// Reads the header, if there is one, and returns it with the payload.
    ///
    /// # Errors
    /// [`Error::SnapshotHeaderUnknownMagic`], [`Error::SnapshotHeaderInvalidLength`],
    /// [`Error::SnapshotHeaderCut`].
    pub fn decode(snapshot: &[u8]) -> Result<(Self, &[u8]), Error> {
        let Some((magic, rest)) = snapshot.split_first_chunk::<MAGIC_LEN>() else {
            return Ok((Self::default(), snapshot));
        };
        let Some(&[version]) = magic.strip_prefix(FAMILY) else {
            return Ok((Self::default(), snapshot));
        };
        match version {
            b'1' => {
                let (ceiling, payload) = number(rest)?;
                Ok((Self { ceiling, cutover: 0 }, payload))
            }
            b'2' => {
                let (len, rest) = rest.split_first_chunk().ok_or(Error::SnapshotHeaderCut)?;
                let len = u16::from_be_bytes(*len);
                if !(MIN_LEN..=MAX_LEN).contains(&len) {
                    return Err(Error::SnapshotHeaderInvalidLength(len));
                }
                let (header, payload) =
                    rest.split_at_checked(usize::from(len)).ok_or(Error::SnapshotHeaderCut)?;
                let (ceiling, rest) = number(header)?;
                let (cutover, _) = number(rest)?;
                Ok((Self { ceiling, cutover }, payload))
            }
            _ => Err(Error::SnapshotHeaderUnknownMagic),
        }
    }
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), Error> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Error::SnapshotHeaderCut)?;
    Ok((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_a_truncated_one_is_refused() {
        let header = SnapshotHeader { ceiling: 5, cutover: 9 };
        let bytes = [&header.encode()[..], b"payload"].concat();
        assert_eq!(SnapshotHeader::decode(&bytes).unwrap(), (header, &b"payload"[..]));
        for len in MAGIC_LEN..26 {
            assert!(matches!(SnapshotHeader::decode(&bytes[..len]), Err(Error::SnapshotHeaderCut)), "{len}");
        }
    }
}
