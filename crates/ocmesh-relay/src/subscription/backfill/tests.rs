//! Catch-up against a relay that lives in memory: caps, ties, odd orders, lies.

use serde_json::{Value, json};

use super::{Backfill, Noted};
use crate::{filter::Check, frame::Claim};

/// A stored event.
fn event(number: u64, created_at: u64, kind: u16) -> String {
    json!({"id": format!("{number:032x}{number:032x}"), "pubkey": "p", "kind": kind, "created_at": created_at, "tags": []}).to_string()
}

/// Answers one REQ as relays do: for each filter its newest events up to a cap, newest first, smallest id first.
fn answer(stored: &[String], filters: &[Value], cap: usize, limit_max: usize) -> Vec<String> {
    let mut page = Vec::new();
    for filter in filters {
        let check = Check::new(filter);
        let mut matching: Vec<Claim<'_>> = stored.iter().map(|text| Claim::parse(text).unwrap()).filter(|c| check.matches(c)).collect();
        matching.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(a.id.cmp(b.id)));
        let cap = check.limit.map_or(cap, |limit| usize::try_from(limit).unwrap().min(limit_max));
        let ids: Vec<&str> = matching.iter().take(cap).map(|claim| claim.id).collect();
        page.extend(stored.iter().filter(|text| ids.contains(&Claim::parse(text).unwrap().id)).cloned());
    }
    page
}

/// Pages to the end; gives what was handed out, and how many pages it took.
fn run(stored: &[String], filters: &[Value], cap: usize, limit_max: usize) -> (Vec<String>, usize) {
    let mut backfill = Backfill::new(filters);
    let (mut got, mut pages) = (Vec::new(), 0);
    while let Some(filters) = backfill.next_page() {
        pages += 1;
        assert!(pages < 500, "no end");
        for text in answer(stored, &filters, cap, limit_max) {
            if backfill.note(&Claim::parse(&text).unwrap()) == Noted::New {
                got.push(text);
            }
        }
        backfill.end_page(false, 1_000);
    }
    assert!(backfill.proven);
    (got, pages)
}

fn assert_all(mut got: Vec<String>, mut stored: Vec<String>) {
    got.sort();
    stored.sort();
    assert_eq!(got.len(), stored.len());
    assert_eq!(got, stored);
}

#[test]
fn everything_is_found_behind_every_cap_each_once() {
    let stored: Vec<String> = (0..1_203).map(|n| event(n, 1_000 + n / 3, 1059)).collect();
    for cap in [7, 100, 300, 500, 5_000] {
        let (got, _) = run(&stored, &[json!({"kinds": [1059]})], cap, cap);
        assert_all(got, stored.clone());
    }
}

#[test]
fn five_thousand_in_three_seconds_are_found_when_the_relay_honours_a_greater_limit() {
    let stored: Vec<String> = (0..5_000).map(|n| event(n, 1_000 + n % 3, 1059)).collect();
    let (got, pages) = run(&stored, &[json!({"kinds": [1059]})], 500, 5_000);
    assert_all(got, stored);
    assert!(pages < 20, "{pages}");
}

#[test]
fn ties_larger_than_the_greatest_limit_do_not_hide_what_is_older() {
    let mut stored: Vec<String> = (0..300).map(|n| event(n, 2_000, 1059)).collect();
    let older: Vec<String> = (300..450).map(|n| event(n, 1_000 + n, 1059)).collect();
    stored.extend(older.clone());
    let (got, _) = run(&stored, &[json!({"kinds": [1059]})], 100, 100);
    assert!(older.iter().all(|text| got.contains(text)));
    assert_eq!(got.len(), 250, "one page of the tied second is all such a relay gives");
}

#[test]
fn each_filter_reaches_back_on_its_own() {
    // A busy kind with new events must not hide the older ones of a quiet kind.
    let mut stored: Vec<String> = (0..1_000).map(|n| event(n, 50_000 + n, 1)).collect();
    stored.extend((1_000..1_400).map(|n| event(n, 1_000 + n, 31_337)));
    let (got, _) = run(&stored, &[json!({"kinds": [1]}), json!({"kinds": [31_337]})], 100, 100);
    assert_all(got, stored);
}

