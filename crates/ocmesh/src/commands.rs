//! Every command, one file each, and what they share: where the home is, and the way to the daemon.

mod backup;
mod completions;
mod config;
mod connect;
mod daemon;
mod demo;
mod doctor;
mod find;
mod identity;
mod inbox;
mod invite;
mod join;
mod logs;
mod man;
mod mcp;
mod outbox;
mod peer;
mod peers;
mod read;
mod relay;
mod relays;
mod requests;
mod security;
mod send;
mod service;
mod status;
mod stop;
mod token;
mod wake;

use std::path::Path;

use ocmesh_api::{ApiError, Client, ClientError, ErrorCode};
use ocmesh_daemon::{config::Config, home::Home, start_error::StartError};

use crate::{
    cli::{Cli, Command, IdentityCommand, PeerCommand},
    error::{CliError, Exit, chain},
    ui::Ui,
};

/// Where a command works.
pub(crate) struct Place {
    /// The agent's home.
    pub(crate) home: Home,
}

impl Place {
    fn new(home: Option<&Path>) -> Result<Self, CliError> {
        if home.is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(CliError::usage("--home needs a directory"));
        }
        let named = |name: &str| match (name, home) {
            ("OCMESH_HOME", Some(path)) => Some(path.as_os_str().to_owned()),
            (name, _) => std::env::var_os(name),
        };
        let home = Home::locate(named).map_err(|error| from_start("no_home", "the home is not known", &error.into()))?;
        Ok(Self { home })
    }

    /// The configuration of this home, with the environment.
    fn config(&self) -> Result<Config, CliError> {
        Config::load(&self.home, std::env::vars_os(), &[])
            .map_err(|error| from_start("bad_config", "the configuration is not good", &StartError::from(error)))
    }

    /// The way to the daemon, by what it wrote into `api.json`.
    fn client(&self) -> Result<Client, CliError> {
        Client::from_home(self.home.path()).map_err(from_client)
    }
}

/// Runs what was asked for.
pub(crate) fn run(ui: &Ui, cli: Cli) -> Result<(), CliError> {
    let place = Place::new(cli.home.as_deref())?;
    match cli.command {
        None => block_on(status::run_or_welcome(ui, &place)),
        Some(Command::Daemon) => daemon::run(ui, &place),
        Some(Command::Service(args)) => service::run(ui, &place, &args),
        Some(Command::Status) => block_on(status::run(ui, &place)),
        Some(Command::Peers(args)) => block_on(peers::run(ui, &place, args)),
        Some(Command::Peer { command: PeerCommand::Show { peer } }) => block_on(peer::show(ui, &place, &peer)),
        Some(Command::Peer { command }) => block_on(peer::change(ui, &place, command)),
        Some(Command::Requests { command }) => block_on(requests::run(ui, &place, command)),
        Some(Command::Invite(args)) => block_on(invite::run(ui, &place, args)),
        Some(Command::Join(args)) => block_on(join::run(ui, &place, args)),
        Some(Command::Send(args)) => block_on(send::run(ui, &place, args)),
        Some(Command::Inbox(args)) => block_on(inbox::run(ui, &place, args)),
        Some(Command::Read(args)) => block_on(read::run(ui, &place, args)),
        Some(Command::Outbox { command }) => block_on(outbox::run(ui, &place, command)),
        Some(Command::Wake { command }) => block_on(wake::run(ui, &place, command)),
        Some(Command::Relays { command }) => block_on(relays::run(ui, &place, command)),
        Some(Command::Relay(args)) => block_on(relay::run(ui, &args)),
        Some(Command::Identity { command: IdentityCommand::Show }) => identity::show(ui, &place),
        Some(Command::Identity { command }) => identity::change(ui, &place, command),
        Some(Command::Config { command }) => config::run(ui, &place, command),
        Some(Command::Token { command }) => token::run(ui, &place, &command),
        Some(Command::Backup { directory }) => backup::run(ui, &place, &directory),
        Some(Command::Doctor) => doctor::run(ui, &place),
        Some(Command::Security) => security::run(ui, &place),
        Some(Command::Logs(args)) => logs::run(ui, &place, &args),
        Some(Command::Mcp { claude_channel }) => block_on(mcp::run(&place, claude_channel)),
        Some(Command::Connect(args)) => block_on(connect::run(ui, &place, args)),
        Some(Command::Demo) => block_on(demo::run(ui)),
        Some(Command::Completions { shell }) => completions::run(ui, shell),
        Some(Command::Man { to }) => man::run(ui, to.as_deref()),
    }
}

/// Runs a command that talks to the daemon: one thread is enough for one conversation.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::could_not("internal", "could not start").why(error))?;
    let result = runtime.block_on(work);
    // A read of standard input may still hang in a thread of its own: do not wait for it.
    runtime.shutdown_background();
    result
}

/// The error of a call, with what to do in terms of this program.
pub(crate) fn from_client(error: ClientError) -> CliError {
    match error {
        ClientError::NotRunning => CliError::new(Exit::NotRunning, "not_running", "the daemon is not running")
            .hint("ocmesh service install (in the background, from now on), or: ocmesh daemon"),
        ClientError::Api(error) => from_api(error),
        error @ ClientError::Io(_) => CliError::could_not("no_answer", chain(&error)).hint("ocmesh doctor"),
        error @ ClientError::Decode(_) => CliError::could_not("bad_answer", chain(&error))
            .hint("the daemon may be of another version: ocmesh service stop && ocmesh service start"),
    }
}

/// What the daemon would say of it at its start.
fn from_start(code: &str, what: &str, error: &StartError) -> CliError {
    let exit = if error.exit_code() == Exit::NotAllowed.code() { Exit::NotAllowed } else { Exit::CouldNot };
    CliError::new(exit, code, what).why(error.reason()).hint(error.hint())
}

fn from_api(error: ApiError) -> CliError {
    let exit = match error.code {
        ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::ScopeMissing | ErrorCode::PeerBlocked => Exit::NotAllowed,
        ErrorCode::Stopping => Exit::NotRunning,
        _ => Exit::CouldNot,
    };
    let hint = match error.code {
        ErrorCode::ReplyToUnknown | ErrorCode::NotFound => "take the id from: ocmesh inbox",
        ErrorCode::IdempotencyConflict => "use a new --key for a new message",
        ErrorCode::MessageFinal => "ocmesh outbox shows what is still waiting",
        ErrorCode::RelayKnown | ErrorCode::RelaysFull => "ocmesh relays",
        ErrorCode::OutboxFull => "ocmesh outbox shows what is waiting, and why",
        _ => error.hint.as_str(),
    };
    CliError::new(exit, error.code.as_str(), error.message.clone()).hint(hint)
}

/// Now, by this machine's clock.
fn now() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}
