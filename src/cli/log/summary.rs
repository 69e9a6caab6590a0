//! What `sealmark log serve` says when it ends.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::primitive::tls::Profile;
use crate::scheme::log::Code;
use crate::scheme::log::engine::Recovery;
use crate::scheme::log::service::Failure;
use crate::scheme::log::service::listen::Event;

/// The name and version of the JSON that `serve` prints.
pub(in crate::cli) const SCHEMA: &str = "sealmark.log-serve/1";

/// What `sealmark log serve --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(in crate::cli) struct Served {
    schema: &'static str,
    folder: String,
    /// Absent with `--check`, and if the log was too damaged to be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// `dev` or `secure`.
    profile: &'static str,
    /// Whether no damage was found, and no read or write of the log failed.
    pub pass: bool,
    /// `OK`, or the code of the first damage; `IO_ERROR` if a read or a write failed first.
    integrity_code: &'static str,
    /// The damaged record of its log, or block of its table; 0 if a read or a write failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    record_index: Option<u64>,
    /// The damage, or what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What `message` is.
    #[serde(skip)]
    found: &'static str,
    #[serde(skip)]
    opened: bool,
    /// Records read at the start.
    records_replayed: u64,
    /// Those among them whose request id had been used before.
    duplicate_requests: u64,
    /// Bytes of an incomplete final record that were cut off.
    truncated_bytes: u64,
    /// Whether an interrupted installation of a snapshot was completed.
    install_finished: bool,
    /// Connections that ended.
    connections: u64,
    /// Those among them that were cut, or could not be accepted.
    failed_connections: u64,
    /// Requests answered, by status.
    answers: BTreeMap<String, u64>,
}

impl Served {
    pub fn new(folder: &Path, profile: Profile) -> Self {
        Self {
            schema: SCHEMA,
            folder: folder.display().to_string(),
            listen: None,
            profile: profile.name(),
            pass: true,
            integrity_code: "OK",
            record_index: None,
            message: None,
            found: "",
            opened: false,
            records_replayed: 0,
            duplicate_requests: 0,
            truncated_bytes: 0,
            install_finished: false,
            connections: 0,
            failed_connections: 0,
            answers: BTreeMap::new(),
        }
    }

    pub fn opened(&mut self, recovery: Recovery) {
        self.opened = true;
        self.records_replayed = recovery.records_replayed;
        self.duplicate_requests = recovery.duplicate_requests;
        self.truncated_bytes = recovery.truncated;
        self.install_finished = recovery.install_finished;
    }

    pub fn failed(&mut self, failure: &Failure) {
        self.pass = false;
        self.integrity_code = failure.code.spec_name();
        self.record_index = Some(failure.record_index);
        self.message = Some(failure.message.clone());
        self.found = if failure.code == Code::IoError { "a read or a write failed" } else { "damaged" };
    }

    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Answered(_, status) => *self.answers.entry(status.clone()).or_default() += 1,
            Event::Ended(_, result) => {
                self.connections += 1;
                self.failed_connections += u64::from(result.is_err());
            }
            Event::Failed(_) => self.failed_connections += 1,
        }
    }

    pub fn text(&self) -> String {
        if let (false, Some(message)) = (self.opened, &self.message) {
            return format!("{}: {}: {message}", self.folder, self.found);
        }
        let records = plural(self.records_replayed, "record");
        let mut text = format!("{}: {records} replayed", self.folder);
        if self.duplicate_requests > 0 {
            text += &format!(", {} of them with a request id that was used before", self.duplicate_requests);
        }
        if self.truncated_bytes > 0 {
            text += &format!("\n  {} of an incomplete record cut off", plural(self.truncated_bytes, "byte"));
        }
        if self.install_finished {
            text += "\n  the interrupted installation of a snapshot was completed";
        }
        if self.listen.is_some() {
            let answers: u64 = self.answers.values().sum();
            let connections = plural(self.connections, "connection");
            text += &format!(
                "\n  profile {}: {connections}, {} of them cut; {}",
                self.profile,
                self.failed_connections,
                plural(answers, "answer")
            );
            for (status, count) in &self.answers {
                text += &format!("\n    {status} {count}");
            }
        }
        if let Some(message) = &self.message {
            text += &format!("\n  {}: {message}", self.found);
        }
        text
    }
}

fn plural(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_answers_by_status_and_connections_by_their_end() {
        let mut summary = Served::new(Path::new("kv"), Profile::Dev);
        assert_eq!(summary.text(), "kv: 0 records replayed");
        summary.opened(Recovery { records_replayed: 1, truncated: 7, ..Recovery::default() });
        summary.listen = Some("127.0.0.1:1".into());
        let peer = "127.0.0.1:2".parse().unwrap();
        for event in [
            Event::Answered(peer, "OK".into()),
            Event::Answered(peer, "INTERNAL".into()),
            Event::Answered(peer, "OK".into()),
            Event::Ended(peer, Ok(3)),
            Event::Ended(peer, Err("why".into())),
        ] {
            summary.note(&event);
        }
        let expected = "kv: 1 record replayed\n  7 bytes of an incomplete record cut off\n  profile dev: 2 \
                        connections, 1 of them cut; 3 answers\n    INTERNAL 1\n    OK 2";
        assert_eq!(summary.text(), expected);
        let (code, message) = (Code::ChecksumMismatch, "why".to_owned());
        let damage = Failure { code, record_index: 7, message };
        summary.failed(&damage);
        assert_eq!(summary.text(), format!("{expected}\n  damaged: why"));
        assert!(!summary.pass);
        assert_eq!((summary.integrity_code, summary.record_index), ("CHECKSUM_MISMATCH", Some(7)));
        summary.failed(&Failure { code: Code::IoError, ..damage });
        assert!(summary.text().ends_with("\n  a read or a write failed: why"));
    }
}
