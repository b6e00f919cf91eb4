//! Case (c): text both ways with nostr-tools in all three forms, back-dated wraps and an impostor included.

import { readFrame, tagged } from '../lib/peer.mjs';
import { dropIncoming, dropOutgoing, ofKind } from '../lib/tamper.mjs';
import { now, stays, until } from '../lib/wait.mjs';

export const name = 'text';

export const sabotage = {
  'incoming wraps are lost': { rule: dropIncoming(ofKind(1059)), red: 'NIP-17 text arrives' },
  'outgoing wraps are lost': { rule: dropOutgoing(ofKind(1059)), red: 'NIP-17 text leaves' },
  'a filter hides back-dated wraps': { rule: dropIncoming((e) => e.kind === 1059 && e.created_at < now() - 47 * 3600), red: 'a wrap dated two days back arrives' },
  'incoming kind 4 is lost': { rule: dropIncoming(ofKind(4)), red: 'NIP-04 text arrives' },
  'outgoing NIP-04 is lost': { rule: dropOutgoing((e) => e.kind === 4 && e.content.includes('?iv=')), red: 'NIP-04 text leaves' },
  'outgoing NIP-44 in kind 4 is lost': { rule: dropOutgoing((e) => e.kind === 4 && !e.content.includes('?iv=')), red: 'NIP-44 in kind 4 is answered in kind' },
  'the peer says something else': 'NIP-17 text arrives',
  'the second wrap holds another rumor': 'a rumor in two wraps is one message',
  'the impostor is honest': 'a wrap with a false author is dropped',
};

/** Text that breaks careless code: quotes, several scripts, an emoji of two code units, a line break. */
const SAY = 'Ça va? "Да", 你好 👋🏽\nsecond line';

export async function run(t, world) {
  const ada = await world.daemon('Ada');
  const shown = (text, ms = 5000) => until(`Ada shows ${JSON.stringify(text)}`, async () => (await ada.inbox()).find((m) => m.content === text), t.within(ms));

  // NIP-17, a person's client: no ocmesh presence, known only by its 10050 list and by having written.
  const bo = (await world.peer('bo')).listen();
  await bo.publish(10050, '', [['relay', world.relay]]);
  await bo.send17(ada.pubkey, t.breaks('the peer says something else') ? 'else' : SAY);
  const first = await t.step('NIP-17 text arrives', () => shown(SAY));
  t.equal([first.from, first.encryption, first.direction, first.read, first.type], [bo.pubkey, 'nip17', 'in', false, 'text'], 'NIP-17: author, form, direction, unread, type');
  const { rumor } = await bo.send17Dated(ada.pubkey, 'dated', 2 * 24 * 3600 - 60);
  const dated = await t.step('a wrap dated two days back arrives', () => shown('dated'));
  t.equal(dated.id, rumor.id, 'NIP-17: the message id is the rumor id');
  t.check(Math.abs(Date.parse(dated.timestamp) / 1000 - now()) < 60, 'NIP-17: the time is the rumor\'s, not the wrap\'s', dated.timestamp);

  const sent = await ada.send(bo.pubkey, SAY);
  const heard = await t.step('NIP-17 text leaves', () => bo.hears('it', (m) => m.from === ada.pubkey && m.text === SAY, t.within(5000)));
  t.equal([heard.form, heard.rumor.kind, heard.id], ['nip17', 14, sent.id], 'NIP-17 out: kind 14, and the id the API gave');
  t.equal(tagged(heard.rumor, 'p'), [bo.pubkey], 'NIP-17 out: addressed inside');
  t.check(tagged(heard.rumor, 'chain').length === 1, 'NIP-17 out: an agent wrote it and says so', JSON.stringify(heard.rumor.tags));
  t.check(![ada.pubkey, bo.pubkey].includes(heard.event.pubkey), 'NIP-17 out: the wrap has a key of its own');
  t.equal([heard.seal.tags, heard.event.tags.length], [[], 1], 'NIP-17 out: the seal has no tags, the wrap one');
  const back = [heard.event.created_at, heard.seal.created_at].map((at) => now() - at);
  t.check(back.every((age) => age >= -5 && age <= 2 * 24 * 3600 + 60), 'NIP-17 out: wrap and seal are dated in the last two days', back.join(' '));

  const forged = 'I am Ada herself';
  await bo.send17Dated(ada.pubkey, forged, 10, { forge: !t.breaks('the impostor is honest') });
  await bo.send17Dated(ada.pubkey, 'after the impostor', 10);
  await shown('after the impostor');
  await t.step('a wrap with a false author is dropped', () => stays('no forged text', async () => !(await ada.inbox('?direction=any')).some((m) => m.content === forged), 500));

  // NIP-04, an old client that has no lists and no presence.
  const cy = (await world.peer('cy')).listen();
  const old = await cy.send04(ada.pubkey, SAY + ' 04');
  const four = await t.step('NIP-04 text arrives', () => shown(SAY + ' 04'));
  t.equal([four.id, four.from, four.encryption], [old.id, cy.pubkey, 'nip04'], 'NIP-04: the id is the event id');
  const out04 = await ada.send(cy.pubkey, SAY);
  const heard04 = await t.step('NIP-04 text leaves', () => cy.hears('it', (m) => m.from === ada.pubkey && readFrame(m.text).type === 'text', t.within(5000)));
  t.equal([heard04.form, heard04.id, heard04.text], ['nip04', out04.id, SAY], 'NIP-04 out: the form mirrored, the id the API gave, the text plain');

  // NIP-44 in kind 4: told apart by its content, mirrored.
  const di = (await world.peer('di')).listen();
  const mixed = await di.send44(ada.pubkey, SAY + ' 44');
  const seen44 = await t.step('NIP-44 in kind 4 arrives', () => shown(SAY + ' 44'));
  t.equal([seen44.id, seen44.from, seen44.encryption], [mixed.id, di.pubkey, 'nip44'], 'NIP-44 in kind 4: id and form');
  const out44 = await ada.send(di.pubkey, SAY);
  const heard44 = await t.step('NIP-44 in kind 4 is answered in kind', () => di.hears('it', (m) => m.from === ada.pubkey, t.within(5000)));
  t.equal([heard44.form, heard44.id, heard44.text], ['nip44', out44.id, SAY], 'NIP-44 in kind 4 out: mirrored, the id the API gave');

  // A sender that is not sure wraps the same rumor again: one message all the same.
  await bo.wrap(ada.pubkey, t.breaks('the second wrap holds another rumor') ? { ...rumor, id: undefined, created_at: rumor.created_at - 1 } : rumor);
  await bo.send17(ada.pubkey, 'after the second wrap');
  await shown('after the second wrap');
  t.equal((await ada.inbox()).filter((m) => m.content === 'dated').length, 1, 'a rumor in two wraps is one message');
  t.equal([bo, cy, di].flatMap((peer) => peer.broken).length, 0, 'everything we sent could be opened');
}
