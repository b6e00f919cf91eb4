//! What each tool does when all is well.

use anyhow::Result;
use ocmesh_api::{Message, NameWarning, Peer, StatusReport};
use serde_json::json;

use crate::{caller::Caller, fake_daemon::FakeDaemon};

/// A daemon that knows Ada and has one message of hers.
async fn with_ada() -> Result<(FakeDaemon, Caller)> {
    let daemon = FakeDaemon::start().await?;
    daemon.with(|state| {
        state.peers.push(Peer::example());
        state.messages.push(Message::example());
    });
    let caller = Caller::start(daemon.home()).await?;
    Ok((daemon, caller))
}

/// Another peer, by a digit.
pub(crate) fn peer(digit: char, name: &str) -> Peer {
    let pubkey: String = std::iter::repeat_n(digit, 64).collect();
    Peer { npub: format!("npub1{pubkey}"), pubkey, name: Some(name.to_owned()), ..Peer::example() }
}

/// Another message, by a digit.
pub(crate) fn message(digit: char, content: &str) -> Message {
    let id: String = std::iter::repeat_n(digit, 64).collect();
    Message { thread: id.clone(), id, content: content.to_owned(), ..Message::example() }
}

#[tokio::test]
async fn status_tells_who_we_are() -> Result<()> {
    let (_daemon, mut caller) = with_ada().await?;
    let (value, text) = caller.good("mesh_status", json!({})).await?;
    let report = StatusReport::example();
    assert_eq!((&value["npub"], &value["unread_count"], &value["state"]), (&json!(report.npub), &json!(1), &json!("ok")));
    assert!(text.contains(&report.npub) && text.contains("Unread messages: 1"), "{text}");
    Ok(())
}

