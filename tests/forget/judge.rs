//! Runs children, searches them, and judges.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sealmark::aead::NONCE_LEN;
use sealmark::engine::{Engine, engines, find};
use sealmark::scheme::ephemeral::{Form, Record, RoundKey};
use sealmark::verify::campaign::ephemeral::{Defect, Found as Broken, tell};

use crate::child::{BLOBS, FORMS, KEPT, Leak, MASTER, Orders, PURGED, context, key_in, record_in};
use crate::cost;
use crate::memory::{Found, Search, search};
use crate::needle::{Kind, Needles};

/// Stories of the crash campaign: compatible without masks, and bound with masks.
const STORIES: [u64; 2] = [0, 3];

/// Whether the compiler optimised: otherwise every value has a place in a frame.
pub fn is_optimised() -> bool {
    !env!("SEALMARK_BUILD").contains("opt-level 0")
}

/// What a child's memory and its blobs showed.
struct Seen {
    search: Search,
    /// The forms in which a blob opens under the master key.
    under_master: Vec<Form>,
    needles: usize,
    /// The addresses of the planted leak.
    leaked: Range<u64>,
}

impl Seen {
    fn purged(&self) -> &[Found] {
        &self.search.found[0]
    }

    fn kept(&self) -> &[Found] {
        &self.search.found[1]
    }
}

