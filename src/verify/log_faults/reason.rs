//! What the checked format cannot see, and why: the only alterations that may change what a reader gives.
//!
//! What does so and is not named here is a finding. So is what has no effect, where readers must refuse it.

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
pub const BLOCK_PLACE: &str = "a checksum covers a block's payload and not its place, and readers do not \
                               compare its keys with the index";
/// The Raft files.
pub const NO_CHECKSUM: &str = "the Raft files have no checksum";
/// Files as wholes.
pub const NO_LIST: &str =
    "nothing ties a file to its name: the folder keeps no list of its files and of their contents";

/// Whether readers refuse such an alteration whatever it does to the content, so that one without effect is a
/// finding too, unless [`declared`] excuses it.
pub(super) fn must_be_refused(kind: Kind, fault: Fault, part: &str) -> bool {
    match fault {
        // Checked without a checksum, so also under a right one.
        Fault::Forge => CHECKED.contains(&part),
        Fault::Flip | Fault::Zero => CHECKED.contains(&part) || matches!(kind, Kind::Wal | Kind::Table),
        Fault::Cut | Fault::ZeroTail => true,
        _ => false,
    }
}

/// The parts with only one right value, or few.
const CHECKED: [&str; 7] =
    ["magic", "version", "op", "header magic", "header version", "footer magic", "footer version"];

/// Why the format lets this alteration pass, if it does.
pub(super) fn declared(kind: Kind, fault: Fault, part: &str, verdict: Verdict) -> Option<&'static str> {
    if verdict == Verdict::Detected {
        return None;
    }
    let is_harmless = verdict == Verdict::Harmless;
    match (fault, kind) {
        (Fault::SwapFiles | Fault::CopyFile | Fault::DropFile, Kind::Wal | Kind::Table) => {
            (!is_harmless).then_some(NO_LIST)
        }
        // The other fields are checked: magic, version, reserved, and the count and sizes against the length.
        (Fault::Flip | Fault::Zero | Fault::Forge, Kind::RaftMeta) => {
            let is_value = matches!(part, "term" | "voted for" | "snapshot index" | "snapshot term");
            is_value.then_some(NO_CHECKSUM)
        }
        (Fault::Flip | Fault::Zero | Fault::Forge, Kind::RaftLog) => {
            matches!(part, "entry term" | "entry").then_some(NO_CHECKSUM)
        }
        // The count tells of one that is missing or repeated.
        (Fault::Swap, Kind::RaftLog) => (part == "entry").then_some(NO_CHECKSUM),
        // Read up to the forgery or beyond it: both are the forger's choice. But one forged size, offset or
        // operation contradicts the rest of the file.
        (Fault::Forge, Kind::Wal) => match part {
            "key" | "value" | "request id" => Some(NO_KEY),
            "reserved" => is_harmless.then_some(NO_KEY),
            _ => None,
        },
        (Fault::Forge, Kind::Table) => match part {
            "block" | "index count" | "index key" | "index place" => Some(NO_KEY),
            "footer reserved" => is_harmless.then_some(NO_KEY),
            _ => None,
        },
        (_, _) if verdict == Verdict::Late => None,
        (Fault::Cut, Kind::Wal) if part == "between units" => Some(CLEAN_END),
        (Fault::Copy, Kind::Wal) if is_harmless => Some(REPEATED),
        (Fault::Swap | Fault::Copy | Fault::Drop, Kind::Wal) => Some(NO_PLACE),
        (Fault::Flip | Fault::Zero, Kind::Table)
            if matches!(part, "header reserved" | "header block size") && is_harmless =>
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

    #[test]
    fn a_forgery_is_excused_only_where_nothing_but_the_checksum_contradicts_it() {
        use Verdict::{Harmless, Late, Undetected};
        let reason = |kind, part, verdict| declared(kind, Fault::Forge, part, verdict);
        for verdict in [Late, Undetected, Harmless] {
            for part in ["key", "value", "request id"] {
                assert_eq!(reason(Kind::Wal, part, verdict), Some(NO_KEY), "{part}");
            }
            for part in ["block", "index count", "index key", "index place"] {
                assert_eq!(reason(Kind::Table, part, verdict), Some(NO_KEY), "{part}");
            }
            for part in ["magic", "version", "op", "key size", "value size", "request id size", "checksum"] {
                assert_eq!(reason(Kind::Wal, part, verdict), None, "{part}");
            }
            let sizes = ["block size", "index size", "footer index offset", "footer index size"];
            let of_index = ["index key size", "index offset", "index frame size"];
            for part in sizes.into_iter().chain(of_index).chain(CHECKED) {
                assert_eq!(reason(Kind::Table, part, verdict), None, "{part}");
            }
        }
        for (kind, part) in [(Kind::Wal, "reserved"), (Kind::Table, "footer reserved")] {
            assert_eq!(reason(kind, part, Harmless), Some(NO_KEY));
            assert_eq!(reason(kind, part, Undetected), None, "it has no meaning");
        }
    }

    #[test]
    fn in_the_raft_files_only_values_and_the_order_of_entries_are_excused() {
        let undetected = |kind, fault, part| declared(kind, fault, part, Verdict::Undetected);
        for fault in [Fault::Flip, Fault::Zero] {
            for part in ["term", "voted for", "snapshot index", "snapshot term"] {
                assert_eq!(undetected(Kind::RaftMeta, fault, part), Some(NO_CHECKSUM), "{part}");
            }
            for part in ["entry term", "entry"] {
                assert_eq!(undetected(Kind::RaftLog, fault, part), Some(NO_CHECKSUM), "{part}");
            }
            for part in ["magic", "version", "reserved", "count", "entry size"] {
                for kind in [Kind::RaftMeta, Kind::RaftLog] {
                    assert_eq!(undetected(kind, fault, part), None, "{part}");
                }
            }
        }
        assert_eq!(undetected(Kind::RaftLog, Fault::Swap, "entry"), Some(NO_CHECKSUM));
        for fault in [Fault::Copy, Fault::Drop, Fault::Cut, Fault::ZeroTail] {
            for (kind, part) in [(Kind::RaftLog, "entry"), (Kind::RaftMeta, "header")] {
                assert_eq!(undetected(kind, fault, part), None, "{fault:?}");
            }
        }
    }

    #[test]
    fn what_readers_check_without_a_checksum_is_to_be_refused_even_if_nothing_comes_of_it() {
        for kind in [Kind::Wal, Kind::Table, Kind::RaftMeta, Kind::RaftLog] {
            for part in CHECKED {
                assert!(
                    [Fault::Flip, Fault::Zero, Fault::Forge].map(|f| must_be_refused(kind, f, part))
                        == [true; 3]
                );
            }
            assert!(
                must_be_refused(kind, Fault::Cut, "end") && must_be_refused(kind, Fault::ZeroTail, "end")
            );
        }
        assert!(must_be_refused(Kind::Wal, Fault::Flip, "reserved"), "the checksum covers it");
        assert!(!must_be_refused(Kind::Wal, Fault::Forge, "reserved"));
        assert!(!must_be_refused(Kind::RaftLog, Fault::Flip, "entry"));
    }
}
