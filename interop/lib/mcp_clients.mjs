//! The official MCP clients, TypeScript and Python, behind one face: connect, then `tools resources templates prompts read prompt call close`.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const DRIVER = fileURLToPath(new URL('mcp_client.py', import.meta.url));

/** The client of npm. It greets, and checks every answer of a tool against the tool's schema. */
export class TypeScript {
  constructor() {
    this.client = new Client({ name: 'ocmesh-interop', version: '0.3.0' });
  }

  /** `server` is `{ command, args, env }` or `{ url, token? }`. */
  async connect(server) {
    const headers = server.token ? { Authorization: `Bearer ${server.token}` } : {};
    const transport = server.url ? new StreamableHTTPClientTransport(new URL(server.url), { requestInit: { headers } }) : new StdioClientTransport(server);
    // The transport is told what was agreed on; the one for HTTP shows it, the other has no use for it.
    if (!server.url) transport.setProtocolVersion = (version) => (transport.protocolVersion = version);
    await this.client.connect(transport);
    this.protocol = transport.protocolVersion;
    this.server = this.client.getServerVersion().name;
    return this;
  }

  tools = async () => (await this.client.listTools()).tools;
  resources = async () => (await this.client.listResources()).resources;
  templates = async () => (await this.client.listResourceTemplates()).resourceTemplates;
  prompts = async () => (await this.client.listPrompts()).prompts;
  read = (uri) => this.client.readResource({ uri });
  prompt = (name) => this.client.getPrompt({ name });
  call = (name, args = {}) => this.client.callTool({ name, arguments: args });
  close = () => this.client.close();
}

/** The client of PyPI, in a process of its own. It asks the server for its newest protocol, and checks answers against schemas too. */
export class Python {
  constructor(interpreter) {
    this.interpreter = interpreter;
  }

  async connect(server) {
    const given = server.url ? { url: server.url, mode: 'auto' } : { stdio: server, mode: 'auto' };
    this.process = spawn(this.interpreter, [DRIVER, JSON.stringify(given)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.said = '';
    this.process.stderr.on('data', (chunk) => (this.said = (this.said + chunk).slice(-2000)));
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    const { name, protocol } = await this.#answer();
    Object.assign(this, { server: name, protocol });
    return this;
  }

  async #answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`the Python client ended: ${this.said}`);
    const { good, bad } = JSON.parse(value);
    if (bad !== undefined) throw new Error(bad);
    return good;
  }

  #ask(ask, params = {}) {
    this.process.stdin.write(`${JSON.stringify({ ask, params })}\n`);
    return this.#answer();
  }

  tools = () => this.#ask('tools');
  resources = () => this.#ask('resources');
  templates = () => this.#ask('templates');
  prompts = () => this.#ask('prompts');
  read = (uri) => this.#ask('read', { uri });
  prompt = (name) => this.#ask('prompt', { name });
  call = (name, args = {}) => this.#ask('call', { name, arguments: args });

  async close() {
    if (!this.process || this.process.exitCode !== null) return;
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.stdin.end();
    await gone;
  }
}
