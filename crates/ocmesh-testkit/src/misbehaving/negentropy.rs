//! What becomes of comparing sets (NIP-77) on its way through.

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    fault::{Fault, Nip77},
    link::Link,
};

/// Version 1, one range to the end of time, a fingerprint that no set has.
const QUESTION: &str = "6100000100000000000000000000000000000000";

impl Link {
    pub(crate) async fn on_negentropy(&mut self, frame: &Value, sub: &str) -> Result<()> {
        if frame.get(0).and_then(Value::as_str) == Some("NEG-OPEN") {
            self.shared.log.write().comparisons.push(frame.clone());
        }
        let authenticated = self.authenticated;
        let refused = self.shared.faults.find(|fault| match fault {
            Fault::AuthRequiredRead { text } if !authenticated => Some(text.clone()),
            _ => None,
        });
        if let Some(why) = refused {
            return self.out.text(json!(["NEG-ERR", sub, why])).await;
        }
        let wrong = self.shared.faults.find(|fault| match fault {
            Fault::NoNegentropy => Some(Nip77::Notice),
            Fault::Negentropy(wrong) => Some(wrong.clone()),
            _ => None,
        });
        let answer = match wrong {
            None | Some(Nip77::OtherSubscription) => return self.forward(frame).await,
            Some(Nip77::Silent) => return Ok(()),
            Some(Nip77::Error(why)) => json!(["NEG-ERR", sub, why]),
            Some(Nip77::Notice) => json!(["NOTICE", "ERROR: bad msg: unknown cmd"]),
            Some(Nip77::Garbage) => json!(["NEG-MSG", sub, "61zz"]),
            Some(Nip77::ForEver) => json!(["NEG-MSG", sub, QUESTION]),
            Some(Nip77::Phantoms { n }) => json!(["NEG-MSG", sub, phantoms(n)]),
            Some(Nip77::Nothing) => json!(["NEG-MSG", sub, phantoms(0)]),
        };
        self.out.text(answer).await
    }

    pub(crate) async fn on_compared(&mut self, mut frame: Value) -> Result<()> {
        if self.shared.faults.has(&Fault::Negentropy(Nip77::OtherSubscription))
            && let Some(Value::String(sub)) = frame.get_mut(1)
        {
            sub.push('x');
        }
        self.out.text(frame).await
    }
}

/// Version 1, one range to the end of time, and in it a list of ids made up.
fn phantoms(n: usize) -> String {
    let mut count = vec![format!("{:02x}", n % 128)];
    let mut rest = n / 128;
    while rest > 0 {
        count.insert(0, format!("{:02x}", 128 + rest % 128));
        rest /= 128;
    }
    let ids: String = (0..n).map(|number| format!("{number:064x}")).collect();
    format!("61000002{}{ids}", count.concat())
}
