//! `sealmark log`: serves a checked log, and draws the corruption map of one.

mod faults;
mod serve;
mod summary;

use clap::Subcommand;

use super::ExitStatus;
pub(super) use faults::{Result as Faults, SCHEMA as FAULTS_SCHEMA};
pub(super) use summary::{SCHEMA as SERVE_SCHEMA, Served};

/// Serves the checked log, a key-value store whose files cannot rot in silence, and draws the map of what its
/// reader notices.
///
/// A log is a folder with KVStore's files: `NNNNNN.wal`, `sst/NNNNNN.sst`. Every record and every block has a
/// checksum, which finds accidents; whoever can write to the folder can forge one.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
                  sealmark list schemes         what log/checked and log/sealed catch and miss\n  \
                  sealmark schema log-serve     what `log serve --format json` prints\n\
                  \n\
                  With a log and certificates of your own:\n    \
                  sealmark log serve /data/kv --listen 127.0.0.1:8107\n    \
                  sealmark log serve /data/kv --check\n    \
                  sealmark log serve /data/kv --tls-profile secure --tls-cert my.pem --tls-key my.key\n    \
                  sealmark log faults /data/kv --budget 600 --report map"
)]
pub(super) struct Args {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    Serve(serve::Args),
    Faults(faults::Args),
}

pub(super) fn run(args: &Args, _: &super::Registry) -> anyhow::Result<ExitStatus> {
    match &args.tool {
        Tool::Serve(args) => serve::run(args),
        Tool::Faults(args) => faults::run(args),
    }
}
