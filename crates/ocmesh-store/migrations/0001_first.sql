-- The first shape of the store. Applied migrations are frozen: change the shape in a new file, never here.
-- Moments are milliseconds since the Unix epoch. Keys and ids are 32-byte blobs.

-- Our secret key. At most one row; only a restore replaces it.
CREATE TABLE identity (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    secret BLOB NOT NULL CHECK (length(secret) = 32)
) STRICT;

-- What we set of ourselves at run time, and what we last published.
CREATE TABLE own (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    name              TEXT,
    about             TEXT,
    features          TEXT,
    status            TEXT,
    published_at      INTEGER NOT NULL,
    published_profile TEXT,
    hello_day         INTEGER NOT NULL,
    hello_count       INTEGER NOT NULL
) STRICT;

-- Remote agents. `search` is name and petname in lower case, so that a look-up by part of a name also works beyond ASCII.
CREATE TABLE peers (
    id              INTEGER PRIMARY KEY,
    pubkey          BLOB NOT NULL UNIQUE CHECK (length(pubkey) = 32),
    name            TEXT,
    petname         TEXT,
    search          TEXT NOT NULL,
    about           TEXT,
    version         TEXT,
    features        TEXT,
    forms           TEXT,
    last_form       TEXT,
    status          TEXT NOT NULL,
    presence_relays TEXT,
    dm_relays       TEXT,
    read_relays     TEXT,
    seen_on         TEXT,
    source          TEXT NOT NULL,
    first_seen      INTEGER NOT NULL,
    last_seen       INTEGER NOT NULL,
    presence_at     INTEGER NOT NULL,
    lease_until     INTEGER NOT NULL,
    handshake       TEXT,
    trust           TEXT NOT NULL
) STRICT;

-- Holds every column a peer list filters by, so that a page touches only the rows it shows.
CREATE INDEX peers_by_seen ON peers (last_seen, id, status, lease_until, trust, search, features);

-- Messages, ours and others'. Ids stay for ever: they are what keeps a message from arriving twice.
CREATE TABLE messages (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    direction         TEXT NOT NULL,
    peer              BLOB NOT NULL CHECK (length(peer) = 32),
    content           TEXT NOT NULL,
    kind              TEXT NOT NULL,
    form              TEXT NOT NULL,
    written_at        INTEGER NOT NULL,
    stored_at         INTEGER NOT NULL,
    read_at           INTEGER,
    thread            BLOB NOT NULL CHECK (length(thread) = 32),
    reply_to          BLOB,
    subject           TEXT,
    chain_id          BLOB,
    chain_hops        INTEGER,
    state             TEXT NOT NULL,
    status            TEXT,
    idempotency_key   TEXT,
    held              INTEGER NOT NULL,
    receipt_delivered INTEGER NOT NULL,
    receipt_read      INTEGER NOT NULL
) STRICT;

-- One index per way of listing, each ending in (stored_at, seq), so that a page at any depth costs the same.
CREATE INDEX messages_by_time ON messages (stored_at);
CREATE INDEX messages_in ON messages (stored_at) WHERE direction = 'in';
CREATE INDEX messages_out ON messages (stored_at) WHERE direction = 'out';
CREATE INDEX messages_unread ON messages (stored_at, seq, peer, held) WHERE direction = 'in' AND read_at IS NULL;
CREATE INDEX messages_read ON messages (stored_at, seq, peer, held) WHERE direction = 'in' AND read_at IS NOT NULL;
CREATE INDEX messages_by_peer ON messages (peer, stored_at, seq, direction, held);
-- Replies only: the message that begins a thread is found by its id. Ids are random, so every row in here costs a page of its own.
CREATE INDEX messages_by_thread ON messages (thread, stored_at) WHERE thread != id;
CREATE INDEX messages_held ON messages (peer) WHERE held = 1;
-- Not unique: a caller's key may be used again after it expired.
CREATE INDEX messages_by_key ON messages (idempotency_key, stored_at) WHERE idempotency_key IS NOT NULL;

