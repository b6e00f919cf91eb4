//! The route of a message, read from its delivery history: which relays, why these, and where each stands.

use ocmesh_api::Hop;
use ocmesh_proto::{At, HistoryEntry, RelayUrl};

use super::moment::write;

/// The newest route and its reason. Empty for a message that never had one (a received one).
pub(super) fn so_far(history: &[(At, HistoryEntry)]) -> (Option<String>, Vec<Hop>) {
    let newest = history.iter().rev().find_map(|(_, entry)| match entry {
        HistoryEntry::Queued { relays, why } | HistoryEntry::Rerouted { relays, why } | HistoryEntry::Resent { relays, why } => {
            Some((relays, *why))
        }
        _ => None,
    });
    let Some((relays, why)) = newest else { return (None, Vec::new()) };
    (Some(why.as_str().to_owned()), relays.iter().map(|relay| hop(relay, history)).collect())
}

fn hop(relay: &RelayUrl, history: &[(At, HistoryEntry)]) -> Hop {
    let mut hop = Hop { relay: relay.to_string(), state: "waiting".to_owned(), at: None, tries: Some(0), next_try_at: None, said: None };
    let stands = |hop: &mut Hop, state: &str, at: At| {
        state.clone_into(&mut hop.state);
        hop.at = Some(write(at));
    };
    for (at, entry) in history {
        match entry {
            HistoryEntry::Sent { relay: url } if url == relay => stands(&mut hop, "in_flight", *at),
            HistoryEntry::Accepted { relay: url } if url == relay => stands(&mut hop, "accepted", *at),
            HistoryEntry::Refused { relay: url, said, retry } if url == relay => {
                stands(&mut hop, if *retry { "waiting" } else { "refused" }, *at);
                hop.said = Some(said.clone());
                hop.tries = hop.tries.map(|tries| tries.saturating_add(1));
            }
            _ => {}
        }
    }
    hop
}

#[cfg(test)]
mod tests {
    use ocmesh_proto::RouteReason;

    use super::*;

    #[test]
    fn the_newest_route_counts_and_each_relay_keeps_its_last_word() {
        let [a, b, c] = ["wss://a.com", "wss://b.com", "wss://c.com"].map(|url| RelayUrl::parse(url).unwrap());
        let refused = |relay: &RelayUrl, retry| HistoryEntry::Refused { relay: relay.clone(), said: "no".to_owned(), retry };
        let history = [
            HistoryEntry::Queued { relays: vec![c.clone()], why: RouteReason::OwnRelays },
            refused(&c, false),
            HistoryEntry::Rerouted { relays: vec![a.clone(), b.clone()], why: RouteReason::DmRelayList },
            HistoryEntry::Sent { relay: a.clone() },
            refused(&a, true),
            HistoryEntry::Sent { relay: a.clone() },
            HistoryEntry::Accepted { relay: a },
            refused(&b, false),
        ];
        let history: Vec<_> = history.into_iter().map(|entry| (At(1_000), entry)).collect();
        let (why, route) = so_far(&history);
        assert_eq!(why.as_deref(), Some("dm_relay_list"));
        let seen: Vec<_> = route.iter().map(|hop| (hop.relay.as_str(), hop.state.as_str(), hop.tries)).collect();
        assert_eq!(seen, [("wss://a.com", "accepted", Some(1)), ("wss://b.com", "refused", Some(1))]);
        assert_eq!(so_far(&[(At(1), HistoryEntry::Read)]), (None, Vec::new()));
    }
}
