//! Waiting on a condition, with a bound. The only place in these scripts that sleeps.

/** How long a loop pauses between two looks, in milliseconds: short beside the one-second goal that is measured with it. */
const LOOK_EVERY_MS = 15;

/** A condition did not become true in time. */
export class TimedOut extends Error {}

/** Waiting longer makes no sense. */
export class Hopeless extends Error {}

/** Waits until `look` returns something truthy and returns it; throws `TimedOut` after `ms`. */
export async function until(what, look, ms) {
  const end = performance.now() + ms;
  let last;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      last = undefined;
    } catch (error) {
      if (error instanceof Hopeless || error instanceof TypeError || error instanceof ReferenceError) throw error;
      last = error;
    }
    if (performance.now() > end) throw new TimedOut(`${what}: not within ${ms} ms${last ? ` (${last.message})` : ''}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Looks again and again for `ms`, and throws as soon as `look` is no longer true: for "and it stays so". */
export async function stays(what, look, ms) {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    if (!(await look())) throw new Error(`${what}: did not stay true`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Unix seconds. */
export const now = () => Math.floor(Date.now() / 1000);
