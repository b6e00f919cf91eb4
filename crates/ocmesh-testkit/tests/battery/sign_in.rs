//! NIP-42 in every form a relay may ask it: R10.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use ocmesh_testkit::{
    Fault, MisbehavingRelay,
    wait::{self, PATIENCE},
};

use crate::trial::{HEALED_MAX, Trial};

/// The challenges that were answered, as the AUTH events name them.
fn answered(relay: &MisbehavingRelay) -> Vec<String> {
    let challenge = |event: serde_json::Value| {
        let tags = event["tags"].as_array().cloned().unwrap_or_default();
        tags.iter().find(|tag| tag[0] == "challenge").map(|tag| tag[1].to_string()).unwrap_or_default()
    };
    relay.seen().auths.into_iter().map(challenge).collect()
}

#[tokio::test]
async fn r10_auth_before_reading_or_writing_in_both_spellings() -> Result<()> {
    for text in ["auth-required: please", "ERROR: auth-required: please"] {
        let text = text.to_owned();
        let faults = [Fault::AuthRequiredRead { text: text.clone() }, Fault::AuthRequiredWrite { text }];
        let relay = MisbehavingRelay::start_with(&faults).await?;
        let mut trial = Trial::on(&[&relay]).await?;
        trial.both_ways(3).await?;
        trial.settles(HEALED_MAX).await?;
        let challenges = answered(&relay);
        ensure!(!challenges.is_empty() && challenges.iter().collect::<BTreeSet<_>>().len() == challenges.len(), "{challenges:?}");
        trial.is_sound().await?;
    }
    Ok(())
}

#[tokio::test]
async fn r10_a_challenge_on_connect_and_auth_for_events_alone() -> Result<()> {
    for fault in [Fault::AuthOnConnect, Fault::AuthRequiredWrite { text: "auth-required: who writes?".to_owned() }] {
        let relay = MisbehavingRelay::start_with(&[fault]).await?;
        let mut trial = Trial::on(&[&relay]).await?;
        trial.both_ways(3).await?;
        trial.settles(HEALED_MAX).await?;
        // One connection of each daemon, one sign-in of each.
        ensure!(relay.auths() == 2, "{} sign-ins", relay.auths());
    }
    Ok(())
}

#[tokio::test]
async fn r10_floods_of_challenges_get_three_signatures_and_messages_go_on() -> Result<()> {
    for fault in [Fault::ChallengeFlood { n: 10_000 }, Fault::NewChallengeEvery(Duration::from_millis(50))] {
        let relay = MisbehavingRelay::start_with(&[fault]).await?;
        let mut trial = Trial::on(&[&relay]).await?;
        trial.both_ways(3).await?;
        trial.settles(HEALED_MAX).await?;
        wait::stays("few signatures", Duration::from_secs(3), async || relay.auths() <= 2 * 3).await?;
        let challenges = answered(&relay);
        println!("{} signatures of two daemons", challenges.len());
        ensure!(challenges.iter().collect::<BTreeSet<_>>().len() == challenges.len(), "one was signed twice: {challenges:?}");
        trial.is_sound().await?;
    }
    Ok(())
}

#[tokio::test]
async fn r10_a_relay_that_nobody_chose_learns_no_identity() -> Result<()> {
    // Anna knows one relay only; Bert names another to her, which asks who she is. It is private, so it is not even dialled.
    let (common, berts) = (MisbehavingRelay::start().await?, MisbehavingRelay::start_with(&[Fault::AuthOnConnect]).await?);
    let mut trial = Trial::start(&[common.url()], &[berts.url(), common.url()]).await?;
    tokio::try_join!(trial.anna.wait_for_peer(&trial.bert), trial.bert.wait_for_peer(&trial.anna))?;
    trial.until_state(&trial.bert, common.url(), "ready", PATIENCE).await?;
    trial.both_ways(3).await?;
    trial.settles(HEALED_MAX).await?;
    let stranger = berts.seen().auths.into_iter().find(|auth| auth["pubkey"] == serde_json::json!(trial.anna.pubkey));
    ensure!(stranger.is_none(), "{stranger:?}");
    Ok(())
}
