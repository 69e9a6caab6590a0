//! Many frames of one session at once, through the engine's batch call; each lock is taken once.
//!
//! The frames equal those of single calls, and so do the verdicts, in order. `compat` opens one by one: its
//! order of recording makes each verdict depend on whether the frame before was genuine. Allocates nothing.

use arrayvec::ArrayVec;

use super::{Error, Parts, Place, Sealed, aad, header_len, open_with, overhead};
use crate::aead::{self, Message, TAG_LEN, Tag};
use crate::scheme::tunnel::Mode;
use crate::scheme::tunnel::session::Session;

/// The most frames passed to the key object at once.
const GROUP: usize = 16;

/// Seals each message into the first bytes of its buffer; the frame has `overhead` bytes more than the
/// message. Keeps copies of the messages in the session's ring.
///
/// # Errors
/// [`Error::BufferTooSmall`] and [`Error::CounterExhausted`] before anything is sealed: all buffers are
/// unchanged. Otherwise as for [`seal_into`](super::seal_into): no frame may be used, and those of the failed
/// group are wiped.
///
/// # Panics
/// If there are not as many buffers as messages.
pub fn seal_frames(
    session: &Session,
    now_ms: u64,
    plaintexts: &[&[u8]],
    outs: &mut [&mut [u8]],
) -> Result<(), Error> {
    assert_eq!(plaintexts.len(), outs.len(), "one buffer for each message");
    let mode = session.mode();
    for (plaintext, out) in plaintexts.iter().zip(outs.iter()) {
        let len = plaintext.len().checked_add(overhead(mode)).ok_or(Error::MessageTooLong)?;
        if out.len() < len {
            return Err(Error::BufferTooSmall);
        }
    }
    if plaintexts.is_empty() {
        return Ok(());
    }
    let first = session.counters_for(now_ms, plaintexts)?;
    let last = first + (plaintexts.len() as u64 - 1);
    let groups = plaintexts.chunks(GROUP).zip(outs.chunks_mut(GROUP));
    for (first, (plaintexts, outs)) in (first..=last).step_by(GROUP).zip(groups) {
        let sealed = seal_group(session, first, plaintexts, outs);
        sealed.inspect_err(|_| session.forget_sent(first..=last))?;
    }
    Ok(())
}

fn seal_group(
    session: &Session,
    first: u64,
    plaintexts: &[&[u8]],
    outs: &mut [&mut [u8]],
) -> Result<(), Error> {
    let mode = session.mode();
    let mut batch = ArrayVec::<Message<'_>, GROUP>::new();
    let mut tags = ArrayVec::<&mut [u8], GROUP>::new();
    for (i, (plaintext, out)) in plaintexts.iter().zip(outs.iter_mut()).enumerate() {
        let mut parts = Parts::of(mode, plaintext.len(), out)?;
        let nonce = parts.fill(session, first + i as u64, plaintext);
        let Parts { header, in_out, tag } = parts;
        batch.push(Message { nonce, aad: aad(mode, header), in_out, tag: Tag::default() });
        tags.push(tag);
    }
    if let Err(error) = session.keys().seal().seal_batch(&mut batch) {
        for message in &mut batch {
            session.seal_failed();
            message.in_out.fill(0);
        }
        return Err(error.into());
    }
    for (to, message) in tags.iter_mut().zip(&batch) {
        to.copy_from_slice(&message.tag.0);
    }
    Ok(())
}

/// Opens frames of the session's peer in place and writes a verdict for each: where the message is, or the
/// error of [`open_in_place`](super::open_in_place).
///
/// # Panics
/// If there are not as many verdicts as frames.
pub fn open_frames(
    session: &Session,
    now_ms: u64,
    frames: &mut [&mut [u8]],
    verdicts: &mut [Result<Place, Error>],
) {
    assert_eq!(frames.len(), verdicts.len(), "one verdict for each frame");
    for (frames, verdicts) in frames.chunks_mut(GROUP).zip(verdicts.chunks_mut(GROUP)) {
        if session.mode() == Mode::Compat {
            for (frame, verdict) in frames.iter_mut().zip(verdicts) {
                *verdict = open_single(session, now_ms, frame);
            }
        } else {
            open_group(session, now_ms, frames, verdicts);
        }
    }
}

fn open_single(session: &Session, now_ms: u64, frame: &mut [u8]) -> Result<Place, Error> {
    let sealed = Sealed::decode(session.mode(), frame)?;
    let recorded = open_with(session, now_ms, &sealed, frame)?;
    Ok(place(session, recorded.new_epoch, frame.len()))
}

fn place(session: &Session, new_epoch: bool, frame_len: usize) -> Place {
    let at = header_len(session.mode())..frame_len - TAG_LEN;
    Place { peer: session.peer(), at, new_epoch }
}

