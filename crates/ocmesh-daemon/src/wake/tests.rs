//! Adapters against places that behave as they are told: what is sent, and what each answer means.

use std::{sync::Mutex as StdMutex, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use ocmesh_proto::{
    At, Change, Direction, EventId, Form, MessageRecord, PeerRecord, PeerSource, PubKey, ReceiptsSent, Status, Trust, WakeClass,
};
use ocmesh_relay::HookUrl;
use ocmesh_store::{Store, StoreKey};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

/// A request that came.
#[derive(Debug, Clone)]
struct Heard {
    path: String,
    headers: HeaderMap,
    body: Value,
    raw: Bytes,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

type Say = Box<dyn Fn() -> Response + Send + Sync>;

#[derive(Clone)]
struct Gateway(Arc<(StdMutex<Vec<Heard>>, Say)>, HookUrl);

impl Gateway {
    async fn that_says(say: impl Fn() -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = HookUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let gateway = Self(Arc::new((StdMutex::default(), Box::new(say))), url);
        let router = Router::new().fallback(hear).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        gateway
    }

    fn heard(&self) -> Vec<Heard> {
        self.0.0.lock().unwrap().clone()
    }
}

async fn hear(State(gateway): State<Gateway>, uri: Uri, headers: HeaderMap, raw: Bytes) -> Response {
    let body = serde_json::from_slice(&raw).unwrap();
    gateway.0.0.lock().unwrap().push(Heard { path: uri.path().to_owned(), headers, body, raw });
    (gateway.0.1)()
}

fn good() -> Response {
    "{\"ok\":true,\"mode\":\"now\",\"eventOutcome\":\"queued\"}".into_response()
}

struct Bench {
    dir: TempDir,
    tools: Tools,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("ocmesh.db"), &StoreKey::generate().unwrap()).unwrap();
        let tools = Tools {
            client: HookClient::new("ocmesh/test".to_owned()),
            reader: store.reader(),
            npub: "npub1me".to_owned(),
            clock: Clock::from_fn(|| At(1_800_000_000_500)),
            home: dir.path().to_owned(),
        };
        Self { dir, tools, store }
    }

    fn secret(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("secret");
        crate::home::write_atomically(&path, text.as_bytes()).unwrap();
        path
    }

    fn gateway(&self, url: &HookUrl, mode: OpenClawMode) -> OpenClaw {
        OpenClaw { url: url.clone(), token_file: self.secret("the-token\n"), mode, agent: None }
    }
}

fn wake() -> Wake {
    Wake { number: 7, class: WakeClass::Normal, unread: 3, newest: EventId::from_bytes([5; 32]), raised_at: At(255), tries: 2 }
}

fn errand() -> Errand {
    Errand::of("agent", &wake())
}

fn why(outcome: &WakeOutcome) -> (&'static str, &str) {
    match outcome {
        WakeOutcome::Woke => ("woke", ""),
        WakeOutcome::Failed { why, .. } => ("failed", why),
        WakeOutcome::Refused { why } => ("refused", why),
    }
}

#[tokio::test]
async fn an_openclaw_gateway_gets_a_notice_without_content() {
    let bench = Bench::new();
    let gateway = Gateway::that_says(good).await;
    let target = OpenClaw { agent: Some("main".to_owned()), ..bench.gateway(&gateway.1, OpenClawMode::Main) };
    assert_eq!(target.wake(&errand(), &bench.tools).await, WakeOutcome::Woke);
    let heard = gateway.heard().pop().unwrap();
    assert_eq!((heard.path.as_str(), heard.header("authorization")), ("/hooks/wake", "Bearer the-token"));
    assert_eq!((heard.body["mode"].as_str(), heard.body["agentId"].as_str()), (Some("now"), Some("main")));
    let text = heard.body["text"].as_str().unwrap();
    assert!(text.contains("3 unread messages") && text.ends_with("(wake agent-7-ff)"), "{text}");

    // The restricted agent by its mapping, and under another path.
    let target = OpenClaw { url: gateway.1.with_path("/my-hooks/"), ..bench.gateway(&gateway.1, OpenClawMode::Isolated) };
    assert_eq!(target.wake(&errand(), &bench.tools).await, WakeOutcome::Woke);
    let heard = gateway.heard().pop().unwrap();
    assert_eq!((heard.path.as_str(), heard.header("idempotency-key")), ("/my-hooks/ocmesh", "agent-7-ff"));
    assert_eq!((heard.body["id"].as_str(), heard.body["wake"]["unread"].as_u64()), (Some("agent-7-ff"), Some(3)));
    // A try again is the same to the last byte.
    target.wake(&Errand::of("agent", &Wake { tries: 9, ..wake() }), &bench.tools).await;
    assert_eq!(gateway.heard().pop().unwrap().raw, heard.raw);
}

