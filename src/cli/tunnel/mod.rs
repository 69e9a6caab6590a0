//! `sealmark tunnel`: the tunnel between two real processes, on UDP, and a bad network to put between them.
//!
//! `listen` and `send` are the two ends. What they say to each other is sealed and numbered end to end
//! (`message`), so a message is printed at most once and unaltered, and every message that never arrived is
//! reported. `relay` loses, reorders, duplicates and corrupts. Not here: the tunnel itself.

use clap::Subcommand;

use super::{ExitStatus, Registry};

mod bodies;
mod identity;
mod inbox;
mod journal;
pub(super) mod listen;
mod message;
mod ranges;
pub(super) mod relay;
pub(super) mod send;
mod socket;
mod wire;

pub(super) use identity::{Keygen, SCHEMA as KEYGEN_SCHEMA};

/// Sends messages between two processes, through the tunnel, on UDP.
///
/// keygen makes identities, listen and send are the two ends, and relay is a bad network between them. The
/// sender learns from the listener, in a sealed report, which messages never arrived.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
                  sealmark tunnel keygen alice.key --node-id 1\n  \
                  sealmark tunnel keygen bob.key --node-id 2 --format json\n  \
                  sealmark tunnel relay --to 127.0.0.1:4700 --loss 30 --seconds 1\n\
                  \n\
                  Two ends, each with its own identity and the other's .pub file:\n    \
                  sealmark tunnel listen --identity bob.key --peers . --bind 127.0.0.1:4700\n    \
                  sealmark tunnel send --identity alice.key --peers . --to 2@127.0.0.1:4700 --count 100"
)]
pub(super) struct Args {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    Keygen(identity::Args),
    Listen(listen::Args),
    Send(send::Args),
    Relay(relay::Args),
}

pub(super) fn run(args: &Args, registry: &Registry) -> anyhow::Result<ExitStatus> {
    match &args.tool {
        Tool::Keygen(args) => identity::run(args),
        Tool::Listen(args) => listen::run(args, registry),
        Tool::Send(args) => send::run(args, registry),
        Tool::Relay(args) => relay::run(args),
    }
}

/// Counts as text: `ErrAEAD 3, ErrReplay 1`, or `none`.
fn counts(counts: &wire::Counts) -> String {
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
