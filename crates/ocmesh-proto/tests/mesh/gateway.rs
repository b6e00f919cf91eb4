//! What is woken in this small world, and what it says to that.

use std::sync::Arc;

use ocmesh_proto::{At, Input, Wake, WakeOutcome, WakeState, WakeTargetId};

use super::world::World;

/// What the targets of one agent say, and every try that was made.
pub(crate) struct Gateway {
    pub(crate) says: Option<WakeOutcome>,
    pub(crate) tries: Vec<(At, WakeTargetId, Wake)>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { says: Some(WakeOutcome::Woke), tries: Vec::new() }
    }
}

impl World {
    pub(crate) fn wake(&mut self, index: usize, target: WakeTargetId, wake: Wake) {
        let (now, node) = (self.now, &mut self.nodes[index]);
        let kept = node.disk.wakes.get(&target).map(|record| record.state);
        assert_eq!(kept, Some(WakeState::InFlight { wake, since: now }), "begun before it was on disk");
        node.gateway.tries.push((now, Arc::clone(&target), wake));
        if let Some(outcome) = node.gateway.says.clone() {
            self.push(index, Input::WakeAnswered { target, number: wake.number, outcome });
        }
    }
}