#[test]
fn a_limit_bounds_what_is_paged() {
    let stored: Vec<String> = (0..1_000).map(|n| event(n, 1_000 + n, 1)).collect();
    assert_eq!(run(&stored, &[json!({"kinds": [1], "limit": 1})], 100, 500).1, 1);
    let (got, pages) = run(&stored, &[json!({"kinds": [1], "limit": 250})], 100, 100);
    assert!(got.len() >= 250 && pages <= 3, "{} in {pages}", got.len());
}

#[test]
fn little_is_paged_little() {
    assert_eq!(run(&[], &[json!({"kinds": [1]})], 500, 500).1, 1, "an empty first page is the end");
    assert_eq!(run(&[event(1, 10, 1)], &[json!({"kinds": [1]})], 500, 500).1, 2);
    let few: Vec<String> = (0..5).map(|n| event(n, 1_000 + n, 1)).collect();
    assert_eq!(run(&few, &[json!({"kinds": [1]})], 500, 500).1, 2);
}

#[test]
fn finish_ends_early_and_what_was_not_asked_for_is_a_stranger() {
    let mut backfill = Backfill::new(&[json!({"kinds": [1], "since": 100})]);
    let note = |backfill: &mut Backfill, n, at, kind| backfill.note(&Claim::parse(&event(n, at, kind)).unwrap());
    assert_eq!(note(&mut backfill, 1, 500, 1), Noted::New);
    assert_eq!(note(&mut backfill, 1, 500, 1), Noted::Again);
    assert_eq!(note(&mut backfill, 2, 500, 7), Noted::Stranger);
    assert_eq!(note(&mut backfill, 3, 99, 1), Noted::Stranger);
    backfill.end_page(false, 1_000);
    assert_eq!(backfill.next_page(), Some(vec![json!({"kinds": [1], "since": 100, "until": 500})]));
    assert_eq!(note(&mut backfill, 4, 501, 1), Noted::Stranger, "newer than the page asks for");
    backfill.end_page(true, 1_000);
    assert_eq!(backfill.next_page(), None);
}

#[test]
fn a_relay_that_makes_events_up_without_end_proves_nothing() {
    let mut backfill = Backfill::new(&[json!({})]);
    let mut number = 0;
    while backfill.next_page().is_some() {
        number += 1;
        backfill.note(&Claim::parse(&event(number, 1_000_000 - number, 1)).unwrap());
        backfill.end_page(false, 50);
    }
    assert_eq!((number, backfill.proven), (50, false));
}

#[test]
fn a_broken_page_asked_again_is_not_taken_for_the_end() {
    let stored: Vec<String> = (0..300).map(|n| event(n, 1_000 + n, 1)).collect();
    let mut backfill = Backfill::new(&[json!({})]);
    let mut got = 0;
    let mut page = 0;
    while let Some(filters) = backfill.next_page() {
        page += 1;
        assert!(page < 50);
        for text in answer(&stored, &filters, 100, 100) {
            got += usize::from(backfill.note(&Claim::parse(&text).unwrap()) == Noted::New);
        }
        if page % 2 == 1 {
            backfill.break_page();
        } else {
            backfill.end_page(false, 1_000);
        }
    }
    assert_eq!(got, 300);
}

#[test]
fn a_forgery_under_the_same_id_does_not_hide_the_good_event() {
    let good = event(1, 100, 1059);
    let forged = good.replace(r#""pubkey":"p""#, r#""pubkey":"forged""#);
    assert_ne!(good, forged);
    let mut backfill = Backfill::new(&[json!({"kinds": [1059]})]);
    let mut note = |text: &str| backfill.note(&Claim::parse(text).unwrap());
    assert_eq!([note(&forged), note(&good), note(&forged), note(&good)], [Noted::New, Noted::New, Noted::Again, Noted::Again]);
}

#[test]
fn what_came_is_remembered_up_to_a_bound_and_the_oldest_goes_first() {
    let mut backfill = Backfill::new(&[json!({"kinds": [1]})]);
    let count = super::SEEN_MAX as u64 + 50;
    for number in 0..count {
        assert_eq!(backfill.note(&Claim::parse(&event(number, 5, 1)).unwrap()), Noted::New);
    }
    assert_eq!((backfill.order.len(), backfill.seen.len()), (super::SEEN_MAX, super::SEEN_MAX));
    assert_eq!(backfill.note(&Claim::parse(&event(count - 1, 5, 1)).unwrap()), Noted::Again);
    assert_eq!(backfill.note(&Claim::parse(&event(0, 5, 1)).unwrap()), Noted::New, "forgotten");
}
