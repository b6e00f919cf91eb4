-- A search by name reads an index from end to end, and each page of it is decrypted: one that holds names and little else is half as long.
DROP INDEX peers_by_seen;
CREATE INDEX peers_by_seen ON peers (last_seen, id, status, lease_until, trust, features);
CREATE INDEX peers_by_name ON peers (last_seen, id, search);
