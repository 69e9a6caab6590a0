//! Reads from a stream: as many bytes as asked for, or the reason why not.

use std::io::{self, Read};

use super::Error;

/// Reads until `out` is full or the end is reached; returns the number of bytes.
///
/// # Errors
/// The reader's.
pub(super) fn fill(from: &mut dyn Read, out: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < out.len() {
        match from.read(&mut out[len..]) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// Fills `out`, which is a part of the stream called `what`.
///
/// # Errors
/// [`Error::Truncated`] at the end of the stream; as [`failed`].
pub(super) fn exact(stream: &mut dyn Read, out: &mut [u8], what: &'static str) -> Result<(), Error> {
    match fill(stream, out).map_err(failed)? {
        len if len == out.len() => Ok(()),
        _ => Err(Error::Truncated(what)),
    }
}

/// The error of a failed read: [`Error::Truncated`] for an end that the transport calls unexpected, otherwise
/// [`Error::Io`].
pub(super) fn failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated("its transport"),
        _ => Error::io("receiving the snapshot")(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Trickle;
    use super::*;

    #[test]
    fn short_reads_are_joined_and_an_end_says_what_is_missing() {
        let mut out = [0; 3];
        exact(&mut Trickle(b"abc", None), &mut out, "all").unwrap();
        assert_eq!(&out, b"abc");
        assert_eq!(fill(&mut Trickle(b"ab", None), &mut out).unwrap(), 2);
        let cut = exact(&mut Trickle(b"ab", None), &mut out, "the header").unwrap_err();
        assert!(matches!(cut, Error::Truncated("the header")), "{cut}");
        let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::TimedOut];
        let [cut, late] =
            kinds.map(|kind| exact(&mut Trickle(b"ab", Some(kind)), &mut out, "all").unwrap_err());
        assert!(matches!(cut, Error::Truncated("its transport")), "{cut}");
        assert!(matches!(late, Error::Io { .. }), "{late}");
    }
}
