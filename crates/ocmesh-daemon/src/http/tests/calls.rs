//! Every call when all is well, through the typed client: what goes to the mesh, and what comes back from the store.

use ocmesh_api::{AddPeerRequest, Health, IdentityPatch, MessagesQuery, OutboxQuery, PeerPatch, PeersQuery, ReadRequest, SendRequest};
use ocmesh_proto::{
    EventId, Gap, HistoryEntry, Hop, HopState, LineId, Lost, Parcel, ParcelClass, PeerLine, PeerRelays, PeerStatus, Place, RouteReason,
    Trust,
};

use super::*;

fn url(text: &str) -> RelayUrl {
    RelayUrl::parse(text).unwrap()
}

#[tokio::test]
async fn status_says_how_it_is() {
    let daemon = Daemon::new().await;
    daemon.write(&[put_peer(peer(ada(), "ada")), add(inbound(1)), add(MessageRecord { held: true, ..inbound(2) })], &[]);
    let status = daemon.client().status().await.unwrap();
    assert_eq!((status.state, status.unread_count, status.request_count, status.peer_count), (Health::Ok, 1, 1, 1));
    assert_eq!((status.pubkey.as_str(), status.name.as_str()), (OWN, "quiet-heron"));
    assert_eq!(status.npub, ocmesh_wire::npub(&OWN.parse().unwrap()));
    assert_eq!((status.outbox.queued, status.outbox.relayed, status.outbox.failed), (1, 2, 3));
    assert_eq!(status.relay_status.len(), 2);
    let raw = daemon.get("/status").await.value();
    for key in [
        "daemon_version",
        "uptime_seconds",
        "pubkey",
        "npub",
        "name",
        "peer_count",
        "online_peer_count",
        "unread_count",
        "outbox",
        "relay_status",
        "warnings",
    ] {
        assert!(raw.get(key).is_some(), "{key}");
    }
    assert_eq!(raw["relay_status"][0]["since"], "2026-09-21T14:13:20.000Z");
}

#[tokio::test]
async fn status_is_503_with_the_same_body_when_nothing_gets_through() {
    let daemon = Daemon::new().await;
    let degraded = [
        View { relays: vec![relay("wss://a.example.com", "waiting")], ..healthy_view() },
        View { relays: vec![RelayView { own: false, ..relay("wss://a.example.com", "ready") }], ..healthy_view() },
        View { relays: Vec::new(), ..healthy_view() },
        View { store_failing: Some("full".to_owned()), ..healthy_view() },
    ];
    for view in degraded {
        daemon.view.send_replace(Arc::new(view));
        assert_eq!(daemon.get("/status").await.status, 503);
        assert_eq!(daemon.client().status().await.unwrap().state, Health::Degraded);
    }
    daemon.view.send_replace(Arc::new(healthy_view()));
    assert_eq!(daemon.get("/status").await.status, 200);
}

#[tokio::test]
async fn peers_are_listed_filtered_and_shown_one_by_one() {
    let daemon = Daemon::new().await;
    let online = PeerRecord {
        status: PeerStatus::Busy,
        lease_until: NOW.plus(60_000),
        features: vec!["query".to_owned()],
        forms: vec![Form::Nip17],
        trust: Trust::Known,
        presence_relays: vec![url("wss://presence.example.com")],
        dm_relays: Some(PeerRelays { created_at: NOW, relays: vec![url("wss://dm.example.com")] }),
        ..peer(ada(), "ada")
    };
    let gone = PeerRecord { last_seen: NOW.minus(1_000), status: PeerStatus::Busy, name: None, ..peer(PubKey::from_bytes([2; 32]), "") };
    daemon.write(&[put_peer(online), put_peer(gone)], &[]);
    let client = daemon.client();
    let all = client.peers(&PeersQuery::default()).await.unwrap();
    assert_eq!(all.items.iter().map(|peer| peer.name.as_deref()).collect::<Vec<_>>(), [Some("ada"), None]);
    let ada = client.peer(ADA).await.unwrap();
    assert_eq!(ada, all.items[0]);
    assert!(ada.online && ada.status == "busy" && ada.trust == "known" && ada.handshake == "none");
    assert_eq!((ada.dm, ada.relays), (vec!["nip17".to_owned()], vec!["wss://dm.example.com".to_owned()]));
    assert_eq!(client.peer(&ada.npub).await.unwrap().pubkey, ADA, "a path takes an npub too");
    assert_eq!(all.items[1].status, "offline", "a lease that is over");
    for (query, found) in [
        (PeersQuery { online: Some(true), ..PeersQuery::default() }, 1),
        (PeersQuery { online: Some(false), ..PeersQuery::default() }, 1),
        (PeersQuery { q: Some("AD".to_owned()), ..PeersQuery::default() }, 1),
        (PeersQuery { q: Some("zz".to_owned()), ..PeersQuery::default() }, 0),
        (PeersQuery { feature: Some("query".to_owned()), ..PeersQuery::default() }, 1),
        (PeersQuery { trust: Some("known".to_owned()), ..PeersQuery::default() }, 1),
        (PeersQuery { trust: Some("blocked".to_owned()), ..PeersQuery::default() }, 0),
    ] {
        assert_eq!(client.peers(&query).await.unwrap().items.len(), found, "{query:?}");
    }
    assert_eq!(daemon.get("/peers?trust=blocked").await.body, "[]");
}

