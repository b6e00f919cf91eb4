//! The door for the paths that are counted (feature `benching`): the Local API without a socket.

use std::{env, io, sync::Arc, time::Instant};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use ocmesh_proto::{At, PubKey};
use ocmesh_relay::HookClient;
use ocmesh_store::Reader;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{broadcast, mpsc, watch},
};
use tower::ServiceExt as _;

use super::{Api, ApiParts, guard::Caller, router};
use crate::{
    clock::Clock,
    engine::{MeshHandle, View},
    run::VERSION,
    secrets::OwnSecrets,
    shutdown::StopToken,
    wake::{Dispatcher, Tools},
};

/// The Local API over a store, with no mesh behind it.
#[derive(Debug)]
pub struct LocalApi {
    runtime: Runtime,
    router: Router,
}

impl LocalApi {
    /// Of this agent, at this moment for ever.
    ///
    /// # Errors
    /// The system gives no runtime.
    pub fn new(reader: Reader, pubkey: PubKey, now: At) -> io::Result<Self> {
        // One thread asks and one reads the store, so that what either does is the same every time.
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build()?;
        let (clock, stop) = (Clock::from_fn(move || now), StopToken::new());
        let (client, npub) = (HookClient::new(format!("ocmesh/{VERSION}")), ocmesh_wire::npub(&pubkey));
        let tools = Tools { client, reader: reader.clone(), npub, clock: clock.clone(), home: env::temp_dir() };
        let (wakes, _) = Dispatcher::new(&[], tools, runtime.handle().clone(), stop.clone());
        let (questions, notices) = (mpsc::channel(1).0, broadcast::channel(1).0);
        let (_, view) = watch::channel(Arc::new(View::default()));
        let api = Api::new(ApiParts {
            mesh: MeshHandle::new(questions, view, notices),
            reader,
            wakes,
            pubkey,
            version: VERSION,
            started: Instant::now(),
            port: 0,
            tokens: None,
            requests_per_second: u32::MAX,
            own_secrets: OwnSecrets::default(),
            clock,
            stop,
        });
        Ok(Self { runtime, router: router(&api) })
    }

    /// The body of the answer to a GET that came over the Unix socket; `None` when it was refused.
    #[must_use]
    pub fn get(&self, target: &str) -> Option<Bytes> {
        let request = Request::get(target).header(header::HOST, "ocmesh.sock").extension(Caller::Unix).body(Body::empty()).ok()?;
        self.runtime.block_on(async {
            let Ok(answer) = self.router.clone().oneshot(request).await;
            let is_good = answer.status() == StatusCode::OK;
            let body = answer.into_body().collect().await.ok()?;
            is_good.then(|| body.to_bytes())
        })
    }
}
