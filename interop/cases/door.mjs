//! The door of the Local API: web pages in a real Chromium, and another user of the machine, try every way in. None may read or change anything.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { FROM_ANOTHER_ORIGIN, FROM_A_REBOUND_NAME, FROM_A_SECURE_CONTEXT, factsFor, prelude } from '../lib/attacks.mjs';
import { Browser, chromium } from '../lib/chromium.mjs';
import { Daemon } from '../lib/daemon.mjs';
import { AttackersSite, BrokenGuard, OpenDoor, TAKEN_AWAY } from '../lib/doors.mjs';
import { attempts, mayBecomeAnother, runAs, strangersUid } from '../lib/other_user.mjs';
import { until } from '../lib/wait.mjs';

export const name = 'door';

export const sabotage = {
  'nobody looks at who asks': 'http://attacker.example: fetch reads /status',
  'a body of any kind is JSON': 'http://attacker.example: fetch posts text without asking',
  'any name will do': 'http://rebound.example: fetch without a referrer',
  'the attacks are blunt': 'every attack succeeds on a door without a guard',
  'the attacks go elsewhere': 'nearly all attacks reached the guard',
  'another user is the owner': 'another user: GET /health by TCP',
  'the home is open': 'another user: reads ocmesh.log',
};

/** Names that lead to this machine in the browser, as a resolver that lies would have it. */
const NAMES = ['attacker.example', 'rebound.example'];
/** A relay that nobody listens at: what changes in this daemon, the attacker changed. */
const NO_RELAY = 'ws://127.0.0.1:9';
/** Longest until a request that a page sent off is in the daemon's log. */
const REACHES_MS = 1_000;

const REFUSED = /a request was refused/g;

/** Everything that a call could have changed. */
async function stateOf(daemon) {
  const lists = await Promise.all(['/peers', '/outbox', '/messages?direction=any', '/identity', '/relays'].map((path) => daemon.get(path)));
  const [peers, outbox, messages, identity, relays] = lists.map((answer) => answer.body);
  return JSON.stringify([
    peers.map((peer) => [peer.pubkey, peer.petname, peer.trust]),
    outbox.map((one) => one.id),
    messages,
    identity,
    relays.map((relay) => relay.url),
  ]);
}

/** A daemon with a peer that could be written to, and its socket in a folder that everyone may enter. */
async function daemonWithAPeer(world, folder) {
  const daemon = new Daemon(world.binary, 'guarded', [NO_RELAY], { OCMESH_API_SOCKET: join(folder, 'ocmesh.sock') });
  world.started.push(daemon);
  mkdirSync(daemon.home, { mode: 0o700 });
  writeFileSync(join(daemon.home, 'config.toml'), '# nothing\n', { mode: 0o600 });
  chmodSync(daemon.root, 0o755);
  await daemon.start();
  const [peer, stranger] = [0, 0].map(() => getPublicKey(generateSecretKey()));
  const added = await daemon.post('/peers', { peer });
  if (added.status !== 200) throw new Error(`POST /peers said ${added.status}`);
  return { daemon, peer, stranger };
}

/** Opens a page at `page` (a rebound name: as if it had come from elsewhere) and runs one attack after the other against `door`, until
 *  `after` has seen enough. */
async function attack(browser, { page, door, isRebound, attacks, facts }, after) {
  const tab = await browser.tab();
  if (isRebound) await tab.openRebound(`${page}/`, '<!doctype html><title>attacker</title><body>');
  else await tab.open(`${page}/`);
  await tab.run(prelude);
  for (const [label, work] of attacks) {
    if (await after(label, await tab.run(work, door, facts))) break;
  }
  await tab.close();
}

/** From which page, against which name of the door, which attacks. */
function rounds(port, sitePort, facts) {
  const [site, neighbour] = [`http://attacker.example:${sitePort}`, `http://localhost:${sitePort}`];
  const from = (page, door, attacks, isRebound = false) => ({
    page,
    door,
    attacks,
    isRebound,
    facts: { ...facts, site: isRebound ? undefined : page },
  });
  return [
    from(site, `http://127.0.0.1:${port}`, FROM_ANOTHER_ORIGIN),
    from(neighbour, `http://localhost:${port}`, [...FROM_ANOTHER_ORIGIN, ...FROM_A_SECURE_CONTEXT]),
    from(`http://rebound.example:${port}`, `http://rebound.example:${port}`, FROM_A_REBOUND_NAME, true),
  ];
}

const nameOf = (page) => page.replace(/:\d+$/, '');

/** Every attack must be able to succeed, or its failure at our door says nothing. */
async function onAnOpenDoor(t, browser, site, facts) {
  const open = await new OpenDoor().start();
  const blunt = [];
  try {
    const port = t.breaks('the attacks are blunt') ? 9 : open.port;
    for (const round of rounds(port, site.port, facts)) {
      let before = open.changes;
      await attack(browser, round, async (label, read) => {
        const came = read || (await until(label, () => open.changes > before, REACHES_MS).catch(() => false));
        if (!came) blunt.push(`${nameOf(round.page)}: ${label}`);
        before = open.changes;
        return t.broken && blunt.length;
      });
      if (t.broken && blunt.length) break;
    }
  } finally {
    await open.dispose();
  }
  t.check(blunt.length === 0, 'every attack succeeds on a door without a guard', blunt.join('; '));
}