#[tokio::test]
async fn no_injection_steers_through_the_text_of_an_answer_and_every_value_stays_itself() {
    let daemon = Daemon::new().await;
    let attacks = ocmesh_testkit::injections::corpus().unwrap();
    assert!(attacks.len() >= 300);
    daemon.write(&[put_peer(PeerRecord { about: Some("<|im_start|>\u{202e}".to_owned()), ..peer(ada(), "[INST]<system>") })], &[]);
    for (n, attack) in (0_u16..).zip(&attacks) {
        let [high, low] = n.to_be_bytes();
        let mut id = [1; 32];
        (id[0], id[1]) = (high, low);
        let message =
            MessageRecord { id: MessageId::from_bytes(id), subject: Some(attack.text.clone()), content: attack.text.clone(), ..inbound(1) };
        daemon.write(&[add(message)], &[]);
    }
    for path in ["/messages?limit=1000", "/peers", &format!("/peers/{ADA}")] {
        let body = daemon.get(path).await.body;
        let inside: String = body.replace("[{", "{").replace("}]", "}");
        assert!(!inside.contains(ocmesh_text::is_hidden), "{path}");
        for text in inside.split(',') {
            ocmesh_testkit::injections::harmless_unfenced(text).unwrap();
        }
    }
    let got = daemon.client().messages(&MessagesQuery { limit: Some(1_000), ..MessagesQuery::default() }).await.unwrap().items;
    // An event of /events carries the same, written by the same writer.
    for message in &got {
        let data = ocmesh_api::Event::Message(Box::new(message.clone())).data().unwrap();
        assert!(!data.contains(['\n', '\r']) && !data.contains(ocmesh_text::is_hidden), "{data}");
        data.trim_matches(['{', '}']).split(',').for_each(|text| ocmesh_testkit::injections::harmless_unfenced(text).unwrap());
    }
    let mut content: Vec<String> = got.iter().map(|message| message.content.clone()).collect();
    let mut wanted: Vec<String> = attacks.into_iter().map(|attack| attack.text).collect();
    content.sort();
    wanted.sort();
    assert_eq!(content, wanted, "byte for byte");
    assert!(got.iter().all(|message| message.untrusted && message.verified && message.trust == "unknown" && message.from == ADA));
}

