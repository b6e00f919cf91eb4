-- The direct-message events that were handled, by their own kind and date: what relays compare their sets with (NIP-77).
-- A month of them at most; `seen` and `messages` are what keeps a message from arriving twice.
CREATE TABLE held (
    dated INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    id    BLOB NOT NULL CHECK (length(id) = 32),
    PRIMARY KEY (dated, kind, id)
) STRICT, WITHOUT ROWID;
