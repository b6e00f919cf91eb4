//! `ocmesh connect openclaw`: the mesh's tools, a hook that wakes the agent, and the wake target in our configuration; all in one validated
//! write of OpenClaw's own, and all of it taken back by `--undo`.

mod facts;
mod isolated;
mod kept;
mod patch;
mod plan;
mod probe;
mod target;

use std::path::Path;

use ocmesh_daemon::home::write_atomically;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::{
    facts::Facts,
    kept::{Kept, Snapshot},
    plan::{Plan, Wish, plan},
    probe::{Gateway, probe},
    target::WakeBlock,
};
use super::{
    Place,
    ask::ask_with,
    entry::Entry,
    program::Found,
    trip::{Mesh, trip},
};
use crate::{
    cli::ConnectArgs,
    error::CliError,
    ui::{Ui, safe, safe_block},
};

/// The hook token, in our home; a token is 64 letters, so what is much longer is another file.
pub(super) const TOKEN_FILE: &str = "wake-openclaw.token";
const TOKEN_BYTES_MAX: u64 = 4_096;

/// Whether our configuration wakes OpenClaw by a block that we wrote.
pub(super) fn wakes(place: &Place) -> bool {
    WakeBlock::of(place).is_there().unwrap_or(false)
}

pub(super) async fn run(ui: &Ui, place: &Place, entry: &Entry, found: &Found, args: &ConnectArgs) -> Result<(), CliError> {
    ui.progress("asking OpenClaw what it holds");
    let facts = Facts::of(&found.path).await;
    ui.progress_done();
    let work = Work { ui, place, entry, program: &found.path, facts: facts?, kept: Kept::load(place)?, block: WakeBlock::of(place) };
    if args.undo { work.undo(args.dry_run).await } else { work.connect(args).await }
}

struct Work<'a> {
    ui: &'a Ui,
    place: &'a Place,
    entry: &'a Entry,
    program: &'a Path,
    facts: Facts,
    /// What an earlier run wrote down of its change.
    kept: Option<Kept>,
    block: WakeBlock,
}

