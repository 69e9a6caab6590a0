//! The reference's receiver, naively: its specification (§2), check by check, on a stream that is there as a
//! whole.

use crate::scheme::snapshot::{ChunkCipher, Material};

/// What a receiver applies.
pub(super) struct Seen {
    pub text: Vec<u8>,
    /// Chunks without text.
    pub empty: u32,
    pub encrypted: bool,
}

/// 5 MiB.
const MOST: u32 = 5_242_880;

/// Takes bytes from the beginning of a stream.
fn take<'a>(stream: &mut &'a [u8], len: usize) -> Result<&'a [u8], &'static str> {
    let (taken, rest) = stream.split_at_checked(len).ok_or("Io")?;
    *stream = rest;
    Ok(taken)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// The announced length of a snapshot, if the stream has both headers.
pub(super) fn announced(stream: &[u8]) -> Option<usize> {
    let mut rest = stream;
    let size = word(take(&mut rest, 20).ok()?, 8);
    let header = take(&mut rest, size as usize).ok()?;
    (header.len() >= 8).then(|| word(header, 0) as usize)
}

/// The text that the reference applies, or the kind of its error.
pub(super) fn compat(stream: &[u8], material: &Material) -> Result<Seen, &'static str> {
    let mut rest = stream;
    let sizes = take(&mut rest, 20)?;
    let (header_size, cipher_size) = (word(sizes, 8), word(sizes, 16));
    let right = [
        word(sizes, 0) == 0x6464_0001,
        word(sizes, 4) == 1,
        (8..=1024).contains(&header_size),
        (1..=MOST).contains(&word(sizes, 12)),
        (1..=MOST).contains(&cipher_size),
    ];
    if right.contains(&false) {
        return Err("Protocol");
    }
    let header = take(&mut rest, header_size as usize)?;
    let (total, flag) = (word(header, 0), word(header, 4));
    if flag > 1 || total == u32::MAX {
        return Err("Protocol");
    }
    let cipher = ChunkCipher::new(material);
    let mut seen = Seen { text: Vec::new(), empty: 0, encrypted: flag == 1 };
    while seen.text.len() < total as usize {
        let len = word(take(&mut rest, 4)?, 0);
        if len == 0 || len > MOST || len > cipher_size {
            return Err("Protocol");
        }
        let mut chunk = take(&mut rest, len as usize)?.to_vec();
        if seen.encrypted {
            let len = cipher.decrypt(&mut chunk).map_err(|_| "Crypto")?;
            chunk.truncate(len);
        }
        seen.empty += u32::from(chunk.is_empty());
        seen.text.append(&mut chunk);
        if seen.text.len() > total as usize {
            return Err("Protocol");
        }
    }
    if rest.is_empty() { Ok(seen) } else { Err("Protocol") }
}
