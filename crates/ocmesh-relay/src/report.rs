//! What the pool tells its owner.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use crate::{PublishOutcome, RelayInfo};

/// Something that happened on a relay. `relay` is the address exactly as it was given to [`crate::Pool::connect`].
///
/// Every `said` and `why` is cleaned of control and direction characters and at most 200 characters long.
#[derive(Debug, Clone)]
pub enum PoolEvent {
    /// A dial began.
    Connecting {
        /// Which relay.
        relay: Arc<str>,
    },
    /// The websocket stands. Subscriptions are sent by the engine itself; publishing is possible from now on.
    Open {
        /// Which relay.
        relay: Arc<str>,
    },
    /// A dial failed or the websocket ended. The engine dials again by itself, unless it was disconnected.
    Down {
        /// Which relay.
        relay: Arc<str>,
        /// Why.
        why: String,
    },
    /// The relay's [NIP-11](https://github.com/nostr-protocol/nips/blob/master/11.md) document came; at most once a day.
    Described {
        /// Which relay.
        relay: Arc<str>,
        /// What it says.
        info: RelayInfo,
    },
    /// The relay told the time, in the `Date` of its answer to the websocket upgrade or to the request for its NIP-11 document
    /// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-date)), to the second.
    TimeTold {
        /// Which relay.
        relay: Arc<str>,
        /// Its time.
        time: SystemTime,
        /// When that was read.
        read_at: Instant,
    },
    /// An event that matches the subscription's filters. Neither its id nor its signature is checked.
    Event {
        /// Which relay.
        relay: Arc<str>,
        /// Which subscription, by the name given to [`crate::Pool::subscribe`].
        sub: Arc<str>,
        /// The event object as the relay wrote it, at most 256 KiB.
        json: Arc<str>,
        /// The id it claims: 64 lowercase hex digits.
        id: String,
        /// The kind it claims.
        kind: u16,
        /// The time it claims, in seconds.
        created_at: u64,
    },
    /// Everything stored that matches was delivered, past page caps. Comes again after each reconnect or re-subscription.
    CaughtUp {
        /// Which relay.
        relay: Arc<str>,
        /// Which subscription.
        sub: Arc<str>,
        /// Everything but this: the earliest second of which the relay may hold more events than it shows, in Unix time.
        cut: Option<u64>,
    },
    /// The relay closed a subscription. The engine opens it again by itself.
    Closed {
        /// Which relay.
        relay: Arc<str>,
        /// Which subscription.
        sub: Arc<str>,
        /// What the relay said.
        said: String,
    },
    /// The fate of one [`crate::Pool::publish`]: exactly one for each call.
    Answered {
        /// Which relay.
        relay: Arc<str>,
        /// Which event.
        event_id: String,
        /// What came of it.
        outcome: PublishOutcome,
        /// What the relay said, or why there was no answer.
        said: String,
    },
    /// [NIP-42](https://github.com/nostr-protocol/nips/blob/master/42.md) succeeded on this connection.
    Authenticated {
        /// Which relay.
        relay: Arc<str>,
    },
    /// NIP-42 failed on this connection.
    AuthRefused {
        /// Which relay.
        relay: Arc<str>,
        /// What the relay said, or why we did not answer.
        said: String,
    },
    /// A NOTICE: text for people. At most one a minute for each relay.
    Notice {
        /// Which relay.
        relay: Arc<str>,
        /// What it said.
        said: String,
    },
}
