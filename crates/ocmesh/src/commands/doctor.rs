//! `ocmesh doctor`: checks everything, changes nothing, and says what to do about what is wrong. Works with the daemon stopped.

pub(super) mod files;
mod running;

use ocmesh_daemon::{config::Config, start_error::StartError};
use serde_json::json;

use super::{Place, block_on};
use crate::{
    error::{CliError, Exit},
    service,
    ui::{Tint, Ui, safe},
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug)]
pub(super) struct Finding {
    check: &'static str,
    verdict: Verdict,
    pub(super) detail: String,
    pub(super) hint: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into(), hint: None }
    }

    fn warn(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn fail(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, detail: detail.into(), hint: Some(hint.into()) }
    }
}

pub(crate) fn run(ui: &Ui, place: &Place) -> Result<(), CliError> {
    let mut report = Report { ui, findings: Vec::new() };
    report.add(files::home(place))?;
    for finding in files::modes(place) {
        report.add(finding)?;
    }
    let config = config(&mut report, place)?;
    ui.progress("reading the whole database");
    let database = files::database(place, config.as_ref());
    ui.progress_done();
    report.add(database)?;
    for finding in block_on(async { Ok(running::check(place, config.as_ref()).await) })? {
        report.add(finding)?;
    }
    report.add(files::clock(place))?;
    report.add(service_finding(place))?;
    report.add(files::path())?;
    report.end()
}

fn config(report: &mut Report<'_>, place: &Place) -> Result<Option<Config>, CliError> {
    match Config::load(&place.home, std::env::vars_os(), &[]) {
        Ok(config) => {
            for warning in &config.warnings {
                report.add(Finding::warn("config", warning, "ocmesh config show"))?;
            }
            let file = if place.home.config().is_file() { "config.toml is good" } else { "every key has its default" };
            report.add(Finding::ok("config", file))?;
            Ok(Some(config))
        }
        Err(error) => {
            let error = StartError::from(error);
            report.add(Finding::fail("config", error.reason(), error.hint()))?;
            Ok(None)
        }
    }
}

fn service_finding(place: &Place) -> Finding {
    let platform = service::native();
    match super::service::current(place, platform) {
        Some(state) if state.running => Finding::ok("service", "installed and running"),
        Some(state) if state.installed => Finding::warn("service", "installed, but not running", "ocmesh service start"),
        _ => Finding::ok("service", "not installed (ocmesh service install makes the daemon start at every login)"),
    }
}

/// Prints each finding as it comes to a person; a program gets all of them at the end.
struct Report<'a> {
    ui: &'a Ui,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn add(&mut self, finding: Finding) -> Result<(), CliError> {
        if !self.ui.json {
            self.ui.print(&render(self.ui, &finding))?;
        }
        self.findings.push(finding);
        Ok(())
    }

    fn end(self) -> Result<(), CliError> {
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (failed, warned) = (count(Verdict::Fail), count(Verdict::Warn));
        if self.ui.json {
            let checks: Vec<_> = self.findings.iter().map(to_json).collect();
            self.ui.json(&json!({"ok": failed == 0, "checks": checks}))?;
        } else {
            self.ui.line(match (failed, warned) {
                (0, 0) => "\nAll is well.".to_owned(),
                (0, warned) => format!("\nNothing is broken; {warned} to look at."),
                (failed, _) => format!("\n{failed} to repair."),
            })?;
        }
        if failed == 0 { Ok(()) } else { Err(CliError::Silent(Exit::CouldNot)) }
    }
}

fn render(ui: &Ui, finding: &Finding) -> String {
    let (tint, word) = match finding.verdict {
        Verdict::Ok => (Tint::Green, "ok  "),
        Verdict::Warn => (Tint::Yellow, "warn"),
        Verdict::Fail => (Tint::Red, "fail"),
    };
    let hint = finding.hint.as_deref().map(|hint| format!("                 → {}\n", safe(hint))).unwrap_or_default();
    format!("{}  {:<10} {}\n{hint}", ui.tint(tint, word), finding.check, safe(&finding.detail))
}

fn to_json(finding: &Finding) -> serde_json::Value {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    };
    json!({"check": finding.check, "verdict": verdict, "detail": finding.detail, "hint": finding.hint})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_to_do() {
        let finding = Finding::fail("key", "db.key can be read\u{1b} by others", "chmod 600 db.key");
        assert_eq!(
            render(&Ui::plain(), &finding),
            "fail  key        db.key can be read\\u{1b} by others\n                 → chmod 600 db.key\n"
        );
    }
}