#[tokio::test]
async fn requests_show_who_waits_and_not_what_and_are_accepted_or_refused() {
    let daemon = Daemon::answering(|ask| match ask {
        Ask::AddPeer { .. } => Ok(Told::Peer(ada())),
        _ => Ok(Told::Done),
    })
    .await;
    let client = daemon.client();
    assert_eq!(client.requests().await.unwrap(), []);
    let held = |n: u8, content: &str| MessageRecord { held: true, content: content.to_owned(), ..inbound(n) };
    let forgotten = MessageRecord { peer: PubKey::from_bytes([2; 32]), ..held(3, "x") };
    daemon.write(&[put_peer(peer(ada(), "ada")), add(held(1, "caf\u{e9}")), add(held(2, "secret words")), add(forgotten)], &[]);
    let requests = client.requests().await.unwrap();
    let shown: Vec<_> = requests.iter().map(|request| (request.name.as_deref(), request.messages, request.size)).collect();
    assert_eq!(shown, [(None, 1, 1), (Some("ada"), 2, 5 + 12)], "the newest first");
    assert!(requests.iter().all(|request| request.untrusted));
    assert!(!daemon.get("/requests").await.body.contains("secret"), "not before it is accepted");
    // By its id too a request shows no words, and cannot be acknowledged.
    assert_eq!(client.message(&id(2).to_hex()).await.unwrap().message.content, "");
    assert_eq!(daemon.store.lock().unwrap().inbound_facts(&[id(1), id(2)]).unwrap(), []);
    assert_eq!(client.accept_request(ADA).await.unwrap().pubkey, ADA);
    client.refuse_request(ADA).await.unwrap();
    let asked = daemon.asked();
    assert!(asked[0].starts_with("AddPeer") && asked[1].starts_with("RefuseRequest"), "{asked:?}");
    for path in [format!("/requests/{OWN}"), "/requests/x".to_owned()] {
        assert!(matches!(daemon.json("DELETE", &path, "").await.status, 400 | 404));
    }
    assert_eq!(daemon.asked().len(), 2, "nobody else is asked about");
    daemon.write(&[Change::DropHeld(ada())], &[]);
    assert_eq!(client.requests().await.unwrap().len(), 1);
    assert!(daemon.store.lock().unwrap().is_seen(&id(2)).unwrap(), "it does not come again");
    assert_eq!(client.status().await.unwrap().request_count, 1);
}

#[tokio::test]
async fn what_is_missing_shows_at_its_author_and_where_it_is_missing() {
    let daemon = Daemon::new().await;
    let line = LineId(u64::MAX);
    let numbered = |n: u8, number| MessageRecord { place: Some(Place { line, number, previous: None }), ..inbound(n) };
    let gap = Gap { peer: ada(), line, first: 2, last: 3, found_at: NOW, shown: true, asks: 1, next_at: NOW, lost: None };
    let lost = Gap { first: 5, last: 5, lost: Some(Lost::Gone), ..gap };
    let known = PeerLine { peer: ada(), line, highest: 6, heard_at: NOW, breaks: 1 };
    let changes =
        [put_peer(peer(ada(), "ada")), put_peer(peer(PubKey::from_bytes([2; 32]), "bob")), add(numbered(1, 1)), add(numbered(4, 4))];
    daemon.write(&changes, &[]);
    daemon.write(&[add(numbered(6, 6)), Change::PutGap(gap), Change::PutGap(lost), Change::PutLine(known)], &[]);
    let client = daemon.client();
    let ada = client.peer(ADA).await.unwrap();
    assert_eq!((ada.missing, ada.lost, ada.chain_breaks), (2, 1, 1));
    let missing = client.peers(&PeersQuery { missing: Some(true), ..PeersQuery::default() }).await.unwrap().items;
    assert_eq!(missing, [ada], "and not of bob");
    let status = client.status().await.unwrap();
    assert_eq!((status.missing_count, status.lost_count), (2, 1));
    let messages = client.messages(&MessagesQuery::default()).await.unwrap().items;
    assert_eq!(messages.iter().map(|message| message.missing_before).collect::<Vec<_>>(), [1, 2, 0]);
}

#[tokio::test]
async fn peers_are_added_changed_and_forgotten() {
    let daemon = Daemon::answering(|ask| Ok(if matches!(ask, Ask::AddPeer { .. }) { Told::Peer(ada()) } else { Told::Done })).await;
    daemon.write(&[put_peer(peer(ada(), "ada"))], &[]);
    let client = daemon.client();
    let added = client.add_peer(&AddPeerRequest { peer: "npub1x".to_owned(), petname: Some(" ".to_owned()) }).await.unwrap();
    assert_eq!(added.pubkey, ADA);
    client.change_peer(ADA, &PeerPatch { trust: Some("trusted".to_owned()), petname: Some(None) }).await.unwrap();
    client.change_peer(ADA, &PeerPatch::default()).await.unwrap();
    assert!(client.forget_peer(ADA).await.unwrap().ok);
    let asked = daemon.asked();
    assert_eq!(asked.len(), 3, "a patch without a change asks nothing");
    assert!(asked[0].contains("npub1x") && asked[0].contains("petname: None"), "{asked:?}");
    assert!(asked[1].contains("trust: Some(Trusted), petname: Some(None)"), "{asked:?}");
    assert!(asked[2].starts_with("ForgetPeer"), "{asked:?}");
}

