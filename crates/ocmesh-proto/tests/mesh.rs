//! The mesh's rules, in virtual time: two or more agents on relays that behave as they are told.

// A test that cannot go on says so by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "mesh/bounds.rs"]
mod bounds;
#[path = "mesh/canary.rs"]
mod canary;
#[path = "mesh/clock.rs"]
mod clock;
#[path = "mesh/delivery.rs"]
mod delivery;
#[path = "mesh/disk.rs"]
mod disk;
#[path = "mesh/gaps.rs"]
mod gaps;
#[path = "mesh/gateway.rs"]
mod gateway;
#[path = "mesh/invites.rs"]
mod invites;
#[path = "mesh/loops.rs"]
mod loops;
#[path = "mesh/relay.rs"]
mod relay;
#[path = "mesh/replacement.rs"]
mod replacement;
#[path = "mesh/scan.rs"]
mod scan;
#[path = "mesh/secrets.rs"]
mod secrets;
#[path = "mesh/strangers.rs"]
mod strangers;
#[path = "mesh/wake.rs"]
mod wake;
#[path = "mesh/work.rs"]
mod work;
#[path = "mesh/world.rs"]
mod world;

use disk::blank;
use ocmesh_proto::{
    Answer, At, Body, Command, Envelope, FailReason, Form, Handshake, HandshakeMode, HistoryEntry, Idempotency, Input, Opened, PeerStatus,
    Presence, Recipient, Refusal, RouteReason, SendRequest, Status, Trust, kind,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use world::{Temper, World, key, url};

const A: &str = "wss://a.example.com";
const B: &str = "wss://b.example.com";

fn pair() -> World {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A, B]);
    world.add("bob", &[A, B]);
    world.pass(10 * SECOND);
    world
}

fn request(to: usize, content: &str) -> SendRequest {
    SendRequest { to: Recipient::Key(key(u8::try_from(to + 1).unwrap())), content: content.to_owned(), ..blank() }
}

fn publish_raw(world: &mut World, relay: &str, opened: Opened, number: u16, created_at: At, tags: Vec<(char, String)>) {
    let author = opened.author();
    let id = world.event(author, number, created_at, tags, opened).event.id;
    world.relays.get_mut(&url(relay)).unwrap().events.push(id);
}

fn presence_of(author: u8, created_at: At) -> Presence {
    Presence {
        author: key(author),
        created_at,
        version: None,
        name: Some(format!("agent {author}")),
        features: Vec::new(),
        forms: Vec::new(),
        status: PeerStatus::Online,
        next_at: None,
        relays: Vec::new(),
        work_asked: 0,
    }
}

fn announce(world: &mut World, presence: Presence) {
    let at = presence.created_at;
    publish_raw(world, A, Opened::Presence(presence), kind::PRESENCE, at, vec![('d', "ocmesh-presence".to_owned())]);
}

#[test]
fn two_agents_find_each_other_and_shake_hands_within_ten_seconds() {
    let world = pair();
    for (me, other, name) in [(0, 1, "bob"), (1, 0, "ada")] {
        let peer = world.peer(me, other).expect("found");
        assert_eq!(peer.name.as_deref(), Some(name));
        assert!(peer.is_online(world.now));
        assert!(matches!(peer.handshake, Handshake::Handshaked { .. }), "{:?}", peer.handshake);
        assert_eq!(peer.trust, Trust::Unknown);
    }
}

#[test]
fn a_message_goes_from_queued_to_read_and_the_history_tells_how() {
    let mut world = pair();
    let reply_first = world.send(1, 0, "hello ada"); // bob writes first, so bob accepts ada
    let id = world.send(0, 1, "hello bob");
    world.pass(SECOND);
    assert_eq!(world.inbox(1).iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["hello bob"]);
    assert!(matches!(world.status(0, id), Status::Delivered { .. }), "{:?}", world.status(0, id));
    world.read(1, &[id]);
    world.pass(SECOND);
    assert!(matches!(world.status(0, id), Status::Read { .. }));
    let history = &world.nodes[0].disk.history[&id];
    assert!(matches!(history.first(), Some(HistoryEntry::Queued { why: RouteReason::DmRelayList | RouteReason::PresenceRelays, .. })));
    assert_eq!(history.last(), Some(&HistoryEntry::Read));
    assert!(world.nodes[0].disk.parcels.is_empty(), "nothing is left in the outbox: {:?}", world.nodes[0].disk.parcels);
    assert!(world.nodes[1].disk.messages.contains_key(&reply_first));
}

