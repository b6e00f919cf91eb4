//! A model that is none: an OpenAI-compatible endpoint on loopback that writes down every request, and answers by a script instead of a mind.

import { appendFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';

/** The text of one message of a prompt. */
export const textOf = (message) => (typeof message.content === 'string' ? message.content : (message.content ?? []).map((part) => part.text ?? '').join('\n'));

export class FakeModel {
  /** `script(messages)` returns `{ say }` or `{ call, args }`. */
  constructor(script) {
    this.script = script;
    this.requests = [];
    this.calls = 0;
  }

  async start(port = 0) {
    this.server = http.createServer((request, response) => this.#take(request, response));
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }

  dispose() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** Nobody waits for the answer of a tool: the newest turn is over. */
  get still() {
    return !this.requests.at(-1)?.answer.tool_calls;
  }

  #take(request, response) {
    const at = Date.now();
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      if (request.method !== 'POST') return this.#json(response, { object: 'list', data: [{ id: 'scripted', object: 'model' }] });
      const { messages = [], tools = [], stream } = JSON.parse(body);
      const answer = this.#message(this.script(messages));
      this.requests.push({ at, messages, tools: tools.map((tool) => tool.function.name), answer });
      if (process.env.INTEROP_LOGS) appendFileSync(join(process.env.INTEROP_LOGS, 'model.jsonl'), `${JSON.stringify(this.requests.at(-1))}\n`);
      return stream ? this.#stream(response, answer) : this.#json(response, { ...HEAD, object: 'chat.completion', choices: [{ index: 0, message: answer, finish_reason: reason(answer) }], usage: USAGE });
    });
  }

  #message({ say = null, call, args }) {
    if (!call) return { role: 'assistant', content: say };
    this.calls += 1;
    return { role: 'assistant', content: null, tool_calls: [{ index: 0, id: `call_${this.calls}`, type: 'function', function: { name: call, arguments: JSON.stringify(args) } }] };
  }

  #stream(response, answer) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const parts = [
      { choices: [{ index: 0, delta: answer, finish_reason: null }] },
      { choices: [{ index: 0, delta: {}, finish_reason: reason(answer) }] },
      { choices: [], usage: USAGE },
    ];
    for (const part of parts) response.write(`data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', ...part })}\n\n`);
    response.end('data: [DONE]\n\n');
  }

  #json(response, value) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  }
}

const HEAD = { id: 'scripted', created: 1, model: 'scripted' };
const USAGE = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
const reason = (answer) => (answer.tool_calls ? 'tool_calls' : 'stop');
