//! Somebody else with an account on this machine, who tries the Local API, the socket and the files of a home.

import { execFile } from 'node:child_process';
import { join } from 'node:path';

/** Nobody on any machine; curl and sh need no entry in the list of users. */
const STRANGER = 54_321;

/** Whether this process may become somebody else. */
export const mayBecomeAnother = () => process.getuid?.() === 0;

/** Runs a program as the other user (or as ourselves); gives its exit code and what it wrote. */
export function runAs(uid, program, args) {
  const env = { PATH: process.env.PATH, HOME: '/' };
  return new Promise((resolve) => {
    execFile(program, args, { uid, gid: uid, cwd: '/', env, timeout: 10_000 }, (error, stdout) =>
      resolve({ code: error ? (error.code ?? 1) : 0, stdout }),
    );
  });
}

export const strangersUid = (isOurselves) => (isOurselves ? process.getuid() : STRANGER);

/** What is tried: a name, the command, and whether the owner's own try must succeed (where it harms nothing). */
export function attempts(daemon, facts, openSocket) {
  const tcp = `http://127.0.0.1:${daemon.port}`;
  const curl = (...args) => ['curl', ['-sS', '--fail', '--max-time', '5', ...args]];
  const json = (method, body, url, ...args) => curl('-X', method, '-H', 'content-type: application/json', '-d', body, ...args, url);
  const shell = (script) => ['sh', ['-c', script]];
  const overSocket = (socket) => ['--unix-socket', socket];
  const own = join(daemon.home, 'ocmesh.sock');
  const file = (name) => [`reads ${name}`, ['cat', [join(daemon.home, name)]], true];
  return [
    ...['/health', '/peers', '/messages', '/outbox', '/relays', '/identity', '/docs'].map((path) => [
      `GET ${path} by TCP`,
      curl(tcp + path),
      true,
    ]),
    ['GET /health by TCP under another name', curl(`http://localhost:${daemon.port}/health`), true],
    ['POST /send by TCP', json('POST', facts.message, `${tcp}/send`)],
    ['POST /peers by TCP', json('POST', JSON.stringify({ peer: facts.stranger }), `${tcp}/peers`)],
    ['PATCH /identity by TCP', json('PATCH', '{"name":"owned"}', `${tcp}/identity`)],
    ['DELETE a peer by TCP', curl('-X', 'DELETE', `${tcp}/peers/${facts.peer}`)],
    ['GET /health by a socket in an open folder', curl(...overSocket(openSocket), 'http://localhost/health'), true],
    ['POST /send by a socket in an open folder', json('POST', facts.message, 'http://localhost/send', ...overSocket(openSocket))],
    ['removes that socket', shell(`rm -f '${openSocket}' && ! test -e '${openSocket}'`)],
    ['looks into the home', ['ls', [daemon.home]], true],
    ...['ocmesh.db', 'ocmesh.db-wal', 'db.key', 'identity.backup', 'api.json', 'ocmesh.log', 'config.toml'].map(file),
    ['reaches the home for a socket', ['test', ['-e', own]], false],
    ['writes a token of its own', shell(`mkdir -p '${daemon.home}/tokens' && echo x > '${daemon.home}/tokens/token-x.json'`)],
    ['writes config.toml', shell(`echo 'name = "owned"' >> '${daemon.home}/config.toml'`)],
    ['reads its environment', ['cat', [`/proc/${daemon.process.pid}/environ`]], true],
    ['reads its memory map', ['cat', [`/proc/${daemon.process.pid}/maps`]], true],
    ['looks at its open files', ['ls', [`/proc/${daemon.process.pid}/fd`]], true],
    ['stops it', ['kill', ['-TERM', String(daemon.process.pid)]]],
  ];
}
