//! Result files: read, distinguished, and written whole or not at all.
//!
//! A result file is one JSON object whose `schema` member names its kind: `sealmark.verify/1` or
//! `sealmark.bench/1`. This module trusts no file, so every way in which one can be malformed has its own
//! error. Not here: whether the numbers are consistent.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::Error;
use crate::{measure, verify};

/// A result file.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum File {
    /// What `sealmark verify` found.
    Verify(verify::Report),
    /// What `sealmark bench` measured.
    Bench(measure::Run),
}

/// Reads one result file.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::NotJson`], [`Error::Truncated`], [`Error::UnknownSchema`],
/// [`Error::NewerSchema`], [`Error::WrongMember`].
pub fn read(path: &Path) -> Result<File, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Reads a result file, or every `*.json` directly in a folder, by name.
///
/// # Errors
/// As [`read`], at the first file refused; [`Error::Empty`].
pub fn read_all(path: &Path) -> Result<Vec<File>, Error> {
    if !path.is_dir() {
        return Ok(vec![read(path)?]);
    }
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// Finds the kind of a result file by its `schema` member, then reads the rest.
fn parse(path: &Path, text: &str) -> Result<File, Error> {
    #[derive(Deserialize)]
    struct Head {
        schema: Option<serde_json::Value>,
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let unknown = |schema: String| Error::UnknownSchema { path: path.to_owned(), schema };
    let head: Head = match serde_json::from_str(text) {
        Ok(head) => head,
        Err(e) if e.classify() == Category::Data => return Err(unknown("absent".to_owned())),
        Err(e) => return Err(json_error(path, "JSON", &e)),
    };
    let schema = match head.schema {
        Some(serde_json::Value::String(schema)) => schema,
        Some(other) => return Err(unknown(other.to_string())),
        None => return Err(unknown("absent".to_owned())),
    };
    match schema.as_str() {
        verify::SCHEMA => member(path, &schema, text).map(File::Verify),
        measure::SCHEMA => member(path, &schema, text).map(File::Bench),
        _ if is_newer(&schema) => Err(Error::NewerSchema { path: path.to_owned(), schema }),
        _ => Err(unknown(format!("{schema:?}"))),
    }
}

fn member<T: DeserializeOwned>(path: &Path, schema: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| json_error(path, schema, &e))
}

/// Whether it is one of our schemas with a higher number than ours.
fn is_newer(schema: &str) -> bool {
    let split = |schema: &str| -> Option<(String, u32)> {
        let (name, version) = schema.rsplit_once('/')?;
        Some((name.to_owned(), version.parse().ok()?))
    };
    let Some((name, version)) = split(schema) else { return false };
    [verify::SCHEMA, measure::SCHEMA]
        .iter()
        .filter_map(|ours| split(ours))
        .any(|(ours, latest)| ours == name && version > latest)
}

fn json_error(path: &Path, schema: &str, e: &serde_json::Error) -> Error {
    let (path, line, column) = (path.to_owned(), e.line(), e.column());
    // serde_json ends its message with the position, which our error states itself.
    let message = e.to_string();
    let reason = message.split(" at line ").next().unwrap_or(&message).to_owned();
    match e.classify() {
        Category::Eof => Error::Truncated { path, line, column },
        Category::Data => Error::WrongMember { path, schema: schema.to_owned(), line, column, reason },
        Category::Syntax | Category::Io => Error::NotJson { path, line, column, reason },
    }
}

/// Writes a result as JSON: the whole file under its name, or nothing. Creates missing folders.
///
/// # Errors
/// [`Error::Unwritable`], [`Error::DiskFull`].
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::Unwritable { path: path.to_owned(), source: e.into() })?;
    text.push('\n');
    write_text(path, &text)
}

/// Writes a text: the whole file under its name, or nothing. Creates missing folders.
///
/// The text goes to a temporary name in the same folder, is flushed to disk, then renamed.
///
/// # Errors
/// [`Error::SymbolicLink`] for a link, which the renaming would replace rather than follow;
/// [`Error::Unwritable`], [`Error::DiskFull`].
pub fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    let refused = |source| write_error(path, source);
    let Some(name) = path.file_name() else {
        return Err(refused(io::ErrorKind::InvalidInput.into()));
    };
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink()) {
        return Err(Error::SymbolicLink { path: path.into() });
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(refused)?;
    }
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let written = fs::File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one that matters; a temporary file left behind is never read as a result.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(refused)
}

fn write_error(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
        _ => Error::Unwritable { path, source },
    }
}

/// The folder for a run that starts now on the host with that fingerprint:
/// `reports/runs/TIME-FINGERPRINT/` of Sealmark's checkout when the current folder is inside it, else
/// `sealmark-report/TIME-FINGERPRINT/` here. Does not create it.
pub fn default_dir(fingerprint: &str) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    dir_for(&here, jiff::Timestamp::now(), fingerprint)
}

/// The folder for a baseline of the host with that fingerprint: `reports/baseline/FINGERPRINT/` of Sealmark's
/// checkout when the current folder is inside it, else `sealmark-baseline/FINGERPRINT/` here. It is not made
/// yet.
pub fn baseline_dir(fingerprint: &str) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    match here.ancestors().find(|folder| is_checkout(folder)) {
        Some(checkout) => checkout.join("reports").join("baseline").join(fingerprint),
        None => here.join("sealmark-baseline").join(fingerprint),
    }
}

fn dir_for(here: &Path, now: jiff::Timestamp, fingerprint: &str) -> PathBuf {
    let name = format!("{}-{fingerprint}", now.strftime("%Y%m%dT%H%M%SZ"));
    match here.ancestors().find(|folder| is_checkout(folder)) {
        Some(checkout) => checkout.join("reports").join("runs").join(name),
        None => here.join("sealmark-report").join(name),
    }
}

