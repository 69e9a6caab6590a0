//! A run: every case of every set on every engine that takes part, tallied.
//!
//! It decides no exit code and prints nothing; what went wrong is in the report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rayon::prelude::*;

use super::dir::Folder;
use super::{
    Catalog, EngineInfo, Failure, FileState, Outcome, Report, SCHEMA, SchemeReport, Set, SetReport, Tally,
    fault, judge, primitive,
};
use crate::engine::{Engine, Witnesses, find};
use crate::host::Host;
use crate::scheme::{Scheme, schemes};

/// What to verify.
pub struct Plan {
    /// The engines that are asked for; one that this CPU cannot run takes no part.
    pub engines: Vec<&'static dyn Engine>,
    /// The schemes that can be verified: those that were compiled in, and a user's own.
    pub schemes: Vec<&'static dyn Scheme>,
    /// The cases.
    pub sets: Sets,
    /// Engines or families that must take part and run a case: one that does not is a failure.
    pub require: Vec<String>,
    /// Engines that were asked for by name: one that takes part and runs no case is a failure, even where
    /// the sets use no engine.
    pub named: Vec<String>,
    /// The seed of everything that is drawn at random.
    pub seed: u64,
    /// What the engines were seen to execute; one that they refute takes no part, and that is a failure.
    pub witnesses: Witnesses,
}

impl Plan {
    /// These engines on these cases, and the schemes that were compiled in: no engine is required, and none
    /// has a witness.
    pub fn new(engines: Vec<&'static dyn Engine>, sets: Sets, seed: u64) -> Self {
        let (require, named, witnesses) = (Vec::new(), Vec::new(), Witnesses::default());
        Self { engines, schemes: schemes(), sets, require, named, seed, witnesses }
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let engines: Vec<_> = self.engines.iter().map(|engine| engine.name()).collect();
        f.debug_struct("Plan").field("engines", &engines).field("sets", &self.sets).finish_non_exhaustive()
    }
}

/// Which cases a run is over.
#[derive(Debug)]
pub enum Sets {
    /// All that come with Sealmark.
    BuiltIn,
    /// These and no others.
    Given(Vec<Set>),
    /// The files of a folder. An engine must run a case of any of them, not of each.
    Folder(Folder),
}

impl Sets {
    /// Whether an engine takes part in any of the cases.
    pub fn use_engines(&self) -> bool {
        let use_one = |set: &Set| set.cases.iter().any(|case| case.check.uses_engine());
        match self {
            Self::BuiltIn => true,
            Self::Given(sets) => sets.iter().any(use_one),
            Self::Folder(folder) => folder.sets.iter().any(use_one),
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The set that is running.
    pub set: &'a str,
    /// The engine that it runs on.
    pub engine: &'a str,
    /// Cases of the set on that engine.
    pub cases: u64,
}

/// Why an engine has failed a set.
const RAN_NONE: &str = "no case of this set ran: the engine offers no call of these shapes";

/// Why an engine has failed the whole run.
const RAN_NONE_AT_ALL: &str = "no case of any set ran: the engine offers no call of these shapes, so \
    nothing is \
    known of it; leave it out with --engine, or add vectors that it can run";

/// Failures that are written out for one set on one engine; the tallies count the rest.
const MAX_FAILURES: usize = 10;

/// The name that cases without a cipher are reported under.
const OWN_NAME: &str = "sealmark";

/// Verifies everything that is planned; `progress` is told before each set on each engine.
pub fn run(plan: &Plan, progress: &dyn Fn(Progress<'_>)) -> Report {
    let started = jiff::Timestamp::now().to_string();
    let clock = Instant::now();
    let mut tallies = Tallies::begin(plan, progress);
    match &plan.sets {
        Sets::Given(sets) => sets.iter().for_each(|set| tallies.add(set, Rule::Each)),
        Sets::BuiltIn => {
            let catalog = Catalog(&plan.schemes);
            for name in catalog.names() {
                tallies.add(&catalog.set(&name, plan.seed).expect("it was just named"), Rule::Each);
            }
        }
        Sets::Folder(folder) => {
            for file in folder.files.iter().filter(|file| file.state == FileState::Unreadable) {
                tallies.fail(&file.file, "", format!("the file could not be read: {}", file.what));
            }
            folder.sets.iter().for_each(|set| tallies.add(set, Rule::Any));
        }
    }
    tallies.end(plan);
    let judged = |scheme: &&&dyn Scheme| {
        let name = fault::name(**scheme);
        tallies.sets.iter().any(|set| set.set == name)
    };
    // A scheme that says nothing of itself has broken its set.
    let schemes: Vec<SchemeReport> = plan
        .schemes
        .iter()
        .filter(judged)
        .filter_map(|scheme| fault::report(*scheme, plan.seed).ok())
        .collect();
    let files = if let Sets::Folder(folder) = &plan.sets { folder.files.clone() } else { Vec::new() };
    Report {
        schema: SCHEMA.into(),
        sealmark: env!("CARGO_PKG_VERSION").into(),
        started,
        host: Host::detect(),
        engines: tallies.infos,
        primitives: primitive::reports(&tallies.sets),
        sets: tallies.sets,
        schemes,
        files,
        wrong: tallies.wrong,
        failures: tallies.failures,
        seconds: clock.elapsed().as_secs_f64(),
    }
}

/// Of what an engine must run a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Of each set, unless the index declares 0.
    Each,
    /// Of any set of the run.
    Any,
}

struct Tallies<'a> {
    progress: &'a dyn Fn(Progress<'_>),
    able: Vec<&'static dyn Engine>,
    infos: Vec<EngineInfo>,
    sets: Vec<SetReport>,
    failures: Vec<Failure>,
    wrong: u64,
    /// Cases that were put to any engine, in all sets.
    ran: u64,
    /// Cases that were put to each engine and used it.
    exercised: BTreeMap<String, u64>,
    /// Engines that a failure already accuses of having run nothing.
    idle: BTreeSet<String>,
}

