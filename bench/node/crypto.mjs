// Signing, checking and the two message forms: with the pure JavaScript of nostr-tools, or with nostr-wasm where REFERENCE_WASM is set.

import * as nip04 from 'nostr-tools/nip04';
import * as nip44 from 'nostr-tools/nip44';
import * as pure from 'nostr-tools/pure';
import * as wasm from 'nostr-tools/wasm';

async function chosen() {
    if (!process.env.REFERENCE_WASM) return pure;
    const { initNostrWasm } = await import('nostr-wasm');
    wasm.setNostrWasm(await initNostrWasm());
    return wasm;
}

const { finalizeEvent, verifyEvent, generateSecretKey, getPublicKey } = await chosen();
export { finalizeEvent, verifyEvent, generateSecretKey, getPublicKey };

const TWO_DAYS = 2 * 24 * 3600;
const now = () => Math.floor(Date.now() / 1000);
const hidden = () => now() - Math.floor(Math.random() * TWO_DAYS);

// The key of a conversation is worth keeping: ECDH costs milliseconds here.
const conversations = new Map();
const CONVERSATIONS_MAX = 1000;
function conversation(secret, peer) {
    let key = conversations.get(peer);
    if (!key) {
        key = nip44.getConversationKey(secret, peer);
        if (conversations.size >= CONVERSATIONS_MAX) conversations.delete(conversations.keys().next().value);
        conversations.set(peer, key);
    }
    return key;
}

/** What a NIP-17 message says, with the id it keeps. */
export function rumor(me, to, kind, content, tags = []) {
    const said = { kind, pubkey: me, created_at: now(), tags: [['p', to], ...tags], content };
    return { ...said, id: pure.getEventHash(said) };
}

/** Wraps a rumor for somebody. */
export function wrap(secret, said, to) {
    const sealed = { kind: 13, created_at: hidden(), tags: [], content: nip44.encrypt(JSON.stringify(said), conversation(secret, to)) };
    const seal = finalizeEvent(sealed, secret);
    const once = generateSecretKey();
    const outer = {
        kind: 1059,
        created_at: hidden(),
        tags: [['p', to]],
        content: nip44.encrypt(JSON.stringify(seal), nip44.getConversationKey(once, to)),
    };
    return finalizeEvent(outer, once);
}

/** Opens a verified wrap; throws when the seal or the rumor is not good. */
export function unwrap(secret, event) {
    const seal = JSON.parse(nip44.decrypt(event.content, nip44.getConversationKey(secret, event.pubkey)));
    if (seal.kind !== 13 || !verifyEvent(seal)) throw new Error('bad seal');
    const said = JSON.parse(nip44.decrypt(seal.content, conversation(secret, seal.pubkey)));
    if (said.pubkey !== seal.pubkey) throw new Error('the rumor names another author');
    return { ...said, id: pure.getEventHash(said) };
}

export const openNip04 = (secret, event) => nip04.decrypt(secret, event.pubkey, event.content);
export const sealNip04 = (secret, to, content) =>
    finalizeEvent({ kind: 4, created_at: now(), tags: [['p', to]], content: nip04.encrypt(secret, to, content) }, secret);
export const hex = (bytes) => Buffer.from(bytes).toString('hex');
export const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'));