impl Work<'_> {
    async fn connect(mut self, args: &ConnectArgs) -> Result<(), CliError> {
        let given = args.hook_token_file.as_deref().map(read_token).transpose()?;
        let ours = self.kept.as_ref().is_some_and(|kept| kept.wake);
        let isolated = args.isolated || self.block.is_isolated();
        let wish = Wish { no_wake: args.no_wake, isolated, token_given: given.is_some() || ours };
        let plan = plan(&self.facts, self.entry, wish)?;
        let block = plan.wake.as_ref().map(|wake| self.block.text(wake));
        if args.dry_run {
            return self.show(&plan, block.as_deref());
        }
        let nothing = plan.patch == json!({});
        let token = if plan.wake.is_some() { Some(self.token(given)?) } else { None };
        let done = self.change(&plan, block.as_deref(), token.as_ref().map(|token| token.as_str())).await;
        let block_changed = match done {
            Ok(block_changed) => block_changed,
            Err(error) => {
                self.give_up(token.is_some())?;
                return Err(error);
            }
        };
        self.kept = Some(self.remember(&plan)?);
        self.tell(&plan, !nothing || block_changed, block_changed, token).await
    }

    /// Our configuration first: it is checked at once, and taken back at once. Says whether it was changed.
    async fn change(&self, plan: &Plan, block: Option<&str>, token: Option<&str>) -> Result<bool, CliError> {
        let changed = block.map_or(Ok(false), |block| self.block.put(self.place, block))?;
        if plan.patch != json!({}) {
            self.apply(plan, token).await?;
        }
        Ok(changed)
    }

    /// A first attempt that failed leaves nothing behind.
    fn give_up(&self, wake: bool) -> Result<(), CliError> {
        if self.kept.as_ref().is_none_or(|kept| wake && !kept.wake) {
            self.block.take()?;
            Kept::forget_token(self.place)?;
        }
        Ok(())
    }

    /// The token: the owner's, else the one that an earlier run made, else a new one. It is in our home before OpenClaw knows it.
    fn token(&self, given: Option<Zeroizing<String>>) -> Result<Zeroizing<String>, CliError> {
        let path = self.place.home.path().join(TOKEN_FILE);
        let token = match given {
            Some(token) => token,
            None if self.kept.as_ref().is_some_and(|kept| kept.wake) && path.exists() => return read_token(&path),
            None => new_token()?,
        };
        self.place.home.open().map_err(|error| CliError::could_not("no_home", "the home cannot be used").why(error))?;
        write_atomically(&path, token.as_bytes())
            .map_err(|error| CliError::could_not("token_file", "the hook token could not be written").why(error))?;
        Ok(token)
    }

    /// Merges the patch in, by OpenClaw's own command; the token goes through its standard input. The file as it was is kept.
    async fn apply(&self, plan: &Plan, token: Option<&str>) -> Result<(), CliError> {
        let snapshot = Snapshot::of(&self.facts.file);
        if self.kept.is_none() {
            snapshot.take()?;
        }
        let mut patch = plan.patch.clone();
        if let (Some(slot), Some(token)) = (patch.pointer_mut("/hooks/token"), token) {
            *slot = json!(token);
        }
        let text = Zeroizing::new(patch.to_string());
        self.ui.progress("OpenClaw checks the change and writes it");
        let done = ask_with(self.program, &["config", "patch", "--stdin"].map(str::to_owned), Some(text.as_bytes())).await;
        self.ui.progress_done();
        let failure = match done {
            Ok(said) if said.success => return Ok(()),
            Ok(said) => said.refused("openclaw config patch --stdin"),
            Err(error) => error,
        };
        if self.kept.is_none() {
            snapshot.forget()?;
        }
        Err(failure)
    }

    /// Writes down what was changed, so that it can be taken back.
    fn remember(&self, plan: &Plan) -> Result<Kept, CliError> {
        let mut kept = self.kept.clone().unwrap_or_default();
        kept.add(&plan.patch, &self.facts.settings);
        kept.wake |= plan.wake.is_some();
        if plan.patch != json!({}) {
            kept.hash = Snapshot::of(&self.facts.file).hash()?;
        }
        kept.write(self.place)?;
        Ok(kept)
    }

    /// Tries what was made, and says so.
    async fn tell(&self, plan: &Plan, changed: bool, restart: bool, token: Option<Zeroizing<String>>) -> Result<(), CliError> {
        self.ui.progress("trying the tools, and the gateway's hook");
        let mesh = trip(self.entry).await;
        let gateway = match (&plan.wake, &token) {
            (Some(wake), Some(token)) => Some(probe(&wake.url, token).await),
            _ => None,
        };
        self.ui.progress_done();
        let mesh = mesh?;
        let mut lines = vec![format!("OpenClaw is connected{}.", if changed { "" } else { " already" })];
        lines.extend(plan.notes.iter().map(|note| format!("Note: {note}.")));
        lines.extend(gateway.as_ref().map(Gateway::told));
        if let Some(note) = path_note() {
            lines.push(note);
        }
        lines.push(match mesh {
            Mesh::NoDaemon => "The daemon does not run yet; to start it: ocmesh service install".to_owned(),
            Mesh::Answers if restart => {
                "The daemon wakes OpenClaw from its next start on: ocmesh service stop, then ocmesh service start".to_owned()
            }
            Mesh::Answers => "The mesh answers. In a new session, ask it: \"What is my mesh status?\"".to_owned(),
        });
        let value = json!({
            "agent": "openclaw", "connected": true, "changed": changed, "mesh": mesh.as_str(), "notes": plan.notes,
            "wake": gateway.as_ref().map(Gateway::as_str), "restart": restart,
        });
        self.ui.done(lines.join("\n"), &value)?;
        match gateway {
            Some(Gateway::Refused) => Err(CliError::could_not("hook_refused", "OpenClaw's gateway does not take the hook token").hint(
                "is it the hooks.token of this gateway? ocmesh connect openclaw --hook-token-file FILE gives another; --undo takes all back",
            )),
            _ => Ok(()),
        }
    }

    fn show(&self, plan: &Plan, block: Option<&str>) -> Result<(), CliError> {
        let mut steps = Vec::new();
        let mut lines = Vec::new();
        if plan.patch != json!({}) {
            steps.push(json!({"run": ["openclaw", "config", "patch", "--stdin"], "stdin": plan.patch}));
            lines.push(format!("run openclaw config patch --stdin, and give it\n{}", safe_block(&format!("{:#}", plan.patch))));
        }
        if let Some(block) = block.filter(|block| !self.block.holds(block)) {
            let token = self.place.home.path().join(TOKEN_FILE);
            steps.push(json!({"write": token, "secret": true}));
            steps.push(json!({"edit": self.block.path(), "append": block}));
            lines.push(format!("write the hook token into {} (mode 0600)", safe(&token.display().to_string())));
            lines.push(format!("append to {}\n{}", safe(&self.block.path().display().to_string()), safe_block(block)));
        }
        if steps.is_empty() {
            lines.push("OpenClaw is connected already.".to_owned());
        }
        lines.extend(plan.notes.iter().map(|note| format!("Note: {note}.")));
        self.ui.done(lines.join("\n"), &json!({"agent": "openclaw", "dry_run": true, "steps": steps, "notes": plan.notes}))
    }

    async fn undo(self, dry_run: bool) -> Result<(), CliError> {
        let snapshot = Snapshot::of(&self.facts.file);
        let mut kept = self.kept.clone().unwrap_or_else(|| Kept::only_the_entry(&self.facts));
        let mut reverse = patch::reverse(&kept.set, kept.before.as_ref(), Some(&self.facts.settings));
        let stays = isolated::keep_changed(&mut kept.set, &reverse, &self.facts.settings);
        if !stays.is_empty() {
            reverse = patch::reverse(&kept.set, kept.before.as_ref(), Some(&self.facts.settings));
            reverse.left.extend(stays);
        }
        let whole = self.kept.is_some() && snapshot.unchanged_since(kept.hash.as_deref());
        if dry_run {
            return self.show_undo(whole, reverse.patch.as_ref());
        }
        let mut changed = self.block.take()?;
        if whole {
            snapshot.restore()?;
            changed = true;
        } else if let Some(patch) = &reverse.patch {
            let said =
                ask_with(self.program, &["config", "patch", "--stdin"].map(str::to_owned), Some(patch.to_string().as_bytes())).await?;
            if !said.success {
                return Err(said.refused("openclaw config patch --stdin"));
            }
            changed = true;
        }
        Kept::forget(self.place)?;
        let mut text = vec![
            if changed {
                "OpenClaw is no longer connected; running sessions keep the tools until they end."
            } else {
                "OpenClaw is not connected."
            }
            .to_owned(),
        ];
        text.extend(snapshot.leave()?);
        if !whole && !reverse.left.is_empty() {
            text.push(format!("Left as they are, because they were changed since: {}", safe(&reverse.left.join(", "))));
        }
        let left = if whole { Vec::new() } else { reverse.left };
        self.ui.done(text.join("\n"), &json!({"agent": "openclaw", "connected": false, "changed": changed, "left": left}))
    }

    fn show_undo(&self, whole: bool, patch: Option<&Value>) -> Result<(), CliError> {
        let file = safe(&self.facts.file.display().to_string());
        let mut steps = Vec::new();
        let mut lines = Vec::new();
        if whole {
            steps.push(json!({"restore": self.facts.file}));
            lines.push(format!("make {file} again what it was before"));
        } else if let Some(patch) = patch {
            steps.push(json!({"run": ["openclaw", "config", "patch", "--stdin"], "stdin": patch}));
            lines.push(format!("run openclaw config patch --stdin, and give it\n{}", safe_block(&format!("{patch:#}"))));
        }
        if self.block.is_there()? {
            steps.push(json!({"edit": self.block.path(), "remove": "[[wake]]"}));
            lines.push(format!("take the block \"openclaw\" out of {}", safe(&self.block.path().display().to_string())));
        }
        if lines.is_empty() {
            lines.push("OpenClaw is not connected.".to_owned());
        }
        self.ui.done(lines.join("\n"), &json!({"agent": "openclaw", "dry_run": true, "steps": steps}))
    }
}

