//! `pilot-kex.json`: exchange frames and keys byte for byte, and verdicts on authenticated exchanges.

use std::sync::Arc;

use super::{
    End, Judgement, Mode, Node, Parts, Problem, Ruling, array, equal, in_each_mode, integer, only, same,
    words,
};
use crate::engine::Engine;
use crate::primitive::sha256;
use crate::scheme::tunnel::exchange::derive;
use crate::scheme::tunnel::testing::{MapRegistry, Party};
use crate::scheme::tunnel::{Identity, ManualClock, Options, Outcome, Source, frame};
use crate::verify::Case;

/// The info of the derivation, and the start of what the reference hashed before it used HKDF.
const INFO: &[u8] = b"pilot-tunnel-v1";
const BEFORE_HKDF: &[u8] = b"pilot-tunnel-v1:";
/// The peer of `handle_auth`, whose key the registry knows, and the receiver's own id.
const SENDER: u32 = 77;
const RECEIVER: u32 = 1;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["vectors", "handle_auth", "handle_auth_source", "receiver_x25519_priv"])?;
    root.member("handle_auth_source")?.text()?;
    let mut cases = Vec::new();
    for (i, node) in root.member("vectors")?.elements()?.enumerate() {
        let pair = Pair::read(&node)?;
        in_each_mode(&mut cases, &format!("vectors/{i}"), true, move |mode, engine| pair.judge(mode, engine));
    }
    let receiver = array(&root.member("receiver_x25519_priv")?)?;
    for (i, node) in root.member("handle_auth")?.elements()?.enumerate() {
        let handled = Handled::read(&node, receiver)?;
        let id = format!("handle_auth/{i}");
        in_each_mode(&mut cases, &id, false, move |mode, engine| handled.judge(mode, engine));
    }
    Ok(cases)
}

/// One side of an exchange.
struct Side {
    node_id: u32,
    x25519_priv: [u8; 32],
    x25519_pub: [u8; 32],
    ed25519_seed: [u8; 32],
    ed25519_pub: [u8; 32],
    pila: Vec<u8>,
    pilk: Vec<u8>,
    /// Only the first side has it.
    signed_message: Option<Vec<u8>>,
}

impl Side {
    fn read(node: &Node<'_>, signs: bool) -> Result<Self, Problem> {
        const MEMBERS: [&str; 8] = [
            "signed_message",
            "node_id",
            "x25519_priv",
            "x25519_pub",
            "ed25519_seed",
            "ed25519_pub",
            "pila",
            "pilk",
        ];
        node.only(&MEMBERS[usize::from(!signs)..])?;
        Ok(Self {
            node_id: integer(&node.member("node_id")?)?,
            x25519_priv: array(&node.member("x25519_priv")?)?,
            x25519_pub: array(&node.member("x25519_pub")?)?,
            ed25519_seed: array(&node.member("ed25519_seed")?)?,
            ed25519_pub: array(&node.member("ed25519_pub")?)?,
            pila: node.member("pila")?.bytes()?,
            pilk: node.member("pilk")?.bytes()?,
            signed_message: if signs { Some(node.member("signed_message")?.bytes()?) } else { None },
        })
    }

    fn identity(&self) -> Identity {
        Identity::from_bytes(self.node_id, Some(&self.x25519_priv), Some(&self.ed25519_seed))
    }

    /// Checks every frame and key of the side.
    fn judge(&self) -> Judgement {
        let identity = self.identity();
        same("the X25519 key", &identity.x25519_public().unwrap_or_default(), &self.x25519_pub)?;
        same("the Ed25519 key", &identity.ed25519_public().unwrap_or_default(), &self.ed25519_pub)?;
        same("the PILK frame", identity.pilk().ok_or("no PILK frame")?, &self.pilk)?;
        same("the PILA frame", identity.pila().ok_or("no PILA frame")?, &self.pila)?;
        match &self.signed_message {
            Some(signed) => {
                same("the signed message", &frame::signed_message(self.node_id, &self.x25519_pub), signed)
            }
            None => Ok(()),
        }
    }
}

/// Two sides, and what they share.
struct Pair {
    a: Side,
    b: Side,
    shared_secret: [u8; 32],
    hkdf_prk: [u8; 32],
    aead_key: [u8; 32],
    not_this_key: [u8; 32],
}

