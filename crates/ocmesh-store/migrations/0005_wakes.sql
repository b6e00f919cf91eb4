-- Waking the agent.

-- Its author says that it cannot wait.
ALTER TABLE messages ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;

-- The targets that are woken, and how each stands. `body` is the whole record.
CREATE TABLE wakes (
    target TEXT PRIMARY KEY,
    body   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