-- The delivery history of messages, one line a row, by the message's number: new lines lie close together, unlike by its id.
CREATE TABLE history (
    id    INTEGER PRIMARY KEY,
    seq   INTEGER NOT NULL REFERENCES messages (seq),
    at    INTEGER NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX history_by_message ON history (seq);

-- The outbox. `body` is the whole parcel; the other columns are its keys.
CREATE TABLE parcels (
    id        INTEGER PRIMARY KEY,
    message   BLOB NOT NULL,
    class     TEXT NOT NULL,
    event     BLOB NOT NULL,
    queued_at INTEGER NOT NULL,
    body      TEXT NOT NULL,
    UNIQUE (message, class)
) STRICT;
CREATE INDEX parcels_of_messages ON parcels (queued_at) WHERE class = 'message';

-- Sealed events that are still to be published, or may be again.
CREATE TABLE sealed (
    id         INTEGER PRIMARY KEY,
    event      BLOB NOT NULL UNIQUE,
    message    BLOB NOT NULL,
    kind       INTEGER NOT NULL,
    json       TEXT NOT NULL,
    wrapped_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sealed_by_message ON sealed (message);
CREATE INDEX sealed_by_age ON sealed (wrapped_at);

-- Rumors, for wrapping them again.
CREATE TABLE rumors (
    id        INTEGER PRIMARY KEY,
    message   BLOB NOT NULL UNIQUE,
    json      TEXT NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT;
CREATE INDEX rumors_by_age ON rumors (stored_at);

-- Ids of frames and wraps that were handled. Rows come in order of time, so the oldest are the lowest.
CREATE TABLE seen (
    seq INTEGER PRIMARY KEY,
    id  BLOB NOT NULL UNIQUE,
    at  INTEGER NOT NULL
) STRICT;

CREATE TABLE relays (
    url     TEXT PRIMARY KEY,
    origin  TEXT NOT NULL,
    good_at INTEGER
) STRICT, WITHOUT ROWID;

-- What listeners were told. Numbers are never used twice, so that a listener can resume after any of them.
CREATE TABLE notices (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    at   INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Sums that would cost a walk over the whole table; kept true by the triggers below.
CREATE TABLE counters (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    peers     INTEGER NOT NULL,
    messages  INTEGER NOT NULL,
    unread    INTEGER NOT NULL,
    held      INTEGER NOT NULL,
    queued    INTEGER NOT NULL,
    relayed   INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    read      INTEGER NOT NULL,
    failed    INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0);

CREATE TRIGGER peers_counted_in AFTER INSERT ON peers BEGIN
    UPDATE counters SET peers = peers + 1 WHERE id = 1;
END;
CREATE TRIGGER peers_counted_out AFTER DELETE ON peers BEGIN
    UPDATE counters SET peers = peers - 1 WHERE id = 1;
END;

CREATE TRIGGER messages_counted_in AFTER INSERT ON messages BEGIN
    UPDATE counters SET
        messages  = messages + 1,
        unread    = unread + (NEW.direction = 'in' AND NEW.read_at IS NULL AND NEW.held = 0),
        held      = held + (NEW.held = 1),
        queued    = queued + (NEW.state = 'queued'),
        relayed   = relayed + (NEW.state = 'relayed'),
        delivered = delivered + (NEW.state = 'delivered'),
        read      = read + (NEW.state = 'read'),
        failed    = failed + (NEW.state = 'failed')
    WHERE id = 1;
END;
CREATE TRIGGER messages_counted_again AFTER UPDATE OF read_at, held, state ON messages BEGIN
    UPDATE counters SET
        unread    = unread + (NEW.direction = 'in' AND NEW.read_at IS NULL AND NEW.held = 0)
                           - (OLD.direction = 'in' AND OLD.read_at IS NULL AND OLD.held = 0),
        held      = held + (NEW.held = 1) - (OLD.held = 1),
        queued    = queued + (NEW.state = 'queued') - (OLD.state = 'queued'),
        relayed   = relayed + (NEW.state = 'relayed') - (OLD.state = 'relayed'),
        delivered = delivered + (NEW.state = 'delivered') - (OLD.state = 'delivered'),
        read      = read + (NEW.state = 'read') - (OLD.state = 'read'),
        failed    = failed + (NEW.state = 'failed') - (OLD.state = 'failed')
    WHERE id = 1;
END;
CREATE TRIGGER messages_counted_out AFTER DELETE ON messages BEGIN
    UPDATE counters SET
        messages  = messages - 1,
        unread    = unread - (OLD.direction = 'in' AND OLD.read_at IS NULL AND OLD.held = 0),
        held      = held - (OLD.held = 1),
        queued    = queued - (OLD.state = 'queued'),
        relayed   = relayed - (OLD.state = 'relayed'),
        delivered = delivered - (OLD.state = 'delivered'),
        read      = read - (OLD.state = 'read'),
        failed    = failed - (OLD.state = 'failed')
    WHERE id = 1;
END;
