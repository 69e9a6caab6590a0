//! Messages that wait for a session (spec 2, §8, §10): at most 64 for each of at most 256 peers.
//!
//! A message that finds no room is refused with a typed error, so that its sender knows. Waiting messages are
//! wiped when they are dropped. Not here: sealing and sending them, which the node does once a session is
//! installed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use zeroize::Zeroizing;

use crate::scheme::tunnel::Error;

/// The waiting messages of every peer, in the order of their arrival.
pub struct Queue {
    frames: usize,
    peers: usize,
    waiting: BTreeMap<u32, VecDeque<Zeroizing<Vec<u8>>>>,
}

impl Queue {
    /// An empty queue with room for this many frames of each of this many peers.
    pub const fn new(frames: usize, peers: usize) -> Self {
        Self { frames, peers, waiting: BTreeMap::new() }
    }

    /// Appends a copy of a message.
    ///
    /// # Errors
    /// [`Error::QueueFull`]: the peer has its number of messages waiting, or too many peers have any.
    pub fn push(&mut self, peer: u32, message: &[u8]) -> Result<(), Error> {
        let full = Error::QueueFull(peer);
        if self.frames == 0 || !self.waiting.contains_key(&peer) && self.waiting.len() >= self.peers {
            return Err(full);
        }
        let waiting = self.waiting.entry(peer).or_default();
        if waiting.len() >= self.frames {
            return Err(full);
        }
        waiting.push_back(Zeroizing::new(message.to_vec()));
        Ok(())
    }

    /// Takes the peer's oldest message.
    pub fn pop(&mut self, peer: u32) -> Option<Zeroizing<Vec<u8>>> {
        let waiting = self.waiting.get_mut(&peer)?;
        let message = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&peer);
        }
        message
    }

    /// Discards the peer's messages, and returns how many there were.
    pub fn discard(&mut self, peer: u32) -> usize {
        self.waiting.remove(&peer).map_or(0, |waiting| waiting.len())
    }

    /// How many messages of this peer wait.
    pub fn len(&self, peer: u32) -> usize {
        self.waiting.get(&peer).map_or(0, VecDeque::len)
    }

    /// The peers that have messages waiting, by id.
    pub fn waiting_peers(&self) -> Vec<u32> {
        self.waiting.keys().copied().collect()
    }

    /// How many peers have messages waiting.
    pub fn peers(&self) -> usize {
        self.waiting.len()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("peers", &self.peers()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_in_the_order_in_which_they_came() {
        let mut queue = Queue::new(64, 256);
        (0..64).for_each(|i| queue.push(7, &[i]).unwrap());
        let left: Vec<u8> = std::iter::from_fn(|| queue.pop(7)).map(|message| message[0]).collect();
        assert_eq!(left, (0..64).collect::<Vec<u8>>());
        assert_eq!((queue.len(7), queue.peers()), (0, 0));
    }

    #[test]
    fn the_65th_message_and_the_257th_peer_are_refused() {
        let mut queue = Queue::new(64, 256);
        (0..256).for_each(|peer| queue.push(peer, b"m").unwrap());
        assert_eq!(queue.push(256, b"m"), Err(Error::QueueFull(256)));
        (1..64).for_each(|_| queue.push(9, b"m").unwrap());
        assert_eq!(queue.push(9, b"m"), Err(Error::QueueFull(9)));
        assert_eq!((queue.discard(9), queue.discard(9)), (64, 0));
        queue.push(256, b"m").unwrap();
    }

    #[test]
    fn a_queue_without_room_takes_nothing() {
        assert_eq!(Queue::new(0, 1).push(1, b"m"), Err(Error::QueueFull(1)));
        assert_eq!(Queue::new(1, 0).push(1, b"m"), Err(Error::QueueFull(1)));
    }
}
