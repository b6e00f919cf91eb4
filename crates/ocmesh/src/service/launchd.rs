//! macOS: a LaunchAgent, loaded into the user's own login session.

use std::path::PathBuf;

use super::{Context, OnFailure, Step, run_step};
use crate::cli::ServiceAction;

const LABEL: &str = "com.ocmesh.daemon";

/// `~/Library/LaunchAgents/com.ocmesh.daemon.plist`
pub(super) fn file(context: &Context) -> PathBuf {
    context.user_home.join("Library/LaunchAgents").join(format!("{LABEL}.plist"))
}

/// The steps of an action. With `KeepAlive` a job that is only killed comes back, so stopping means unloading it.
pub(super) fn plan(action: ServiceAction, context: &Context) -> Vec<Step> {
    let domain = format!("gui/{}", context.user);
    let job = format!("{domain}/{LABEL}");
    let path = file(context);
    let unload = run_step(&["launchctl", "bootout", &job], OnFailure::Ignore);
    let load = run_step(&["launchctl", "bootstrap", &domain, &path.to_string_lossy()], OnFailure::Retry);
    match action {
        ServiceAction::Install => vec![
            Step::Write { path, content: plist(context).into_bytes() },
            unload,
            // A job that was once disabled by hand stays so over a reinstall, unless it is enabled.
            run_step(&["launchctl", "enable", &job], OnFailure::Ignore),
            load,
        ],
        ServiceAction::Uninstall => vec![unload, Step::Remove(path)],
        ServiceAction::Start => vec![unload, load],
        ServiceAction::Stop => vec![unload],
        ServiceAction::Status => Vec::new(),
    }
}

pub(super) fn query(context: &Context) -> Vec<String> {
    vec!["launchctl".to_owned(), "print".to_owned(), format!("gui/{}/{LABEL}", context.user)]
}

pub(super) fn is_running(answer: &str) -> bool {
    answer.lines().any(|line| line.trim() == "state = running")
}

/// The property list. Output goes nowhere: the daemon keeps its own log, with its own mode and rotation.
fn plist(context: &Context) -> String {
    let arguments: String = context.arguments().iter().map(|word| format!("    <string>{}</string>\n", xml(word))).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
{arguments}  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>ThrottleInterval</key>
  <integer>5</integer>
  <key>ExitTimeOut</key>
  <integer>10</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardOutPath</key>
  <string>/dev/null</string>
  <key>StandardErrorPath</key>
  <string>/dev/null</string>
</dict>
</plist>
"#
    )
}

/// Text inside an XML element. Characters that XML 1.0 cannot hold at all become a question mark.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
