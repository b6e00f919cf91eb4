//! What an answer of a hook means: taken, worth another try, or refused until somebody changes something.

use ocmesh_proto::{WakeOutcome, label};
use ocmesh_relay::{HookAnswer, HookError};

/// Longest reason kept, in characters: two lines of a terminal.
const WHY_CHARS_MAX: usize = 240;

pub(super) fn failed(why: &str) -> WakeOutcome {
    WakeOutcome::Failed { why: short(why), retry_after_ms: None }
}

pub(super) fn refused(why: &str) -> WakeOutcome {
    WakeOutcome::Refused { why: short(why) }
}

/// One line that is safe to show.
fn short(why: &str) -> String {
    let line: String = why.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    label::clean(&line, WHY_CHARS_MAX).unwrap_or_default()
}

/// Reads an answer by its status.
pub(super) fn judge(answer: Result<HookAnswer, HookError>) -> Result<HookAnswer, WakeOutcome> {
    let answer = answer.map_err(|error| failed(&error.to_string()))?;
    let said = if answer.said.trim().is_empty() { String::new() } else { format!(": {}", answer.said) };
    match answer.status {
        200..=299 => Ok(answer),
        300..=399 => Err(refused(&format!("it answered {} and wants us elsewhere; redirects are not followed", answer.status))),
        408 | 409 | 425 | 429 | 500..=599 => {
            let retry_after_ms = answer.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            Err(WakeOutcome::Failed { why: short(&format!("it answered {}{said}", answer.status)), retry_after_ms })
        }
        status => Err(refused(&format!("it answered {status}{said}"))),
    }
}
