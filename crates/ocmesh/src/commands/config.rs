//! `ocmesh config`: shows and checks the configuration. It never writes it.

use serde_json::json;

use super::Place;
use crate::{
    cli::ConfigCommand,
    error::CliError,
    ui::{Tint, Ui, safe, table},
};

pub(crate) fn run(ui: &Ui, place: &Place, command: ConfigCommand) -> Result<(), CliError> {
    let path = place.home.config();
    match command {
        ConfigCommand::Path => ui.done(safe(&path.display().to_string()), &json!({"path": path, "exists": path.is_file()})),
        ConfigCommand::Check => {
            let config = place.config()?;
            if ui.json {
                return ui.json(&json!({"ok": true, "path": path, "warnings": config.warnings}));
            }
            for warning in &config.warnings {
                ui.line(format!("{} {}", ui.tint(Tint::Yellow, "warning:"), safe(warning)))?;
            }
            let file = if path.is_file() { "" } else { " (there is no file; every key has its default)" };
            ui.line(format!("The configuration is good{file}."))
        }
        ConfigCommand::Show => {
            let config = place.config()?;
            if ui.json {
                let keys = config.explain().iter().map(|key| json!({"key": key.key, "value": key.value, "source": key.source.to_string()}));
                return ui.json(&keys.collect::<Vec<_>>());
            }
            let rows: Vec<Vec<String>> =
                config.explain().iter().map(|key| vec![safe(&key.key), safe(&key.value), safe(&key.source.to_string())]).collect();
            ui.print(&table(&["KEY", "VALUE", "FROM"], &rows))
        }
    }
}
