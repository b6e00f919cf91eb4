-- Invites that we made or were given. `secret` is the inviter's seed, or the joiner's copy of the secret with its number; nothing but the
-- proofs of this invite follows from it. An invite that is over is forgotten after a week.
CREATE TABLE invites (
    id         INTEGER PRIMARY KEY,
    role       TEXT NOT NULL,
    secret     BLOB NOT NULL CHECK (length(secret) = 32),
    peer       BLOB CHECK (length(peer) = 32),
    petname    TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state      TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    phrase     TEXT,
    guesses    INTEGER NOT NULL
) STRICT;
