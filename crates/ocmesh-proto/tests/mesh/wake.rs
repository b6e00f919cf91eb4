//! Waking the agent: one wake for many messages, none for strangers, and none that gets lost.

use ocmesh_proto::{
    Command, InboxPolicy, Input, QuietHours, Recipient, Refusal, SendRequest, Trust, WakeClass, WakeHold, WakeOutcome, WakeState,
    WakeTarget,
    limit::{WAKE_RETRY_AFTER_MS_MAX, WAKE_TRIES_MAX},
    time::{DAY, HOUR, MINUTE, SECOND},
};

use super::{
    A, B,
    disk::blank,
    world::{World, key},
};

fn target(id: &str) -> WakeTarget {
    WakeTarget { id: id.into(), budget_per_hour: 12, quiet: None, urgent_passes_quiet: true }
}

/// Ada writes, Bob is to be woken; they know each other unless said otherwise.
fn pair_with(wakes: Vec<WakeTarget>, trust: Trust) -> World {
    let mut world = World::new(&[A, B]);
    world.add("ada", &[A, B]);
    world.add("bob", &[A, B]);
    world.kill(1);
    world.nodes[1].policy.wakes = wakes;
    world.start(1);
    world.pass(10 * SECOND);
    if trust != Trust::Unknown {
        world.command(1, Command::SetTrust { peer: key(1), trust }).unwrap();
        world.pass(MINUTE);
    }
    assert!(world.nodes[1].gateway.tries.is_empty());
    world
}

fn pair() -> World {
    pair_with(vec![target("agent")], Trust::Known)
}

fn says(world: &mut World, text: &str) -> ocmesh_proto::MessageId {
    let id = world.send(0, 1, text);
    world.pass(SECOND);
    id
}

fn state(world: &World) -> WakeState {
    world.nodes[1].mesh.as_ref().unwrap().wakes()[0].record.state
}

/// The tries so far: number and how many it is about.
fn tries(world: &World) -> Vec<(u64, u32)> {
    world.nodes[1].gateway.tries.iter().map(|(_, _, wake)| (wake.number, wake.unread)).collect()
}

fn fails(world: &mut World, retry_after_ms: Option<u64>) {
    world.nodes[1].gateway.says = Some(WakeOutcome::Failed { why: "nobody is there".to_owned(), retry_after_ms });
}

#[test]
fn many_messages_are_one_wake_until_something_is_acknowledged() {
    let mut world = pair();
    let first = says(&mut world, "one");
    assert_eq!(tries(&world), [(1, 1)]);
    let second = says(&mut world, "two");
    says(&mut world, "three");
    world.pass(14 * MINUTE);
    assert_eq!(tries(&world), [(1, 1)]);
    assert!(matches!(state(&world), WakeState::Woken { .. }));
    world.read(1, &[first]);
    assert_eq!(state(&world), WakeState::Idle);
    assert_eq!(world.nodes[1].disk.wakes["agent"].acknowledged_at, Some(world.now));
    // It reads on: what is left is not yet worth another wake.
    world.pass(10 * SECOND);
    world.read(1, &[second]);
    world.pass(10 * SECOND);
    assert_eq!(tries(&world), [(1, 1)]);
    // It stopped reading.
    world.pass(10 * SECOND);
    assert_eq!(tries(&world), [(1, 1), (2, 1)]);
}

#[test]
fn what_comes_after_an_acknowledgement_wakes_at_once() {
    let mut world = pair();
    for n in 1..=5 {
        let id = says(&mut world, "hello");
        assert_eq!(tries(&world).len(), n);
        world.read(1, &[id]);
        world.pass(SECOND);
    }
    world.pass(DAY);
    assert_eq!(tries(&world).len(), 5, "everything was read");
    assert_eq!(state(&world), WakeState::Idle);
}

#[test]
fn an_agent_that_does_not_acknowledge_is_woken_again_every_fifteen_minutes() {
    let mut world = pair();
    says(&mut world, "hello");
    world.pass(46 * MINUTE);
    assert_eq!(tries(&world), [(1, 1), (2, 1), (3, 1), (4, 1)]);
    let apart: Vec<u64> = world.nodes[1].gateway.tries.windows(2).map(|pair| pair[1].0.since(pair[0].0) / MINUTE).collect();
    assert_eq!(apart, [15, 15, 15]);
}

