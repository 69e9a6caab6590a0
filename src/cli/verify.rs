//! `sealmark verify`: cases by engines.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::{ExitStatus, Format, Registry, progress};
use crate::aead::Alg;
use crate::engine::Witnesses;
use crate::primitive::PRIMITIVES;
use crate::report::{self, File, Report};
use crate::verify::{self, Catalog, Plan, PrimitiveReport, Sets, dir};

/// Verifies engines: every case on every engine whose shape fits.
///
/// Ends with 1 when something is wrong, or when an engine ran no case, and with 2 when a file of --vectors
/// should have been readable and was not, after the good ones ran. Each engine is first traced (`sealmark
/// trace`): one of ours that does not execute what its name claims runs no case, and that is a failure.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                      sealmark verify\n  \
                      sealmark verify --engine aws-lc --engine sealmark/aesni\n  \
                      sealmark verify --scheme storage\n  \
                      sealmark verify --primitive sha-256\n  \
                      sealmark verify --vectors my-vectors/\n  \
                      sealmark verify --require sealmark/aesni   fail where this CPU lacks it")]
pub(super) struct Args {
    /// Only this engine; may be given several times. All when left out.
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
    /// Only this built-in set; may be given several times.
    #[arg(long = "set", value_name = "NAME", conflicts_with = "vectors")]
    sets: Vec<String>,
    /// Only the built-in sets about this scheme, or about every mode of this family of schemes; may be given
    /// several times.
    #[arg(long = "scheme", value_name = "NAME", conflicts_with = "vectors")]
    schemes: Vec<String>,
    /// Only the built-in sets about this primitive (`sealmark list primitives`), or about all of them where
    /// no name follows; may be given several times.
    #[arg(long = "primitive", value_name = "NAME", num_args = 0..=1, default_missing_value = "all")]
    #[arg(conflicts_with = "vectors")]
    primitives: Vec<String>,
    /// The files of this folder, recognised by content, instead of the built-in sets: Wycheproof, NIST CAVP
    /// and ACVP, BoringSSL, OpenSSL, Rooterberg. Files of other algorithms are set aside and listed.
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
    /// An engine or family that must take part and run a case: if this CPU cannot run it, that is a failure.
    #[arg(long, value_name = "NAME")]
    require: Vec<String>,
    /// Seed of the differential sweep.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plants defects in vectors and engines, which must be found, instead of verifying.
    #[arg(long, conflicts_with_all = ["engines", "sets", "schemes", "primitives", "vectors", "require"])]
    self_test: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also writes the JSON to this file.
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
        Some(folder) => Sets::Folder(dir::read(folder).context("reading --vectors")?),
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
    let witnesses =
        if sets.use_engines() { super::witness::take(&chosen, &Alg::ALL) } else { Witnesses::default() };
    let (require, named) = (args.require.clone(), args.engines.clone());
    let schemes = registry.schemes();
    let plan = Plan { schemes, require, named, witnesses, ..Plan::new(chosen, sets, args.seed) };
    let report = verify(&plan);
    report.warnings().iter().for_each(|words| eprintln!("warning: {words}"));
    if let Some(path) = &args.output {
        report::write(path, &report)?;
    }
    let found = if report.wrong == 0 { ExitStatus::Fine } else { ExitStatus::FoundSomething };
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&report)?),
        Format::Text => {
            let primitives =
                if args.primitives.is_empty() { String::new() } else { table(&report.primitives) };
            let report = Report::build(vec![File::Verify(report)]);
            print_line!("{}\n{primitives}seed {}", report.text(super::width()), args.seed);
        }
    }
    let Sets::Folder(folder) = &plan.sets else { return Ok(found) };
    for error in &folder.unread {
        eprintln!("sealmark: {error}");
    }
    if !folder.unread.is_empty() {
        eprintln!("sealmark: {} of the files could not be read", folder.unread.len());
        return Ok(ExitStatus::BadInput);
    }
    if holds_nothing {
        eprintln!("sealmark: none of the files holds vectors of AES-GCM");
        return Ok(ExitStatus::BadInput);
    }
    Ok(found)
}

/// The names of the sets about these schemes, or families of them.
fn of_schemes(catalog: Catalog<'_>, names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut sets = Vec::new();
    for name in names {
        let Some(of_it) = catalog.of_scheme(name) else {
            let known: Vec<_> = catalog.0.iter().map(|scheme| scheme.name()).collect();
            bail!("no scheme or family of schemes is called {name:?}; there are: {}", known.join(", "));
        };
        sets.extend(of_it);
    }
    Ok(sets)
}

/// The names of the sets about these primitives; `all` stands for every one.
fn of_primitives(names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut sets = Vec::new();
    for name in names {
        let found: Vec<_> =
            PRIMITIVES.iter().filter(|primitive| name == "all" || primitive.name == name).collect();
        if found.is_empty() {
            let known: Vec<_> = PRIMITIVES.iter().map(|primitive| primitive.name).collect();
            bail!("no primitive is called {name:?}; there are: {}", known.join(", "));
        }
        sets.extend(found.iter().flat_map(|primitive| primitive.vectors).map(|set| (*set).to_owned()));
    }
    Ok(sets)
}

/// The primitives as lines of columns.
fn table(rows: &[PrimitiveReport]) -> String {
    let head = ["primitive", "kind", "crate", "vectors", "cases", "agree", "wrong"].map(str::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(head)
        .chain(rows.iter().map(|row| {
            let (declared, agree, wrong) = (row.declared, row.agree, row.wrong);
            let words = [&row.primitive, &row.kind, &row.krate, &row.set].map(Clone::clone);
            let [primitive, kind, krate, set] = words;
            [primitive, kind, krate, set, declared.to_string(), agree.to_string(), wrong.to_string()]
        }))
        .collect();
    let width = |i: usize| lines.iter().map(|line| line[i].len()).max().unwrap_or(0);
    let mut out = String::new();
    for line in &lines {
        for (i, cell) in line.iter().enumerate() {
            let width = width(i);
            out += &if i < 4 { format!("{cell:width$}  ") } else { format!("{cell:>width$}  ") };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out + "\n"
}

fn named_sets(catalog: Catalog<'_>, names: &[String], seed: u64) -> anyhow::Result<Vec<verify::Set>> {
    let (mut sets, mut seen) = (Vec::new(), BTreeSet::new());
    for name in names.iter().filter(|name| seen.insert(*name)) {
        match catalog.set(name, seed) {
            Some(set) => sets.push(set),
            None => bail!("no set is called {name:?}; there are: {}", catalog.names().join(", ")),
        }
    }
    Ok(sets)
}

/// Verifies with a progress line.
pub(super) fn verify(plan: &Plan) -> verify::Report {
    let bar = progress::spinner("verifying");
    let report =
        verify::run(plan, &|p| bar.set_message(format!("{} on {}, {} cases", p.set, p.engine, p.cases)));
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
