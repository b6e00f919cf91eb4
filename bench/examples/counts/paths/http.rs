//! A list of the Local API, from the request to the bytes of its answer, through the router with its guard.

use std::hint::black_box;

use ocmesh_daemon::http::benching::LocalApi;

use super::{NOW, Work, keys, ready, store};

/// A page of so many. The store is read on a thread of its own, which callgrind leaves out, as it begins to count thread by thread: what is read
/// there has paths of its own.
pub(super) fn page(target: &'static str, items: usize) -> Work {
    let (store, folder) = store();
    let api = LocalApi::new(store.reader(), keys(2).public(), NOW).unwrap();
    let page: Vec<serde_json::Value> = serde_json::from_slice(&api.get(target).unwrap()).unwrap();
    assert_eq!(page.len(), items);
    ready(move || {
        assert!(black_box(api.get(black_box(target))).is_some());
        black_box((&folder, &store));
    })
}
