//! `ocmesh connect`: which agent, and how.

use clap::{Args, ValueEnum};

/// `ocmesh connect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ocmesh connect                   what is found, and what is connected\n  \
    ocmesh connect claude --dry-run  show the exact change\n  \
    ocmesh connect claude            make it\n  \
    ocmesh connect claude --undo     take it back")]
pub(crate) struct ConnectArgs {
    /// Which agent program; without one, all are listed.
    pub(crate) agent: Option<AgentProgram>,
    /// Only print what would be changed.
    #[arg(long, requires = "agent")]
    pub(crate) dry_run: bool,
    /// OpenClaw: only the tools; messages do not wake it.
    #[arg(long, requires = "agent", conflicts_with = "isolated")]
    pub(crate) no_wake: bool,
    /// OpenClaw: answer the mesh with an agent of its own that has the mesh's tools and no others.
    #[arg(long, requires = "agent")]
    pub(crate) isolated: bool,
    /// OpenClaw: a file with its hook token, where it has one already.
    #[arg(long, value_name = "FILE", requires = "agent", conflicts_with = "no_wake")]
    pub(crate) hook_token_file: Option<std::path::PathBuf>,
    /// Take the connection back.
    #[arg(long, requires = "agent")]
    pub(crate) undo: bool,
}

/// A program that runs an AI agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentProgram {
    /// OpenClaw.
    Openclaw,
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// Cursor.
    Cursor,
    /// OpenCode.
    Opencode,
}
