//! The messages that `sealmark tunnel send` sends: lines of a file, lines that somebody types, or generated
//! ones.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use anyhow::{Context, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::message::MAX_BODY;

/// Where the messages come from.
pub(super) enum Bodies {
    Generated { seed: u64, size: usize, left: u64, next: u64 },
    Lines(Receiver<anyhow::Result<Vec<u8>>>),
}

/// The next message.
pub(super) enum Next {
    Body(Vec<u8>),
    /// It has not been typed yet.
    NotYet,
    End,
}

impl Bodies {
    /// Generates this many messages of `size` bytes from a seed.
    pub fn generated(count: u64, size: usize, seed: u64) -> Self {
        Self::Generated { seed, size, left: count, next: 0 }
    }

    /// The lines of a file, or of standard input.
    pub fn lines(path: Option<&Path>) -> anyhow::Result<Self> {
        let (name, input): (String, Box<dyn Read + Send>) = match path {
            None => ("standard input".to_owned(), Box::new(std::io::stdin())),
            Some(path) => {
                let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
                (path.display().to_string(), Box::new(file))
            }
        };
        let (line, lines) = sync_channel(64);
        // In a thread: the node goes on while somebody types.
        std::thread::spawn(move || {
            for (at, read) in BufReader::new(input).split(b'\n').enumerate() {
                let read = read.with_context(|| format!("reading {name}"));
                let read = read.and_then(|body| check(&name, at + 1, body));
                let failed = read.is_err();
                if line.send(read).is_err() || failed {
                    return;
                }
            }
        });
        Ok(Self::Lines(lines))
    }

    /// The next one.
    pub fn next(&mut self) -> anyhow::Result<Next> {
        match self {
            Self::Generated { left: 0, .. } => Ok(Next::End),
            Self::Generated { seed, size, left, next } => {
                let mut body = vec![0; *size];
                let mut rng = ChaCha8Rng::seed_from_u64(*seed);
                rng.set_stream(*next);
                rng.fill_bytes(&mut body);
                (*left, *next) = (*left - 1, *next + 1);
                Ok(Next::Body(body))
            }
            Self::Lines(lines) => match lines.try_recv() {
                Ok(body) => Ok(Next::Body(body?)),
                Err(TryRecvError::Empty) => Ok(Next::NotYet),
                Err(TryRecvError::Disconnected) => Ok(Next::End),
            },
        }
    }
}

fn check(name: &str, at: usize, body: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if body.len() > MAX_BODY {
        bail!("{name}: line {at} has {} bytes: send lines of at most {MAX_BODY}", body.len());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bodies: Bodies) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        loop {
            match bodies.next()? {
                Next::Body(body) => all.push(body),
                Next::NotYet => std::thread::yield_now(),
                Next::End => return Ok(all),
            }
        }
    }

    #[test]
    fn generated_messages_are_the_same_for_a_seed_and_differ_from_each_other() {
        let of = |seed| all(Bodies::generated(3, 20, seed)).unwrap();
        let (first, again, other) = (of(1), of(1), of(2));
        assert_eq!(first, again);
        assert!(first != other && first.len() == 3 && first.iter().all(|body| body.len() == 20));
        assert!(first[0] != first[1] && first[1] != first[2]);
    }

    #[test]
    fn every_line_of_a_file_is_a_message_and_a_line_that_is_too_long_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        let lines: Vec<Vec<u8>> = (0..200).map(|n| vec![b'x'; n * 1_350 / 199]).collect();
        std::fs::write(&path, lines.join(&b'\n')).unwrap();
        assert_eq!(all(Bodies::lines(Some(&path)).unwrap()).unwrap(), lines);
        std::fs::write(&path, [b"short".to_vec(), vec![b'x'; MAX_BODY + 1]].join(&b'\n')).unwrap();
        let error = all(Bodies::lines(Some(&path)).unwrap()).unwrap_err().to_string();
        assert!(error.contains("notes.txt: line 2 has 1351 bytes"), "{error}");
        assert!(Bodies::lines(Some(folder.path().join("absent").as_path())).is_err());
    }
}
