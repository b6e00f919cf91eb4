//! Writes the seeds of the corpus: real frames, events, documents and texts, most of them made by our own crates. `cargo run -p ocmesh-fuzz
//! --example seeds`; what is there already and what the fuzzer found stays.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{fs, path::Path};

use ocmesh_proto::{
    At, DirectDraft, Draft, DraftBody, EventId, Form, Hop, HopState, Parcel, ParcelClass, PeerStatus, PresenceDraft, PresenceVehicle,
    PubKey, RelayUrl, Resend, RouteReason, kind,
};
use ocmesh_wire::{Keys, seal};
use serde_json::{Value, json};

const NOW: At = At::from_secs(1_800_000_000);

fn main() {
    announcements();
    config();
    frames();
    messages();
    nip_11();
    requests();
    rows();
    session();
    terminal();
}

/// Writes one seed; its name says what it is.
fn put(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("seed-{name}"));
    if !path.exists() {
        fs::write(path, bytes).unwrap();
    }
}

/// The keys of the targets' people: everybody knows them.
fn keys(secret: u8) -> Keys {
    Keys::from_secret_bytes(&[secret; 32]).unwrap()
}

fn url(text: &str) -> RelayUrl {
    RelayUrl::parse(text).unwrap()
}

fn direct(form: Form, body: DraftBody) -> String {
    let draft = DirectDraft {
        place: None,
        urgent: false,
        to: keys(2).public(),
        form,
        body,
        written_at: NOW,
        reply_to: Some(EventId::from_bytes([7; 32])),
        subject: Some("Patch review".to_owned()),
        chain: None,
        own_copy: false,
    };
    seal(&keys(3), "0.3.0", &Draft::Direct(draft), None, NOW).unwrap().event.json.to_string()
}

/// An event that our own crate writes.
fn written(draft: &Draft) -> Value {
    serde_json::from_str(&seal(&keys(3), "0.3.0", draft, None, NOW).unwrap().event.json).unwrap()
}

fn presence(vehicle: PresenceVehicle, status: PeerStatus) -> Draft {
    Draft::Presence(PresenceDraft {
        vehicle,
        name: "quiet-heron".to_owned(),
        features: vec!["messaging".to_owned(), "query".to_owned()],
        status,
        next_at: NOW.plus(300_000),
        expires_at: NOW.plus(900_000),
        relays: vec![url("wss://relay.example.com"), url("wss://nos.example.org/inbox?x=1")],
        work_asked: 16,
        created_at: NOW,
    })
}

fn announcements() {
    let lists = [
        ("n", "note", presence(PresenceVehicle::Note, PeerStatus::Online)),
        ("p", "presence", presence(PresenceVehicle::Addressable, PeerStatus::Busy)),
        ("p", "goodbye", presence(PresenceVehicle::Addressable, PeerStatus::Offline)),
        ("f", "tomorrow", presence(PresenceVehicle::Addressable, PeerStatus::Online)),
        ("0", "profile", Draft::Profile { name: "heron".into(), about: "An agent.".into(), features: vec!["x".into()], created_at: NOW }),
        ("d", "inbox-relays", Draft::DmRelays { relays: vec![url("wss://a.example.com")], created_at: NOW }),
        ("r", "relay-list", Draft::RelayList { relays: vec![url("wss://a.example.com"), url("wss://b.example.com")], created_at: NOW }),
    ];
    for (letter, name, draft) in lists {
        let event = written(&draft);
        put("announcements", name, format!("{letter}{}\n{}", event["tags"], event["content"].as_str().unwrap()));
    }
    put(
        "announcements",
        "disguised",
        "p[[\"app\",\"ocmesh\"],[\"name\",\"a\\u202e\\u200b\\u001b[31m\\nb\"],[\"feature\",\"x\"],[\"feature\",\"x \"]]\n",
    );
    put("announcements", "no-presence", "n[[\"t\",\"music\"]]\nhello");
    put("announcements", "bare-presence", "p[[\"app\",\"ocmesh\"]]\nocmesh-agent-online");
    put("announcements", "empty-list", "d[[\"relay\",\"https://x\"],[\"relay\"],[]]\n");
    put(
        "announcements",
        "odd-relays",
        "d[[\"relay\",\"WSS://\u{e9}xample.com:443/\u{e9}\"],[\"relay\",\"wss://[::1]\"],[\"relay\",\"wss://a b\"]]\n",
    );
    // 212 bytes as they come, far more as they are kept.
    put("announcements", "long-relays", format!("d[[\"relay\",\"wss://x.com/{}\"]]\n", "\u{e9}".repeat(100)));
    put("announcements", "markers", "r[[\"r\",\"wss://a.b\",\"write\"],[\"r\",\"wss://c.d\",\"read\"],[\"r\",\"wss://0x7f.1\",\"\"]]\n");
}

