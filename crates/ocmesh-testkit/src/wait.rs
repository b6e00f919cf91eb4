//! Waiting for a condition: the only place where a test sleeps.

use std::{fmt::Display, time::Duration};

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks: short against what is waited for, long against what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// For things that take milliseconds on a quiet machine and seconds on a busy one.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until `look` finds something.
///
/// # Errors
/// When `limit` passes first. The error names what was waited for.
pub async fn until<T>(what: impl Display, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let mut looks = 0_u32;
    let watch = async {
        loop {
            looks += 1;
            if let Some(found) = look().await {
                return found;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let found = timeout_at(Instant::now() + limit, watch).await;
    found.map_err(|_| anyhow!("waited {limit:?} in vain for {what} ({looks} looks)"))
}

/// Like [`until`], for something that says why it is not there yet.
///
/// # Errors
/// When `limit` passes first. The error holds the last reason.
pub async fn until_ok<T, E: Into<anyhow::Error>>(
    what: impl Display,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    let mut last = None;
    let found = until(&what, limit, async || match look().await {
        Ok(found) => Some(found),
        Err(error) => {
            last = Some(error.into());
            None
        }
    });
    match (found.await, last) {
        (Ok(found), _) => Ok(found),
        (Err(_), Some(reason)) => Err(reason.context(format!("waited {limit:?} in vain for {what}"))),
        (Err(error), None) => Err(error),
    }
}

/// Looks for the whole `span` and fails as soon as `look` says no: for what must not happen.
///
/// # Errors
/// When `look` said no. The error names what should have stayed true.
pub async fn stays(what: impl Display, span: Duration, mut look: impl AsyncFnMut() -> bool) -> Result<()> {
    let started = Instant::now();
    loop {
        if !look().await {
            return Err(anyhow!("{what} was no longer true after {:?}", started.elapsed()));
        }
        if started.elapsed() >= span {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_comes_is_named() {
        let error = until("the cows", Duration::from_millis(200), async || None::<()>).await.unwrap_err();
        assert!(error.to_string().starts_with("waited 200ms in vain for the cows"), "{error}");
        let reason = until_ok("the cows", Duration::from_millis(200), async || Err::<(), _>(anyhow!("they sleep"))).await.unwrap_err();
        assert_eq!(format!("{reason:#}"), "waited 200ms in vain for the cows: they sleep");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_ended() {
        until("a hung look", Duration::from_millis(200), async || std::future::pending::<Option<()>>().await).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_comes_is_returned_and_what_breaks_is_noticed() {
        let mut looks = 0;
        let found = until("the third look", PATIENCE, async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.await.unwrap(), 3);
        stays("truth", Duration::from_millis(50), async || true).await.unwrap();
        let mut left = 5;
        let broken = stays("five looks", Duration::from_secs(60), async || {
            left -= 1;
            left > 0
        });
        broken.await.unwrap_err();
    }
}
