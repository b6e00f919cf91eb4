//! `ocmesh demo`: a local relay and two real daemons in temporary homes meet, shake hands and talk. It leaves nothing behind.

mod agent;
mod script;

use std::time::{Duration, Instant};

use ocmesh_localrelay::{LocalRelay, RelayOptions};
use serde_json::json;

use self::agent::Agent;
use super::stop::StopSignal;
use crate::{
    error::{CliError, chain},
    ui::{Tint, Ui, safe},
};

/// The whole demo ends within this, one way or the other. It takes about a second.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn run(ui: &Ui) -> Result<(), CliError> {
    let show = Show { ui, started: Instant::now() };
    let mut stop = StopSignal::listen()?;
    let directory = tempfile::Builder::new()
        .prefix("ocmesh-demo-")
        .tempdir()
        .map_err(|error| CliError::could_not("no_temp", "could not make a temporary directory").why(error))?;
    let relay = LocalRelay::start(RelayOptions::default())
        .await
        .map_err(|error| CliError::could_not("relay_failed", "the local relay could not start").why(chain(&error)))?;
    let mut agents = Vec::new();
    let result = tokio::select! {
        result = tokio::time::timeout(LIMIT, play(&show, &relay, directory.path(), &mut agents)) => result.unwrap_or_else(|_| {
            Err(CliError::could_not("timed_out", format!("the demo did not end within {} s", LIMIT.as_secs())).hint("ocmesh doctor"))
        }),
        () = stop.wait() => Err(CliError::could_not("interrupted", "the demo was stopped")),
    };
    // Whatever happened: no process and no file stays.
    let mut clean = true;
    for agent in &mut agents {
        clean &= agent.stop().await;
    }
    relay.shutdown().await;
    let removed = directory.close();
    result?;
    if !clean {
        return Err(CliError::could_not("unclean_stop", "an agent did not stop cleanly").hint("ocmesh doctor"));
    }
    removed.map_err(|error| CliError::could_not("no_temp", "could not remove the temporary directory").why(error))?;
    show.step("done", "both", "have stopped; nothing is left behind", &json!({"ok": true}))?;
    if !ui.json {
        ui.line("\nJoin the real mesh: ocmesh service install")?;
    }
    Ok(())
}

async fn play(show: &Show<'_>, relay: &LocalRelay, directory: &std::path::Path, agents: &mut Vec<Agent>) -> Result<(), CliError> {
    show.step("relay", "relay", &format!("listens on this machine, {}", safe(relay.url())), &json!({"url": relay.url()}))?;
    for name in ["ada", "bob"] {
        agents.push(Agent::start(name, &directory.join(name), relay.url())?);
    }
    let [ada, bob] = agents.as_mut_slice() else { return Err(CliError::could_not("internal", "there should be two agents")) };
    script::play(show, ada, bob).await
}

/// Shows the steps with their times.
struct Show<'a> {
    ui: &'a Ui,
    started: Instant,
}

impl Show<'_> {
    fn step(&self, name: &str, who: &str, text: &str, data: &serde_json::Value) -> Result<(), CliError> {
        self.ui.progress_done();
        let elapsed = self.started.elapsed();
        if self.ui.json {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            return self.ui.json_line(&json!({"step": name, "elapsed_ms": millis, "data": data}));
        }
        let time = self.ui.tint(Tint::Dim, format!("{:>7.3} s", elapsed.as_secs_f64()));
        self.ui.line(format!("{time}  {}  {text}", self.ui.tint(Tint::Bold, format!("{who:<9}"))))
    }

    fn waiting(&self, what: &str) {
        self.ui.progress(format!("{:>7.3} s  {what} …", self.started.elapsed().as_secs_f64()));
    }
}
