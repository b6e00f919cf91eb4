//! What the attacks on the Local API need around it: the attacker's own web site, a door without a guard on which every attack must succeed,
//! and proxies that take one part of the real guard away.

import http from 'node:http';
import { WebSocketServer } from 'ws';

/** One transparent point. */
const PICTURE = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

/** Bytes that no attacker may see; what the open door says to everything. */
const SECRET = '{"ok":true}';

async function listen(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address().port;
}

async function close(server) {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** The attacker's site: an empty page, a service worker, and redirects to wherever it is told. */
export class AttackersSite {
  async start() {
    this.server = http.createServer((request, response) => {
      const url = new URL(request.url, 'http://attacker.example');
      const cors = {
        'access-control-allow-origin': request.headers.origin ?? '*',
        'access-control-allow-credentials': 'true',
        'access-control-allow-headers': 'content-type',
      };
      const to = url.searchParams.get('to');
      if (to && request.method === 'OPTIONS') response.writeHead(204, { ...cors, 'access-control-allow-methods': '*' }).end();
      else if (to) response.writeHead(Number(url.searchParams.get('code')), { ...cors, location: to }).end();
      else if (url.pathname === '/worker.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(WORKER);
      else response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>attacker</title><body>');
    });
    this.port = await listen(this.server);
    return this;
  }

  async dispose() {
    await close(this.server);
  }
}

/** Asks whatever it is told, away from any page. */
const WORKER = `onmessage = async (event) => {
  const answer = await fetch(event.data, { mode: 'cors' }).then((answer) => answer.text(), () => '');
  (event.source ?? self).postMessage(answer);
};
self.addEventListener('install', () => self.skipWaiting?.());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));`;

/** What a browser would use at this place of a page. */
function answerFor(request) {
  const kinds = {
    image: ['image/gif', PICTURE],
    script: ['text/javascript', 'window.gotIn = true;'],
    style: ['text/css', ':root { --got-in: yes; }'],
  };
  const page = ['text/html', '<script>(parent === window ? opener : parent)?.postMessage("got in", "*");</script>'];
  const dest = request.headers['sec-fetch-dest'] ?? '';
  const accepts = request.headers.accept ?? '';
  if (['document', 'iframe', 'object'].includes(dest) || accepts.includes('text/html')) return page;
  if (accepts.includes('text/event-stream')) return ['text/event-stream', `data: ${SECRET}\n\n`];
  return kinds[dest] ?? ['application/json', SECRET];
}

/** A Local API as it must not be: answers everyone, and counts each request that would have changed something. */
export class OpenDoor {
  async start() {
    this.changes = 0;
    this.server = http.createServer((request, response) => {
      const cors = {
        'access-control-allow-origin': request.headers.origin ?? '*',
        'access-control-allow-credentials': 'true',
        'access-control-allow-headers': 'content-type',
        'access-control-allow-methods': '*, PATCH, DELETE',
      };
      if (request.method === 'OPTIONS') return void response.writeHead(204, cors).end();
      if (request.method !== 'GET') this.changes += 1;
      const [kind, body] = answerFor(request);
      response.writeHead(200, { ...cors, 'content-type': kind }).end(body);
    });
    new WebSocketServer({ server: this.server }).on('connection', (socket) => socket.send(SECRET));
    this.port = await listen(this.server);
    return this;
  }

  async state() {
    return this.changes;
  }

  async dispose() {
    await close(this.server);
  }
}

/** Stands between the browser and the daemon and changes what the daemon's guard sees, by `takenAway`. */
export class BrokenGuard {
  constructor(daemonPort, takenAway) {
    Object.assign(this, { daemonPort, takenAway });
  }

  async start() {
    this.server = http.createServer((request, response) => {
      const headers = { ...request.headers };
      const cors = this.takenAway(headers, this.daemonPort) ?? {};
      if (request.method === 'OPTIONS' && cors['access-control-allow-origin']) return void response.writeHead(204, cors).end();
      const onward = http.request(
        { host: '127.0.0.1', port: this.daemonPort, method: request.method, path: request.url, headers, agent: false },
        (answer) => {
          response.writeHead(answer.statusCode, { ...answer.headers, ...cors });
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      response.on('close', () => onward.destroy());
      request.pipe(onward);
    });
    this.port = await listen(this.server);
    return this;
  }

  async dispose() {
    await close(this.server);
  }
}

/** The browser's own words about a page are lost. */
function forgetThePage(headers) {
  for (const name of Object.keys(headers)) {
    if (name === 'origin' || name === 'referer' || name.startsWith('sec-fetch-')) delete headers[name];
  }
}

/** Which part of the guard is gone. */
export const TAKEN_AWAY = {
  'nobody looks at who asks': (headers, port) => {
    const origin = headers.origin ?? '*';
    forgetThePage(headers);
    headers.host = `127.0.0.1:${port}`;
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'content-type',
      'access-control-allow-methods': 'GET, POST, PATCH, DELETE',
    };
  },
  'a body of any kind is JSON': (headers, port) => {
    forgetThePage(headers);
    headers.host = `127.0.0.1:${port}`;
    if (headers['content-length'] !== undefined || headers['transfer-encoding']) headers['content-type'] = 'application/json';
  },
  'any name will do': (headers, port) => {
    headers.host = `127.0.0.1:${port}`;
  },
};
