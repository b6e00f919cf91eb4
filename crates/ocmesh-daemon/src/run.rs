//! The daemon from start to stop: each part is opened in order, and closed in the other order.

use std::{io, process, sync::Arc, time::Instant};

use ocmesh_relay::next_edge;
use tokio::{task::JoinHandle, time::interval_at};

use crate::{
    clock::{Clock, JumpWatch},
    config::{ApiAuth, Config},
    engine::{Engine, EngineEnd, EngineError, EngineParts},
    home::{ApiFile, Home},
    http::{self, Api, ApiParts, Listeners},
    identity::{self, OpenedIdentity},
    lock::HomeLock,
    logging,
    secrets::OwnSecrets,
    shutdown::{ServiceState, SignalWatch, StopToken, tell_service_manager, watchdog_interval},
    start_error::StartError,
    token::Tokens,
};

/// Our version, as presence, API and user agent tell it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a daemon is started with.
#[derive(Debug)]
pub struct DaemonOptions {
    /// Where it lives.
    pub home: Home,
    /// The owner's wishes.
    pub config: Config,
    /// Log lines go to the standard error stream too.
    pub foreground_log: bool,
}

/// Runs a daemon until a signal stops it. Call first of all within a tokio runtime of its own: one thread is enough, as checking events and
/// writing them down have threads of their own.
///
/// # Errors
/// The start cannot succeed, or a part of the daemon broke; nothing was deleted or overwritten. See [`StartError`].
pub async fn run(options: DaemonOptions) -> Result<(), StartError> {
    let started = Instant::now();
    let DaemonOptions { home, config, foreground_log } = options;
    let opened = home.open()?;
    let home = opened.home;
    let _lock = HomeLock::take(&home).map_err(|error| StartError::from_lock(&home, error))?;
    let clock = Clock::system();
    let _log = logging::start(&home, config.log, clock.clone(), foreground_log)?;
    tracing::info!(version = VERSION, pid = process::id(), home = %home.path().display(), "daemon starting");
    if let Some(mode) = opened.tightened_from {
        tracing::warn!(mode = format!("{mode:o}"), "home was open to others and is closed now");
    }
    for warning in &config.warnings {
        tracing::warn!(warning, "configuration");
    }
    match serve(&home, &config, &clock, started).await {
        Ok(()) => {
            tracing::info!("daemon stopped");
            Ok(())
        }
        Err(error) => {
            tracing::error!(reason = error.reason(), hint = error.hint(), "daemon failed");
            Err(error)
        }
    }
}

