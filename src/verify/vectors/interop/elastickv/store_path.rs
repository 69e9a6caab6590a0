//! `ek-store-path.json`: the write gate, and the results of reading stored values.

use std::sync::Arc;

use super::{Judgement, Node, Problem, array, ends_by_name, id_of, integer, named, on_engine, same};
use crate::engine::Engine;
use crate::envelope::keystore::DEK_LEN;
use crate::envelope::{Cipher, Keystore};
use crate::scheme::storage::value::{Gate, read as read_value};
use crate::scheme::storage::{Clear, Form};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let keys = root.member("keys")?;
    let key = |node: Node<'_>| Ok((integer(&node.member("key_id")?)?, array(&node.member("dek")?)?));
    let deks: Arc<[(u32, [u8; DEK_LEN])]> = keys.elements()?.map(key).collect::<Result<_, Problem>>()?;
    if deks.len() != 2 {
        return Err(keys.problem("expected two keys"));
    }
    let mut cases = Vec::new();
    for (i, node) in root.member("write_gate")?.elements()?.enumerate() {
        let gate = GateRow::read(&node)?;
        cases.push(on_engine(format!("write_gate/{i}"), move |_| gate.judge()));
    }
    for node in root.member("reads")?.elements()? {
        let (row, deks) = (Stored::read(&node)?, Arc::clone(&deks));
        cases.push(on_engine(id_of("reads", &node)?, move |engine| row.judge(&deks, engine)));
    }
    Ok(cases)
}

struct GateRow {
    gate: Gate,
    outcome: String,
}

impl GateRow {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let wired = |name: &str| {
            let member = node.member(name)?;
            match member.text()? {
                "not-wired" => Ok(None),
                "false" => Ok(Some(false)),
                "true" => Ok(Some(true)),
                _ => Err(member.problem("expected not-wired, false or true")),
            }
        };
        Ok(Self {
            gate: Gate {
                cipher: node.member("cipher_wired")?.truth()?,
                active: node.member("active_dek")?.truth()?.then_some(11),
                cutover: wired("cutover_gate")?,
                registered: wired("registered")?,
                direct: node.member("direct_write_path")?.truth()?,
            },
            outcome: node.member("outcome")?.text()?.to_owned(),
        })
    }

    fn judge(&self) -> Judgement {
        let form = self.gate.form();
        let seen = match form {
            Ok(Form::Clear) => "cleartext",
            Ok(Form::Sealed(_)) => "encrypted",
            Err(_) => return ends_by_name("the gate", named(&form), &self.outcome),
        };
        if seen == self.outcome {
            return Ok(());
        }
        Err(format!("the gate: expected {}, got {seen}", self.outcome))
    }
}

#[derive(Clone, Copy)]
enum Loaded {
    Both,
    OnlySecond,
    NoCipher,
}

struct Stored {
    pebble_key: Vec<u8>,
    stored_value: Vec<u8>,
    loaded: Loaded,
    expect: String,
    plaintext: Option<Vec<u8>>,
}

impl Stored {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let expect = node.member("expect")?.text()?.to_owned();
        let store = node.member("store")?;
        Ok(Self {
            pebble_key: node.member("pebble_key")?.bytes()?,
            stored_value: node.member("stored_value")?.bytes()?,
            loaded: match store.text()? {
                "cipher" => Loaded::Both,
                "only-second-dek" => Loaded::OnlySecond,
                "none" => Loaded::NoCipher,
                _ => return Err(store.problem("expected cipher, only-second-dek or none")),
            },
            plaintext: if expect.is_empty() { Some(node.member("plaintext")?.bytes()?) } else { None },
            expect,
        })
    }

    fn judge(&self, deks: &[(u32, [u8; DEK_LEN])], engine: &'static dyn Engine) -> Judgement {
        let loaded = match self.loaded {
            Loaded::Both => deks,
            Loaded::OnlySecond => &deks[1..],
            Loaded::NoCipher => &[],
        };
        let keystore = Keystore::new(engine);
        for (key_id, dek) in loaded {
            keystore.set(*key_id, dek).map_err(|error| error.to_string())?;
        }
        let cipher = Cipher::from(Arc::new(keystore));
        let cipher = (!loaded.is_empty()).then_some(&cipher);
        let seen = read_value(cipher, Clear::Allowed, &self.pebble_key, &self.stored_value);
        ends_by_name("read", named(&seen), &self.expect)?;
        if let (Ok(read), Some(plaintext)) = (seen, &self.plaintext) {
            same("read", &read.value, plaintext)?;
        }
        Ok(())
    }
}
