//! Runs every case of every set on every engine that takes part, and tallies the outcomes.
//!
//! It decides no exit code and prints nothing; the report lists the failures.

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

/// The engines, cases and requirements of a run.
pub struct Plan {
    /// The requested engines; one that this CPU cannot run does not take part.
    pub engines: Vec<&'static dyn Engine>,
    /// The schemes to verify: the built-in ones and a user's own.
    pub schemes: Vec<&'static dyn Scheme>,
    /// The cases.
    pub sets: Sets,
    /// Engines or families that must take part and run a case; one that does not is a failure.
    pub require: Vec<String>,
    /// Engines requested by name: one that takes part but runs no case is a failure, even if the sets use no
    /// engine.
    pub named: Vec<String>,
    /// The seed for all random choices.
    pub seed: u64,
    /// The code that the engines were seen to execute. An engine whose name it refutes does not take part,
    /// which is a failure.
    pub witnesses: Witnesses,
}

impl Plan {
    /// Runs these engines on these cases, with the built-in schemes; no engine is required, and none has a
    /// witness.
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

/// The cases of a run.
#[derive(Debug)]
pub enum Sets {
    /// All sets that come with Sealmark.
    BuiltIn,
    /// These sets only.
    Given(Vec<Set>),
    /// The files of a folder. An engine must run a case of at least one of them, not of each.
    Folder(Folder),
}

impl Sets {
    /// Whether any of the cases uses an engine.
    pub fn use_engines(&self) -> bool {
        let use_one = |set: &Set| set.cases.iter().any(|case| case.check.uses_engine());
        match self {
            Self::BuiltIn => true,
            Self::Given(sets) => sets.iter().any(use_one),
            Self::Folder(folder) => folder.sets.iter().any(use_one),
        }
    }
}

/// The progress of a run.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The set that is running.
    pub set: &'a str,
    /// The engine that the set is running on.
    pub engine: &'a str,
    /// Cases of the set on that engine.
    pub cases: u64,
}

/// Why an engine failed a set.
const RAN_NONE: &str = "no case of this set ran: the engine supports none of their IV, tag and key lengths";

/// Why an engine failed the whole run.
const RAN_NONE_AT_ALL: &str = "no case of any set ran: the engine supports none of their IV, tag and key \
    lengths, so nothing is known about it; leave it out with --engine, or add vectors that it can run";

/// Failures listed for one set on one engine; the tallies count the rest.
const MAX_FAILURES: usize = 10;

/// The engine name that reports use for cases without a cipher.
const OWN_NAME: &str = "sealmark";

/// Runs the plan; calls `progress` before each set on each engine.
pub fn run(plan: &Plan, progress: &dyn Fn(Progress<'_>)) -> Report {
    let started = jiff::Timestamp::now().to_string();
    let clock = Instant::now();
    let mut tallies = Tallies::begin(plan, progress);
    match &plan.sets {
        Sets::Given(sets) => sets.iter().for_each(|set| tallies.add(set, Rule::Each)),
        Sets::BuiltIn => {
            let catalog = Catalog(&plan.schemes);
            for name in catalog.names() {
                tallies.add(&catalog.set(&name, plan.seed).expect("the catalog just listed it"), Rule::Each);
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
    // A scheme without a report has already failed its set.
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

/// The sets of which an engine must run at least one case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Each set, unless the index declares 0.
    Each,
    /// Any set of the run.
    Any,
}

struct Tallies<'a> {
    progress: &'a dyn Fn(Progress<'_>),
    able: Vec<&'static dyn Engine>,
    infos: Vec<EngineInfo>,
    sets: Vec<SetReport>,
    failures: Vec<Failure>,
    wrong: u64,
    /// Cases that ran on any engine, in all sets.
    ran: u64,
    /// Cases that ran on each engine and used it.
    exercised: BTreeMap<String, u64>,
    /// Engines for which a failure already says that they ran nothing.
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
                let why = why.unwrap_or_else(|| "no engine of that name was requested".into());
                tallies.fail("", name, format!("required, but did not take part: {why}"));
            }
        }
        tallies
    }

    /// Counts a failure of a set, an engine or the whole run.
    fn fail(&mut self, set: &str, engine: &str, what: impl Into<String>) {
        self.wrong += 1;
        let (set, engine, case) = (set.into(), engine.into(), String::new());
        self.failures.push(Failure { set, engine, case, what: what.into() });
    }

    /// Runs a set on every engine that takes part, or once if its cases use no cipher.
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
                    // A missed declared count has already been reported.
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
        // For a set in the index, the index says how many cases must run on which engine. Any other set that
        // no engine could run was not verified.
        if set.cases.is_empty() && set.broken.is_empty() {
            self.fail(&set.name, "", "nothing ran: there are no cases in this set");
        } else if ran == 0 && set.must_run.is_empty() {
            self.fail(&set.name, "", "nothing ran: no engine supports these IV, tag and key lengths");
        }
        let (name, source) = (set.name.clone(), set.source.clone());
        self.sets.push(SetReport { set: name, source, declared: set.declared, engines: tallies });
    }

    /// Runs a set on one engine. Also returns the number of cases that used the engine and ran.
    fn tally(&mut self, set: &Set, engine: &'static dyn Engine, name: &str, family: &str) -> (Tally, u64) {
        (self.progress)(Progress { set: &set.name, engine: name, cases: set.cases.len() as u64 });
        let outcomes: Vec<_> = set.cases.par_iter().map(|case| judge(case, engine)).collect();
        let ids = set.cases.iter().map(|case| case.id.as_str());
        for what in set.rulings.iter().flat_map(|declared| declared.differences(ids.clone().zip(&outcomes))) {
            self.fail(&set.name, name, what);
        }
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
                self.fail("", name, "requested, but not verified: the cases that ran use no engine");
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