impl Pair {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        const OLD: &str = "not_this_key_pre_hkdf_sha256";
        node.only(&["a", "b", "shared_secret", "hkdf_prk", "aead_key", OLD])?;
        Ok(Self {
            a: Side::read(&node.member("a")?, true)?,
            b: Side::read(&node.member("b")?, false)?,
            shared_secret: array(&node.member("shared_secret")?)?,
            hkdf_prk: array(&node.member("hkdf_prk")?)?,
            aead_key: array(&node.member("aead_key")?)?,
            not_this_key: array(&node.member(OLD)?)?,
        })
    }

    fn judge(&self, mode: Mode, engine: &'static dyn Engine) -> Ruling {
        self.a.judge()?;
        self.b.judge()?;
        self.judge_keys()?;
        self.judge_exchange(mode, engine)?;
        Ok(None)
    }

    /// The keys, by our derivation and by a model of HKDF from the hash alone.
    fn judge_keys(&self) -> Judgement {
        for (own, peer) in [(&self.a, &self.b), (&self.b, &self.a)] {
            let shared = derive::shared(&own.x25519_priv, &peer.x25519_pub).map_err(words)?;
            same("the shared secret", &shared[..], &self.shared_secret)?;
            same("the AES key", &derive::compatible(&shared)[..], &self.aead_key)?;
        }
        let prk = hmac(&[0; 32], &self.shared_secret);
        same("HKDF's extracted key", &prk, &self.hkdf_prk)?;
        same("HKDF's first block", &hmac(&prk, &[INFO, &[1]].concat()), &self.aead_key)?;
        let old = sha256::digest(&[BEFORE_HKDF, &self.shared_secret].concat());
        same("the key of the first source", &old, &self.not_this_key)?;
        if self.not_this_key == self.aead_key {
            return Err("the two derivations must differ".into());
        }
        Ok(())
    }

    /// A real exchange of two nodes, and a frame under its key.
    fn judge_exchange(&self, mode: Mode, engine: &'static dyn Engine) -> Judgement {
        let (clock, registry) = (Arc::new(ManualClock::at(0)), Arc::new(MapRegistry::default()));
        let party = |side: &Side| {
            registry.set(side.node_id, Some(side.ed25519_pub));
            Party::new(side.identity(), Options::new(mode), engine, &clock, &registry).map_err(words)
        };
        let (a, b) = (party(&self.a)?, party(&self.b)?);
        for (at, own, peer) in [(&a, &self.a, &self.b), (&b, &self.b, &self.a)] {
            let handled = at.node.exchange().handle(&peer.pila, Source::DIRECT).map_err(words)?;
            equal("the outcome of the PILA frame", handled.outcome, Outcome::New)?;
            let (to, reply) = at.wire.take().ok_or("no frame was sent in reply")?;
            equal("the receiver of the reply", to, peer.node_id)?;
            same("the reply", &reply, &own.pila)?;
        }
        let mut frame = a.node.seal(self.b.node_id, b"a message").map_err(words)?;
        let parts = Parts { key: self.aead_key, ..Parts::any() };
        let by_key = End::new(mode, engine, parts)?.opened_by_key(&frame)?;
        same("the message under the vector's key", &by_key, b"a message")?;
        let opened = b.node.open_in_place(&mut frame).map_err(words)?;
        same("the message that the peer opens", opened.plaintext, b"a message")
    }
}

/// HMAC-SHA256 by its definition, for keys of 32 bytes.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let hash = |block: [u8; 64], rest: &[u8]| -> [u8; 32] {
        let digest = sha256::digest(&[&block, rest].concat());
        digest[..].try_into().expect("SHA-256 has 32 bytes")
    };
    hash(pad(0x5c), &hash(pad(0x36), message))
}

/// A frame, and whether the receiver accepts it.
struct Handled {
    receiver: [u8; 32],
    frame: Vec<u8>,
    registered: [u8; 32],
    accept: bool,
}

impl Handled {
    fn read(node: &Node<'_>, receiver: [u8; 32]) -> Result<Self, Problem> {
        node.only(&["frame", "registry_pub_for_77", "expect_accept", "why"])?;
        node.member("why")?.text()?;
        Ok(Self {
            receiver,
            frame: node.member("frame")?.bytes()?,
            registered: array(&node.member("registry_pub_for_77")?)?,
            accept: node.member("expect_accept")?.truth()?,
        })
    }

    fn judge(&self, mode: Mode, engine: &'static dyn Engine) -> Ruling {
        let (clock, registry) = (Arc::new(ManualClock::at(0)), Arc::new(MapRegistry::default()));
        registry.set(SENDER, Some(self.registered));
        let identity = Identity::from_bytes(RECEIVER, Some(&self.receiver), None);
        let party = Party::new(identity, Options::new(mode), engine, &clock, &registry).map_err(words)?;
        let handled = party.node.exchange().handle(&self.frame, Source::DIRECT);
        if handled.is_ok() != self.accept {
            let expected = if self.accept { "acceptance" } else { "a refusal" };
            let seen = handled.map_or_else(|error| error.to_string(), |_| "acceptance".into());
            return Err(format!("expected {expected}, got {seen}"));
        }
        // A refused frame leaves nothing; an accepted one a session whose peer is known.
        let authenticated = party.node.session(SENDER).map(|session| session.authenticated());
        equal("the session of node 77", authenticated, self.accept.then_some(true))?;
        equal("the number of sessions", party.node.store().len(), usize::from(self.accept))?;
        Ok(None)
    }
}