#[tokio::test]
async fn messages_come_newest_first_page_by_page() {
    let daemon = Daemon::new().await;
    let mut changes = vec![put_peer(peer(ada(), "ada"))];
    changes.extend((1..=7).map(|n| add(inbound(n))));
    changes.push(add(outbound(8)));
    changes.push(add(MessageRecord { held: true, content: "psst".to_owned(), subject: Some("s".to_owned()), ..inbound(9) }));
    changes.push(Change::SetRead { id: id(3), at: NOW });
    daemon.write(&changes, &[]);
    let client = daemon.client();
    let mut seen = Vec::new();
    let mut query = MessagesQuery { limit: Some(3), ..MessagesQuery::default() };
    loop {
        let page = client.messages(&query).await.unwrap();
        assert!(page.items.len() <= 3);
        seen.extend(page.items.into_iter().map(|message| message.content));
        let Some(next) = page.next else { break };
        query.cursor = Some(next);
    }
    assert_eq!(seen, (1..=7).rev().map(|n| format!("message {n}")).collect::<Vec<_>>());
    let count = async |query: MessagesQuery| client.messages(&query).await.unwrap().items.len();
    assert_eq!(count(MessagesQuery { unread: Some(true), ..MessagesQuery::default() }).await, 6);
    assert_eq!(count(MessagesQuery { unread: Some(false), ..MessagesQuery::default() }).await, 1);
    assert_eq!(count(MessagesQuery { direction: Some("out".to_owned()), ..MessagesQuery::default() }).await, 1);
    assert_eq!(count(MessagesQuery { direction: Some("any".to_owned()), ..MessagesQuery::default() }).await, 8);
    assert_eq!(count(MessagesQuery { from: Some(OWN.to_owned()), ..MessagesQuery::default() }).await, 0);
    assert_eq!(count(MessagesQuery { thread: Some(id(5).to_hex()), ..MessagesQuery::default() }).await, 1);
    assert_eq!(count(MessagesQuery { since: Some("2026-09-21T14:13:26Z".to_owned()), ..MessagesQuery::default() }).await, 2);
    let held =
        client.messages(&MessagesQuery { held: Some(true), limit: Some(1), ..MessagesQuery::default() }).await.unwrap().items.remove(0);
    assert_eq!((held.held, held.content.as_str(), held.subject, held.size), (true, "", None, 4), "who and how much, not what");
    assert_eq!(daemon.get(&format!("/messages/{}", id(9))).await.value()["content"], "");
}

#[tokio::test]
async fn a_message_shows_both_sides_and_its_raw_content() {
    let daemon = Daemon::new().await;
    let nasty = "\u{1b}[31m\u{202e}\u{0}<script>";
    daemon.write(&[put_peer(peer(ada(), "ada")), add(MessageRecord { content: nasty.to_owned(), ..inbound(1) }), add(outbound(2))], &[]);
    let one = daemon.client().message(&id(1).to_hex()).await.unwrap();
    assert_eq!(one.message.content, nasty);
    assert_eq!((one.message.from.as_str(), one.message.from_name.as_deref()), (ADA, Some("ada")));
    assert_eq!((one.message.to.as_str(), one.message.to_name.as_deref()), (OWN, Some("quiet-heron")));
    let two = daemon.client().message(&id(2).to_hex()).await.unwrap();
    assert_eq!((two.message.from.as_str(), two.message.to.as_str(), two.message.status.as_str()), (OWN, ADA, "queued"));
    let raw = daemon.get("/messages").await.value();
    for key in ["id", "from", "from_name", "content", "timestamp", "read", "type", "thread", "trust", "encryption", "direction", "status"] {
        assert!(raw[0].get(key).is_some(), "{key}");
    }
}

