//! Case (d): the Node ocmesh agents of versions 0.1 and 0.2, played frame by frame: seen, handshaken, text, ping, receipts.

import { readFrame } from '../lib/peer.mjs';
import { dropIncoming, dropOutgoing, ofKind } from '../lib/tamper.mjs';
import { stays, until } from '../lib/wait.mjs';

export const name = 'node-agents';

export const sabotage = {
  'their presence is lost': { rule: dropIncoming(ofKind(31337)), red: '0.1 is seen online' },
  'their messages are lost': { rule: dropIncoming(ofKind(4)), red: '0.1: its hello is a handshake' },
  'our messages are lost': { rule: dropOutgoing(ofKind(4)), red: '0.1: our text arrives' },
  '0.2 never pings': '0.2: its ping is answered',
  '0.2 never says delivered': '0.2: its delivered moves our message',
  '0.2 never says read': '0.2: its read moves our message',
  '0.2 is never written to': '0.2: our delivered arrives',
  'the agent never reads': '0.2: our read arrives',
  'another app uses the kind': 'a song is not a peer',
};

export async function run(t, world) {
  const ada = await world.daemon('Ada');
  const inbox = (text) => until(`Ada shows ${text}`, async () => (await ada.inbox()).find((m) => m.content === text), t.within(5000));
  const state = (peer, wanted) => until(wanted, async () => (await ada.peer(peer.pubkey))?.handshake === wanted, t.within(5000));
  const moves = (id, wanted) => until(`${id} is ${wanted}`, async () => (await ada.stateOf(id)) === wanted, t.within(5000));

  // Version 0.1: one hello frame, then plain text.
  const old = (await world.peer('node 0.1')).listen();
  await old.announceLikeNode('0.1.0');
  await old.send04(ada.pubkey, JSON.stringify({ type: 'ocmesh-hello', version: '0.1.0', from: old.pubkey, ts: Date.now() }));
  await t.step('0.1: its hello is a handshake', () => state(old, 'handshaked'));
  await t.step('0.1 is seen online', () => until('online', async () => (await ada.peer(old.pubkey))?.online, t.within(5000)));
  await old.send04(ada.pubkey, 'hello from 0.1');
  const text01 = await t.step('0.1: its text arrives', () => inbox('hello from 0.1'));
  t.equal([text01.from, text01.type, text01.encryption], [old.pubkey, 'text', 'nip04'], '0.1: author, type, form');
  await ada.send(old.pubkey, 'hello 0.1');
  await t.step('0.1: our text arrives', () => old.hears('our text', (m) => m.from === ada.pubkey && m.form === 'nip04' && bodyOf(m) === 'hello 0.1', t.within(5000)));

  // Version 0.2: typed frames.
  const node = (await world.peer('node 0.2')).listen();
  await node.announceLikeNode('0.2.0');
  await t.step('0.2 is seen online', () => until('online', async () => (await ada.peer(node.pubkey))?.online, t.within(10_000)));
  await t.step('0.2: our hello arrives', () => node.hearsFrame('intro', ada.pubkey, t.within(10_000)));
  await node.frame(ada.pubkey, 'intro', { name: 'Node two', capabilities: ['chat', 'task'], from: node.pubkey });
  await t.step('0.2: its intro is a handshake', () => state(node, 'handshaked'));

  // A stranger gets no receipt: it would tell anyone that this key is alive.
  const early = await node.frame(ada.pubkey, 'text', { body: 'early' });
  const before = await t.step('0.2: its text arrives', () => inbox('early'));
  t.equal([before.id, before.type, before.from], [early.id, 'text', node.pubkey], '0.2: the body is the content, the id is the event id');
  t.equal((await ada.peer(node.pubkey)).trust, 'unknown', '0.2 is a stranger until we write to it');
  await t.step('0.2: a stranger gets no receipt', () => stays('no receipt', async () => !node.mail.some((m) => readFrame(m.text).msgId === early.id), 700));

  // We write: now it is known, and gets receipts.
  let ours = { id: '0'.repeat(64) };
  if (!t.breaks('0.2 is never written to')) {
    ours = await ada.send(node.pubkey, 'hello 0.2');
    await t.step('0.2: our text arrives', () => node.hears('our text', (m) => m.id === ours.id && bodyOf(m) === 'hello 0.2', t.within(5000)));
  }
  const later = await node.frame(ada.pubkey, 'text', { body: 'later' });
  await inbox('later');
  await t.step('0.2: our delivered arrives', () => node.hearsFrame('delivered', ada.pubkey, t.within(5000), (f) => f.msgId === later.id));
  if (!t.breaks('the agent never reads')) await ada.post('/messages/read', { ids: [later.id] });
  await t.step('0.2: our read arrives', () => node.hearsFrame('read', ada.pubkey, t.within(5000), (f) => f.msgId === later.id));

  // Its receipts move our message.
  t.equal(await ada.stateOf(ours.id), 'relayed', '0.2: without a receipt our message is only relayed');
  if (!t.breaks('0.2 never says delivered')) await node.frame(ada.pubkey, 'delivered', { msgId: ours.id });
  await t.step('0.2: its delivered moves our message', () => moves(ours.id, 'delivered'));
  if (!t.breaks('0.2 never says read')) await node.frame(ada.pubkey, 'read', { msgId: ours.id });
  await t.step('0.2: its read moves our message', () => moves(ours.id, 'read'));

  if (!t.breaks('0.2 never pings')) await node.frame(ada.pubkey, 'ping');
  await t.step('0.2: its ping is answered', () => node.hearsFrame('pong', ada.pubkey, t.within(5000)));

  // Frames nobody here knows are kept and shown; receipts never get receipts.
  const odd = await node.frame(ada.pubkey, 'weather', { sky: 'blue' });
  const shown = await t.step('0.2: an unknown frame is kept', () => until('weather', async () => (await ada.inbox()).find((m) => m.id === odd.id), t.within(5000)));
  t.check(shown.type === 'weather' && shown.content.includes('blue'), '0.2: an unknown frame is shown as it came', JSON.stringify(shown));
  const receipts = node.mail.filter((m) => ['delivered', 'read'].includes(readFrame(m.text).type)).map((m) => readFrame(m.text).msgId);
  t.check(receipts.every((id) => [later.id, odd.id, early.id].includes(id)), 'no receipt for a receipt', receipts.join(' '));

  // Kind 31337 belongs to an audio app too.
  const song = await world.peer('song');
  await song.publish(31337, 'a song', [['d', 'ocmesh-presence'], ['app', t.breaks('another app uses the kind') ? 'ocmesh' : 'zapstr.live']]);
  const last = await world.peer('after the song');
  await last.announceLikeNode('0.2.0');
  await until('the peer after the song', () => ada.peer(last.pubkey), t.within(10_000));
  t.check((await ada.peer(song.pubkey)) === undefined, 'a song is not a peer');
}

/** A text as a Node agent shows it. */
function bodyOf(letter) {
  const frame = readFrame(letter.text);
  return frame.type === 'text' ? frame.body : undefined;
}
