//! `ocmesh connect`: makes the mesh's tools known to agent programs, or takes that back. Only the entry named `ocmesh` is ever touched.

mod ask;
mod entry;
mod json_file;
mod openclaw;
mod program;
mod trip;

use serde_json::{Value, json};

use self::{
    entry::Entry,
    program::{Connection, Found, Program, Way},
    trip::{Mesh, trip},
};
use super::{Place, service::shell_words};
use crate::{
    cli::{AgentProgram, ConnectArgs},
    error::CliError,
    ui::{self, Tint, Ui, safe},
};

pub(crate) async fn run(ui: &Ui, place: &Place, args: ConnectArgs) -> Result<(), CliError> {
    let entry = Entry::ours(place)?;
    let Some(agent) = args.agent else { return list(ui, place, &entry).await };
    let for_openclaw = args.no_wake || args.isolated || args.hook_token_file.is_some();
    if for_openclaw && agent != AgentProgram::Openclaw {
        return Err(CliError::usage("--no-wake, --isolated and --hook-token-file are for openclaw alone"));
    }
    let program = Program::of(agent, &entry)?;
    let Some(found) = program.find() else { return Err(missing(&program)) };
    if matches!(program.way, Way::Patch { .. }) {
        return openclaw::run(ui, place, &entry, &found, &args).await;
    }
    let before = program.connection(&found).await?;
    let work = Work { ui, entry: &entry, program: &program, found: &found, before, dry_run: args.dry_run };
    if args.undo { work.undo().await } else { work.connect().await }
}

fn missing(program: &Program) -> CliError {
    CliError::could_not("agent_not_found", format!("{} is not found on this machine", program.title))
        .why(format!("no \"{}\" on the PATH", program.binaries.join("\" or \"")))
        .hint("install it first; ocmesh connect lists what is found")
}

/// A change to one program.
struct Work<'a> {
    ui: &'a Ui,
    entry: &'a Entry,
    program: &'a Program,
    found: &'a Found,
    before: Connection,
    dry_run: bool,
}

impl Work<'_> {
    async fn connect(&self) -> Result<(), CliError> {
        let title = self.program.title;
        match &self.before {
            Connection::Ours if self.dry_run => return self.told(true, false, &format!("{title} is connected already."), None),
            Connection::Ours => return self.connected(false, &format!("{title} is connected already")).await,
            Connection::Other(command) => {
                return Err(CliError::could_not("already_registered", format!("{title} has another entry named ocmesh"))
                    .why(format!("it starts {}", safe(command)))
                    .hint(format!("to replace it: ocmesh connect {0} --undo, then: ocmesh connect {0}", self.program.name)));
            }
            Connection::None => {}
        }
        if self.dry_run {
            return self.plan(&self.program.way, false);
        }
        match &self.program.way {
            Way::Command { add, .. } => ask::run(&self.found.path, add).await?,
            Way::File(file) => file.connect()?,
            // OpenClaw goes its own way, see `run`.
            Way::Patch { .. } => {}
        }
        self.must_be(&Connection::Ours).await?;
        self.connected(true, &format!("{title} is connected")).await
    }

    /// Tries what is registered, and tells what the agent will hear from it.
    async fn connected(&self, changed: bool, done: &str) -> Result<(), CliError> {
        self.ui.progress("asking it how the mesh is doing");
        let mesh = trip(self.entry).await;
        self.ui.progress_done();
        let mesh = mesh?;
        let text = match mesh {
            Mesh::Answers => format!("{done}, and the mesh answers. In a new session, ask it: \"What is my mesh status?\""),
            Mesh::NoDaemon => format!("{done}. The daemon does not run yet; to start it: ocmesh service install"),
        };
        self.told(true, changed, &text, Some(mesh))
    }

    async fn undo(&self) -> Result<(), CliError> {
        let title = self.program.title;
        if self.before == Connection::None {
            return self.told(false, false, &format!("{title} is not connected."), None);
        }
        if self.dry_run {
            return self.plan(&self.program.way, true);
        }
        match &self.program.way {
            Way::Command { remove, .. } => ask::run(&self.found.path, remove).await?,
            Way::File(file) => file.undo()?,
            Way::Patch { .. } => {}
        }
        self.must_be(&Connection::None).await?;
        self.told(false, true, &format!("{title} is no longer connected; running sessions keep the tools until they end."), None)
    }

    /// Reads back what the program holds now.
    async fn must_be(&self, wanted: &Connection) -> Result<(), CliError> {
        if self.program.connection(self.found).await? == *wanted {
            return Ok(());
        }
        let what = format!("{} did not keep the change", self.program.title);
        Err(CliError::could_not("not_kept", what).hint(format!("see what it holds: {}", shell_words(&self.program.look()))))
    }

    fn told(&self, connected: bool, changed: bool, text: &str, mesh: Option<Mesh>) -> Result<(), CliError> {
        let mut value = json!({"agent": self.program.name, "connected": connected, "changed": changed});
        if let (Some(mesh), Value::Object(fields)) = (mesh, &mut value) {
            fields.insert("mesh".to_owned(), json!(mesh.as_str()));
        }
        self.ui.done(text, &value)
    }

    fn plan(&self, way: &Way, undo: bool) -> Result<(), CliError> {
        let (shown, step) = step(self.program, way, undo);
        if self.ui.json {
            return self.ui.json(&json!({"agent": self.program.name, "dry_run": true, "steps": [step]}));
        }
        self.ui.line(shown)
    }
}