#[test]
fn a_stranger_gets_no_receipt_until_it_is_accepted() {
    let mut world = pair();
    let id = world.send(0, 1, "hello");
    world.pass(SECOND);
    world.read(1, &[id]);
    world.pass(MINUTE);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }), "no presence oracle: {:?}", world.status(0, id));
    let ada = world.nodes[0].me;
    world.command(1, Command::SetTrust { peer: ada, trust: Trust::Known }).unwrap();
    world.pass(SECOND);
    assert!(matches!(world.status(0, id), Status::Read { .. }), "owed receipts are sent on acceptance: {:?}", world.status(0, id));
}

#[test]
fn a_peer_that_never_answers_is_not_handshaked_and_gets_three_hellos_days_apart() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    // Scans are jittered, so each of the pauses of one, two and three days may end a presence later.
    for day in 0..12u64 {
        let at = world.now;
        announce(&mut world, presence_of(99, at));
        world.pass(MINUTE * 5);
        let peer = &world.nodes[0].disk.peers[&key(99)];
        assert!(!matches!(peer.handshake, Handshake::Handshaked { .. }), "day {day}");
        world.pass(DAY - MINUTE * 5);
    }
    let hellos = world.events.values().filter(|event| event.kind == kind::LEGACY_DIRECT).count();
    assert_eq!(hellos, 3);
    assert!(matches!(world.nodes[0].disk.peers[&key(99)].handshake, Handshake::Unanswered { .. }));
}

#[test]
fn hellos_leave_through_a_bucket() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.pass(5 * SECOND);
    for author in 10..110 {
        let at = world.now;
        announce(&mut world, presence_of(author, at));
    }
    world.pass(2 * MINUTE + 20 * SECOND); // the scan finds them
    let count = |world: &World| world.events.values().filter(|event| event.kind == kind::LEGACY_DIRECT).count();
    let first = count(&world);
    assert!((1..=8).contains(&first), "{first}");
    world.pass(5 * MINUTE);
    let later = count(&world) - first;
    assert!((25..=31).contains(&later), "six a minute: {later}");
}

#[test]
fn no_hello_where_the_owner_wants_none() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    world.nodes[0].policy.handshake = HandshakeMode::Off;
    world.kill(0);
    world.start(0);
    let at = world.now;
    announce(&mut world, presence_of(99, at));
    world.pass(10 * MINUTE);
    assert!(world.events.values().all(|event| event.kind != kind::LEGACY_DIRECT));
}

#[test]
fn a_message_sent_while_the_peer_was_away_for_three_days_arrives_once() {
    let mut world = pair();
    world.kill(1);
    let id = world.send(0, 1, "while you were away");
    assert!(matches!(world.status(0, id), Status::Relayed { .. }));
    world.pass(3 * DAY);
    world.start(1);
    world.pass(MINUTE);
    assert_eq!(world.inbox(1).len(), 1);
    world.kill(1);
    world.start(1);
    world.pass(MINUTE);
    assert_eq!(world.inbox(1).len(), 1, "catch-up after a restart brings nothing twice");
}

#[test]
fn what_no_relay_took_survives_a_crash_and_goes_out_when_a_relay_comes_back() {
    let mut world = pair();
    world.set_down(A, true);
    world.set_down(B, true);
    let id = world.send(0, 1, "later");
    assert_eq!(world.status(0, id), Status::Queued);
    world.kill(0);
    world.start(0);
    world.pass(HOUR);
    assert_eq!(world.status(0, id), Status::Queued);
    world.set_down(B, false);
    world.pass(SECOND);
    assert!(matches!(world.status(0, id), Status::Relayed { accepted: 1, .. }), "{:?}", world.status(0, id));
    assert_eq!(world.inbox(1).len(), 1);
}

