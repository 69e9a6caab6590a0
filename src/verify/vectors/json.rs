//! A JSON value that carries its path, so an error can name its place.
//!
//! An object with a repeated member is refused: one of the two values would be ignored silently.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::Problem;

/// A value and its place in the file.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

/// Parses a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Unique { above: None }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    value.map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        let reason = match e.classify() {
            Category::Eof => "the JSON is cut short".into(),
            // Our own error, about the content. Serde appends the place, which is given separately.
            Category::Data => e.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
            Category::Io | Category::Syntax => format!("not JSON: {e}"),
        };
        Problem::new(place, reason)
    })
}

/// Reads a value in which no object has two members with the same name.
struct Unique<'a> {
    above: Option<&'a Step<'a>>,
}

/// One step of the path to a value.
struct Step<'a> {
    above: Option<&'a Self>,
    name: Name<'a>,
}

enum Name<'a> {
    Member(&'a str),
    Element(usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.above, &self.name) {
            (None, Name::Member(name)) => f.write_str(name),
            (Some(above), Name::Member(name)) => write!(f, "{above}.{name}"),
            (None, Name::Element(i)) => write!(f, "[{i}]"),
            (Some(above), Name::Element(i)) => write!(f, "{above}[{i}]"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            let step = Step { above: self.above, name: Name::Element(array.len()) };
            match elements.next_element_seed(Unique { above: Some(&step) })? {
                Some(value) => array.push(value),
                None => return Ok(array.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let step = Step { above: self.above, name: Name::Member(&name) };
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {step} appears twice")));
            }
            let value = members.next_value_seed(Unique { above: Some(&step) })?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

impl<'a> Node<'a> {
    /// The outermost value.
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// An error about this value.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        let place = if self.path.is_empty() { "the outermost value" } else { &self.path };
        Problem::new(place, reason)
    }

    fn wanted(&self, what: &str) -> Problem {
        let is = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.problem(format!("expected {what}, found {is}"))
    }

    /// The member with that name, if there is one.
    pub fn find(&self, name: &str) -> Result<Option<Self>, Problem> {
        let object = self.value.as_object().ok_or_else(|| self.wanted("an object"))?;
        Ok(object.get(name).map(|value| Self { value, path: self.path_to(name) }))
    }

    /// The member with that name, unless it is absent or null.
    pub fn optional(&self, name: &str) -> Result<Option<Self>, Problem> {
        Ok(self.find(name)?.filter(|node| !node.value.is_null()))
    }

    /// The member with that name.
    pub fn member(&self, name: &str) -> Result<Self, Problem> {
        self.find(name)?.ok_or_else(|| Problem::new(self.path_to(name), "this member is missing"))
    }

    fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// The members, by name.
    pub fn members(&self) -> Result<impl Iterator<Item = (&'a str, Self)>, Problem> {
        let object = self.value.as_object().ok_or_else(|| self.wanted("an object"))?;
        let path = self.clone();
        Ok(object.iter().map(move |(name, value)| (&**name, Self { value, path: path.path_to(name) })))
    }

    /// Refuses an object that has a member other than these: its meaning would be skipped.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.members()?.find(|(name, _)| !known.contains(name)) {
            Some((_, node)) => Err(node.problem(format!("an unknown member; known: {}", known.join(", ")))),
            None => Ok(()),
        }
    }

    /// The word, if it is one of these.
    pub fn word(&self, known: &[&'static str]) -> Result<&'static str, Problem> {
        let word = self.text()?;
        known
            .iter()
            .find(|of| **of == word)
            .copied()
            .ok_or_else(|| self.problem(format!("the word {word:?} is unknown; known: {}", known.join(", "))))
    }

    /// The array's elements.
    pub fn elements(&self) -> Result<impl Iterator<Item = Self>, Problem> {
        let array = self.value.as_array().ok_or_else(|| self.wanted("an array"))?;
        let path = self.path.clone();
        Ok(array.iter().enumerate().map(move |(i, value)| Node { value, path: format!("{path}[{i}]") }))
    }

    /// The string.
    pub fn text(&self) -> Result<&'a str, Problem> {
        self.value.as_str().ok_or_else(|| self.wanted("a string"))
    }

    /// Whether it is an object with this member.
    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some()
    }

    /// A number of bytes that is given in bits.
    pub fn bits_as_bytes(&self) -> Result<u64, Problem> {
        match self.number()? {
            bits if bits.is_multiple_of(8) => Ok(bits / 8),
            _ => Err(self.problem("a size in bits that is not whole bytes")),
        }
    }

    /// True or false.
    pub fn truth(&self) -> Result<bool, Problem> {
        self.value.as_bool().ok_or_else(|| self.wanted("true or false"))
    }

    /// The whole number.
    pub fn number(&self) -> Result<u64, Problem> {
        self.value.as_u64().ok_or_else(|| self.wanted("a whole number"))
    }

    /// The bytes of a hex string.
    pub fn bytes(&self) -> Result<Vec<u8>, Problem> {
        hex::decode(self.text()?).map_err(|e| self.problem(format!("not hex: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_member_is_refused_with_its_path() {
        let problem = parse(b"{\"a\": [1, {\"b\": {},\n \"tag\": 1, \"tag\": 2}]}").unwrap_err();
        assert_eq!(problem.reason, "the member a[1].tag appears twice");
        assert!(problem.place.starts_with("line 2, column "), "{problem}");
        let once =
            parse(b"{\"a\": {\"a\": null}, \"b\": [-1, 2.5, true, \"\\u0041\", 18446744073709551615]}");
        let expected = serde_json::json!({"a": {"a": null}, "b": [-1, 2.5, true, "A", u64::MAX]});
        assert_eq!(once.unwrap(), expected);
    }

    #[test]
    fn invalid_json_is_distinguished_from_truncated_json() {
        assert_eq!(parse(b"{\"a\": ").unwrap_err().reason, "the JSON is cut short");
        assert!(parse(b"{\"a\": 1}}").unwrap_err().reason.starts_with("not JSON: trailing characters"));
        assert!(parse("[".repeat(1_000).as_bytes()).unwrap_err().reason.contains("recursion limit"));
    }
}
