//! What the log tells of the mesh: who was found, who answered, where messages stand. Never what they say.

use ocmesh_proto::{At, GapChange, LoopChange, Mesh, Notice, PeerChange, time::MINUTE};

use super::ask::View;

/// Lines a minute about agents that we did not accept, who come, go and call themselves what they like.
const CROWD_LINES_MAX: u64 = 60;

/// What was written of the crowd in this minute, so that neither a large mesh nor somebody with many keys fills the log.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    began: At,
    seen: u64,
}

impl Crowd {
    /// Tells how many were left out, once their minute is over.
    pub(crate) fn turn(&mut self, now: At) {
        if now >= self.began && now.since(self.began) < MINUTE {
            return;
        }
        let left_out = self.seen.saturating_sub(CROWD_LINES_MAX);
        if left_out > 0 {
            tracing::info!(left_out, "more agents came, went or described themselves in a minute than are written one by one");
        }
        *self = Self { began: now, seen: 0 };
    }

    fn lets(&mut self, now: At) -> bool {
        self.turn(now);
        self.seen = self.seen.saturating_add(1);
        self.seen <= CROWD_LINES_MAX
    }
}

/// Writes one notice to the log.
pub(crate) fn write(mesh: &Mesh, notice: &Notice, crowd: &mut Crowd, now: At) {
    match notice {
        // Not a line of the crowd's either.
        Notice::PeerChanged { what: PeerChange::Described, .. } if !tracing::enabled!(tracing::Level::DEBUG) => {}
        Notice::PeerChanged {
            peer,
            what: PeerChange::Discovered | PeerChange::Online | PeerChange::Offline | PeerChange::Described | PeerChange::Forgotten,
        } if !mesh.accepted_peers().contains(peer) && !crowd.lets(now) => {}
        Notice::PeerChanged { peer, what } => {
            let record = mesh.peer(peer);
            let name = record.as_ref().and_then(|record| record.name.as_deref()).unwrap_or("");
            let npub = ocmesh_wire::npub(peer);
            match what {
                PeerChange::Discovered => tracing::info!(%npub, name, "peer discovered"),
                PeerChange::Handshaked => tracing::info!(%npub, name, "peer handshaked"),
                PeerChange::Online => tracing::info!(%npub, name, "peer online"),
                PeerChange::Offline => tracing::info!(%npub, name, "peer offline"),
                PeerChange::Trust => {
                    let trust = record.as_ref().map_or("", |record| record.trust.as_str());
                    tracing::info!(%npub, name, trust, "peer trust changed");
                }
                PeerChange::Refused => tracing::info!(%npub, "request refused"),
                PeerChange::Described => tracing::debug!(%npub, name, "peer described itself"),
                PeerChange::Forgotten => tracing::info!(%npub, "peer forgotten"),
            }
        }
        Notice::MessageArrived { id, from, trust, held } => {
            tracing::info!(%id, from = ocmesh_wire::npub(from), trust = trust.as_str(), held, "message arrived");
        }
        Notice::MessageMoved { id, status } => tracing::info!(%id, status = status.as_str(), "message moved"),
        Notice::MessageRead { id } => tracing::debug!(%id, "message acknowledged"),
        Notice::RelayChanged { relay } => tracing::debug!(%relay, "relay changed"),
        Notice::GapChanged { peer, what, missing, lost } => {
            let npub = ocmesh_wire::npub(peer);
            match what {
                GapChange::Found => tracing::info!(%npub, missing, lost, "messages missing"),
                GapChange::Healed => tracing::info!(%npub, missing, lost, "missing messages came"),
                GapChange::Lost => tracing::warn!(%npub, missing, lost, "messages lost"),
                GapChange::Broken => tracing::warn!(%npub, missing, lost, "a message does not fit to the one before it"),
            }
        }
        Notice::InviteChanged { id } => tracing::info!(%id, "invite changed"),
        Notice::LoopChanged { peer, what, .. } => {
            let npub = ocmesh_wire::npub(peer);
            match what {
                LoopChange::Tripped => tracing::warn!(%npub, "agents answer each other without end, stopped"),
                LoopChange::Closed => tracing::info!(%npub, "agents may go on"),
            }
        }
        Notice::OwnChanged => tracing::info!("own profile changed"),
    }
}

