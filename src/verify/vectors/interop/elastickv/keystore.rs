//! The keystore script of `ek-storage-envelope.json`: each step is a case, judged after the steps before it.

use std::sync::Arc;

use super::{Judgement, Node, Problem, ends_as, integer, on_engine};
use crate::engine::Engine;
use crate::envelope::Keystore;
use crate::verify::Case;

pub(super) fn read(script: &Node<'_>) -> Result<Vec<Case>, Problem> {
    let steps: Arc<[Step]> = script.elements()?.map(|node| Step::read(&node)).collect::<Result<_, _>>()?;
    let case = |i: usize| {
        let steps = Arc::clone(&steps);
        on_engine(format!("keystore/{i}"), move |engine| replay(&steps[..=i], engine))
    };
    Ok((0..steps.len()).map(case).collect())
}

struct Step {
    change: Change,
    key_id: u32,
    expect: String,
    ids_after: Vec<u32>,
    len_after: usize,
}

enum Change {
    Set { dek: Vec<u8> },
    Delete,
}

impl Step {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let op = node.member("op")?;
        let dek = node.member("dek")?.bytes()?;
        Ok(Self {
            change: match op.text()? {
                "set" => Change::Set { dek },
                "delete" => Change::Delete,
                _ => return Err(op.problem("expected set or delete")),
            },
            key_id: integer(&node.member("key_id")?)?,
            expect: node.member("expect")?.text()?.to_owned(),
            ids_after: node
                .member("ids_after")?
                .elements()?
                .map(|id| integer(&id))
                .collect::<Result<_, _>>()?,
            len_after: integer(&node.member("len_after")?)?,
        })
    }
}

/// Plays the steps from an empty keystore and judges the last one.
fn replay(steps: &[Step], engine: &'static dyn Engine) -> Judgement {
    let keystore = Keystore::new(engine);
    let mut judgement = Ok(());
    for step in steps {
        let result = match &step.change {
            Change::Set { dek } => keystore.set(step.key_id, dek),
            Change::Delete => {
                keystore.delete(step.key_id);
                Ok(())
            }
        };
        judgement = step.judge(&keystore, &result);
    }
    judgement
}

impl Step {
    fn judge(&self, keystore: &Keystore, result: &Result<(), crate::envelope::Error>) -> Judgement {
        ends_as("the step", result, &self.expect)?;
        let (ids, len) = (keystore.ids(), keystore.len());
        if (&ids, len) != (&self.ids_after, self.len_after) {
            return Err(format!(
                "expected {} keys {:?}, found {len}: {ids:?}",
                self.len_after, self.ids_after
            ));
        }
        match &self.change {
            Change::Set { dek } if self.expect.is_empty() => {
                let loaded = keystore.keys().dek(self.key_id).is_some_and(|loaded| loaded[..] == dek[..]);
                if loaded { Ok(()) } else { Err("the loaded key is not the one that was set".into()) }
            }
            _ => Ok(()),
        }
    }
}
