//! The ground the others stand on: two nostr-tools clients over the foreign relay, no ocmesh at all.

import { genuine } from '../lib/peer.mjs';
import { now } from '../lib/wait.mjs';

export const name = 'relay';

export const sabotage = {
  'a wrap with a forged author': 'nothing unreadable arrived',
  'nobody sends': 'NIP-04 passes',
};

export async function run(t, world) {
  const [one, two] = [await world.peer('one'), await world.peer('two')];
  two.listen();
  if (t.breaks('a wrap with a forged author')) await one.send17Dated(two.pubkey, 'not me', 0, { forge: true });
  if (!t.breaks('nobody sends')) await one.send04(two.pubkey, 'old form');
  await t.step('NIP-04 passes', () => two.hears('NIP-04', (m) => m.form === 'nip04' && m.text === 'old form', t.within(5000)));
  await one.send17(two.pubkey, 'new form');
  await t.step('NIP-17 passes', () => two.hears('NIP-17', (m) => m.form === 'nip17' && m.text === 'new form', t.within(5000)));
  await one.send17Dated(two.pubkey, 'from the day before yesterday', 2 * 24 * 3600 - 60);
  await t.step('a back-dated wrap passes live', () => two.hears('it', (m) => m.text.startsWith('from the day'), t.within(5000)));
  const note = await one.publish(1, 'short-lived', [['t', 'interop-relay-case'], ['expiration', String(now() + 600)]]);
  const found = await two.stored({ kinds: [1], '#t': ['interop-relay-case'], since: now() - 60 });
  t.check(found.some((event) => event.id === note.id && genuine(event)), 'an expiring note is stored and found by tag');
  t.equal(two.broken.length, 0, 'nothing unreadable arrived');
}
