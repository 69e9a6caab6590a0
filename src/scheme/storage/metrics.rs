//! Counters and gauges as OpenMetrics text. The names follow elastickv's design (spec §11), which has no code
//! for them; `rotation_due` is ours.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::SEALED_OVERHEAD;
use super::budget::Use;
use super::{Dek, Error, Kek, Purpose, Sidecar};
use crate::envelope;
use crate::envelope::keystore::DEK_LEN;

const PREFIX: &str = "elastickv_encryption";
const REASONS: [&str; 4] = ["tag_mismatch", "unknown_key_id", "truncated", "bad_version"];

/// Counters of a running node. Any number of threads can share them.
#[derive(Default, Debug)]
pub struct Counters {
    failures: [AtomicU64; REASONS.len()],
    unwraps: AtomicU64,
    unwrap_ns: AtomicU64,
}

impl Counters {
    /// Counts a value or entry that did not open; ignores other errors.
    pub fn refused(&self, error: &Error) {
        use envelope::Error as Cause;
        let cause = match error {
            Error::ReadIntegrity | Error::ClearValue => &Cause::Integrity,
            Error::Stored { cause, .. } => return self.refused(cause),
            Error::Envelope(cause) | Error::RaftUnwrapFailed { cause, .. } => cause,
            _ => return,
        };
        let reason = match cause {
            Cause::Integrity => 0,
            Cause::UnknownKeyId(_) => 1,
            Cause::EnvelopeShort | Cause::ValueHeaderShort => 2,
            Cause::EnvelopeVersion(_) => 3,
            _ => return,
        };
        self.failures[reason].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an unwrap by the KEK and the time it took.
    pub fn unwrapped(&self, took: Duration) {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.unwrap_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

/// A KEK that counts its unwraps.
#[derive(Debug)]
pub(super) struct CountedKek {
    pub kek: Arc<dyn Kek>,
    pub counters: Arc<Counters>,
}

impl Kek for CountedKek {
    fn wrap(&self, purpose: Purpose, key_id: u32, dek: &[u8; DEK_LEN]) -> Result<Vec<u8>, Error> {
        self.kek.wrap(purpose, key_id, dek)
    }

    fn unwrap(&self, purpose: Purpose, key_id: u32, wrapped: &[u8]) -> Result<Dek, Error> {
        let began = Instant::now();
        let dek = self.kek.unwrap(purpose, key_id, wrapped);
        self.counters.unwrapped(began.elapsed());
        dek
    }
}

/// A snapshot of a node's counters, from [`Node::metrics`](super::Node::metrics); it displays as OpenMetrics
/// text.
#[derive(Debug)]
pub struct Metrics {
    /// The counters.
    pub counters: Arc<Counters>,
    /// The keys, if there is a sidecar.
    pub sidecar: Option<Sidecar>,
    /// Values, and log entries, sealed under each key in this process load.
    pub writes_per_dek: BTreeMap<u32, u64>,
    /// How much of its limit each purpose's key has used.
    pub usage: [(Purpose, Use); 2],
    /// The last log index seen under each raft key in this process load.
    pub last_proposed_index: BTreeMap<u32, u64>,
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut family = |name: &str, kind: &str, help: &str, samples: &str| {
            let full = format!("{PREFIX}_{name}");
            writeln!(f, "# TYPE {full} {kind}")?;
            if name.ends_with("_bytes") || name.ends_with("_seconds") {
                writeln!(f, "# UNIT {full} {}", name.rsplit('_').next().unwrap_or_default())?;
            }
            writeln!(f, "# HELP {full} {help}")?;
            samples.lines().try_for_each(|sample| writeln!(f, "{full}{sample}"))
        };
        let labelled = |rows: &BTreeMap<u32, u64>| {
            rows.iter().fold(String::new(), |mut text, (key_id, value)| {
                let _ = writeln!(text, "{{dek_id=\"{key_id}\"}} {value}");
                text
            })
        };
        let mut active = String::new();
        for purpose in [Purpose::Storage, Purpose::Raft] {
            let key_id = self.sidecar.as_ref().map_or(0, |sidecar| sidecar.active(purpose));
            let _ = writeln!(active, "{{purpose=\"{purpose}\"}} {key_id}");
        }
        family("active_dek_id", "gauge", "Id of the active data key; 0 for none.", &active)?;
        let mut failures = String::new();
        for (reason, count) in REASONS.iter().zip(&self.counters.failures) {
            let _ = writeln!(failures, "_total{{reason=\"{reason}\"}} {}", load(count));
        }
        family("decrypt_failures", "counter", "Stored values and log entries that did not open.", &failures)?;
        let writes = labelled(&self.writes_per_dek);
        let help = "Values and entries sealed under a key since this process started.";
        family("writes_per_dek", "gauge", help, &writes)?;
        let due = self.usage.iter().fold(String::new(), |mut text, (purpose, usage)| {
            let _ = writeln!(text, "{{purpose=\"{purpose}\"}} {}", u8::from(*usage != Use::Within));
            text
        });
        let help = "1 when the active key has sealed nine tenths of its limit: rotate it.";
        family("rotation_due", "gauge", help, &due)?;
        let proposed = labelled(&self.last_proposed_index);
        let help = "Last log index proposed under a raft key.";
        family("last_proposed_index_per_raft_dek", "gauge", help, &proposed)?;
        let overhead = format!(" {SEALED_OVERHEAD}\n");
        family("value_overhead_bytes", "gauge", "Bytes that sealing adds to a stored value.", &overhead)?;
        let unwraps = format!(
            "_sum {}\n_count {}\n",
            load(&self.counters.unwrap_ns) as f64 / 1e9,
            load(&self.counters.unwraps)
        );
        family("kek_unwrap_seconds", "summary", "Time that the KEK took to unwrap data keys.", &unwraps)?;
        let index = format!(" {}\n", self.sidecar.as_ref().map_or(0, |sidecar| sidecar.raft_applied_index));
        family("sidecar_raft_index", "gauge", "Last log index that changed the sidecar.", &index)?;
        f.write_str("# EOF\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_name_of_the_design_and_the_openmetrics_end_marker() {
        let counters = Arc::<Counters>::default();
        for error in [
            Error::ReadIntegrity,
            Error::ClearValue.stored_at(b"key"),
            envelope::Error::UnknownKeyId(1).into(),
            envelope::Error::EnvelopeShort.into(),
            envelope::Error::EnvelopeVersion(9).into(),
            Error::RaftUnwrapFailed { index: 5, cause: envelope::Error::Integrity },
            Error::NoCipher,
        ] {
            counters.refused(&error);
        }
        counters.unwrapped(Duration::from_millis(1_500));
        let sidecar = Sidecar { active_storage: 7, raft_applied_index: 41, ..Sidecar::default() };
        let metrics = Metrics {
            counters,
            sidecar: Some(sidecar),
            writes_per_dek: [(7, 3)].into(),
            usage: [(Purpose::Storage, Use::Within), (Purpose::Raft, Use::RotationDue)],
            last_proposed_index: [(8, 40)].into(),
        };
        let text = metrics.to_string();
        for line in [
            "elastickv_encryption_active_dek_id{purpose=\"storage\"} 7",
            "elastickv_encryption_active_dek_id{purpose=\"raft\"} 0",
            "elastickv_encryption_decrypt_failures_total{reason=\"tag_mismatch\"} 3",
            "elastickv_encryption_decrypt_failures_total{reason=\"unknown_key_id\"} 1",
            "elastickv_encryption_decrypt_failures_total{reason=\"truncated\"} 1",
            "elastickv_encryption_decrypt_failures_total{reason=\"bad_version\"} 1",
            "elastickv_encryption_writes_per_dek{dek_id=\"7\"} 3",
            "elastickv_encryption_rotation_due{purpose=\"storage\"} 0",
            "elastickv_encryption_rotation_due{purpose=\"raft\"} 1",
            "# TYPE elastickv_encryption_last_proposed_index_per_raft_dek gauge",
            "elastickv_encryption_last_proposed_index_per_raft_dek{dek_id=\"8\"} 40",
            "elastickv_encryption_value_overhead_bytes 43",
            "# UNIT elastickv_encryption_kek_unwrap_seconds seconds",
            "elastickv_encryption_kek_unwrap_seconds_sum 1.5",
            "elastickv_encryption_kek_unwrap_seconds_count 1",
            "elastickv_encryption_sidecar_raft_index 41",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
    }
}
