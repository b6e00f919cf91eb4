//! A Secret Service of its own for a test: GNOME's keyring on a session bus that nobody else is on.

import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './wait.mjs';

/** Both start within a moment; this is for a busy machine. */
const START_MS = 20_000;

export class SecretService {
  /** Starts the bus and an unlocked keyring. */
  async start() {
    this.root = mkdtempSync(join(tmpdir(), 'ocmesh-keyring-'));
    const [home, runtime] = [join(this.root, 'home'), join(this.root, 'run')];
    mkdirSync(home);
    mkdirSync(runtime, { mode: 0o700 });
    const env = { PATH: process.env.PATH, HOME: home, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: join(home, 'data') };
    this.children = [];
    const bus = spawn('dbus-daemon', ['--session', '--nofork', '--print-address'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    this.children.push(bus);
    let said = '';
    bus.stdout.on('data', (chunk) => (said += chunk));
    this.address = await until('the session bus says its address', () => /^(\S+)\n/.exec(said)?.[1], START_MS);
    this.env = { ...env, DBUS_SESSION_BUS_ADDRESS: this.address };
    const ring = spawn('gnome-keyring-daemon', ['--foreground', '--unlock', '--components=secrets'], { env: this.env, stdio: ['pipe', 'ignore', 'ignore'] });
    this.children.push(ring);
    ring.stdin.end('a password');
    await until('the keyring keeps a secret', async () => (await this.#tool(['store', '--label=probe', 'probe', 'x'], 'kept')) === '' && (await this.#tool(['lookup', 'probe', 'x'])) === 'kept', START_MS);
    return this;
  }

  /** The secret that the keyring has under these attributes; empty when there is none. */
  lookup(attributes) {
    return this.#tool(['lookup', ...Object.entries(attributes).flat()]);
  }

  #tool(args, input = '') {
    return new Promise((resolve) => {
      const tool = execFile('secret-tool', args, { env: this.env, timeout: START_MS }, (error, stdout) => resolve(error && stdout === '' && error.code !== 1 ? String(error.code) : stdout));
      tool.stdin.end(input);
    });
  }

  async dispose() {
    for (const child of this.children ?? []) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await gone;
    }
    if (this.root) rmSync(this.root, { recursive: true, force: true });
  }
}
