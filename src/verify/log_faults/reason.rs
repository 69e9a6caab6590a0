//! What the checked format cannot see, and why: the only alterations that may go unrefused.
//!
//! Whatever is neither refused nor named here is a finding.

use super::alter::Fault;
use super::layout::Kind;
use super::result::Verdict;

/// A checksum that anyone can compute.
pub const NO_KEY: &str = "CRC-32C has no key: whoever can write the file can make the checksum right";
/// An end between two records.
pub const CLEAN_END: &str = "a log holds no count of its records: an end between two of them is a clean end";
/// The order of records.
pub const NO_PLACE: &str = "a checksum covers a record and not its place: no record names the one before it";
/// A repeated record.
pub const REPEATED: &str = "the request id was seen before, so the engine ignores the repeat";
/// The rest of a table's header.
pub const HEADER_REST: &str =
    "no checksum covers bytes 6 to 15 of a table's header, and readers do not use them";
/// A block in another's place.
pub const BLOCK_PLACE: &str = "a checksum covers a block's payload and not its place";
/// The Raft files.
pub const NO_CHECKSUM: &str = "the Raft files have no checksum";
/// Files as wholes.
pub const NO_LIST: &str =
    "nothing ties a file to its name: the folder keeps no list of its files and of their contents";

/// Why the format lets this alteration pass, if it does.
pub(super) fn declared(kind: Kind, fault: Fault, part: &str, verdict: Verdict) -> Option<&'static str> {
    if verdict == Verdict::Detected {
        return None;
    }
    match (fault, kind) {
        (Fault::SwapFiles | Fault::CopyFile | Fault::DropFile, Kind::Wal | Kind::Table) => {
            (verdict != Verdict::Harmless).then_some(NO_LIST)
        }
        (_, Kind::RaftMeta | Kind::RaftLog) => Some(NO_CHECKSUM),
        // Read up to the forgery or beyond it: both are the forger's choice.
        (Fault::Forge, _) => Some(NO_KEY),
        (_, _) if verdict == Verdict::Late => None,
        (Fault::Cut, Kind::Wal) if part == "between units" => Some(CLEAN_END),
        (Fault::Copy, Kind::Wal) if verdict == Verdict::Harmless => Some(REPEATED),
        (Fault::Swap | Fault::Copy | Fault::Drop, Kind::Wal) => Some(NO_PLACE),
        (Fault::Flip | Fault::Zero, Kind::Table)
            if matches!(part, "header reserved" | "header block size") && verdict == Verdict::Harmless =>
        {
            Some(HEADER_REST)
        }
        (Fault::Swap, Kind::Table) if part == "block" => Some(BLOCK_PLACE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_that_changes_what_a_checked_file_gives_has_no_excuse() {
        for kind in [Kind::Wal, Kind::Table] {
            for part in ["header reserved", "header block size", "key", "block", "index", "footer magic"] {
                assert_eq!(declared(kind, Fault::Flip, part, Verdict::Undetected), None, "{part}");
                assert_eq!(declared(kind, Fault::Flip, part, Verdict::Late), None, "{part}");
            }
        }
        let rest = declared(Kind::Table, Fault::Flip, "header block size", Verdict::Harmless);
        assert_eq!(rest, Some(HEADER_REST));
    }

    #[test]
    fn a_cut_is_excused_only_between_two_records() {
        let cut = |part| declared(Kind::Wal, Fault::Cut, part, Verdict::Undetected);
        assert_eq!(cut("between units"), Some(CLEAN_END));
        assert_eq!(cut("inside a record"), None);
        assert_eq!(declared(Kind::Table, Fault::Cut, "between units", Verdict::Undetected), None);
    }

    #[test]
    fn what_is_refused_needs_no_excuse() {
        for kind in [Kind::Wal, Kind::Table, Kind::RaftMeta, Kind::RaftLog] {
            for fault in Fault::ALL {
                assert_eq!(declared(kind, fault, "key", Verdict::Detected), None);
            }
        }
    }
}
