//! What a relay's answer to an EVENT means for the outbox. Reading the relay's words is `ocmesh-wire::verdict`'s work.

/// A relay's answer to a published event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// `OK true`, or `duplicate:`, or "replaced: have newer event".
    Accepted,
    /// Slow down: does not count as a try.
    RateLimited,
    /// The relay wants NIP-42 AUTH first: retried at once after it.
    AuthRequired,
    /// `invalid:` because of the event's date: our clock is off, or the relay's is, or a gift wrap is dated back further than it likes.
    /// Tried again with a new date where a form has one to change.
    WrongDate,
    /// `blocked restricted invalid pow mute`: final for this relay alone.
    Refused,
    /// `error:`, an unknown word, no answer in time, or the connection went away: tried again later.
    Failed,
}
