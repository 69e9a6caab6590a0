//! `sealmark storage`: small tools for the data folder of a node, whose errors ask for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use super::{ExitStatus, Format};
use crate::disk::{Disk, Os, Store};
use crate::envelope::nonce::{full_node_id, node_id16};
use crate::scheme::storage::kek::{Binding, LocalKek};
use crate::scheme::storage::registry::Registry;
use crate::scheme::storage::resync::{Leader, resync};
use crate::scheme::storage::{Sidecar, SidecarFile};

/// The name and version of the JSON that `probe-node-id` prints.
pub(super) const PROBE_SCHEMA: &str = "sealmark.probe-node-id/1";
/// The name and version of the JSON that `resync` prints.
pub(super) const RESYNC_SCHEMA: &str = "sealmark.resync/1";

/// Tools for the data folder of a node of the storage scheme.
///
/// The folder is the one that holds `keys.json`, and beside it `registry`, a redb database (elastickv:
/// `<dataDir>/encryption`). Reading a registry needs a sealmark that is built with `--features redb`. The
/// database is held while it is read: stop the node first, or work on a copy.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
                  sealmark storage probe-node-id node-7 --member node-1 --member node-2\n  \
                  sealmark storage resync /data/node-2 --leader /copy/of/node-1 --raft-id node-2 \
                  --kek-file kek.bin"
)]
pub(super) struct Args {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    ProbeNodeId(ProbeArgs),
    Resync(ResyncArgs),
}

/// Says which 16-bit id the nonces of a raft id carry, and with whom it collides; ends with 1 when it does.
///
/// Ask before a new member is proposed: two members with one 16-bit id would repeat each other's nonces.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
                  sealmark storage probe-node-id node-7 --member node-1 --member node-2 \
                  --data /copy/of/node-1")]
struct ProbeArgs {
    /// The raft id of the new member.
    raft_id: String,
    /// The raft id of a member; may be given several times.
    #[arg(long = "member", value_name = "RAFT_ID")]
    members: Vec<String>,
    /// The data folder of a member, whose registry knows the writers that left as well.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Makes the keys.json of a stopped node anew from a leader's folder, under epochs that nobody has seen.
///
/// For a sidecar that is lost, damaged or older than the registry or the log. The leader's folder is a copy
/// that was made while the leader stood still. The node's log must reach the leader's applied index before
/// the node starts: let it take over the leader's snapshot where it does not. Nothing is written when the
/// leader is behind the node, or of another cluster.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
                  sealmark storage resync /data/node-2 --leader /copy/of/node-1 --raft-id node-2 \
                  --kek-file kek.bin")]
struct ResyncArgs {
    /// The data folder of the node.
    data: PathBuf,
    /// The data folder of the leader.
    #[arg(long, value_name = "DIR")]
    leader: PathBuf,
    /// The node's raft id.
    #[arg(long)]
    raft_id: String,
    /// The file of the key-encryption key; the variable ELASTICKV_KEK_BASE64 when left out.
    #[arg(long, value_name = "FILE")]
    kek_file: Option<PathBuf>,
    /// The wraps bind purpose and key id, as this program's do on request and elastickv's do not.
    #[arg(long)]
    bound: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What `sealmark storage probe-node-id --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Probe {
    schema: &'static str,
    raft_id: String,
    /// In hexadecimal: 64 bits do not fit a number of JSON.
    full_node_id: String,
    /// What its nonces carry.
    node_id: u16,
    collisions: Vec<Collision>,
}

/// Somebody who has the same 16-bit id.
#[derive(Serialize, JsonSchema)]
struct Collision {
    /// In hexadecimal.
    full_node_id: String,
    /// A member's raft id, where it is one of those given.
    #[serde(skip_serializing_if = "Option::is_none")]
    raft_id: Option<String>,
    /// The data key under which the registry knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dek_id: Option<u32>,
}

/// What `sealmark storage resync --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Resync {
    schema: &'static str,
    /// The file that was written.
    sidecar: PathBuf,
    /// Up to where the node counts its log's key changes as applied.
    raft_applied_index: u64,
    keys: Vec<KeyEpoch>,
}

#[derive(Serialize, JsonSchema)]
struct KeyEpoch {
    dek_id: u32,
    /// The next start raises it once more.
    local_epoch: u16,
}

pub(super) fn run(args: &Args, _: &super::Registry) -> anyhow::Result<ExitStatus> {
    match &args.tool {
        Tool::ProbeNodeId(args) => probe(args),
        Tool::Resync(args) => resync_folder(args),
    }
}

fn probe(args: &ProbeArgs) -> anyhow::Result<ExitStatus> {
    let new = full_node_id(&args.raft_id);
    let collides = |other: u64| node_id16(other) == node_id16(new) && other != new;
    let hex = |id: u64| format!("{id:#018x}");
    let mut collisions = Vec::new();
    for member in &args.members {
        let id = full_node_id(member);
        if collides(id) {
            let raft_id = Some(member.clone());
            collisions.push(Collision { full_node_id: hex(id), raft_id, dek_id: None });
        }
    }
    if let Some(folder) = &args.data {
        let Some(store) = registry(folder)? else { bail!("{} has no registry", folder.display()) };
        let rows = Registry(&*store).of_slot(node_id16(new)).context("reading the registry")?;
        for (dek_id, writer) in rows.into_iter().filter(|(_, writer)| collides(writer.full_node_id)) {
            let full_node_id = hex(writer.full_node_id);
            collisions.push(Collision { full_node_id, raft_id: None, dek_id: Some(dek_id) });
        }
    }
    let end = if collisions.is_empty() { ExitStatus::Fine } else { ExitStatus::FoundSomething };
    let probe = Probe {
        schema: PROBE_SCHEMA,
        raft_id: args.raft_id.clone(),
        full_node_id: hex(new),
        node_id: node_id16(new),
        collisions,
    };
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&probe)?),
        Format::Text => {
            print_line!("{}: node id {}, of {}", probe.raft_id, probe.node_id, probe.full_node_id);
            for found in &probe.collisions {
                match (&found.raft_id, found.dek_id) {
                    (Some(member), _) => {
                        print_line!("  collides with the member {member} ({})", found.full_node_id)
                    }
                    (None, key) => {
                        print_line!(
                            "  collides with {}, a writer of key {}",
                            found.full_node_id,
                            key.unwrap_or(0)
                        );
                    }
                }
            }
            if probe.collisions.is_empty() {
                print_line!("  collides with nobody that was asked about");
            } else {
                print_line!("  give the new member another raft id");
            }
        }
    }
    Ok(end)
}

