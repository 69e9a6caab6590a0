//! `sealmark schema`: the JSON schemas of result files and of the worker protocol.

use clap::ValueEnum;
use schemars::{Schema, schema_for};

use super::{ExitStatus, Registry, log, snapshot, storage, tunnel};
use crate::measure::gate::{self, history, self_check};
use crate::measure::worker::protocol;
use crate::{measure, verify};

/// Prints the JSON schema of a result file, or of the worker protocol.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark schema bench > sealmark.bench.1.schema.json\n  \
                  sealmark schema                                       all of them, in one object")]
pub(super) struct Args {
    /// Which schema. Default: all of them, in one object.
    what: Option<What>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// `sealmark verify --format json`.
    Verify,
    /// `sealmark bench -o FILE`.
    Bench,
    /// `sealmark host --format json`.
    Host,
    /// `sealmark trace -o FILE`.
    Trace,
    /// `sealmark gate --format json`.
    Gate,
    /// `sealmark gate --self-check --format json`.
    GateSelfCheck,
    /// A line of `sealmark gate --history FILE`.
    GateHistory,
    /// A line of the protocol between `sealmark bench` and its worker processes.
    Worker,
    /// `sealmark storage probe-node-id --format json`.
    ProbeNodeId,
    /// `sealmark storage resync --format json`.
    Resync,
    /// `sealmark tunnel keygen --format json`.
    TunnelKeygen,
    /// A line of `sealmark tunnel listen --format json`.
    TunnelListen,
    /// `sealmark tunnel send --format json`.
    TunnelSend,
    /// A line of `sealmark tunnel relay --format json`.
    TunnelRelay,
    /// `sealmark snapshot send --format json`.
    SnapshotSend,
    /// `sealmark snapshot receive --format json`.
    SnapshotReceive,
    /// `sealmark log serve --format json`.
    LogServe,
    /// `sealmark log faults --format json`.
    LogFaults,
}

impl What {
    fn schema(self) -> (&'static str, Schema) {
        match self {
            Self::Verify => (verify::SCHEMA, schema_for!(verify::Report)),
            Self::Bench => (measure::SCHEMA, schema_for!(measure::Run)),
            Self::Host => (super::host::SCHEMA, schema_for!(super::host::Facts)),
            Self::Trace => (measure::trace::SCHEMA, schema_for!(measure::trace::Traced)),
            Self::Gate => (gate::SCHEMA, schema_for!(gate::Gate)),
            Self::GateSelfCheck => (self_check::SCHEMA, schema_for!(self_check::SelfCheck)),
            Self::GateHistory => (history::SCHEMA, schema_for!(history::Entry)),
            Self::Worker => (protocol::SCHEMA, schema_for!(protocol::Line)),
            Self::ProbeNodeId => (storage::PROBE_SCHEMA, schema_for!(storage::Probe)),
            Self::Resync => (storage::RESYNC_SCHEMA, schema_for!(storage::Resync)),
            Self::TunnelKeygen => (tunnel::KEYGEN_SCHEMA, schema_for!(tunnel::Keygen)),
            Self::TunnelListen => (tunnel::listen::SCHEMA, schema_for!(tunnel::listen::Line)),
            Self::TunnelSend => (tunnel::send::SCHEMA, schema_for!(tunnel::send::Outcome)),
            Self::TunnelRelay => (tunnel::relay::SCHEMA, schema_for!(tunnel::relay::Line)),
            Self::SnapshotSend => (snapshot::SEND_SCHEMA, schema_for!(snapshot::Sent)),
            Self::SnapshotReceive => (snapshot::RECEIVE_SCHEMA, schema_for!(snapshot::Received)),
            Self::LogServe => (log::SERVE_SCHEMA, schema_for!(log::Served)),
            Self::LogFaults => (log::FAULTS_SCHEMA, schema_for!(log::Faults)),
        }
    }
}

pub(super) fn run(args: &Args, _: &Registry) -> anyhow::Result<ExitStatus> {
    let json = match args.what {
        Some(what) => serde_json::to_string_pretty(&what.schema().1)?,
        None => {
            let all: std::collections::BTreeMap<_, _> =
                What::value_variants().iter().map(|what| what.schema()).collect();
            serde_json::to_string_pretty(&all)?
        }
    };
    print_line!("{json}");
    Ok(ExitStatus::Fine)
}
