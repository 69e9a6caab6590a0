//! Small schemes for the tests of the injector: one for each law, each with a defect that can be switched on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::aead::{Aead, Alg, Nonce, Tag};
use crate::engine::{Engine, Shape};
use crate::scheme::{Error, Fault, Judgement, Law, Piece, Reader, Recovered, Scheme, Session};

/// What a double says of itself, and how it begins a session.
pub(super) struct Double {
    pub law: Law,
    pub needs: Option<Shape>,
    pub refusals: &'static [&'static str],
    pub judge: fn(Fault, &str) -> Judgement,
    pub session: fn(&'static dyn Engine) -> Result<Box<dyn Session>, Error>,
}

impl Scheme for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn law(&self) -> Law {
        self.law
    }

    fn needs(&self) -> Option<Shape> {
        self.needs
    }

    fn refusals(&self) -> &'static [&'static str] {
        self.refusals
    }

    fn judge(&self, fault: Fault, part: &str) -> Judgement {
        (self.judge)(fault, part)
    }

    fn session(&self, engine: &'static dyn Engine) -> Result<Box<dyn Session>, Error> {
        (self.session)(engine)
    }
}

const AES_256: Option<Shape> = Some(Shape::usual(Alg::Aes256Gcm));

/// A key that all sessions have, and a number that each has of its own.
struct Keyed {
    engine: &'static dyn Engine,
    id: u32,
}

impl Keyed {
    fn new(engine: &'static dyn Engine) -> Self {
        static SESSIONS: AtomicU32 = AtomicU32::new(0);
        Self { engine, id: SESSIONS.fetch_add(1, Ordering::Relaxed) }
    }

    fn key(&self) -> Result<Box<dyn Aead>, Error> {
        Ok(self.engine.key(Alg::Aes256Gcm, &[7; 32])?)
    }
}

fn nonce(id: u32, number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..4].copy_from_slice(&id.to_be_bytes());
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

fn seal(key: &dyn Aead, nonce: &Nonce, aad: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut bytes, mut tag) = (message.to_vec(), Tag::default());
    key.seal(nonce, aad, &mut bytes, &mut tag)?;
    bytes.extend(tag.0);
    Ok(bytes)
}

fn open(key: &dyn Aead, nonce: &Nonce, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (text, tag) = sealed.split_last_chunk::<16>().ok_or("short")?;
    let mut text = text.to_vec();
    key.open(nonce, aad, &mut text, &Tag(*tag)).map_err(|_| "forged")?;
    Ok(text)
}

/// Frames with a sequence number, and a receiver that takes each number once: [`Law::AtMostOnce`].
pub(super) mod frames {
    use super::*;

    pub const HONEST: Double = Double {
        law: Law::AtMostOnce,
        needs: AES_256,
        refusals: &["short", "forged", "replayed"],
        judge,
        session: |engine| Ok(Box::new(Sender { keyed: Keyed::new(engine), sent: 0, first: 0, window: true })),
    };
    /// Says the same, and its receiver does not remember what it took.
    pub const WITHOUT_WINDOW: Double = Double {
        session: |engine| {
            Ok(Box::new(Sender { keyed: Keyed::new(engine), sent: 0, first: 0, window: false }))
        },
        ..HONEST
    };

    pub fn judge(fault: Fault, _: &str) -> Judgement {
        match fault {
            Fault::Swap | Fault::Drop | Fault::Tail => Judgement::Harmless,
            _ => Judgement::Caught,
        }
    }

    struct Sender {
        keyed: Keyed,
        sent: u64,
        /// The sequence number of the first frame of the last call.
        first: u64,
        window: bool,
    }

    impl Session for Sender {
        fn protect(&mut self, messages: &[Vec<u8>]) -> Result<Vec<Piece>, Error> {
            self.first = self.sent;
            let key = self.keyed.key()?;
            let mut pieces = Vec::new();
            for message in messages {
                let mut bytes = self.sent.to_be_bytes().to_vec();
                bytes.extend(seal(&*key, &nonce(self.keyed.id, self.sent), &bytes, message)?);
                pieces.push(Piece { place: Vec::new(), parts: vec![("sequence", 0..8)], bytes });
                self.sent += 1;
            }
            Ok(pieces)
        }

