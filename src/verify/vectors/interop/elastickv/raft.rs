//! `ek-raft-envelope.json`: wrapped raft entries. The flag byte is not bound, so an entry with a flipped one
//! opens.

use std::sync::Arc;

use super::{
    Good, Judgement, Node, Problem, array, base_of, cipher_of, ends_as, id_of, integer, on_engine, opens_as,
    other_key_id, same,
};
use crate::aead::Nonce;
use crate::engine::Engine;
use crate::envelope::keystore::DEK_LEN;
use crate::envelope::{Aad, Cipher, Error, Header};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let mut vectors = Vec::new();
    for node in root.member("vectors")?.elements()? {
        vectors.push((id_of("vectors", &node)?, Arc::new(Vector::read(&node)?)));
    }
    let base = base_of(root, &vectors)?;
    let mut cases = Vec::new();
    for (id, vector) in vectors {
        cases.push(on_engine(id, move |engine| vector.judge(engine)));
    }
    for node in root.member("negatives")?.elements()? {
        let base = Arc::clone(&base);
        let envelope = node.member("envelope")?.bytes()?;
        let expect = node.member("expect")?.text()?.to_owned();
        cases.push(on_engine(id_of("negatives", &node)?, move |engine| {
            let cipher = cipher_of(engine, base.key_id, &base.dek)?;
            let good = Good { record: &base.envelope, aad: Aad::Raft, plaintext: &base.plaintext };
            opens_as(&cipher, &envelope, &Aad::Raft, &expect, &good)
        }));
    }
    for node in root.member("calls")?.elements()? {
        let id = node.member("id")?;
        let name = id.text()?;
        let Some((_, call)) = CALLS.iter().find(|(known, _)| *known == name) else {
            return Err(id.problem("no known call has this id"));
        };
        let (base, expect) = (Arc::clone(&base), node.member("expect")?.text()?.to_owned());
        cases.push(on_engine(id_of("calls", &node)?, move |engine| {
            ends_as("the call", &call(&base, &cipher_of(engine, base.key_id, &base.dek)?), &expect)
        }));
    }
    Ok(cases)
}

struct Vector {
    dek: [u8; DEK_LEN],
    key_id: u32,
    nonce: Nonce,
    aad: Vec<u8>,
    plaintext: Vec<u8>,
    envelope: Vec<u8>,
}

impl Vector {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        Ok(Self {
            dek: array(&node.member("dek")?)?,
            key_id: integer(&node.member("key_id")?)?,
            nonce: array(&node.member("nonce")?)?,
            aad: node.member("aad")?.bytes()?,
            plaintext: node.member("plaintext")?.bytes()?,
            envelope: node.member("envelope")?.bytes()?,
        })
    }

    fn judge(&self, engine: &'static dyn Engine) -> Judgement {
        same("aad", &Aad::Raft.to_vec(0, self.key_id), &self.aad)?;
        let cipher = cipher_of(engine, self.key_id, &self.dek)?;
        let sealed = cipher.seal(0, self.key_id, &self.nonce, &Aad::Raft, &self.plaintext);
        same("seal", &sealed.map_err(|e| format!("seal: {e}"))?, &self.envelope)?;
        let mut record = vec![0; self.envelope.len()];
        let header = Header { flag: 0, key_id: self.key_id, nonce: self.nonce };
        ends_as("seal_into", &cipher.seal_into(&header, &Aad::Raft, &self.plaintext, &mut record), "")?;
        same("seal_into", &record, &self.envelope)?;
        let opened = cipher.open_in_place(&mut record, &Aad::Raft);
        same("open_in_place", opened.map_err(|e| format!("open_in_place: {e}"))?, &self.plaintext)
    }
}

/// A call with the arguments that its id implies, on a cipher that holds the base vector's key.
type Call = fn(&Vector, &Cipher) -> Result<(), Error>;

const CALLS: [(&str, Call); 4] = [
    ("wrap-key0", |v, cipher| seal(v, cipher, 0, &v.nonce)),
    ("wrap-key0-badnonce", |v, cipher| seal(v, cipher, 0, &v.nonce[..11])),
    ("wrap-nil-cipher", |v, _| seal(v, &Cipher::default(), v.key_id, &v.nonce)),
    ("wrap-unknown", |v, cipher| seal(v, cipher, other_key_id(v.key_id), &v.nonce)),
];

fn seal(v: &Vector, cipher: &Cipher, key_id: u32, nonce: &[u8]) -> Result<(), Error> {
    cipher.seal(0, key_id, nonce, &Aad::Raft, &v.plaintext).map(|_| ())
}
