//! Checks the advice in this scheme's error messages against its rules. The messages are read from the
//! sources, so no variant can be left out.

/// The messages in the `#[error(...)]` attributes of a source file.
fn messages(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("#[error(") {
        let rest = &source[at + "#[error(".len()..];
        if rest.starts_with("transparent") {
            continue;
        }
        let (mut text, mut escaped) = (String::new(), false);
        let begin = rest.find('"').expect("a message is a string") + 1;
        for c in rest[begin..].chars() {
            match (escaped, c) {
                (false, '"') => break,
                (false, '\\') => escaped = true,
                (_, c) => {
                    text.push(c);
                    escaped = false;
                }
            }
        }
        found.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    found
}

/// Every message that an operator of this scheme can see.
fn all() -> Vec<String> {
    [include_str!("mod.rs"), include_str!("../../../disk/mod.rs"), include_str!("../../../envelope/mod.rs")]
        .into_iter()
        .flat_map(messages)
        .collect()
}

#[test]
fn messages_are_extracted_in_full() {
    let source =
        "#[error(\"one {0}\")]\n A,\n #[error(transparent)] B,\n #[error(\n \"two \\\n parts\", path)] C";
    assert_eq!(messages(source), ["one {0}", "two parts"]);
    assert!(all().len() > 70, "{}", all().len());
}

#[test]
fn no_message_advises_restoring_and_backups_appear_only_in_warnings() {
    for message in all() {
        assert!(!message.contains("restore"), "{message}");
        let warned =
            ["put no backup", "do not put a backup", "do not start from a backup", "never from a backup"];
        let mut rest = message.clone();
        warned.iter().for_each(|warning| rest = rest.replace(warning, ""));
        assert!(!rest.contains("backup"), "{message}");
    }
}

#[test]
fn an_untrustworthy_sidecar_is_resynced() {
    let mut count = 0;
    for message in all() {
        let of_the_sidecar = message.starts_with("the sidecar") || message.contains("sidecar's");
        if of_the_sidecar || message.contains("registry") && message.contains("malformed") {
            assert!(message.contains("resync"), "{message}");
            count += 1;
        }
    }
    assert!(count >= 14, "{count} messages");
}

#[test]
fn every_message_of_the_scheme_says_what_to_do() {
    // The advice of these is in their cause, which is part of the message.
    let told = [
        "the request is refused",
        "the node cannot be resynced",
        "this node has not passed",
        "key {0} cannot",
        "the stored key",
    ];
    let advice = [
        "ask ",
        "call ",
        "choose ",
        "compare ",
        "configure ",
        "enable ",
        "fetch ",
        "give ",
        "let ",
        "look ",
        "fix ",
        "move ",
        "read it ",
        "repair ",
        "resync",
        "rotate ",
        "start ",
        "take ",
        "try ",
        "upgrade ",
    ];
    for message in messages(include_str!("mod.rs")) {
        let says = advice.iter().any(|verb| message.contains(verb));
        assert!(says || told.iter().any(|told| message.starts_with(told)), "{message}");
    }
}