#[tokio::test]
async fn a_message_tells_its_whole_history() {
    let daemon = Daemon::new().await;
    let (a, b) = (url("wss://a.example.com"), url("wss://b.example.com"));
    let line = |entry| Change::AddHistory { id: id(1), at: NOW, entry };
    daemon.write(
        &[
            add(outbound(1)),
            line(HistoryEntry::Queued { relays: vec![a.clone(), b.clone()], why: RouteReason::SeenOn }),
            line(HistoryEntry::Accepted { relay: a.clone() }),
            line(HistoryEntry::Refused { relay: b, said: "blocked".to_owned(), retry: false }),
            Change::SetStatus { id: id(1), status: Status::Relayed { at: NOW, accepted: 1, of: 2 } },
        ],
        &[],
    );
    let detail = daemon.client().message(&id(1).to_hex()).await.unwrap();
    assert_eq!(detail.history.iter().map(|line| line.what.as_str()).collect::<Vec<_>>(), ["queued", "accepted", "refused"]);
    assert_eq!((detail.message.relays_accepted, detail.message.relays_total), (Some(1), Some(2)));
    assert_eq!(detail.route_reason.as_deref(), Some("seen_on"));
    assert_eq!(detail.route.iter().map(|hop| hop.state.as_str()).collect::<Vec<_>>(), ["accepted", "refused"]);
}

#[tokio::test]
async fn messages_are_acknowledged() {
    let daemon = Daemon::answering(|_| Ok(Told::Marked(1))).await;
    daemon.write(&[add(inbound(1))], &[]);
    let client = daemon.client();
    assert_eq!(client.mark_read(&ReadRequest { ids: Some(vec![id(1).to_hex()]), all: None }).await.unwrap().marked, 1);
    assert_eq!(client.mark_read(&ReadRequest { ids: None, all: Some(true) }).await.unwrap().marked, 1);
    assert_eq!(client.mark_one_read(&id(1).to_hex()).await.unwrap().marked, 1);
    let asked = daemon.asked();
    assert_eq!(asked[1], "MarkAllRead");
    assert!(asked[0].starts_with("MarkRead") && asked[0] == asked[2], "{asked:?}");
}

#[tokio::test]
async fn a_message_is_sent_word_for_word() {
    let told = Told::Queued { id: id(4), to: ada(), written_at: NOW, status: Status::Queued, secrets: Vec::new() };
    let daemon = Daemon::answering(move |_| Ok(told.clone())).await;
    let request = SendRequest {
        to: "ada".to_owned(),
        content: "  spaces, \u{e9}, \u{1f980}  ".to_owned(),
        reply_to: Some(id(1).to_hex()),
        subject: Some("s".to_owned()),
        idempotency_key: Some("k".to_owned()),
        origin: Some(ocmesh_api::Origin::Owner),
        ..SendRequest::default()
    };
    let sent = daemon.client().send(&request).await.unwrap();
    assert_eq!((sent.id, sent.to, sent.status.as_str()), (id(4).to_hex(), ADA.to_owned(), "queued"));
    assert_eq!(sent.timestamp, "2026-09-21T14:13:20.000Z");
    let asked = daemon.asked.lock().unwrap();
    let Ask::Send { to, content, reply_to, subject, idempotency_key, origin: ocmesh_proto::Origin::Owner, .. } = &asked[0] else {
        panic!("{asked:?}")
    };
    assert_eq!((to, content), (&request.to, &request.content));
    assert_eq!((*reply_to, subject, idempotency_key), (Some(id(1)), &request.subject, &request.idempotency_key));
}

#[tokio::test]
async fn a_dry_run_says_where_it_would_go_and_what_looks_like_a_secret() {
    let daemon = Daemon::answering(|ask| {
        let Ask::Send { secrets, dry_run: true, allow_secret: true, .. } = ask else { panic!("{ask:?}") };
        let (to, relays, secrets) = (ada(), vec![url("wss://a.example.com")], secrets.clone());
        Ok(Told::WouldQueue { to, form: Form::Nip17, relays, why: RouteReason::DmRelayList, secrets, refused: true, work: 16 })
    })
    .await;
    let content = format!("you asked for\nit: gh{}", "p_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX");
    let request = SendRequest { to: "ada".to_owned(), content, allow_secret: true, ..SendRequest::default() };
    let answer = daemon.client().dry_run(&request).await.unwrap();
    assert_eq!((answer.would.as_str(), answer.to.as_str(), answer.encryption.as_str()), ("refuse", ADA, "nip17"));
    assert_eq!((answer.relays[0].as_str(), answer.route_reason.as_str()), ("wss://a.example.com", "dm_relay_list"));
    assert_eq!(answer.work_bits, 16);
    let seen = &answer.secrets[0];
    assert_eq!((seen.kind.as_str(), seen.part.as_str(), seen.line, seen.column), ("GitHub token", "content", 2, 5));
    // What is too long is not looked at: it is refused for that.
    let long = SendRequest { content: format!("{}{}", request.content, " ".repeat(4_097)), subject: Some("hi".to_owned()), ..request };
    assert!(daemon.client().dry_run(&long).await.unwrap().secrets.is_empty());
}

