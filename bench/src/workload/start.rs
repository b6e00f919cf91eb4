//! From `exec` to the first HTTP answer, with stores of different sizes. The relay is not there, so nothing but the start is measured.

use anyhow::Result;
use tokio::time::sleep;

use crate::{contestant::Who, figures::Samples, lab::Lab, seed};

const NOWHERE: &str = "ws://127.0.0.1:9";

pub(super) async fn run(lab: &mut Lab) -> Result<()> {
    let Lab { places, who, sizes, rounds, figures, growth, .. } = lab;
    for &(messages, peers) in &sizes.stores {
        let what = format!("start, {messages} messages stored");
        let mut homes = Vec::new();
        for &who in who.iter() {
            let home = seed::home(places, who, messages, peers, &format!("start-{}-{messages}", who.name())).await?;
            // The first start on a copied home does what only a first start does.
            let (running, _) = places.start(who, &home, &[NOWHERE]).await?;
            sleep(seed::SETTLE).await;
            running.stop().await?;
            homes.push((who, home));
        }
        for _ in 0..*rounds {
            for (who, home) in &homes {
                for _ in 0..sizes.starts {
                    let (running, took) = places.start(*who, home, &[NOWHERE]).await?;
                    running.stop().await?;
                    let figure = figures.of("start", &what, "ms");
                    if *who == Who::Ocmesh {
                        figure.goal(15.0);
                    }
                    figure.add(*who, took.as_secs_f64() * 1e3);
                }
            }
        }
        let ours = figures.of("start", &what, "ms").get(Who::Ocmesh).map(Samples::median);
        #[allow(clippy::cast_precision_loss, reason = "a million")]
        ours.iter().for_each(|ours| growth.add("start by stored messages", messages as f64, *ours));
    }
    Ok(())
}
