//! Missing messages: seen, shown, asked for and healed; or given up for a reason that has a name.

use ocmesh_proto::{
    Body, Change, Command, Effect, Envelope, Facts, Form, Gap, GapChange, HistoryEntry, InboxPolicy, Input, LineId, Lost, MessageId,
    Notice, Opened, Place, PlaceFacts, PubKey, Status, Step, Trust, limit,
    time::{DAY, HOUR, MINUTE, SECOND},
};

use super::{A, B, pair, world::World, world::key, world::url};

/// Ada and Bob, who know each other; Ada has written once and Bob has it.
fn friends() -> World {
    let mut world = pair();
    world.send(1, 0, "hello ada");
    world.send(0, 1, "hello bob");
    world.pass(SECOND);
    for node in &mut world.nodes {
        node.notices.clear();
    }
    world
}

/// What was told of Bob's missing messages: what changed, how many are missing, how many lost.
fn told(world: &World) -> Vec<(GapChange, u64, u64)> {
    let gap = |notice: &Notice| match notice {
        Notice::GapChanged { what, missing, lost, .. } => Some((*what, *missing, *lost)),
        _ => None,
    };
    world.nodes[1].notices.iter().filter_map(gap).collect()
}

fn gaps(world: &World) -> Vec<(u64, u64, bool, Option<Lost>)> {
    world.nodes[1].disk.gaps.values().map(|gap: &Gap| (gap.first, gap.last, gap.shown, gap.lost)).collect()
}

fn has(world: &World, id: MessageId) -> bool {
    world.nodes[1].disk.messages.contains_key(&id)
}

/// Ada sends one message that no relay shows, and one that all show.
fn one_withheld(world: &mut World) -> (MessageId, MessageId) {
    world.withhold_next = 1;
    let lost = world.send(0, 1, "withheld");
    let next = world.send(0, 1, "shown");
    (lost, next)
}

#[test]
fn a_message_that_no_relay_shows_is_missed_asked_for_and_healed() {
    let mut world = friends();
    let (lost, next) = one_withheld(&mut world);
    world.pass(10 * SECOND);
    assert!(has(&world, next) && !has(&world, lost), "a gap holds up nothing");
    assert_eq!(gaps(&world), [(2, 2, false, None)], "known, and not shown while it may only be late");
    assert_eq!(told(&world), []);
    world.pass(15 * SECOND);
    assert!(has(&world, lost), "asked for and given");
    assert_eq!(told(&world), [(GapChange::Found, 1, 0), (GapChange::Healed, 0, 0)]);
    assert_eq!(gaps(&world), []);
    let history = &world.nodes[0].disk.history[&lost];
    assert_eq!(history.iter().filter(|entry| **entry == HistoryEntry::AskedAgain).count(), 1, "{history:?}");
    world.pass(SECOND);
    assert!(matches!(world.status(0, lost), Status::Delivered { .. }));
    assert_eq!(world.inbox(1).len(), 3, "nothing came twice");
}

#[test]
fn what_is_only_late_is_never_shown() {
    let mut world = friends();
    one_withheld(&mut world);
    world.pass(15 * SECOND);
    let late: Vec<_> = std::mem::take(&mut world.withheld).into_iter().collect();
    for id in late {
        let opened = world.events[&id].opened.clone();
        world.input(1, Input::EventOpened { relay: url(A), opened, facts: Facts::default() });
    }
    world.pass(10 * MINUTE);
    assert_eq!((told(&world), gaps(&world)), (vec![], vec![]));
}

#[test]
fn a_gap_and_its_asks_survive_restarts_on_both_sides() {
    let mut world = friends();
    let (lost, _) = one_withheld(&mut world);
    world.pass(2 * SECOND);
    for node in [0, 1] {
        world.kill(node);
    }
    for node in [0, 1] {
        world.start(node);
    }
    world.pass(MINUTE);
    assert!(has(&world, lost));
    assert_eq!(told(&world).last(), Some(&(GapChange::Healed, 0, 0)));
}

