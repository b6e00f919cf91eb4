//! Case (e): two `ocmesh daemon` processes and one relay that is not ours. The bounds are those of "done when".

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tagged } from '../lib/peer.mjs';
import { delayIncoming, dropIncoming, dropOutgoing, ofKind } from '../lib/tamper.mjs';
import { stays, until } from '../lib/wait.mjs';

export const name = 'two-daemons';

const mail = ofKind(4, 1059);

export const sabotage = {
  'presence is lost': { rule: dropIncoming(ofKind(1, 31337)), red: 'each lists the other within 10 s' },
  'hellos are lost': { rule: dropOutgoing(ofKind(4)), red: 'handshaked within 15 s' },
  'the relay is slow': { rule: delayIncoming(ofKind(1059), 1500), red: 'every message appears in under 1 s' },
  'wraps are lost': { rule: dropIncoming(ofKind(1059)), red: 'a message by curl appears unread' },
  'nobody marks it read': 'the sender sees it read',
  'the sender loses its home': 'Ada: the same identity after kill -9',
  'the receiver loses its home': 'Bob: the same identity after kill -9',
  'the messages were never sent': 'messages sent while the peer was down arrive',
  'one message is sent twice': 'each arrived once',
  'killed instead of stopped': 'a clean stop is seen',
  'the goodbye is lost': { rule: dropOutgoing((event) => tagged(event, 'status')[0] === 'offline'), red: 'a clean stop is seen' },
};

