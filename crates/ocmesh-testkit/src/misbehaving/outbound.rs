//! What becomes of the honest relay's words on their way to a client.

use anyhow::Result;
use serde_json::{Value, json};

use super::{fault::Fault, forge, link::Link};

/// 1 January 2100.
const YEAR_2100: u64 = 4_102_444_800;

impl Link {
    pub(crate) async fn hear_honest(&mut self, text: &str) -> Result<()> {
        let frame: Value = serde_json::from_str(text)?;
        let second = frame.get(1).and_then(Value::as_str).unwrap_or_default();
        match frame.get(0).and_then(Value::as_str) {
            // What was on its way when the subscription was closed is not delivered after it.
            Some("EVENT" | "EOSE") if !self.subs.contains_key(second) => Ok(()),
            Some("EVENT") => self.on_stored(second, frame.get(2).unwrap_or(&Value::Null)).await,
            Some("EOSE") => self.on_eose(second).await,
            Some("OK") => self.on_ok(&frame).await,
            Some("NEG-MSG") => self.on_compared(frame).await,
            _ => self.out.text(frame).await,
        }
    }

    async fn on_stored(&mut self, sub: &str, event: &Value) -> Result<()> {
        let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
        let faults = self.shared.faults.all();
        let mut times = 1;
        for fault in faults.iter() {
            match fault {
                Fault::SilentDms if matches!(event.get("kind").and_then(Value::as_u64), Some(4 | 1059)) => return Ok(()),
                Fault::WithholdWraps { to, every } if is_wrap_for(event, to) && self.shared.withheld_wraps.is(id, *every) => return Ok(()),
                Fault::WithholdEvery(every) if self.shared.withheld.is(id, *every) => return Ok(()),
                Fault::Replay { times: more } => times += more,
                _ => {}
            }
        }
        for forged in faults.iter().filter_map(|fault| forge::forged(event, fault)) {
            self.out.text(json!(["EVENT", sub, forged])).await?;
        }
        for _ in 0..times {
            self.out.text(json!(["EVENT", sub, event])).await?;
        }
        Ok(())
    }

    async fn on_eose(&mut self, sub: &str) -> Result<()> {
        let faults = self.shared.faults.all();
        let filter = self.subs.get(sub).and_then(|filters| filters.first()).cloned().unwrap_or_else(|| json!({}));
        let now = crate::fixture::now();
        let (mut eose, mut closed) = (vec![json!(["EOSE", sub])], None);
        if self.early.remove(sub) {
            eose.clear();
        }
        for fault in faults.iter() {
            match fault {
                Fault::NonMatching => self.add(sub, forge::unwanted()).await?,
                Fault::FutureDated => self.add(sub, forge::fitting(&filter, YEAR_2100, 0)).await?,
                Fault::ManyTags { n } => self.add(sub, forge::fitting(&filter, now, *n)).await?,
                Fault::OddDates => {
                    for odd in forge::oddly_dated(&filter) {
                        self.out.text(format!(r#"["EVENT",{},{odd}]"#, Value::from(sub))).await?;
                    }
                }
                Fault::Flood { n } => {
                    for _ in 0..*n {
                        self.add(sub, forge::fitting(&filter, now, 0)).await?;
                    }
                }
                Fault::NeverEose => eose.clear(),
                Fault::EoseTwice => eose.extend(eose.first().cloned()),
                Fault::EoseThird(third) => eose.iter_mut().filter_map(Value::as_array_mut).for_each(|parts| parts.push(json!(third))),
                Fault::ClosedAfterEose(why) => closed = Some(why),
                _ => {}
            }
        }
        for frame in eose {
            self.out.text(frame).await?;
        }
        if let Some(why) = closed {
            self.close_sub(sub, why).await?;
        }
        Ok(())
    }

    async fn add(&self, sub: &str, event: Option<Value>) -> Result<()> {
        match event {
            Some(event) => self.out.text(json!(["EVENT", sub, event])).await,
            None => anyhow::bail!("no event can be made to fit this filter"),
        }
    }

    async fn on_ok(&mut self, frame: &Value) -> Result<()> {
        let mut answers = vec![frame.clone()];
        for fault in self.shared.faults.all().iter() {
            match fault {
                Fault::NoOk => answers.clear(),
                Fault::OkTwice => answers.extend(answers.first().cloned()),
                Fault::OkOtherId => {
                    for answer in &mut answers {
                        if let Some(Value::String(id)) = answer.get_mut(1) {
                            *id = forge::other_hex(id);
                        }
                    }
                }
                _ => {}
            }
        }
        for answer in answers {
            self.out.text(answer).await?;
        }
        Ok(())
    }
}

/// A gift wrap for this key.
fn is_wrap_for(event: &Value, to: &str) -> bool {
    let is_for = |tag: &Value| tag.get(0).and_then(Value::as_str) == Some("p") && tag.get(1).and_then(Value::as_str) == Some(to);
    event.get("kind").and_then(Value::as_u64) == Some(1059)
        && event.get("tags").and_then(Value::as_array).is_some_and(|tags| tags.iter().any(is_for))
}