#[test]
fn strangers_and_held_messages_and_blocked_peers_wake_nobody() {
    let mut world = pair_with(vec![target("agent")], Trust::Unknown);
    let id = says(&mut world, "let me in");
    world.pass(DAY);
    assert!(world.nodes[1].disk.messages.contains_key(&id) && tries(&world).is_empty());
    // A restart looks at everything that is unread: still nobody.
    world.kill(1);
    world.start(1);
    world.pass(MINUTE);
    assert!(tries(&world).is_empty());

    world.command(1, Command::SetTrust { peer: key(1), trust: Trust::Known }).unwrap();
    world.pass(MINUTE);
    assert_eq!(tries(&world), [(1, 1)], "it is accepted, and what it wrote is unread");
    world.command(1, Command::SetTrust { peer: key(1), trust: Trust::Blocked }).unwrap();
    world.pass(DAY);
    assert_eq!(tries(&world), [(1, 1)]);
    assert_eq!(state(&world), WakeState::Idle);

    let mut world = pair_with(vec![target("agent")], Trust::Unknown);
    world.kill(1);
    world.nodes[1].policy.inbox = InboxPolicy::Ask;
    world.start(1);
    says(&mut world, "let me in");
    world.pass(HOUR);
    assert!(world.inbox(1)[0].held && tries(&world).is_empty());
    world.command(1, Command::SetTrust { peer: key(1), trust: Trust::Known }).unwrap();
    world.pass(MINUTE);
    assert_eq!(tries(&world), [(1, 1)]);
}

#[test]
fn a_wake_that_fails_is_tried_again_under_its_number_and_given_up_after_a_day() {
    let mut world = pair();
    fails(&mut world, None);
    says(&mut world, "hello");
    world.pass(2 * DAY);
    let all = &world.nodes[1].gateway.tries;
    assert!(all.iter().all(|(_, _, wake)| wake.number == 1), "{:?}", tries(&world));
    assert!(all.len() > 40 && all.len() <= WAKE_TRIES_MAX as usize, "{} tries", all.len());
    let (first, last) = (all[0].0, all.last().unwrap().0);
    assert!(last.since(first) <= DAY + HOUR, "{} hours", last.since(first) / HOUR);
    let counted: Vec<u32> = all.iter().map(|(_, _, wake)| wake.tries).collect();
    assert_eq!(counted, (1..=u32::try_from(all.len()).unwrap()).collect::<Vec<_>>());
    assert!(matches!(state(&world), WakeState::Dead { .. }));
    let record = &world.nodes[1].disk.wakes["agent"];
    assert_eq!((record.given_up, record.last_error.as_ref().unwrap().why.as_str()), (1, "nobody is there"));

    // By hand it is tried at once, as another wake.
    world.nodes[1].gateway.says = Some(WakeOutcome::Woke);
    world.command(1, Command::RetryWake { target: "agent".to_owned() }).unwrap();
    assert_eq!(tries(&world).last(), Some(&(2, 1)));
    assert_eq!(world.nodes[1].disk.wakes["agent"].last_error, None);
    assert_eq!(world.command(1, Command::RetryWake { target: "nobody".to_owned() }), Err(Refusal::WakeTargetUnknown("nobody".to_owned())));
}

#[test]
fn a_gateway_that_comes_back_is_found_within_the_longest_pause_and_a_new_message_finds_it_sooner() {
    let mut world = pair();
    fails(&mut world, None);
    says(&mut world, "hello");
    world.pass(5 * HOUR);
    world.nodes[1].gateway.says = Some(WakeOutcome::Woke);
    let before = tries(&world).len();
    world.pass(2 * MINUTE);
    if tries(&world).len() == before {
        says(&mut world, "are you there?");
        assert_eq!(tries(&world).len(), before + 1, "the last try is more than a minute ago");
    }
    assert!(matches!(state(&world), WakeState::Woken { .. }));
}

#[test]
fn a_target_that_asks_to_wait_is_not_asked_before() {
    let mut world = pair();
    fails(&mut world, Some(10 * MINUTE));
    says(&mut world, "hello");
    let WakeState::Waiting { next_at, asked: true, .. } = state(&world) else { panic!("{:?}", state(&world)) };
    assert!(next_at >= world.now.plus(9 * MINUTE));
    world.pass(2 * MINUTE);
    says(&mut world, "and this");
    world.pass(7 * MINUTE);
    assert_eq!(tries(&world).len(), 1);
    fails(&mut world, Some(30 * DAY));
    world.pass(2 * MINUTE);
    assert_eq!(tries(&world).len(), 2);
    let WakeState::Waiting { next_at, .. } = state(&world) else { panic!("{:?}", state(&world)) };
    assert!(next_at <= world.now.plus(WAKE_RETRY_AFTER_MS_MAX), "nobody may ask for more than an hour");
}

