//! `sealmark verify`: cases by engines.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::registry::unknown;
use super::{ExitStatus, Format, Registry, progress};
use crate::aead::Alg;
use crate::engine::Witnesses;
use crate::primitive::PRIMITIVES;
use crate::report::{self, File, Report};
use crate::verify::{self, Catalog, Plan, Sets, dir};

/// Runs test cases on every engine and compares the results: published vectors, one engine against another,
/// and faults planted in sealed data.
///
/// Prints a summary; `--full` adds the counts for each set. A case counts as unsupported if the engine does
/// not support its IV length, tag length or key size. Exits with 1 if a result is wrong or an engine ran no
/// case, and with 2 if a file of --vectors cannot be read; the other files still run. Each engine is traced
/// first (`sealmark trace`). If one of our own engines does not execute the instructions that its name
/// claims, it fails and runs no case.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                      sealmark verify                                          every set on every engine\n  \
                      sealmark verify --engine ring --set wycheproof/aes-gcm\n  \
                      sealmark verify --primitive sha-256\n  \
                      sealmark verify --engine ring --vectors my-vectors       your own files\n  \
                      sealmark verify --set contract --engine ring --require ring")]
pub(super) struct Args {
    /// Only this engine. Repeat for several. Default: all.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Only this built-in set (`sealmark list sets`). Repeat for several.
    #[arg(long = "set", value_name = "NAME", conflicts_with = "vectors")]
    sets: Vec<String>,
    /// Only the built-in sets for this scheme, or for every mode of this family of schemes. Repeat for
    /// several.
    #[arg(long = "scheme", value_name = "NAME", conflicts_with = "vectors")]
    schemes: Vec<String>,
    /// Only the built-in sets for this primitive (`sealmark list primitives`), or for all primitives if no
    /// name follows. Repeat for several.
    #[arg(long = "primitive", value_name = "NAME", num_args = 0..=1, default_missing_value = "all")]
    #[arg(conflicts_with = "vectors")]
    primitives: Vec<String>,
    /// Runs the files in this folder instead of the built-in sets. Reads the formats of Wycheproof, NIST CAVP
    /// and ACVP, BoringSSL, OpenSSL and Rooterberg, which it recognises by their content. Files for other
    /// algorithms are listed and skipped.
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
    /// Fails unless this engine, or an engine of this family, runs at least one case.
    #[arg(long, value_name = "NAME")]
    require: Vec<String>,
    /// Seed for the random cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tests the verification itself: plants defects in vectors and engines and checks that each is found.
    #[arg(long, conflicts_with_all = ["engines", "sets", "schemes", "primitives", "vectors", "require"])]
    self_test: bool,
    /// Prints every table before the summary.
    #[arg(long)]
    full: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the results to this file as JSON.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    args.output.as_deref().map_or(Ok(()), super::output::check)?;
    if args.self_test {
        return self_test(args);
    }
    let chosen = registry.engines_named(&args.engines)?;
    if let (true, Some(reason)) = (args.require.is_empty(), super::none_can_run(&chosen)) {
        eprintln!("sealmark: {reason}");
        return Ok(ExitStatus::CouldNotTell);
    }
    let sets = match &args.vectors {
        Some(folder) => Sets::Folder(dir::read(folder).context("reading --vectors, which takes a folder")?),
        None if [&args.sets, &args.schemes, &args.primitives].iter().all(|names| names.is_empty()) => {
            Sets::BuiltIn
        }
        None => {
            let catalog = registry.catalog();
            let of_schemes = of_schemes(catalog, &args.schemes)?;
            let names = [args.sets.clone(), of_schemes, of_primitives(&args.primitives)?].concat();
            Sets::Given(named_sets(catalog, &names, args.seed)?)
        }
    };
    let holds_nothing = matches!(&sets, Sets::Folder(folder) if folder.sets.is_empty());
    let witnesses = if sets.use_engines() {
        super::witness::take(&chosen, &Alg::ALL, args.format)
    } else {
        Witnesses::default()
    };
    let (require, named) = (args.require.clone(), args.engines.clone());
    let schemes = registry.schemes();
    let plan = Plan { schemes, require, named, witnesses, ..Plan::new(chosen, sets, args.seed) };
    let report = verify(&plan);
    if let Some(path) = &args.output {
        report::write(path, &report)?;
    }
    let found = if report.wrong == 0 { ExitStatus::Fine } else { ExitStatus::FoundSomething };
    match args.format {
        Format::Json => {
            report.warnings().iter().for_each(|words| eprintln!("warning: {words}"));
            print_line!("{}", serde_json::to_string_pretty(&report)?);
        }
        Format::Text => {
            super::print_report(&Report::build(vec![File::Verify(report)]), args.full)?;
            let more = if args.full { "" } else { " Every table: the same command with --full" };
            print_line!("Seed {}.{more}", args.seed);
        }
    }
    let Sets::Folder(folder) = &plan.sets else { return Ok(found) };
    for error in &folder.unread {
        eprintln!("sealmark: {error}");
    }
    if !folder.unread.is_empty() {
        let (unread, all) = (folder.unread.len(), folder.files.len());
        eprintln!("sealmark: {unread} of {all} files could not be read");
        return Ok(ExitStatus::BadInput);
    }
    if holds_nothing {
        eprintln!(
            "sealmark: none of the files holds AES-GCM vectors: see --vectors in `sealmark verify --help`"
        );
        return Ok(ExitStatus::BadInput);
    }
    Ok(found)
}

