//! Comparing sets (NIP-77): nostr-tools, whose protocol code is not ours, against the relay of `ocmesh relay`.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
// The package ships it without naming it among its exports.
import { NegentropyStorageVector, NegentropySync } from '../node_modules/nostr-tools/lib/esm/nip77.js';
import { now } from '../lib/wait.mjs';

export const name = 'comparison';

export const sabotage = {
  'it thinks that it has everything': 'what only the relay has is found',
  'it has nothing': 'what both have is not named',
};

/** All of one second: no page could tell them apart by date. */
const COUNT = 120;

/** Starts `ocmesh relay` on a free port, until the world ends. */
async function relay(world) {
  const child = spawn(world.binary, ['relay', '--port', '0', '--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
  world.started.push({ dispose: () => child.kill() });
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line).url;
  throw new Error('the relay said nothing');
}

export async function run(t, world) {
  const url = await relay(world);
  const peer = await world.peer('comparer', { relay: url });
  const second = now() - 60;
  const events = [];
  for (let n = 0; n < COUNT; n += 1) events.push(await peer.publish(1, `note ${n}`, [], second));

  const known = t.breaks('it thinks that it has everything') ? events : t.breaks('it has nothing') ? [] : events.slice(0, 50);
  const storage = new NegentropyStorageVector();
  for (const event of known) storage.insert(event.created_at, event.id);
  storage.insert(second, 'f'.repeat(64));
  storage.seal();

  const [only, missing] = [[], []];
  const ended = await t.step('the comparison ends', () => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('it goes on for ever')), t.within(10_000)).unref();
    const sync = new NegentropySync(peer.relay, storage, { kinds: [1] }, {
      onhave: (id) => only.push(id), onneed: (id) => missing.push(id), onclose: (why) => resolve(why ?? 'well'),
    });
    sync.start();
  }));
  t.equal(ended, 'well', 'the comparison ends well');
  const wanted = events.slice(50).map((event) => event.id);
  t.check(wanted.every((id) => missing.includes(id)), 'what only the relay has is found');
  t.check(missing.length <= wanted.length, 'what both have is not named');
  t.equal(only.join(), 'f'.repeat(64), 'what only the client has is found');
}
