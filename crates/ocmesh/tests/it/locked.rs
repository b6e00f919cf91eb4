//! Another process holds the database (row C8 of the battery): callers are told to come again, and nothing is lost.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ocmesh_daemon::{
    config::Config,
    home::Home,
    identity::{OpenedIdentity, open_or_create},
};
use ocmesh_localrelay::{LocalRelay, RelayOptions};
use ocmesh_testkit::{
    TestDaemon,
    ledger::Tally,
    load::{Party, Speech, Talkers},
    scenario::Agent,
    wait,
};
use tokio::task::JoinSet;

/// Takes the one writer's place in the database: this test is another process than the daemon.
async fn hold(home: &Path) -> Result<OpenedIdentity> {
    let path = home.as_os_str().to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let home = Home::locate(|name| (name == "OCMESH_HOME").then(|| path.clone()))?;
        let config = Config::load(&home, [("OCMESH_KEYCHAIN".into(), "off".into())], &[])?;
        let mut opened = open_or_create(&home, &config)?;
        opened.store.begin()?;
        anyhow::Ok(opened)
    });
    opened.await?
}

/// `POST /send` by hand, as the client does not show headers: the status and `Retry-After`.
fn ask(port: u16, to: &str, key: &str) -> Result<(u16, Option<String>)> {
    let body = serde_json::json!({"to": to, "content": key, "idempotency_key": key}).to_string();
    let length = body.len();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(40)))?;
    write!(
        stream,
        "POST /send HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).with_context(|| format!("no status in {answer:?}"))?.parse()?;
    let field = answer.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    ensure!(status != 503 || !answer.contains("stopping"), "a daemon that waits for its database does not stop: {answer}");
    Ok((status, field.map(|(_, value)| value.to_owned())))
}

struct World {
    _relay: LocalRelay,
    anna: Agent,
    bert: Agent,
    talkers: Talkers,
}

impl World {
    async fn start() -> Result<Self> {
        let relay = LocalRelay::start(RelayOptions::default()).await?;
        let start = |name: &str| {
            let builder = TestDaemon::builder().binary(env!("CARGO_BIN_EXE_ocmesh")).relays(&[relay.url()]).name(name);
            Agent::start(builder.env("OCMESH_DISCOVERY_INTERVAL", "10s"))
        };
        let (anna, bert) = tokio::try_join!(start("anna"), start("bert"))?;
        tokio::try_join!(anna.wait_for_peer(&bert), bert.wait_for_peer(&anna))?;
        Ok(Self { _relay: relay, anna, bert, talkers: Talkers::default() })
    }

    /// Holds a daemon's database for so long while both talk; gives the answers that callers of `POST /send` got meanwhile.
    async fn hold_for(&self, who: &Agent, span: Duration) -> Result<Vec<(u16, Option<String>)>> {
        let held = hold(who.daemon.home()).await?;
        let began = Instant::now();
        let port = who.daemon.client()?.endpoint().port;
        let to = if who.pubkey == self.anna.pubkey { &self.bert.pubkey } else { &self.anna.pubkey };
        let mut asking = JoinSet::new();
        let mut answers = Vec::new();
        for number in 0.. {
            if began.elapsed() >= span {
                break;
            }
            let (to, key) = (to.clone(), format!("while held {} {span:?} {number}", who.pubkey));
            asking.spawn_blocking(move || ask(port, &to, &key).map(|answer| (key, answer)));
            // paces: two calls a second while the database is held
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        drop(held);
        while let Some(answer) = asking.join_next().await {
            let (key, (status, retry_after)) = answer??;
            // Said once more by its key, each is acknowledged in the end, under one id.
            let request = ocmesh_api::SendRequest {
                to: to.clone(),
                content: key.clone(),
                idempotency_key: Some(key.clone()),
                ..ocmesh_api::SendRequest::default()
            };
            let sent = wait::until_ok("an acknowledgement", Duration::from_secs(60), async || {
                Ok::<_, anyhow::Error>(who.daemon.client()?.send(&request).await?)
            });
            let id = sent.await?.id;
            self.talkers.talk().ledger().sent(&id, &who.pubkey, to, &key);
            answers.push((status, retry_after));
        }
        Ok(answers)
    }
}

#[tokio::test]
async fn c08_a_database_held_by_another_process_costs_time_and_nothing_else() -> Result<()> {
    println!("{}", held_for(Duration::from_secs(10)).await?);
    Ok(())
}

#[tokio::test]
#[ignore = "takes three minutes; run with cargo test -p ocmesh --test it c08_a_database_held_for_a_minute -- --ignored --nocapture"]
async fn c08_a_database_held_for_a_minute_costs_time_and_nothing_else() -> Result<()> {
    println!("{}", held_for(Duration::from_secs(60)).await?);
    Ok(())
}

/// Each of two agents has its database held for a second, and for longer; what came of it.
async fn held_for(long: Duration) -> Result<String> {
    let mut said = String::new();
    let mut world = World::start().await?;
    let (anna, bert) = (Party::of(&world.anna), Party::of(&world.bert));
    for (name, from, to) in [("anna", &anna, &bert), ("bert", &bert, &anna)] {
        world.talkers.speak(Speech {
            from: from.clone(),
            to: to.clone(),
            name: name.to_owned(),
            every: Duration::from_millis(200),
            seed: 8,
        });
        world.talkers.listen(from.clone());
    }
    for agent in [&world.anna, &world.bert] {
        // A second is waited for.
        let answers = world.hold_for(agent, Duration::from_secs(1)).await?;
        ensure!(!answers.is_empty() && answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
        // Longer is not: callers are told when to come again.
        let answers = world.hold_for(agent, long).await?;
        let refused = answers.iter().filter(|(status, _)| *status == 503).count();
        said += &format!("held for {long:?}: {refused} of {} calls were told to come again\n", answers.len());
        ensure!(refused > 0 && answers.iter().all(|(status, _)| matches!(status, 200 | 503)), "{answers:?}");
        ensure!(
            answers.iter().all(|(status, again)| *status != 503 || again.as_deref().is_some_and(|s| s.parse::<u32>().is_ok())),
            "{answers:?}"
        );
    }
    world.talkers.until_heard(Duration::from_secs(90)).await?;
    // What must not come twice gets the time to do so.
    wait::stays("reading", Duration::from_secs(1), async || true).await?;
    let counts = world.talkers.talk().counts();
    let tally = world.talkers.end().await?;
    ensure!(tally == Tally::default(), "{tally}");
    Ok(said + &format!("{tally} of {} messages; {} calls refused for the moment", counts.acked, counts.refused))
}
