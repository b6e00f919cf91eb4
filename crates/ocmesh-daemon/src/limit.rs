//! Bounds of what the shell keeps in memory, each with its reason; the core has its own (`ocmesh_proto::limit`).

/// Questions waiting at most: more callers than that are told the daemon is busy.
pub(crate) const QUESTIONS_MAX: usize = 1_024;

/// Opened events waiting for the mesh; full stops the ingest thread, then the sockets.
pub(crate) const INPUTS_MAX: usize = 1_024;

/// Notices a slow listener may be behind before it must resume from the store.
pub(crate) const NOTICES_MAX: usize = 1_024;

/// Events compared with a relay's set at most, 40 bytes each; an inbox with more in a month is paged instead.
pub(crate) const HELD_MAX: usize = 50_000;

/// False signatures remembered in each of two generations: more than a relay shows of them in one page.
pub(crate) const FORGED_MAX: usize = 1_024;

/// Events taken from the pool at once. Where more come than are looked at, whoever waits for room is woken for that many and not for each.
pub(crate) const TAKEN_MAX: usize = 64;

/// Inputs taken from the thread that opens events at once: it waits for room while the mesh is slower, and is woken for so many and not for each.
pub(crate) const HEARD_MAX: usize = 256;

/// Inputs written in one transaction: enough to share a disk flush under load, few enough that a caller waits only milliseconds. So many callers
/// wait for its commit at most.
pub(crate) const BATCH_MAX: usize = 128;

/// Presences alone written in one transaction. A crowd's rows share pages, and a page is encrypted once a transaction, however often it changed.
pub(crate) const PRESENCES_MAX: usize = 4_096;

/// Ids of events kept in each of two generations: a day of a busy mesh's presence. Both together take 1.2 MB, once and for all: a table that
/// grows and is thrown away again and again would leave the process a little larger each time.
pub(crate) const GENERATION_IDS_MAX: usize = 32_768;

/// Authors kept in each of two generations too: more than a relay brings presences of at once. Both take 1.1 MB once they are full.
pub(crate) const GENERATION_AUTHORS_MAX: usize = 16_384;

/// Relays whose forgeries are counted; more than we are ever connected to.
pub(crate) const FORGING_RELAYS_MAX: usize = 256;

/// Event streams at one time: each is a listener that the engine's broadcast remembers.
pub(crate) const STREAMS_MAX: usize = 64;

/// Questions to the store at one time: it has three connections, and each question holds a thread.
pub(crate) const READS_MAX: usize = 8;

/// Connections on each transport: far more than one user's programs need. Apart, so that a browser that exhausts the port does not lock the
/// command line out of the socket.
pub(crate) const CONNECTIONS_MAX: usize = 256;

/// Connections of other users at one time: each gets its "no" and is closed.
pub(crate) const STRANGERS_MAX: usize = 16;

/// Holders of tokens whose pace is remembered; more than there are tokens. Beyond it those who did not call lately are forgotten.
pub(crate) const HOLDERS_MAX: usize = 128;

/// Lines that may wait for the writing thread. When full, new lines are dropped and counted, so that a slow disk never slows the daemon;
/// 8,192 lines of 200 bytes are 1.6 MB, and seconds of the busiest debug log.
pub(crate) const LINES_WAITING_MAX: usize = 8_192;