#[tokio::test]
async fn the_outbox_says_what_waits_and_why() {
    let daemon = Daemon::new().await;
    let hop = |n: u32, state| Hop { relay: url(&format!("wss://r{n}.example.com")), state };
    let parcel = Parcel {
        message: id(1),
        class: ParcelClass::Message,
        to: ada(),
        form: Form::Nip17,
        event: EventId::from_bytes([9; 32]),
        kind: 1059,
        wrapped_at: NOW,
        queued_at: NOW,
        expires_at: NOW.plus(1_000),
        why: RouteReason::DmRelayList,
        hops: vec![
            hop(1, HopState::Refused { at: NOW, said: "blocked".to_owned() }),
            hop(2, HopState::Waiting { tries: 2, next_at: NOW.plus(5_000), last_error: Some("no route".to_owned()) }),
            hop(3, HopState::Waiting { tries: 0, next_at: NOW.plus(2_000), last_error: None }),
            hop(4, HopState::Reserve),
        ],
        resend: None,
        work: 0,
    };
    daemon.write(&[put_peer(peer(ada(), "ada")), add(outbound(1)), Change::PutParcel(Box::new(parcel))], &[]);
    let client = daemon.client();
    let page = client.outbox(&OutboxQuery::default()).await.unwrap();
    let entry = &page.items[0];
    assert_eq!((entry.id.as_str(), entry.to_name.as_deref(), entry.status.as_str()), (id(1).to_hex().as_str(), Some("ada"), "queued"));
    assert_eq!(entry.next_try_at.as_deref(), Some("2026-09-21T14:13:22.000Z"), "the soonest");
    assert_eq!((entry.last_error.as_deref(), entry.route_reason.as_str()), (Some("no route"), "dm_relay_list"));
    assert_eq!(entry.route.iter().map(|hop| hop.state.as_str()).collect::<Vec<_>>(), ["refused", "waiting", "waiting", "reserve"]);
    assert!(client.cancel(&id(1).to_hex()).await.unwrap().ok && client.retry(&id(1).to_hex()).await.unwrap().ok);
    let asked = daemon.asked();
    assert!(asked[0].starts_with("Cancel(") && asked[1].starts_with("Retry("), "{asked:?}");
}

#[tokio::test]
async fn relays_are_listed_added_and_removed() {
    let daemon = Daemon::new().await;
    let client = daemon.client();
    assert_eq!(client.relays().await.unwrap()[0].url, "wss://a.example.com");
    assert!(client.add_relay("WSS://New.Example.com/").await.unwrap().ok);
    assert!(client.remove_relay("wss://a.example.com/path?x=1").await.unwrap().ok);
    let asked = daemon.asked();
    assert!(asked[0].contains("\"wss://new.example.com\"") && asked[1].contains("\"wss://a.example.com/path?x=1\""), "{asked:?}");
}

#[tokio::test]
async fn our_profile_is_shown_and_changed_and_never_the_secret() {
    let daemon = Daemon::new().await;
    let client = daemon.client();
    assert_eq!(client.identity().await.unwrap().dm_relays, ["wss://a.example.com"]);
    let patch = IdentityPatch {
        name: Some(" Heron\u{202e} ".to_owned()),
        about: Some(String::new()),
        status: Some("busy".to_owned()),
        features: None,
    };
    client.change_identity(&patch).await.unwrap();
    client.change_identity(&IdentityPatch::default()).await.unwrap();
    assert_eq!(daemon.asked(), ["SetIdentity { name: Some(\"Heron\"), about: Some(\"\"), features: None, status: Some(Busy) }"]);
    let keys: Vec<_> = daemon.get("/identity").await.value().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["about", "dm_relays", "features", "name", "npub", "pubkey", "status"]);
}

