//! Case (b): nostr-tools decrypts our NIP-04 hello and answers it; only the answer makes it a handshake.

import { dropIncoming, dropOutgoing, ofKind } from '../lib/tamper.mjs';
import { stays, until } from '../lib/wait.mjs';

export const name = 'handshake';

export const sabotage = {
  'the hello is lost': { rule: dropOutgoing(ofKind(4)), red: 'our hello arrives and can be read' },
  'the answer is lost': { rule: dropIncoming(ofKind(4)), red: 'the answer makes it a handshake' },
  'somebody else answers': 'the answer makes it a handshake',
  'the peer answers too early': 'before the answer it is only sent',
};

export async function run(t, world) {
  const ada = await world.daemon('Ada');
  const node = (await world.peer('node')).listen();
  const stranger = await world.peer('stranger');
  await node.announceLikeNode('0.2.0');
  const answer = (who) => who.frame(ada.pubkey, 'intro', { name: 'Node agent', capabilities: ['chat'], from: who.pubkey });
  if (t.breaks('the peer answers too early')) await answer(node);

  const { frame, event } = await t.step('our hello arrives and can be read', () => node.hearsFrame('intro', ada.pubkey, t.within(10_000)));
  t.check(!event.tags.some((tag) => tag[0] === 'p' && tag[1] !== node.pubkey), 'the hello is addressed to the peer alone');
  t.equal(frame.name, 'Ada', 'the hello: the name');
  t.equal(frame.from, ada.pubkey, 'the hello: who it is from');
  t.equal(frame.capabilities, ['messaging', 'query'], 'the hello: what it can do');
  t.check(typeof frame.v === 'string' && Math.abs(frame.ts - Date.now()) < 60_000, 'the hello: version and time', JSON.stringify(frame));

  const state = async () => (await ada.peer(node.pubkey))?.handshake;
  await t.step('before the answer it is only sent', async () => {
    await until('sent', async () => (await state()) === 'sent', t.within(3000));
    await stays('sent', async () => (await state()) === 'sent', 500);
  });
  await answer(t.breaks('somebody else answers') ? stranger : node);
  await t.step('the answer makes it a handshake', () => until('handshaked', async () => (await state()) === 'handshaked', t.within(5000)));
  const peer = await ada.peer(node.pubkey);
  t.equal([peer.name, peer.online], ['Node agent', true], 'the answer gives the peer its name, its presence keeps it online');
  t.equal(node.mail.filter((letter) => letter.from === ada.pubkey).length, 1, 'one hello, not two');
  t.equal((await ada.inbox()).filter((message) => message.from === node.pubkey).length, 0, 'protocol frames do not fill the inbox');
}