impl<'a> Tallies<'a> {
    fn begin(plan: &Plan, progress: &'a dyn Fn(Progress<'_>)) -> Self {
        let mut tallies = Self {
            progress,
            able: Vec::new(),
            infos: Vec::new(),
            sets: Vec::new(),
            failures: Vec::new(),
            wrong: 0,
            ran: 0,
            exercised: BTreeMap::new(),
            idle: BTreeSet::new(),
        };
        for &engine in &plan.engines {
            let witnesses = plan.witnesses.of(engine.name()).to_vec();
            let info = EngineInfo { witnesses, ..EngineInfo::of(engine) };
            match (&info.unavailable, plan.witnesses.refute(engine.name())) {
                (Some(_), _) => {}
                (None, Some(why)) => tallies.fail("", engine.name(), why),
                (None, None) => tallies.able.push(engine),
            }
            tallies.infos.push(info);
        }
        for name in &plan.require {
            if !tallies.able.iter().any(|engine| engine.name() == name || engine.family() == name) {
                let found = tallies.infos.iter().find(|info| info.name == *name);
                let why = found.and_then(|info| info.unavailable.clone().or(plan.witnesses.refute(name)));
                let why = why.unwrap_or_else(|| "no engine of that name was asked for".into());
                tallies.fail("", name, format!("required, and did not take part: {why}"));
            }
        }
        tallies
    }

    /// Counts a failure of a set, an engine or the run as a whole.
    fn fail(&mut self, set: &str, engine: &str, what: impl Into<String>) {
        self.wrong += 1;
        let (set, engine, case) = (set.into(), engine.into(), String::new());
        self.failures.push(Failure { set, engine, case, what: what.into() });
    }

    /// Runs a set on every engine that takes part, or once where its cases use no cipher.
    fn add(&mut self, set: &Set, rule: Rule) {
        for what in &set.broken {
            self.fail(&set.name, "", what);
        }
        let mut tallies = BTreeMap::new();
        if set.cases.iter().any(|case| case.check.uses_engine()) {
            for engine in self.able.clone() {
                let (tally, exercised) = self.tally(set, engine, engine.name(), engine.family());
                let declared = set.must_run.get(engine.family());
                if exercised == 0 && rule == Rule::Each && declared.is_none_or(|&cases| cases > 0) {
                    self.idle.insert(engine.name().to_owned());
                    // A declared count that was missed has already been told.
                    if declared.is_none_or(|&cases| cases == tally.ran()) {
                        self.fail(&set.name, engine.name(), RAN_NONE);
                    }
                }
                *self.exercised.entry(engine.name().to_owned()).or_default() += exercised;
                tallies.insert(engine.name().to_owned(), tally);
            }
        } else if !set.cases.is_empty() {
            let engine = find(OWN_NAME).expect("the engine of our own choice always exists");
            let (tally, _) = self.tally(set, engine, OWN_NAME, OWN_NAME);
            tallies.insert(OWN_NAME.to_owned(), tally);
        }
        let ran: u64 = tallies.values().map(Tally::ran).sum();
        self.ran += ran;
        // The index says how many must run on whom; elsewhere a set that nobody could run was not verified.
        if set.cases.is_empty() && set.broken.is_empty() {
            self.fail(&set.name, "", "nothing ran: there are no cases in this set");
        } else if ran == 0 && set.must_run.is_empty() {
            self.fail(&set.name, "", "nothing ran: no engine that takes part offers calls of these shapes");
        }
        let (name, source) = (set.name.clone(), set.source.clone());
        self.sets.push(SetReport { set: name, source, declared: set.declared, engines: tallies });
    }

    /// Runs a set on one engine. Also says how many cases ran that use the engine.
    fn tally(&mut self, set: &Set, engine: &'static dyn Engine, name: &str, family: &str) -> (Tally, u64) {
        (self.progress)(Progress { set: &set.name, engine: name, cases: set.cases.len() as u64 });
        let outcomes: Vec<_> = set.cases.par_iter().map(|case| judge(case, engine)).collect();
        let mut tally = Tally::default();
        let (mut shown, mut exercised) = (0, 0);
        for (case, outcome) in set.cases.iter().zip(outcomes) {
            exercised += u64::from(case.check.uses_engine() && outcome != Outcome::Unsupported);
            let what = match outcome {
                Outcome::Agree => {
                    tally.agree += 1;
                    continue;
                }
                Outcome::Stricter { .. } => {
                    tally.stricter += 1;
                    continue;
                }
                Outcome::Unsupported => {
                    tally.unsupported += 1;
                    continue;
                }
                Outcome::Wrong { what } => what,
            };
            tally.wrong += 1;
            shown += 1;
            if shown <= MAX_FAILURES {
                let (set, engine, case) = (set.name.clone(), name.to_owned(), case.id.clone());
                self.failures.push(Failure { set, engine, case, what });
            }
        }
        self.wrong += tally.wrong;
        if tally.total() != set.declared {
            self.fail(
                &set.name,
                name,
                format!("{} cases came out, {} are declared", tally.total(), set.declared),
            );
        }
        if let Some(&must) = set.must_run.get(family)
            && must != tally.ran()
        {
            self.fail(&set.name, name, format!("{} cases ran, {must} must", tally.ran()));
        }
        (tally, exercised)
    }

    fn end(&mut self, plan: &Plan) {
        for engine in self.able.clone() {
            let exercised = self.exercised.get(engine.name());
            if exercised == Some(&0) && self.idle.insert(engine.name().to_owned()) {
                self.fail("", engine.name(), RAN_NONE_AT_ALL);
            }
        }
        for name in plan.require.iter().chain(&plan.named) {
            let able = self.able.iter().filter(|engine| engine.name() == name || engine.family() == name);
            let names: Vec<_> = able.map(|engine| engine.name()).collect();
            // Cases that use no engine are reported under our own name.
            let tallies = self.sets.iter().filter_map(|set| set.engines.get(OWN_NAME));
            let own_ran = tallies.map(Tally::ran).sum::<u64>() > 0;
            let ran = |name: &&str| {
                *name == OWN_NAME && own_ran || self.exercised.get(*name).is_some_and(|&cases| cases > 0)
            };
            let told = names.iter().any(|name| self.idle.contains(*name));
            if !names.is_empty() && !names.iter().any(ran) && !told {
                self.idle.insert(name.clone());
                self.fail("", name, "asked for, and not verified: the cases that ran use no engine");
            }
        }
        if self.sets.is_empty() {
            self.fail("", "", "no set was verified");
        } else if self.able.is_empty() {
            self.fail("", "", "no engine took part");
        } else if self.ran == 0 {
            self.fail("", "", "nothing ran in the whole run");
        }
    }
}
