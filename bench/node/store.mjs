// The reference's SQLite: one file, WAL, every commit synced, as ocmesh has it. Not encrypted, which spares it work.

import Database from 'better-sqlite3';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY CHECK (id = 1), secret TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS peers (
    id INTEGER PRIMARY KEY, pubkey TEXT NOT NULL UNIQUE, name TEXT, features TEXT NOT NULL, dm TEXT NOT NULL, relays TEXT NOT NULL,
    status TEXT NOT NULL, trust TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, presence_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS peers_by_seen ON peers (last_seen, id);
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, direction TEXT NOT NULL, peer TEXT NOT NULL, content TEXT NOT NULL,
    form TEXT NOT NULL, written_at INTEGER NOT NULL, stored_at INTEGER NOT NULL, read_at INTEGER, status TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_in ON messages (stored_at, seq) WHERE direction = 'in';
CREATE INDEX IF NOT EXISTS messages_unread ON messages (stored_at, seq) WHERE direction = 'in' AND read_at IS NULL;
CREATE INDEX IF NOT EXISTS messages_by_peer ON messages (peer, stored_at, seq);
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, message TEXT, event TEXT NOT NULL, queued_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (id INTEGER PRIMARY KEY CHECK (id = 1), peers INTEGER NOT NULL, unread INTEGER NOT NULL);
INSERT OR IGNORE INTO counters VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS peers_in AFTER INSERT ON peers BEGIN UPDATE counters SET peers = peers + 1; END;
CREATE TRIGGER IF NOT EXISTS messages_in_counted AFTER INSERT ON messages WHEN NEW.direction = 'in' AND NEW.read_at IS NULL
    BEGIN UPDATE counters SET unread = unread + 1; END;
CREATE TRIGGER IF NOT EXISTS messages_read_counted AFTER UPDATE OF read_at ON messages WHEN NEW.read_at IS NOT NULL AND OLD.read_at IS NULL
    BEGIN UPDATE counters SET unread = unread - 1; END;
`;

const PEER = `INSERT INTO peers (pubkey, name, features, dm, relays, status, trust, first_seen, last_seen, presence_at, lease_until)
    VALUES (@pubkey, @name, @features, @dm, @relays, @status, 'unknown', @at, @at, @presence_at, @lease_until)
    ON CONFLICT (pubkey) DO UPDATE SET name = excluded.name, features = excluded.features, dm = excluded.dm, relays = excluded.relays,
    status = excluded.status, last_seen = excluded.last_seen, presence_at = excluded.presence_at, lease_until = excluded.lease_until
    WHERE excluded.presence_at > peers.presence_at`;

/** Opens the database and prepares every statement. */
export function open(path) {
    const db = new Database(path);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec(SCHEMA);
    const statements = {
        secret: db.prepare('SELECT secret FROM identity'),
        putSecret: db.prepare('INSERT INTO identity VALUES (1, ?)'),
        counters: db.prepare('SELECT peers, unread FROM counters'),
        online: db.prepare("SELECT count(*) AS n FROM peers WHERE lease_until > ? AND status != 'offline'"),
        putPeer: db.prepare(PEER),
        addPeer: db.prepare("INSERT OR IGNORE INTO peers (pubkey, features, dm, relays, status, trust, first_seen, last_seen, presence_at, lease_until) VALUES (?, '[]', '[]', '[]', 'offline', 'known', ?, ?, 0, 0)"),
        trust: db.prepare('UPDATE peers SET trust = ? WHERE pubkey = ?'),
        peer: db.prepare('SELECT * FROM peers WHERE pubkey = ?'),
        peers: db.prepare('SELECT * FROM peers WHERE (last_seen, id) < (?, ?) ORDER BY last_seen DESC, id DESC LIMIT ?'),
        search: db.prepare("SELECT * FROM peers WHERE name LIKE '%' || ? || '%' AND (last_seen, id) < (?, ?) ORDER BY last_seen DESC, id DESC LIMIT ?"),
        addMessage: db.prepare(`INSERT OR IGNORE INTO messages (id, direction, peer, content, form, written_at, stored_at, read_at, status)
            VALUES (@id, @direction, @peer, @content, @form, @written_at, @stored_at, @read_at, @status)`),
        message: db.prepare('SELECT * FROM messages WHERE id = ?'),
        messages: db.prepare("SELECT m.*, p.name AS from_name, p.trust AS trust FROM messages m LEFT JOIN peers p ON p.pubkey = m.peer WHERE direction = 'in' AND (stored_at, seq) < (?, ?) ORDER BY stored_at DESC, seq DESC LIMIT ?"),
        status: db.prepare('UPDATE messages SET status = ? WHERE id = ?'),
        markRead: db.prepare('UPDATE messages SET read_at = ? WHERE id = ? AND read_at IS NULL'),
        queue: db.prepare('INSERT INTO outbox (message, event, queued_at) VALUES (?, ?, ?)'),
        waiting: db.prepare('SELECT id, message, event FROM outbox'),
        done: db.prepare('DELETE FROM outbox WHERE id = ?'),
        seen: db.prepare('SELECT 1 FROM seen WHERE id = ?'),
        addSeen: db.prepare('INSERT OR IGNORE INTO seen VALUES (?, ?)'),
    };
    return { db, ...statements, all: (work) => db.transaction(work)() };
}
