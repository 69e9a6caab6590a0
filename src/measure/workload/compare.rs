//! What the checks of batches have in common.

/// Whether no call of a pass was refused.
pub(in crate::measure) fn none_refused(refused: usize) -> Result<(), String> {
    match refused {
        0 => Ok(()),
        n => Err(format!("{n} calls were refused")),
    }
}

/// Whether every message of a pass was opened. One that no call looked at has no verdict that says so.
pub(in crate::measure) fn none_not_opened<E: std::fmt::Display>(
    verdicts: &[Result<(), E>],
) -> Result<(), String> {
    match verdicts.iter().enumerate().find_map(|(i, verdict)| Some((i, verdict.as_ref().err()?))) {
        None => Ok(()),
        Some((i, e)) => Err(format!("message {i} was refused, or never opened: {e}")),
    }
}

/// Whether all that was opened is what was sealed. `what` is a message or a record.
pub(in crate::measure) fn all_opened<'a>(
    what: &str,
    opened: impl Iterator<Item = &'a [u8]>,
    plain: impl Iterator<Item = &'a [u8]>,
) -> Result<(), String> {
    match opened.zip(plain).position(|(opened, plain)| opened != plain) {
        None => Ok(()),
        Some(i) => Err(format!("{what} {i} does not open to what was sealed")),
    }
}

/// Whether an open of a forged tag was refused, and as what it is: `refusal` is the error that says so.
pub(in crate::measure) fn refused_as<E: PartialEq + std::fmt::Display>(
    what: &str,
    opened: Result<(), E>,
    refusal: &E,
) -> Result<(), String> {
    match opened {
        Err(e) if e == *refusal => Ok(()),
        Err(e) => Err(format!("a {what} with a forged tag is refused as something else: {e}")),
        Ok(()) => Err(format!("a {what} with a forged tag is opened")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(none_refused(0), Ok(()));
        assert!(none_refused(3).is_err_and(|why| why.contains('3')));
        assert_eq!(none_not_opened(&[Ok::<_, &str>(())]), Ok(()));
        assert!(none_not_opened(&[Ok(()), Err("no")]).is_err_and(|why| why.starts_with("message 1 ")));
        let (one, other) = ([&b"a"[..], b"b"], [&b"a"[..], b"c"]);
        assert_eq!(all_opened("message", one.into_iter(), one.into_iter()), Ok(()));
        let wrong = all_opened("message", one.into_iter(), other.into_iter());
        assert!(wrong.is_err_and(|why| why.starts_with("message 1 ")));
        assert_eq!(refused_as("record", Err("no"), &"no"), Ok(()));
        assert!(refused_as("record", Err("?"), &"no").is_err_and(|why| why.contains("something else")));
        assert!(refused_as("record", Ok(()), &"no").is_err_and(|why| why.ends_with("is opened")));
    }
}