export async function run(t, world) {
  const began = performance.now();
  const [ada, bob] = await Promise.all([world.daemon('Ada'), world.daemon('Bob')]);
  // The clock of "within" starts when both answer: a debug build on a busy machine says nothing about the mesh.
  const met = performance.now();
  const both = async (fits) => fits(await ada.peer(bob.pubkey)) && fits(await bob.peer(ada.pubkey));
  await t.step('each lists the other within 10 s', () => until('both listed online', () => both((peer) => peer?.online), t.within(10_000)));
  t.note(`listed after ${Math.round(performance.now() - met)} ms (processes up after ${Math.round(met - began)} ms)`);
  await t.step('handshaked within 15 s', () => until('both handshaked', () => both((peer) => peer?.handshake === 'handshaked'), t.within(15_000) - (performance.now() - met)));
  t.note(`handshaked after ${Math.round(performance.now() - met)} ms`);

  const unread = (daemon, text) => async () => (await daemon.inbox('?unread=true')).find((m) => m.content === text);
  const from = performance.now();
  const sent = await ada.curlSend(bob.pubkey, 'hello Bob');
  const arrived = await t.step('a message by curl appears unread', () => until('unread at Bob', unread(bob, 'hello Bob'), t.within(5000)));
  t.check(performance.now() - from < 1000, 'and in under 1 s', `${Math.round(performance.now() - from)} ms`);
  t.note(`curl to unread: ${Math.round(performance.now() - from)} ms, curl's own start included`);
  t.equal([arrived.id, arrived.from, arrived.from_name, arrived.encryption, arrived.read], [sent.id, ada.pubkey, 'Ada', 'nip17', false], 'same id at both ends, named, NIP-17, unread');

  const times = [];
  for (let i = 0; i < 10; i += 1) {
    const start = performance.now();
    const [one, other] = i % 2 ? [bob, ada] : [ada, bob];
    const text = `measure ${i} ${randomUUID()}`;
    await one.send(other.pubkey, text);
    await until('it arrives', unread(other, text), t.within(5000));
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  t.check(times.at(-1) < 1000, 'every message appears in under 1 s', times.map(Math.round).join(' '));
  t.note(`API to peer's API, looked at every 15 ms: median ${Math.round(times[5])} ms, slowest ${Math.round(times.at(-1))} ms`);

  // Bob has written to Ada by now, so Ada is known to Bob and gets receipts.
  t.equal((await bob.peer(ada.pubkey)).trust, 'known', 'whom we wrote to is known');
  await t.step('the sender sees a later message delivered', async () => {
    const { id } = await ada.send(bob.pubkey, 'receipt, please');
    await until('delivered', async () => (await ada.stateOf(id)) === 'delivered', t.within(5000));
  });
  if (!t.breaks('nobody marks it read')) {
    const marked = await bob.post('/messages/read', { ids: [sent.id] });
    t.equal(marked.status, 200, 'Bob marks it read');
    t.check((await bob.inbox('?unread=false')).some((m) => m.id === sent.id && m.read), 'it is read at Bob');
    t.check(!(await bob.inbox('?unread=true')).some((m) => m.id === sent.id), 'it is no longer unread at Bob');
  }
  await t.step('the sender sees it read', () => until('read', async () => (await ada.stateOf(sent.id)) === 'read', t.within(5000)));

  const reader = await world.peer('reader');
  const card = async (daemon) => (await reader.stored({ kinds: [31337], authors: [daemon.pubkey] }))[0]?.id;
  for (const [daemon, other] of [[ada, bob], [bob, ada]]) {
    const before = await picture(daemon);
    const announced = await card(daemon);
    await daemon.kill9();
    if (t.breaks(daemon === ada ? 'the sender loses its home' : 'the receiver loses its home')) rmSync(daemon.home, { recursive: true });
    await daemon.start();
    const after = await picture(daemon);
    t.equal(after.pubkey, before.pubkey, `${daemon.name}: the same identity after kill -9`);
    t.equal(after.messages, before.messages, `${daemon.name}: every message, with its read mark, after kill -9`);
    t.equal((await daemon.peer(other.pubkey))?.handshake, 'handshaked', `${daemon.name}: the peer and the handshake after kill -9`);
    await t.step(`${daemon.name}: announces itself again`, () => until('a new presence', async () => (await card(daemon)) !== announced, t.within(10_000)));
  }
  await t.step('messages pass again after both restarts', async () => {
    const text = `again ${randomUUID()}`;
    await ada.send(bob.pubkey, text);
    await until('it arrives', unread(bob, text), t.within(10_000));
  });

  // While Bob is down.
  await bob.kill9();
  const missed = [1, 2, 3].map((n) => `missed ${n} ${randomUUID()}`);
  const ids = [];
  if (!t.breaks('the messages were never sent')) for (const text of missed) ids.push((await ada.send(bob.pubkey, text)).id);
  if (t.breaks('one message is sent twice')) await ada.send(bob.pubkey, missed[0]);
  await until('they left Ada', async () => (await Promise.all(ids.map((id) => ada.stateOf(id)))).every((state) => state === 'relayed'), t.within(10_000));
  await bob.start();
  const found = async () => (await bob.inbox()).filter((m) => missed.includes(m.content)).map((m) => m.content).sort();
  await t.step('messages sent while the peer was down arrive', () => until('all three', async () => (await found()).length >= 3, t.within(10_000)));
  await bob.kill9();
  await bob.start();
  await until('Bob is back on the relay', async () => (await bob.get('/status')).status === 200, t.within(10_000));
  const probe = `probe ${randomUUID()}`;
  await ada.send(bob.pubkey, probe);
  await until('the probe arrives', unread(bob, probe), t.within(10_000));
  t.equal(await found(), missed, 'each arrived once, also after another restart');

  if (t.breaks('killed instead of stopped')) await ada.kill9();
  else {
    const end = await ada.stop();
    t.check(end.code === 0 && end.ms < 5000, 'a clean stop: exit 0 within 5 s', JSON.stringify(end));
  }
  await t.step('a clean stop is seen', () => until('Ada offline at Bob', async () => (await bob.peer(ada.pubkey))?.online === false, t.within(5000)));
  await t.step('and stays seen', () => stays('offline', async () => (await bob.peer(ada.pubkey))?.online === false, 500));
}

/** What must survive a crash. */
async function picture(daemon) {
  const messages = await daemon.inbox('?direction=any&limit=1000');
  return { pubkey: daemon.pubkey, messages: messages.map((m) => [m.id, m.content, m.read, m.direction]).sort() };
}