fn open_group(
    session: &Session,
    now_ms: u64,
    frames: &mut [&mut [u8]],
    verdicts: &mut [Result<Place, Error>],
) {
    let mode = session.mode();
    let mut batch = ArrayVec::<Message<'_>, GROUP>::new();
    // Of each message in the batch: the frame's index and what its header says.
    let mut headers = ArrayVec::<(usize, Sealed), GROUP>::new();
    for (i, frame) in frames.iter_mut().enumerate() {
        let sealed = match Sealed::decode(mode, frame) {
            Ok(sealed) if sealed.is_for(session) => sealed,
            Ok(sealed) => {
                verdicts[i] = Err(Error::NoKey(sealed.sender));
                continue;
            }
            Err(error) => {
                verdicts[i] = Err(error);
                continue;
            }
        };
        let Parts { header, in_out, tag } = Parts::split(mode, frame);
        let tag = Tag(<[u8; TAG_LEN]>::try_from(&*tag).expect("split leaves a whole tag"));
        batch.push(Message { nonce: sealed.nonce, aad: aad(mode, header), in_out, tag });
        headers.push((i, sealed));
    }
    let mut opened = [Err(aead::Error::NotAuthentic); GROUP];
    let opened = &mut opened[..batch.len()];
    session.keys().open().open_batch(&mut batch, opened);
    session.commit_all(now_ms, |commit| {
        for (((i, sealed), opened), message) in headers.iter().zip(opened).zip(&mut batch) {
            let verdict = match *opened {
                Ok(()) => commit(sealed.prefix(), sealed.counter),
                Err(error) => {
                    session.failed();
                    Err(error.into())
                }
            };
            if verdict.is_err() {
                message.in_out.fill(0);
            }
            let len = header_len(mode) + message.in_out.len() + TAG_LEN;
            verdicts[*i] = verdict.map(|recorded| place(session, recorded.new_epoch, len));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::session::NewSession;
    use super::super::super::session::testing::{pair, session};
    use super::super::{open_in_place, seal_into};
    use super::*;

    fn seal_all(session: &Session, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut frames: Vec<_> =
            messages.iter().map(|m| vec![0; m.len() + overhead(session.mode())]).collect();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let mut outs: Vec<&mut [u8]> = frames.iter_mut().map(Vec::as_mut_slice).collect();
        seal_frames(session, 0, &messages, &mut outs).unwrap();
        frames
    }

    fn open_all(session: &Session, frames: &mut [Vec<u8>]) -> Vec<Result<Place, Error>> {
        let mut verdicts = vec![Err(Error::TooShort); frames.len()];
        let mut frames: Vec<&mut [u8]> = frames.iter_mut().map(Vec::as_mut_slice).collect();
        open_frames(session, 0, &mut frames, &mut verdicts);
        verdicts
    }

    /// More than two groups, of mixed lengths.
    fn messages() -> Vec<Vec<u8>> {
        (0..37).map(|i| vec![i as u8; [64, 0, 1_350, 17, 300][i % 5]]).collect()
    }

    #[test]
    fn a_batch_makes_the_frames_of_single_calls() {
        for mode in Mode::ALL {
            let (a, single) = (pair(mode, 7).0, pair(mode, 7).0);
            let frames = seal_all(&a, &messages());
            for (frame, message) in frames.iter().zip(&messages()) {
                let mut out = vec![0; frame.len()];
                seal_into(&single, 0, message, &mut out).unwrap();
                assert_eq!(*frame, out, "{}", mode.name());
            }
            assert_eq!(a.counters(), single.counters());
            assert_eq!(a.drain_sent(0), single.drain_sent(0));
        }
    }

    #[test]
    fn a_batch_gives_the_verdicts_of_single_calls_in_order() {
        for mode in Mode::ALL {
            let (a, b, single) = (pair(mode, 7).0, pair(mode, 7).1, pair(mode, 7).1);
            let mut frames = seal_all(&a, &messages());
            // Forged, replayed within and across groups, of somebody else, cut short, of another protocol.
            frames[3][25] ^= 1;
            frames.insert(5, frames[4].clone());
            frames.push(frames[0].clone());
            frames[9][6] ^= 1;
            frames[11].truncate(30);
            frames[12][0] = b'X';
            frames.swap(20, 30);
            let mut singly = frames.clone();
            let verdicts = open_all(&b, &mut frames);
            for (i, (verdict, frame)) in verdicts.iter().zip(&mut singly).enumerate() {
                let expected = open_in_place(&single, 0, frame).map(|opened| opened.plaintext.to_vec());
                let opened = verdict.clone().map(|place| frames[i][place.at].to_vec());
                assert_eq!(opened, expected, "{} frame {i}", mode.name());
                assert_eq!(frames[i], *frame, "{} frame {i} leaves the same bytes", mode.name());
            }
            assert_eq!(b.counters(), single.counters());
            assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 33);
            for error in [Error::NotAuthentic, Error::Replay, Error::TooShort, Error::NotATunnelFrame] {
                assert!(verdicts.contains(&Err(error)), "{error}");
            }
        }
    }

    #[test]
    fn a_batch_that_cannot_be_sealed_as_a_whole_seals_nothing() {
        let (a, _) = pair(Mode::Safe, 7);
        let (mut large, mut small) = ([0xee; 100], [0xee; 30]);
        let messages = [&b"message"[..], b"message"];
        let refused = seal_frames(&a, 0, &messages, &mut [&mut large, &mut small]);
        assert_eq!((refused, a.counters().sealed), (Err(Error::BufferTooSmall), 0));
        let end = Session::new(NewSession { sealed_before: u64::MAX - 1, ..session(Mode::Safe, 1, 2, 7) });
        let (mut one, mut other) = ([0xee; 100], [0xee; 100]);
        let refused = seal_frames(&end, 0, &messages, &mut [&mut one, &mut other]);
        assert_eq!((refused, end.counters().sealed), (Err(Error::CounterExhausted), 0));
        assert_eq!((large, small, one, other), ([0xee; 100], [0xee; 30], [0xee; 100], [0xee; 100]));
        assert_eq!(seal_frames(&a, 0, &[], &mut []), Ok(()));
    }

    #[test]
    fn a_place_gives_the_message_in_its_frame() {
        let (a, b) = pair(Mode::Safe, 7);
        let mut frames = seal_all(&a, &[b"message".to_vec()]);
        let place = open_all(&b, &mut frames).remove(0).unwrap();
        let opened = place.in_frame(&mut frames[0]);
        assert_eq!((opened.peer, &*opened.plaintext, opened.new_epoch), (1, &b"message"[..], false));
    }
}
