//! The bytes of a database: the commands that restore it, as a client would send them.
//!
//! ```text
//! ECHO    sealmark.redis/1                          once, first
//! RESTORE key expiry payload REPLACE ABSTTL         for each key; expiry in Unix milliseconds, 0 for never
//! ECHO    sealmark.redis/1:KEYS                     once, last: their number, in decimal
//! ```
//!
//! Each is an array of bulk strings (RESP). So a file of it can also be piped into a server (`redis-cli
//! --pipe`). [`Commands`] accepts these commands in this order and no others: a forged stream cannot run any
//! other command. The last one shows that nothing is missing.

use std::io::Write;

/// The first command's word, and the beginning of the last one's.
pub const NAME: &str = "sealmark.redis/1";
/// The most bytes of a key, an expiry or a payload; Redis takes no more.
pub const MAX_STRING_LEN: usize = 512 * 1024 * 1024;
/// The most bytes of a line with a number: a sign character, ten digits and a line end.
const MAX_LINE_LEN: usize = 16;

/// Why bytes are no stream of a database.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no array of bulk strings.
    #[error("the snapshot is no sequence of Redis commands: {0}")]
    Syntax(&'static str),
    /// A string is longer than Redis takes.
    #[error("the snapshot holds a string of {0} bytes; Redis takes at most {MAX_STRING_LEN}")]
    TooLong(u64),
    /// A command other than those of this format, or in another place.
    #[error("the snapshot is none of a Redis database: {0}")]
    Unexpected(&'static str),
    /// The end is missing.
    #[error("the snapshot ends after {0} keys without the mark of its end: it was cut short")]
    Cut(u64),
    /// The last command counts other keys than there were.
    #[error("the snapshot says that it has {said} keys, and has {keys}")]
    Count {
        /// The last command's number.
        said: u64,
        /// The keys that came.
        keys: u64,
    },
}

/// A key to restore.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// When it expires, in Unix milliseconds; 0 for never.
    pub expiry: u64,
    /// What `DUMP` gave.
    pub payload: Vec<u8>,
}

/// Appends a command.
fn put(out: &mut Vec<u8>, words: &[&[u8]]) {
    let into_memory = "a vector takes every write";
    write!(out, "*{}\r\n", words.len()).expect(into_memory);
    for word in words {
        write!(out, "${}\r\n", word.len()).expect(into_memory);
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the first command.
pub fn put_begin(out: &mut Vec<u8>) {
    put(out, &[b"ECHO", NAME.as_bytes()]);
}

/// Appends a key.
pub fn put_entry(out: &mut Vec<u8>, key: &[u8], expiry: u64, payload: &[u8]) {
    put(out, &[b"RESTORE", key, expiry.to_string().as_bytes(), payload, b"REPLACE", b"ABSTTL"]);
}

/// Appends the last command.
pub fn put_end(out: &mut Vec<u8>, keys: u64) {
    put(out, &[b"ECHO", format!("{NAME}:{keys}").as_bytes()]);
}

/// Reads a stream that arrives in parts of any length.
#[derive(Default, Debug)]
pub struct Commands {
    /// Bytes that are not yet a whole command, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    begun: bool,
    ended: bool,
    keys: u64,
}

impl Commands {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next key, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// All but [`Error::Cut`].
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if self.ended {
                let more = self.at < self.buffer.len();
                return if more { Err(Error::Unexpected("something follows its end")) } else { Ok(None) };
            }
            let Some((words, len)) = command(&self.buffer[self.at..])? else { return Ok(None) };
            let entry = match (self.begun, &words[..]) {
                (false, [b"ECHO", name]) if *name == NAME.as_bytes() => {
                    self.begun = true;
                    None
                }
                (false, _) => return Err(Error::Unexpected("it does not begin like one")),
                (true, [b"RESTORE", key, expiry, payload, b"REPLACE", b"ABSTTL"]) => {
                    let expiry = number(expiry).ok_or(Error::Unexpected("an expiry is no number"))?;
                    self.keys += 1;
                    Some(Entry { key: key.to_vec(), expiry, payload: payload.to_vec() })
                }
                (true, [b"ECHO", name]) => {
                    let said = name.strip_prefix(NAME.as_bytes()).and_then(|rest| rest.strip_prefix(b":"));
                    let said = said.and_then(number).ok_or(Error::Unexpected("its end is not one"))?;
                    if said != self.keys {
                        return Err(Error::Count { said, keys: self.keys });
                    }
                    self.ended = true;
                    None
                }
                (true, _) => return Err(Error::Unexpected("it holds a command that restores no key")),
            };
            self.at += len;
            if entry.is_some() {
                return Ok(entry);
            }
        }
    }

    /// The number of keys, if the end was there.
    ///
    /// # Errors
    /// [`Error::Cut`].
    pub fn finish(&self) -> Result<u64, Error> {
        if self.ended { Ok(self.keys) } else { Err(Error::Cut(self.keys)) }
    }
}

/// A decimal number without sign or leading zero.
fn number(text: &[u8]) -> Option<u64> {
    let plain = text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || text.first() != Some(&b'0'));
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

/// A line that begins with `mark` and holds a number, and its length with the line end; `None` if it goes on.
fn line(bytes: &[u8], mark: u8) -> Result<Option<(u64, usize)>, Error> {
    match bytes.first() {
        None => return Ok(None),
        Some(first) if *first != mark => return Err(Error::Syntax("an array or a string is missing")),
        Some(_) => {}
    }
    let head = &bytes[..bytes.len().min(MAX_LINE_LEN)];
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return if head.len() == MAX_LINE_LEN {
            Err(Error::Syntax("a length is too long"))
        } else {
            Ok(None)
        };
    };
    let value = number(&head[1..end]).ok_or(Error::Syntax("a length is no number"))?;
    Ok(Some((value, end + 2)))
}

