//! `trackflow completions`: what a shell needs to complete commands, options and their values.

use crate::{failure::Result, telemetry::log};
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

/// `trackflow completions`.
#[derive(Debug, Args)]
#[command(after_help = "bash: trackflow completions bash > ~/.local/share/bash-completion/completions/trackflow\n\
    zsh:  trackflow completions zsh > DIR/_trackflow, where DIR is in $fpath\n\
    fish: trackflow completions fish > ~/.config/fish/completions/trackflow.fish")]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// None that a user can cause.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut super::Cli::command(), "trackflow", &mut script);
    log::data(String::from_utf8_lossy(&script));
    Ok(())
}