#[test]
fn it_is_asked_for_with_growing_pauses_until_a_wrap_gets_through() {
    let mut world = friends();
    let (lost, _) = one_withheld(&mut world);
    world.withhold_next = 2; // The first two answers do not get through either.
    world.pass(25 * SECOND);
    assert_eq!((told(&world), has(&world, lost)), (vec![(GapChange::Found, 1, 0)], false));
    world.pass(5 * MINUTE - 25 * SECOND);
    assert!(has(&world, lost), "the third ask comes before five minutes are over: {:?}", gaps(&world));
}

#[test]
fn a_message_that_left_the_outbox_is_given_again_and_keeps_its_status() {
    let mut world = friends();
    let (lost, _) = one_withheld(&mut world);
    world.set_down(A, true);
    world.set_down(B, true);
    world.pass(8 * DAY); // The time to live is over: no parcel is left.
    assert!(world.nodes[0].disk.parcels.is_empty());
    assert!(matches!(world.status(0, lost), Status::Relayed { .. }));
    let bob = world.nodes[1].me;
    let line = world.nodes[0].disk.own_lines[&bob].line;
    world.set_down(A, false);
    world.set_down(B, false);
    let now = world.now;
    let frame = frame_from(&mut world, bob, Body::Missing { line, numbers: vec![2] });
    assert_eq!(frame.created_now, now);
    world.input(0, frame.input);
    world.pass(SECOND);
    assert!(has(&world, lost));
    assert!(matches!(world.status(0, lost), Status::Delivered { .. }), "{:?}", world.status(0, lost));
    assert!(world.nodes[0].disk.parcels.is_empty(), "and leaves the outbox again: {:?}", world.nodes[0].disk.parcels);
}

struct Frame {
    input: Input,
    created_now: ocmesh_proto::At,
}

/// A frame of somebody, for Ada.
fn frame_from(world: &mut World, author: PubKey, body: Body) -> Frame {
    let (id, event_id, recipient, now) = (world.fresh_id(), world.fresh_id(), world.nodes[0].me, world.now);
    let (reply_to, subject, chain, place) = (None, None, None, None);
    let form = Form::Nip17;
    let envelope =
        Envelope { id, event_id, author, recipient, form, written_at: now, reply_to, subject, chain, place, urgent: false, work: 0, body };
    let input = Input::EventOpened { relay: url(A), opened: Opened::Direct(envelope), facts: Facts::default() };
    Frame { input, created_now: now }
}

#[test]
fn what_its_owner_took_back_is_gone_and_shown_as_lost() {
    let mut world = friends();
    let (lost, _) = one_withheld(&mut world);
    world.pass(SECOND);
    world.command(0, Command::CancelMessage { id: lost }).unwrap();
    world.pass(MINUTE);
    assert!(!has(&world, lost), "the owner took it back");
    assert_eq!(gaps(&world), [(2, 2, true, Some(Lost::Gone))]);
    assert_eq!(told(&world), [(GapChange::Found, 1, 0), (GapChange::Lost, 0, 1)]);
    // A relay shows the old wrap after all: what was lost is there.
    let wraps: Vec<_> = std::mem::take(&mut world.withheld).into_iter().collect();
    let opened = world.events[&wraps[0]].opened.clone();
    world.input(1, Input::EventOpened { relay: url(A), opened, facts: Facts::default() });
    assert!(has(&world, lost));
    assert_eq!((told(&world).last(), gaps(&world).len()), (Some(&(GapChange::Healed, 0, 0)), 0));
}

#[test]
fn what_nobody_answers_for_is_given_up_after_seven_days_and_stays_visible() {
    let mut world = friends();
    one_withheld(&mut world);
    world.pass(SECOND);
    world.kill(0);
    world.pass(6 * DAY);
    assert_eq!(gaps(&world), [(2, 2, true, None)]);
    world.pass(2 * DAY);
    assert_eq!(gaps(&world), [(2, 2, true, Some(Lost::GivenUp))]);
    assert_eq!(told(&world), [(GapChange::Found, 1, 0), (GapChange::Lost, 0, 1)]);
    world.pass(DAY);
    assert_eq!(gaps(&world), [(2, 2, true, Some(Lost::GivenUp))]);
}

