//! Runs the cases. `node run.mjs [--prove] [case…]`; `cargo xtask interop` starts the relays and says where they are.
//!
//! Environment, as JSON in OCMESH_INTEROP: `ocmesh` (binary), `relay`, `auth_relay` (ws addresses), `grant` (command that lets a key into
//! the second relay; the key and the roles are appended), `python` (an interpreter with the Python client), `openclaw` and `agents` (the
//! node_modules of the cases of those names), `messages` (how many the case `openclaw` measures).

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as agents from './cases/agents.mjs';
import * as auth from './cases/auth.mjs';
import * as comparison from './cases/comparison.mjs';
import * as door from './cases/door.mjs';
import * as handshake from './cases/handshake.mjs';
import * as keychain from './cases/keychain.mjs';
import * as mcp from './cases/mcp.mjs';
import * as nodeAgents from './cases/node_agents.mjs';
import * as openclaw from './cases/openclaw.mjs';
import * as presence from './cases/presence.mjs';
import * as relay from './cases/relay.mjs';
import * as text from './cases/text.mjs';
import * as twoDaemons from './cases/two_daemons.mjs';
import { Daemon } from './lib/daemon.mjs';
import { Peer } from './lib/peer.mjs';
import { CaseOver, Report } from './lib/report.mjs';
import { Tamper } from './lib/tamper.mjs';

const CASES = [relay, presence, handshake, text, nodeAgents, twoDaemons, auth, comparison, door, mcp, keychain, openclaw, agents];

/** A sabotaged run waits this share of the usual bounds: it is expected to wait in vain. */
const PATIENCE_WHEN_BROKEN = 0.5;

const shell = promisify(execFile);
const given = JSON.parse(process.env.OCMESH_INTEROP ?? '{}');

/** What one run of one case starts, and ends with it. */
class World {
  constructor(tamper) {
    Object.assign(this, { binary: given.ocmesh, relay: given.relay, authRelay: given.auth_relay, python: given.python, openclaw: given.openclaw, agents: given.agents, messages: given.messages ?? 5, tamper, started: [] });
  }

  async daemon(name) {
    const daemon = new Daemon(given.ocmesh, name, [this.tamper?.url ?? this.relay], { OCMESH_HANDSHAKE_PER_MINUTE: '60' });
    this.started.push(daemon);
    return daemon.start();
  }

  async peer(name, { relay: url = this.relay, auth: authenticate = false, granted = false } = {}) {
    const peer = new Peer(name);
    this.started.push({ dispose: () => peer.close() });
    if (granted) await this.grant(peer.pubkey);
    return peer.connect(url, { auth: authenticate });
  }

  async grant(pubkey) {
    const [program, ...args] = given.grant;
    await shell(program, [...args, '--pubkey', pubkey, '--roles', 'rw']);
  }

  async end() {
    for (const one of this.started.reverse()) await one.dispose();
    this.tamper?.stop();
  }
}

/** Runs one case once, whole or broken, and returns its report. */
async function runCase(one, options, rule) {
  const report = new Report(one.name, options);
  const world = new World(rule && (await new Tamper(given.relay, rule).start()));
  try {
    await one.run(report, world);
  } catch (error) {
    if (!(error instanceof CaseOver)) report.fail('the case runs to its end', error.stack ?? error);
  } finally {
    await world.end();
  }
  return report;
}

/** Breaks each case in each of its ways and demands that the right check goes red. Returns passed and failed. */
async function prove(one) {
  let [passed, failed] = [0, 0];
  for (const [broken, how] of Object.entries(one.sabotage)) {
    const { rule, red } = typeof how === 'string' ? { red: how } : how;
    const report = await runCase(one, { broken, red, patience: PATIENCE_WHEN_BROKEN, quiet: true }, rule);
    const caught = report.failures.some((failure) => failure.startsWith(red));
    console.log(`${caught ? 'ok  ' : 'FAIL'} ${one.name}, when ${broken}: ${caught ? `red at "${red}"` : `"${red}" stayed green; red: ${report.failures.join('; ') || 'nothing'}`}`);
    if (caught) passed += 1;
    else failed += 1;
  }
  return { passed, failed };
}

const words = process.argv.slice(2);
const wanted = words.filter((word) => !word.startsWith('--'));
const unknown = wanted.filter((word) => !CASES.some((one) => one.name === word));
if (unknown.length || !given.relay || !given.ocmesh) {
  console.error(unknown.length ? `no such case: ${unknown.join(', ')}` : 'OCMESH_INTEROP is not set: start this with `cargo xtask interop`');
  process.exit(2);
}
let [passed, failed] = [0, 0];
for (const one of CASES.filter((each) => (wanted.length === 0 && !each.apart) || wanted.includes(each.name))) {
  const began = performance.now();
  const result = words.includes('--prove') ? await prove(one) : await runCase(one, {});
  passed += result.passed;
  failed += result.failures?.length ?? result.failed;
  console.log(`     ${one.name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
