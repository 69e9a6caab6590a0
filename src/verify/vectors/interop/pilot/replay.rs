//! `pilot-replay.json`: sequences of authentic counters. Each step is a case, judged after the steps before
//! it, as a frame that a node opens.

use std::sync::Arc;

use super::{End, Mode, Node, Parts, Problem, Ruling, decimal, equal, in_each_mode, name_of, only};
use crate::engine::Engine;
use crate::scheme::tunnel::{COUNTER_ZERO, Error};
use crate::verify::Case;

/// The verdicts on a counter.
const VERDICTS: [&str; 3] = ["accept", "ErrReplay", "ErrOutsideWindow"];

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["sequences"])?;
    let mut cases = Vec::new();
    for node in root.member("sequences")?.elements()? {
        node.only(&["name", "steps"])?;
        let (name, list) = (node.member("name")?.text()?, node.member("steps")?);
        let steps: Arc<Vec<Step>> =
            Arc::new(list.elements()?.map(|step| Step::read(&step)).collect::<Result<_, _>>()?);
        for i in 0..steps.len() {
            let steps = Arc::clone(&steps);
            in_each_mode(&mut cases, &format!("{name}/{i}"), true, move |mode, engine| {
                judge(&steps[..=i], mode, engine)
            });
        }
    }
    Ok(cases)
}

struct Step {
    counter: u64,
    verdict: &'static str,
    max_after: u64,
}

impl Step {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&["counter", "verdict", "max_after"])?;
        Ok(Self {
            counter: decimal(&node.member("counter")?)?,
            verdict: node.member("verdict")?.word(&VERDICTS)?,
            max_after: decimal(&node.member("max_after")?)?,
        })
    }
}

/// Opens the frames of all steps in order; judges the last.
fn judge(steps: &[Step], mode: Mode, engine: &'static dyn Engine) -> Ruling {
    let end = End::new(mode, engine, Parts::any())?;
    let mut last = Ok(Vec::new());
    for step in steps {
        last = end.open(&end.sealed(step.counter, b"message")?)?;
    }
    let Some(step) = steps.last() else { return Err("a sequence without steps".into()) };
    let ruling = match last {
        // Whatever the reference's window says of 0, no sender uses it.
        Err(Error::CounterZero) if mode == Mode::Safe => Some(COUNTER_ZERO),
        seen => {
            let expected = if step.verdict == "accept" { "" } else { step.verdict };
            equal("the verdict", name_of(&seen), expected)?;
            None
        }
    };
    equal("the highest counter", end.session.window_max(), step.max_after)?;
    Ok(ruling)
}