async fn serve(home: &Home, config: &Config, clock: &Clock, started: Instant) -> Result<(), StartError> {
    let stop = StopToken::new();
    let _signals = SignalWatch::start(stop.clone()).map_err(|source| StartError::System { what: "listening for signals", source })?;
    // First the port: a start that fails there has touched nothing else.
    let listeners = listen(config).await?;
    let port = listeners.tcp.local_addr().map_or(config.api.port, |address| address.port());
    let identity = open_identity(home, config).await?;
    let pubkey = identity.keys.public();
    let npub = ocmesh_wire::npub(&pubkey);
    tracing::info!(npub, new = identity.created, key_place = ?identity.key_place, "identity open");

    let keys = Arc::new(identity.keys);
    let reader = identity.store.reader();
    let parts = EngineParts {
        keys: Arc::clone(&keys),
        store: identity.store,
        policy: config.policy_for(&pubkey),
        clock: clock.clone(),
        stop: stop.clone(),
        version: VERSION,
        wakes: config.wakes.clone(),
        home: home.path().to_owned(),
        started,
    };
    let engine = Engine::start(parts)?;
    let tokens = match config.api.auth {
        ApiAuth::SameUser => None,
        ApiAuth::Token => {
            let tokens = Tokens::of(home);
            tokens.make_own().map_err(|source| StartError::System { what: "making a token", source })?;
            Some(tokens)
        }
    };
    let parts = ApiParts {
        mesh: engine.handle(),
        reader,
        wakes: engine.wakes(),
        pubkey,
        version: VERSION,
        started,
        port,
        tokens,
        requests_per_second: config.api.requests_per_second,
        own_secrets: OwnSecrets::of(home, &keys),
        clock: clock.clone(),
        stop: stop.clone(),
    };
    let api = tokio::spawn(http::serve(Api::new(parts), listeners));
    let socket = config.api.socket.clone();
    let file = ApiFile { address: "127.0.0.1".to_owned(), port, pid: process::id(), socket, version: VERSION.to_owned() };
    home.write_api_file(&file).map_err(|source| StartError::Listen { address: home.api_file().display().to_string(), source })?;
    tracing::info!(port, "local API listening");
    if engine.handle().opened().await {
        tell_service_manager(ServiceState::Ready);
    }

    let watch = watch_over(&engine, clock.clone(), started, stop.clone());
    stop.cancelled().await;
    tracing::info!("daemon stopping");
    tell_service_manager(ServiceState::Stopping);
    // Programs stop finding us first; then requests end, the goodbye is said, the store closes.
    if let Err(error) = home.remove_api_file() {
        tracing::warn!(%error, "api file not removed");
    }
    watch.abort();
    let engine_end = tokio::task::spawn_blocking(move || engine.join());
    let api_ended = api.await.is_ok();
    match engine_end.await {
        Ok(Ok(())) if api_ended => Ok(()),
        Ok(Err(EngineEnd::NotSynced)) => Err(StartError::NotSynced),
        Ok(Err(EngineEnd::Unreadable(error))) => Err(EngineError::Store(error).into()),
        _ => Err(StartError::Broken),
    }
}

/// A keychain may ask its owner, and an old store is brought up to date: signals are heard meanwhile.
async fn open_identity(home: &Home, config: &Config) -> Result<OpenedIdentity, StartError> {
    let (home, config) = (home.clone(), config.clone());
    let opened = tokio::task::spawn_blocking(move || identity::open_or_create(&home, &config)).await;
    Ok(opened.map_err(|_| StartError::Broken)??)
}

async fn listen(config: &Config) -> Result<Listeners, StartError> {
    let port = config.api.port;
    let tcp = match http::bind_tcp(port).await {
        Ok(listener) => listener,
        Err(source) => {
            let explain = tokio::task::spawn_blocking(move || StartError::from_listen(port, source));
            return Err(explain
                .await
                .unwrap_or_else(|error| StartError::Listen { address: format!("127.0.0.1:{port}"), source: io::Error::other(error) }));
        }
    };
    #[cfg(unix)]
    let unix = match &config.api.socket {
        None => None,
        Some(path) => {
            let address = || path.display().to_string();
            let listener = http::bind_unix(path).map_err(|source| StartError::Listen { address: address(), source })?;
            Some((listener, path.clone()))
        }
    };
    Ok(Listeners {
        tcp,
        #[cfg(unix)]
        unix,
    })
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => Self::Identity(identity::OpenIdentityError::Read(error)),
            EngineError::Thread(source) => Self::System { what: "another thread", source },
        }
    }
}

/// Looks for sleeps and clock jumps, and tells the service manager that we live, as long as the mesh task does.
fn watch_over(engine: &Engine, clock: Clock, started: Instant, stop: StopToken) -> JoinHandle<()> {
    let (waker, pulse) = (engine.waker(), engine.pulse());
    tokio::spawn(async move {
        let mut jumps = JumpWatch::new(clock, started);
        let mut alive = watchdog_interval().map(|every| interval_at(next_edge(started.into(), every, tokio::time::Instant::now()), every));
        loop {
            let tick = async {
                match &mut alive {
                    Some(interval) => {
                        interval.tick().await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tick => {
                    if pulse.is_alive() {
                        tell_service_manager(ServiceState::Alive);
                    } else {
                        tracing::error!("mesh task does not turn; the service manager is left to start us anew");
                    }
                }
                jump = jumps.next() => {
                    tracing::info!(by_ms = jump.by_ms, "machine slept or clock was set, looking at every relay");
                    waker.wake();
                }
            }
        }
    })
}