fn messages() {
    for (name, body) in [
        ("text", DraftBody::Text("Are you free to review a patch?".to_owned())),
        ("intro", DraftBody::Intro { name: "heron".to_owned(), capabilities: vec!["messaging".to_owned()] }),
        ("delivered", DraftBody::Delivered(EventId::from_bytes([5; 32]))),
    ] {
        for form in [Form::Nip17, Form::Nip44, Form::Nip04] {
            put("messages", &format!("real-{}-{name}", form.as_str()), format!("r{}", direct(form, body.clone())));
        }
    }
    let good = direct(Form::Nip04, DraftBody::Text("hello".to_owned()));
    let event: Value = serde_json::from_str(&good).unwrap();
    let with = |name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        format!("r{event}")
    };
    put("messages", "raw-other-content", with("content", json!("other")));
    put("messages", "raw-other-author", with("sig", json!("00".repeat(64))));
    put("messages", "raw-presence", format!("r{}", written(&presence(PresenceVehicle::Note, PeerStatus::Online))));
    put("messages", "raw-no-event", "r{}");
    let rumor = |author: &str, extra: &str| {
        format!("w{{\"pubkey\":\"{author}\",\"created_at\":1800000000,\"kind\":14,\"tags\":[[\"p\",\"@bob\"]],\"content\":\"hi\"{extra}}}")
    };
    put("messages", "rumor", rumor("@mallory", ""));
    put("messages", "rumor-as-ada", rumor("@ada", ""));
    put("messages", "rumor-wrong-id", rumor("@mallory", ",\"id\":\"x\""));
    put("messages", "rumor-signed", rumor("@mallory", ",\"id\":\"\",\"sig\":\"00\""));
    put("messages", "rumor-none", "w[1]");
    put(
        "messages",
        "made-text",
        "m14 [[\"p\",\"@bob\"],[\"subject\",\"A\\u202e\"],[\"e\",\"00\",\"\",\"reply\"],[\"chain\",\"@ada\",\"3\"]]\nhello",
    );
    put("messages", "made-file", "m15 [[\"p\",\"@bob\"],[\"file-type\",\"image/png\"]]\nhttps://example.com/x");
    put("messages", "made-ping", "m78 [[\"p\",\"@bob\"],[\"app\",\"ocmesh\"]]\n{\"type\":\"ping\"}");
    for kind in [14, 78, 4_454] {
        let tags = "[[\"p\",\"@bob\"],[\"app\",\"ocmesh\"]]";
        put("messages", &format!("made-frame-{kind}"), format!("m{kind} {tags}\n{{\"type\":\"task\",\"body\":{{\"a\":[1]}}}}"));
    }
    put("messages", "made-other-kind", "m7 [[\"p\",\"@bob\"]]\n+");
    put("messages", "made-for-ada", "m14 [[\"p\",\"@ada\"]]\nhi");
    put("messages", "seal-none", "s{\"kind\":13}");
    put("messages", "wrap-odd-payload", "g[[\"p\",\"@bob\"]]\nAgAA");
    put("messages", "wrap-for-ada", "g[[\"p\",\"@ada\"]]\nAgAA");
    for (letter, name) in [("4", "nip44"), ("0", "nip04")] {
        put("messages", &format!("{name}-text"), format!("{letter}[[\"p\",\"@bob\"]]\nhello"));
        let intro = "{\"type\":\"intro\",\"name\":\"a\\u202eb\",\"capabilities\":[\"x\",\"x\",7],\"v\":\"0.2\"}";
        put("messages", &format!("{name}-intro"), format!("{letter}[[\"p\",\"@bob\"],[\"e\",\"@ada\"]]\n{intro}"));
        put("messages", &format!("{name}-read"), format!("{letter}[[\"p\",\"@bob\"]]\n{{\"type\":\"read\",\"msgId\":\"@ada\"}}"));
        put("messages", &format!("{name}-unknown"), format!("{letter}[[\"p\",\"@bob\"]]\n{{\"type\":\"b\\u0007\"}}"));
    }
    put("messages", "payload-odd", "p[[\"p\",\"@bob\"]]\nAAAA?iv=AAAA");
    put("messages", "expired", "4[[\"p\",\"@bob\"],[\"expiration\",\"1\"]]\nhello");
}

