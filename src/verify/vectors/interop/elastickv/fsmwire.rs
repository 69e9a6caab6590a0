//! `ek-fsmwire.json`: payloads of log entries, byte for byte, and the payloads that are refused.

use super::{Judgement, Named, Node, Problem, decimal, ends_by_name, integer, named, same, without_cipher};
use crate::scheme::storage::Purpose;
use crate::scheme::storage::wire::{Bootstrap, Entry, Registration, Rotation, Subtag};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let mut cases = Vec::new();
    for (array, read) in [
        ("registration", (|node| Ok(Entry::Registration(row(node)?))) as fn(&Node<'_>) -> _),
        ("bootstrap", |node| Ok(Entry::Bootstrap(bootstrap(node)?))),
        ("rotation", |node| Ok(Entry::Rotation(rotation(node)?))),
    ] {
        for (i, node) in root.member(array)?.elements()?.enumerate() {
            let entry: Entry = read(&node)?;
            let (payload, whole) = (node.member("payload")?.bytes()?, node.member("entry")?.bytes()?);
            cases.push(without_cipher(format!("{array}/{i}"), move || judge(&entry, &payload, &whole)));
        }
    }
    for (i, node) in root.member("negatives")?.elements()?.enumerate() {
        let kind = node.member("kind")?;
        let decode: Decode = match kind.text()? {
            "registration" => |payload| named(&Registration::decode(payload)),
            "bootstrap" => |payload| named(&Bootstrap::decode(payload)),
            "rotation" => |payload| named(&Rotation::decode(payload)),
            _ => return Err(kind.problem("expected registration, bootstrap or rotation")),
        };
        node.member("why")?.text()?;
        let (payload, expect) = (node.member("payload")?.bytes()?, node.member("expect")?.text()?.to_owned());
        let case = move || ends_by_name("decode", decode(&payload), &expect);
        cases.push(without_cipher(format!("negatives/{i}"), case));
    }
    for (i, node) in root.member("cap")?.elements()?.enumerate() {
        let (mut payload, expect) =
            (node.member("prefix")?.bytes()?, node.member("expect")?.text()?.to_owned());
        let count = node.member("batch_count")?;
        let rows: u32 = integer(&count)?;
        if rows > 1 << 16 {
            return Err(count.problem("too many rows"));
        }
        node.member("rows")?.text()?;
        payload.extend(rows.to_be_bytes());
        payload.resize(payload.len() + rows as usize * 14, 0);
        let case = move || ends_by_name("decode", named(&Bootstrap::decode(&payload)), &expect);
        cases.push(without_cipher(format!("cap/{i}"), case));
    }
    Ok(cases)
}

type Decode = fn(&[u8]) -> Option<Named>;

fn judge(entry: &Entry, payload: &[u8], whole: &[u8]) -> Judgement {
    same("entry", &entry.encode(), whole)?;
    same("payload", &entry.encode()[1..], payload)?;
    match Entry::decode(whole) {
        Ok(Some(seen)) if seen == *entry => {}
        Ok(_) => return Err("it decodes as another entry".into()),
        Err(error) => return Err(format!("decode: {error}")),
    }
    for len in 1..whole.len() {
        if Entry::decode(&whole[..len]).is_ok() {
            return Err(format!("its first {len} bytes decode as well"));
        }
    }
    Ok(())
}

fn row(node: &Node<'_>) -> Result<Registration, Problem> {
    Ok(Registration {
        dek_id: integer(&node.member("dek_id")?)?,
        full_node_id: decimal(&node.member("full_node_id")?)?,
        local_epoch: integer(&node.member("local_epoch")?)?,
    })
}

fn bootstrap(node: &Node<'_>) -> Result<Bootstrap, Problem> {
    Ok(Bootstrap {
        storage_id: integer(&node.member("storage_dek_id")?)?,
        wrapped_storage: node.member("wrapped_storage")?.bytes()?,
        raft_id: integer(&node.member("raft_dek_id")?)?,
        wrapped_raft: node.member("wrapped_raft")?.bytes()?,
        rows: node.member("batch")?.elements()?.map(|node| row(&node)).collect::<Result<_, _>>()?,
    })
}

fn rotation(node: &Node<'_>) -> Result<Rotation, Problem> {
    let (subtag, purpose) = (node.member("subtag")?, node.member("purpose")?);
    Ok(Rotation {
        subtag: match subtag.number()? {
            1 => Subtag::Rotate,
            4 => Subtag::EnableStorage,
            5 => Subtag::EnableRaft,
            _ => return Err(subtag.problem("expected 1, 4 or 5")),
        },
        dek_id: integer(&node.member("dek_id")?)?,
        purpose: Purpose::from_byte(integer(&purpose)?).ok_or_else(|| purpose.problem("expected 1 or 2"))?,
        wrapped: node.member("wrapped")?.bytes()?,
        proposer: row(&node.member("proposer")?)?,
    })
}