/// The campaign.
///
/// # Errors
/// Everything that was found and must not be there, and everything that must be found and was not.
pub fn campaign(all: bool) -> Result<(), String> {
    let mut wrong = Vec::new();
    let own = |engine: &&'static dyn Engine| engine.name().starts_with("sealmark/");
    let able: Vec<_> = engines().into_iter().filter(|engine| engine.available().is_ok()).collect();
    let default = find("sealmark").ok_or("the engine of our own choice always exists")?;
    let judged: Vec<_> = if all { able.iter().copied().filter(own).collect() } else { vec![default] };
    for engine in judged {
        wrong.extend(judge(engine)?);
    }
    for leak in Leak::PLANTED {
        let seen = look(default, leak)?;
        // A leak is found at its address, and as what it is.
        let is = |found: &Found| match leak {
            Leak::Stack => found.kind == Kind::Key && found.below.is_some(),
            Leak::Freed => found.kind == Kind::Key && found.below.is_none(),
            Leak::Record => found.kind == Kind::Record && found.below.is_none(),
            _ => matches!(found.kind, Kind::RoundKey | Kind::Layout) && found.below.is_none(),
        };
        let at_leak = |found: &&Found| seen.leaked.contains(&found.at);
        let found = match leak {
            Leak::Fallback => seen.under_master.len() == FORMS.len(),
            _ => seen.under_master.is_empty() && seen.purged().iter().filter(at_leak).any(is),
        };
        println!("planted {leak:?}: {}", if found { "found" } else { "MISSED" });
        print_places(seen.purged());
        if !found {
            wrong.push(format!("the planted leak {leak:?} was missed"));
        }
    }
    wrong.extend(on_the_disk());
    wrong.extend(cost::depths(&able));
    if all {
        for engine in able.iter().filter(|engine| !own(engine)) {
            let seen = look(*engine, Leak::None)?;
            let (gone, used) = (summary(seen.purged()), summary(seen.kept()));
            println!("{}: {gone} of a purged key, {used} of one in use", engine.name());
            print_places(seen.purged());
        }
        cost::print(&able)?;
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Judges one of our own engines.
fn judge(engine: &'static dyn Engine) -> Result<Vec<String>, String> {
    let (name, seen) = (engine.name(), look(engine, Leak::None)?);
    let (found, kept) = (seen.purged(), seen.kept());
    let Search { searched, unread, threads, .. } = &seen.search;
    println!(
        "{name}: {} of a purged key, {} of one in use; {} MB of {threads} threads searched for {} words",
        summary(found),
        summary(kept),
        searched / 1_000_000,
        seen.needles,
    );
    print_places(found);
    match seen.search.in_registers.as_deref() {
        Some([gone, used]) => {
            println!(
                "  remains in vector registers: {gone} words of the purged key, {used} of the one in use"
            );
        }
        _ => println!("!! the vector registers were NOT searched"),
    }
    unread.iter().for_each(|mapping| println!("  not readable: {mapping}"));
    let mut wrong = Vec::new();
    if !kept.iter().any(|found| found.kind == Kind::RoundKey || found.kind == Kind::Layout) {
        wrong.push(format!("{name}: the search does not find a key that is in use"));
    }
    for form in &seen.under_master {
        wrong.push(format!("{name}: a blob opens under the master key ({form:?})"));
    }
    match (found.is_empty(), is_optimised()) {
        (true, _) => {}
        (false, true) => wrong.push(format!("{name}: the memory holds {} of a purged key", summary(found))),
        (false, false) => println!("!! not an optimised build: {name} is NOT judged"),
    }
    Ok(wrong)
}

/// The leaks on the disk, which the crash campaign plants: each is found there, and the sound node has none.
fn on_the_disk() -> Vec<String> {
    let mut wrong = Vec::new();
    for story in STORIES {
        for (defect, expected) in
            [(Defect::PurgeByRename, Broken::Recovered), (Defect::Fallback, Broken::UnderMaster)]
        {
            let found = tell(story, Some(defect)).err().map(|broken| broken.found);
            let verdict = if found.is_some() { "found" } else { "MISSED" };
            println!("planted {defect:?} in story {story}: {verdict}");
            if found.as_ref() != Some(&expected) {
                wrong.push(format!("the planted {defect:?} was not found as it should be: {found:?}"));
            }
        }
        match tell(story, None) {
            Ok(tally) => println!("the disk: {} histories, and no purged key in any", tally.histories),
            Err(broken) => wrong.push(format!("the disk: {broken}")),
        }
    }
    wrong
}

/// Runs a child to its purge, and searches it.
fn look(engine: &'static dyn Engine, leak: Leak) -> Result<Seen, String> {
    searched(engine, leak).map_err(|error| format!("{}, {leak:?}: {error}", engine.name()))
}

fn searched(engine: &'static dyn Engine, leak: Leak) -> Result<Seen, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let orders = Orders { engine: engine.name().into(), leak, folder: folder.path().into() };
    let (variable, value) = orders.to_variable();
    let mut command = Command::new(std::env::current_exe()?);
    let process = command.env(variable, value).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut process = Killed(process);
    let mut lines = BufReader::new(process.0.stdout.take().ok_or("its output is piped")?);
    expect(&mut lines, "ready")?;
    let records = |id| -> Result<Vec<Record>, Box<dyn std::error::Error>> {
        FORMS.into_iter().map(|(_, file)| record_in(&fs::read(folder.path().join(file))?, id)).collect()
    };
    let needles = |records: &[Record], id| -> Result<Needles, Box<dyn std::error::Error>> {
        let of_form = |((form, _), record)| key_in(record, engine, form, id);
        let keys: Vec<[u8; 32]> = FORMS.into_iter().zip(records).map(of_form).collect::<Result<_, _>>()?;
        Ok(Needles::of(engine, &keys, records))
    };
    let (purged, kept) = (records(PURGED)?, records(KEPT)?);
    let needles = [needles(&purged, PURGED)?, needles(&kept, KEPT)?];
    let mut orders = process.0.stdin.take().ok_or("its input is piped")?;
    writeln!(orders)?;
    let leaked = expect(&mut lines, "purged")?;
    let (start, end) = leaked.split_once(' ').ok_or("a leak has a start and an end")?;
    let leaked = start.parse()?..end.parse()?;
    let search = search(process.0.id(), &[&needles[0], &needles[1]])?;
    for record in &purged {
        if let Some(file) = holder(folder.path(), record)? {
            return Err(format!("{} still holds the purged key", file.display()).into());
        }
    }
    for record in &kept {
        holder(folder.path(), record)?.ok_or("the search of the folder does not find a key that is there")?;
    }
    let under_master = under_master(folder.path(), engine)?;
    Ok(Seen { search, under_master, needles: needles[0].count(), leaked })
}

/// The file in this folder that holds this wrapped key, whatever stands before and after it. The nonce and
/// the tag may be gone: the ciphertext alone counts.
fn holder(folder: &Path, record: &Record) -> io::Result<Option<PathBuf>> {
    const KEY_LEN: usize = 32;
    let ciphertext = &record.0[NONCE_LEN..][..KEY_LEN];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fs::read(&path)?.windows(KEY_LEN).any(|window| window == ciphertext) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The forms in which one of the child's blobs opens under the master key itself.
fn under_master(folder: &Path, engine: &dyn Engine) -> Result<Vec<Form>, Box<dyn std::error::Error>> {
    let master = RoundKey::with_engine(engine, &MASTER)?;
    let mut blobs = Vec::new();
    for line in fs::read_to_string(folder.join(BLOBS))?.lines() {
        let (call, blob) = line.split_once(' ').ok_or("a line has a call and a blob")?;
        blobs.push((context(PURGED, call.parse()?), hex::decode(blob)?));
    }
    if blobs.is_empty() {
        return Err("it left no blobs".into());
    }
    let opens = |form: &Form| blobs.iter().any(|(context, blob)| master.open(*form, context, blob).is_ok());
    Ok(FORMS.map(|(form, _)| form).into_iter().filter(opens).collect())
}

/// A child that is killed when this value is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a line, and returns the rest of it after this word.
fn expect(lines: &mut impl BufRead, word: &str) -> io::Result<String> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    match line.trim_end().strip_prefix(word) {
        Some(rest) => Ok(rest.trim_start().into()),
        None => Err(io::Error::other(format!("it said {line:?} instead of {word:?}"))),
    }
}

fn summary(found: &[Found]) -> String {
    let mut kinds = BTreeMap::<Kind, usize>::new();
    found.iter().for_each(|found| *kinds.entry(found.kind).or_default() += 1);
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} words ({kind})")).collect();
    if kinds.is_empty() { "nothing".into() } else { kinds.join(", ") }
}

fn print_places(found: &[Found]) {
    let mut places = BTreeMap::<(Kind, &str), usize>::new();
    found.iter().for_each(|found| *places.entry((found.kind, &*found.place)).or_default() += 1);
    for ((kind, place), count) in places.iter().take(24) {
        println!("  {kind}: {count} in {place}");
    }
    if places.len() > 24 {
        println!("  and {} more places", places.len() - 24);
    }
}