fn frames() {
    let event = written(&presence(PresenceVehicle::Addressable, PeerStatus::Online));
    put("frames", "event", json!(["EVENT", "presence", event]).to_string());
    put(
        "frames",
        "wrap",
        json!(["EVENT", "dm:p3", {"id": "a".repeat(64), "pubkey": "b", "kind": kind::GIFT_WRAP, "created_at": 1, "tags": [["p", "c"]]}])
            .to_string(),
    );
    for (name, text) in [
        ("odd-event", r#"["EVENT","s",{"id":7}]"#),
        ("ok", r#"["OK","aa",true,""]"#),
        ("ok-false", r#"["OK","aa",false,"ERROR: rate-limited: slow down\u0007"]"#),
        ("ok-odd", r#"["OK","aa","yes"]"#),
        ("eose", r#"["EOSE","s",["finish"]]"#),
        ("closed", r#"["CLOSED","s","auth-required: who are you\u202e"]"#),
        ("notice", r#"["NOTICE","a\nb"]"#),
        ("auth", r#"["AUTH","c\"d"]"#),
        ("count", r#"["COUNT","s",{"count":1}]"#),
        ("neg", r#"["NEG-MSG","s","61"]"#),
        ("deep", "[\"EVENT\",\"s\",[[[[[[[[]]]]]]]]]"),
        ("surrogate", r#"["NOTICE","\ud800"]"#),
        ("junk", "null"),
    ] {
        put("frames", name, text);
    }
}

fn nip_11() {
    put("nip-11", "full", json!({
        "name": "relay", "description": "d", "software": "git+https://example.com/strfry", "version": "1.0", "supported_nips": [1, "11", 40, 42, -1],
        "limitation": {"auth_required": true, "payment_required": false, "max_message_length": 131_072, "max_limit": 500,
            "created_at_upper_limit": 900, "created_at_lower_limit": 94_608_000, "max_subscriptions": 20, "restricted_writes": true},
    }).to_string());
    put("nip-11", "disguised", "{\"name\":\"a\\u202eb\\n\",\"supported_nips\":[65536,\"x\",null],\"limitation\":[]}");
    put("nip-11", "unknown", "{}");
    put("nip-11", "none", "<html>");
}

fn requests() {
    put("requests", "send", format!("s{}", json!(ocmesh_api::SendRequest::example())));
    put("requests", "send-bad", "s{\"to\":\"a\",\"content\":7}");
    put("requests", "read", format!("r{}", json!({"ids": [PubKey::from_bytes([1; 32])]})));
    put("requests", "add-peer", format!("a{}", json!(ocmesh_api::AddPeerRequest::example())));
    put("requests", "patch-peer", "p{\"trust\":\"known\",\"petname\":null}");
    put("requests", "add-relay", "l{\"url\":\"wss://relay.example.com\"}");
    put("requests", "patch-identity", "i{\"name\":\"heron\",\"about\":\"\",\"features\":[\"x\"],\"status\":\"busy\"}");
    put("requests", "message", format!("m{}", json!(ocmesh_api::Message::example())));
    put("requests", "detail", format!("d{}", json!(ocmesh_api::MessageDetail::example())));
    put("requests", "api-error", "e{\"code\":\"bad_request\",\"message\":\"m\",\"hint\":\"h\"}");
    let npub = ocmesh_wire::npub(&keys(3).public());
    put("requests", "npub", format!("k{npub}"));
    put("requests", "npub-uri", format!("knostr:{}", npub.to_uppercase()));
    put("requests", "hex", format!("k{}", keys(3).public()));
    put(
        "requests",
        "nprofile",
        "knprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p",
    );
    put("requests", "beginning", format!("R{}", npub.get(..20).unwrap()));
    put("requests", "beginning-hex", "R0aBc");
    put("requests", "moment", "t2026-11-23T12:58:01.250+01:00");
    put("requests", "cursor", "c1700000000123-42");
}

fn rows() {
    let relay = |n: u8| url(&format!("wss://r{n}.example.com"));
    let waiting = HopState::Waiting { tries: 2, next_at: NOW, last_error: Some("error: busy".to_owned()) };
    let states = [
        waiting,
        HopState::InFlight { tries: 0, since: NOW },
        HopState::Accepted { at: NOW },
        HopState::Refused { at: NOW, said: "blocked: no".to_owned() },
        HopState::Reserve,
    ];
    let hops: Vec<Hop> = (0..).zip(states).map(|(n, state)| Hop { relay: relay(n), state }).collect();
    let parcel = Parcel {
        message: EventId::from_bytes([1; 32]),
        class: ParcelClass::Message,
        to: keys(3).public(),
        form: Form::Nip17,
        event: EventId::from_bytes([2; 32]),
        kind: kind::GIFT_WRAP,
        wrapped_at: NOW,
        queued_at: NOW,
        expires_at: NOW.plus(604_800_000),
        why: RouteReason::DmRelayList,
        hops,
        resend: Some(Resend { count: 1, at: NOW, seen: true, taken_at: NOW, taken_by: 2 }),
        work: 16,
    };
    put("rows", "parcel", format!("p{}", json!(parcel)));
    put("rows", "parcel-plain", format!("p{}", json!(Parcel { resend: None, class: ParcelClass::Frame, hops: Vec::new(), ..parcel })));
    put("rows", "status", "s{\"state\":\"relayed\",\"at\":1,\"accepted\":1,\"of\":2}");
    put("rows", "status-failed", "s{\"state\":\"failed\",\"at\":1,\"reason\":\"refused\"}");
    put("rows", "history", "h{\"what\":\"refused\",\"relay\":\"wss://a.b\",\"said\":\"x\",\"retry\":true}");
    put("rows", "history-queued", "h{\"what\":\"queued\",\"relays\":[\"wss://a.b\"],\"why\":\"seen_on\"}");
    put("rows", "relays", "r[\"wss://a.example.com\",\"ws://127.0.0.1:7777/x?y\"]");
    put("rows", "list", "l{\"created_at\":1,\"relays\":[\"wss://a.b\"]}");
    put("rows", "handshake", format!("k{}", json!(ocmesh_proto::Handshake::Sent { tries: 1, at: NOW })));
    put("rows", "forms", "f[\"nip17\",\"nip04\"]");
    put("rows", "chain", format!("c{}", json!({"id": EventId::from_bytes([1; 32]), "hops": 4})));
    put("rows", "receipts", "d{\"delivered\":true,\"read\":false}");
    put("rows", "damaged", "p{\"message\":1}");
}

fn session() {
    let event = |n: u64, at: u64| {
        let id = format!("{n:064x}");
        json!({"id": id, "pubkey": "p", "kind": 1, "created_at": at, "tags": []}).to_string()
    };
    let live = "!want dm {\"kinds\":[1]}";
    put("session", "calm", format!("{live}\n[\"EVENT\",\"dm\",{}]\n[\"EOSE\",\"dm\"]\n[\"EOSE\",\"dm:p1\"]\n", event(1, 9)));
    put(
        "session",
        "closed",
        format!("{live}\n[\"CLOSED\",\"dm\",\"error: shutting down\"]\n!wait 1500\n[\"CLOSED\",\"dm\",\"restricted: no\"]\n"),
    );
    put(
        "session",
        "auth",
        format!("{live}\n[\"AUTH\",\"x\"]\n[\"CLOSED\",\"dm\",\"auth-required: \"]\n[\"OK\",\"a0\",true,\"\"]\n[\"EOSE\",\"dm\"]\n"),
    );
    put(
        "session",
        "auth-event",
        format!("{live}\n[\"AUTH\",\"x\"]\n[\"OK\",\"a0\",true]\n[\"EVENT\",\"dm:r1\",{0}]\n[\"EVENT\",\"dm\",{0}]\n", event(1, 9)),
    );
    put(
        "session",
        "auth-no",
        "!publish e\n[\"AUTH\",\"x\"]\n[\"OK\",\"e\",false,\"auth-required: x\"]\n[\"OK\",\"a0\",false,\"restricted: no\"]\n",
    );
    put("session", "publish", "!publish e\n!publish f\n[\"OK\",\"e\",true,\"\"]\n!wait 20000\n");
    put("session", "look-ups", "!once a {\"kinds\":[0]}\n!once b\n!once c\n!once d\n!once e\n[\"EOSE\",\"a\"]\n!drop b\n!wait 16000\n");
    put("session", "reconnect", format!("{live}\n[\"EOSE\",\"dm\"]\n!open\n[\"EOSE\",\"dm\"]\n{live}\n!wait 3600000\n"));
    put(
        "session",
        "pages",
        format!(
            "{live}\n[\"EVENT\",\"dm\",{}]\n[\"EVENT\",\"dm\",{}]\n[\"EOSE\",\"dm\"]\n[\"EVENT\",\"dm:p1\",{}]\n[\"CLOSED\",\"dm:p1\",\"\"]\n!wait 9000\n",
            event(1, 9),
            event(2, 8),
            event(3, 8)
        ),
    );
}

fn terminal() {
    put(
        "terminal",
        "plain",
        "Are you free?\n---\nada\n---\nPatch\n---\ntext\n---\nknown\n---\n2026-11-23T12:58:01Z\n---\n00\n---\nab\n---\ncd\n---\nin\n---\nreceived",
    );
    put(
        "terminal",
        "ours",
        "hi\n---\n\n---\n\n---\ntext\n---\nknown\n---\nx\n---\n00\n---\nab\n---\ncd\n---\nout\n---\nfailed\n---\nrefused\n---\nbob\n---\nff",
    );
    put(
        "terminal",
        "hostile",
        "a\u{1b}[2J\r\n\u{202e}b\u{9b}1m\t<|im_start|>\u{e0041}\u{2028}[INST]\n---\nboss [trusted]\n\u{7}\n---\n\u{200b}\n---\n\u{1b}]0;x\u{7}\n---\n\u{8}\n---\n\u{1b}c",
    );
    put("terminal", "emoji", "\u{1f578}\u{fe0f} \u{2714}\u{fe0f}\u{fe0f}\u{200d}\n\n\n---\n\u{65e5}\u{672c}\u{300}");
    put("terminal", "marks", "<<<<||>>>>[/INST]<<SYS>><</SYS>>");
}

fn config() {
    put("config", "defaults", "");
    let file = "name = \"heron\"\nrelays = [\"wss://a.example.com\", \"WSS://A.example.com/\"]\n[api]\nport = 0\nauth = \"token\"\nsocket = \"off\"\n[messages]\nttl = \"90m\"\n[log]\nlevel = \"debug\"\n";
    put("config", "file", file);
    put(
        "config",
        "environment",
        "name = 'x'\n---\nOCMESH_API_PORT=7433\nOCMESH_RELAYS=wss://a.b, ws://127.0.0.1:1\nOCMESH_PRESENCE_INTERVALL=1m\n--log.level=warn\n--inbox.policy=ask",
    );
    put("config", "no-toml", "name = \"\u{1b}");
    put("config", "unknown", "relay = 1");
    put("config", "address", "api.host = \"0.0.0.0\"");
    put("config", "bad", "[api]\nport = 99999999999999999999");
    put("config", "dotted", "api.port = 0x1F\n\"presence\".status = \"quiet\"\nfeatures = [\"a\", \"b\u{fe0f}\"]");
    put("config", "date", "name = 2026-01-01\nhandshake = {mode = \"off\", per_minute = 1.5}");
}
