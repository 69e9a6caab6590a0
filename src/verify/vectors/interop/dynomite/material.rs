//! `dyn-material.json`: the bytes that a key file gives, and which configurations are valid.

use super::{Node, Problem, VERDICTS, ends_as, integer, only, only_with_success, same, without_cipher};
use crate::scheme::snapshot::{Config, MATERIAL_LEN, parse_into};
use crate::verify::Case;

pub(super) fn read(root: &Node<'_>) -> Result<Vec<Case>, Problem> {
    only(root, &["key_files", "config"])?;
    let mut cases = Vec::new();
    for (i, node) in root.member("key_files")?.elements()?.enumerate() {
        node.only(&["file", "expect", "material", "why"])?;
        node.member("why")?.text()?;
        let (file, expect) = (node.member("file")?.bytes()?, node.member("expect")?.word(&VERDICTS)?);
        let material = only_with_success(&node, "material", expect)?;
        cases.push(without_cipher(format!("key_files/{i}"), move || {
            let mut out = [0; MATERIAL_LEN];
            let parsed = parse_into(&file, &mut out);
            ends_as("the key file", &parsed, expect)?;
            same("the key material", &out, material.as_deref().unwrap_or(&[0; MATERIAL_LEN]))
        }));
    }
    for (i, node) in root.member("config")?.elements()?.enumerate() {
        node.only(&["buffer_size", "header_size", "encrypt", "expect"])?;
        let config = Config {
            buffer_size: integer(&node.member("buffer_size")?)?,
            header_size: integer(&node.member("header_size")?)?,
            encrypt: node.member("encrypt")?.truth()?,
            ..Config::new("key", "iv")
        };
        let expect = node.member("expect")?.word(&VERDICTS)?;
        cases.push(without_cipher(format!("config/{i}"), move || {
            ends_as("the configuration", &config.validate(), expect)
        }));
    }
    Ok(cases)
}
