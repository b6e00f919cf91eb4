//! Every bound of the core in one place, each with its reason.

/// Longest message text in Unicode scalar values (the Local API's promise).
pub const CONTENT_CHARS_MAX: usize = 4_096;
/// Longest inbound content kept, in bytes; a longer one is cut off by the event cap before it gets here.
pub const INBOUND_CONTENT_BYTES_MAX: usize = 128 * 1024;
/// Longest name or petname shown, in characters.
pub const NAME_CHARS_MAX: usize = 64;
/// Longest `about` text, in characters.
pub const ABOUT_CHARS_MAX: usize = 512;
/// Most features a peer may list; the rest are dropped.
pub const FEATURES_MAX: usize = 16;
/// Longest feature name, in characters.
pub const FEATURE_CHARS_MAX: usize = 48;
/// Longest relay address, in bytes.
pub const RELAY_URL_BYTES_MAX: usize = 256;
/// Relays taken from a peer's list: NIP-17 asks lists to be small (1 to 3); one more is kept in reserve.
pub const PEER_RELAYS_MAX: usize = 4;
/// Relays a message is sent to at first; the reserve joins when one of them refuses.
pub const ROUTE_RELAYS_MAX: usize = 3;
/// Relays named in our presence and in our 10050 list.
pub const OWN_DM_RELAYS_MAX: usize = 3;
/// Own relays an owner may configure: each is a connection for life.
pub const OWN_RELAYS_MAX: usize = 32;
/// Connections to peers' relays at one time, beside our own.
pub const ROUTE_CONNECTIONS_MAX: usize = 64;
/// Peers kept; the longest unseen strangers are forgotten first.
pub const PEERS_MAX: usize = 200_000;
/// Messages waiting in the outbox; more are refused with a clear error.
pub const OUTBOX_MAX: usize = 100_000;
/// Receipts, hellos and other frames in the outbox; what finds no room is asked for again by whoever misses it.
pub const FRAMES_MAX: usize = 20_000;
/// Frames in the outbox for one peer: one that writes without end and cannot be reached takes no more of the room.
pub const FRAMES_PER_PEER_MAX: usize = 1_000;
/// Publishes in flight at one relay, so that one slow relay holds no more than this in memory.
pub const IN_FLIGHT_PER_RELAY_MAX: usize = 64;
/// Announcements of ours that one relay has not answered: two each beat, and three lists. The relay engine answers for a relay that is silent within
/// seconds; beyond, what is new is told to that relay at a later beat.
pub const ANNOUNCED_PER_RELAY_MAX: usize = 16;
/// Messages to ourselves that one relay has not answered. The next one leaves after the one before had its time; beyond, the relay is checked later.
pub const CANARIES_PER_RELAY_MAX: usize = 4;
/// Look-ups in flight.
pub const LOOKUPS_MAX: usize = 32;
/// Peers whose last look-up is remembered; beyond, the one longest ago is forgotten and may be looked up again a little early.
pub const LOOKED_UP_MAX: usize = 4_096;
/// Peers that wait for a hello; the newest stay. Twenty days of greetings, and whoever is left out is considered at its next announcement.
pub const HELLOS_WAITING_MAX: usize = 4_096;
/// Accepted peers answered by themselves lately, which are remembered so that nobody makes us talk without end.
pub const ANSWERED_MAX: usize = 4_096;
/// Strangers answered so: keys cost nothing, and each answer is an event to relays that the stranger may name. The rest are greeted in turn.
pub const STRANGERS_ANSWERED_MAX: usize = 256;
/// Receipts repeated lately; the rest are asked for again later.
pub const RECEIPTED_MAX: usize = 4_096;
/// Peers that asked lately for messages they miss; beyond, nobody new is answered until some have waited long enough.
pub const GIVEN_PEERS_MAX: usize = 4_096;
/// Longest petname-independent error text kept from a relay, in characters.
pub const RELAY_TEXT_CHARS_MAX: usize = 200;
/// Presences written to disk for one stranger are at least this far apart unless something visible changed, in milliseconds.
pub const PRESENCE_WRITE_INTERVAL_MS: u64 = 60_000;
/// Turns are counted over this time, and a chain that was calm for so long is over: slower than this no talk is a loop.
pub const LOOP_WINDOW_MS: u64 = 3_600_000;
/// A loop rests for this long when it is stopped first: longer than a burst of retries, short enough to wait for.
pub const LOOP_COOL_MS: u64 = 5 * 60_000;
/// Longest rest of a loop that goes on whenever it may: four turns a day cost little.
pub const LOOP_COOL_MS_MAX: u64 = 6 * 3_600_000;
/// Chains of ours, and peers we wrote to, that the loop guard remembers: an hour of more than one a second.
pub const CHAINS_MAX: usize = 4_096;
/// Peers whose newest message the loop guard remembers; strangers are forgotten first, so that a flood costs neither memory nor guard.
pub const HEARD_MAX: usize = 1_024;
/// Stored messages from which the loop guard is rebuilt at a start: some milliseconds of reading.
pub const TURNS_MAX: usize = 2_000;
/// Highest number of a message in its line: the largest integer that every JSON reader keeps exact (2^53 - 1).
pub const NUMBER_MAX: u64 = (1 << 53) - 1;
/// Peers that our own lines lead to, some megabytes of memory: more than an agent writes to. Beyond, those who were written to least lose theirs, and get
/// another with the next message.
pub const OWN_LINES_MAX: usize = 20_000;
/// Lines kept of one peer: an honest one begins another only after its store was lost, and once a device.
pub const LINES_PER_PEER_MAX: usize = 16;
/// Numbers missed at once, the newest: more than an agent that was away for long could ask for in a day.
pub const GAP_NUMBERS_MAX: u64 = 10_000;
/// Gaps kept of one peer.
pub const GAPS_PER_PEER_MAX: usize = 256;
/// Gaps kept in all, some megabytes of memory; strangers' fill no more than half.
pub const GAPS_MAX: usize = 20_000;
/// Numbers in one ask, and answered of one: each answer is a message to up to three relays.
pub const ASK_NUMBERS_MAX: usize = 32;
/// Strangers of whom unread messages are kept; the 201st waits until the agent or its owner has dealt with one.
pub const STRANGERS_WAITING_MAX: usize = 200;
/// Unread messages kept of one stranger: a first contact in a few parts. Where the owner wants to be asked first it is one.
pub const STRANGER_UNREAD_MAX: usize = 20;
/// Messages of one stranger within an hour, read or not: an answer makes it known, and without one a minute's pace is enough.
pub const STRANGER_HOURLY_MAX: usize = 60;
/// Strangers' messages that one relay may bring at once: what waited there during an absence.
pub const STRANGERS_RELAY_BURST: u64 = 100;
/// And after that one in so many milliseconds: ten a minute.
pub const STRANGERS_RELAY_INTERVAL_MS: u64 = 6_000;
/// Targets to be woken: an owner has one agent, and a few programs that look after it.
pub const WAKE_TARGETS_MAX: usize = 16;
/// Messages counted for a wake: "a thousand" says as much as more would.
pub const WAKE_COUNT_MAX: u32 = 1_000;
/// Tries of one wake. With the pauses between them that is about a day.
pub const WAKE_TRIES_MAX: u32 = 100;
/// A wake is not tried any more when it is so old: what is unread for a day needs its owner.
pub const WAKE_LIFE_MS: u64 = 24 * 3_600_000;
/// No target may ask us to wait longer than this.
pub const WAKE_RETRY_AFTER_MS_MAX: u64 = 3_600_000;
/// Work that may be asked of strangers, and that we do for a peer that asks, in zero bits (NIP-13): some half a minute of one core.
pub const WORK_BITS_MAX: u32 = 24;
/// What we work for others in an hour: 2 to this many hashes, some five minutes of one core. Eight messages of 24 bits, or 2,048 of 16.
pub const WORK_HOURLY_BITS: u32 = 27;
/// Messages that are being worked for at one time; the rest wait a minute.
pub const WORKS_MAX: usize = 64;
/// Where strangers are asked for work, so many of their events without it are looked at, at once: the hellos of a busy minute.
pub const UNWORKED_BURST: u64 = 60;
/// And after that one in so many milliseconds.
pub const UNWORKED_INTERVAL_MS: u64 = 1_000;
/// Invites open at one time, those we made and those we were given each: a person hands them out one by one.
pub const INVITES_OPEN_MAX: usize = 20;
/// Invites remembered that are over.
pub const INVITES_MAX: usize = 200;
/// Wrong proofs before an open invite is taken back. A typing mistake cannot cause one, as a code has a checksum.
pub const INVITE_GUESSES_MAX: u32 = 5;
/// Relays named in a code: more makes it long, and two are seldom away together.
pub const INVITE_RELAYS_MAX: usize = 2;
