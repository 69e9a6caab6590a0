//! The JSON text of a sidecar: read strictly, written like Go's encoder.
//!
//! The reader follows Go's decoder when that refuses, and the rule `strict-json` when it is lenient: it
//! accepts `Version` for `version`, the last of two members with one name, and null as zero. Go's encoder
//! indents by two spaces, ends without a newline, sorts members of a map as strings and escapes `<`, `>`,
//! `&`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::VERSION;
use super::tree::{self, Value};
use crate::scheme::storage::Error;

/// The members of the text. `None` means missing or null.
pub(super) struct Sidecar {
    pub version: i64,
    pub raft_applied_index: Option<u64>,
    pub storage_envelope_active: Option<bool>,
    pub storage_envelope_cutover_index: Option<u64>,
    pub raft_envelope_cutover_index: Option<u64>,
    pub active_storage: Option<u32>,
    pub active_raft: Option<u32>,
    pub keys: Option<BTreeMap<String, Entry>>,
    /// A member that is null and that the reference reads as zero.
    null: Option<String>,
}

pub(super) struct Entry {
    pub purpose: String,
    pub wrapped: Option<Vec<u8>>,
    pub created: String,
    pub local_epoch: Option<u16>,
}

/// Reads the text. If a document, a version, a key or a purpose is null, it reads as zero, and the checks
/// that follow refuse it by name.
///
/// # Errors
/// [`Error::SidecarJson`]; [`Error::SidecarStrict`] for a member that appears twice or in another spelling,
/// and for Base64 that only Go's decoder accepts.
pub(super) fn read(text: &[u8]) -> Result<Sidecar, Error> {
    let document: Value =
        serde_json::from_slice(text).map_err(|error| Error::SidecarJson(error.to_string()))?;
    let mut reader = Reader { null: None };
    let known = [
        "version",
        "raft_applied_index",
        "storage_envelope_active",
        "storage_envelope_cutover_index",
        "raft_envelope_cutover_index",
        "active",
        "keys",
    ];
    let [version, applied, sealing, storage_cutover, raft_cutover, active, keys] =
        members("", document, known)?;
    let [active_storage, active_raft] = match reader.not_null("active", active) {
        None => [None, None],
        Some(active) => members("active.", active, ["storage", "raft"])?,
    };
    let keys = match reader.not_null("keys", keys) {
        None => None,
        Some(keys) => Some(reader.keys(keys)?),
    };
    Ok(Sidecar {
        version: whole("version", version.unwrap_or(Value::Null))?.unwrap_or_default(),
        raft_applied_index: reader.whole("raft_applied_index", applied)?,
        storage_envelope_active: reader.truth("storage_envelope_active", sealing)?,
        storage_envelope_cutover_index: reader.whole("storage_envelope_cutover_index", storage_cutover)?,
        raft_envelope_cutover_index: reader.whole("raft_envelope_cutover_index", raft_cutover)?,
        active_storage: reader.whole("active.storage", active_storage)?,
        active_raft: reader.whole("active.raft", active_raft)?,
        keys,
        null: reader.null,
    })
}

impl Sidecar {
    /// Checks that no member is null, and that none is missing if the default would do harm: `keys`; and in
    /// version 2, whose writer omits none, any but `created` once there are active keys. A single flipped bit
    /// in a name loses the member, since unknown names are ignored.
    pub fn check_members(&self) -> Result<(), Error> {
        if let Some(name) = &self.null {
            return Err(Error::SidecarStrict(format!("{name} is null")));
        }
        let missing = |name: &str| Err(Error::SidecarStrict(format!("{name} is missing")));
        let Some(keys) = &self.keys else { return missing("keys") };
        let active = self.active_storage.max(self.active_raft).unwrap_or(0);
        if self.version != VERSION || active == 0 {
            return Ok(());
        }
        for (name, there) in [
            ("raft_applied_index", self.raft_applied_index.is_some()),
            ("storage_envelope_active", self.storage_envelope_active.is_some()),
            ("storage_envelope_cutover_index", self.storage_envelope_cutover_index.is_some()),
            ("raft_envelope_cutover_index", self.raft_envelope_cutover_index.is_some()),
            ("active.storage", self.active_storage.is_some()),
            ("active.raft", self.active_raft.is_some()),
        ] {
            if !there {
                return missing(name);
            }
        }
        // A key without a purpose, or with a null one, is left to the next check, which names it.
        for (key, entry) in keys.iter().filter(|(_, entry)| !entry.purpose.is_empty()) {
            if entry.wrapped.is_none() {
                return missing(&format!("keys.{key}.wrapped"));
            }
            if entry.local_epoch.is_none() {
                return missing(&format!("keys.{key}.local_epoch"));
            }
        }
        Ok(())
    }
}

/// Takes values from their members and records the first null member.
struct Reader {
    null: Option<String>,
}

impl Reader {
    fn not_null(&mut self, name: &str, value: Option<Value>) -> Option<Value> {
        if let Some(Value::Null) = value {
            self.null.get_or_insert_with(|| name.into());
            return None;
        }
        value
    }

    fn whole<T: TryFrom<i128>>(&mut self, name: &str, value: Option<Value>) -> Result<Option<T>, Error> {
        self.not_null(name, value).map_or(Ok(None), |value| whole(name, value))
    }

