//! An `ocmesh daemon` process in a home of its own, and its Local API by plain HTTP.

import { execFile, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Hopeless, until } from './wait.mjs';

const run = promisify(execFile);

/** The longest a start may take before the Local API answers: a debug build on a busy two-core machine. */
const START_MS = 20_000;

export class Daemon {
  constructor(binary, name, relays, settings = {}) {
    this.name = name;
    this.binary = binary;
    this.root = mkdtempSync(join(tmpdir(), 'ocmesh-interop-'));
    this.home = join(this.root, 'home');
    this.settings = { OCMESH_RELAYS: relays.join(','), OCMESH_NAME: name, OCMESH_API_PORT: '0', OCMESH_LOG_LEVEL: 'debug', ...settings };
    mkdirSync(join(this.root, 'user'));
  }

  /** Starts the process and waits until `/status` answers. */
  async start() {
    rmSync(join(this.home, 'api.json'), { force: true });
    this.startedAt = performance.now();
    const env = { PATH: process.env.PATH, HOME: join(this.root, 'user'), OCMESH_HOME: this.home, ...this.settings };
    this.process = spawn(this.binary, ['daemon'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.output = '';
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (chunk) => this.#said(chunk));
    this.gone = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve({ code, signal })));
    this.exited = null;
    this.gone.then((end) => (this.exited = end));
    await until(`${this.name} answers /status`, () => this.#up(), START_MS);
    this.pubkey = (await this.get('/status')).body.pubkey;
    return this;
  }

  #said(chunk) {
    this.output += chunk;
    if (process.env.INTEROP_LOGS) appendFileSync(join(process.env.INTEROP_LOGS, `${this.name}.log`), chunk);
  }

  async #up() {
    if (this.exited) throw new Hopeless(`the daemon ended with ${JSON.stringify(this.exited)}: ${this.output.slice(-600)}`);
    this.port = JSON.parse(readFileSync(join(this.home, 'api.json'), 'utf8')).port;
    return [200, 503].includes((await this.get('/status')).status);
  }

  /** SIGTERM; resolves with exit code and how long it took. */
  async stop() {
    const from = performance.now();
    this.process.kill('SIGTERM');
    const end = await this.gone;
    return { ...end, ms: Math.round(performance.now() - from) };
  }

  /** `kill -9`. */
  async kill9() {
    this.process.kill('SIGKILL');
    return this.gone;
  }

  /** Ends what still runs and removes the home. */
  async dispose() {
    if (this.process && !this.exited) await this.kill9();
    rmSync(this.root, { recursive: true, force: true });
  }

  #ask(method, path, body) {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    if (this.settings.OCMESH_API_AUTH === 'token') headers.authorization = `Bearer ${readFileSync(join(this.home, 'token'), 'utf8').trim()}`;
    return new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port: this.port, method, path, headers, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode, body: text ? JSON.parse(text) : null });
          } catch {
            resolve({ status: response.statusCode, body: text });
          }
        });
      });
      request.on('error', reject);
      request.setTimeout(10_000, () => request.destroy(new Error(`${method} ${path}: no answer in 10 s`)));
      request.end(payload);
    });
  }

  get(path) {
    return this.#ask('GET', path);
  }

  post(path, body = {}) {
    return this.#ask('POST', path, body);
  }

  patch(path, body) {
    return this.#ask('PATCH', path, body);
  }

  /** One peer's record, or undefined. */
  async peer(pubkey) {
    const answer = await this.get(`/peers/${pubkey}`);
    return answer.status === 200 ? answer.body : undefined;
  }

  /** Received messages that fit. */
  async inbox(query = '') {
    const answer = await this.get(`/messages${query}`);
    if (answer.status !== 200) throw new Error(`GET /messages${query} said ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Sends; throws unless the answer is 200. */
  async send(to, content, more = {}) {
    const answer = await this.post('/send', { to, content, ...more });
    if (answer.status !== 200) throw new Error(`POST /send said ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Sends with the curl program, as the README shows. */
  async curlSend(to, content) {
    const { stdout } = await run('curl', ['-sS', '-H', 'Content-Type: application/json', '-d', JSON.stringify({ to, content }), `http://127.0.0.1:${this.port}/send`]);
    return JSON.parse(stdout);
  }

  /** The state of one message: queued, relayed, delivered, read or failed. */
  async stateOf(id) {
    const { status, body } = await this.get(`/messages/${id}`);
    if (status !== 200) return `HTTP ${status}`;
    return typeof body.status === 'string' ? body.status : body.status?.state;
  }
}
