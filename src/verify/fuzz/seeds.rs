//! The committed seeds of targets: those made from the published vectors are compared with `fuzz/seeds`, or
//! written there if `SEALMARK_SEEDS_DIR` names a folder.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The seeds of a target by the names of their files.
pub(super) type Seeds = BTreeMap<String, Vec<u8>>;

/// A file of interop vectors.
pub(super) fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/interop").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(super) fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().unwrap()
}

/// The bytes of a string of hexadecimal digits.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// Checks that each target has that many seeds, and that the committed ones are the same.
pub(super) fn check_committed(all: [(&str, Seeds, usize); 3]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let write = std::env::var_os("SEALMARK_SEEDS_DIR").map(|folder| Path::new(&folder).to_owned());
    for (target, seeds, count) in all {
        assert_eq!(seeds.len(), count, "{target}");
        if let Some(folder) = &write {
            let _ = std::fs::remove_dir_all(folder.join(target));
            std::fs::create_dir_all(folder.join(target)).unwrap();
            seeds
                .iter()
                .for_each(|(name, seed)| std::fs::write(folder.join(target).join(name), seed).unwrap());
        }
        let files = std::fs::read_dir(folder.join(target)).unwrap().map(|file| file.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let committed: Seeds = files.map(|file| (name(&file), std::fs::read(file).unwrap())).collect();
        assert_eq!(committed.keys().collect::<Vec<_>>(), seeds.keys().collect::<Vec<_>>(), "{target}");
        for (name, seed) in seeds {
            assert_eq!(committed[&name], seed, "{target}/{name}");
        }
    }
}