#[tokio::test]
async fn each_answer_of_a_gateway_means_what_it_should() {
    let bench = Bench::new();
    let cases: [(u16, &'static str, &str, &str); 12] = [
        (200, "{\"ok\": true, \"runId\":\"x\"}", "woke", ""),
        (200, "<html>hello</html>", "failed", "does not answer like an OpenClaw gateway"),
        (401, "Unauthorized", "refused", "hooks.token"),
        (403, "", "refused", "hooks.token"),
        (404, "", "refused", "/hooks/wake: hooks are not enabled"),
        (400, "{\"ok\":false,\"error\":\"text required\"}", "refused", "text required"),
        (302, "", "refused", "redirects are not followed"),
        (409, "session changed", "failed", "409: session changed"),
        (429, "", "failed", "429"),
        (500, "", "failed", "500"),
        (502, "prep failed", "failed", "502"),
        (503, "not admitted", "failed", "503"),
    ];
    for (status, said, what, part) in cases {
        let answer = move || (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, "http://127.0.0.1:1/")], said).into_response();
        let gateway = Gateway::that_says(answer).await;
        let outcome = bench.gateway(&gateway.1, OpenClawMode::Main).wake(&errand(), &bench.tools).await;
        let (is, words) = why(&outcome);
        assert!(is == what && words.contains(part), "{status}: {outcome:?}");
        assert!(!words.contains("the-token"), "{outcome:?}");
        assert_eq!(gateway.heard().len(), 1);
    }
    let gateway = Gateway::that_says(|| (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "60")]).into_response()).await;
    let outcome = bench.gateway(&gateway.1, OpenClawMode::Main).wake(&errand(), &bench.tools).await;
    assert!(matches!(outcome, WakeOutcome::Failed { retry_after_ms: Some(60_000), .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_gateway_that_is_not_up_is_tried_again_and_a_token_that_others_can_read_is_not_sent() {
    let bench = Bench::new();
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = HookUrl::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let outcome = bench.gateway(&nobody, OpenClawMode::Main).wake(&errand(), &bench.tools).await;
    assert_eq!(why(&outcome).0, "failed", "{outcome:?}");

    let gateway = Gateway::that_says(good).await;
    let target = bench.gateway(&gateway.1, OpenClawMode::Main);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&target.token_file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let outcome = target.wake(&errand(), &bench.tools).await;
        assert!(why(&outcome).0 == "refused" && why(&outcome).1.contains("chmod 600"), "{outcome:?}");
    }
    std::fs::remove_file(&target.token_file).unwrap();
    assert_eq!(why(&target.wake(&errand(), &bench.tools).await).0, "refused");
    assert!(gateway.heard().is_empty());
}

#[tokio::test]
async fn a_webhook_is_signed_and_carries_words_only_where_its_owner_wants_them() {
    use hmac::{Hmac, KeyInit, Mac};
    let mut bench = Bench::new();
    let gateway = Gateway::that_says(|| StatusCode::NO_CONTENT.into_response()).await;
    let ids = Webhook { url: gateway.1.with_path("/hook"), secret_file: bench.secret("key"), include: Include::Ids };
    let whole = Webhook { include: Include::Messages, ..ids.clone() };
    fill(&mut bench.store);
    assert_eq!(ids.wake(&errand(), &bench.tools).await, WakeOutcome::Woke);
    assert_eq!(whole.wake(&errand(), &bench.tools).await, WakeOutcome::Woke);
    assert_eq!(ids.wake(&Errand::test("agent", At(1)), &bench.tools).await, WakeOutcome::Woke);
    let [first, second, test] = gateway.heard().try_into().unwrap();

    assert_eq!((first.path.as_str(), first.header("x-ocmesh-event")), ("/hook", "message.received"));
    assert_eq!((first.header("x-ocmesh-delivery"), first.header("x-ocmesh-timestamp")), ("agent-7-ff", "1800000000"));
    let hmac = |text: &[u8]| {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"key").unwrap();
        mac.update(text);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    };
    assert_eq!(first.header("x-ocmesh-signature"), hmac(&first.raw));
    assert_eq!(first.header("x-ocmesh-proof"), hmac(&[b"1800000000.agent-7-ff.", &first.raw[..]].concat()));
    assert_eq!((first.body["event"].as_str(), first.body["ts"].as_u64()), (Some("message.received"), Some(1_800_000_000_500)));
    assert_eq!(first.body["payload"]["message"].as_str(), Some("05".repeat(32).as_str()));
    assert!(!String::from_utf8_lossy(&first.raw).contains("hello"), "{:?}", first.body);

    let messages = second.body["payload"]["messages"].as_array().unwrap();
    let words: Vec<_> = messages.iter().map(|message| (message["body"].as_str().unwrap(), message["untrusted"].as_bool())).collect();
    assert_eq!(words, [(r"hello \u{200b}there", Some(true))], "the stranger's, the held and the read one are not among them");
    assert_eq!(test.header("x-ocmesh-event"), "wake.test");
}

#[tokio::test]
async fn no_injection_gets_out_of_what_a_webhook_carries() {
    let mut bench = Bench::new();
    let gateway = Gateway::that_says(good).await;
    let hook = Webhook { url: gateway.1.with_path("/hook"), secret_file: bench.secret("key"), include: Include::Messages };
    let attacks = ocmesh_testkit::injections::corpus().unwrap();
    assert!(attacks.len() >= 300);
    let mut carried = 0;
    // Ten messages fit into one; their author is called like the first of them.
    for (round, some) in (0_u16..).zip(attacks.chunks(10)) {
        let records: Vec<MessageRecord> = (0_u16..).zip(some).map(|(n, attack)| message(round * 10 + n + 1, 1, &attack.text)).collect();
        let name = some.first().map(|attack| attack.text.clone());
        let author = PeerRecord { trust: Trust::Known, name, ..PeerRecord::new(key(1), PeerSource::Presence, At(1)) };
        let mut changes = vec![Change::PutPeer(Box::new(author))];
        changes.extend(records.iter().map(|record| Change::AddMessage(Box::new(record.clone()))));
        write(&mut bench.store, &changes);
        assert_eq!(hook.wake(&errand(), &bench.tools).await, WakeOutcome::Woke);
        write(&mut bench.store, &records.iter().map(|record| Change::SetRead { id: record.id, at: At(9) }).collect::<Vec<_>>());
    }
    for heard in gateway.heard() {
        assert!(!String::from_utf8_lossy(&heard.raw).contains(ocmesh_text::is_hidden), "{:?}", heard.body);
        for message in heard.body["payload"]["messages"].as_array().unwrap() {
            assert_eq!((&message["untrusted"], &message["verified"]), (&Value::Bool(true), &Value::Bool(true)));
            for text in [&message["body"], &message["from_name"]] {
                ocmesh_testkit::injections::harmless_unfenced(text.as_str().unwrap_or_default()).unwrap();
            }
            carried += 1;
        }
    }
    assert_eq!(carried, attacks.len());
}

const fn key(n: u8) -> PubKey {
    PubKey::from_bytes([n; 32])
}

fn message(n: u16, peer: u8, content: &str) -> MessageRecord {
    let [high, low] = n.to_be_bytes();
    let mut id = [low; 32];
    id[0] = high;
    MessageRecord {
        id: EventId::from_bytes(id),
        direction: Direction::In,
        peer: key(peer),
        content: content.to_owned(),
        kind: "text".to_owned(),
        form: Form::Nip17,
        written_at: At(1),
        stored_at: At(u64::from(n)),
        read_at: None,
        thread: EventId::from_bytes(id),
        reply_to: None,
        subject: None,
        chain: None,
        place: None,
        urgent: false,
        status: Status::Received,
        idempotency_key: None,
        held: false,
        receipts: ReceiptsSent::default(),
    }
}

fn write(store: &mut Store, changes: &[Change]) {
    store.begin().unwrap();
    changes.iter().for_each(|change| store.apply(change, At(1)).unwrap());
    store.commit().unwrap();
}

/// A message of an accepted peer, and some that are worth no wake.
fn fill(store: &mut Store) {
    let peers = [(1, Trust::Known), (2, Trust::Unknown)]
        .map(|(n, trust)| Change::PutPeer(Box::new(PeerRecord { trust, ..PeerRecord::new(key(n), PeerSource::Presence, At(1)) })));
    let held = MessageRecord { held: true, ..message(7, 1, "held") };
    let read = MessageRecord { read_at: Some(At(9)), ..message(8, 1, "read") };
    let messages = [message(5, 1, "hello \u{200b}there"), message(6, 2, "a stranger"), held, read];
    write(store, &peers);
    write(store, &messages.map(|record| Change::AddMessage(Box::new(record))));
}

#[cfg(unix)]
mod programs {
    use std::{fs, os::unix::fs::PermissionsExt};

    use ocmesh_testkit::wait;

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    fn file(bench: &Bench, text: &str, mode: u32) -> PathBuf {
        let path = bench.dir.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Run by the shell: a file that was just written may still be open in a child of another test, and not be run then.
    fn script(bench: &Bench, text: &str) -> Program {
        let path = file(bench, text, 0o600);
        Program { path: PathBuf::from("/bin/sh"), args: vec![path.display().to_string(), "first; exit 9".to_owned()] }
    }

    #[tokio::test]
    async fn a_program_gets_the_facts_and_no_environment_of_ours() {
        let bench = Bench::new();
        let out = bench.dir.path().join("out");
        let program = script(&bench, &format!("(echo \"$1\"; cat; env) > {}", out.display()));
        assert_eq!(program.wake(&errand(), &bench.tools).await, WakeOutcome::Woke);
        let said = fs::read_to_string(out).unwrap();
        let mut lines = said.lines();
        assert_eq!(lines.next(), Some("first; exit 9"), "an argument is no shell's");
        let facts: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(
            (facts["delivery"].as_str(), facts["unread"].as_u64(), facts["agent"].as_str()),
            (Some("agent-7-ff"), Some(3), Some("npub1me"))
        );
        assert!(said.contains(&format!("OCMESH_HOME={}", bench.dir.path().display())));
        // What is left are names that we give, and a few that the shell makes up.
        let names = said.lines().skip(2).filter_map(|line| line.split_once('='));
        let ours =
            |name: &str| super::command::ENVIRONMENT.contains(&name) || ["OCMESH_HOME", "PWD", "OLDPWD", "SHLVL", "_"].contains(&name);
        assert!(names.clone().count() > 2 && names.map(|(name, _)| name).all(ours), "{said}");
    }

    #[tokio::test]
    async fn how_a_program_ends_says_whether_it_is_tried_again() {
        let bench = Bench::new();
        let outcome = script(&bench, "echo 'no luck' >&2; exit 3").wake(&errand(), &bench.tools).await;
        assert!(why(&outcome).0 == "failed" && why(&outcome).1.contains("exit status: 3: no luck"), "{outcome:?}");
        // More words than anyone wants, and not reading what it gets.
        let outcome = script(&bench, "exec <&-; head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1").wake(&errand(), &bench.tools).await;
        assert!(why(&outcome).0 == "failed" && why(&outcome).1.len() < 300, "{outcome:?}");
        let outcome = Program { path: file(&bench, "", 0o777), args: Vec::new() }.wake(&errand(), &bench.tools).await;
        assert!(why(&outcome).0 == "refused" && why(&outcome).1.contains("chmod go-w"), "{outcome:?}");
        let missing = Program { path: bench.dir.path().join("nobody"), args: Vec::new() };
        assert_eq!(why(&missing.wake(&errand(), &bench.tools).await).0, "refused");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended_with_everything_it_started() {
        let bench = Bench::new();
        let pid = bench.dir.path().join("pid");
        let program = script(&bench, &format!("sleep 1000 & echo $! > {}; wait", pid.display()));
        let child = {
            let running = program.run(&program.args, String::new(), &bench.tools, Duration::from_secs(600));
            tokio::pin!(running);
            let started = wait::until("it runs", WAIT, async || fs::read_to_string(&pid).ok().filter(|pid| pid.ends_with('\n')));
            tokio::select! {
                outcome = &mut running => panic!("{outcome:?}"),
                child = started => child.unwrap(),
            }
        };
        // Nobody waits for it any more, as when the daemon stops. Whoever adopts it collects it in time; until then it is a zombie.
        let stat = format!("/proc/{}/stat", child.trim());
        let is_gone = async || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z")).then_some(());
        wait::until("the grandchild is gone", WAIT, is_gone).await.unwrap();
        let outcome = program.run(&program.args, String::new(), &bench.tools, Duration::from_millis(300)).await;
        assert!(why(&outcome).0 == "failed" && why(&outcome).1.contains("it was stopped after"), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_codex_thread_is_told_by_its_own_program() {
        let bench = Bench::new();
        let out = bench.dir.path().join("out");
        let program = script(&bench, &format!("for arg in \"$@\"; do echo \"$arg\" >> {}; done", out.display()));
        let args = program.args.into_iter().take(1).collect();
        let codex = Codex { program: Program { path: program.path, args }, thread: "0199-abc".to_owned() };
        assert_eq!(codex.wake(&errand(), &bench.tools).await, WakeOutcome::Woke);
        let said = fs::read_to_string(out).unwrap();
        assert!(said.starts_with("queue\n--resume\n--thread\n0199-abc\n--message\nocmesh: 3 unread messages"), "{said}");
    }
}
