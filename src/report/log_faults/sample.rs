//! A made-up map for the tests: two files, one of them damaged, and a finding without a reason.

use crate::verify::log_faults::{
    Coverage, Evidence, FILES, FileMap, Map, Refused, SCHEMA, Stretch, Verdict, reason,
};

fn stretch(from: u64, counts: [u64; 4]) -> Stretch {
    let [detected, late, harmless, undetected] = counts;
    Stretch { from, to: from + 10, detected, late, harmless, undetected }
}

fn coverage(aim: &str, tried: u64, of: u64) -> Coverage {
    Coverage { aim: aim.into(), tried, of }
}

/// The map.
pub(in crate::report) fn map() -> Map {
    let first = FileMap {
        file: "<b>.wal".into(),
        kind: "wal".into(),
        bytes: 60,
        units: 2,
        integrity_code: "OK".into(),
        record_index: None,
        coverage: vec![coverage("structure", 40, 40), coverage("payload", 3, 20)],
        strip: vec![
            stretch(0, [4, 0, 0, 0]),
            stretch(10, [5, 0, 0, 0]),
            stretch(20, [1, 0, 0, 3]),
            stretch(30, [1, 0, 0, 2]),
            stretch(40, [0; 4]),
            stretch(50, [0; 4]),
        ],
    };
    let second = FileMap {
        file: "sst/7.sst".into(),
        kind: "table".into(),
        bytes: 20,
        units: 0,
        integrity_code: "CHECKSUM_MISMATCH".into(),
        record_index: Some(4),
        coverage: Vec::new(),
        strip: vec![stretch(0, [0; 4]), stretch(10, [0; 4])],
    };
    let evidence = |fault: &str, part: &str, verdict, count| Evidence {
        file: "<b>.wal".into(),
        fault: fault.into(),
        part: part.into(),
        verdict,
        integrity_code: "OK".into(),
        record_index: None,
        pass: true,
        semantic_drift: verdict == Verdict::Undetected,
        count,
        first_at: 20,
        reason: None,
    };
    let unexplained = Evidence {
        pass: false,
        reason: Some("no reason is known why the format should not see this".into()),
        ..evidence("flip", "key", Verdict::Undetected, 2)
    };
    let forged = Evidence {
        reason: Some(reason::NO_KEY.into()),
        ..evidence("forge", "value", Verdict::Undetected, 3)
    };
    let detected = Evidence {
        integrity_code: "CHECKSUM_MISMATCH".into(),
        record_index: Some(0),
        ..evidence("flip", "value", Verdict::Detected, 11)
    };
    let harmless = evidence("zero", "value", Verdict::Harmless, 0);
    Map {
        schema: SCHEMA.into(),
        sealmark: "0.0.0".into(),
        started: "2026-11-27T08:00:00Z".into(),
        folder: "/data/log".into(),
        budget_seconds: 10.0,
        seconds: 9.5,
        threads: 2,
        complete: true,
        trials: 16,
        pass: false,
        semantic_drift: true,
        refused: None,
        left_out: Vec::new(),
        files: vec![first, second],
        others: vec!["notes".into()],
        evidence: vec![unexplained, forged, harmless, detected],
    }
}

/// A map of a log that only the engine refuses: the same without the damaged file and the finding.
pub(in crate::report) fn refused() -> Map {
    let mut map = map();
    map.files.pop();
    map.files[0].coverage.push(coverage(FILES, 0, 2));
    map.evidence.remove(0);
    let refused = Refused {
        file: Some("sealmark.<i>history".into()),
        integrity_code: "CHECKSUM_MISMATCH".into(),
        record_index: Some(0),
        message: "its checksum does not match".into(),
    };
    let left_out = vec!["files as wholes, for a reason".into()];
    Map { refused: Some(refused), left_out, complete: false, trials: 14, ..map }
}
