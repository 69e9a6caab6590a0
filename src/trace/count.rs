//! Turns the recorded addresses into a trace: decoded, named and counted.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::decode::Instruction;
use super::step::Recording;
use super::symbols::{Place, Symbols};
use super::{ByClass, ByMnemonic, BySymbol, Class, Error, Executed, Loop, Seen, Trace, Witness, isa};

/// How many loops a trace keeps.
const LOOPS: usize = 12;

/// A distinct instruction in a recording.
struct Line {
    address: u64,
    instruction: Instruction,
    place: Place,
    count: u64,
}

/// Makes a trace from a recording.
pub(super) fn count(recording: &Recording) -> Result<Trace, Error> {
    let symbols = Symbols::load(&recording.maps, recording.code.iter().map(|(address, _)| *address))?;
    let line = |(address, bytes): &(u64, Vec<u8>)| Line {
        address: *address,
        instruction: isa::decode(*address, bytes),
        place: symbols.place(*address),
        count: 0,
    };
    let mut lines: Vec<Line> = recording.code.iter().map(line).collect();
    let order: Vec<usize> = recording
        .addresses
        .iter()
        .map(|address| lines.binary_search_by_key(address, |line| line.address).expect("its code was read"))
        .collect();
    let walk = walk(&mut lines, &order);
    Ok(Trace {
        instructions: lines.iter().map(|line| line.count).sum(),
        iterations: walk.iterations,
        digest: walk.digest,
        fixed_addresses: recording.fixed_addresses,
        steps: order.len() as u64,
        seconds: recording.seconds,
        witness: Witness { aes: seen(&lines, Class::Aes), multiply: seen(&lines, Class::Multiply) },
        classes: classes(&lines),
        mnemonics: mnemonics(&lines),
        symbols: by_symbol(&lines),
        loops: loops(&lines, &walk.back),
        executed: lines
            .into_iter()
            .map(|line| Executed {
                symbol: line.place.symbol,
                offset: line.place.offset,
                text: line.instruction.text,
                count: line.count,
            })
            .collect(),
    })
}

/// The results of one pass over the instructions in order.
struct Walk {
    iterations: u64,
    digest: String,
    /// Backward jumps: (target, jump), and how often each was taken.
    back: BTreeMap<(usize, usize), u64>,
}

/// Walks the instructions in order and counts each.
fn walk(lines: &mut [Line], order: &[usize]) -> Walk {
    let mut hash = Sha256::new();
    let mut back = BTreeMap::new();
    let (mut iterations, mut at) = (0, 0);
    while let Some(&now) = order.get(at) {
        let mut next = at + 1;
        if lines[now].instruction.repeats {
            next += order[next..].iter().take_while(|&&line| line == now).count();
        }
        lines[now].count += 1;
        iterations += (next - at - 1) as u64;
        hash.update(&lines[now].instruction.text);
        if next - at > 1 {
            hash.update(format!(" {} times", next - at));
        }
        hash.update(b"\n");
        if let Some(&to) = order.get(next)
            && to <= now
            && lines[now].instruction.jumps
            && lines[to].place.symbol == lines[now].place.symbol
        {
            *back.entry((to, now)).or_insert(0) += 1;
        }
        at = next;
    }
    Walk { iterations, digest: hex::encode(hash.finalize()), back }
}

/// The widest instructions of a class, and the function that holds most of them.
fn seen(lines: &[Line], class: Class) -> Option<Seen> {
    let of_class = || lines.iter().filter(|line| line.instruction.class == class);
    let width = of_class().map(|line| line.instruction.width).max()?;
    let mut symbols = BTreeMap::<&str, u64>::new();
    for line in of_class().filter(|line| line.instruction.width == width) {
        *symbols.entry(&line.place.symbol).or_default() += line.count;
    }
    let symbol = symbols.iter().max_by_key(|(_, count)| **count).map(|(symbol, _)| (*symbol).to_owned())?;
    Some(Seen { width, symbol, count: symbols.values().sum() })
}

fn classes(lines: &[Line]) -> Vec<ByClass> {
    let mut counts = BTreeMap::new();
    for Line { instruction: i, count, .. } in lines {
        let place = Class::ALL.iter().position(|&class| class == i.class);
        *counts.entry((place, std::cmp::Reverse(i.width), i.class)).or_insert(0) += count;
    }
    counts.into_iter().map(|((_, width, class), count)| ByClass { class, width: width.0, count }).collect()
}

