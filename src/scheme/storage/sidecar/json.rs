//! The text of a sidecar: read strictly, written as Go's encoder writes it.
//!
//! Go indents by two spaces, ends without a newline, sorts members of a map as strings and escapes `<`, `>`, `&`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{VERSION, base64, from_base64};

/// `keys` must be there. One that is there twice, or is null, is refused. See [`Sidecar::missing`].
#[derive(Deserialize)]
pub(super) struct Sidecar {
    #[serde(default)]
    pub version: i64,
    #[serde(default, deserialize_with = "some")]
    pub raft_applied_index: Option<u64>,
    #[serde(default, deserialize_with = "some")]
    pub storage_envelope_active: Option<bool>,
    #[serde(default, deserialize_with = "some")]
    pub storage_envelope_cutover_index: Option<u64>,
    #[serde(default, deserialize_with = "some")]
    pub raft_envelope_cutover_index: Option<u64>,
    #[serde(default)]
    pub active: Active,
    pub keys: Keys,
}

#[derive(Default, Deserialize)]
pub(super) struct Active {
    #[serde(default, deserialize_with = "some")]
    pub storage: Option<u32>,
    #[serde(default, deserialize_with = "some")]
    pub raft: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    pub purpose: String,
    #[serde(default, deserialize_with = "some")]
    pub wrapped: Option<Wrapped>,
    #[serde(default)]
    pub created: String,
    #[serde(default, deserialize_with = "some")]
    pub local_epoch: Option<u16>,
}

impl Sidecar {
    /// A member that is missing where the default would do harm: in version 2, whose writer leaves none out, once there
    /// are active keys. One bit of a name is enough to lose it, since unknown names are passed over.
    pub fn missing(&self) -> Option<&'static str> {
        let Active { storage, raft } = self.active;
        if self.version != VERSION || storage.max(raft).unwrap_or(0) == 0 {
            return None;
        }
        let entries = || self.keys.0.values();
        let members = [
            ("raft_applied_index", self.raft_applied_index.is_some()),
            ("storage_envelope_active", self.storage_envelope_active.is_some()),
            ("storage_envelope_cutover_index", self.storage_envelope_cutover_index.is_some()),
            ("raft_envelope_cutover_index", self.raft_envelope_cutover_index.is_some()),
            ("active.storage", storage.is_some()),
            ("active.raft", raft.is_some()),
            ("a key's wrapped", entries().all(|entry| entry.wrapped.is_some())),
            ("a key's local_epoch", entries().all(|entry| entry.local_epoch.is_some())),
        ];
        members.into_iter().find(|(_, there)| !there).map(|(name, _)| name)
    }
}

/// A member that is there: null is no value of it.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Default)]
pub(super) struct Wrapped(pub Vec<u8>);

impl<'de> Deserialize<'de> for Wrapped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_base64(&text)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("wrapped is no Base64: {error}")))
    }
}

/// A map in which no name comes twice.
pub(super) struct Keys(pub BTreeMap<String, Entry>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = BTreeMap<String, Entry>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys by their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut keys = BTreeMap::new();
                while let Some((name, entry)) = map.next_entry::<String, Entry>()? {
                    if keys.contains_key(&name) {
                        return Err(A::Error::custom(format!("key {name:?} is there twice")));
                    }
                    keys.insert(name, entry);
                }
                Ok(keys)
            }
        }
        deserializer.deserialize_map(Unique).map(Keys)
    }
}

pub(super) fn write(sidecar: &super::Sidecar) -> String {
    let mut text = format!(
        "{{\n  \"version\": {VERSION},\n  \"raft_applied_index\": {},\n  \"storage_envelope_active\": {},\n  \
         \"storage_envelope_cutover_index\": {},\n  \"raft_envelope_cutover_index\": {},\n  \"active\": {{\n    \
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
        let (purpose, wrapped, epoch) = (entry.purpose.name(), base64(&entry.wrapped), entry.local_epoch);
        let (name, created) = (Quoted(name), Quoted(&entry.created));
        let _ = write!(
            text,
            "{comma}\n    {name}: {{\n      \"purpose\": \"{purpose}\",\n      \"wrapped\": \"{wrapped}\",\n      \
             \"created\": {created},\n      \"local_epoch\": {epoch}\n    }}"
        );
    }
    text.push_str(if sidecar.keys.is_empty() { "}\n}" } else { "\n  }\n}" });
    text
}

/// A string with the escapes of Go's encoder.
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
mod tests {
    use crate::scheme::storage::Error;
    use crate::scheme::storage::sidecar::{Sidecar, tests::sample};

    fn refused(text: &str) -> bool {
        matches!(Sidecar::parse(text.as_bytes()), Err(Error::SidecarJson(_)))
    }

    #[test]
    fn members_missing_twice_null_or_in_other_case_are_refused() {
        assert!(Sidecar::parse(br#"{"version":2,"keys":{}}"#).is_ok());
        for text in [
            r#"{"version":2}"#,
            r#"{"version":2,"keys":null}"#,
            r#"{"version":2,"active":null,"keys":{}}"#,
            r#"{"version":2,"version":2,"keys":{}}"#,
            r#"{"Version":2,"KEYS":{}}"#,
            r#"{"version":2,"keys":{"7":{"purpose":"raft","wrapped":null}}}"#,
            r#"{"version":2,"keys":{"7":{"purpose":"raft"},"7":{"purpose":"raft"}}}"#,
            r#"{"version":2,"keys":{"7":{"purpose":"raft","wrapped":"AB\nCD"}}}"#,
        ] {
            assert!(refused(text), "{text}");
        }
    }

    #[test]
    fn a_sidecar_in_use_lacks_no_member() {
        let text = sample().to_json();
        let mut refusals = 0;
        for name in [
            "raft_applied_index",
            "storage_envelope_active",
            "storage_envelope_cutover_index",
            "raft_envelope_cutover_index",
            "storage",
            "raft",
            "wrapped",
            "local_epoch",
        ] {
            // Quotes on both sides: one is the beginning of another. A purpose is no name.
            let altered = text.replacen(&format!("\"{name}\":"), &format!("\"{name}_\":"), 1);
            assert_ne!(altered, text);
            assert!(refused(&altered), "{name}");
            let version_1 = altered.replace("\"version\": 2", "\"version\": 1");
            refusals += usize::from(refused(&version_1));
        }
        assert_eq!(refusals, 0, "version 1 need not say all");
    }

    #[test]
    fn any_string_reads_back_the_same() {
        let mut sidecar = sample();
        let all: String = (0..0x2100_u32).filter_map(char::from_u32).collect();
        sidecar.entry_mut(9).unwrap().created = all;
        let text = sidecar.to_json();
        assert!(text.contains("\\u003c=\\u003e") && text.contains("\\u2028"));
        assert_eq!(Sidecar::parse(text.as_bytes()).unwrap(), sidecar);
    }

    #[test]
    fn a_changed_or_missing_byte_is_an_error_or_a_sidecar_that_checks() {
        let text = sample().to_json().into_bytes();
        let (mut kept, mut refused) = (0, 0);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut altered = text.clone();
                altered[at] ^= 1 << bit;
                match Sidecar::parse(&altered) {
                    Ok(sidecar) => {
                        sidecar.check().unwrap();
                        kept += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
            assert!(Sidecar::parse(&text[..at]).is_err(), "{at}");
        }
        assert!(kept > 0 && refused > kept, "{kept} kept, {refused} refused");
    }
}