        fn reader(&self) -> Result<Box<dyn Reader>, Error> {
            let (key, id, first, window) = (self.keyed.key()?, self.keyed.id, self.first, self.window);
            Ok(Box::new(Receiver { key, id, first, window, seen: BTreeSet::new() }))
        }
    }

    struct Receiver {
        key: Box<dyn Aead>,
        id: u32,
        first: u64,
        window: bool,
        seen: BTreeSet<u64>,
    }

    impl Receiver {
        fn take(&mut self, frame: &[u8]) -> Result<(usize, Vec<u8>), &'static str> {
            let (sequence, sealed) = frame.split_first_chunk::<8>().ok_or("short")?;
            let number = u64::from_be_bytes(*sequence);
            let message = open(&*self.key, &nonce(self.id, number), sequence, sealed)?;
            if self.window && (number < self.first || !self.seen.insert(number)) {
                return Err("replayed");
            }
            Ok((number.saturating_sub(self.first) as usize, message))
        }
    }

    impl Reader for Receiver {
        fn recover(&mut self, pieces: &[Piece]) -> Recovered {
            let mut recovered = Recovered::default();
            for piece in pieces {
                match self.take(&piece.bytes) {
                    Ok(given) => recovered.given.push(given),
                    Err(name) => recovered.refused.push(name),
                }
            }
            recovered
        }
    }
}

/// A stream of chunks, the last one marked, that is committed as a whole: [`Law::AllOrNothing`].
pub(super) mod stream {
    use super::*;

    pub const HONEST: Double = Double {
        law: Law::AllOrNothing,
        needs: AES_256,
        refusals: &["short", "forged", "cut"],
        judge: |_, _| Judgement::Caught,
        session: |engine| Ok(Box::new(Writer { keyed: Keyed::new(engine), streams: 0, defect: None })),
    };
    /// Says the same, and marks no last chunk.
    pub const UNMARKED: Double = Double {
        session: |engine| {
            Ok(Box::new(Writer { keyed: Keyed::new(engine), streams: 0, defect: Some(Defect::Unmarked) }))
        },
        ..HONEST
    };
    /// Says the same, and gives each chunk as it comes.
    pub const EAGER: Double = Double {
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

    /// The number of a chunk within its stream, and whether it is the last one.
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
}

/// A log file of records under an unkeyed checksum, read up to its end: [`Law::Prefix`]. No cipher takes part.
pub(super) mod log {
    use super::*;

    pub const HONEST: Double = Double {
        law: Law::Prefix,
        needs: None,
        refusals: &["damaged"],
        judge,
        session: |_| Ok(Box::new(Log { skips: false })),
    };
    /// Says the same, and goes on behind a damaged record.
    pub const SKIPS: Double = Double { session: |_| Ok(Box::new(Log { skips: true })), ..HONEST };

    pub fn judge(fault: Fault, part: &str) -> Judgement {
        match (fault, part) {
            (Fault::Cut, "start") => {
                Judgement::Blind("a log that ends with a record may have had more of them")
            }
            (Fault::Forge, "head") => Judgement::Chance("a record of another length may come out"),
            (Fault::Forge, "body") => Judgement::Alters("nothing but a checksum protects a record"),
            (Fault::Drop | Fault::Tail, _) => Judgement::Blind("a log that is gone reads as an empty one"),
            (Fault::Splice | Fault::Older, _) => Judgement::Blind("nothing tells this log from another"),
            (Fault::Repeat, _) => Judgement::Harmless,
            _ => Judgement::Caught,
        }
    }

    const HEAD: usize = 8;

    fn sum(head: [u8; 4], body: &[u8]) -> [u8; 4] {
        let bytes = head.iter().chain(body);
        bytes
            .fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
            .to_be_bytes()
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

    /// The head of the record that begins there, and the length of its body.
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
}

/// Pieces that are the messages: nothing is protected.
pub(super) mod clear {
    use super::*;

    pub const CAUGHT: Double = Double {
        law: Law::Each,
        needs: AES_256,
        refusals: &["refused"],
        judge: |_, _| Judgement::Caught,
        session: |_| Ok(Box::new(Clear(0))),
    };
    pub const HARMLESS: Double = Double { judge: |_, _| Judgement::Harmless, ..CAUGHT };
    pub const BLIND: Double = Double { judge: |_, _| Judgement::Blind("it sees nothing"), ..CAUGHT };

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
}
