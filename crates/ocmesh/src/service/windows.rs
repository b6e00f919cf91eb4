//! Windows: a task that starts at logon and again after a failure.

use std::path::PathBuf;

use super::{Context, OnFailure, Step, launchd::xml, run_step};
use crate::cli::ServiceAction;

const TASK: &str = "ocmesh";

/// The task's description, kept in the home; the task scheduler copies it.
pub(super) fn file(context: &Context) -> PathBuf {
    context.data.join("service-task.xml")
}

/// The steps of an action.
pub(super) fn plan(action: ServiceAction, context: &Context) -> Vec<Step> {
    let path = file(context);
    let start = run_step(&["schtasks", "/Run", "/TN", TASK], OnFailure::Stop);
    let stop = |on_failure| run_step(&["schtasks", "/End", "/TN", TASK], on_failure);
    match action {
        ServiceAction::Install => {
            let create = run_step(&["schtasks", "/Create", "/TN", TASK, "/XML", &path.to_string_lossy(), "/F"], OnFailure::Stop);
            vec![Step::Write { path, content: utf16(&task(context)) }, stop(OnFailure::Ignore), create, start]
        }
        ServiceAction::Uninstall => {
            vec![stop(OnFailure::Ignore), run_step(&["schtasks", "/Delete", "/TN", TASK, "/F"], OnFailure::Ignore), Step::Remove(path)]
        }
        ServiceAction::Start => vec![start],
        ServiceAction::Stop => vec![stop(OnFailure::Stop)],
        ServiceAction::Status => Vec::new(),
    }
}

pub(super) fn query() -> Vec<String> {
    ["schtasks", "/Query", "/TN", TASK, "/FO", "CSV", "/NH"].map(str::to_owned).to_vec()
}

pub(super) fn is_running(answer: &str) -> bool {
    answer.contains("\"Running\"")
}

/// The scheduler's shortest pause before a restart is one minute.
fn task(context: &Context) -> String {
    let words = context.arguments();
    let (exe, rest) = words.split_first().map_or(("", &[][..]), |(exe, rest)| (*exe, rest));
    let arguments: Vec<String> = rest.iter().map(|word| quote(word)).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>ocmesh, the mesh daemon of this user's AI agent</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{exe}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"#,
        user = xml(&context.user),
        exe = xml(exe),
        arguments = xml(&arguments.join(" ")),
    )
}

/// A word as Windows programs split their command line: quoted where needed, a backslash doubled only before a quote.
fn quote(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    let mut backslashes = 0;
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                out.extend(std::iter::repeat_n('\\', backslashes * 2 + 1));
                out.push(c);
                backslashes = 0;
            }
            c => {
                out.extend(std::iter::repeat_n('\\', backslashes));
                out.push(c);
                backslashes = 0;
            }
        }
    }
    out.extend(std::iter::repeat_n('\\', backslashes * 2));
    out.push('"');
    out
}

/// The scheduler reads UTF-16, little end first, with its mark.
fn utf16(text: &str) -> Vec<u8> {
    std::iter::once('\u{feff}')
        .chain(text.replace('\n', "\r\n").chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect()
}