/// A step for people and for programs.
fn step(program: &Program, way: &Way, undo: bool) -> (String, Value) {
    match way {
        Way::Command { add, remove, .. } => {
            let argv: Vec<String> = std::iter::once(program.binary()).chain(if undo { remove } else { add }.iter().cloned()).collect();
            (format!("run {}", safe(&shell_words(&argv))), json!({"run": argv}))
        }
        Way::Patch { .. } => (String::new(), Value::Null),
        Way::File(file) => {
            let (path, key) = (safe(&file.path().display().to_string()), format!("{}.ocmesh", file.section()));
            if undo {
                return (format!("take {key} out of {path}"), json!({"edit": file.path(), "remove": key}));
            }
            let value = file.value();
            let shown = format!("in {path}, set {key} to\n{}", ui::safe_block(&format!("{value:#}")));
            (shown, json!({"edit": file.path(), "set": key, "value": value}))
        }
    }
}

/// Every program we know, whether it is here, and whether it is connected.
async fn list(ui: &Ui, place: &Place, entry: &Entry) -> Result<(), CliError> {
    let mut asked = tokio::task::JoinSet::new();
    ui.progress("asking the agent programs");
    for (index, agent) in [
        AgentProgram::Openclaw,
        AgentProgram::Claude,
        AgentProgram::Codex,
        AgentProgram::Gemini,
        AgentProgram::Cursor,
        AgentProgram::Opencode,
    ]
    .into_iter()
    .enumerate()
    {
        let program = Program::of(agent, entry)?;
        asked.spawn(async move {
            let found = program.find();
            let connection = match &found {
                Some(found) => Some(program.connection(found).await),
                None => None,
            };
            (index, program, found, connection)
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(index, ..)| *index);
    ui.progress_done();
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for (_, program, found, connection) in answers {
        let (word, connected) = match connection {
            None => (String::new(), Some(false)),
            Some(Ok(Connection::Ours)) => (ui.tint(Tint::Green, "connected"), Some(true)),
            Some(Ok(Connection::None)) => (format!("not connected: ocmesh connect {}", program.name), Some(false)),
            Some(Ok(Connection::Other(_))) => ("has another entry named ocmesh".to_owned(), Some(false)),
            Some(Err(_)) => (format!("cannot be told: ocmesh connect {} --dry-run says why", program.name), None),
        };
        let path = found.as_ref().map(|found| found.path.display().to_string());
        let (mut value, mut word) = (json!({"agent": program.name, "found": found.is_some(), "path": path, "connected": connected}), word);
        if program.name == "openclaw" {
            let wakes = openclaw::wakes(place);
            value.as_object_mut().map(|value| value.insert("wake".to_owned(), json!(wakes)));
            word.push_str(if wakes { ", and is woken" } else { "" });
        }
        values.push(value);
        rows.push(vec![program.title.to_owned(), path.map_or_else(|| "not found".to_owned(), |path| safe(&path)), word]);
    }
    if ui.json { ui.json(&values) } else { ui.print(&ui::table(&["AGENT", "WHERE", ""], &rows)) }
}
