//! A log file of records under an unkeyed checksum, read to its end: `Law::Prefix`. It uses no cipher.

use super::Double;
use crate::scheme::{Error, Fault, Judgement, Law, Piece, Reader, Recovered, Session};

pub(in crate::verify::fault) const HONEST: Double = Double {
    law: Law::Prefix,
    needs: None,
    refusals: &["damaged"],
    judge,
    session: |_| Ok(Box::new(Log { skips: false })),
};
/// Claims the same, but continues after a damaged record.
pub(in crate::verify::fault) const SKIPS: Double =
    Double { session: |_| Ok(Box::new(Log { skips: true })), ..HONEST };

pub(in crate::verify::fault) fn judge(fault: Fault, part: &str) -> Judgement {
    match (fault, part) {
        (Fault::Cut, "start") => Judgement::Blind("a log that ends with a record may have had more records"),
        (Fault::Forge, "head") => Judgement::Chance("the result may be a record of another length"),
        (Fault::Forge, "body") => Judgement::Alters("only a checksum protects a record"),
        (Fault::Drop | Fault::Tail, _) => Judgement::Blind("a missing log reads like an empty one"),
        (Fault::Splice | Fault::Older, _) => Judgement::Blind("nothing distinguishes this log from another"),
        (Fault::Repeat, _) => Judgement::Harmless,
        _ => Judgement::Caught,
    }
}

const HEAD: usize = 8;

fn sum(head: [u8; 4], body: &[u8]) -> [u8; 4] {
    let bytes = head.iter().chain(body);
    bytes.fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)).to_be_bytes()
}

struct Log {
    skips: bool,
}

impl Session for Log {
    fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error> {
        let (mut bytes, mut parts) = (Vec::new(), Vec::new());
        for message in messages {
            let (start, head) = (bytes.len(), (message.len() as u32).to_be_bytes());
            bytes.extend(head.into_iter().chain(sum(head, message)).chain(message.iter().copied()));
            parts.push(("start", start..start + 1));
            parts.push(("head", start..start + HEAD));
            parts.push(("body", start + HEAD..bytes.len()));
        }
        Ok(vec![Piece { place: b"log".to_vec(), bytes, parts }])
    }

    fn reader(&self) -> Result<Box<dyn Reader>, Error> {
        Ok(Box::new(Self { skips: self.skips }))
    }

    fn forge(&self, piece: &mut Piece) -> bool {
        let mut at = 0;
        while let Some((head, len)) = head(&piece.bytes[at..]) {
            let Some(body) = piece.bytes.get(at + HEAD..at + HEAD + len) else { break };
            let sum = sum(head, body);
            piece.bytes[at + 4..at + HEAD].copy_from_slice(&sum);
            at += HEAD + len;
        }
        true
    }
}

/// The head of the record that starts there, and the length of its body.
fn head(rest: &[u8]) -> Option<([u8; 4], usize)> {
    rest.get(..HEAD)?.first_chunk().map(|head| (*head, u32::from_be_bytes(*head) as usize))
}

impl Reader for Log {
    fn recover(&mut self, pieces: &[Piece]) -> Recovered {
        let mut recovered = Recovered::default();
        let mut rest = pieces.last().map_or(&[][..], |piece| &piece.bytes);
        for number in 0.. {
            if rest.is_empty() {
                break;
            }
            let record = head(rest).and_then(|(head, len)| Some((head, rest.get(HEAD..)?.get(..len)?)));
            let Some((head, body)) = record else {
                recovered.refused.push("damaged");
                break;
            };
            if rest[4..HEAD] == sum(head, body) {
                recovered.given.push((number, body.to_vec()));
            } else {
                recovered.refused.push("damaged");
                if !self.skips {
                    break;
                }
            }
            rest = &rest[HEAD + body.len()..];
        }
        recovered
    }
}
