//! `ek-storage-envelope.json`: sealing byte for byte, refusals by name, the value header.

use std::sync::Arc;

use super::{
    Good, Judgement, Node, Problem, array, base_of, cipher_of, decimal, ends_as, id_of, integer, keystore,
    on_engine, opens_as, other_key_id, same,
};
use crate::aead::Nonce;
use crate::engine::Engine;
use crate::envelope::aad::{VALUE_HEADER_LEN, pebble_key};
use crate::envelope::keystore::DEK_LEN;
use crate::envelope::record::{self, VERSION};
use crate::envelope::{
    Aad, Cipher, Error, HEADER_LEN, Header, NonceSource, Record, State, Unsealed, ValueHeader,
};
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
        let (base, negative) = (Arc::clone(&base), Negative::read(&node)?);
        cases.push(on_engine(id_of("negatives", &node)?, move |engine| negative.judge(&base, engine)));
    }
    for node in root.member("calls")?.elements()? {
        let id = node.member("id")?;
        let name = id.text()?;
        let Some((_, call)) = CALLS.iter().find(|(known, _)| *known == name) else {
            return Err(id.problem("no known call has this id"));
        };
        let (base, expect) = (Arc::clone(&base), node.member("expect")?.text()?.to_owned());
        cases.push(on_engine(id_of("calls", &node)?, move |engine| {
            ends_as("the call", &call(&base, &base.cipher(engine)?), &expect)
        }));
    }
    cases.extend(keystore::read(&root.member("keystore")?)?);
    for (i, node) in root.member("value_header")?.elements()?.enumerate() {
        let header = Decoded::read(&node)?;
        cases.push(on_engine(format!("value_header/{i}"), move |_| header.judge()));
    }
    Ok(cases)
}

/// One record and all of its inputs.
struct Vector {
    dek: [u8; DEK_LEN],
    header: Header,
    node_id: u16,
    local_epoch: u16,
    user_key: Vec<u8>,
    commit_ts: u64,
    pebble_key: Vec<u8>,
    fields: ValueHeader,
    value_header: [u8; VALUE_HEADER_LEN],
    aad: Vec<u8>,
    plaintext: Vec<u8>,
    body: Vec<u8>,
    envelope: Vec<u8>,
    stored_value: Vec<u8>,
}

impl Vector {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        Ok(Self {
            dek: array(&node.member("dek")?)?,
            header: Header {
                flag: integer(&node.member("flag")?)?,
                key_id: integer(&node.member("key_id")?)?,
                nonce: array(&node.member("nonce")?)?,
            },
            node_id: integer(&node.member("node_id16")?)?,
            local_epoch: integer(&node.member("local_epoch")?)?,
            user_key: node.member("user_key")?.bytes()?,
            commit_ts: decimal(&node.member("commit_ts")?)?,
            pebble_key: node.member("pebble_key")?.bytes()?,
            fields: fields(node)?,
            value_header: array(&node.member("value_header")?)?,
            aad: node.member("aad")?.bytes()?,
            plaintext: node.member("plaintext")?.bytes()?,
            body: node.member("body")?.bytes()?,
            envelope: node.member("envelope")?.bytes()?,
            stored_value: node.member("stored_value")?.bytes()?,
        })
    }

    fn cipher(&self, engine: &'static dyn Engine) -> Result<Cipher, String> {
        cipher_of(engine, self.header.key_id, &self.dek)
    }

    fn bound(&self) -> Aad<'_> {
        Aad::Storage { value_header: &self.value_header, pebble_key: &self.pebble_key }
    }

    /// A source whose next nonce is this vector's.
    fn nonces(&self) -> Result<NonceSource, String> {
        let [_, _, _, _, count @ ..] = self.header.nonce;
        let before = u64::from_be_bytes(count).checked_sub(1).ok_or("a nonce with write count 0")?;
        Ok(NonceSource::after(self.node_id, self.local_epoch, before))
    }

    fn judge(&self, engine: &'static dyn Engine) -> Judgement {
        let Header { flag, key_id, nonce } = self.header;
        let next: Nonce = self.nonces()?.next().map_err(|e| e.to_string())?;
        same("nonce", &next, &nonce)?;
        same("pebble_key", &pebble_key(&self.user_key, self.commit_ts), &self.pebble_key)?;
        same("value_header", &self.fields.encode(), &self.value_header)?;
        same("aad", &self.bound().to_vec(flag, key_id), &self.aad)?;
        self.bound().compose(flag, key_id, |aad| same("aad on the stack", aad, &self.aad))?;

        let cipher = self.cipher(engine)?;
        let sealed = cipher.seal(flag, key_id, &nonce, &self.bound(), &self.plaintext);
        same("seal", &sealed.map_err(|e| format!("seal: {e}"))?, &self.envelope)?;
        let mut out = vec![0; self.envelope.len()];
        let len = cipher.seal_into(&self.header, &self.bound(), &self.plaintext, &mut out);
        ends_as("seal_into", &len, "")?;
        same("seal_into", &out, &self.envelope)?;
        out.fill(0);
        let mut message = [Unsealed { flag, aad: self.bound(), plaintext: &self.plaintext, out: &mut out }];
        ends_as("seal_many", &cipher.seal_many(key_id, &self.nonces()?, &mut message), "")?;
        same("seal_many", &out, &self.envelope)?;

        let Record { header, body } = Record::decode(&self.envelope).map_err(|e| e.to_string())?;
        if header != self.header {
            return Err("the header of the envelope is not the vector's".into());
        }
        same("body", body, &self.body)?;
        let (fields, record) = ValueHeader::decode(&self.stored_value).map_err(|e| e.to_string())?;
        if fields != self.fields {
            return Err("the value header of stored_value is not the vector's".into());
        }
        same("stored_value", record, &self.envelope)?;

        let opened = cipher.open(&self.envelope, &self.bound());
        same("open", &opened.map_err(|e| format!("open: {e}"))?, &self.plaintext)?;
        let opened = cipher.open_in_place(&mut out, &self.bound());
        same("open_in_place", opened.map_err(|e| format!("open_in_place: {e}"))?, &self.plaintext)
    }
}

