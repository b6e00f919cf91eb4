//! `ocmesh man`: manual pages, made of the same types as the help.

use std::path::Path;

use clap::CommandFactory as _;

use crate::{cli::Cli, error::CliError, ui::Ui};

pub(crate) fn run(ui: &Ui, to: Option<&Path>) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::could_not("not_written", "the pages could not be written").why(error);
    let Some(directory) = to else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(failed)?;
        return ui.print(&String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Cli::command(), directory)).map_err(failed)?;
    ui.note(format!("Written: {}", crate::ui::safe(&directory.join("ocmesh*.1").display().to_string())));
    Ok(())
}