/// The names of the sets for these schemes, or families of schemes.
fn of_schemes(catalog: Catalog<'_>, names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut sets = Vec::new();
    for name in names {
        let Some(of_it) = catalog.of_scheme(name) else {
            let known: Vec<_> = catalog.0.iter().map(|scheme| scheme.name()).collect();
            bail!("{}", unknown("scheme or family of schemes", name, &known));
        };
        sets.extend(of_it);
    }
    Ok(sets)
}

/// The names of the sets for these primitives; `all` stands for every primitive.
fn of_primitives(names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut sets = Vec::new();
    for name in names {
        let found: Vec<_> =
            PRIMITIVES.iter().filter(|primitive| name == "all" || primitive.name == name).collect();
        if found.is_empty() {
            let known: Vec<_> = PRIMITIVES.iter().map(|primitive| primitive.name).collect();
            bail!("{}", unknown("primitive", name, &known));
        }
        sets.extend(found.iter().flat_map(|primitive| primitive.vectors).map(|set| (*set).to_owned()));
    }
    Ok(sets)
}

fn named_sets(catalog: Catalog<'_>, names: &[String], seed: u64) -> anyhow::Result<Vec<verify::Set>> {
    let (mut sets, mut seen) = (Vec::new(), BTreeSet::new());
    for name in names.iter().filter(|name| seen.insert(*name)) {
        match catalog.set(name, seed) {
            Some(set) => sets.push(set),
            None => bail!("{}", unknown("set", name, &catalog.names())),
        }
    }
    Ok(sets)
}

/// Verifies with a progress line.
pub(super) fn verify(plan: &Plan) -> verify::Report {
    let bar = progress::spinner("verifying");
    let verification = progress::Verification::begin(plan);
    let report = verify::run(plan, &|p| bar.set_message(verification.message(&p)));
    bar.finish_and_clear();
    report
}

fn self_test(args: &Args) -> anyhow::Result<ExitStatus> {
    let planted = verify::self_test(args.seed);
    let missed = planted.iter().filter(|defect| !defect.caught).count();
    if let Some(path) = &args.output {
        report::write(path, &planted)?;
    }
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&planted)?),
        Format::Text => {
            for defect in &planted {
                let verdict = if defect.caught { "caught" } else { "MISSED" };
                print_line!("{verdict}  {}", defect.what);
                print_line!("        by {}", defect.by.first().map_or("nothing", String::as_str));
            }
            print_line!("{} defects planted, {} caught", planted.len(), planted.len() - missed);
        }
    }
    Ok(if missed == 0 { ExitStatus::Fine } else { ExitStatus::FoundSomething })
}
