//! The spelling of numbers, and of words from files, in every format.
//!
//! Three significant digits, thousands separated, sizes in binary units, speeds in decimal ones. This is also
//! the only place that removes control characters from a file's text.

/// A whole number with its thousands separated: `47,892`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count and its noun: `1 case`, `2 cases`.
pub(super) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Three significant digits, or all digits of the whole part: `0.0213`, `9.12`, `45.3`, `1,915`.
pub(super) fn three(x: f64) -> String {
    if !x.is_finite() || x < 0.0 {
        return "?".to_owned();
    }
    if x == 0.0 {
        return "0".to_owned();
    }
    // Rounded first: 9.996 has one decimal, not two.
    let rounded: f64 = format!("{x:.2e}").parse().expect("Rust parses every float that it prints");
    let decimals = 2 - rounded.log10().floor() as i32;
    match decimals {
        ..=0 => count(x.round() as u64),
        1..=8 => format!("{x:.0$}", decimals as usize),
        _ => format!("{x:.2e}"),
    }
}

/// A message size: `16 B`, `1 KiB`, `1 MiB`, `1,500 B`.
pub(super) fn size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >> shift > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{} {unit}", count(bytes >> shift));
        }
    }
    format!("{} B", count(bytes))
}

/// The words with every control and direction-changing character replaced by `\u{FFFD}`, and line ends by
/// spaces: such characters could move a terminal's cursor or reverse a table.
pub fn plain(words: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    words.chars().map(visible).collect()
}

/// The same words with a capital letter at the beginning.
pub(super) fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// The words as part of a file name or an anchor: lower-case letters, digits and dashes.
pub(super) fn slug(words: &str) -> String {
    let mut out = String::new();
    for c in words.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.021_34, "0.0213"),
            (0.9996, "1.00"),
            (9.124, "9.12"),
            (9.996, "10.0"),
            (45.26, "45.3"),
            (99.96, "100"),
            (934.4, "934"),
            (1915.2, "1,915"),
            (1e-12, "1.00e-12"),
            (-1.0, "?"),
            (f64::NAN, "?"),
            (f64::INFINITY, "?"),
        ];
        for (x, text) in cases {
            assert_eq!(three(x), text, "{x}");
        }
        assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!((counted(1, "case"), counted(0, "case")), ("1 case".into(), "0 cases".into()));
    }

    #[test]
    fn sizes_take_a_unit_only_when_it_divides_them() {
        let cases = [
            (0, "0 B"),
            (16, "16 B"),
            (1024, "1 KiB"),
            (1500, "1,500 B"),
            (16_384, "16 KiB"),
            (1 << 20, "1 MiB"),
            (1 << 30, "1 GiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d\u{9b}"), "a\u{fffd}[2Jb c\u{fffd}d\u{fffd}");
        assert_eq!(plain("opened “ä” → ok"), "opened “ä” → ok");
        assert_eq!(slug("../Seal aes-256-gcm/<x>"), "seal-aes-256-gcm-x");
    }
}
