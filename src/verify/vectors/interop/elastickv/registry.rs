//! `ek-registry.json`: keys and values of the writer registry.

use super::{Judgement, Named, Node, Problem, decimal, ends_by_name, integer, named, same, without_cipher};
use crate::envelope::nonce::node_id16;
use crate::scheme::storage::registry::{Writer, check_user_key, decode_key, dek_prefix, encode_key, is_row};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let mut cases = Vec::new();
    for (i, node) in root.member("vectors")?.elements()?.enumerate() {
        let vector = Row::read(&node)?;
        cases.push(without_cipher(format!("vectors/{i}"), move || vector.judge()));
    }
    for (i, node) in root.member("negatives")?.elements()?.enumerate() {
        let kind = node.member("kind")?;
        let decode: fn(&[u8]) -> Option<Named> = match kind.text()? {
            "key" => |raw| named(&decode_key(raw)),
            "value" => |raw| named(&Writer::decode(raw)),
            _ => return Err(kind.problem("expected key or value")),
        };
        let (raw, expect) = (node.member("raw")?.bytes()?, node.member("expect")?.text()?.to_owned());
        let case = move || ends_by_name("decode", decode(&raw), &expect);
        cases.push(without_cipher(format!("negatives/{i}"), case));
    }
    Ok(cases)
}

struct Row {
    dek_id: u32,
    node_id: u16,
    writer: Writer,
    dek_prefix: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Row {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        Ok(Self {
            dek_id: integer(&node.member("dek_id")?)?,
            node_id: integer(&node.member("node_id16")?)?,
            writer: Writer {
                full_node_id: decimal(&node.member("full_node_id")?)?,
                first_seen: integer(&node.member("first_seen")?)?,
                last_seen: integer(&node.member("last_seen")?)?,
            },
            dek_prefix: node.member("dek_prefix")?.bytes()?,
            key: node.member("key")?.bytes()?,
            value: node.member("value")?.bytes()?,
        })
    }

    fn judge(&self) -> Judgement {
        same("dek_prefix", &dek_prefix(self.dek_id), &self.dek_prefix)?;
        same("key", &encode_key(self.dek_id, node_id16(self.writer.full_node_id)), &self.key)?;
        same("value", &self.writer.encode(), &self.value)?;
        let seen = (decode_key(&self.key).ok(), Writer::decode(&self.value).ok());
        if seen != (Some((self.dek_id, self.node_id)), Some(self.writer)) {
            return Err("the row does not read back as the vector's".into());
        }
        // With its whole key, and with a key that a timestamp completes.
        let (short, version) =
            self.key.split_last_chunk::<8>().ok_or("a row's key is shorter than a timestamp")?;
        let writable = [(&self.key[..], 0), (short, !u64::from_be_bytes(*version))];
        if !is_row(&self.key) || writable.iter().any(|(key, ts)| check_user_key(key, *ts).is_ok()) {
            return Err("a scan would show the row, or a user could write it".into());
        }
        Ok(())
    }
}
