//! Pages: what each filter shows, and that paging shows every row once.

use ocmesh_proto::{At, Gap, LineId, PeerStatus, Trust};
use rusqlite::StatementStatus;

use super::*;
use crate::{Cursor, MessageQuery, Page, PeerQuery, Reader};

fn all_messages(reader: &Reader, query: &MessageQuery) -> Vec<u64> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        let page = reader.messages(&query).unwrap();
        assert!(page.items.len() <= query.limit);
        found.extend(page.items.iter().map(|row| row.seq));
        assert!(found.len() <= 1_000, "the pages go in a circle");
        match page.next {
            Some(next) => {
                assert_eq!(page.items.len(), query.limit, "only a full page has a next one");
                query.before = Some(next.to_string().parse().unwrap());
            }
            None => return found,
        }
    }
}

/// Sixty messages of all sorts. Many share a moment, and the clock once went backward.
fn varied() -> Vec<MessageRecord> {
    (0..60u64)
        .map(|n| {
            let at = NOW.plus(if n < 30 { n / 4 } else { n / 4 - 5 });
            let record = if n % 3 == 0 { outbound(n, n % 5, at) } else { inbound(n, n % 5, at) };
            let inward = record.direction == Direction::In;
            MessageRecord { thread: id(n % 7), read_at: (inward && n % 4 == 1).then_some(NOW), held: inward && n % 11 == 2, ..record }
        })
        .collect()
}

/// The same question answered the slow and plain way.
fn expected(records: &[MessageRecord], query: &MessageQuery) -> Vec<u64> {
    let mut rows: Vec<(At, u64)> = (1u64..)
        .zip(records)
        .filter(|(_, record)| {
            query.unread.is_none_or(|unread| record.direction == Direction::In && record.read_at.is_none() == unread)
                && query.from.is_none_or(|peer| record.peer == peer)
                && query.thread.is_none_or(|thread| record.thread == thread)
                && query.since.is_none_or(|since| record.stored_at >= since)
                && query.direction.is_none_or(|direction| record.direction == direction)
                && (query.include_held || !record.held)
        })
        .map(|(seq, record)| (record.stored_at, seq))
        .collect();
    rows.sort_by(|a, b| b.cmp(a));
    rows.into_iter().map(|(_, seq)| seq).collect()
}

/// Every combination of filters.
pub(super) fn message_queries() -> Vec<MessageQuery> {
    let mut queries = Vec::new();
    for unread in [None, Some(true), Some(false)] {
        for direction in [None, Some(Direction::In), Some(Direction::Out)] {
            for from in [None, Some(peer_key(2))] {
                for thread in [None, Some(id(3))] {
                    for since in [None, Some(NOW.plus(4))] {
                        for include_held in [false, true] {
                            queries.push(MessageQuery { unread, from, thread, since, direction, include_held, ..MessageQuery::default() });
                        }
                    }
                }
            }
        }
    }
    queries
}

#[test]
fn every_filter_and_every_page_agree_with_the_plain_way() {
    let home = Home::new();
    let mut store = home.open();
    let records = varied();
    write(&mut store, &records.iter().cloned().map(add).collect::<Vec<_>>());
    let reader = store.reader();
    let mut shown = 0;
    for query in message_queries() {
        let wanted = expected(&records, &query);
        shown += wanted.len();
        for limit in [1, 7, 100] {
            let query = MessageQuery { limit, ..query.clone() };
            assert_eq!(all_messages(&reader, &query), wanted, "{query:?}");
        }
    }
    assert!(shown > 500, "the questions ask for something");
}

#[test]
fn the_id_of_a_reply_names_no_thread() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &[add(inbound(1, 1, NOW)), add(MessageRecord { thread: id(1), ..inbound(2, 1, NOW.plus(1)) })]);
    let thread = |n| all_messages(&store.reader(), &MessageQuery { thread: Some(id(n)), ..MessageQuery::default() });
    assert_eq!((thread(1), thread(2), thread(3)), (vec![2, 1], vec![], vec![]));
}

#[test]
fn a_page_has_at_least_one_and_at_most_a_thousand_rows() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &(0..1_010).map(|n| add(inbound(n, 1, NOW.plus(n)))).collect::<Vec<_>>());
    let rows = |limit| store.reader().messages(&MessageQuery { limit, ..MessageQuery::default() }).unwrap().items.len();
    assert_eq!([rows(0), rows(1_000), rows(usize::MAX)], [1, 1_000, 1_000]);
}

fn names(page: &Page<PeerRecord>) -> Vec<&str> {
    page.items.iter().map(|peer| peer.name.as_deref().unwrap_or("-")).collect()
}

fn named(n: u64, name: &str) -> PeerRecord {
    PeerRecord { name: Some(name.to_owned()), ..peer(n, NOW.plus(n)) }
}

