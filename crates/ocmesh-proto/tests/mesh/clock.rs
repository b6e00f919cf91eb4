//! What another clock wrote: a daemon that ran with a wrong one, or starts with one.

use ocmesh_proto::{
    At, Input, Mesh, Snapshot, Status,
    time::{DAY, HOUR, MINUTE, SECOND},
};

use crate::{
    A, B, pair,
    world::{World, url},
};

const YEAR: u64 = 365 * DAY;

fn snapshot(world: &World, index: usize) -> Snapshot {
    let disk = &world.nodes[index].disk;
    Snapshot {
        own: disk.own.clone(),
        peers: disk.peers.values().cloned().collect(),
        parcels: disk.parcels.values().cloned().collect(),
        relays: disk.relays.values().cloned().collect(),
        own_lines: disk.own_lines.values().copied().collect(),
        gaps: disk.gaps.values().cloned().collect(),
        invites: Vec::new(),
        turns: disk.turns(),
        wakes: disk.wakes.values().cloned().collect(),
    }
}

/// Two friends, and a message of the first that no relay takes.
fn waiting() -> (World, ocmesh_proto::MessageId) {
    let mut world = pair();
    world.pass(MINUTE);
    world.set_down(A, true);
    world.set_down(B, true);
    let id = world.send(0, 1, "it waits");
    (world, id)
}

#[test]
fn what_waits_under_a_clock_that_was_a_year_ahead_goes_on_when_it_is_right() {
    let mut world = pair();
    world.pass(MINUTE);
    let right = world.now;
    world.kill(0);
    world.kill(1);
    world.now = right.plus(YEAR);
    world.set_down(A, true);
    world.set_down(B, true);
    world.start(0);
    let id = world.send(0, 1, "from next year");
    world.pass(2 * MINUTE);
    world.kill(0);
    world.now = right.plus(3 * MINUTE);
    world.set_down(A, false);
    world.set_down(B, false);
    world.start(0);
    world.start(1);
    world.pass(2 * MINUTE);
    assert_eq!(world.inbox(1).len(), 1);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }), "{:?}", world.status(0, id));
    assert!(world.nodes[0].disk.own.published_at <= world.now.plus(MINUTE), "others see it");
    assert!(world.nodes[0].disk.relays.values().all(|relay| relay.good_at.is_some_and(|at| at <= world.now)));
}

#[test]
fn a_start_with_a_clock_a_year_ahead_gives_nothing_up_within_the_hour() {
    let (mut world, id) = waiting();
    world.kill(0);
    let right = world.now;
    world.now = right.plus(YEAR);
    world.start(0);
    world.pass(50 * MINUTE);
    assert_eq!(world.status(0, id), Status::Queued);
    world.kill(0);
    world.now = right.plus(HOUR);
    world.set_down(A, false);
    world.start(0);
    world.pass(MINUTE);
    assert!(matches!(world.status(0, id), Status::Relayed { .. }), "{:?}", world.status(0, id));
    // One that nobody sets right is believed in the end.
    let (mut world, id) = waiting();
    world.kill(0);
    world.now = world.now.plus(YEAR);
    world.start(0);
    world.pass(2 * HOUR);
    assert!(matches!(world.status(0, id), Status::Failed { .. }));
}

#[test]
fn a_step_forwards_takes_nothing_from_a_messages_time() {
    let (world, id) = waiting();
    let mut snapshot = snapshot(&world, 0);
    snapshot.clock_stepped(YEAR.cast_signed());
    let (node, now) = (&world.nodes[0], world.now.plus(YEAR));
    let mut mesh = Mesh::new(node.me, node.policy.clone(), snapshot, 0, now);
    let gives_up = |step: ocmesh_proto::Step| {
        step.changes
            .iter()
            .any(|change| matches!(change, ocmesh_proto::Change::SetStatus { id: of, status: Status::Failed { .. } } if *of == id))
    };
    assert!(!gives_up(mesh.handle(Input::Started, now)));
    assert!(!gives_up(mesh.handle(Input::Ticked, now.plus(6 * DAY))));
    assert!(gives_up(mesh.handle(Input::Ticked, now.plus(7 * DAY + MINUTE))));
}

#[test]
fn a_mesh_never_goes_back_in_time() {
    let mut world = pair();
    let mesh = world.nodes[0].mesh.as_mut().unwrap();
    let now = world.now;
    mesh.handle(Input::Ticked, now.plus(SECOND));
    mesh.handle(Input::Ticked, now.minus(YEAR));
    assert_eq!(mesh.now(), now.plus(SECOND));
}

#[test]
fn own_relays_say_what_time_it_is_and_others_do_not() {
    let mut world = pair();
    let told = |world: &World| world.nodes[0].mesh.as_ref().unwrap().told_time().map(|told| (told.base_ms, told.witnesses));
    assert_eq!(told(&world), None);
    for (relay, base_ms) in [(A, 1_000), (B, 2_000), ("wss://stranger.example.com", 9_000_000)] {
        world.input(0, Input::TimeTold { relay: url(relay), base_ms });
    }
    assert_eq!(told(&world), Some((1_000, 2)));
    assert_ne!(world.now, At(0));
}
