//! Lines of the worker protocol: one JSON object each, of bounded length.

use std::io::{self, BufRead, Read, Write};

use serde::Serialize;

/// The maximum length of a line in bytes: a hundred times that of a job with every workload. It keeps a peer
/// that sends no line feed from filling the memory.
pub const LINE_LEN: u64 = 1024 * 1024;

/// Reads a line into `line` and overwrites its content; `false` at the end of the input. The last line may
/// lack its line feed.
///
/// # Errors
/// Those of the input; `InvalidData` for a line that is too long.
pub(in crate::measure) fn read(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.take(LINE_LEN + 1).read_until(b'\n', line)?;
    if line.len() as u64 > LINE_LEN {
        let why = format!("a line of the worker protocol has more than {LINE_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(!line.is_empty())
}

/// Writes a value as a line, in one call.
///
/// # Errors
/// Those of the output.
pub(in crate::measure) fn write(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_the_last_may_lack_its_feed() {
        let mut input = &b"{}\n\n[1]"[..];
        let mut line = b"left over".to_vec();
        let mut seen = Vec::new();
        while read(&mut input, &mut line).unwrap() {
            seen.push(line.clone());
        }
        assert_eq!(seen, [&b"{}\n"[..], b"\n", b"[1]"]);
    }

    #[test]
    fn a_line_that_does_not_end_is_refused_and_not_kept_whole() {
        let mut line = Vec::new();
        let mut longest = io::repeat(b'x').take(LINE_LEN - 1).chain(&b"\n"[..]);
        assert!(read(&mut io::BufReader::new(&mut longest), &mut line).unwrap());
        let error = read(&mut io::BufReader::new(io::repeat(b'x')), &mut line).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
        assert!(line.len() as u64 <= LINE_LEN + 1);
    }

    #[test]
    fn a_line_feed_within_a_value_does_not_break_its_line() {
        let mut out = Vec::new();
        write(&mut out, &"a\nb").unwrap();
        assert_eq!(out, b"\"a\\nb\"\n");
    }
}
