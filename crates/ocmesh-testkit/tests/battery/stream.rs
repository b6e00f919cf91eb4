//! E1: a listener of `/events` that goes on with `Last-Event-ID`, while its daemon is killed again and again: every message once, in order.
//! The same for the long poll is C2.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ocmesh_api::{Client, ClientError, Event, Origin, SendRequest};
use ocmesh_testkit::{
    dice::Dice,
    kills::RelayProcess,
    scenario::{Agent, two_agents_on},
    wait,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const KILLS: u32 = 15;
/// Between two messages: about thirty a second.
const EVERY: Duration = Duration::from_millis(30);
/// For the last messages to arrive: the sender tries again within a minute.
const DRAIN_MAX: Duration = Duration::from_secs(120);
/// How long the listener looks for what must not come again.
const AFTERMATH: Duration = Duration::from_secs(1);
/// A daemon that is away is looked for so often.
const AWAY: Duration = Duration::from_millis(20);

/// What the listener heard: the number of each event, and the message it brought.
type Heard = Arc<Mutex<Vec<(u64, Option<String>)>>>;

fn messages(heard: &Heard) -> Vec<String> {
    heard.lock().unwrap().iter().filter_map(|(_, id)| id.clone()).collect()
}

/// Listens, and comes back to where it was each time the stream breaks.
async fn listen(home: PathBuf, heard: Heard, opened: Arc<Mutex<u32>>) -> Result<()> {
    let mut last = None;
    loop {
        let fresh = match Client::from_home(&home) {
            Ok(client) => client.events(last).await,
            Err(error) => Err(error),
        };
        let Ok(mut stream) = fresh else {
            // paces: the daemon is away
            sleep(AWAY).await;
            continue;
        };
        *opened.lock().unwrap() += 1;
        loop {
            match stream.next().await {
                Ok(Some(event)) => {
                    let id = match event {
                        Event::Message(message) => Some(message.id.clone()),
                        Event::Resync(resync) => anyhow::bail!("nothing was pruned: {resync:?}"),
                        _ => None,
                    };
                    heard.lock().unwrap().push((stream.last_id().context("an event without a number")?, id));
                }
                Ok(None) | Err(ClientError::Io(_)) => break,
                Err(error) => return Err(error).context("listening"),
            }
        }
        last = stream.last_id().or(last);
    }
}

/// Speaks until told to stop; the ids of what the daemon took.
async fn speak(from: Client, to: String, stop: CancellationToken) -> Result<Vec<String>> {
    let mut sent = Vec::new();
    while !stop.is_cancelled() {
        let request = SendRequest {
            to: to.clone(),
            content: format!("message {}", sent.len()),
            origin: Some(Origin::Owner),
            ..SendRequest::default()
        };
        sent.push(from.send(&request).await?.id);
        // paces: the rate of the talk
        sleep(EVERY).await;
    }
    Ok(sent)
}

#[tokio::test]
async fn e01_a_stream_of_events_misses_and_doubles_nothing_while_its_daemon_is_killed() -> Result<()> {
    let relay = RelayProcess::start().await?;
    let (anna, mut bert): (Agent, Agent) = two_agents_on(&[relay.url()]).await?;
    bert.accept(&anna).await?;
    let (heard, opened, stop) = (Heard::default(), Arc::<Mutex<u32>>::default(), CancellationToken::new());
    let listener = tokio::spawn(listen(bert.daemon.home().to_owned(), Arc::clone(&heard), Arc::clone(&opened)));
    // It listens before the first word.
    wait::until("the listener", DRAIN_MAX, async || (*opened.lock().unwrap() > 0).then_some(())).await?;
    let speaker = tokio::spawn(speak(anna.daemon.client()?, bert.pubkey.clone(), stop.clone()));
    let mut dice = Dice::new(5);
    for kill in 0..KILLS {
        let before = messages(&heard).len();
        wait::until("the stream flows", DRAIN_MAX, async || (messages(&heard).len() > before).then_some(()))
            .await
            .with_context(|| format!("before kill {kill}"))?;
        // paces: the random instant
        sleep(Duration::from_millis(dice.below(400))).await;
        bert.daemon.kill9().await?;
        bert.daemon.start().await?;
    }
    stop.cancel();
    let mut sent = speaker.await??;
    wait::until("every message", DRAIN_MAX, async || (messages(&heard).len() >= sent.len()).then_some(())).await?;
    wait::stays("nothing comes again", AFTERMATH, async || messages(&heard).len() == sent.len()).await?;
    ensure!(!listener.is_finished(), "the listener gave up: {:?}", listener.await);
    listener.abort();
    let numbers: Vec<u64> = heard.lock().unwrap().iter().map(|(number, _)| *number).collect();
    ensure!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "a number came twice, or out of order: {numbers:?}");
    let mut came = messages(&heard);
    let opened = *opened.lock().unwrap();
    println!("{} messages in {} events over {KILLS} kills; the stream was opened {opened} times", came.len(), numbers.len());
    ensure!(opened > KILLS, "not every kill cut the stream off");
    came.sort_unstable();
    sent.sort_unstable();
    ensure!(came == sent, "what was sent and what came differ");
    Ok(())
}