#[test]
fn a_stranger_is_shown_as_missing_something_and_asked_only_once_it_is_accepted() {
    let mut world = pair();
    world.send(0, 1, "hello bob");
    world.pass(SECOND);
    let (lost, _) = one_withheld(&mut world);
    world.pass(5 * MINUTE);
    assert_eq!(told(&world), [(GapChange::Found, 1, 0)]);
    assert!(!has(&world, lost), "a stranger does not learn that its messages come in");
    let ada = world.nodes[0].me;
    world.command(1, Command::SetTrust { peer: ada, trust: Trust::Known }).unwrap();
    world.pass(2 * SECOND);
    assert!(has(&world, lost), "{:?}", gaps(&world));
}

/// Seals that a step asks for.
fn seals(step: &Step) -> usize {
    step.effects.iter().filter(|effect| matches!(effect, Effect::Seal { .. })).count()
}

/// What Ada seals in answer to an ask.
fn asked(world: &mut World, author: PubKey, numbers: Vec<u64>) -> usize {
    let line = world.nodes[0].disk.own_lines[&world.nodes[1].me].line;
    let Input::EventOpened { relay, opened, .. } = frame_from(world, author, Body::Missing { line, numbers }).input else { panic!() };
    let facts = world.nodes[0].disk.facts(&opened);
    let now = world.now;
    seals(&world.nodes[0].mesh.as_mut().unwrap().handle(Input::EventOpened { relay, opened, facts }, now))
}

#[test]
fn only_accepted_peers_are_answered_and_at_a_bounded_pace() {
    let mut world = friends();
    for n in 0..200 {
        world.send(0, 1, &format!("{n}"));
    }
    world.pass(MINUTE);
    let bob = world.nodes[1].me;
    for trust in [Trust::Unknown, Trust::Blocked] {
        world.command(0, Command::SetTrust { peer: bob, trust }).unwrap();
        assert_eq!(asked(&mut world, bob, (1..=32).collect()), 0, "who is not accepted gets nothing: {trust:?}");
    }
    world.command(0, Command::SetTrust { peer: bob, trust: Trust::Known }).unwrap();
    assert_eq!(asked(&mut world, key(77), (1..=32).collect()), 0, "and nobody gets what was written to another");
    assert_eq!(asked(&mut world, bob, (1..=32).collect()), 32);
    assert_eq!(asked(&mut world, bob, (33..=64).collect()), 32);
    assert_eq!(asked(&mut world, bob, (65..=96).collect()), 0, "the rest later");
    for _ in 0..600 {
        assert_eq!(asked(&mut world, bob, (65..=96).collect()), 0);
    }
    world.pass(MINUTE);
    assert_eq!(asked(&mut world, bob, vec![u64::MAX; 32]), 0, "a number that was never used gets no answer");
}

/// A text of somebody that claims a place, as Bob gets it.
fn claims(world: &mut World, author: PubKey, place: Place, facts: PlaceFacts) -> Step {
    let (id, event_id, recipient, now) = (world.fresh_id(), world.fresh_id(), world.nodes[1].me, world.now);
    let (reply_to, subject, chain, place) = (None, None, None, Some(place));
    let (form, body) = (Form::Nip17, Body::Text("x".to_owned()));
    let envelope =
        Envelope { id, event_id, author, recipient, form, written_at: now, reply_to, subject, chain, place, urgent: false, work: 0, body };
    let facts = Facts { place: Some(Box::new(facts)), ..Facts::default() };
    let input = Input::EventOpened { relay: url(A), opened: Opened::Direct(envelope), facts };
    world.nodes[1].mesh.as_mut().unwrap().handle(input, now)
}

