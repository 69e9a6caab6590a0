//! The verb `man`: manual pages, made of the same help that `--help` prints.

use std::path::PathBuf;

use anyhow::Context;
use clap_mangen::Man;

use super::{ExitStatus, Registry, command, print};
/// Prints the manual page, or writes one page for the command and one for each verb.
///
/// Each page has the same text as the `--help` of its verb. `man -l FILE` shows a page that is not installed.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
                  sealmark man > sealmark.1\n  \
                  sealmark man -o man1                 sealmark.1, sealmark-verify.1, and so on")]
pub(super) struct Args {
    /// Writes every page into this folder, which is created if needed.
    #[arg(short, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, _: &Registry) -> anyhow::Result<ExitStatus> {
    let Some(folder) = &args.output else {
        print(format_args!("{}", page()?.trim_end()))?;
        return Ok(ExitStatus::Fine);
    };
    super::output::check(&folder.join("sealmark.1"))?;
    let written = || format!("writing manual pages to {}", folder.display());
    clap_mangen::generate_to(command(), folder).with_context(written)?;
    print_line!("{}: sealmark.1, and a page for each verb", folder.display());
    Ok(ExitStatus::Fine)
}

/// The page of the command, in the format of `man`.
fn page() -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(command()).render(&mut page).context("drawing the manual page")?;
    String::from_utf8(page).context("drawing the manual page")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_the_command_and_one_for_each_verb_with_its_examples() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args { output: Some(folder.path().join("man1")) };
        let registry = Registry::with(&[], &[]).unwrap();
        assert_eq!(run(&args, &registry).unwrap(), ExitStatus::Fine);
        for verb in super::super::VERBS {
            let page = folder.path().join(format!("man1/sealmark-{}.1", verb.name));
            let text = std::fs::read_to_string(&page).unwrap();
            assert!(text.contains(".SH NAME") && text.contains("Examples:"), "{}", page.display());
        }
        let text = std::fs::read_to_string(folder.path().join("man1/sealmark.1")).unwrap();
        assert!(text.contains("sealmark\\-verify(1)"), "{text}");
        assert!(page().unwrap().contains(".SH SYNOPSIS"));
    }
}
