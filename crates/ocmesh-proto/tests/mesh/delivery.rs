//! Delivery against the odds: restarts, slow relays, relays that say OK and forget.

use ocmesh_proto::{
    Answer, Command, Direction, EncryptionPolicy, EventId, Form, HistoryEntry, Input, Link, MessageId, ParcelClass, Recipient, SendRequest,
    Status, StoredFacts, Verdict, kind,
    time::{DAY, HOUR, MINUTE, SECOND},
};

use crate::{
    A, B, announce,
    canary::is_canary,
    pair, presence_of, request,
    world::{Temper, World, key, url},
};

fn set(world: &mut World, relays: &[&str], temper: Option<Temper>) {
    for relay in relays {
        let known = world.relays.get_mut(&url(relay)).unwrap();
        match temper {
            Some(temper) => known.temper.insert(kind::GIFT_WRAP, temper),
            None => known.temper.remove(&kind::GIFT_WRAP),
        };
    }
}

/// Two agents that accepted each other.
fn friends() -> World {
    let mut world = pair();
    world.send(0, 1, "hello bob");
    world.send(1, 0, "hello ada");
    world.pass(2 * SECOND);
    assert!(world.nodes.iter().all(|node| node.disk.parcels.is_empty()), "every receipt came");
    world
}

fn count(world: &World, node: usize, id: MessageId, line: impl Fn(&HistoryEntry) -> bool) -> usize {
    world.nodes[node].disk.history[&id].iter().filter(|entry| line(entry)).count()
}

fn resent(world: &World, id: MessageId) -> usize {
    count(world, 0, id, |entry| matches!(entry, HistoryEntry::Resent { .. }))
}

fn texts(world: &World, node: usize, text: &str) -> usize {
    world.inbox(node).iter().filter(|message| message.content == text).count()
}

#[test]
fn after_a_restart_a_peers_own_relay_is_dialled_for_what_waits_for_it() {
    const C: &str = "wss://c.example.com";
    let mut world = World::new(&[A, C]);
    world.add("ada", &[A]);
    world.add("bob", &[C]);
    world.pass(10 * SECOND);
    world.set_down(C, true);
    let bob = world.nodes[1].me;
    world.command(0, Command::AddPeer { peer: bob, hints: vec![url(C)], petname: None }).unwrap();
    let id = world.send(0, 1, "over there");
    world.kill(0);
    world.set_down(C, false);
    world.start(0);
    world.pass(MINUTE);
    assert_eq!(world.inbox(1).iter().map(|message| message.id).collect::<Vec<_>>(), [id]);
}

#[test]
fn a_new_wrap_forgets_no_relay_that_has_not_answered_to_the_old_one() {
    let mut world = pair();
    set(&mut world, &[A, B], Some(Temper::RateLimits));
    let id = world.send(0, 1, "patience");
    let event = |world: &World| world.nodes[0].disk.parcels[&(id, ParcelClass::Message)].event;
    let old = event(&world);
    world.pass(20 * HOUR - 8 * MINUTE);
    set(&mut world, &[A], Some(Temper::Mute));
    world.pass(9 * MINUTE); // A has the old wrap and owes an answer; B still asks for patience.
    set(&mut world, &[B], None);
    world.pass(6 * MINUTE);
    assert_ne!(event(&world), old, "the wrap grew old: B got a new one");
    assert!(matches!(world.status(0, id), Status::Relayed { accepted: 1, of: 2, .. }), "{:?}", world.status(0, id));
    set(&mut world, &[A], None);
    for event in std::mem::take(&mut world.relays.get_mut(&url(A)).unwrap().unanswered) {
        let said = "no answer in time".to_owned();
        world.input(0, Input::PublishAnswered { relay: url(A), event, verdict: Verdict::Failed, said });
    }
    world.pass(2 * MINUTE); // Long before it would be sent again for want of a receipt.
    assert!(matches!(world.status(0, id), Status::Relayed { accepted: 2, of: 2, .. }), "{:?}", world.status(0, id));
    assert_eq!(texts(&world, 1, "patience"), 1);
}

#[test]
fn a_message_that_relays_forgot_is_sent_again_and_arrives_once() {
    let mut world = friends();
    set(&mut world, &[A, B], Some(Temper::Lies));
    let id = world.send(0, 1, "remember me");
    world.pass(SECOND);
    assert!(matches!(world.status(0, id), Status::Relayed { accepted: 2, of: 2, .. }));
    assert_eq!(texts(&world, 1, "remember me"), 0);
    set(&mut world, &[A, B], None);
    world.pass(20 * MINUTE);
    assert_eq!(texts(&world, 1, "remember me"), 1);
    assert!(matches!(world.status(0, id), Status::Delivered { .. }), "{:?}", world.status(0, id));
    assert_eq!((resent(&world, id), count(&world, 0, id, |entry| *entry == HistoryEntry::Rewrapped)), (1, 1));
    assert!(world.nodes.iter().all(|node| node.disk.parcels.is_empty()), "nothing is left in an outbox");
    world.pass(3 * DAY);
    assert_eq!(resent(&world, id), 1, "after its receipt nothing is sent again");
}

