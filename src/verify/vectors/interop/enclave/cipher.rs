//! `e3-cipher.json`: master keys from passwords, blobs and refusals, key lengths, wrapped keys and their
//! stored form.

use std::sync::OnceLock;

use super::{Judgement, Node, Problem, array, ends_as, on_engine, only, same, without_cipher};
use crate::aead::{NONCE_LEN, Nonce};
use crate::engine::Engine;
use crate::scheme::ephemeral::{Form, MasterKey, Record, RoundId, RoundKey, TOMBSTONE, derive};
use crate::verify::Case;

/// The outcomes of opening a blob.
const OPENS: [&str; 4] = ["", "Invalid encrypted data length", "Could not decrypt data", "OTHER"];
/// The outcomes of making a key from bytes.
const KEYS: [&str; 3] = ["", "key must be exactly 32 bytes", "OTHER"];
/// The most bytes of a key that a case may request.
const MAX_KEY_LEN: usize = 1 << 16;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["passwords", "encrypt", "decrypt", "from_key_bytes", "wrapped", "tombstone_bincode"])?;
    let mut cases = Vec::new();
    for (i, node) in root.member("passwords")?.elements()?.enumerate() {
        let password = Password::read(&node)?;
        cases.push(without_cipher(format!("passwords/{i}"), move || password.judge()));
    }
    for (i, node) in root.member("encrypt")?.elements()?.enumerate() {
        let sealed = Sealed::read(&node)?;
        cases.push(on_engine(format!("encrypt/{i}"), move |engine| sealed.judge(engine)));
    }
    for (i, node) in root.member("decrypt")?.elements()?.enumerate() {
        let opened = Opened::read(&node)?;
        cases.push(on_engine(format!("decrypt/{i}"), move |engine| opened.judge(engine)));
    }
    for (i, node) in root.member("from_key_bytes")?.elements()?.enumerate() {
        node.only(&["len", "expect"])?;
        let (len, expect) = (node.member("len")?, node.member("expect")?.word(&KEYS)?);
        let too_long = || len.problem(format!("longer than the {MAX_KEY_LEN} bytes that a case may request"));
        let len = usize::try_from(len.number()?).ok().filter(|len| *len <= MAX_KEY_LEN);
        let len = len.ok_or_else(too_long)?;
        cases.push(on_engine(format!("from_key_bytes/{i}"), move |engine| {
            // Different keys: with one key in two roles, a mix-up would pass.
            ends_as("a master key", &MasterKey::with_engine(engine, &vec![7; len]), expect)?;
            ends_as("a round's key", &RoundKey::with_engine(engine, &vec![8; len]), expect)
        }));
    }
    for (i, node) in root.member("wrapped")?.elements()?.enumerate() {
        let wrapped = Wrapped::read(&node)?;
        cases.push(on_engine(format!("wrapped/{i}"), move |engine| wrapped.judge(engine)));
    }
    let tombstone = root.member("tombstone_bincode")?.bytes()?;
    cases.push(without_cipher("tombstone_bincode".into(), move || {
        same("the mark of a deleted record", &TOMBSTONE, &tombstone)?;
        match Record::from_stored(&tombstone) {
            Ok(None) => Ok(()),
            other => Err(format!("the mark of a deleted record is read as {other:?}")),
        }
    }));
    Ok(cases)
}

/// A password and its key. Derived once, because it takes long and no engine takes part.
struct Password {
    password: Vec<u8>,
    key: [u8; 32],
    judged: OnceLock<Judgement>,
}

impl Password {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&["password", "key", "expect"])?;
        node.member("expect")?.word(&[""])?;
        let (password, key) = (node.member("password")?.bytes()?, array(&node.member("key")?)?);
        Ok(Self { password, key, judged: OnceLock::new() })
    }

    fn judge(&self) -> Judgement {
        let judge = || {
            let key = derive(&self.password).map_err(|error| error.to_string())?;
            same("the key", &key[..], &self.key)
        };
        self.judged.get_or_init(judge).clone()
    }
}

struct Sealed {
    key: [u8; 32],
    nonce: Nonce,
    plaintext: Vec<u8>,
    blob: Vec<u8>,
    after: Vec<u8>,
}

