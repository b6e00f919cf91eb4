//! Case (f): the foreign relay demands NIP-42 authentication to read and to write, and lets in only the keys it was told.

import { until } from '../lib/wait.mjs';

export const name = 'auth';

export const sabotage = {
  'Bob is not on the list': 'both read and write through it',
  'the guest is let in': 'without authentication it refuses to write',
};

/** A REQ that came before our AUTH was refused in a NOTICE, which names no subscription: found by its silence, and asked again. */
const TOGETHER_MS = 20_000;

export async function run(t, world) {
  // First a life on the open relay, to learn the keys; the relay grants its role to keys, not to people.
  const [ada, bob] = await Promise.all([world.daemon('Ada'), world.daemon('Bob')]);
  await Promise.all([ada.stop(), bob.stop()]);
  await world.grant(ada.pubkey);
  if (!t.breaks('Bob is not on the list')) await world.grant(bob.pubkey);

  const guest = await world.peer('guest', { relay: world.authRelay });
  const member = await world.peer('member', { relay: world.authRelay, auth: true, granted: true });
  const refused = await (t.breaks('the guest is let in') ? member : guest).publish(1, 'let me in').then(() => false, () => true);
  t.check(refused, 'without authentication it refuses to write');
  await t.step('with authentication nostr-tools can write', () => member.publish(1, 'hello'));

  for (const daemon of [ada, bob]) {
    daemon.settings.OCMESH_RELAYS = world.authRelay;
    await daemon.start();
  }
  const began = performance.now();
  await t.step('both read and write through it', () => until('both online', async () => {
    return (await ada.peer(bob.pubkey))?.online && (await bob.peer(ada.pubkey))?.online;
  }, t.within(TOGETHER_MS)));
  t.note(`together after ${Math.round(performance.now() - began)} ms`);
  const sent = await ada.send(bob.pubkey, 'through the gate');
  await t.step('a message passes', () => until('unread at Bob', async () => (await bob.inbox('?unread=true')).some((m) => m.id === sent.id), t.within(10_000)));
  // The subscriptions whose silence is noticed last are caught up a moment after the others.
  await t.step('the relay is shown as ready', () => until('ready', async () => {
    return (await ada.get('/status')).body.relay_status.find((entry) => entry.url.startsWith(world.authRelay))?.state === 'ready';
  }, t.within(TOGETHER_MS)));
}
