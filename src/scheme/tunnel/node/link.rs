//! A peer's sessions at hand: for a thread that seals or opens many frames of one peer.

use super::{Node, Opened, Sealed};
use crate::scheme::tunnel::Error;
use crate::scheme::tunnel::session::store::Found;

/// What one thread uses to exchange many frames with one peer. It seals and opens like its node, but does not
/// look for the peer's sessions each time: only after some peer's sessions have changed.
///
/// It keeps the sessions that it found, with their keys, until it is used again or dropped: drop a link that
/// is idle.
#[derive(Debug)]
pub struct Link<'n> {
    node: &'n Node,
    found: Found,
}

impl Node {
    /// A link to the peer, which need not have a session yet.
    pub fn link(&self, peer: u32) -> Link<'_> {
        Link { node: self, found: Found::new(peer) }
    }
}

impl Link<'_> {
    /// The peer.
    pub fn peer(&self) -> u32 {
        self.found.peer()
    }

    /// Seals a message for the peer: [`Node::seal_into`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn seal_into(&mut self, plaintext: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let Self { node, found } = self;
        let peer = found.peer();
        let openers = found.look(node.store()).ok_or(Error::NoKey(peer))?;
        node.seal_with(&openers.current, plaintext, out)
    }

    /// Opens a sealed frame in place: [`Node::open_in_place`]. A frame of another peer is opened too, as the
    /// node would.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn open_in_place<'f>(&mut self, frame: &'f mut [u8]) -> Result<Opened<'f>, Error> {
        let Self { node, found } = self;
        let sealed = Sealed::decode(node.options().mode, frame)?;
        if sealed.sender == found.peer()
            && let Some(openers) = found.look(node.store())
        {
            return node.open_with(openers, &sealed, frame);
        }
        node.open_in_place(frame)
    }
}
