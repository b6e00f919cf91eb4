// The Local API of the reference: the calls of ocmesh that the laboratory makes, with the same fields, keyset pages and server-sent events.

import { createServer } from 'node:http';

import { npubEncode } from 'nostr-tools/nip19';

const LIMIT = 100;
const LIMIT_MAX = 1000;
const BODY_MAX = 1 << 20;

export class Api {
    constructor(given) {
        Object.assign(this, given);
        this.listeners = new Set();
        this.number = 0;
        this.began = Date.now();
    }

    listen(port, then) {
        createServer((request, response) => this.serve(request, response)).listen(port, '127.0.0.1', then);
    }

    tell(name, data) {
        this.number += 1;
        if (this.listeners.size === 0) return;
        const text = `id: ${this.number}\nevent: ${name}\ndata: ${JSON.stringify(data())}\n\n`;
        this.listeners.forEach((response) => response.write(text));
    }

    async serve(request, response) {
        const url = new URL(request.url, 'http://127.0.0.1');
        const answer = (status, body, headers = {}) => {
            const text = JSON.stringify(body);
            response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers });
            response.end(text);
        };
        try {
            if (!/^(127\.0\.0\.1|localhost):/.test(request.headers.host ?? '') || request.headers.origin) return answer(403, { error: { code: 'forbidden' } });
            const [, first, second] = url.pathname.split('/');
            const what = `${request.method} /${first}${second ? '/:id' : ''}`;
            if (what === 'GET /status') return answer(200, this.status());
            if (what === 'GET /events') return this.events(response);
            if (what === 'GET /peers') return this.page(url, answer, this.peers(url), (row) => this.peerJson(row), 'last_seen', 'id');
            if (what === 'GET /messages') return this.page(url, answer, this.store.messages, (row) => this.messageJson(row), 'stored_at', 'seq');
            if (what === 'GET /peers/:id') return this.one(answer, this.store.peer.get(second), (row) => this.peerJson(row));
            if (what === 'GET /messages/:id') return this.one(answer, this.store.message.get(second), (row) => this.messageJson(row));
            if (request.method === 'GET') return answer(404, { error: { code: 'not_found' } });
            const body = JSON.parse(await this.body(request));
            if (what === 'POST /send') return this.sent(answer, body);
            if (what === 'POST /peers') {
                this.store.addPeer.run(body.peer, Date.now(), Date.now());
                return answer(200, this.peerJson(this.store.peer.get(body.peer)));
            }
            if (what === 'PATCH /peers/:id') {
                this.store.trust.run(body.trust, second);
                return this.one(answer, this.store.peer.get(second), (row) => this.peerJson(row));
            }
            return answer(404, { error: { code: 'not_found' } });
        } catch (error) {
            answer(400, { error: { code: 'bad_request', message: String(error) } });
        }
    }

    status() {
        const { peers, unread } = this.store.counters.get();
        const relay_status = [...this.relays.connected].map(([url, relay]) => ({ url, state: relay ? 'ready' : 'down' }));
        const online_peer_count = this.store.online.get(Date.now()).n;
        return { daemon_version: '0.3.0', uptime_seconds: Math.floor((Date.now() - this.began) / 1000), pubkey: this.me,
            npub: npubEncode(this.me), peer_count: peers, online_peer_count, unread_count: unread, relay_status };
    }

    events(response) {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
        response.write(`id: ${this.number}\n: listening\n\n`);
        this.listeners.add(response);
        response.on('close', () => this.listeners.delete(response));
    }

    peers(url) {
        const q = url.searchParams.get('q');
        return q ? { all: (...keys) => this.store.search.all(q, ...keys) } : this.store.peers;
    }

    page(url, answer, statement, json, first, second) {
        const limit = Math.min(Number(url.searchParams.get('limit') ?? LIMIT), LIMIT_MAX);
        const [a, b] = (url.searchParams.get('cursor') ?? `${Number.MAX_SAFE_INTEGER}_${Number.MAX_SAFE_INTEGER}`).split('_').map(Number);
        const rows = statement.all(a, b, limit);
        const last = rows.at(-1);
        const headers = {};
        if (rows.length === limit) {
            url.searchParams.set('cursor', `${last[first]}_${last[second]}`);
            headers.link = `<${url.pathname}${url.search}>; rel="next"`;
        }
        answer(200, rows.map(json), headers);
    }

    one(answer, row, json) {
        return row ? answer(200, json(row)) : answer(404, { error: { code: 'not_found' } });
    }

    sent(answer, { to, content }) {
        if (!/^[0-9a-f]{64}$/.test(to ?? '')) return answer(400, { error: { code: 'invalid_pubkey' } });
        if (!content) return answer(422, { error: { code: 'empty' } });
        return answer(200, this.send(to, content));
    }

    peerJson(row) {
        return { pubkey: row.pubkey, npub: npubEncode(row.pubkey), name: row.name, online: row.lease_until > Date.now() && row.status !== 'offline',
            last_seen: new Date(row.last_seen).toISOString(), features: JSON.parse(row.features), status: row.status, trust: row.trust,
            first_seen: new Date(row.first_seen).toISOString(), dm: JSON.parse(row.dm), relays: JSON.parse(row.relays) };
    }

    messageJson(row) {
        return { id: row.id, from: row.direction === 'in' ? row.peer : this.me, from_name: row.from_name ?? null, content: row.content,
            timestamp: new Date(row.written_at).toISOString(), read: row.read_at !== null, type: 'text', thread: row.id, trust: row.trust ?? 'unknown',
            encryption: row.form, direction: row.direction, status: row.status, stored_at: new Date(row.stored_at).toISOString() };
    }

    async body(request) {
        const parts = [];
        let size = 0;
        for await (const part of request) {
            size += part.length;
            if (size > BODY_MAX) throw new Error('too long');
            parts.push(part);
        }
        return Buffer.concat(parts).toString('utf8');
    }
}