#[test]
fn peers_are_found_by_part_of_a_name_or_the_beginning_of_a_key() {
    let home = Home::new();
    let mut store = home.open();
    let friend = PeerRecord { petname: Some("Old Friend".to_owned()), ..named(3, "x_%") };
    write(&mut store, &[named(1, "Ada"), named(2, "ÄRGER und ada"), friend, PeerRecord { name: None, ..peer(4, NOW) }].map(put_peer));
    let find = |q: &str| {
        let page = store.reader().peers(&PeerQuery { q: Some(q.to_owned()), ..PeerQuery::new(NOW) }).unwrap();
        names(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(find("ADA"), ["ÄRGER und ada", "Ada"]);
    assert_eq!(find("ärg"), ["ÄRGER und ada"]);
    assert_eq!(find("friend"), ["x_%"]);
    assert_eq!(find("%"), ["x_%"], "no wildcards");
    assert_eq!(find("_%\nold"), [] as [&str; 0], "no match across the two names");
    assert_eq!(find("nobody"), [] as [&str; 0]);
    assert_eq!(find(" ").len(), 4, "no question");
    assert_eq!(find(&peer_key(4).to_hex()), ["-"]);
    let beginning: String = peer_key(4).to_hex().to_uppercase().chars().take(9).collect();
    assert_eq!(find(&beginning), ["-"]);
}

#[test]
fn a_peer_is_found_by_its_npub() {
    let home = Home::new();
    let mut store = home.open();
    // NIP-19's example.
    let pubkey = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e".parse().unwrap();
    write(&mut store, &[put_peer(PeerRecord { pubkey, ..named(1, "example") }), put_peer(named(2, "other"))]);
    for q in ["npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg", "npub10elfcs", "npub10"] {
        let page = store.reader().peers(&PeerQuery { q: Some(q.to_owned()), ..PeerQuery::new(NOW) }).unwrap();
        assert_eq!(names(&page), ["example"], "{q}");
    }
}

#[test]
fn peers_are_filtered_by_presence_trust_and_feature() {
    let home = Home::new();
    let mut store = home.open();
    let online = PeerRecord { status: PeerStatus::Online, lease_until: NOW.plus(1), ..named(1, "online") };
    let lapsed = PeerRecord { status: PeerStatus::Online, lease_until: NOW, ..named(2, "lapsed") };
    let gone = PeerRecord { status: PeerStatus::Offline, lease_until: NOW.plus(9), trust: Trust::Trusted, ..named(3, "gone") };
    let able = PeerRecord { features: vec!["query".to_owned(), "a\"b".to_owned()], ..named(4, "able") };
    let liar = PeerRecord { features: vec!["x\",\"query".to_owned(), "querying".to_owned()], ..named(5, "liar") };
    write(&mut store, &[online, lapsed, gone, able, liar].map(put_peer));
    let reader = store.reader();
    let find = |query: PeerQuery| {
        let page = reader.peers(&query).unwrap();
        names(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let base = PeerQuery::new(NOW);
    assert_eq!(find(base.clone()), ["liar", "able", "gone", "lapsed", "online"]);
    assert_eq!(find(PeerQuery { online: Some(true), ..base.clone() }), ["online"]);
    assert_eq!(find(PeerQuery { online: Some(false), ..base.clone() }), ["liar", "able", "gone", "lapsed"]);
    assert_eq!(find(PeerQuery { trust: Some(Trust::Trusted), ..base.clone() }), ["gone"]);
    assert_eq!(find(PeerQuery { feature: Some("query".to_owned()), ..base.clone() }), ["able"]);
    assert_eq!(find(PeerQuery { feature: Some("a\"b".to_owned()), ..base.clone() }), ["able"]);
    assert_eq!(find(PeerQuery { trust: Some(Trust::Trusted), online: Some(true), ..base }), [] as [&str; 0]);
}

/// Peers of which each filter shows some; of every third something is missing.
fn varied_peers() -> Vec<PeerRecord> {
    let trusts = [Trust::Unknown, Trust::Known, Trust::Trusted];
    let features = [vec![], vec!["query".to_owned()], vec!["messaging".to_owned(), "query".to_owned()]];
    (0..60u64)
        .map(|n| PeerRecord {
            name: (n % 4 != 0).then(|| format!("Agent {n}")),
            status: if n % 2 == 0 { PeerStatus::Online } else { PeerStatus::Offline },
            lease_until: NOW.plus(n % 3),
            trust: trusts[usize::try_from(n % 3).unwrap()],
            features: features[usize::try_from(n / 2 % 3).unwrap()].clone(),
            ..peer(n, NOW.plus(n / 3))
        })
        .collect()
}

/// Whether a filter shows a peer, said without a database.
fn shows(query: &PeerQuery, n: u64, peer: &PeerRecord) -> bool {
    let name = peer.name.clone().unwrap_or_default().to_lowercase();
    let hex = peer.pubkey.to_hex();
    query.online.is_none_or(|online| online == (peer.status != PeerStatus::Offline && peer.lease_until > query.now))
        && query.trust.is_none_or(|trust| peer.trust == trust)
        && query.feature.as_ref().is_none_or(|feature| peer.features.contains(feature))
        && (!query.missing || n.is_multiple_of(3))
        && query.q.as_ref().is_none_or(|q| name.contains(q.as_str()) || hex.starts_with(q.as_str()))
}

/// Every combination of filters.
fn peer_queries(key: &PubKey) -> Vec<PeerQuery> {
    let beginning: String = key.to_hex().chars().take(9).collect();
    let mut queries = Vec::new();
    for online in [None, Some(true), Some(false)] {
        for trust in [None, Some(Trust::Known)] {
            for feature in [None, Some("query")] {
                for missing in [false, true] {
                    for q in [None, Some("agent 1"), Some(&beginning), Some("nobody")] {
                        let (feature, q) = (feature.map(str::to_owned), q.map(str::to_owned));
                        queries.push(PeerQuery { online, trust, feature, missing, q, ..PeerQuery::new(NOW) });
                    }
                }
            }
        }
    }
    queries
}

fn all_peers(reader: &Reader, query: &PeerQuery) -> Vec<PeerRecord> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        let page = reader.peers(&query).unwrap();
        found.extend(page.items);
        match page.next {
            Some(next) => query.before = Some(next),
            None => return found,
        }
    }
}

#[test]
fn every_filter_of_peers_and_every_page_agree_with_the_plain_way() {
    let home = Home::new();
    let mut store = home.open();
    let peers = varied_peers();
    write(&mut store, &peers.iter().cloned().map(put_peer).collect::<Vec<_>>());
    let gap = |n, last| Gap {
        peer: peer_key(n),
        line: LineId(1),
        first: last,
        last,
        found_at: NOW,
        shown: true,
        asks: 0,
        next_at: NOW,
        lost: None,
    };
    let gaps = (0..60).filter(|n| n % 3 == 0).flat_map(|n| [gap(n, 1), gap(n, 5)]);
    write(&mut store, &gaps.map(Change::PutGap).collect::<Vec<_>>());
    let reader = store.reader();
    let mut shown = 0;
    for query in peer_queries(&peer_key(7)) {
        let mut wanted: Vec<PeerRecord> =
            (0..).zip(&peers).filter(|(n, peer)| shows(&query, *n, peer)).map(|(_, peer)| peer.clone()).collect();
        wanted.reverse();
        shown += wanted.len();
        for limit in [1, 7, 100] {
            assert_eq!(all_peers(&reader, &PeerQuery { limit, ..query.clone() }), wanted, "{query:?}");
        }
    }
    assert!(shown > 300, "the questions ask for something: {shown}");
}

#[test]
fn paging_through_peers_shows_each_once() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &(0..50).map(|n| put_peer(peer(n, NOW.plus(n / 3)))).collect::<Vec<_>>());
    let found = all_peers(&store.reader(), &PeerQuery { limit: 7, ..PeerQuery::new(NOW) });
    assert!(found.windows(2).all(|pair| pair[0].last_seen >= pair[1].last_seen));
    let mut keys: Vec<_> = found.iter().map(|peer| peer.pubkey).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 50);
}

