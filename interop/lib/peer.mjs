//! A Nostr client made of nostr-tools alone: a person's chat client, or a Node ocmesh agent. Shares no code with ocmesh.

import WebSocket from 'ws';
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay';
import { finalizeEvent, generateSecretKey, getEventHash, getPublicKey, verifyEvent } from 'nostr-tools/pure';
import * as nip04 from 'nostr-tools/nip04';
import * as nip17 from 'nostr-tools/nip17';
import * as nip44 from 'nostr-tools/nip44';
import * as nip59 from 'nostr-tools/nip59';
import { now, until } from './wait.mjs';

useWebSocketImplementation(WebSocket);

/** Two days and a bit: wraps carry times up to two days back, filters must look further. */
const LOOK_BACK_S = 3 * 24 * 3600;

/** A copy without the "already verified" mark that nostr-tools leaves on events it checked. */
export const plain = (event) => JSON.parse(JSON.stringify(event));

/** Checks id and signature afresh. */
export const genuine = (event) => verifyEvent(plain(event));

/** All values of a tag, in order. */
export const tagged = (event, name) => event.tags.filter((tag) => tag[0] === name).map((tag) => tag[1]);

export class Peer {
  constructor(name) {
    this.name = name;
    this.secret = generateSecretKey();
    this.pubkey = getPublicKey(this.secret);
    /** Direct messages in the order they came: `{ form, from, text, id, event, rumor?, seal? }`. */
    this.mail = [];
    /** Direct messages that could not be opened: always worth a failure. */
    this.broken = [];
    this.notices = [];
  }

  /** Connects; with `auth` it answers NIP-42 challenges. */
  async connect(url, { auth = false } = {}) {
    this.relay = new Relay(url);
    this.relay.onnotice = (text) => this.notices.push(text);
    await this.relay.connect();
    if (auth) {
      // The foreign relay never acknowledges AUTH, so the promise is not waited for: what counts is what works afterwards.
      await until('a NIP-42 challenge', () => this.relay.challenge, 5000);
      this.relay.auth(async (template) => finalizeEvent(template, this.secret)).catch(() => {});
    }
    return this;
  }

