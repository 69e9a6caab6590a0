//! Which function an address is in: the ELF symbols of every file that is mapped there.
//!
//! Where a file was stripped of the symbol, its name stands in brackets. Code without a file (the kernel's
//! `[vdso]`) has the name of its mapping. Not here: lines of source, and functions that were inlined into
//! others.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use object::{Object, ObjectSegment, ObjectSymbol, SegmentFlags, SymbolKind, elf};

use super::Error;

/// This program, also when its file was replaced.
const ITSELF: &str = "/proc/self/exe";
/// What the system adds to the path of a file that is gone.
const DELETED: &str = " (deleted)";

/// Where an address is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The function.
    pub symbol: String,
    /// The file that it is in, without its folder.
    pub file: String,
    /// Bytes from the function's beginning, or from the file's in memory.
    pub offset: u64,
}

/// A range of memory.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Map {
    start: u64,
    end: u64,
    offset: u64,
    path: String,
}

/// A function of a file, at its address there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Symbol {
    address: u64,
    size: u64,
    name: String,
}

/// A mapped range and what the file behind it says.
struct Mapped {
    map: Map,
    file: String,
    /// What to add to an address in memory for the one in the file.
    shift: u64,
    symbols: Arc<[Symbol]>,
}

/// Every function of the files that some addresses are in.
pub(super) struct Symbols(Vec<Mapped>);

impl Symbols {
    /// Reads the files that the addresses are in. `maps` is the text of `/proc/PID/maps`.
    pub fn load(maps: &str, addresses: impl Iterator<Item = u64> + Clone) -> Result<Self, Error> {
        let used = |map: &Map| addresses.clone().any(|address| (map.start..map.end).contains(&address));
        maps.lines().filter_map(parse).filter(used).map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Where an address is.
    pub fn place(&self, address: u64) -> Place {
        let Some(mapped) = self.0.iter().find(|m| (m.map.start..m.map.end).contains(&address)) else {
            return Place { symbol: "[?]".into(), file: "?".into(), offset: address };
        };
        let there = address.wrapping_add(mapped.shift);
        match find(&mapped.symbols, there) {
            Some(symbol) => Place {
                symbol: format!("{:#}", rustc_demangle::demangle(&symbol.name)),
                file: mapped.file.clone(),
                offset: there - symbol.address,
            },
            None => Place { symbol: format!("[{}]", mapped.file), file: mapped.file.clone(), offset: there },
        }
    }
}

/// The function that holds an address: the last that begins before it and does not end before it. One of no
/// size, as hand-written assembly may have, reaches to the next.
fn find(symbols: &[Symbol], address: u64) -> Option<&Symbol> {
    /// Aliases and nested functions that may stand between a function and its end.
    const NESTED: usize = 16;
    let behind = symbols.partition_point(|symbol| symbol.address <= address);
    let mut before = symbols[..behind].iter().rev().take(NESTED);
    before.find(|symbol| symbol.size == 0 || address - symbol.address < symbol.size)
}

/// A line of `/proc/PID/maps` for code.
fn parse(line: &str) -> Option<Map> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let executable = words.next()?.contains('x');
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let map = Map {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(words.next()?)?,
        // Behind device and inode; it may hold spaces.
        path: line.find(['/', '[']).map_or(String::new(), |at| line[at..].to_owned()),
    };
    executable.then_some(map)
}

fn read(map: Map) -> Result<Mapped, Error> {
    let path = map.path.strip_suffix(DELETED).unwrap_or(&map.path);
    let file =
        Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into());
    let file = file.trim_matches(['[', ']']).to_owned();
    // A file that is gone, or no file at all, has no symbols to read; another one may stand in its place.
    // This program itself can be read even so.
    let itself = std::fs::read_link(ITSELF).is_ok_and(|link| link.as_os_str() == map.path.as_str());
    let table = if itself { this_program() } else { Table::read(&map.path) };
    let Some(table) = table else {
        let shift = map.start.wrapping_neg();
        return Ok(Mapped { map, file, shift, symbols: Arc::default() });
    };
    let bad = |reason: String| Error::Symbols { file: file.clone(), reason };
    let table = table.map_err(&bad)?;
    // A mapping begins at a page, which may hold the end of another segment too.
    let len = map.end - map.start;
    let segment = table
        .code
        .iter()
        .find(|segment| segment.at < map.offset + len && map.offset < segment.at + segment.size);
    let segment = segment.ok_or_else(|| bad("no segment of code is where it is mapped".into()))?;
    let shift = segment.address.wrapping_sub(segment.at).wrapping_add(map.offset).wrapping_sub(map.start);
    Ok(Mapped { map, file, shift, symbols: table.symbols })
}