#[test]
fn a_target_that_refuses_is_left_alone_until_something_new_comes_an_hour_later() {
    let mut world = pair();
    world.nodes[1].gateway.says = Some(WakeOutcome::Refused { why: "the token is wrong".to_owned() });
    says(&mut world, "hello");
    world.pass(10 * MINUTE);
    says(&mut world, "again");
    world.pass(49 * MINUTE);
    assert_eq!(tries(&world).len(), 1);
    world.pass(2 * MINUTE);
    assert_eq!(tries(&world), [(1, 1), (2, 2)], "what came since is not forgotten");
    world.pass(DAY);
    assert_eq!(tries(&world).len(), 2, "and nothing new came");
    // The owner put it right and starts the daemon again.
    world.kill(1);
    world.nodes[1].gateway.says = Some(WakeOutcome::Woke);
    world.start(1);
    assert_eq!(tries(&world).last(), Some(&(3, 2)));
}

#[test]
fn a_budget_holds_wakes_back_and_loses_none() {
    let mut world = pair_with(vec![WakeTarget { budget_per_hour: 3, ..target("agent") }], Trust::Known);
    for _ in 0..3 {
        let id = says(&mut world, "hello");
        world.read(1, &[id]);
        world.pass(MINUTE);
    }
    says(&mut world, "one too many");
    world.pass(10 * MINUTE);
    says(&mut world, "two too many");
    assert_eq!(tries(&world).len(), 3);
    let standing = &world.nodes[1].mesh.as_ref().unwrap().wakes()[0];
    assert!(matches!(standing.hold, Some(WakeHold::Budget { .. })), "{standing:?}");
    world.pass(HOUR);
    assert_eq!(tries(&world)[3], (4, 2));
    let begun: Vec<_> = world.nodes[1].gateway.tries.iter().map(|(at, ..)| *at).collect();
    assert!(begun[3].since(begun[0]) >= HOUR);
    // A restart forgets no budget.
    world.pass(3 * HOUR);
    let ids: Vec<_> = world.inbox(1).iter().map(|message| message.id).collect();
    world.read(1, &ids);
    world.pass(HOUR);
    let before = tries(&world).len();
    for _ in 0..5 {
        let id = says(&mut world, "hello");
        world.read(1, &[id]);
        world.kill(1);
        world.start(1);
        world.pass(MINUTE);
    }
    assert_eq!(tries(&world).len() - before, 3);
}

#[test]
fn quiet_hours_are_the_owners_and_what_came_in_them_wakes_when_they_end() {
    let night = QuietHours { from: 22 * 60, until: 7 * 60 };
    let mut world = pair_with(vec![WakeTarget { quiet: Some(night), ..target("agent") }], Trust::Known);
    // This world's days begin at 8 o'clock UTC; its owner lives where it is 23 then.
    assert_eq!(world.now.0 % DAY / HOUR, 8);
    world.input(1, Input::LocalTimeTold { ahead_ms: 15 * 3_600_000 });
    says(&mut world, "good night");
    world.pass(7 * HOUR);
    assert!(tries(&world).is_empty());
    world.pass(HOUR);
    assert_eq!(tries(&world), [(1, 1)], "seven in the morning");

    // Its owner travels: where it is day now, it is woken at once.
    let mut world = pair_with(vec![WakeTarget { quiet: Some(night), ..target("agent") }], Trust::Known);
    world.input(1, Input::LocalTimeTold { ahead_ms: 15 * 3_600_000 });
    says(&mut world, "good night");
    assert!(tries(&world).is_empty());
    world.input(1, Input::LocalTimeTold { ahead_ms: 0 });
    assert_eq!(tries(&world), [(1, 1)]);
}

#[test]
fn an_urgent_message_of_a_trusted_peer_passes_quiet_hours_and_an_outstanding_wake() {
    let night = QuietHours { from: 22 * 60, until: 7 * 60 };
    for (trust, passes, woken) in [(Trust::Trusted, true, true), (Trust::Known, true, false), (Trust::Trusted, false, false)] {
        let wish = WakeTarget { quiet: Some(night), urgent_passes_quiet: passes, ..target("agent") };
        let mut world = pair_with(vec![wish], trust);
        world.input(1, Input::LocalTimeTold { ahead_ms: 15 * 3_600_000 });
        says(&mut world, "good night");
        assert!(tries(&world).is_empty());
        urgent(&mut world, "the house is on fire");
        assert_eq!(tries(&world).len(), usize::from(woken), "{trust:?} {passes}");
    }
    let mut world = pair_with(vec![target("agent")], Trust::Trusted);
    says(&mut world, "hello");
    urgent(&mut world, "it cannot wait");
    assert_eq!(tries(&world), [(1, 1), (2, 2)], "it does not wait for the outstanding wake");
    assert_eq!(world.nodes[1].gateway.tries[1].2.class, WakeClass::Urgent);
    urgent(&mut world, "nor can this");
    assert_eq!(tries(&world).len(), 2, "but it waits for an urgent one");
}

