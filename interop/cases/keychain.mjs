//! Case (k): the key of the database in a real Secret Service, GNOME's keyring: it moves in, it is used, and without it nothing opens.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon } from '../lib/daemon.mjs';
import { SecretService } from '../lib/secret_service.mjs';

export const name = 'keychain';

export const sabotage = {
  'the owner did not ask for it': 'the key left its file',
  'another home is looked for': 'the keyring has the key that the file had',
};

/** Runs the program to its end. */
function command(daemon, args, env) {
  const all = { PATH: process.env.PATH, HOME: join(daemon.root, 'user'), OCMESH_HOME: daemon.home, ...daemon.settings, ...env };
  return new Promise((resolve) => {
    execFile(daemon.binary, args, { env: all, timeout: 30_000 }, (error, stdout, stderr) => resolve({ code: error ? (error.code ?? -1) : 0, stdout, stderr }));
  });
}

export async function run(t, world) {
  if (process.platform !== 'linux') return t.note('only Linux has a Secret Service');
  const service = new SecretService();
  world.started.push(service);
  await t.step('a keyring is there', () => service.start());
  const on = { OCMESH_KEYCHAIN: t.breaks('the owner did not ask for it') ? 'auto' : 'on', DBUS_SESSION_BUS_ADDRESS: service.address };
  const kim = new Daemon(world.binary, 'Kim', [world.relay], { OCMESH_KEYCHAIN: 'off' });
  world.started.push(kim);
  const file = join(kim.home, 'db.key');

  const alone = await command(kim, ['daemon'], { OCMESH_KEYCHAIN: 'on', DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(kim.root, 'nobody')}` });
  t.check(alone.code !== 0 && alone.stderr.includes('no keychain') && !existsSync(file), 'asked for, and without one, there is no start and no key in a file', alone.stderr);

  await kim.start();
  const { pubkey } = kim;
  const key = readFileSync(file, 'utf8').trim();
  await kim.stop();
  Object.assign(kim.settings, on);
  await kim.start();
  t.equal(kim.pubkey, pubkey, 'the same agent after its key moved');
  t.check(!existsSync(file), 'the key left its file');
  const username = t.breaks('another home is looked for') ? '/nowhere' : kim.home;
  const kept = (await service.lookup({ service: 'ocmesh database key', username })).trim();
  t.check(kept === key && key.length === 64, 'the keyring has the key that the file had', `${kept.length} characters`);
  await kim.kill9();
  await kim.start();
  t.equal(kim.pubkey, pubkey, 'the same agent with its key in the keyring alone');

  const copy = join(kim.root, 'copy');
  const copied = await command(kim, ['backup', copy], {});
  t.check(copied.code === 0 && existsSync(join(copy, 'db.key')), 'a copied home has its key in a file again', copied.stderr);
  await kim.stop();
  const without = await command(kim, ['daemon'], { OCMESH_KEYCHAIN: 'off' });
  t.check(without.code !== 0 && without.stderr.includes('keychain = "on"'), 'switched off, it says where the key is', without.stderr);
  t.check(!existsSync(file), 'and makes no second key');
}
