-- Numbered messages, and which are missing. Numbers of lines are 64 bits, kept as SQLite's signed integers.

-- A message's place: its author's line, its number there, and the message before it. Null for messages without one.
ALTER TABLE messages ADD COLUMN line INTEGER;
ALTER TABLE messages ADD COLUMN number INTEGER;
ALTER TABLE messages ADD COLUMN previous BLOB;
CREATE INDEX messages_by_number ON messages (peer, direction, line, number) WHERE number IS NOT NULL;

-- The line in which we write to a peer: its newest number, and that message.
CREATE TABLE own_lines (
    peer   BLOB PRIMARY KEY CHECK (length(peer) = 32),
    line   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    last   BLOB NOT NULL CHECK (length(last) = 32)
) STRICT, WITHOUT ROWID;

-- The lines in which peers write to us.
CREATE TABLE peer_lines (
    peer     BLOB NOT NULL CHECK (length(peer) = 32),
    line     INTEGER NOT NULL,
    highest  INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    breaks   INTEGER NOT NULL,
    PRIMARY KEY (peer, line)
) STRICT, WITHOUT ROWID;

-- Runs of numbers that are missing. `lost` says why they are not waited for any more.
CREATE TABLE gaps (
    peer     BLOB NOT NULL CHECK (length(peer) = 32),
    line     INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    found_at INTEGER NOT NULL,
    shown    INTEGER NOT NULL,
    asks     INTEGER NOT NULL,
    next_at  INTEGER NOT NULL,
    lost     TEXT,
    PRIMARY KEY (peer, line, last)
) STRICT, WITHOUT ROWID;
