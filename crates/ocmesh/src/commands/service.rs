//! `ocmesh service`: the background service of this user.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    cli::{Platform, ServiceAction, ServiceArgs},
    commands::Place,
    error::{CliError, Exit},
    service::{self, Context, State, Step},
    ui::{Tint, Ui},
};

pub(crate) fn run(ui: &Ui, place: &Place, args: &ServiceArgs) -> Result<(), CliError> {
    let platform = args.platform.unwrap_or(service::native());
    let context = context(place, platform)?;
    if args.action == ServiceAction::Status {
        return status(ui, platform, &context);
    }
    let steps = service::plan(platform, args.action, &context);
    if args.dry_run {
        return dry_run(ui, &steps);
    }
    let file = service::file(platform, &context);
    if matches!(args.action, ServiceAction::Start | ServiceAction::Stop) && !file.is_file() {
        return Err(CliError::could_not("service_not_installed", "the service is not installed").hint("ocmesh service install"));
    }
    service::run(platform, &steps)?;
    let state = service::state(platform, &context);
    let value = json!({"action": name(args.action), "file": file, "installed": state.installed, "running": state.running});
    if ui.json {
        return ui.json(&value);
    }
    match args.action {
        ServiceAction::Install => installed(ui, platform, &file),
        ServiceAction::Uninstall => {
            ui.line("The service is removed; nothing of ocmesh runs or starts by itself now.")?;
            ui.line(format!("Your identity and messages are kept in {}", ui_path(&context.data)))
        }
        ServiceAction::Start => ui.line("Started."),
        ServiceAction::Stop => ui.line("Stopped, until the next \"ocmesh service start\" or login."),
        ServiceAction::Status => Ok(()),
    }
}

fn installed(ui: &Ui, platform: Platform, file: &std::path::Path) -> Result<(), CliError> {
    ui.line(format!("The service is installed ({}) and started; it starts again at every login.", ui_path(file)))?;
    ui.line("How it is doing: ocmesh status. To stop it: ocmesh service stop. To remove it: ocmesh service uninstall")?;
    if platform == Platform::Systemd {
        ui.note("It runs while you are logged in. To keep it running after you log out: loginctl enable-linger");
    }
    Ok(())
}

fn status(ui: &Ui, platform: Platform, context: &Context) -> Result<(), CliError> {
    let state = service::state(platform, context);
    let file = service::file(platform, context);
    if ui.json {
        ui.json(&json!({"installed": state.installed, "running": state.running, "file": file}))?;
    } else if state.running {
        ui.line(format!("{} ({})", ui.tint(Tint::Green, "The service is running"), ui_path(&file)))?;
    } else if state.installed {
        ui.line(format!("{} ({})", ui.tint(Tint::Yellow, "The service is installed, but not running"), ui_path(&file)))?;
        ui.line("Start it: ocmesh service start. Not starting? ocmesh doctor")?;
    } else {
        ui.line("The service is not installed. To install it: ocmesh service install")?;
    }
    if state.running { Ok(()) } else { Err(CliError::Silent(Exit::NotRunning)) }
}

fn dry_run(ui: &Ui, steps: &[Step]) -> Result<(), CliError> {
    if ui.json {
        return ui.json(&steps.iter().map(step_json).collect::<Vec<_>>());
    }
    for step in steps {
        match step {
            Step::Write { path, content } => {
                ui.line(ui.tint(Tint::Bold, format!("write {}", ui_path(path))))?;
                ui.print(&crate::ui::safe_block(&text(content)))?;
            }
            Step::Remove(path) => ui.line(ui.tint(Tint::Bold, format!("remove {}", ui_path(path))))?,
            Step::Run { argv, .. } => ui.line(ui.tint(Tint::Bold, format!("run {}", crate::ui::safe(&shell_words(argv)))))?,
        }
    }
    Ok(())
}

fn step_json(step: &Step) -> Value {
    match step {
        Step::Write { path, content } => json!({"write": path, "content": text(content)}),
        Step::Remove(path) => json!({"remove": path}),
        Step::Run { argv, .. } => json!({"run": argv}),
    }
}

/// A service file as text; the Windows one is UTF-16 with a mark.
fn text(content: &[u8]) -> String {
    if let [0xff, 0xfe, rest @ ..] = content {
        let units: Vec<u16> = rest
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)]))
            .collect();
        return String::from_utf16_lossy(&units);
    }
    String::from_utf8_lossy(content).into_owned()
}

pub(super) fn shell_words(argv: &[String]) -> String {
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,".contains(c));
    let quoted = argv.iter().map(|word| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) });
    quoted.collect::<Vec<_>>().join(" ")
}

fn ui_path(path: &std::path::Path) -> String {
    crate::ui::safe(&path.display().to_string())
}

const fn name(action: ServiceAction) -> &'static str {
    match action {
        ServiceAction::Install => "install",
        ServiceAction::Uninstall => "uninstall",
        ServiceAction::Start => "start",
        ServiceAction::Stop => "stop",
        ServiceAction::Status => "status",
    }
}

/// Whether the service is installed and runs; `None` where that cannot be told.
pub(crate) fn current(place: &Place, platform: Platform) -> Option<State> {
    Some(service::state(platform, &context(place, platform).ok()?))
}

fn context(place: &Place, platform: Platform) -> Result<Context, CliError> {
    let user_home = std::env::home_dir()
        .filter(|path| path.is_absolute())
        .ok_or_else(|| CliError::could_not("no_home", "your home directory is not known").hint("set HOME"))?;
    let exe = std::env::current_exe()
        .and_then(|exe| exe.canonicalize())
        .map_err(|error| CliError::could_not("no_exe", "could not find this program's own file").why(error))?;
    let data = place.home.path().to_owned();
    // A moved home is written into the service: at login the environment of this shell is gone.
    let home_arg = if data == user_home.join(".ocmesh") { None } else { Some(utf8(data.clone())?) };
    let config_home = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Ok(Context { exe: utf8(stable(exe))?, home_arg, user: user(platform, &user_home), user_home, config_home, data })
}

/// The link on the `PATH` that leads to this program (a package manager's), where there is one: the file behind it goes at the next update.
pub(super) fn stable(exe: PathBuf) -> PathBuf {
    let Some(name) = exe.file_name().map(ToOwned::to_owned) else { return exe };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let links = std::env::split_paths(&path).filter(|directory| directory.is_absolute()).map(|directory| directory.join(&name));
    links.into_iter().find(|link| link.canonicalize().is_ok_and(|target| target == exe)).unwrap_or(exe)
}

pub(super) fn utf8(path: PathBuf) -> Result<String, CliError> {
    path.into_os_string().into_string().map_err(|path| {
        CliError::could_not("odd_path", format!("the path {} cannot stand in a service file", path.display()))
            .hint("use a path of plain text")
    })
}

#[cfg(unix)]
fn user(_: Platform, user_home: &std::path::Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(user_home).map(|facts| facts.uid().to_string()).unwrap_or_default()
}

#[cfg(not(unix))]
fn user(_: Platform, _: &std::path::Path) -> String {
    let part = |name| std::env::var(name).unwrap_or_default();
    format!("{}\\{}", part("USERDOMAIN"), part("USERNAME"))
}
