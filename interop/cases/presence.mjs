//! Case (a): nostr-tools sees our presence on the foreign relay, in both kinds, verifies it and reads every tag.

import { genuine, tagged } from '../lib/peer.mjs';
import { dropOutgoing, ofKind } from '../lib/tamper.mjs';
import { now, until } from '../lib/wait.mjs';

export const name = 'presence';

const saysOffline = (event) => tagged(event, 'status')[0] === 'offline';

export const sabotage = {
  'kind 1 is lost': { rule: dropOutgoing(ofKind(1)), red: 'kind 1 is on the relay' },
  'kind 31337 is lost': { rule: dropOutgoing(ofKind(31337)), red: 'kind 31337 is on the relay' },
  'kind 0 is lost': { rule: dropOutgoing(ofKind(0)), red: 'kind 0 is on the relay' },
  'kind 10050 is lost': { rule: dropOutgoing(ofKind(10050)), red: 'kind 10050 is on the relay' },
  'kind 10002 is lost': { rule: dropOutgoing(ofKind(10002)), red: 'kind 10002 is on the relay' },
  'the goodbye is lost': { rule: dropOutgoing(saysOffline), red: 'the goodbye is on the relay' },
  'the agent has another name': 'kind 1: the name',
};

export async function run(t, world) {
  const wanted = 'Interop Ada';
  const ada = await world.daemon(t.breaks('the agent has another name') ? 'Eve' : wanted);
  const reader = await world.peer('reader');
  const status = (await ada.get('/status')).body;
  const newest = async (kind, more = {}) => {
    const events = await reader.stored({ kinds: [kind], authors: [ada.pubkey], ...more });
    return events.sort((a, b) => b.created_at - a.created_at)[0];
  };
  const appears = (kind, more, fits = () => true) =>
    t.step(`kind ${kind} is on the relay`, () => until(`kind ${kind}`, async () => {
      const event = await newest(kind, more);
      return event && fits(event) && event;
    }, t.within(10_000)));

  const note = await appears(1, { '#t': ['ocmesh'] });
  const card = await appears(31337, { '#d': ['ocmesh-presence'] });
  for (const event of [note, card]) {
    const k = `kind ${event.kind}`;
    t.check(genuine(event), `${k}: id and signature are good`);
    t.check(Math.abs(event.created_at - now()) <= 15, `${k}: the time is now`, event.created_at - now());
    t.equal(tagged(event, 'app'), ['ocmesh'], `${k}: the app`);
    t.equal(tagged(event, 't'), ['ocmesh'], `${k}: the topic`);
    t.equal(tagged(event, 'v'), [status.daemon_version], `${k}: the version`);
    t.equal(tagged(event, 'name'), [wanted], `${k}: the name`);
    t.equal(tagged(event, 'feature'), ['messaging', 'query'], `${k}: the features`);
    t.equal(tagged(event, 'dm'), ['nip17', 'nip04'], `${k}: the forms it reads`);
    t.equal(tagged(event, 'status'), ['online'], `${k}: the status`);
    // Every 5 min with a jitter of 10 %.
    const next = Number(tagged(event, 'next')[0]) - event.created_at;
    t.check(next >= 265 && next <= 335, `${k}: the next beat is 5 min away, give or take 10 %`, next);
    const lease = Number(tagged(event, 'expiration')[0]) - event.created_at;
    t.check(Math.abs(lease - 900) <= 2, `${k}: it expires in 15 min`, lease);
    t.equal(tagged(event, 'relay').map((url) => url.replace(/\/$/, '')), ada.settings.OCMESH_RELAYS.split(','), `${k}: where it reads messages`);
  }
  t.equal(tagged(card, 'd'), ['ocmesh-presence'], 'kind 31337: the address the Node agents ask for');
  t.equal(card.content, 'ocmesh-agent-online', 'kind 31337: the content the Node agents read');
  t.check(note.content.length > 0 && !note.content.includes('\n'), 'kind 1: one line for people', note.content);

  const profile = await appears(0);
  const about = JSON.parse(profile.content);
  t.equal([about.name, about.bot], [wanted, true], 'kind 0: the name, and that it is a bot');
  const inbox = await appears(10050);
  t.equal(tagged(inbox, 'relay').map((url) => url.replace(/\/$/, '')), ada.settings.OCMESH_RELAYS.split(','), 'kind 10050: where it reads messages');
  const list = await appears(10002);
  t.check(tagged(list, 'r').length === 1, 'kind 10002: its relays', JSON.stringify(list.tags));
  t.check([profile, inbox, list].every(genuine), 'kinds 0, 10050, 10002: ids and signatures are good');

  const renamed = await ada.patch('/identity', { name: 'Interop Ada II' });
  t.equal(renamed.status, 200, 'the name can be changed');
  const again = await appears(31337, {}, (event) => tagged(event, 'name')[0] === 'Interop Ada II');
  t.check(again.created_at > card.created_at, 'a change announces itself with a newer time');

  await ada.stop();
  const goodbye = await t.step('the goodbye is on the relay', () => until('offline', async () => {
    const event = await newest(31337);
    return event && saysOffline(event) && event;
  }, t.within(5000)));
  t.equal(goodbye.content, 'ocmesh-agent-offline', 'the goodbye: the content the Node agents read');
  t.check(goodbye.created_at > again.created_at && genuine(goodbye), 'the goodbye is newer and genuine');
}