  /** Starts to read direct messages in all three forms. */
  listen() {
    const mine = { '#p': [this.pubkey] };
    this.relay.subscribe([{ kinds: [4], ...mine, since: now() - 60 }], { onevent: (event) => this.#read(event) });
    this.relay.subscribe([{ kinds: [1059], ...mine, since: now() - LOOK_BACK_S }], { onevent: (event) => this.#read(event) });
    return this;
  }

  close() {
    this.relay?.close();
  }

  #read(event) {
    try {
      if (!genuine(event)) throw new Error('bad signature');
      this.mail.push(event.kind === 4 ? this.#open4(event) : this.#open1059(event));
    } catch (error) {
      this.broken.push({ event, error });
    }
  }

  #open4(event) {
    const legacy = event.content.includes('?iv=');
    const text = legacy ? nip04.decrypt(this.secret, event.pubkey, event.content) : nip44.decrypt(event.content, this.#shared(event.pubkey));
    return { form: legacy ? 'nip04' : 'nip44', from: event.pubkey, text, id: event.id, event };
  }

  #open1059(event) {
    // By hand rather than with nip59.unwrapEvent, to look at the seal too.
    const seal = JSON.parse(nip44.decrypt(event.content, this.#shared(event.pubkey)));
    if (!genuine(seal)) throw new Error('the seal is not genuine');
    const rumor = nip59.unwrapEvent(event, this.secret);
    if (seal.pubkey !== rumor.pubkey) throw new Error('seal and rumor name different authors');
    if (getEventHash(rumor) !== rumor.id) throw new Error('the rumor id is not its hash');
    return { form: 'nip17', from: rumor.pubkey, text: rumor.content, id: rumor.id, event, seal, rumor };
  }

  #shared(other) {
    return nip44.getConversationKey(this.secret, other);
  }

  /** Signs and publishes; resolves when the relay said OK. */
  async publish(kind, content, tags = [], created_at = now()) {
    const event = finalizeEvent({ kind, content, tags, created_at }, this.secret);
    await this.relay.publish(event);
    return event;
  }

  /** The presence of a Node ocmesh agent. */
  announceLikeNode(version) {
    return this.publish(31337, 'ocmesh-agent-online', [['d', 'ocmesh-presence'], ['app', 'ocmesh'], ['v', version]]);
  }

  /** A presence as our own agents publish it. */
  announceLikeOurs(relays) {
    const tags = [['d', 'ocmesh-presence'], ['app', 'ocmesh'], ['t', 'ocmesh'], ['v', '0.3.0'], ['name', this.name], ['feature', 'messaging']];
    tags.push(['dm', 'nip17'], ['dm', 'nip04'], ['status', 'online'], ['next', String(now() + 300)], ...relays.map((url) => ['relay', url]));
    return this.publish(31337, 'ocmesh-agent-online', [...tags, ['expiration', String(now() + 900)]]);
  }

  /** NIP-04 text; returns the event. */
  send04(to, text) {
    return this.publish(4, nip04.encrypt(this.secret, to, text), [['p', to]]);
  }

  /** A frame of a Node ocmesh 0.2 agent. */
  frame(to, type, fields = {}) {
    return this.send04(to, JSON.stringify({ type, ts: Date.now(), v: '0.2.0', ...fields }));
  }

  /** A NIP-44 payload in kind 4; returns the event. */
  send44(to, text) {
    return this.publish(4, nip44.encrypt(text, this.#shared(to)), [['p', to]]);
  }

  /** NIP-17 text exactly as nostr-tools makes it. Its rumor id is not known to the sender, whose key to the wrap is thrown away. */
  async send17(to, text) {
    await this.relay.publish(nip17.wrapEvent(this.secret, { publicKey: to }, text));
  }

  /** NIP-17 text whose seal and wrap are dated `age` seconds back; returns `{ rumor, wrap }`. */
  async send17Dated(to, text, age, { forge = false } = {}) {
    const rumor = nip59.createRumor({ kind: 14, content: text, tags: [['p', to]], created_at: now() }, this.secret);
    if (forge) rumor.pubkey = to;
    return { rumor, wrap: await this.wrap(to, rumor, now() - age) };
  }

  /** Seals and wraps a rumor with both dated `created_at`, under a new one-time key, and publishes the wrap. */
  async wrap(to, rumor, created_at = now()) {
    const sealed = nip44.encrypt(JSON.stringify(rumor), this.#shared(to));
    const seal = finalizeEvent({ kind: 13, content: sealed, tags: [], created_at }, this.secret);
    const once = generateSecretKey();
    const content = nip44.encrypt(JSON.stringify(seal), nip44.getConversationKey(once, to));
    const wrap = finalizeEvent({ kind: 1059, content, tags: [['p', to]], created_at }, once);
    await this.relay.publish(wrap);
    return wrap;
  }

  /** Waits for a direct message for which `fits` is true. */
  hears(what, fits, ms) {
    return until(`${this.name} hears ${what}`, () => this.mail.find(fits), ms);
  }

  /** Waits for a frame of the given type from `from`; returns `{ ...mail, frame }`. */
  async hearsFrame(type, from, ms, fits = () => true) {
    const as = (letter) => ({ ...letter, frame: readFrame(letter.text) });
    const good = (letter) => letter.from === from && readFrame(letter.text).type === type && fits(readFrame(letter.text));
    return as(await this.hears(`a ${type} frame`, good, ms));
  }

  /** Stored events for a filter. */
  async stored(filter) {
    return new Promise((resolve) => {
      const events = [];
      const sub = this.relay.subscribe([filter], {
        onevent: (event) => events.push(event),
        oneose: () => {
          sub.close();
          resolve(events);
        },
      });
    });
  }
}

/** Reads content the way the Node agents do: JSON with a type is a frame, anything else is text. */
export function readFrame(text) {
  try {
    const value = JSON.parse(text);
    if (value && typeof value.type === 'string') return value;
  } catch {
    // Not JSON: plain text, as the Node agents treat it.
  }
  return { type: 'text', body: text };
}