#[test]
fn paging_through_the_outbox_shows_each_message_once() {
    let home = Home::new();
    let mut store = home.open();
    for n in 0..20 {
        let parcel = Parcel { queued_at: NOW.plus(n / 3), ..parcel(n, ParcelClass::Message, 100 + n) };
        write(&mut store, &[add(outbound(n, 1, NOW)), put_parcel(parcel)]);
    }
    let mut before: Option<Cursor> = None;
    let mut found = Vec::new();
    loop {
        let page = store.reader().outbox(6, before).unwrap();
        found.extend(page.items.iter().map(|row| row.parcel.message));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..20).rev().map(id).collect::<Vec<_>>());
}

#[test]
fn a_page_is_compiled_once_whatever_its_limit() {
    let home = Home::new();
    let mut store = home.open();
    write(&mut store, &varied().into_iter().map(add).collect::<Vec<_>>());
    let reader = store.reader();
    let query = |limit| MessageQuery { limit, ..MessageQuery::default() };
    for limit in [1, 2, 50, 1] {
        reader.messages(&query(limit)).unwrap();
    }
    let compiled_anew = reader.with(|db| {
        let (sql, ..) = crate::reader::messages::page_sql(&query(1));
        Ok(db.prepare_cached(&sql)?.get_status(StatementStatus::RePrepare))
    });
    assert_eq!(compiled_anew.unwrap(), 0);
}
