//! The canary: a relay that takes what is for us and does not bring it is found out, given chances, and called what it is.

use std::collections::BTreeSet;

use ocmesh_proto::{
    At, Body, Draft, Effect, EventId, Facts, Hearing, Input, ListPurpose, Opened, Verdict, kind,
    time::{DAY, HOUR, MINUTE, SECOND},
};

use crate::{
    A, B, pair,
    world::{Ears, Temper, World, key, url},
};

/// All steps: a canary, and up to two more minutes for each of the three chances.
const ALL_STEPS: u64 = 10 * MINUTE;

pub(crate) fn is_canary(world: &World, id: EventId) -> bool {
    matches!(&world.events[&id].opened, Opened::Direct(envelope) if envelope.body == Body::Canary)
}

/// Canaries of one node that a relay took.
fn canaries(world: &World, relay: &str, node: usize) -> Vec<EventId> {
    let me = world.nodes[node].me;
    let ours = |id: &&EventId| is_canary(world, **id) && world.events[*id].opened.author() == me;
    world.relays[&url(relay)].taken.iter().filter(ours).copied().collect()
}

fn hearing(world: &World, node: usize, relay: &str) -> Hearing {
    world.nodes[node].mesh.as_ref().unwrap().relay_standing(&url(relay)).unwrap().hearing
}

fn ears(world: &mut World, relay: &str, ears: Ears) {
    world.relays.get_mut(&url(relay)).unwrap().ears = ears;
}

/// The newest list of inbox relays that a node published.
fn published(world: &World, node: usize) -> Vec<String> {
    let me = world.nodes[node].me;
    let lists = world.events.values().filter_map(|event| match &event.opened {
        Opened::RelayList(list) if list.author == me && list.purpose == ListPurpose::DirectMessages => Some(list),
        _ => None,
    });
    lists.max_by_key(|list| list.created_at).map(|list| list.relays.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn good_at(world: &World, node: usize, relay: &str) -> Option<At> {
    world.nodes[node].mesh.as_ref().unwrap().relay_standing(&url(relay)).unwrap().good_at
}

#[test]
fn a_canary_goes_through_each_inbox_relay_and_leaves_no_trace() {
    let mut world = pair();
    world.pass(20 * SECOND);
    for relay in [A, B] {
        for node in 0..2 {
            assert_eq!(canaries(&world, relay, node).len(), 1, "soon after it caught up with {relay}");
            assert!(matches!(hearing(&world, node, relay), Hearing::Good { .. }));
        }
    }
    world.pass(DAY);
    let mut all = BTreeSet::new();
    for relay in [A, B] {
        let sent = canaries(&world, relay, 0);
        assert!((24..=97).contains(&sent.len()), "every 15 to 60 minutes: {} in a day", sent.len());
        assert!(sent.into_iter().all(|id| all.insert(id)), "each goes to one relay");
    }
    for node in &world.nodes {
        assert!(node.disk.messages.is_empty() && node.disk.parcels.is_empty());
        assert!(!all.iter().any(|id| node.disk.seen.contains(id) || node.disk.sealed.contains_key(id)));
    }
}

#[test]
fn a_deaf_relay_is_found_out_leaves_the_list_and_comes_back_when_it_hears() {
    let mut world = pair();
    world.pass(MINUTE);
    assert_eq!(published(&world, 1), [A, B]);
    ears(&mut world, A, Ears::Deaf);
    let (before, known_good) = (world.now, good_at(&world, 1, A));
    world.pass(HOUR + ALL_STEPS);
    let Hearing::Deaf { since } = hearing(&world, 1, A) else { panic!("{:?}", hearing(&world, 1, A)) };
    assert!(since.since(before) > 15 * MINUTE - MINUTE, "{}", since.since(before));
    assert!(matches!(hearing(&world, 1, B), Hearing::Good { .. }));
    assert_eq!(published(&world, 1), [B]);
    assert_eq!(good_at(&world, 1, A).max(known_good), known_good.max(good_at(&world, 1, A)));
    // It is tried again, with a new connection, and politely.
    let (dialled, sent) = (world.relays[&url(A)].dialled, canaries(&world, A, 1).len());
    world.pass(10 * HOUR);
    assert!((10..=90).contains(&(world.relays[&url(A)].dialled - dialled)), "{}", world.relays[&url(A)].dialled - dialled);
    assert!((10..=45).contains(&(canaries(&world, A, 1).len() - sent)));
    assert!(matches!(hearing(&world, 1, A), Hearing::Deaf { since: still } if still == since), "since when does not change");
    ears(&mut world, A, Ears::Good);
    world.pass(HOUR + ALL_STEPS);
    assert!(matches!(hearing(&world, 1, A), Hearing::Good { .. }));
    assert_eq!(published(&world, 1), [A, B]);
}

#[test]
fn each_chance_is_given_in_its_turn_and_is_enough_where_it_helps() {
    for (what, signed_in, dialled) in [(Ears::UntilSubscribed, 0, 0), (Ears::UntilSignedIn, 1, 0), (Ears::UntilConnected, 1, 1)] {
        let mut world = World::new(&[A, B]);
        world.add("ada", &[A, B]);
        world.pass(MINUTE);
        ears(&mut world, A, what);
        let before = world.relays[&url(A)].dialled;
        world.pass(HOUR + ALL_STEPS);
        let relay = &world.relays[&url(A)];
        assert_eq!((relay.ears, relay.signed_in_again, relay.dialled - before), (Ears::Good, signed_in, dialled), "{what:?}");
        assert!(matches!(hearing(&world, 0, A), Hearing::Good { .. }), "{what:?}");
        assert_eq!(published(&world, 0), [A, B], "{what:?}: it never left the list");
    }
}

#[test]
fn a_relay_that_does_not_take_our_canary_is_not_called_deaf() {
    for temper in [Temper::Refuses, Temper::RateLimits, Temper::Silent] {
        let mut world = pair();
        world.pass(MINUTE);
        world.relays.get_mut(&url(A)).unwrap().temper.insert(kind::GIFT_WRAP, temper);
        world.pass(3 * HOUR);
        let Hearing::Unchecked { said } = hearing(&world, 1, A) else { panic!("{temper:?}: {:?}", hearing(&world, 1, A)) };
        assert_eq!(said, format!("{temper:?}"));
        assert_eq!(published(&world, 1), [A, B]);
        assert!(good_at(&world, 1, A).is_some_and(|at| world.now.since(at) <= 6 * MINUTE), "it is read all the same");
        let relay = &world.relays[&url(A)];
        assert_eq!((relay.signed_in_again, relay.dialled), (0, 2));
    }
}

#[test]
fn a_canary_that_another_relay_brings_says_nothing() {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A, B]);
    world.pass(MINUTE);
    ears(&mut world, A, Ears::Deaf);
    let before = canaries(&world, A, 0).len();
    let end = world.now.plus(HOUR + ALL_STEPS);
    while world.now < end {
        world.pass(SECOND);
        // B passes on everything that A takes, and A's own copies come with an older canary.
        for id in canaries(&world, A, 0) {
            let opened = world.events[&id].opened.clone();
            world.input(0, Input::EventOpened { relay: url(B), opened, facts: Facts::default() });
        }
        let old = world.events[&canaries(&world, A, 0)[0]].opened.clone();
        world.input(0, Input::EventOpened { relay: url(A), opened: old, facts: Facts::default() });
    }
    assert!(canaries(&world, A, 0).len() >= before + 4, "a canary, and one more after each of three chances");
    assert!(matches!(hearing(&world, 0, A), Hearing::Deaf { .. }));
    assert!(matches!(hearing(&world, 0, B), Hearing::Good { .. }));
}