impl Sealed {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&["key", "nonce", "plaintext", "blob", "input_buffer_after"])?;
        Ok(Self {
            key: array(&node.member("key")?)?,
            nonce: array(&node.member("nonce")?)?,
            plaintext: node.member("plaintext")?.bytes()?,
            blob: node.member("blob")?.bytes()?,
            after: node.member("input_buffer_after")?.bytes()?,
        })
    }

    fn judge(&self, engine: &'static dyn Engine) -> Judgement {
        let key = RoundKey::with_engine(engine, &self.key).map_err(|error| error.to_string())?;
        let mut plaintext = self.plaintext.clone();
        let blob = key.seal_with(&self.nonce, &mut plaintext).map_err(|error| error.to_string())?;
        same("the blob", &blob, &self.blob)?;
        same("the input buffer afterwards", &plaintext, &self.after)?;
        let opened = key.open_compatible(&self.blob).map_err(|error| error.to_string())?;
        same("the opened blob", &opened, &self.plaintext)
    }
}

struct Opened {
    key: [u8; 32],
    blob: Vec<u8>,
    expect: &'static str,
    plaintext: Option<Vec<u8>>,
}

impl Opened {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&["key", "blob", "expect", "plaintext", "why"])?;
        if let Some(why) = node.find("why")? {
            why.text()?;
        }
        let expect = node.member("expect")?.word(&OPENS)?;
        let plaintext = match (expect, node.find("plaintext")?) {
            ("", _) => Some(node.member("plaintext")?.bytes()?),
            (_, None) => None,
            (_, Some(plaintext)) => return Err(plaintext.problem("a refused blob has no plaintext")),
        };
        Ok(Self { key: array(&node.member("key")?)?, blob: node.member("blob")?.bytes()?, expect, plaintext })
    }

    fn judge(&self, engine: &'static dyn Engine) -> Judgement {
        let key = RoundKey::with_engine(engine, &self.key).map_err(|error| error.to_string())?;
        let opened = key.open_compatible(&self.blob);
        ends_as("open", &opened, self.expect)?;
        if let (Ok(opened), Some(plaintext)) = (&opened, &self.plaintext) {
            same("the plaintext", opened, plaintext)?;
        }
        // The key must still work after a refusal.
        let blob = key.seal_with(&[7; NONCE_LEN], &mut b"afterwards".to_vec());
        let again = blob.and_then(|blob| key.open_compatible(&blob));
        same(
            "a good blob afterwards",
            &again.map_err(|e| format!("a good blob afterwards: {e}"))?,
            b"afterwards",
        )
    }
}

struct Wrapped {
    master_key: [u8; 32],
    e3_key: [u8; 32],
    wrapped: [u8; 60],
    stored: Vec<u8>,
}

impl Wrapped {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&["master_key", "e3_key", "wrapped", "stored_bincode"])?;
        Ok(Self {
            master_key: array(&node.member("master_key")?)?,
            e3_key: array(&node.member("e3_key")?)?,
            wrapped: array(&node.member("wrapped")?)?,
            stored: node.member("stored_bincode")?.bytes()?,
        })
    }

    fn judge(&self, engine: &'static dyn Engine) -> Judgement {
        let text = |error: crate::scheme::ephemeral::Error| error.to_string();
        let master = MasterKey::with_engine(engine, &self.master_key).map_err(text)?;
        let nonce = self.wrapped.first_chunk().expect("60 bytes have a nonce");
        let record = master.wrap_with(nonce, &self.e3_key).map_err(text)?;
        same("the wrapped key", &record.0[..], &self.wrapped)?;
        same("the stored form", &record.to_stored()[..], &self.stored)?;
        let read =
            Record::from_stored(&self.stored).map_err(text)?.ok_or("the stored form reads as deleted")?;
        let round = RoundId::new(1, "1").map_err(|error| text(error.into()))?;
        let unwrapped = master.unwrap(Form::Compatible, &round, &read, None).map_err(text)?;
        // A round's key never shows its bytes, so the two keys are compared by the blobs that they seal.
        let own = RoundKey::with_engine(engine, &self.e3_key).map_err(text)?;
        let [ours, theirs] = [&unwrapped, &own].map(|key| key.seal_with(&[7; NONCE_LEN], &mut vec![7; 64]));
        same("a blob under the unwrapped key", &ours.map_err(text)?, &theirs.map_err(text)?)
    }
}
