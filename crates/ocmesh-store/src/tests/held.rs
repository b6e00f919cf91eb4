//! The events that are compared with relays.

use super::*;
use crate::{PruneLimits, ReadError, Reader};

type Held = Option<Vec<(At, EventId)>>;

fn held(reader: &Reader, kind: u16, since: At, max: usize) -> Result<Held, ReadError> {
    reader.held(kind, since, max, |dated, id| (dated, id))
}

#[test]
fn events_are_held_by_kind_and_date_and_seen_by_readers_once_committed() {
    let home = Home::new();
    let mut store = home.open();
    let reader = store.reader();
    store.begin().unwrap();
    for (kind, dated, n) in [(1_059, 1_000, 1), (1_059, 3_000, 2), (1_059, 2_000, 3), (4, 2_000, 4), (1_059, 2_000, 3)] {
        store.hold(kind, At(dated), &id(n)).unwrap();
    }
    assert_eq!(held(&reader, 1_059, At(0), 10).unwrap(), Some(Vec::new()), "not committed yet");
    store.commit().unwrap();
    assert_eq!(held(&reader, 1_059, At(0), 3).unwrap(), Some(vec![(At(1_000), id(1)), (At(2_000), id(3)), (At(3_000), id(2))]));
    assert_eq!(held(&reader, 1_059, At(1_001), 3).unwrap().unwrap().len(), 2);
    assert_eq!(held(&reader, 4, At(0), 1).unwrap(), Some(vec![(At(2_000), id(4))]));
    assert_eq!(held(&reader, 1_059, At(0), 2).unwrap(), None, "too many to compare");
    store.begin().unwrap();
    store.hold(4, At(5_000), &id(5)).unwrap();
    store.rollback().unwrap();
    assert_eq!(held(&reader, 4, At(0), 10).unwrap().unwrap().len(), 1);
}

#[test]
fn old_ones_are_pruned_by_their_own_date() {
    let home = Home::new();
    let mut store = home.open();
    store.begin().unwrap();
    (0..10).for_each(|n| store.hold(4, At(1_000 * n), &id(n)).unwrap());
    store.commit().unwrap();
    let limits = PruneLimits { held_ms: 1_000, batch: 4, ..PruneLimits::default() };
    let reports = [(); 3].map(|()| store.prune(At(8_000), &limits).unwrap());
    assert_eq!(reports.map(|report| (report.held, report.more)), [(4, true), (3, false), (0, false)]);
    assert_eq!(held(&store.reader(), 4, At(0), 10).unwrap().unwrap().len(), 3);
}
