//! `sealmark snapshot key`: a new key file.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::super::ExitStatus;
use super::Named;
use crate::disk::{self, Disk, Os};
use crate::scheme::snapshot::MATERIAL_LEN;

/// Writes a new file with a random key that only you can read. Never replaces a file.
///
/// The hardened modes need one key file. `compat` and `safe` need two files of the same form: one for the
/// key, one for the initialisation vector. Copy them to the other host by a safe way.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark snapshot key stream.key --mode hardened\n  \
                  sealmark snapshot key key.pem && sealmark snapshot key iv.pem")]
pub(super) struct Args {
    /// The file to write.
    file: PathBuf,
    /// The mode that the key is for.
    #[arg(long, value_enum, default_value_t = Named::Safe)]
    mode: Named,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let mode = args.mode.mode();
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).context("asking the system for random bytes")?;
    let content = match mode.is_hardened() {
        true => Zeroizing::new(bytes.to_vec()),
        false => {
            let body = Zeroizing::new(STANDARD.encode(&bytes[..MATERIAL_LEN]));
            let lines = ["-----BEGIN SNAPSHOT KEY-----", &*body, "-----END SNAPSHOT KEY-----", ""];
            Zeroizing::new(lines.join("\n").into_bytes())
        }
    };
    let doing = || format!("writing {}", args.file.display());
    let mut file = Os.create(&args.file).with_context(doing)?;
    let written = file.write_all(&content).and_then(|()| file.sync());
    written.and_then(|()| Os.sync_dir(disk::parent(&args.file))).with_context(doing)?;
    let what = if mode.is_hardened() { "a key" } else { "a key or an initialisation vector" };
    print_line!("{}: {what} for mode {}", args.file.display(), mode.name());
    Ok(ExitStatus::Fine)
}
