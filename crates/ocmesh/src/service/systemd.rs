//! Linux: a systemd user unit.

use std::{fmt::Write as _, path::PathBuf};

use super::{Context, OnFailure, Step, run_step};
use crate::{cli::ServiceAction, lean_memory};

const UNIT: &str = "ocmesh.service";

/// `~/.config/systemd/user/ocmesh.service`
pub(super) fn file(context: &Context) -> PathBuf {
    let config = context.config_home.clone().unwrap_or_else(|| context.user_home.join(".config"));
    config.join("systemd/user").join(UNIT)
}

/// The steps of an action. Installing asks for the user's manager first, so that nothing is written where there is none; it restarts,
/// so that a new program takes over at once.
pub(super) fn plan(action: ServiceAction, context: &Context) -> Vec<Step> {
    let user = |words: &[&str], on_failure| run_step(&[&["systemctl", "--user"], words].concat(), on_failure);
    match action {
        ServiceAction::Install => vec![
            user(&["show-environment"], OnFailure::Stop),
            Step::Write { path: file(context), content: unit(context).into_bytes() },
            user(&["daemon-reload"], OnFailure::Stop),
            user(&["enable", UNIT], OnFailure::Stop),
            user(&["restart", UNIT], OnFailure::Stop),
        ],
        ServiceAction::Uninstall => vec![
            user(&["disable", "--now", UNIT], OnFailure::Ignore),
            Step::Remove(file(context)),
            user(&["daemon-reload"], OnFailure::Ignore),
            user(&["reset-failed", UNIT], OnFailure::Ignore),
        ],
        ServiceAction::Start => vec![user(&["start", UNIT], OnFailure::Stop)],
        ServiceAction::Stop => vec![user(&["stop", UNIT], OnFailure::Stop)],
        ServiceAction::Status => Vec::new(),
    }
}

pub(super) fn query() -> Vec<String> {
    ["systemctl", "--user", "is-active", UNIT].map(str::to_owned).to_vec()
}

pub(super) fn is_running(answer: &str) -> bool {
    answer.trim() == "active"
}

/// The unit. Its sandbox uses only what a user's own manager can do without privileges, and nothing that would break an agent the daemon
/// wakes: no ban on just-in-time compilers (Node) or on namespaces (agents that sandbox their own tools).
fn unit(context: &Context) -> String {
    let mut words = context.arguments();
    // systemd refuses a program whose name has a quote, a backslash or a control character; the shell takes any.
    if context.exe.contains(|c: char| c.is_control() || "\"'\\".contains(c)) {
        words.splice(0..0, ["/bin/sh", "-c", r#"exec "$0" "$@""#]);
    }
    // A leading ':' keeps systemd from replacing $NAME in the command line.
    let mut command = String::new();
    for (index, word) in words.into_iter().enumerate() {
        let _ = if index == 0 { write!(command, "{}", quote(&format!(":{word}"))) } else { write!(command, " {}", quote(word)) };
    }
    let memory = lean_memory::SETTINGS.map(|(name, value)| format!("{name}={value}")).join(" ");
    format!(
        "[Unit]
Description=ocmesh, the mesh daemon of this user's AI agent
Documentation=https://github.com/ocmesh/ocmesh
# Never give up: a network or disk that comes back later is reason enough to try again.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
# How the allocator is set up. Without it the daemon starts itself once more.
Environment={memory}
Restart=always
RestartSec=5
TimeoutStartSec=60
TimeoutStopSec=10
# The daemon says that it is alive every minute; one that hangs is started again.
WatchdogSec=120
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"
    )
}

/// One word of a command line as systemd reads it: quoted, C escapes, `%` doubled.
fn quote(word: &str) -> String {
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let mut bytes = [0u8; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
