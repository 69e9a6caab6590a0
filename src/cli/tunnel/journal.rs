//! The journal: one line for each message that was sent or opened. A program that was killed goes on from it,
//! and a judge compares both ends by it.
//!
//! ```text
//! sealmark.tunnel-journal/1
//! sent RUN NUMBER SHA256                        before the message is sealed
//! lost RUN FIRST LAST                           the receiver's report: these never arrived
//! reported RUN COUNT                            the report is complete: all others arrived
//! opened PEER RUN NUMBER TAG SHA256 WHAT        given, again, late, replayed, full
//! closed PEER RUN COUNT                         before the first report on that run
//! ```
//!
//! RUN, TAG (the frame's last 16 bytes) and SHA256 (of the body) are in hexadecimal. It holds no secret. Each
//! line is one write, without a sync: it survives a kill, not a power cut. A line that was cut short is
//! removed when the file is opened again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::message::Run;
use super::ranges::Range;

const HEADER: &str = "sealmark.tunnel-journal/1";

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line {
    Sent { run: Run, number: u64, digest: [u8; 32] },
    Lost { run: Run, range: Range },
    Reported { run: Run, count: u64 },
    Opened { peer: u32, run: Run, number: u64, tag: [u8; 16], digest: [u8; 32], what: String },
    Closed { peer: u32, run: Run, count: u64 },
}

impl Line {
    fn text(&self) -> String {
        match self {
            Self::Sent { run, number, digest } => {
                format!("sent {} {number} {}", run.hex(), hex::encode(digest))
            }
            Self::Lost { run, range } => format!("lost {} {} {}", run.hex(), range.first, range.last),
            Self::Reported { run, count } => format!("reported {} {count}", run.hex()),
            Self::Opened { peer, run, number, tag, digest, what } => {
                let (tag, digest) = (hex::encode(tag), hex::encode(digest));
                format!("opened {peer} {} {number} {tag} {digest} {what}", run.hex())
            }
            Self::Closed { peer, run, count } => format!("closed {peer} {} {count}", run.hex()),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let run = |word: &str| Some(Run(bytes(word)?));
        let parsed = match words[..] {
            ["sent", id, number, digest] => {
                Self::Sent { run: run(id)?, number: number.parse().ok()?, digest: bytes(digest)? }
            }
            ["lost", id, first, last] => {
                let range = Range { first: first.parse().ok()?, last: last.parse().ok()? };
                Self::Lost { run: run(id)?, range }
            }
            ["reported", id, count] => Self::Reported { run: run(id)?, count: count.parse().ok()? },
            ["opened", peer, id, number, tag, digest, what] => Self::Opened {
                peer: peer.parse().ok()?,
                run: run(id)?,
                number: number.parse().ok()?,
                tag: bytes(tag)?,
                digest: bytes(digest)?,
                what: what.to_owned(),
            },
            ["closed", peer, id, count] => {
                Self::Closed { peer: peer.parse().ok()?, run: run(id)?, count: count.parse().ok()? }
            }
            _ => return None,
        };
        Some(parsed)
    }
}

fn bytes<const N: usize>(word: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(word, &mut bytes).ok()?;
    Some(bytes)
}

/// An open journal, or none: then nothing is written.
pub(super) struct Journal {
    file: Option<(PathBuf, File)>,
}

impl Journal {
    /// Opens a journal, or begins one that only its owner may read. Returns its lines.
    pub fn open(path: Option<&Path>) -> anyhow::Result<(Self, Vec<Line>)> {
        let Some(path) = path else { return Ok((Self { file: None }, Vec::new())) };
        let doing = || format!("opening the journal {}", path.display());
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(doing)?;
        let text = fs::read_to_string(path).with_context(doing)?;
        // What follows the last line end was cut short by a kill.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut lines = text[..whole].lines();
        let is_ours = match lines.next() {
            None => HEADER.starts_with(&text),
            first => first == Some(HEADER),
        };
        if !is_ours {
            bail!("{}: not a journal of the tunnel: choose another file", path.display());
        }
        let parse = |(at, line)| {
            Line::parse(line).with_context(|| format!("{}: line {}: {line:?}", path.display(), at + 2))
        };
        let lines = lines.enumerate().map(parse).collect::<anyhow::Result<_>>()?;
        file.set_len(whole as u64).with_context(doing)?;
        if whole == 0 {
            (&file).write_all(format!("{HEADER}\n").as_bytes()).with_context(doing)?;
        }
        Ok((Self { file: Some((path.into(), file)) }, lines))
    }

    /// Appends a line. Once this returns, a kill does not lose it.
    pub fn write(&mut self, line: &Line) -> anyhow::Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let text = format!("{}\n", line.text());
        file.write_all(text.as_bytes()).with_context(|| format!("writing the journal {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        let run = Run([0xab; 16]);
        vec![
            Line::Sent { run, number: 7, digest: [1; 32] },
            Line::Lost { run, range: Range { first: 3, last: 9 } },
            Line::Reported { run, count: 10 },
            Line::Opened { peer: 4, run, number: 7, tag: [2; 16], digest: [1; 32], what: "given".to_owned() },
            Line::Closed { peer: 4, run, count: 10 },
        ]
    }

    #[test]
    fn a_journal_gives_back_its_lines_and_a_line_cut_short_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, none) = Journal::open(Some(&path)).unwrap();
        assert_eq!(none, []);
        for line in lines() {
            journal.write(&line).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        for len in 0..=whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let (mut journal, read) = Journal::open(Some(&path)).unwrap();
            let ended = whole[..len].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(read, lines()[..ended.saturating_sub(1)], "{len} bytes");
            journal.write(&lines()[0]).unwrap();
            assert_eq!(Journal::open(Some(&path)).unwrap().1.len(), ended.saturating_sub(1) + 1);
        }
    }

    #[test]
    fn another_file_and_a_line_of_another_kind_are_refused_and_left_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for (text, said) in [
            ("dear diary\n", "not a journal of the tunnel"),
            ("dear diary", "not a journal of the tunnel"),
            ("sealmark.tunnel-journal/1\nsent it\n", "line 2: \"sent it\""),
            ("sealmark.tunnel-journal/1\nreported 00 1\n", "line 2"),
        ] {
            fs::write(&path, text).unwrap();
            let error = format!("{:#}", Journal::open(Some(&path)).err().expect("it is refused"));
            assert!(error.contains(said), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let (mut none, lines) = Journal::open(None).unwrap();
        assert!(lines.is_empty());
        none.write(&Line::Reported { run: Run([0; 16]), count: 1 }).unwrap();
    }
}
