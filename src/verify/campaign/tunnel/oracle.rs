//! What a frame must be to install a session, decided from the frames alone.
//!
//! Hardened: the frame is a hello that its sender really sent to this receiver, and it echoes a hello that
//! the receiver sent to this sender in this life, that is not too old, and that has installed nothing before.
//! Safe: the frame is an authenticated exchange that its sender really sent; it has no freshness, which is
//! declared.

use std::collections::BTreeSet;

use super::forgery::MALLORY;
use super::{Found, is_exchange};
use crate::scheme::tunnel::Mode;
use crate::scheme::tunnel::frame::{Frame, Hello};

/// A hello that a peer sent: it may be sent several times, with different echoes.
struct Outstanding {
    sender: u32,
    life: u32,
    receiver: u32,
    random: [u8; 32],
    at: u64,
    used: bool,
}

/// Everything that the honest peers sent to set up sessions.
pub(super) struct Oracle {
    outstanding_ms: u64,
    hellos: Vec<Outstanding>,
    /// Every exchange frame, with its sender.
    genuine: BTreeSet<(u32, Vec<u8>)>,
}

impl Oracle {
    /// Nothing was sent. A hello is outstanding for so long.
    pub fn new(outstanding_ms: u64) -> Self {
        Self { outstanding_ms, hellos: Vec::new(), genuine: BTreeSet::new() }
    }

    /// An honest peer sent a frame.
    pub fn sent(&mut self, sender: u32, life: u32, receiver: u32, bytes: &[u8], at: u64) {
        if !is_exchange(bytes) {
            return;
        }
        self.genuine.insert((sender, bytes.to_vec()));
        let Ok(Hello { random, .. }) = Hello::decode(bytes) else { return };
        let known = self.hellos.iter().any(|of| of.sender == sender && of.random == random);
        if !known {
            self.hellos.push(Outstanding { sender, life, receiver, random, at, used: false });
        }
    }

    /// An honest peer sent a frame in an earlier life, of which nothing is outstanding any more.
    pub fn sent_before(&mut self, sender: u32, bytes: &[u8]) {
        self.genuine.insert((sender, bytes.to_vec()));
    }

    /// The random bytes of the newest hello from one peer to another.
    pub fn newest_random(&self, sender: u32, receiver: u32) -> Option<[u8; 32]> {
        let of = self.hellos.iter().rev().find(|of| of.sender == sender && of.receiver == receiver);
        of.map(|of| of.random)
    }

    /// A peer installed a session because of that frame.
    ///
    /// # Errors
    /// What is wrong with the frame.
    pub fn installed(
        &mut self,
        mode: Mode,
        own: u32,
        life: u32,
        peer: u32,
        because: Option<&[u8]>,
        now: u64,
    ) -> Result<(), Found> {
        let fault = |why| Err(Found::Installed { peer, why });
        let Some(bytes) = because else { return fault("never arrived") };
        let genuine = peer == MALLORY || self.genuine.contains(&(peer, bytes.to_vec()));
        let hello = match Frame::decode(bytes) {
            Ok(Frame::Hello(hello)) if mode == Mode::Hardened => hello,
            Ok(Frame::Authenticated { node_id, .. }) if mode != Mode::Hardened => {
                let own_word = node_id == peer && genuine;
                return if own_word { Ok(()) } else { fault("its sender never sent") };
            }
            _ => return fault("is no authenticated exchange of this mode"),
        };
        if hello.sender != peer || !genuine {
            return fault("its sender never sent");
        }
        if hello.receiver != own {
            return fault("is meant for another receiver");
        }
        let ours = |of: &&mut Outstanding| of.sender == own && of.life == life && of.receiver == peer;
        let echoed = self.hellos.iter_mut().filter(ours).find(|of| of.random == hello.echo);
        match echoed {
            None => fault("echoes no hello of this life"),
            Some(of) if of.used => fault("echoes a hello that was answered before"),
            Some(of) if now.saturating_sub(of.at) > self.outstanding_ms => fault("comes too late"),
            Some(of) => {
                of.used = true;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [u8; 32] = [1; 32];

    fn hello(sender: u32, receiver: u32, random: [u8; 32], echo: [u8; 32]) -> Vec<u8> {
        Hello { sender, receiver, x25519: [9; 32], random, echo, signature: [8; 64] }.encode().to_vec()
    }

    /// Peer 1 sent a hello in its second life, at 1,000 ms, and peer 2 these frames.
    fn oracle(others: &[Vec<u8>]) -> Oracle {
        let mut oracle = Oracle::new(10_000);
        oracle.sent(1, 2, 2, &hello(1, 2, OURS, [0; 32]), 1_000);
        others.iter().for_each(|frame| oracle.sent(2, 1, 1, frame, 1_000));
        oracle
    }

    #[test]
    fn only_the_peers_answer_to_our_own_fresh_hello_installs_and_only_once() {
        let answer = hello(2, 1, [2; 32], OURS);
        let wrong = |why| Err(Found::Installed { peer: 2, why });
        let judge = |oracle: &mut Oracle, life, frame: &[u8], now| {
            oracle.installed(Mode::Hardened, 1, life, 2, Some(frame), now)
        };
        let mut fresh = oracle(std::slice::from_ref(&answer));
        assert_eq!(judge(&mut fresh, 2, &answer, 2_000), Ok(()));
        assert_eq!(judge(&mut fresh, 2, &answer, 2_001), wrong("echoes a hello that was answered before"));
        let sent = std::slice::from_ref(&answer);
        assert_eq!(judge(&mut oracle(&[]), 2, &answer, 2_000), wrong("its sender never sent"));
        assert_eq!(judge(&mut oracle(sent), 3, &answer, 2_000), wrong("echoes no hello of this life"));
        assert_eq!(judge(&mut oracle(sent), 2, &answer, 11_001), wrong("comes too late"));
        let elsewhere = hello(2, MALLORY, [2; 32], OURS);
        let sent = std::slice::from_ref(&elsewhere);
        assert_eq!(judge(&mut oracle(sent), 2, &elsewhere, 2_000), wrong("is meant for another receiver"));
        let stale = hello(2, 1, [2; 32], [7; 32]);
        let sent = std::slice::from_ref(&stale);
        assert_eq!(judge(&mut oracle(sent), 2, &stale, 2_000), wrong("echoes no hello of this life"));
        let none = oracle(&[]).installed(Mode::Hardened, 1, 2, 2, None, 2_000);
        assert_eq!(none, wrong("never arrived"));
    }

    #[test]
    fn in_the_safe_mode_an_install_needs_a_frame_that_the_peer_really_sent() {
        use crate::scheme::tunnel::frame::{pila, pilk};
        let genuine = pila(2, &[3; 32], &[4; 32], &[5; 64]).to_vec();
        let mut oracle = oracle(std::slice::from_ref(&genuine));
        let mut judge = |frame: &[u8]| oracle.installed(Mode::Safe, 1, 2, 2, Some(frame), 2_000);
        assert_eq!(judge(&genuine), Ok(()));
        let forged = pila(2, &[6; 32], &[4; 32], &[5; 64]);
        let wrong = |why| Err(Found::Installed { peer: 2, why });
        assert_eq!(judge(&forged), wrong("its sender never sent"));
        assert_eq!(judge(&pilk(2, &[6; 32])), wrong("is no authenticated exchange of this mode"));
    }
}