/// Writes what is different about our relays, once.
pub(crate) fn compare(before: &View, after: &View) {
    match (before.clock_ahead_ms, after.clock_ahead_ms) {
        (None, Some(ahead_ms)) => tracing::warn!(ahead_ms, "clock is not what the relays say"),
        (Some(_), None) => tracing::info!("clock agrees with the relays again"),
        _ => {}
    }
    for relay in
        after.relays.iter().filter(|relay| relay.origin == "substitute" && before.relays.iter().all(|known| known.url != relay.url))
    {
        tracing::warn!(relay = %relay.url, "relay stands in for one that is no use for hours");
    }
    for relay in
        before.relays.iter().filter(|relay| relay.origin == "substitute" && after.relays.iter().all(|known| known.url != relay.url))
    {
        tracing::info!(relay = %relay.url, "relay does not stand in any more");
    }
    for relay in after.relays.iter().filter(|relay| relay.own) {
        let was = before.relays.iter().find(|known| known.url == relay.url).is_some_and(|known| known.is_deaf);
        match (was, relay.is_deaf) {
            (false, true) => tracing::warn!(relay = %relay.url, "relay is deaf: it takes messages for us and does not bring them"),
            (true, false) => tracing::info!(relay = %relay.url, "relay is not deaf any more"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use ocmesh_proto::{PeerRecord, PeerSource, Policy, PubKey, Snapshot, Trust};
    use tracing_subscriber::{Layer, layer::SubscriberExt as _};

    use super::*;

    /// Counts the lines of at least level `info`.
    struct Lines(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Lines {
        fn enabled(&self, metadata: &tracing::Metadata<'_>, _: tracing_subscriber::layer::Context<'_, S>) -> bool {
            *metadata.level() <= tracing::Level::INFO
        }

        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn strangers_cannot_fill_the_log_nor_hide_who_was_accepted() {
        let (lines, now) = (Arc::new(AtomicUsize::new(0)), At::from_secs(1_800_000_000));
        let (me, friend) = (PubKey::from_bytes([1; 32]), PubKey::from_bytes([2; 32]));
        let known = PeerRecord { trust: Trust::Known, ..PeerRecord::new(friend, PeerSource::Added, now) };
        let snapshot = Snapshot { peers: [known].into_iter().collect(), ..Snapshot::default() };
        let mesh = Mesh::new(me, Policy::default(), snapshot, 1, now);
        let mut crowd = Crowd::default();
        let mut told = |what: &dyn Fn(&mut Crowd)| {
            what(&mut crowd);
            lines.swap(0, Ordering::Relaxed)
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Lines(Arc::clone(&lines))), || {
            let stranger = |number: u32, what| {
                let mut key = [3; 32];
                key[..4].copy_from_slice(&number.to_be_bytes());
                Notice::PeerChanged { peer: PubKey::from_bytes(key), what }
            };
            // Nothing is written of a new name at this level, and it takes no place.
            let renamed = |crowd: &mut Crowd| (0..1_000).for_each(|n| write(&mesh, &stranger(n, PeerChange::Described), crowd, now));
            assert_eq!(told(&renamed), 0);
            let found = |crowd: &mut Crowd| (0..1_000).for_each(|n| write(&mesh, &stranger(n, PeerChange::Discovered), crowd, now));
            assert_eq!(told(&found) as u64, CROWD_LINES_MAX);
            let online = Notice::PeerChanged { peer: friend, what: PeerChange::Online };
            assert_eq!(told(&|crowd| write(&mesh, &online, crowd, now)), 1);
            assert_eq!(told(&|crowd| crowd.turn(now.plus(MINUTE))), 1, "how many more there were");
            assert_eq!(told(&|crowd| crowd.turn(now.plus(2 * MINUTE))), 0);
        });
    }

    #[test]
    fn a_crowd_takes_so_many_lines_a_minute() {
        let (mut crowd, now) = (Crowd::default(), At::from_secs(1_800_000_000));
        let lines = |crowd: &mut Crowd, now| (0..1_000).filter(|_| crowd.lets(now)).count() as u64;
        assert_eq!(lines(&mut crowd, now), CROWD_LINES_MAX);
        assert_eq!(lines(&mut crowd, now.plus(MINUTE - 1)), 0);
        assert_eq!(lines(&mut crowd, now.plus(MINUTE)), CROWD_LINES_MAX);
        assert_eq!(lines(&mut crowd, now), CROWD_LINES_MAX, "a clock that was set back silences nobody");
    }
}
