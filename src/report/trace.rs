//! Traces: the tables of one workload's instructions, the sentence above them, and several traces side by
//! side.

use super::block::{Cell, Table};
use super::number::{count, plain, size, three};
use super::rows::{distinct, widths};
use crate::host::environment;
use crate::measure::trace::Traced;
use crate::measure::{self, Workload};
use crate::trace::{Change, Diff, Seen, Trace, Width};

/// The most rows shown of a table that may have hundreds.
const TOP: usize = 12;

/// The workload traced, its number of instructions, and the digest that identifies their sequence.
pub fn sentence(traced: &Traced) -> String {
    let trace = &traced.trace;
    let mut of = match (traced.bytes, traced.messages) {
        (0, 1) => String::new(),
        (bytes, messages) => format!(" at {}", amount(bytes, messages)),
    };
    if let Some(declared) = traced.declared {
        let declared = amount(declared.bytes, declared.messages);
        of += &format!(" (instead of {declared}, which would take too long to step through)");
    }
    let own = match traced.harness {
        Some(harness) => {
            format!("{} of the engine and {} of the harness", count(traced.own()), count(harness))
        }
        None => "no engine involved".to_owned(),
    };
    let repeated = match trace.iterations {
        0 => String::new(),
        more => format!("; {} more iterations of instructions that repeat", count(more)),
    };
    let addresses = if trace.fixed_addresses {
        ""
    } else {
        "\nAddress randomisation could not be turned off: counts may vary from run to run."
    };
    let steered =
        environment::warnings([(traced.engine.as_str(), traced.environment.as_slice())].into_iter());
    let steered: String = steered.into_iter().map(|words| format!("\n{words}")).collect();
    let seen = |seen: &Option<Seen>| match seen {
        None => "none".to_owned(),
        Some(seen) => {
            format!("{} in {}", seen.width.map_or("no vector", Width::name), plain(&seen.symbol))
        }
    };
    let (aes, multiply) = (seen(&trace.witness.aes), seen(&trace.witness.multiply));
    format!(
        "{} on {} {}{of}: {} instructions, {own}{repeated}.\ndigest {}; {} steps in {} s, {} a \
         second.{addresses}{steered}\n\
         widest AES instructions: {aes}\nwidest carry-less multiplies: {multiply}",
        traced.workload,
        traced.engine,
        traced.version,
        count(trace.instructions),
        trace.digest,
        count(trace.steps),
        three(trace.seconds),
        count((trace.steps as f64 / trace.seconds.max(1e-9)) as u64),
    )
}

fn amount(bytes: u64, messages: u64) -> String {
    if messages == 1 { size(bytes) } else { format!("{} messages of {}", count(messages), size(bytes)) }
}

/// Several traces side by side: an engine in each row, a workload in each column.
pub fn summary(all: &[Traced]) -> Table {
    let workloads = distinct(all.iter().map(|traced| traced.workload.as_str()));
    let known = |path: &str| measure::workloads().iter().find(|known| known.path == path);
    // An operation at some length, and no variant of it.
    let kind = |workload: &Workload| {
        let usual = workload.bytes > 0 && workload.variant.is_empty();
        usual.then(|| format!("{}/{}", workload.op(), workload.algorithm))
    };
    let kinds = distinct(workloads.iter().map(|path| known(path).and_then(kind)));
    // Where they differ only in length, the length names the column.
    let (title, names) = match kinds.as_slice() {
        [Some(kind)] => {
            let name = |path: &&str| known(path).map_or_else(String::new, |known| size(known.bytes as u64));
            (format!("{kind}: instructions"), workloads.iter().map(name).collect::<Vec<_>>())
        }
        _ => ("Instructions".to_owned(), workloads.iter().map(|path| (*path).to_owned()).collect()),
    };
    let columns = std::iter::once("engine").chain(names.iter().map(String::as_str));
    let steered = all.iter().map(|traced| (traced.engine.as_str(), traced.environment.as_slice()));
    let steered = environment::warnings(distinct(steered).into_iter());
    let steered: String = steered.into_iter().map(|words| format!(" {words}")).collect();
    let mut table = Table::new("instructions", &title, columns).note(&format!(
        "Instructions of the engine per message byte, or per operation where there is no message, \
         single-stepped, without the harness; and the widest registers of its AES instructions.{steered}"
    ));
    for engine in distinct(all.iter().map(|traced| traced.engine.as_str())) {
        let of = |workload: &str| all.iter().find(|t| t.workload == workload && t.engine == engine);
        let cells = workloads.iter().map(|workload| of(workload).map_or_else(Cell::none, per_byte));
        table.push(std::iter::once(Cell::new(engine)).chain(cells).collect());
    }
    table
}

