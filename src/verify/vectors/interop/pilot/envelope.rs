//! `pilot-envelope.json`: sealed frames byte for byte, and refusals by name.

use super::{
    End, Mode, Node, Parts, Problem, Ruling, array, decimal, equal, in_each_mode, integer, name_of, only,
    same, words,
};
use crate::engine::Engine;
use crate::verify::Case;

/// The verdicts on a frame.
const VERDICTS: [&str; 4] = ["", "ErrTooShort", "ErrNoKey", "ErrAEAD"];
/// A counter that no refused frame of the file carries.
const LATER: u64 = 1_000;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["vectors", "negatives", "negatives_key", "negatives_peer", "negatives_source"])?;
    root.member("negatives_source")?.text()?;
    let mut cases = Vec::new();
    for (i, node) in root.member("vectors")?.elements()?.enumerate() {
        let frame = Frame::read(&node)?;
        in_each_mode(&mut cases, &format!("vectors/{i}"), true, move |mode, engine| {
            frame.judge(mode, engine)
        });
    }
    let (key, peer) = (array(&root.member("negatives_key")?)?, integer(&root.member("negatives_peer")?)?);
    for (i, node) in root.member("negatives")?.elements()?.enumerate() {
        let tried = Tried::read(&node, key, peer)?;
        let id = format!("negatives/{i}");
        in_each_mode(&mut cases, &id, true, move |mode, engine| tried.judge(mode, engine));
    }
    Ok(cases)
}

/// A frame and everything that it is made of.
struct Frame {
    key: [u8; 32],
    sender: u32,
    prefix: [u8; 4],
    counter_before: u64,
    counter_on_wire: u64,
    aad: [u8; 4],
    plaintext: Vec<u8>,
    frame: Vec<u8>,
}

impl Frame {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&[
            "aead_key",
            "sender_node_id",
            "nonce_prefix",
            "counter_before",
            "counter_on_wire",
            "aad",
            "plaintext",
            "frame",
        ])?;
        Ok(Self {
            key: array(&node.member("aead_key")?)?,
            sender: integer(&node.member("sender_node_id")?)?,
            prefix: array(&node.member("nonce_prefix")?)?,
            counter_before: decimal(&node.member("counter_before")?)?,
            counter_on_wire: decimal(&node.member("counter_on_wire")?)?,
            aad: array(&node.member("aad")?)?,
            plaintext: node.member("plaintext")?.bytes()?,
            frame: node.member("frame")?.bytes()?,
        })
    }

    /// The sender's end, or the receiver's.
    fn end(&self, mode: Mode, engine: &'static dyn Engine, sends: bool) -> Result<End, String> {
        let other = self.sender ^ 1;
        let (own, peer) = if sends { (self.sender, other) } else { (other, self.sender) };
        let sealed_before = if sends { self.counter_before } else { 0 };
        End::new(mode, engine, Parts { own, peer, key: self.key, prefix: self.prefix, sealed_before })
    }

    fn judge(&self, mode: Mode, engine: &'static dyn Engine) -> Ruling {
        same("the additional data", &self.sender.to_be_bytes(), &self.aad)?;
        let sender = self.end(mode, engine, true)?;
        let sealed = sender.node().seal(sender.parts.peer, &self.plaintext).map_err(words)?;
        same("the frame", &sealed, &self.frame)?;
        let receiver = self.end(mode, engine, false)?;
        let by_key = receiver.sealed(self.counter_on_wire, &self.plaintext)?;
        same("the frame by the key alone", &by_key, &self.frame)?;
        let opened = receiver.open(&self.frame)?.map_err(words)?;
        same("the message", &opened, &self.plaintext)?;
        equal("the highest counter", receiver.session.window_max(), self.counter_on_wire)?;
        equal("the same frame again", name_of(&receiver.open(&self.frame)?), "ErrReplay")?;
        Ok(None)
    }
}

/// A frame to open in a fresh state, and the verdict.
struct Tried {
    key: [u8; 32],
    peer: u32,
    frame: Vec<u8>,
    expect: &'static str,
}

impl Tried {
    fn read(node: &Node<'_>, key: [u8; 32], peer: u32) -> Result<Self, Problem> {
        node.only(&["frame", "expect", "why"])?;
        node.member("why")?.text()?;
        let (frame, expect) = (node.member("frame")?.bytes()?, node.member("expect")?.word(&VERDICTS)?);
        Ok(Self { key, peer, frame, expect })
    }

    fn judge(&self, mode: Mode, engine: &'static dyn Engine) -> Ruling {
        let parts = Parts { own: !self.peer, peer: self.peer, key: self.key, ..Parts::any() };
        let end = End::new(mode, engine, parts)?;
        let opened = end.open(&self.frame)?;
        equal("the verdict", name_of(&opened), self.expect)?;
        if let Ok(message) = opened {
            same("the message", &message, &end.opened_by_key(&self.frame)?)?;
        }
        // A refused frame must not harm the session.
        let later = end.open(&end.sealed(LATER, b"later")?)?;
        same("a genuine frame afterwards", &later.map_err(words)?, b"later")?;
        Ok(None)
    }
}
