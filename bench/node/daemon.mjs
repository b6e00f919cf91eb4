// A plain Node daemon that does ocmesh's job: identity, presence, NIP-17 and NIP-04 both ways, an outbox, a store, a local HTTP API.
// Written to be measured against: short, and with nothing slower than it needs to be.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { Api } from './api.mjs';
import { bytes, finalizeEvent, generateSecretKey, getPublicKey, hex, openNip04, rumor, sealNip04, unwrap, wrap } from './crypto.mjs';
import { Relays } from './relays.mjs';
import { open } from './store.mjs';

const LEASE_MS = 15 * 60 * 1000;
const PRESENCE_MS = 5 * 60 * 1000;
const SCAN_MS = 2 * 60 * 1000;
const RETRY_MS = 30 * 1000;
/** Presences are written together: none of them is worth a sync of its own. */
const GATHER_MS = 100;
const FLIGHT_MAX = 64;

const home = process.env.OCMESH_HOME;
mkdirSync(home, { recursive: true, mode: 0o700 });
const store = open(join(home, 'node.db'));
let held = store.secret.get();
if (!held) {
    held = { secret: hex(generateSecretKey()) };
    store.putSecret.run(held.secret);
}
const secret = bytes(held.secret);
const me = getPublicKey(secret);
const seconds = () => Math.floor(Date.now() / 1000);

const tagged = (event, name) => event.tags.filter((tag) => tag[0] === name).map((tag) => tag[1]);

// Presence.
let heard = [];
function presenceHeard(event) {
    if (!tagged(event, 'app').includes('ocmesh') || event.pubkey === me) return;
    const next = Number(tagged(event, 'next')[0] ?? 0) * 1000;
    const at = event.created_at * 1000;
    heard.push({
        pubkey: event.pubkey,
        name: tagged(event, 'name')[0] ?? null,
        features: JSON.stringify(tagged(event, 'feature')),
        dm: JSON.stringify(tagged(event, 'dm')),
        relays: JSON.stringify(tagged(event, 'relay')),
        status: event.content === 'ocmesh-agent-offline' ? 'offline' : (tagged(event, 'status')[0] ?? 'online'),
        at: Date.now(),
        presence_at: at,
        lease_until: next > at ? next + 60_000 : at + LEASE_MS,
    });
    if (heard.length === 1) setTimeout(writePresences, GATHER_MS);
}

function writePresences() {
    const all = heard;
    heard = [];
    store.all(() => all.forEach((presence) => store.putPeer.run(presence)));
    for (const { pubkey } of all) api.tell('peer', () => ({ pubkey, change: 'online' }));
}

function announce() {
    const next = seconds() + PRESENCE_MS / 1000;
    const tags = [['app', 'ocmesh'], ['t', 'ocmesh'], ['v', '0.3.0'], ['name', process.env.OCMESH_NAME ?? 'reference'],
        ['feature', 'messaging'], ['feature', 'query'], ['dm', 'nip17'], ['dm', 'nip04'], ['status', 'online'], ['next', String(next)],
        ...[...relays.connected.keys()].slice(0, 3).map((url) => ['relay', url]), ['expiration', String(seconds() + LEASE_MS / 1000)]];
    const events = [
        finalizeEvent({ kind: 31337, created_at: seconds(), tags: [['d', 'ocmesh-presence'], ...tags], content: 'ocmesh-agent-online' }, secret),
        finalizeEvent({ kind: 1, created_at: seconds(), tags, content: `${process.env.OCMESH_NAME ?? 'reference'} is on the ocmesh agent mesh: messaging, query` }, secret),
    ];
    events.forEach((event) => relays.publish(event).catch(() => {}));
}