/// Ada says something that cannot wait.
fn urgent(world: &mut World, text: &str) {
    let request = SendRequest { to: Recipient::Key(key(2)), content: text.to_owned(), urgent: true, ..blank() };
    world.command(0, Command::Send(request)).unwrap();
    world.pass(SECOND);
}

#[test]
fn a_crash_at_any_point_loses_no_wake() {
    // Between the message and the answer: the same wake again, with the same number.
    let mut world = pair();
    world.nodes[1].gateway.says = None;
    says(&mut world, "hello");
    assert!(matches!(state(&world), WakeState::InFlight { .. }));
    world.kill(1);
    world.pass(MINUTE);
    world.nodes[1].gateway.says = Some(WakeOutcome::Woke);
    world.start(1);
    let [(.., first), (.., again)] = world.nodes[1].gateway.tries[..] else { panic!("{:?}", tries(&world)) };
    assert_eq!((again.number, again.tries, again.raised_at), (first.number, 2, first.raised_at));

    // After the answer: outstanding, and not woken again before its time.
    world.kill(1);
    world.start(1);
    world.pass(13 * MINUTE);
    assert_eq!(tries(&world).len(), 2);
    world.pass(3 * MINUTE);
    assert_eq!(tries(&world).len(), 3);

    // While it is away something comes: found when it is back.
    let ids: Vec<_> = world.inbox(1).iter().map(|message| message.id).collect();
    world.read(1, &ids);
    world.pass(MINUTE);
    world.kill(1);
    says(&mut world, "while you were away");
    world.start(1);
    world.pass(MINUTE);
    assert_eq!(tries(&world).len(), 4);

    // The message is on disk and nothing else is: what a crash right after its transaction leaves where no target was configured.
    let mut world = pair_with(Vec::new(), Trust::Known);
    says(&mut world, "hello");
    world.kill(1);
    world.nodes[1].policy.wakes = vec![target("agent")];
    world.start(1);
    assert_eq!(tries(&world), [(1, 1)]);
}

#[test]
fn an_acknowledgement_while_the_wake_is_in_the_air_counts() {
    let mut world = pair();
    world.nodes[1].gateway.says = None;
    let id = says(&mut world, "hello");
    world.read(1, &[id]);
    says(&mut world, "and this");
    let answer = Input::WakeAnswered { target: "agent".into(), number: 1, outcome: WakeOutcome::Woke };
    world.input(1, answer.clone());
    assert_eq!(tries(&world), [(1, 1), (2, 1)], "what came after the acknowledgement wakes at once");
    // The answer to something that is over changes nothing.
    world.input(1, answer);
    assert!(matches!(state(&world), WakeState::InFlight { .. }));
}

#[test]
fn each_target_is_woken_and_one_that_is_gone_from_the_configuration_is_forgotten() {
    let mut world = pair_with(vec![target("agent"), WakeTarget { budget_per_hour: 1, ..target("hook") }], Trust::Known);
    says(&mut world, "hello");
    world.pass(20 * MINUTE);
    let count = |world: &World, id: &str| world.nodes[1].gateway.tries.iter().filter(|(_, target, _)| &**target == id).count();
    assert_eq!((count(&world, "agent"), count(&world, "hook")), (2, 1));
    world.kill(1);
    world.nodes[1].policy.wakes = vec![target("agent")];
    world.start(1);
    assert_eq!(world.nodes[1].disk.wakes.keys().map(|id| &**id).collect::<Vec<_>>(), ["agent"]);
    world.pass(HOUR);
    assert_eq!(count(&world, "hook"), 1);
}

#[test]
fn a_mesh_that_says_goodbye_begins_no_wake() {
    let mut world = pair();
    fails(&mut world, None);
    says(&mut world, "hello");
    let before = tries(&world).len();
    world.command(1, Command::Stop).unwrap();
    world.pass(DAY);
    assert_eq!(tries(&world).len(), before);
}
