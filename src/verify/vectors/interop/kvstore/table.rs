//! `kv-sst.json`: tables as they are written, and what opening, scanning and reading make of a table: whole,
//! with each byte altered, and cut.

use super::{
    Arc, Edit, Judgement, Node, Problem, code, equal, integer, only, same, tuple, without_cipher, words,
};
use crate::scheme::log::Error;
use crate::scheme::log::table::{Entry, Found, Table, encode};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["files", "corrupt_base", "corrupt_base_keys", "base_verdict", "flips", "truncations"])?;
    let mut cases = Vec::new();
    for (i, node) in root.member("files")?.elements()?.enumerate() {
        let written = Written::read(&node)?;
        cases.push(without_cipher(format!("files/{i}"), move || written.judge()));
    }
    let base: Arc<[u8]> = root.member("corrupt_base")?.bytes()?.into();
    let keys = root.member("corrupt_base_keys")?;
    let keys = keys.elements()?.map(|key| key.bytes());
    let keys: Arc<Vec<Vec<u8>>> = Arc::new(keys.collect::<Result<_, _>>()?);
    // What the whole file holds: an alteration that goes unnoticed changes nothing.
    let whole: Arc<Vec<Row>> = Arc::new(check(&base, &keys).unwrap_or_default());
    let verdict = Verdict::read(&root.member("base_verdict")?)?;
    let (file, all, rows) = (Arc::clone(&base), Arc::clone(&keys), Arc::clone(&whole));
    cases.push(without_cipher("base".into(), move || {
        verdict.judge(&file, &all, &rows)?;
        // They are read from every altered table, so a key that is not there would test nothing.
        let listed = rows.iter().map(|(key, _)| key).eq(all.iter());
        if listed || rows.is_empty() { Ok(()) } else { Err("the keys are not those of the table".into()) }
    }));
    let mut edited = |(edit, verdict): (Edit, Node<'_>)| {
        let (base, keys, whole) = (Arc::clone(&base), Arc::clone(&keys), Arc::clone(&whole));
        let verdict = Verdict::read(&verdict)?;
        cases.push(without_cipher(edit.id(), move || verdict.judge(&edit.apply(&base), &keys, &whole)));
        Ok(())
    };
    for node in root.member("flips")?.elements()? {
        edited(Edit::flip(&base, &node)?)?;
    }
    for node in root.member("truncations")?.elements()? {
        edited(Edit::truncation(&base, &node)?)?;
    }
    Ok(cases)
}

/// A key with its value, or with the mark that it was deleted.
type Row = (Vec<u8>, Option<Vec<u8>>);

/// The entries of a table, and the exact file.
struct Written {
    target: u32,
    rows: Vec<Row>,
    blocks: usize,
    file: Vec<u8>,
    verdict: Verdict,
}

impl Written {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        node.only(&["target_block_size", "entries", "blocks", "file", "verdict"])?;
        let mut rows = Vec::new();
        for entry in node.member("entries")?.elements()? {
            entry.only(&["key", "value", "tombstone"])?;
            let (key, value) = (entry.member("key")?.bytes()?, entry.member("value")?.bytes()?);
            // The reference writes no value for a deleted key, whatever the row says.
            rows.push((key, (!entry.member("tombstone")?.truth()?).then_some(value)));
        }
        Ok(Self {
            target: integer(&node.member("target_block_size")?)?,
            rows,
            blocks: integer(&node.member("blocks")?)?,
            file: node.member("file")?.bytes()?,
            verdict: Verdict::read(&node.member("verdict")?)?,
        })
    }

    fn judge(&self) -> Judgement {
        let entries = self.rows.iter().map(|(key, value)| Entry { key, value: value.as_deref() });
        same("the table", &encode(self.target, entries).map_err(words)?, &self.file)?;
        let keys: Vec<Vec<u8>> = self.rows.iter().map(|(key, _)| key.clone()).collect();
        self.verdict.judge(&self.file, &keys, &self.rows)?;
        equal("blocks", Table::of_bytes(self.file.clone()).map_err(words)?.blocks(), self.blocks)
    }
}

/// The first check that fails, the code of its error, and its block unless the table does not open.
#[derive(PartialEq, Eq, Debug)]
enum Verdict {
    Fine,
    Open(&'static str),
    Scan(&'static str, u64),
    Get(&'static str, u64),
}

impl Verdict {
    fn read(node: &Node<'_>) -> Result<Self, Problem> {
        let Some(stage) = node.elements()?.next() else {
            return Err(node.problem("0 elements; expected a stage, a code and a block"));
        };
        let refusal = |word: &Node<'_>| match code(word)? {
            "" => Err(word.problem("a check that fails has a code")),
            code => Ok(code),
        };
        match stage.word(&["ok", "open", "scan", "get"])? {
            "ok" => tuple::<1>(node, "no code, since no check fails").map(|_| Self::Fine),
            "open" => {
                let [_, word] = tuple(node, "a code alone, since there are no blocks yet")?;
                Ok(Self::Open(refusal(&word)?))
            }
            stage => {
                let [_, word, block] = tuple(node, "a stage, a code and a block")?;
                let (code, block) = (refusal(&word)?, block.number()?);
                Ok(if stage == "scan" { Self::Scan(code, block) } else { Self::Get(code, block) })
            }
        }
    }

    /// Runs the checks. A table that passes them holds these rows.
    fn judge(&self, file: &[u8], keys: &[Vec<u8>], rows: &[Row]) -> Judgement {
        match check(file, keys) {
            Err((seen, error)) => {
                equal("the verdict", &seen, self).map_err(|what| format!("{what} ({error})"))
            }
            Ok(seen) => {
                equal("the verdict", &Self::Fine, self)?;
                if seen == rows { Ok(()) } else { Err("the table holds other entries".into()) }
            }
        }
    }
}

/// Opens, scans, and gets each key, which must be what the scan said. The rows, or the first check that
/// fails.
fn check(file: &[u8], keys: &[Vec<u8>]) -> Result<Vec<Row>, (Verdict, Error)> {
    let code = |error: &Error| error.code().spec_name();
    let table = Table::of_bytes(file.to_vec()).map_err(|error| (Verdict::Open(code(&error)), error))?;
    let mut rows: Vec<Row> = Vec::new();
    let scanned = table.scan(&mut |entry| {
        rows.push((entry.key.to_vec(), entry.value.map(<[u8]>::to_vec)));
        Ok(())
    });
    scanned.map_err(|error| (Verdict::Scan(code(&error), error.record_index()), error))?;
    for key in keys {
        let found = table.get(key);
        let found = found.map_err(|error| (Verdict::Get(code(&error), error.record_index()), error))?;
        let found = found.map(|found| match found {
            Found::Value(value) => Some(value),
            Found::Tombstone => None,
        });
        let scanned = rows.iter().find(|(of, _)| of == key).map(|(_, value)| value.clone());
        if found != scanned {
            // No code describes it: a get disagrees with the scan.
            let error = Error::io("reading a key")(std::io::Error::other("not what the scan delivered"));
            return Err((Verdict::Get(code(&error), 0), error));
        }
    }
    Ok(rows)
}
