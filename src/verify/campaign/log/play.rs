//! A story as it is played: an engine that lives until a fault, and the model of what it holds.

use std::collections::BTreeMap;

use super::defect::{self, Defect};
use super::model::{Model, Pending};
use super::story::{Op, Story, options};
use super::{DIR, Found};
use crate::disk::Recorder;
use crate::scheme::log::engine::{Applied, Engine, Known, Mutation};
use crate::scheme::log::wal::Tail;
use crate::scheme::log::{Code, Error};

/// How a story ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Played {
    /// With its last operation.
    Whole,
    /// With an engine that refused.
    Stopped(String),
}

/// A story up to some operation, and what the log may hold.
#[derive(Clone)]
pub(super) struct Play<'a> {
    story: &'a Story,
    defect: Option<Defect>,
    /// The number of the next operation.
    next: usize,
    /// What was acknowledged.
    model: Model,
    pending: Pending,
}

/// Why an operation did not succeed.
enum Fail {
    Refused(String),
    Found(Found),
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl<'a> Play<'a> {
    pub fn new(story: &'a Story, defect: Option<Defect>) -> Self {
        Self { story, defect, next: 0, model: Model::default(), pending: Pending::Nothing }
    }

    /// Plays from the next operation to the end, or until the engine refuses.
    pub fn go(&mut self, disk: &Recorder) -> Result<Played, Found> {
        let mut engine = match self.start(disk) {
            Ok(engine) => engine,
            Err(Fail::Refused(why)) => return Ok(Played::Stopped(why)),
            Err(Fail::Found(found)) => return Err(found),
        };
        let story = self.story;
        while let Some(op) = story.ops.get(self.next) {
            self.next += 1;
            let done = match op {
                Op::Restart => {
                    drop(engine);
                    self.start(disk)
                }
                op => self.operate(disk, engine, op),
            };
            match done {
                Ok(alive) => engine = alive,
                Err(Fail::Refused(why)) => return Ok(Played::Stopped(why)),
                Err(Fail::Found(found)) => return Err(found),
            }
        }
        Ok(Played::Whole)
    }

    /// A life that ends with all its writes answered: the process was killed, and the next one starts on the
    /// same machine. It repeats the writes that were not answered, after a flush or without one.
    pub fn repeat(&mut self, disk: &Recorder, flushes: bool) -> Result<(), Found> {
        let unanswered = self.pending.clone();
        let live = |play: &mut Self| -> Result<(), Fail> {
            let mut engine = play.start(disk)?;
            if flushes {
                engine.flush()?;
            }
            if let Pending::Writes(mutations) = &unanswered {
                play.commit(&mut engine, mutations)?;
            }
            Ok(())
        };
        live(self).map_err(|fail| match fail {
            Fail::Refused(why) => Found::Stuck(why),
            Fail::Found(found) => found,
        })
    }

    /// Starts an engine, and checks what it holds.
    fn start(&mut self, disk: &Recorder) -> Result<Engine, Fail> {
        let engine = Engine::open(defect::disk(disk, self.defect), DIR, options(Tail::Truncate))?;
        let state = self.explain(&engine)?.map_err(Fail::Found)?;
        (self.model, self.pending) = (state, Pending::Nothing);
        Ok(engine)
    }

    fn operate(&mut self, disk: &Recorder, mut engine: Engine, op: &Op) -> Result<Engine, Fail> {
        match op {
            Op::Restart => {}
            Op::Flush => engine.flush()?,
            Op::Compact => engine.compact()?,
            Op::Commit(mutations) => self.commit(&mut engine, mutations)?,
            Op::Again(mutation) => {
                let known = self.model.ids.contains(&mutation.request_id);
                self.commit(&mut engine, std::slice::from_ref(mutation))?;
                if known && self.model.rows.get(&mutation.key) != engine.get(&mutation.key)?.as_ref() {
                    return Err(Fail::Found(Found::Mixture(format!("{} was applied again", id(mutation)))));
                }
            }
            Op::Install(number) => {
                self.pending = Pending::Install(*number);
                let snapshot = &self.story.snapshots[*number];
                if self.defect == Some(Defect::InstallWipesFirst) {
                    engine = defect::install_wiping(disk, engine, snapshot).map_err(Fail::Refused)?;
                } else {
                    engine.install_with(&snapshot.payload, &snapshot.history)?;
                }
                (self.model, self.pending) = (snapshot.model.clone(), Pending::Nothing);
            }
        }
        let state = self.explain(&engine)?.map_err(Fail::Found)?;
        if state == self.model {
            return Ok(engine);
        }
        Err(Fail::Found(Found::Mixture(format!("after operation {}", self.next - 1))))
    }

    /// Writes, and once more if that is refused: a client repeats its request, and an engine that then says
    /// yes must mean it.
    fn commit(&mut self, engine: &mut Engine, mutations: &[Mutation]) -> Result<(), Fail> {
        self.pending = Pending::Writes(mutations.to_vec());
        let mut applied = engine.commit(mutations);
        if applied.is_err() {
            self.hides(engine, mutations)?;
            applied = engine.commit(mutations);
        }
        for (mutation, applied) in mutations.iter().zip(applied?) {
            let seen = self.model.ids.contains(&mutation.request_id);
            if (applied == Applied::Duplicate) != seen {
                let what = format!("{} is told {applied:?}", id(mutation));
                return Err(Fail::Found(if seen { Found::Lost(what) } else { Found::Mixture(what) }));
            }
            self.model.apply(mutation);
        }
        self.pending = Pending::Nothing;
        Ok(())
    }

    /// A write that was refused is not to be seen, because a power loss may still take it away.
    fn hides(&self, engine: &Engine, mutations: &[Mutation]) -> Result<(), Fail> {
        for mutation in mutations {
            // An engine that answers nothing any more shows nothing.
            if let Ok(found) = engine.get(&mutation.key)
                && found.as_ref() != self.model.rows.get(&mutation.key)
            {
                return Err(Fail::Found(Found::Early(id(mutation))));
            }
        }
        Ok(())
    }

    /// The state that the engine is in, if it is one that it may be in.
    fn explain(&self, engine: &Engine) -> Result<Result<Model, Found>, Fail> {
        let rows: BTreeMap<Vec<u8>, Vec<u8>> = engine.scan()?.into_iter().collect();
        let ids = self.pending.ids(&self.model, &self.story.snapshots);
        let ids = ids.into_iter().filter(|id| !matches!(engine.known(id), Known::Never)).collect();
        let state = Model { rows, ids };
        let allowed = self.pending.states(&self.model, &self.story.snapshots);
        if allowed.contains(&state) {
            return Ok(Ok(state));
        }
        // Whether what is missing was acknowledged, or what is there is not whole.
        let missing = self.model.ids.iter().find(|id| !state.ids.contains(*id));
        let acknowledged = allowed.iter().all(|state| missing.is_none_or(|id| state.ids.contains(id)));
        Ok(Err(match missing.filter(|_| acknowledged) {
            Some(id) => Found::Lost(String::from_utf8_lossy(id).into_owned()),
            None => Found::Mixture(difference(&allowed[allowed.len() - 1], &state)),
        }))
    }

    /// A start that is strict about tails gives what is allowed or refuses a torn one by name, and changes
    /// nothing. Returns whether it refused.
    pub fn check_strict(&self, disk: &Recorder) -> Result<bool, Found> {
        let copy = disk.after_restart();
        let engine = match Engine::open(defect::disk(&copy, self.defect), DIR, options(Tail::Strict)) {
            Ok(engine) => engine,
            // Half of a record, or zeros.
            Err(error) if matches!(error.code(), Code::TruncatedRecord | Code::InvalidMagic) => {
                return Ok(true);
            }
            Err(error) => return Err(Found::Stuck(format!("a strict start: {error}"))),
        };
        match self.explain(&engine) {
            Ok(explained) => explained.map(|_| false),
            Err(Fail::Refused(why)) => Err(Found::Stuck(why)),
            Err(Fail::Found(found)) => Err(found),
        }
    }

    /// At the end of a story a last start finds everything.
    pub fn check_end(&mut self, disk: &Recorder) -> Result<(), Found> {
        match self.start(&disk.after_restart()) {
            Ok(_) => Ok(()),
            Err(Fail::Refused(why)) => Err(Found::Stuck(why)),
            Err(Fail::Found(found)) => Err(found),
        }
    }
}

fn id(mutation: &Mutation) -> String {
    String::from_utf8_lossy(&mutation.request_id).into_owned()
}

/// The first key or request id in which two states differ.
fn difference(expected: &Model, found: &Model) -> String {
    let keys = expected.rows.keys().chain(found.rows.keys());
    let mut keys = keys.filter(|key| expected.rows.get(*key) != found.rows.get(*key));
    let shown = |value: Option<&Vec<u8>>| match value {
        Some(value) => format!("{:?}", String::from_utf8_lossy(&value[..value.len().min(20)])),
        None => "nothing".to_owned(),
    };
    match keys.next() {
        Some(key) => format!(
            "{} has {} instead of {}",
            String::from_utf8_lossy(key),
            shown(found.rows.get(key)),
            shown(expected.rows.get(key))
        ),
        None => {
            let others = expected.ids.symmetric_difference(&found.ids).next();
            format!("request ids differ, such as {}", shown(others))
        }
    }
}
