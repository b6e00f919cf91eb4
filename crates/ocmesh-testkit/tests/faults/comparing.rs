//! Faults of comparing sets (NIP-77).

use anyhow::Result;
use ocmesh_testkit::{Fault, MisbehavingRelay, Nip77, RawClient};
use serde_json::{Value, json};

/// Version 1, and one range to the end of time with an empty list: what a client without events asks.
const NOTHING_HERE: &str = "6100000200";

async fn answer(relay: &MisbehavingRelay) -> Result<Value> {
    let mut client = RawClient::connect(relay.url()).await?;
    client.say(json!(["NEG-OPEN", "n", { "kinds": [1] }, NOTHING_HERE]).to_string()).await?;
    // Whoever says nothing answers the next question first.
    client.say(r#"["COUNT","c",{}]"#).await?;
    client.hear_json().await
}

#[tokio::test]
async fn each_wrong_answer_is_given_as_told() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let event = crate::fill(relay.honest().url(), &["one"]).await?.remove(0);
    let list = |ids: &str, count: &str| json!(["NEG-MSG", "n", format!("61000002{count}{ids}")]);
    let right = list(&event.id.to_hex(), "01");
    assert_eq!(answer(&relay).await?, right);
    for (wrong, said) in [
        (Nip77::Silent, json!(["COUNT", "c", { "count": 1 }])),
        (Nip77::Error("blocked: no".to_owned()), json!(["NEG-ERR", "n", "blocked: no"])),
        (Nip77::Notice, json!(["NOTICE", "ERROR: bad msg: unknown cmd"])),
        (Nip77::Garbage, json!(["NEG-MSG", "n", "61zz"])),
        (Nip77::OtherSubscription, json!(["NEG-MSG", "nx", right[2]])),
        (Nip77::ForEver, json!(["NEG-MSG", "n", format!("61000001{}", "0".repeat(32))])),
        (Nip77::Phantoms { n: 2 }, list(&format!("{:064x}{:064x}", 0, 1), "02")),
        (Nip77::Nothing, list("", "00")),
    ] {
        relay.set(Fault::Negentropy(wrong.clone()), true);
        assert_eq!(answer(&relay).await?, said, "{wrong:?}");
    }
    let many = Nip77::Phantoms { n: 300 };
    relay.set(Fault::Negentropy(many), true);
    let text = answer(&relay).await?[2].as_str().unwrap_or_default().to_owned();
    assert!(text.starts_with("61000002822c") && text.len() == 12 + 300 * 64, "{} {text:.20}", text.len());
    assert_eq!(relay.seen().comparisons.len(), 10);
    Ok(())
}

#[tokio::test]
async fn it_can_be_neither_listed_nor_known() -> Result<()> {
    let relay = MisbehavingRelay::start().await?;
    let listed = async || anyhow::Ok(serde_json::from_str::<Value>(&crate::info::document(&relay).await?.1)?["supported_nips"].clone());
    assert!(listed().await?.as_array().unwrap().contains(&json!(77)));
    relay.set(Fault::NoNegentropy, true);
    assert!(!listed().await?.as_array().unwrap().contains(&json!(77)));
    assert_eq!(answer(&relay).await?[0], "NOTICE");
    Ok(())
}
