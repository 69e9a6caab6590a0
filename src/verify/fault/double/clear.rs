//! Pieces that are the messages themselves: nothing is protected.

use super::{AES_256, Double};
use crate::scheme::{Error, Judgement, Law, Piece, Reader, Recovered, Session};

pub(in crate::verify::fault) const CAUGHT: Double = Double {
    law: Law::Each,
    needs: AES_256,
    refusals: &["refused"],
    judge: |_, _| Judgement::Caught,
    session: |_| Ok(Box::new(Clear(0))),
};
pub(in crate::verify::fault) const HARMLESS: Double = Double { judge: |_, _| Judgement::Harmless, ..CAUGHT };
pub(in crate::verify::fault) const BLIND: Double =
    Double { judge: |_, _| Judgement::Blind("it sees nothing"), ..CAUGHT };

struct Clear(usize);

impl Session for Clear {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error> {
        self.0 = messages.len();
        Ok(messages.iter().enumerate().map(|(i, m)| Piece::whole(vec![i as u8], m.clone())).collect())
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(Self(self.0)))
    }
}

impl Reader for Clear {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let at = |i: usize| pieces.iter().find(|piece| piece.place == [i as u8]);
        let given = (0..self.0).filter_map(|i| at(i).map(|piece| (i, piece.bytes.clone()))).collect();
        Recovered { given, refused: Vec::new() }
    }
}
