//! The verb `completions`: scripts that let a shell complete verbs and options.

use super::{ExitStatus, Registry, command, print};

/// Prints a completion script for a shell.
///
/// Put the script where your shell looks for completions: for bash,
/// ~/.local/share/bash-completion/completions/sealmark; for zsh, a folder of $fpath; for fish,
/// ~/.config/fish/completions/sealmark.fish.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark completions bash > sealmark.bash\n  \
                  sealmark completions zsh > _sealmark")]
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
