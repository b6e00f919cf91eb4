//! The untrusted envelope of `ocmesh-api`, with fences from the system's random numbers.

pub(crate) use ocmesh_api::untrusted::{Author, Fence, NAME_CHARS_MAX, NOTE, Untrusted, label};

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no random numbers")]
pub(crate) struct NoRandom;

/// A new fence.
///
/// # Errors
/// [`NoRandom`].
pub(crate) fn fence() -> Result<Fence, NoRandom> {
    let mut code = [0; Fence::CODE_BYTES];
    getrandom::fill(&mut code).map_err(|_| NoRandom)?;
    Ok(Fence::new(code))
}

/// Puts a peer's words into the envelope.
///
/// # Errors
/// [`NoRandom`]: then the words are not shown at all.
pub(crate) fn untrusted(author: Author<'_>, body: &str, chars_max: usize) -> Result<Untrusted, NoRandom> {
    Ok(ocmesh_api::untrusted::untrusted(author, body, chars_max, fence()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_fences_are_alike() {
        assert_ne!(fence().unwrap(), fence().unwrap());
    }
}
