//! What the table keeps, finds and forgets.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const NOW: u64 = 1_800_000_000;

/// An event with the fields the table looks at; `n` makes the id.
fn event(n: u8, author: u8, kind: u16, created_at: u64, tags: &[(char, &str)]) -> Arc<Stored> {
    let tags = tags.iter().map(|(letter, value)| (*letter, Arc::from(*value))).collect();
    Arc::new(Stored { id: [n; 32], author: [author; 32], kind, created_at, expires_at: None, tags, json: Arc::from("{}") })
}

fn hex(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

fn ids(table: &Table, filter: &Filter) -> Vec<u8> {
    table.query(filter, 100, NOW, &|_| true).values().map(|event| event.id[0]).collect()
}

fn filled(events: &[Arc<Stored>]) -> Table {
    let mut table = Table::default();
    for event in events {
        table.insert(event, NOW, &Limits::default());
    }
    table
}

#[test]
fn newest_first_and_equal_times_by_lowest_id() {
    let table = filled(&[event(3, 1, 1, NOW, &[]), event(1, 1, 1, NOW - 1, &[]), event(2, 1, 1, NOW, &[])]);
    assert_eq!(ids(&table, &Filter::default()), [2, 3, 1]);
}

#[test]
fn the_newest_of_a_replaceable_kind_stays() {
    let limits = Limits::default();
    let mut table = filled(&[event(5, 1, 0, NOW, &[])]);
    assert_eq!(table.insert(&event(6, 1, 0, NOW - 1, &[]), NOW, &limits), Outcome::Older);
    assert_eq!(table.insert(&event(7, 1, 0, NOW, &[]), NOW, &limits), Outcome::Older, "same time, higher id");
    assert_eq!(table.insert(&event(4, 1, 0, NOW, &[]), NOW, &limits), Outcome::Kept, "same time, lower id");
    assert_eq!(table.insert(&event(8, 2, 0, NOW - 9, &[]), NOW, &limits), Outcome::Kept, "another author");
    assert_eq!(ids(&table, &Filter::default()), [4, 8]);
}

#[test]
fn an_address_is_kind_author_and_d() {
    let table = filled(&[
        event(1, 1, 30_000, NOW - 2, &[('d', "a")]),
        event(2, 1, 30_000, NOW - 1, &[('d', "b")]),
        event(3, 1, 30_000, NOW, &[('d', "a")]),
    ]);
    assert_eq!(ids(&table, &Filter::default()), [3, 2]);
}

#[test]
fn ephemeral_events_are_passed_on_and_not_kept() {
    let mut table = Table::default();
    assert_eq!(table.insert(&event(1, 1, 21_059, NOW, &[]), NOW, &Limits::default()), Outcome::Passed);
    assert_eq!(table.len(), 0);
}

#[test]
fn an_author_deletes_own_events_only_and_for_good() {
    let limits = Limits::default();
    let mut table = filled(&[event(1, 1, 1, NOW, &[]), event(2, 2, 1, NOW, &[])]);
    let request = event(9, 1, 5, NOW, &[('e', &hex(1)), ('e', &hex(2))]);
    assert_eq!(table.insert(&request, NOW, &limits), Outcome::Kept);
    assert_eq!(ids(&table, &Filter { kinds: Some(BTreeSet::from([1])), ..Filter::default() }), [2]);
    assert_eq!(table.insert(&event(1, 1, 1, NOW, &[]), NOW, &limits), Outcome::Deleted, "it does not come back");
}

#[test]
fn a_deletion_of_an_address_spares_later_versions() {
    let limits = Limits::default();
    let mut table = filled(&[event(1, 1, 30_000, NOW - 5, &[('d', "x")])]);
    let address = format!("30000:{}:x", hex(1));
    table.insert(&event(9, 1, 5, NOW - 3, &[('a', &address)]), NOW, &limits);
    let kind = Filter { kinds: Some(BTreeSet::from([30_000])), ..Filter::default() };
    assert_eq!(ids(&table, &kind), [0; 0]);
    assert_eq!(table.insert(&event(2, 1, 30_000, NOW - 4, &[('d', "x")]), NOW, &limits), Outcome::Deleted);
    assert_eq!(table.insert(&event(3, 1, 30_000, NOW, &[('d', "x")]), NOW, &limits), Outcome::Kept);
}

#[test]
fn expired_events_are_refused_hidden_and_swept() {
    let limits = Limits::default();
    let expiring = |n, at| Arc::new(Stored { expires_at: Some(at), ..Arc::into_inner(event(n, 1, 1, NOW, &[])).unwrap() });
    let mut table = Table::default();
    assert_eq!(table.insert(&expiring(1, NOW), NOW, &limits), Outcome::Expired);
    assert_eq!(table.insert(&expiring(2, NOW + 10), NOW, &limits), Outcome::Kept);
    assert_eq!(table.query(&Filter::default(), 9, NOW + 9, &|_| true).len(), 1);
    assert_eq!(table.query(&Filter::default(), 9, NOW + 10, &|_| true).len(), 0, "hidden before it is swept");
    assert_eq!(table.sweep(NOW + 9), 0);
    assert_eq!(table.sweep(NOW + 10), 1);
    assert_eq!(table.len(), 0);
}

#[test]
fn the_earliest_arrival_goes_first_when_full_but_expired_ones_before_it() {
    let limits = Limits { events_max: 3, ..Limits::default() };
    let mut table = Table::default();
    // A gift wrap is dated back: arriving late must count, not the date.
    for (n, at) in [(1, NOW), (2, NOW - 5), (3, NOW - 9), (4, NOW - 100)] {
        table.insert(&event(n, 1, 1, at, &[]), NOW, &limits);
    }
    assert_eq!(ids(&table, &Filter::default()), [2, 3, 4]);
    let expiring = Stored { expires_at: Some(NOW + 1), ..Arc::into_inner(event(5, 1, 1, NOW, &[])).unwrap() };
    table.insert(&Arc::new(expiring), NOW, &limits);
    table.insert(&event(6, 1, 1, NOW, &[]), NOW + 2, &limits);
    assert_eq!(ids(&table, &Filter::default()), [6, 3, 4]);
}

#[test]
fn memory_is_bounded_by_weight_and_comes_back() {
    let limits = Limits { memory_bytes_max: 10_000, ..Limits::default() };
    let mut table = Table::default();
    for n in 0..=255 {
        table.insert(&event(n, n, 1, NOW, &[('t', "x"), ('p', "y")]), NOW, &limits);
        assert!(table.weight <= limits.memory_bytes_max);
    }
    let left: Vec<_> = table.by_id.keys().copied().collect();
    assert!((2..10).contains(&left.len()), "{}", left.len());
    for id in left {
        table.remove(&id);
    }
    let Table { all, by_id, authors, kinds, tags, addresses, expirations, arrivals, arrived: _, weight } = table;
    assert!(all.is_empty() && by_id.is_empty() && authors.is_empty() && kinds.is_empty() && arrivals.is_empty());
    assert!(addresses.is_empty() && expirations.is_empty() && tags.values().all(HashMap::is_empty));
    assert_eq!(weight, 0);
}

/// The indexes must find what looking at every event finds.
#[test]
fn indexes_agree_with_a_full_scan() {
    let mut state = 7_u64;
    let mut roll = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let events: Vec<_> = (0..200_u8)
        .map(|n| {
            let tag = ["a", "b", "c"][roll(3) as usize];
            event(n, roll(4) as u8, [1, 4, 1059][roll(3) as usize], NOW - roll(20), &[('t', tag), ('p', &hex(roll(3) as u8))])
        })
        .collect();
    let table = filled(&events);
    for _ in 0..500 {
        let mut pick = |of: u64| (roll(2) == 0).then(|| roll(of));
        let mut filter = Filter {
            authors: pick(5).map(|n| (0..n).map(|a| [a as u8; 32]).collect()),
            kinds: pick(3).map(|n| [1, 4, 1059][..=n as usize].iter().copied().collect()),
            since: pick(20).map(|n| NOW - n),
            until: pick(20).map(|n| NOW - n),
            tags: BTreeMap::new(),
            ..Filter::default()
        };
        if let Some(n) = pick(3) {
            filter.tags.insert('t', ["a", "b"].iter().take(n as usize).map(|s| (*s).to_owned()).collect());
        }
        if let Some(n) = pick(3) {
            filter.tags.insert('p', BTreeSet::from([hex(n as u8)]));
        }
        let max = 1 + roll(30) as usize;
        let found: Vec<_> = table.query(&filter, max, NOW, &|_| true).into_keys().collect();
        let mut wanted: Vec<_> = events.iter().filter(|event| filter.matches(event)).map(|event| event.key()).collect();
        wanted.sort_unstable();
        wanted.truncate(max);
        assert_eq!(found, wanted, "{filter:?}");
    }
}
