//! Targets as their owner configured them: plain values, checked by the configuration.

use std::path::PathBuf;

use ocmesh_proto::WakeTarget;
use ocmesh_relay::HookUrl;

/// A target that its owner configured: when it may be woken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeConfig {
    /// What the core is to know.
    pub target: WakeTarget,
    /// How it is reached.
    pub adapter: Adapter,
}

/// How a target is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adapter {
    /// The hooks of an OpenClaw gateway.
    OpenClaw(OpenClaw),
    /// Anything that takes a signed POST.
    Webhook(Webhook),
    /// A program.
    Command(Program),
    /// The queue of a Codex thread.
    Codex(Codex),
}

impl Adapter {
    /// `openclaw`, `webhook`, `command` or `codex`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OpenClaw(_) => "openclaw",
            Self::Webhook(_) => "webhook",
            Self::Command(_) => "command",
            Self::Codex(_) => "codex",
        }
    }

    /// Where it leads, without anything secret.
    #[must_use]
    pub fn leads_to(&self) -> String {
        match self {
            Self::OpenClaw(gateway) => gateway.wake_url().as_str().to_owned(),
            Self::Webhook(webhook) => webhook.url.as_str().to_owned(),
            Self::Command(program) => program.path.display().to_string(),
            Self::Codex(codex) => format!("{} queue --thread {}", codex.program.path.display(), codex.thread),
        }
    }
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenClaw {
    /// Where it listens; a path in it stands for the gateway's `hooks.path`.
    pub url: HookUrl,
    /// The file with `hooks.token`.
    pub token_file: PathBuf,
    /// Who gets the notice.
    pub mode: OpenClawMode,
    /// Which agent, where the gateway has several; [`OpenClawMode::Main`] only.
    pub agent: Option<String>,
}

/// Who gets the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenClawMode {
    /// The main session of the agent: `POST /hooks/wake`.
    Main,
    /// Whom the mapping `ocmesh` names: `POST /hooks/ocmesh`.
    Isolated,
}

/// A place to post to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub url: HookUrl,
    /// The file with the secret of the signature.
    pub secret_file: PathBuf,
    /// What is sent.
    pub include: Include,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// Numbers and ids.
    Ids,
    /// The unread messages too, in the untrusted envelope.
    Messages,
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A thread of Codex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codex {
    /// The program `codex`.
    pub program: Program,
    /// The id of the thread.
    pub thread: String,
}

impl OpenClaw {
    pub(super) fn wake_url(&self) -> HookUrl {
        let hooks = if self.url.path().is_empty() { "/hooks" } else { self.url.path() };
        let name = match self.mode {
            OpenClawMode::Main => "wake",
            OpenClawMode::Isolated => "ocmesh",
        };
        self.url.with_path(&format!("{hooks}/{name}"))
    }
}