#[test]
fn a_date_that_relays_refuse_is_no_end_the_wrap_is_dated_anew() {
    let mut world = friends();
    set(&mut world, &[A, B], Some(Temper::Dates));
    let id = world.send(0, 1, "what time is it");
    world.pass(HOUR);
    assert_eq!(world.status(0, id), Status::Queued, "a wrong clock fails no message");
    let sent = count(&world, 0, id, |entry| matches!(entry, HistoryEntry::Sent { .. }));
    assert!((4..=40).contains(&sent), "{sent} tries in an hour at two relays");
    set(&mut world, &[A, B], None);
    world.pass(3 * HOUR);
    assert_eq!(texts(&world, 1, "what time is it"), 1);
    assert!(count(&world, 0, id, |entry| *entry == HistoryEntry::Rewrapped) > 0, "the old date was sent again");
}

#[test]
fn pauses_between_sendings_grow_and_survive_restarts() {
    let mut world = friends();
    set(&mut world, &[A, B], Some(Temper::Lies));
    let id = world.send(0, 1, "again and again");
    for hour in 0..7 * 24 {
        if hour % 5 == 0 {
            world.kill(0);
            world.start(0);
        }
        world.pass(HOUR);
    }
    // After 10 min, 1 h, 6 h and then every day, each ±10 %, in seven days.
    assert!((8..=10).contains(&resent(&world, id)), "{}", resent(&world, id));
    set(&mut world, &[A, B], None);
    world.pass(2 * DAY);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }), "its time is over: {:?}", world.status(0, id));
    assert!(world.nodes[0].disk.parcels.is_empty());
}

#[test]
fn a_peer_that_is_away_is_not_sent_to_again_before_it_is_seen() {
    let mut world = friends();
    set(&mut world, &[A, B], Some(Temper::Lies));
    world.kill(1);
    let id = world.send(0, 1, "wake up");
    set(&mut world, &[A, B], None);
    world.pass(3 * DAY);
    assert_eq!(resent(&world, id), 0);
    world.start(1);
    world.pass(5 * MINUTE);
    assert_eq!((resent(&world, id), texts(&world, 1, "wake up")), (1, 1));
    assert!(matches!(world.status(0, id), Status::Delivered { .. }));
}

#[test]
fn a_receipt_that_relays_forgot_is_sent_again_when_the_message_comes_again() {
    let mut world = friends();
    world.kill(1);
    let id = world.send(0, 1, "did you get it?");
    set(&mut world, &[A, B], Some(Temper::Lies));
    world.start(1);
    world.pass(SECOND);
    assert_eq!(texts(&world, 1, "did you get it?"), 1);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }));
    world.read(1, &[id]);
    set(&mut world, &[A, B], None);
    world.pass(30 * MINUTE);
    assert!(matches!(world.status(0, id), Status::Read { .. }), "{:?}", world.status(0, id));
    assert_eq!(texts(&world, 1, "did you get it?"), 1);
}

#[test]
fn catching_up_again_repeats_no_receipt() {
    let mut world = friends();
    let frames = |world: &World| {
        let frame = |id: &&EventId| world.events[*id].kind == kind::GIFT_WRAP && !is_canary(world, **id);
        world.events.keys().filter(frame).count()
    };
    let before = frames(&world);
    for _ in 0..3 {
        world.kill(1);
        world.start(1);
        world.pass(MINUTE);
    }
    assert_eq!(frames(&world), before);
}

#[test]
fn who_is_not_known_to_send_receipts_is_sent_to_once() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    let at = world.now;
    announce(&mut world, presence_of(60, at)); // a Node agent: no dm tags
    world.pass(3 * MINUTE);
    let to_node = SendRequest { to: Recipient::Key(key(60)), ..request(1, "hi") };
    let Ok(Answer::Queued { id, .. }) = world.command(0, Command::Send(to_node)) else { panic!() };
    world.pass(SECOND);
    assert_eq!(world.nodes[0].disk.messages[&id].form, Form::Nip04);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }));
    assert!(world.nodes[0].disk.parcels.keys().all(|(message, _)| *message != id), "it has left the outbox");
}

#[test]
fn giving_up_a_relayed_message_leaves_it_relayed_and_ends_its_sendings() {
    let mut world = friends();
    set(&mut world, &[A, B], Some(Temper::Lies));
    let id = world.send(0, 1, "never mind");
    assert_eq!(world.command(0, Command::CancelMessage { id }), Ok(Answer::Done));
    set(&mut world, &[A, B], None);
    world.pass(DAY);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }), "what a relay has cannot be taken back");
    assert_eq!(texts(&world, 1, "never mind"), 0);
    let own = world.nodes[0].disk.messages.values().filter(|message| message.direction == Direction::Out).count();
    assert_eq!(own, 2);
}