/// The table of this program, which is large and is read once.
fn this_program() -> Option<Result<Table, String>> {
    static TABLE: OnceLock<Option<Result<Table, String>>> = OnceLock::new();
    TABLE.get_or_init(|| Table::read(ITSELF)).clone()
}

/// What an ELF file says of its code.
#[derive(Clone, Debug)]
struct Table {
    code: Vec<Segment>,
    /// In the order of their addresses.
    symbols: Arc<[Symbol]>,
}

/// A segment: where it is in the file, and at which address the file wants it.
#[derive(Clone, Debug)]
struct Segment {
    at: u64,
    size: u64,
    address: u64,
}

impl Table {
    /// `None` where there is no such file; an error where it is not an ELF file.
    fn read(path: &str) -> Option<Result<Self, String>> {
        let data = std::fs::read(path).ok()?;
        Some(object::File::parse(&*data).map(|program| Self::of(&program)).map_err(|e| e.to_string()))
    }

    fn of(program: &object::File<'_>) -> Self {
        let code = program.segments().filter(|segment| is_code(segment.flags())).map(|segment| {
            let (at, size) = segment.file_range();
            Segment { at, size, address: segment.address() }
        });
        let named = |symbol: object::Symbol<'_, '_>| {
            let is_code = symbol.kind() == SymbolKind::Text && symbol.is_definition();
            let name = symbol.name().ok().filter(|name| is_code && !name.is_empty())?;
            Some(Symbol { address: symbol.address(), size: symbol.size(), name: name.to_owned() })
        };
        let mut symbols: Vec<_> =
            program.symbols().chain(program.dynamic_symbols()).filter_map(named).collect();
        symbols.sort();
        symbols.dedup();
        Self { code: code.collect(), symbols: symbols.into() }
    }
}

fn is_code(flags: SegmentFlags) -> bool {
    matches!(flags, SegmentFlags::Elf { p_flags, .. } if p_flags.contains(elf::PF_X))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_code_are_read_with_their_file() {
        let line = "555555558000-555555560000 r-xp 00004000 08:01 1234    /a folder/sealmark";
        let map = parse(line).unwrap();
        assert_eq!((map.start, map.end, map.offset), (0x5555_5555_8000, 0x5555_5556_0000, 0x4000));
        assert_eq!(map.path, "/a folder/sealmark");
        assert_eq!(parse("7ffff7fc1000-7ffff7fc3000 r-xp 00000000 00:00 0   [vdso]").unwrap().path, "[vdso]");
        assert_eq!(parse("7ffff7fc1000-7ffff7fc3000 r--p 00000000 00:00 0   [vvar]"), None);
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn an_address_is_in_the_function_that_reaches_it() {
        let symbol = |address, size, name: &str| Symbol { address, size, name: name.into() };
        let all = [
            symbol(0x10, 0x40, "outer"),
            symbol(0x20, 0x08, "inner"),
            symbol(0x60, 0, "open end"),
            symbol(0x80, 0x10, "last"),
        ];
        let name = |address| find(&all, address).map(|symbol| symbol.name.as_str());
        assert_eq!(name(0x0f), None);
        assert_eq!([name(0x10), name(0x27), name(0x28)], [Some("outer"), Some("inner"), Some("outer")]);
        assert_eq!([name(0x50), name(0x7f), name(0x8f)], [None, Some("open end"), Some("last")]);
        assert_eq!(name(0x90), Some("open end"), "what has no end reaches where nothing else does");
    }

    #[test]
    fn this_program_finds_its_own_function() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let address = this_program_finds_its_own_function as *const () as u64;
        let place = Symbols::load(&maps, [address].into_iter()).unwrap().place(address);
        assert!(place.symbol.ends_with("this_program_finds_its_own_function"), "{place:?}");
        assert_eq!(place.offset, 0);
        assert!(place.file.starts_with("sealmark"), "{place:?}");
    }
}