#[tokio::test]
async fn health_metrics_and_docs_answer() {
    let daemon = Daemon::new().await;
    daemon.write(&[add(inbound(1))], &[]);
    assert_eq!(daemon.get("/health").await.body, "{\"ok\":true}");
    let metrics = daemon.get("/metrics").await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in ["ocmesh_up 1", "ocmesh_messages_unread 1", "ocmesh_relays{state=\"ready\"} 1", "ocmesh_messages_sent{status=\"queued\"} 0"]
    {
        assert!(metrics.body.lines().any(|found| found == line), "{line}\n{}", metrics.body);
    }
    let docs = daemon.get("/docs").await;
    assert!(docs.header("content-type").unwrap().starts_with("text/html"));
    assert!(docs.header("content-security-policy").unwrap().contains("default-src 'none'"));
    for part in ["<script", "http://", "https://"] {
        let own = format!("http://127.0.0.1:{}", daemon.port);
        assert!(!docs.body.replace(&own, "").replace("wss://", "").contains(part), "{part}");
    }
    for route in ocmesh_api::ROUTES {
        assert!(docs.body.contains(&format!("<code>{}</code>", route.path)), "{}", route.path);
    }
}

#[tokio::test]
async fn the_client_speaks_over_tcp_as_well_and_knows_a_daemon_that_is_gone() {
    let daemon = Daemon::new().await;
    assert!(Client::at(daemon.endpoint(false)).health().await.unwrap().ok);
    let home = daemon.home.path();
    assert!(matches!(Client::from_home(home), Err(ocmesh_api::ClientError::NotRunning)));
    std::fs::write(home.join("api.json"), serde_json::to_vec(&daemon.endpoint(true)).unwrap()).unwrap();
    let client = Client::from_home(home).unwrap();
    assert!(client.health().await.unwrap().ok);
    std::fs::remove_file(daemon.socket()).unwrap();
    assert!(matches!(client.health().await, Err(ocmesh_api::ClientError::NotRunning)));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_said_and_not_hidden() {
    let daemon = Daemon::new().await;
    std::fs::remove_file(daemon.home.path().join("ocmesh.db")).unwrap();
    let status = daemon.get("/status").await;
    assert_eq!((status.status, status.value()["state"].as_str()), (503, Some("degraded")));
    assert!(status.value()["warnings"][0].as_str().unwrap().contains("ocmesh doctor"));
    for target in ["/messages", "/peers", "/outbox", "/events", "/metrics"] {
        let reply = daemon.get(target).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "store_failing"), "{target}");
        assert!(!reply.body.contains("ocmesh.db"), "what is internal stays inside");
    }
    assert_eq!(daemon.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_harms_nobody_else() {
    let daemon = Daemon::new().await;
    daemon.clock_breaks.store(true, std::sync::atomic::Ordering::Relaxed);
    let reply = daemon.get("/peers").await;
    assert_eq!((reply.status, reply.code().as_str()), (500, "internal"));
    assert!(!reply.body.contains("clock"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    daemon.clock_breaks.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(daemon.get("/peers").await.status, 200);
}

#[tokio::test]
async fn before_what_is_known_of_peers_was_read_only_the_status_is_told() {
    let daemon = Arc::new(Daemon::new().await);
    daemon.view.send_replace(Arc::new(View { opening: true, warnings: vec!["just started".to_owned()], ..View::default() }));
    let before = daemon.view.receiver_count();
    let caller = Arc::clone(&daemon);
    let peers = tokio::spawn(async move { caller.get("/peers").await });
    tokio::time::timeout(BOUND, async {
        while daemon.view.receiver_count() == before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the call waits");
    let status = daemon.get("/status").await;
    assert_eq!((status.status, &status.value()["warnings"][0]), (503, &"just started".into()));
    assert_eq!(daemon.get("/health").await.status, 200);
    assert!(!peers.is_finished(), "a list would lack its warnings");
    daemon.view.send_replace(Arc::new(healthy_view()));
    assert_eq!(peers.await.unwrap().status, 200);
}