fn mnemonics(lines: &[Line]) -> Vec<ByMnemonic> {
    let mut counts = BTreeMap::new();
    for Line { instruction: i, count, .. } in lines {
        *counts.entry((&i.mnemonic, i.width, i.class)).or_insert(0) += count;
    }
    let mut rows: Vec<_> = counts
        .into_iter()
        .map(|((mnemonic, width, class), count)| ByMnemonic {
            mnemonic: mnemonic.clone(),
            class,
            width,
            count,
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

fn by_symbol(lines: &[Line]) -> Vec<BySymbol> {
    let mut rows = BTreeMap::<(&str, &str), BySymbol>::new();
    for Line { instruction: i, place, count, .. } in lines {
        let row = rows.entry((&place.symbol, &place.file)).or_insert_with(|| BySymbol {
            symbol: place.symbol.clone(),
            file: place.file.clone(),
            count: 0,
            aes: 0,
            multiplies: 0,
            width: None,
        });
        row.count += count;
        match i.class {
            Class::Aes => row.aes += count,
            Class::Multiply => row.multiplies += count,
            _ => continue,
        }
        row.width = row.width.max(i.width);
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

/// Loops by start address: several backward jumps to the same target are one loop.
fn loops(lines: &[Line], back: &BTreeMap<(usize, usize), u64>) -> Vec<Loop> {
    let mut merged = BTreeMap::<usize, (usize, u64)>::new();
    for (&(first, last), &turns) in back {
        let entry = merged.entry(first).or_insert((last, 0));
        *entry = (entry.0.max(last), entry.1 + turns);
    }
    let mut loops: Vec<_> = merged
        .into_iter()
        .map(|(first, (last, turns))| {
            let body = &lines[first..=last];
            Loop {
                symbol: lines[first].place.symbol.clone(),
                start: lines[first].place.offset,
                end: lines[last].place.offset,
                turns,
                length: body.len() as u64,
                count: body.iter().map(|line| line.count).sum(),
            }
        })
        .collect();
    loops.sort_by_key(|l| std::cmp::Reverse(l.count));
    loops.truncate(LOOPS);
    loops
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Width;

    fn line(n: u64, text: &str, class: Class, width: Option<Width>) -> Line {
        let mnemonic = text.split(' ').next().unwrap_or_default().to_owned();
        let (repeats, jumps) = (mnemonic == "rep", mnemonic == "jne");
        let instruction = Instruction { mnemonic, text: text.to_owned(), class, width, repeats, jumps };
        let place = Place { symbol: "kernel".into(), file: "program".into(), offset: n };
        Line { address: 0x1000 + n, instruction, place, count: 0 }
    }

    fn program() -> Vec<Line> {
        vec![
            line(0, "mov eax,4", Class::Other, None),
            line(5, "vaesenc zmm0,zmm1,zmm2", Class::Aes, Some(Width::Zmm)),
            line(11, "aesenc xmm0,xmm1", Class::Aes, Some(Width::Xmm)),
            line(16, "dec eax", Class::Other, None),
            line(18, "jne", Class::Branch, None),
            line(20, "rep movsb", Class::Store, None),
            line(22, "ret", Class::Branch, None),
        ]
    }

    #[test]
    fn a_loop_is_counted_and_a_repeated_instruction_is_one() {
        let mut lines = program();
        let turn = [1, 2, 3, 4];
        let order = [&[0][..], &turn, &turn, &turn, &turn, &[5; 9], &[6]].concat();
        let walk = walk(&mut lines, &order);
        assert_eq!(walk.iterations, 8);
        assert_eq!(lines.iter().map(|line| line.count).collect::<Vec<_>>(), [1, 4, 4, 4, 4, 1, 1]);
        let loops = loops(&lines, &walk.back);
        assert_eq!(loops.len(), 1);
        let Loop { start, end, turns, length, count, .. } = loops[0];
        assert_eq!((start, end, turns, length, count), (5, 18, 3, 4, 16));
        let rows: Vec<_> = classes(&lines).iter().map(|r| (r.class, r.width, r.count)).collect();
        assert_eq!(
            rows,
            [
                (Class::Aes, Some(Width::Zmm), 4),
                (Class::Aes, Some(Width::Xmm), 4),
                (Class::Store, None, 1),
                (Class::Branch, None, 5),
                (Class::Other, None, 5),
            ]
        );
        let symbols = by_symbol(&lines);
        assert_eq!((symbols.len(), symbols[0].count, symbols[0].aes), (1, 19, 8));
        assert_eq!(symbols[0].width, Some(Width::Zmm));
        assert_eq!(mnemonics(&lines)[0].count, 4);
        let aes = seen(&lines, Class::Aes).unwrap();
        assert_eq!((aes.width, aes.symbol.as_str(), aes.count), (Some(Width::Zmm), "kernel", 4));
        assert_eq!(seen(&lines, Class::Multiply), None);
    }

    #[test]
    fn the_digest_covers_path_and_iterations_but_no_address() {
        let digest = |order: &[usize], moved: u64| {
            let mut lines = program();
            lines.iter_mut().for_each(|line| line.address += moved);
            walk(&mut lines, order).digest
        };
        let once = digest(&[0, 1, 2, 5, 6], 0);
        assert_eq!(once.len(), 64);
        assert_eq!(once, digest(&[0, 1, 2, 5, 6], 0x4000));
        assert_ne!(once, digest(&[0, 2, 1, 5, 6], 0));
        assert_ne!(once, digest(&[0, 1, 2, 5, 5, 6], 0));
    }

    #[test]
    fn a_jump_to_itself_is_executed_each_time() {
        let mut lines = program();
        let walk = walk(&mut lines, &[4, 4, 4]);
        assert_eq!((walk.iterations, lines[4].count), (0, 3));
    }
}
