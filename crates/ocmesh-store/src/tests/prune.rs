//! What is forgotten with time, and what never is.

use ocmesh_proto::{Change, FailReason, Notice, time::DAY};

use super::*;
use crate::{PruneLimits, PruneReport};

fn prune_all(store: &mut Store, limits: &PruneLimits) -> PruneReport {
    let mut sum = PruneReport::default();
    loop {
        let report = store.prune(NOW, limits).unwrap();
        sum.seen += report.seen;
        sum.notices += report.notices;
        sum.sealed += report.sealed;
        sum.rumors += report.rumors;
        let in_batch = [report.seen, report.notices, report.sealed, report.rumors].iter().all(|n| *n <= limits.batch as usize);
        assert!(in_batch, "{report:?}");
        if !report.more {
            return sum;
        }
    }
}

#[test]
fn old_seen_ids_go_and_messages_stay_known_for_ever() {
    let home = Home::new();
    let mut store = home.open();
    let old = NOW.minus(31 * DAY);
    let mut changes: Vec<Change> = (0..25).map(|n| Change::AddSeen { id: id(n), at: old }).collect();
    changes.extend((25..30).map(|n| Change::AddSeen { id: id(n), at: NOW.minus(29 * DAY) }));
    changes.push(add(inbound(100, 1, NOW.minus(1_000 * DAY))));
    write(&mut store, &changes);
    let limits = PruneLimits { batch: 10, ..PruneLimits::default() };
    assert_eq!(prune_all(&mut store, &limits), PruneReport { seen: 25, ..PruneReport::default() });
    assert!(!store.is_seen(&id(24)).unwrap());
    assert!(store.is_seen(&id(25)).unwrap() && store.is_seen(&id(100)).unwrap());
    assert!(store.reader().message(&id(100)).unwrap().is_some());
}

#[test]
fn the_newest_notices_stay_with_their_numbers() {
    let home = Home::new();
    let mut store = home.open();
    store.begin().unwrap();
    for _ in 0..35 {
        store.add_notice(NOW, &Notice::OwnChanged).unwrap();
    }
    store.commit().unwrap();
    let limits = PruneLimits { notices_max: 10, batch: 7, ..PruneLimits::default() };
    assert_eq!(prune_all(&mut store, &limits), PruneReport { notices: 25, ..PruneReport::default() });
    let kept: Vec<u64> = store.reader().notices_since(0, 100).unwrap().iter().map(|notice| notice.seq).collect();
    assert_eq!(kept, (26..=35).collect::<Vec<_>>());
    // Even with every notice gone, a number is not given twice.
    prune_all(&mut store, &PruneLimits { notices_max: 0, ..limits });
    store.begin().unwrap();
    assert_eq!(store.add_notice(NOW, &Notice::OwnChanged).unwrap(), 36);
    store.commit().unwrap();
}

#[test]
fn what_is_sealed_goes_with_age_unless_a_parcel_needs_it() {
    let home = Home::new();
    let mut store = home.open();
    let failed = Status::Failed { at: NOW, reason: FailReason::Expired };
    for (n, at) in [(1, NOW.minus(15 * DAY)), (2, NOW.minus(13 * DAY)), (3, NOW.minus(15 * DAY))] {
        let changes = [add(outbound(n, 1, at)), rumor(n), sealed(n, 10 + n), put_parcel(parcel(n, ParcelClass::Message, 10 + n))];
        write_at(&mut store, at, &changes);
    }
    let done = |n| [set_status(id(n), failed.clone()), drop_parcel(n, ParcelClass::Message)];
    write(&mut store, &[done(1), done(2)].concat());
    let report = prune_all(&mut store, &PruneLimits::default());
    assert_eq!(report, PruneReport { sealed: 1, rumors: 1, ..PruneReport::default() });
    let kept = |n: u64| store.sealed(&id(10 + n)).unwrap().is_some() && store.rumor(&id(n)).unwrap().is_some();
    assert_eq!([1, 2, 3].map(kept), [false, true, true]);
    assert!(store.reader().message(&id(1)).unwrap().is_some());
}

#[test]
#[ignore = "fills a store with a million rows; run with cargo test -p ocmesh-store a_batch_of_a_full -- --ignored --nocapture"]
fn a_batch_of_a_full_store_holds_the_writer_for_milliseconds() {
    use std::time::{Duration, Instant};
    let home = Home::new();
    let mut store = home.open();
    for round in 0..200_u64 {
        store.begin().unwrap();
        for n in round * 2_500..(round + 1) * 2_500 {
            let at = NOW.minus(40 * DAY).plus(n);
            store.apply(&Change::AddSeen { id: id(n), at }, at).unwrap();
            store.hold(1059, at, &id(n)).unwrap();
            store.add_notice(at, &Notice::OwnChanged).unwrap();
        }
        store.commit().unwrap();
    }
    store.checkpoint().unwrap();
    let mut times: Vec<Duration> = Vec::new();
    let mut gone = 0;
    for _ in 0..200 {
        let began = Instant::now();
        let report = store.prune(NOW, &PruneLimits::default()).unwrap();
        times.push(began.elapsed());
        gone += report.seen + report.held + report.notices;
    }
    times.sort();
    println!("{gone} rows of 1,500,000 in 200 batches: p50 {:?}, p99 {:?}, at most {:?}", times[100], times[197], times[199]);
    assert_eq!(gone, 200 * 1_500);
    assert!(times[100] < Duration::from_millis(100), "{:?}", times[100]);
}
