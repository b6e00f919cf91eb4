//! Stand-ins for relays that stay no use: only where the owner named none, only for as long as needed.

use ocmesh_proto::{
    Command, FORGED_MAX, Input, RelayOrigin,
    time::{DAY, HOUR, MINUTE},
};

use crate::{
    A, B,
    world::{World, url},
};

const C: &str = "wss://c.example.com";
const D: &str = "wss://d.example.com";
const E: &str = "wss://e.example.com";

/// One agent on A, B and C as they come, with D and E to stand in.
fn untouched() -> World {
    let mut world = World::new(&[A, B, C, D, E]);
    world.add("ada", &[A, B, C]);
    world.kill(0);
    world.nodes[0].policy.substitutes = vec![url(D), url(E)];
    world.start(0);
    world.pass(10 * MINUTE);
    world
}

fn own(world: &World) -> Vec<String> {
    world.nodes[0].mesh.as_ref().unwrap().own_relays().iter().map(ToString::to_string).collect()
}

#[test]
fn a_relay_that_stays_away_for_hours_is_stood_in_for_until_it_is_back() {
    let mut world = untouched();
    world.set_down(A, true);
    world.pass(5 * HOUR);
    assert_eq!(own(&world), [A, B, C], "a bad night is no reason");
    world.pass(2 * HOUR);
    assert_eq!(own(&world), [A, B, C, D]);
    assert_eq!(world.nodes[0].disk.relays[&url(D)].origin, RelayOrigin::Substitute);
    assert!(world.nodes[0].mesh.as_ref().unwrap().dm_relays().contains(&url(D)), "we read there");
    let bad_since = world.nodes[0].mesh.as_ref().unwrap().relay_standing(&url(A)).unwrap().bad_since;
    assert!(bad_since.is_some_and(|at| world.now.since(at) > 6 * HOUR));
    // It is still there after a restart, and for as long as it takes.
    world.kill(0);
    world.start(0);
    world.pass(3 * DAY);
    assert_eq!(own(&world), [A, B, C, D]);
    world.set_down(A, false);
    world.pass(30 * MINUTE);
    assert_eq!(own(&world), [A, B, C, D], "back is not good yet");
    world.pass(HOUR);
    assert_eq!(own(&world), [A, B, C]);
    assert_eq!(world.nodes[0].disk.relays[&url(D)].origin, RelayOrigin::Removed);
}

#[test]
fn a_stand_in_that_is_no_use_gives_way_to_the_next() {
    let mut world = untouched();
    world.set_down(D, true);
    world.set_down(A, true);
    world.pass(9 * HOUR);
    assert_eq!(own(&world), [A, B, C, E]);
}

#[test]
fn where_the_owner_named_relays_nothing_else_is_dialled() {
    let mut world = World::new(&[A, B, D]);
    world.add("ada", &[A, B]);
    world.pass(10 * MINUTE);
    world.set_down(A, true);
    world.pass(5 * DAY);
    assert_eq!(own(&world), [A, B], "none is configured");
    let mut world = untouched();
    world.command(0, Command::RemoveRelay { relay: url(C) }).unwrap();
    world.set_down(A, true);
    world.pass(5 * DAY);
    assert_eq!(own(&world), [A, B], "the owner chose");
    assert_eq!(world.relays[&url(D)].dialled + world.relays[&url(E)].dialled, 0);
}

#[test]
fn a_daemon_that_is_configured_later_lets_its_stand_ins_go() {
    let mut world = untouched();
    world.set_down(A, true);
    world.pass(7 * HOUR);
    assert_eq!(own(&world), [A, B, C, D]);
    world.kill(0);
    world.nodes[0].policy.substitutes.clear();
    let dialled = world.relays[&url(D)].dialled;
    world.start(0);
    world.pass(DAY);
    assert_eq!(own(&world), [A, B, C]);
    assert_eq!(world.relays[&url(D)].dialled, dialled, "not dialled again");
}

#[test]
fn without_a_network_nobody_is_blamed() {
    let mut world = untouched();
    for relay in [A, B, C, D, E] {
        world.set_down(relay, true);
    }
    world.pass(20 * HOUR);
    assert_eq!(own(&world), [A, B, C]);
    world.pass(10 * HOUR);
    assert_eq!(own(&world).len(), 4, "after a day one is tried all the same");
}

#[test]
fn a_stand_in_that_the_owner_adds_stays() {
    let mut world = untouched();
    world.set_down(A, true);
    world.pass(7 * HOUR);
    world.command(0, Command::AddRelay { relay: url(D) }).unwrap();
    world.set_down(A, false);
    world.pass(DAY);
    assert_eq!(own(&world), [A, B, C, D]);
    assert_eq!(world.nodes[0].disk.relays[&url(D)].origin, RelayOrigin::Added);
}

#[test]
fn a_relay_that_goes_on_forging_is_no_use_and_has_its_name_back_an_hour_after() {
    let forge = |world: &mut World, times| world.input(0, Input::ForgeriesSeen { relay: url(A), times });
    let standing = |world: &World| world.nodes[0].mesh.as_ref().unwrap().relay_standing(&url(A)).unwrap();
    let mut world = untouched();
    // One broken event, shown now and then for a day.
    for _ in 0..96 {
        forge(&mut world, 1);
        world.pass(15 * MINUTE);
    }
    assert_eq!((own(&world), standing(&world).bad_since), (vec![A.to_owned(), B.to_owned(), C.to_owned()], None));
    world.pass(2 * HOUR);
    assert_eq!(standing(&world).forged, 0, "forgotten");
    for _ in 0..14 {
        forge(&mut world, FORGED_MAX);
        world.pass(30 * MINUTE);
    }
    assert!(standing(&world).forged >= FORGED_MAX && standing(&world).bad_since.is_some());
    assert_eq!(own(&world), [A, B, C, D], "somebody stands in for it");
    world.pass(3 * HOUR);
    assert_eq!((own(&world), standing(&world).forged), (vec![A.to_owned(), B.to_owned(), C.to_owned()], 0));
}
