//! What `sealmark log serve` says when it ends.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::primitive::tls::Profile;
use crate::scheme::log::Error;
use crate::scheme::log::engine::Recovery;
use crate::scheme::log::service::listen::Event;

/// The name and version of the JSON that `serve` prints.
pub(in crate::cli) const SCHEMA: &str = "sealmark.log-serve/1";

/// What `sealmark log serve --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(in crate::cli) struct Served {
    schema: &'static str,
    folder: String,
    /// Absent with `--check`, and if the log is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// `dev` or `secure`.
    profile: &'static str,
    /// Whether the log is sound, and every write that was accepted was made durable.
    pub pass: bool,
    /// `OK`, or the code of the damage.
    integrity_code: &'static str,
    /// The damaged record of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    record_index: Option<u64>,
    /// The damage.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
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
        self.records_replayed = recovery.records_replayed;
        self.duplicate_requests = recovery.duplicate_requests;
        self.truncated_bytes = recovery.truncated;
        self.install_finished = recovery.install_finished;
    }

    pub fn damaged(&mut self, error: &Error) {
        self.pass = false;
        self.integrity_code = error.code().spec_name();
        self.record_index = Some(error.record_index());
        self.message = Some(error.to_string());
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
        if let Some(message) = &self.message {
            return format!("{}: damaged\n  {message}", self.folder);
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
        if !self.pass {
            text += "\n  a write failed: nothing was written after it; open the log again";
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
        summary.pass = false;
        assert!(summary.text().ends_with("a write failed: nothing was written after it; open the log again"));
    }
}