/// The fields of a value header.
fn fields(node: &Node<'_>) -> Result<ValueHeader, Problem> {
    let state = node.member("enc_state")?;
    Ok(ValueHeader {
        tombstone: node.member("tombstone")?.truth()?,
        state: match state.number()? {
            0 => State::Clear,
            1 => State::Encrypted,
            _ => return Err(state.problem("expected 0 or 1: the other states are reserved")),
        },
        expire_at: decimal(&node.member("expire_at")?)?,
    })
}

/// A record that is opened under the base vector's key.
struct Negative {
    envelope: Vec<u8>,
    value_header: [u8; VALUE_HEADER_LEN],
    pebble_key: Vec<u8>,
    expect: String,
}

impl Negative {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        Ok(Self {
            envelope: node.member("envelope")?.bytes()?,
            value_header: array(&node.member("value_header")?)?,
            pebble_key: node.member("pebble_key")?.bytes()?,
            expect: node.member("expect")?.text()?.to_owned(),
        })
    }

    fn judge(&self, base: &Vector, engine: &'static dyn Engine) -> Judgement {
        let cipher = base.cipher(engine)?;
        let aad = Aad::Storage { value_header: &self.value_header, pebble_key: &self.pebble_key };
        let good = Good { record: &base.envelope, aad: base.bound(), plaintext: &base.plaintext };
        opens_as(&cipher, &self.envelope, &aad, &self.expect, &good)
    }
}

/// A call with the arguments that its id implies, on a cipher that holds the base vector's key.
type Call = fn(&Vector, &Cipher) -> Result<(), Error>;

const CALLS: [(&str, Call); 11] = [
    ("enc-key0", |v, cipher| seal(v, cipher, 0, &v.header.nonce)),
    ("enc-nonce11", |v, cipher| seal(v, cipher, v.header.key_id, &v.header.nonce[..11])),
    ("enc-unknown", |v, cipher| seal(v, cipher, other_key_id(v.header.key_id), &v.header.nonce)),
    ("enc-key0-badnonce", |v, cipher| seal(v, cipher, 0, &v.header.nonce[..11])),
    ("enc-unknown-badnonce", |v, cipher| {
        seal(v, cipher, other_key_id(v.header.key_id), &v.header.nonce[..11])
    }),
    ("enc-zero-cipher", |v, _| seal(v, &Cipher::default(), v.header.key_id, &v.header.nonce)),
    ("new-nil", |_, _| Cipher::new(None).map(|_| ())),
    ("encode-ver2", |v, _| encode(VERSION + 1, v, &v.body)),
    ("encode-body15", |v, _| encode(VERSION, v, &[0; 15])),
    ("encode-both", |v, _| encode(VERSION + 1, v, &[0; 15])),
    ("dec-15", |v, cipher| {
        cipher.open_body(v.header.key_id, &v.header.nonce, &v.aad, &mut [0; 15]).map(|_| ())
    }),
];

fn seal(v: &Vector, cipher: &Cipher, key_id: u32, nonce: &[u8]) -> Result<(), Error> {
    cipher.seal(v.header.flag, key_id, nonce, &v.bound(), &v.plaintext).map(|_| ())
}

fn encode(version: u8, v: &Vector, body: &[u8]) -> Result<(), Error> {
    record::encode(version, &v.header, body, &mut vec![0; HEADER_LEN + body.len()]).map(|_| ())
}

/// A value header as stored, with its fields or its refusal.
struct Decoded {
    raw: Vec<u8>,
    expect: String,
    fields: Option<ValueHeader>,
}

impl Decoded {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let expect = node.member("expect")?.text()?.to_owned();
        let fields = if expect.is_empty() { Some(fields(node)?) } else { None };
        Ok(Self { raw: node.member("raw")?.bytes()?, expect, fields })
    }

    fn judge(&self) -> Judgement {
        let decoded = ValueHeader::decode(&self.raw);
        ends_as("decode", &decoded, &self.expect)?;
        let (Ok((seen, rest)), Some(fields)) = (decoded, self.fields) else {
            return Ok(());
        };
        if seen != fields {
            return Err("the members are not the vector's".into());
        }
        same("encode", &fields.encode(), &self.raw[..self.raw.len() - rest.len()])
    }
}