#[test]
fn what_a_filtering_relay_kept_back_for_days_is_asked_for_when_it_hears_again() {
    let mut world = World::new(&[A]);
    ears(&mut world, A, Ears::Filters);
    let began = world.now;
    world.add("ada", &[A]);
    world.pass(5 * DAY);
    assert!(matches!(hearing(&world, 0, A), Hearing::Deaf { .. }));
    assert_eq!(good_at(&world, 0, A), None, "nothing was ever proven");
    assert_eq!(published(&world, 0), [A], "the only one stays in the list");
    ears(&mut world, A, Ears::Good);
    world.pass(HOUR + ALL_STEPS);
    assert!(matches!(hearing(&world, 0, A), Hearing::Good { .. }));
    // A relay that was good for days, then filters: what it kept back since is asked for.
    world.pass(DAY);
    let turned = world.now;
    ears(&mut world, A, Ears::Filters);
    world.pass(5 * DAY);
    let since =
        world.relays[&url(A)].subs.iter().find_map(|((_, sub), (filters, _))| (sub.to_string() == "wraps").then_some(filters[0].since));
    assert!(since.unwrap().is_some_and(|since| since <= turned.minus(3 * DAY)), "{since:?}");
    assert!(turned > began);
}

#[test]
fn answers_to_canaries_are_nobody_elses() {
    let mut world = pair();
    let mesh = world.nodes[0].mesh.as_mut().unwrap();
    let mut now = world.now;
    // The next canary leaves; its relay answers twice, and the outbox must not hear of it.
    let id = EventId::from_bytes([9; 32]);
    let job = loop {
        now = now.plus(10 * SECOND);
        let step = mesh.handle(Input::Ticked, now);
        let job = step.effects.iter().find_map(|effect| match effect {
            Effect::Seal { job, draft: Draft::Canary { expires_at, .. } } => Some((*job, *expires_at)),
            _ => None,
        });
        if let Some((job, expires_at)) = job {
            assert_eq!(expires_at, now.plus(HOUR), "relays may forget it soon");
            break job;
        }
    };
    let event = ocmesh_proto::SignedEvent { id, kind: kind::GIFT_WRAP, json: "{}".into() };
    let sealed = ocmesh_proto::Sealed { message_id: id, event, own_copy: None, rumor: None, chain: None };
    let step = mesh.handle(Input::DraftSealed { job, sealed: Ok(sealed) }, now);
    let relays: Vec<_> = step
        .effects
        .iter()
        .filter_map(|e| if let Effect::Publish { relay, event, .. } = e { Some((relay.clone(), *event)) } else { None })
        .collect();
    assert_eq!(relays.len(), 1);
    assert!(step.changes.is_empty() && step.notices.is_empty(), "{step:?}");
    let relay = relays[0].0.clone();
    for _ in 0..2 {
        let answer = Input::PublishAnswered { relay: relay.clone(), event: id, verdict: Verdict::Accepted, said: String::new() };
        assert!(mesh.handle(answer, now).changes.is_empty());
    }
    assert_eq!(mesh.me(), key(1));
}

#[test]
fn what_a_relay_kept_back_between_two_canaries_is_found_within_hours() {
    let mut world = pair();
    world.pass(MINUTE);
    world.set_down(B, true);
    ears(&mut world, A, Ears::Deaf);
    world.send(0, 1, "kept back");
    world.pass(SECOND);
    ears(&mut world, A, Ears::Good);
    world.kill(0); // Its sender does not send it again.
    world.pass(3 * HOUR);
    assert!(world.inbox(1).is_empty() && matches!(hearing(&world, 1, A), Hearing::Good { .. }), "nobody could know");
    world.pass(HOUR + 10 * MINUTE);
    assert_eq!(world.inbox(1).len(), 1);
}
