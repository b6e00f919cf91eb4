//! A relay's evil twin: a proxy between a daemon and the relay that drops, delays or repeats chosen frames, to prove that a case can fail.

import http from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';

/** A rule looks at `(frame, toRelay)` and returns the frames to pass on: `[]` drops, a promise delays. */
export class Tamper {
  constructor(upstream, rule) {
    this.upstream = upstream;
    this.rule = rule;
  }

  async start() {
    this.server = http.createServer((request, response) => this.#information(request, response));
    this.sockets = new WebSocketServer({ server: this.server });
    this.sockets.on('connection', (near) => this.#join(near));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `ws://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  /** NIP-11 comes from the real relay. */
  #information(request, response) {
    http.get(this.upstream.replace('ws', 'http'), { headers: { accept: request.headers.accept ?? '' } }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    }).on('error', () => response.destroy());
  }

  #join(near) {
    const far = new WebSocket(this.upstream);
    const waiting = [];
    const pass = async (to, data, toRelay) => {
      for (const frame of await this.rule(JSON.parse(data), toRelay)) if (to.readyState === WebSocket.OPEN) to.send(JSON.stringify(frame));
    };
    near.on('message', (data) => (far.readyState === WebSocket.OPEN ? pass(far, data, true) : waiting.push(data)));
    far.on('open', () => waiting.splice(0).forEach((data) => pass(far, data, true)));
    far.on('message', (data) => pass(near, data, false));
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on('close', () => other.terminate());
      one.on('error', () => other.terminate());
    }
  }

  stop() {
    for (const socket of this.sockets.clients) socket.terminate();
    this.server.close();
  }
}

/** The event in a frame, whichever way it goes. */
const eventIn = (frame) => (frame[0] === 'EVENT' ? frame.at(-1) : undefined);

/** Drops events the daemon publishes. A relay that swallows them says OK all the same is worse; this one says nothing. */
export const dropOutgoing = (fits) => (frame, toRelay) => (toRelay && eventIn(frame) && fits(eventIn(frame)) ? [] : [frame]);

/** Drops events on their way to the daemon. */
export const dropIncoming = (fits) => (frame, toRelay) => (!toRelay && eventIn(frame) && fits(eventIn(frame)) ? [] : [frame]);

/** Delays events on their way to the daemon. */
export const delayIncoming = (fits, ms) => async (frame, toRelay) => {
  if (!toRelay && eventIn(frame) && fits(eventIn(frame))) await new Promise((resolve) => setTimeout(resolve, ms));
  return [frame];
};

export const ofKind = (...kinds) => (event) => kinds.includes(event.kind);