#[test]
fn a_wrap_older_than_a_day_is_wrapped_again_around_the_same_rumor() {
    let mut world = pair();
    world.set_down(A, true);
    world.set_down(B, true);
    let id = world.send(0, 1, "patience");
    world.pass(2 * DAY);
    world.set_down(A, false);
    world.pass(2 * MINUTE);
    assert!(world.nodes[0].disk.history[&id].contains(&HistoryEntry::Rewrapped));
    let inbox = world.inbox(1);
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0].id, id);
}

#[test]
fn nothing_is_dropped_silently_after_its_time_to_live() {
    let mut world = pair();
    world.set_down(A, true);
    world.set_down(B, true);
    let id = world.send(0, 1, "too late");
    world.pass(7 * DAY + HOUR);
    assert!(matches!(world.status(0, id), Status::Failed { reason: FailReason::Expired, .. }));
    world.set_down(A, false);
    world.pass(HOUR);
    assert!(world.inbox(1).is_empty());
}

#[test]
fn a_refusal_is_final_for_that_relay_alone() {
    let mut world = pair();
    world.relays.get_mut(&url(A)).unwrap().temper.insert(kind::GIFT_WRAP, Temper::Refuses);
    let id = world.send(0, 1, "one of two");
    world.pass(DAY);
    assert!(matches!(world.status(0, id), Status::Relayed { accepted: 1, of: 2, .. }), "{:?}", world.status(0, id));
    let refusals = world.nodes[0].disk.history[&id].iter().filter(|e| matches!(e, HistoryEntry::Refused { retry: false, .. })).count();
    assert_eq!(refusals, 1);
    world.relays.get_mut(&url(B)).unwrap().temper.insert(kind::GIFT_WRAP, Temper::Refuses);
    let id = world.send(0, 1, "none of two");
    world.pass(SECOND);
    assert!(matches!(world.status(0, id), Status::Failed { reason: FailReason::Refused, .. }));
}

#[test]
fn a_rate_limit_teaches_a_pace_and_does_not_count_as_a_try() {
    let mut world = pair();
    for relay in [A, B] {
        world.relays.get_mut(&url(relay)).unwrap().temper.insert(kind::GIFT_WRAP, Temper::RateLimits);
    }
    let id = world.send(0, 1, "slowly");
    world.pass(30 * MINUTE);
    let sent = world.nodes[0].disk.history[&id].iter().filter(|e| matches!(e, HistoryEntry::Sent { .. })).count();
    assert!((8..=40).contains(&sent), "pauses grow to five minutes: {sent}");
    for relay in [A, B] {
        world.relays.get_mut(&url(relay)).unwrap().temper.clear();
    }
    world.pass(6 * MINUTE);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }));
}

#[test]
fn the_same_idempotency_key_gives_the_same_message() {
    let mut world = pair();
    let key_of = |earlier| Some(Idempotency { key: "k1".to_owned(), earlier });
    let first = world.command(0, Command::Send(SendRequest { idempotency: key_of(None), ..request(1, "once") })).unwrap();
    let Answer::Queued { id, to, written_at, .. } = first else { panic!() };
    let earlier = |same_content| ocmesh_proto::EarlierSend { id, to, written_at, same_content, status: Status::Queued };
    let again = Command::Send(SendRequest { idempotency: key_of(Some(earlier(true))), ..request(1, "once") });
    assert!(matches!(world.command(0, again).unwrap(), Answer::Queued { id: same, .. } if same == id));
    let other = Command::Send(SendRequest { idempotency: key_of(Some(earlier(false))), ..request(1, "twice") });
    assert_eq!(world.command(0, other), Err(Refusal::IdempotencyConflict));
    world.pass(SECOND);
    assert_eq!(world.inbox(1).len(), 1);
}

#[test]
fn bad_sends_are_refused_and_change_nothing() {
    let mut world = pair();
    let mut send = |request| world.command(0, Command::Send(request));
    assert_eq!(send(request(0, "me")), Err(Refusal::Ourselves));
    assert_eq!(send(request(1, " \n ")), Err(Refusal::ContentEmpty));
    assert_eq!(send(request(1, &"é".repeat(4_097))), Err(Refusal::ContentTooLong { chars: 4_097, max: 4_096 }));
    assert!(matches!(send(request(7, "who")), Err(Refusal::PeerUnknown(_))));
    assert!(matches!(send(SendRequest { to: Recipient::Name("nobody".into()), ..request(1, "x") }), Err(Refusal::PeerUnknown(_))));
    assert!(send(request(1, &"é".repeat(4_096))).is_ok());
    assert!(send(SendRequest { to: Recipient::Name("BOB".into()), ..request(1, "by name") }).is_ok());
    let bob = world.nodes[1].me;
    world.command(0, Command::SetTrust { peer: bob, trust: Trust::Blocked }).unwrap();
    assert_eq!(world.command(0, Command::Send(request(1, "x"))), Err(Refusal::PeerBlocked));
}