#[test]
fn another_try_by_hand_sends_a_relayed_message_again_at_once() {
    let mut world = friends();
    set(&mut world, &[A, B], Some(Temper::Lies));
    let id = world.send(0, 1, "now please");
    set(&mut world, &[A, B], None);
    world.command(0, Command::RetryMessage { id, stored: None }).unwrap();
    world.pass(SECOND);
    assert_eq!(texts(&world, 1, "now please"), 1);
}

#[test]
fn a_message_that_relays_took_stays_relayed_when_it_is_tried_again_in_vain() {
    let mut world = pair();
    world.kill(1);
    let id = world.send(0, 1, "taken");
    let taken = world.status(0, id);
    assert!(matches!(taken, Status::Relayed { accepted: 2, .. }), "{taken:?}");
    world.command(0, Command::CancelMessage { id }).unwrap(); // Out of the outbox; what relays have cannot be taken back.
    set(&mut world, &[A, B], Some(Temper::Refuses));
    let event = *world.nodes[0].disk.sealed.iter().find(|(_, of)| **of == id).unwrap().0;
    let (to, wrapped_at, status) = (world.nodes[1].me, world.now, taken.clone());
    let stored = StoredFacts { to, form: Form::Nip17, event: Some(event), kind: kind::GIFT_WRAP, wrapped_at, status };
    world.command(0, Command::RetryMessage { id, stored: Some(stored) }).unwrap();
    world.pass(8 * DAY);
    assert_eq!(world.status(0, id), taken, "neither fewer relays nor a failure");
    assert!(world.nodes[0].disk.parcels.keys().all(|(message, _)| *message != id), "and it leaves the outbox in the end");
}

#[test]
fn a_message_to_a_key_just_added_is_sent_again_once_the_peer_shows_what_it_is() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.pass(10 * SECOND);
    set(&mut world, &[A], Some(Temper::Lies));
    world.relays.get_mut(&url(A)).unwrap().temper.insert(kind::LEGACY_DIRECT, Temper::Lies);
    world.command(0, Command::AddPeer { peer: key(2), hints: vec![url(A)], petname: None }).unwrap();
    let Ok(Answer::Queued { id, .. }) = world.command(0, Command::Send(request(1, "are you there?"))) else { panic!() };
    world.relays.get_mut(&url(A)).unwrap().temper.clear();
    world.pass(DAY);
    assert_eq!(resent(&world, id), 0);
    world.add("bob", &[A]);
    world.pass(10 * MINUTE);
    assert_eq!((resent(&world, id), texts(&world, 1, "are you there?")), (1, 1));
}

#[test]
fn a_presence_that_is_newer_than_the_list_says_where_a_peer_reads() {
    const C: &str = "wss://c.example.com";
    let mut world = World::new(&[A, B, C]);
    world.add("bob", &[A, B]);
    world.pass(10 * SECOND);
    world.add("ada", &[A]);
    world.pass(10 * SECOND);
    world.send(1, 0, "hello bob"); // Ada looks up where bob reads.
    world.pass(MINUTE);
    world.command(0, Command::AddRelay { relay: url(C) }).unwrap();
    world.command(0, Command::RemoveRelay { relay: url(B) }).unwrap();
    world.pass(10 * MINUTE);
    let id = world.send(1, 0, "still there?");
    let routes: Vec<_> = world.nodes[1].disk.history[&id]
        .iter()
        .filter_map(|entry| if let HistoryEntry::Queued { relays, .. } = entry { Some(relays.clone()) } else { None })
        .collect();
    assert_eq!(routes, [vec![url(A), url(C)]]);
}

#[test]
fn a_kind_4_message_that_waited_five_days_for_a_relay_is_still_looked_for() {
    let mut world = pair();
    world.nodes[0].policy.encryption = EncryptionPolicy::Nip04;
    world.kill(0);
    world.start(0);
    for relay in [A, B] {
        world.relays.get_mut(&url(relay)).unwrap().temper.insert(kind::LEGACY_DIRECT, Temper::RateLimits);
    }
    world.send(0, 1, "written on Monday");
    world.pass(5 * DAY);
    world.kill(1);
    world.start(1); // It has been here all the time, so that it looks back from now.
    world.relays.values_mut().for_each(|relay| relay.temper.clear());
    world.pass(10 * MINUTE);
    assert_eq!(texts(&world, 1, "written on Monday"), 1);
}

#[test]
fn after_a_sleep_of_days_no_relay_counts_as_good_before_it_is_proven_again() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.add("bob", &[A]);
    world.pass(10 * MINUTE);
    let asleep = world.nodes[1].mesh.take();
    world.send(0, 1, "good night");
    world.kill(0); // Nothing is sent again.
    world.pass(3 * DAY);
    world.nodes[1].mesh = asleep;
    // The first thing that wakes up is a timer; that the socket is dead shows later.
    world.input(1, Input::Ticked);
    world.relays.get_mut(&url(A)).unwrap().subs.clear();
    for link in [Link::Down { why: "gone".to_owned() }, Link::Open] {
        world.input(1, Input::RelayChanged { relay: url(A), link });
    }
    assert_eq!(texts(&world, 1, "good night"), 1);
}
