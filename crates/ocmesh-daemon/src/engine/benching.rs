//! The door for the paths that are counted (feature `benching`): an event between the relay pool and the mesh.

use std::sync::{Arc, Mutex};

use ocmesh_proto::{At, Door};
use ocmesh_relay::PoolEvent;
use ocmesh_wire::Keys;
use tokio::sync::mpsc;

use super::{
    forgeries::Forgeries,
    ingest::Ingest,
    recent::{Generations, Recent},
};
use crate::{clock::Clock, limit::FORGED_MAX};

/// What opens events for the mesh, with no mesh behind it.
pub struct Opener(Ingest);

impl Opener {
    /// Of this agent, at this moment for ever.
    #[must_use]
    pub fn new(keys: Keys, now: At) -> Self {
        Self(Ingest {
            keys: Arc::new(keys),
            clock: Clock::from_fn(move || now),
            recent: Arc::new(Mutex::new(Recent::default())),
            door: Door::new(0),
            accepted: Arc::default(),
            forgeries: Forgeries::default(),
            forged: Generations::of(FORGED_MAX),
            inputs: mpsc::channel(1).0,
        })
    }

    /// Whether the mesh would hear of this.
    pub fn hear(&mut self, event: PoolEvent) -> bool {
        self.0.hear(event).is_some()
    }
}