#[test]
fn a_blocked_peer_reaches_nobody() {
    let mut world = pair();
    let bob = world.nodes[1].me;
    world.command(0, Command::SetTrust { peer: bob, trust: Trust::Blocked }).unwrap();
    world.send(1, 0, "let me in");
    world.pass(MINUTE);
    assert!(world.inbox(0).is_empty());
}

#[test]
fn a_name_that_two_peers_have_is_refused() {
    let mut world = pair();
    let at = world.now;
    announce(&mut world, Presence { name: Some("bob".to_owned()), ..presence_of(77, at) });
    world.pass(3 * MINUTE);
    let send = Command::Send(SendRequest { to: Recipient::Name("bob".into()), ..request(1, "which?") });
    assert_eq!(world.command(0, send), Err(Refusal::NameAmbiguous { name: "bob".to_owned(), count: 2 }));
}

#[test]
fn a_clean_stop_says_goodbye_and_a_lost_peer_goes_offline_by_its_lease() {
    let mut world = pair();
    assert_eq!(world.command(1, Command::Stop), Ok(Answer::Done));
    assert!(world.nodes[1].finished);
    world.pass(SECOND);
    assert!(!world.peer(0, 1).unwrap().is_online(world.now));
    world.kill(1);
    world.start(1);
    world.pass(10 * SECOND);
    assert!(world.peer(0, 1).unwrap().is_online(world.now));
    world.kill(1);
    world.pass(13 * MINUTE);
    assert!(!world.peer(0, 1).unwrap().is_online(world.now), "two beats and a grace without a sign");
}

#[test]
fn a_presence_from_the_future_or_an_old_one_changes_nothing() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    let now = world.now;
    announce(&mut world, presence_of(50, now.plus(20 * MINUTE)));
    announce(&mut world, presence_of(51, now));
    announce(&mut world, Presence { name: Some("stale".to_owned()), ..presence_of(51, now.minus(MINUTE)) });
    world.pass(3 * MINUTE);
    assert!(!world.nodes[0].disk.peers.contains_key(&key(50)));
    assert_eq!(world.nodes[0].disk.peers[&key(51)].name.as_deref(), Some("agent 51"));
}

#[test]
fn the_form_follows_the_peer() {
    let mut world = World::new(&[A]);
    world.add("ada", &[A]);
    let at = world.now;
    announce(&mut world, presence_of(60, at)); // a Node agent: no dm tags
    world.pass(3 * MINUTE);
    let me = world.nodes[0].me;
    let form_now = |world: &mut World, content: &str| {
        let Ok(Answer::Queued { id, .. }) =
            world.command(0, Command::Send(SendRequest { to: Recipient::Key(key(60)), ..request(1, content) }))
        else {
            panic!()
        };
        world.nodes[0].disk.messages[&id].form
    };
    assert_eq!(form_now(&mut world, "1"), Form::Nip04);
    let writes = |world: &mut World, form: Form| {
        let (id, event_id) = (world.fresh_id(), world.fresh_id());
        let event_id = if form == Form::Nip17 { event_id } else { id };
        let opened = Opened::Direct(Envelope {
            id,
            event_id,
            author: key(60),
            recipient: me,
            form,
            written_at: world.now,
            reply_to: None,
            subject: None,
            chain: None,
            place: None,
            urgent: false,
            work: 0,
            body: Body::Text("hi".to_owned()),
        });
        let facts = ocmesh_proto::Facts::default();
        let now = world.now;
        world.nodes[0].mesh.as_mut().unwrap().handle(Input::EventOpened { relay: url(A), opened, facts }, now);
    };
    writes(&mut world, Form::Nip44);
    assert_eq!(form_now(&mut world, "2"), Form::Nip44);
    writes(&mut world, Form::Nip17);
    assert_eq!(form_now(&mut world, "3"), Form::Nip17);
}

