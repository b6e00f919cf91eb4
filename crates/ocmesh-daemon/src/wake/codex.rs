//! Preview: the queue of a Codex thread. Codex has no push; what is queued is taken up when a Codex program has the thread open.

use std::time::Duration;

use ocmesh_proto::WakeOutcome;

use super::{Codex, Tools, errand::Errand};

/// It writes to a queue on the disk, and asks a Codex daemon, where one runs, to go on with the thread.
const WAIT: Duration = Duration::from_secs(30);

impl Codex {
    pub(super) async fn wake(&self, errand: &Errand, tools: &Tools) -> WakeOutcome {
        self.program.run(&self.args(errand), String::new(), tools, WAIT).await
    }

    /// Arguments are seen by every user of the machine: there is nothing in them but that something is unread.
    fn args(&self, errand: &Errand) -> Vec<String> {
        let fixed = ["queue", "--resume", "--thread", &self.thread, "--message", &errand.notice()].map(str::to_owned);
        self.program.args.iter().cloned().chain(fixed).collect()
    }
}
