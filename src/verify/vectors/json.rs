//! A JSON value that knows its path, so that a complaint names the place.

use serde_json::Value;

use super::Problem;

/// A value and where in the file it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

/// Parses a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        Problem::new(
            place,
            if e.is_eof() { "the JSON is cut short".into() } else { format!("not JSON: {e}") },
        )
    })
}

impl<'a> Node<'a> {
    /// The outermost value.
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A complaint about this value.
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
        self.problem(format!("{what} is expected, this is {is}"))
    }

    /// The member of that name, if there is one.
    pub fn find(&self, name: &str) -> Result<Option<Self>, Problem> {
        let object = self.value.as_object().ok_or_else(|| self.wanted("an object"))?;
        Ok(object.get(name).map(|value| Self { value, path: self.path_to(name) }))
    }

    /// The member of that name, unless it is absent or null.
    pub fn optional(&self, name: &str) -> Result<Option<Self>, Problem> {
        Ok(self.find(name)?.filter(|node| !node.value.is_null()))
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Result<Self, Problem> {
        self.find(name)?.ok_or_else(|| Problem::new(self.path_to(name), "this member is missing"))
    }

    fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
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

    /// True or false.
    pub fn truth(&self) -> Result<bool, Problem> {
        self.value.as_bool().ok_or_else(|| self.wanted("true or false"))
    }

    /// The whole number.
    pub fn number(&self) -> Result<u64, Problem> {
        self.value.as_u64().ok_or_else(|| self.wanted("a whole number"))
    }

    /// The bytes that a string of hex digits stands for.
    pub fn bytes(&self) -> Result<Vec<u8>, Problem> {
        hex::decode(self.text()?).map_err(|e| self.problem(format!("not hex: {e}")))
    }
}
