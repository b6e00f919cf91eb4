//! Where relays and strangers would lead us: R21 (NIP-11 documents), R22 (relay lists).

use anyhow::{Context as _, Result, ensure};
use nostr::key::Keys;
use ocmesh_api::{AddPeerRequest, SendRequest};
use ocmesh_testkit::{
    Fault, MisbehavingRelay, Nip11, RawClient, fixture,
    process::peak_mb,
    scenario::Agent,
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial, quick};

#[tokio::test]
async fn r21_documents_absent_lying_huge_and_elsewhere() -> Result<()> {
    let elsewhere = MisbehavingRelay::start().await?;
    let away = elsewhere.url().replace("ws://", "http://");
    let mut plain = None;
    for wrong in [Nip11::Absent, Nip11::Lying, Nip11::Huge { bytes: 50 << 20 }, Nip11::Redirect(away)] {
        let relay = MisbehavingRelay::start_with(&[Fault::Nip11(wrong.clone())]).await?;
        let mut trial = Trial::on(&[&relay]).await?;
        wait::until("the request of both", PATIENCE, async || (relay.seen().infos >= 2).then_some(())).await?;
        trial.both_ways(3).await?;
        trial.settles(HEALED_MAX).await?;
        // The document is asked for on the first connection, so the peak since the start counts, against the one without a document.
        let peak = peak_mb(&trial.bert.daemon)?;
        let grown = peak - *plain.get_or_insert(peak);
        println!("{wrong:?}: {grown:.1} MB more");
        ensure!(grown <= 8.0, "{grown:.1} MB more");
        trial.is_sound().await?;
    }
    ensure!(elsewhere.seen().tcp == 0, "the redirect was followed");
    Ok(())
}

/// A stranger with a presence on the relay and this list of relays for direct messages; gives its key.
async fn stranger(relay: &MisbehavingRelay, list: Option<&[String]>) -> Result<Keys> {
    let keys = Keys::generate();
    let mut client = RawClient::connect(relay.honest().url()).await?;
    if let Some(list) = list {
        let tags: Vec<Vec<&str>> = list.iter().map(|url| vec!["relay", url.as_str()]).collect();
        let tags: Vec<&[&str]> = tags.iter().map(Vec::as_slice).collect();
        let (taken, said) = client.publish_ok(&fixture::event(&keys, 10_050, "", &tags, fixture::now())?).await?;
        ensure!(taken, "{said}");
    }
    let (taken, said) = client.publish_ok(&fixture::presence(&keys, "stranger", 31_337)?).await?;
    ensure!(taken, "{said}");
    Ok(keys)
}

/// The relays a message to a stranger is sent to, and why. With `listed`, only once the stranger's list was read.
async fn route(anna: &Agent, to: &Keys, listed: bool) -> Result<(Vec<String>, Option<String>)> {
    let pubkey = to.public_key().to_hex();
    let client = anna.daemon.client()?;
    client.add_peer(&AddPeerRequest { peer: pubkey.clone(), petname: None }).await?;
    wait::until_ok("the stranger", HEALED_MAX, async || {
        let peer = client.peer(&pubkey).await?;
        ensure!(!peer.seen_on.is_empty() && (!listed || !peer.relays.is_empty()), "{peer:?}");
        Ok(())
    })
    .await?;
    let request = SendRequest { to: pubkey, content: "hello".to_owned(), ..SendRequest::default() };
    let id = client.send(&request).await?.id;
    let history = client.message(&id).await?.history;
    let queued = history.into_iter().find(|line| line.what == "queued").context("no line says where it goes")?;
    Ok((queued.relays, queued.why))
}

#[tokio::test]
async fn r22_lists_of_the_attacker_lead_nowhere_private() -> Result<()> {
    let (relay, private) = (MisbehavingRelay::start().await?, MisbehavingRelay::start().await?);
    let anna = Agent::start(quick("anna", &[relay.url()])).await?;
    let nasty: Vec<String> = [
        private.url(),
        "wss://good.relay.invalid",
        "wss://127.0.0.1",
        "ws://10.0.0.1",
        "wss://192.168.1.1",
        "wss://[::1]",
        "wss://169.254.169.254",
        "wss://localhost",
        "wss://printer.local",
        "wss://abcdefghijklmnop.onion",
        "ws://relay.invalid",
        "http://relay.invalid",
        "javascript:alert(1)",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    let (relays, why) = route(&anna, &stranger(&relay, Some(&nasty)).await?, true).await?;
    println!("attacker's list: {relays:?} because of {why:?}");
    ensure!(relays == ["wss://good.relay.invalid"], "{relays:?}");
    let thousand: Vec<String> = (0..1_000).map(|number| format!("wss://r{number}.relay.invalid")).collect();
    let (relays, why) = route(&anna, &stranger(&relay, Some(&thousand)).await?, true).await?;
    println!("a thousand: {relays:?} because of {why:?}");
    ensure!(!relays.is_empty() && relays.len() <= 4, "{relays:?}");
    for list in [None, Some(&[][..])] {
        let (relays, why) = route(&anna, &stranger(&relay, list).await?, false).await?;
        println!("no list or an empty one: {relays:?} because of {why:?}");
        // Only where the peer itself was seen, never further.
        ensure!(relays == [relay.url()], "{relays:?}");
        why.context("no reason is given")?;
    }
    ensure!(private.seen().tcp == 0, "a private address of a stranger was dialled");
    Ok(())
}
