// One connection a relay, kept for life: dialled again a second after it is lost, with every subscription opened anew.

import { AbstractRelay } from 'nostr-tools/abstract-relay';
import WebSocket from 'ws';

import { verifyEvent } from './crypto.mjs';

const REDIAL_MS = 1000;
/** What `since` must look back for a wrap, whose date lies up to two days in the past. */
const WRAPS_BACK_S = 3 * 24 * 3600;
const PRESENCE_BACK_S = 15 * 60;

export class Relays {
    /** `take` gets every verified event once. */
    constructor(urls, me, take) {
        this.me = me;
        this.take = take;
        this.connected = new Map(urls.map((url) => [url, null]));
        // Ids of events that were taken, so that the same one from five relays is verified once.
        this.seen = new Set();
    }

    start() {
        for (const url of this.connected.keys()) this.dial(url);
    }

    async dial(url) {
        const relay = new AbstractRelay(url, { verifyEvent, websocketImplementation: WebSocket, enablePing: true });
        relay.onclose = () => {
            this.connected.set(url, null);
            setTimeout(() => this.dial(url), REDIAL_MS);
        };
        try {
            await relay.connect();
        } catch {
            return; // `onclose` dials again.
        }
        this.connected.set(url, relay);
        const now = Math.floor(Date.now() / 1000);
        this.subscribe(relay, [{ kinds: [1059], '#p': [this.me], since: now - WRAPS_BACK_S }]);
        this.subscribe(relay, [{ kinds: [4], '#p': [this.me], since: now - WRAPS_BACK_S }]);
        this.subscribe(relay, this.presence());
        this.onopen?.(relay);
    }

    presence() {
        const since = Math.floor(Date.now() / 1000) - PRESENCE_BACK_S;
        return [
            { kinds: [1], '#t': ['ocmesh'], since },
            { kinds: [31337], '#d': ['ocmesh-presence'], since },
        ];
    }

    subscribe(relay, filters, oneose) {
        return relay.subscribe(filters, {
            alreadyHaveEvent: (id) => this.seen.has(id),
            onevent: (event) => {
                this.seen.add(event.id);
                this.take(event, relay.url);
            },
            oneose,
        });
    }

    /** Asks again who is there, as a relay may have closed the live subscription. */
    scan() {
        for (const relay of this.open()) {
            const sub = this.subscribe(relay, this.presence(), () => sub.close());
        }
    }

    open() {
        return [...this.connected.values()].filter((relay) => relay !== null);
    }

    /** Resolves once a relay has it. */
    publish(event) {
        const open = this.open();
        return open.length === 0 ? Promise.reject(new Error('no relay')) : Promise.any(open.map((relay) => relay.publish(event)));
    }
}
