-- What a peer asks of strangers' messages: zero bits of work (NIP-13).
ALTER TABLE peers ADD COLUMN work_asked INTEGER NOT NULL DEFAULT 0;
