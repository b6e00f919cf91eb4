//! One case's findings: `ok` and `FAIL` lines, and how many there were of each.

import { TimedOut } from './wait.mjs';

export class Report {
  /** `broken` names what is sabotaged in this run, `red` the check that must fail for it, `patience` shortens waits that are expected to fail. */
  constructor(name, { broken = null, red = null, patience = 1, quiet = false } = {}) {
    Object.assign(this, { name, broken, red, patience, quiet });
    this.passed = 0;
    this.failures = [];
  }

  /** True when this run is meant to be broken in the named way. */
  breaks(what) {
    return this.broken === what;
  }

  /** A bound in milliseconds, shortened in sabotaged runs. */
  within(ms) {
    return Math.ceil(ms * this.patience);
  }

  note(text) {
    if (!this.quiet) console.log(`     ${this.name}: ${text}`);
  }

  ok(label) {
    this.passed += 1;
    if (!this.quiet) console.log(`ok   ${this.name}: ${label}`);
  }

  fail(label, detail) {
    this.failures.push(detail === undefined ? label : `${label} (${detail})`);
    if (!this.quiet) console.log(`FAIL ${this.name}: ${this.failures.at(-1)}`);
    // What a sabotaged run was to show is shown.
    if (this.red !== null && label.startsWith(this.red)) throw new CaseOver();
  }

  check(condition, label, detail) {
    if (condition) this.ok(label);
    else this.fail(label, detail);
  }

  equal(found, wanted, label) {
    const [f, w] = [JSON.stringify(found), JSON.stringify(wanted)];
    this.check(f === w, label, `found ${f}, wanted ${w}`);
  }

  /** Runs one step whose result the next steps need; a throw or a time-out is a FAIL and ends the case. */
  async step(label, work) {
    try {
      const result = await work();
      this.ok(label);
      return result;
    } catch (error) {
      this.fail(label, error instanceof TimedOut ? error.message : (error.stack ?? error));
      throw new CaseOver();
    }
  }
}

/** Ends a case after a failed step; the failure is already reported. */
export class CaseOver extends Error {}