async function onOurDoor(t, browser, site, daemon, facts, port) {
  const unasked = [];
  let tried = 0;
  for (const round of rounds(port, site.port, facts)) {
    const before = await stateOf(daemon);
    let refused = daemon.output.match(REFUSED)?.length ?? 0;
    if (t.breaks('the attacks go elsewhere')) round.door = 'http://attacker.example:9';
    await attack(browser, round, async (label, read) => {
      tried += 1;
      const count = () => daemon.output.match(REFUSED)?.length ?? 0;
      const reached = t.broken ? count() > refused : await until(label, () => count() > refused, REACHES_MS).catch(() => false);
      if (!reached) unasked.push(`${nameOf(round.page)}: ${label}`);
      refused = count();
      const after = await stateOf(daemon);
      t.check(
        read === '' && after === before,
        `${nameOf(round.page)}: ${label}`,
        read ? `it read ${JSON.stringify(read.slice(0, 80))}` : 'it changed something',
      );
      // A broken run has soon shown what it is for.
      return t.broken && (t.failures.length || (t.breaks('the attacks go elsewhere') && tried >= 5));
    });
    if (t.broken && t.failures.length) break;
  }
  if (unasked.length) t.note(`never left the browser: ${unasked.join('; ')}`);
  t.check(unasked.length * 10 < tried, 'nearly all attacks reached the guard', `these did not: ${unasked.join('; ')}`);
  return tried;
}

/** The daemon's own page works in this browser: it is the pages of others that are kept out. */
async function ourOwnPage(t, browser, daemon) {
  const tab = await browser.tab();
  await tab.open(`http://127.0.0.1:${daemon.port}/docs`);
  const seen = await tab.run(() => ({
    title: document.title,
    calls: document.querySelectorAll('details').length,
    wide: getComputedStyle(document.body).maxWidth,
  }));
  t.equal(seen.title, 'ocmesh Local API', '/docs opens in a browser');
  t.check(seen.calls >= 20 && seen.wide === '992px', '/docs shows every call in its own style', JSON.stringify(seen));
  await tab.open(`http://127.0.0.1:${daemon.port}/docs`);
  await tab.run(() => document.querySelector('a[href="/openapi.json"]').click());
  const text = await until('the document', () => tab.run(() => location.pathname === '/openapi.json' && document.body.textContent), 10_000);
  t.equal(JSON.parse(text).info.title, 'ocmesh Local API', '/docs links to the document');
  await tab.close();
}

async function anotherUser(t, daemon, facts, socket) {
  if (!mayBecomeAnother()) {
    const told = 'only root can become another user of this machine';
    if (process.env.CI) t.fail('another user of the machine is tried', told);
    else t.note(`SKIPPED, another user: ${told}`);
    return 0;
  }
  if (t.breaks('the home is open')) {
    chmodSync(daemon.home, 0o755);
    chmodSync(join(daemon.home, 'ocmesh.log'), 0o644);
  }
  const before = await stateOf(daemon);
  const tries = attempts(daemon, facts, socket);
  for (const [label, [program, args], ownersWorks] of tries) {
    if (ownersWorks && !t.broken) {
      const own = await runAs(strangersUid(true), program, args);
      t.check(own.code === 0, `the owner: ${label}`, `exit code ${own.code}`);
    }
    const { code, stdout } = await runAs(strangersUid(t.breaks('another user is the owner')), program, args);
    t.check(code !== 0 && stdout === '', `another user: ${label}`, `exit code ${code}, and ${stdout.length} bytes`);
    if (code === 0 && label === 'stops it') return tries.length;
  }
  // The file's mode was its first lock; who asks is the second.
  chmodSync(socket, 0o777);
  const { code, stdout } = await runAs(strangersUid(t.breaks('another user is the owner')), 'curl', [
    '-sS',
    '--fail',
    '--max-time',
    '5',
    '--unix-socket',
    socket,
    'http://localhost/health',
  ]);
  t.check(code === 22 && stdout === '', 'another user: a socket whose mode lets everyone in', `exit code ${code}`);
  t.equal(await stateOf(daemon), before, 'another user changed nothing');
  return tries.length + 1;
}

export async function run(t, world) {
  const program = await t.step('Chromium is there', async () => chromium() ?? Promise.reject(new Error('apt-get install chromium')));
  const folder = mkdtempSync(join(tmpdir(), 'ocmesh-door-'));
  chmodSync(folder, 0o755);
  world.started.push({ dispose: () => rmSync(folder, { recursive: true, force: true }) });
  const { daemon, peer, stranger } = await daemonWithAPeer(world, folder);
  const browser = new Browser();
  world.started.push(browser);
  await t.step('Chromium starts', () => browser.start(program, NAMES));
  t.note(browser.version);
  const site = await new AttackersSite().start();
  world.started.push(site);
  const facts = factsFor(peer, stranger, NO_RELAY);

  const takenAway = TAKEN_AWAY[t.broken];
  const guard = takenAway && (await new BrokenGuard(daemon.port, takenAway).start());
  if (guard) world.started.push(guard);
  if (!t.broken) await ourOwnPage(t, browser, daemon);
  if (!t.broken || t.breaks('the attacks are blunt')) await onAnOpenDoor(t, browser, site, facts);
  const isAboutUsers = t.breaks('another user is the owner') || t.breaks('the home is open') || t.breaks('the attacks are blunt');
  const byPages = isAboutUsers ? 0 : await onOurDoor(t, browser, site, daemon, facts, guard?.port ?? daemon.port);
  const byUser = guard || t.breaks('the attacks go elsewhere') ? 0 : await anotherUser(t, daemon, facts, join(folder, 'ocmesh.sock'));
  t.note(`${byPages} attacks by pages and ${byUser} by another user`);
  if (!t.broken) t.check(byPages + byUser >= 60, 'at least 60 attacks were tried', `${byPages} and ${byUser}`);
  if (!t.broken) t.equal((await daemon.curlSend(peer, 'by the owner')).status, 'queued', 'the owner still writes with curl');
}
