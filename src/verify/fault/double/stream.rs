//! A stream of chunks with a marked last chunk, committed as a whole: `Law::AllOrNothing`.

use super::{AES_256, Double, Keyed, nonce, open, seal};
use crate::aead::Aead;
use crate::scheme::{Error, Judgement, Law, Piece, Reader, Recovered, Session};

pub(in crate::verify::fault) const HONEST: Double = Double {
    law: Law::AllOrNothing,
    needs: AES_256,
    refusals: &["short", "forged", "cut"],
    judge: |_, _| Judgement::Caught,
    session: |engine| Ok(Box::new(Writer { keyed: Keyed::new(engine), streams: 0, defect: None })),
};
/// Claims the same, but marks no last chunk.
pub(in crate::verify::fault) const UNMARKED: Double = Double {
    session: |engine| {
        Ok(Box::new(Writer { keyed: Keyed::new(engine), streams: 0, defect: Some(Defect::Unmarked) }))
    },
    ..HONEST
};
/// Claims the same, but returns each chunk as it arrives.
pub(in crate::verify::fault) const EAGER: Double = Double {
    session: |engine| {
        Ok(Box::new(Writer { keyed: Keyed::new(engine), streams: 0, defect: Some(Defect::Eager) }))
    },
    ..HONEST
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Defect {
    Unmarked,
    Eager,
}

struct Writer {
    keyed: Keyed,
    streams: u64,
    defect: Option<Defect>,
}

/// The AAD of a chunk: its number within its stream, and whether it is the last one.
fn aad(stream: u64, number: usize, last: bool) -> Vec<u8> {
    [&stream.to_be_bytes()[..], &number.to_be_bytes(), &[last.into()]].concat()
}

impl Session for Writer {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error> {
        self.streams += 1;
        let (key, mark) = (self.keyed.key()?, self.defect != Some(Defect::Unmarked));
        let mut pieces = Vec::new();
        for (number, message) in messages.iter().enumerate() {
            let last = mark && number + 1 == messages.len();
            let nonce = nonce(self.keyed.id, self.streams << 32 | number as u64);
            let bytes = seal(&*key, &nonce, &aad(self.streams, number, last), message)?;
            let parts = vec![(if last { "last" } else { "chunk" }, 0..bytes.len())];
            pieces.push(Piece { place: Vec::new(), bytes, parts });
        }
        Ok(pieces)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        let (key, id) = (self.keyed.key()?, self.keyed.id);
        Ok(Box::new(Sink { key, id, stream: self.streams, defect: self.defect }))
    }
}

struct Sink {
    key: Box<dyn Aead>,
    id: u32,
    stream: u64,
    defect: Option<Defect>,
}

impl Reader for Sink {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let (mut given, mut ended, mut why) = (Vec::new(), self.defect == Some(Defect::Unmarked), None);
        for (number, piece) in pieces.iter().enumerate() {
            let nonce = nonce(self.id, self.stream << 32 | number as u64);
            let open = |last| open(&*self.key, &nonce, &aad(self.stream, number, last), &piece.bytes);
            let opened = open(false).or_else(|_| open(true).inspect(|_| ended = true));
            match opened {
                Ok(message) => given.push((number, message)),
                Err(name) => {
                    why = Some(name);
                    break;
                }
            }
        }
        let why = why.or((!ended).then_some("cut"));
        if why.is_some() && self.defect != Some(Defect::Eager) {
            given.clear();
        }
        Recovered { given, refused: why.into_iter().collect() }
    }
}
