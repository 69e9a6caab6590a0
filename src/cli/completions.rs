//! The verb `completions`: scripts that let a shell complete verbs and options.

use super::{ExitStatus, Registry, command, print};

/// Prints a completion script for a shell.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  sealmark completions bash > /etc/bash_completion.d/sealmark")]
pub(super) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, _: &Registry) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "sealmark", &mut script);
    print(format_args!("{}", String::from_utf8_lossy(&script)))?;
    Ok(ExitStatus::Fine)
}
