//! `sealmark storage`: small tools for a node's data folder, which the scheme's error messages refer to.

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

/// Tools for the data folder of a node that uses the storage scheme.
///
/// The folder holds `keys.json` and, next to it, `registry`, a redb database (elastickv:
/// `<dataDir>/encryption`). Reading a registry needs a build with `--features redb` and locks the database:
/// stop the node first, or work on a copy.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
                  sealmark storage probe-node-id node-7 --member node-1 --member node-2\n  \
                  sealmark storage probe-node-id node-7 --member node-1 --format json\n\
                  \n\
                  With folders of your own:\n    \
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

/// Prints the 16-bit node id that a raft id puts into nonces, and the members with the same node id. Exits
/// with 1 if there are any.
///
/// Run this before proposing a new member: two members with the same node id would repeat each other's
/// nonces.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark storage probe-node-id node-7 --member node-1 --member node-2\n  \
                  sealmark storage probe-node-id node-7 --member node-1 --format json\n\
                  \n\
                  With a folder of your own:\n    \
                  sealmark storage probe-node-id node-7 --member node-1 --data /copy/of/node-1")]
struct ProbeArgs {
    /// The raft id of the new member.
    raft_id: String,
    /// The raft id of a member. Repeat for several.
    #[arg(long = "member", value_name = "RAFT_ID")]
    members: Vec<String>,
    /// The data folder of a member. Its registry also knows writers that have left.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Rebuilds the keys.json of a stopped node from a leader's folder, with epochs that were never used.
///
/// Use it if keys.json is lost, damaged, or older than the registry or the log. Copy the leader's folder
/// while the leader is stopped. The node's log must reach the leader's applied index before the node starts;
/// if it does not, install the leader's snapshot first. Writes nothing if the leader is behind the node or
/// belongs to another cluster.
#[derive(clap::Args)]
#[command(after_help = "With folders of your own:\n    \
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
    /// The file with the key-encryption key. Default: the environment variable ELASTICKV_KEK_BASE64.
    #[arg(long, value_name = "FILE")]
    kek_file: Option<PathBuf>,
    /// The wrapped keys are bound to their purpose and key id. elastickv does not bind them.
    #[arg(long)]
    bound: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What `sealmark storage probe-node-id --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Probe {
    schema: &'static str,
    raft_id: String,
    /// In hexadecimal, because 64 bits do not fit a JSON number.
    full_node_id: String,
    /// The node id in its nonces.
    node_id: u16,
    collisions: Vec<Collision>,
}

/// A member or a former writer with the same node id.
#[derive(Serialize, JsonSchema)]
struct Collision {
    /// In hexadecimal.
    full_node_id: String,
    /// The raft id, if it is one of the members given.
    #[serde(skip_serializing_if = "Option::is_none")]
    raft_id: Option<String>,
    /// The data key under which the registry lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dek_id: Option<u32>,
}

/// What `sealmark storage resync --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Resync {
    schema: &'static str,
    /// The file that was written.
    sidecar: PathBuf,
    /// The log index up to which the node counts key changes as applied.
    raft_applied_index: u64,
    keys: Vec<KeyEpoch>,
}

#[derive(Serialize, JsonSchema)]
struct KeyEpoch {
    dek_id: u32,
    /// The next start raises it again.
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
        let Some(store) = registry(folder)? else {
            bail!("{} has no registry: name the folder that holds keys.json", folder.display())
        };
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
                print_line!("  collides with none of those given");
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
    let Some(leaders) = registry(&args.leader)? else {
        bail!("{} has no registry: name the leader's folder that holds keys.json", args.leader.display())
    };
    // A registry that is gone lists nobody; the leader's takes its place.
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
            print_line!("{}: rebuilt", resync.sidecar.display());
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

/// The registry of a data folder, if it has one.
#[cfg(feature = "redb")]
fn registry(folder: &Path) -> anyhow::Result<Option<Arc<dyn Store>>> {
    let path = folder.join("registry");
    // Opening would create the database, and a reader must not.
    if !path.try_exists().with_context(|| format!("looking for {}", path.display()))? {
        return Ok(None);
    }
    Ok(Some(Arc::new(crate::disk::Redb::open(&Os, &path)?)))
}

#[cfg(not(feature = "redb"))]
fn registry(folder: &Path) -> anyhow::Result<Option<Arc<dyn Store>>> {
    bail!(
        "reading the registry of {} needs the feature redb: cargo install --path . --features redb",
        folder.display()
    )
}
