//! Every waiting time and cap of the engine, with production values as the default. Tests shrink them.

use std::time::Duration;

use crate::EDGE;

/// Times and caps.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// For a whole dial: name, TCP, TLS and upgrade. 10 s: a relay slower than that is no use for messages.
    pub dial_wait: Duration,
    /// Between two websocket pings. Seven [`EDGE`]s, 28.7 s: below half of the common 60 s idle limit, which a ping must beat to help.
    pub ping_every: Duration,
    /// For any byte after a ping. 20 s: with the ping interval a dead socket is found within 49 s.
    pub pong_wait: Duration,
    /// For any byte after a wake-up's probe. 5 s: after a sleep most sockets are dead, and a person waits.
    pub probe_wait: Duration,
    /// For the relay to take bytes while something waits to be written. 30 s: slow is allowed, stopped is not.
    pub stall_wait: Duration,
    /// First pause before dialling again.
    pub redial_base: Duration,
    /// Longest pause before dialling again. 60 s: back within a minute.
    pub redial_max: Duration,
    /// Longest pause after an HTTP 401, 402 or 403. 15 min: that relay does not want us, but policies change.
    pub refused_redial_max: Duration,
    /// A connection or subscription that lived this long starts its back-off from the beginning.
    pub steady_after: Duration,
    /// First pause before opening a closed subscription again.
    pub reopen_base: Duration,
    /// Longest pause before opening a closed subscription again.
    pub reopen_max: Duration,
    /// First pause after `restricted:` in spite of AUTH.
    pub restricted_base: Duration,
    /// Longest pause after `restricted:` in spite of AUTH.
    pub restricted_max: Duration,
    /// Silence after which a page without EOSE is given up. 15 s: longer than a slow relay's query, shorter than patience.
    pub page_quiet: Duration,
    /// First pause before a catch-up without proof (no EOSE) is tried again.
    pub unproven_base: Duration,
    /// Longest pause before a catch-up without proof is tried again. 1 h: it asks for everything again.
    pub unproven_max: Duration,
    /// Pages in one catch-up. 1,000 pages of 500 are half a million events; more is a relay that makes them up.
    pub pages_max: u32,
    /// For comparing sets with one relay (NIP-77), all rounds together; what is missing is fetched after it. 2 min: as long as paging
    /// through a few thousand events.
    pub reconcile_wait: Duration,
    /// Rounds of one comparison. 1,000: the greatest set in the smallest frames the protocol knows (4 KiB) takes no more.
    pub reconcile_rounds_max: u32,
    /// Rounds in a row that name nothing new. 32: sets of a hundred thousand are five splits by sixteen deep, and frames cut some short.
    pub reconcile_idle_rounds_max: u32,
    /// Events that one comparison may find missing. 100,000 ids take 5 MB; more is paged.
    pub reconcile_ids_max: usize,
    /// Longest NIP-77 message of ours, in bytes before hex. 24 KiB: 48 KiB of text, within every known relay's frame limit.
    pub reconcile_frame_bytes: u64,
    /// Ids asked for in one REQ. 100: at or below every known page cap.
    pub ids_per_req: usize,
    /// REQs that one relay holds open for catch-up and look-ups at a time; nostream allows 10 in all.
    pub short_reqs_max: usize,
    /// Subscriptions for one relay. 256: far above what one agent asks for, and a bound.
    pub subscriptions_max: usize,
    /// For the OK of a published event.
    pub publish_wait: Duration,
    /// Events waiting in each lane of one relay.
    pub lane_max: usize,
    /// Events sent and not answered on one relay; the others wait in their lane, so that direct messages overtake presence.
    pub in_flight_max: usize,
    /// For the OK of an AUTH. 5 s: some relays never send one, and everything waits for it.
    pub auth_wait: Duration,
    /// How long REQs wait for the challenge of a relay that challenged us before.
    pub auth_hold: Duration,
    /// Signatures a relay gets at once; more than three in a minute is a game.
    pub auth_burst: u32,
    /// After the burst, one signature in this time.
    pub auth_every: Duration,
    /// Longest websocket message and frame, in bytes. 1 MiB: four times the longest event.
    pub message_bytes_max: usize,
    /// Longest event, in bytes of JSON.
    pub event_bytes_max: usize,
    /// Malformed frames within a minute that end the connection.
    pub bad_frames_max: u32,
    /// For a NIP-11 document.
    pub info_wait: Duration,
    /// Longest NIP-11 document, in bytes.
    pub info_bytes_max: usize,
    /// A document is fetched again after this long.
    pub info_every: Duration,
    /// Between two [`crate::PoolEvent::Notice`] of one relay.
    pub notice_every: Duration,
    /// Events waiting for the owner, over all relays. 64: at most 16 MiB when every one has the greatest length.
    pub events_queued_max: usize,
    /// For saying goodbye.
    pub shutdown_wait: Duration,
    /// Seed of the jitter; `None` asks the operating system.
    pub seed: Option<u64>,
}

impl Default for Tuning {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            dial_wait: seconds(10),
            ping_every: EDGE * 7,
            pong_wait: seconds(20),
            probe_wait: seconds(5),
            stall_wait: seconds(30),
            redial_base: seconds(1),
            redial_max: seconds(60),
            refused_redial_max: seconds(15 * 60),
            steady_after: seconds(60),
            reopen_base: seconds(1),
            reopen_max: seconds(60),
            restricted_base: seconds(60),
            restricted_max: seconds(10 * 60),
            page_quiet: seconds(15),
            unproven_base: seconds(60),
            unproven_max: seconds(60 * 60),
            pages_max: 1_000,
            reconcile_wait: seconds(2 * 60),
            reconcile_rounds_max: 1_000,
            reconcile_idle_rounds_max: 32,
            reconcile_ids_max: 100_000,
            reconcile_frame_bytes: 24 << 10,
            ids_per_req: 100,
            short_reqs_max: 4,
            subscriptions_max: 256,
            publish_wait: seconds(10),
            lane_max: 256,
            in_flight_max: 256,
            auth_wait: seconds(5),
            auth_hold: seconds(3),
            auth_burst: 3,
            auth_every: seconds(60),
            message_bytes_max: 1 << 20,
            event_bytes_max: 256 << 10,
            bad_frames_max: 100,
            info_wait: seconds(5),
            info_bytes_max: 64 << 10,
            info_every: seconds(24 * 60 * 60),
            notice_every: seconds(60),
            events_queued_max: 64,
            shutdown_wait: seconds(2),
            seed: None,
        }
    }
}
