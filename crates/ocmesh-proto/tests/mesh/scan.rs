//! The scan for presence: what it asks a relay for again, and what it does not.

use ocmesh_proto::{
    At, Effect, Filter, Input, Link, Mesh, Policy, Snapshot, Sub,
    time::{MINUTE, SECOND},
};

use super::{
    A, B, announce, pair, presence_of,
    world::{World, key, url},
};

const BEGIN: At = At::from_secs(1_800_000_000);

/// A core with one relay, which is asked and answers as the test says.
struct Asking {
    mesh: Mesh,
    now: At,
}

impl Asking {
    fn new() -> Self {
        let policy = Policy { relays: vec![url(A)], ..Policy::default() };
        let mut asking = Self { mesh: Mesh::new(key(1), policy, Snapshot::default(), 1, BEGIN), now: BEGIN };
        asking.asked(Input::Started);
        asking
    }

    fn asked(&mut self, input: Input) -> Vec<(Sub, Vec<Filter>)> {
        let effects = self.mesh.handle(input, self.now).effects;
        effects
            .into_iter()
            .filter_map(|effect| if let Effect::Subscribe { sub, filters, .. } = effect { Some((sub, filters)) } else { None })
            .collect()
    }

    fn link(&mut self, link: Link) {
        self.asked(Input::RelayChanged { relay: url(A), link });
    }

    fn caught_up(&mut self, sub: Sub, cut: Option<At>) {
        self.asked(Input::CaughtUp { relay: url(A), sub, cut });
    }

    /// How far the next scan looks back, in milliseconds, and when it was asked.
    fn next_scan(&mut self) -> (u64, At) {
        loop {
            self.now = self.now.plus(SECOND);
            let scan = self.asked(Input::Ticked).into_iter().find(|(sub, _)| *sub == Sub::Scan);
            if let Some((_, filters)) = scan {
                assert!(filters.len() == 2 && filters.iter().all(|filter| filter.since == filters[0].since && filter.limit.is_none()));
                return (self.now.since(filters[0].since.unwrap()), self.now);
            }
        }
    }
}

#[test]
fn a_scan_asks_for_what_came_since_the_last_complete_one() {
    let mut asking = Asking::new();
    asking.link(Link::Open);
    let opened = asking.now;
    asking.caught_up(Sub::Presence, None);
    let (back, first) = asking.next_scan();
    assert_eq!(back, first.since(opened) + MINUTE, "what the live subscription found stored is known");
    let (back, second) = asking.next_scan();
    assert_eq!(back, second.since(opened) + MINUTE, "the first one was not complete");
    asking.caught_up(Sub::Scan, None);
    let (back, third) = asking.next_scan();
    assert_eq!(back, third.since(second) + MINUTE);
    // Of one second the relay did not show all.
    asking.caught_up(Sub::Scan, Some(second.plus(30 * SECOND)));
    let (back, fourth) = asking.next_scan();
    assert_eq!(back, fourth.since(second) + MINUTE - 30 * SECOND);
}

#[test]
fn a_scan_looks_back_a_quarter_of_an_hour_and_no_further_where_nothing_was_seen_whole() {
    let mut asking = Asking::new();
    asking.link(Link::Open);
    for _ in 0..10 {
        assert_eq!(asking.next_scan().0, 15 * MINUTE);
    }
    asking.caught_up(Sub::Scan, None);
    assert!(asking.next_scan().0 < 4 * MINUTE);
    for _ in 0..10 {
        asking.next_scan();
    }
    assert_eq!(asking.next_scan().0, 15 * MINUTE, "it has answered nothing since");
    asking.caught_up(Sub::Scan, None);
    asking.link(Link::Down { why: String::new() });
    asking.link(Link::Open);
    assert_eq!(asking.next_scan().0, 15 * MINUTE, "another connection may be to another store");
}

#[test]
fn whoever_is_announced_where_nothing_is_brought_live_is_found_by_a_scan() {
    let mut world: World = pair();
    world.pass(10 * MINUTE);
    for relay in [A, B] {
        // It is there, and was not brought.
        world.relays.get_mut(&url(relay)).unwrap().subs.retain(|(_, sub), _| *sub != Sub::Presence);
    }
    for (n, late) in [(61, 0), (62, 50 * SECOND)] {
        let at = world.now.minus(late);
        announce(&mut world, presence_of(n, at));
        world.pass(3 * MINUTE);
        assert!(world.nodes[0].mesh.as_ref().unwrap().peer(&key(n)).is_some(), "agent {n}");
    }
}
