//! A real Chromium without a window, spoken to over a pipe (DevTools protocol): no port is opened, nothing of the user's own browser is used.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Longest wait for an answer of the browser: its first start on a busy two-core machine takes 5 to 15 s. */
const ANSWER_MS = 60_000;

/** The network is left alone, and Chromium's own guard of loopback is off: it is ours that is looked at. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--disable-extensions',
  '--disable-default-apps',
  '--disable-popup-blocking',
  '--no-proxy-server',
  '--password-store=basic',
  '--mute-audio',
  '--remote-debugging-pipe',
  '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebRTC,LocalNetworkAccessForWorkers,LocalNetworkAccessForNavigations,BlockInsecurePrivateNetworkRequests,HttpsUpgrades,HttpsFirstBalancedMode',
];

/** The browser's program, or undefined. */
export function chromium() {
  const places = (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name)));
  return places.find((place) => existsSync(place));
}

export class Browser {
  /** Starts it; each of `names` is a host that leads to 127.0.0.1, and no other name leads anywhere. */
  async start(program, names) {
    this.profile = mkdtempSync(join(tmpdir(), 'ocmesh-chromium-'));
    const rules = [...names.map((name) => `MAP ${name} 127.0.0.1`), 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1', 'EXCLUDE localhost'];
    const args = [...FLAGS, `--host-resolver-rules=${rules.join(', ')}`, `--user-data-dir=${this.profile}`, 'about:blank'];
    const env = { PATH: process.env.PATH, HOME: this.profile, TMPDIR: tmpdir() };
    this.process = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
    this.said = '';
    this.process.stderr.on('data', (chunk) => (this.said = (this.said + chunk).slice(-4_000)));
    Object.assign(this, { next: 1, waiting: new Map(), listeners: new Set(), rest: '' });
    this.process.stdio[4].on('data', (chunk) => this.#heard(chunk));
    this.process.stdio[3].on('error', () => {});
    this.gone = new Promise((resolve) => this.process.once('exit', resolve));
    this.gone.then(() => {
      for (const { reject } of this.waiting.values()) reject(new Error(`the browser ended: ${this.said}`));
    });
    this.version = (await this.call('Browser.getVersion')).product;
    return this;
  }

  #heard(chunk) {
    const parts = (this.rest + chunk).split('\0');
    this.rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      const waiting = this.waiting.get(message.id);
      if (!waiting) this.listeners.forEach((listener) => listener(message));
      else if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
      else waiting.resolve(message.result);
      this.waiting.delete(message.id);
    }
  }

  /** One call of the protocol. */
  call(method, params = {}, sessionId) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer in ${ANSWER_MS} ms; ${this.said}`)), ANSWER_MS);
      const settle = (how) => (value) => (clearTimeout(timer), how(value));
      this.waiting.set(id, { method, resolve: settle(resolve), reject: settle(reject) });
      this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** An empty tab with storage of its own. */
  async tab() {
    const { browserContextId } = await this.call('Target.createBrowserContext');
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    const tab = new Tab(this, sessionId, browserContextId);
    await tab.call('Page.enable');
    return tab;
  }

  async dispose() {
    if (this.process?.exitCode === null) {
      this.process.kill('SIGKILL');
      await this.gone;
    }
    // Its children may still be writing for a moment. `maxRetries` does not help: it tries the folder again, and not what is new in it.
    for (let left = 50; ; left -= 1) {
      try {
        return rmSync(this.profile, { recursive: true, force: true });
      } catch (error) {
        if (left === 0 || error.code !== 'ENOTEMPTY') throw error;
        await pause(100);
      }
    }
  }
}

/** One page. */
class Tab {
  constructor(browser, sessionId, browserContextId) {
    Object.assign(this, { browser, sessionId, browserContextId });
  }

  call(method, params) {
    return this.browser.call(method, params, this.sessionId);
  }

  #once(method, matches) {
    return new Promise((resolve) => {
      const listener = (message) => {
        if (message.sessionId !== this.sessionId || message.method !== method || !matches(message.params)) return;
        this.browser.listeners.delete(listener);
        resolve(message.params);
      };
      this.browser.listeners.add(listener);
    });
  }

  /** Goes to an address as if it had been typed. */
  async open(url) {
    const loaded = this.#once('Page.loadEventFired', () => true);
    const { errorText } = await this.call('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await loaded;
  }

  /** Goes to an address whose name leads elsewhere a moment later: this page comes from `html`, whatever it asks for then from the network. */
  async openRebound(url, html) {
    await this.call('Fetch.enable', { patterns: [{ urlPattern: url }] });
    const paused = this.#once('Fetch.requestPaused', () => true);
    const opened = this.open(url);
    const { requestId } = await paused;
    const headers = [{ name: 'content-type', value: 'text/html' }];
    await this.call('Fetch.fulfillRequest', {
      requestId,
      responseCode: 200,
      responseHeaders: headers,
      body: Buffer.from(html).toString('base64'),
    });
    await opened;
    await this.call('Fetch.disable');
  }

  /** Runs a function in the page with arguments that fit into JSON. */
  async run(work, ...args) {
    const expression = `(${work})(...${JSON.stringify(args)})`;
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async close() {
    await this.browser.call('Target.disposeBrowserContext', { browserContextId: this.browserContextId });
  }
}