/// 256 random bits as hex.
fn new_token() -> Result<Zeroizing<String>, CliError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| CliError::could_not("no_randomness", "the system gives no randomness").why(error))?;
    Ok(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// A token from a file: one word.
fn read_token(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let bad = |why: String| {
        CliError::could_not("token_file", format!("{} holds no hook token", safe(&path.display().to_string())))
            .why(why)
            .hint("it must hold the hooks.token of OpenClaw, and nothing else")
    };
    let facts = std::fs::metadata(path).map_err(|error| bad(error.to_string()))?;
    if !facts.is_file() || facts.len() > TOKEN_BYTES_MAX {
        return Err(bad("it is no small file".to_owned()));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?);
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("it is empty, or holds more than one word".to_owned()));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// OpenClaw's gateway builds a PATH of its own; a skill that needs `ocmesh` is ready only where that PATH has it.
fn path_note() -> Option<String> {
    let home = std::env::home_dir()?;
    let own = ["/usr/bin", "/bin", "/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin"].map(std::path::PathBuf::from);
    let users = [".local/bin", ".npm-global/bin", ".bun/bin", ".yarn/bin"].map(|path| home.join(path));
    let there = own.iter().chain(&users).any(|directory| directory.join("ocmesh").is_file());
    (!there).then(|| {
        "Note: the gateway's own PATH has no ocmesh, so OpenClaw's skill of that name is not ready: put ocmesh into ~/.local/bin."
            .to_owned()
    })
}