// Messages in.
function messageHeard(event) {
    if (store.seen.get(event.id)) return;
    const isWrap = event.kind === 1059;
    let said;
    try {
        said = isWrap ? unwrap(secret, event) : { id: event.id, kind: 14, pubkey: event.pubkey, created_at: event.created_at, content: openNip04(secret, event) };
    } catch {
        return;
    }
    if (said.pubkey === me) return;
    const frame = said.content.startsWith('{') ? parsed(said.content) : null;
    const form = isWrap ? 'nip17' : 'nip04';
    if (frame?.type === 'delivered' || frame?.type === 'read') {
        store.all(() => {
            store.addSeen.run(event.id, Date.now());
            store.status.run(frame.type, frame.msgId);
        });
        api.tell('receipt', () => ({ id: frame.msgId, direction: 'out', status: frame.type }));
        return;
    }
    let receipt = null;
    const added = store.all(() => {
        store.addSeen.run(event.id, Date.now());
        const { changes } = store.addMessage.run({ id: said.id, direction: 'in', peer: said.pubkey, content: said.content, form,
            written_at: said.created_at * 1000, stored_at: Date.now(), read_at: null, status: 'received' });
        const peer = store.peer.get(said.pubkey);
        if (changes && (peer?.trust === 'known' || peer?.trust === 'trusted')) {
            const content = JSON.stringify({ type: 'delivered', msgId: said.id, ts: Date.now(), v: '0.3.0' });
            receipt = form === 'nip17' ? wrap(secret, rumor(me, said.pubkey, 78, content, [['app', 'ocmesh']]), said.pubkey) : sealNip04(secret, said.pubkey, content);
            store.queue.run(null, JSON.stringify(receipt), Date.now());
        }
        return changes;
    });
    if (!added) return;
    api.tell('message', () => api.messageJson(store.message.get(said.id)));
    if (receipt) pump();
}

function parsed(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}

// Messages out: on disk first, then to the relays.
function send(to, content) {
    const said = rumor(me, to, 14, content);
    const events = [wrap(secret, said, to), wrap(secret, said, me)];
    store.all(() => {
        store.addMessage.run({ id: said.id, direction: 'out', peer: to, content, form: 'nip17', written_at: Date.now(), stored_at: Date.now(),
            read_at: null, status: 'queued' });
        events.forEach((event, i) => store.queue.run(i === 0 ? said.id : null, JSON.stringify(event), Date.now()));
    });
    pump();
    return { id: said.id, to, timestamp: new Date().toISOString(), status: 'queued' };
}

const inFlight = new Set();
let pumping = false;
function pump() {
    if (pumping) return;
    pumping = true;
    setImmediate(() => {
        pumping = false;
        if (relays.open().length === 0) return;
        for (const row of store.waiting.iterate()) {
            if (inFlight.size >= FLIGHT_MAX) break;
            if (!inFlight.has(row.id)) publish(row);
        }
    });
}

async function publish({ id, message, event }) {
    inFlight.add(id);
    try {
        await relays.publish(JSON.parse(event));
        finished.push({ id, message });
        if (finished.length === 1) setImmediate(writeFinished);
    } catch {
        inFlight.delete(id);
        setTimeout(pump, RETRY_MS);
    }
}

let finished = [];
function writeFinished() {
    const all = finished;
    finished = [];
    store.all(() => all.forEach(({ id, message }) => {
        store.done.run(id);
        if (message) store.status.run('relayed', message);
    }));
    all.forEach(({ id }) => inFlight.delete(id));
    pump();
}

const relays = new Relays((process.env.OCMESH_RELAYS ?? '').split(',').filter(Boolean), me, (event) => {
    if (event.kind === 1059 || event.kind === 4) messageHeard(event);
    else presenceHeard(event);
});
relays.onopen = () => {
    announce();
    pump();
};
const api = new Api({ store, me, send, relays });
api.listen(Number(process.env.OCMESH_API_PORT ?? 7432), () => relays.start());
setInterval(announce, PRESENCE_MS);
setInterval(() => relays.scan(), Number(process.env.REFERENCE_SCAN_MS ?? SCAN_MS));
process.on('SIGTERM', () => {
    store.db.close();
    process.exit(0);
});