#[test]
fn a_refused_kind_of_presence_pauses_for_that_relay_only() {
    let mut world = World::new(&[A, B]);
    world.relays.get_mut(&url(A)).unwrap().temper.insert(kind::NOTE, Temper::RateLimits);
    world.add("ada", &[A, B]);
    world.pass(HOUR);
    let on = |world: &World, relay: &str, number: u16| {
        world.relays[&url(relay)].taken.iter().filter(|id| world.events[id].kind == number).count()
    };
    assert_eq!(on(&world, A, kind::NOTE), 0);
    assert!((11..=14).contains(&on(&world, B, kind::NOTE)), "{}", on(&world, B, kind::NOTE));
    assert!((11..=14).contains(&on(&world, A, kind::PRESENCE)), "{}", on(&world, A, kind::PRESENCE));
}

#[test]
fn profile_and_lists_are_published_on_first_start_and_on_change_only() {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A, B]);
    world.pass(HOUR);
    let lists = |world: &World| world.events.values().filter(|event| matches!(event.kind, 0 | 10_002 | 10_050)).count();
    let first = lists(&world);
    assert!((3..=6).contains(&first), "{first}");
    world.kill(0);
    world.start(0);
    world.pass(HOUR);
    assert_eq!(lists(&world), first, "a restart is no change");
    world.command(0, Command::SetIdentity { name: Some("eva".to_owned()), about: None, features: None, status: None }).unwrap();
    world.pass(MINUTE);
    assert!(lists(&world) > first);
}

#[test]
fn own_relays_can_be_added_and_removed_for_good() {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A]);
    world.pass(5 * SECOND);
    assert_eq!(world.command(0, Command::AddRelay { relay: url(A) }), Err(Refusal::RelayKnown));
    world.command(0, Command::AddRelay { relay: url(B) }).unwrap();
    world.command(0, Command::RemoveRelay { relay: url(A) }).unwrap();
    world.kill(0);
    world.start(0);
    let mesh = world.nodes[0].mesh.as_ref().unwrap();
    assert_eq!(mesh.own_relays(), [url(B)]);
    assert_eq!(world.command(0, Command::RemoveRelay { relay: url(A) }), Err(Refusal::RelayUnknown));
}

#[test]
fn two_agents_that_greet_each_other_come_to_rest() {
    let mut world = pair();
    let before = world.events.values().filter(|event| event.kind == kind::LEGACY_DIRECT).count();
    assert!(before <= 4, "{before}");
    world.pass(DAY);
    assert_eq!(world.events.values().filter(|event| event.kind == kind::LEGACY_DIRECT).count(), before);
}

#[test]
fn a_relay_that_never_answers_is_tried_ever_more_slowly_and_holds_nobody_up() {
    let mut world = pair();
    world.relays.get_mut(&url(A)).unwrap().temper.insert(kind::GIFT_WRAP, Temper::Silent);
    let id = world.send(0, 1, "via the other one");
    world.pass(SECOND);
    assert_eq!(world.inbox(1).len(), 1);
    world.pass(3 * DAY);
    let tries = |world: &World| {
        let to_a = HistoryEntry::Sent { relay: url(A) };
        world.nodes[0].disk.history[&id].iter().filter(|entry| **entry == to_a).count()
    };
    // Full jitter takes each pause as an upper bound, 6 h at the end: at least one try each 6 h, and far from one each minute.
    assert!((12..=60).contains(&tries(&world)), "{}", tries(&world));
    world.relays.get_mut(&url(A)).unwrap().temper.clear();
    world.pass(7 * HOUR);
    assert!(matches!(world.status(0, id), Status::Relayed { accepted: 2, of: 2, .. }), "{:?}", world.status(0, id));
}

#[test]
fn a_stop_right_after_a_restart_says_goodbye_too() {
    let mut world = pair();
    world.kill(1);
    world.start(1);
    assert_eq!(world.command(1, Command::Stop), Ok(Answer::Done));
    world.pass(SECOND);
    assert!(!world.peer(0, 1).unwrap().is_online(world.now));
}
