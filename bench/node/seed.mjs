// Fills the reference's store through its own statements: node seed.mjs HOME MESSAGES PEERS.

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { open } from './store.mjs';

const [home, messages, peers] = process.argv.slice(2);
/** Rows of one transaction. */
const BATCH = 10_000;
const id = (kind, n) => createHash('sha256').update(`${kind} ${n}`).digest('hex');
mkdirSync(home, { recursive: true, mode: 0o700 });
const store = open(join(home, 'node.db'));
const began = Date.now() - 3_600_000;

function fill(count, one) {
    for (let from = 0; from < count; from += BATCH) {
        store.all(() => {
            for (let n = from; n < Math.min(from + BATCH, count); n++) one(n);
        });
    }
}

fill(Number(peers), (n) => store.putPeer.run({ pubkey: id('peer', n), name: `agent ${n}`, features: '["messaging","query"]',
    dm: '["nip17","nip04"]', relays: '["wss://relay.example.com"]', status: 'online', at: began + n, presence_at: began + n, lease_until: began + n }));
fill(Number(messages), (n) => store.addMessage.run({ id: id('message', n), direction: 'in', peer: id('peer', n % 1000),
    content: `Message ${n}: ${'lorem ipsum dolor sit amet '.repeat(6)}`, form: 'nip17', written_at: began + n, stored_at: began + n,
    read_at: began + n + 1, status: 'received' }));
store.db.pragma('wal_checkpoint(TRUNCATE)');
store.db.close();
