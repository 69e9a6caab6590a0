//! Messages over the network: what to send now, what waits, and what is sent again after new keys (spec 2,
//! §8).
//!
//! After an install our own exchange frame goes out first, because a peer without our key refuses what we
//! seal. Then recent messages of the old session are sealed again, in order, and then those that waited, each
//! only if the session is still the installed one. A message that is sealed again is not kept another time,
//! so it is sent at most twice; the receiver may get it twice, and tells by its content. Not here:
//! acknowledgements; a frame that the network took may be lost.

use zeroize::Zeroizing;

use super::{Node, Opened, Sealed};
use crate::host::sync::Arc;
use crate::scheme::tunnel::envelope;
use crate::scheme::tunnel::exchange::{Handled, Installed, Source};
use crate::scheme::tunnel::frame::{Frame, Kind, kind};
use crate::scheme::tunnel::session::Session;
use crate::scheme::tunnel::{Error, Mode};

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a message that the network did not take is lost"]
pub enum Sent {
    /// The network took its frame.
    Sealed,
    /// It waits for a session.
    Queued,
    /// The network did not take its frame: it is lost, unless new keys come soon.
    NotTaken,
}

/// What a datagram was.
#[derive(Debug)]
pub enum Received<'f> {
    /// A message from a peer.
    Message(Opened<'f>),
    /// A frame of a key exchange.
    Exchange(Handled),
    /// Bytes in the clear (`PILT`), which nobody has authenticated.
    Plain(&'f [u8]),
    /// A punch from this node id (`PILP`), which nobody has authenticated.
    Punch(u32),
    /// Not a frame of this mode: it belongs to another protocol.
    Foreign,
}

impl Node {
    /// Seals a message and sends it. Without a session it waits, and an exchange is asked for.
    ///
    /// # Errors
    /// [`Error::GaveUp`]: the peer did not answer a moment ago, so nothing waits for it.
    /// [`Error::QueueFull`]. [`Error::CounterExhausted`], [`Error::MessageTooLong`], [`Error::Engine`]. The
    /// message is not sent then.
    pub fn send(&self, peer: u32, plaintext: &[u8]) -> Result<Sent, Error> {
        if self.store.get(peer).is_none() {
            return self.enqueue(peer, plaintext);
        }
        match self.seal(peer, plaintext) {
            // It was dropped in between.
            Err(Error::NoKey(_)) => self.enqueue(peer, plaintext),
            sealed => {
                let taken = self.exchange.outside().send(peer, &sealed?);
                Ok(if taken { Sent::Sealed } else { Sent::NotTaken })
            }
        }
    }

    fn enqueue(&self, peer: u32, plaintext: &[u8]) -> Result<Sent, Error> {
        if self.exchange.gave_up(peer) {
            return Err(Error::GaveUp(peer));
        }
        self.queue.lock().push(peer, plaintext)?;
        if self.exchange.attempts(peer).is_none() {
            self.exchange.request(peer);
        }
        if let Some(session) = self.store.get(peer) {
            // It was installed after the look and before the push, so nobody else flushes.
            self.flush(peer, &session);
        }
        Ok(Sent::Queued)
    }

    /// Takes a datagram: opens it, handles it, or says what it is.
    ///
    /// # Errors
    /// Those of [`open_in_place`](Self::open_in_place) and of
    /// [`Exchange::handle`](crate::scheme::tunnel::Exchange::handle).
    pub fn receive<'f>(&self, datagram: &'f mut [u8], source: Source) -> Result<Received<'f>, Error> {
        let mode = self.options().mode;
        if Sealed::is_one(mode, datagram) {
            return self.open_in_place(datagram).map(Received::Message);
        }
        let compatible = mode.is_compatible();
        match kind(datagram) {
            Some(Kind::Authenticated | Kind::Unauthenticated) if compatible => {
                self.exchange_frame(datagram, source)
            }
            Some(Kind::Hello) if mode == Mode::Hardened => self.exchange_frame(datagram, source),
            Some(Kind::Plain | Kind::Punch) if compatible => match Frame::decode(datagram)? {
                Frame::Plain(body) => Ok(Received::Plain(body)),
                Frame::Punch { sender } => Ok(Received::Punch(sender)),
                _ => Ok(Received::Foreign),
            },
            _ => Ok(Received::Foreign),
        }
    }

    fn exchange_frame<'f>(&self, frame: &[u8], source: Source) -> Result<Received<'f>, Error> {
        let handled = self.exchange.handle(frame, source)?;
        if let Some(installed) = &handled.installed {
            self.after_install(installed);
        }
        Ok(Received::Exchange(handled))
    }

    /// Sends again what the old session sent last, then what waited. A program that calls
    /// [`Exchange::handle`](crate::scheme::tunnel::Exchange::handle) itself calls this with its result.
    pub fn after_install(&self, installed: &Installed) {
        let Installed { peer, old, new, .. } = installed;
        if let Some(old) = old.as_ref().filter(|_| installed.is_change()) {
            for message in old.drain_sent(self.now()) {
                if !self.store.is_installed(*peer, new) {
                    break;
                }
                // Nothing to report: it was sent once before.
                self.seal_again(*peer, new, &message);
            }
        }
        self.flush(*peer, new);
    }

    /// Sends what waits for the peer, as long as the session is the installed one.
    fn flush(&self, peer: u32, session: &Arc<Session>) {
        let mut lost = 0;
        while self.store.is_installed(peer, session) {
            let message = self.queue.lock().pop(peer);
            let Some(message) = message else { break };
            if !self.seal_first(peer, session, &message) {
                lost += 1;
            }
        }
        self.report_lost(peer, lost);
    }

    /// Seals and sends a message that waited. Returns whether the network took it.
    fn seal_first(&self, peer: u32, session: &Arc<Session>, message: &Zeroizing<Vec<u8>>) -> bool {
        let mut frame = vec![0; message.len() + self.overhead()];
        let sealed = envelope::seal_into(session, self.now(), message, &mut frame);
        sealed.is_ok() && self.exchange.outside().send(peer, &frame)
    }

    /// Seals and sends a message of an old session, without keeping it once more.
    fn seal_again(&self, peer: u32, session: &Arc<Session>, message: &Zeroizing<Vec<u8>>) -> bool {
        let mut frame = vec![0; message.len() + self.overhead()];
        let sealed = envelope::seal_unkept(session, message, &mut frame);
        sealed.is_ok() && self.exchange.outside().send(peer, &frame)
    }

    /// Sends requests again, gives up, wipes messages that are too old to be sent again. To be called every
    /// [`Timing::tick_ms`](crate::scheme::tunnel::Timing::tick_ms). Messages that waited for a peer that was
    /// given up are reported as lost.
    pub fn tick(&self) {
        for peer in self.exchange.tick() {
            self.discard(peer);
        }
        self.store.trim(self.now());
        let waiting = self.queue.lock().waiting_peers();
        for peer in waiting {
            match self.store.get(peer) {
                Some(session) => self.flush(peer, &session),
                // The network did not take the first request, or the table was full.
                None if self.exchange.attempts(peer).is_none() => {
                    self.exchange.request(peer);
                }
                None => {}
            }
        }
    }
}