/// Instructions of the engine for each byte, and the widest AES.
fn per_byte(traced: &Traced) -> Cell {
    let each = traced.own() as f64 / (traced.bytes.max(1) * traced.messages.max(1)) as f64;
    let [aes, _] = widths(&traced.trace.witness);
    let aes = if aes == "none" { "no AES" } else { aes };
    let cut = traced.declared.map(|_| format!(", at {}", amount(traced.bytes, traced.messages)));
    Cell::new(three(each)).detail(format!("{aes}{}", cut.unwrap_or_default()))
}

/// Its tables: classes, mnemonics, symbols, loops, and the changes if it was compared.
pub fn tables(traced: &Traced) -> Vec<Table> {
    let trace = &traced.trace;
    let mut tables = vec![classes(trace), mnemonics(trace), symbols(trace)];
    if !trace.loops.is_empty() {
        tables.push(loops(trace));
    }
    if let Some(diff) = &traced.diff {
        tables.extend(changes(diff));
    }
    tables
}

fn of_width(width: Option<Width>) -> Cell {
    width.map_or_else(Cell::none, |width| Cell::new(width.name()))
}

fn share(part: u64, trace: &Trace) -> Cell {
    Cell::new(three(100.0 * part as f64 / trace.instructions.max(1) as f64))
}

fn number(n: u64) -> Cell {
    if n == 0 { Cell::none() } else { Cell::new(count(n)) }
}

fn classes(trace: &Trace) -> Table {
    let mut table = Table::new("classes", "By class", ["class", "width", "executed", "%"]);
    for row in &trace.classes {
        let cells =
            [Cell::new(row.class.name()), of_width(row.width), number(row.count), share(row.count, trace)];
        table.push(cells.into());
    }
    table
}

fn mnemonics(trace: &Trace) -> Table {
    let mut table = Table::new("mnemonics", "By mnemonic", ["mnemonic", "width", "class", "executed", "%"])
        .note(&rest(trace.mnemonics.len(), "mnemonics"));
    for row in trace.mnemonics.iter().take(TOP) {
        table.push(vec![
            Cell::new(&row.mnemonic),
            of_width(row.width),
            Cell::new(row.class.name()),
            number(row.count),
            share(row.count, trace),
        ]);
    }
    table
}

fn symbols(trace: &Trace) -> Table {
    let columns = ["symbol", "file", "executed", "%", "AES", "multiplies", "width"];
    let mut table = Table::new("symbols", "By symbol", columns).note(&rest(trace.symbols.len(), "symbols"));
    for row in trace.symbols.iter().take(TOP) {
        table.push(vec![
            Cell::new(&row.symbol),
            Cell::new(&row.file),
            number(row.count),
            share(row.count, trace),
            number(row.aes),
            number(row.multiplies),
            of_width(row.width),
        ]);
    }
    table
}

fn loops(trace: &Trace) -> Table {
    let columns = ["loop", "from", "to", "turns", "length", "executed", "%"];
    let mut table = Table::new("loops", "Hottest loops", columns).note(
        "From and to are byte offsets in the function. Turns are backward jumps; length counts the distinct \
         instructions; an outer loop includes its inner loops.",
    );
    for row in trace.loops.iter().take(TOP / 2) {
        table.push(vec![
            Cell::new(&row.symbol),
            Cell::new(format!("{:#x}", row.start)),
            Cell::new(format!("{:#x}", row.end)),
            number(row.turns),
            number(row.length),
            number(row.count),
            share(row.count, trace),
        ]);
    }
    table
}

/// The changes, by mnemonic and by symbol.
fn changes(diff: &Diff) -> Vec<Table> {
    let title = |of: &str| {
        let way = if diff.same_digest { "in the same sequence" } else { "in another sequence" };
        format!("Changes by {of}: from {} instructions to {}, {way}", count(diff.before), count(diff.after))
    };
    let table = |id: &str, of: &str, changes: &[Change]| {
        let mut table = Table::new(id, &title(of), [of, "before", "after", "change"])
            .note(&rest(changes.len(), "changes"));
        for change in changes.iter().take(TOP) {
            let sign = if change.after > change.before { '+' } else { '-' };
            table.push(vec![
                Cell::new(&change.name),
                number(change.before),
                number(change.after),
                Cell::new(format!("{sign}{}", count(change.before.abs_diff(change.after)))),
            ]);
        }
        table
    };
    vec![
        table("mnemonic-changes", "mnemonic", &diff.mnemonics),
        table("symbol-changes", "symbol", &diff.symbols),
    ]
}

/// The number of rows not shown, in words.
fn rest(rows: usize, what: &str) -> String {
    match rows.saturating_sub(TOP) {
        0 => String::new(),
        more => format!("And {more} more {what}; the JSON has them all."),
    }
}
