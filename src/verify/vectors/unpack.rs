//! Files of vectors that are stored compressed, as Zstandard frames.

use std::borrow::Cow;
use std::io::Read;

use super::Problem;

/// More than any file of vectors contains, so a compressed file cannot fill the memory.
const MAX_UNPACKED_LEN: u64 = 256 * 1024 * 1024;

/// The bytes themselves, or, if they begin with a Zstandard frame, the content of all frames, one after the
/// other (RFC 8878, 3).
///
/// # Errors
/// A frame that does not unpack, other bytes after a frame, or more than 256 MiB in all.
pub fn unpack(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Problem> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    if !bytes.starts_with(&MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let broken =
        |e: &dyn std::fmt::Display| Problem::new("the compressed file", format!("does not unpack: {e}"));
    let (mut rest, mut unpacked) = (bytes, Vec::new());
    while !rest.is_empty() {
        if !rest.starts_with(&MAGIC) {
            let at = bytes.len() - rest.len();
            return Err(broken(&format!("from byte {at} on, it is not a Zstandard frame")));
        }
        let frame = ruzstd::decoding::StreamingDecoder::new(&mut rest).map_err(|e| broken(&e))?;
        let room = MAX_UNPACKED_LEN + 1 - unpacked.len() as u64;
        frame.take(room).read_to_end(&mut unpacked).map_err(|e| broken(&e))?;
        if unpacked.len() as u64 > MAX_UNPACKED_LEN {
            return Err(broken(&"more than 256 MiB"));
        }
    }
    Ok(Cow::Owned(unpacked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_frame_does_not_unpack() {
        let whole = include_bytes!("../../../vectors/nist/gcmDecrypt128.rsp.zst");
        assert_eq!(unpack(whole).unwrap().len(), 2_748_606);
        assert!(unpack(&whole[..whole.len() / 2]).is_err());
        assert!(unpack(&whole[..4]).is_err());
        assert_eq!(unpack(b"plain").unwrap(), &b"plain"[..]);
    }

    #[test]
    fn every_frame_is_unpacked_and_trailing_bytes_are_refused() {
        let one = &include_bytes!("../../../vectors/nist/gcmDecrypt128.rsp.zst")[..];
        let text = unpack(one).unwrap();
        assert_eq!(unpack(&[one, one].concat()).unwrap(), [&text[..], &text[..]].concat());
        for trailing in [&b"\n"[..], b"Count = 0", &one[..3], &one[..4], &one[..one.len() - 1]] {
            let problem = unpack(&[one, trailing].concat()).unwrap_err();
            assert!(problem.to_string().starts_with("the compressed file: does not unpack"), "{problem}");
        }
        let problem = unpack(&[one, b"\n"].concat()).unwrap_err();
        assert!(problem.reason.contains(&format!("from byte {} on", one.len())), "{problem}");
    }
}
