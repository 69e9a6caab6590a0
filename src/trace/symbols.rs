//! Finds the function that contains an address, from the ELF symbols of every mapped file.
//!
//! If the symbol was stripped from the file, the file's name in brackets replaces it. Code without a file
//! (the kernel's `[vdso]`) takes the name of its mapping. Not here: source lines, and functions inlined into
//! others.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use object::{Object, ObjectSegment, ObjectSymbol, SegmentFlags, SymbolKind, elf};

use super::Error;

/// This program, even if its file was replaced.
const ITSELF: &str = "/proc/self/exe";
/// The suffix that the system adds to the path of a deleted file.
const DELETED: &str = " (deleted)";

/// The function and file of an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The function.
    pub symbol: String,
    /// The file that contains it, without its folder.
    pub file: String,
    /// Bytes from the start of the function, or of the file in memory if there is no symbol.
    pub offset: u64,
}

/// A mapped range of memory.
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

/// A mapped range and the symbols of its file.
struct Mapped {
    map: Map,
    file: String,
    /// Added to an address in memory, gives the address in the file.
    shift: u64,
    symbols: Arc<[Symbol]>,
}

/// Every function of the files that contain the recorded addresses.
pub(super) struct Symbols(Vec<Mapped>);

impl Symbols {
    /// Reads the files that contain the addresses. `maps` is the text of `/proc/PID/maps`.
    pub fn load(maps: &str, addresses: impl Iterator<Item = u64> + Clone) -> Result<Self, Error> {
        let used = |map: &Map| addresses.clone().any(|address| (map.start..map.end).contains(&address));
        maps.lines().filter_map(parse).filter(used).map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Finds the function and file of an address.
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

/// The function that contains an address: the last one that starts at or before it and ends after it. A
/// function without a size, as in hand-written assembly, extends to the next one.
fn find(symbols: &[Symbol], address: u64) -> Option<&Symbol> {
    /// The most aliases and nested functions between a function's start and its end.
    const NESTED: usize = 16;
    let behind = symbols.partition_point(|symbol| symbol.address <= address);
    let mut before = symbols[..behind].iter().rev().take(NESTED);
    before.find(|symbol| symbol.size == 0 || address - symbol.address < symbol.size)
}

/// Parses a line of `/proc/PID/maps`, if it maps code.
fn parse(line: &str) -> Option<Map> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let executable = words.next()?.contains('x');
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let map = Map {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(words.next()?)?,
        // Follows device and inode; it may contain spaces.
        path: line.find(['/', '[']).map_or(String::new(), |at| line[at..].to_owned()),
    };
    executable.then_some(map)
}

fn read(map: Map) -> Result<Mapped, Error> {
    let path = map.path.strip_suffix(DELETED).unwrap_or(&map.path);
    let file =
        Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into());
    let file = file.trim_matches(['[', ']']).to_owned();
    // A deleted file, or a mapping without a file, has no symbols to read; another file may have taken its
    // path. This program itself can be read even then.
    let itself = std::fs::read_link(ITSELF).is_ok_and(|link| link.as_os_str() == map.path.as_str());
    let table = if itself { this_program() } else { Table::read(&map.path) };
    let Some(table) = table else {
        let shift = map.start.wrapping_neg();
        return Ok(Mapped { map, file, shift, symbols: Arc::default() });
    };
    let bad = |reason: String| Error::Symbols { file: file.clone(), reason };
    let table = table.map_err(&bad)?;
    // A mapping starts at a page boundary, and that page may also hold the end of another segment.
    let len = map.end - map.start;
    let segment = table
        .code
        .iter()
        .find(|segment| segment.at < map.offset + len && map.offset < segment.at + segment.size);
    let segment = segment.ok_or_else(|| bad("it has no code segment at the mapped offset".into()))?;
    let shift = segment.address.wrapping_sub(segment.at).wrapping_add(map.offset).wrapping_sub(map.start);
    Ok(Mapped { map, file, shift, symbols: table.symbols })
}

/// The table of this program, which is large and therefore read only once.
fn this_program() -> Option<Result<Table, String>> {
    static TABLE: OnceLock<Option<Result<Table, String>>> = OnceLock::new();
    TABLE.get_or_init(|| Table::read(ITSELF)).clone()
}

/// The code segments and symbols of an ELF file.
#[derive(Clone, Debug)]
struct Table {
    code: Vec<Segment>,
    /// Sorted by address.
    symbols: Arc<[Symbol]>,
}

/// A segment: its place in the file, and the address that the file assigns to it.
#[derive(Clone, Debug)]
struct Segment {
    at: u64,
    size: u64,
    address: u64,
}

impl Table {
    /// `None` if there is no such file; an error if it is not an ELF file.
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
    fn mappings_of_code_are_read_with_their_file() {
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
        assert_eq!(name(0x90), Some("open end"), "an open end reaches past the last one");
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