/// A folder with this package's manifest and a `reports` folder.
fn is_checkout(folder: &Path) -> bool {
    let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { return false };
    let Ok(manifest) = manifest.parse::<toml::Table>() else { return false };
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name == Some(env!("CARGO_PKG_NAME")) && folder.join("reports").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn refusal(text: &str) -> Error {
        parse(Path::new("x.json"), text).unwrap_err()
    }

    #[test]
    fn both_kinds_survive_a_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let (verify, bench) = (sample::report(), sample::run());
        write(&dir.path().join("new/b.json"), &verify).unwrap();
        write(&dir.path().join("new/a.json"), &bench).unwrap();
        fs::write(dir.path().join("new/notes.txt"), "not a result").unwrap();
        let files = read_all(&dir.path().join("new")).unwrap();
        assert_eq!(files, [File::Bench(bench.clone()), File::Verify(verify)]);
        assert_eq!(read_all(&dir.path().join("new/a.json")).unwrap(), [File::Bench(bench)]);
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 3, "no temporary file stays");
    }

    #[test]
    fn a_missing_file_and_an_empty_folder_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read_all(&dir.path().join("none.json")), Err(Error::Unreadable { .. })));
        assert!(matches!(read_all(dir.path()), Err(Error::Empty { .. })));
        fs::write(dir.path().join("x.json"), [0xff, 0xfe]).unwrap();
        assert!(matches!(read_all(dir.path()), Err(Error::Unreadable { .. })));
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let e = refusal("{\n  \"schema\": oops\n}");
        assert!(matches!(e, Error::NotJson { line: 2, column: 13, .. }), "{e}");
        assert_eq!(e.to_string(), "x.json: not JSON: line 2, column 13: expected value");
        assert!(matches!(refusal("{} trailing"), Error::NotJson { .. }));
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let text = serde_json::to_string_pretty(&sample::report()).unwrap();
        let mut cuts = 0;
        for cut in (0..text.len()).step_by(37).filter(|&cut| text.is_char_boundary(cut)) {
            let e = refusal(&text[..cut]);
            assert!(matches!(e, Error::Truncated { .. }), "cut at {cut}: {e}");
            cuts += 1;
        }
        assert!(cuts > 50, "{cuts} cuts");
    }

    #[test]
    fn other_schemas_are_refused() {
        for text in [
            "{}",
            "[]",
            "7",
            r#"{"schema":7}"#,
            r#"{"schema":"sealmark.gate/1"}"#,
            r#"{"schema":"sealmark.verify/0"}"#,
            r#"{"schema":"sealmark.verify"}"#,
            r#"{"schema":"other.bench/9"}"#,
        ] {
            let e = refusal(text);
            assert!(matches!(e, Error::UnknownSchema { .. }), "{text}: {e}");
        }
    }

    #[test]
    fn a_newer_schema_asks_for_an_upgrade() {
        let e = refusal(r#"{"schema":"sealmark.bench/2","rows":"whatever"}"#);
        assert_eq!(
            e.to_string(),
            "x.json: sealmark.bench/2 was written by a newer sealmark; upgrade to read it"
        );
    }

    #[test]
    fn a_member_of_another_type_is_refused_with_its_place() {
        let mut value = serde_json::to_value(sample::run()).unwrap();
        value["rows"][0]["bytes"] = "many".into();
        let e = refusal(&serde_json::to_string_pretty(&value).unwrap());
        assert!(matches!(e, Error::WrongMember { .. }), "{e}");
        assert!(e.to_string().contains("invalid type: string \"many\", expected u64"), "{e}");
        value["rows"][0].as_object_mut().unwrap().remove("bytes");
        assert!(refusal(&value.to_string()).to_string().contains("missing field `bytes`"));
    }

    #[test]
    #[cfg(unix)]
    fn a_result_file_that_is_a_link_is_refused_and_both_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("kept.json"), dir.path().join("latest.json"));
        fs::write(&file, "kept").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let e = write(&link, &1).unwrap_err();
        assert!(matches!(&e, Error::SymbolicLink { path } if *path == link), "{e}");
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file stays");
    }

    #[test]
    fn a_failed_write_leaves_nothing_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let e = write(&dir.path().join("file/x.json"), &1).unwrap_err();
        assert!(matches!(e, Error::Unwritable { .. }), "{e}");
        fs::create_dir(dir.path().join("x.json")).unwrap();
        let e = write(&dir.path().join("x.json"), &1).unwrap_err();
        assert!(matches!(e, Error::Unwritable { .. }), "a folder has that name: {e}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file stays");
        let e = write_error(Path::new("x.json"), io::ErrorKind::StorageFull.into());
        assert_eq!(e.to_string(), "x.json: the disk is full");
    }

    #[test]
    fn results_go_to_the_checkout_and_elsewhere_to_the_current_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (root, now) = (dir.path(), jiff::Timestamp::UNIX_EPOCH);
        let here = root.join("src/deep");
        fs::create_dir_all(&here).unwrap();
        let outside = here.join("sealmark-report/19700101T000000Z-abc");
        assert_eq!(dir_for(&here, now, "abc"), outside);
        fs::write(root.join("Cargo.toml"), "[package]\nname = \"sealmark\"\n").unwrap();
        assert_eq!(dir_for(&here, now, "abc"), outside, "no reports folder");
        fs::create_dir(root.join("reports")).unwrap();
        assert_eq!(dir_for(&here, now, "abc"), root.join("reports/runs/19700101T000000Z-abc"));
        fs::write(root.join("Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
        assert_eq!(dir_for(&here, now, "abc"), outside, "another project's checkout");
    }
}