#[tokio::test]
async fn peers_are_listed_filtered_and_paged() -> Result<()> {
    let (daemon, mut caller) = with_ada().await?;
    daemon.with(|state| {
        state.peers.push(Peer { online: false, ..peer('b', "bob") });
        state.page = Some(1);
    });
    let (first, text) = caller.good("mesh_peers", json!({"limit": 1})).await?;
    assert_eq!(first["peers"][0]["name"], "ada");
    assert_eq!(first["peers"][0]["untrusted"], true);
    assert!(text.contains("cursor 1") && text.contains(&Peer::example().npub), "{text}");
    let (second, _) = caller.good("mesh_peers", json!({"limit": 1, "cursor": first["next_cursor"]})).await?;
    assert_eq!((&second["peers"][0]["name"], second.get("next_cursor")), (&json!("bob"), None));
    let (online, _) = caller.good("mesh_peers", json!({"online": true})).await?;
    assert_eq!(online["peers"].as_array().unwrap().len(), 1);
    let (none, text) = caller.good("mesh_peers", json!({"query": "nobody"})).await?;
    assert_eq!((&none["peers"], text.starts_with("No agents found")), (&json!([]), true));
    let asked = daemon.with(|state| state.asked.clone());
    assert!(asked.contains(&"GET /peers?limit=1&cursor=1".to_owned()), "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn a_peer_is_found_by_key_petname_and_unique_name_only() -> Result<()> {
    let (daemon, mut caller) = with_ada().await?;
    daemon.with(|state| state.peers.push(Peer { petname: Some("boss".to_owned()), ..peer('b', "bob") }));
    let ada = Peer::example();
    for name in [ada.pubkey.as_str(), ada.npub.as_str(), "ada"] {
        let (value, text) = caller.good("mesh_peer", json!({"peer": name})).await?;
        assert_eq!(value["pubkey"], json!(ada.pubkey));
        assert!(text.contains("---- peer words "), "{text}");
    }
    assert_eq!(caller.good("mesh_peer", json!({"peer": "boss"})).await?.0["name"], "bob");
    assert!(caller.bad("mesh_peer", json!({"peer": "ad"})).await?.contains("peer_unknown"));
    // Somebody's name looks like Ada's: it is shown with a warning, and only its key will do.
    let twin = Peer { name_warning: Some(NameWarning::example()), ..peer('d', "adA") };
    daemon.with(|state| state.peers.push(twin.clone()));
    let (value, text) = caller.good("mesh_peer", json!({"peer": twin.pubkey})).await?;
    assert_eq!((&value["name_looks_like"], &value["name_mixes_scripts"]), (&json!(ada.pubkey), &json!(true)));
    assert!(text.contains(&format!("calls itself: adA (WARNING: looks like {}, and is somebody else)", ada.pubkey)), "{text}");
    assert!(caller.bad("mesh_peer", json!({"peer": "adA"})).await?.contains("name_ambiguous"));
    // Somebody takes Ada's name: from now on only the key will do.
    daemon.with(|state| state.peers.push(peer('c', "ada")));
    let text = caller.bad("mesh_peer", json!({"peer": "ada"})).await?;
    assert!(text.contains("name_ambiguous") && text.contains("npub"), "{text}");
    assert!(caller.bad("mesh_inbox", json!({"from": "ada"})).await?.contains("name_ambiguous"));
    // A petname is ours: nobody can take it.
    daemon.with(|state| state.peers.push(peer('d', "boss")));
    assert_eq!(caller.good("mesh_peer", json!({"peer": "boss"})).await?.0["name"], "bob");
    Ok(())
}

#[tokio::test]
async fn the_inbox_shows_and_does_not_acknowledge() -> Result<()> {
    let (daemon, mut caller) = with_ada().await?;
    daemon.with(|state| {
        state.messages.push(Message { read: true, ..message('a', "old") });
        state.messages.push(Message { direction: "out".to_owned(), read: true, ..message('b', "ours") });
        state.messages.push(Message { held: true, content: String::new(), ..message('c', "") });
    });
    let (value, text) = caller.good("mesh_inbox", json!({})).await?;
    let example = Message::example();
    assert_eq!(value["messages"].as_array().unwrap().len(), 1);
    let shown = &value["messages"][0];
    for (field, wanted) in
        [("id", json!(example.id)), ("from", json!(example.from)), ("from_name", json!("ada")), ("trust", json!("known"))]
    {
        assert_eq!(shown[field], wanted);
    }
    for (field, wanted) in [("verified", json!(true)), ("untrusted", json!(true)), ("body", json!(example.content)), ("read", json!(false))]
    {
        assert_eq!(shown[field], wanted);
    }
    assert!(
        text.contains(&format!("| {}", example.content)) && text.contains(&example.id) && text.contains("never instructions"),
        "{text}"
    );
    assert_eq!((value.get("missing"), text.contains("missing")), (None, false));
    daemon.with(|state| state.peers[0].missing = 1);
    let (value, text) = caller.good("mesh_inbox", json!({})).await?;
    let ada = Peer::example().pubkey;
    assert_eq!(value["missing"], json!([{"from": ada, "missing": 1, "asked": true, "lost": 0}]));
    let said = format!("1 missing from {ada}; ocmesh asks");
    let outside = text.lines().any(|line| line.starts_with(&said));
    assert!(outside, "in our own words, outside of the fence: {text}");
    for (more, count) in [
        (json!({"unread_only": false}), 2),
        (json!({"unread_only": false, "include_sent": true}), 3),
        (json!({"include_requests": true}), 2),
        (json!({"from": "ada"}), 1),
        (json!({"from": peer('f', "x").pubkey}), 0),
        (json!({"thread": example.thread}), 1),
    ] {
        let (value, _) = caller.good("mesh_inbox", more.clone()).await?;
        assert_eq!(value["messages"].as_array().unwrap().len(), count, "{more}");
    }
    assert!(daemon.with(|state| state.marked.is_empty() && !state.asked.iter().any(|line| line.starts_with("POST"))));
    Ok(())
}

#[tokio::test]
async fn reading_acknowledges_what_was_received_and_shown() -> Result<()> {
    let (daemon, mut caller) = with_ada().await?;
    let long = "y".repeat(20_000);
    daemon.with(|state| {
        state.messages.push(message('a', &long));
        state.messages.push(Message { direction: "out".to_owned(), status: "delivered".to_owned(), ..message('b', "ours") });
        state.messages.push(Message { held: true, content: String::new(), ..message('c', "") });
    });
    let (first, unknown) = (Message::example().id, message('e', "").id);
    let ids = json!([first, message('a', "").id, message('b', "").id, message('c', "").id, unknown, "5c83"]);
    let (value, _) = caller.good("mesh_read", json!({"ids": [first], "keep_unread": true})).await?;
    assert_eq!((&value["marked"], daemon.with(|state| state.marked.len())), (&json!(0), 0));
    let (value, text) = caller.good("mesh_read", json!({"ids": ids})).await?;
    assert_eq!(value["marked"], 2);
    assert_eq!(daemon.with(|state| state.marked.clone()), [first.clone(), message('a', "").id]);
    assert_eq!(value["unknown_ids"], json!([unknown, "5c83"]));
    assert_eq!(value["messages"][1]["body"].as_str().unwrap().len(), 40_000 / 4, "the room is shared out");
    assert_eq!(value["messages"][2]["history"][1]["what"], "sent");
    assert!(value["messages"][0].get("history").is_none());
    assert!(text.contains("Acknowledged: 2 messages.") && text.contains("The way of b"), "{text}");
    let (again, _) = caller.good("mesh_read", json!({"ids": [first]})).await?;
    assert_eq!(again["marked"], 0);
    let (alone, _) = caller.good("mesh_read", json!({"ids": [message('a', "").id]})).await?;
    assert_eq!((alone["messages"][0]["body"].as_str().unwrap().len(), alone["messages"][0].get("cut")), (20_000, None));
    Ok(())
}

#[tokio::test]
async fn an_agent_accepts_and_blocks_by_key() -> Result<()> {
    let (daemon, mut caller) = with_ada().await?;
    let ada = Peer::example();
    daemon.with(|state| state.peers[0].trust = "unknown".to_owned());
    for (name, trust) in [("ada", "known"), (ada.npub.as_str(), "known"), (ada.pubkey.as_str(), "blocked")] {
        let (value, text) = caller.good("mesh_trust", json!({"peer": name, "trust": trust})).await?;
        assert_eq!(value["trust"], trust, "{text}");
    }
    let patches = daemon.with(|state| state.patches.clone());
    let wanted = ["known", "blocked"].map(|trust| (ada.pubkey.clone(), json!({"trust": trust})));
    assert_eq!(patches, wanted, "what is so already is not done again");
    // A name that is not known stays unknown; a key is looked up.
    assert!(caller.bad("mesh_trust", json!({"peer": "zoe", "trust": "known"})).await?.contains("peer_unknown"));
    daemon.with(|state| state.peers.clear());
    caller.good("mesh_trust", json!({"peer": " npub1new ", "trust": "known"})).await?;
    assert_eq!(daemon.with(|state| state.added.clone()), ["npub1new"]);
    Ok(())
}

#[tokio::test]
async fn nobody_talks_an_agent_into_what_its_owner_decides() -> Result<()> {
    let (daemon, mut caller) = with_ada().await?;
    let ada = Peer::example();
    let request = Message { held: true, trust: "unknown".to_owned(), content: String::new(), ..message('c', "") };
    let twin = NameWarning::example();
    for (trust, warning, held, wanted, why) in [
        ("trusted", None, None, "known", "Your owner trusts"),
        ("trusted", None, None, "blocked", "Your owner trusts"),
        ("blocked", None, None, "known", "is blocked"),
        ("unknown", Some(twin), None, "known", "looks like that of another"),
        ("unknown", None, Some(request), "known", "waits for your owner's consent"),
    ] {
        daemon.with(|state| {
            state.peers = vec![Peer { trust: trust.to_owned(), name_warning: warning, ..Peer::example() }];
            state.messages = held.into_iter().collect();
        });
        let text = caller.bad("mesh_trust", json!({"peer": ada.npub, "trust": wanted})).await?;
        let command = format!("ocmesh peer trust {} {wanted}", ada.npub);
        assert!(text.contains("owner_needed") && text.contains(why) && text.contains(&command), "{trust} to {wanted}: {text}");
    }
    // Neither of these is a choice at all.
    for more in [json!({"trust": "trusted"}), json!({"trust": "unknown"}), json!({"trust": "known", "petname": "boss"})] {
        let mut arguments = more;
        arguments["peer"] = json!(ada.npub);
        assert!(caller.bad("mesh_trust", arguments).await?.contains("bad_arguments"));
    }
    assert_eq!(daemon.with(|state| (state.patches.clone(), state.added.clone())), (vec![], vec![]), "nothing was changed");
    Ok(())
}
