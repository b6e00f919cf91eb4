//! The real agent programs: each is told of ocmesh by one command, holds what it was told by its own account, and forgets it by one command.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { spawn } from 'node:child_process';

export const name = 'agents';

/** It needs programs of its own (`interop/agents`), so it runs only where it is named, as in the CI stage `agents`. */
export const apart = true;

export const sabotage = {
  'nobody tells the programs': 'claude: is told',
  'the entry is changed': 'codex: holds it by its own account',
  'nobody takes it back': 'gemini: holds nothing of ours any more',
};

/** How each shows what it holds, in its own words. */
const PROGRAMS = {
  claude: ['claude', ['mcp', 'list']],
  codex: ['codex', ['mcp', 'list', '--json']],
  gemini: ['gemini', ['mcp', 'list']],
  opencode: ['opencode', ['mcp', 'list']],
};

export async function run(report, world) {
  const home = mkdtempSync(join(tmpdir(), 'ocmesh-agents-'));
  world.started.push({ dispose: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }) });
  const user = new User(home, world);
  // A sabotaged run needs only the program that is to turn red.
  const wanted = Object.entries(PROGRAMS).filter(([agent]) => !report.broken || sabotage[report.broken].startsWith(`${agent}:`));
  for (const [agent, [program, show]] of wanted) await one(report, user, { agent, program, show });
}

/** A user with nothing but these programs. */
class User {
  constructor(home, world) {
    const bin = join(home, 'bin');
    mkdirSync(bin);
    // The packages whose command is put in place by a script of theirs, which does not run here, bring the program itself all the same.
    const native = [join('@anthropic-ai', `claude-code-${process.platform}-${process.arch}`), join(`opencode-${process.platform}-${process.arch}`, 'bin')];
    const folders = native.map((folder) => join(world.agents, folder)).filter(existsSync);
    const path = [bin, ...folders, join(world.agents, '.bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter);
    this.binary = world.binary;
    this.home = home;
    // No program of a test calls home or replaces itself.
    this.env = { PATH: path, HOME: home, TMPDIR: tmpdir(), NO_COLOR: '1', OCMESH_RELAYS: world.relay, DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' };
  }

  async run(program, args) {
    const child = spawn(program, args, { env: this.env, cwd: this.home, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const out = [];
    child.stdout.on('data', (chunk) => out.push(chunk));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    const code = await new Promise((resolve) => child.once('error', (error) => resolve(String(error))).once('close', resolve));
    return { code, said, stdout: Buffer.concat(out).toString() };
  }

  /** `ocmesh connect`, and its JSON. */
  async connect(...args) {
    const { code, said, stdout } = await this.run(this.binary, ['connect', '--json', ...args]);
    return code === 0 ? JSON.parse(stdout) : { code, said };
  }
}

async function one(report, user, { agent, program, show }) {
  const held = async () => (await user.run(program, show)).said;
  const dry = await user.connect(agent, '--dry-run');
  report.check(Array.isArray(dry.steps), `${agent}: a dry run shows the change`, JSON.stringify(dry));
  const began = performance.now();
  if (!report.breaks('nobody tells the programs')) report.equal((await user.connect(agent)).changed, true, `${agent}: is told`);
  const state = async () => (await user.connect()).find((each) => each.agent === agent);
  report.equal((await state()).connected, true, `${agent}: is told, and the list says so`);
  const wanted = report.breaks('the entry is changed') ? '/somewhere/else' : user.binary;
  const shown = await held();
  report.check(shown.includes('ocmesh') && shown.includes(wanted), `${agent}: holds it by its own account`, shown.slice(0, 400));
  report.equal((await user.connect(agent)).changed, false, `${agent}: once is enough`);
  if (!report.breaks('nobody takes it back')) report.equal((await user.connect(agent, '--undo')).changed, true, `${agent}: is told to forget`);
  report.check(!(await held()).includes(wanted), `${agent}: holds nothing of ours any more`);
  report.equal((await state()).connected, false, `${agent}: and the list says so`);
  report.note(`${agent}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