    fn truth(&mut self, name: &str, value: Option<Value>) -> Result<Option<bool>, Error> {
        match self.not_null(name, value) {
            None => Ok(None),
            Some(Value::Truth(truth)) => Ok(Some(truth)),
            Some(_) => Err(unexpected(name, "true or false")),
        }
    }

    fn text(&mut self, name: &str, value: Option<Value>) -> Result<Option<String>, Error> {
        self.not_null(name, value).map_or(Ok(None), |value| text(name, value))
    }

    /// Every key by its name; duplicates are refused.
    fn keys(&mut self, keys: Value) -> Result<BTreeMap<String, Entry>, Error> {
        let Value::Members(members) = keys else { return Err(unexpected("keys", "an object")) };
        let mut keys = BTreeMap::new();
        for (name, value) in members {
            let entry = self.entry(&name, value)?;
            if keys.contains_key(&name) {
                return Err(Error::SidecarStrict(format!("keys.{name} appears twice")));
            }
            keys.insert(name, entry);
        }
        Ok(keys)
    }

    fn entry(&mut self, key: &str, value: Value) -> Result<Entry, Error> {
        let within = |member: &str| format!("keys.{key}.{member}");
        let known = ["purpose", "wrapped", "created", "local_epoch"];
        let [purpose, wrapped, created, epoch] = members(&within(""), value, known)?;
        let wrapped = self.text(&within("wrapped"), wrapped)?;
        Ok(Entry {
            purpose: text(&within("purpose"), purpose.unwrap_or(Value::Null))?.unwrap_or_default(),
            wrapped: wrapped.map(|text| from_base64(&within("wrapped"), &text)).transpose()?,
            created: self.text(&within("created"), created)?.unwrap_or_default(),
            local_epoch: self.whole(&within("local_epoch"), epoch)?,
        })
    }
}

/// The members with those names; null has none. Unknown members are ignored, as in the reference.
fn members<const N: usize>(
    within: &str,
    value: Value,
    known: [&'static str; N],
) -> Result<[Option<Value>; N], Error> {
    let mut found = [const { None }; N];
    let members = match value {
        Value::Members(members) => members,
        Value::Null => return Ok(found),
        _ if within.is_empty() => return Err(unexpected("the document", "an object")),
        _ => return Err(unexpected(within.trim_end_matches('.'), "an object")),
    };
    for (name, value) in members {
        let folded = tree::folded(&name);
        let Some(i) = known.iter().position(|known| *known == folded) else { continue };
        if name != known[i] {
            let text = format!("{within}{name} is {within}{} to a reader that ignores case", known[i]);
            return Err(Error::SidecarStrict(text));
        }
        if found[i].replace(value).is_some() {
            return Err(Error::SidecarStrict(format!("{within}{name} appears twice")));
        }
    }
    Ok(found)
}

fn whole<T: TryFrom<i128>>(name: &str, value: Value) -> Result<Option<T>, Error> {
    let refused = || unexpected(name, "a whole number in its range");
    match value {
        Value::Null => Ok(None),
        Value::Whole(number) => T::try_from(number).map(Some).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

fn text(name: &str, value: Value) -> Result<Option<String>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        _ => Err(unexpected(name, "a string")),
    }
}

fn unexpected(name: &str, expected: &str) -> Error {
    Error::SidecarJson(format!("{name} is not {expected}"))
}

/// Decodes canonical Base64. Go ignores line breaks and trailing bits after the last byte.
fn from_base64(name: &str, text: &str) -> Result<Vec<u8>, Error> {
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    STANDARD.decode(text).map_err(|error| {
        match GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(text.replace(['\r', '\n'], "")) {
            Ok(_) => Error::SidecarStrict(format!("{name} is not canonical Base64")),
            Err(_) => Error::SidecarJson(format!("{name} is not Base64: {error}")),
        }
    })
}

pub(super) fn write(sidecar: &super::Sidecar) -> String {
    let mut text = format!(
        "{{\n  \"version\": {VERSION},\n  \"raft_applied_index\": {},\n  \
         \"storage_envelope_active\": {},\n  \
         \"storage_envelope_cutover_index\": {},\n  \"raft_envelope_cutover_index\": {},\n  \
         \"active\": {{\n    \
         \"storage\": {},\n    \"raft\": {}\n  }},\n  \"keys\": {{",
        sidecar.raft_applied_index,
        sidecar.storage_envelope_active,
        sidecar.storage_envelope_cutover_index,
        sidecar.raft_envelope_cutover_index,
        sidecar.active_storage,
        sidecar.active_raft,
    );
    for (i, (name, entry)) in sidecar.keys.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let (purpose, wrapped, epoch) =
            (entry.purpose.name(), STANDARD.encode(&entry.wrapped), entry.local_epoch);
        let (name, created) = (Quoted(name), Quoted(&entry.created));
        let _ = write!(
            text,
            "{comma}\n    {name}: {{\n      \"purpose\": \"{purpose}\",\n      \
             \"wrapped\": \"{wrapped}\",\n      \
             \"created\": {created},\n      \"local_epoch\": {epoch}\n    }}"
        );
    }
    text.push_str(if sidecar.keys.is_empty() { "}\n}" } else { "\n  }\n}" });
    text
}

/// A string escaped like Go's encoder does.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\u{8}' => f.write_str("\\b")?,
                '\u{c}' => f.write_str("\\f")?,
                '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    write!(f, "\\u{:04x}", c as u32)?
                }
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