/// The words of a command.
type Words<'a> = Vec<&'a [u8]>;

/// A command at the beginning of the bytes, and its length; `None` if it is not all there.
fn command(bytes: &[u8]) -> Result<Option<(Words<'_>, usize)>, Error> {
    let Some((count, mut at)) = line(bytes, b'*')? else { return Ok(None) };
    // RESTORE with its two options, the longest of this format.
    if !(1..=6).contains(&count) {
        return Err(Error::Unexpected("it holds a command that restores no key"));
    }
    let mut words = Vec::with_capacity(6);
    for _ in 0..count {
        let Some((len, head)) = line(&bytes[at..], b'$')? else { return Ok(None) };
        let size =
            usize::try_from(len).ok().filter(|len| *len <= MAX_STRING_LEN).ok_or(Error::TooLong(len))?;
        let (begin, end) = (at + head, at + head + size);
        let Some(line_end) = bytes.get(end..end + 2) else { return Ok(None) };
        if line_end != b"\r\n" {
            return Err(Error::Syntax("a string does not end where it should"));
        }
        words.push(&bytes[begin..end]);
        at = end + 2;
    }
    Ok(Some((words, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(keys: &[(&[u8], u64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        put_begin(&mut out);
        for (key, expiry, payload) in keys {
            put_entry(&mut out, key, *expiry, payload);
        }
        put_end(&mut out, keys.len() as u64);
        out
    }

    /// All entries of a stream that arrives in parts of that length.
    fn read(stream: &[u8], part: usize) -> Result<Vec<Entry>, Error> {
        let (mut commands, mut entries) = (Commands::default(), Vec::new());
        for part in stream.chunks(part) {
            commands.push(part);
            while let Some(entry) = commands.next_entry()? {
                entries.push(entry);
            }
        }
        assert_eq!(commands.finish()?, entries.len() as u64);
        Ok(entries)
    }

    #[test]
    fn a_stream_in_parts_of_any_length_gives_its_keys() {
        let stream = written(&[(b"a", 0, b"\r\n$1\r\n"), (b"", 1_700_000_000_000, &[0; 300])]);
        for part in 1..stream.len() + 1 {
            let entries = read(&stream, part).unwrap();
            assert_eq!(entries.len(), 2, "{part}");
            assert_eq!((&entries[0].key[..], &entries[0].payload[..]), (&b"a"[..], &b"\r\n$1\r\n"[..]));
            assert_eq!((entries[1].expiry, entries[1].payload.len()), (1_700_000_000_000, 300));
        }
        assert_eq!(read(&written(&[]), 7).unwrap(), []);
        assert!(written(&[]).starts_with(b"*2\r\n$4\r\nECHO\r\n$16\r\nsealmark.redis/1\r\n"));
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_is_refused() {
        let stream = written(&[(b"key", 0, b"payload"), (b"other", 5, b"p")]);
        for len in 0..stream.len() {
            let refused = read(&stream[..len], 64).unwrap_err();
            assert!(matches!(refused, Error::Cut(_)), "{len}: {refused}");
        }
    }

    #[test]
    fn whatever_else_it_holds_is_refused_with_its_reason() {
        let command = |words: &[&[u8]]| {
            let mut out = Vec::new();
            put(&mut out, words);
            out
        };
        let begun = |rest: &[u8]| {
            let mut out = Vec::new();
            put_begin(&mut out);
            [out, rest.to_vec()].concat()
        };
        let restore = |expiry: &[u8], option: &[u8]| {
            begun(&command(&[b"RESTORE", b"key", expiry, b"payload", b"REPLACE", option]))
        };
        let ended = |name: &[u8]| begun(&command(&[b"ECHO", name]));
        for (stream, why) in [
            (command(&[b"FLUSHALL"]), "does not begin like one"),
            (command(&[b"ECHO", b"sealmark.redis/2"]), "does not begin like one"),
            (begun(&command(&[b"FLUSHALL"])), "a command that restores no key"),
            (begun(&command(&[b"SET", b"key", b"value"])), "a command that restores no key"),
            (begun(b"*7\r\n"), "a command that restores no key"),
            (begun(b"*0\r\n"), "a command that restores no key"),
            (restore(b"0", b"FREQ"), "a command that restores no key"),
            (restore(b"-1", b"ABSTTL"), "an expiry is no number"),
            (restore(b"01", b"ABSTTL"), "an expiry is no number"),
            (restore(b"", b"ABSTTL"), "an expiry is no number"),
            (ended(b"sealmark.redis/1:1"), "says that it has 1 keys, and has 0"),
            (ended(b"sealmark.redis/1"), "its end is not one"),
            ([written(&[]), command(&[b"FLUSHALL"])].concat(), "something follows its end"),
            (b"SET key value\r\n".to_vec(), "an array or a string is missing"),
            (begun(b"*2\r\n+ECHO\r\n"), "an array or a string is missing"),
            (begun(b"*x\r\n"), "a length is no number"),
            (begun(b"*1\r\n$-1\r\n"), "a length is no number"),
            (begun(b"*111111111111111111"), "a length is too long"),
            (begun(b"*1\r\n$1\r\nxyz"), "does not end where it should"),
            (begun(b"*1\r\n$536870913\r\n"), "a string of 536870913 bytes"),
        ] {
            for part in [1, 1000] {
                let refused = read(&stream, part).unwrap_err().to_string();
                assert!(refused.contains(why), "{}: {refused}", String::from_utf8_lossy(&stream));
            }
        }
    }
}
