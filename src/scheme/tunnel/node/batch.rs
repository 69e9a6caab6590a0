//! Many frames at once: one lookup and one of each lock for a run of frames of the same peer.

use super::{Node, Place, Sealed};
use crate::scheme::tunnel::Error;
use crate::scheme::tunnel::envelope::{self, batch};
use crate::scheme::tunnel::session::Openers;

impl Node {
    /// Seals each message for the peer into the first bytes of its buffer; each frame has
    /// [`overhead`](Self::overhead) bytes more than its message.
    ///
    /// # Errors
    /// As [`seal_into`](Self::seal_into), for all messages together: no frame may be used then.
    ///
    /// # Panics
    /// If there are not as many buffers as messages.
    pub fn seal_frames(&self, peer: u32, plaintexts: &[&[u8]], outs: &mut [&mut [u8]]) -> Result<(), Error> {
        let session = self.store.get(peer).ok_or(Error::NoKey(peer))?;
        let sealed = batch::seal_frames(&session, self.now(), plaintexts, outs);
        sealed.inspect_err(|error| self.after_failed_seal(&session, *error))
    }

    /// Opens frames in place and writes a verdict for each: where the message is, or the error of
    /// [`open_in_place`](Self::open_in_place), with the same consequences. Frames of one peer in a row are
    /// opened together.
    ///
    /// # Panics
    /// If there are not as many verdicts as frames.
    pub fn open_frames(&self, frames: &mut [&mut [u8]], verdicts: &mut [Result<Place, Error>]) {
        assert_eq!(frames.len(), verdicts.len(), "one verdict for each frame");
        let mode = self.options().mode;
        let sender = |frame: &[u8]| Sealed::decode(mode, frame).map(|sealed| sealed.sender);
        let mut done = 0;
        while done < frames.len() {
            let first = sender(frames[done]);
            let same = frames[done..].iter().take_while(|frame| sender(frame) == first).count();
            let run = done..done + same;
            let (frames, verdicts) = (&mut frames[run.clone()], &mut verdicts[run]);
            match first {
                Ok(peer) => self.open_run(peer, frames, verdicts),
                Err(error) => verdicts.fill(Err(error)),
            }
            done += same;
        }
    }

    fn open_run(&self, peer: u32, frames: &mut [&mut [u8]], verdicts: &mut [Result<Place, Error>]) {
        let Some(openers) = self.store.openers(peer) else {
            self.exchange.request_after_failure(peer);
            return verdicts.fill(Err(Error::NoKey(peer)));
        };
        if openers.older.is_some() || !self.is_strict() {
            // One session after the other, or each verdict changes what the next frame meets.
            for (frame, verdict) in frames.iter_mut().zip(verdicts) {
                *verdict = self.open_place(frame);
            }
            return;
        }
        let now = self.now();
        batch::open_frames(&openers.current, now, frames, verdicts);
        let mut any = false;
        for (frame, verdict) in frames.iter().zip(verdicts.iter()) {
            match verdict {
                Ok(_) => any = true,
                Err(error) => self.after_refused(&openers, now, frame, *error),
            }
        }
        if any {
            self.exchange.opened(peer);
        }
    }

    fn open_place(&self, frame: &mut [u8]) -> Result<Place, Error> {
        let (mode, len) = (self.options().mode, frame.len());
        let opened = self.open_in_place(frame)?;
        let start = envelope::header_len(mode);
        let end = len - (self.overhead() - start);
        Ok(Place { peer: opened.peer, at: start..end, new_epoch: opened.new_epoch })
    }

    #[cold]
    fn after_refused(&self, openers: &Openers, now: u64, frame: &[u8], error: Error) {
        // The header is as it was: only the message's place is wiped.
        let counter = Sealed::decode(self.options().mode, frame).map_or(0, |sealed| sealed.counter);
        self.after_failed_open(&openers.current, now, counter, error);
    }
}
