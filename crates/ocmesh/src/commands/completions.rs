//! `ocmesh completions`: a completion script for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{cli::Cli, error::CliError, ui::Ui};

pub(crate) fn run(ui: &Ui, shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ocmesh", &mut script);
    ui.print(&String::from_utf8_lossy(&script))
}