#[test]
fn numbers_of_the_hostile_cost_a_bounded_amount() {
    let mut world = friends();
    let far = |line: u64, number: u64| Place { line: LineId(line), number, previous: Some(MessageId::from_bytes([1; 32])) };
    let kept = |step: &Step, kept: &mut std::collections::BTreeSet<(PubKey, LineId, u64)>| {
        for change in &step.changes {
            match change {
                Change::PutGap(gap) => {
                    kept.insert((gap.peer, gap.line, gap.last));
                }
                Change::DropGap { peer, line, last } => {
                    kept.remove(&(*peer, *line, *last));
                }
                _ => {}
            }
        }
    };
    let mut all = std::collections::BTreeSet::new();
    world.command(1, Command::AddPeer { peer: key(66), hints: vec![], petname: None }).unwrap();
    for n in 1..=2_000u64 {
        let step = claims(&mut world, key(66), far(n, limit::NUMBER_MAX), PlaceFacts::default());
        kept(&step, &mut all);
    }
    assert_eq!(all.len(), limit::GAPS_PER_PEER_MAX, "thousands of lines of one peer");
    for n in 0..15_000u64 {
        let mut bytes = [3u8; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        // As fast as a relay may bring strangers' messages.
        world.now = world.now.plus(limit::STRANGERS_RELAY_INTERVAL_MS);
        let step = claims(&mut world, PubKey::from_bytes(bytes), far(n, 1_000), PlaceFacts::default());
        kept(&step, &mut all);
    }
    assert_eq!(all.len(), limit::GAPS_MAX / 2, "a crowd of strangers leaves half to those we know");
    let ada = world.nodes[0].me;
    let step = claims(&mut world, ada, far(9, 1_000), PlaceFacts::default());
    kept(&step, &mut all);
    assert_eq!(all.len(), limit::GAPS_MAX / 2 + 1);
    // All of them fall due, and nobody but Ada is asked.
    let mut asked = 0;
    for seconds in 1..120u64 {
        let now = world.now.plus(seconds * SECOND);
        asked += seals(&world.nodes[1].mesh.as_mut().unwrap().handle(Input::Ticked, now));
    }
    assert!((1..=6).contains(&asked), "{asked}");
}

#[test]
fn a_message_that_names_another_before_it_is_delivered_and_told_of() {
    let mut world = friends();
    let ada = world.nodes[0].me;
    let place = Place { line: LineId(5), number: 2, previous: Some(MessageId::from_bytes([1; 32])) };
    let other = Some(MessageId::from_bytes([2; 32]));
    let step = claims(&mut world, ada, place, PlaceFacts { before: other, ..PlaceFacts::default() });
    assert!(step.changes.iter().any(|change| matches!(change, Change::AddMessage(_))));
    assert!(step.changes.iter().any(|change| matches!(change, Change::PutLine(line) if line.breaks == 1)));
    let broken = |notice: &Notice| matches!(notice, Notice::GapChanged { what: GapChange::Broken, .. });
    assert!(step.notices.iter().any(broken), "{:?}", step.notices);
}

#[test]
fn a_store_that_was_put_back_from_a_copy_begins_another_line() {
    let mut world = friends();
    let bob = world.nodes[1].me;
    let copy = (world.nodes[0].disk.own_lines.clone(), world.nodes[0].disk.messages.clone(), world.nodes[0].disk.seen.clone());
    let before = copy.0[&bob];
    world.send(0, 1, "after the copy was made");
    world.pass(SECOND);
    world.kill(0);
    (world.nodes[0].disk.own_lines, world.nodes[0].disk.messages, world.nodes[0].disk.seen) = copy;
    world.start(0); // Relays bring the own copy of the message that this store does not know.
    world.pass(MINUTE);
    let id = world.send(0, 1, "later");
    let place = world.nodes[0].disk.messages[&id].place.unwrap();
    assert_ne!(place.line, before.line);
    assert_eq!((place.number, place.previous), (1, None));
    world.pass(HOUR);
    assert_eq!(told(&world), []);
}

#[test]
fn what_was_dropped_once_does_not_stay_missing() {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A, B]);
    world.add("bob", &[A, B]);
    world.nodes[1].policy.inbox = InboxPolicy::Closed;
    world.kill(1);
    world.start(1);
    world.pass(10 * SECOND);
    world.send(0, 1, "to a closed door");
    world.pass(SECOND);
    let ada = world.nodes[0].me;
    world.command(1, Command::SetTrust { peer: ada, trust: Trust::Known }).unwrap();
    world.send(0, 1, "now it is open");
    world.pass(2 * MINUTE);
    assert_eq!(world.inbox(1).len(), 1);
    assert_eq!(gaps(&world), [], "it was here, and its owner did not want it");
}

#[test]
fn nothing_is_missed_of_a_blocked_peer() {
    let mut world = friends();
    one_withheld(&mut world);
    world.pass(SECOND);
    let ada = world.nodes[0].me;
    world.command(1, Command::SetTrust { peer: ada, trust: Trust::Blocked }).unwrap();
    world.pass(HOUR);
    assert_eq!((gaps(&world), told(&world)), (vec![], vec![]));
}