fn resync_folder(args: &ResyncArgs) -> anyhow::Result<ExitStatus> {
    let kek = match &args.kek_file {
        Some(path) => LocalKek::from_file(path)?,
        None => LocalKek::from_env().context("without --kek-file")?,
    };
    let kek = kek.with(if args.bound { Binding::Bound } else { Binding::Compatible });
    let leader = Sidecar::read(&Os, &sidecar_path(&args.leader)).context("reading the leader's sidecar")?;
    let Some(leaders) = registry(&args.leader)? else { bail!("{} has no registry", args.leader.display()) };
    // One that is gone knows of nobody; the leader's then stands in for it.
    let own = registry(&args.data)?.unwrap_or_else(|| Arc::<crate::disk::Memory>::default());
    let file = SidecarFile::new(Arc::new(Os) as Arc<dyn Disk>, sidecar_path(&args.data));
    let leader = Leader { sidecar: &leader, registry: Registry(&*leaders) };
    let resynced = resync(&file, Registry(&*own), full_node_id(&args.raft_id), &leader, &kek)
        .with_context(|| format!("resyncing {}", args.data.display()))?;
    let keys = resynced.epochs.into_iter().map(|(dek_id, local_epoch)| KeyEpoch { dek_id, local_epoch });
    let resync = Resync {
        schema: RESYNC_SCHEMA,
        sidecar: file.path().into(),
        raft_applied_index: resynced.raft_applied_index,
        keys: keys.collect(),
    };
    match args.format {
        Format::Json => print_line!("{}", serde_json::to_string_pretty(&resync)?),
        Format::Text => {
            print_line!("{}: written anew", resync.sidecar.display());
            print_line!("  key changes applied up to log index {}", resync.raft_applied_index);
            for key in &resync.keys {
                print_line!("  key {}: epoch {}, which the next start raises", key.dek_id, key.local_epoch);
            }
        }
    }
    Ok(ExitStatus::Fine)
}

fn sidecar_path(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

/// The registry of a data folder, where it has one.
#[cfg(feature = "redb")]
fn registry(folder: &Path) -> anyhow::Result<Option<Arc<dyn Store>>> {
    let path = folder.join("registry");
    // It is not for a reader to begin a database.
    if !path.try_exists().with_context(|| format!("looking for {}", path.display()))? {
        return Ok(None);
    }
    Ok(Some(Arc::new(crate::disk::Redb::open(&Os, &path)?)))
}

#[cfg(not(feature = "redb"))]
fn registry(folder: &Path) -> anyhow::Result<Option<Arc<dyn Store>>> {
    bail!(
        "reading the registry of {} needs the feature redb: cargo install sealmark --features redb",
        folder.display()
    )
}
