//! Questions to the store from async code: off the runtime's threads, and only so many at a time.

use std::sync::{Arc, atomic::Ordering};

use ocmesh_api::ErrorCode;
use ocmesh_store::{ReadError, Reader};

use super::{Api, error::Fault};

/// Asks the store. Waits for its turn; ends early, without an answer, only when the caller goes away.
pub(super) async fn read<T, F>(api: &Api, ask: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
{
    let reader = api.parts.reader.clone();
    // The permit goes along: a question whose caller went away still holds its thread.
    let turn = Arc::clone(&api.reads).acquire_owned().await.map_err(|_| Fault::new(ErrorCode::Stopping, "the daemon is stopping"))?;
    let asked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        ask(&reader)
    });
    match asked.await {
        Ok(answer) => {
            if answer.as_ref().is_err_and(ReadError::is_damage) {
                api.damage_seen.store(true, Ordering::Relaxed);
            }
            Ok(answer?)
        }
        Err(_) => Err(Fault::new(ErrorCode::Internal, "something went wrong inside")),
    }
}
